"""What every finite-element model is asked at its state, be it made of bonds or a solid."""

import numpy as np
from numpy.typing import NDArray

from mechlearn.fenics import MPI, fem, la


class AtState:
    """Energy and forces of a model at its state.

    Subclasses set the attributes, and make the forms of the energy and of its derivative
    (``_energy_form``, ``_force_form``) and a vector for the latter (``_vector``).

    Attributes
    ----------
    comm : MPI communicator
    state : dolfinx.fem.Function
    local_free : (owned dofs,) bool array
        Which degrees of freedom no support holds.
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
        self.state.x.array[: self._n_owned] = local
        self.state.x.scatter_forward()

    def total_energy(self) -> float:
        """Elastic energy of the whole model at the state."""
        return self.comm.allreduce(fem.assemble_scalar(self._energy_form), op=MPI.SUM)

    def local_force(self) -> NDArray[np.float64]:
        """``dU/du`` at the owned degrees of freedom, zero at supports."""
        b = self._vector
        b.array[:] = 0
        fem.assemble_vector(b.array, self._force_form)
        b.scatter_reverse(la.InsertMode.add)
        return np.where(self.local_free, b.array[: self._n_owned], 0.0)
