"""Line segments of bonds, whole or cut by the periodic cell."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.network import Network


@dataclass(frozen=True, eq=False)
class Segments:
    """Straight segments of bonds: whole, bent in pieces, or halves across the cell.

    Attributes
    ----------
    ends : (s, 2, 3) array
    bond : (s,) integer array
        Which bond each piece belongs to.
    fade : (s, 2) array
        How far the ends have left the periodic cell: from 0, at a node, to 1, half-way to a node of
        the neighbouring cell.
    """

    ends: NDArray[np.float64]
    bond: NDArray[np.int64]
    fade: NDArray[np.float64]

    def of(self, which: NDArray[np.bool_]) -> "Segments":
        """Subset of segments, by a mask (s,)."""
        return Segments(self.ends[which], self.bond[which], self.fade[which])


def segments(
    network: Network,
    nodes: NDArray | None = None,
    lines: NDArray | None = None,
    whole: bool = False,
) -> Segments:
    """Segments of a network.

    Parameters
    ----------
    network : Network
    nodes : (n, d) array, optional
        Where its nodes are; at rest if left out.
    lines : (m, k + 1, d) array, optional
        Points along every bond, from its first node to its second or its image, with ``k`` even or
        1; straight lines between the nodes if left out.
    whole : bool
        Whether bonds that cross the periodic cell are drawn as far as the image of their second
        node, instead of one half at either side.
    """
    if lines is None:
        x = network.nodes if nodes is None else nodes
        i, j = network.edges.T
        lines = np.stack([x[i], x[j] + network.images], axis=1)
    ids = np.arange(network.n_edges)
    crossing = network.crossing
    if whole or not crossing.any():
        return _pieces(lines, ids, np.zeros(lines.shape[1]))
    inside, cut = ids[~crossing], ids[crossing]
    through = lines[cut]
    if through.shape[1] == 2:
        through = np.insert(through, 1, through.mean(axis=1), axis=1)
    back = through - network.images[cut, None]
    half = through.shape[1] // 2
    out = np.linspace(0, 1, half + 1)
    parts = [
        _pieces(lines[inside], inside, np.zeros(lines.shape[1])),
        _pieces(through[:, : half + 1], cut, out),
        _pieces(back[:, : half - 1 : -1], cut, out),
    ]
    return Segments(
        *(np.concatenate([getattr(p, f) for p in parts]) for f in ("ends", "bond", "fade"))
    )


def _pieces(lines: NDArray, bond: NDArray, fade: NDArray) -> Segments:
    """The straight pieces of lines (m, k + 1, d) with the fading of their points."""
    k = lines.shape[1] - 1
    ends = np.stack([lines[:, :-1], lines[:, 1:]], axis=2).reshape(-1, 2, lines.shape[2])
    fades = np.tile(np.stack([fade[:-1], fade[1:]], axis=1), (len(lines), 1))
    return Segments(space(ends), np.repeat(bond, k), fades)


def space(points: ArrayLike) -> NDArray[np.float64]:
    """Points with three coordinates, z = 0 in the plane."""
    points = np.asarray(points, dtype=float)
    if points.shape[-1] == 3:
        return points
    return np.concatenate([points, np.zeros((*points.shape[:-1], 1))], axis=-1)


def dashed(ends: NDArray, count: int) -> NDArray[np.float64]:
    """Lines (s, 2, 3) as so many dashes each, shape (s * count, 2, 3)."""
    part = ((np.arange(count)[:, None] + [0.2, 0.8]) / count)[None, :, :, None]
    a, b = ends[:, None, :1], ends[:, None, 1:]
    return ((1 - part) * a + part * b).reshape(-1, 2, 3)
