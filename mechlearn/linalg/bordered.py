"""Solution of a sparse symmetric system with a few dense rows: a network, and its cell's strain.

The sparse part is factorised as it is without them; what couples the dense rows is its Schur
complement, a small dense matrix, whose signs add to the inertia (Haynsworth).
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

#: A Schur complement with smaller eigenvalues, relative to its scale, is singular.
SINGULAR = 1e-12


@dataclass(eq=False)
class Border:
    """The dense rows of a stiffness matrix.

    Attributes
    ----------
    comm : MPI communicator
        Its first rank owns the unknowns of the dense rows, which come last there.
    columns : (owned rows of the sparse part, c) array
    corner : (c, c) array
    """

    comm: MPI.Comm
    columns: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    corner: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))

    def split(self, block: NDArray) -> tuple[NDArray, NDArray]:
        """The sparse part of owned rows, and the dense ones whole on every rank."""
        c = len(self.corner)
        sparse = block[:-c] if self.comm.rank == 0 else block
        dense: Any = block[-c:].copy() if self.comm.rank == 0 else None
        return sparse, dense if self.comm.size == 1 else self.comm.bcast(dense)

    def join(self, sparse: NDArray, dense: NDArray) -> NDArray[np.float64]:
        """Owned rows of both."""
        return np.concatenate([sparse, dense]) if self.comm.rank == 0 else sparse


class BorderedSolver:
    """A direct solver of the sparse part, and the dense rows by their Schur complement.

    Parameters
    ----------
    inner : DirectSolver
    border : Border
        Its arrays may change before every :meth:`factor`.
    definite : bool
        Promise that the whole matrix is positive definite.
    """

    def __init__(self, inner: DirectSolver, border: Border, *, definite: bool) -> None:
        self._inner, self._border, self._definite = inner, border, definite

    def factor(self) -> None:
        """Factorise the matrix as it is now; raises SolveError where it is singular."""
        self._inner.factor()
        # The border may change while this factorisation serves for other states.
        self._columns = columns = self._border.columns.copy()
        corner = self._border.corner
        self._moved = self._inner.solve(columns)
        schur = corner - total(self._border.comm, columns.T @ self._moved)
        self._schur = (schur + schur.T) / 2
        self._scale = 1 / np.sqrt(np.maximum(np.abs(corner.diagonal()), 1e-300))
        self._signs = np.linalg.eigvalsh(self._schur * np.outer(self._scale, self._scale))
        if self._definite and not self._signs.min() > SINGULAR:
            raise SolveError(
                "The cell deforms without resistance: the network is floppy where its cell is not "
                "held; hold more of the cell's strain, or add bonds."
            )

    def inertia(self) -> Inertia:
        """Signs of the eigenvalues of the whole matrix."""
        negative, zero, positive = self._inner.inertia()
        small = np.abs(self._signs) <= SINGULAR
        below, above = (self._signs < 0) & ~small, (self._signs > 0) & ~small
        return Inertia(negative + int(below.sum()), zero + int(small.sum()),
                       positive + int(above.sum()))  # fmt: skip

    def solve(self, columns: NDArray) -> NDArray[np.float64]:
        """Solve for every column, shape (owned rows, k); the result has the same shape."""
        sparse, dense = self._border.split(columns)
        free = self._inner.solve(sparse)
        pulled = dense - total(self._border.comm, self._columns.T @ free)
        s = self._scale[:, None]
        strain = s * np.linalg.solve(self._schur * (s * s.T), s * pulled)
        return self._border.join(free - self._moved @ strain, strain)

    def missed(self, solution: NDArray) -> float:
        """By how much the sparse part of the last :meth:`solve`, which gave this, is missed."""
        free, strain = self._border.split(solution)
        return self._inner.missed(free + self._moved @ strain)
