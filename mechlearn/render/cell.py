"""Outline and sides of the periodic cell, at rest and deformed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mechlearn.network import Network
from mechlearn.render.lines import space


@dataclass(frozen=True, eq=False)
class Cell:
    """A parallelogram or parallelepiped around the nodes.

    Attributes
    ----------
    corner : (d,) array
        Its low corner.
    vectors : (d, d) array
        Its edges from there, in rows.
    """

    corner: NDArray[np.float64]
    vectors: NDArray[np.float64]

    def edges(self) -> NDArray[np.float64]:
        """All edges, shape (4 or 12, 2, 3); those along one axis after those along another."""
        return np.concatenate([self.edges_along(c) for c in range(len(self.corner))])

    def edges_along(self, axis: int) -> NDArray[np.float64]:
        """The edges along an axis, shape (2 or 4, 2, 3)."""
        d = len(self.corner)
        others = np.stack(np.meshgrid(*[(0, 1)] * (d - 1), indexing="ij"), -1).reshape(-1, d - 1)
        ends = np.stack([np.insert(others, axis, end, axis=1) for end in (0, 1)], axis=1)
        return space(self.corner + ends @ self.vectors)

    def sides(self) -> NDArray[np.float64]:
        """Middles of the low and the high side across every axis, (d, 2, d)."""
        d = len(self.corner)
        middles = np.full((d, 2, d), 0.5)
        middles[np.arange(d), :, np.arange(d)] = [0.0, 1.0]
        return self.corner + middles @ self.vectors

    def deformed(self, strain: NDArray, about: NDArray, shift: NDArray) -> "Cell":
        """Cell under a strain (d, d) with a fixed point, then translated."""
        stretch = np.eye(len(self.corner)) + strain
        return Cell(about + (self.corner - about) @ stretch + shift, self.vectors @ stretch)


def cell_of(network: Network) -> Cell:
    """The cell of a periodic network at rest.

    At the origin where the nodes lie in it there, else centred on them.
    """
    fractions = network.nodes @ np.linalg.inv(network.lattice_vectors)
    corner = np.zeros(network.dim)
    if (fractions < -1e-9).any() or (fractions > 1 + 1e-9).any():
        corner = (fractions.min(axis=0) + fractions.max(axis=0) - 1) / 2
    return Cell(corner @ network.lattice_vectors, network.lattice_vectors)
