"""Factorisation of symmetric matrices: its interface, checks, and MUMPS on any number of ranks.

:mod:`.petsc_kernels` and :mod:`.cholmod` are faster on one rank; :mod:`.solver` selects.
"""

import math
from abc import ABC, abstractmethod
from typing import NamedTuple, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import SolveError
from mechlearn.fenics import MPI, PETSc
from mechlearn.parallel import total

#: Bounds on the relative residual and the energy of the random load of a :class:`SolveCheck`,
#: within which a factorisation is accurate to all digits.
RESIDUAL_TOL, ENERGY_MAX = 1e-10, 1e12
#: Energy of that load above which only rounding resists it: pivots that should be zero are 1e-14
#: of their row, not 1e-16, where many terms were summed before.
ROUNDING_ENERGY = 1e13
#: Ratio of diagonal entries of equal units above which a mode counts as singular.
CONDITION_MAX = 1e14
#: Pivot relative to its diagonal entry below which no digit is left of it.
ZERO_PIVOT = 1e-14


class Inertia(NamedTuple):
    """Numbers of negative, zero and positive eigenvalues."""

    negative: int
    zero: int
    positive: int


class DofGroups:
    """Unconstrained degrees of freedom in groups of equal units, such as rotations about z.

    Parameters
    ----------
    rows : (k,) integer array
        Unconstrained rows of this rank, counted from its first.
    width : int
        Degrees of freedom of a node, one after the other.

    Attributes
    ----------
    rows : (k,) integer array
        Group by group.
    width : int
    """

    def __init__(self, rows: NDArray[np.int64], width: int) -> None:
        self.rows, self.width = rows[np.argsort(rows % width, kind="stable")], width
        self._present, self._first = np.unique(self.rows % width, return_index=True)

    def permuted(self, place: NDArray[np.int64]) -> "DofGroups":
        """Groups of a matrix in which every row has another place; nodes stay together."""
        return DofGroups(np.sort(place[self.rows]), self.width)

    def extremes(self, values: NDArray, comm: MPI.Comm) -> tuple[NDArray, NDArray]:
        """Smallest and largest of some values, one for each of the ``rows``, (groups,) each."""
        if len(self._present) == self.width:
            low, high = (f.reduceat(values, self._first) for f in (np.minimum, np.maximum))
        else:
            low, high = np.full(self.width, np.inf), np.zeros(self.width)
            if len(self._present):
                low[self._present] = np.minimum.reduceat(values, self._first)
                high[self._present] = np.maximum.reduceat(values, self._first)
        if comm.size > 1:
            comm.Allreduce(MPI.IN_PLACE, low, op=MPI.MIN)
            comm.Allreduce(MPI.IN_PLACE, high, op=MPI.MAX)
        return low, high


class Factors(ABC):
    """Factors of a symmetric matrix, recomputed as its values change.

    Attributes
    ----------
    relative_residual : float, optional
        That of the solution for a random load, where it is known.
    """

    relative_residual: float | None = None

    @abstractmethod
    def renew(self) -> None:
        """Factorise the matrix as it is now; raises SolveError where it is singular."""

    @abstractmethod
    def solve(self, right: PETSc.Mat, out: PETSc.Mat) -> None:
        """Solve for every column of a dense matrix, and write that to another."""

    @abstractmethod
    def inertia(self) -> Inertia:
        """Signs of the eigenvalues."""


class PetscFactors(Factors):
    """Factors by PETSc's interface to its own kernels or another package.

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
        # The factors serve, whatever becomes of the matrix, until the next call.
        self._pc.setReusePreconditioner(True)

    @override
    def solve(self, right: PETSc.Mat, out: PETSc.Mat) -> None:
        self.ksp.matSolve(right, out)

    @override
    def inertia(self) -> Inertia:
        return Inertia(*self._pc.getFactorMatrix().getInertia())


class MumpsFactors(PetscFactors):
    """Factors by MUMPS.

    Parameters
    ----------
    matrix : PETSc.Mat
    definite : bool
        Promise that it is positive definite; else LDL^T, with inertia.
    groups : DofGroups
    """

    def __init__(self, matrix: PETSc.Mat, definite: bool, groups: DofGroups) -> None:
        super().__init__(matrix, definite, "mumps")
        self.ksp.setOptionsPrefix("mechlearn_mumps_")
        options = PETSc.Options("mechlearn_mumps_")
        options["mat_mumps_icntl_13"] = 1  # root front on one rank: else no inertia in parallel
        options["mat_mumps_icntl_24"] = 1  # find null pivots, and report them as such
        options["mat_mumps_icntl_7"] = 5  # METIS; left to itself it often takes a slower order
        self.ksp.setFromOptions()
        # Null pivots of a definite matrix are not found.
        self._check = SolveCheck(matrix, groups) if definite else None

    @override
    def renew(self) -> None:
        # Others may have factorised the matrix with another promise.
        self._promise()
        super().renew()
        if self._check:
            result = self._check(self.ksp)
            if result.singular:
                raise singular()
            self.relative_residual = result.residual if result.accurate else None


class CheckResult(NamedTuple):
    """Relative residual and energy of a random load, and condition number of the diagonal."""

    residual: float
    energy: float
    condition: float

    @property
    def accurate(self) -> bool:
        """True if the factorisation is to be trusted in all digits."""
        return self.residual < RESIDUAL_TOL and 0 <= self.energy < ENERGY_MAX

    @property
    def singular(self) -> bool:
        """True if some part moves without resistance; false of solutions that are not finite."""
        resists = 0 <= self.energy < ROUNDING_ENERGY and self.condition < CONDITION_MAX
        return not (resists or math.isnan(self.energy))


class SolveCheck:
    """Randomised residual and conditioning check of a factorisation.

    Parameters
    ----------
    matrix : PETSc.Mat
        Positive definite.
    groups : DofGroups
    """

    def __init__(self, matrix: PETSc.Mat, groups: DofGroups) -> None:
        self._matrix, self._groups, self._comm = matrix, groups, matrix.comm.tompi4py()
        size, whole = matrix.getLocalSize()[0], matrix.getSize()[0]
        self._load, self._moved, self._product = (np.zeros(size) for _ in range(3))
        self._vectors = [PETSc.Vec().createWithArray(array, size=(size, whole), comm=matrix.comm)
                         for array in (self._load, self._moved, self._product)]  # fmt: skip
        random = np.random.default_rng(self._comm.rank)
        amounts = random.uniform(0.5, 1.0, size) * random.choice([-1.0, 1.0], size)
        self._amounts = np.zeros(size)
        self._amounts[groups.rows] = amounts[groups.rows]

    def __call__(self, ksp: PETSc.KSP) -> CheckResult:
        """Solve for the load, in units of the square root of the diagonal."""
        load, moved, product = self._vectors
        self._matrix.getDiagonal(load)
        low, high = self._groups.extremes(self._load.take(self._groups.rows), self._comm)
        if (low <= 0).any():
            return CheckResult(math.inf, math.inf, math.inf)
        np.sqrt(self._load, out=self._load)
        self._load *= self._amounts
        ksp.solve(load, moved)
        self._matrix.mult(moved, product)
        self._product -= self._load
        residual, size, energy = total(self._comm, np.array([
            self._product @ self._product, self._load @ self._load, self._load @ self._moved,
        ]))  # fmt: skip
        relative = math.sqrt(residual / size) if size else 0.0
        return CheckResult(relative, float(energy), float((high / low).max()))


def has_zero_pivot(groups: DofGroups, pivots: NDArray, diagonal: NDArray) -> bool:
    """True if a pivot is zero to rounding; on one rank.

    Its pivot has no digits left of the diagonal entry, or that was negligible in its group; (dofs,)
    both. NaNs are detected later, in the residual.
    """
    pivots, diagonal = np.abs(pivots.take(groups.rows)), diagonal.take(groups.rows)
    if (pivots <= ZERO_PIVOT * diagonal).any():
        return True
    low, high = groups.extremes(diagonal, MPI.COMM_SELF)
    return bool(((high > CONDITION_MAX * low) & (low > 0)).any())


def singular() -> SolveError:
    """Error for a singular matrix."""
    return SolveError(
        "The stiffness matrix is singular: some part of the network moves without resistance, or "
        "a bond has lost its stiffness.",
        "singular",
    )
