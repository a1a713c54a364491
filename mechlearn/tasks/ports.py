"""Ports of sources and targets, from the quantities a task names."""

import numpy as np

from mechlearn.energies.kinematics import Displacements, Kinematics
from mechlearn.errors import InputError, listed
from mechlearn.fem.macroscopic_strain import VOLUME, cell_components, multiplicity
from mechlearn.network import Network
from mechlearn.tasks.problem import Port
from mechlearn.tasks.task import Source, Task, Terminal


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
    nodes, name = terminal.nodes, name_of(terminal)
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
    nodes, name = terminal.nodes, name_of(terminal)
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
    names: list[str] | None, known: tuple[str, ...], first: int, what: str
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
    names = terminal.cell if isinstance(terminal.cell, list) else [terminal.cell]
    many = isinstance(terminal.value, list)
    if np.size(terminal.value) != len(names) or many != isinstance(terminal.cell, list):
        raise InputError(
            f"{name_of(terminal)}: {terminal.quantity} = {terminal.value} needs one number for "
            f"each of cell = {terminal.cell}."
        )
    volume = abs(float(np.linalg.det(network.cell)))
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
            if source.cell is None or source.quantity != "strain" or value == "free":
                continue
            names = source.cell if isinstance(source.cell, list) else [source.cell]
            there += [p for p in zip(names, np.atleast_1d(value), strict=False) if p[0] in among]
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
        names = terminal.cell if isinstance(terminal.cell, list) else [terminal.cell]
        for name in names:
            if name not in (*known, VOLUME, None):
                raise InputError(
                    f"{name_of(terminal)}: cell = {name!r} is not known in {network.dim}D; known "
                    f"are {listed([*known, VOLUME])}."
                )
        if len(set(names)) < max(len(names), 1):
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
