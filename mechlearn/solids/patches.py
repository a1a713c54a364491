"""Patches: a network node's displacement is a weighted mean over the mesh around it.

The mean is ``integral of b u / integral of b`` with the bump ``b = 1 - |x - c|^2 / r^2`` inside the
patch's radius ``r`` and 0 outside, both taken between the mesh's points, and corrected by a linear
factor so that the mean of the position is exactly the node. So it follows rigid motions exactly,
and a force at a node, its transpose, is spread over the joint without turning it.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import cKDTree

from mechlearn.errors import SolveError, listed
from mechlearn.solids.meshing import SolidMesh, volumes


def p1_mass(mesh: SolidMesh, density: NDArray | float = 1.0) -> sparse.csr_array:
    """Mass matrix of linear elements, (p, p), with a density per cell."""
    corners = mesh.cells.shape[1]
    share = (np.ones((corners, corners)) + np.eye(corners)) / (corners * (corners + 1))
    return assembled(mesh, (density * volumes(mesh.points, mesh.cells))[:, None, None] * share)


def assembled(mesh: SolidMesh, local: NDArray) -> sparse.csr_array:
    """The sum of local matrices (c, d + 1, d + 1) on the points of the mesh, (p, p)."""
    corners = mesh.cells.shape[1]
    rows = np.repeat(mesh.cells, corners, axis=1).ravel()
    columns = np.tile(mesh.cells, (1, corners)).ravel()
    p = len(mesh.points)
    return sparse.csr_array((local.ravel(), (rows, columns)), shape=(p, p))


def bumps(mesh: SolidMesh) -> sparse.csr_array:
    """Every patch's bump at the points of the mesh, (n, p)."""
    nodes, radius = mesh.struts.network.nodes, mesh.struts.patch_radius
    inside = cKDTree(mesh.points).query_ball_point(nodes, radius)
    node = np.repeat(np.arange(len(nodes)), [len(i) for i in inside])
    point = np.concatenate([np.asarray(i, dtype=np.int64) for i in inside]).astype(np.int64)
    offset = (mesh.points[point] - nodes[node]) / radius[node, None]
    values = 1 - np.square(offset).sum(axis=1)
    return sparse.csr_array((values, (node, point)), shape=(len(nodes), len(mesh.points)))


def patch_means(mesh: SolidMesh) -> sparse.csr_array:
    """Weights of the mean over every patch, (n, p).

    Raises
    ------
    SolveError
        Where the mesh has too few points in a joint.
    """
    nodes, radius = mesh.struts.network.nodes, mesh.struts.patch_radius
    n, d = nodes.shape
    bump = bumps(mesh).tocoo()
    offset = (mesh.points[bump.col] - nodes[bump.row]) / radius[bump.row, None]
    mass = p1_mass(mesh)
    # The bump times 1, x, y, ...: the terms of the linear factor.
    loads = [
        sparse.csr_array((bump.data * term, (bump.row, bump.col)), shape=bump.shape) @ mass
        for term in (np.ones(len(bump.data)), *offset.T)
    ]
    moments = np.empty((n, d + 1, d + 1))
    for k, load in enumerate(loads):
        moments[:, 0, k] = load.sum(axis=1)
        moments[:, 1:, k] = (load @ mesh.points - moments[:, :1, k] * nodes) / radius[:, None]
    few = np.flatnonzero(np.linalg.cond(moments) > 1e8)
    if len(few):
        raise SolveError(
            f"The mesh has too few points in the joint of node {listed(few)}; use a smaller "
            "mesh_size."
        )
    one = np.zeros((n, d + 1, 1))
    one[:, 0] = 1.0
    factor = np.linalg.solve(moments, one)[..., 0]
    weighted = [sparse.diags_array(factor[:, k]) @ load for k, load in enumerate(loads)]
    return sparse.csr_array(sum(weighted))
