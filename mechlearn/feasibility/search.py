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
from mechlearn.errors import InputError, SolveError
from mechlearn.feasibility.lower_bounds import RANK, relative_error
from mechlearn.fenics import MPI
from mechlearn.learning.dofs import LearningDof
from mechlearn.learning.system import System, output_jacobian
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
            seen.descend(space.start() if number == 0 else space.random(rng))
            done += 1
            if seen.least_error <= tolerance:
                break
        if seen.least_error > tolerance and seen.best is not None:
            # The largest relative error is smallest elsewhere than the cost.
            seen.descend(seen.best, scaled=True)
            if any((*space.at_low(seen.best).values(), *space.at_high(seen.best).values())):
                more = _Objective(at, _Space(dofs, WIDER), seen.deadline)
                more.descend(seen.best)
                if more.best is not None:
                    more.descend(more.best, scaled=True)
                    wider = more.least_error
    except _TimeUp:
        pass
    if seen.best is None:
        raise SolveError("No equilibrium was found at any start of the search.")
    return Search(
        cost=seen.least_cost,
        relative=relative_error(problem, seen.outputs) if problem.task.cost.has_values else np.nan,
        error=seen.least_error,
        outputs=seen.outputs / problem.units,
        parameters=space.parameters(seen.best),
        at_low=space.at_low(seen.best),
        at_high=space.at_high(seen.best),
        rank=rank,
        wider=wider,
        starts=max(done, 1),
        evaluations=seen.evaluations,
        finished=done == starts or seen.least_error <= tolerance,
    )


class _TimeUp(Exception):
    """Time limit of the search reached."""


class _Space:
    """Learning parameters as one vector, positive ones by their logarithms."""

    def __init__(self, dofs: list[LearningDof], wider: float = 1.0) -> None:
        self.dofs, self._wider = dofs, wider > 1
        self._log = [bool((dof.low > 0).all()) for dof in dofs]
        ends = [_ends(dof, log) for dof, log in zip(dofs, self._log, strict=True)]
        low, high = (np.concatenate(side) for side in zip(*ends, strict=True))
        log = np.repeat(self._log, [int(dof.learns.sum()) for dof in dofs])
        more = np.where(log, np.log(wider), (high - low) * (wider - 1) / 2)
        self.low, self.high = low - more, high + more

    def start(self) -> NDArray[np.float64]:
        x = [
            np.log(dof.values[dof.learns]) if log else dof.values[dof.learns]
            for dof, log in zip(self.dofs, self._log, strict=True)
        ]
        return self.inside(np.concatenate(x))

    def random(self, rng: np.random.Generator) -> NDArray[np.float64]:
        return self.inside(rng.uniform(self.low, self.high))

    def disturbed(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Slightly perturbed start, to break symmetries."""
        move = np.minimum(0.1 * (self.high - self.low), 0.3) * rng.uniform(-1, 1, len(self.low))
        return self.inside(self.start() + move)

    def inside(self, x: NDArray) -> NDArray[np.float64]:
        edge = 1e-6 * (self.high - self.low)
        return np.clip(x, self.low + edge, self.high - edge)

    def parameters(self, x: NDArray) -> dict[str, NDArray[np.float64]]:
        out, at = {}, 0
        for dof, log in zip(self.dofs, self._log, strict=True):
            values, n = dof.values.copy(), int(dof.learns.sum())
            part = np.exp(x[at : at + n]) if log else x[at : at + n]
            if not self._wider:  # a logarithm taken back may miss its bound by a rounding error
                part = np.clip(part, dof.low[dof.learns], dof.high[dof.learns])
            values[dof.learns] = part
            out[dof.name], at = values, at + n
        return out

    def slopes(self, x: NDArray, by_name: Mapping[str, NDArray]) -> NDArray[np.float64]:
        """Derivatives by the parameters, (..., m) per name, as ones by the vector."""
        values, parts = self.parameters(x), []
        for dof, log in zip(self.dofs, self._log, strict=True):
            rate = values[dof.name][dof.learns] if log else 1.0
            parts.append(by_name[dof.name][..., dof.learns] * rate)
        return np.concatenate(parts, axis=-1)

    def at_low(self, x: NDArray) -> dict[str, int]:
        """Number of bonds at their lower bound, per parameter."""
        return self._count(x - self.low < AT_BOUND * (self.high - self.low))

    def at_high(self, x: NDArray) -> dict[str, int]:
        """Number of bonds at their upper bound, per parameter."""
        return self._count(self.high - x < AT_BOUND * (self.high - self.low))

    def _count(self, near: NDArray) -> dict[str, int]:
        sizes = [int(dof.learns.sum()) for dof in self.dofs]
        parts = np.split(near, np.cumsum(sizes)[:-1])
        return {d.name: int(part.sum()) for d, part in zip(self.dofs, parts, strict=True)}


def _ends(dof: LearningDof, log: bool) -> tuple[NDArray, NDArray]:
    """Bounds of a parameter on its coordinate; wide ones where it has none."""
    at = dof.learns
    start = np.where(dof.values != 0, np.abs(dof.values), 1.0)[at]
    low, high = dof.low[at], dof.high[at]
    high = np.where(np.isinf(high), start * UNBOUNDED, high)
    if not log:
        return np.where(np.isinf(low), -start * UNBOUNDED, low), high
    return np.log(np.where(low <= np.finfo(float).tiny, start / UNBOUNDED, low)), np.log(high)


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
        by_name = {n: self.at.model.to_bonds(mean) for n, mean in means.items()}
        cost = float(self.problem.costs(outputs).mean())
        return cost / unit, self.space.slopes(x, by_name) / unit
