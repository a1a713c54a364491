"""Conversion of mesh cells to bonds: lines, edges of other cells, sets of both."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mechlearn.attributes import BOX
from mechlearn.errors import InputError, listed

#: Corners of a cell of each family, and its edges, in the order in which VTK and meshio count the
#: nodes in the middle of edges.
FAMILIES: dict[str, tuple[int, list[tuple[int, int]]]] = {
    "line": (2, [(0, 1)]),
    "triangle": (3, [(0, 1), (1, 2), (2, 0)]),
    "quad": (4, [(0, 1), (1, 2), (2, 3), (3, 0)]),
    "tetra": (4, [(0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3)]),
    "pyramid": (5, [(0, 1), (1, 2), (2, 3), (3, 0), (0, 4), (1, 4), (2, 4), (3, 4)]),
    "wedge": (6, [(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3), (0, 3), (1, 4), (2, 5)]),
    "hexahedron": (
        8,
        [(0, 1), (1, 2), (2, 3), (3, 0), (4, 5), (5, 6), (6, 7), (7, 4),
         (0, 4), (1, 5), (2, 6), (3, 7)],
    ),
}  # fmt: skip
#: Nodes of quadratic cells, whose middle nodes follow the corners in the order of the edges.
QUADRATIC = {
    "triangle": (6, 7), "quad": (8, 9), "tetra": (10,), "pyramid": (13, 14),
    "wedge": (15, 18), "hexahedron": (20, 24, 27),
}  # fmt: skip
#: Dimension of the cells of a family, where it is not 3.
DIMENSIONS = {"vertex": 0, "line": 1, "polyline": 1, "triangle": 2, "quad": 2, "polygon": 2,
              "strip": 2}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Block:
    """Cells of one kind and number of nodes, with their numbers among all cells of the mesh.

    Kinds are families (line, triangle, ...), ``vertex``, ``polyline``, ``polygon``, ``strip`` (of
    triangles), ``pairs`` (the ends of all edges) or unknown ones, under any name.
    """

    kind: str
    nodes: NDArray[np.int64]
    ids: NDArray[np.int64]

    @property
    def dim(self) -> int:
        """Dimension of the cells."""
        return DIMENSIONS.get(self.kind, 3)


@dataclass(eq=False)
class Mesh:
    """Points, cells and data of a mesh file."""

    points: NDArray[np.float64]
    blocks: list[Block]
    point_data: dict[str, NDArray] = field(default_factory=dict)
    cell_data: dict[str, NDArray] = field(default_factory=dict)
    point_sets: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    cell_sets: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    labels: list[str] | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return sum(len(b.nodes) for b in self.blocks)

    def counts(self) -> str:
        """Kinds of cells and how many there are, for messages."""
        return counted([(kind_name(b), len(b.nodes)) for b in self.blocks]) or "no cells"


@dataclass(frozen=True, eq=False)
class Bonds:
    """Pairs of points, the cell of each, and a mask of those that are line cells."""

    pairs: NDArray[np.int64]
    cells: NDArray[np.int64]
    lines: NDArray[np.bool_]


def counted(kinds: Iterable[tuple[str, int]]) -> str:
    """Sums of numbers by kind, in words."""
    found = Counter[str]()
    for kind, n in kinds:
        found[kind] += n
    return listed([f"{n} {kind}" for kind, n in found.items()]) if found else ""


def kind_name(block: Block) -> str:
    """The kind of cells with the number of their nodes, where that is not the least."""
    corners = FAMILIES.get(block.kind, (0,))[0]
    width = block.nodes.shape[1]
    if block.kind == "pairs":
        return "polyhedron"
    return block.kind + (str(width) if corners and width != corners else "")


def bonds_of(mesh: Mesh) -> Bonds:
    """Lines and edges of all cells, of each pair of points once; notes tell of choices made.

    Where there are lines, they come first and keep their order and direction; edges of other cells
    follow, each between the lower and the higher point. Nodes in the middle of edges are left out,
    unless another cell has a corner there.

    Raises
    ------
    InputError
        For cells that have no edges known here, two different lines between the same points, and
        cells of points that are not there.
    """
    _refuse_unknown(mesh)
    corners = np.zeros(len(mesh.points), dtype=bool)
    for b in mesh.blocks:
        corners[b.nodes[:, : FAMILIES.get(b.kind, (b.nodes.shape[1],))[0]]] = True
    parts = [part for b in mesh.blocks if b.kind != "vertex" for part in _edges(b, corners)]
    if not parts:
        raise InputError(f"It holds no lines, and no cells with edges (it holds {mesh.counts()}).")
    pairs, cells, order, lines = (np.concatenate(column) for column in zip(*parts, strict=True))
    pairs, cells, lines = (a[np.lexsort((order, cells, ~lines))] for a in (pairs, cells, lines))
    pairs = np.where(lines[:, None], pairs, np.sort(pairs, axis=1))
    _say_what_is_left_out(mesh, corners)
    return Bonds(pairs, cells, lines)


def _refuse_unknown(mesh: Mesh) -> None:
    known = {*FAMILIES, "vertex", "polyline", "polygon", "strip", "pairs"}
    unknown: list[tuple[str, int]] = []
    for b in mesh.blocks:
        if b.kind not in known or b.nodes.shape[1] < FAMILIES.get(b.kind, (1,))[0]:
            unknown.append((kind_name(b), len(b.nodes)))
        elif b.nodes.size and not (0 <= b.nodes.min() and b.nodes.max() < len(mesh.points)):
            raise InputError(
                f"A cell names point {b.nodes.max() if b.nodes.min() >= 0 else b.nodes.min()}, but "
                f"there are {len(mesh.points)} points, numbered from 0."
            )
    if unknown:
        raise InputError(
            f"It holds {counted(unknown)}, whose edges are "
            f"not known here (all it holds: {mesh.counts()}); take them out, or make lines of them."
        )


def _edges(
    block: Block, corners: NDArray[np.bool_]
) -> list[tuple[NDArray, NDArray, NDArray, NDArray]]:
    """Pairs, cells, places within the cell, and whether they are lines."""
    out = []
    for place, path in enumerate(_paths(block.kind, block.nodes.shape[1])):
        for k, (rows, pair) in enumerate(_split(block.nodes[:, path], corners)):
            line = np.full(len(rows), block.dim == 1)
            out.append((pair, block.ids[rows], np.full(len(rows), 1000 * place + k), line))
    return out


def _paths(kind: str, width: int) -> Sequence[tuple[int, ...]]:
    """Places of the nodes along every edge of a cell of ``width`` nodes."""
    if kind == "line":
        return [(0, *range(2, width), 1)]
    if kind in FAMILIES:
        first, edges = FAMILIES[kind]
        middle = width in QUADRATIC.get(kind, ())
        return [(a, first + k, b) if middle else (a, b) for k, (a, b) in enumerate(edges)]
    steps = [(k, k + 1) for k in range(width - 1)]
    return {
        "polyline": steps,
        "polygon": [(k - 1, k) for k in range(width)],
        "strip": [*steps, *((k, k + 2) for k in range(width - 2))],
        "pairs": steps[::2],
    }[kind]


def _split(path: NDArray[np.int64], corners: NDArray[np.bool_]) -> list[tuple[NDArray, NDArray]]:
    """Rows and pairs of successive nodes along paths; mid-side nodes used elsewhere split them."""
    out = []
    rows, last = np.arange(len(path)), path[:, 0].copy()
    for column in path.T[1:-1]:
        stops = corners[column]
        out.append((rows[stops], np.stack([last[stops], column[stops]], axis=1)))
        last = np.where(stops, column, last)
    out.append((rows, np.stack([last, path[:, -1]], axis=1)))
    return [(r, p) for r, p in out if len(r)]


def _say_what_is_left_out(mesh: Mesh, corners: NDArray[np.bool_]) -> None:
    middle = [(b, b.nodes[:, FAMILIES[b.kind][0] :]) for b in mesh.blocks if b.kind in FAMILIES]
    middle = [(b, nodes) for b, nodes in middle if nodes.size]
    if middle:
        kinds = counted([(kind_name(b), len(nodes)) for b, nodes in middle])
        more = np.unique(np.concatenate([nodes.ravel() for _, nodes in middle]))
        mesh.notes.append(
            f"of {kinds} the edges between corners are bonds; {np.count_nonzero(~corners[more])} "
            "nodes between the corners are left out"
        )


def without_repeats(mesh: Mesh, bonds: Bonds, entity: NDArray | None) -> Bonds:
    """Unique bonds; lines take precedence over edges of cells.

    Lines that are the same in all that is said of them are written by meshers for every region that
    they bound.

    Raises
    ------
    InputError
        For lines between the same points that differ in data, sets or the curve they are of.
    """
    low = np.sort(bonds.pairs, axis=1)
    _, first, place = np.unique(low, axis=0, return_index=True, return_inverse=True)
    first = first[place.ravel()]
    again = np.flatnonzero(bonds.lines & (first != np.arange(len(low))))
    if len(again):
        a, b = bonds.cells[first[again]], bonds.cells[again]
        differ = np.zeros(len(again), dtype=bool)
        curves = entity is not None
        for name, values in mesh.cell_data.items():
            rows = values.reshape(len(values), -1)
            if not (curves and name == "gmsh:physical"):
                differ |= (rows[a] != rows[b]).any(axis=1)
        for ids in mesh.cell_sets.values() if not curves else ():
            inside = np.isin(np.arange(mesh.n_cells), ids)
            differ |= inside[a] != inside[b]
        if curves and entity is not None:
            differ |= entity[a] != entity[b]
        if differ.any():
            k = again[np.flatnonzero(differ)[0]]
            i, j = bonds.pairs[k]
            names = [str(n) if mesh.labels is None else mesh.labels[n] for n in (i, j)]
            raise InputError(
                f"{np.count_nonzero(differ)} lines repeat others with other data, groups or "
                f"curves, the first between nodes {names[0]} and {names[1]}: a network has one "
                "bond between two nodes; make one of them, or put a node in between."
            )
        mesh.notes.append(
            f"{len(again)} lines that are there twice or more, alike, are one bond each"
        )
    kept = np.flatnonzero(first == np.arange(len(low)))
    lines, edges = np.count_nonzero(bonds.lines[kept]), np.count_nonzero(~bonds.lines[kept])
    if edges:
        those = f"{lines} lines and the {edges} other edges" if lines else f"the {edges} edges"
        mesh.notes.append(f"its bonds are {those} of its cells ({mesh.counts()})")
    return Bonds(bonds.pairs[kept], bonds.cells[kept], bonds.lines[kept])


def edge_sets(mesh: Mesh, kept: Bonds, every: Bonds) -> dict[str, NDArray[np.int64]]:
    """The bonds of every set of cells: its lines, and all edges of its other cells."""
    low, all_low = np.sort(kept.pairs, axis=1), np.sort(every.pairs, axis=1)
    _, place = np.unique(np.concatenate([low, all_low]), axis=0, return_inverse=True)
    place = place.ravel()
    bond = np.zeros(place.max() + 1, dtype=np.int64)
    bond[place[: len(low)]] = np.arange(len(low))
    return {
        name: np.unique(bond[place[len(low) :][np.isin(every.cells, ids)]])
        for name, ids in mesh.cell_sets.items()
        if np.isin(every.cells, ids).any()
    }


def node_sets(mesh: Mesh) -> dict[str, NDArray[np.int64]]:
    """Point sets: named points, point cells, and the points of cells that mark others.

    Lines that bound areas, and areas that bound volumes, are there to name what lies on them.
    """
    sets = {name: np.asarray(ids) for name, ids in mesh.point_sets.items()}
    highest = max((b.dim for b in mesh.blocks), default=0)
    for name, ids in mesh.cell_sets.items():
        marked = [
            b.nodes[np.isin(b.ids, ids)].ravel() for b in mesh.blocks if b.dim < highest
            and (b.dim == 0 or highest > 1)
        ]  # fmt: skip
        points = np.unique(np.concatenate([*marked, np.zeros(0, np.int64)]))
        if len(points):
            sets[name] = np.union1d(sets.get(name, points), points)
    return sets


def point_ids(cells: NDArray) -> NDArray[np.int64]:
    """Point numbers as integers; raises InputError for others."""
    cells = np.asarray(cells)
    if cells.dtype.kind not in "iu" and not (np.abs(cells) < BOX).all():
        raise InputError("A cell names points by what are no numbers of points.")
    return cells.astype(np.int64)


def merge_points(mesh: Mesh, pieces: str) -> Mesh:
    """The mesh with coincident points merged, which a note says.

    Raises
    ------
    InputError
        Where points at one place differ in a set; data in which they differ are left out.
    """
    _, first, place = np.unique(mesh.points, axis=0, return_index=True, return_inverse=True)
    if len(first) == len(mesh.points):
        return mesh
    order = np.argsort(first)
    new = np.argsort(order)[place.ravel()]
    kept = first[order]
    data: dict[str, NDArray] = {}
    for name, values in mesh.point_data.items():
        if np.array_equal(values[kept][new], values):
            data[name] = values[kept]
        else:
            mesh.notes.append(f"point data {name!r} differ at points that are joined: left out")
    mesh.notes.append(
        f"{len(mesh.points) - len(kept)} points at the places of others{pieces} are joined to them"
    )
    return replace(
        mesh,
        points=mesh.points[kept],
        blocks=[Block(b.kind, new[b.nodes], b.ids) for b in mesh.blocks],
        point_data=data,
        point_sets={name: np.unique(new[ids]) for name, ids in mesh.point_sets.items()},
        labels=None if mesh.labels is None else [mesh.labels[k] for k in kept],
    )


def native_order(data: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Data in the byte order of this machine; scalars as arrays of one number."""
    out = {}
    for name, given in data.items():
        values = np.asarray(given)
        values = values.astype(values.dtype.newbyteorder("="))
        out[name] = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    return out
