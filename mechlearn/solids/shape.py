"""Design velocities: derivatives of mesh points by strut widths.

On the solid's surface the velocity follows from the geometry: a point on the side of strut ``i``
keeps to that side, whose normal speed is ``profile / 2`` per unit of width; a corner keeps to all
surfaces that meet there; tangentially, points are free. Among all velocities that obey this, the
one is taken that is smoothest, ``min of |grad v|^2 + |v / w|^2`` over the mesh, with ``w`` the
local width: the screening lets a strut's velocity die out along its neighbours. What would reach
beyond struts that share a joint with it is cut off, so that a strut's own shape derivative only
involves itself and its joints' surroundings. The patch of a node grows about it in proportion to
its joint, so that what is held, loaded and read there is what it would be on a new mesh. Elsewhere
inside, any extension gives the same derivative of the exact energy; this one keeps the mesh good
for large changes of width.
J. Haslinger, R. A. E. Mäkinen, Introduction to Shape Optimization (2003), chapter 3.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.errors import SolveError
from mechlearn.solids.meshing import SolidMesh, volumes
from mechlearn.solids.outline import SLACK

#: How accurate the smooth extension is, relative; the surface's normal speed is exact regardless.
ACCURACY = 1e-6
#: Velocities smaller than this (per unit of width) are taken for none.
NEGLIGIBLE = 1e-4
#: In 3D, where points of the mesh lie on the surfaces to rounding.
SLACK_IN_SPACE = 1e-4


def velocities(mesh: SolidMesh) -> sparse.csr_array:
    """Derivative of every mesh point by every strut's width, shape (d p, m), point by point.

    Raises
    ------
    SolveError
        Where the extension to the inside does not converge.
    """
    d, struts = mesh.points.shape[1], mesh.struts
    m = struts.network.n_edges
    given, project = _surface(mesh)
    grown, elsewhere = dilations(mesh)
    given, project = elsewhere @ given + grown, elsewhere @ project
    # Points that are images of each other move alike.
    kept, image = np.unique(mesh.first, return_inverse=True)
    spread = sparse.csr_array((np.ones(len(image)), (np.arange(len(image)), image)))
    laplacian = spread.T @ _screened_laplacian(mesh) @ spread
    own = (d * kept[:, None] + np.arange(d)).ravel()
    spread = sparse.kron(spread, sparse.eye_array(d), format="csr")
    given, project = given[own], project[own][:, own]
    stiffness = sparse.kron(laplacian, sparse.eye_array(d), format="csr")
    # Struts of one colour are so far apart that their velocities do not meet.
    near = _neighbours(struts.network.edges, struts.network.n_nodes)
    colour = _colours(near)
    pick = sparse.csr_array((np.ones(m), (np.arange(m), colour)), shape=(m, colour.max() + 1))
    start = (given @ pick).toarray()
    free = _solve(stiffness, project, -(stiffness @ start))
    moved = spread @ (start + free)
    # To whom each velocity belongs: the strut of that colour next to where the point lies.
    point_strut = struts.nearest(mesh.points)
    whose = np.full((m, pick.shape[1]), -1)
    rows, columns = near.nonzero()
    whose[rows, colour[columns]] = columns
    owner = np.repeat(whose[point_strut], d, axis=0)
    row, column = np.nonzero((owner >= 0) & (np.abs(moved) > NEGLIGIBLE))
    found = sparse.csr_array(
        (moved[row, column], (row, owner[row, column])), shape=(d * len(mesh.points), m)
    )
    return sparse.csr_array(elsewhere @ found + grown)


def dilations(mesh: SolidMesh) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Derivatives of patch points, (d p, m), and a diagonal mask of all other points."""
    struts, (p, d) = mesh.struts, mesh.points.shape
    inside = mesh.patch >= 0
    node = np.full(p, -1)
    node[mesh.cells[inside]] = mesh.patch[inside, None]
    point = np.flatnonzero(node >= 0)
    node = node[point]
    away = (mesh.points[point] - struts.network.nodes[node]) / struts.joint_radius[node, None]
    grown = _blocks(away[:, :, None], point, p) @ struts.joint_slopes[node]
    elsewhere = np.ones((p, d))
    elsewhere[point] = 0.0
    return sparse.csr_array(grown), sparse.csr_array(sparse.diags_array(elsewhere.ravel()))


def _surface(mesh: SolidMesh) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Minimal velocities that follow the surfaces (d p, m), and the projection on free motions."""
    p, d = mesh.points.shape
    surface = np.unique(mesh.facets)
    if d == 2:  # discs are polygons: only corners of the outline can lie on two surfaces
        slack = np.where(mesh.level[surface] == 0, SLACK, 0.0)
    else:
        slack = np.full(len(surface), SLACK_IN_SPACE)
    touch = mesh.struts.touching(mesh.points[surface], slack)
    # At most d surfaces decide about a point: the nearest.
    order = np.lexsort((touch.distance, touch.point))
    point = touch.point[order]
    rank = np.arange(len(order)) - np.searchsorted(point, point)
    order, point, rank = order[rank < d], point[rank < d], rank[rank < d]
    normals = np.zeros((len(surface), d, d))
    normals[point, rank] = touch.normals[order]
    # Surfaces that nearly touch would send a corner far away: they count as one.
    inverse = np.linalg.pinv(normals, rcond=0.1)
    speed = touch.speeds()[order]
    spread = _blocks(inverse[point, :, rank][:, :, None], surface[point], p)
    given = sparse.csr_array(spread @ speed)
    inside = np.tile(np.eye(d), (p, 1, 1))
    inside[surface] -= inverse @ normals
    return given, _blocks(inside, np.arange(p), p)


def _blocks(blocks: NDArray, point: NDArray, points: int) -> sparse.csr_array:
    """Sparse matrix from blocks (k, d, c): rows are coordinates of points, columns ``c k``."""
    k, d, c = blocks.shape
    rows = np.broadcast_to((d * point[:, None] + np.arange(d))[:, :, None], blocks.shape)
    columns = np.broadcast_to((c * np.arange(k)[:, None] + np.arange(c))[:, None], blocks.shape)
    return sparse.csr_array(
        (blocks.ravel(), (rows.ravel(), columns.ravel())), shape=(d * points, c * k)
    )


def _screened_laplacian(mesh: SolidMesh) -> sparse.csr_array:
    """Stiffness plus mass over the squared width, of linear elements, (p, p)."""
    points, cells = mesh.points, mesh.cells
    sides = points[cells[:, 1:]] - points[cells[:, :1]]
    gradients = np.linalg.inv(sides).swapaxes(1, 2)
    gradients = np.concatenate([-gradients.sum(axis=1, keepdims=True), gradients], axis=1)
    volume = volumes(points, cells)[:, None, None]
    stiffness = _assembled(mesh, volume * (gradients @ gradients.swapaxes(1, 2)))
    return stiffness + _p1_mass(mesh, mesh.struts.width[mesh.element] ** -2.0)


def _p1_mass(mesh: SolidMesh, density: NDArray) -> sparse.csr_array:
    """Mass matrix of linear elements, (p, p), with a density per cell."""
    corners = mesh.cells.shape[1]
    share = (np.ones((corners, corners)) + np.eye(corners)) / (corners * (corners + 1))
    return _assembled(mesh, (density * volumes(mesh.points, mesh.cells))[:, None, None] * share)


def _assembled(mesh: SolidMesh, local: NDArray) -> sparse.csr_array:
    """Assembly of local matrices (c, d + 1, d + 1) over the points of the mesh, (p, p)."""
    corners = mesh.cells.shape[1]
    rows = np.repeat(mesh.cells, corners, axis=1).ravel()
    columns = np.tile(mesh.cells, (1, corners)).ravel()
    p = len(mesh.points)
    return sparse.csr_array((local.ravel(), (rows, columns)), shape=(p, p))


def _neighbours(edges: NDArray, n: int) -> sparse.csr_array:
    """Adjacency of struts that share a joint, diagonal included, (m, m)."""
    m = len(edges)
    meets = sparse.csr_array((np.ones(2 * m), (np.repeat(np.arange(m), 2), edges.ravel())), (m, n))
    return sparse.csr_array(meets @ meets.T)


def _colours(near: sparse.csr_array) -> NDArray[np.int64]:
    """Greedy colouring such that no strut has two neighbours of one colour."""
    far = sparse.csr_array(near @ near)
    colour = np.full(far.shape[0], -1)
    for i in range(len(colour)):
        taken = colour[far.indices[far.indptr[i] : far.indptr[i + 1]]]
        colour[i] = np.setdiff1d(np.arange(len(taken) + 1), taken)[0]
    return colour


def _solve(matrix: sparse.csr_array, project: sparse.csr_array, load: NDArray) -> NDArray:
    """Solve on the free motions by conjugate gradients, for all columns at once.

    Screening keeps the matrix so well conditioned that its diagonal is preconditioner enough.
    """
    diagonal = 1 / matrix.diagonal()[:, None]
    x = np.zeros(load.shape)
    r = project @ load
    z = project @ (diagonal * r)
    q, rz = z.copy(), (r * z).sum(axis=0)
    goal = ACCURACY**2 * np.where(rz > 0, rz, 1.0)
    for _ in range(1000):
        if (rz <= goal).all():
            return x
        image = project @ (matrix @ q)
        bend = (q * image).sum(axis=0)
        step = np.divide(rz, bend, out=np.zeros_like(rz), where=bend > 0)
        x += step * q
        r -= step * image
        z = project @ (diagonal * r)
        rz, old = (r * z).sum(axis=0), rz
        q = z + np.divide(rz, old, out=np.zeros_like(rz), where=old > 0) * q
    raise SolveError("The design velocities of the struts' widths were not found; refine the mesh.")
