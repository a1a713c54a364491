"""Interface of finite-element models at their present state."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.fenics import MPI, PETSc, fem, la
from mechlearn.parallel import total


class AtState:
    """Energy and forces of a model at its state.

    Subclasses set the attributes, and make the forms of the energy and of its derivative
    (``_energy_form``, ``_force_form``) and a vector for the latter (``_vector``).

    Attributes
    ----------
    comm : MPI communicator
    state : dolfinx.fem.Function
    local_free : (owned dofs,) bool array
        Which degrees of freedom no support holds by itself.
    """

    comm: MPI.Comm
    state: fem.Function
    local_free: NDArray[np.bool_]
    _n_owned: int
    _energy_form: fem.Form
    _force_form: fem.Form
    _vector: la.Vector

    def put_state(self, local: NDArray) -> None:
        """Set the state from owned degrees of freedom, and tell the neighbouring ranks."""
        self.state.x.array[: self._n_owned] = local[: self._n_owned]
        self.state.x.scatter_forward()

    def _given(self, form: fem.Form) -> dict[str, Any]:
        """Assembly arguments of a form from cached coefficients."""
        return {}

    def load_at_rest(self) -> NDArray[np.float64] | None:
        """Forces of prestress at zero displacement, or None.

        The state is then at rest.
        """
        self.put_state(np.zeros(len(self.local_free)))
        load = self.local_force()
        return load if total(self.comm, int(np.any(load))) else None

    def total_energy(self) -> float:
        """Elastic energy of the whole model at the state."""
        form = self._energy_form
        return total(self.comm, fem.assemble_scalar(form, **self._given(form)))

    def local_force(self) -> NDArray[np.float64]:
        """``dU/du`` at the owned degrees of freedom, zero at supports."""
        b, n = self._vector, self._n_owned
        force = b.array
        force[:] = 0
        fem.assemble_vector(force, self._force_form, **self._given(self._force_form))
        b.scatter_reverse(la.InsertMode.add)
        return self.obeyed(force[:n])

    def obeyed(self, local: NDArray) -> NDArray[np.float64]:
        """Projection of displacements, or forces, (owned dofs,), on the supports."""
        return np.where(self.local_free[: len(local)], local, 0.0)

    def shift(self, matrix: PETSc.Mat, springs: NDArray) -> None:
        """Add springs to the ground, one per owned degree of freedom, to a stiffness matrix."""
        diagonal = matrix.createVecLeft()
        diagonal.array[:] = springs[: self._n_owned]
        matrix.setDiagonal(diagonal, addv=PETSc.InsertMode.ADD_VALUES)
        diagonal.destroy()

    # -- what only models know whose mesh depends on the parameters --------------------------------

    def renew(self) -> bool:
        """Remesh for the present parameters; True if that was needed."""
        return False

    def memory(self) -> dict[str, NDArray]:
        """State of the mesh beside network and parameters."""
        return {}

    def recall(self, memory: Mapping[str, NDArray]) -> bool:
        """Restore the mesh of a :meth:`memory`; True if it differs from the present one."""
        return False

    # -- what only bodies know ---------------------------------------------------------------------

    def inverted(self) -> bool:
        """True if cells are inverted in the state; never for bonds."""
        return False

    def cell_stiffness(self) -> float:
        """Mean stiffness of a bond against strains of the cell; 0 where there is none."""
        return 0.0

    def counts(self) -> dict[str, int]:
        """Sizes of the mesh for summary.json."""
        return {}

    def warnings(self, states: NDArray) -> list[str]:
        """Warnings about some states (owned dofs, k), in sentences."""
        return []
