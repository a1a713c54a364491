"""Symmetry of a network: classes of elements that are images of each other."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from mechlearn.errors import InputError, listed
from mechlearn.network import Network

#: Symmetry operations about the centre: mirrors, and turns about the last axis (2D: in the plane).
type Operation = Literal[
    "mirror_x", "mirror_y", "mirror_z", "rotation_2", "rotation_3", "rotation_4", "rotation_6"
]
#: Images may lie off by this part of the mean bond's length.
TOLERANCE = 1e-6
#: Weights by which the nodes of a tuple are told apart.
ROLES = {"triples": (1, 2, 1), "quadruples": (1, 2, 2, 1)}


def symmetry_classes(
    network: Network,
    operations: Sequence[Operation],
    table: str = "edges",
    centre: Sequence[float] | None = None,
) -> NDArray[np.int64]:
    """Number of the class of every element, (m,), of those that operations map on each other.

    Parameters
    ----------
    network : Network
    operations : sequence of str
        Mirrors and turns, all about the centre.
    table : str
        The table of the elements: "edges", or a name of node tuples.
    centre : sequence of float, optional
        Of the symmetry; the middle of the nodes' extent where left out.

    Raises
    ------
    InputError
        For an operation that the dimension does not have, and elements without an image.
    """
    x = network.nodes
    middle = (x.min(axis=0) + x.max(axis=0)) / 2 if centre is None else np.asarray(centre, float)
    if middle.shape != (network.dim,):
        raise InputError(f"centre = {list(middle)} needs {network.dim} coordinates.")
    at, shape = _places(network, table)
    m, unit = len(at), float(network.lengths.mean())
    tree = cKDTree(_features(network, at, shape, unit), boxsize=_period(network, shape))
    first, second = [np.arange(m)], [np.arange(m)]
    for name in operations:
        turn = _matrix(name, network.dim)
        there = (at - middle) @ turn.T + middle
        turned = np.einsum("ij,mjk,lk->mil", turn, shape, turn)
        far, image = tree.query(_features(network, there, turned, unit))
        lost = np.flatnonzero(far > TOLERANCE)
        if len(lost):
            raise InputError(
                f"symmetry = {name!r}: {len(lost)} of {m} {table} have no image about the centre "
                f"{[float(f'{c:.4g}') for c in middle]}, such as {listed(lost[:3])}; give another "
                "centre, or a network that is symmetric."
            )
        first.append(np.arange(m))
        second.append(image)
    rows, columns = np.concatenate(first), np.concatenate(second)
    images = sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=(m, m))
    return connected_components(images, directed=False)[1].astype(np.int64)


def _places(network: Network, table: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres of elements, (m, d), and second moments of their nodes about these, (m, d, d).

    Nodes in the middle of triples and quadruples count twice: three nodes make three angles.
    """
    weights = np.array(ROLES.get(table, (1,)))[:, None]
    if table == "edges":
        nodes = network.nodes[network.edges[:, 0], None] + np.stack(
            [np.zeros_like(network.vectors), network.vectors], axis=1
        )
    else:
        nodes = network.tuple_places(table).copy()
        nodes[network.tuples[table] < 0] = np.nan  # of polygons with fewer corners
    shares = np.where(np.isnan(nodes), 0.0, weights)
    centre = np.nansum(shares * nodes, axis=1) / shares.sum(axis=1)
    off = np.nan_to_num(nodes - centre[:, None])
    return centre, np.einsum("mki,mkj->mij", shares * off, off)


def _features(network: Network, at: NDArray, shape: NDArray, unit: float) -> NDArray[np.float64]:
    """Numbers by which an element is told, (m, d + d d), in mean bonds; of cells as fractions."""
    if network.periodic:
        # Half a tolerance off, so that what lies on the cell's boundary is on one side of it.
        at = (at @ np.linalg.inv(network.lattice_vectors) + TOLERANCE / 2) % 1.0
    else:
        at = at / unit
    return np.hstack([at, shape.reshape(len(at), -1) / unit**2])


def _period(network: Network, shape: NDArray) -> NDArray[np.float64] | None:
    """Periods of the features, 0 where they have none."""
    if not network.periodic:
        return None
    return np.r_[np.ones(network.dim), np.zeros(shape[0].size)]


def _matrix(name: str, dim: int) -> NDArray[np.float64]:
    """Orthogonal matrix of an operation."""
    kind, _, which = name.partition("_")
    out = np.eye(dim)
    if kind == "mirror":
        if which not in "xyz"[:dim]:
            raise InputError(f"symmetry = {name!r}: a network in {dim}D has no such plane.")
        out["xyz".index(which)] *= -1
        return out
    angle = 2 * np.pi / int(which)
    out[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return out
