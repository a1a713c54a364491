"""Targets whose values are parts of what the untrained network reads, in units of the task."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.task import Example, Task

if TYPE_CHECKING:
    from mechlearn.learning.system import System

#: Parts of the way from an example to the one after it in which the largest reading is looked for.
PARTS = 4
#: Readings that are so small a part of the largest one are zero.
ROUNDING = 1e-12
#: Limits of readings that are negative, and of these over a negative one.
OTHER = {"at_least": "at_most", "at_most": "at_least", None: None}


def in_units_of_untrained(problem: Problem, at: "System") -> Task:
    """Task of a problem with values instead of parts of what the system reads before training.

    Raises
    ------
    InputError
        Where that is nothing.
    SolveError
        Where there is no equilibrium.
    """
    task, values = problem.task, at.parameters
    asked = {t.name: t.of_untrained for t in task.targets if t.of_untrained is not None}
    whole = type(at)(at.network, _refined(problem), at.energy, check=False, comm=at.comm, **values)
    free, outputs = whole.free, whole.outputs
    names = np.array([p.terminal for p in problem.answers])
    largest: dict[str, float] = {}
    for name, part in asked.items():
        read = outputs[:, names == name].ravel()
        largest[name] = part * float(read[np.abs(read).argmax()])
        anywhere = free.forces if problem.through[names == name].all() else free.readings
        if np.abs(read).max() <= ROUNDING * np.abs(anywhere).max():
            raise InputError(
                f"target {name!r} is of_untrained = {part:g}, and reads 0 before training; give "
                "its values in units of their own."
            )
    targets = []
    for target in task.targets:
        if (size := largest.get(target.name)) is not None:
            change: dict[str, Any] = {"of_untrained": None}
            change["scale"] = abs(size) * (target.scale or 1.0)
            change[target.quantity] = _times(target.value, size)
            change["limit"] = OTHER[target.limit] if size < 0 else target.limit
            target = target.model_copy(update=change)
        targets.append(target)
    examples: list[Example] = [
        {name: _times(v, largest[name]) if name in largest else v for name, v in example.items()}
        for example in task.examples
    ]
    return task.model_copy(update={"targets": targets, "examples": examples})


def _times(value: Any, factor: float) -> Any:
    """Number or numbers of a target times a factor; words as they are."""
    if isinstance(value, list):
        return [_times(v, factor) for v in value]
    return value if isinstance(value, str) else factor * value + 0.0  # no -0


def _refined(problem: Problem) -> Problem:
    """The problem with more examples, between those that are reached from one another."""
    rows: list[int] = []
    parts: list[float] = []
    for e, after in enumerate(problem.after):
        count = PARTS if after else 1
        rows += [e] * count
        parts += [(k + 1) / count for k in range(count)]
    at, part = np.array(rows), np.array(parts)[:, None]
    whole = problem.take(at)

    def between(values: NDArray) -> NDArray[np.float64]:
        return np.where(part < 1, values[at - 1] + part * (values[at] - values[at - 1]), values[at])

    after = np.where(part[:, 0] < 1, True, problem.after[at])
    return replace(whole, values=between(problem.values), given=between(problem.given), after=after)
