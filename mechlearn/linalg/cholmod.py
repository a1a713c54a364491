"""Cholesky factorisation by CHOLMOD, where CVXOPT is installed: the fastest of large matrices.

Columns of the factor that have the same pattern make dense blocks, which BLAS works on
(Chen, Davis, Hager and Rajamanickam 2008, https://doi.org/10.1145/1391989.1391995).
"""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from functools import cache, cached_property
from typing import Any, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.fenics import PETSc
from mechlearn.linalg.factorisation import (
    DofGroups,
    Factors,
    Inertia,
    MumpsFactors,
    has_zero_pivot,
    singular,
)
from mechlearn.linalg.petsc_kernels import stored_values


@cache
def available() -> bool:
    """True if CVXOPT, which brings CHOLMOD along, can be loaded."""
    try:
        import cvxopt.cholmod  # noqa: F401
    except ImportError:
        return False
    return True


class CholmodFactors(Factors):
    """Factors by CHOLMOD while the matrix is positive definite, else by MUMPS.

    CVXOPT takes columns one by one to CHOLMOD, so MUMPS is also for many of them.

    Parameters
    ----------
    matrix : PETSc.Mat
        On one rank, of type "aij"; its values may change, its pattern not any more.
    order : (dofs,) integer array
        Order of elimination.
    definite : bool
        Promise that it is positive definite.
    max_rhs : float
        Number of right-hand sides above which MUMPS takes less time, its factorisation included.
    groups : DofGroups
    """

    def __init__(
        self,
        matrix: PETSc.Mat,
        order: NDArray[np.int64],
        definite: bool,
        max_rhs: float,
        groups: DofGroups,
    ) -> None:
        self._matrix, self._definite = matrix, definite
        self._max_rhs, self._groups = max_rhs, groups
        self._cholmod = CholmodFactor(matrix, order, groups)
        # The factorisation of the matrix as it is now.
        self._active: CholmodFactor | MumpsFactors | None = None
        self._state = -1
        # Columns solved for at once since then, and whether CHOLMOD is expected to fail.
        self._most, self._indefinite = 0, False

    @override
    def renew(self) -> None:
        many, self._most = self._most > self._max_rhs, 0
        self._active, self._state = None, self._matrix.stateGet()
        if many or self._indefinite:
            self._use_mumps()
        elif self._cholmod.renew():
            self._active = self._cholmod
        elif self._definite:
            raise singular()
        else:
            self._use_mumps()

    @override
    def solve(self, right: PETSc.Mat, out: PETSc.Mat) -> None:
        columns = right.size[1]
        self._most = max(self._most, columns)
        many = columns > self._max_rhs and self._state == self._matrix.stateGet()
        if many and self._active is self._cholmod:
            self._use_mumps()
            self._cholmod.forget()
        if self._active is None:
            raise singular()
        self._active.solve(right, out)

    @override
    def inertia(self) -> Inertia:
        if self._active is self._cholmod:
            return Inertia(0, 0, self._matrix.size[0])
        return self._mumps.inertia()

    @cached_property
    def _mumps(self) -> MumpsFactors:
        return MumpsFactors(self._matrix, self._definite, self._groups)

    def _use_mumps(self) -> None:
        self._mumps.renew()
        self._active = self._mumps
        if not self._definite:
            self._indefinite = self._mumps.inertia().positive < self._matrix.size[0]


class CholmodFactor:
    """Factor of a matrix that is positive definite most of the time.

    Parameters
    ----------
    matrix : PETSc.Mat
        On one rank, of type "aij"; its values may change, its pattern not any more.
    order : (dofs,) integer array
        Order of elimination; CHOLMOD changes it where that costs nothing.
    groups : DofGroups
    """

    def __init__(self, matrix: PETSc.Mat, order: NDArray[np.int64], groups: DofGroups) -> None:
        from cvxopt import cholmod, spmatrix
        from cvxopt import matrix as dense

        self._package, self._dense = cholmod, dense
        pointer, columns, _ = matrix.getValuesCSR()
        size = len(order)
        rows = np.repeat(np.arange(size), np.diff(pointer))
        # A row above the diagonal is, as CVXOPT stores columns, a column below it.
        self._source = np.flatnonzero(rows <= columns)
        self._diagonal = np.flatnonzero(rows == columns)
        i, j = (dense(part[self._source].astype(int)) for part in (columns, rows))
        self._lower = spmatrix(1.0, i, j, (size, size))
        self._whole, self._given = matrix, stored_values(matrix)
        self._values, self._taken = self._array(len(self._source), 1)
        self._asked_order = dense(order.astype(int))
        self._block, self._columns = self._array(size, 1)
        self._groups, self._pivots = groups, np.empty(size)
        self.forget()

    def forget(self) -> None:
        """Free the memory of the factors."""
        self._factor: Any = None
        self._order: NDArray[np.int64] | None = None

    def renew(self) -> bool:
        """Factorise the matrix as it is now; False where it is not safely positive definite."""
        self._given().take(self._source, out=self._taken[:, 0], mode="clip")
        self._lower.V = self._values
        with _by_default(self._package.options):
            if self._factor is None:
                self._factor = self._package.symbolic(self._lower, self._asked_order)
            try:
                self._package.numeric(self._lower, self._factor)
            except ArithmeticError:
                return False
        if self._order is None:
            self._order = self._found_order()
        self._pivots[self._order] = np.square(np.asarray(self._package.diag(self._factor))[:, 0])
        return not has_zero_pivot(self._groups, self._pivots, self._given().take(self._diagonal))

    def solve(self, right: PETSc.Mat, out: PETSc.Mat) -> None:
        """Solve for every column of a dense matrix, and write that to another."""
        if self._columns.shape != right.size:
            self._block, self._columns = self._array(*right.size)
        self._columns[:] = right.getDenseArray()
        self._package.solve(self._factor, self._block)
        out.getDenseArray()[:] = self._columns

    def _array(self, rows: int, k: int) -> tuple[Any, NDArray[np.float64]]:
        """A dense matrix of CVXOPT's, and the array (rows, k) that shares its numbers."""
        made = self._dense(0.0, (rows, k))
        return made, np.asarray(made)

    def _found_order(self) -> NDArray[np.int64]:
        """Fill-reducing order that CHOLMOD chose, recovered from a product."""
        block, places = self._array(len(self._diagonal), 1)
        places[:, 0] = np.arange(len(places))
        self._package.solve(self._factor, block, sys=7)
        return places[:, 0].astype(np.int64)


@contextmanager
def _by_default(options: MutableMapping[str, Any]) -> Iterator[None]:
    """Context with CHOLMOD's default options, whatever the process has set."""
    theirs = dict(options)
    options.clear()
    try:
        yield
    finally:
        options.update(theirs)
