"""Formulation of a task as a problem: ports held or loaded in every example, wanted values."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import qr

from mechlearn.energies.kinematics import SPACE, Kinematics, left_free
from mechlearn.errors import InputError, called
from mechlearn.extensions import is_own
from mechlearn.network import Network
from mechlearn.tasks.costs import check_cost
from mechlearn.tasks.curves import AFTER
from mechlearn.tasks.gradients import check_independent, held_against_turning, unknowns_of_cell
from mechlearn.tasks.groups import GroupPort, ties_of
from mechlearn.tasks.ports import Port, components_of, resolve
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.quantity import Place
from mechlearn.tasks.task import Target, Task, Terminal, ids_of


def pose(task: Task, network: Network, kinematics: Kinematics = SPACE) -> Problem:
    """Problem of a task on a network with given nodal ``kinematics``.

    Raises
    ------
    InputError
        Where the task contradicts itself or the network; the message names the source or target.
    """
    task = resolve(task, network)
    at = _Numbers(task, network, kinematics)
    supported, kept = _supported(task, at)
    given, there = _given(task, at)
    held, values = _imposed(at, given, there)
    sources, targets = np.flatnonzero(~at.is_target), np.flatnonzero(at.is_target)
    scale = _scale(at, given)
    wanted, active = given[:, targets], there[:, targets]
    _check_cost(task, wanted, active, scale, at.units[targets])
    active.setflags(write=False)
    unloaded = any(t.baseline == "unloaded" for t in task.targets)
    # What is let go in the unloaded state does not hold the network.
    firm = held & (kept | (not unloaded))
    gauge, grounded = _gauge(at, supported, firm, unloaded)
    ports = [at.ports[k] for k in at.first]
    entering = held.any(axis=0) | at.any_at_ports(there.any(axis=0) & ~at.is_target)
    if cell := unknowns_of_cell(network, ports, entering):
        check_independent(cell, ports, at.rows_of_cell, held)
        grounded = np.union1d(grounded, held_against_turning(cell, ports, firm))
    names = [t.full_name for t in at.terminals]
    ties = ties_of(ports, [names[k] for k in at.first], supported, at.components)
    held = np.pad(held, ((0, 0), (0, len(ties))), constant_values=True)
    values = np.pad(values, ((0, 0), (0, len(ties))))
    kept = np.pad(kept, (0, len(ties)), constant_values=True)
    return Problem(
        network=network,
        task=task,
        kinematics=kinematics,
        ports=(*ports, *ties),
        drives=tuple(at.ports[k] for k in sources),
        sources=at.port[sources],
        loads=at.through[sources],
        given=given[:, sources],
        acts=there[:, sources],
        answers=tuple(at.ports[k] for k in targets),
        held=held,
        values=values,
        targets=at.port[targets],
        wanted=wanted,
        active=active,
        match=_match(at, targets),
        limit=np.array([_limit(at.ports[k], at.terminals[k]) for k in targets]),
        through=at.through[targets],
        scale=scale,
        cell=cell,
        supported=supported,
        gauge=gauge,
        after=np.array([AFTER in example for example in task.examples or [{}]]),
        relative=np.pad(
            at.at_ports([_relative(t, unloaded) for t in at.terminals]), (0, len(ties))
        ),
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
    units : (numbers,) array
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
        self.network, self.kinematics = network, kinematics
        self.components = kinematics.components(network.dim)
        places: dict[tuple, int] = {}
        first: list[int] = []
        port: list[int] = []
        for terminal in (*task.sources, *task.targets):
            terminal.kind.check_keys(terminal)
            for there in terminal.kind.ports(Place(terminal, task, network, kinematics)):
                key = there.key
                first_there = self.ports[first[places[key]]] if key in places else there
                (rows, vector), same = (p.rows(network, kinematics) for p in (there, first_there))
                if not any(vector) and sorted(rows) != sorted(same[0]):
                    there = replace(there, unit=-there.unit)
                if key not in places:
                    places[key] = len(first)
                    first.append(len(port))
                port.append(places[key])
                self.terminals.append(terminal)
                self.ports.append(there)
        self.port, self.first = np.array(port, dtype=np.int64), np.array(first, dtype=np.int64)
        self.units = np.array([p.unit for p in self.ports])
        self.through = np.array([t.kind.through for t in self.terminals])
        self.is_target = np.array([isinstance(t, Target) for t in self.terminals])
        self.dofs = np.array([p.dof(len(self.components)) for p in self.ports], dtype=np.int64)

    def at(self, port: int) -> NDArray[np.int64]:
        """The numbers at a port."""
        return np.flatnonzero(self.port == port)

    def at_ports(self, those: list[bool]) -> NDArray[np.bool_]:
        """Mask of the ports that have only such numbers, (ports,)."""
        return np.array([all(those[k] for k in self.at(n)) for n in range(len(self.first))])

    def any_at_ports(self, those: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Mask of the ports that have some of those numbers, (ports,)."""
        return np.isin(np.arange(len(self.first)), self.port[those])

    @property
    def rows_of_cell(self) -> NDArray[np.float64]:
        """Functionals of the ports on the entries of the cell's ``F - I``, (ports, d d)."""
        last, d = self.network.n_nodes * len(self.components), self.network.dim
        out = np.zeros((len(self.first), d * d))
        for port, number in enumerate(self.first):
            if self.ports[number].cell is not None:
                for _, column, value in self.ports[number].rows(self.network, self.kinematics)[0]:
                    out[port, column - last] = value
        return out

    def place(self, number: int) -> str:
        """Place of a number, as messages have it."""
        return self.ports[number].place(self.components)


def _relative(terminal: Terminal, unloaded: bool) -> bool:
    """True of a terminal about the change from the unloaded state, if ``unloaded`` any is."""
    return unloaded and getattr(terminal, "baseline", "unloaded") == "unloaded"


def _supported(task: Task, at: _Numbers) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Degrees of freedom of supports, and a mask of the ports where their reaction is read.

    There the support becomes a port.

    Raises
    ------
    InputError
        Where a source or target is about what a support holds.
    """
    known, dofs = at.components, set[int]()
    for number, support in enumerate(task.supports, 1):
        components = components_of(support.components, known, len(known), f"support {number}")
        dofs |= {len(known) * i + c for i in ids_of(support) for c in components}
    reactions = at.is_target & at.through
    there = np.isin(at.dofs, list(dofs))
    for k in np.flatnonzero(there & ~reactions)[:1]:
        raise InputError(
            f"{at.terminals[k].full_name} is about {at.place(k)}, which a support holds."
        )
    return np.setdiff1d(list(dofs), at.dofs[reactions]).astype(np.int64), there[at.first]


def _check_cost(
    task: Task, wanted: NDArray, active: NDArray, scale: NDArray, units: NDArray
) -> None:
    """Raise InputError where the targets are not for the task's cost, or it is wrong."""
    cost = task.cost
    if not active.any():
        raise InputError("No example asks for any target.")
    if not cost.has_values and any(t.match for t in task.targets):
        raise InputError(f"A {cost.name} wants shares; no target can match another.")
    if not cost.has_values and any(t.limit for t in task.targets):
        raise InputError(f"A {cost.name} wants shares; no target can have a limit.")
    called(cost.check, f"cost {cost.name}: its check failed", wanted / units, active)
    if is_own(cost):
        check_cost(cost, wanted / units, active, scale / np.abs(units))


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
        values[block] = _values(given, there, terminal, len(where)) * at.units[where]
        on[block] = ~np.isnan(values[block])
    return np.where(on, values, 0.0), on


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
                held[:, port] |= at.through[k] & there[:, k].any()
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
                    f"{number}{at.terminals[second].full_name} is the same as "
                    f"{at.terminals[first].full_name}: both are about {at.place(second)}."
                )


def _cannot_be_read(
    at: _Numbers, there: NDArray, k: int, sources: NDArray, wrong: NDArray, held: NDArray
) -> str:
    """Reason why a target cannot be learned, as a sentence."""
    example = int(np.argmax(wrong))
    name, place, what = at.terminals[k].full_name, at.place(k), at.terminals[k].quantity
    drives = [s for s in sources if there[example, s]]
    number = f"example {example + 1}: " if len(held) > 1 else ""
    if drives:
        return (
            f"{number}{name} is the same as {at.terminals[drives[0]].full_name}: both are about "
            f"the {what} of {place}, which is given and not answered."
        )
    if len(sources):
        return (
            f"{number}{name} asks for the {what} of {at.terminals[sources[0]].full_name}, which is "
            "free there."
        )
    return (
        f"{number}{name} is about {place}, which another target, of what it takes to hold it, "
        "holds at zero."
    )


def _values(given: list, there: NDArray, terminal: Terminal, ports: int) -> NDArray[np.float64]:
    """Values of a terminal in the examples that switch it on, (examples, ports)."""
    kind = terminal.kind
    expected = len(kind.numbers(terminal.value))
    numbers = [kind.numbers(v) for v, on in zip(given, there, strict=True) if on]
    wrong = [k for k, v in enumerate(numbers) if len(v) != expected]
    if wrong:
        number = np.flatnonzero(there)[wrong[0]] + 1
        raise InputError(
            f"example {number}: {terminal.name!r} needs {expected} "
            f"number{'s' if expected > 1 else ''}, not {len(numbers[wrong[0]])}."
        )
    values = np.array(numbers).reshape(-1, expected)
    terminal.kind.check(values, terminal, np.flatnonzero(there) + 1)
    return np.tile(values, ports // expected)


def _limit(port: Port, terminal: Terminal) -> float:
    """Side on which a port may exceed the wanted value: up (1), down (-1), none (0)."""
    limit = getattr(terminal, "limit", None)
    return float(((limit == "at_least") - (limit == "at_most")) * np.sign(port.unit))


def _match(at: _Numbers, targets: NDArray) -> NDArray:
    """Targets that shall match: two that name each other both approach their mean."""
    names = [at.terminals[k].name for k in targets]
    matrix = np.zeros((len(targets), len(targets)))
    for a, (k, target) in enumerate((k, at.terminals[k]) for k in targets):
        if not isinstance(target, Target) or target.match is None:
            continue
        b = names.index(target.match)
        other = at.terminals[targets[b]]
        if other.quantity != target.quantity or names.count(target.match) > 1:
            raise InputError(
                f"{target.full_name} shall match {other.name!r}, which is about a "
                f"{other.quantity}; only single numbers of one quantity can match."
            )
        mutual = getattr(other, "match", None) == target.name
        matrix[a, b] = (0.5 if mutual else 1.0) * at.units[k] / at.units[targets[b]]
        if mutual:
            matrix[a, a] = 0.5
    return matrix


def _scale(at: _Numbers, everything: NDArray) -> NDArray:
    """Scale of the error of each target, (examples, t): see ``Target.scale``.

    The size of what is wanted of the node (or pair) in the example; where that is zero, the largest
    of the target; where that is zero too, the largest of the kind anywhere.
    """
    terminals, ports, unit = at.terminals, at.ports, np.abs(at.units)
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
    at: _Numbers, supported: NDArray, held: NDArray, unloaded: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Degrees of freedom to pin, and ports to ground, so that the network does not float.

    Where supports leave rigid motions, nodes that are always held may stop some of them: those that
    sources displace, and those whose reaction is read, which may also be all that stops mechanisms.
    The rest is a gauge, which takes no force because what is left then balances itself.
    """
    # In units of the mean bond, in which movements and turns compare.
    places = at.network.nodes / at.network.lengths.mean()
    motions = at.kinematics.free_motions(places, at.network.periodic)
    dofs = at.dofs[at.first]
    always = held.all(axis=0) & (dofs >= 0)
    grounded = np.flatnonzero(always)
    floating = left_free(motions, np.union1d(supported, dofs[grounded]))
    if floating.shape[1] == 0:
        return np.empty(0, int), grounded
    for port, dof in enumerate(dofs):
        number = at.first[port]
        if dof >= 0 and (not always[port] or isinstance(at.ports[number], GroupPort)):
            when = " in every example" * (len(held) > 1)
            when = " when its sources let go" if unloaded else when
            raise InputError(
                f"{at.terminals[number].full_name} is about {at.place(number)}, but nothing holds "
                f"the network as a whole{when}; add a [[supports]] table."
            )
    # Pivoted QR picks the degrees of freedom that stop the rigid motions most firmly.
    pivots = qr(floating.T, mode="r", pivoting=True)[1][: floating.shape[1]]
    return pivots.astype(np.int64), grounded
