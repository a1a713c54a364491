"""Ways to factorise a symmetric matrix, and which of them is the fastest for one.

PETSc's own kernels are for small ones and for sparse factors, as those of networks in the plane and
of slender solids are; and for a definite matrix of many nodes those that take a node's numbers as
one block are twice as fast again. Large ones are for CHOLMOD, where it is installed, and for MUMPS,
which knows no limits: it takes what is not definite, and several ranks.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import SolveError
from mechlearn.fenics import PETSc
from mechlearn.ordered import Ordered, elimination, nested_dissection
from mechlearn.supernodal import Supernodes, available

#: PETSc's own kernels are faster than MUMPS while columns of the factor have no more numbers than
#: this on average, by blocks or one by one; and blocks are faster than single numbers from so many
#: of them in the whole factor on (measured, networks in 2D and 3D).
LONGEST, LONGEST_BESIDE_CHOLMOD, BLOCKS_FROM = (45.0, 55.0), (30.0, 45.0), 10_000
#: Columns are longer for sure where the unknowns, times the cube of how many numbers a row of the
#: matrix has, are more than this.
DENSE = 1e9
#: With more columns than these in a solve MUMPS is faster than CHOLMOD, though not its
#: factorisation: so many for dense factors, for others by the length of their columns (measured).
FEW, FEW_BY_LENGTH = 50, 0.2
#: What is left of a pivot, relative to the largest number on the diagonal, where it is zero; but
#: the diagonal of supports, which is 1, never is.
ZERO, ZERO_UNIT = 1e-15, 0.5
#: A factorisation by blocks is trusted where it solves for a random load as well as this, and that
#: load, each part of it in units of what it meets on its own, does no more work than this.
ROUGH, SOFT = 1e-10, 1e12
#: What gives way this much more than other parts do is loose; only rounding resists it.
LOOSE = 1e14


class Inertia(NamedTuple):
    """Numbers of negative, zero and positive eigenvalues."""

    negative: int
    zero: int
    positive: int


class Factors:
    """One way to factorise a symmetric matrix, and solve with that.

    Parameters
    ----------
    matrix : PETSc.Mat or Ordered
        By MUMPS as it is, or by PETSc itself in another order.
    definite : bool
        Promise that it is positive definite; else LDL^T, with inertia.

    Attributes
    ----------
    matrix : PETSc.Mat
        What is factorised.
    ksp : PETSc.KSP
        What solves.
    missed : float, optional
        By how much what it solves misses its load, where known.
    """

    missed: float | None = None

    def __init__(self, matrix: "PETSc.Mat | Ordered", definite: bool) -> None:
        self._ordered = matrix if isinstance(matrix, Ordered) else None
        self.matrix = matrix.matrix if isinstance(matrix, Ordered) else matrix
        self.ksp = ksp = PETSc.KSP().create(self.matrix.comm)
        ksp.setOperators(self.matrix)
        ksp.setType("preonly")
        # PETSc reports a failed factorisation as a "reason" and goes on unless told to stop.
        ksp.setErrorIfNotConverged(True)
        pc = ksp.getPC()
        pc.setType("cholesky")
        pc.setFactorSolverType("petsc" if self._ordered else "mumps")
        self.matrix.setOption(PETSc.Mat.Option.SYMMETRIC, True)
        self.matrix.setOption(PETSc.Mat.Option.SPD, definite)
        if self._ordered is None:
            ksp.setOptionsPrefix("mechlearn_mumps_")
            options = PETSc.Options("mechlearn_mumps_")
            options["mat_mumps_icntl_13"] = 1  # root front on one rank: else no inertia in parallel
            options["mat_mumps_icntl_24"] = 1  # find null pivots, and report them as such
            options["mat_mumps_icntl_7"] = 5  # METIS; left to itself it often takes a slower order
            ksp.setFromOptions()

    def renew(self) -> None:
        """Factorise the matrix as it is now; raises SolveError where it is singular."""
        if self._ordered:
            self._ordered.renew()
        pc = self.ksp.getPC()
        if self._ordered and self._ordered.width == 1:
            # A zero pivot must be an error, not a quiet 1e-300: that is a floppy network.
            pc.setFactorPivot(zeropivot=min(ZERO * self._ordered.stiffest, ZERO_UNIT))
        pc.setReusePreconditioner(False)
        try:
            self.ksp.setOperators(self.matrix)
            self.ksp.setUp()
        except PETSc.Error as error:
            raise _singular() from error
        # What was factorised serves, whatever becomes of the matrix, until it is asked for anew.
        pc.setReusePreconditioner(True)

    def solve(self, right: PETSc.Mat, out: PETSc.Mat) -> None:
        """Solve for every column of a dense matrix, and write that to another."""
        self.ksp.matSolve(right, out)

    def inertia(self) -> Inertia:
        """Signs of the eigenvalues, from the pivots."""
        return Inertia(*self.ksp.getPC().getFactorMatrix().getInertia())


class FactorsByBlock:
    """A definite matrix factorised by blocks where those can be trusted, else number by number.

    Blocks on the diagonal are inverted, which loses the digits of ill-conditioned ones. Stiffnesses
    that differ by six orders of magnitude make some.

    Parameters
    ----------
    matrix : PETSc.Mat
    order : (dofs,) integer array
    width : int
        Of the blocks.

    Attributes
    ----------
    missed
        As of :class:`Factors`.
    """

    def __init__(self, matrix: PETSc.Mat, order: NDArray[np.int64], width: int) -> None:
        self._whole, self._order = matrix, order
        ordered = Ordered(matrix, order, width)
        self._now = self._by_block = Factors(ordered, definite=True)
        self._one_by_one: Factors | None = None
        self._probe, self.missed = Probe(ordered), None

    def renew(self) -> None:
        """Factorise the matrix as it is now; raises SolveError where it is singular."""
        self._by_block.renew()
        self._now = self._by_block
        answer = self._probe.answer(self._now.ksp)
        self.missed = answer.missed
        if not (answer.missed < ROUGH and 0 <= answer.work < SOFT):
            if self._one_by_one is None:
                self._one_by_one = Factors(Ordered(self._whole, self._order, 1), definite=True)
            self._one_by_one.renew()
            self._now = self._one_by_one
            # A random load is harder to solve for than others here, and no measure for them.
            answer, self.missed = self._probe.answer(self._now.ksp), None
        resists = 0 <= answer.work < LOOSE and answer.spread < LOOSE
        if not (resists or math.isnan(answer.work)):
            raise _singular()

    def solve(self, right: PETSc.Mat, out: PETSc.Mat) -> None:
        """Solve for every column of a dense matrix, and write that to another."""
        self._now.solve(right, out)

    def inertia(self) -> Inertia:
        """Signs of the eigenvalues: all are positive."""
        return self._now.inertia()


class FactorsBySupernode:
    """A matrix factorised by CHOLMOD while it is positive definite, else by MUMPS.

    CVXOPT takes columns one by one to CHOLMOD, so MUMPS is also for many of them.

    Parameters
    ----------
    matrix : PETSc.Mat
    order : (dofs,) integer array
    definite : bool
        Promise that it is positive definite.
    few : float
        For more columns than these MUMPS takes less time, its factorisation included.

    Attributes
    ----------
    missed
        As of :class:`Factors`.
    """

    missed: float | None = None

    def __init__(
        self, matrix: PETSc.Mat, order: NDArray[np.int64], definite: bool, few: float
    ) -> None:
        self._matrix, self._promised, self._few = matrix, definite, few
        self._supernodes = Supernodes(matrix, order)
        self._by_mumps: Factors | None = None
        self._mumps_now = self._many = False
        self._state = -1

    def renew(self) -> None:
        """Factorise the matrix as it is now; raises SolveError where it is singular."""
        self._state = self._matrix.stateGet()
        # As many columns as last time are likely.
        self._mumps_now = self._many or not self._supernodes.renew()
        if self._mumps_now:
            if self._promised and not self._many:
                raise _singular()
            self._renew_mumps()

    def solve(self, right: PETSc.Mat, out: PETSc.Mat) -> None:
        """Solve for every column of a dense matrix, and write that to another."""
        self._many = right.size[1] > self._few
        if self._many and not self._mumps_now and self._state == self._matrix.stateGet():
            self._renew_mumps()
            self._mumps_now = True
        if self._mumps_now:
            self._by_mumps.solve(right, out)
        else:
            self._supernodes.solve(right.getDenseArray(), out.getDenseArray())

    def inertia(self) -> Inertia:
        """Signs of the eigenvalues."""
        return self._by_mumps.inertia() if self._mumps_now else Inertia(0, 0, self._matrix.size[0])

    def _renew_mumps(self) -> None:
        if self._by_mumps is None:
            self._by_mumps = Factors(self._matrix, self._promised)
        self._by_mumps.renew()


class Answer(NamedTuple):
    """How a factorised matrix answers a :class:`Probe`.

    By how much the load is missed, relative to it; the work that it does; how many times stiffer
    the stiffest degree of freedom is on its own than the softest.
    """

    missed: float
    work: float
    spread: float


class Probe:
    """A random load of what is coupled, to find out whether a factorisation is to be trusted.

    Parameters
    ----------
    ordered : Ordered
        The positive definite matrix that is factorised.
    """

    def __init__(self, ordered: Ordered) -> None:
        self._matrix, self._coupled = ordered.matrix, ordered.coupled
        matrix, size = ordered.matrix, ordered.matrix.size[0]
        self._load, self._moved, self._met = (np.zeros(size) for _ in range(3))
        self._vectors = [PETSc.Vec().createWithArray(array, comm=matrix.comm)
                         for array in (self._load, self._moved, self._met)]  # fmt: skip
        random = np.random.default_rng(0)
        amounts = random.uniform(0.5, 1.0, size) * random.choice([-1.0, 1.0], size)
        self._amounts = np.zeros(size)
        self._amounts[self._coupled] = amounts[self._coupled]

    def answer(self, ksp: PETSc.KSP) -> Answer:
        """Solve for the load."""
        load, moved, met = self._vectors
        self._matrix.getDiagonal(load)
        alone = self._load.take(self._coupled)
        softest, stiffest = alone.min(), alone.max()
        # Every part of the load is in units of what it meets, whatever those are.
        np.sqrt(self._load, out=self._load)
        self._load *= self._amounts
        ksp.solve(load, moved)
        self._matrix.mult(moved, met)
        self._met -= self._load
        missed, size = self._met @ self._met, self._load @ self._load
        spread = stiffest / softest if softest > 0 else math.inf
        return Answer(math.sqrt(missed / size), float(self._load @ self._moved), spread)


def fastest(
    matrix: PETSc.Mat, definite: bool
) -> tuple[Factors | FactorsByBlock | FactorsBySupernode, NDArray[np.int64] | None]:
    """The fastest way to factorise a matrix whose pattern is known, and the order that it takes.

    None where it takes the matrix as it is.
    """
    if matrix.comm.size > 1:
        return Factors(matrix, definite), None
    # Only the kernel for single numbers knows the signs of the eigenvalues.
    width = matrix.getBlockSize() if definite else 1
    longest = (LONGEST_BESIDE_CHOLMOD if available() else LONGEST)[width > 1]
    size, order, few = matrix.size[0], None, FEW
    in_a_row = matrix.getInfo()["nz_used"] / max(size, 1)
    if size * in_a_row**3 < DENSE:
        order, entries = elimination(matrix)
        if entries <= longest * size:
            if width == 1 or entries < BLOCKS_FROM:
                return Factors(Ordered(matrix, order, 1), definite), order
            return FactorsByBlock(matrix, order, width), order
        few = FEW_BY_LENGTH * entries / size
    if available():
        order = nested_dissection(matrix) if order is None else order
        return FactorsBySupernode(matrix, order, definite, few), None
    return Factors(matrix, definite), None


def _singular() -> SolveError:
    return SolveError(
        "The stiffness matrix is singular: some part of the network moves without resistance, or "
        "a bond has lost its stiffness.",
        "singular",
    )
