"""Transitions of stable states under a slowly changing load: which one follows which.

Every stable state is followed along the load, up and down, to where it loses its stability, and
from there downhill to the next: the graph of these transitions says what a network remembers of its
loads. M. Mungan, S. Sastry, K. Dahmen, I. Regev, Phys. Rev. Lett. 123, 178002 (2019),
https://doi.org/10.1103/PhysRevLett.123.178002.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mechlearn.equilibrium.balance import NotConverged
from mechlearn.equilibrium.corrector import Move, PathPoint
from mechlearn.equilibrium.iteration import Iteration, Point
from mechlearn.equilibrium.landscape import DESCENT, STEPS
from mechlearn.equilibrium.path import Follower
from mechlearn.errors import SolveError

#: Load beyond a critical one at which the next state is looked for, over the whole range.
BEYOND = 1e-6
#: Differences of load factors over the range, and of displacements in bond lengths, below which
#: ends of branches are one: critical displacements go with the root of the load.
SAME_LOAD, CRITICAL = 1e-6, 1e-3
#: Kind of an end beyond which no equilibrium was found.
LOST = "lost"
#: Move along the critical mode, to either side, in bond lengths.
ASIDE = 1e-2


@dataclass(frozen=True, eq=False)
class Branch:
    """Stable equilibria between two loads.

    Attributes
    ----------
    low, high : PathPoint
        Its ends: critical points, or those where the load's range ends.
    """

    low: PathPoint
    high: PathPoint


@dataclass(frozen=True)
class Transition:
    """Loss of stability of a branch.

    Attributes
    ----------
    source, target : int
        Numbers of the branches; ``target`` is -1 where no state follows.
    factor : float
        Load factor of the critical point.
    upwards : bool
        Whether the load grows there.
    """

    source: int
    target: int
    factor: float
    upwards: bool


class Protocol:
    """A load that goes up and down slowly between two factors.

    Parameters
    ----------
    follower : Follower
    low, high : float
        Load factors.
    length : float
        First arc step.

    Attributes
    ----------
    branches : list of Branch
    transitions : list of Transition
    """

    def __init__(self, follower: Follower, low: float, high: float, length: float) -> None:
        self._follower, self._low, self._high, self._length = follower, low, high, length
        self._balance = follower.balance
        self.branches: list[Branch] = []
        self.transitions: list[Transition] = []
        whole = self._balance.model.pack(np.zeros(self._balance.size)).shape
        self._probe = self._balance.model.unpack(np.random.default_rng(1).uniform(-1, 1, whole))

    def run(self, starts: Sequence[Move], most: int) -> None:
        """All branches that follow from some equilibria, whose branches come first.

        Parameters
        ----------
        starts : sequence of Move
            Displacements, forces and load factors.
        most : int
            Branches at most; transitions of the others are left out.
        """
        for start in starts:
            self.branches.append(self._branch(start))
        done = 0
        while done < min(len(self.branches), most):
            branch = self.branches[done]
            for end, upwards in ((branch.high, True), (branch.low, False)):
                if end.kind:
                    targets = set() if end.kind == LOST else self._after(end, upwards)
                    self.transitions += [
                        Transition(done, target, end.at.factor, upwards)
                        for target in sorted(targets or {-1})
                    ]
            done += 1

    def _branch(self, start: Move) -> Branch:
        return Branch(self._end(start, False), self._end(start, True))

    def _end(self, start: Move, upwards: bool) -> PathPoint:
        """End of a branch: the loss of its stability, or the end of the load's range."""
        here = self._follower.begin(start, increasing=upwards)
        to = self._high if upwards else self._low
        if (to - start.factor) * (1 if upwards else -1) <= 0:
            return here
        last = here
        try:
            for point in self._follower.follow(here, to, self._length):
                last = point
                if point.kind or point.unstable:
                    break
        except SolveError:
            return replace(last, kind=LOST)
        return last

    def _after(self, end: PathPoint, upwards: bool) -> set[int]:
        """Numbers of the branches that follow beyond a critical point."""
        follower, at = self._follower, self._balance
        beyond = BEYOND * (self._high - self._low) * (1 if upwards else -1)
        factor = end.at.factor + beyond
        mode = follower.lowest(end)[1].u
        mode = mode * (ASIDE * at.length / at.largest(mode * at.arm))
        if at.total(float(mode @ self._probe)) < 0:
            mode = -mode
        found = set()
        for side in (1, -1):
            downhill = Iteration(at, STEPS, DESCENT)
            downhill.floppy = False
            u = end.at.u + side * mode
            start = Point(u, end.at.forces, at.ports.read(u).values, 0.0)
            try:
                point = downhill.confirm(start, follower.load.at(factor))
                found.add(self._number(Move(point.u, point.forces, factor)))
            except (NotConverged, SolveError):
                continue
        return found

    def _number(self, start: Move) -> int:
        """Number of the branch of an equilibrium."""
        new = self._branch(start)
        for k, known in enumerate(self.branches):
            if self._same(new.low, known.low) and self._same(new.high, known.high):
                return k
        self.branches.append(new)
        return len(self.branches) - 1

    def _same(self, a: PathPoint, b: PathPoint) -> bool:
        at = self._balance
        near = abs(a.at.factor - b.at.factor) < SAME_LOAD * (self._high - self._low)
        return near and at.largest((a.at.u - b.at.u) * at.arm) < CRITICAL * at.length
