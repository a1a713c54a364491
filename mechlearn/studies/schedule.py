"""Schedules of load paths: the source that is driven, how, and load factors to reach."""

from dataclasses import replace
from typing import Any, Literal, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.errors import InputError, listed
from mechlearn.learning.system import System
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.task import Source

#: Ways to go along a path.
Control = Literal["arc", "force", "displacement"]


def schedule(
    at: System, source: str | None, to: ArrayLike | None, steps: int, control: Control
) -> tuple[Problem, str, list[float]]:
    """The problem under a path's control, the name of its source, and load factors to reach."""
    if at.energy.linear:
        raise InputError(
            f"A {at.energy.name} answers in proportion to its load: its path is a straight line. "
            "Take elements of finite displacements, such as finite_spring or finite_beam."
        )
    if control not in get_args(Control):
        raise InputError(f"control = {control!r} is none of {listed(get_args(Control))}.")
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
        raise InputError(f"steps = {steps!r} must be a whole number of at least 1.")
    name, numbers = driven(at.problem, source)
    problem, by_force = at.problem, bool(at.problem.loads[numbers[0]])
    if control not in ("arc", "force" if by_force else "displacement"):
        problem = _controlled(problem, numbers, to)
    _check_independent(problem)
    factors = _factors(problem, numbers, to)
    if not any(factors):
        raise InputError(f"to = {to!r} is where the path of {name!r} begins; give another value.")
    return problem, name, factors


def driven(problem: Problem, source: str | None) -> tuple[str, list[int]]:
    """Name of the source that is meant, and its numbers among those of all sources."""
    known = list(dict.fromkeys(port.terminal for port in problem.drives))
    if not known:
        raise InputError("A path needs a source, and the task has none.")
    if source is not None and source not in known:
        raise InputError(f"source = {source!r} is none of the task's ({listed(known)}).")
    name = source or known[0]
    return name, [k for k, port in enumerate(problem.drives) if port.terminal == name]


def _check_independent(problem: Problem) -> None:
    """Raise InputError for sources that impose the same on nodes, or more than they can move."""
    imposed = ~problem.loads & problem.acts[0]
    held = problem.sources[imposed]
    rows = problem.linear_rows()[held].toarray()
    rows[:, problem.fixed] = 0.0
    size = np.linalg.norm(rows, axis=1, keepdims=True)
    for k in range(len(held)):
        if np.linalg.matrix_rank(rows[: k + 1] / np.maximum(size[: k + 1], 1e-300), 1e-9) <= k:
            names = [problem.drives[k].terminal for k in np.flatnonzero(imposed)]
            raise InputError(
                f"source {names[k]!r} imposes what supports and other sources "
                f"({listed(dict.fromkeys(names[:k])) or 'none'}) hold already; leave one out."
            )


def _controlled(problem: Problem, numbers: list[int], to: ArrayLike | None) -> Problem:
    """The problem with a source that imposes a displacement instead of a force, or vice versa."""
    name, loads = problem.drives[numbers[0]].terminal, problem.loads.copy()
    if _source(problem, numbers).kind.tensor:
        raise InputError(
            f"control: the tensor {name!r} is driven as the task says; leave control out, or give "
            "the components of the cell, and what is free, in sources of their own."
        )
    if to is None:
        raise InputError(f"control: say up to what value (to) {name!r} is driven.")
    loads[numbers] ^= True
    by_force, ports = bool(loads[numbers[0]]), problem.sources[numbers]
    wanted = _values(problem, numbers, to)
    farthest = wanted[np.abs(wanted).max(axis=1).argmax()]
    held, values, given = problem.held.copy(), problem.values.copy(), problem.given.copy()
    held[:, ports] = not by_force
    values[:, ports] = given[:, numbers] = farthest * units_of(problem, numbers, by_force)
    grounded = np.setdiff1d(problem.grounded, ports) if by_force else problem.grounded
    return replace(problem, loads=loads, held=held, values=values, given=given, grounded=grounded)


def units_of(problem: Problem, numbers: list[int], by_force: bool) -> NDArray[np.float64]:
    """Units of a source's numbers, as displacements or as forces."""
    factors = [problem.drives[k].factors(problem.network) for k in numbers]
    return np.array([each[int(by_force)] for each in factors])


def _values(problem: Problem, numbers: list[int], to: ArrayLike) -> NDArray[np.float64]:
    """Values of a source that are reached one after the other, (values, numbers)."""
    source, rows = _source(problem, numbers), cast(Any, to)
    try:
        if source.kind.tensor:
            tensors = rows if np.ndim(rows[0][0]) else [rows]
            rows = np.nan_to_num([source.kind.numbers(tensor) for tensor in tensors])
        given = np.asarray(rows, dtype=float)
        wanted = given.reshape(-1, given.shape[-1] if given.ndim > 1 else len(numbers))
    except (TypeError, ValueError, IndexError):
        wanted = np.empty((0, 0))
    if wanted.shape[1] != len(numbers) or not (wanted.size and np.isfinite(wanted).all()):
        name = problem.drives[numbers[0]].terminal
        raise InputError(
            f"to = {to!r} must be the value of {name!r} at the end, {len(numbers)} "
            f"number{'s' * (len(numbers) > 1)}, or a list of such."
        )
    return wanted


def _source(problem: Problem, numbers: list[int]) -> Source:
    """Source of some numbers."""
    name = problem.drives[numbers[0]].terminal
    return next(source for source in problem.task.sources if source.name == name)


def _factors(problem: Problem, numbers: list[int], to: ArrayLike | None) -> list[float]:
    """Load factors at which a source has given values."""
    name = problem.drives[numbers[0]].terminal
    if to is None:
        if not problem.given[0].any():
            raise InputError(f"{name!r} is 0 in the task, and so are all sources: no path to go.")
        return [1.0]
    wanted = _values(problem, numbers, to)
    value = problem.given[0, numbers] / units_of(problem, numbers, bool(problem.loads[numbers[0]]))
    if not value.any():
        raise InputError(
            f"to = {to!r} must be a multiple of what {name!r} is in the task, and not 0."
        )
    factors = wanted @ value / (value @ value)
    if np.abs(wanted - np.outer(factors, value)).max() > 1e-9 * np.abs(wanted).max():
        raise InputError(f"to = {to} must be multiples of the value of {name!r}, {value.tolist()}.")
    return factors.tolist()
