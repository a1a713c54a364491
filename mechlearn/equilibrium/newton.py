"""Equilibrium at finite displacement: a bordered Newton method that only stops at stable states.

The state minimises ``U(u)`` less the work of the loads, subject to the values at which ports are
held. Every iteration factorises the stiffness once and condenses it onto the ports' rows, so that
held distances, their curvature and loads along pairs are a small dense system. Two safeguards make
the answer trustworthy: the inertia of that system says whether the point is a minimum under the
constraints (if not, the stiffness is shifted until the step leads downhill), and where Newton fails
the load is stepped from the last state that converged.
J. Nocedal, S. J. Wright, Numerical Optimization (2006), chapters 16 and 18.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import override

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.equilibrium.base import Conditions, Equilibrium, Rate, Settled
from mechlearn.equilibrium.reading import PortReader, Reading
from mechlearn.errors import SolveError
from mechlearn.model import Model
from mechlearn.problem import Problem
from mechlearn.ranks import largest, total
from mechlearn.superposition import Sense

#: Residual forces relative to stiffness times bond length, and gaps relative to bond length.
TOLERANCE = 1e-11
#: From this residual on steps may use the last factorisation again, as long as each of them makes
#: the residual smaller by that factor.
NEAR, FASTER = 1e-4, 0.1
#: The last step of frames relative to bond length: residual forces are small against what it takes
#: to stretch a strut, but slender struts bend under far less.
LAST_STEP = 1e-7
#: The first shift of an indefinite stiffness, relative to its mean: slender structures buckle by
#: modes far softer than it.
FIRST_SHIFT, FIRST_SHIFT_OF_FRAMES = 1e-9, 1e-10
#: Newton iterations before the load is stepped instead.
ITERATIONS = 40
#: Newton iterations of frames that may make things worse before they get better, and by how much
#: (radians) they may turn a node altogether.
BOLD_ITERATIONS, BOLD_TURN = 40, 1.0
#: From a state that is not stable one steps at least that far, relative to bond length.
KICK = 1e-3
#: A state that is balanced but no minimum is left by such a step at most so many times.
KICKS = 2
#: The first load step from rest moves no held pair by more than this strain.
FIRST_STRAIN = 0.05
#: The smallest load step, as a fraction of the whole load.
SMALLEST_STEP = 1 / 1024
#: The free states before the last ones, among what is remembered.
BEFORE = "free before"


class _NotConverged(Exception):
    """Newton gave up; the caller steps the load. ``fault`` as of a :class:`SolveError`."""

    def __init__(self, text: str, fault: str = "no equilibrium") -> None:
        super().__init__(text)
        self.fault = fault


@dataclass(frozen=True, eq=False)
class _Point:
    """One equilibrium: owned displacements, forces and readings at the ports, energy."""

    u: NDArray
    forces: NDArray
    readings: NDArray
    energy: float


@dataclass(frozen=True, eq=False)
class _Kept:
    """What the next states start from; points are never changed, only replaced."""

    mesh: dict[str, NDArray]
    stiffness: float
    loose: bool | None
    warm: dict[str, dict[int, _Point]]
    before: dict[int, _Point]


@dataclass
class NewtonCounts:
    """What the solver had to do since it was made.

    ``unstable`` are solves that came by states which are no minimum, as when a strut buckles.
    """

    solves: int = 0
    iterations: int = 0
    chords: int = 0
    load_steps: int = 0
    shifts: int = 0
    unstable: int = 0


class NewtonEquilibrium(Equilibrium):
    """Finite displacements, one example after the other, each warm-started from its last state."""

    def __init__(self, model: Model, problem: Problem) -> None:
        super().__init__(model, problem)
        self._length = float(model.network.lengths.mean())
        # Rotations, and strains of the cell, count as what they move at the end of a bond, moments
        # as forces there.
        turns = [
            p.cell is not None or (p.component is not None and p.component >= model.places)
            for p in problem.ports
        ]
        self._port_arm = np.where(turns, self._length, 1.0)
        frames = model.places < model.width
        self._last_step = LAST_STEP * self._length if frames else np.inf
        self._first_shift = FIRST_SHIFT_OF_FRAMES if frames else FIRST_SHIFT
        self._stiffness = 0.0
        self.counts = NewtonCounts()
        self._attach()

    def _attach(self) -> None:
        """Take up the model's mesh."""
        self._ports = PortReader(self.model, self.problem)
        self._columns = self._ports.rows.T.toarray()
        self._solver = self.model.solver(definite=False)
        self._arm = np.where(self.model.local_turns, self._length, 1.0)
        # The last state found of every phase and example, and the free states before those.
        self._warm: dict[str, dict[int, _Point]] = {}
        self._free_before: dict[int, _Point] = {}

    @override
    def update(self, **parameters: ArrayLike) -> None:
        carried = self.model.set(**parameters)
        if carried is not None:
            before = self._warm, self._free_before
            self._attach()
            self._warm = {k: self._carry(points, carried) for k, points in before[0].items()}
            self._free_before = self._carry(before[1], carried)
        if not self._stiffness:
            matrix = self.model.assemble_stiffness()
            diagonal = matrix.getDiagonal().array
            diagonal = diagonal / self._arm[: len(diagonal)] ** 2
            self._stiffness = abs(self._total(diagonal.sum())) / matrix.size[0]
        self._free = None

    def _carry(self, points: dict[int, _Point], carried: Callable) -> dict[int, _Point]:
        """States of another mesh as first guesses on this one."""
        out = {}
        for example, point in points.items():
            u = carried(point.u)
            out[example] = replace(point, u=u, readings=self._ports.read(u).values)
        return out

    @override
    def forget(self) -> bool:
        self._warm.clear()
        self._free_before.clear()
        if self.model.renew():
            self._attach()
        return True

    @override
    def keep(self) -> "_Kept":
        warm = {key: dict(points) for key, points in self._warm.items()}
        before = dict(self._free_before)
        return _Kept(self.model.memory(), self._stiffness, self.loose, warm, before)

    @override
    def go_back(self, kept: "_Kept") -> None:
        if self.model.recall(kept.mesh):
            self._attach()
        self._stiffness, self.loose = kept.stiffness, kept.loose
        self._warm = {key: dict(points) for key, points in kept.warm.items()}
        self._free_before = dict(kept.before)
        self._free = None

    @override
    def memory(self, kept: "_Kept | None" = None) -> dict[str, NDArray]:
        kept = kept or self.keep()
        out = kept.mesh | {"stiffness": np.array(kept.stiffness)}
        if kept.loose is not None:
            out["loose"] = np.array(kept.loose)
        for key, points in {**kept.warm, BEFORE: kept.before}.items():
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
                int(e): _Point(
                    self.model.unpack(u[..., k]), forces[k], readings[k], float(energy[k])
                )
                for k, e in enumerate(memory[f"{key}/examples"])
            }
        before = warm.pop(BEFORE, {})
        loose = bool(memory["loose"]) if "loose" in memory else None
        stiffness = float(memory["stiffness"])
        self.go_back(_Kept(self.model.memory(), stiffness, loose, warm, before))

    @override
    def _settle(self, conditions: Conditions, key: str) -> "NewtonSettled":
        points = [
            self._found(self._start(key, e), self._imposed(conditions, k), e)
            for k, e in enumerate(self.examples)
        ]
        warm = self._warm.setdefault(key, {})
        if key == "free":
            self._free_before.update(warm)
        warm.update(zip(self.examples.tolist(), points, strict=True))
        return NewtonSettled(self.model, points)

    @override
    def _rate(self, free: Settled, conditions: Conditions) -> "NewtonRate":
        """Linearise the equilibrium about every free state."""
        rates, forces, readings = [], [], []
        for e, point in enumerate(free.points):
            rate = self._imposed(conditions, e)
            h = rate.ports
            state = self._evaluate(point.u, point.forces, self._imposed(self._sources, e))
            push = np.where(rate.held, 0.0, rate.values)
            state = replace(
                state, pull=-(self._ports.rows.T @ (state.read.slopes.T @ push)), gap=rate.values[h]
            )
            direction = self._direction(state, point.forces, rate)
            push[h] = direction.df
            rates.append(direction.du)
            forces.append(push)
            readings.append(state.read.slopes @ self._ports.raw(direction.du))
        return NewtonRate(self.model, free.points, rates, np.array(forces), np.array(readings))

    def _imposed(self, conditions: Conditions, e: int) -> "_Imposed":
        """The conditions of one example."""
        held, softness = conditions.grip.held[e], conditions.grip.softness[e]
        through = np.isin(np.arange(len(held)), self.problem.targets[self.problem.through])
        below = int(np.count_nonzero(held & (through | (softness >= 0))))
        return _Imposed(held, conditions.values[e], softness, np.flatnonzero(held), below)

    def _start(self, key: str, e: int) -> _Point:
        """The best guess there is: the free state, moved as the clamped one differed last time."""
        now, last = (self._warm.get(k, {}).get(e) for k in ("free", key))
        if key == "free" or now is None:
            return last or self._at_rest()
        if last is None or e not in self._free_before:
            return now
        u = now.u + (last.u - self._free_before[e].u)
        return _Point(u, last.forces, self._ports.read(u).values, last.energy)

    def _at_rest(self) -> _Point:
        n = len(self.problem.ports)
        return _Point(np.zeros(len(self._columns)), np.zeros(n), np.zeros(n), 0.0)

    def _found(self, start: _Point, imposed: "_Imposed", example: int) -> _Point:
        """The equilibrium, from the best guess; where no path leads on from there, from rest."""
        try:
            return self._reach(start, imposed, example)
        except SolveError:
            if self._largest(start.u) == 0:
                raise
            return self._reach(self._at_rest(), imposed, example)

    # -- load stepping -------------------------------------------------------------------------

    def _reach(self, start: _Point, imposed: "_Imposed", example: int) -> _Point:
        """Go from one equilibrium to the loads and values of another."""
        held = imposed.held
        first = np.where(held, start.readings + imposed.softness * start.forces, start.forces)
        path = imposed.values - first
        rigid = held & (imposed.softness == 0)
        change = np.abs(path * self._port_arm) / np.maximum(self._ports.distance, self._length)
        change = change[rigid]
        step = min(1.0, FIRST_STRAIN / max(change.max(initial=0.0), 1e-300))
        done, point = 0.0, start
        self.counts.solves += 1
        shifts = self.counts.shifts
        while done < 1.0:
            step = min(step, 1.0 - done)
            last = done + step >= 1.0
            values = imposed.values if last else first + (done + step) * path
            try:
                found = self._newton(point, replace(imposed, values=values))
                if self.model.inverted():
                    raise _NotConverged("cells turn inside out", "inverted")
                point = found
            except _NotConverged as failure:
                step /= 2
                self.counts.load_steps += 1
                if step < SMALLEST_STEP:
                    raise SolveError(
                        f"No equilibrium was found in example {example + 1} beyond "
                        f"{100 * done:.3g} % of the load ({failure}); the structure may collapse "
                        "there: ask for less strain, or allow less soft bonds.",
                        failure.fault,
                    ) from None
                continue
            done += step
            step *= 2
        self.counts.unstable += self.counts.shifts > shifts
        self.loose = bool(self.loose)
        return point

    # -- Newton --------------------------------------------------------------------------------

    def _newton(self, start: _Point, imposed: "_Imposed") -> _Point:
        if self.model.places < self.model.width:
            try:
                return self._bold(start, imposed)
            except _NotConverged:
                pass
        return self._careful(start, imposed)

    def _bold(self, start: _Point, imposed: "_Imposed") -> _Point:
        """Newton steps in full length, close to the start and between stable states only.

        A slender strut that bends by a Newton step is stretched by it to second order, at a cost
        that is large against that of bending: downhill alone there are but tiny steps. Nor must the
        stiffness believe in that stretch; it takes the tension that the step was meant to make.
        This is the mixed-integration-point iteration of Magisano, Leonetti and Garcea (2017).
        """
        u, f = start.u.copy(), np.where(imposed.held, start.forces, imposed.values)
        h, moved, expected = imposed.ports, np.inf, None
        for _ in range(BOLD_ITERATIONS):
            state = self._evaluate(u, f, imposed)
            if state.miss < TOLERANCE and moved <= self._last_step:
                return _Point(u, f, state.read.values, state.energy)
            self.counts.iterations += 1
            direction = self._direction(state, f, imposed, expected)
            du, moved = direction.du, self._largest(direction.du * self._arm)
            if direction.shift and moved < KICK * self._length:
                du = du + self._softest(state, f, imposed, expected)
            # A shifted step comes from a state that is not stable.
            moved = np.inf if direction.shift else moved
            expected = self.model.expected_strains(du)
            u, f = u + du, f.copy()
            f[h] += direction.df
            if self._largest((u - start.u)[self.model.local_turns]) > BOLD_TURN:
                break
        raise _NotConverged("full Newton steps lead too far")

    def _softest(
        self, state: "_Residual", f: NDArray, imposed: "_Imposed", expected: NDArray | None
    ) -> NDArray[np.float64]:
        """A small step along the motion that lowers the energy most, by inverse iteration."""
        rng = np.random.default_rng(0)
        whole = self.model.pack(state.pull).shape
        along = self.model.unpack(rng.standard_normal(whole)) * self.model.local_free
        for _ in range(4):
            push = replace(state, pull=-along * self._arm**2, gap=np.zeros_like(state.gap))
            along = self._direction(push, f, imposed, expected).du
            along = along / self._largest(along * self._arm)
        uphill = self._total(state.pull @ along) > 0
        return KICK * self._length * (-along if uphill else along)

    def _careful(self, start: _Point, imposed: "_Imposed") -> _Point:
        """Newton steps that make things better, each time, until it is a stable equilibrium."""
        u = start.u.copy()
        f = np.where(imposed.held, start.forces, imposed.values)
        state, moved = self._evaluate(u, f, imposed), np.inf
        direction, kicks = None, 0
        for _ in range(ITERATIONS):
            if state.miss < TOLERANCE and moved <= self._last_step:
                # After a regular step it is a minimum; without one even what floats is balanced.
                regular = direction is not None and not direction.shift
                if regular or self._is_held(state, f, imposed):
                    return _Point(u, f, state.read.values, state.energy)
                if kicks == KICKS:
                    raise _NotConverged("a part moves there without resistance", "singular")
                kicks += 1
                u = u + self._softest(state, f, imposed, None)
                state, moved = self._evaluate(u, f, imposed), np.inf
            self.counts.iterations += 1
            direction = self._direction(state, f, imposed)
            u, f, state, moved = self._advance(u, f, state, direction, imposed)
            if not direction.shift:
                u, f, state = self._finish(u, f, state, direction, imposed)
        raise _NotConverged(f"residual {state.miss:.1e} after {ITERATIONS} iterations")

    def _is_held(self, state: "_Residual", f: NDArray, imposed: "_Imposed") -> bool:
        """Whether a balanced state is a minimum, or no better can be asked of the network."""
        if self.loose:
            return True
        held = not self._direction(state, f, imposed).shift
        if self.loose is None:
            self.loose = not held
        return held or self.loose

    def _finish(self, u, f, state, direction, imposed):
        """Close to the solution the last factorisation serves for the steps that are left."""
        while TOLERANCE <= state.miss < NEAR:
            pulled = self._solver.solve(-state.pull[:, None])[:, 0]
            du, df = direction.tangent.step(pulled, self._ports.raw(pulled), state.gap)
            new_f = f.copy()
            new_f[imposed.ports] += df
            new = self._evaluate(u + du, new_f, imposed)
            if new.miss > FASTER * state.miss:
                break
            u, f, state = u + du, new_f, new
            self.counts.chords += 1
        return u, f, state

    def _evaluate(self, u: NDArray, f: NDArray, imposed: "_Imposed") -> "_Residual":
        self.model.put_state(u)
        read = self._ports.read(u)
        pull = self.model.local_force() - self._ports.rows.T @ (read.slopes.T @ f)
        h = imposed.ports
        gap = (imposed.values - read.values - imposed.softness * f)[h]
        miss = max(
            self._largest(pull / self._arm) / (self._stiffness * self._length),
            np.abs(gap * self._port_arm[h]).max(initial=0.0) / self._length,
        )
        energy = self.model.total_energy()
        potential = energy - np.where(imposed.held, 0.0, f) @ read.values
        if not np.isfinite(miss + potential):
            raise _NotConverged("the forces are not finite numbers", "not finite")
        return _Residual(pull, gap, read, energy, potential, miss)

    def _direction(
        self,
        state: "_Residual",
        f: NDArray,
        imposed: "_Imposed",
        expected: NDArray | None = None,
    ) -> "_Direction":
        """A Newton step that leads to a minimum: unshifted wherever that is where it leads.

        ``expected`` are strains for :meth:`Model.assemble_stiffness`.
        """
        h = imposed.ports
        curvature = -self._ports.curvature(state.read.vectors, f)
        slopes = state.read.slopes[h]
        r = len(state.read.vectors)
        shift = 0.0
        for _ in range(60):
            matrix = self.model.assemble_stiffness(expected)
            ground = self._tie_to_ground(matrix, self._stiffness)
            if shift:
                self.model.shift(matrix, shift * self._arm**2)
            try:
                self._solver.factor()
                negative, zero, _ = self._solver.inertia()
                solution = self._solver.solve(np.column_stack([self._columns, -state.pull]))
                reads = self._ports.raw(solution)
                a = reads[:, :r]
                small = np.block(
                    [
                        [curvature, -np.eye(r), slopes.T],
                        [-np.eye(r), -(a + a.T) / 2, np.zeros((r, len(h)))],
                        [slopes, np.zeros((len(h), r)), -np.diag(imposed.softness[h])],
                    ]
                )
                # A congruence keeps the inertia, and makes it show where compliances are large.
                compliant = np.sqrt(np.abs(np.diag(a)))
                compliant[compliant == 0] = 1.0
                bound = np.abs(slopes * compliant).max(axis=1)
                scale = np.concatenate([compliant, 1 / compliant, 1 / np.where(bound, bound, 1.0)])
                small *= np.outer(scale, scale)
                eigenvalues = np.linalg.eigvalsh(small)
                below = np.count_nonzero(eigenvalues < 0)
                size = np.abs(eigenvalues)
                regular = zero == 0 and size.min() > 1e-13 * size.max()
                minimum = regular and negative + below == r + imposed.below
            except SolveError:
                minimum = False
            if minimum:
                invert = np.linalg.inv(small) * np.outer(scale, scale)
                tangent = _Tangent(
                    solution[:, :r], invert, np.isin(h, self.problem.grounded), ground
                )
                du, df = tangent.step(solution[:, r], reads[:, r], state.gap)
                return _Direction(du, df, shift, tangent)
            shift = 10 * shift if shift else self._first_shift * self._stiffness
            self.counts.shifts += 1
        raise _NotConverged("no direction leads downhill")

    def _advance(self, u, f, state, direction, imposed):
        """Take the step, or the part of it that makes things better.

        Every trial is brought back to the curved surface on which held distances are as they
        should be (a second-order correction): else the merit forbids long steps along it.
        """
        h = imposed.ports
        du, df = direction.du, direction.df
        longest = self._largest(du * self._arm)
        t = min(1.0, 0.5 * self._length / longest) if longest else 1.0
        weight = 2 * np.abs(f[h] + df).max(initial=0.0)
        moved = state.read.slopes @ self._ports.raw(du)
        slope = self._total(state.pull @ du) + f[h] @ moved[h] - weight * np.abs(state.gap).sum()
        merit = state.potential + weight * np.abs(state.gap).sum()
        for _ in range(25):
            trial_u = u + t * du
            trial_f = f.copy()
            trial_f[h] += t * df
            reached = self._ports.read(trial_u).values + imposed.softness * trial_f
            missing = (imposed.values - reached)[h] - (1 - t) * state.gap
            trial_u += direction.tangent.restore @ missing
            try:
                trial = self._evaluate(trial_u, trial_f, imposed)
                better = trial.potential + weight * np.abs(trial.gap).sum()
                # Close to the solution the merit is lost in rounding; the residual is not.
                close = trial.miss < max(0.5 * state.miss, TOLERANCE)
                if close or better <= merit + 1e-4 * t * min(slope, 0.0):
                    return trial_u, trial_f, trial, np.inf if direction.shift else t * longest
            except _NotConverged:
                pass
            t /= 2
        raise _NotConverged(f"no progress at residual {state.miss:.1e}")

    def _largest(self, local: NDArray) -> float:
        return largest(self.model.comm, float(np.abs(local).max(initial=0.0)))

    def _total(self, local: float) -> float:
        return total(self.model.comm, float(local))


@dataclass(frozen=True, eq=False)
class _Imposed:
    """The conditions of one example.

    ``ports`` are those held. ``below`` of them take a direction away from the minimum: all but the
    springs that push away from their value.
    """

    held: NDArray
    values: NDArray
    softness: NDArray
    ports: NDArray
    below: int


@dataclass(frozen=True, eq=False)
class _Residual:
    """What is left to balance at a state."""

    pull: NDArray = field(repr=False)
    gap: NDArray
    read: Reading
    energy: float
    potential: float
    miss: float


@dataclass(frozen=True, eq=False)
class _Tangent:
    """The stiffness at a state, factorised and condensed onto the ports.

    ``columns`` (owned dofs, raw rows) are displacements by unit forces at the ports' raw rows, and
    ``invert`` the inverse of the small system of the forces there, their moves and the forces at
    held ports. ``ground`` is the stiffness of the springs to the ground at those of the held ports
    that are ``tied``.
    """

    columns: NDArray
    invert: NDArray
    tied: NDArray
    ground: float

    def step(self, pulled: NDArray, moved: NDArray, gap: NDArray) -> tuple[NDArray, NDArray]:
        """The step that closes a gap and follows a pull.

        The pull alone would make the displacements ``pulled``, which move the raw rows by
        ``moved``. Returns changes of the displacements and of the forces at held ports.
        """
        r = len(moved)
        y = self.invert @ np.concatenate([np.zeros(r), -moved, gap])
        df = -y[2 * r :]
        df[self.tied] -= self.ground * gap[self.tied]
        return pulled - self.columns @ y[r : 2 * r], df

    @cached_property
    def restore(self) -> NDArray[np.float64]:
        """Displacements that move each held port by one and nothing else."""
        r = self.columns.shape[1]
        return -self.columns @ self.invert[r : 2 * r, 2 * r :]


@dataclass(frozen=True, eq=False)
class _Direction:
    """A Newton step, and the tangent that it follows from.

    ``shift`` is the stiffness of the ground that it took to lead to a minimum.
    """

    du: NDArray
    df: NDArray
    shift: float
    tangent: _Tangent


class NewtonSettled(Settled):
    """States at finite displacement, one per example."""

    def __init__(self, model: Model, points: list[_Point]) -> None:
        self._model, self.points = model, points
        self.forces = np.array([p.forces for p in points])
        self.readings = np.array([p.readings for p in points])
        self.energies = np.array([p.energy for p in points])

    def _each(self, evaluate) -> NDArray[np.float64]:
        out = []
        for point in self.points:
            self._model.put_state(point.u)
            out.append(evaluate())
        return np.array(out)

    @override
    def strains(self) -> NDArray[np.float64]:
        return self._each(self._model.local_strains).swapaxes(0, 1)

    @override
    def sensitivity(self, name: str, sense: Sense | None = None) -> NDArray[np.float64]:
        if sense is None:
            return self._each(lambda: self._model.local_sensitivity(name))
        return self._model.felt(sense(self.strains(), "strain")).sensitivity(name)

    @override
    def states(self) -> NDArray[np.float64]:
        return np.moveaxis(self._model.to_nodes(self.fields()), -1, 0)

    @override
    def fields(self) -> NDArray[np.float64]:
        return np.array([p.u for p in self.points]).T


class NewtonRate(Rate):
    """Rates of change of states at finite displacement."""

    def __init__(self, model: Model, points: list[_Point], rates, forces, readings) -> None:
        self._model, self._points, self._rates = model, points, rates
        self.forces, self.readings = forces, readings

    @override
    def sensitivity(self, name: str, sense: Sense | None = None) -> NDArray[np.float64]:
        if sense is None:
            return self._each(lambda du: self._model.local_sensitivity_rate(name, du))
        strains = self._each(lambda du: self._model.local_strains()).swapaxes(0, 1)
        rates = self._each(self._model.local_strain_rates).swapaxes(0, 1)
        strains, rates = sense(strains, "strain"), sense(rates, "rate")
        return self._model.felt(strains).sensitivity_rate(name, rates)

    def _each(self, evaluate) -> NDArray[np.float64]:
        out = []
        for point, rate in zip(self._points, self._rates, strict=True):
            self._model.put_state(point.u)
            out.append(evaluate(rate))
        return np.array(out)
