"""Supports of a solid: mean displacements of patches, constrained to zero by projection.

With the orthonormal rows ``V^T`` of what is held, and the projection ``P = 1 - V V^T`` on the
displacements that obey it, the constrained equations are ``(P K P + s V V^T) u = P f``: definite
where the solid is held, with a solution that obeys the supports to rounding, and with ``V`` as
eigenvectors of the stiffness ``s > 0``, which plays no part. For single degrees of freedom that is
the unit row and column of a Dirichlet condition.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from mechlearn.fenics import MPI, PETSc
from mechlearn.parallel import total


class Supports:
    """Homogeneous linear constraints.

    Parameters
    ----------
    rows : (k, owned dofs) sparse array
        Linear functionals, on the degrees of freedom that each rank owns; independent.
    comm : MPI communicator
    """

    def __init__(self, rows: sparse.csr_array, comm: MPI.Comm) -> None:
        self._comm = comm
        self._mine = sparse.csr_array(rows.T)
        self._whole = self._gathered(self._mine)
        gram = sparse.csr_array(self._whole.T @ self._whole)
        turn = sparse.lil_array(gram.shape)
        # The patches of different nodes share nothing.
        label = connected_components(gram)[1]
        for k in range(label.max(initial=-1) + 1):
            some = np.flatnonzero(label == k)
            root = np.linalg.cholesky(gram[some][:, some].toarray())
            turn[np.ix_(some, some)] = np.linalg.inv(root).T
        turn = sparse.csr_array(turn)
        self._mine = sparse.csr_array(self._mine @ turn)
        self._whole = sparse.csr_array(self._whole @ turn)
        self._grown = False

    def _gathered(self, mine: sparse.csr_array) -> sparse.csr_array:
        """Owned rows of all ranks, on each."""
        if self._comm.size == 1:
            return mine
        return sparse.csr_array(sparse.vstack(self._comm.allgather(mine)))

    def _summed(self, mine: sparse.csr_array) -> sparse.csr_array:
        return mine if self._comm.size == 1 else sum(self._comm.allgather(mine))

    @property
    def any(self) -> bool:
        """True if there are constraints."""
        return self._mine.shape[1] > 0

    def obeyed(self, local: NDArray) -> NDArray[np.float64]:
        """Projection of displacements, or forces, (owned dofs, ...), on the constraints."""
        if not self.any:
            return local
        return local - self._mine @ total(self._comm, self._mine.T @ local)

    def project_rows(self, rows: sparse.csr_array) -> sparse.csr_array:
        """Projection of functionals of the owned degrees of freedom, (k, owned dofs)."""
        if not self.any:
            return rows
        held = self._summed(sparse.csr_array(rows @ self._mine))
        return sparse.csr_array(rows - held @ self._mine.T)

    def springs(self, rows: sparse.csr_array, matrix: PETSc.Mat) -> PETSc.Mat:
        """Stiffness of unit springs to ground at functionals of the owned degrees of freedom.

        Distributed as ``matrix`` is.
        """
        own = self.project_rows(rows)
        whole = sparse.hstack(self._comm.allgather(own), format="csr")
        csr = _arrays(sparse.csr_array(own.T @ whole))
        out = PETSc.Mat().createAIJ(
            matrix.getSizes(), bsize=matrix.getBlockSize(), csr=csr, comm=self._comm
        )
        out.assemble()
        return out

    def constrain(self, matrix: PETSc.Mat) -> bool:
        """Replace a stiffness matrix by ``P K P + s V V^T``; True if its pattern grew."""
        if not self.any:
            return False
        mine, whole = self._mine, self._whole
        pointer, columns, values = matrix.getValuesCSR()
        shape = (len(pointer) - 1, matrix.size[1])
        stiffness = sparse.csr_array((values, columns, pointer), shape=shape)
        grows = not self._grown
        if grows:
            self._grow(matrix, stiffness)
        moved = sparse.csr_array(stiffness @ whole)
        inner = self._summed(sparse.csr_array(mine.T @ moved))
        scale = inner.trace() / inner.shape[0]
        half = (inner + scale * sparse.eye_array(inner.shape[0])) / 2
        moved = sparse.csr_array(moved - mine @ half)
        change = -(mine @ self._gathered(moved).T + moved @ whole.T)
        pointer, columns, values = _arrays(sparse.csr_array(change))
        matrix.setValuesCSR(pointer, columns, values, addv=PETSc.InsertMode.ADD_VALUES)
        matrix.assemble()
        return grows

    def _grow(self, matrix: PETSc.Mat, stiffness: sparse.csr_array) -> None:
        """Extend the pattern of a matrix: every patch couples to itself and its neighbours."""
        ones = [sparse.csr_array(abs(a) > 0, dtype=float) for a in (self._mine, self._whole)]
        full = np.ones(stiffness.nnz)
        near = sparse.csr_array((full, stiffness.indices, stiffness.indptr), stiffness.shape)
        near = sparse.csr_array(near @ ones[1])
        pattern = ones[0] @ self._gathered(near).T + near @ ones[1].T
        pointer, columns, values = _arrays(sparse.csr_array(pattern))
        room = PETSc.Mat().createAIJ(
            matrix.getSizes(), bsize=matrix.getBlockSize(), csr=(pointer, columns, 0 * values),
            comm=self._comm,
        )  # fmt: skip
        room.assemble()
        matrix.axpy(1.0, room, PETSc.Mat.Structure.DIFFERENT_NONZERO_PATTERN)
        room.destroy()
        self._grown = True


def _arrays(rows: sparse.csr_array) -> tuple[NDArray, NDArray, NDArray[np.float64]]:
    """Pointers, columns and values in PETSc's types."""
    rows.sort_indices()
    return rows.indptr.astype(PETSc.IntType), rows.indices.astype(PETSc.IntType), rows.data
