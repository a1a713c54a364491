"""Outputs of the equilibrium path of a source: limit loads, stiffness, work, stable states.

At a limit point the stiffness is singular along the critical mode ``m``, and the load factor's
derivative by a parameter of an element is ``(d2u_i/dL ds . m) / (p . m)``, with ``p`` the rate of
the load: the mode is the adjoint state. So is the rate along the path at any other point, for the
force at a given displacement. Under load there is no clamped state beyond a limit point; under
displacement control there is. So what local rules compare are states on the path on both sides of
a point, whose difference tends to the rate.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import override

import numpy as np
from numpy.typing import NDArray

from mechlearn.equilibrium.balance import NotConverged
from mechlearn.equilibrium.conditions import Conditions
from mechlearn.equilibrium.corrector import PathPoint
from mechlearn.equilibrium.newton import NewtonEquilibrium, NewtonState
from mechlearn.equilibrium.recorded import FARTHEST, Record, RecordedPath
from mechlearn.equilibrium.states import EquilibriumState, PhaseState, Rate
from mechlearn.errors import InputError, SolveError
from mechlearn.fem.model import Model
from mechlearn.phase import Phase
from mechlearn.tasks.path_quantities import Measured, PathQuantity
from mechlearn.tasks.ports import PathPort
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.quantities import quantities

#: Relative change of a parameter from which the whole path is followed anew.
DRIFT = 0.05
#: Largest arc step to a state beside a point, in bond lengths.
BESIDE = 0.1
#: Factors of a first derivative by values beside a point.
STENCIL = {-2: 1 / 12, -1: -2 / 3, 1: 2 / 3, 2: -1 / 12}
#: Steps of second differences, over the path's scale: of exact slopes, and the range of states'.
SECOND, APART = 3e-3, (0.01, 0.04)

#: Weight of a state, or of a rate of it.
Part = tuple[float, EquilibriumState | Rate]


class PathEquilibrium(NewtonEquilibrium):
    """Path of the forces of the sources, and numbers that are measured on it."""

    _record: Record
    _found: list[tuple[RecordedPath, Measured]]
    # Points of the last path, and the parameters when all of them were found.
    _known: Sequence[PathPoint] = ()
    _then: dict[str, NDArray[np.float64]]

    def __init__(self, model: Model, problem: Problem) -> None:
        self._given = problem
        super().__init__(model, _by_force(problem))

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
        """The state at rest, from which the path is followed as far as outputs are on it."""
        self._impose(np.zeros(self.problem.values.shape))
        rest = super().free()
        load = self._load(rest)
        follower, start = self.path(load, 0.0)
        to = FARTHEST if self._given.loads.all() else np.inf
        now = {p.name: self.model.get(p.name) for p in self.model.energy.parameters}
        whole = not (self._known and self._limits_only) or self._drifted(now)
        try:
            if not self._known:
                raise NotConverged("the path is new")
            self._measure_on(Record(follower, start, to, self._known, whole), load)
            self._then = now if whole else self._then
        except (NotConverged, SolveError):
            try:
                self._measure_on(Record(follower, start, to), load)
            except NotConverged as error:
                raise SolveError(f"The path is lost: {error}.", "no equilibrium") from None
            self._then = now
        self._known = self._record.points
        self._free_outputs = np.array([[found.value for _, found in self._found]])
        return rest

    def _measure_on(self, record: Record, load: NDArray) -> None:
        """Measure all targets on a path."""
        self._record, self._found = record, []
        for answer, wanted in zip(self.problem.answers, self.problem.wanted[0], strict=True):
            assert isinstance(answer, PathPort)
            kind = quantities[answer.quantity]
            assert isinstance(kind, PathQuantity)
            path = self._seen_by(answer.source, load)
            self._found.append((path, kind.measure(path, answer, float(wanted))))

    @property
    def _limits_only(self) -> bool:
        """True if targets are about limit points alone."""
        return all(target.kind.of_limits for target in self.problem.task.targets)

    def _drifted(self, now: dict[str, NDArray]) -> bool:
        """True where parameters changed much since the whole path was found."""
        return any(
            np.abs(now[name] - then).max() > DRIFT * np.abs(then).max(initial=1e-300)
            for name, then in self._then.items()
        )

    def _load(self, rest: NewtonState) -> NDArray[np.float64]:
        """Forces of the sources at load factor 1, (1, ports).

        Of a displacement, what would lead there at the rate of the beginning.
        """
        if self._given.loads.all():
            return self._given.values
        unit = np.zeros(self.problem.values.shape)
        unit[0, self.problem.sources] = 1.0
        rate = self._rate(rest, Conditions(self._constraints, unit))
        return unit * self._given.values / rate.readings[:, self.problem.sources]

    def _seen_by(self, source: str, load: NDArray) -> RecordedPath:
        """The path as a source sees it."""
        p = self._given
        mine = [k for k, port in enumerate(p.drives) if port.terminal == source]
        ports, units = p.sources[mine], [p.drives[k].factors(p.network) for k in mine]
        forces = load[0, ports] / np.array(units)[:, 1]
        force = float(forces[0] if len(mine) == 1 else np.linalg.norm(forces))
        across, through = units[0] if len(mine) == 1 else (1.0, 1.0)
        displacement = None if p.loads[mine[0]] else float(p.values[0, ports[0]] / across)
        from_rest = any(target.baseline == "unloaded" for target in p.task.targets)
        if from_rest and displacement is not None and np.isfinite(p.drives[mine[0]].length):
            raise InputError(
                f"source {source!r} imposes a strain from a state that is prestressed, which the "
                'path does not know; give its targets baseline = "reference", or let it impose a '
                "displacement."
            )
        return RecordedPath(
            self._record, int(ports[0]), (across, through), force, displacement, from_rest
        )

    @override
    def solve(self, phase: Phase, measured: NDArray | None = None) -> PhaseState:
        seen = self._free_outputs if measured is None else measured
        slopes, parts = self.problem.slopes(seen)[0], list[Part]()
        pushes = slopes if phase.kind != "clamp" else -self.problem.residual(seen)[0]
        of = self._slope if phase.kind == "adjoint" else self._contrast
        amounts = pushes * (1.0 if phase.kind == "adjoint" else phase.amount)
        for (path, found), amount in zip(self._found, amounts.tolist(), strict=True):
            try:
                parts += of(path, found, amount)
            except NotConverged as error:
                text = f"A state beside a point of the path: {error}; use a smaller nudge."
                raise SolveError(text, "no equilibrium") from None
        return PhaseState(tuple(parts), np.zeros(1))

    @override
    def adjoints(self, free: NewtonState) -> list[PhaseState]:
        return [PhaseState(tuple(self._slope(*each, 1.0)), np.zeros(1)) for each in self._found]

    def _slope(self, path: RecordedPath, found: Measured, weight: float) -> list[Part]:
        """Terms of ``weight`` times the derivative of a number by parameters, exact."""
        terms = list(found.rates)
        for bend, point in found.bends:
            step = SECOND * path.scale
            for far, factor in STENCIL.items():
                beside = path.moved(point, far * step)
                terms.append((bend * factor / step / path.rates(beside)[0], beside))
        out = self._states(path, found, weight)
        return out + [(1.0, self._rate_along(point, weight * w)) for w, point in terms]

    def _contrast(self, path: RecordedPath, found: Measured, amount: float) -> list[Part]:
        """States whose sensitivities are in their sum ``amount`` times that derivative.

        But for what does not depend on the amount.
        """
        out = self._states(path, found, amount)
        out += [(1.0, self._state_beside(point, amount * w)) for w, point in found.rates]
        for bend, point in found.bends:
            step = float(np.clip(np.sqrt(abs(amount)), *APART)) * path.scale
            weight = amount * bend / step**2
            for far, factor in ((-1, 1.0), (0, -2.0), (1, 1.0)):
                beside = path.moved(point, far * step) if far else point
                out.append((weight * factor, self.along([beside])))
        return out

    def _states(self, path: RecordedPath, found: Measured, weight: float) -> list[Part]:
        """States as such, at least one."""
        terms = found.states or [(0.0, path.start())]
        return [(weight * w, self.along([point])) for w, point in terms]

    def _state_beside(self, point: PathPoint, arc: float) -> NewtonState:
        """The state on the path at an arc length from a point."""
        if not arc:
            return self.along([point])
        arc = float(np.clip(arc, -BESIDE, BESIDE))
        return self.along([self._record.follower.step(point, arc)[0]])

    def _rate_along(self, point: PathPoint, weight: float) -> Rate:
        """Rate of the state along the path, times a weight."""
        rate = point.rate * weight
        readings = np.zeros((1, len(self.problem.ports)))
        return Rate(self.along([point]), rate.u[None], rate.forces[None], readings)


def _by_force(problem: Problem) -> Problem:
    """The problem with sources that apply forces instead of displacements."""
    held = problem.held.copy()
    held[:, problem.sources] = False
    return replace(
        problem,
        loads=np.ones_like(problem.loads),
        held=held,
        values=np.where(held, problem.values, 0.0),
        grounded=np.setdiff1d(problem.grounded, problem.sources),
        relative=np.zeros_like(problem.relative),
    )
