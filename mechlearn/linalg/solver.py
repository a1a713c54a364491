"""Solvers of sparse symmetric systems for blocks of columns: direct, bordered, and CG."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import SolveError
from mechlearn.fenics import MPI, PETSc
from mechlearn.linalg.cholmod import CholmodFactors, available
from mechlearn.linalg.factorisation import DofGroups, Factors, Inertia, MumpsFactors
from mechlearn.linalg.petsc_kernels import (
    BlockFactors,
    KernelFactors,
    elimination,
    nested_dissection,
)
from mechlearn.parallel import total

#: Mean number of entries of a column of the factor up to which PETSc's kernels are the fastest, by
#: entries and by blocks: with CHOLMOD and without. These and the next were measured, with networks
#: in 2D and 3D.
KERNEL_COLUMN = {True: (30.0, 45.0), False: (45.0, 55.0)}
#: Entries of the factor from which blocks are faster than single entries.
BLOCKS_FROM = 10_000
#: Columns are longer for sure where the unknowns times the cube of the entries of a row are more.
DENSE_FACTOR = 1e9
#: Right-hand sides for which MUMPS makes up for its slower factorisation beside CHOLMOD: in dense
#: factors, and in others per entry of a column.
MAX_RHS, MAX_RHS_PER_ENTRY = 50.0, 0.2
#: Relative residual at which conjugate gradients stop, and their number of iterations.
RELATIVE, ITERATIONS = 1e-10, 2000
#: Relative size of an eigenvalue of the Schur complement below which it is zero.
SINGULAR = 1e-12


def select_factors(
    matrix: PETSc.Mat, definite: bool, groups: DofGroups
) -> tuple[Factors, NDArray[np.int64] | None]:
    """Backend that factorises a matrix the fastest, by its estimated fill-in, and its order.

    The order is None where the backend takes the matrix as it is.
    """
    if matrix.comm.size > 1:
        return MumpsFactors(matrix, definite, groups), None
    # Only the kernel for single entries knows the signs of the eigenvalues.
    width = matrix.getBlockSize() if definite else 1
    size, order, max_rhs = matrix.size[0], None, MAX_RHS
    in_a_row = matrix.getInfo()["nz_used"] / max(size, 1)
    if size * in_a_row**3 < DENSE_FACTOR:
        order, entries = elimination(matrix)
        if entries <= size * KERNEL_COLUMN[available()][width > 1]:
            if width == 1 or entries < BLOCKS_FROM:
                return KernelFactors(matrix, order, 1, groups, definite), order
            return BlockFactors(matrix, order, width, groups), order
        max_rhs = MAX_RHS_PER_ENTRY * entries / size
    if available():
        order = nested_dissection(matrix) if order is None else order
        return CholmodFactors(matrix, order, definite, max_rhs, groups), None
    return MumpsFactors(matrix, definite, groups), None


class DirectSolver:
    """Direct solver of a sparse symmetric matrix for many right-hand sides at once.

    Parameters
    ----------
    matrix : PETSc.Mat
        It may change before every :meth:`factor`.
    definite : bool
        Promise that the matrix is positive definite (Cholesky); else LDL^T, with inertia.
    free : (owned rows,) bool array, optional
        Mask of unconstrained rows, all if left out; constrained ones have a unit diagonal.
    arm : (owned rows,) array, optional
        Units of the right-hand side, row by row: moments count as forces at such an arm.
    """

    def __init__(
        self,
        matrix: PETSc.Mat,
        *,
        definite: bool,
        free: NDArray[np.bool_] | None = None,
        arm: NDArray | None = None,
    ) -> None:
        self.matrix, self._definite, self._free, self._arm = matrix, definite, free, arm
        # Before something is assembled into it, a matrix has no pattern.
        self._valid_pattern = False

    def factor(self) -> None:
        """Factorise the matrix as it is now; raises SolveError where it is singular."""
        if not self._valid_pattern:
            size = self.matrix.getLocalSize()[0]
            rows = np.arange(size) if self._free is None else np.flatnonzero(self._free[:size])
            groups = DofGroups(rows, self.matrix.getBlockSize())
            self._factors, order = select_factors(self.matrix, self._definite, groups)
            self._blocks = ColumnBlocks(self.matrix, order, self._arm)
            self._valid_pattern = True
        self._factors.renew()

    def invalidate_pattern(self) -> None:
        """Note that the sparsity pattern has changed; the next factorisation begins anew."""
        self._valid_pattern = False

    def inertia(self) -> Inertia:
        """Signs of the eigenvalues, from the pivots of the last factorisation."""
        return self._factors.inertia()

    def solve(self, columns: NDArray) -> NDArray[np.float64]:
        """Solve for every column, shape (owned rows, k); the result has the same shape."""
        k = columns.shape[1]
        if k == 0:
            return np.empty(columns.shape)
        b, x = self._blocks.right(columns), self._blocks.get("solution", k)[0]
        try:
            self._factors.solve(b, x)
        except PETSc.Error as error:
            raise SolveError(
                "The factorised stiffness matrix could not be solved with.", "singular"
            ) from error
        return self._blocks.solution(k)

    def relative_residual(self, solution: NDArray) -> float:
        """Relative residual of the last :meth:`solve`, which gave this, or of a random load."""
        known = self._factors.relative_residual
        return self._blocks.relative_residual(solution) if known is None else known


@dataclass(eq=False)
class BorderedMatrix:
    """Dense rows of a bordered matrix ``[[K, B], [B^T, C]]``.

    Of a network, they are those of the macroscopic strain.

    Attributes
    ----------
    comm : MPI communicator
        Its first rank owns the unknowns of the dense rows, which come last there.
    B : (owned rows of K, c) array
    C : (c, c) array
    """

    comm: MPI.Comm
    B: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    C: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))

    def split(self, block: NDArray) -> tuple[NDArray, NDArray]:
        """Owned sparse rows, and the dense ones, whole on every rank."""
        c = len(self.C)
        sparse = block[:-c] if self.comm.rank == 0 else block
        dense: Any = block[-c:].copy() if self.comm.rank == 0 else None
        return sparse, dense if self.comm.size == 1 else self.comm.bcast(dense)

    def join(self, sparse: NDArray, dense: NDArray) -> NDArray[np.float64]:
        """Owned rows of both."""
        return np.concatenate([sparse, dense]) if self.comm.rank == 0 else sparse


class BorderedSolver:
    """Direct solver of a bordered matrix, by the Schur complement ``C - B^T K^-1 B``.

    ``K`` is factorised as it is without the border; the complement is small and dense, and the
    signs of its eigenvalues add to the inertia (E. V. Haynsworth, Linear Algebra Appl. 1, 73
    (1968), https://doi.org/10.1016/0024-3795(68)90050-5).

    Parameters
    ----------
    inner : DirectSolver, or IterativeSolver where all is definite
        Of ``K``.
    border : BorderedMatrix
        Its arrays may change before every :meth:`factor`.
    definite : bool
        Promise that the whole matrix is positive definite.
    """

    def __init__(self, inner: Any, border: BorderedMatrix, *, definite: bool) -> None:
        self._inner, self._border, self._definite = inner, border, definite

    def factor(self) -> None:
        """Factorise the matrix as it is now; raises SolveError where it is singular."""
        self._inner.factor()
        # The border may change while this factorisation serves for other states.
        self._b = self._border.B.copy()
        c = self._border.C
        self._solved_b = self._inner.solve(self._b)
        schur = c - total(self._border.comm, self._b.T @ self._solved_b)
        self._schur = (schur + schur.T) / 2
        self._scale = 1 / np.sqrt(np.maximum(np.abs(c.diagonal()), 1e-300))
        self._eigenvalues = np.linalg.eigvalsh(self._schur * np.outer(self._scale, self._scale))
        if self._definite and not self._eigenvalues.min() > SINGULAR:
            raise SolveError(
                "The cell deforms without resistance: the network is floppy where its cell is not "
                "held; hold more of the cell's strain, or add bonds."
            )

    @property
    def schur(self) -> NDArray[np.float64]:
        """Schur complement of ``K``, (c, c); raises SolveError where ``K`` is singular."""
        if not self._definite and self._inner.inertia().zero:
            raise SolveError("The state is at the limit of its stability.", "singular")
        return self._schur

    def inertia(self) -> Inertia:
        """Signs of the eigenvalues of the whole matrix."""
        e = self._eigenvalues
        of_schur = e < -SINGULAR, np.abs(e) <= SINGULAR, e > SINGULAR
        both = zip(self._inner.inertia(), of_schur, strict=True)
        return Inertia(*(n + int(those.sum()) for n, those in both))

    def solve(self, columns: NDArray) -> NDArray[np.float64]:
        """Solve for every column, shape (owned rows, k); the result has the same shape."""
        sparse, dense = self._border.split(columns)
        x = self._inner.solve(sparse)
        right = dense - total(self._border.comm, self._b.T @ x)
        s = self._scale[:, None]
        y = s * np.linalg.solve(self._schur * (s * s.T), s * right)
        return self._border.join(x - self._solved_b @ y, y)

    def relative_residual(self, solution: NDArray) -> float:
        """Relative residual of the sparse part of the last :meth:`solve`, which gave this."""
        x, y = self._border.split(solution)
        return self._inner.relative_residual(x + self._solved_b @ y)


class IterativeSolver:
    """Conjugate gradients with algebraic multigrid, for large positive definite systems in 3D.

    GAMG aggregates unknowns so that the rigid motions of the body are kept on every level.

    Parameters
    ----------
    matrix : PETSc.Mat
        It may change before every :meth:`factor`.
    rigid_motions : list of (owned rows,) arrays
        Motions that cost nothing but for supports.
    """

    package = "gamg"

    def __init__(self, matrix: PETSc.Mat, rigid_motions: list[NDArray]) -> None:
        self.matrix = matrix
        basis = list[PETSc.Vec]()
        for motion in rigid_motions:
            vector = matrix.createVecRight()
            vector.array[:] = motion
            for other in basis:
                vector.axpy(-vector.dot(other), other)
            vector.normalize()
            basis.append(vector)
        self._rigid_motions = PETSc.NullSpace().create(vectors=basis, comm=matrix.comm)
        self._ksp = PETSc.KSP().create(matrix.comm)
        self._ksp.setOperators(matrix)
        self._ksp.setType("cg")
        self._ksp.setTolerances(rtol=RELATIVE, max_it=ITERATIONS)
        self._ksp.getPC().setType("gamg")
        self._ksp.setOptionsPrefix("mechlearn_gamg_")
        options = PETSc.Options("mechlearn_gamg_")
        # Chebyshev needs no order of the unknowns, so the answer hardly depends on the ranks.
        options["mg_levels_ksp_type"] = "chebyshev"
        options["mg_levels_pc_type"] = "jacobi"
        options["mg_levels_ksp_max_it"] = 3
        # Aggregates of weakly coupled unknowns are what slender struts need: drop little.
        options["pc_gamg_threshold"] = 0.01
        self._ksp.setFromOptions()
        self._blocks = ColumnBlocks(matrix)
        self.iterations: list[int] = []

    def factor(self) -> None:
        """Set the multigrid up for the matrix as it is now."""
        # A matrix whose pattern has grown has forgotten what it is.
        self.matrix.setOption(PETSc.Mat.Option.SYMMETRIC, True)
        self.matrix.setOption(PETSc.Mat.Option.SPD, True)
        self.matrix.setNearNullSpace(self._rigid_motions)
        self._ksp.setOperators(self.matrix)
        self._ksp.setUp()

    def solve(self, columns: NDArray) -> NDArray[np.float64]:
        """Solve for every column, shape (owned rows, k); raises SolveError where one fails."""
        out = self._blocks.get("solution", columns.shape[1])[1]
        self._blocks.right(columns)
        b, x = self.matrix.createVecLeft(), self.matrix.createVecRight()
        for k, column in enumerate(columns.T):
            b.array[:] = column
            self._ksp.solve(b, x)
            self.iterations.append(self._ksp.getIterationNumber())
            if self._ksp.getConvergedReason() < 0:
                raise SolveError(
                    f"Conjugate gradients did not converge in {ITERATIONS} iterations: some part "
                    "of the solid moves almost without resistance, or its cells are too flat.",
                    "singular",
                )
            out[:, k] = x.array
        b.destroy()
        x.destroy()
        return self._blocks.solution(columns.shape[1])

    def relative_residual(self, solution: NDArray) -> float:
        """Relative residual of the last :meth:`solve`, which gave this."""
        return self._blocks.relative_residual(solution)


class ColumnBlocks:
    """Blocks of columns as dense PETSc matrices, distributed like a matrix's rows and kept.

    Parameters
    ----------
    matrix : PETSc.Mat
    order : (owned rows,) integer array, optional
        Order of the matrix's rows in the blocks.
    arm : (owned rows,) array, optional
        Units of the residual, row by row of the matrix; 1 if left out.
    """

    def __init__(
        self, matrix: PETSc.Mat, order: NDArray[np.int64] | None = None, arm: NDArray | None = None
    ) -> None:
        self._arm = arm
        self._matrix, self._comm, self._order = matrix, matrix.comm.tompi4py(), order
        self._back = None if order is None else np.argsort(order)
        self._made: dict[tuple[str, bool], tuple[PETSc.Mat, NDArray]] = {}
        self._sum, self._less, self._residual = (
            np.zeros(matrix.getLocalSize()[0]) for _ in range(3)
        )
        self._vectors = [
            PETSc.Vec().createWithArray(array, size=matrix.getSizes()[0], comm=matrix.comm)
            for array in (self._sum, self._less, self._residual)
        ]
        self._random = np.random.default_rng(0)  # the same on all ranks
        self._columns: NDArray | None = None
        # The residual of most columns is never asked for.
        self._given, self._amounts, self._weighed = np.empty((0, 0)), np.empty(0), True

    def get(self, name: str, k: int) -> tuple[PETSc.Mat, NDArray[np.float64]]:
        """Dense matrix of ``k`` columns and the array (owned rows, k) that shares its memory.

        The one of that name is kept until another number of columns is asked for; that of a single
        column stays beside it.
        """
        key = name, k == 1
        made = self._made.get(key)
        if made is None or made[1].shape[1] != k:
            rows, size = self._matrix.getLocalSize()[0], self._matrix.getSize()[0]
            array = np.zeros((rows, k), order="F")
            dense = PETSc.Mat().createDense(
                ((rows, size), (PETSc.DECIDE, k)), array=array, comm=self._matrix.comm
            )
            dense.assemble()
            if made is not None:
                made[0].destroy()
            made = self._made[key] = dense, array
        return made

    def right(self, columns: NDArray) -> PETSc.Mat:
        """The block "right", filled with some columns.

        An array that cannot be written to is not copied again.
        """
        block, array = self.get("right", columns.shape[1])
        if columns is not self._columns:
            array[:] = columns if self._order is None else columns[self._order]
            self._columns = None if columns.flags.writeable else columns
            self._given, self._weighed = columns, False
        return block

    def _weigh(self) -> None:
        """Choose the linear combination of right-hand sides whose residual is computed."""
        columns = self._given
        scaled = columns if self._arm is None else columns / self._arm[:, None]
        sizes = np.sqrt(total(self._comm, np.einsum("ij,ij->j", scaled, scaled)))
        amounts = self._random.uniform(1.0, 2.0, columns.shape[1])
        self._amounts = amounts / np.where(sizes > 0, sizes, np.inf)
        self._less[:] = -columns @ self._amounts
        self._weighed = True

    def solution(self, k: int) -> NDArray[np.float64]:
        """A copy of the block "solution", in the order of the matrix and column after column."""
        found = self.get("solution", k)[1].T
        # Every place is in range; other modes than "clip" look at each.
        mine = found.copy() if self._back is None else found.take(self._back, axis=1, mode="clip")
        return mine.T

    def relative_residual(self, solution: NDArray) -> float:
        """Relative residual of a solution for the last :meth:`right`.

        Of one random sum of the columns, each in units of its own right-hand side: no column can
        hide in it, and it costs one product however many there are.
        """
        if not self._weighed:
            self._weigh()
        solution.dot(self._amounts, out=self._sum)
        self._matrix.multAdd(*self._vectors)
        if self._arm is not None:
            self._residual /= self._arm
        return math.sqrt(total(self._comm, self._residual.dot(self._residual)))
