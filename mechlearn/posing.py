"""Posing a task: which ports are held or loaded in every example, and what is wanted of them."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from mechlearn.cell import VOLUME
from mechlearn.errors import InputError, listed
from mechlearn.kinematics import SPACE, Kinematics
from mechlearn.network import Network
from mechlearn.places import resolve
from mechlearn.ports import check_cell, components_of, name_of, place_of, ports_of
from mechlearn.problem import Port, Problem
from mechlearn.task import Source, Target, Task, Terminal

#: What sources and targets of the cell are about.
OF_CELL = ("strain", "stress", "poisson", "modulus")


def pose(task: Task, network: Network, kinematics: Kinematics = SPACE) -> Problem:
    """Turn a task into a problem on a network whose nodes have what ``kinematics`` says.

    Raises
    ------
    InputError
        Where the task contradicts itself or the network; the message names the source or target.
    """
    for terminal in (*task.sources, *task.targets):
        words = kinematics.words if terminal.cell is None else OF_CELL
        if terminal.quantity not in words:
            what = "this network does not" if terminal.cell is None else "a cell does not"
            raise InputError(
                f"{name_of(terminal)} is about a {terminal.quantity}, which {what} know; it knows "
                f"{listed(words)}."
            )
    cell = any(t.cell is not None for t in (*task.sources, *task.targets))
    if cell:
        check_cell(task, network, kinematics)
    task = resolve(task, network)
    components = kinematics.components(network.dim)
    supported = _supported(task, components)
    ports: list[Port] = []
    terminals: list[Terminal] = []
    seen: dict[tuple, int] = {}
    driven: dict[int, int] = {}
    for terminal in (*task.sources, *task.targets):
        for port in ports_of(terminal, task, network, kinematics):
            key = (frozenset(port.nodes), port.component, port.cell)
            if key in seen:
                source = terminals[seen[key]]
                first, second = _through(source, kinematics), _through(terminal, kinematics)
                across = isinstance(source, Source) and isinstance(terminal, Target)
                # Where the cell's strain is imposed the stress can be asked for, and the reverse.
                if not across or first == second or port.cell is None:
                    raise InputError(
                        f"{name_of(terminal)} is the same as {name_of(source)}: both are about "
                        f"{place_of(port)}"
                        + (
                            "; the force there can be read where a support holds the network, not "
                            "where a source drives it."
                            if second and port.cell is None
                            else "."
                        )
                    )
                if second:
                    driven[len(ports)] = seen[key]
            else:
                seen[key] = len(ports)
            ports.append(port)
            terminals.append(terminal)
    through = np.array([_through(t, kinematics) for t in terminals])
    is_target = np.array([isinstance(t, Target) for t in terminals])
    dofs = np.array([p.dof(len(components)) for p in ports])
    for port, terminal, dof, reads_force in zip(ports, terminals, dofs, through, strict=True):
        measures_reaction = isinstance(terminal, Target) and reads_force
        if dof >= 0 and dof in supported and not measures_reaction:
            raise InputError(
                f"{name_of(terminal)} is about {place_of(port)}, which a support holds."
            )
    # The reaction of a support is read at a port, so the support becomes one.
    held_always = np.isin(dofs, supported) & (dofs >= 0)
    supported = np.setdiff1d(supported, dofs[is_target & through])
    held, values, wanted, asked = _examples(task, ports, terminals, through, driven)
    if not task.cost.has_values and any(t.match for t in task.targets):
        raise InputError(f"A {task.cost.name} wants shares; no target can match another.")
    if not task.cost.has_values and any(t.limit for t in task.targets):
        raise InputError(f"A {task.cost.name} wants shares; no target can have a limit.")
    task.cost.check(wanted / np.array([p.unit for p in ports])[is_target], asked)
    motions = kinematics.free_motions(network)
    motions = kinematics.left_by_supports(network, motions, supported)
    unloaded = any(t.baseline == "unloaded" for t in task.targets)
    firm = held & (not unloaded)  # what is let go in the unloaded state does not hold the network
    gauge, grounded = _gauge(motions, supported, dofs, firm, terminals, ports)
    # A source and the target of the force there are one port.
    kept = np.setdiff1d(np.arange(len(ports)), list(driven.values()))
    return Problem(
        network=network,
        task=task,
        kinematics=kinematics,
        ports=tuple(ports[k] for k in kept),
        held=held[:, kept],
        values=values[:, kept],
        targets=np.flatnonzero(is_target[kept]),
        wanted=wanted,
        asked=asked,
        match=_match(task, ports, terminals),
        limit=np.array([_limit(p, t) for p, t in zip(ports, terminals, strict=True)])[is_target],
        through=through[is_target],
        scale=_scale(ports, terminals, values, wanted),
        cell=cell,
        supported=supported.astype(np.int64),
        gauge=gauge.astype(np.int64),
        relative=np.array([_relative(t, unloaded) for t in terminals])[kept],
        kept=held_always[kept],
        grounded=np.searchsorted(kept, grounded),
    )


def _through(terminal: Terminal, kinematics: Kinematics) -> bool:
    """Whether a terminal is about a force, or what is made of one."""
    return terminal.quantity in (kinematics.through, "stress", "modulus")


def _relative(terminal: Terminal, unloaded: bool) -> bool:
    """Whether a terminal is about the change from the unloaded state, if ``unloaded`` any is."""
    return unloaded and getattr(terminal, "baseline", "unloaded") == "unloaded"


def _supported(task: Task, known: tuple[str, ...]) -> NDArray[np.int64]:
    dofs: list[int] = []
    for number, support in enumerate(task.supports, 1):
        components = components_of(support.components, known, len(known), f"support {number}")
        dofs += [len(known) * i + c for i in support.nodes for c in components]
    return np.unique(np.array(dofs, dtype=np.int64))


def _examples(task, ports, terminals, through, driven):
    """Held ports, values, and wanted outputs of every example.

    ``driven`` are ports of targets whose force is that of a source's port; they are held as that.
    """
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
    for target, source in driven.items():
        loose = np.flatnonzero(asked[:, target] & ~held[:, source])
        if len(loose):
            raise InputError(
                f"example {loose[0] + 1}: {name_of(terminals[target])} asks for the force of "
                f"{name_of(terminals[source])}, which is free there."
            )
    is_target = np.array([isinstance(t, Target) for t in terminals])
    wanted = np.where(asked, values, 0.0)[:, is_target]
    values = np.where(is_target, 0.0, values)
    for target, source in driven.items():
        held[:, target], values[:, target] = held[:, source], values[:, source]
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
    distance = terminal.quantity == "strain" and VOLUME not in np.atleast_1d(terminal.cell or "")
    low = np.flatnonzero((values <= -1).any(axis=1)) if distance else []
    if len(low):
        raise InputError(
            f"example {np.flatnonzero(there)[low[0]] + 1}: strain = {values[low[0]].min():g} of "
            f"{terminal.name!r} would pull the nodes through one another; it must be above -1."
        )
    return np.tile(values, ports // expected)


def _limit(port: Port, terminal: Terminal) -> float:
    """Which way a port may leave what is wanted: up (1), down (-1) or not at all (0)."""
    way = {"at_least": 1.0, "at_most": -1.0}.get(getattr(terminal, "limit", None), 0.0)
    return way * np.sign(port.unit)


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
                f"{name_of(target)} shall match {other.name!r}, which is about a {other.quantity}; "
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
    unit = np.abs([p.unit for p in ports])
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
            m
            for m, t in enumerate(terminals)
            if t is terminal and (ports[m].nodes, ports[m].cell) == (ports[k].nodes, ports[k].cell)
        ]
        own = np.linalg.norm(everything[:, same_node], axis=1)
        of_target = np.abs(everything[:, [t is terminal for t in terminals]]).max()
        of_kind = (largest[terminal.quantity] or 1.0) * unit[k]
        scale.append(np.where(own > 0, own, of_target or of_kind))
    return np.array(scale).T


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
                f"{name_of(terminal)} is about {place_of(port)}, but nothing holds the network as "
                "a whole; add a [[supports]] table (the target of a force does not hold it)."
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
