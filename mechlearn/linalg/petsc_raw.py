"""Functions of PETSc that petsc4py lacks, by ctypes, each with a substitute by petsc4py.

Values of sparse matrices are read and written where PETSc stores them. A wrong signature would
corrupt memory in silence, so at first use the results are compared with those of the substitutes on
small matrices. Where they differ, or a function is missing, the substitutes serve, which copy and
insert: slower, with the same results.
"""

# petsc4py declares lists where it takes arrays.
# mypy: disable-error-code="arg-type"
import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.fenics import PETSc, dolfinx


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


# -- by ctypes -------------------------------------------------------------------------------------


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


# -- by petsc4py -----------------------------------------------------------------------------------


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
