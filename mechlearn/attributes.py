"""Bonds, data, sets, labels and values of parameters: checked, looked up by name, and frozen."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import zip_longest
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.errors import InputError, listed, real_numbers

if TYPE_CHECKING:
    from mechlearn.energies.parameters import Parameter
    from mechlearn.network import Network


#: Coordinates, and what tasks ask for, are no larger: their squares must be numbers.
LARGEST = 1e100
#: No bond crosses a periodic cell more often.
BOX = 2**31


def checked_nodes(nodes: ArrayLike, fewest: int) -> NDArray[np.float64]:
    """Coordinates of nodes, (n, d); raises InputError for other numbers, and fewer nodes."""
    try:
        x = real_numbers(nodes)
    except (TypeError, ValueError):
        raise InputError("The nodes of a network must be numbers, one row per node.") from None
    if x.ndim != 2 or x.shape[1] not in (2, 3):
        raise InputError(f"The nodes of a network must have shape (n, 2) or (n, 3), not {x.shape}.")
    if len(x) < fewest:
        raise InputError(f"A network needs {fewest} nodes or more; this one has {len(x)}.")
    bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if len(bad):
        raise InputError(f"The coordinates of node {listed(bad)} are not finite numbers.")
    bad = np.flatnonzero((np.abs(x) > LARGEST).any(axis=1))
    if len(bad):
        raise InputError(f"The coordinates of node {listed(bad)} are beyond {LARGEST:g}.")
    return x


def checked_bonds(edges: ArrayLike, n: int) -> NDArray[np.int64]:
    """Bonds of ``n`` nodes, (m, 2); raises InputError for what are no pairs of their ids."""
    e = np.asarray(edges)
    if e.size == 0:
        raise InputError("The network has no bonds.")
    if e.ndim != 2 or e.shape[1] != 2:
        raise InputError(f"The edges of a network must have shape (m, 2), not {e.shape}.")
    if not np.issubdtype(e.dtype, np.integer) and not (
        np.issubdtype(e.dtype, np.floating) and np.all(e == np.rint(e))
    ):
        raise InputError("The edges of a network must be whole numbers: ids of nodes.")
    bad = np.flatnonzero(((e < 0) | (e >= n)).any(axis=1))
    if len(bad):
        raise InputError(
            f"Edge {listed(bad)} names a node outside 0 to {n - 1} (edge {bad[0]} joins "
            f"{e[bad[0], 0]} and {e[bad[0], 1]})."
        )
    return e.astype(np.int64)


def checked_sets(
    sets: Mapping[str, ArrayLike], n: int, kind: str
) -> Mapping[str, NDArray[np.int64]]:
    """Sets of ids by name, validated and sorted; ``kind``, "node" or "edge", has ``n`` ids."""
    out = {}
    for name, given in sets.items():
        ids = np.asarray(given)
        if ids.size == 0:
            ids = ids.astype(np.int64)
        if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
            raise InputError(f"The {kind} set {name!r} must be a list of {kind} ids.")
        bad = ids[(ids < 0) | (ids >= n)]
        if len(bad):
            raise InputError(
                f"The {kind} set {name!r} names {kind} {listed(bad)}, outside 0 to {n - 1}."
            )
        out[str(name)] = frozen(np.unique(ids).astype(np.int64))
    return MappingProxyType(out)


def checked_data(data: Mapping[str, ArrayLike], n: int, kind: str) -> Mapping[str, NDArray]:
    """Data by name, validated, with one row for each of the ``n`` nodes or edges."""
    out = {}
    for name, given in data.items():
        values = np.asarray(given)
        if values.ndim == 0 or len(values) != n:
            raise InputError(
                f"The {kind} data {name!r} must have one row for each of the {n} "
                f"{kind}s, not shape {values.shape}."
            )
        out[str(name)] = frozen(values)
    return MappingProxyType(out)


def checked_labels(labels: Sequence[str] | None, n: int) -> tuple[str, ...] | None:
    """Unique labels of ``n`` nodes; None where they equal the node numbers."""
    if labels is None:
        return None
    texts = tuple(str(label).strip() for label in labels)
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
        raise InputError("The labels of nodes must be texts.")
    if len(texts) != n:
        raise InputError(f"There are {len(texts)} labels for the {n} nodes of the network.")
    if not all(texts):
        raise InputError(f"Node {texts.index('')} has an empty label.")
    if len(set(texts)) < n:
        twice = next(t for k, t in enumerate(texts) if t in texts[:k])
        raise InputError(
            f"Several nodes have the label {twice!r}; every node needs one of its own."
        )
    return None if texts == tuple(map(str, range(n))) else texts


#: Nodes of an element in each table of node tuples; those of polygons differ, and surfaces have the
#: three of each triangle.
TUPLES = {"triples": 3, "quadruples": 4, "polygons": None, "surfaces": None}


def checked_tuples(tables: Mapping[str, Any], n: int) -> Mapping[str, NDArray[np.int64]]:
    """Node tuples by the name of their table, (t, k) each; ``n`` nodes.

    Rows of polygons with fewer nodes end with -1.

    Raises
    ------
    InputError
        For other tables, and rows that are not so many different nodes.
    """
    out = {}
    for name, rows in tables.items():
        if name not in TUPLES:
            raise InputError(f"Node tuples are {listed(TUPLES)}, not {name!r}.")
        k = TUPLES[name]
        ragged = k is None and not isinstance(rows, np.ndarray)
        table = np.array(list(zip_longest(*rows, fillvalue=-1))).T if ragged else np.asarray(rows)
        if not table.size:
            table = np.empty((0, k or 3), dtype=np.int64)
        if table.ndim != 2 or table.shape[1] < (k or 3) or table.dtype.kind not in "iu":
            raise InputError(f"{name} must be rows of {k or 'three or more'} node ids.")
        faces = name == "surfaces"
        triangles = np.pad(table, ((0, 0), (0, -table.shape[1] % 3)), constant_values=-1)
        ids = np.sort(triangles.reshape(len(table), -1, 3) if faces else table[:, None])
        given = ids >= 0
        bad = (ids >= n).any(axis=(1, 2)) | (given.sum(axis=(1, 2)) < (k or 3))
        bad |= ((np.diff(ids) == 0) & given[..., 1:]).any(axis=(1, 2))
        bad |= faces & (given.sum(axis=(1, 2)) % 3 != 0)
        if bad.any() or (k and table.shape[1] != k):
            row = int(np.argmax(bad))
            what = "triangles, of three" if faces else k or "three or more"
            raise InputError(
                f"{name}: row {row}, {table[row].tolist()}, must be {what} different nodes, "
                f"0 to {n - 1}."
            )
        out[name] = frozen(table.astype(np.int64))
    return MappingProxyType(out)


def check_repeated(
    tables: Mapping[str, NDArray[np.int64]], images: Mapping[str, NDArray[np.int64]]
) -> None:
    """Raise InputError for node tuples that are there twice, and would act twice.

    Triples and quadruples are the same backwards, polygons from any of their nodes on and in
    either sense, surfaces in any order of triangles. ``images``, (t, k, d), are of periodic
    networks.
    """
    for name, rows in tables.items():
        shifts = images.get(name, np.zeros((*rows.shape, 0), dtype=np.int64))
        first: dict[Any, int] = {}
        for number, (row, shift) in enumerate(zip(rows.tolist(), shifts.tolist(), strict=True)):
            if name == "surfaces":
                ids = [node for node in row if node >= 0]
                key: Any = frozenset(map(frozenset, zip(*[iter(ids)] * 3, strict=True)))
            else:
                key = _undirected(
                    [(i, *s) for i, s in zip(row, shift, strict=True) if i >= 0], name == "polygons"
                )
            before = first.setdefault(key, number)
            if before != number:
                raise InputError(
                    f"{name}: row {number}, {[i for i in row if i >= 0]}, is row {before} again, "
                    "and would act twice; leave one of them out."
                )


def _undirected(nodes: list[tuple[int, ...]], closed: bool) -> tuple[tuple[int, ...], ...]:
    """Nodes and their images in one of both senses, from the least on where they are closed."""
    ways = []
    for way in (nodes, nodes[::-1]):
        start = way.index(min(way, key=lambda node: node[0])) if closed else 0
        origin = way[start][1:]
        moved = [
            (i, *(a - b for a, b in zip(shift, origin, strict=True)))
            for i, *shift in way[start:] + way[:start]
        ]
        ways.append(tuple(moved))
    return min(ways)


def renumbered(sets: Mapping[str, NDArray], kept: NDArray, n: int) -> dict[str, NDArray[np.int64]]:
    """Sets restricted to the ``n`` nodes or edges ``kept``, renumbered in that order."""
    new = np.full(n, -1)
    new[kept] = np.arange(len(kept))
    return {name: new[ids][new[ids] >= 0] for name, ids in sets.items()}


def frozen(a: NDArray) -> NDArray:
    """Read-only copy."""
    a = np.array(a, order="C")
    a.setflags(write=False)
    return a


def values_per_bond(
    given: object, network: "Network", where: str, parameter: "Parameter", allow_zero: bool = False
) -> NDArray[np.float64]:
    """Values of a parameter from one number, one per bond (node tuple), or the name of edge data.

    With ``allow_zero``, one that must be above 0 may be 0 at bonds that are absent.

    Raises
    ------
    InputError
        For anything else, and for values that are not finite or make no sense for the parameter.
    """
    if isinstance(given, str):
        given = named_data(network.edge_data, given, where, "edge data")
    if isinstance(given, Mapping) and network.body is not None:
        given = network.body.of_regions(given, where)
    try:
        values = np.asarray(given)
        if values.dtype.kind not in "fiu":
            raise TypeError
        values = values.astype(float)
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"{where} must be a number, one per bond, or the name of edge data."
        ) from None
    count, those = network.count(parameter.table), parameter.elements
    if values.ndim > 1 or (values.ndim == 1 and len(values) != count):
        raise InputError(f"{where} lists {len(values)} numbers; the network has {count} {those}.")
    values = np.broadcast_to(values, count)
    low = values < 0 if allow_zero else values <= 0
    wrong = ~np.isfinite(values) | (parameter.positive & low)
    if wrong.any():  # a default may be infinite, as of rigid joints
        wrong &= values != parameter.default(network)
    if wrong.any():
        b = int(np.flatnonzero(wrong)[0])
        raise InputError(
            f"{where} is {values[b]:g} at {those.removesuffix('s')} {b}; it must be "
            f"{'above 0' if parameter.positive else 'a finite number'}."
        )
    return values


def named_data(there: Mapping[str, NDArray], name: str, where: str, kind: str) -> NDArray:
    """Data of a network under a name; raises InputError with the names there are."""
    if name not in there:
        known = listed(there) if there else "none"
        raise InputError(f"{where} = {name!r} is no {kind} of the network (it has {known}).")
    return there[name]


def node_ids(nodes: str | Sequence[int | str], network: "Network", what: str) -> list[int]:
    """Explicit node ids of ids, labels or the name of a node set.

    Raises
    ------
    InputError
        For what is not known, named twice, or could mean several nodes: a number where labels are
        numbers in another order, and a name that is both of a set and of a node.
    """
    places = {} if network.labels is None else {t: i for i, t in enumerate(network.labels)}
    if isinstance(nodes, str):
        if nodes in network.node_sets and nodes in places:
            raise InputError(
                f"{what}: {nodes!r} is both a node set and the label of a node; write "
                f"[{nodes!r}] for the node, or rename the set."
            )
        if nodes in network.node_sets:
            return network.node_sets[nodes].tolist()
        nodes = [nodes]
    counted = any(label.isdecimal() for label in places)
    ids = []
    for node in nodes:
        if isinstance(node, str):
            if node not in places:
                raise InputError(f"{what}: {_unknown(node, network)}")
            node = places[node]
        elif counted and (node >= network.n_nodes or network.label(node) != str(node)):
            raise InputError(f"{what}: {_ambiguous(node, network)}")
        elif node >= network.n_nodes:
            raise InputError(
                f"{what}: node {node} does not exist; the network has nodes 0 to "
                f"{network.n_nodes - 1}."
            )
        ids.append(int(node))
    if not ids:
        raise InputError(f"{what}: it names no node.")
    if len(set(ids)) < len(ids):
        again = next(i for i in ids if ids.count(i) > 1)
        raise InputError(f"{what}: node {network.label(again)} is named twice.")
    return ids


def _unknown(name: str, network: "Network") -> str:
    """Sentence about a name that is neither a set's nor a label."""
    several = [label for label in network.labels or () if _short(label) == name]
    if several:
        return f"{name!r} could be {listed(several)}; write which."
    known = [*network.node_sets, *(network.labels or ())]
    near = get_close_matches(name, known, 1)
    if near:
        hint = f"did you mean {near[0]!r}?"
    elif network.node_sets:
        hint = f"sets are {listed(network.node_sets)}."
    elif network.labels:
        hint = f"labels are {listed(network.labels)}."
    else:
        hint = "the network has none."
    return f"no node set or label is called {name!r}; {hint}"


def _short(label: str) -> str:
    """The label of a residue without the number of its chain's copy: "A:5" of "A-2:5"."""
    chain, colon, residue = label.rpartition(":")
    name, dash, copy = chain.rpartition("-")
    return f"{name}:{residue}" if colon and dash and copy.isdecimal() else label


def _ambiguous(node: int, network: "Network") -> str:
    """Sentence about a number that could be a label or a place in the order of nodes."""
    names = network.labels or ()
    text = f"node {node} could mean two nodes, because the file numbers its nodes otherwise: write "
    if str(node) in names:
        text += f'"{node}" for the one that the file calls so'
    else:
        text += f"one of its labels as a text ({listed(names)})"
    if node < len(names):
        text += f', or "{names[node]}" for the one that is number {node} counted from 0'
    return f"{text}."


def nearest_image(vectors: NDArray, cell: NDArray) -> NDArray[np.int64]:
    """Integer shifts to the nearest periodic images of vectors, shape (..., d).

    Exact for any cell: the lattice vectors are reduced first, after which rounding and the
    neighbouring images are enough.
    """
    v = np.atleast_2d(vectors)
    combine = _reduction(cell)
    reduced = combine @ cell
    cells = -np.rint(v @ np.linalg.inv(reduced))
    if not (np.abs(cells) <= BOX).all():
        raise InputError("The periodic cell is far too small for its network.")
    base = cells.astype(np.int64)
    d = cell.shape[0]
    steps = np.stack(np.meshgrid(*[(-1, 0, 1)] * d, indexing="ij"), axis=-1).reshape(-1, d)
    steps = steps[np.argsort(np.abs(steps).sum(axis=1), kind="stable")]
    best, shortest = base.copy(), np.linalg.norm(v + base @ reduced, axis=1)
    for step in steps[1:]:
        length = np.linalg.norm(v + (base + step) @ reduced, axis=1)
        closer = length < shortest * (1 - 1e-12)
        best[closer], shortest[closer] = base[closer] + step, length[closer]
    return (best @ combine).reshape(np.shape(vectors))


def _reduction(cell: NDArray) -> NDArray[np.int64]:
    """Minkowski reduction of the lattice vectors, as integer combinations."""
    d = len(cell)
    combine = np.eye(d, dtype=np.int64)
    others = np.stack(np.meshgrid(*[(-1, 0, 1)] * (d - 1), indexing="ij"), axis=-1)
    others = others.reshape(-1, d - 1)
    while True:
        before = combine.copy()
        for k in range(d):
            rest = np.arange(d) != k
            short = combine[rest] @ cell
            # Rounding makes the big steps, the neighbours the last ones.
            nearest = np.rint(np.linalg.lstsq(short.T, combine[k] @ cell, rcond=None)[0])
            tries = combine[k] - (nearest.astype(np.int64) + others) @ combine[rest]
            lengths = np.linalg.norm(tries @ cell, axis=1)
            own = np.linalg.norm(combine[k] @ cell)
            if lengths.min() < own * (1 - 1e-12):
                combine[k] = tries[np.argmin(lengths)]
        if np.array_equal(before, combine):
            return combine
