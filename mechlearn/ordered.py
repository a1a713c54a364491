"""A stiffness matrix in an order in which its factor has few numbers, as PETSc's kernels take it.

The degrees of freedom of a node come together in every row, so the order is found on the graph of
the nodes, which is smaller and better ordered for it; and their entries make small dense blocks,
which PETSc factorises twice as fast as single numbers, but only as they are stored.
"""

import ctypes

import numpy as np
from numpy.typing import NDArray

from mechlearn.fenics import PETSc, dolfinx

_petsc = ctypes.CDLL(str(dolfinx.fem.petsc.get_petsc_lib()))


def elimination_order(matrix: PETSc.Mat) -> NDArray[np.int64]:
    """An order of the degrees of freedom of a matrix on one rank, node by node, (dofs,).

    The first one is eliminated first, by minimum degree: at the sizes it is for, the factor has up
    to a third fewer numbers than by nested dissection.
    """
    width, index = matrix.getBlockSize(), PETSc.IntType
    pointer, columns, _ = matrix.getValuesCSR()
    nodes = (len(pointer) - 1) // width
    rows = np.repeat(np.arange(len(pointer) - 1), np.diff(pointer)) // width
    diagonal = np.arange(nodes) * (nodes + 1)
    pairs = np.unique(np.concatenate([rows * nodes + columns // width, diagonal]))
    rows, columns = np.divmod(pairs, nodes)
    pointer = np.searchsorted(rows, np.arange(nodes + 1))
    graph = PETSc.Mat().createAIJ(
        (nodes, nodes), comm=PETSc.COMM_SELF,
        csr=(pointer.astype(index), columns.astype(index), np.ones(len(pairs))),
    )  # fmt: skip
    graph.assemble()
    order = graph.getOrdering("qmd")[0].indices
    return (width * order[:, None].astype(np.int64) + np.arange(width)).ravel()


class Ordered:
    """A symmetric matrix on one rank in another order, as a PETSc matrix of dense blocks.

    Parameters
    ----------
    matrix : PETSc.Mat
        Of type "aij"; its numbers may change, its pattern not any more.
    order : (dofs,) integer array
        Which degree of freedom of the matrix comes where.
    width : int
        How many of them, one after the other, make a block; the order keeps them together.

    Attributes
    ----------
    matrix : PETSc.Mat
        The one in that order, of type "sbaij".
    """

    def __init__(self, matrix: PETSc.Mat, order: NDArray[np.int64], width: int) -> None:
        pointer, columns, _ = matrix.getValuesCSR()
        size, entries = len(order), len(columns)
        rank, index = np.argsort(order), PETSc.IntType
        i, j = rank[np.repeat(np.arange(size), np.diff(pointer))], rank[columns]
        # Of every pair of blocks that mirror each other, the one above the diagonal is stored.
        above = np.flatnonzero(i // width <= j // width)
        i, j, blocks = i[above], j[above], size // width
        keys, block = np.unique(i // width * blocks + j // width, return_inverse=True)
        rows, columns = np.divmod(keys, blocks)
        pointer = np.searchsorted(rows, np.arange(blocks + 1))
        zeros = np.zeros(len(keys) * width**2)
        self.matrix = PETSc.Mat().createSBAIJ(
            (size, size), width, comm=PETSc.COMM_SELF,
            csr=(pointer.astype(index), columns.astype(index), zeros),
        )  # fmt: skip
        # Blocks hold their numbers column by column.
        place = (block * width + j % width) * width + i % width
        self._source = np.zeros(len(zeros), dtype=np.int64)
        self._source[place] = above
        self._empty = np.setdiff1d(np.arange(len(zeros)), place)
        # Numbers are read and written where PETSc keeps them, so that must stay where it is.
        self._whole = matrix
        matrix.setOption(PETSc.Mat.Option.NEW_NONZERO_LOCATION_ERR, True)
        self._given = _numbers(matrix, "AIJ", entries)
        self._taken = _numbers(self.matrix, "SBAIJ", len(zeros))

    def fill(self) -> int:
        """How many numbers its factor has."""
        # That does not depend on those of the matrix; these can be factorised in any case.
        self.matrix.shift(1.0)
        pc = PETSc.PC().create(PETSc.COMM_SELF)
        pc.setOperators(self.matrix)
        pc.setType("cholesky")
        pc.setUp()
        return int(pc.getFactorMatrix().getInfo()["nz_used"])

    def renew(self) -> None:
        """Take over the numbers of the matrix as they are now."""
        # Every place is in range; other modes than "clip" make a copy first.
        np.take(self._given, self._source, out=self._taken, mode="clip")
        if len(self._empty):
            self._taken[self._empty] = 0.0
        self.matrix.stateIncrease()


def _numbers(matrix: PETSc.Mat, kind: str, count: int) -> NDArray[np.float64]:
    """The numbers of a matrix of some kind where PETSc keeps them, while the matrix exists."""
    handle, start = ctypes.c_void_p(matrix.handle), ctypes.POINTER(ctypes.c_double)()
    _petsc[f"MatSeq{kind}GetArray"](handle, ctypes.byref(start))
    numbers = np.ctypeslib.as_array(start, shape=(count,))
    # What is given back is the right to look; the memory stays.
    _petsc[f"MatSeq{kind}RestoreArray"](handle, ctypes.byref(start))
    return numbers
