"""The stiffness matrix of linear bonds, by a sparse map from the bonds' moduli to its entries.

``K = B^T D B`` with the strains ``B u`` of the bonds and their moduli ``D``, the second derivatives
of the energy by the strains. ``B`` and the pattern of ``K`` stay as long as the network does; new
parameters cost one product of a sparse matrix and a vector, and no pass over the mesh.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.fenics import PETSc
from mechlearn.linalg.matmul import Product


class Scatter:
    """The matrix ``B^T D B``, with unit rows and columns at supports, as a PETSc matrix.

    Parameters
    ----------
    operator : (cells k, dofs) sparse array
        ``B``: the ``k`` strains of the first cell, then those of the second, and so on.
    strains : int
        ``k``.
    free : (dofs,) bool array
        Which degrees of freedom no support holds.
    width : int
        How many degrees of freedom a node has, one after the other.

    Attributes
    ----------
    matrix : PETSc.Mat
        On one rank; its pattern has the whole diagonal.
    """

    def __init__(
        self, operator: sparse.csr_array, strains: int, free: NDArray[np.bool_], width: int
    ) -> None:
        size = operator.shape[1]
        b = operator.tocoo()
        kept = free[b.col] & (b.data != 0)
        row, dof, value = b.row[kept], b.col[kept].astype(np.int64), b.data[kept]
        cell, strain = np.divmod(row, strains)
        # All pairs of entries of the same cell: each makes one term of one entry of K.
        order = np.argsort(cell, kind="stable")
        cell, strain, dof, value = (x[order] for x in (cell, strain, dof, value))
        starts = np.searchsorted(cell, np.arange(operator.shape[0] // strains + 1))
        count = np.diff(starts)[cell]
        first = np.repeat(np.arange(len(cell)), count)
        second = np.arange(len(first)) - np.repeat(np.cumsum(count) - count - starts[cell], count)
        keys = np.concatenate([dof[first] * size + dof[second], np.arange(size) * (size + 1)])
        pattern, place = np.unique(keys, return_inverse=True)
        modulus = (cell[first] * strains + strain[first]) * strains + strain[second]
        terms = sparse.csr_array(
            (value[first] * value[second], (place[: len(first)], modulus)),
            shape=(len(pattern), operator.shape[0] * strains),
        )
        unit = np.zeros(len(pattern))
        unit[place[len(first) :]] = ~free
        rows, columns = np.divmod(pattern, size)
        pointer = np.searchsorted(rows, np.arange(size + 1))
        index = PETSc.IntType
        values, self._moduli = unit.copy(), np.zeros(terms.shape[1])
        self.matrix = PETSc.Mat().createAIJWithArrays(
            (size, size),
            (pointer.astype(index), columns.astype(index), values),
            comm=PETSc.COMM_SELF,
        )
        self._map = Product(terms).matrix
        # The product is written to where the matrix has its numbers.
        self._vectors = [
            PETSc.Vec().createWithArray(array, comm=PETSc.COMM_SELF)
            for array in (self._moduli, unit, values)
        ]
        self.matrix.setBlockSize(width)

    def assemble(self, moduli: NDArray) -> PETSc.Mat:
        """Stiffness matrix for given moduli, (cells, k, k); always the same Mat."""
        self._moduli[:] = moduli.ravel()
        self._map.multAdd(*self._vectors)
        self.matrix.assemble()
        self.matrix.stateIncrease()
        return self.matrix
