"""Equilibrium at finite displacement: bordered Newton method that converges to stable states.

The state minimises ``U(u)`` less the work of the loads, subject to the values at which ports are
held. Examples are solved one after the other, each from its last state: :mod:`.iteration` takes
Newton steps that :mod:`.balance` finds, and where they fail it steps the load.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import override

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.equilibrium.balance import UNLOADED, Balance, Counts, NotConverged
from mechlearn.equilibrium.base import Equilibrium
from mechlearn.equilibrium.conditions import Conditions, Imposed
from mechlearn.equilibrium.corrector import Load, Move, PathPoint
from mechlearn.equilibrium.iteration import Iteration, Point, at_rest, find
from mechlearn.equilibrium.landscape import Landscape
from mechlearn.equilibrium.path import Follower
from mechlearn.equilibrium.states import EquilibriumState, Rate, Unloaded
from mechlearn.errors import SolveError
from mechlearn.fem.model import Model
from mechlearn.tasks.problem import Problem

#: The key of the free states before the last ones, and the start of those of the magnitudes that
#: parameters had when stiffness was measured.
BEFORE, MEASURED = "free before", "measured/"
#: What may be left in states, relative to how strongly they are nudged.
LEFT = 3e-8
#: Largest move of a source along a curve in a clamped state, in bond lengths.
BESIDE = 0.1
#: Stiffness, the unit of forces, is measured anew where a parameter changes by such a factor.
OTHER = 10.0


@dataclass(frozen=True, eq=False)
class _Kept:
    """Initial guesses of the next states; immutable points."""

    mesh: dict[str, NDArray]
    stiffness: float
    measured: dict[str, float]
    floppy: bool | None
    warm: dict[str, dict[int, Point]]


class NewtonEquilibrium(Equilibrium["NewtonState"]):
    """Finite displacements, one example after the other, each warm-started from its last state."""

    def __init__(self, model: Model, problem: Problem) -> None:
        super().__init__(model, problem)
        self.counts = Counts()
        self._newton = Iteration(Balance(model, problem, self.counts))
        # Mean magnitudes of parameters when the stiffness was measured.
        self._measured: dict[str, float] = {}
        self._clear()

    @property
    def floppy(self) -> bool | None:
        """True if parts may move without resistance, as far as known."""
        return self._newton.floppy

    @floppy.setter
    def floppy(self, floppy: bool | None) -> None:
        self._newton.floppy = floppy

    @property
    def _balance(self) -> Balance:
        return self._newton.balance

    @override
    def _attach(self) -> None:
        stiffness = self._balance.stiffness
        self._newton.balance = Balance(self.model, self._all, self.counts, stiffness)
        self._clear()

    def _clear(self) -> None:
        """Reset all guesses to rest."""
        # The last state found of every phase and example, and the free states before those.
        self._warm: dict[str, dict[int, Point]] = {}

    @override
    def drive(self, values: NDArray) -> None:
        super().drive(values)
        self._newton.verify_stability = True

    @override
    def update(self, **parameters: ArrayLike) -> None:
        carried = self.model.set(**parameters)
        if self.model.energy.internal:
            known = {p.name: self.model.get(p.name) for p in self.model.energy.parameters}
            if refusal := self.model.energy.refusal(known):
                raise SolveError(f"A learning step was too large: {refusal}", "no equilibrium")
        if carried is not None:
            before = self._warm
            self._attach()
            self._warm = {key: self._carry(points, carried) for key, points in before.items()}
        self._balance.forget()
        self._measure(parameters)
        self._newton.left = LEFT * self._weakest()
        self._free = None

    def _weakest(self) -> float:
        """Smallest nudge of the compared states, at most 1.

        As a fraction of the way to where outputs are wanted, or as springs that push them there,
        in units of the network's stiffness.
        """
        p, weakest = self._all, 1.0
        for phase in self.compared:
            if phase.kind == "clamp" and phase.amount:
                weakest = min(weakest, abs(phase.amount))
            elif phase.kind == "nudge" and phase.amount:
                arm, stiffness = self._balance.port_arm[p.targets], self._balance.stiffness
                spring = abs(phase.amount) / np.square(p.units)
                beside = np.where(p.through, spring * stiffness, spring / (stiffness * arm**2))
                weakest = min(weakest, float(beside.min(initial=1.0)))
        return weakest

    def _measure(self, parameters: Mapping[str, ArrayLike]) -> None:
        """Update the scale of forces where the stiffness changed by magnitudes."""
        now = {name: float(np.abs(values).mean()) for name, values in parameters.items()}
        known = self._measured
        if not self._balance.stiffness or any(
            not known[name] / OTHER <= now[name] <= known[name] * OTHER
            for name in now.keys() & known.keys()
        ):
            self._balance.measure()
            known = {}
        self._measured = now | known

    def _carry(self, points: dict[int, Point], carried: Callable) -> dict[int, Point]:
        """Initial guesses interpolated from another mesh."""
        out = {}
        for example, point in points.items():
            u = carried(point.u)
            out[example] = replace(point, u=u, readings=self._balance.ports.read(u).values)
        return out

    @override
    def forget(self) -> bool:
        super().forget()
        self._clear()
        return True

    @override
    def keep(self) -> "_Kept":
        warm = {key: dict(points) for key, points in self._warm.items()}
        stiffness = self._balance.stiffness
        return _Kept(self.model.memory(), stiffness, self._measured, self.floppy, warm)

    @override
    def go_back(self, kept: "_Kept") -> None:
        super().go_back(kept.mesh)
        self._balance.stiffness, self.floppy = kept.stiffness, kept.floppy
        self._measured = kept.measured
        self._warm = {key: dict(points) for key, points in kept.warm.items()}
        self._free = None

    @override
    def memory(self, kept: "_Kept | None" = None) -> dict[str, NDArray]:
        kept = kept or self.keep()
        out = kept.mesh | {"stiffness": np.array(kept.stiffness)}
        out |= {MEASURED + name: np.array(value) for name, value in kept.measured.items()}
        if kept.floppy is not None:
            out["floppy"] = np.array(kept.floppy)
        for key, points in kept.warm.items():
            if points:
                out[f"{key}/examples"] = np.array(list(points))
                out[f"{key}/u"] = self.model.pack(np.array([p.u for p in points.values()]).T)
                for name in ("forces", "readings", "energy"):
                    out[f"{key}/{name}"] = np.array([getattr(p, name) for p in points.values()])
        return out

    @override
    def recall(self, memory: Mapping[str, NDArray]) -> None:
        if self.model.recall(memory):
            self._attach()
        warm = {}
        for key in {name.removesuffix("/u") for name in memory if name.endswith("/u")}:
            u, forces, readings, energy = (
                memory[f"{key}/{name}"] for name in ("u", "forces", "readings", "energy")
            )
            warm[key] = {
                int(e): Point(
                    self.model.unpack(u[..., k]), forces[k], readings[k], float(energy[k])
                )
                for k, e in enumerate(memory[f"{key}/examples"])
            }
        floppy = bool(memory["floppy"]) if "floppy" in memory else None
        stiffness = float(memory["stiffness"])
        measured = {
            name.removeprefix(MEASURED): float(value)
            for name, value in memory.items()
            if name.startswith(MEASURED)
        }
        self.go_back(_Kept(self.model.memory(), stiffness, measured, floppy, warm))

    @override
    def _clamped(self, sign: float, moved: NDArray, missed: NDArray) -> Conditions:
        """As of any equilibrium; along a curve, sources move to where they take the wanted force.

        Under that force there may be no stable state, or another one. They move by the force over
        the stiffness that they meet, in the sense of a positive one, and not far.
        """
        p = self.problem
        if sign > 0 or not p.after.any():
            return super()._clamped(sign, moved, missed)
        assert self._free is not None
        there, stiffness = p.held[:, p.targets] & p.active & p.through, np.ones(moved.shape)
        for k, port in enumerate(p.targets):
            unit = np.zeros(p.held.shape)
            unit[:, port] = 1.0
            rate = self._rate(self._free, Conditions(self._constraints, unit))
            stiffness[:, k] = np.where(there[:, k], np.abs(rate.forces[:, port]), 1.0)
        farthest = BESIDE * self._balance.length / self._balance.port_arm[p.targets]
        with np.errstate(divide="ignore"):
            change = (moved - self._free_outputs) / stiffness
        change = np.clip(change, -farthest, farthest)
        conditions = Conditions(self._constraints, self._sources.values + p.at_ports(change, there))
        conditions.loads = p.at_ports(self._reached(moved), there)
        return conditions

    @property
    @override
    def released_floats(self) -> bool:
        return super().released_floats and not self._all.after.any()

    @override
    def _settle(self, conditions: Conditions, key: str) -> "NewtonState":
        rest, points = self._warm.get("free", {}).get(UNLOADED), list[Point]()
        for k, e in enumerate(self.examples):
            if key == "free" and k > 0 and self.problem.after[k]:
                start = self._onward(points[-1], conditions.of(k))
                points.append(find(self._newton, start, conditions.of(k), e, points[-1]))
                continue
            points.append(find(self._newton, self._start(key, e), conditions.of(k), e, rest))
        warm = self._warm.setdefault(key, {})
        if key == "free":
            loaded = {e: point for e, point in warm.items() if e != UNLOADED}
            self._warm.setdefault(BEFORE, {}).update(loaded)
        warm.update(zip(self.examples.tolist(), points, strict=True))
        return NewtonState(self.model, points)

    @override
    def _let_go(self, conditions: Conditions) -> "NewtonState":
        free, e = self._warm.setdefault("free", {}), UNLOADED
        point = find(self._newton, self._start("free", e), conditions.of(0), e)
        if e in free:
            self._warm.setdefault(BEFORE, {})[e] = free[e]
        free[e] = point
        return NewtonState(self.model, [point])

    @override
    def _react(self, unloaded: "NewtonState", conditions: Conditions, key: str) -> "NewtonState":
        warm = self._warm.setdefault(f"{key} unloaded", {})
        for k, e in enumerate(self.examples.tolist()):
            start = self._beside(UNLOADED, warm.get(e))
            warm[e] = find(self._newton, start, conditions.of(k), UNLOADED)
        return NewtonState(self.model, [warm[e] for e in self.examples.tolist()])

    @override
    def _rate(self, free: "NewtonState", conditions: Conditions) -> Rate:
        """Linearise the equilibrium about every state, or about the one that there is."""
        at = self._balance
        rates, forces, readings = [], [], []
        points = free.points * (len(conditions.values) // len(free.points))
        for e, point in enumerate(points):
            at.select_example(UNLOADED if len(free.points) < len(points) else int(self.examples[e]))
            imposed = conditions.of(e)
            state = at.evaluate(point.u, point.forces, imposed)
            du, pushes = at.newton_step(state).kkt.rate(imposed.values)
            rates.append(du)
            forces.append(pushes)
            readings.append(state.read.slopes @ at.ports.raw(du))
        states = NewtonState(self.model, points)
        return Rate(states, np.array(rates), np.array(forces), np.array(readings))

    def path(self, values: NDArray, factor: float) -> tuple[Follower, PathPoint]:
        """Continuation of the first example's free state along its load.

        Parameters
        ----------
        values : (examples, ports) array
            The whole load, as for :meth:`drive`.
        factor : float
            The part of it that acts now.

        Raises
        ------
        SolveError
            Where the stiffness is singular.
        """
        if self._free is None:
            raise RuntimeError("Call free() before path().")
        nothing = np.zeros(values.shape)
        if self.unloaded is not None:
            values, nothing = self.unloaded.imposed(values), self.unloaded.imposed(nothing)
        self._balance.select_example(int(self.examples[0]))
        imposed = Conditions(self._constraints, values).of(0)
        follower, point = Follower(self._balance, Load(imposed, nothing[0])), self._free.points[0]
        try:
            return follower, follower.begin(Move(point.u, point.forces, factor))
        except NotConverged as failure:
            raise SolveError(f"The path has no beginning: {failure} there.", "singular") from None

    def landscape(self, released: bool) -> Landscape:
        """Stationary states under the first example's load, or with its sources released."""
        if self._free is None:
            raise RuntimeError("Call free() before landscape().")
        imposed, start = self._sources.of(0), self._free.points[0]
        if released:
            imposed, start = Unloaded.conditions(self.problem).of(0), at_rest(self._balance)
        self._balance.select_example(UNLOADED if released else int(self.examples[0]))
        return Landscape(self._balance, imposed, start)

    def along(self, points: Sequence[PathPoint]) -> "NewtonState":
        """States of the points of a path, as if of examples."""
        found = [Point(p.at.u, p.at.forces, p.readings, p.energy) for p in points]
        return NewtonState(self.model, found)

    def _start(self, key: str, e: int) -> Point:
        """Best initial guess: free state plus the last difference of the clamped state."""
        free, last = (self._warm.get(k, {}) for k in ("free", key))
        if key == "free" or e not in free:
            return last.get(e) or free.get(UNLOADED) or at_rest(self._balance)
        return self._beside(e, last.get(e))

    def _onward(self, before: Point, imposed: Imposed) -> Point:
        """Guess of a state that is reached from the one found last, ``before``, along its tangent.

        Not from how it went on at other parameters: that state may be none that is reached now.
        """
        at = self._balance
        if (tangent := at.nearby(before.u)) is None:
            return before
        forces = np.where(imposed.held, before.forces, imposed.values)
        state = at.evaluate(before.u, forces, imposed)
        if (kkt := at.stable(tangent, state)) is None:
            return before
        du, df = kkt.solve(state.force, state.gap)
        u = before.u + du
        forces[imposed.ports] += df
        return Point(u, forces, at.ports.read(u).values, before.energy)

    def _beside(self, e: int, last: Point | None) -> Point:
        """Free state of an example plus the last difference of another state."""
        now = self._warm["free"][e]
        before = self._warm.get(BEFORE, {}).get(e)
        if last is None or before is None:
            return now
        u = now.u + (last.u - before.u)
        return Point(u, last.forces, self._balance.ports.read(u).values, last.energy)


class NewtonState(EquilibriumState):
    """States at finite displacement, one per example."""

    def __init__(self, model: Model, points: list[Point]) -> None:
        forces = np.array([p.forces for p in points])
        super().__init__(model, forces, np.array([p.readings for p in points]))
        self.points = points

    @override
    @cached_property
    def energies(self) -> NDArray[np.float64]:
        return np.array([p.energy for p in self.points])

    @override
    def fields(self) -> NDArray[np.float64]:
        return np.array([p.u for p in self.points]).T
