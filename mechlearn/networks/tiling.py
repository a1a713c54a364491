"""Copies of a periodic cell: a larger cell, or a finite network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError, numbers_of
from mechlearn.network import Network
from mechlearn.networks import _check
from mechlearn.networks.framing import framed, with_mean

#: Names of the faces along the axes in 2D and 3D, low and high.
FACES = {
    2: (("left", "right"), ("bottom", "top")),
    3: (("left", "right"), ("front", "back"), ("bottom", "top")),
}
#: How near to a face its nodes are, in mean bond lengths of the cell.
NEAR = 0.5
#: What becomes of bonds that leave the copies.
ENDS = ("trim", "keep", "frame")

#: Axis, or function of places (k, d) in fractions of the extent, that gives weights (k,).
type Grade = str | Callable[[NDArray[np.float64]], Any]


def supercell(network: Network, counts: Sequence[int]) -> Network:
    """Periodic network of ``counts`` copies of a cell; see :meth:`mechlearn.Network.supercell`."""
    copies = _Copies(network, counts)
    edges, shifts = copies.wrapped(network.edges, _between(network.shifts))
    tuples, images = {}, {}
    for name, rows in network.tuples.items():
        tuples[name], images[name] = copies.wrapped(rows, network.tuple_shifts[name])
    cell = np.array(copies.counts)[:, None] * network.lattice_vectors
    made = copies.network(edges, tuples, cell=cell, shifts=shifts[:, 1], tuple_shifts=images)
    del made["origins"]
    return Network(**made)


class Tiling(NamedTuple):
    """Finite network of copies of a cell, and where its parts come from.

    Attributes
    ----------
    network : Network
    origins : mapping of "nodes", "edges" and names of node tuples to (k,) integer arrays
        Number of the cell's node, bond or tuple of which each is a copy; -1 of a frame.
    near : float
        How near to a face its nodes are.
    """

    network: Network
    origins: Mapping[str, NDArray[np.int64]]
    near: float = 0.0

    def values(self, table: str, of_cell: NDArray) -> NDArray[np.float64]:
        """Values of all copies of the elements of a ``table``, from those of the cell's."""
        return with_mean(np.asarray(of_cell, dtype=float))[self.origins[table]]

    def places(self, table: str) -> NDArray[np.float64]:
        """Middles of nodes, bonds or tuples in fractions of the network's extent, (k, d)."""
        net = self.network
        rows = net.edges if table == "edges" else net.tuples.get(table)
        at = net.nodes if rows is None else net.nodes[rows].mean(axis=1)
        return (at - net.nodes.min(axis=0)) / np.ptp(net.nodes, axis=0)

    def weights(self, grade: Grade, table: str) -> NDArray[np.float64]:
        """Weights of a grading at nodes, bonds or tuples, (k,).

        Raises
        ------
        InputError
            For an axis that there is not, and a function that gives no finite number per place.
        """
        places = self.places(table)
        if isinstance(grade, str):
            if grade not in "xyz"[: self.network.dim]:
                raise InputError(
                    f"tile: grade = {grade!r} must be one of the axes "
                    f"{', '.join('xyz'[: self.network.dim])}, or a function of places."
                )
            return places[:, "xyz".index(grade)]
        return numbers_of(grade, "tile: grade", (places,), (len(places),), "places")


def tile(
    network: Network,
    counts: Sequence[int],
    ends: str = "trim",
    to: Network | None = None,
    grade: Grade = "x",
) -> Tiling:
    """Finite network of copies of a cell.

    Sets, data and node tuples are those of every copy; ``left``, ``right``, ``bottom`` and ``top``
    (in 3D ``front`` and ``back``) are the nodes less than half a mean bond from a face.

    Parameters
    ----------
    network : Network
        Periodic.
    counts : sequence of int
        Copies along every axis of the cell.
    ends : "trim", "keep" or "frame"
        Bonds that leave the copies are cut, and nodes that then hang by one bond left out, one
        after the other; or these bonds stay, with nodes at their far ends; or all bonds end at the
        outline of the copies, where struts join them, the set ``frame`` (of mean properties).
    to : Network, optional
        Another cell with the same bonds: positions of nodes, and numbers of bonds, go over into
        its own across the sample.
    grade : "x", "y", "z" or callable
        Along which axis they do; or a function of places, (k, d) from 0 to 1 along every axis,
        that gives the part of ``to`` there, (k,).

    Raises
    ------
    InputError
        For a finite network, cells that differ, and where no network is left.
    """
    if ends not in ENDS:
        raise InputError(f"tile: ends = {ends!r} must be one of {', '.join(map(repr, ENDS))}.")
    copies = _Copies(network, counts)
    if ends == "frame":
        made = _made(framed(network, copies.counts, FACES[network.dim]))
    else:
        # In a honeycomb the next row is half a bond away, and no part of the face.
        near = NEAR * (1 - 1e-9) * float(network.lengths.mean())
        made = _with_faces(_open(copies, ends)._replace(near=near))
    return made if to is None else _graded(made, network, to, grade)


def _open(copies: "_Copies", ends: str) -> Tiling:
    """Copies whose bonds that leave them are cut or kept."""
    network = copies.of
    edges, outside = copies.wrapped(network.edges, _between(network.shifts))
    kept = ~outside.any(axis=(1, 2))
    tuples, origins = {}, {}
    for name, rows in network.tuples.items():
        every, left = copies.wrapped(rows, network.tuple_shifts[name])
        inside = ~left.any(axis=(1, 2))
        tuples[name] = every[inside]
        origins[name] = np.tile(np.arange(len(rows)), len(copies.grid))[inside]
    far: NDArray[np.int64] = np.empty((0, network.dim + 1), dtype=np.int64)
    if ends == "keep":
        # One more node for every image at the far end of a bond that leaves.
        leaving = np.column_stack([edges[:, 1], outside[:, 1]])[~kept]
        far, number = np.unique(leaving, axis=0, return_inverse=True)
        edges[~kept, 1] = copies.n_nodes + number.ravel()
        kept[:] = True
    if not kept.any():
        raise InputError(
            f"tile: {' x '.join(map(str, copies.counts))} copies of this cell have no bond inside; "
            'take more, or ends = "keep".'
        )
    whole = copies.network(edges[kept], tuples, kept=kept, far=far, origins=origins)
    return _trimmed(whole) if ends == "trim" else _made(whole)


def _graded(made: Tiling, cell: Network, to: Network, grade: Grade) -> Tiling:
    """Tiling whose nodes and numbers of bonds go over into those of another cell.

    Raises
    ------
    InputError
        Where that has other bonds or lattice vectors.
    """
    check_same_topology(cell, to)
    net, origins = made.network, made.origins
    at = made.weights(grade, "nodes")[:, None]
    along = made.weights(grade, "edges")
    data = dict(net.edge_data)
    for name, values in cell.edge_data.items():
        other = to.edge_data.get(name)
        if other is not None and {np.asarray(v).dtype.kind for v in (values, other)} == {"f"}:
            change = with_mean(np.asarray(other) - values)[origins["edges"]]
            data[name] = data[name] + along.reshape(-1, *[1] * (change.ndim - 1)) * change
    moved = np.vstack([to.nodes - cell.nodes, np.zeros(net.dim)])  # the frame stays
    nodes = net.nodes + at * moved[origins["nodes"]]
    return made._replace(network=replace(net, nodes=nodes, edge_data=data))


def check_same_topology(cell: Network, to: Network) -> None:
    """Raise InputError unless two periodic networks have the same bonds in the same cell."""
    same = (
        to.periodic
        and to.nodes.shape == cell.nodes.shape
        and np.array_equal(to.edges, cell.edges)
        and np.array_equal(to.shifts, cell.shifts)  # type: ignore[arg-type]  # both are periodic
        and np.allclose(to.lattice_vectors, cell.lattice_vectors)
    )
    if not same:
        raise InputError(
            "tile: a graded tiling goes from one cell to another with the same lattice vectors and "
            "the same bonds, in the same order; these differ."
        )


def checked_counts(network: Network, counts: Sequence[int]) -> list[int]:
    """Counts of copies along the axes of a cell; raises InputError for others, or without one."""
    return _Copies(network, counts).counts


class _Copies:
    """Copies of a cell, the last axis first, each with the nodes in their order."""

    def __init__(self, network: Network, counts: Sequence[int]) -> None:
        if network.body is not None:
            raise InputError("A body is not repeated here: repeat it where it is meshed.")
        if not network.periodic:
            raise InputError("Only a periodic network has a cell to repeat; this one is finite.")
        if len(counts) == 1 and isinstance(counts[0], Sequence | np.ndarray):
            counts = counts[0]
        d = network.dim
        if len(counts) != d:
            raise InputError(f"A cell in {d}D is repeated by {d} counts, not {len(counts)}.")
        self.counts = [_check.integer("The count of copies", n, 1) for n in counts]
        _check.many("A network of copies", int(np.prod(self.counts)) * network.n_nodes)
        self.of = network
        self.grid = np.indices(self.counts).reshape(d, -1).T

    @property
    def n_nodes(self) -> int:
        """Number of nodes of all copies."""
        return len(self.grid) * self.of.n_nodes

    def wrapped(self, rows: NDArray, shifts: NDArray) -> tuple[NDArray, NDArray]:
        """Rows of node ids (copies * t, k) in all copies, and by how many of these they leave.

        ``shifts``, (t, k, d), are the images of the ids in the cell.
        """
        places = self.grid[:, None, None] + shifts
        outside, inside = np.divmod(places, self.counts)
        copy = np.ravel_multi_index(tuple(np.moveaxis(inside, -1, 0)), self.counts)
        ids = copy * self.of.n_nodes + rows
        return ids.reshape(-1, rows.shape[1]), outside.reshape(-1, *shifts.shape[1:])

    def network(
        self,
        edges: NDArray,
        tuples: Mapping[str, NDArray],
        kept: NDArray | None = None,
        far: NDArray | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Arguments of the network of bonds between copies, and the ``origins`` of its parts."""
        net, times = self.of, len(self.grid)
        cell, size = net.lattice_vectors, np.array(self.counts)
        nodes = (net.nodes + (self.grid @ cell)[:, None]).reshape(-1, net.dim)
        origin = np.arange(self.n_nodes) % net.n_nodes
        if far is not None and len(far):
            nodes = np.vstack([nodes, nodes[far[:, 0]] + (far[:, 1:] * size) @ cell])
            origin = np.r_[origin, far[:, 0] % net.n_nodes]
        bonds = np.tile(np.arange(net.n_edges), times)
        bonds = bonds if kept is None else bonds[kept]
        made = {
            "nodes": nodes,
            "edges": edges,
            "tuples": {k: v for k, v in tuples.items() if len(v)},
            "node_sets": {k: np.flatnonzero(np.isin(origin, v)) for k, v in net.node_sets.items()},
            "edge_sets": {k: np.flatnonzero(np.isin(bonds, v)) for k, v in net.edge_sets.items()},
            "node_data": {k: np.asarray(v)[origin] for k, v in net.node_data.items()},
            "edge_data": {k: np.asarray(v)[bonds] for k, v in net.edge_data.items()},
            **more,
        }
        return made | {"origins": {"nodes": origin, "edges": bonds, **more.get("origins", {})}}


def _between(shifts: NDArray | None) -> NDArray[np.int64]:
    """Images of both nodes of bonds, (m, 2, d)."""
    assert shifts is not None
    return np.stack([np.zeros_like(shifts), shifts], axis=1)


def _made(given: dict[str, Any]) -> Tiling:
    """Network without nodes that no bond joins."""
    origins = given.pop("origins")
    used = np.unique(given["edges"])
    number = np.full(len(given["nodes"]), -1)
    number[used] = np.arange(len(used))
    sets = {k: number[v][number[v] >= 0] for k, v in given["node_sets"].items()}
    tuples, left = {}, {"nodes": origins["nodes"][used], "edges": origins["edges"]}
    for name, rows in given["tuples"].items():
        there = (number[rows] >= 0).all(axis=1)
        left[name] = origins[name][there]
        if there.any():
            tuples[name] = number[rows[there]]
    network = Network(
        **{
            **given,
            "nodes": given["nodes"][used],
            "edges": number[given["edges"]],
            "node_sets": {k: v for k, v in sets.items() if len(v)},
            "edge_sets": {k: v for k, v in given["edge_sets"].items() if len(v)},
            "node_data": {k: v[used] for k, v in given["node_data"].items()},
            "tuples": tuples,
        }
    )
    return Tiling(network, left)


def without_nodes(made: Tiling, nodes: NDArray) -> Tiling:
    """Tiling without some nodes, by number, and those that then hang by a single bond."""
    net = made.network
    given = {f.name: getattr(net, f.name) for f in fields(net)} | {"origins": made.origins}
    kept = ~np.isin(net.edges, nodes).any(axis=1)
    return _with_faces(_trimmed(given, kept)._replace(near=made.near))


def _trimmed(given: dict[str, Any], kept: NDArray[np.bool_] | None = None) -> Tiling:
    """Network without nodes that hang by a single bond, one after the other."""
    edges = given["edges"]
    kept = np.ones(len(edges), dtype=bool) if kept is None else kept
    while True:
        degree = np.bincount(edges[kept].ravel(), minlength=len(given["nodes"]))
        loose = kept & (degree[edges] == 1).any(axis=1)
        if not loose.any():
            break
        kept &= ~loose
    if not kept.any():
        raise InputError('tile: all bonds hang loose; take more copies, or ends = "keep".')
    number = np.cumsum(kept) - 1
    given |= {
        "edges": edges[kept],
        "edge_data": {k: v[kept] for k, v in given["edge_data"].items()},
        "edge_sets": {k: number[v[kept[v]]] for k, v in given["edge_sets"].items()},
        "origins": given["origins"] | {"edges": given["origins"]["edges"][kept]},
    }
    return _made(given)


def _with_faces(made: Tiling) -> Tiling:
    """Tiling with sets of the outermost nodes along the axes."""
    net, near = made.network, made.near
    sets = dict(net.node_sets)
    for x, (low, high) in zip(net.nodes.T, FACES[net.dim], strict=True):
        sets |= {
            low: np.flatnonzero(x <= x.min() + near),
            high: np.flatnonzero(x >= x.max() - near),
        }
    return made._replace(network=replace(net, node_sets=sets))
