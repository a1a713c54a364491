"""Struts across the boundary of a periodic cell: their pieces, and their images.

What is meshed of a periodic network are its nodes where they lie, with the struts between them; of
a strut that leaves the cell each end has its piece, up to a cut. So no joint is ever cut, and cuts,
square to their struts, are images of each other.
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mechlearn.network import Network, pieces

#: What is said of bodies that overlap with their images.
OVERLAPS = (
    "Struts or joints overlap with images of others across the cell without meeting at a node; "
    "make struts thinner."
)
#: By how much of a cell, rounding, places may be farther from each other than whole cells.
NEAR = 1e-5


@dataclass(frozen=True, eq=False)
class Pieces:
    """Struts, or parts of them, where they lie in the mesh.

    Attributes
    ----------
    strut : (q,) integer array
        Every strut once; those across the cell twice.
    origin : (q, d) array
        Where the first end of the strut is, if the piece is where it lies.
    low, high : (q,) arrays
        The places along the strut, 0 to 1, between which the piece is.
    """

    strut: NDArray[np.int64]
    origin: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def halves(self) -> NDArray[np.int64]:
        """Pieces that end in a cut, (c, 2): at the first node, and at the second."""
        return np.stack([np.flatnonzero(self.high < 1), np.flatnonzero(self.low > 0)], axis=1)


def _moved(network: Network, moved: NDArray, step: NDArray) -> Network:
    """The same periodic network by other images of some nodes, (n,) bools, a step of cells away."""
    assert network.shifts is not None
    one, other = moved[network.edges].T.astype(int)
    shifts = network.shifts + (one - other)[:, None] * step
    nodes = network.nodes + moved[:, None] * (step @ network.lattice_vectors)
    return replace(network, nodes=nodes, shifts=shifts)


def cut_elsewhere(network: Network, uncut: NDArray[np.bool_]) -> Network:
    """Periodic network in which fewer bonds of a mask cross the cell, by other images of nodes."""
    assert network.shifts is not None
    while True:
        bad = np.flatnonzero(uncut & network.crossing)
        ends = ((network.edges[b, k], (1 - 2 * k) * network.shifts[b]) for b in bad for k in (0, 1))
        tried = [_moved(network, np.arange(network.n_nodes) == n, -s) for n, s in ends]
        left = [np.count_nonzero(uncut & other.crossing) for other in tried]
        if not left or min(left) >= len(bad):
            return network
        network = tried[int(np.argmin(left))]


def joined(network: Network) -> Network:
    """Periodic network whose bonds inside the cell hold it together, by other images of nodes.

    So it stays one body when the others are cut.
    """
    shifts = network.shifts
    while shifts is not None:
        part = pieces(network.edges[~network.crossing], network.n_nodes)
        first, second = part[network.edges].T
        apart = np.flatnonzero((first == 0) != (second == 0))
        if not len(apart):
            break
        # The part beyond a bond moves by as many cells as that crosses.
        bond = apart[np.argmin(np.abs(shifts[apart]).sum(axis=1))]
        outward = first[bond] == 0
        moved = part == (second if outward else first)[bond]
        network = _moved(network, moved, shifts[bond] if outward else -shifts[bond])
        shifts = network.shifts
    return network


def translations_within(places: NDArray, cell: NDArray) -> NDArray[np.int64]:
    """Translations by whole cells, (t, d), that may bring places on each other; none first."""
    far = np.ceil(np.ptp(np.linalg.solve(cell.T, places.T), axis=1) - NEAR).astype(int)
    return np.array(sorted(product(*(range(-n, n + 1) for n in far)), key=any))


def with_images(network: Network) -> tuple[NDArray[np.int64], NDArray, NDArray[np.int64]]:
    """Struts, and all their images that may come near them.

    Returns
    -------
    strut : (k,) integer array
        Whose image each is; the struts themselves come first.
    ends : (k, 2, d) array
    nodes : (k, 2) integer array
        Numbers of the nodes at the ends, which tell images of a node apart.
    """
    start = network.nodes[network.edges[:, 0]]
    strut, ends = np.arange(network.n_edges), np.stack([start, start + network.vectors], axis=1)
    if network.cell is None or network.shifts is None:
        return strut, ends, network.edges
    d, cell = network.dim, network.cell
    steps = translations_within(ends.reshape(-1, d), cell)
    images = steps[:, None, None] + np.stack([0 * network.shifts, network.shifts], axis=1)
    number = np.unique(images.reshape(-1, d), axis=0, return_inverse=True)[1].reshape(-1, 2)
    nodes = number * network.n_nodes + np.tile(network.edges, (len(steps), 1))
    ends = (ends + (steps @ cell)[:, None, None]).reshape(-1, 2, d)
    return np.tile(strut, len(steps)), ends, nodes


def strut_pairs(pairs: NDArray, strut: NDArray, count: int) -> NDArray[np.int64]:
    """Pairs of struts, each once and in order, of pairs among images, (k, 2).

    Those between two images are images of others, which one of the first ``count`` is in.
    """
    return np.unique(np.sort(strut[pairs[pairs.min(axis=1) < count]], axis=1), axis=0)


def rod_overlaps(strut: NDArray, ends: NDArray, node: NDArray, width: NDArray) -> NDArray[np.int64]:
    """Pairs of round struts that overlap and share no node, (k, 2), in order.

    Of struts and images of them, as :func:`with_images` returns, and the
    ``width`` of every strut.
    """
    reach = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).max() + width.max()
    near = cKDTree(ends.mean(axis=1)).query_pairs(reach, output_type="ndarray")
    near = near[near.min(axis=1) < len(width)]
    a, b = near[np.lexsort((near[:, 1], near[:, 0]))].T
    share = (node[a][:, :, None] == node[b][:, None, :]).any(axis=(1, 2))
    a, b = a[~share], b[~share]
    p, q = ends[a, 0], ends[b, 0]
    u, v = ends[a, 1] - p, ends[b, 1] - q
    uu, vv, uv = (np.einsum("kd,kd->k", x, y) for x, y in ((u, u), (v, v), (u, v)))
    w = p - q
    uw, vw = np.einsum("kd,kd->k", u, w), np.einsum("kd,kd->k", v, w)
    # Alternate projections settle on the nearest points of two segments (a convex problem).
    t = np.full(len(a), 0.5)
    for _ in range(50):
        s = np.clip((uv * t - uw) / uu, 0, 1)
        t = np.clip((uv * s + vw) / vv, 0, 1)
    gap = np.linalg.norm(w + s[:, None] * u - t[:, None] * v, axis=1)
    close = gap < (width[strut[a]] + width[strut[b]]) / 2
    return strut_pairs(np.stack([a, b], axis=1)[close], strut, len(width))
