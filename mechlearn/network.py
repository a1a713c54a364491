"""Networks: nodes in space and the bonds between them.

A :class:`Network` is plain, frozen NumPy data in the user's own order. It knows no energy and no
finite elements; it is checked once, when it is made, so that everything after can rely on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from mechlearn.attributes import (
    BOX,
    LARGEST,
    check_repeated,
    checked_bonds,
    checked_data,
    checked_labels,
    checked_nodes,
    checked_sets,
    checked_tuples,
    frozen,
    nearest_image,
    renumbered,
)
from mechlearn.errors import InputError, listed, real_numbers

if TYPE_CHECKING:
    from mechlearn.networks.bodies import Body

#: Bonds shorter than this fraction of the network's extent count as having no length.
SHORTEST_BOND = 1e-12


@dataclass(frozen=True, eq=False)
class Network:
    """Nodes joined by bonds, in 2D or 3D, finite or periodic.

    Parameters
    ----------
    nodes : (n, d) array, d = 2 or 3
        Coordinates, in the unit of length of your choice.
    edges : (m, 2) integer array
        The two node ids of every bond, counted from 0.
    cell : (d, d) array, optional
        Rows are the lattice vectors of a periodic cell.
    shifts : (m, d) integer array, optional
        Bond ``b`` runs from ``nodes[i]`` to ``nodes[j] + shifts[b] @ cell``. Left out, every bond
        of a periodic network takes the nearest image. Two nodes may be joined several times,
        through different images, and a node to images of its own.
    node_sets, edge_sets : mapping of name to ids, optional
    node_data, edge_data : mapping of name to an array with one row per node or bond, optional
    labels : sequence of str, optional
        What the nodes are called, such as "A:52A", each another text. Tasks can name nodes so, and
        messages do. Labels that only count from 0 are dropped.
    tuples : mapping of "triples", "quadruples", "polygons" or "surfaces" to node ids, optional
        Rows of nodes of elements: (t, 3), (t, 4), or lists; of surfaces, three per triangle.
    tuple_shifts : mapping of the same names to (t, k, d) integer arrays, optional
        Images of these nodes in a periodic network; each the nearest to the one before if left out.
    notes : sequence of str, optional
        What the reader of its file chose or left out, in sentences.
    body : Body, optional
        Cells of a meshed body, whose nodes these are; see :mod:`mechlearn.networks.bodies`.

    Raises
    ------
    InputError
        For coordinates that are not finite, ids out of range, duplicate bonds, bonds of no length,
        nodes without bonds, or a network in several pieces; the message names the ids.
    """

    nodes: NDArray[np.float64]
    edges: NDArray[np.int64]
    cell: NDArray[np.float64] | None = None
    shifts: NDArray[np.int64] | None = None
    node_sets: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    edge_sets: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    node_data: Mapping[str, NDArray] = field(default_factory=dict)
    edge_data: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    labels: Sequence[str] | None = None
    notes: tuple[str, ...] = ()
    tuples: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    tuple_shifts: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    body: "Body | None" = None

    def __post_init__(self) -> None:
        nodes = checked_nodes(self.nodes, 2 if self.cell is None else 1)
        put = object.__setattr__
        put(self, "labels", checked_labels(self.labels, len(nodes)))
        edges = checked_bonds(self.edges, len(nodes))
        cell, shifts = _periodicity(self.cell, self.shifts, nodes, edges)
        put(self, "nodes", frozen(nodes))
        put(self, "edges", frozen(edges))
        put(self, "cell", None if cell is None else frozen(cell))
        put(self, "shifts", None if shifts is None else frozen(shifts))
        put(self, "node_sets", checked_sets(self.node_sets, len(nodes), "node"))
        put(self, "edge_sets", checked_sets(self.edge_sets, len(edges), "edge"))
        put(self, "node_data", checked_data(self.node_data, len(nodes), "node"))
        put(self, "edge_data", checked_data(self.edge_data, len(edges), "edge"))
        put(self, "notes", tuple(map(str, self.notes)))
        _check_bonds(self)
        put(self, "tuples", checked_tuples(self.tuples, len(nodes)))
        put(self, "tuple_shifts", self._shifted())

    def __reduce__(self) -> tuple[Any, ...]:  # networks travel between processes
        values = (getattr(self, f.name) for f in fields(self))
        return type(self), tuple(dict(v) if isinstance(v, Mapping) else v for v in values)

    # -- sizes ---------------------------------------------------------------------------------

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.nodes)

    @property
    def n_edges(self) -> int:
        """Number of bonds."""
        return len(self.edges)

    def count(self, table: str) -> int:
        """Number of elements of a ``table``: "edges", "regions", or a name of node tuples."""
        if table == "regions":
            return self.body.n_elements if self.body else 0
        return self.n_edges if table == "edges" else len(self.tuples.get(table, ()))

    @property
    def dim(self) -> int:
        """Dimension of space, 2 or 3."""
        return self.nodes.shape[1]

    @property
    def periodic(self) -> bool:
        """True for a network in a periodic cell."""
        return self.cell is not None

    @property
    def lattice_vectors(self) -> NDArray[np.float64]:
        """Vectors of the cell of a periodic network, in rows, shape (d, d)."""
        assert self.cell is not None, "a finite network has no cell"
        return self.cell

    @property
    def coordination(self) -> float:
        """Mean number of bonds per node, ``2 m / n``."""
        return 2 * self.n_edges / self.n_nodes

    def label(self, node: int) -> str:
        """Name of ``node``: its label, or its number."""
        return str(int(node)) if self.labels is None else self.labels[node]

    def named(self, nodes: ArrayLike) -> list[str]:
        """Names of ``nodes`` for messages."""
        return [self.label(node) for node in np.ravel(nodes)]

    def described(self, nodes: ArrayLike) -> list[str]:
        """Names of ``nodes`` for people: residues with their names, such as "HIS A:372"."""
        names = self.node_data.get("name") if "residue" in self.node_data else None
        labels = self.named(nodes)
        if names is None or names.dtype.kind != "U" or self.labels is None:
            return labels
        return [
            f"{names[n]} {text}".strip() for n, text in zip(np.ravel(nodes), labels, strict=True)
        ]

    # -- geometry ------------------------------------------------------------------------------

    @property
    def vectors(self) -> NDArray[np.float64]:
        """Bond vectors from first to second node, images included, shape (m, d)."""
        return self.nodes[self.edges[:, 1]] - self.nodes[self.edges[:, 0]] + self.images

    @property
    def images(self) -> NDArray[np.float64]:
        """Translation of every bond's second node to the image that it ends at, shape (m, d)."""
        if self.cell is None or self.shifts is None:
            return np.zeros((self.n_edges, self.dim))
        return self.shifts @ self.cell

    @property
    def crossing(self) -> NDArray[np.bool_]:
        """Mask of the bonds that cross the periodic cell, shape (m,)."""
        return np.zeros(self.n_edges, bool) if self.shifts is None else self.shifts.any(axis=1)

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Bond lengths in the reference configuration, shape (m,)."""
        return np.linalg.norm(self.vectors, axis=1)

    def separation(self, a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
        """Vectors from nodes ``a`` to nodes ``b``, to the nearest image in a periodic network."""
        v = self.nodes[np.asarray(b)] - self.nodes[np.asarray(a)]
        return v if self.cell is None else v + nearest_image(v, self.cell) @ self.cell

    def tuple_places(self, table: str) -> NDArray[np.float64]:
        """Reference positions of the nodes of a ``table`` of tuples, side by side, (t, k, d)."""
        places = self.nodes[self.tuples[table]]
        return places if self.cell is None else places + self.tuple_shifts[table] @ self.cell

    def _shifted(self) -> Mapping[str, NDArray[np.int64]]:
        """Images of the nodes of all tuples; none of a finite network."""
        out: dict[str, NDArray[np.int64]] = {}
        for name, rows in self.tuples.items() if self.cell is not None else ():
            given = self.tuple_shifts.get(name)
            if given is None:
                steps = nearest_image(np.diff(self.nodes[rows], axis=1), self.lattice_vectors)
                given = np.cumsum(np.insert(steps, 0, 0, axis=1), axis=1)
            if np.shape(given) != (*rows.shape, self.dim):
                raise InputError(f"The shifts of {name} must have shape {(*rows.shape, self.dim)}.")
            out[name] = frozen(np.asarray(given, dtype=np.int64))
        check_repeated(self.tuples, out)
        return out

    def compatibility(self) -> sparse.csr_array:
        """The sparse matrix that takes displacements to extensions of bonds, shape (m, n d).

        Displacements are ordered node by node, ``u[d * i + c]``; small displacements.
        """
        t = self.vectors / self.lengths[:, None]
        d, m = self.dim, self.n_edges
        dofs = d * self.edges[:, :, None] + np.arange(d)
        values, rows = np.stack([-t, t], axis=1), np.repeat(np.arange(m), 2 * d)
        entries = values.ravel(), (rows, dofs.ravel())
        return sparse.csr_array(entries, shape=(m, self.n_nodes * d))

    def neighbours(self) -> sparse.csr_array:
        """Symmetric 0/1 adjacency of the nodes, shape (n, n)."""
        return _adjacency(self.edges, self.n_nodes)

    # -- changes -------------------------------------------------------------------------------

    def keep_edges(self, keep: ArrayLike) -> "Network":
        """Network with only the bonds in ``keep`` (ids or a mask); edge sets follow."""
        ids = np.arange(self.n_edges)[np.asarray(keep)]
        return replace(
            self,
            edges=self.edges[ids],
            shifts=None if self.shifts is None else self.shifts[ids],
            edge_sets=renumbered(self.edge_sets, ids, self.n_edges),
            edge_data={k: v[ids] for k, v in self.edge_data.items()},
        )

    def with_data(self, **edge_data: ArrayLike) -> "Network":
        """Copy with additional bond data.

        Parameters
        ----------
        **edge_data : (m, ...) arrays
            By the name they get; one that is there is replaced.
        """
        added = {name: np.asarray(values) for name, values in edge_data.items()}
        return replace(self, edge_data={**self.edge_data, **added})

    def tile(self, *counts: int, **options: Any) -> "Network":
        """A finite network of so many copies of the periodic cell along every axis.

        Parameters
        ----------
        *counts : int
            One per axis of the cell.
        **options : those of :func:`mechlearn.networks.tiling.tile`, such as ``ends``

        Raises
        ------
        InputError
            For a finite network, cells that differ, and where no network is left.
        """
        from mechlearn.networks.tiling import tile

        return tile(self, counts, **options).network

    def supercell(self, *counts: int) -> "Network":
        """The periodic network of so many copies of its cell along every axis, as one cell.

        Parameters
        ----------
        *counts : int
            One per axis of the cell.

        Raises
        ------
        InputError
            For a finite network, and counts that are none.
        """
        from mechlearn.networks.tiling import supercell

        return supercell(self, counts)

    def to_networkx(self) -> Any:
        """The network as a networkx graph: see :func:`mechlearn.networks.graphs.to_networkx`."""
        from mechlearn.networks.graphs import to_networkx

        return to_networkx(self)

    def __repr__(self) -> str:
        kind = "periodic " if self.periodic else ""
        return (
            f"<{kind}Network in {self.dim}D: {self.n_nodes} nodes, {self.n_edges} bonds, "
            f"coordination {self.coordination:.3f}>"
        )

    def _repr_html_(self) -> str:
        from mechlearn.render.notebook import network_html

        return network_html(self)


def pieces(edges: NDArray, n_nodes: int) -> NDArray[np.int64]:
    """Connected component of every node, shape (n,); 0 is the largest."""
    _, labels = connected_components(_adjacency(edges, n_nodes), directed=False)
    order = np.argsort(-np.bincount(labels), kind="stable")
    return np.argsort(order)[labels]


def _adjacency(edges: NDArray, n: int) -> sparse.csr_array:
    both = np.vstack([edges, edges[:, ::-1]])
    a = sparse.csr_array((np.ones(len(both)), tuple(both.T)), shape=(n, n))
    a.data[:] = 1
    return a


def _periodicity(
    cell: ArrayLike | None, shifts: ArrayLike | None, nodes: NDArray, edges: NDArray
) -> tuple[NDArray[np.float64] | None, NDArray[np.int64] | None]:
    d = nodes.shape[1]
    if cell is None:
        if shifts is not None:
            raise InputError("A network with shifts of its bonds needs the periodic cell as well.")
        return None, None
    try:
        rows = real_numbers(cell)
    except (TypeError, ValueError):
        rows = np.zeros(0)
    if rows.shape != (d, d) or not (np.abs(rows) <= LARGEST).all() or _flat(rows):
        raise InputError(f"The periodic cell must be {d} independent, finite vectors of {d}D.")
    if shifts is None:
        apart = nodes[edges[:, 1]] - nodes[edges[:, 0]]
        return rows, nearest_image(apart, rows)
    whole = np.asarray(shifts)
    whole = whole.astype(float) if whole.dtype.kind == "f" else whole  # narrow ones have no BOX
    good = whole.shape == (len(edges), d) and whole.dtype.kind in "fiu"
    if not good or not np.all(whole == np.rint(whole)) or np.any((whole < -BOX) | (whole > BOX)):
        raise InputError(f"The shifts must be whole numbers of shape ({len(edges)}, {d}).")
    return rows, whole.astype(np.int64)


def _flat(rows: NDArray[np.float64]) -> bool:
    """True for lattice vectors that are linearly dependent to rounding."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return not (lengths >= 1 / LARGEST).all() or abs(np.linalg.det(rows / lengths)) < 1e-9


def _check_bonds(net: Network) -> None:
    extent = max(np.ptp(net.nodes, axis=0).max(), 0 if net.cell is None else np.abs(net.cell).max())
    i, j = net.edges.T
    bad = np.flatnonzero((i == j) & (net.shifts is None or (net.shifts == 0).all(axis=1)))
    if len(bad):
        raise InputError(
            f"Edge {listed(bad)} joins a node to itself (node {net.label(i[bad[0]])})."
        )
    bad = np.flatnonzero(net.lengths <= SHORTEST_BOND * extent)
    if len(bad):
        i, j = net.edges[bad[0]]
        raise InputError(
            f"Edge {listed(bad)} has no length (nodes {net.label(i)} and {net.label(j)} coincide)."
        )
    first_low = i < j
    if net.shifts is not None:
        # Of a bond to an image of its own node either end may come first.
        ahead = np.take_along_axis(net.shifts, (net.shifts != 0).argmax(axis=1)[:, None], axis=1)
        first_low |= (i == j) & (ahead[:, 0] > 0)
    pairs = np.where(first_low[:, None], net.edges, net.edges[:, ::-1])
    if net.shifts is not None:
        pairs = np.hstack([pairs, np.where(first_low[:, None], net.shifts, -net.shifts)])
    _, first, inverse = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[inverse.ravel()] != np.arange(net.n_edges))
    if len(again):
        i, j = net.edges[again[0]]
        raise InputError(
            f"Edge {listed(again)} repeats another bond (between nodes {net.label(i)} and "
            f"{net.label(j)})."
        )
    alone = np.setdiff1d(np.arange(net.n_nodes), net.edges)
    if len(alone):
        raise InputError(
            f"Node {listed(net.named(alone))} has no bond; remove it or join it to the others."
        )
    labels = pieces(net.edges, net.n_nodes)
    if labels.max() > 0:
        small = np.flatnonzero(labels != 0)
        raise InputError(
            f"The network is in {labels.max() + 1} pieces, the largest with "
            f"{np.count_nonzero(labels == 0)} nodes; outside it lie nodes "
            f"{listed(net.named(small))}."
        )
