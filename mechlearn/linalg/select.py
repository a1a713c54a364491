"""Which way to factorise a matrix is the fastest."""

import numpy as np
from numpy.typing import NDArray

from mechlearn.fenics import PETSc
from mechlearn.linalg.cholmod import CholmodFactors, available
from mechlearn.linalg.dof_groups import Kinds
from mechlearn.linalg.factorisation import BlockFactors, Factors, KernelFactors, MumpsFactors
from mechlearn.linalg.ordering import Ordered, elimination, nested_dissection

# All of this was measured, with networks in 2D and 3D.

#: PETSc's own kernels are the fastest while columns of the factor have no more numbers than this on
#: average: one by one, and by blocks.
LONGEST, LONGEST_BY_BLOCK = 45.0, 55.0
#: The same where there is CHOLMOD.
LONGEST_BESIDE_CHOLMOD, LONGEST_BY_BLOCK_BESIDE_CHOLMOD = 30.0, 45.0
#: Blocks are faster than single numbers from so many of them in the whole factor on.
BLOCKS_FROM = 10_000
#: Columns are longer for sure where the unknowns, times the cube of how many numbers a row of the
#: matrix has, are more than this.
DENSE = 1e9
#: MUMPS solves for many columns faster than CHOLMOD: for more than so many in dense factors, in
#: others by the length of their columns, that makes up for its slower factorisation.
FEW, FEW_BY_LENGTH = 50.0, 0.2


def fastest(
    matrix: PETSc.Mat, definite: bool, kinds: Kinds
) -> tuple[Factors, NDArray[np.int64] | None]:
    """The fastest way to factorise a matrix whose pattern is known, and the order that it takes.

    None where it takes the matrix as it is. ``kinds`` are its rows that are none of supports.
    """
    if matrix.comm.size > 1:
        return MumpsFactors(matrix, definite, kinds), None
    longest, longest_by_block = (
        (LONGEST_BESIDE_CHOLMOD, LONGEST_BY_BLOCK_BESIDE_CHOLMOD)
        if available()
        else (LONGEST, LONGEST_BY_BLOCK)
    )
    # Only the kernel for single numbers knows the signs of the eigenvalues.
    width = matrix.getBlockSize() if definite else 1
    size, order, few = matrix.size[0], None, FEW
    in_a_row = matrix.getInfo()["nz_used"] / max(size, 1)
    if size * in_a_row**3 < DENSE:
        order, entries = elimination(matrix)
        if entries <= size * (longest_by_block if width > 1 else longest):
            if width == 1 or entries < BLOCKS_FROM:
                return KernelFactors(Ordered(matrix, order, 1, kinds), definite), order
            return BlockFactors(matrix, order, width, kinds), order
        few = FEW_BY_LENGTH * entries / size
    if available():
        order = nested_dissection(matrix) if order is None else order
        return CholmodFactors(matrix, order, definite, few, kinds), None
    return MumpsFactors(matrix, definite, kinds), None
