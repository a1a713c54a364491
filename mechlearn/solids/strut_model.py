"""Finite-element model of networks of solid struts, whose widths are true changes of shape.

The widths at which the mesh was made are the reference; other widths move its points by the design
velocities, ``X = Y + D``, and all integrals are pulled back to ``Y``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import override

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.energies.solid import Solid
from mechlearn.errors import InputError
from mechlearn.fenics import MPI, fem
from mechlearn.network import Network
from mechlearn.solids.contact import contact_warnings
from mechlearn.solids.domain import StrutDomain
from mechlearn.solids.model import SolidModel
from mechlearn.solids.struts import Struts, rounded_widths

#: Largest cells over the width of a round strut: five to a turn.
COARSEST = 0.65


class StrutModel(SolidModel):
    """Energy, forces, stiffness and local sensitivities of a network of solid struts.

    Parameters
    ----------
    network : Network
    energy : Solid
    parameters : mapping of names to (m,) arrays
        All parameters of the struts; the mesh is made at their widths.
    held : iterable of int
        Degrees of freedom ``width * node + component`` that never move (supports and gauge):
        displacements and turns of nodes, as :mod:`mechlearn.solids.patches` has them.
    comm : MPI communicator
        Over which the mesh is spread.
    cell : sequence of str
        Names of the unknowns of a periodic network's cell, none where it is rigid.

    Raises
    ------
    InputError, SolveError
        Where the network cannot be made solid.
    """

    domain: StrutDomain

    def __init__(
        self,
        network: Network,
        energy: Solid,
        parameters: Mapping[str, NDArray],
        held: Iterable[int],
        comm: MPI.Comm = MPI.COMM_WORLD,
        cell: Sequence[str] = (),
    ) -> None:
        super().__init__(network, energy, parameters, held, comm, cell)
        if network.dim == 3 and energy.hinge is not None:
            raise InputError("energy: hinge is for plane networks; 3D struts are round rods.")
        if network.dim == 3 and np.any(parameters["thickness"] != 1):
            raise InputError("energy: thickness is for plane networks; in 3D a strut has a width.")
        if network.dim == 3 and energy.mesh_size > COARSEST:
            raise InputError(
                f"energy: mesh_size = {energy.mesh_size:g} is too coarse for round struts; it must "
                f"be at most {COARSEST}."
            )
        self._mesh(self._values["width"])

    def _mesh(self, width: NDArray) -> None:
        """Mesh the struts at widths that become the reference."""
        struts = Struts(self.network, rounded_widths(width), self.energy.hinge)
        self._build(StrutDomain(struts, self.energy.mesh_size, self.energy.order, self.comm))

    @override
    def _fill(self) -> None:
        super()._fill()
        struts = self.domain.struts
        change = self._values["width"] - struts.width
        self._forms.moves.x.array[:] = self._forms.velocity @ change
        self._grown = 1 + struts.joint_slopes @ change / struts.joint_radius

    @override
    def set(self, **parameters: ArrayLike) -> Callable[[NDArray], NDArray] | None:
        self._put(parameters)
        if "width" in parameters and not self.domain.accepts(self._values["width"]):
            self.remeshed += 1
            old, carrier = self.domain, fem.Function(self.domain.space)
            owned = self.n_owned
            self._mesh(self._values["width"])

            def carried(local: NDArray) -> NDArray[np.float64]:
                carrier.x.array[:owned] = local[:owned]
                carrier.x.scatter_forward()
                new = self.obeyed(old.interpolate_to(carrier.x.array, self.domain)[: self.n_owned])
                return self._border.join(new, self.cell_strain(local)) if self.cell else new

            return carried
        self._fill()
        return None

    @override
    def renew(self) -> bool:
        if np.array_equal(rounded_widths(self._values["width"]), self.domain.struts.width):
            return False
        self._mesh(self._values["width"])
        return True

    @override
    def memory(self) -> dict[str, NDArray]:
        """Widths that the present mesh was made at."""
        return {"mesh/width": self.domain.struts.width}

    @override
    def recall(self, memory: Mapping[str, NDArray]) -> bool:
        width = memory["mesh/width"]
        if np.array_equal(width, self.domain.struts.width):
            return False
        self._mesh(width)
        return True

    @property
    @override
    def points(self) -> NDArray[np.float64]:
        return self.domain.points_at(self._values["width"])

    @override
    def _periodic_part(self, local: NDArray) -> NDArray[np.float64]:
        out = super()._periodic_part(local)
        # Turns are read at the joints' size of the reference.
        out[:, self.places :] /= self._grown.reshape(-1, *[1] * (out.ndim - 1))
        return out

    def local_strains(self) -> NDArray[np.float64]:
        """Change of the distance of every strut's joints, (1, m); to first order where linear."""
        net, owned = self.network, self.state.x.array[: self.n_owned]
        u = self._periodic_part(owned)[:, : self.places]
        change = u[net.edges[:, 1]] - u[net.edges[:, 0]]
        change = change + net.vectors @ (self.gradient() - np.eye(net.dim)).T
        if self.energy.linear:
            extension = np.einsum("md,md->m", change, self.domain.struts.axes)
        else:
            extension = np.linalg.norm(net.vectors + change, axis=1) - net.lengths
        return extension[None, self._mine]

    @override
    def _contacts(self, states: NDArray) -> list[str]:
        return contact_warnings(self, states)

    @override
    def _to_elements(self, name: str, form: fem.Form) -> NDArray[np.float64]:
        if name != "width":
            return super()._to_elements(name, form)
        # Every rank adds what its own cells contribute, to ghost points too.
        by_move = self._assembled(form, len(self._forms.moves.x.array))
        return self._summed(self._forms.velocity.T @ by_move)
