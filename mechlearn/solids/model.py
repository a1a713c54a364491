"""Finite-element models of solids, with the interface of the model of bonds.

Arrays that go in and come out are in the network's own order, one row per node or element, whole on
every rank; ``local`` ones hold the degrees of freedom, or the elements, that this rank answers for.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, override
from weakref import WeakSet

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from mechlearn.energies.kinematics import spins, translations
from mechlearn.errors import listed
from mechlearn.fem.assembly import BaseModel
from mechlearn.fem.macroscopic_strain import strain_tensors
from mechlearn.fenics import MPI, PETSc, fem, la
from mechlearn.linalg.solver import BorderedMatrix, BorderedSolver, DirectSolver, IterativeSolver
from mechlearn.network import Network
from mechlearn.parallel import total
from mechlearn.solids.domain import Domain
from mechlearn.solids.forms import SolidForms
from mechlearn.solids.meshing import volumes
from mechlearn.solids.supports import Supports

#: From this many unknowns on, linear solids in 3D are solved iteratively. Struts are slender, so
#: their factors are small: 72,000 unknowns with 6 columns take 0.8 s directly and 28 s iteratively,
#: 513,000 with 2 columns half a minute and 2.8 GB.
ITERATIVE_FROM = 500_000


class SolidModel(BaseModel):
    """Energy, forces, stiffness and local sensitivities of a solid made of elements.

    Parameters
    ----------
    network : Network
    energy : Element
        A solid, such as :class:`mechlearn.energies.solid.Solid`.
    parameters : mapping of names to (m,) arrays
        All parameters of the elements.
    held : iterable of int
        Degrees of freedom ``width * node + component`` that never move (supports and gauge).
    comm : MPI communicator
        Over which the mesh is spread.
    cell : sequence of str
        Names of the unknowns of a periodic network's cell, none where it is rigid; see
        :mod:`mechlearn.fem.macroscopic_strain`. They are the last few degrees of freedom of the
        first rank, and the others are of the periodic part of the displacements.

    Attributes
    ----------
    domain : Domain
        The mesh and everything that goes with it.
    state : dolfinx.fem.Function
        The displacements at which everything is evaluated.
    matrix : PETSc.Mat
        The stiffness.
    patches : (n width, owned dofs) sparse array
        Functionals of the nodes' states.
    meshes, remeshed : int
        How many meshes there were, and how often one was made because the shape had changed too
        much.
    width, places : int
        How many numbers a node's state has, and how many of them are no rotations.
    """

    #: No unknown is a rotation.
    turning = False

    def __init__(
        self,
        network: Network,
        energy: Any,
        parameters: Mapping[str, NDArray],
        held: Iterable[int],
        comm: MPI.Comm = MPI.COMM_WORLD,
        cell: Sequence[str] = (),
    ) -> None:
        self.network, self.energy, self.comm = network, energy, comm
        self.places = network.dim
        self.width = len(energy.kinematics.components(network.dim))
        self.cell, self.cell_names = len(cell), tuple(cell)
        self._border = BorderedMatrix(comm, C=np.zeros((self.cell, self.cell)))
        self.held = np.unique(np.fromiter(held, dtype=np.int64))
        self._values = {k: np.array(v, dtype=float) for k, v in parameters.items()}
        self.meshes = self.remeshed = 0
        self.n_elements = network.count(energy.table)
        bounds = np.linspace(0, self.n_elements, comm.size + 1).astype(int)
        self._mine = slice(bounds[comm.rank], bounds[comm.rank + 1])

    def _build(self, domain: Domain) -> None:
        """Build forms and solver data on a mesh, of the shape that becomes the reference."""
        self.meshes += 1
        self.domain = domain
        self.n_owned = self.domain.owned_blocks * self.places
        self._forms = forms = SolidForms(self.domain, self.energy, self.cell_names)
        self.state, self._energy_form, self._force_form = forms.state, forms.energy, forms.force
        self.expects = forms.pressure is not None
        self.matrix = fem.petsc.create_matrix(forms.stiffness)
        self._springs: dict[tuple[int, ...], PETSc.Mat] = {}
        self._solvers: WeakSet[DirectSolver] = WeakSet()
        self._vector = la.vector(self.domain.space.dofmap.index_map, self.places)
        self.patches = self.domain.patches()
        self._supports = Supports(self.patches[self.held], self.comm)
        of_cell = self.cell if self.comm.rank == 0 else 0
        self.local_free = np.ones(self.n_owned + of_cell, dtype=bool)
        self.local_turns = np.arange(len(self.local_free)) >= self.n_owned
        self._fill()

    def _fill(self) -> None:
        """Copy parameters into the functions of the forms."""
        element = self.domain.element_of_cells()
        for name, function in self._forms.parameters.items():
            function.x.array[:] = self._values[name][element]
        self._forms.refresh()

    # -- parameters ----------------------------------------------------------------------------

    def set(self, **parameters: ArrayLike) -> Callable[[NDArray], NDArray] | None:
        """Set parameters of the elements, each one number or one per element in the user's order.

        Where a new mesh is made for them, what is returned takes states (owned dofs) of the old
        mesh over to the new one, roughly.
        """
        self._put(parameters)
        self._fill()
        return None

    def _put(self, parameters: Mapping[str, ArrayLike]) -> None:
        for name, values in parameters.items():
            self.energy.parameter(name)
            self._values[name] = np.array(np.broadcast_to(values, self.n_elements), float)

    def get(self, name: str) -> NDArray[np.float64]:
        """A parameter of the elements in the user's order."""
        return self._values[self.energy.parameter(name).name].copy()

    @property
    def points(self) -> NDArray[np.float64]:
        """Points of the mesh at the present parameters, (p, d)."""
        return self.domain.drawn.points

    # -- the user's order ----------------------------------------------------------------------

    def to_bonds(self, local: NDArray) -> NDArray[np.float64]:
        """Values of the elements this rank answers for, (..., k), for all of them on every rank."""
        out = np.zeros((*local.shape[:-1], self.n_elements))
        out[..., self._mine] = local
        return self.comm.allreduce(out, op=MPI.SUM)

    def to_nodes(self, local: NDArray) -> NDArray[np.float64]:
        """Displacements and turns of the nodes, (n, width, ...), of owned degrees of freedom.

        Nodes of a cell that deforms are taken along by it, about their centre.
        """
        out = self._periodic_part(local)
        if self.cell:
            out[:, : self.places] += self.affine(local)
        return out

    def _periodic_part(self, local: NDArray) -> NDArray[np.float64]:
        out = self.comm.allreduce(self.patches @ local[: self.n_owned], op=MPI.SUM)
        return out.reshape(self.network.n_nodes, self.width, *local.shape[1:])

    def pack(self, local: NDArray) -> NDArray[np.float64]:
        """Degrees of freedom (owned dofs, ...) in the order of the drawn mesh, on every rank.

        Where the cell deforms, its unknowns come last.
        """
        whole = self.domain.gathered(local[: self.n_owned])
        return np.concatenate([whole, self.cell_strain(local)]) if self.cell else whole

    def unpack(self, whole: NDArray) -> NDArray[np.float64]:
        """The part of :meth:`pack` that this rank owns."""
        mine = self.domain.scattered(whole[: len(whole) - self.cell])
        return self._border.join(mine, whole[-self.cell :]) if self.cell else mine

    def local_rows(self, functionals: sparse.csr_array) -> sparse.csr_array:
        """Functionals of nodal displacements as functionals of the owned dofs.

        Of displacements that obey the supports.
        """
        columns, nodes = functionals.tocsc(), self.patches.shape[0]
        mine = sparse.csr_array(columns[:, :nodes] @ self.patches)
        mine = self._supports.project_rows(mine)
        if self.cell and self.comm.rank == 0:
            mine = sparse.csr_array(sparse.hstack([mine, columns[:, nodes:]]))
        return mine

    @override
    def obeyed(self, local: NDArray) -> NDArray[np.float64]:
        owned, of_cell = local[: self.n_owned], local[self.n_owned :]
        return np.concatenate([self._supports.obeyed(owned), of_cell])

    # -- evaluation ----------------------------------------------------------------------------

    @override
    def put_state(self, local: NDArray) -> None:
        super().put_state(local)
        if self.cell:
            self._forms.cell_strain.x.array.reshape(-1, self.cell)[:] = self.cell_strain(local)
        self._forms.refresh()

    def expected_strains(self, step: NDArray) -> NDArray[np.float64] | None:
        """Pressure in owned cells, to first order after a step (owned dofs) from the state."""
        return self._pressures(step) if self.expects else None

    def _pressures(self, step: NDArray) -> NDArray[np.float64]:
        self._put_rate(step)
        form = self._forms.expected_pressure
        assert form is not None
        values = self._assembled(form, len(self.domain.cell))
        return values[: self.domain.owned_cells]

    def _put_rate(self, rate: NDArray) -> None:
        self._forms.rate.x.array[: self.n_owned] = rate[: self.n_owned]
        self._forms.rate.x.scatter_forward()
        if self.cell:
            self._forms.cell_rate.x.array.reshape(-1, self.cell)[:] = self.cell_strain(rate)

    def assemble_stiffness(self, expected: NDArray | None = None) -> PETSc.Mat:
        """Tangent stiffness ``d2U/du2``, projected on the supports; always the same Mat.

        Motions that do not are there too, and resisted by themselves. With ``expected`` pressures
        of the owned cells, these press as hard as those say, not as their dilatation does.
        """
        self.matrix.zeroEntries()
        fem.petsc.assemble_matrix(self.matrix, self._forms.stiffness)
        borders = [self._forms.border]
        if expected is not None and self._forms.pressure is not None:
            now = self._pressures(np.zeros(len(self.local_free)))
            self._forms.pressure.x.array[: len(now)] = expected - now
            fem.petsc.assemble_matrix(self.matrix, self._forms.correction)
            borders.append(self._forms.correction_border)
        self.matrix.assemble()
        if self._supports.constrain(self.matrix):
            self._outgrow()
        parts = [forms.assemble(self, self._vector) for forms in borders if forms is not None]
        if parts:
            columns, corners = (np.sum(arrays, axis=0) for arrays in zip(*parts, strict=True))
            self._border.B = self._supports.obeyed(columns)
            self._border.C = total(self.comm, corners)
        return self.matrix

    @override
    def local_force(self) -> NDArray[np.float64]:
        force = super().local_force()
        if self._forms.border is None:
            return force
        by_cell = self.per_cell(self._forms.border.force).sum(axis=1)
        return self._border.join(force, total(self.comm, by_cell))

    def per_cell(self, form: fem.Form) -> NDArray[np.float64]:
        """A form with several numbers per cell of the mesh, (k, owned cells)."""
        k = form.function_spaces[0].dofmap.index_map_bs
        values = self._assembled(form, k * len(self.domain.cell))
        return values.reshape(-1, k)[: self.domain.owned_cells].T

    def _outgrow(self) -> None:
        for solver in self._solvers:
            solver.invalidate_pattern()

    def stiffen(self, matrix: PETSc.Mat, dofs: Iterable[int], stiffness: float) -> None:
        """Add springs to ground at the mean displacements of joints.

        Every spring is a dense block on the points of its joint.
        """
        dofs = tuple(dofs)
        known = dofs in self._springs
        if not known:
            self._springs[dofs] = self._supports.springs(self.patches[np.array(dofs)], matrix)
            self._outgrow()
        # Only the first time does the matrix's pattern grow by that of the springs.
        pattern = PETSc.Mat.Structure
        structure = pattern.SUBSET_NONZERO_PATTERN if known else pattern.DIFFERENT_NONZERO_PATTERN
        matrix.axpy(stiffness, self._springs[dofs], structure)

    def solver(self, *, definite: bool) -> DirectSolver | IterativeSolver | BorderedSolver:
        """Linear solver for the solid's size and dimension."""
        inner = self._inner_solver(definite)
        return BorderedSolver(inner, self._border, definite=definite) if self.cell else inner

    def _inner_solver(self, definite: bool) -> DirectSolver | IterativeSolver:
        if definite and self.places == 3 and self.matrix.size[0] >= ITERATIVE_FROM:
            return IterativeSolver(self.matrix, self._rigid_motions())
        solver = DirectSolver(self.matrix, definite=definite)
        self._solvers.add(solver)
        return solver

    def _rigid_motions(self) -> list[NDArray[np.float64]]:
        """Rigid motions of the owned dofs: near-nullspace for multigrid."""
        x = self.domain.places[: self.n_owned // self.places] - self.network.nodes.mean(axis=0)
        turns = [] if self.network.periodic else spins(x)
        return [motion.ravel() for motion in translations(x) + turns]

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
        return volumes(self.points, self.domain.drawn.cells)

    def _whole(self, per_cell: NDArray) -> NDArray[np.float64]:
        out = np.zeros(len(self.domain.drawn.cells))
        owned = self.domain.owned_cells
        out[self.domain.cell[:owned]] = per_cell[:owned]
        return self.comm.allreduce(out, op=MPI.SUM)

    def local_energies(self) -> NDArray[np.float64]:
        """Energy of every element this rank answers for."""
        return self._per_element(self._assembled(self._forms.cell_energy, len(self.domain.cell)))

    def local_sensitivity(self, name: str) -> NDArray[np.float64]:
        """``du_i/dL_i`` of every element this rank answers for, displacements kept fixed.

        For the width, of the points of the reference mesh: they are carried along.
        """
        return self._to_elements(name, self._forms.sensitivity(name))

    def local_sensitivity_rate(self, name: str, rate: NDArray) -> NDArray[np.float64]:
        """Directional derivative of :meth:`local_sensitivity` along ``rate`` (owned dofs)."""
        self._put_rate(rate)
        return self._to_elements(name, self._forms.sensitivity_rate(name))

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
        out = self.energy.cautions(self.network, self._values) + self._contacts(states)
        cells = self.domain.drawn.cells
        least = [volumes(self.deformed(state), cells).min() for state in states.T]
        turned = [k for k, volume in enumerate(least, 1) if volume <= 0]
        if turned:
            out.append(
                f"In example {listed(turned)} cells are turned inside out: the load is too large "
                "for small strain."
            )
        return out

    def _contacts(self, states: NDArray) -> list[str]:
        """Warnings about elements that overlap in some states (owned dofs, k)."""
        return []

    def deformed(self, local: NDArray) -> NDArray[np.float64]:
        """Points of the mesh in a state (owned dofs) of the present widths, (p, d)."""
        self.put_state(local)
        return self._moved()

    def _moved(self) -> NDArray[np.float64]:
        at_rest, centre = self.points, self.network.nodes.mean(axis=0)
        moved = self.domain.at_points(self.state.x.array)
        return at_rest + (at_rest - centre) @ (self.gradient() - np.eye(self.places)).T + moved

    def gradient(self) -> NDArray[np.float64]:
        """Deformation gradient of the periodic cell at the state, (d, d)."""
        one = np.eye(self.places)
        if not self.cell:
            return one
        return one + strain_tensors(self._forms.cell_strain.x.array[: self.cell], self.cell_names)

    def _to_elements(self, name: str, form: fem.Form) -> NDArray[np.float64]:
        return self._per_element(self._assembled(form, len(self.domain.cell)))

    def _assembled(self, form: fem.Form, size: int) -> NDArray[np.float64]:
        values = np.zeros(size)
        fem.assemble_vector(values, form)
        return values

    def _per_element(self, values: NDArray) -> NDArray[np.float64]:
        element = self.domain.element_of_cells()[: self.domain.owned_cells]
        return self._summed(
            np.bincount(element, values[: self.domain.owned_cells], minlength=self.n_elements)
        )

    def _summed(self, per_element: NDArray) -> NDArray[np.float64]:
        """Sums over ranks, for the elements this rank answers for."""
        return self.comm.allreduce(per_element, op=MPI.SUM)[self._mine]
