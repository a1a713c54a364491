"""Ports: where, and by what numbers, sources and targets touch a network.

Whatever touches a network from outside does so at a *port*: one number read off the state (a
displacement component of a node, the extension of a pair's distance, a strain of the periodic cell)
together with the force that is its partner. In every state of the network each port is either
*held* at a value, and its force follows, or *loaded* with a force, and its value follows. Supports
that never move are no ports; they are taken out of the equations altogether.

:func:`resolve` finds the nodes that a task names by labels, sets and rough places, :func:`ports_of`
the ports of each of its sources and targets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.attributes import node_ids
from mechlearn.energies.kinematics import Displacements, Kinematics
from mechlearn.errors import InputError, listed
from mechlearn.fem.macroscopic_strain import VOLUME, cell_components, multiplicity
from mechlearn.network import Network, nearest_image
from mechlearn.tasks.task import PLACES, Nodes, Source, Support, Task, Terminal, ids_of


@dataclass(frozen=True)
class Port:
    """One scalar functional of the state: of a node, a pair of nodes, or the cell.

    Attributes
    ----------
    terminal : str
        Name of the source or target.
    nodes : tuple of int
        One node, two of a pair, none of the cell.
    component : int, optional
        Which component of a node.
    unit : float
        The port's value, or force, over the user's quantity: a pair's distance for strains.
    cell : str, optional
        Which component of the cell's strain.
    names : tuple of str
        What the nodes are called; their ids where left out.
    length : float
        What its value is a strain of: a pair's distance, 1 of the cell; infinite where it is none.
    """

    terminal: str
    nodes: tuple[int, ...]
    component: int | None
    unit: float = 1.0
    cell: str | None = None
    names: tuple[str, ...] = ()
    length: float = np.inf

    def __post_init__(self) -> None:
        if len(self.names) != len(self.nodes):
            object.__setattr__(self, "names", tuple(map(str, self.nodes)))

    def dof(self, width: int) -> int:
        """Its degree of freedom, with ``width`` of them at every node; -1 for pair and cell."""
        return -1 if self.component is None else width * self.nodes[0] + self.component


def ports_of(
    terminal: Terminal, task: Task, network: Network, kinematics: Kinematics
) -> list[Port]:
    """The ports that a terminal is about, in the order of its numbers.

    Raises
    ------
    InputError
        Where its numbers, nodes and components do not go together.
    """
    if terminal.cell is not None:
        return _cell_ports(terminal, task, network)
    nodes, name = ids_of(terminal), name_of(terminal)
    known = kinematics.components(network.dim)
    single = not isinstance(terminal.value, list)
    if not single and terminal.quantity == "strain":
        raise InputError(f"{name}: the strain of a pair is one number, not a list.")
    if single and (len(nodes) == 2 or len(known) > 1):
        return [_pair(terminal, network, kinematics)]
    if single and len(nodes) != 1:
        raise InputError(
            f"{name}: a {terminal.quantity} of one number needs one node, or a pair; write "
            f"[{terminal.value}] for every one of the {len(nodes)} nodes."
        )
    places = len(known) - kinematics.rotations(network.dim)
    components = components_of(terminal.components, known, places, name)
    if not kinematics.turned and max(components) >= places:
        raise InputError(
            f"{name} is about a rotation; the joints of a solid can be held against turning by a "
            "support, but are not turned, and their turns and moments are not read."
        )
    if np.size(terminal.value) != len(components):
        raise InputError(
            f"{name}: {terminal.quantity} has {np.size(terminal.value)} numbers where "
            f"{len(components)} components need one each."
        )
    return [
        Port(terminal.name, (i,), c, names=tuple(network.described([i])))
        for i in nodes
        for c in components
    ]


def _pair(terminal: Terminal, network: Network, kinematics: Kinematics) -> Port:
    nodes, name = ids_of(terminal), name_of(terminal)
    if len(nodes) != 2:
        raise InputError(
            f"{name}: a {terminal.quantity} of one number needs a pair of nodes, not {len(nodes)}."
        )
    if terminal.components is not None:
        raise InputError(f"{name}: components go with a displacement, not with a pair.")
    vector = kinematics.pair(network, *nodes)
    if len(vector) and not np.any(vector):
        raise InputError(f"{name}: nodes {listed(network.described(nodes))} lie on the same place.")
    distance, names = float(np.linalg.norm(vector)), tuple(network.described(nodes))
    if terminal.quantity != "strain":
        return Port(terminal.name, tuple(nodes), None, names=names)
    return Port(terminal.name, tuple(nodes), None, distance, names=names, length=distance)


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


def _cell_ports(terminal: Terminal, task: Task, network: Network) -> list[Port]:
    names, many = terminal.cell_names, isinstance(terminal.value, list)
    if np.size(terminal.value) != len(names) or many != isinstance(terminal.cell, list):
        raise InputError(
            f"{name_of(terminal)}: {terminal.quantity} = {terminal.value} needs one number for "
            f"each of cell = {terminal.cell}."
        )
    volume = abs(float(np.linalg.det(network.lattice_vectors)))
    ports = []
    for name in names:
        unit = 1.0
        if terminal.quantity in ("stress", "modulus"):
            unit = volume * multiplicity(name)
        if terminal.quantity == "modulus":
            unit *= multiplicity(name) * _imposed_strain(terminal, task, {name})[1]
        if terminal.quantity == "poisson":
            normal = {c for c in cell_components(network.dim) if multiplicity(c) == 1}
            if name not in normal:
                raise InputError(
                    f"{name_of(terminal)}: poisson is of a normal strain, not {name!r}."
                )
            driven, strain = _imposed_strain(terminal, task, normal)
            if driven == name:
                raise InputError(
                    f"{name_of(terminal)}: poisson is of a strain across the one that is imposed, "
                    f"and {name!r} is imposed."
                )
            unit = -strain
        ports.append(Port(terminal.name, (), None, unit, name, length=_length(name, network.dim)))
    return ports


def _length(name: str, dim: int) -> float:
    """Reference length of a component of the cell's strain, for a cell of size 1."""
    if name == VOLUME:
        return float(dim)
    return 1.0 if multiplicity(name) == 1 else np.inf


def _imposed_strain(terminal: Terminal, task: Task, among: set[str]) -> tuple[str, float]:
    """Strain component imposed by a source among some of a target."""
    found: set[tuple[str, float]] = set()
    for example in task.examples or [{}]:
        if example.get(terminal.name) == "free":
            continue
        there = []
        for source in task.sources:
            value = example.get(source.name, source.value)
            if source.quantity != "strain" or value == "free":
                continue
            strains = zip(source.cell_names, np.atleast_1d(value), strict=False)
            there += [(str(c), float(v)) for c, v in strains if c in among]
        found.update(there or [("", 0.0)])
        if len(there) > 1:
            break
    if len(found) != 1 or not next(iter(found))[1]:
        raise InputError(
            f"{name_of(terminal)}: a {terminal.quantity} needs exactly one source that strains "
            f"{' or '.join(sorted(among))} of the cell, by the same amount, not zero, wherever it "
            "is asked for."
        )
    name, strain = found.pop()
    return name, float(strain)


def check_cell(task: Task, network: Network, kinematics: Kinematics) -> None:
    """Raise InputError for a cell terminal without a deformable cell."""
    if not network.periodic or not isinstance(kinematics, Displacements):
        first = next(t for t in (*task.sources, *task.targets) if t.cell is not None)
        what = "a finite one" if not network.periodic else "one of potentials"
        raise InputError(
            f"{name_of(first)} is about the cell of a periodic elastic network; this is {what}."
        )
    known = cell_components(network.dim)
    for terminal in (*task.sources, *task.targets):
        for name in terminal.cell_names:
            if name not in (*known, VOLUME):
                raise InputError(
                    f"{name_of(terminal)}: cell = {name!r} is not known in {network.dim}D; known "
                    f"are {listed([*known, VOLUME])}."
                )
        names = terminal.cell_names
        if terminal.cell is not None and len(set(names)) < max(len(names), 1):
            raise InputError(f"{name_of(terminal)}: cell names nothing, or a component twice.")
        of_nodes = terminal.quantity == kinematics.across or isinstance(terminal.value, list)
        if terminal.cell is None and of_nodes:
            raise InputError(
                f"{name_of(terminal)} is about a {terminal.quantity} of nodes, which in a cell "
                "that deforms depends on where it is held; use the strain, or the force, of a pair."
            )


def name_of(terminal: Terminal) -> str:
    """Name of a source or target in messages."""
    return f"{'source' if isinstance(terminal, Source) else 'target'} {terminal.name!r}"


def place_of(port: Port, components: tuple[str, ...]) -> str:
    """Place of a port in messages; ``components`` are those of a node."""
    if port.cell is not None:
        return f"{port.cell} of the cell"
    if port.component is None:
        return f"the pair of nodes {listed(port.names)}"
    return f"{components[port.component]} of node {port.names[0]}"


def resolve(task: Task, network: Network) -> Task:
    """Task with explicit node ids everywhere.

    Raises
    ------
    InputError
        For ids out of range, unknown labels and sets, and places where no node or pair is left.
    """
    task = at_sources(task)
    words = [f"support {k}" for k in range(1, len(task.supports) + 1)]
    words += [name_of(t) for t in (*task.sources, *task.targets)]
    tables: list[Support | Terminal] = [*task.supports, *task.sources, *task.targets]
    explicit = [
        None if t.nodes is None else node_ids(t.nodes, network, what)
        for t, what in zip(tables, words, strict=True)
    ]
    # Whatever is looked for is none of the nodes that are named, nor one that was found before.
    taken = {node for ids in explicit if ids is not None for node in ids}
    placed: list[Any] = []
    for table, ids, what in zip(tables, explicit, words, strict=True):
        if isinstance(table, Terminal) and table.cell is not None:
            placed.append(table)
            continue
        if ids is None and (source := getattr(table, "source", None)) is not None:
            at = next(k for k, t in enumerate(task.sources) if t.name == source)
            ids = placed[len(task.supports) + at].nodes
        elif ids is None:
            ids = _near(table, network, taken, what)
            taken.update(ids)
        placed.append(table.model_copy(update={"nodes": ids, "near": None}))
    held, driven = len(task.supports), len(task.supports) + len(task.sources)
    targets = [t.model_copy(update={"source": None}) for t in placed[driven:]]
    return task.model_copy(
        update={"supports": placed[:held], "sources": placed[held:driven], "targets": targets}
    )


def at_sources(task: Task) -> Task:
    """Task in which targets that name a source have the places of that source."""
    places = {s.name: {n: getattr(s, n) for n in (*PLACES, "components")} for s in task.sources}
    targets = []
    for target in task.targets:
        if target.source is not None:
            place = dict(places[target.source])
            place["components"] = target.components or place["components"]
            target = target.model_copy(update=place)
        targets.append(target)
    return task.model_copy(update={"targets": targets})


def by_label(task: Task, network: Network) -> Task:
    """Resolved task with labels in place of ids that could be mistaken for labels."""
    if network.labels is None or not any(label.isdecimal() for label in network.labels):
        return task
    parts = {
        part: [
            t if t.nodes is None else t.model_copy(update={"nodes": _named(t.nodes, network)})
            for t in getattr(task, part)
        ]
        for part in ("supports", "sources", "targets")
    }
    return task.model_copy(update=parts)


def _named(nodes: Nodes, network: Network) -> list[str]:
    return [n if isinstance(n, str) else network.label(n) for n in nodes]


def _near(table: Support | Terminal, network: Network, taken: set[int], what: str) -> list[int]:
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
    pair = isinstance(table, Terminal) and (
        table.strain is not None or isinstance(table.force, float)
    )
    candidates = close_pairs(network, free) if pair else free[:, None]
    if len(candidates) == 0:
        raise InputError(f"{what}: no {'pair of nodes' if pair else 'node'} is left near {near}.")
    a, b = candidates[:, 0], candidates[:, -1]
    middle = network.nodes[a] + network.separation(a, b) / 2
    away = _distance(middle, place, network)
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
