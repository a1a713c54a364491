"""Limit loads as outputs: critical points of a path, and states beside them along the path.

At a limit point the stiffness is singular along the critical mode ``m``, and the load factor's
derivative by a parameter of an element is ``(d2u_i/dL ds . m) / (p . m)``, with ``p`` the rate of
the load: the mode is the adjoint state. Under load there is no clamped state beyond a limit point;
under displacement control there is, and the path goes along the mode there. So what local rules
compare are the states on both sides of the limit point, whose difference tends to the mode.
"""

from collections.abc import Iterable, Sequence
from typing import override

import numpy as np
from numpy.typing import NDArray

from mechlearn.equilibrium.balance import NotConverged
from mechlearn.equilibrium.corrector import PathPoint
from mechlearn.equilibrium.newton import NewtonEquilibrium, NewtonState
from mechlearn.equilibrium.path import Follower
from mechlearn.equilibrium.states import PhaseState, Rate
from mechlearn.errors import SolveError
from mechlearn.phase import Phase

#: Part of the source's force in the first arc step, and multiple of it at which a path ends.
FIRST, FARTHEST = 0.05, 10.0
#: Relative change of a parameter from which the whole path is followed anew.
DRIFT = 0.05
#: Largest arc step to a state beside a limit point, in bond lengths.
BESIDE = 0.1


class LimitEquilibrium(NewtonEquilibrium):
    """Limit points of the path of the sources' forces, the outputs of which are their loads."""

    _follower: Follower
    _limits: list[PathPoint]
    _works: NDArray[np.float64]
    # Points of the last path, and the parameters when all of them were found.
    _known: Sequence[PathPoint] = ()
    _then: dict[str, NDArray[np.float64]]

    @override
    def _clear(self) -> None:
        super()._clear()
        self._known = ()

    @override
    def drive(self, values: NDArray) -> None:
        super().drive(values)
        self._known = ()

    @override
    def free(self) -> NewtonState:
        """The state at rest, from which the path is followed to its limit points."""
        load = self._all.values
        self._impose(0.0 * load)
        rest = super().free()
        self._follower, start = self.path(load, 0.0)
        self._limits = self._found(start)
        size = float(np.linalg.norm(load[0, self.problem.sources]))
        self._free_outputs = np.array([[size * p.at.factor for p in self._limits]])
        # The path goes along the mode there; work of a unit load in a unit of arc.
        self._works = np.array([self._follower.work(p) / size for p in self._limits])
        return rest

    def _found(self, start: PathPoint) -> list[PathPoint]:
        """The limit points that targets are about, near those of the last path if they are."""
        now = {p.name: self.model.get(p.name) for p in self.model.energy.parameters}
        if self._known:
            moved = [np.abs(now[name] - then).max() / np.abs(then).max(initial=1e-300)
                     for name, then in self._then.items()]  # fmt: skip
            every = max(moved) > DRIFT
            try:
                self._known = self._follower.trace(start, self._known, every)
                self._then = now if every else self._then
                return self._limits_of(self._known)
            except (NotConverged, SolveError):
                pass
        known = list[PathPoint]()
        length = FIRST / abs(start.rate.factor)
        found = self._limits_of(self._follower.follow(start, FARTHEST, length), known)
        self._known, self._then = [start, *known], now
        return found

    def _limits_of(
        self, path: Iterable[PathPoint], seen: list[PathPoint] | None = None
    ) -> list[PathPoint]:
        """The limit points that targets are about, on a path whose points are noted in ``seen``."""
        numbers, found = self.problem.limit_points, list[PathPoint]()
        try:
            for point in path:
                if seen is not None:
                    seen.append(point)
                if point.kind == "limit":
                    found.append(point)
                elif len(found) > max(numbers):
                    return [found[k] for k in numbers]
        except SolveError as error:
            raise SolveError(f"{_missing(found)}: {error}", "no equilibrium") from None
        raise SolveError(
            f"{_missing(found)} up to {FARTHEST:g} times the force given.", "no equilibrium"
        )

    @override
    def solve(self, phase: Phase, measured: NDArray | None = None) -> PhaseState:
        outputs = self._free_outputs
        seen = outputs if measured is None else measured
        slopes = self.problem.slopes(seen)[0]
        none = np.zeros(1)
        if phase.kind == "adjoint":
            return PhaseState(tuple((1.0, self._mode(k, s)) for k, s in enumerate(slopes)), none)
        pushes = slopes if phase.kind == "nudge" else -self.problem.residual(seen)[0]
        arcs = phase.amount * pushes / self._works
        parts = [
            (1.0, self._state_beside(point, arc))
            for point, arc in zip(self._limits, arcs, strict=True)
        ]
        return PhaseState(tuple(parts), none)

    @override
    def adjoints(self, free: NewtonState) -> list[PhaseState]:
        return [
            PhaseState(((1.0, self._mode(k, 1.0)),), np.zeros(1)) for k in range(len(self._limits))
        ]

    def _state_beside(self, limit: PathPoint, arc: float) -> NewtonState:
        """The state on the path at an arc length from a limit point."""
        if not arc:
            return self.along([limit])
        arc = float(np.clip(arc, -BESIDE, BESIDE))
        return self.along([self._follower.step(limit, arc)[0]])

    def _mode(self, k: int, slope: float) -> Rate:
        """Rate along the mode of a limit point, for which its sensitivities are a cost's slopes."""
        point = self._limits[k]
        rate = point.rate * (slope / self._works[k])
        readings = np.zeros((1, len(self.problem.ports)))
        return Rate(self.along([point]), rate.u[None], rate.forces[None], readings)


def _missing(found: list[PathPoint]) -> str:
    what = "minimum of the load after the peak" if found else "maximum of the load"
    return f"The path of the source has no {what}"
