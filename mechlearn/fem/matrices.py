"""Sparse matrices of networks of bonds in PETSc, assembled into memory that is reused."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.fenics import MPI, PETSc, dolfinx, fem, la


class FormMatrix:
    """Sum of forms with the same pattern, with unit rows and columns at supports.

    On one rank DOLFINx assembles into memory that the PETSc matrix shares; PETSc's own insertion
    takes twice as long.

    Parameters
    ----------
    form : dolfinx.fem.Form
        One of those that will be summed.
    supports : sequence of dolfinx.fem.DirichletBC
    comm : MPI communicator
    width : int
        How many degrees of freedom a node has, one after the other.
    joined : sequence of (n, k) integer arrays
        Blocks of degrees of freedom that elements beside the forms join.

    Attributes
    ----------
    matrix : PETSc.Mat
        Always the same.
    """

    def __init__(
        self,
        form: fem.Form,
        supports: Sequence[fem.DirichletBC],
        comm: MPI.Comm,
        width: int,
        joined: Sequence[NDArray] = (),
    ) -> None:
        self._supports = supports
        self._shared: la.MatrixCSR | None = None
        pattern = fem.create_sparsity_pattern(form)
        for blocks in joined:
            for row in blocks.astype(np.int32):
                pattern.insert(row, row)
        pattern.finalize()
        if comm.size > 1:
            self.matrix = dolfinx.cpp.la.petsc.create_matrix(comm, pattern)
            return
        mode = dolfinx.cpp.la.BlockMode.expanded
        self._shared = shared = la.matrix_csr(pattern, block_mode=mode)
        size = len(shared.indptr) - 1
        self.matrix = in_place((size, size), shared.indptr, shared.indices, shared.data)
        self.matrix.setBlockSize(width)

    def start(self) -> None:
        """Begin with zero."""
        if self._shared is not None:
            self._shared.set_value(0.0)
        else:
            self.matrix.zeroEntries()

    def add(self, form: fem.Form, **given: Any) -> None:
        """Add a form; what is ``given`` are arguments of its assembly."""
        if self._shared is not None:
            fem.assemble_matrix(self._shared, form, bcs=self._supports, **given)
            return
        # Unit diagonals were inserted; without this, what is added next is dropped in silence.
        self.matrix.assemble(PETSc.Mat.AssemblyType.FLUSH)
        fem.petsc.assemble_matrix(self.matrix, form, bcs=self._supports, **given)

    def add_entries(self, entries: sparse.coo_array, free: NDArray[np.bool_]) -> None:
        """Add numbers at local degrees of freedom, ghosts included, where no support holds."""
        rows, columns = entries.coords
        kept = free[rows] & free[columns]
        rows, columns, values = rows[kept], columns[kept], entries.data[kept]
        if self._shared is not None:
            size = len(self._shared.indptr) - 1
            first = np.repeat(np.arange(size), np.diff(self._shared.indptr))
            places = np.searchsorted(first * size + self._shared.indices, rows * size + columns)
            np.add.at(self._shared.data, places, values)
            return
        self.matrix.assemble(PETSc.Mat.AssemblyType.FLUSH)
        csr = sparse.csr_array((values, (rows, columns)), shape=entries.shape)
        number = self.matrix.getLGMap()[0].apply
        own = number(np.arange(csr.shape[0], dtype=PETSc.IntType))
        pointer, there = (part.astype(PETSc.IntType) for part in (csr.indptr, csr.indices))
        self.matrix.setValuesIJV(
            pointer, number(there), csr.data, PETSc.InsertMode.ADD_VALUES, rowmap=own
        )

    def finish(self) -> PETSc.Mat:
        """The matrix, ready for a solver."""
        self.matrix.assemble()
        self.matrix.stateIncrease()
        return self.matrix


class BondStiffness:
    """Stiffness matrix of linear bonds, ``B^T D B``, with unit rows and columns at supports.

    ``B u`` are the strains of the bonds, and ``D`` their moduli, the second derivatives of the
    energy by the strains. ``B`` and the pattern stay as long as the network does; new parameters
    cost one product of a sparse matrix and a vector, and no pass over the mesh.

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
        values, self._moduli = unit.copy(), np.zeros(terms.shape[1])
        self.matrix = in_place((size, size), pointer, columns, values)
        self.matrix.setBlockSize(width)
        self._map = in_place(terms.shape, terms.indptr, terms.indices, terms.data)
        # The product is written to where the matrix has its numbers.
        self._vectors = [
            PETSc.Vec().createWithArray(array, comm=PETSc.COMM_SELF)
            for array in (self._moduli, unit, values)
        ]

    def assemble(self, moduli: NDArray) -> PETSc.Mat:
        """Stiffness matrix for given moduli, (cells, k, k); always the same Mat."""
        self._moduli[:] = moduli.ravel()
        self._map.multAdd(*self._vectors)
        self.matrix.assemble()
        self.matrix.stateIncrease()
        return self.matrix


class SparseProduct:
    """Products of one sparse matrix with blocks of columns on this rank, in reused memory.

    SciPy's take twice as long for a few columns, and most of that for small matrices before they
    begin.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
    """

    def __init__(self, matrix: sparse.csr_array) -> None:
        self._matrix = in_place(matrix.shape, matrix.indptr, matrix.indices, matrix.data)
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
            self._blocks = block, self._matrix.matMult(block)
            self._found = self._blocks[1].getDenseArray().T
        self._given[:] = given
        self._matrix.matMult(*self._blocks)
        return self._found


def in_place(
    shape: tuple[int, int], pointer: NDArray, columns: NDArray, values: NDArray
) -> PETSc.Mat:
    """PETSc matrix of this rank alone that shares the memory of its ``values`` in CSR format."""
    pattern = (part.astype(PETSc.IntType, copy=False) for part in (pointer, columns))
    return PETSc.Mat().createAIJWithArrays(shape, (*pattern, values), comm=PETSc.COMM_SELF)
