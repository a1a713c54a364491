"""Factorisation by PETSc's own kernels: in a fill-reducing order, by entries or in blocks (SBAIJ).

They are the fastest where factors are sparse, as those of networks in the plane and of slender
solids are. The degrees of freedom of a node come together in every row, so the order is found on
the graph of the nodes, which is smaller and better ordered for it; their entries make small dense
blocks, which for a definite matrix of many nodes are factorised twice as fast as single entries.
"""

# petsc4py declares lists where it takes arrays.
# mypy: disable-error-code="arg-type"
import contextlib
import ctypes
from collections.abc import Callable
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple, override

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.fenics import PETSc, dolfinx
from mechlearn.linalg.factorisation import (
    DofGroups,
    Factors,
    Inertia,
    PetscFactors,
    SolveCheck,
    has_zero_pivot,
    singular,
)

#: Pivot that PETSc itself refuses. Its own limit is not relative to anything.
SMALLEST_PIVOT = 1e-300


class Elimination(NamedTuple):
    """Order of elimination of the degrees of freedom, (dofs,), and entries of the factor."""

    order: NDArray[np.int64]
    entries: int


def elimination(matrix: PETSc.Mat) -> Elimination:
    """The best order that PETSc finds for a matrix on one rank, node by node.

    Minimum degree is for small graphs, METIS's nested dissection for large ones; PETSc's own leaves
    up to half as many entries again.
    """
    nodes, width, found = _nodes(matrix), matrix.getBlockSize(), []
    for kind in ("qmd", "metisnd"):
        with contextlib.suppress(PETSc.Error):  # not every PETSc comes with METIS
            order = nodes.getOrdering(kind)[0].indices
            found.append((_factor_entries(nodes, kind), order))
    entries, order = min(found, key=itemgetter(0))
    return Elimination(_by_dof(order, width), width**2 * entries)


def _factor_entries(matrix: PETSc.Mat, ordering: str) -> int:
    """Number of entries of the Cholesky factor of a positive definite matrix in an ordering."""
    pc = PETSc.PC().create(matrix.comm)
    pc.setOperators(matrix)
    pc.setType("cholesky")
    pc.setFactorSolverType("petsc")
    pc.setFactorOrdering(ordering)
    pc.setUp()
    return int(pc.getFactorMatrix().getInfo(PETSc.Mat.InfoType.LOCAL)["nz_used"])


def nested_dissection(matrix: PETSc.Mat) -> NDArray[np.int64]:
    """Order for a large matrix on one rank, node by node, (dofs,); its cost is not estimated."""
    nodes = _nodes(matrix)
    try:
        order = nodes.getOrdering("metisnd")[0]
    except PETSc.Error:
        order = nodes.getOrdering("nd")[0]
    return _by_dof(order.indices, matrix.getBlockSize())


def _nodes(matrix: PETSc.Mat) -> PETSc.Mat:
    """Positive definite matrix with an entry for every block of nodes that has one."""
    width, index = matrix.getBlockSize(), PETSc.IntType
    pointer, columns, _ = matrix.getValuesCSR()
    nodes = (len(pointer) - 1) // width
    rows = np.repeat(np.arange(len(pointer) - 1), np.diff(pointer)) // width
    graph = sparse.csr_array((np.ones(len(rows)), (rows, columns // width)), shape=(nodes, nodes))
    graph = sparse.csr_array(graph + sparse.diags_array(graph.sum(axis=1) + 1))
    pattern = PETSc.Mat().createAIJ(
        (nodes, nodes), comm=PETSc.COMM_SELF,
        csr=(graph.indptr.astype(index), graph.indices.astype(index), graph.data),
    )  # fmt: skip
    pattern.assemble()
    return pattern


def _by_dof(nodes: NDArray, width: int) -> NDArray[np.int64]:
    """Degrees of freedom of nodes, node after node."""
    return (width * nodes[:, None].astype(np.int64) + np.arange(width)).ravel()


class KernelFactors(PetscFactors):
    """Factors of a matrix on one rank by PETSc's kernel, from a permuted copy in blocks.

    Parameters
    ----------
    matrix : PETSc.Mat
        Of type "aij"; its values may change, its pattern not any more.
    order : (dofs,) integer array
        Order of elimination, which keeps nodes together.
    width : int
        Of the blocks; 1 for inertia.
    groups : DofGroups
    definite : bool
        Promise that it is positive definite; else the width must be 1.

    Attributes
    ----------
    permuted : PETSc.Mat
        The copy, of type "sbaij": blocks on and above the diagonal.
    groups : DofGroups
        In its order.
    """

    def __init__(
        self, matrix: PETSc.Mat, order: NDArray[np.int64], width: int, groups: DofGroups,
        definite: bool,
    ) -> None:  # fmt: skip
        pointer, columns, _ = matrix.getValuesCSR()
        size, place, index = len(order), np.argsort(order), PETSc.IntType
        i, j = place[np.repeat(np.arange(size), np.diff(pointer))], place[columns]
        above = np.flatnonzero(i // width <= j // width)
        i, j, blocks = i[above], j[above], size // width
        keys, block = np.unique(i // width * blocks + j // width, return_inverse=True)
        rows, columns = np.divmod(keys, blocks)
        pattern = (np.searchsorted(rows, np.arange(blocks + 1)).astype(index),
                   columns.astype(index))  # fmt: skip
        self.permuted = PETSc.Mat().createSBAIJ(
            (size, size),
            width,
            comm=PETSc.COMM_SELF,
            csr=(*pattern, np.zeros(len(keys) * width**2)),
        )
        super().__init__(self.permuted, definite, "petsc")
        self._pc.setFactorPivot(zeropivot=SMALLEST_PIVOT)
        self.groups, self._width = groups.permuted(place), width
        # Values are read and written where PETSc stores them, so that must stay where it is.
        matrix.setOption(PETSc.Mat.Option.NEW_NONZERO_LOCATION_ERR, True)
        self._read = stored_values(matrix)
        self._values, self._written = block_writer(self.permuted, *pattern)
        self._source = np.full(len(self._values), -1)
        self._source[(block * width + j % width) * width + i % width] = above
        self._empty = np.flatnonzero(self._source < 0)
        self._diagonal, self._pivots = np.zeros(size), np.zeros(size)
        self._vectors = [PETSc.Vec().createWithArray(array, comm=PETSc.COMM_SELF)
                         for array in (self._diagonal, self._pivots)]  # fmt: skip

    @override
    def renew(self) -> None:
        # Every place is in range; other modes than "clip" make a copy first.
        self._read().take(self._source, out=self._values, mode="clip")
        if len(self._empty):
            self._values[self._empty] = 0.0
        self._written()
        super().renew()
        if self._width == 1:
            diagonal, pivots = self._vectors
            self.permuted.getDiagonal(diagonal)
            self._pc.getFactorMatrix().getDiagonal(pivots)
            if has_zero_pivot(self.groups, self._pivots, self._diagonal):
                raise singular()


class BlockFactors(Factors):
    """Factors of a definite matrix by blocks where those are accurate, else by entries.

    Blocks on the diagonal are inverted, which loses the digits of ill-conditioned ones. Stiffnesses
    that differ by six orders of magnitude make some.

    Parameters
    ----------
    matrix : PETSc.Mat
    order : (dofs,) integer array
    width : int
        Of the blocks.
    groups : DofGroups
    """

    def __init__(
        self, matrix: PETSc.Mat, order: NDArray[np.int64], width: int, groups: DofGroups
    ) -> None:
        self._given = matrix, order, groups
        self._active = self._by_block = KernelFactors(matrix, order, width, groups, definite=True)
        self._by_entry: KernelFactors | None = None
        self._check = SolveCheck(self._by_block.permuted, self._by_block.groups)

    @override
    def renew(self) -> None:
        self._active = self._by_block
        self._active.renew()
        result = self._check(self._active.ksp)
        self.relative_residual = result.residual
        if not result.accurate:
            if self._by_entry is None:
                matrix, order, groups = self._given
                self._by_entry = KernelFactors(matrix, order, 1, groups, definite=True)
            self._active = self._by_entry
            self._active.renew()
            # A random load is harder to solve for than others here, and no measure for them.
            result, self.relative_residual = self._check(self._active.ksp), None
        if result.singular:
            raise singular()

    @override
    def solve(self, right: PETSc.Mat, out: PETSc.Mat) -> None:
        self._active.solve(right, out)

    @override
    def inertia(self) -> Inertia:
        return self._active.inertia()


# -- values where PETSc stores them ---------------------------------------------------------------

# petsc4py lacks the functions, which are called by ctypes, each with a substitute by petsc4py. A
# wrong signature would corrupt memory in silence, so at first use the results are compared with
# those of the substitutes on small matrices. Where they differ, or a function is missing, the
# substitutes serve, which copy and insert: slower, with the same results.


def stored_values(matrix: PETSc.Mat) -> Callable[[], NDArray[np.float64]]:
    """Function that returns the values of a sequential "aij" matrix as they are now, (entries,).

    The pattern may not change; the result may be the stored values themselves.
    """
    return _viewed(matrix) if trusted() else _copied(matrix)


def block_writer(
    matrix: PETSc.Mat, pointer: NDArray, columns: NDArray
) -> tuple[NDArray[np.float64], Callable[[], None]]:
    """Array for the values of an "sbaij" matrix, and a function to call once they are written.

    Values come block by block, in the order of the pattern, and each block column by column.

    Parameters
    ----------
    matrix : PETSc.Mat
    pointer, columns : integer arrays
        Its pattern of blocks, which may not change.
    """
    return (_view_of_blocks if trusted() else _inserted_blocks)(matrix, pointer, columns)


@cache
def trusted() -> bool:
    """True if the functions called by ctypes agree with petsc4py, which is found out once."""
    index, pointer, columns = PETSc.IntType, [0, 2, 4, 5], [0, 1, 1, 2, 2]
    dense = np.diag(np.arange(9.0, 14.0)) + np.diag(np.arange(1.0, 5.0), 1)
    matrix = PETSc.Mat().createDense((5, 5), array=dense + dense.T, comm=PETSc.COMM_SELF)
    matrix.assemble()
    matrix = matrix.convert("aij")
    products = []
    try:
        for writer in (_inserted_blocks, _view_of_blocks):
            pattern = np.array(pointer, dtype=index), np.array(columns, dtype=index)
            blocks = PETSc.Mat().createSBAIJ((6, 6), 2, csr=(*pattern, np.zeros(20)),
                                             comm=PETSc.COMM_SELF)  # fmt: skip
            values, finish = writer(blocks, *pattern)
            values[:] = np.arange(20.0)
            finish()
            vector, product = blocks.createVecRight(), blocks.createVecLeft()
            vector.array[:] = np.arange(6.0) ** 2
            blocks.mult(vector, product)
            products.append(product.array)
        return bool(
            np.dtype(PETSc.ScalarType) == np.float64
            and np.array_equal(*products)
            and np.array_equal(_viewed(matrix)(), _copied(matrix)())
        )
    except (AttributeError, OSError, PETSc.Error):
        return False


def _viewed(matrix: PETSc.Mat) -> Callable[[], NDArray[np.float64]]:
    values = _view(matrix, "AIJ", len(matrix.getValuesCSR()[2]))
    return lambda: values


def _view_of_blocks(
    matrix: PETSc.Mat, pointer: NDArray, columns: NDArray
) -> tuple[NDArray[np.float64], Callable[[], None]]:
    count = len(columns) * matrix.getBlockSize() ** 2
    return _view(matrix, "SBAIJ", count), matrix.stateIncrease


def _view(matrix: PETSc.Mat, kind: str, count: int) -> NDArray[np.float64]:
    """Values of a sequential matrix of some kind where PETSc stores them."""
    handle, start = ctypes.c_void_p(matrix.handle), ctypes.POINTER(ctypes.c_double)()
    _call(f"MatSeq{kind}GetArray", handle, ctypes.byref(start))
    found = np.ctypeslib.as_array(start, shape=(count,))
    # Only the right to look is given back; the memory stays where it is.
    _call(f"MatSeq{kind}RestoreArray", handle, ctypes.byref(start))
    return found


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(str(dolfinx.fem.petsc.get_petsc_lib()))


def _call(name: str, *given: Any) -> None:
    error = _library()[name](*given)
    if error:
        raise PETSc.Error(error)


def _copied(matrix: PETSc.Mat) -> Callable[[], NDArray[np.float64]]:
    return lambda: np.asarray(matrix.getValuesCSR()[2], dtype=float)


def _inserted_blocks(
    matrix: PETSc.Mat, pointer: NDArray, columns: NDArray
) -> tuple[NDArray[np.float64], Callable[[], None]]:
    width = matrix.getBlockSize()
    values = np.zeros((len(columns), width, width))

    def finish() -> None:
        matrix.setValuesBlockedCSR(pointer, columns, values.transpose(0, 2, 1).copy())
        matrix.assemble()

    return values.reshape(-1), finish
