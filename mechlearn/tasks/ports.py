"""Ports: where, and by what numbers, sources and targets touch a network.

Whatever touches a network from outside does so at a *port*: one number read off the state (a
displacement component of a node, the extension of a pair's distance, a strain of the periodic cell)
together with the force that is its partner. In every state of the network each port is either
*held* at a value, and its force follows, or *loaded* with a force, and its value follows. Supports
that never move are no ports; they are taken out of the equations altogether.

:func:`resolve` finds the nodes that a task names by labels, sets and rough places.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.attributes import nearest_image, node_ids
from mechlearn.energies.kinematics import Kinematics
from mechlearn.errors import InputError, listed
from mechlearn.fem.macroscopic_strain import affine_rows, cell_functional, entry, multiplicity
from mechlearn.network import Network
from mechlearn.networks.bodies import part_of

if TYPE_CHECKING:
    from mechlearn.tasks.task import Support, Task, Terminal

#: Ways to say where a source or target is.
PLACES = ("nodes", "near", "cell", "region")
#: Entries of a matrix: rows, columns and values.
Entries = list[tuple[int, int, float]]


@dataclass(frozen=True)
class Port(ABC):
    """One scalar functional of the state: of a node, a pair of nodes, or the cell.

    Its value is a linear functional of the state, a *raw row*, or the change of the length of a
    vector of several.

    Attributes
    ----------
    terminal : str
        Name of the source or target.
    nodes : tuple of int
        One node, two of a pair, none of the cell.
    names : tuple of str
        What the nodes are called; their ids where left out.
    unit : float
        The port's value, or force, over the user's quantity: a pair's distance for strains.
    offset : float
        The user's quantity where the port reads zero.
    length : float
        What its value is a strain of: a pair's distance, 1 of the cell; infinite where it is none.
    component : int, optional
        Which component of a node.
    cell : str, optional
        Which component of the cell's strain.
    """

    terminal: str
    nodes: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    unit: float = 1.0
    length: float = np.inf
    component: int | None = None
    cell: str | None = None
    offset: float = 0.0
    #: -1 where its value counts against the axis of its component.
    sign = 1.0

    def __post_init__(self) -> None:
        if len(self.names) != len(self.nodes):
            object.__setattr__(self, "names", tuple(map(str, self.nodes)))

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal of ports that are the same."""
        return type(self), frozenset(self.nodes), self.component, self.cell

    def dof(self, width: int) -> int:
        """Its degree of freedom, with ``width`` of them at every node; -1 for pair and cell."""
        return -1

    @abstractmethod
    def rows(self, network: Network, kinematics: Kinematics) -> tuple[Entries, list[float]]:
        """Entries of its raw rows, and the vector's components in the reference configuration.

        These are zero where its value is a raw row. Columns are the degrees of freedom of the
        nodes, then the entries of the cell's deformation gradient, less one, row by row.
        """

    @abstractmethod
    def place(self, components: tuple[str, ...]) -> str:
        """Place in messages; ``components`` are those of a node."""

    def suffix(self, components: tuple[str, ...]) -> str:
        """Part that tells it from others at its nodes, in names of outputs."""
        return ""

    def words(self, kinematics: Kinematics) -> tuple[str, str]:
        """Words for its value and force where a source is there, such as strain and force."""
        return kinematics.drop, kinematics.through

    def factors(self, network: Network) -> tuple[float, float]:
        """The port's value and force over what these words mean to the user."""
        sign = float(np.sign(self.unit))
        return sign * self.extent, sign

    @property
    def extent(self) -> float:
        """Length that its value is a strain of; 1 where it is none."""
        return self.length if np.isfinite(self.length) else 1.0


class NodePort(Port):
    """Component of a node's state."""

    component: int

    @override
    def dof(self, width: int) -> int:
        return width * self.nodes[0] + self.component

    @override
    def rows(self, network: Network, kinematics: Kinematics) -> tuple[Entries, list[float]]:
        return [(0, self.dof(len(kinematics.components(network.dim))), 1.0)], [0.0]

    @override
    def place(self, components: tuple[str, ...]) -> str:
        return f"{components[self.component]} of node {self.names[0]}"

    @override
    def suffix(self, components: tuple[str, ...]) -> str:
        return f".{components[self.component]}" if len(components) > 1 else ""

    @override
    def words(self, kinematics: Kinematics) -> tuple[str, str]:
        return kinematics.across, kinematics.through


class CurvedPort(Port):
    """Curved function of several raw rows."""

    @property
    def beside(self) -> tuple[tuple[Any, ...], ...]:
        """Keys of ports whose last values say which value is meant, where there are several."""
        return ()

    @abstractmethod
    def size(
        self, x: NDArray, near: NDArray | None = None
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Value at those of the raw rows, (k,), with its first and second derivatives.

        ``near`` are the last values of the ports ``beside``, zeros where left out.
        """


class PairPort(Port):
    """Change of the distance of two nodes, or the difference of their potentials."""

    @override
    def rows(self, network: Network, kinematics: Kinematics) -> tuple[Entries, list[float]]:
        width, (a, b) = len(kinematics.components(network.dim)), self.nodes
        vector = kinematics.pair(network, a, b)
        if not len(vector):
            return [(0, width * a, 1.0), (0, width * b, -1.0)], [0.0]
        entries = [(c, width * b + c, 1.0) for c in range(len(vector))]
        entries += [(c, width * a + c, -1.0) for c in range(len(vector))]
        moved, last = affine_rows(vector), network.n_nodes * width
        entries += [(c, last + k, moved[c, k]) for c, k in np.argwhere(moved).tolist()]
        return entries, vector.tolist()

    @override
    def place(self, components: tuple[str, ...]) -> str:
        return f"the pair of nodes {listed(self.names)}"


class CellPort(Port):
    """Component of the strain of a periodic cell."""

    cell: str

    @override
    def rows(self, network: Network, kinematics: Kinematics) -> tuple[Entries, list[float]]:
        last = network.n_nodes * len(kinematics.components(network.dim))
        weights = cell_functional(self.cell, network.dim)
        return [(0, last + k, weights[k]) for k in np.flatnonzero(weights).tolist()], [0.0]

    @override
    def place(self, components: tuple[str, ...]) -> str:
        return f"{self.cell} of the cell"

    @override
    def suffix(self, components: tuple[str, ...]) -> str:
        return f".{self.cell}"

    @override
    def words(self, kinematics: Kinematics) -> tuple[str, str]:
        return "strain", "stress"

    @override
    def factors(self, network: Network) -> tuple[float, float]:
        return 1.0, volume(network) * multiplicity(self.cell)


class GradientPort(CellPort):
    """Entry of the deformation gradient of a periodic cell; one on the diagonal is a strain."""

    @property
    @override
    def key(self) -> tuple[Any, ...]:
        i, j = entry(self.cell)
        return CellPort if i == j else GradientPort, frozenset(), None, self.cell

    @override
    def rows(self, network: Network, kinematics: Kinematics) -> tuple[Entries, list[float]]:
        last, (i, j) = network.n_nodes * len(kinematics.components(network.dim)), entry(self.cell)
        return [(0, last + network.dim * i + j, 1.0)], [0.0]

    @override
    def words(self, kinematics: Kinematics) -> tuple[str, str]:
        return "deformation_gradient", "piola_stress"

    @override
    def factors(self, network: Network) -> tuple[float, float]:
        return 1.0, volume(network)


@dataclass(frozen=True)
class PathPort(Port):
    """Number measured on the path of a source, which is no functional of one state.

    Attributes
    ----------
    quantity, source : str
    at : tuple of float
        Where on the path.
    """

    quantity: str = ""
    source: str = ""
    at: tuple[float, ...] = ()

    @property
    @override
    def key(self) -> tuple[Any, ...]:
        return self.quantity, self.source, self.at

    @override
    def rows(self, network: Network, kinematics: Kinematics) -> tuple[Entries, list[float]]:
        return [], [0.0]

    @override
    def place(self, components: tuple[str, ...]) -> str:
        where = f" at {listed(f'{u:g}' for u in self.at)}" if self.at else ""
        return f"the path of {self.source!r}{where}"

    @override
    def suffix(self, components: tuple[str, ...]) -> str:
        return f"[{self.at[0]:g}]" if self.at else ""


def volume(network: Network) -> float:
    """Volume of the periodic cell."""
    return abs(float(np.linalg.det(network.lattice_vectors)))


def components_of(
    names: Sequence[str] | None, known: tuple[str, ...], first: int, what: str
) -> list[int]:
    """Numbers of the named components; of the ``first`` ones where none are named."""
    if names is None:
        return list(range(first))
    if not names:
        raise InputError(f"{what}: components names none; leave it out for all.")
    if len(set(names)) < len(names):
        raise InputError(f"{what}: a component is named twice.")
    for name in names:
        if name not in known:
            raise InputError(
                f"{what}: a node of this network has no component {name!r}; it has {listed(known)}."
            )
    return [known.index(name) for name in names]


def resolve(task: "Task", network: Network) -> "Task":
    """Task with explicit node ids everywhere.

    Raises
    ------
    InputError
        For ids out of range, unknown labels and sets, and places where no node or pair is left.
    """
    tables: list[Support | Terminal] = [*task.supports, *task.sources, *task.targets]
    words = [f"support {k}" for k in range(1, len(task.supports) + 1)]
    words += [t.full_name for t in (*task.sources, *task.targets)]
    explicit = [
        None if t.nodes is None else node_ids(t.nodes, network, what)
        for t, what in zip(tables, words, strict=True)
    ]
    # Whatever is looked for is none of the nodes that are named, nor one that was found before.
    taken = {node for ids in explicit if ids is not None for node in ids}
    placed: list[Any] = []
    for table, ids, what in zip(tables, explicit, words, strict=True):
        if (source := getattr(table, "source", None)) is not None:
            at = next(t for t in placed if getattr(t, "name", None) == source)
            place = {"nodes": at.nodes, "cell": at.cell, "region": at.region, "source": None}
            place["components"] = table.components or at.components
            place["together"] = at.together
        elif getattr(table, "cell", None) is not None:
            place = {}
        elif table.region is not None:
            # A mean is of a source or target; a support holds every node. Single nodes of a part
            # may be looked for beside it.
            ids = part_of(network, table.region, what)[0].tolist()
            place = {} if hasattr(table, "full_name") else {"nodes": ids, "region": None}
        else:
            place = {"nodes": ids or _near(table, network, taken, what), "near": None}
            taken.update(place["nodes"])
        placed.append(table.model_copy(update=place))
    held, driven = len(task.supports), len(task.supports) + len(task.sources)
    parts = {"supports": placed[:held], "sources": placed[held:driven], "targets": placed[driven:]}
    return task.model_copy(update=parts)


def by_label(task: "Task", network: Network) -> "Task":
    """Resolved task with labels in place of ids that could be mistaken for labels."""
    if network.labels is None or not any(label.isdecimal() for label in network.labels):
        return task

    def named(table: Any) -> Any:
        """Table whose nodes are labels, where it has nodes."""
        if table.nodes is None:
            return table
        labels = [n if isinstance(n, str) else network.label(n) for n in table.nodes]
        return table.model_copy(update={"nodes": labels})

    parts = ("supports", "sources", "targets")
    return task.model_copy(update={p: list(map(named, getattr(task, p))) for p in parts})


def _near(table: "Support | Terminal", network: Network, taken: set[int], what: str) -> list[int]:
    """Free node, or pair of close unbonded nodes, nearest to a wanted place."""
    near = table.near or []
    if len(near) != network.dim:
        raise InputError(f"{what}: near needs {network.dim} numbers in {network.dim}D.")
    if network.periodic:
        place = np.asarray(near) @ network.lattice_vectors
    else:
        low = network.nodes.min(axis=0)
        place = low + np.asarray(near) * np.ptp(network.nodes, axis=0)
    free = np.setdiff1d(np.arange(network.n_nodes), sorted(taken))
    pair = getattr(table, "of_pair", False)
    candidates = close_pairs(network, free) if pair else free[:, None]
    if len(candidates) == 0:
        raise InputError(f"{what}: no {'pair of nodes' if pair else 'node'} is left near {near}.")
    a, b = candidates[:, 0], candidates[:, -1]
    middle = network.nodes[a] + network.separation(a, b) / 2
    away = _distance(middle, place, network)
    if network.body is not None and away.min() > network.lengths.max() * (3 if pair else 2):
        raise InputError(
            f"{what}: near = {near} is off the body, in a hole or outside; its nearest node is "
            f"{away.min():.3g} away."
        )
    return candidates[np.argmin(away)].tolist()


def close_pairs(network: Network, among: NDArray | None = None) -> NDArray[np.int64]:
    """Pairs of nodes with a common neighbour and no bond, shape (k, 2).

    Only pairs at least half a mean bond apart, so that their direction means something.
    """
    adjacency = network.neighbours()
    twice = (adjacency @ adjacency).tocoo()
    i, j = twice.coords
    pairs = np.stack([i, j], axis=1)[i < j]
    if not len(pairs):  # SciPy looks up no pairs as something else
        return pairs.astype(np.int64)
    pairs = pairs[adjacency[pairs[:, 0], pairs[:, 1]] == 0]
    if among is not None:
        pairs = pairs[np.isin(pairs, among).all(axis=1)]
    apart = np.linalg.norm(network.separation(pairs[:, 0], pairs[:, 1]), axis=1)
    mean = network.lengths.mean()
    return pairs[(apart > 0.5 * mean) & (apart < 2.5 * mean)]


def _distance(points: NDArray, place: NDArray, network: Network) -> NDArray:
    away = points - place
    if network.periodic:
        away = away + nearest_image(away, network.lattice_vectors) @ network.lattice_vectors
    return np.linalg.norm(away, axis=1)
