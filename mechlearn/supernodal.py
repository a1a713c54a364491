"""Cholesky factors by CHOLMOD, where CVXOPT is installed: the fastest there are of large matrices.

Columns of the factor that have the same pattern make dense blocks, which BLAS works on
(Chen, Davis, Hager and Rajamanickam 2008, https://doi.org/10.1145/1391989.1391995).
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.fenics import PETSc
from mechlearn.ordered import numbers

#: A pivot that is smaller than this, relative to what it was before others were eliminated, has no
#: digits left.
LOST = 1e-14


@cache
def available() -> bool:
    """Whether CVXOPT, which brings CHOLMOD along, can be loaded."""
    try:
        import cvxopt.cholmod  # noqa: F401
    except ImportError:
        return False
    return True


class Supernodes:
    """A matrix that is positive definite most of the time, factorised again and again.

    Parameters
    ----------
    matrix : PETSc.Mat
        On one rank, of type "aij"; its numbers may change, its pattern not any more.
    order : (dofs,) integer array
        Which degree of freedom is eliminated when; CHOLMOD changes it where that costs nothing.
    """

    def __init__(self, matrix: PETSc.Mat, order: NDArray[np.int64]) -> None:
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
        self._factor = cholmod.symbolic(self._lower, dense(order.astype(int)))
        self._order: NDArray[np.int64] | None = None
        self._block, self._columns = self._array(size, 1)

    def renew(self) -> bool:
        """Factorise the matrix as it is now; False where it is not safely positive definite."""
        self._given.take(self._source, out=self._taken[:, 0], mode="clip")
        self._lower.V = self._values
        try:
            self._cholmod.numeric(self._lower, self._factor)
        except ArithmeticError:
            return False
        if self._order is None:
            self._order = self._found_order()
        pivots = np.square(np.asarray(self._cholmod.diag(self._factor))[:, 0])
        before = self._given.take(self._diagonal).take(self._order)
        before *= LOST
        # Numbers that are none pass; they show in what is solved for.
        return not (pivots < before).any()

    def solve(self, columns: NDArray, out: NDArray) -> None:
        """Solve for every column, shape (dofs, k), and write that to an array like it."""
        if self._columns.shape != columns.shape:
            self._block, self._columns = self._array(*columns.shape)
        self._columns[:] = columns
        self._cholmod.solve(self._factor, self._block)
        out[:] = self._columns

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
