"""Sparse symmetric systems with a few dense rows, ``[[K, B], [B^T, C]]``, by a Schur complement.

``K`` is factorised as it is without them; ``C - B^T K^-1 B`` is small and dense, and the signs of
its eigenvalues add to the inertia (E. V. Haynsworth, Linear Algebra Appl. 1, 73 (1968),
https://doi.org/10.1016/0024-3795(68)90050-5). Of a network, the dense rows are those of the
macroscopic strain.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import SolveError
from mechlearn.fenics import MPI
from mechlearn.linalg.factorisation import Inertia
from mechlearn.linalg.solver import DirectSolver
from mechlearn.parallel import total

#: Relative size of an eigenvalue of the Schur complement below which it is zero.
SINGULAR = 1e-12


@dataclass(eq=False)
class BorderedMatrix:
    """Dense rows of a bordered matrix.

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
    """Direct solver of a bordered matrix.

    Parameters
    ----------
    inner : DirectSolver
        Of ``K``.
    border : BorderedMatrix
        Its arrays may change before every :meth:`factor`.
    definite : bool
        Promise that the whole matrix is positive definite.
    """

    def __init__(self, inner: DirectSolver, border: BorderedMatrix, *, definite: bool) -> None:
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
