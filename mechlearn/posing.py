"""Posing a task: from the user's words to ports, held or loaded, and what is wanted of them."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from mechlearn.errors import InputError, listed
from mechlearn.kinematics import SPACE, Kinematics
from mechlearn.network import Network
from mechlearn.places import resolve
from mechlearn.problem import Port, Problem
from mechlearn.task import Source, Target, Task, Terminal


def pose(task: Task, network: Network, kinematics: Kinematics = SPACE) -> Problem:
    """Turn a task into a problem on a network whose nodes have what ``kinematics`` says.

    Raises
    ------
    InputError
        Where the task contradicts itself or the network; the message names the source or target.
    """
    for terminal in (*task.sources, *task.targets):
        if terminal.quantity not in kinematics.words:
            raise InputError(
                f"{_name(terminal)} is about a {terminal.quantity}, which this network does not "
                f"know; it knows {listed(kinematics.words)}."
            )
    task = resolve(task, network)
    components = kinematics.components(network.dim)
    supported = _supported(task, components)
    ports: list[Port] = []
    terminals: list[Terminal] = []
    seen: dict[tuple, str] = {}
    for terminal in (*task.sources, *task.targets):
        for port in _ports(terminal, network, kinematics):
            key = (frozenset(port.nodes), port.component)
            if key in seen:
                raise InputError(
                    f"{_name(terminal)} is the same as {seen[key]}: both are about {_place(port)}"
                    + (
                        "; the force there can be read where a support holds the network, not "
                        "where a source drives it."
                        if terminal.quantity == kinematics.through
                        else "."
                    )
                )
            seen[key] = _name(terminal)
            ports.append(port)
            terminals.append(terminal)
    through = np.array([t.quantity == kinematics.through for t in terminals])
    is_target = np.array([isinstance(t, Target) for t in terminals])
    dofs = np.array([p.dof(len(components)) for p in ports])
    for port, terminal, dof, reads_force in zip(ports, terminals, dofs, through, strict=True):
        measures_reaction = isinstance(terminal, Target) and reads_force
        if dof >= 0 and dof in supported and not measures_reaction:
            raise InputError(f"{_name(terminal)} is about {_place(port)}, which a support holds.")
    # The reaction of a support is read at a port, so the support becomes one.
    supported = np.setdiff1d(supported, dofs[is_target & through])
    held, values, wanted, asked = _examples(task, ports, terminals, through)
    if not task.cost.has_values and any(t.match for t in task.targets):
        raise InputError(f"A {task.cost.name} wants shares; no target can match another.")
    task.cost.check(wanted / np.array([p.unit for p in ports])[is_target], asked)
    motions = kinematics.free_motions(network)
    motions = kinematics.left_by_supports(network, motions, supported)
    gauge, grounded = _gauge(motions, supported, dofs, held, terminals, ports)
    return Problem(
        network=network,
        task=task,
        kinematics=kinematics,
        ports=tuple(ports),
        held=held,
        values=values,
        targets=np.flatnonzero(is_target),
        wanted=wanted,
        asked=asked,
        match=_match(task, ports, terminals),
        through=through[is_target],
        scale=_scale(ports, terminals, values, wanted),
        supported=supported.astype(np.int64),
        gauge=gauge.astype(np.int64),
        grounded=grounded,
    )


def _supported(task: Task, known: tuple[str, ...]) -> NDArray[np.int64]:
    dofs: list[int] = []
    for number, support in enumerate(task.supports, 1):
        components = _components(support.components, known, len(known), f"support {number}")
        dofs += [len(known) * i + c for i in support.nodes for c in components]
    return np.unique(np.array(dofs, dtype=np.int64))


def _components(
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


def _ports(terminal: Terminal, network: Network, kinematics: Kinematics) -> list[Port]:
    nodes, name = terminal.nodes, _name(terminal)
    known = kinematics.components(network.dim)
    single = not isinstance(terminal.value, list)
    if single and (len(nodes) == 2 or len(known) > 1):
        return [_pair(terminal, network, kinematics)]
    if single and len(nodes) != 1:
        raise InputError(
            f"{name}: a {terminal.quantity} of one number needs one node, or a pair; write "
            f"[{terminal.value}] for every one of the {len(nodes)} nodes."
        )
    places = len(known) - kinematics.rotations(network.dim)
    components = _components(terminal.components, known, places, name)
    if np.size(terminal.value) != len(components):
        raise InputError(
            f"{name}: {terminal.quantity} has {np.size(terminal.value)} numbers where "
            f"{len(components)} components need one each."
        )
    return [Port(terminal.name, (i,), c) for i in nodes for c in components]


def _pair(terminal: Terminal, network: Network, kinematics: Kinematics) -> Port:
    nodes, name = terminal.nodes, _name(terminal)
    if len(nodes) != 2:
        raise InputError(
            f"{name}: a {terminal.quantity} of one number needs a pair of nodes, not {len(nodes)}."
        )
    if terminal.components is not None:
        raise InputError(f"{name}: components go with a displacement, not with a pair.")
    vector = kinematics.pair(network, *nodes)
    if len(vector) and not np.any(vector):
        raise InputError(f"{name}: nodes {nodes[0]} and {nodes[1]} lie on the same place.")
    unit = float(np.linalg.norm(vector)) if terminal.quantity == "strain" else 1.0
    return Port(terminal.name, tuple(nodes), None, unit)


def _examples(task, ports, terminals, through):
    """Held ports, values, and wanted outputs of every example."""
    examples = task.examples or [{}]
    index: dict[str, list[int]] = {}
    for k, port in enumerate(ports):
        index.setdefault(port.terminal, []).append(k)
    held = np.zeros((len(examples), len(ports)), dtype=bool)
    values = np.zeros((len(examples), len(ports)))
    asked = np.zeros((len(examples), len(ports)), dtype=bool)
    for name, where in index.items():
        terminal, reads_force = terminals[where[0]], bool(through[where[0]])
        given = [example.get(name, terminal.value) for example in examples]
        there = np.array([value != "free" for value in given])
        block = np.ix_(there, where)
        unit = np.array([ports[k].unit for k in where])
        values[block] = _values(given, there, terminal, len(where)) * unit
        if isinstance(terminal, Source):
            held[block] = not reads_force
        else:
            asked[block] = True
            if reads_force:
                held[:, where] = True  # held where it is, so that there is a force to read
    is_target = np.array([isinstance(t, Target) for t in terminals])
    wanted = np.where(asked, values, 0.0)[:, is_target]
    values = np.where(is_target, 0.0, values)
    if not asked.any():
        raise InputError("No example asks for any target.")
    return held, values, wanted, asked[:, is_target]


def _values(given: list, there: NDArray, terminal: Terminal, ports: int) -> NDArray[np.float64]:
    """What a terminal is given in the examples that switch it on, (examples, ports)."""
    expected = np.size(terminal.value)
    numbers = [np.atleast_1d(v) for v, on in zip(given, there, strict=True) if on]
    wrong = [k for k, v in enumerate(numbers) if len(v) != expected]
    if wrong:
        number = np.flatnonzero(there)[wrong[0]] + 1
        raise InputError(
            f"example {number}: {terminal.name!r} needs {expected} "
            f"number{'s' if expected > 1 else ''}, not {len(numbers[wrong[0]])}."
        )
    values = np.array(numbers, dtype=float).reshape(-1, expected)
    low = np.flatnonzero((values <= -1).any(axis=1)) if terminal.quantity == "strain" else []
    if len(low):
        raise InputError(
            f"example {np.flatnonzero(there)[low[0]] + 1}: strain = {values[low[0]].min():g} of "
            f"{terminal.name!r} would pull the nodes through one another; it must be above -1."
        )
    return np.tile(values, ports // expected)


def _match(task: Task, ports, terminals) -> NDArray:
    """Strains that shall match: two that name each other are both drawn to their mean."""
    columns = [
        (terminal, port)
        for terminal, port in zip(terminals, ports, strict=True)
        if isinstance(terminal, Target)
    ]
    names = [terminal.name for terminal, _ in columns]
    matrix = np.zeros((len(columns), len(columns)))
    for a, (target, port) in enumerate(columns):
        if target.match is None:
            continue
        b = names.index(target.match)
        other, other_port = columns[b]
        if other.quantity != "strain":
            raise InputError(
                f"{_name(target)} shall match {other.name!r}, which is about a {other.quantity}; "
                "only strains can match."
            )
        mutual = other.match == target.name
        matrix[a, b] = (0.5 if mutual else 1.0) * port.unit / other_port.unit
        if mutual:
            matrix[a, a] = 0.5
    return matrix


def _scale(ports, terminals, values, wanted) -> NDArray:
    """What the error of each target is measured in, (examples, t): see ``Target.scale``.

    The size of what is wanted of the node (or pair) in the example; where that is zero, the largest
    of the target; where that is zero too, the largest of the kind anywhere.
    """
    is_target = np.array([isinstance(t, Target) for t in terminals])
    everything = values.copy()
    everything[:, is_target] = wanted
    unit = np.array([_unit(p, t) for p, t in zip(ports, terminals, strict=True)])
    largest: dict[str, float] = {}
    for k, terminal in enumerate(terminals):
        size = np.abs(everything[:, k]).max() / unit[k]
        largest[terminal.quantity] = max(largest.get(terminal.quantity, 0.0), size)
    scale = []
    for k in np.flatnonzero(is_target):
        terminal = terminals[k]
        if terminal.scale is not None:
            scale.append(np.full(len(values), terminal.scale * unit[k]))
            continue
        same_node = [
            m for m, t in enumerate(terminals) if t is terminal and ports[m].nodes == ports[k].nodes
        ]
        own = np.linalg.norm(everything[:, same_node], axis=1)
        of_target = np.abs(everything[:, [t is terminal for t in terminals]]).max()
        of_kind = (largest[terminal.quantity] or 1.0) * unit[k]
        scale.append(np.where(own > 0, own, of_target or of_kind))
    return np.array(scale).T


def _unit(port: Port, terminal: Terminal) -> float:
    return port.unit if terminal.quantity == "strain" else 1.0


def _gauge(motions, supported, dofs, held, terminals, ports):
    """Degrees of freedom to pin, and ports to ground, so that the network does not float.

    Where supports leave rigid motions, displaced nodes may stop some of them; the rest is a gauge,
    which takes no force because what is left then balances itself.
    """
    is_source = np.array([isinstance(t, Source) for t in terminals])
    grounded = np.flatnonzero(held.all(axis=0) & (dofs >= 0) & is_source)
    floating = _left(motions, np.union1d(supported, dofs[grounded]))
    if floating.shape[1] == 0:
        return np.empty(0, int), grounded
    for k, (terminal, port) in enumerate(zip(terminals, ports, strict=True)):
        if dofs[k] >= 0 and k not in grounded:
            raise InputError(
                f"{_name(terminal)} is about {_place(port)}, but nothing holds the network as a "
                "whole; add a [[supports]] table (the target of a force does not hold it)."
            )
    # Pivoted QR picks the degrees of freedom that stop the rigid motions most firmly.
    pivots = qr(floating.T, mode="r", pivoting=True)[1][: floating.shape[1]]
    return pivots, grounded


def _left(motions: NDArray, stopped: NDArray) -> NDArray:
    """The rigid motions that stay possible when some degrees of freedom are stopped."""
    if motions.shape[1] == 0 or len(stopped) == 0:
        return motions
    _, s, vt = np.linalg.svd(np.linalg.qr(motions[stopped], mode="r"), full_matrices=True)
    rank = np.count_nonzero(s > 1e-8 * max(s.max(initial=0.0), np.abs(motions).max()))
    return motions @ vt[rank:].T


def _name(terminal: Terminal) -> str:
    return f"{'source' if isinstance(terminal, Source) else 'target'} {terminal.name!r}"


def _place(port: Port) -> str:
    if port.component is None:
        return f"the pair of nodes {listed(port.nodes)}"
    return f"component {port.component + 1} of node {port.nodes[0]}"
