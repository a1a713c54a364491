"""Solution of symmetric systems for blocks of columns: direct, and iterative for large solids."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import SolveError
from mechlearn.fenics import PETSc
from mechlearn.ordered import Ordered, elimination_order
from mechlearn.ranks import total

#: PETSc's own factorisation is faster than MUMPS while columns of the factor have no more numbers
#: than this on average, by blocks or one by one, as they do with this many unknowns; and blocks are
#: faster than numbers from so many of them in the whole factor on (measured, 2D and 3D).
LONGEST, LONGEST_ONE_BY_ONE, MUMPS_FROM, BLOCKS_FROM = 50.0, 40.0, 12_000, 10_000
#: A factorisation by blocks is trusted where it solves for a random load as well as this, and that
#: load, each part of it in units of what it meets on its own, does no more work than this.
ROUGH, SOFT = 1e-10, 1e12
#: What gives way this much more than other parts do is loose; only rounding resists it.
LOOSE = 1e14
#: Relative residual at which conjugate gradients stop, and their number of iterations.
RELATIVE, ITERATIONS = 1e-10, 2000

SINGULAR = (
    "The stiffness matrix is singular: some part of the network moves without resistance, or a "
    "bond has lost its stiffness."
)


class Inertia(NamedTuple):
    """Numbers of negative, zero and positive eigenvalues."""

    negative: int
    zero: int
    positive: int


class DirectSolver:
    """Factorise a sparse symmetric matrix again and again, and solve for many columns at once.

    Parameters
    ----------
    matrix : PETSc.Mat
        It may change before every :meth:`factor`.
    definite : bool
        Promise that the matrix is positive definite (Cholesky); else LDL^T, with inertia.
    """

    def __init__(self, matrix: PETSc.Mat, *, definite: bool) -> None:
        self.matrix, self._definite = matrix, definite
        self._by_block: Factors | None = None
        self._factors: Factors | None = None

    def _choose(self) -> None:
        """Find the fastest way to factorise the matrix, whose pattern is now known."""
        matrix, definite, order = self.matrix, self._definite, None
        if matrix.comm.size == 1 and matrix.size[0] < MUMPS_FROM:
            order = elimination_order(matrix)
            ordered = Ordered(matrix, order, 1)
            entries, width = ordered.fill(), matrix.getBlockSize()
            # Only the kernel for single numbers knows the signs of the eigenvalues.
            blocks = definite and width > 1
            if entries > (LONGEST if blocks else LONGEST_ONE_BY_ONE) * len(order):
                order = None
            elif blocks and entries > BLOCKS_FROM:
                self._by_block = Factors(Ordered(matrix, order, width), definite)
                self._probe = Probe(self._by_block.matrix)
        self._one_by_one = Factors(matrix if order is None else ordered, definite)
        self._blocks = Blocks(matrix, order)

    def factor(self) -> None:
        """Factorise the matrix as it is now; raises SolveError where it is singular."""
        if self._factors is None:
            self._choose()
        try:
            self._factors = self._by_block or self._one_by_one
            self._factors.renew()
            loose = self._by_block is not None and self._is_loose()
        except PETSc.Error as error:
            raise SolveError(SINGULAR, "singular") from error
        if loose:
            raise SolveError(SINGULAR, "singular")

    def _is_loose(self) -> bool:
        """Whether something moves without resistance; factorises anew where that is not clear.

        One by one then: blocks are inverted, which loses the digits of ill-conditioned ones.
        Stiffnesses that differ by six orders of magnitude make some.
        """
        self._answer = answer = self._probe.answer(self._factors.ksp)
        if not (answer.missed < ROUGH and 0 <= answer.work < SOFT):
            self._factors = self._one_by_one
            self._factors.renew()
            answer = self._probe.answer(self._factors.ksp)
        resists = 0 <= answer.work < LOOSE and answer.spread < LOOSE
        return not (resists or math.isnan(answer.work))

    def inertia(self) -> Inertia:
        """Signs of the eigenvalues, from the pivots of the last factorisation."""
        return Inertia(*self._factors.ksp.getPC().getFactorMatrix().getInertia())

    def solve(self, columns: NDArray) -> NDArray[np.float64]:
        """Solve for every column, shape (owned rows, k); the result has the same shape."""
        k = columns.shape[1]
        if k == 0:
            return np.empty(columns.shape)
        b, x = self._blocks.right(columns), self._blocks.get("solution", k)[0]
        try:
            self._factors.ksp.matSolve(b, x)
        except PETSc.Error as error:
            raise SolveError(
                "The factorised stiffness matrix could not be solved with.", "singular"
            ) from error
        return self._blocks.solution(k)

    def missed(self) -> float:
        """By how much the last solution misses its right-hand side, relative to it.

        Where a random load was solved for to see that, by how much it was missed.
        """
        if self._factors is self._by_block:
            return self._answer.missed
        return self._blocks.missed()


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
        basis = []
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
        self._blocks = Blocks(matrix)
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
        return out.copy(order="C")

    def missed(self) -> float:
        """By how much the last solution misses its right-hand side, relative to it."""
        return self._blocks.missed()


class Factors:
    """One way to factorise a symmetric matrix, and solve with that.

    Parameters
    ----------
    matrix : PETSc.Mat or Ordered
        By MUMPS as it is, or by PETSc itself in another order.
    definite : bool

    Attributes
    ----------
    matrix : PETSc.Mat
        What is factorised.
    ksp : PETSc.KSP
    """

    def __init__(self, matrix: "PETSc.Mat | Ordered", definite: bool) -> None:
        self._ordered = matrix if isinstance(matrix, Ordered) else None
        self.matrix = matrix.matrix if isinstance(matrix, Ordered) else matrix
        self._definite = definite
        self.ksp = ksp = PETSc.KSP().create(self.matrix.comm)
        ksp.setOperators(self.matrix)
        ksp.setType("preonly")
        # PETSc reports a failed factorisation as a "reason" and goes on unless told to stop.
        ksp.setErrorIfNotConverged(True)
        pc = ksp.getPC()
        pc.setType("cholesky")
        pc.setFactorSolverType("petsc" if self._ordered else "mumps")
        # A zero pivot must be an error, not a quiet 1e-300: that is a floppy network.
        pc.setFactorPivot(zeropivot=1e-14)
        if self._ordered is None:
            ksp.setOptionsPrefix("mechlearn_mumps_")
            options = PETSc.Options("mechlearn_mumps_")
            options["mat_mumps_icntl_13"] = 1  # root front on one rank: else no inertia in parallel
            options["mat_mumps_icntl_24"] = 1  # find null pivots, and report them as such
            ksp.setFromOptions()

    def renew(self) -> None:
        """Factorise the matrix as it is now; raises PETSc.Error where that is not possible."""
        if self._ordered:
            self._ordered.renew()
        # A matrix whose pattern has grown has forgotten what it is.
        self.matrix.setOption(PETSc.Mat.Option.SYMMETRIC, True)
        self.matrix.setOption(PETSc.Mat.Option.SPD, self._definite)
        self.ksp.setOperators(self.matrix)
        self.ksp.setUp()


class Answer(NamedTuple):
    """How a factorised matrix answers a :class:`Probe`.

    By how much the load is missed, relative to it; the work that it does; how many times stiffer
    the stiffest degree of freedom is on its own than the softest.
    """

    missed: float
    work: float
    spread: float


class Probe:
    """A random load, to find out whether a factorisation is to be trusted.

    Parameters
    ----------
    matrix : PETSc.Mat
        The one that is factorised, positive definite, on one rank.
    """

    def __init__(self, matrix: PETSc.Mat) -> None:
        self._matrix, size = matrix, matrix.size[0]
        self._load, self._moved, self._met = (np.zeros(size) for _ in range(3))
        self._vectors = [PETSc.Vec().createWithArray(array, comm=matrix.comm)
                         for array in (self._load, self._moved, self._met)]  # fmt: skip
        random = np.random.default_rng(0)
        self._amounts = random.uniform(0.5, 1.0, size) * random.choice([-1.0, 1.0], size)

    def answer(self, ksp: PETSc.KSP) -> Answer:
        """Solve for the load."""
        load, moved, met = self._vectors
        self._matrix.getDiagonal(load)
        softest, stiffest = self._load.min(), self._load.max()
        # Every part of the load is in units of what it meets, whatever those are.
        np.sqrt(self._load, out=self._load)
        self._load *= self._amounts
        ksp.solve(load, moved)
        self._matrix.mult(moved, met)
        self._met -= self._load
        missed, size = self._met @ self._met, self._load @ self._load
        spread = stiffest / softest if softest > 0 else math.inf
        return Answer(math.sqrt(missed / size), float(self._load @ self._moved), spread)


class Blocks:
    """Blocks of columns as PETSc matrices, distributed like a matrix's rows, to be used again.

    Parameters
    ----------
    matrix : PETSc.Mat
    order : (owned rows,) integer array, optional
        Which row of the matrix comes where in the blocks.
    """

    def __init__(self, matrix: PETSc.Mat, order: NDArray[np.int64] | None = None) -> None:
        self._matrix, self._comm, self._order = matrix, matrix.comm.tompi4py(), order
        self._back = None if order is None else np.argsort(order)
        self._made: dict[tuple[str, bool], tuple[PETSc.Mat, NDArray]] = {}
        self._sum, self._product = (np.zeros(matrix.getLocalSize()[0]) for _ in range(2))
        self._vectors = [
            PETSc.Vec().createWithArray(array, size=matrix.getSizes()[0], comm=matrix.comm)
            for array in (self._sum, self._product)
        ]
        self._random = np.random.default_rng(0)  # the same on all ranks
        self._columns: NDArray | None = None
        self._amounts, self._wanted = np.empty(0), np.empty(0)

    def get(self, name: str, k: int) -> tuple[PETSc.Mat, NDArray[np.float64]]:
        """A dense matrix of ``k`` columns and the array (owned rows, k) that holds its numbers.

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
        """The block "right", which holds some columns from now on.

        An array that cannot be written to is not copied again.
        """
        block, array = self.get("right", columns.shape[1])
        if columns is not self._columns:
            array[:] = columns if self._order is None else columns[self._order]
            sizes = np.sqrt(total(self._comm, np.einsum("ij,ij->j", columns, columns)))
            amounts = self._random.uniform(1.0, 2.0, array.shape[1])
            self._amounts = amounts / np.where(sizes > 0, sizes, np.inf)
            self._wanted = columns @ self._amounts
            self._columns = None if columns.flags.writeable else columns
        return block

    def solution(self, k: int) -> NDArray[np.float64]:
        """A copy of the block "solution", in the order of the matrix."""
        found = self.get("solution", k)[1]
        if self._back is None:
            return found.copy(order="C")
        return found.take(self._back, axis=0, mode="clip")

    def missed(self) -> float:
        """How far the matrix times the block "solution" is from the block "right", relatively.

        Of one random sum of the columns, each in units of its own right-hand side: no column can
        hide in it, and it costs one product however many there are.
        """
        found = self.get("solution", len(self._amounts))[1] @ self._amounts
        if self._back is None:
            self._sum[:] = found
        else:
            found.take(self._back, out=self._sum, mode="clip")
        self._matrix.mult(*self._vectors)
        miss = self._product - self._wanted
        return math.sqrt(total(self._comm, miss @ miss))
