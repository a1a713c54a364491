"""The lines of a network, whole or cut in two by the periodic cell."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.network import Network


@dataclass(frozen=True, eq=False)
class Segments:
    """Straight pieces to draw: bonds, or the halves of bonds that cross the periodic cell.

    Attributes
    ----------
    ends : (s, 2, 3) array
    bond : (s,) integer array
        Which bond each piece belongs to.
    open : (s, 2) bool array
        Ends that hang in the air, half-way to the neighbouring cell.
    """

    ends: NDArray[np.float64]
    bond: NDArray[np.int64]
    open: NDArray[np.bool_]


def segments(network: Network, nodes: NDArray | None = None) -> Segments:
    """The pieces of a network, with its nodes where ``nodes`` says."""
    x = network.nodes if nodes is None else nodes
    i, j = network.edges.T
    v = x[j] - x[i]
    ids = np.arange(network.n_edges)
    if not network.periodic:
        return Segments(space(np.stack([x[i], x[j]], 1)), ids, np.zeros((len(ids), 2), dtype=bool))
    v = v + network.shifts @ network.cell
    crossing = network.shifts.any(axis=1)
    whole, cut = ids[~crossing], ids[crossing]
    ends = np.concatenate(
        [
            np.stack([x[i[whole]], x[j[whole]]], 1),
            np.stack([x[i[cut]], x[i[cut]] + v[cut] / 2], 1),
            np.stack([x[j[cut]], x[j[cut]] - v[cut] / 2], 1),
        ]
    )
    hangs = np.zeros((len(ends), 2), dtype=bool)
    hangs[len(whole) :, 1] = True
    return Segments(space(ends), np.concatenate([whole, cut, cut]), hangs)


def space(points: ArrayLike) -> NDArray[np.float64]:
    """Points of the plane or of space with three coordinates."""
    points = np.asarray(points, dtype=float)
    if points.shape[-1] == 3:
        return points
    return np.concatenate([points, np.zeros((*points.shape[:-1], 1))], axis=-1)


def cell_outline(network: Network) -> NDArray[np.float64]:
    """The edges of the periodic cell, shape (4 or 12, 2, 3), around the nodes."""
    d = network.dim
    fractions = network.nodes @ np.linalg.inv(network.cell)
    corner = np.zeros(d)
    if (fractions < -1e-9).any() or (fractions > 1 + 1e-9).any():
        # Centred on the nodes where those do not lie in the cell at the origin.
        corner = (fractions.min(axis=0) + fractions.max(axis=0) - 1) / 2
    corners = np.stack(np.meshgrid(*[(0, 1)] * d, indexing="ij"), -1).reshape(-1, d)
    pairs = [
        (a, b) for k, a in enumerate(corners) for b in corners[k + 1 :] if np.abs(a - b).sum() == 1
    ]
    return space((corner + np.array(pairs)) @ network.cell)
