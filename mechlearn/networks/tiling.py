"""Copies of a periodic cell: a larger cell, or a finite network."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError
from mechlearn.network import Network
from mechlearn.networks import _check

#: Names of the faces along the axes in 2D and 3D, low and high.
FACES = {
    2: (("left", "right"), ("bottom", "top")),
    3: (("left", "right"), ("front", "back"), ("bottom", "top")),
}
#: How near to a face its nodes are, in mean bond lengths.
NEAR = 0.5


def supercell(network: Network, counts: Sequence[int]) -> Network:
    """Periodic network of ``counts`` copies of a cell; see :meth:`mechlearn.Network.supercell`."""
    copies = _Copies(network, counts)
    edges, shifts = copies.wrapped(network.edges, _between(network.shifts))
    tuples, images = {}, {}
    for name, rows in network.tuples.items():
        tuples[name], images[name] = copies.wrapped(rows, network.tuple_shifts[name])
    cell = np.array(copies.counts)[:, None] * network.lattice_vectors
    return copies.network(edges, tuples, cell=cell, shifts=shifts[:, 1], tuple_shifts=images)


def tile(network: Network, counts: Sequence[int], ends: str) -> Network:
    """Finite network of ``counts`` copies of a cell; see :meth:`mechlearn.Network.tile`."""
    if ends not in ("trim", "keep"):
        raise InputError(f'tile: ends = {ends!r} must be "trim" or "keep".')
    copies = _Copies(network, counts)
    edges, outside = copies.wrapped(network.edges, _between(network.shifts))
    kept = ~outside.any(axis=(1, 2))
    tuples = {}
    for name, rows in network.tuples.items():
        every, left = copies.wrapped(rows, network.tuple_shifts[name])
        tuples[name] = every[~left.any(axis=(1, 2))]
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
    whole = copies.network(edges[kept], tuples, kept=kept, far=far, check=False)
    return _with_faces(_trimmed(whole) if ends == "trim" else _made(whole))


class _Copies:
    """Copies of a cell, the last axis first, each with the nodes in their order."""

    def __init__(self, network: Network, counts: Sequence[int]) -> None:
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
        check: bool = True,
        **periodic: Any,
    ) -> Any:
        """Network of bonds between copies, or its arguments."""
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
            **periodic,
        }
        return Network(**made) if check else made


def _between(shifts: NDArray | None) -> NDArray[np.int64]:
    """Images of both nodes of bonds, (m, 2, d)."""
    assert shifts is not None
    return np.stack([np.zeros_like(shifts), shifts], axis=1)


def _made(given: Mapping[str, Any]) -> Network:
    """Network without nodes that no bond joins."""
    used = np.unique(given["edges"])
    number = np.full(len(given["nodes"]), -1)
    number[used] = np.arange(len(used))
    sets = {k: number[v][number[v] >= 0] for k, v in given["node_sets"].items()}
    tuples = {k: number[v][(number[v] >= 0).all(axis=1)] for k, v in given["tuples"].items()}
    return Network(
        **{
            **given,
            "nodes": given["nodes"][used],
            "edges": number[given["edges"]],
            "node_sets": {k: v for k, v in sets.items() if len(v)},
            "edge_sets": {k: v for k, v in given["edge_sets"].items() if len(v)},
            "node_data": {k: v[used] for k, v in given["node_data"].items()},
            "tuples": {k: v for k, v in tuples.items() if len(v)},
        }
    )


def _trimmed(given: dict[str, Any]) -> Network:
    """Network without nodes that hang by a single bond, one after the other."""
    edges = given["edges"]
    kept = np.ones(len(edges), dtype=bool)
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
    }
    return _made(given)


def _with_faces(network: Network) -> Network:
    """The network with sets of the outermost nodes along the axes."""
    near, sets = NEAR * network.lengths.mean(), dict(network.node_sets)
    for x, (low, high) in zip(network.nodes.T, FACES[network.dim], strict=True):
        sets |= {
            low: np.flatnonzero(x <= x.min() + near),
            high: np.flatnonzero(x >= x.max() - near),
        }
    return replace(network, node_sets=sets)
