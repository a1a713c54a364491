"""Gradient-free learning by optimisers of Nevergrad on the parameters of all elements."""

from collections.abc import Mapping
from typing import Any, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.element import Element
from mechlearn.errors import InputError, SolveError
from mechlearn.extensions import load
from mechlearn.learning.base import Learner
from mechlearn.learning.dofs import Learn, LearningDof
from mechlearn.learning.rules import GradientFree
from mechlearn.tasks.task import Task

#: Nevergrad's optimisers behind the methods' names.
OPTIMISERS = {
    "evolution": "DE",
    "cma": "CMA",
    "perturbation": "OnePlusOne",
    "pattern": "DSbase",
    "simplex": "NelderMead",
}
#: Trials that an optimiser plans for; it may be asked for more.
BUDGET = 10_000


class SearchLearner(Learner):
    """Network trained by candidate evaluations; the best parameters are retained."""

    rule: GradientFree

    @override
    def _begin(self) -> None:
        self._cost = np.inf
        self._told: list[float] = []
        self._search = self._start()

    @classmethod
    @override
    def validate(cls, task: Task, energy: Element, learn: Mapping[str, Learn], rule: Any) -> None:
        if any(table.bounds is None for table in learn.values()):
            raise InputError(f"rule: {rule.name} needs bounds of all that learns.")

    def _start(self) -> Any:
        """The optimiser, on the coordinates of what learns, between the coordinates of bounds."""
        nevergrad = load("nevergrad", "search", "rule: gradient_free needs")
        ranges = zip(*map(_range, self.dofs), strict=True)
        start, low, high = (np.concatenate(part) for part in ranges)
        # First trials are a unit of the coordinate away, or a part of the range where that is less.
        sigma = min(1.0, (high - low).min() / 4)
        space = nevergrad.p.Array(init=start).set_mutation(sigma=sigma).set_bounds(low, high)
        space.random_state.seed(self.options.seed % 2**32)
        kind = nevergrad.optimizers.registry[OPTIMISERS[self.rule.method]]
        return kind(parametrization=space, budget=BUDGET)

    @override
    def _evaluate_phases(self, outputs: NDArray) -> NDArray[np.float64]:
        self._cost = float(self.problem.costs(outputs).mean())
        return np.zeros(self.problem.n_examples)

    @override
    def _step(self) -> bool:
        """Evaluate one candidate; a failed equilibrium has infinite cost."""
        best = {dof.name: dof.values for dof in self.dofs}
        trial = self._search.ask()
        parts = np.split(trial.value, np.cumsum([d.learns.sum() for d in self.dofs])[:-1])
        for dof, x in zip(self.dofs, parts, strict=True):
            before = dof.scale.coordinate(dof.values)[dof.learns]
            step = np.zeros(len(dof.values))
            step[dof.learns] = x - before
            self.elements.apply_step(dof, step, (self.updates, 0))
        try:
            cost = float(self.problem.costs(self.outputs(self.settle())).mean())
        except SolveError as error:
            self.faults[error.fault] += 1
            cost = np.inf
        self._told.append(cost if np.isfinite(cost) else 1e3 * self._cost)
        self._search.tell(trial, self._told[-1])
        if not cost < self._cost:
            for dof in self.dofs:
                dof.values = best[dof.name]
        return True

    @override
    def _reduce_step(self) -> bool:
        return False  # trials that fail are judged in their step

    @override
    def state(self) -> dict[str, NDArray]:
        return super().state() | {"search/told": np.array(self._told)}

    @override
    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Go back to a :meth:`state`: the new optimiser is told again what the old one was."""
        super().restore(state)
        self._told = [float(cost) for cost in state["search/told"]]
        if len(self._told) != self.updates:
            raise ValueError(f"{len(self._told)} trials were judged in {self.updates} steps")
        for cost in self._told:
            self._search.tell(self._search.ask(), cost)


def _range(dof: LearningDof) -> tuple[NDArray, NDArray, NDArray]:
    """Coordinates and bounds of the bonds that learn."""
    at = [dof.scale.coordinate(v) for v in (dof.values, dof.low, dof.high)]
    now, low, high = (x[dof.learns] for x in at)
    return now, low, high
