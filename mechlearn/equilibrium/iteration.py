"""Newton's iteration to a stable equilibrium, from a guess and under given conditions.

Every step makes things better, by a merit that weighs energy and unmet conditions; frames first try
full steps, which may make things worse before they get better.
J. Nocedal, S. J. Wright, Numerical Optimization (2006), chapter 18.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mechlearn.equilibrium.balance import (
    KICK,
    Balance,
    Direction,
    Imposed,
    NotConverged,
    Residual,
)

#: Residual forces relative to stiffness times bond length, and gaps relative to bond length.
TOLERANCE = 1e-11
#: From this residual on steps may use the last factorisation again, as long as each of them makes
#: the residual smaller by that factor.
NEAR, FASTER = 1e-4, 0.1
#: The last step of frames relative to bond length: residual forces are small against what it takes
#: to stretch a strut, but slender struts bend under far less.
LAST_STEP = 1e-7
#: Newton iterations before the load is stepped instead.
ITERATIONS = 40
#: Newton iterations of frames that may make things worse before they get better, and by how much
#: (radians) they may turn a node altogether.
BOLD_ITERATIONS, BOLD_TURN = 40, 1.0
#: A state that is balanced but no minimum is left by such a step at most so many times.
KICKS = 2


@dataclass(frozen=True, eq=False)
class Point:
    """One equilibrium: owned displacements, forces and readings at the ports, energy."""

    u: NDArray
    forces: NDArray
    readings: NDArray
    energy: float


class Iteration:
    """Newton's method on a mesh, and what it has learned of the network on the way.

    Attributes
    ----------
    balance : Balance
        The equations; others when there is another mesh.
    loose : bool, optional
        As of an :class:`~mechlearn.equilibrium.Equilibrium`.
    """

    def __init__(self, balance: Balance) -> None:
        self.balance = balance
        self.loose: bool | None = None

    @property
    def _last_step(self) -> float:
        return LAST_STEP * self.balance.length if self.balance.frames else np.inf

    def find(self, start: Point, imposed: Imposed) -> Point:
        """The stable equilibrium near a guess.

        Raises
        ------
        NotConverged
            Where Newton's method gives up.
        """
        if self.balance.frames:
            try:
                return self._bold(start, imposed)
            except NotConverged:
                pass
        return self._careful(start, imposed)

    def _bold(self, start: Point, imposed: Imposed) -> Point:
        """Newton steps in full length, close to the start and between stable states only.

        A slender strut that bends by a Newton step is stretched by it to second order, at a cost
        that is large against that of bending: downhill alone there are but tiny steps. Nor must the
        stiffness believe in that stretch; it takes the tension that the step was meant to make.
        This is the mixed-integration-point iteration of Magisano, Leonetti and Garcea (2017).
        """
        at = self.balance
        u, f = start.u.copy(), np.where(imposed.held, start.forces, imposed.values)
        h, moved, expected = imposed.ports, np.inf, None
        for _ in range(BOLD_ITERATIONS):
            state = at.evaluate(u, f, imposed)
            if state.miss < TOLERANCE and moved <= self._last_step:
                return Point(u, f, state.read.values, state.energy)
            at.counts.iterations += 1
            direction = at.direction(state, f, imposed, expected)
            du, moved = direction.du, at.largest(direction.du * at.arm)
            if direction.shift and moved < KICK * at.length:
                du = du + at.softest(state, f, imposed, expected)
            # A shifted step comes from a state that is not stable.
            moved = np.inf if direction.shift else moved
            expected = at.model.expected_strains(du)
            u, f = u + du, f.copy()
            f[h] += direction.df
            if at.largest((u - start.u)[at.model.local_turns]) > BOLD_TURN:
                break
        raise NotConverged("full Newton steps lead too far")

    def _careful(self, start: Point, imposed: Imposed) -> Point:
        """Newton steps that make things better, each time, until it is a stable equilibrium."""
        at = self.balance
        u = start.u.copy()
        f = np.where(imposed.held, start.forces, imposed.values)
        state, moved = at.evaluate(u, f, imposed), np.inf
        direction, kicks = None, 0
        for _ in range(ITERATIONS):
            if state.miss < TOLERANCE and moved <= self._last_step:
                # After a regular step it is a minimum; without one even what floats is balanced.
                regular = direction is not None and not direction.shift
                if regular or self._is_held(state, f, imposed):
                    return Point(u, f, state.read.values, state.energy)
                if kicks == KICKS:
                    raise NotConverged("a part moves there without resistance", "singular")
                kicks += 1
                u = u + at.softest(state, f, imposed, None)
                state, moved = at.evaluate(u, f, imposed), np.inf
            at.counts.iterations += 1
            direction = at.direction(state, f, imposed)
            u, f, state, moved = self._advance(u, f, state, direction, imposed)
            if not direction.shift:
                u, f, state = self._finish(u, f, state, direction, imposed)
        raise NotConverged(f"residual {state.miss:.1e} after {ITERATIONS} iterations")

    def _is_held(self, state: Residual, f: NDArray, imposed: Imposed) -> bool:
        """Whether a balanced state is a minimum, or no better can be asked of the network."""
        if self.loose:
            return True
        held = not self.balance.direction(state, f, imposed).shift
        if self.loose is None:
            self.loose = not held
        return held or self.loose

    def _finish(
        self, u: NDArray, f: NDArray, state: Residual, direction: Direction, imposed: Imposed
    ) -> tuple[NDArray, NDArray, Residual]:
        """Close to the solution the last factorisation serves for the steps that are left."""
        at = self.balance
        while TOLERANCE <= state.miss < NEAR:
            pulled = at.solver.solve(-state.pull[:, None])[:, 0]
            du, df = direction.tangent.step(pulled, at.ports.raw(pulled), state.gap)
            new_f = f.copy()
            new_f[imposed.ports] += df
            new = at.evaluate(u + du, new_f, imposed)
            if new.miss > FASTER * state.miss:
                break
            u, f, state = u + du, new_f, new
            at.counts.chords += 1
        return u, f, state

    def _advance(
        self, u: NDArray, f: NDArray, state: Residual, direction: Direction, imposed: Imposed
    ) -> tuple[NDArray, NDArray, Residual, float]:
        """Take the step, or the part of it that makes things better.

        Every trial is brought back to the curved surface on which held distances are as they
        should be (a second-order correction): else the merit forbids long steps along it.
        """
        at = self.balance
        h = imposed.ports
        du, df = direction.du, direction.df
        longest = at.largest(du * at.arm)
        t = min(1.0, 0.5 * at.length / longest) if longest else 1.0
        weight = 2 * np.abs(f[h] + df).max(initial=0.0)
        moved = state.read.slopes @ at.ports.raw(du)
        slope = at.total(state.pull @ du) + f[h] @ moved[h] - weight * np.abs(state.gap).sum()
        merit = state.potential + weight * np.abs(state.gap).sum()
        for _ in range(25):
            trial_u = u + t * du
            trial_f = f.copy()
            trial_f[h] += t * df
            reached = at.ports.read(trial_u).values + imposed.softness * trial_f
            missing = (imposed.values - reached)[h] - (1 - t) * state.gap
            trial_u += direction.tangent.restore @ missing
            try:
                trial = at.evaluate(trial_u, trial_f, imposed)
                better = trial.potential + weight * np.abs(trial.gap).sum()
                # Close to the solution the merit is lost in rounding; the residual is not.
                close = trial.miss < max(0.5 * state.miss, TOLERANCE)
                if close or better <= merit + 1e-4 * t * min(slope, 0.0):
                    return trial_u, trial_f, trial, np.inf if direction.shift else t * longest
            except NotConverged:
                pass
            t /= 2
        raise NotConverged(f"no progress at residual {state.miss:.1e}")
