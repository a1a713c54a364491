"""Framed samples of a periodic cell: bonds cut at the sample's outline, and joined along it."""

from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from mechlearn.network import Network
from mechlearn.networks import _check

#: Nodes this near to the outline, in mean bond lengths, are moved onto it; ends of bonds on it this
#: near to one another are one node, and shorter pieces of bonds are left out.
NEAR = 0.05
#: Nodes nearer than this many times that to it, but not on it, move the outline away.
CLEAR = 5
#: Coordinates that differ by less, in cells, are one.
SAME = 1e-9


def framed(network: Network, counts: Sequence[int], faces: Sequence[tuple[str, str]]) -> Any:
    """Arguments of the finite network of ``counts`` copies of a cell with a frame around it.

    Bonds are cut where they leave the box of the copies, and nodes on each of its sides (the plane
    ones of its edges, in space of its faces) are joined by the edges of their Gabriel graph: in the
    plane, each with the next. Numbers that bonds have are their means on the struts of the frame,
    the set ``frame``; whatever else they have is that of the first bond.
    K. R. Gabriel, R. R. Sokal, Syst. Zool. 18, 259 (1969), https://doi.org/10.2307/2412323.
    """
    size, cell = np.array(counts), network.lattice_vectors
    near = NEAR * network.lengths.mean()
    # Distance between opposite sides of the cell, and how near that is, in cells.
    tolerance = near * np.linalg.norm(np.linalg.inv(cell), axis=0)
    place = network.nodes @ np.linalg.inv(cell)
    origin = np.array([_gap(x, part) for x, part in zip(place.T, tolerance, strict=True)])
    place = place - origin
    move = np.floor(place + tolerance).astype(np.int64)
    place = place - move
    place[np.abs(place) <= tolerance] = 0.0
    assert network.shifts is not None, "a periodic network"
    first, second = network.edges.T
    shifts = network.shifts + move[second] - move[first]
    reach = int(np.abs(shifts).max(initial=0))
    _check.many("A network of copies", int(np.prod(size + 2 * reach)) * network.n_nodes)
    grid = np.indices(tuple(size + 2 * reach)).reshape(len(size), -1).T - reach
    starts = (grid[:, None] + place[first]).reshape(-1, len(size))
    along = np.tile(place[second] + shifts - place[first], (len(grid), 1))
    enter, leave = _clipped(starts, along, size)
    long = np.linalg.norm(along @ cell, axis=1) * (leave - enter) > near
    bond = np.flatnonzero(long)
    copy, number = np.divmod(bond, network.n_edges)
    ends = np.stack([enter[bond], leave[bond]], axis=1)
    points = starts[bond, None] + ends[..., None] * along[bond, None]
    keys = np.stack(
        [
            np.column_stack([grid[copy], first[number]]),
            np.column_stack([grid[copy] + shifts[number], second[number]]),
        ],
        axis=1,
    )
    whole = np.stack([ends[:, 0] == 0, ends[:, 1] == 1], axis=1)
    nodes, edges, known = _joined(points, keys, whole, cell, near, size)
    corners = np.array(list(product(*zip(np.zeros_like(size), size, strict=True))), dtype=float)
    away, nearest = KDTree(nodes @ cell).query(corners @ cell)
    nodes[nearest[away <= near]] = corners[away <= near]
    nodes = np.vstack([nodes, corners[away > near]])
    pairs, kept = np.unique(np.sort(edges, axis=1), axis=0, return_index=True)
    kept = kept[pairs[:, 0] != pairs[:, 1]]
    edges, number = edges[np.sort(kept)], number[np.sort(kept)]
    sides = {
        name: np.flatnonzero(np.abs(nodes[:, k] - value) < SAME)
        for k, names in enumerate(faces)
        for name, value in zip(names, (0, size[k]), strict=True)
    }
    struts = _struts(nodes @ cell, edges, sides.values())
    member = np.full(len(nodes), -1)
    member[: len(known)] = known[:, -1]
    nearest = KDTree(nodes[: len(known)]).query(nodes)[1]
    tuples, origins = _tuples(network, grid, move, known)
    bonds = np.concatenate([number, np.full(len(struts), -1)])
    return {
        "nodes": (nodes + origin) @ cell,
        "edges": np.vstack([edges, struts]),
        "tuples": tuples,
        "node_sets": {k: np.flatnonzero(np.isin(member, v)) for k, v in network.node_sets.items()}
        | sides,
        "edge_sets": {k: np.flatnonzero(np.isin(bonds, v)) for k, v in network.edge_sets.items()}
        | {"frame": np.flatnonzero(bonds < 0)},
        "node_data": {k: np.asarray(v)[known[nearest, -1]] for k, v in network.node_data.items()},
        "edge_data": {k: with_mean(v)[bonds] for k, v in network.edge_data.items()},
        "origins": {"nodes": member, "edges": bonds, **origins},
    }


def _gap(places: NDArray, near: float) -> float:
    """Place of the outline along an axis, in cells: 0, or between the nodes that are about it."""
    away = np.abs(places - np.rint(places))
    if not ((away > SAME) & (away < CLEAR * near)).any():
        return 0.0
    sorted_ = np.sort(places - np.floor(places))
    gaps = np.diff(sorted_, append=sorted_[0] + 1)
    widest = int(gaps.argmax())
    middle = sorted_[widest] + gaps[widest] / 2
    return float(middle - np.rint(middle))


def with_mean(values: NDArray) -> NDArray:
    """Values of bonds, and last, for the frame, their mean, or the first if not of numbers."""
    values = np.asarray(values)
    last = values.mean(axis=0) if values.dtype.kind == "f" else values[0]
    return np.concatenate([values, last[None]])


def _clipped(starts: NDArray, along: NDArray, size: NDArray) -> tuple[NDArray, NDArray]:
    """Parts of segments inside a box, from 0 to 1; the first is larger where nothing is inside.

    Y.-D. Liang, B. A. Barsky, ACM Trans. Graph. 3, 1 (1984), https://doi.org/10.1145/357332.357333.
    """
    enter, leave = np.zeros(len(starts)), np.ones(len(starts))
    for a, step, end in zip(starts.T, along.T, size, strict=True):
        still = np.abs(step) < SAME
        safe = np.where(still, 1.0, step)
        low, high = np.sort([-a / safe, (end - a) / safe], axis=0)
        outside = (a < -SAME) | (a > end + SAME)
        enter = np.where(still, np.where(outside, 2.0, enter), np.maximum(enter, low))
        leave = np.where(still, leave, np.minimum(leave, high))
    # Ends on the outline are whole but for rounding.
    return np.where(np.abs(enter) < SAME, 0.0, enter), np.where(np.abs(leave - 1) < SAME, 1, leave)


def _joined(
    points: NDArray, keys: NDArray, whole: NDArray, cell: NDArray, near: float, size: NDArray
) -> tuple[NDArray, NDArray, NDArray]:
    """Nodes (in cells), bonds between them, and of whole nodes their copy and number in the cell.

    Ends that are cut are one node where they are near to one another, or to a node on the outline.
    """
    known, first, name = np.unique(keys[whole], axis=0, return_index=True, return_inverse=True)
    nodes = points[whole][first]
    edges = np.empty(whole.shape, dtype=np.int64)
    edges[whole] = name.ravel()
    cut = points[~whole]
    for k, end in enumerate(size):  # exactly on the outline
        for value in (0, end):
            cut[np.abs(cut[:, k] - value) < SAME, k] = value
    if not len(cut):
        return nodes, edges, known
    pairs = KDTree(cut @ cell).query_pairs(near, output_type="ndarray")
    graph = sparse.coo_array((np.ones(len(pairs)), tuple(pairs.T)), shape=(len(cut), len(cut)))
    count, group = connected_components(graph, directed=False)
    middle = np.zeros((count, len(size)))
    np.add.at(middle, group, cut)
    middle /= np.bincount(group)[:, None]
    outline = np.flatnonzero(((nodes < SAME) | (nodes > size - SAME)).any(axis=1))
    ids = len(nodes) + np.arange(count)
    if len(outline):
        away, nearest = KDTree(nodes[outline] @ cell).query(middle @ cell)
        ids = np.where(away <= near, outline[nearest], -1)
        new = ids < 0
        ids[new] = len(nodes) + np.arange(np.count_nonzero(new))
        middle = middle[new]
    edges[~whole] = ids[group]
    return np.vstack([nodes, middle]), edges, known


def _struts(nodes: NDArray, edges: NDArray, sides: Any) -> NDArray[np.int64]:
    """Struts of the frame: edges of the Gabriel graphs of sides that neither repeat nor cross."""
    there = {tuple(pair) for pair in np.sort(edges, axis=1).tolist()}
    made: dict[tuple[int, int], None] = {}
    for side in sides:
        inside = edges[np.isin(edges, side).all(axis=1)]
        for pair in _gabriel(nodes, np.asarray(side)):
            if pair not in there and not _crosses(nodes, pair, inside):
                made[pair] = None
    return np.array(list(made), dtype=np.int64).reshape(-1, 2)


def _gabriel(nodes: NDArray, side: NDArray) -> list[tuple[int, int]]:
    """Pairs of nodes of a side with no third one in the ball between them."""
    pairs = np.array(list(combinations(range(len(side)), 2)), dtype=np.int64).reshape(-1, 2)
    if len(side) < 3:
        return [tuple(sorted(side[p].tolist())) for p in pairs]
    x = nodes[side]
    middle, radius = x[pairs].mean(axis=1), np.linalg.norm(x[pairs[:, 0]] - x[pairs[:, 1]], axis=1)
    third = KDTree(x).query(middle, k=3)[0][:, 2]
    found = side[pairs[third > radius / 2 * (1 + SAME)]]
    return [tuple(p) for p in np.sort(found, axis=1).tolist()]


def _crosses(nodes: NDArray, pair: tuple[int, int], bonds: NDArray) -> bool:
    """True where a strut crosses one of some bonds in its plane, away from its ends."""
    others = bonds[~np.isin(bonds, pair).any(axis=1)]
    if not len(others) or nodes.shape[1] == 2:
        return False
    a, u = nodes[pair[0]], nodes[pair[1]] - nodes[pair[0]]
    b, v = nodes[others[:, 0]], nodes[others[:, 1]] - nodes[others[:, 0]]
    normal = np.cross(u, v)
    square = (normal**2).sum(axis=1)
    met = square > SAME * (u @ u) * (v**2).sum(axis=1)
    safe = np.where(met, square, 1.0)
    s = np.einsum("ij,ij->i", np.cross(b - a, v), normal) / safe
    t = np.einsum("ij,ij->i", np.cross(b - a, u), normal) / safe
    inside = (s > SAME) & (s < 1 - SAME) & (t > SAME) & (t < 1 - SAME)
    return bool((met & inside).any())


def _tuples(
    network: Network, grid: NDArray, move: NDArray, known: NDArray
) -> tuple[Mapping[str, NDArray], Mapping[str, NDArray]]:
    """Node tuples of all copies whose nodes are all whole, and the cell's that each is of."""
    number = {tuple(key): k for k, key in enumerate(known.tolist())}
    tuples, origins = {}, {}
    for name, rows in network.tuples.items():
        shifts = network.tuple_shifts[name] + move[rows]
        found = [
            (k, [number.get((*(g + s), n), -1) for s, n in zip(shifts[k], rows[k], strict=True)])
            for g in grid
            for k in range(len(rows))
        ]
        inside = [(k, ids) for k, ids in found if min(ids) >= 0]
        origins[name] = np.array([k for k, _ in inside], dtype=np.int64)
        tuples[name] = np.array([ids for _, ids in inside], np.int64).reshape(-1, rows.shape[1])
    return tuples, origins
