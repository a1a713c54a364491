"""Meshed bodies: simplices as a network of their finite-element nodes, with regions as elements.

The nodes of a body are the corners of its cells, in the order of the file, and of quadratic cells
(order 2) the middles of their sides, which follow. Its bonds are the sides of cells, or their
halves; they are drawn, and carry nothing. Elements are the *regions*, groups of cells, or every
cell by itself. Supports, sources and targets are at nodes, or at a named part: a group of facets or
of cells, whose mean displacement is meant.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError, listed
from mechlearn.network import Network

#: Corners of the sides of triangles and tetrahedra, in the order of their middles in DOLFINx.
SIDES = {
    2: np.array([(1, 2), (0, 2), (0, 1)]),
    3: np.array([(2, 3), (1, 3), (1, 2), (0, 3), (0, 2), (0, 1)]),
}


@dataclass(frozen=True, eq=False)
class Body:
    """Cells of a body, by the nodes of its network.

    Attributes
    ----------
    cells : (c, k) integer array
        Corners of every cell, with positive volume, then the middles of its sides, if any, in the
        order of ``SIDES``.
    element : (c,) integer array
        Which element, a region or a cell, every cell belongs to.
    sets : mapping of names to integer arrays
        Elements of every region.
    facets : mapping of names to (f, j) integer arrays
        Corners, then middles, of the facets of every named part of the boundary.
    """

    cells: NDArray[np.int64]
    element: NDArray[np.int64]
    sets: Mapping[str, NDArray[np.int64]]
    facets: Mapping[str, NDArray[np.int64]]

    @property
    def dim(self) -> int:
        """Dimension of the cells."""
        return 2 if self.cells.shape[1] in (3, 6) else 3

    @property
    def order(self) -> int:
        """Degree of displacements that its nodes carry."""
        return 1 if self.cells.shape[1] == self.dim + 1 else 2

    @property
    def corners(self) -> NDArray[np.int64]:
        """Corners of every cell, (c, d + 1)."""
        return self.cells[:, : self.dim + 1]

    @property
    def n_elements(self) -> int:
        """Number of elements."""
        return int(self.element.max()) + 1

    @property
    def surface(self) -> NDArray[np.int64]:
        """Nodes of the facets that only one cell has."""
        corners, d = np.arange(self.dim + 1), self.dim
        middle = self.order == 2
        facets = []
        for left_out in corners:
            kept = np.delete(corners, left_out)
            sides = d + 1 + np.flatnonzero((SIDES[d] != left_out).all(axis=1))
            facets.append(self.cells[:, np.concatenate([kept, sides]) if middle else kept])
        every = np.concatenate(facets)
        sorted_corners = np.sort(every[:, :d], axis=1)
        first, count = np.unique(sorted_corners, axis=0, return_index=True, return_counts=True)[1:]
        return np.unique(every[first[count == 1]])

    def __str__(self) -> str:
        several = "s" if self.n_elements > 1 else ""
        return f"{len(self.cells):,} cells of {self.n_elements:,} region{several}"

    def table(self, file: str, cell: NDArray | None) -> dict[str, Any]:
        """Table ``[network]`` of the body in a file that mechlearn wrote; periodic in a cell."""
        every = np.array_equal(self.element, np.arange(len(self.cells)))
        table: dict[str, Any] = {"body": file, "regions": "cells" if every else "groups"}
        return table if cell is None else table | {"cell": cell.tolist()}

    def of_regions(self, values: Mapping[str, float], where: str) -> NDArray[np.float64]:
        """Values of all elements from those by the names of regions, (elements,).

        Raises
        ------
        InputError
            For names that are no regions, and regions that are left out.
        """
        wrong = [name for name in values if name not in self.sets]
        missing = [name for name in self.sets if name not in values]
        if wrong or missing:
            what = f"names {wrong[0]!r}" if wrong else f"leaves out {missing[0]!r}"
            raise InputError(f"{where} {what}; the body has the regions {listed(self.sets)}.")
        out = np.empty(self.n_elements)
        for name, value in values.items():
            out[self.sets[name]] = value
        return out

    def mean(self, part: str, nodes: NDArray) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Nodes and their weights in the mean over a named part, boundary or region.

        Raises
        ------
        InputError
            For a name that is neither.
        """
        if part in self.facets:
            simplices, d = self.facets[part], self.dim - 1
        elif part in self.sets:
            simplices, d = self.cells[np.isin(self.element, self.sets[part])], self.dim
        else:
            known = listed(repr(name) for name in (*self.facets, *self.sets))
            raise InputError(f"region = {part!r} is no part of the body; it has {known}.")
        places = nodes[simplices[:, : d + 1]]
        size = _sizes(places)
        n, middles = len(nodes), simplices.shape[1] - d - 1
        # Integrals of the basis over a simplex of size 1.
        each = np.full(d + 1, 1 / (d + 1))
        if middles:
            corner = {1: 1 / 6, 2: 0.0, 3: -1 / 20}[d]
            each = np.r_[np.full(d + 1, corner), np.full(middles, (1 - (d + 1) * corner) / middles)]
        total = np.bincount(simplices.ravel(), (size[:, None] * each).ravel(), n) / size.sum()
        ids = np.unique(simplices)
        return ids, total[ids]


def part_of(
    network: Network, name: str, what: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Nodes of a named part of a network's body, and their weights in the mean over it."""
    if network.body is None:
        raise InputError(f"{what}: region = {name!r} is of a body; name nodes of a network.")
    try:
        return network.body.mean(name, network.nodes)
    except InputError as error:
        raise InputError(f"{what}: {error}") from None


def _sizes(places: NDArray) -> NDArray[np.float64]:
    """Lengths, areas or volumes of simplices, (k, j, d), times the same number each."""
    sides = places[:, 1:] - places[:, :1]
    return np.sqrt(np.maximum(np.linalg.det(sides @ sides.swapaxes(1, 2)), 0.0))
