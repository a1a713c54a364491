"""Finite-element model of a solid network, with the interface of the model of bonds.

Arrays that go in and come out are in the network's own order, one row per node or strut, whole on
every rank; ``local`` ones hold the degrees of freedom, or the struts, that this rank answers for.
The widths at which the mesh was made are the reference; other widths move its points by the design
velocities, ``X = Y + D``, and all integrals are pulled back to ``Y``.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import override
from weakref import WeakSet

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from mechlearn.energies.kinematics import spins, translations
from mechlearn.energies.solid import Solid
from mechlearn.errors import InputError, listed
from mechlearn.fem.assembly import BaseModel
from mechlearn.fenics import MPI, PETSc, fem, la
from mechlearn.linalg.solver import DirectSolver, IterativeSolver
from mechlearn.network import Network
from mechlearn.solids.contact import contact_warnings
from mechlearn.solids.domain import Domain
from mechlearn.solids.forms import SolidForms
from mechlearn.solids.meshing import volumes
from mechlearn.solids.struts import Struts, rounded_widths
from mechlearn.solids.supports import Supports

#: Largest cells over the width of a round strut: five to a turn.
COARSEST = 0.65
#: From this many unknowns on, linear solids in 3D are solved iteratively. Struts are slender, so
#: their factors are small: 72,000 unknowns with 6 columns take 0.8 s directly and 28 s iteratively,
#: 513,000 with 2 columns half a minute and 2.8 GB.
ITERATIVE_FROM = 500_000


class SolidModel(BaseModel):
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

    Attributes
    ----------
    domain : Domain
        The mesh and everything that goes with it.
    state : dolfinx.fem.Function
        The displacements at which everything is evaluated.
    matrix : PETSc.Mat
        The stiffness.
    meshes, remeshed : int
        How many meshes there were, and how often one was made because widths had moved too far.
    width, places : int
        How many numbers a node's state has, and how many of them are no rotations.

    Raises
    ------
    InputError, SolveError
        Where the network cannot be made solid.
    """

    #: No unknown is a rotation.
    turning = False

    def __init__(
        self,
        network: Network,
        energy: Solid,
        parameters: Mapping[str, NDArray],
        held: Iterable[int],
        comm: MPI.Comm = MPI.COMM_WORLD,
    ) -> None:
        self.network, self.energy, self.comm = network, energy, comm
        self.places = network.dim
        self.width = len(energy.kinematics.components(network.dim))
        self.held = np.unique(np.fromiter(held, dtype=np.int64))
        if network.dim == 3 and energy.hinge is not None:
            raise InputError("energy: hinge is for plane networks; 3D struts are round rods.")
        if network.dim == 3 and np.any(parameters["thickness"] != 1):
            raise InputError("energy: thickness is for plane networks; in 3D a strut has a width.")
        if network.dim == 3 and energy.mesh_size > COARSEST:
            raise InputError(
                f"energy: mesh_size = {energy.mesh_size:g} is too coarse for round struts; it must "
                f"be at most {COARSEST}."
            )
        self._values = {k: np.array(v, dtype=float) for k, v in parameters.items()}
        self.meshes = self.remeshed = 0
        bounds = np.linspace(0, network.n_edges, comm.size + 1).astype(int)
        self._mine = slice(bounds[comm.rank], bounds[comm.rank + 1])
        self._build(self._values["width"])

    # -- construction --------------------------------------------------------------------------

    def _build(self, width: NDArray) -> None:
        """Build mesh, forms and solver data at widths that become the reference."""
        self.meshes += 1
        struts = Struts(self.network, rounded_widths(width), self.energy.hinge)
        self.domain = Domain(struts, self.energy.mesh_size, self.energy.order, self.comm)
        self.n_owned = self.domain.owned_blocks * self.places
        self._forms = forms = SolidForms(self.domain, self.energy)
        self.state, self._energy_form, self._force_form = forms.state, forms.energy, forms.force
        self.matrix = fem.petsc.create_matrix(forms.stiffness)
        self._springs: dict[tuple[int, ...], PETSc.Mat] = {}
        self._solvers: WeakSet[DirectSolver] = WeakSet()
        self._vector = la.vector(self.domain.space.dofmap.index_map, self.places)
        self.patches = self.domain.patches()
        self._supports = Supports(self.patches[self.held], self.comm)
        self.local_free = np.ones(self.n_owned, dtype=bool)
        self.local_turns = ~self.local_free
        self._fill()

    def _fill(self) -> None:
        """Copy parameters into the functions of the forms."""
        strut = self.domain.strut_of_cells()
        for name, function in self._forms.parameters.items():
            function.x.array[:] = self._values[name][strut]
        change = self._values["width"] - self.domain.struts.width
        self._forms.moves.x.array[:] = self._forms.velocity @ change
        struts = self.domain.struts
        self._grown = 1 + struts.joint_slopes @ change / struts.joint_radius

    # -- parameters ----------------------------------------------------------------------------

    def set(self, **parameters: ArrayLike) -> Callable[[NDArray], NDArray] | None:
        """Set parameters of the struts, each one number or one per strut in the user's order.

        Where the mesh does not bear the new widths, a new one is made of them. Then what is
        returned takes states (owned dofs) of the old mesh over to the new one, roughly.
        """
        for name, values in parameters.items():
            self.energy.parameter(name)
            self._values[name] = np.array(np.broadcast_to(values, self.network.n_edges), float)
        if "width" in parameters and not self.domain.accepts(self._values["width"]):
            self.remeshed += 1
            old, carrier = self.domain, fem.Function(self.domain.space)
            owned = self.n_owned
            self._build(self._values["width"])

            def carried(local: NDArray) -> NDArray[np.float64]:
                carrier.x.array[:owned] = local
                carrier.x.scatter_forward()
                return self.obeyed(old.interpolate_to(carrier.x.array, self.domain)[: self.n_owned])

            return carried
        self._fill()
        return None

    def renew(self) -> bool:
        """Remesh where widths changed since the mesh was made; returns True if so."""
        if np.array_equal(rounded_widths(self._values["width"]), self.domain.struts.width):
            return False
        self._build(self._values["width"])
        return True

    def get(self, name: str) -> NDArray[np.float64]:
        """A parameter of the struts in the user's order."""
        return self._values[self.energy.parameter(name).name].copy()

    def memory(self) -> dict[str, NDArray]:
        """Widths that the present mesh was made at."""
        return {"mesh/width": self.domain.struts.width}

    def recall(self, memory: Mapping[str, NDArray]) -> bool:
        """Restore the mesh of a :meth:`memory`; True if it differs from the present one."""
        width = memory["mesh/width"]
        if np.array_equal(width, self.domain.struts.width):
            return False
        self._build(width)
        return True

    # -- the user's order ----------------------------------------------------------------------

    def to_bonds(self, local: NDArray) -> NDArray[np.float64]:
        """Values of the struts this rank answers for, (..., k), for all struts on every rank."""
        out = np.zeros((*local.shape[:-1], self.network.n_edges))
        out[..., self._mine] = local
        return self.comm.allreduce(out, op=MPI.SUM)

    def to_nodes(self, local: NDArray) -> NDArray[np.float64]:
        """Displacements and turns of the nodes, (n, width, ...), of owned degrees of freedom."""
        out = self.comm.allreduce(self.patches @ local[: self.n_owned], op=MPI.SUM)
        out = out.reshape(self.network.n_nodes, self.width, *local.shape[1:])
        out[:, self.places :] /= self._grown.reshape(-1, *[1] * (out.ndim - 1))
        return out

    def pack(self, local: NDArray) -> NDArray[np.float64]:
        """Owned degrees of freedom (dofs, ...) of all ranks, in DOLFINx's order, on every rank."""
        return np.concatenate(self.comm.allgather(local[: self.n_owned]))

    def unpack(self, whole: NDArray) -> NDArray[np.float64]:
        """The part of :meth:`pack` that this rank owns."""
        first = self.domain.space.dofmap.index_map.local_range[0] * self.places
        return whole[first : first + self.n_owned]

    def local_rows(self, functionals: sparse.csr_array) -> sparse.csr_array:
        """Functionals of nodal displacements as functionals of the owned dofs.

        Of displacements that obey the supports.
        """
        return self._supports.project_rows(sparse.csr_array(functionals @ self.patches))

    @override
    def obeyed(self, local: NDArray) -> NDArray[np.float64]:
        return self._supports.obeyed(local)

    # -- evaluation ----------------------------------------------------------------------------

    def assemble_stiffness(self, expected: None = None) -> PETSc.Mat:
        """Tangent stiffness ``d2U/du2``, projected on the supports; always the same Mat.

        Motions that do not are there too, and resisted by themselves.
        """
        self.matrix.zeroEntries()
        fem.petsc.assemble_matrix(self.matrix, self._forms.stiffness)
        self.matrix.assemble()
        if self._supports.constrain(self.matrix):
            self._outgrow()
        return self.matrix

    def _outgrow(self) -> None:
        for solver in self._solvers:
            solver.invalidate_pattern()

    def stiffen(self, matrix: PETSc.Mat, dofs: Iterable[int], stiffness: float) -> None:
        """Add springs to ground at the mean displacements of joints."""
        dofs = tuple(dofs)
        known = dofs in self._springs
        if not known:
            self._springs[dofs] = self._unit_springs(dofs)
            self._outgrow()
        # Only the first time does the matrix's pattern grow by that of the springs.
        pattern = PETSc.Mat.Structure
        structure = pattern.SUBSET_NONZERO_PATTERN if known else pattern.DIFFERENT_NONZERO_PATTERN
        matrix.axpy(stiffness, self._springs[dofs], structure)

    def _unit_springs(self, dofs: tuple[int, ...]) -> PETSc.Mat:
        """Stiffness of unit springs to ground at the mean displacements of joints.

        Every spring is a dense block on the points of its joint.
        """
        own = self._supports.project_rows(self.patches[np.array(dofs)])
        whole = sparse.hstack(self.comm.allgather(own), format="csr")
        rows = sparse.csr_array(own.T @ whole)
        rows.sort_indices()
        sizes = (self.n_owned, self.matrix.size[0])
        csr = (rows.indptr.astype(PETSc.IntType), rows.indices.astype(PETSc.IntType), rows.data)
        out = PETSc.Mat().createAIJ((sizes, sizes), bsize=self.places, csr=csr, comm=self.comm)
        out.assemble()
        return out

    def solver(self, *, definite: bool) -> DirectSolver | IterativeSolver:
        """Linear solver for the solid's size and dimension."""
        if definite and self.places == 3 and self.matrix.size[0] >= ITERATIVE_FROM:
            return IterativeSolver(self.matrix, self._rigid_motions())
        solver = DirectSolver(self.matrix, definite=definite)
        self._solvers.add(solver)
        return solver

    def _rigid_motions(self) -> list[NDArray[np.float64]]:
        """Rigid motions of the owned dofs: near-nullspace for multigrid."""
        x = self.domain.places[: self.n_owned // self.places] - self.network.nodes.mean(axis=0)
        return [motion.ravel() for motion in translations(x) + spins(x)]

    def local_strains(self) -> NDArray[np.float64]:
        """Change of the distance of every strut's joints, (1, m); to first order where linear."""
        u = self.to_nodes(self.state.x.array[: self.n_owned])[:, : self.places]
        net = self.network
        change = u[net.edges[:, 1]] - u[net.edges[:, 0]]
        if self.energy.linear:
            extension = np.einsum("md,md->m", change, self.domain.struts.axes)
        else:
            extension = np.linalg.norm(net.vectors + change, axis=1) - net.lengths
        return extension[None, self._mine]

    def inverted(self) -> bool:
        """True if cells are inverted in the state, at finite strain.

        At points where the energy is evaluated, or as a whole: curved cells can hide it from those.
        """
        if self._forms.inverted is None:
            return False
        volume = self.comm.allreduce(fem.assemble_scalar(self._forms.inverted), op=MPI.SUM)
        return bool(volume > 0 or volumes(self._moved(), self.domain.drawn.cells).min() <= 0)

    def cell_energies(self) -> NDArray[np.float64]:
        """Energy of every cell at the state, in gmsh's order, whole on every rank."""
        return self._whole(self._assembled(self._forms.cell_energy, len(self.domain.cell)))

    def cell_volumes(self) -> NDArray[np.float64]:
        """Area or volume of every cell at the present widths, in gmsh's order."""
        return volumes(self.domain.points_at(self._values["width"]), self.domain.drawn.cells)

    def _whole(self, per_cell: NDArray) -> NDArray[np.float64]:
        out = np.zeros(len(self.domain.drawn.cells))
        owned = self.domain.owned_cells
        out[self.domain.cell[:owned]] = per_cell[:owned]
        return self.comm.allreduce(out, op=MPI.SUM)

    def local_energies(self) -> NDArray[np.float64]:
        """Energy of every strut this rank answers for."""
        return self._per_strut(self._assembled(self._forms.cell_energy, len(self.domain.cell)))

    def local_sensitivity(self, name: str) -> NDArray[np.float64]:
        """``du_i/dL_i`` of every strut this rank answers for, displacements kept fixed.

        For the width, of the points of the reference mesh: they are carried along.
        """
        return self._to_struts(name, self._forms.sensitivity(name))

    def local_sensitivity_rate(self, name: str, rate: NDArray) -> NDArray[np.float64]:
        """Directional derivative of :meth:`local_sensitivity` along ``rate`` (owned dofs)."""
        self._forms.rate.x.array[: self.n_owned] = rate
        self._forms.rate.x.scatter_forward()
        return self._to_struts(name, self._forms.sensitivity_rate(name))

    def counts(self) -> dict[str, int]:
        """Sizes of the mesh, and the number of meshes made."""
        return {
            "unknowns": int(self.matrix.size[0]),
            "cells": len(self.domain.drawn.cells),
            "meshes": self.meshes,
            "remeshed": self.remeshed,
        }

    def warnings(self, states: NDArray) -> list[str]:
        """Warnings about some states (owned dofs, k), in sentences."""
        out = self.energy.cautions(self.network, self._values) + contact_warnings(self, states)
        cells = self.domain.drawn.cells
        least = [volumes(self.deformed(state), cells).min() for state in states.T]
        turned = [k for k, volume in enumerate(least, 1) if volume <= 0]
        if turned:
            out.append(
                f"In example {listed(turned)} cells are turned inside out: the load is too large "
                "for small strain."
            )
        return out

    def deformed(self, local: NDArray) -> NDArray[np.float64]:
        """Points of the mesh in a state (owned dofs) of the present widths, (p, d)."""
        self.put_state(local)
        return self._moved()

    def _moved(self) -> NDArray[np.float64]:
        moved = self.domain.at_points(self.state.x.array)
        return self.domain.points_at(self._values["width"]) + moved

    def _to_struts(self, name: str, form: fem.Form) -> NDArray[np.float64]:
        if name != "width":
            return self._per_strut(self._assembled(form, len(self.domain.cell)))
        # Every rank adds what its own cells contribute, to ghost points too.
        by_move = self._assembled(form, len(self._forms.moves.x.array))
        return self._summed(self._forms.velocity.T @ by_move)

    def _assembled(self, form: fem.Form, size: int) -> NDArray[np.float64]:
        values = np.zeros(size)
        fem.assemble_vector(values, form)
        return values

    def _per_strut(self, values: NDArray) -> NDArray[np.float64]:
        strut = self.domain.strut_of_cells()[: self.domain.owned_cells]
        return self._summed(
            np.bincount(strut, values[: self.domain.owned_cells], minlength=self.network.n_edges)
        )

    def _summed(self, per_strut: NDArray) -> NDArray[np.float64]:
        """Sums over ranks, for the struts this rank answers for."""
        return self.comm.allreduce(per_strut, op=MPI.SUM)[self._mine]
