"""The scene: what is in a picture of a network, where, and how large. No text, no pyvista here."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mechlearn.network import Network
from mechlearn.render.lines import cell_outline, segments, space
from mechlearn.render.marks import Mark


@dataclass(eq=False)
class Scene:
    """A network with its marks, ready to be drawn.

    Attributes
    ----------
    network : Network
    nodes : (n, d) array
        Where the nodes are drawn.
    colours : (m, 3) array of 0 to 255
        Per bond.
    widths : (m,) array of 0 to 1
        Per bond: thinnest to thickest.
    marks : list of Mark
        Sources and targets.
    supports : integer array
        Nodes that are held.
    ghost : (n, d) array, optional
        Where the nodes are at rest.
    extent : float
        Size of the network.
    thick, mark, arrow : float
        Radius of the thickest bond, radius of a mark and length of an arrow.
    """

    network: Network
    nodes: NDArray[np.float64]
    colours: NDArray[np.uint8]
    widths: NDArray[np.float64]
    marks: list[Mark] = field(default_factory=list)
    supports: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    ghost: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        span = np.ptp(self.network.nodes, axis=0)
        if self.network.periodic:
            span = np.abs(self.network.cell).max(axis=0)
        self.extent = float(np.linalg.norm(span))
        bond = float(np.median(self.network.lengths))
        # In proportion to the bonds, but neither lost in a large network nor burying a small one.
        self.thick = min((0.105 if self.flat else 0.07) * bond, 0.011 * self.extent)
        least = 0.0075 if self.flat else 0.01
        self.mark = float(np.clip(0.13 * bond, least * self.extent, 0.013 * self.extent))
        self.arrow = float(np.clip(0.75 * bond, 0.045 * self.extent, 0.085 * self.extent))

    @property
    def flat(self) -> bool:
        """Whether the network lies in the plane."""
        return self.network.dim == 2

    @property
    def radii(self) -> NDArray[np.float64]:
        """Radius of every bond."""
        return self.thick * (0.16 + 0.84 * np.clip(self.widths, 0, 1))

    def points(self) -> NDArray[np.float64]:
        """Everything that must be in view."""
        parts = [segments(self.network, self.nodes).ends.reshape(-1, 3)]
        if self.ghost is not None:
            parts.append(segments(self.network, self.ghost).ends.reshape(-1, 3))
        if self.network.periodic:
            parts.append(cell_outline(self.network).reshape(-1, 3))
        for mark in self.marks:
            starts, directions = self.arrows(mark)
            parts += [starts, starts + directions * self.arrow]
        return np.concatenate(parts)

    def mark_points(self) -> NDArray[np.float64]:
        """Where sources and targets are."""
        ids = [n for m in self.marks for n in m.nodes]
        return space(self.nodes[ids]) if ids else np.empty((0, 3))

    def nodes_of(self, mark: Mark) -> NDArray[np.float64]:
        """Where a mark's nodes are, shape (k, 3)."""
        return space(self.nodes[mark.nodes])

    def pairs_of(self, mark: Mark) -> NDArray[np.float64]:
        """The lines between a mark's pairs of nodes, shape (k, 2, 3)."""
        ends = [(self.nodes[a], self.nodes[a] + self._apart(a, b)) for a, b in mark.pairs]
        return space(ends) if ends else np.empty((0, 2, 3))

    def arrows(self, mark: Mark) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Where a mark's arrows start, and unit vectors along them, shape (k, 3) each."""
        gap = 1.35 * self.mark
        starts, directions = np.empty((2, 0, 3))
        for place, along, ends_there in mark.arrows(self.network, self.nodes):
            way = space(along)
            back = -(gap + self.arrow) if ends_there else gap
            starts = np.vstack([starts, space(place) + back * way])
            directions = np.vstack([directions, way])
        return starts, directions

    def _apart(self, a: int, b: int) -> NDArray[np.float64]:
        v = self.nodes[b] - self.nodes[a]
        if not self.network.periodic:
            return v
        at_rest = self.network.nodes[b] - self.network.nodes[a]
        return v + self.network.separation(a, b) - at_rest
