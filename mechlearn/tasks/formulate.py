"""Formulation of a task as a problem: ports held or loaded in every example, wanted values."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from mechlearn.energies.kinematics import SPACE, Kinematics, left_free
from mechlearn.errors import InputError, called, listed
from mechlearn.extensions import is_own
from mechlearn.fem.macroscopic_strain import VOLUME
from mechlearn.network import Network
from mechlearn.tasks.costs import check_cost
from mechlearn.tasks.ports import (
    Port,
    at_sources,
    check_cell,
    components_of,
    name_of,
    place_of,
    ports_of,
    resolve,
)
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.task import Target, Task, Terminal, ids_of

#: What sources and targets of the cell are about.
OF_CELL = ("strain", "stress", "poisson", "modulus")


def pose(task: Task, network: Network, kinematics: Kinematics = SPACE) -> Problem:
    """Problem of a task on a network with given nodal ``kinematics``.

    Raises
    ------
    InputError
        Where the task contradicts itself or the network; the message names the source or target.
    """
    task = at_sources(task)
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
    at = _Numbers(task, network, kinematics)
    supported = _supported(task, components)
    for port, terminal, dof, through in zip(
        at.ports, at.terminals, at.dofs, at.through, strict=True
    ):
        measures_reaction = isinstance(terminal, Target) and through
        if dof in supported and not measures_reaction:
            raise InputError(
                f"{name_of(terminal)} is about {place_of(port, components)}, which a support holds."
            )
    # The reaction of a support is read at a port, so the support becomes one.
    supports_read = np.isin(at.dofs, supported) & (at.dofs >= 0)
    supported = np.setdiff1d(supported, at.dofs[at.is_target & at.through])
    given, there = _given(task, at)
    held, values = _imposed(at, given, there)
    is_target = at.is_target
    active = there[:, is_target]
    wanted = np.where(active, given[:, is_target], 0.0)
    if not active.any():
        raise InputError("No example asks for any target.")
    if not task.cost.has_values and any(t.match for t in task.targets):
        raise InputError(f"A {task.cost.name} wants shares; no target can match another.")
    if not task.cost.has_values and any(t.limit for t in task.targets):
        raise InputError(f"A {task.cost.name} wants shares; no target can have a limit.")
    units = np.array([p.unit for p in at.ports])
    scale = _scale(at, np.where(there, given, 0.0))
    unit, cost = units[is_target], task.cost
    called(cost.check, f"cost {cost.name}: its check failed", wanted / unit, active)
    if is_own(cost):
        check_cost(cost, wanted / unit, active, scale / np.abs(unit))
    active.setflags(write=False)
    # In units of the mean bond, in which movements and turns compare.
    motions = kinematics.free_motions(network.nodes / network.lengths.mean(), network.periodic)
    unloaded = any(t.baseline == "unloaded" for t in task.targets)
    kept = supports_read[at.first]
    # What is let go in the unloaded state does not hold the network.
    gauge, grounded = _gauge(motions, supported, held & (kept | (not unloaded)), at, unloaded)
    targets = [p for p, target in zip(at.ports, is_target, strict=True) if target]
    return Problem(
        network=network,
        task=task,
        kinematics=kinematics,
        ports=tuple(at.ports[k] for k in at.first),
        drives=tuple(p for p, target in zip(at.ports, is_target, strict=True) if not target),
        sources=at.port[~is_target],
        loads=at.through[~is_target],
        given=np.where(there, given, 0.0)[:, ~is_target],
        acts=there[:, ~is_target],
        answers=tuple(targets),
        held=held,
        values=values,
        targets=at.port[is_target],
        wanted=wanted,
        active=active,
        match=_match(at),
        limit=np.array([_limit(p, t) for p, t in zip(at.ports, at.terminals, strict=True)])[
            is_target
        ],
        through=at.through[is_target],
        scale=scale,
        cell=cell,
        supported=supported.astype(np.int64),
        gauge=gauge.astype(np.int64),
        relative=at.at_ports([_relative(t, unloaded) for t in at.terminals]),
        kept=kept,
        grounded=grounded,
    )


class _Numbers:
    """The numbers of all sources, then of all targets, one by one, and the ports where they are.

    Attributes
    ----------
    terminals, ports : lists
        The source or target of every number, and its place and unit as that speaks of it. The unit
        is negative where it counts a difference the other way round than the port.
    through, is_target : (numbers,) bool arrays
    dofs, port : (numbers,) integer arrays
        Its degree of freedom, or -1, and which distinct port it is at.
    first : (ports,) integer array
        The first number at every port.
    components : tuple of str
        Of a node.
    """

    def __init__(self, task: Task, network: Network, kinematics: Kinematics) -> None:
        self.terminals: list[Terminal] = []
        self.ports: list[Port] = []
        self.components = kinematics.components(network.dim)
        places: dict[tuple, int] = {}
        first: list[int] = []
        port: list[int] = []
        for terminal in (*task.sources, *task.targets):
            for there in ports_of(terminal, task, network, kinematics):
                key = (frozenset(there.nodes), there.component, there.cell)
                if key not in places:
                    places[key] = len(first)
                    first.append(len(port))
                port.append(places[key])
                self.terminals.append(terminal)
                self.ports.append(there)
                nodes = self.ports[first[places[key]]].nodes
                if there.nodes != nodes and not len(kinematics.pair(network, *nodes)):
                    self.ports[-1] = replace(there, unit=-there.unit)
        self.port, self.first = np.array(port, dtype=np.int64), np.array(first, dtype=np.int64)
        self.through = np.array([_through(t, kinematics) for t in self.terminals])
        self.is_target = np.array([isinstance(t, Target) for t in self.terminals])
        self.dofs = np.array([p.dof(len(self.components)) for p in self.ports], dtype=np.int64)

    def at(self, port: int) -> NDArray[np.int64]:
        """The numbers at a port."""
        return np.flatnonzero(self.port == port)

    def at_ports(self, those: list[bool]) -> NDArray[np.bool_]:
        """Mask of the ports that have only such numbers, (ports,)."""
        return np.array([all(those[k] for k in self.at(n)) for n in range(len(self.first))])

    def place(self, number: int) -> str:
        """Place of a number, as messages have it."""
        return place_of(self.ports[number], self.components)


def _through(terminal: Terminal, kinematics: Kinematics) -> bool:
    """True for a terminal of a force, or of a quantity derived from one."""
    return terminal.quantity in (kinematics.through, "stress", "modulus")


def _relative(terminal: Terminal, unloaded: bool) -> bool:
    """True of a terminal about the change from the unloaded state, if ``unloaded`` any is."""
    return unloaded and getattr(terminal, "baseline", "unloaded") == "unloaded"


def _supported(task: Task, known: tuple[str, ...]) -> NDArray[np.int64]:
    dofs: list[int] = []
    for number, support in enumerate(task.supports, 1):
        components = components_of(support.components, known, len(known), f"support {number}")
        dofs += [len(known) * i + c for i in ids_of(support) for c in components]
    return np.unique(np.array(dofs, dtype=np.int64))


def _given(task: Task, at: _Numbers) -> tuple[NDArray, NDArray]:
    """Values of all numbers in every example, and a mask of those switched on.

    Both (examples, numbers); values of ports, not in the user's units.
    """
    examples = task.examples or [{}]
    index: dict[str, list[int]] = {}
    for k, port in enumerate(at.ports):
        index.setdefault(port.terminal, []).append(k)
    values = np.zeros((len(examples), len(at.ports)))
    on = np.zeros(values.shape, dtype=bool)
    for name, where in index.items():
        terminal = at.terminals[where[0]]
        given = [example.get(name, terminal.value) for example in examples]
        there = np.array([value != "free" for value in given])
        block = np.ix_(there, where)
        unit = np.array([at.ports[k].unit for k in where])
        values[block] = _values(given, there, terminal, len(where)) * unit
        on[block] = True
    return values, on


def _imposed(at: _Numbers, given: NDArray, there: NDArray) -> tuple[NDArray, NDArray]:
    """Held ports of every example, and the values they are held at or loaded with.

    Raises
    ------
    InputError
        Where two sources drive one port at once, or a target asks for what is given there.
    """
    held = np.zeros((len(given), len(at.first)), dtype=bool)
    values = np.zeros(held.shape)
    for port in range(len(at.first)):
        numbers = at.at(port)
        sources, targets = numbers[~at.is_target[numbers]], numbers[at.is_target[numbers]]
        _distinct(at, there, sources)
        for through in (False, True):
            _distinct(at, there, targets[at.through[targets] == through], always=True)
        for k in sources:
            on = there[:, k]
            held[on, port] = not at.through[k]
            values[on, port] = given[on, k]
        for k in targets:
            if not len(sources):
                # Held where it is, so that there is a force to read.
                held[:, port] |= at.through[k]
        for k in targets:
            wrong = there[:, k] & (held[:, port] != at.through[k])
            if wrong.any():
                raise InputError(_cannot_be_read(at, there, k, sources, wrong, held[:, port]))
    return held, values


def _distinct(at: _Numbers, there: NDArray, numbers: NDArray, always: bool = False) -> None:
    """Raise InputError where two numbers at one port are switched on at once (or ``always``)."""
    for n, second in enumerate(numbers):
        for first in numbers[:n]:
            both = there[:, first] & there[:, second]
            if always or both.any():
                number = "" if always or both.all() else f"example {np.argmax(both) + 1}: "
                raise InputError(
                    f"{number}{name_of(at.terminals[second])} is the same as "
                    f"{name_of(at.terminals[first])}: both are about {at.place(second)}."
                )


def _cannot_be_read(
    at: _Numbers, there: NDArray, k: int, sources: NDArray, wrong: NDArray, held: NDArray
) -> str:
    """Reason why a target cannot be learned, as a sentence."""
    example = int(np.argmax(wrong))
    name, place, what = name_of(at.terminals[k]), at.place(k), at.terminals[k].quantity
    drives = [s for s in sources if there[example, s]]
    number = f"example {example + 1}: " if len(held) > 1 else ""
    if drives:
        return (
            f"{number}{name} is the same as {name_of(at.terminals[drives[0]])}: both are about the "
            f"{what} of {place}, which is given and not answered."
        )
    if len(sources):
        return (
            f"{number}{name} asks for the {what} of {name_of(at.terminals[sources[0]])}, which is "
            "free there."
        )
    return (
        f"{number}{name} is about {place}, which another target, of what it takes to hold it, "
        "holds at zero."
    )


def _values(given: list, there: NDArray, terminal: Terminal, ports: int) -> NDArray[np.float64]:
    """Values of a terminal in the examples that switch it on, (examples, ports)."""
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
    distance = terminal.quantity == "strain" and VOLUME not in terminal.cell_names
    low = np.flatnonzero(distance & (values <= -1).any(axis=1))
    if len(low):
        raise InputError(
            f"example {np.flatnonzero(there)[low[0]] + 1}: strain = {values[low[0]].min():g} of "
            f"{terminal.name!r} would pull the nodes through one another; it must be above -1."
        )
    return np.tile(values, ports // expected)


def _limit(port: Port, terminal: Terminal) -> float:
    """Side on which a port may exceed the wanted value: up (1), down (-1), none (0)."""
    limit = getattr(terminal, "limit", None)
    return float(((limit == "at_least") - (limit == "at_most")) * np.sign(port.unit))


def _match(at: _Numbers) -> NDArray:
    """Targets that shall match: two that name each other both approach their mean."""
    columns = [
        (terminal, port)
        for terminal, port in zip(at.terminals, at.ports, strict=True)
        if isinstance(terminal, Target)
    ]
    names = [terminal.name for terminal, _ in columns]
    matrix = np.zeros((len(columns), len(columns)))
    for a, (target, port) in enumerate(columns):
        if target.match is None:
            continue
        b = names.index(target.match)
        other, other_port = columns[b]
        if other.quantity != target.quantity or names.count(target.match) > 1:
            what = "strains" if target.quantity == "strain" else f"single {target.quantity}s"
            raise InputError(
                f"{name_of(target)} shall match {other.name!r}, which is about a {other.quantity}; "
                f"only {what} can match."
            )
        mutual = other.match == target.name
        matrix[a, b] = (0.5 if mutual else 1.0) * port.unit / other_port.unit
        if mutual:
            matrix[a, a] = 0.5
    return matrix


def _scale(at: _Numbers, everything: NDArray) -> NDArray:
    """Scale of the error of each target, (examples, t): see ``Target.scale``.

    The size of what is wanted of the node (or pair) in the example; where that is zero, the largest
    of the target; where that is zero too, the largest of the kind anywhere.
    """
    terminals, ports = at.terminals, at.ports
    unit = np.abs([p.unit for p in ports])
    largest: dict[str, float] = {}
    for k, terminal in enumerate(terminals):
        size = np.abs(everything[:, k]).max() / unit[k]
        largest[terminal.quantity] = max(largest.get(terminal.quantity, 0.0), size)
    scale = []
    for k, terminal in enumerate(terminals):
        if not isinstance(terminal, Target):
            continue
        if terminal.scale is not None:
            scale.append(np.full(len(everything), terminal.scale * unit[k]))
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


def _gauge(
    motions: NDArray, supported: NDArray, held: NDArray, at: _Numbers, unloaded: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Degrees of freedom to pin, and ports to ground, so that the network does not float.

    Where supports leave rigid motions, nodes that are always held may stop some of them: those that
    sources displace, and those whose reaction is read, which may also be all that stops mechanisms.
    The rest is a gauge, which takes no force because what is left then balances itself.
    """
    dofs = at.dofs[at.first]
    always = held.all(axis=0) & (dofs >= 0)
    grounded = np.flatnonzero(always)
    floating = left_free(motions, np.union1d(supported, dofs[grounded]))
    if floating.shape[1] == 0:
        return np.empty(0, int), grounded
    for port, dof in enumerate(dofs):
        if dof >= 0 and not always[port]:
            number = at.first[port]
            when = " in every example" * (len(held) > 1)
            when = " when its sources let go" if unloaded else when
            raise InputError(
                f"{name_of(at.terminals[number])} is about {at.place(number)}, but nothing holds "
                f"the network as a whole{when}; add a [[supports]] table."
            )
    # Pivoted QR picks the degrees of freedom that stop the rigid motions most firmly.
    pivots = qr(floating.T, mode="r", pivoting=True)[1][: floating.shape[1]]
    return pivots, grounded
