"""Patches: polygons about the nodes, over which displacement and rotation are averaged.

The patch of a node is a regular hexagon (2D) or icosahedron (3D) that lies wholly inside its joint.
The mesh has cells that fill it exactly, so what is read there is the same functional on every mesh:

    ``u = integral of u(x) / V``,  ``theta = I^-1 integral of x cross u(x)``

with ``x`` counted from the node, the patch's volume ``V`` and its tensor of inertia ``I``. Both
follow small rigid motions exactly. A force at a node, the transpose of the first, is spread evenly
over the patch, and does not turn it. Where widths change, the patch grows in proportion to the
joint, about its node, and takes its cells along.
"""

from collections import Counter
from math import factorial, prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial import ConvexHull, cKDTree

if TYPE_CHECKING:
    from mechlearn.solids.struts import Struts

_ANGLES = np.pi / 3 * np.arange(6)
_GOLDEN = (1 + 5**0.5) / 2
_PAIRS = [(a, b) for a in (1.0, -1.0) for b in (_GOLDEN, -_GOLDEN)]
_ICOSAHEDRON = np.array([np.roll((0.0, *pair), k) for k in range(3) for pair in _PAIRS])
#: Corners of a patch of radius 1 about the origin, by dimension.
CORNERS = {
    2: np.column_stack([np.cos(_ANGLES), np.sin(_ANGLES)]),
    3: _ICOSAHEDRON / (1 + _GOLDEN**2) ** 0.5,
}
#: Corners of its faces.
FACES = {
    2: np.array([(k, (k + 1) % 6) for k in range(6)]),
    3: np.array(sorted(map(sorted, ConvexHull(_ICOSAHEDRON).simplices.tolist()))),
}
#: Volume of a patch of radius 1, and the mean of the squared distance from an axis through it.
VOLUME = {2: 1.5 * 3**0.5, 3: 10 / 3 * _GOLDEN**2 * 2 / (1 + _GOLDEN**2) ** 1.5}
GYRATION = {2: 5 / 12, 3: 0.4 * _GOLDEN**2 / (1 + _GOLDEN**2)}


def patch_of(struts: "Struts", points: NDArray) -> NDArray[np.int64]:
    """Node of the patch that contains each point, -1 for none, (k,)."""
    nodes, dim = struts.network.nodes, struts.network.dim
    node = cKDTree(nodes).query(points)[1]
    normals = CORNERS[dim][FACES[dim]].mean(axis=1)
    offset = (points - nodes[node]) / struts.patch_radius[node, None]
    inside = (offset @ normals.T < np.square(normals).sum(axis=1)).all(axis=1)
    return np.where(inside, node, -1)


def node_rows(
    struts: "Struts", node: NDArray, corners: NDArray, dofs: NDArray, size: int, sides: NDArray
) -> sparse.coo_array:
    """Contributions of patch cells to the functionals of nodal displacement and rotation.

    Parameters
    ----------
    struts : Struts
    node : (c,) integer array
        In whose patch each cell lies.
    corners : (c, d + 1, d) array
        Where the cells' corners are.
    dofs : (c, k) integer array
        Scalar degrees of freedom of the cells: of the corners and, of quadratic cells, of the
        middles of the sides.
    size : int
        How many of them there are.
    sides : (k - d - 1, 2) integer array
        The corners between which those sides are.

    Returns
    -------
    (n c, d size) sparse array
        Rows of the ``c`` components of a node, columns of the ``d`` numbers of a scalar degree of
        freedom.
    """
    d, radius = corners.shape[2], struts.patch_radius[node]
    turns = [(0, 0, 1)] if d == 2 else [(0, 1, 2), (1, 2, 0), (2, 0, 1)]
    width = d + len(turns)
    mean, moment = _integrals(d, sides)
    edges = corners[:, 1:] - corners[:, :1]
    share = np.abs(np.linalg.det(edges)) / factorial(d) / (VOLUME[d] * radius**d)
    means = share[:, None] * mean
    arms = (moment @ (corners - struts.network.nodes[node, None])) * share[:, None, None]
    arms /= (GYRATION[d] * radius**2)[:, None, None]
    parts = [(c, c, means) for c in range(d)]
    for turn, a, b in turns:
        parts += [(d + turn, b, arms[:, :, a]), (d + turn, a, -arms[:, :, b])]
    rows = [np.broadcast_to((width * node + row)[:, None], dofs.shape) for row, _, _ in parts]
    columns = [d * dofs + component for _, component, _ in parts]
    flat = (np.concatenate([a.ravel() for a in arrays])
            for arrays in ([v for _, _, v in parts], rows, columns))  # fmt: skip
    values, row, column = flat
    shape = (width * struts.network.n_nodes, d * size)
    return sparse.coo_array((values, (row, column)), shape=shape)


def _integrals(d: int, sides: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Integrals of the basis over a simplex of volume 1, (k,), also weighted, (k, d + 1).

    The latter, (k, d + 1), are those of its barycentric coordinates.
    """

    def of(*which: int) -> float:
        powers = Counter(which).values()
        return factorial(d) * prod(map(factorial, powers)) / factorial(d + len(which))

    def row(k: int, *more: int) -> float:
        if not len(sides):
            return of(k, *more)
        return 2 * of(k, k, *more) - of(k, *more)

    corners = range(d + 1)
    mean = [row(k) for k in corners] + [4 * of(*side) for side in sides]
    moment = [[row(k, j) for j in corners] for k in corners]
    moment += [[4 * of(*side, j) for j in corners] for side in sides]
    return np.array(mean), np.array(moment)
