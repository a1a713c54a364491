"""A stiffness matrix in an order in which its factor has few numbers, as PETSc's kernels take it.

The degrees of freedom of a node come together in every row, so the order is found on the graph of
the nodes, which is smaller and better ordered for it; and their entries make small dense blocks,
which PETSc factorises twice as fast as single numbers, but only as they are stored.
"""

import contextlib
import ctypes
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.fenics import PETSc, dolfinx
from mechlearn.linalg.dof_groups import Kinds

_petsc = ctypes.CDLL(str(dolfinx.fem.petsc.get_petsc_lib()))
#: What petsc4py has no names for: MAT_FACTOR_CHOLESKY and MAT_LOCAL, and records of numbers, here
#: with room to spare, in one of which that of used entries has this place.
_CHOLESKY, _LOCAL, _NUMBERS_USED = 2, 1, 2
_Record = ctypes.c_double * 32


class Elimination(NamedTuple):
    """An order of degrees of freedom, the first to be eliminated first, (dofs,), and what it costs.

    ``entries`` is how many numbers the factor has.
    """

    order: NDArray[np.int64]
    entries: int


def elimination(matrix: PETSc.Mat) -> Elimination:
    """An order for a matrix on one rank, node by node: the best of those that PETSc finds.

    Minimum degree is for small graphs, METIS's nested dissection for large ones; PETSc's own leaves
    up to half as many numbers again.
    """
    nodes = _nodes(matrix)
    orders = _orders(nodes, "qmd", "metisnd")
    found = [(_factor_entries(nodes, order), order.indices) for order in orders]
    entries, order = min(found, key=itemgetter(0))
    width = matrix.getBlockSize()
    return Elimination(_by_dof(order, width), width**2 * entries)


def nested_dissection(matrix: PETSc.Mat) -> NDArray[np.int64]:
    """An order for a large matrix on one rank, node by node, (dofs,); its cost is not looked at."""
    order = next(_orders(_nodes(matrix), "metisnd", "nd"))
    return _by_dof(order.indices, matrix.getBlockSize())


def _orders(nodes: PETSc.Mat, *kinds: str) -> Iterator[PETSc.IS]:
    """Those that there are: not every PETSc comes with METIS."""
    for kind in kinds:
        with contextlib.suppress(PETSc.Error):
            yield nodes.getOrdering(kind)[0]


def _nodes(matrix: PETSc.Mat) -> PETSc.Mat:
    """A matrix with an entry for every block of nodes that has one."""
    width, index = matrix.getBlockSize(), PETSc.IntType
    pointer, columns, _ = matrix.getValuesCSR()
    nodes = (len(pointer) - 1) // width
    rows = np.repeat(np.arange(len(pointer) - 1), np.diff(pointer)) // width
    # What is there several times is summed; of use is only where.
    graph = sparse.coo_array((np.ones(len(rows)), (rows, columns // width)), shape=(nodes, nodes))
    graph = sparse.csr_array(graph + sparse.eye_array(nodes))
    pattern = PETSc.Mat().createAIJ(
        (nodes, nodes), comm=PETSc.COMM_SELF,
        csr=(graph.indptr.astype(index), graph.indices.astype(index), graph.data),
    )  # fmt: skip
    pattern.assemble()
    return pattern


def _by_dof(nodes: NDArray, width: int) -> NDArray[np.int64]:
    """The degrees of freedom of nodes, node after node."""
    return (width * nodes[:, None].astype(np.int64) + np.arange(width)).ravel()


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
    kinds : Kinds
        The rows of the matrix that are none of supports.

    Attributes
    ----------
    width : int
    matrix : PETSc.Mat
        The one in that order, of type "sbaij".
    kinds : Kinds
        Those rows in that order.
    """

    def __init__(
        self, matrix: PETSc.Mat, order: NDArray[np.int64], width: int, kinds: Kinds
    ) -> None:
        self.width = width
        pointer, columns, _ = matrix.getValuesCSR()
        size, entries = len(order), len(columns)
        rank, index = np.argsort(order), PETSc.IntType
        i, j = rank[np.repeat(np.arange(size), np.diff(pointer))], rank[columns]
        self.kinds = kinds.placed(rank)
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
        self._source = np.full(len(zeros), -1)
        self._source[place] = above
        self._empty = np.flatnonzero(self._source < 0)
        # Numbers are read and written where PETSc keeps them, so that must stay where it is.
        self._whole = matrix
        matrix.setOption(PETSc.Mat.Option.NEW_NONZERO_LOCATION_ERR, True)
        self._given = numbers(matrix, "AIJ", entries)
        self._taken = numbers(self.matrix, "SBAIJ", len(zeros))

    def renew(self) -> None:
        """Take over the numbers of the matrix as they are now."""
        # Every place is in range; other modes than "clip" make a copy first.
        self._given.take(self._source, out=self._taken, mode="clip")
        if len(self._empty):
            self._taken[self._empty] = 0.0
        self.matrix.stateIncrease()


def _factor_entries(matrix: PETSc.Mat, order: PETSc.IS) -> int:
    """How many numbers the factor of a matrix has, without making it."""
    given, rows = ctypes.c_void_p(matrix.handle), ctypes.c_void_p(order.handle)
    factor, options, info = ctypes.c_void_p(), _Record(), _Record()
    _call("MatGetFactor", given, b"petsc", _CHOLESKY, ctypes.byref(factor))
    _call("MatFactorInfoInitialize", ctypes.byref(options))
    _call("MatCholeskyFactorSymbolic", factor, given, rows, ctypes.byref(options))
    _call("MatGetInfo", factor, _LOCAL, ctypes.byref(info))
    _call("MatDestroy", ctypes.byref(factor))
    return int(info[_NUMBERS_USED])


def numbers(matrix: PETSc.Mat, kind: str, count: int) -> NDArray[np.float64]:
    """The numbers of a matrix of some kind where PETSc keeps them, while the matrix exists."""
    handle, start = ctypes.c_void_p(matrix.handle), ctypes.POINTER(ctypes.c_double)()
    _call(f"MatSeq{kind}GetArray", handle, ctypes.byref(start))
    found = np.ctypeslib.as_array(start, shape=(count,))
    # What is given back is the right to look; the memory stays.
    _call(f"MatSeq{kind}RestoreArray", handle, ctypes.byref(start))
    return found


def _call(name: str, *given: Any) -> None:
    """Call a function of PETSc that petsc4py does not have."""
    error = _petsc[name](*given)
    if error:
        raise PETSc.Error(error)
