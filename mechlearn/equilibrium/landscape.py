"""Stationary states of a network at fixed loads: random starts, deflation, copies removed.

Minima are found by the monotone Newton iteration of :mod:`.iteration` from random displacements:
independent ones of every node, and smooth ones, the response of the first state to random forces.
Deflation divides the residual by the distances to all known states, so that Newton's method
converges to others, of any index. P. E. Farrell, A. Birkisson, S. W. Funke, SIAM J. Sci. Comput.
37, A2026 (2015), https://doi.org/10.1137/140984798.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mechlearn.equilibrium.balance import Balance, NotConverged, Residual
from mechlearn.equilibrium.conditions import Imposed
from mechlearn.equilibrium.copies import Copies
from mechlearn.equilibrium.corrector import PathPoint
from mechlearn.equilibrium.iteration import TOLERANCE, Iteration, Point
from mechlearn.errors import SolveError

#: Steps of a minimisation, and of Newton's method with deflation, at most.
STEPS, DEFLATED = 400, 60
#: Longest step in bond lengths: of a minimisation, and down from a saddle point.
STRIDE, DESCENT = 0.5, 0.1
#: Last step in bond lengths.
LAST_STEP = 1e-7
#: Difference of displacements, in bond lengths, below which states are one.
SAME = 1e-5


@dataclass(frozen=True, eq=False)
class Stationary:
    """Equilibrium of any stability.

    Attributes
    ----------
    point : Point
    potential : float
        Energy less the work of the loads.
    index : int
        Number of unstable modes under the conditions.
    shape : array
        The state whole on every rank, as :meth:`Model.pack` has it.
    """

    point: Point
    potential: float
    index: int
    shape: NDArray[np.float64]


class Landscape:
    """Stationary states of a network at fixed loads.

    Parameters
    ----------
    balance : Balance
        With its scale of forces measured.
    imposed : Imposed
        The conditions.
    start : Point
        State from which others are looked for, such as rest.

    Attributes
    ----------
    minima, saddles : list of Stationary
        Those that are known, each once; the first minimum is that from the start.
    counts : list of int
        How many random starts led to every minimum.
    singular : int
        Random starts that ended where a part moves without resistance.
    """

    def __init__(self, balance: Balance, imposed: Imposed, start: Point) -> None:
        self.balance, self.imposed, self.start = balance, imposed, start
        self._acting = imposed.held | (imposed.values != 0)
        self._acting[balance.problem.grounded] = True
        self._newton = Iteration(balance, STEPS, STRIDE)
        self._newton.floppy = False
        self.copies = Copies(balance, imposed)
        self.minima: list[Stationary] = []
        self.saddles: list[Stationary] = []
        self.counts: list[int] = []
        self.singular = 0
        if (first := self.minimum(start.u)) is not None:
            self.add(first)

    @property
    def length(self) -> float:
        """Mean bond length, the unit of displacements."""
        return self.balance.length

    def evaluate(self, u: NDArray, forces: NDArray) -> Residual:
        """Residual at displacements and forces at held ports."""
        forces = np.where(self.imposed.held, forces, self.imposed.values)
        return self.balance.evaluate(u, forces, self.imposed)

    def inner(self, a: NDArray, b: NDArray) -> float:
        """Product of displacements in units of bond length."""
        arm = self.balance.arm
        return self.balance.total(float((a * arm) @ (b * arm))) / self.length**2

    # -- searches ----------------------------------------------------------------------------------

    def minimum(self, u: NDArray) -> Stationary | None:
        """Stable state reached from displacements; None where there is none."""
        try:
            found = self._newton.find(self._at(u, self.start.forces), self.imposed)
            return self._found(self._newton.confirm(found, self.imposed))
        except NotConverged as failure:
            self.singular += failure.fault == "singular"
            return None

    def descent(self, u: NDArray, forces: NDArray) -> Stationary | None:
        """Stable state downhill of displacements, by short steps; None where there is none."""
        downhill = Iteration(self.balance, STEPS, DESCENT)
        downhill.floppy = False
        try:
            return self._found(downhill.confirm(self._at(u, forces), self.imposed))
        except NotConverged:
            return None

    def newton(self, u: NDArray, away: Sequence[Stationary] = ()) -> Stationary | None:
        """State of any stability by Newton's method, deflated at those it is to stay away from."""
        forces, known = self.start.forces, [other.point.u for other in away]
        try:
            for _ in range(DEFLATED):
                state = self.evaluate(u, forces)
                du, df = self.balance.linearised(state, self._acting).solve(state.force, state.gap)
                size = self.balance.largest(du * self.balance.arm)
                if state.norm < TOLERANCE and size < LAST_STEP * self.length:
                    return self.stationary(state)
                factor = 1 / (1 - sum(self._repulsion(u - other, du) for other in known))
                factor *= min(1.0, STRIDE * self.length / (abs(factor) * size))
                u, forces = u + factor * du, forces.copy()
                forces[self.imposed.ports] += factor * df
        except (NotConverged, SolveError, ZeroDivisionError):
            pass
        return None

    def _repulsion(self, away: NDArray, du: NDArray) -> float:
        """Logarithmic derivative along a step of ``1 + 1 / |away|^2``."""
        squared = max(self.inner(away, away), 1e-300)
        return -2 * self.inner(away, du) / (squared * (1 + squared))

    def search(self, starts: int, amplitude: float, smooth: float, seed: int) -> None:
        """Minima from random displacements of the reference and of known minima.

        Parameters
        ----------
        starts : int
        amplitude, smooth : float
            Largest displacement of independent ones, and of smooth ones, in turns.
        seed : int
        """
        rng = np.random.default_rng(seed)
        for k in range(starts):
            hop = bool(k // 2 % 2 and self.minima)
            base = self.minima[rng.integers(len(self.minima))].point.u if hop else 0 * self.start.u
            move = self._smooth(base, rng) if k % 2 else self._noise(rng)
            size = self.balance.largest(move * self.balance.arm) or 1.0
            longest = rng.uniform() * (smooth if k % 2 else amplitude)
            found = self.minimum(base + move * (longest / size))
            if found is not None and not found.index:
                self.counts[self.add(found)] += 1

    def deflate(self, starts: int, aside: float, patience: int, seed: int) -> None:
        """States of any stability by deflation.

        Parameters
        ----------
        starts : int
            At most.
        aside : float
            Random displacement of a known minimum from which Newton's method starts.
        patience : int
            Starts in a row without a new state after which it ends.
        seed : int
        """
        rng, missed = np.random.default_rng(seed), 0
        for count in range(starts if self.minima else 0):
            if missed == patience:
                break
            known = (*self.minima, *self.saddles)
            base = self.minima[count % len(self.minima)].point.u
            state = self.newton(base + aside * self._noise(rng), known)
            if state is not None:
                self.add(state)
            missed = missed + 1 if len(known) == len(self.minima) + len(self.saddles) else 0

    def _noise(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Independent displacements of all nodes, up to 1."""
        model = self.balance.model
        whole = model.pack(np.zeros(self.balance.size)).shape
        return model.obeyed(model.unpack(rng.uniform(-1, 1, whole))) / self.balance.arm

    def _smooth(self, base: NDArray, rng: np.random.Generator) -> NDArray[np.float64]:
        """Displacements of a state by random forces."""
        force = -self._noise(rng) * self.balance.arm**2
        try:
            kkt = self.balance.newton_step(self.evaluate(base, self.start.forces)).kkt
        except NotConverged:
            return -force / self.balance.arm**2
        return kkt.solve(force, np.zeros(len(self.imposed.ports)))[0]

    def cross(self, points: Iterable[PathPoint], value: Callable[[PathPoint], float]) -> None:
        """States of any stability where a value changes its sign along a path."""
        before = None
        for point in points:
            if before is not None and (a := value(before)) * (b := value(point)) <= 0 and a != b:
                state = self.newton((b * before.at.u - a * point.at.u) / (b - a))
                if state is not None:
                    self.add(state)
            before = point

    def add(self, found: Stationary) -> int:
        """Number of a state among the known minima or saddle points, to which it is added."""
        known = self.saddles if found.index else self.minima
        place = self.place(found, known)
        if place == len(known):
            known.append(found)
            if not found.index:
                self.counts.append(0)
        return place

    def place(self, found: Stationary, among: Sequence[Stationary]) -> int:
        """Number of a state ``among`` some, or of these where it is none."""
        same = (k for k, other in enumerate(among) if self.copies.same(found, other, SAME))
        return next(same, len(among))

    # -- states ------------------------------------------------------------------------------------

    def stationary(self, state: Residual) -> Stationary:
        """A balanced state with its index; raises NotConverged where that is not defined."""
        try:
            index = self.balance.linearised(state, self._acting).unstable
        except SolveError:
            raise NotConverged("a part moves there without resistance", "singular") from None
        point = Point(state.u, state.forces, state.read.values, state.energy)
        return Stationary(point, state.potential, index, self.balance.model.pack(state.u))

    def _found(self, point: Point) -> Stationary:
        return self.stationary(self.evaluate(point.u, point.forces))

    def _at(self, u: NDArray, forces: NDArray) -> Point:
        return Point(u, forces, self.balance.ports.read(u).values, 0.0)
