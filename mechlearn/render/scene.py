"""Scenes: geometry and sizes of all that a picture of a network shows, without text."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mechlearn.network import Network
from mechlearn.render.colours import CELL, GHOST, REMOVED, SOURCE, SUPPORT, TARGET
from mechlearn.render.deformation import strained
from mechlearn.render.geometry import (
    MARGIN,
    Cell,
    Projection,
    Segments,
    cell_of,
    dashed,
    fit_projection,
    segments,
    space,
    viewing_direction,
)
from mechlearn.render.marks import Mark, apart
from mechlearn.render.tuples import SHAPES, faces

#: Dashes that stand for a bond that was removed, and for an edge of the cell that is wanted.
DASHES, DASHES_OF_CELL = 6, 30


@dataclass(frozen=True, eq=False)
class Solid:
    """Deformed body of solid struts.

    Attributes
    ----------
    points : (p, d) array
    cells : (c, d + 1) integer array
    colours : (c, 3) array of 0 to 255
        Per cell.
    """

    points: NDArray[np.float64]
    cells: NDArray[np.int64]
    colours: NDArray[np.uint8]

    def rim(self) -> NDArray[np.int64]:
        """The edges of triangles that belong to one of them only, (r, 2)."""
        edges = np.sort(self.cells[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
        edges, count = np.unique(edges, axis=0, return_counts=True)
        return edges[count == 1]


@dataclass(eq=False)
class Scene:
    """Network with its marks, ready for drawing.

    Attributes
    ----------
    network : Network
        At rest.
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
    ghost : bool
        Whether the network at rest is drawn behind.
    strain : (d, d) array, optional
        Of the periodic cell as it is drawn.
    lines : (m, k + 1, d) array, optional
        Points along bonds that are bent.
    solid : Solid, optional
        Drawn in place of the bonds.
    true_radii : (m,) array, optional
        Radii of the bonds in units of length, in place of ``widths``.
    whole : bool
        Whether bonds that cross the periodic cell are drawn whole.
    factor : float
        By how much displacements are amplified.
    removed : (m,) bool array, optional
        Bonds that are not there any more, drawn as dashes.
    tuples : dict of names of tables to (t, 3) arrays of 0 to 255
        Colours of elements on node tuples, drawn as faces.
    quick : bool
        Whether few facets are drawn in space, for a picture that is soon replaced by another.
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
    ghost: bool = False
    strain: NDArray[np.float64] | None = None
    lines: NDArray[np.float64] | None = None
    solid: Solid | None = None
    true_radii: NDArray[np.float64] | None = None
    whole: bool = False
    factor: float = 1.0
    removed: NDArray[np.bool_] | None = None
    tuples: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    quick: bool = False

    def __post_init__(self) -> None:
        span = np.ptp(self.network.nodes, axis=0)
        if self.network.periodic:
            span = np.abs(self.network.lattice_vectors).max(axis=0)
        self.extent = float(np.linalg.norm(span))
        bond = float(np.median(self.network.lengths))
        # In proportion to the bonds, but neither lost in a large network nor burying a small one.
        self.thick = min((0.105 if self.flat else 0.07) * bond, 0.011 * self.extent)
        least = 0.0075 if self.flat else 0.01
        self.mark = float(np.clip(0.13 * bond, least * self.extent, 0.013 * self.extent))
        self.arrow = float(np.clip(0.75 * bond, 0.045 * self.extent, 0.085 * self.extent))

    @property
    def flat(self) -> bool:
        """True for a network in the plane."""
        return self.network.dim == 2

    @property
    def radii(self) -> NDArray[np.float64]:
        """Radius of every bond."""
        radii = self.true_radii
        if radii is None:
            radii = self.thick * (0.16 + 0.84 * np.clip(self.widths, 0, 1))
            if self.chain.any():  # whose contacts would hide it
                radii = np.where(self.chain, self.thick, 0.4 * radii)
        return radii if self.removed is None else np.where(self.removed, 0.0, radii)

    @cached_property
    def chain(self) -> NDArray[np.bool_]:
        """Of a protein, the bonds along its chains, drawn as one tube; (m,)."""
        m = self.network.n_edges
        if self.flat or "residue" not in self.network.node_data:
            return np.zeros(m, dtype=bool)
        return np.isin(np.arange(m), self.network.edge_sets.get("backbone", ()))

    @property
    def thin(self) -> float:
        """Radius of thin lines."""
        return max(0.15 * self.thick, 0.0007 * self.extent)

    def pieces(self) -> Segments:
        """Line segments of the bonds."""
        made = segments(self._deformed, self.nodes, self.lines, self.whole)
        return made if self.removed is None else made.of(~self.removed[made.bond])

    def dashes(self) -> NDArray[np.float64]:
        """Dashes where bonds were removed, shape (k, 2, 3)."""
        if self.removed is None or not self.removed.any():
            return np.empty((0, 2, 3))
        made = segments(self._deformed, self.nodes, whole=self.whole)
        return dashed(made.of(self.removed[made.bond]).ends, DASHES)

    def faces(self) -> Iterator[tuple[list[NDArray[np.float64]], NDArray[np.uint8]]]:
        """Polygons of elements on node tuples, (k, d) each, and their colours, back to front."""
        for table in sorted(self.tuples, key=list(SHAPES).index):
            rows, net = self.network.tuples[table], self._deformed
            places = self.nodes[rows]
            if net.periodic:
                places = places + self.network.tuple_shifts[table] @ net.lattice_vectors
            polygons, number = faces(table, rows, places)
            if polygons:
                yield polygons, self.tuples[table][number]

    def rest(self) -> Segments:
        """Line segments of the bonds at rest, where shown; of a body, of its surface alone."""
        rest = segments(self.network, whole=self.whole)
        if self.network.body is None:
            return rest
        outer = np.isin(self.network.edges, self.network.body.surface).all(axis=1)
        return rest.of(outer[rest.bond])

    def to_images(self) -> Segments:
        """The bonds from node to node, straight, to images of nodes where they cross the cell."""
        return segments(self._deformed, self.nodes, whole=True)

    @cached_property
    def _deformed(self) -> Network:
        """Network in the deformed cell."""
        return self.network if self.strain is None else strained(self.network, self.strain)

    @cached_property
    def cell(self) -> Cell:
        """Deformed periodic cell."""
        return self.rest_cell if self.strain is None else self._cell(self.strain)

    @cached_property
    def rest_cell(self) -> Cell:
        """The periodic cell at rest."""
        return cell_of(self.network)

    def _cell(self, strain: NDArray) -> Cell:
        """The periodic cell under a strain, around the nodes as they are drawn."""
        middle = self.network.nodes.mean(axis=0)
        return self.rest_cell.deformed(strain, middle, self.nodes.mean(axis=0) - middle)

    def points(self) -> NDArray[np.float64]:
        """All points that must be visible."""
        parts = [self.pieces().ends.reshape(-1, 3)]
        if self.solid is not None:
            parts.append(space(self.solid.points))
        if self.true_radii is not None:
            corner = np.full(3, float(self.true_radii.max())) * ([1, 1, 0] if self.flat else 1)
            parts += [parts[0].min(axis=0)[None] - corner, parts[0].max(axis=0)[None] + corner]
        if self.ghost:
            parts.append(self.rest().ends.reshape(-1, 3))
        if self.network.periodic:
            cells = (self.cell, self.rest_cell) if self.ghost else (self.cell,)
            parts += [cell.edges().reshape(-1, 3) for cell in cells]
        for mark in self.marks:
            starts, directions = self.arrows(mark)
            parts += [starts, starts + directions * self.arrow]
            parts += [a.reshape(-1, 3) for a in (self.wanted_edges(mark), self.pairs_of(mark))]
        return np.concatenate(parts)

    def viewing_direction(self) -> NDArray[np.float64]:
        """Best viewing direction, from the network at rest."""
        rest = replace(self, nodes=self.network.nodes, strain=None, solid=None, lines=None)
        at = [rest.anchors_of(m) for m in self.marks]
        arrows = [rest.arrows(m)[1] for m in self.marks]
        middle = space(self.network.nodes.mean(axis=0))
        none = np.empty((0, 3))
        places = (np.vstack([none, *at]) - middle) / self.extent
        return viewing_direction(places, np.vstack([none, *arrows]))

    def projection(
        self,
        size: tuple[int, int],
        margin: tuple[float, float] = MARGIN,
        points: NDArray | None = None,
    ) -> Projection:
        """Projection of all that is drawn, or of ``points``, onto so many pixels."""
        points = self.points() if points is None else points
        return fit_projection(points, self.network.dim, size, self.viewing_direction(), margin)

    def nodes_of(self, mark: Mark) -> NDArray[np.float64]:
        """Places of a mark's nodes, shape (k, 3)."""
        return space(self.nodes[mark.nodes])

    def anchors_of(self, mark: Mark) -> NDArray[np.float64]:
        """Anchors of a mark's label, shape (k, 3).

        Its nodes; of the periodic cell its arrows, or where there are none, sides.
        """
        if not mark.cell:
            return self.nodes_of(mark)
        starts, directions = self.arrows(mark)
        if len(starts):
            return starts + 0.5 * self.arrow * directions
        axes = [c for c, x in enumerate("xyz"[: self.network.dim]) if x in "".join(mark.cell)]
        return space(self.cell.sides()[axes or list(range(self.network.dim)), 1])

    def radius_of(self, mark: Mark) -> float:
        """Radius of the symbol of a mark."""
        if mark.cell:
            return 0.5 * self.mark
        return (1.9 if len(self.wanted_of(mark)) else 1.35) * self.mark

    def legend(self) -> list[tuple[str, str, str]]:
        """Sign, words and colour of everything drawn beside the bonds."""
        sources = [m for m in self.marks if m.is_source]
        targets = [m for m in self.marks if not m.is_source]
        # Those of the cell alone are seen by their arrows.
        signs = ["►" if all(m.cell for m in marks) else "●" for marks in (sources, targets)]
        entries = [
            (sources, signs[0], "source", SOURCE),
            (targets, signs[1], "target", TARGET),
            (any(len(self.wanted_of(m)) for m in targets), "○", "wanted place", TARGET),
            (any(len(self.wanted_edges(m)) for m in targets), "┅", "wanted side", TARGET),
            (len(self.supports), "■", "support", SUPPORT),
            (self.ghost, "━", "at rest", GHOST),
            (len(self.dashes()), "┅", "removed", REMOVED),
            (self.network.periodic, "━", "periodic cell", CELL),
        ]
        return [(sign, words, colour) for there, sign, words, colour in entries if there]

    def support_sizes(self) -> NDArray[np.float64]:
        """Half the side of every support's box, larger below another mark."""
        covered = [n for m in self.marks for n in m.nodes]
        return self.mark * np.where(np.isin(self.supports, covered), 1.6, 0.85)

    def wanted_of(self, mark: Mark) -> NDArray[np.float64]:
        """Wanted places of a target's nodes, shape (k, 3); empty in space, and where undefined."""
        if not self.flat:
            return np.empty((0, 3))
        places = mark.wanted_places(self.network, self.nodes, self.factor, self.strain)
        return space(places) if len(places) else np.empty((0, 3))

    def wanted_edges(self, mark: Mark) -> NDArray[np.float64]:
        """Dashes at wanted places of the cell's sides, shape (k, 2, 3).

        In the plane only; what it does not ask about is as it is drawn.
        """
        wanted = mark.wanted_strain() if self.flat else {}
        if not wanted:
            return np.empty((0, 2, 3))
        strain = np.zeros((2, 2)) if self.strain is None else self.strain.copy()
        for place, value in wanted.items():
            strain[place] = self.factor * value
        cell = self._cell(strain)
        edges = [cell.edges_along(1 - across) for across in sorted({a for a, _ in wanted})]
        return dashed(np.concatenate(edges), DASHES_OF_CELL)

    def pairs_of(self, mark: Mark) -> NDArray[np.float64]:
        """The lines between a mark's pairs of nodes, shape (k, 2, 3)."""
        ends = [
            (self.nodes[a], self.nodes[a] + apart(self.network, self.nodes, a, b, self.strain))
            for a, b in mark.pairs
        ]
        return space(ends) if ends else np.empty((0, 2, 3))

    def arrows(self, mark: Mark) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Starts and unit vectors of a mark's arrows, shape (k, 3) each."""
        gap = 1.35 * self.mark
        starts, directions = np.empty((2, 0, 3))
        arrows = mark.arrows(self.network, self.nodes, self.strain)
        arrows += [a for load in mark.cell_arrows(self.network.dim) for a in self._at_sides(*load)]
        for place, along, ends_there in arrows:
            way = space(along)
            back = -(gap + self.arrow) if ends_there else gap
            starts = np.vstack([starts, space(place) + back * way])
            directions = np.vstack([directions, way])
        return starts, directions

    def _at_sides(
        self, across: int, way: int, sign: float
    ) -> list[tuple[NDArray[np.float64], NDArray[np.float64], bool]]:
        """Arrows at both sides across an axis of the periodic cell, as :meth:`Mark.arrows`."""
        out = []
        low, high = self.cell.sides()[across]
        outward = (high - low) / np.linalg.norm(high - low)
        for place, end in ((low, -1.0), (high, 1.0)):
            along = np.zeros(self.network.dim)
            along[way] = sign * end
            if across == way:
                out.append((place, along, sign < 0))
            else:  # beside the side, from its middle: there is room for an arrow across it
                out.append((place + 2 * self.mark * end * outward, along, False))
        return out
