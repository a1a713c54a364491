"""A stiffness matrix that DOLFINx assembles, as PETSc's solvers take it."""

from collections.abc import Sequence
from typing import Any

from mechlearn.fenics import MPI, PETSc, fem, la


class Assembled:
    """A sum of forms with the same pattern, with unit rows and columns at supports.

    On one rank DOLFINx assembles into memory that the PETSc matrix shares; PETSc's own insertion
    takes twice as long.

    Parameters
    ----------
    form : dolfinx.fem.Form
        One of those that will be summed.
    supports : sequence of dolfinx.fem.DirichletBC
    comm : MPI communicator
    width : int
        How many degrees of freedom a node has, one after the other.

    Attributes
    ----------
    matrix : PETSc.Mat
        Always the same.
    """

    def __init__(
        self, form: fem.Form, supports: Sequence[fem.DirichletBC], comm: MPI.Comm, width: int
    ) -> None:
        self._supports = supports
        self._shared: la.MatrixCSR | None = None
        if comm.size > 1:
            self.matrix = fem.petsc.create_matrix(form)
            return
        self._shared = shared = fem.create_matrix(form, block_mode=la.BlockMode.expanded)
        size, index = len(shared.indptr) - 1, PETSc.IntType
        pattern = shared.indptr.astype(index), shared.indices.astype(index)
        self.matrix = PETSc.Mat().createAIJWithArrays(
            (size, size), (*pattern, shared.data), comm=PETSc.COMM_SELF
        )
        self.matrix.setBlockSize(width)

    def start(self) -> None:
        """Begin with zero."""
        if self._shared is not None:
            self._shared.set_value(0.0)
        else:
            self.matrix.zeroEntries()

    def add(self, form: fem.Form, **given: Any) -> None:
        """Add a form; what is ``given`` are arguments of its assembly."""
        if self._shared is not None:
            fem.assemble_matrix(self._shared, form, bcs=self._supports, **given)
            return
        # Unit diagonals were inserted; without this, what is added next is dropped in silence.
        self.matrix.assemble(PETSc.Mat.AssemblyType.FLUSH)
        fem.petsc.assemble_matrix(self.matrix, form, bcs=self._supports, **given)

    def finish(self) -> PETSc.Mat:
        """The matrix, ready for a solver."""
        self.matrix.assemble()
        self.matrix.stateIncrease()
        return self.matrix
