"""Cholesky factors by CHOLMOD, where CVXOPT is installed: the fastest there are of large matrices.

Columns of the factor that have the same pattern make dense blocks, which BLAS works on
(Chen, Davis, Hager and Rajamanickam 2008, https://doi.org/10.1145/1391989.1391995).
"""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from functools import cache
from typing import Any, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.fenics import PETSc
from mechlearn.linalg.dof_groups import Kinds
from mechlearn.linalg.factorisation import Factors, Inertia, MumpsFactors, lost, singular
from mechlearn.linalg.ordering import numbers


@cache
def available() -> bool:
    """Whether CVXOPT, which brings CHOLMOD along, can be loaded."""
    try:
        import cvxopt.cholmod  # noqa: F401
    except ImportError:
        return False
    return True


class CholmodFactors(Factors):
    """By CHOLMOD while the matrix is positive definite, else by MUMPS.

    CVXOPT takes columns one by one to CHOLMOD, so MUMPS is also for many of them.

    Parameters
    ----------
    matrix : PETSc.Mat
        On one rank, of type "aij"; its numbers may change, its pattern not any more.
    order : (dofs,) integer array
        Which degree of freedom is eliminated when.
    definite : bool
        Promise that it is positive definite.
    few : float
        For more columns than these MUMPS takes less time, its factorisation included.
    kinds : Kinds
        The rows that are none of supports.
    """

    def __init__(
        self,
        matrix: PETSc.Mat,
        order: NDArray[np.int64],
        definite: bool,
        few: float,
        kinds: Kinds,
    ) -> None:
        self._matrix, self._definite, self._few, self._kinds = matrix, definite, few, kinds
        self._mumps: MumpsFactors | None = None
        self._supernodes = Supernodes(matrix, order, kinds)
        # What is factorised now, by one of them.
        self._now: Supernodes | MumpsFactors | None = None
        self._state = -1
        # How many columns were solved for at once since then, and whether CHOLMOD will be in vain.
        self._most, self._doubtful = 0, False

    @override
    def renew(self) -> None:
        many, self._most = self._most > self._few, 0
        self._now, self._state = None, self._matrix.stateGet()
        if many or self._doubtful:
            self._turn_to_mumps()
        elif self._supernodes.renew():
            self._now = self._supernodes
        elif self._definite:
            raise singular()
        else:
            self._turn_to_mumps()

    @override
    def solve(self, right: PETSc.Mat, out: PETSc.Mat) -> None:
        columns = right.size[1]
        self._most = max(self._most, columns)
        many = columns > self._few and self._state == self._matrix.stateGet()
        if many and self._now is self._supernodes:
            self._turn_to_mumps()
            self._supernodes.forget()
        self._now.solve(right, out)

    @override
    def inertia(self) -> Inertia:
        if self._now is self._mumps:
            return self._mumps.inertia()
        return Inertia(0, 0, self._matrix.size[0])

    def _turn_to_mumps(self) -> None:
        if self._mumps is None:
            self._mumps = MumpsFactors(self._matrix, self._definite, self._kinds)
        self._mumps.renew()
        self._now = self._mumps
        if not self._definite:
            self._doubtful = self._mumps.inertia().positive < self._matrix.size[0]


class Supernodes:
    """A matrix that is positive definite most of the time, factorised by CHOLMOD.

    Parameters
    ----------
    matrix : PETSc.Mat
        On one rank, of type "aij"; its numbers may change, its pattern not any more.
    order : (dofs,) integer array
        Which degree of freedom is eliminated when; CHOLMOD changes it where that costs nothing.
    kinds : Kinds
        The rows that are none of supports.
    """

    def __init__(self, matrix: PETSc.Mat, order: NDArray[np.int64], kinds: Kinds) -> None:
        from cvxopt import cholmod, spmatrix
        from cvxopt import matrix as dense

        self._cholmod, self._dense = cholmod, dense
        pointer, columns, _ = matrix.getValuesCSR()
        size, entries = len(order), len(columns)
        rows = np.repeat(np.arange(size), np.diff(pointer))
        # What is a row above the diagonal is, as CVXOPT stores columns, a column below it.
        self._source = np.flatnonzero(rows <= columns)
        self._diagonal = np.flatnonzero(rows == columns)
        i, j = (dense(part[self._source].astype(int)) for part in (columns, rows))
        self._lower = spmatrix(1.0, i, j, (size, size))
        self._whole, self._given = matrix, numbers(matrix, "AIJ", entries)
        self._values, self._taken = self._array(len(self._source), 1)
        self._asked_order = dense(order.astype(int))
        self._block, self._columns = self._array(size, 1)
        self._kinds, self._pivots = kinds, np.empty(size)
        self.forget()

    def forget(self) -> None:
        """Give the memory of the factors back."""
        self._factor: Any = None
        self._order: NDArray[np.int64] | None = None

    def renew(self) -> bool:
        """Factorise the matrix as it is now; False where it is not safely positive definite."""
        self._given.take(self._source, out=self._taken[:, 0], mode="clip")
        self._lower.V = self._values
        with _by_default(self._cholmod.options):
            if self._factor is None:
                self._factor = self._cholmod.symbolic(self._lower, self._asked_order)
            try:
                self._cholmod.numeric(self._lower, self._factor)
            except ArithmeticError:
                return False
        if self._order is None:
            self._order = self._found_order()
        self._pivots[self._order] = np.square(np.asarray(self._cholmod.diag(self._factor))[:, 0])
        return not lost(self._kinds, self._pivots, self._given.take(self._diagonal))

    def solve(self, right: PETSc.Mat, out: PETSc.Mat) -> None:
        """Solve for every column of a dense matrix, and write that to another."""
        if self._columns.shape != right.size:
            self._block, self._columns = self._array(*right.size)
        self._columns[:] = right.getDenseArray()
        self._cholmod.solve(self._factor, self._block)
        out.getDenseArray()[:] = self._columns

    def _array(self, rows: int, k: int) -> tuple[Any, NDArray[np.float64]]:
        """A dense matrix of CVXOPT's, and the array (rows, k) that shares its numbers."""
        made = self._dense(0.0, (rows, k))
        return made, np.asarray(made)

    def _found_order(self) -> NDArray[np.int64]:
        """The order that CHOLMOD takes, which it shows in nothing but this product."""
        block, places = self._array(len(self._diagonal), 1)
        places[:, 0] = np.arange(len(places))
        self._cholmod.solve(self._factor, block, sys=7)
        return places[:, 0].astype(np.int64)


@contextmanager
def _by_default(options: MutableMapping[str, Any]) -> Iterator[None]:
    """Without the options of the whole process, which may be somebody else's."""
    theirs = dict(options)
    options.clear()
    try:
        yield
    finally:
        options.update(theirs)
