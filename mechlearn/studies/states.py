"""Stable states of networks at fixed loads, barriers between them, transitions under a load."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from mechlearn.energies.element import Element
from mechlearn.energies.kinematics import left_free
from mechlearn.equilibrium.barriers import BarrierSearch
from mechlearn.equilibrium.corrector import Move, PathPoint
from mechlearn.equilibrium.landscape import Landscape, Stationary
from mechlearn.equilibrium.transitions import Protocol
from mechlearn.errors import InputError, SolveError, listed
from mechlearn.learning.system import System
from mechlearn.network import Network
from mechlearn.studies.landscape import States
from mechlearn.studies.path import solved_directly, solver_of, table
from mechlearn.studies.schedule import driven, schedule, units_of
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.task import Task

#: Ways in which states are looked for, and loads that go up and down.
Search = Literal["path", "deflation", "random"]
WAYS: tuple[Search, ...] = ("path", "deflation", "random")
Protocols = Literal["force", "displacement"]
#: Random displacement by which deflation leaves a state, in mean bond lengths; its starts in a row
#: that find nothing new, pairs of neighbours, and branches of a protocol, at most.
ASIDE, PATIENCE, PAIRS, BRANCHES = 0.1, 4, 100, 500
#: Steps that a path would take at the rate of its beginning.
STEPS = 20
#: Digits of energies, in units of a bond's, by which states are sorted.
DIGITS = 9


def states(
    network: Network,
    task: Task,
    energy: Element | None = None,
    *,
    factor: float | None = None,
    search: Search | Sequence[Search] = WAYS,
    starts: int = 32,
    amplitude: float = 1.0,
    seed: int = 0,
    barriers: int | bool = True,
    protocol: Protocols | None = None,
    source: str | None = None,
    to: ArrayLike | None = None,
    **parameters: Any,
) -> States:
    """Stable states of a network, the barriers between them, and transitions under a load.

    Parameters
    ----------
    network, task, energy
        The energy must be one of finite displacements.
    factor, search, starts, amplitude, seed, barriers, protocol, source, to
        As in :func:`mechlearn.studies.states.find`.
    **parameters : number, (m,) array, or name of edge data
        Values of the bonds' parameters.

    Returns
    -------
    States
        An :class:`xarray.Dataset` with ``barriers``, ``graph`` and a method ``plot``.

    Raises
    ------
    InputError
        For linear elements, and for options that make no sense.
    SolveError
        Where no stable state is found.
    """
    at = System(network, task, energy, check=False, **parameters)
    return find(
        at, factor=factor, search=search, starts=starts, amplitude=amplitude, seed=seed,
        barriers=barriers, protocol=protocol, source=source, to=to,
    )  # fmt: skip


def find(
    at: System,
    *,
    factor: float | None = None,
    search: Search | Sequence[Search] = WAYS,
    starts: int = 32,
    amplitude: float = 1.0,
    seed: int = 0,
    barriers: int | bool = True,
    protocol: Protocols | None = None,
    source: str | None = None,
    to: ArrayLike | None = None,
    example: int | None = None,
) -> States:
    """Stable states of a system, the barriers between them, and transitions under a load.

    Parameters
    ----------
    at : System
    factor : float, optional
        On the load under which states are looked for; at rest, with all sources released, where
        left out.
    search : {"path", "deflation", "random"} or sequence
        States at rest that the path of the load passes; Newton's method, deflated at those known;
        minimisation from random displacements. All of them where left out.
    starts : int
        Random starts, and those of Newton's method at most.
    amplitude : float
        Of their displacements: 1 is up to half a mean bond length at every node, and, smoothly,
        half the extent of the network.
    seed : int
        Of all random numbers.
    barriers : int or bool
        Saddle points are looked for between neighbours, of so many pairs at most.
    protocol : {"force", "displacement"}, optional
        Transitions as this load of a source goes up and down slowly; none where left out.
    source : str, optional
        Of the path and the protocol; the first where left out.
    to : float or sequence, optional
        The values between which it goes; plus and minus its own where left out.
    example : int, optional
        Counted from 0; the one in which the source has its largest value where left out.

    Raises
    ------
    InputError
        For linear elements, sources and examples that there are not, and options out of range.
    SolveError
        Where no stable state is found.
    """
    ways = [search] if isinstance(search, str) else list(search)
    _check(at, ways, factor, starts, amplitude, seed, barriers, protocol, source)
    at = at.copy(example=at.problem.example_of(source) if example is None else example)
    at = solved_directly(at, at.problem)
    if factor is None:
        _check_held(at.problem)
    if protocol:
        _check_protocol(at, protocol, source, to)
    at.load(factor or 0.0)
    found = solver_of(at).landscape(factor is None)
    if "path" in ways and factor is None and len(at.problem.drives):
        _along_path(at, found, source, to)
    if "deflation" in ways:
        found.deflate(starts, ASIDE * found.length, PATIENCE, seed)
    if "random" in ways:
        extent = float(np.ptp(at.network.nodes, axis=0).max())
        found.search(starts, amplitude * found.length / 2, amplitude * extent / 2, seed)
    if not found.minima:
        loose = "; a part moves without resistance there" if found.singular else ""
        raise SolveError(f"No stable state was found{loose}.", "unstable")
    seeking, left = BarrierSearch(found), 0
    if barriers:
        left = seeking.search(PAIRS if barriers is True else barriers)
    order = _sorted(found, found.minima)
    data = _states(at, found, order, factor or 0.0) | _saddles(at, found, seeking, order, factor)
    once = sum(count == 1 for count in found.counts)
    attrs = {"starts": starts if "random" in ways else 0, "seed": seed, "found_once": once,
             "singular": found.singular, "pairs_left": left, "source": source or ""}  # fmt: skip
    if protocol:
        minima = [found.minima[k] for k in order]
        data |= _transitions(at, minima, factor or 0.0, protocol, source, to)
    return States(data, coords={"component": list(at.problem.components)}, attrs=attrs)


def _check(
    at: System,
    ways: Sequence[str],
    factor: float | None,
    starts: int,
    amplitude: float,
    seed: int,
    barriers: int | bool,
    protocol: str | None,
    source: str | None,
) -> None:
    """Raise InputError for options that make no sense."""
    if at.energy.linear:
        raise InputError(
            f"A {at.energy.name} has one state at any load. "
            "Take elements of finite displacements, such as finite_spring or finite_beam."
        )
    if at.energy.continuum:
        raise InputError(
            "States of solids are not looked for: it would take too long, and find states of the "
            "mesh. Take finite_beam for the struts."
        )
    if not ways or not set(ways) <= set(WAYS):
        raise InputError(f"search = {ways} must be of {listed(WAYS)}.")
    if protocol not in (None, "force", "displacement"):
        raise InputError(f"protocol = {protocol!r} is none of force and displacement.")
    numbers = {"starts": starts, "seed": seed, "barriers": barriers}
    for name, value in numbers.items():
        if not isinstance(value, int | np.integer) or value < 0:
            raise InputError(f"{name} = {value!r} must be a whole number of at least 0.")
    if not (np.isfinite(amplitude) and amplitude > 0):
        raise InputError(f"amplitude = {amplitude!r} must be a number above 0.")
    if source is not None:
        driven(at.problem, source)
    if factor is not None and not np.isfinite(factor):
        raise InputError(f"factor = {factor!r} must be a number.")


def _check_held(p: Problem) -> None:
    """Raise InputError where released sources leave nothing that holds the network."""
    nodes = p.network.nodes / p.network.lengths.mean()
    motions = p.kinematics.free_motions(nodes, p.network.periodic)
    still = p.dofs[p.kept & (p.dofs >= 0)]
    if left_free(motions, np.union1d(p.fixed, still)).shape[1]:
        raise InputError(
            "Nothing holds the network as a whole once its sources let go; add a [[supports]] "
            "table, or look for states under a load (factor)."
        )


def _check_protocol(
    at: System, control: Protocols, source: str | None, to: ArrayLike | None
) -> None:
    """Raise InputError for a load that cannot go up and down by itself."""
    problem, name, _ = schedule(at, source, to, STEPS, control)
    if np.count_nonzero(problem.held[0] & ~problem.kept) > (control == "displacement"):
        raise InputError(
            f"protocol = {control!r} drives {name!r}, and other displacements are imposed, too; "
            "a protocol needs a task in which all other sources are forces, and one number."
        )


def _range(factors: Sequence[float], to: ArrayLike | None) -> tuple[float, float]:
    """Least and largest load factor between which a load goes."""
    if to is None:
        return -1.0, 1.0
    low, high = min(factors), max(factors)
    return (min(low, 0.0), max(high, 0.0)) if len(factors) == 1 else (low, high)


def _along_path(at: System, found: Landscape, source: str | None, to: ArrayLike | None) -> None:
    """States at rest that the path of the load passes, from rest on both ways."""
    problem, name, factors = schedule(at, source, to, STEPS, "arc")
    low, high = _range(factors, to)
    port = next(p for p, drive in zip(problem.sources, problem.drives, strict=True)
                if drive.terminal == name)  # fmt: skip
    for end in (end for end in (high, low) if end):
        try:
            follower, start = solver_of(at).path(at.problem.values, 0.0)
            begin = follower.begin(start.at, increasing=end > 0)
            length = abs(end) / STEPS / abs(begin.rate.factor)
            found.cross(follower.follow(begin, end, length), lambda p: float(p.at.forces[port]))
        except SolveError:
            continue


def _sorted(found: Landscape, states: Sequence[Stationary]) -> list[int]:
    """Order of states: the first minimum, then by their energy and as they were found."""
    unit = found.balance.stiffness * found.length**2
    first = found.minima[0]
    return sorted(
        range(len(states)),
        key=lambda k: (states[k] is not first, round(states[k].potential / unit, DIGITS), k),
    )


def _columns(at: System, states: Sequence[Stationary], factor: float) -> dict[str, Any]:
    """Numbers of states by their names, (states,) each, and the displacements."""
    nothing = Move(np.zeros(0), np.zeros(0), 0.0)
    points = [
        PathPoint(Move(s.point.u, s.point.forces, factor), nothing, s.point.readings,
                  s.point.energy, s.index)
        for s in states
    ]  # fmt: skip
    known = table(at, points, next((p.terminal for p in at.problem.drives), ""), "")
    out = {str(name): values.values for name, values in known.items()}
    del out["stable"], out["kind"]
    return {**out, "potential": np.array([s.potential for s in states])}


#: Dimensions of what is more than a number of each state.
ARRAYS = {
    "states": ("node", "component"),
    **dict.fromkeys(("cell", "piola_stress"), ("direction", "along")),
}


def _labelled(columns: Mapping[str, Any], dim: str, prefix: str = "") -> dict[str, Any]:
    return {
        prefix + name: ((dim, *ARRAYS.get(name, ())), values) for name, values in columns.items()
    }


def _states(at: System, found: Landscape, order: list[int], factor: float) -> dict[str, Any]:
    """Variables of the stable states."""
    columns = _columns(at, [found.minima[k] for k in order], factor)
    moves = columns.pop("states")
    counts = np.array([found.counts[k] for k in order])
    return _labelled(columns | {"found": counts, "states": moves}, "state")


def _saddles(
    at: System, found: Landscape, seeking: BarrierSearch, order: list[int], factor: float | None
) -> dict[str, Any]:
    """Variables of the unstable states."""
    if not found.saddles:
        return {}
    saddles = [found.saddles[k] for k in _sorted(found, found.saddles)]
    below = {id(b.saddle): sorted(order.index(k) for k in b.ends) for b in seeking.barriers}
    ends = np.array([below.get(id(s), [-1, -1]) for s in saddles])
    potentials = np.array([found.minima[k].potential for k in order])
    columns = _columns(at, saddles, factor or 0.0)
    heights = columns["potential"][:, None] - potentials[ends]
    out = _labelled(columns | {"index": [s.index for s in saddles]}, "saddle", "saddle.")
    out["saddle.ends"] = ("saddle", "side"), ends
    out["saddle.barrier"] = ("saddle", "side"), np.where(ends < 0, np.nan, heights)
    return out


def _transitions(
    at: System,
    minima: Sequence[Stationary],
    factor: float,
    control: Protocols,
    source: str | None,
    to: ArrayLike | None,
) -> dict[str, Any]:
    """Variables of the transitions as a load goes up and down."""
    problem, name, factors = schedule(at, source, to, STEPS, control)
    low, high = _range(factors, to)
    loaded = solved_directly(at, problem).load(0.0)
    follower, start = solver_of(loaded).path(problem.values, 0.0)
    held = np.flatnonzero(follower.load.imposed.held & ~problem.kept)
    moves = []
    for state in minima:
        begin = factor
        if len(held):
            zero, change = follower.load.start[held[0]], follower.load.change[held[0]]
            begin = float((state.point.readings[held[0]] - zero) / change)
        moves.append(Move(state.point.u, state.point.forces, begin))
    length = max(abs(low), abs(high)) / STEPS / abs(start.rate.factor)
    protocol = Protocol(follower, low, high, length)
    protocol.run(moves, BRANCHES)
    rows, numbers = protocol.transitions, driven(problem, name)[1]
    unit = units_of(problem, numbers, bool(problem.loads[numbers[0]]))
    value = problem.given[0, numbers] / unit
    # Of several numbers, along the direction of their load.
    per_factor = float(value[0]) if len(value) == 1 else float(np.linalg.norm(value))
    reached = np.array([t.factor for t in rows])
    return {
        "from": ("transition", np.array([t.source for t in rows], dtype=int)),
        "to": ("transition", np.array([t.target for t in rows], dtype=int)),
        "load": ("transition", reached * per_factor),
        "load_factor": ("transition", reached),
        "upwards": ("transition", np.array([int(t.upwards) for t in rows])),
    }
