"""A trial of a factorised matrix: a random load, by which no motion of the network is spared."""

import math
from typing import NamedTuple

import numpy as np

from mechlearn.fenics import MPI, PETSc
from mechlearn.linalg.dof_groups import Kinds
from mechlearn.parallel import total

#: A factorisation is exact where it solves for the load as well as this, and that load, each part
#: of it in units of what it meets on its own, does no more work than this.
ROUGH, SOFT = 1e-10, 1e12
#: What gives way this much more than other parts do is loose; only rounding resists it.
LOOSE = 1e14
#: A load that does more work than this meets only rounding: pivots that should be zero are 1e-14
#: of their row, not 1e-16, where many terms were summed before.
ROUNDING = 1e13


class Answer(NamedTuple):
    """How a factorised matrix answers a :class:`Trial`.

    By how much the load is missed, relative to it; the work that it does; how many times stiffer
    the stiffest degree of freedom is on its own than the softest of its kind.
    """

    missed: float
    work: float
    spread: float

    @property
    def exact(self) -> bool:
        """Whether the factorisation is to be trusted in all digits."""
        return self.missed < ROUGH and 0 <= self.work < SOFT

    @property
    def loose(self) -> bool:
        """Whether some part moves without resistance; not where there are no numbers at all."""
        resists = 0 <= self.work < ROUNDING and self.spread < LOOSE
        return not (resists or math.isnan(self.work))


class Trial:
    """A random load of what is coupled, to find out whether a factorisation is to be trusted.

    Parameters
    ----------
    matrix : PETSc.Mat
        The positive definite matrix that is factorised.
    kinds : Kinds
        Its rows that are none of supports.
    """

    def __init__(self, matrix: PETSc.Mat, kinds: Kinds) -> None:
        self._matrix, self._kinds, self._comm = matrix, kinds, matrix.comm.tompi4py()
        size, whole = matrix.getLocalSize()[0], matrix.getSize()[0]
        self._load, self._moved, self._met = (np.zeros(size) for _ in range(3))
        self._vectors = [PETSc.Vec().createWithArray(array, size=(size, whole), comm=matrix.comm)
                         for array in (self._load, self._moved, self._met)]  # fmt: skip
        random = np.random.default_rng(self._comm.rank)
        amounts = random.uniform(0.5, 1.0, size) * random.choice([-1.0, 1.0], size)
        self._amounts = np.zeros(size)
        self._amounts[kinds.rows] = amounts[kinds.rows]

    def answer(self, ksp: PETSc.KSP) -> Answer:
        """Solve for the load."""
        load, moved, met = self._vectors
        self._matrix.getDiagonal(load)
        spread = self._spread()
        if spread == math.inf:
            return Answer(math.inf, math.inf, spread)
        # Every part of the load is in units of what it meets, whatever those are.
        np.sqrt(self._load, out=self._load)
        self._load *= self._amounts
        ksp.solve(load, moved)
        self._matrix.mult(moved, met)
        self._met -= self._load
        missed, size, work = total(self._comm, np.array([
            self._met @ self._met, self._load @ self._load, self._load @ self._moved,
        ]))  # fmt: skip
        return Answer(math.sqrt(missed / size) if size else 0.0, float(work), spread)

    def _spread(self) -> float:
        """How many times stiffer the stiffest is than the softest of its kind, of the diagonal."""
        alone = self._load.take(self._kinds.rows)
        softest, stiffest = self._kinds.smallest(alone), self._kinds.largest(alone)
        if self._comm.size > 1:
            self._comm.Allreduce(MPI.IN_PLACE, softest, op=MPI.MIN)
            self._comm.Allreduce(MPI.IN_PLACE, stiffest, op=MPI.MAX)
        return float((stiffest / softest).max()) if not (softest <= 0).any() else math.inf
