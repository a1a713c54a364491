"""Repeated products of one sparse matrix with blocks of columns, by PETSc in reused memory.

SciPy's take twice as long for a few columns, and most of that for small matrices before they begin.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.fenics import PETSc


class Product:
    """A sparse matrix, (rows, columns), of this rank alone.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
    """

    def __init__(self, matrix: sparse.csr_array) -> None:
        index = PETSc.IntType
        pattern = (part.astype(index, copy=False) for part in (matrix.indptr, matrix.indices))
        # Both have their numbers in the same place.
        self.matrix = PETSc.Mat().createAIJWithArrays(
            matrix.shape, (*pattern, matrix.data), comm=PETSc.COMM_SELF
        )
        self._given = np.empty((0, 0))
        self._blocks: tuple[PETSc.Mat, ...] = ()
        self._found = np.empty((0, 0))

    def with_columns(self, given: NDArray) -> NDArray[np.float64]:
        """The product with every column of an array (columns, k), shape (k, rows).

        It is a view of what the next product is written to.
        """
        if given.shape != self._given.shape:
            for block in self._blocks:
                block.destroy()
            self._given = np.zeros(given.shape, order="F")
            block = PETSc.Mat().createDense(given.shape, array=self._given, comm=PETSc.COMM_SELF)
            block.assemble()
            self._blocks = block, self.matrix.matMult(block)
            self._found = self._blocks[1].getDenseArray().T
        self._given[:] = given
        self.matrix.matMult(*self._blocks)
        return self._found
