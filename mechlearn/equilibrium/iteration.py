"""Newton's iteration to a stable equilibrium, from a guess, and load stepping where it fails.

Every step makes things better, by a merit that weighs energy and unmet conditions; frames first try
full steps, which may make things worse before they get better.
J. Nocedal, S. J. Wright, Numerical Optimization (2006), chapter 18.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mechlearn.equilibrium.balance import (
    ESCAPE_STEP,
    UNLOADED,
    Balance,
    NewtonStep,
    NotConverged,
    Residual,
)
from mechlearn.equilibrium.conditions import Imposed
from mechlearn.equilibrium.kkt import KKTSystem
from mechlearn.errors import SolveError

#: Residual forces relative to stiffness times bond length, and gaps relative to bond length.
TOLERANCE = 1e-11
#: The same where what is to be seen is whether steps lead on from a little aside.
SEEN = 1e-12
#: From this residual on steps may use the last factorisation again, as long as each of them makes
#: the residual smaller by that factor.
NEAR, FASTER = 1e-4, 0.1
#: The last step relative to bond length, of networks and of frames: residual forces are small
#: against what it takes to stretch a typical strut, but soft ones stretch, and slender ones bend,
#: under far less.
LAST_STEP, LAST_STEP_OF_FRAMES = 1e-4, 1e-7
#: By how much smaller it must be where it follows from an old factorisation: what is left after it
#: is a part of it, and not of its square.
LAST_CHORD = 1e-3
#: A residual that is only rounding, and by how much less a step leaves that is worth it.
ROUNDING, WORTH = 1e-17, 0.3
#: Newton iterations before the load is stepped instead, and the longest step in bond lengths.
ITERATIONS, STRIDE = 40, 0.5
#: Newton iterations of frames that may make things worse before they get better, and by how much
#: (radians) they may turn a node altogether.
BOLD_ITERATIONS, BOLD_TURN = 40, 1.0
#: A state that is balanced but no minimum is left by such a step at most so many times.
MAX_ESCAPES = 2
#: The first load step from rest moves no held pair by more than this strain.
FIRST_STRAIN = 0.05
#: The smallest load step, as a fraction of the whole load.
SMALLEST_STEP = 1 / 1024


@dataclass(frozen=True, eq=False)
class Point:
    """One equilibrium: owned displacements, forces and readings at the ports, energy."""

    u: NDArray
    forces: NDArray
    readings: NDArray
    energy: float


class Iteration:
    """Newton's method on a mesh, with data reused between solves.

    Attributes
    ----------
    balance : Balance
        The equations; others when there is another mesh.
    floppy : bool, optional
        As of an :class:`~mechlearn.equilibrium.Equilibrium`.
    verify_stability : bool
        Whether states are to be confirmed even where they are reached from others.
    left : float
        Residual before the last step of a state, which rules may compare with others.
    iterations : int
        Steps of a monotone iteration, at most.
    stride : float
        The longest of them, in mean bond lengths.
    """

    def __init__(
        self, balance: Balance, iterations: int = ITERATIONS, stride: float = STRIDE
    ) -> None:
        self.balance, self.iterations, self.stride = balance, iterations, stride
        self.floppy: bool | None = None
        self.verify_stability, self.left = False, TOLERANCE

    @property
    def _last_step(self) -> float:
        at = self.balance
        return (LAST_STEP_OF_FRAMES if at.frames else LAST_STEP) * at.length

    def find(self, start: Point, imposed: Imposed) -> Point:
        """The stable equilibrium near a guess.

        Raises
        ------
        NotConverged
            Where Newton's method gives up.
        """
        # Angles are read near those of the way from the start.
        to = np.where(imposed.held, imposed.values, start.readings)
        self.balance.ports.follow((start.readings + to) / 2)
        try:
            near = self._nearby(start, imposed)
            if near is not None:
                return near
        except NotConverged:
            pass
        if self.balance.model.expects:
            try:
                return self._full_newton_mip(start, imposed)
            except NotConverged:
                pass
        return self._merit_newton(start, imposed)

    def confirm(self, found: Point, imposed: Imposed) -> Point:
        """Equilibrium as found, or a stable one nearby if it is unstable.

        Newton's steps are judged where they start. A straight column may be pressed over its
        critical load in one step and stay straight.

        Raises
        ------
        NotConverged
            Where none is found.
        """
        return self._merit_newton(found, imposed)

    def _full_newton_mip(self, start: Point, imposed: Imposed) -> Point:
        """Newton steps in full length, close to the start and between stable states only.

        A slender strut that bends by a Newton step is stretched by it to second order, at a cost
        that is large against that of bending: downhill alone there are but tiny steps. Nor must the
        stiffness believe in that stretch; it takes the tension that the step was meant to make. So
        do nearly incompressible cells with their volume, and their pressure.
        This is the mixed-integration-point iteration of Magisano, Leonetti and Garcea (2017).
        """
        at = self.balance
        u, f = start.u.copy(), np.where(imposed.held, start.forces, imposed.values)
        h, moved, expected, kkt = imposed.ports, np.inf, None, None
        for _ in range(BOLD_ITERATIONS):
            state = at.evaluate(u, f, imposed)
            if self._done(state, moved):
                return self._found(state, kkt)
            at.counts.iterations += 1
            step = at.newton_step(state, expected)
            kkt = step.kkt
            du, moved = step.du, at.largest(step.du * at.arm)
            if step.shift and moved < ESCAPE_STEP * at.length:
                du = du + at.lowest_mode(state, expected)
            # A shifted step comes from a state that is not stable.
            moved = np.inf if step.shift else moved
            expected = at.model.expected_strains(du)
            u, f = u + du, f.copy()
            f[h] += step.df
            if at.largest((u - start.u)[at.model.local_turns]) > BOLD_TURN:
                break
        raise NotConverged("full Newton steps lead too far")

    def _merit_newton(self, start: Point, imposed: Imposed) -> Point:
        """Newton steps with a monotonically decreasing merit function."""
        at = self.balance
        state, moved, kkt = self._begin(start, imposed), np.inf, None
        kicks = 0
        for _ in range(self.iterations):
            if self._done(state, moved):
                return self._found(state, kkt)
            # Without a regular step even what floats is balanced, and what is hardly pushed.
            balanced = state.norm < TOLERANCE and moved == np.inf
            if balanced and self.floppy:
                return self._found(state, None)
            at.counts.iterations += 1
            step = at.newton_step(state)
            if balanced and step.shift:
                if kicks == MAX_ESCAPES:
                    raise NotConverged("a part moves there without resistance", "singular")
                kicks += 1
                kicked = state.u + at.lowest_mode(state, None)
                state = at.evaluate(kicked, state.forces, imposed)
                step = at.newton_step(state)
            elif balanced and at.largest(step.du * at.arm) <= self._last_step:
                return self._found(state, step.kkt)
            kkt = step.kkt
            state, moved = self._advance(state, step)
            if not step.shift:
                state, moved = self._finish(state, kkt, moved)
        raise NotConverged(f"residual {state.norm:.1e} after {self.iterations} iterations")

    def _nearby(self, start: Point, imposed: Imposed) -> Point | None:
        """Stable equilibrium by the factorisation of a nearby state, if there is one.

        A nudge moves a network by little, so one factorisation serves for all its phases. Whether
        the state is stable is not seen by that; but steps from a little aside, by any motion that
        would lower the energy, lead away from a state that is not.
        """
        tangent = self.balance.nearby(start.u)
        if tangent is None:
            return None
        state = self._begin(replace(start, u=self.balance.perturbed(start.u)), imposed)
        kkt = self.balance.stable(tangent, state)
        if kkt is None:
            return None
        state, moved = self._finish(state, kkt, np.inf, near=np.inf, enough=SEEN)
        return self._found(state, kkt) if self._done(state, moved) else None

    def _begin(self, start: Point, imposed: Imposed) -> Residual:
        """Residual at a guess."""
        forces = np.where(imposed.held, start.forces, imposed.values)
        return self.balance.evaluate(start.u, forces, imposed)

    def _done(self, state: Residual, moved: float) -> bool:
        """True if a state is balanced, after a step of given length."""
        return state.norm < TOLERANCE and moved <= self._last_step

    def _finish(
        self,
        state: Residual,
        kkt: KKTSystem,
        moved: float,
        near: float = NEAR,
        enough: float = TOLERANCE,
    ) -> tuple[Residual, float]:
        """Chord iterations with the last factorisation.

        Returns the state that is reached, and how far the last step moved it, as if it had been one
        of Newton's.
        """
        at = self.balance
        while state.norm < near and not (state.norm < enough and moved <= self._last_step):
            u, forces, length = self._chord(state, kkt)
            new = at.evaluate(u, forces, state.imposed)
            if new.norm > FASTER * state.norm:
                break
            state, moved = new, length / LAST_CHORD
            at.counts.chords += 1
        return state, moved

    def _chord(self, state: Residual, kkt: KKTSystem) -> tuple[NDArray, NDArray, float]:
        """Displacements and forces after a chord step, and its length."""
        at = self.balance
        du, df = kkt.solve(state.force, state.gap)
        forces = state.forces.copy()
        forces[state.imposed.ports] += df
        return state.u + du, forces, at.largest(du * at.arm)

    def _found(self, state: Residual, kkt: KKTSystem | None) -> Point:
        """Balanced state after a last step without evaluation.

        What rules compare may differ by little, and what is left in each is divided by that.
        """
        at = self.balance
        while kkt is not None and state.norm > ROUNDING:
            u, forces, length = self._chord(state, kkt)
            if not length <= self._last_step:
                break
            if state.norm <= self.left:
                return Point(u, forces, at.ports.read(u).values, at.energy(u))
            new = at.evaluate(u, forces, state.imposed)
            at.counts.chords += 1
            if not new.norm < WORTH * state.norm:
                break
            state = new
        return Point(state.u, state.forces, state.read.values, state.energy)

    def _advance(self, state: Residual, step: NewtonStep) -> tuple[Residual, float]:
        """Line search: the full step, or the part of it that lowers the merit.

        Every trial is brought back to the curved surface on which held distances are as they
        should be (a second-order correction): else the merit forbids long steps along it. Returns
        the state that is reached, and how far the step moved it: as if without end where a shifted
        step comes from a state that is not stable.
        """
        at, f, imposed = self.balance, state.forces, state.imposed
        h = imposed.ports
        du, df = step.du, step.df
        longest = at.largest(du * at.arm)
        t = min(1.0, self.stride * at.length / longest) if longest else 1.0
        weight = 2 * np.abs(f[h] + df).max(initial=0.0)
        for _ in range(25):
            trial_u = state.u + t * du
            trial_f = f.copy()
            trial_f[h] += t * df
            reached = at.ports.read(trial_u).values + imposed.compliance * trial_f
            missing = (imposed.values - reached)[h] - (1 - t) * state.gap
            trial_u += step.kkt.restore @ missing
            try:
                trial = at.evaluate(trial_u, trial_f, imposed)
                # Close to the solution the merit is lost in rounding; the residual is not.
                if trial.norm < max(0.5 * state.norm, TOLERANCE) or (
                    _merit(trial, weight) <= _merit(state, weight)
                    + 1e-4 * t * min(self._slope(state, step, weight), 0.0)
                ):  # fmt: skip
                    return trial, np.inf if step.shift else t * longest
            except NotConverged:
                pass
            t /= 2
        raise NotConverged(f"no progress at residual {state.norm:.1e}")

    def _slope(self, state: Residual, step: NewtonStep, weight: float) -> float:
        """Directional derivative of the merit along the step."""
        at, h = self.balance, state.imposed.ports
        moved = state.read.slopes @ at.ports.raw(step.du)
        work = at.total(state.force @ step.du) + state.forces[h] @ moved[h]
        return work - weight * np.abs(state.gap).sum()


def _merit(state: Residual, weight: float) -> float:
    """Merit function: potential and violation of constraints."""
    return state.potential + weight * np.abs(state.gap).sum()


# -- load stepping ---------------------------------------------------------------------------------


def find(
    newton: Iteration, start: Point, imposed: Imposed, example: int, rest: Point | None = None
) -> Point:
    """Equilibrium from the best guess, or along a load path from ``rest``.

    Raises
    ------
    SolveError
        Where none is found; says so of that ``example``.
    """
    newton.balance.select_example(example)
    cold = start is rest or newton.balance.largest(start.u) == 0
    try:
        return _reach(newton, start, imposed, example, cold)
    except SolveError:
        if cold:
            raise
        return _reach(newton, rest or at_rest(newton.balance), imposed, example, True)


def at_rest(balance: Balance) -> Point:
    """Point at zero displacement and load."""
    n = len(balance.problem.ports)
    return Point(np.zeros(balance.size), np.zeros(n), np.zeros(n), 0.0)


def _reach(newton: Iteration, start: Point, imposed: Imposed, example: int, cold: bool) -> Point:
    """Follow the load path from one equilibrium to other loads and values.

    A network that goes unstable by its last step shows it in the next that starts there, as in the
    course of learning; what is reached from rest, or while ``verify_stability`` is on, is looked at
    at once.
    """
    at, counts = newton.balance, newton.balance.counts
    held = imposed.held
    first = np.where(held, start.readings + imposed.compliance * start.forces, start.forces)
    path = imposed.values - first
    rigid = held & (imposed.compliance == 0)
    change = (np.abs(path * at.port_arm) / np.maximum(at.ports.distance, at.length))[rigid]
    step = min(1.0, FIRST_STRAIN / max(change.max(initial=0.0), 1e-300))
    done, point = 0.0, start
    counts.solves += 1
    shifts = counts.shifts
    unknown, newton.floppy = newton.floppy is None, bool(newton.floppy)
    while done < 1.0:
        step = min(step, 1.0 - done)
        last = done + step >= 1.0
        values = imposed.values if last else first + (done + step) * path
        try:
            found = newton.find(point, replace(imposed, values=values))
            if last and (cold or newton.verify_stability):
                found = newton.confirm(found, imposed)
            at.model.put_state(found.u)
            if at.model.inverted():
                raise NotConverged("cells turn inside out", "inverted")
            point = found
        except NotConverged as failure:
            if unknown and failure.fault == "singular":
                unknown, newton.floppy = False, True
                continue
            step /= 2
            counts.load_steps += 1
            if step < SMALLEST_STEP:
                where = "the unloaded state" if example == UNLOADED else f"example {example + 1}"
                raise SolveError(
                    f"No equilibrium was found in {where} beyond "
                    f"{100 * done:.3g} % of the load ({failure}); the structure may collapse "
                    "there: ask for less strain, or allow less soft bonds.",
                    failure.fault,
                ) from None
            continue
        done += step
        step *= 2
    counts.unstable += counts.shifts > shifts
    return point
