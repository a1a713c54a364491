"""Symmetric matrices factorised by PETSc: small ones by its own kernels, and any by MUMPS.

Those kernels are faster where factors are sparse, as those of networks in the plane and of slender
solids are; for a definite matrix of many nodes those that take a node's numbers as one block are
twice as fast again. MUMPS takes whatever there is, on any number of ranks.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import SolveError
from mechlearn.fenics import PETSc
from mechlearn.linalg.dof_groups import Kinds
from mechlearn.linalg.ordering import Ordered
from mechlearn.linalg.solve_check import LOOSE, Trial

#: What is left of a pivot, relative to what it was before others were eliminated, where it has no
#: digits left.
LOST = 1e-14
#: What PETSc itself refuses. Its own limit is not relative to anything.
NOTHING = 1e-300


class Inertia(NamedTuple):
    """Numbers of negative, zero and positive eigenvalues."""

    negative: int
    zero: int
    positive: int


class Factors(ABC):
    """A symmetric matrix, factorised again and again as its numbers change.

    Attributes
    ----------
    missed : float, optional
        By how much what it solves misses its load, where that is known.
    """

    missed: float | None = None

    @abstractmethod
    def renew(self) -> None:
        """Factorise the matrix as it is now; raises SolveError where it is singular."""

    @abstractmethod
    def solve(self, right: PETSc.Mat, out: PETSc.Mat) -> None:
        """Solve for every column of a dense matrix, and write that to another."""

    @abstractmethod
    def inertia(self) -> Inertia:
        """Signs of the eigenvalues."""


class _ByPetsc(Factors):
    """What PETSc factorises, alone or by another package.

    Parameters
    ----------
    matrix : PETSc.Mat
    definite : bool
        Promise that it is positive definite; else LDL^T, with inertia.
    package : str
    """

    def __init__(self, matrix: PETSc.Mat, definite: bool, package: str) -> None:
        self._matrix, self._definite = matrix, definite
        self.ksp = ksp = PETSc.KSP().create(matrix.comm)
        ksp.setOperators(matrix)
        ksp.setType("preonly")
        # PETSc reports a failed factorisation as a "reason" and goes on unless told to stop.
        ksp.setErrorIfNotConverged(True)
        self._pc = ksp.getPC()
        self._pc.setType("cholesky")
        self._pc.setFactorSolverType(package)
        self._promise()

    def _promise(self) -> None:
        self._matrix.setOption(PETSc.Mat.Option.SYMMETRIC, True)
        self._matrix.setOption(PETSc.Mat.Option.SPD, self._definite)

    @override
    def renew(self) -> None:
        self._pc.setReusePreconditioner(False)
        try:
            self.ksp.setOperators(self._matrix)
            self.ksp.setUp()
        except PETSc.Error as error:
            # Packages that gave up do not get over it.
            self.ksp.reset()
            raise singular() from error
        # What was factorised serves, whatever becomes of the matrix, until it is asked for anew.
        self._pc.setReusePreconditioner(True)

    @override
    def solve(self, right: PETSc.Mat, out: PETSc.Mat) -> None:
        self.ksp.matSolve(right, out)

    @override
    def inertia(self) -> Inertia:
        return Inertia(*self._pc.getFactorMatrix().getInertia())


class KernelFactors(_ByPetsc):
    """By PETSc's own kernel: number by number, with inertia, or by blocks, if those are wider.

    Parameters
    ----------
    ordered : Ordered
    definite : bool
        Promise that it is positive definite; else blocks must be single numbers.
    """

    def __init__(self, ordered: Ordered, definite: bool) -> None:
        super().__init__(ordered.matrix, definite, "petsc")
        self._ordered = ordered
        self._pc.setFactorPivot(zeropivot=NOTHING)
        self._alone, self._pivots = (np.zeros(ordered.matrix.size[0]) for _ in range(2))
        self._vectors = [PETSc.Vec().createWithArray(array, comm=PETSc.COMM_SELF)
                         for array in (self._alone, self._pivots)]  # fmt: skip

    @override
    def renew(self) -> None:
        self._ordered.renew()
        super().renew()
        if self._ordered.width == 1:
            alone, pivots = self._vectors
            self._matrix.getDiagonal(alone)
            self._pc.getFactorMatrix().getDiagonal(pivots)
            if lost(self._ordered.kinds, self._pivots, self._alone):
                raise singular()


class BlockFactors(Factors):
    """A definite matrix factorised by blocks where those can be trusted, else number by number.

    Blocks on the diagonal are inverted, which loses the digits of ill-conditioned ones. Stiffnesses
    that differ by six orders of magnitude make some.

    Parameters
    ----------
    matrix : PETSc.Mat
    order : (dofs,) integer array
    width : int
        Of the blocks.
    kinds : Kinds
        The rows that are none of supports.
    """

    def __init__(
        self, matrix: PETSc.Mat, order: NDArray[np.int64], width: int, kinds: Kinds
    ) -> None:
        self._whole, self._order, self._kinds = matrix, order, kinds
        ordered = Ordered(matrix, order, width, kinds)
        self._now = self._by_block = KernelFactors(ordered, definite=True)
        self._one_by_one: KernelFactors | None = None
        self._trial = Trial(ordered.matrix, ordered.kinds)

    @override
    def renew(self) -> None:
        self._now = self._by_block
        self._now.renew()
        answer = self._trial.answer(self._now.ksp)
        self.missed = answer.missed
        if not answer.exact:
            if self._one_by_one is None:
                one_by_one = Ordered(self._whole, self._order, 1, self._kinds)
                self._one_by_one = KernelFactors(one_by_one, definite=True)
            self._now = self._one_by_one
            self._now.renew()
            # A random load is harder to solve for than others here, and no measure for them.
            answer, self.missed = self._trial.answer(self._now.ksp), None
        if answer.loose:
            raise singular()

    @override
    def solve(self, right: PETSc.Mat, out: PETSc.Mat) -> None:
        self._now.solve(right, out)

    @override
    def inertia(self) -> Inertia:
        return self._now.inertia()


class MumpsFactors(_ByPetsc):
    """By MUMPS.

    Parameters
    ----------
    matrix : PETSc.Mat
    definite : bool
        Promise that it is positive definite; else LDL^T, with inertia.
    kinds : Kinds
        The rows that are none of supports.
    """

    def __init__(self, matrix: PETSc.Mat, definite: bool, kinds: Kinds) -> None:
        super().__init__(matrix, definite, "mumps")
        self.ksp.setOptionsPrefix("mechlearn_mumps_")
        options = PETSc.Options("mechlearn_mumps_")
        options["mat_mumps_icntl_13"] = 1  # root front on one rank: else no inertia in parallel
        options["mat_mumps_icntl_24"] = 1  # find null pivots, and report them as such
        options["mat_mumps_icntl_7"] = 5  # METIS; left to itself it often takes a slower order
        self.ksp.setFromOptions()
        # Of a definite matrix it finds none.
        self._trial = Trial(matrix, kinds) if definite else None

    @override
    def renew(self) -> None:
        # Others may have factorised the matrix with another promise.
        self._promise()
        super().renew()
        if self._trial:
            answer = self._trial.answer(self.ksp)
            if answer.loose:
                raise singular()
            self.missed = answer.missed if answer.exact else None


def lost(kinds: Kinds, pivots: NDArray, alone: NDArray) -> bool:
    """Whether a degree of freedom moves without resistance, or only rounding resists it.

    Its pivot has no digits left of what was there before others were eliminated, or that was
    nothing beside others of its kind; (dofs,) both. Numbers that are none are not lost: they show
    in what is solved for.
    """
    pivots, alone = np.abs(pivots.take(kinds.rows)), alone.take(kinds.rows)
    if (pivots <= LOST * alone).any():
        return True
    softest, stiffest = kinds.smallest(alone), kinds.largest(alone)
    return bool(((stiffest > LOOSE * softest) & (softest > 0)).any())


def singular() -> SolveError:
    """What is raised where a matrix is singular."""
    return SolveError(
        "The stiffness matrix is singular: some part of the network moves without resistance, or "
        "a bond has lost its stiffness.",
        "singular",
    )
