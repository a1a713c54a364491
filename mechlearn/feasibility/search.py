"""Bounded search for the best outputs, with exact derivatives, from several starts.

Bounded least squares where the cost is a sum of squares (dogleg in a box: C. Voglis, I. Lagaris,
WSEAS Int. Conf. Applied Mathematics (2004), as SciPy has it), else L-BFGS-B. It proves nothing, but
says what no training will do better by much.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.analysis.result import Result
from mechlearn.equilibrium import Equilibrium
from mechlearn.equilibrium.states import output_jacobian
from mechlearn.errors import InputError, SolveError
from mechlearn.feasibility.lower_bounds import RANK, relative_error
from mechlearn.fenics import MPI
from mechlearn.learning.dofs import LearningDof
from mechlearn.learning.system import System
from mechlearn.phase import ADJOINT

#: A bound is where a value ends that is nearer to it than this part of the range.
AT_BOUND = 1e-3
#: Residuals times parameters beyond which the search goes by gradients, not by the Jacobian.
JACOBIAN = 300_000
#: Parameters without bounds are searched within this factor of their initial value.
UNBOUNDED = 1e3
#: How much wider the bounds are of which is said what they would bring.
WIDER = 10.0


@dataclass(frozen=True, eq=False, repr=False)
class Search(Result):
    """Best result of a bounded search.

    Attributes
    ----------
    cost : float
        Mean cost, in the user's units.
    relative : float
        Root of the sum of squared errors over that of what is wanted; nan for other costs.
    error : float
        The smallest error found that a tolerance is on (see :meth:`Problem.error`).
    outputs : (examples, t) array
        At the smallest cost, in the user's units.
    parameters : mapping of names to (m,) arrays
        Those of the smallest cost.
    at_low, at_high : mapping of names to int
        How many bonds end at the bounds there.
    rank : int, optional
        In how many independent directions what learns can move the outputs; None in large tasks.
    wider : float, optional
        The smallest error found with wider bounds, where bonds end at the given ones.
    starts, evaluations : int
    finished : bool
        Whether all starts came to an end within the time.
    """

    cost: float
    relative: float
    error: float
    outputs: NDArray[np.float64]
    parameters: Mapping[str, NDArray[np.float64]]
    at_low: Mapping[str, int]
    at_high: Mapping[str, int]
    rank: int | None
    wider: float | None
    starts: int
    evaluations: int
    finished: bool


def best_within_bounds(
    system: System,
    dofs: list[LearningDof],
    tolerance: float,
    starts: int = 4,
    seconds: float = 10.0,
    seed: int = 0,
) -> Search:
    """Best outputs within the bounds, searched on one rank until within the tolerance.

    Raises
    ------
    InputError
        For no start, or no time, and where nothing learns.
    SolveError
        Where no start has an equilibrium.
    """
    if starts < 1 or not seconds > 0:
        raise InputError("A search needs at least one start, and some time.")
    if not any(dof.learns.any() for dof in dofs):
        raise InputError("learn: every bond is frozen; nothing learns.")
    problem = system.problem
    at, space = system.copy(comm=MPI.COMM_SELF).solver, _Space(dofs)
    seen = _Objective(at, space, time.monotonic() + seconds)
    rng = np.random.default_rng(seed)
    rank, done, wider = seen.rank(space.disturbed(rng)), 0, None
    try:
        for number in range(starts):
            seen.descend(space.start if number == 0 else space.random(rng))
            done += 1
            if seen.least_error <= tolerance:
                break
        if seen.least_error > tolerance and seen.best is not None:
            # The largest relative error is smallest elsewhere than the cost.
            seen.descend(seen.best, scaled=True)
            if any(any(side.values()) for side in space.at_bounds(seen.best)):
                more = _Objective(at, _Space(dofs, WIDER), seen.deadline)
                more.descend(seen.best)
                if more.best is not None:
                    more.descend(more.best, scaled=True)
                    wider = more.least_error
    except _TimeUp:
        pass
    if seen.best is None:
        raise SolveError("No equilibrium was found at any start of the search.")
    at_low, at_high = space.at_bounds(seen.best)
    return Search(
        cost=seen.least_cost,
        relative=relative_error(problem, seen.outputs) if problem.task.cost.has_values else np.nan,
        error=seen.least_error,
        outputs=seen.outputs / problem.units,
        parameters=space.parameters(seen.best),
        at_low=at_low,
        at_high=at_high,
        rank=rank,
        wider=wider,
        starts=max(done, 1),
        evaluations=seen.evaluations,
        finished=done == starts or seen.least_error <= tolerance,
    )


class _TimeUp(Exception):
    """Time limit of the search reached."""


class _Space:
    """Learning parameters as one vector, positive ones by their logarithms.

    Bounded on every side, ``wider`` times as far as they are.
    """

    def __init__(self, dofs: list[LearningDof], wider: float = 1.0) -> None:
        self.dofs, sizes = dofs, [int(dof.learns.sum()) for dof in dofs]
        self._cuts = np.cumsum(sizes)[:-1]
        self._log = np.repeat([bool((dof.low > 0).all()) for dof in dofs], sizes)
        values, low, high = (
            np.concatenate([side[dof.learns] for dof, side in zip(dofs, sides, strict=True)])
            for sides in zip(*((d.values, d.low, d.high) for d in dofs), strict=True)
        )
        # A logarithm taken back may miss its bound by a rounding error.
        self._limits = (low, high) if wider == 1 else (-np.inf, np.inf)
        size = np.where(values != 0, np.abs(values), 1.0)
        high = np.where(np.isinf(high), size * UNBOUNDED, high)
        low = np.where(np.isinf(low), -size * UNBOUNDED, low)
        none = self._log & (low <= np.finfo(float).tiny)
        low = np.where(none, size / UNBOUNDED, low)
        start, low, high = (np.log(x, where=self._log, out=x.copy()) for x in (values, low, high))
        more = np.where(self._log, np.log(wider), (high - low) * (wider - 1) / 2)
        self.low, self.high = low - more, high + more
        self.start = self.inside(start)

    def random(self, rng: np.random.Generator) -> NDArray[np.float64]:
        return self.inside(rng.uniform(self.low, self.high))

    def disturbed(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Slightly perturbed start, to break symmetries."""
        move = np.minimum(0.1 * (self.high - self.low), 0.3) * rng.uniform(-1, 1, len(self.low))
        return self.inside(self.start + move)

    def inside(self, x: NDArray) -> NDArray[np.float64]:
        edge = 1e-6 * (self.high - self.low)
        return np.clip(x, self.low + edge, self.high - edge)

    def _values(self, x: NDArray) -> NDArray[np.float64]:
        return np.clip(np.exp(x, where=self._log, out=x.copy()), *self._limits)

    def parameters(self, x: NDArray) -> dict[str, NDArray[np.float64]]:
        out = {dof.name: dof.values.copy() for dof in self.dofs}
        for dof, part in zip(self.dofs, np.split(self._values(x), self._cuts), strict=True):
            out[dof.name][dof.learns] = part
        return out

    def slopes(self, x: NDArray, by_name: Mapping[str, NDArray]) -> NDArray[np.float64]:
        """Derivatives by the parameters, (..., m) per name, as ones by the vector."""
        parts = [by_name[dof.name][..., dof.learns] for dof in self.dofs]
        return np.concatenate(parts, axis=-1) * np.where(self._log, self._values(x), 1.0)

    def at_bounds(self, x: NDArray) -> list[dict[str, int]]:
        """Numbers of bonds at their lower and at their upper bounds, per parameter."""
        edge = AT_BOUND * (self.high - self.low)
        names = [dof.name for dof in self.dofs]
        return [
            {n: int(part.sum()) for n, part in zip(names, np.split(near, self._cuts), strict=True)}
            for near in (x - self.low < edge, self.high - x < edge)
        ]


class _Objective:
    """Cost as a function of the vector, and the best value seen."""

    def __init__(self, at: Equilibrium, space: _Space, deadline: float) -> None:
        self.at, self.space, self.problem, self.deadline = at, space, at.problem, deadline
        self.evaluations = 0
        self.best: NDArray | None = None
        self.outputs = np.empty(0)
        self.least_cost = self.least_error = np.inf
        self._last: tuple[NDArray, NDArray, Any] | None = None

    def solve(self, x: NDArray) -> tuple[NDArray, Any]:
        """Outputs and the free state."""
        if self._last is not None and np.array_equal(self._last[0], x):
            return self._last[1:]
        if time.monotonic() > self.deadline:
            raise _TimeUp
        self.evaluations += 1
        if not self.at.model.energy.continuum:
            self.at.forget()  # only an answer from rest counts; solids would be meshed anew
        self.at.update(**self.space.parameters(x))
        free = self.at.free()
        outputs = self.at.outputs(free)
        self._last = x.copy(), outputs, free
        cost, error = float(self.problem.costs(outputs).mean()), self.problem.error(outputs)
        self.least_error = min(self.least_error, error)
        if cost < self.least_cost:
            self.least_cost, self.best, self.outputs = cost, x.copy(), outputs
        return outputs, free

    def jacobian(self, x: NDArray) -> NDArray[np.float64]:
        """Derivatives of the outputs, (examples, t, p)."""
        _, free = self.solve(x)
        names = tuple(dof.name for dof in self.space.dofs)
        return self.space.slopes(x, output_jacobian(self.at, free, names))

    def rank(self, x: NDArray) -> int | None:
        """Rank of the Jacobian of the wanted outputs; None if too large."""
        if self._numbers > JACOBIAN:
            return None
        try:
            j = self.jacobian(x)[self.problem.active]
        except (SolveError, _TimeUp):
            return None
        j = j / np.maximum(np.linalg.norm(j, axis=1, keepdims=True), 1e-300)
        return int(np.linalg.matrix_rank(j, rtol=RANK))

    @property
    def _numbers(self) -> int:
        return int(self.problem.active.sum()) * len(self.space.low)

    def descend(self, x: NDArray, scaled: bool = False) -> None:
        """Local search from a start: least squares, or by the gradient of another cost."""
        from scipy.optimize import least_squares, minimize

        bounds = self.space.low, self.space.high
        p = self.problem
        size = np.sqrt(np.mean(np.square(p.wanted / p.units)[p.active])) or 1.0
        try:
            if p.task.cost.has_values and self._numbers <= JACOBIAN:
                weight = 1 / (p.scale if scaled else size * p.units)
                follow = p.match - np.eye(len(p.targets))

                def missing(x: NDArray) -> NDArray:
                    return (p.residual(self.solve(x)[0]) * weight)[p.active]

                def slopes(x: NDArray) -> NDArray:
                    j = np.einsum("st,eti->esi", follow, self.jacobian(x))
                    # What misses nothing, such as an output beyond its limit, pulls at nothing.
                    pulls = weight * (p.residual(self.solve(x)[0]) != 0)
                    return (j * np.broadcast_to(pulls, p.active.shape)[..., None])[p.active]

                # fmt: off
                least_squares(missing, self.space.inside(x), slopes, bounds, method="dogbox",
                              xtol=1e-10, ftol=1e-9, gtol=1e-14, max_nfev=300)
                # fmt: on
                return
            unit = size**2 if p.task.cost.has_values else 1.0
            minimize(self._cost, x, (unit,), jac=True, method="L-BFGS-B",
                     bounds=np.transpose(bounds), options={"maxiter": 2000, "ftol": 1e-14,
                                                           "gtol": 1e-10})  # fmt: skip
        except SolveError:
            return

    def _cost(self, x: NDArray, unit: float) -> tuple[float, NDArray]:
        outputs, _ = self.solve(x)
        adjoint = self.at.solve(ADJOINT)
        names = (dof.name for dof in self.space.dofs)
        means = {n: self.at.mean_signal(n, [adjoint], (1.0,)) for n in names}
        by_name = {n: self.at.model.to_elements(n, mean) for n, mean in means.items()}
        cost = float(self.problem.costs(outputs).mean())
        return cost / unit, self.space.slopes(x, by_name) / unit
