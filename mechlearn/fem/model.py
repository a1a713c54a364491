"""The finite-element model: a network and an element energy, on a DOLFINx mesh.

DOLFINx renumbers nodes and cells and spreads them over ranks. All of that ends here: arrays that
go in and come out are in the network's own order and whole on every rank, except where a name says
``local``. The forms are built once, when the model is made.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, override

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from mechlearn.energies.element import BondEnergy
from mechlearn.errors import InputError
from mechlearn.fem.assembly import BaseModel, PackedCoefficients
from mechlearn.fem.forms import BondForms, BorderForms
from mechlearn.fem.matrices import BondStiffness, FormMatrix, SparseProduct
from mechlearn.fem.mesh import BondMesh
from mechlearn.fem.superposition import AtRest, BondResponse, BondSuperposition
from mechlearn.fem.tuples import TupleElements
from mechlearn.fenics import MPI, PETSc, fem, la
from mechlearn.linalg.solver import BorderedSolver, DirectSolver
from mechlearn.network import Network
from mechlearn.parallel import total


class Model(BondMesh, BaseModel):
    """Energy, forces, stiffness and local sensitivities of a network.

    Parameters
    ----------
    network : Network
    energy : BondEnergy
    held : iterable of int
        Degrees of freedom ``width * node + component`` that never move (supports and gauge).
    comm : MPI communicator
        Over which the mesh is spread.
    cell : sequence of str
        Names of the unknowns of a periodic network's cell, none where it is rigid; see
        :mod:`mechlearn.fem.macroscopic_strain`. They are the last few degrees of freedom of the
        first rank.

    Raises
    ------
    InputError
        For an energy of another dimension, or with too many internal unknowns.

    Attributes
    ----------
    state : dolfinx.fem.Function
        The state at which everything is evaluated: displacements, or potentials.

    Others are those of :class:`mechlearn.fem.mesh.BondMesh`, which says who owns what, and what the
    points are where bonds are divided into several cells.
    """

    def __init__(
        self,
        network: Network,
        energy: BondEnergy,
        held: Iterable[int] = (),
        comm: MPI.Comm = MPI.COMM_WORLD,
        cell: Sequence[str] = (),
    ) -> None:
        self.energy = energy = energy.in_dimension(network.dim)
        tables = list(dict.fromkeys(kind.table for kind in energy.tuples))
        kind, internal = energy.kinematics, len(energy.internal)
        super().__init__(network, energy.segments, kind, held, comm, cell, tables, internal)
        self._forms = forms = BondForms(self, energy)
        self._elements = [TupleElements(kind, self) for kind in energy.tuples]
        self.state, self._vector = forms.state, la.vector(self.space.dofmap.index_map, self.width)
        self._energy_form, self._force_form = forms.energy, forms.force
        self._supports, self._mine = self.supports(), slice(self.n_cells)
        # On one rank, linear bonds need no pass over the mesh for their stiffness.
        self._by_bonds = energy.linear and comm.size == 1
        if not self._by_bonds:
            joined = [nodes for elements in self._elements for nodes in elements.nodes]
            self._assembled = FormMatrix(forms.stiffness, self._supports, comm, self.width, joined)
        self._rest: AtRest | None = None
        self._changed: set[str] = set()
        self._packed = PackedCoefficients(forms.force, self.state)
        self.set(**{p.name: p.default(network) for p in energy.bond_parameters})

    @cached_property
    def _carriers(self) -> dict[str, TupleElements]:
        """Elements on node tuples by the names of their parameters."""
        return {name: elements for elements in self._elements for name in elements.values}

    @cached_property
    def _bond_stiffness(self) -> BondStiffness:
        strains, free = len(self.energy.strains), self.local_free[: self.n_owned]
        operator = self.operator(self._forms.strain_of_motion)
        return BondStiffness(operator, strains, free, self.width)

    @property
    def matrix(self) -> PETSc.Mat:
        """Stiffness matrix of the last assembly."""
        return self._bond_stiffness.matrix if self._by_bonds else self._assembled.matrix

    def set(self, **parameters: ArrayLike) -> Callable[[NDArray], NDArray] | None:
        """Set parameters of the bonds, each one number or one per bond in the user's order.

        Raises
        ------
        InputError
            For an unknown parameter, or another number of values.
        """
        given = {}
        for name, values in parameters.items():
            parameter = self.energy.parameter(name)
            given[name] = each = np.asarray(values, dtype=float)
            m = self.network.count(parameter.table)
            if each.shape not in ((), (m,)):
                raise InputError(
                    f"{name}: an array {each.shape} is not one number for each of {m} "
                    f"{parameter.elements}."
                )
        for name in given.keys() & self._carriers.keys():
            self._carriers[name].set(**{name: given.pop(name)})
        m = self.network.n_edges
        for name, each in given.items():
            each, of_cells = each if each.ndim else np.full(m, each), self._forms.values[name]
            # Every number is in range; other modes than "clip" make a copy first.
            each.take(self.bond_of_cell, out=of_cells, mode="clip")
        for name, each in self.energy.completed(self._forms.values).items():
            self._forms.values[name][:] = each
            given[name] = each
        self._changed.update(given)
        self._packed.renew()
        return None

    def solver(self, *, definite: bool) -> DirectSolver | BorderedSolver:
        """Linear solver for the model."""
        # The sparse part of a matrix with a border is definite where the whole is.
        turns = self.local_turns[: self.n_owned]
        arm = (
            np.where(turns, self.network.lengths.mean(), 1.0)
            if self.turning or self.internal
            else None
        )
        direct = DirectSolver(self.matrix, definite=definite, free=self.local_free, arm=arm)
        return BorderedSolver(direct, self._border, definite=definite) if self.cell else direct

    def get(self, name: str) -> NDArray[np.float64]:
        """A parameter of the bonds, or node tuples, in the user's order."""
        if name in self._carriers:
            return self._carriers[name].values[name].copy()
        return self.to_bonds(self._forms.values[name][self.first_cells])

    @override
    def to_elements(self, name: str, local: NDArray) -> NDArray[np.float64]:
        """Values of the owned elements with a parameter, (..., owned), of all on every rank."""
        carrier = self._carriers.get(name)
        return self.to_bonds(local) if carrier is None else carrier.to_all(local)

    def unstrained(self) -> AtRest:
        """Derivatives of the owned cells' energies at rest, with the parameters as they are now."""
        if self._rest is None:
            self._rest = AtRest(self.energy, self._copied(self._forms.values))
        elif self._changed:
            self._rest = self._rest.changed(self._copied(self._changed))
        self._changed.clear()
        return self._rest

    def _copied(self, names: Iterable[str]) -> dict[str, NDArray[np.float64]]:
        return {name: self._forms.values[name][self._mine].copy() for name in names}

    def assemble_stiffness(self, expected: NDArray | None = None) -> PETSc.Mat:
        """``d2U/du2`` at the state, with unit rows and columns at supports; always the same Mat.

        With ``expected`` strains of the owned cells, (k, cells), bonds pull as hard as those say,
        which makes their geometric stiffness, instead of as hard as the state says.
        """
        if self.cell:
            self._assemble_border(self._forms.border)
        if self._by_bonds:
            return self._bond_stiffness.assemble(self.unstrained().moduli())
        self._assembled.start()
        self._assembled.add(self._forms.stiffness, **self._given(self._forms.stiffness))
        if expected is not None:
            pull, form, border = self._forms.geometric
            change = self._at(expected).stresses() - self._at(self._cell_strains()).stresses()
            pull.x.array.reshape(-1, len(change))[: self.n_cells] = change.T
            self._assembled.add(form)
            if border:
                self._assemble_border(border, add=True)
        for elements in self._elements:
            entries, columns, corner = elements.stiffness(len(self.state.x.array))
            self._assembled.add_entries(entries, self._everywhere_free)
            if self.cell:
                self._add_border(self._reversed(columns), corner, add=True)
        return self._assembled.finish()

    @cached_property
    def _everywhere_free(self) -> NDArray[np.bool_]:
        """Mask of local degrees of freedom, ghosts included, that no support holds."""
        free = self.local_free[:, None].astype(float)
        return self.with_ghosts(free)[: len(self.state.x.array), 0] > 0

    def _reversed(self, columns: NDArray) -> NDArray[np.float64]:
        """Columns (local dofs, k), those of ghosts added to their owners', (owned dofs, k)."""
        out = np.empty((self.n_owned, columns.shape[1]))
        for k, column in enumerate(columns.T):
            self._vector.array[:] = column
            self._vector.scatter_reverse(la.InsertMode.add)
            out[:, k] = self._vector.array[: self.n_owned]
        return out

    def _assemble_border(self, forms: BorderForms, *, add: bool = False) -> None:
        """Stiffness rows of the macroscopic strain, at the state."""
        self._add_border(*forms.assemble(self, self._vector), add=add)

    def _add_border(self, columns: NDArray, corner: NDArray, *, add: bool) -> None:
        border = self._border
        columns *= self.local_free[: self.n_owned, None]
        corner = total(self.comm, corner)
        border.B = border.B + columns if add else columns
        border.C = border.C + corner if add else corner

    @override
    def _given(self, form: fem.Form) -> dict[str, Any]:
        return self._packed.given(form)

    @override
    def put_state(self, local: NDArray) -> None:
        super().put_state(local)
        self._packed.move()
        if self.cell:
            self._packed.renew()
            self._forms.cell_strain.x.array.reshape(-1, self.cell)[:] = self.cell_strain(local)
        for elements in self._elements:
            elements.put_state(self.state.x.array, self.cell_strain(local))

    @override
    def total_energy(self) -> float:
        tuples = sum(elements.energies().sum() for elements in self._elements)
        return super().total_energy() + (total(self.comm, tuples) if self._elements else 0.0)

    @override
    def local_force(self) -> NDArray[np.float64]:
        force, by_cell = super().local_force(), np.zeros(self.cell)
        if self._elements:
            self._vector.array[:] = 0
            for elements in self._elements:
                by_cell += elements.add_forces(self._vector.array)
            self._vector.scatter_reverse(la.InsertMode.add)
            force = force + self.obeyed(self._vector.array[: self.n_owned])
        if not self.cell:
            return force
        by_cell += self.per_cell(self._forms.border.force).sum(axis=1)
        return self._border.join(force, total(self.comm, by_cell))

    def _at(self, strains: NDArray) -> BondResponse:
        """Derivatives of the energies of owned cells at strains, (k, cells)."""
        here = {name: values[self._mine] for name, values in self._forms.values.items()}
        return BondResponse(self.energy, here, strains)

    @override
    def load_at_rest(self) -> NDArray[np.float64] | None:
        if self.energy.linear:
            tight = not self.unstrained().is_stress_free
            if not total(self.comm, int(tight)):
                return None
        return super().load_at_rest()

    def to_nodes(self, local: NDArray) -> NDArray[np.float64]:
        """Owned degrees of freedom, shape (dofs, ...), as (n, width, ...) on every rank.

        Nodes of a cell that deforms are taken along by it, about their centre.
        """
        out = self.to_points(local)[: self.network.n_nodes]
        if self.cell:
            out[:, : self.places] += self.affine(local)
        return out

    def expected_strains(self, step: NDArray) -> NDArray[np.float64]:
        """First-order strains of owned cells, (k, cells), after a step (owned dofs)."""
        return self._cell_strains() + self._strain_rates(step)

    def stiffen(self, matrix: PETSc.Mat, dofs: Iterable[int], stiffness: float) -> None:
        """Add springs to the ground, at degrees of freedom in the user's order, to a matrix."""
        mine = np.flatnonzero(np.isin(self.dof_of_local, list(dofs)))
        for dof in (mine + matrix.getOwnershipRange()[0]).astype(PETSc.IntType):
            matrix.setValues([dof], [dof], [stiffness], addv=PETSc.InsertMode.ADD_VALUES)
        matrix.assemble()

    @cached_property
    def strain_operator(self) -> sparse.csr_array:
        """Strains of owned cells as a sparse matrix on owned and ghost degrees of freedom.

        Of several strains, all those of the first cell come first. The cell's strain comes last.
        Linear elements only.
        """
        return self._operator(self._forms.strain_of_motion)

    @cached_property
    def strain_product(self) -> SparseProduct:
        """Products of :attr:`strain_operator`."""
        return SparseProduct(self.strain_operator)

    def tangent_operator(self) -> sparse.csr_array:
        """Rates of the strains at the state, as :attr:`strain_operator` has the strains."""
        if self.energy.linear:
            return self.strain_operator
        return self._operator(self._forms.strain_by_motion)

    def tangent_moduli(self) -> NDArray[np.float64]:
        """Second derivatives of the energy by the strains at the state, (owned cells, k, k)."""
        if self.energy.linear:
            return self.unstrained().moduli()
        return self._at(self._cell_strains()).moduli()

    def _operator(self, form: fem.Form) -> sparse.csr_array:
        """Strains by moves of the nodes, as a form of test and trial functions, and of the cell."""
        of_nodes = self.operator(form)
        if not self.cell:
            return of_nodes
        rate, columns = self._forms.cell_rate.x.array.reshape(-1, self.cell), []
        for unit in np.eye(self.cell):
            rate[:] = unit
            columns.append(self.per_cell(self._forms.strain_by_cell).T.ravel())
        return sparse.csr_array(sparse.hstack([of_nodes, np.array(columns).T]))

    @override
    def energy_at_rest(self) -> float:
        each = self.unstrained()()
        here = each.sum() if isinstance(each, np.ndarray) else each * self.n_cells
        return float(total(self.comm, here))

    @override
    def superpose(self, columns: NDArray) -> BondSuperposition:
        return BondSuperposition(self, columns)

    def local_strains(self) -> NDArray[np.float64]:
        """All strains of every owned bond at the state, summed over its cells, (k, bonds)."""
        return self._summed(self._forms.strain)

    def local_energies(self) -> NDArray[np.float64]:
        """Energy of every owned bond at the state."""
        return self._summed(self._forms.bond_energy)[0]

    def local_tensions(self) -> NDArray[np.float64]:
        """Partner of the first strain (tension, current) of every owned bond; mean of its cells."""
        per_cell = self._at(self._cell_strains()).stresses()[:1]
        return self.over_bonds(per_cell)[0] / self.energy.segments

    def local_sensitivity(self, name: str) -> NDArray[np.float64]:
        """``du_i/dL_i`` of every owned bond (node tuple) at the state, displacements kept fixed."""
        if name in self._carriers:
            return self._carriers[name].sensitivities(name)
        return self._summed(self._forms.sensitivity(name))[0]

    def local_sensitivity_rate(self, name: str, rate: NDArray) -> NDArray[np.float64]:
        """Rate of :meth:`local_sensitivity` for a ``rate`` of the state (owned dofs)."""
        self._put_rate(rate)
        if name in self._carriers:
            whole = self._forms.rate.x.array
            return self._carriers[name].sensitivity_rates(name, whole, self.cell_strain(rate))
        return self._summed(self._forms.sensitivity_rate(name))[0]

    def local_strain_rates(self, rate: NDArray) -> NDArray[np.float64]:
        """Rates of :meth:`local_strains` for a ``rate`` of the state (owned dofs)."""
        return self.over_bonds(self._strain_rates(rate))

    def _cell_strains(self) -> NDArray[np.float64]:
        """Strains of owned cells at the state, (k, cells)."""
        return self._per_cell(self._forms.strain)

    def _strain_rates(self, rate: NDArray) -> NDArray[np.float64]:
        self._put_rate(rate)
        return self.per_cell(self._forms.strain_rate)

    def bond_response(self, strains: NDArray) -> BondResponse:
        """Derivatives of the energies of owned bonds at given strains, (k, examples, bonds)."""
        if self.energy.segments > 1:
            raise InputError(
                f"Errors of measurement need bonds with one element; those of this "
                f"{self.energy.name} have {self.energy.segments} segments."
            )
        return BondResponse(self.energy, self.unstrained().parameters, strains)

    def _put_rate(self, rate: NDArray) -> None:
        self._forms.rate.x.array[: self.n_owned] = rate[: self.n_owned]
        self._forms.rate.x.scatter_forward()
        if self.cell:
            self._forms.cell_rate.x.array.reshape(-1, self.cell)[:] = self.cell_strain(rate)

    def _summed(self, form: fem.Form) -> NDArray[np.float64]:
        return self.over_bonds(self._per_cell(form))

    def _per_cell(self, form: fem.Form) -> NDArray[np.float64]:
        return self.per_cell(form, **self._given(form))
