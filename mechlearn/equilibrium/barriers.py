"""Saddle points between stable states: a string relaxed by Newton steps, and its tops polished.

States of the string move in the planes across it, by Newton steps that are corrected where the
stiffness there is not definite, and are then spread evenly along it. W. E, W. Ren, E.
Vanden-Eijnden, J. Chem. Phys. 126, 164103 (2007), https://doi.org/10.1063/1.2720838. From each of
its tops one climbs along the string and goes down in the plane across it, until one mode alone is
unstable and Newton's method converges: G. Henkelman, B. P. Uberuaga, H. Jonsson, J. Chem. Phys.
113, 9901 (2000), https://doi.org/10.1063/1.1329672.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from mechlearn.equilibrium.balance import ESCAPE_STEP, NotConverged, Residual
from mechlearn.equilibrium.iteration import TOLERANCE
from mechlearn.equilibrium.kkt import KKTSystem
from mechlearn.equilibrium.landscape import LAST_STEP, Landscape, Stationary

#: States of a string between its ends, and its moves at most.
IMAGES, MOVES = 9, 30
#: Move, over the distance of neighbours, at which a string is left as it is.
SETTLED = 0.02
#: Longest step over the distance of neighbours, and random displacement at the start.
STEP, ASIDE = 0.5, 1e-3
#: Steps to a saddle point at most, and the longest in bond lengths.
CLIMBS, CLIMB = 100, 0.1
#: Move along the unstable mode from a saddle point, in bond lengths.
OFF = 1e-2


@dataclass(frozen=True, eq=False)
class Barrier:
    """Saddle point of index 1 and the numbers of the two minima that it leads down to."""

    saddle: Stationary
    ends: tuple[int, int]


class BarrierSearch:
    """Saddle points between the minima of a landscape.

    Attributes
    ----------
    barriers : list of Barrier
        In the order in which they were found.
    """

    def __init__(self, landscape: Landscape) -> None:
        self.at = landscape
        self.balance, self.imposed = landscape.balance, landscape.imposed
        self.barriers: list[Barrier] = []
        whole = self.balance.model.pack(np.zeros(self.balance.size)).shape
        self._probe = self.balance.model.unpack(np.random.default_rng(1).uniform(-1, 1, whole))

    def search(self, most: int) -> int:
        """Barriers at ``most`` known saddle points, and between neighbours, the nearest first.

        Minima that are found below saddle points are looked at, too. Returns how many pairs of
        neighbours beyond ``most`` were left out.
        """
        for saddle in self.at.saddles[:most]:
            self.join(saddle)
        tried = set[tuple[int, int]]()
        while pairs := [pair for pair in self.neighbours() if pair not in tried | self.linked]:
            if len(tried) >= most:
                return len(pairs)
            tried.add(pairs[0])
            for guess, forces, along in self._tops(*(self.at.minima[k] for k in pairs[0])):
                top, known = self.saddle(guess, forces, along), len(self.at.saddles)
                if top is not None and self.at.add(top) == known:
                    self.join(top)
        return 0

    @property
    def linked(self) -> set[tuple[int, int]]:
        """Pairs of minima with a barrier between them."""
        return {barrier.ends for barrier in self.barriers}

    def join(self, saddle: Stationary) -> None:
        """Find the minima below a saddle point; those that were not known are added."""
        if saddle.index != 1:
            return
        at, u, forces = self.at, saddle.point.u, saddle.point.forces
        mode = self.balance.lowest_mode(at.evaluate(u, forces), None)
        # Its sign is rounding, else.
        size = np.copysign(OFF / ESCAPE_STEP, at.inner(mode, self._probe))
        below = [at.descent(u + side * size * mode, forces) for side in (-1, 1)]
        ends = sorted(at.add(end) for end in below if end is not None and not end.index)
        if len(ends) == 2:
            self.barriers.append(Barrier(saddle, (ends[0], ends[1])))

    def neighbours(self) -> list[tuple[int, int]]:
        """Pairs of minima in whose sphere no other lies (Gabriel's graph), the nearest first."""
        minima, copies = self.at.minima, self.at.copies
        n = len(minima)
        squares = np.zeros((n, n))
        for a, b in combinations(range(n), 2):
            away = copies.aligned(minima[b].shape, minima[a].shape) - minima[a].shape
            squares[a, b] = squares[b, a] = np.sum((away * copies.arm) ** 2)
        pairs = [
            (a, b)
            for a, b in combinations(range(n), 2)
            if not ((squares[a] + squares[b])[[k for k in range(n) if k not in (a, b)]]
                    < squares[a, b] * (1 - 1e-9)).any()
        ]  # fmt: skip
        return sorted(pairs, key=lambda pair: float(f"{squares[pair]:.9e}"))

    # -- strings -----------------------------------------------------------------------------------

    def _tops(self, a: Stationary, b: Stationary) -> Iterator[tuple[NDArray, NDArray, NDArray]]:
        """Displacements, forces and directions of the tops of the relaxed string between minima."""
        string, forces = self._string(a, b)
        energies = []
        for u, f in zip(string, forces, strict=True):
            try:
                energies.append(self.at.evaluate(u, f).potential)
            except NotConverged:
                energies.append(np.inf)
        for k in range(1, len(string) - 1):
            if energies[k] >= max(energies[k - 1], energies[k + 1]):
                yield string[k], forces[k], string[k + 1] - string[k - 1]

    def _string(self, a: Stationary, b: Stationary) -> tuple[NDArray, NDArray]:
        """States from one minimum to the other, and forces at held ports, relaxed."""
        at, balance = self.at, self.balance
        model = balance.model
        end = model.unpack(at.copies.aligned(b.shape, a.shape))
        parts = np.linspace(0, 1, IMAGES + 2)[:, None]
        string = (1 - parts) * a.point.u + parts * end
        forces = (1 - parts) * a.point.forces + parts * b.point.forces
        rng, whole = np.random.default_rng(0), b.shape.shape
        for k in range(1, IMAGES + 1):
            off = model.obeyed(model.unpack(rng.uniform(-1, 1, whole))) / balance.arm
            string[k] += ASIDE * balance.length * off
        for _ in range(MOVES):
            moved, apart = 0.0, self._lengths(string).mean()
            for k in range(1, IMAGES + 1):
                along = string[k + 1] - string[k - 1]
                try:
                    du, forces[k] = self._relaxed(string[k], forces[k], along, STEP * apart)
                except NotConverged:
                    continue
                string[k] += du
                moved = max(moved, np.sqrt(at.inner(du, du)))
            string, forces = self._even(string, forces)
            if moved < SETTLED * apart:
                break
        return string, forces

    def _relaxed(
        self, u: NDArray, forces: NDArray, along: NDArray, longest: float
    ) -> tuple[NDArray, NDArray]:
        """Step down in the plane across a direction, and the forces after it."""
        state = self.at.evaluate(u, forces)
        du, df = self._step(state, along)[:2]
        part = min(1.0, longest / max(np.sqrt(self.at.inner(du, du)), 1e-300))
        for _ in range(5):
            forces = state.forces.copy()
            forces[self.imposed.ports] += part * df
            try:
                new = self.at.evaluate(u + part * du, forces)
                if new.potential <= state.potential or new.norm < state.norm:
                    break
            except NotConverged:
                pass
            part /= 2
        return part * du, forces

    def _lengths(self, string: NDArray) -> NDArray[np.float64]:
        """Distances of neighbours on a string, in bond lengths."""
        return np.sqrt([self.at.inner(d, d) for d in np.diff(string, axis=0)])

    def _even(self, string: NDArray, forces: NDArray) -> tuple[NDArray, NDArray]:
        """The same string with its states at equal distances."""
        place = np.r_[0.0, np.cumsum(self._lengths(string))]
        wanted = np.linspace(0, place[-1], len(place))[1:-1]
        k = np.clip(np.searchsorted(place, wanted, side="right") - 1, 0, len(place) - 2)
        part = ((wanted - place[k]) / (place[k + 1] - place[k]))[:, None]
        for values in (string, forces):
            values[1:-1] = (1 - part) * values[k] + part * values[k + 1]
        return string, forces

    def _step(self, state: Residual, along: NDArray) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Newton step in the plane across a direction, towards a minimum there.

        Returns it as displacements and forces, and the same of a unit step along the direction that
        leaves all balanced in the plane.
        """
        at, balance = self.at, self.balance
        along = along / np.sqrt(at.inner(along, along))
        push = -along * balance.arm**2 / balance.length**2
        still = np.zeros(len(state.gap))

        def across(kkt: KKTSystem) -> tuple[NDArray, NDArray, float]:
            du, df = kkt.solve(push, still)
            return du, df, at.inner(along, du)

        step = balance.newton_step(state, accepts=lambda kkt: kkt.unstable == (across(kkt)[2] < 0))
        du, df, soft = across(step.kkt)
        back = at.inner(along, step.du) / soft
        return step.du - back * du, step.df - back * df, du / soft, df / soft

    # -- saddle points -----------------------------------------------------------------------------

    def saddle(self, u: NDArray, forces: NDArray, along: NDArray) -> Stationary | None:
        """Saddle point of index 1 above a guess; None where none is found."""
        at, balance = self.at, self.balance
        ports, longest = self.imposed.ports, CLIMB
        try:
            for _ in range(CLIMBS):
                state = at.evaluate(u, forces)
                newton = balance.newton_step(state, accepts=lambda kkt: kkt.unstable <= 1)
                du, df = newton.du, newton.df
                if newton.kkt.unstable == 1 and not newton.shift:
                    size = balance.largest(du * balance.arm) / balance.length
                    if state.norm < TOLERANCE and size < LAST_STEP:
                        return at.stationary(state)
                else:
                    du, df, up, up_force = self._step(state, along)
                    slope = balance.total(float(state.force @ up))
                    # As far uphill as a step may be.
                    rise = np.copysign(longest, slope) / np.sqrt(at.inner(up, up))
                    du, df = du + rise * up, df + rise * up_force
                size = balance.largest(du * balance.arm) / balance.length
                part = min(1.0, longest / max(size, 1e-300))
                u, forces = u + part * du, state.forces.copy()
                forces[ports] += part * df
        except NotConverged:
            return None
        return None
