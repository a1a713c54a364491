"""The finite-element model: a network and an element energy, on a DOLFINx mesh.

DOLFINx renumbers nodes and cells and spreads them over ranks. All of that ends here: arrays that
go in and come out are in the network's own order and whole on every rank, except where a name says
``local``. The forms are built once, when the model is made.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import override

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from mechlearn.atstate import AtState
from mechlearn.border import Border, BorderedSolver
from mechlearn.cell import cell_components, strain_tensors
from mechlearn.energies import Bond, BondEnergy
from mechlearn.errors import InputError, SolveError
from mechlearn.fenics import MPI, PETSc, basix_ufl, fem, la, mesh, ufl
from mechlearn.network import Network
from mechlearn.ranks import total
from mechlearn.scatter import Scatter
from mechlearn.solver import DirectSolver
from mechlearn.superposition import BondSuperposition, FeltByBonds


class Model(AtState):
    """Energy, forces, stiffness and local sensitivities of a network.

    Parameters
    ----------
    network : Network
    energy : BondEnergy
    held : iterable of int
        Degrees of freedom ``width * node + component`` that never move (supports and gauge).
    comm : MPI communicator
        Over which the mesh is spread.
    cell : bool
        Whether the cell of a periodic network deforms; see :mod:`mechlearn.cell`. Its strain is
        then the last few degrees of freedom of the first rank.

    Raises
    ------
    InputError
        For an energy of another dimension.

    Attributes
    ----------
    state : dolfinx.fem.Function
        The state at which everything is evaluated: displacements, or potentials.
    width : int
        How many numbers a node's state has.
    places : int
        How many of them are no rotations.
    cell : int
        How many components the cell's strain has as part of the state; 0 where the cell is rigid.
    cells, points : (cells, 2) integer and (points, d) arrays
        The two points of every cell, bond by bond, and where they are at rest; those of the network
        first. Whole on every rank.
    local_turns : (owned dofs,) bool array
        Which degrees of freedom are rotations, or strains of the cell.

    Bonds may be divided into several cells. *Points* are the nodes of the mesh: the network's own,
    then those inside bonds, bond by bond. A rank owns a bond if it owns the bond's first cell.
    """

    def __init__(
        self,
        network: Network,
        energy: BondEnergy,
        held: Iterable[int] = (),
        comm: MPI.Comm = MPI.COMM_WORLD,
        cell: bool = False,
    ) -> None:
        if energy.dimension not in (None, network.dim):
            right = energy.in_dimension(network.dim).__name__
            raise InputError(
                f"The network is in {network.dim}D, where a {energy.name} is a {right}, not a "
                f"{type(energy).__name__}."
            )
        self.network, self.energy, self.comm = network, energy, comm
        self.cell = len(cell_components(network.dim)) if cell else 0
        self.held = np.unique(np.fromiter(held, dtype=np.int64))
        self._make_mesh()
        self._make_orders()
        self._make_forms()
        self._make_supports()
        self.set(**{p.name: p.default(network) for p in energy.parameters})

    # -- construction --------------------------------------------------------------------------

    def _make_mesh(self) -> None:
        net = self.network
        root = self.comm.rank == 0
        self.cells, points = _divided(net, self.energy.segments)
        self.points, self._n_points = points, len(points)
        cells = self.cells if root else np.empty((0, 2), dtype=np.int64)
        points = points if root else np.empty((0, net.dim))
        # Without the true number of bonds that meet in a node, DOLFINx tears the network apart
        # between ranks and says nothing; the check below makes sure.
        most = int(np.bincount(self.cells.ravel()).max())
        element = basix_ufl.element("Lagrange", "interval", 1, shape=(net.dim,))
        self.mesh = mesh.create_mesh(
            self.comm, cells, ufl.Mesh(element), points, max_facet_to_cell_links=most
        )
        if self.mesh.topology.index_map(0).size_global != self._n_points:
            raise SolveError(
                "The mesh lost the connection of some bonds between ranks; use fewer ranks."
            )
        kinematics = self.energy.kinematics
        self.width = len(kinematics.components(net.dim))
        self.places = self.width - kinematics.rotations(net.dim)
        shape = (self.width,) if self.width > 1 else ()
        self.space = fem.functionspace(self.mesh, ("Lagrange", 1, shape))
        self._per_bond = fem.functionspace(self.mesh, ("DG", 0))
        self._per_bond_vector = fem.functionspace(self.mesh, ("DG", 0, (net.dim,)))

    def _make_orders(self) -> None:
        """Maps from local cells and degrees of freedom to the network's bonds and to points."""
        topology, geometry = self.mesh.topology, self.mesh.geometry
        segments = self.energy.segments
        d = self.width
        cells = topology.index_map(1)
        self._n_cells = cells.size_local
        n_all = cells.size_local + cells.num_ghosts
        number = np.asarray(topology.original_cell_index[:n_all])
        self._edge_of_cell = number // segments
        self._first_cells = np.flatnonzero(number[: self._n_cells] % segments == 0)
        self._owned_bonds = self._edge_of_cell[self._first_cells]
        points = geometry.dofmaps[0][:n_all]
        node_of_point = np.asarray(geometry.input_global_indices)
        # A cell runs the way its geometry does, which need not be the way of the user's bond.
        first = node_of_point[points[:, 0]]
        self._forward = np.where(first == self.cells[number, 0], 1.0, -1.0)
        blocks = self.space.dofmap.index_map
        self._n_owned = blocks.size_local * d
        self._node_of_block = np.empty(blocks.size_local + blocks.num_ghosts, dtype=np.int64)
        self._node_of_block[self.space.dofmap.list[:n_all]] = node_of_point[points]
        self._block_of_node = np.full(self._n_points, -1)
        self._block_of_node[self._node_of_block] = np.arange(len(self._node_of_block))
        node = self._node_of_block[: blocks.size_local, None]
        self._dof_of_local = (d * node + np.arange(d)).ravel()
        self._owned_cell = self.cell if self.comm.rank == 0 else 0
        turns = self._dof_of_local % d >= self.places
        self.local_turns = np.r_[turns, np.ones(self._owned_cell, dtype=bool)]

    def _make_forms(self) -> None:
        net, energy = self.network, self.energy
        self.state = fem.Function(self.space)
        self._parameters = {p.name: fem.Function(self._per_bond) for p in energy.parameters}
        self._length = self._bond_function(net.lengths / energy.segments)
        vector = self._bond_vectors(net.vectors / energy.segments)
        t = net.vectors / net.lengths[:, None]
        direction = self._bond_vectors(t)
        normals = tuple(self._bond_vectors(n) for n in _normals(t))
        forward = fem.Function(self._per_bond)
        forward.x.array[:] = self._forward
        along = ufl.Jacobian(self.mesh)[:, 0]
        if self.cell:
            of_cell = fem.functionspace(self.mesh, ("DG", 0, (self.cell,)))
            self._cell_strain, self._cell_rate = fem.Function(of_cell), fem.Function(of_cell)
        dx = ufl.Measure("dx", domain=self.mesh, metadata={"quadrature_degree": 0})

        def strains(w, of_cell=None):
            # The difference along the bond, free of the mesh's geometry: so bonds that wrap
            # around a periodic cell need nothing special.
            jump, turn, rotation = forward * ufl.dot(ufl.grad(w), along), None, None
            if self.places < self.width:
                (jump, turn), (_, rotation) = (_split(x, self.places) for x in (jump, w))
            if of_cell is not None:
                jump = jump + ufl.dot(_tensor(of_cell, net.dim), vector)
            made = energy.strain(
                Bond(vector, direction, normals, self._length, jump, turn, rotation, ufl.dot)
            )
            return made if isinstance(made, tuple) else (made,)

        def on_bonds(density):
            return density / ufl.CellVolume(self.mesh) * dx

        u = self.state
        now = strains(u, self._cell_strain if self.cell else None)
        felt = dict(zip(energy.strains, now, strict=True))
        density = energy.energy(**felt, length=self._length, **self._parameters)
        total = on_bonds(density)
        force = ufl.derivative(total, u, ufl.TestFunction(self.space))
        stiffness = ufl.derivative(force, u, ufl.TrialFunction(self.space))
        self._energy_form = fem.form(total)
        self._force_form = fem.form(force)
        share = ufl.TestFunction(self._per_bond)
        self._bond_energy_form = fem.form(on_bonds(share * density))
        several = len(energy.strains)
        per_strain = fem.functionspace(self.mesh, ("DG", 0, (several,) if several > 1 else ()))
        each = ufl.TestFunction(per_strain)

        def by_strain(values):
            return on_bonds(ufl.dot(each, ufl.as_vector(values) if several > 1 else values[0]))

        self._by_strain, self._per_strain = by_strain, per_strain
        self._strain_of_state = by_strain(now)
        self._strain_form = fem.form(self._strain_of_state)
        self._strain_rate_form: fem.Form | None = None
        self._rate = fem.Function(self.space)
        self._sensitivity_forms: dict[str, fem.Form] = {}
        self._sensitivity_rate_forms: dict[str, fem.Form] = {}
        self._sensitivities = {
            name: ufl.derivative(total, function, share)
            for name, function in self._parameters.items()
        }
        self._strains_of_motion = by_strain(strains(ufl.TrialFunction(self.space)))
        # On one rank, linear bonds need no pass over the mesh for their stiffness.
        self._scattered = energy.linear and self.comm.size == 1
        if self.cell:
            self._border = Border(self.comm, corner=np.zeros((self.cell, self.cell)))
            self._border_forms = _BorderForms(total, force, self._cell_strain, self._cell_rate)
        if not self._scattered:
            self._stiffness_form = fem.form(stiffness)
            self._matrix = fem.petsc.create_matrix(self._stiffness_form)
        self._vector = la.vector(self.space.dofmap.index_map, self.space.dofmap.index_map_bs)

    def _make_supports(self) -> None:
        d = self.width
        self._supports = []
        for c in range(d):
            blocks = self._block_of_node[self.held[self.held % d == c] // d]
            dofs = np.sort(blocks[blocks >= 0] * d + c).astype(np.int32)
            space = self.space.sub(c) if d > 1 else self.space
            self._supports.append(fem.dirichletbc(0.0, dofs, space))
        free = ~np.isin(self._dof_of_local, self.held)
        self.local_free = np.r_[free, np.ones(self._owned_cell, dtype=bool)]

    @cached_property
    def _scatter(self) -> Scatter:
        strains = len(self.energy.strains)
        free = self.local_free[: self._n_owned]
        return Scatter(
            self._operator_of_nodes(fem.form(self._strains_of_motion)), strains, free, self.width
        )

    @property
    def matrix(self) -> PETSc.Mat:
        """The stiffness as it was last assembled."""
        return self._scatter.matrix if self._scattered else self._matrix

    def _bond_function(self, values: ArrayLike) -> fem.Function:
        function = fem.Function(self._per_bond)
        function.x.array[:] = np.broadcast_to(values, self.network.n_edges)[self._edge_of_cell]
        return function

    def _bond_vectors(self, values: NDArray) -> fem.Function:
        function = fem.Function(self._per_bond_vector)
        function.x.array[:] = values[self._edge_of_cell].ravel()
        return function

    # -- the user's order ----------------------------------------------------------------------

    def to_bonds(self, local: NDArray) -> NDArray[np.float64]:
        """Values of owned bonds, shape (..., bonds), as one row per bond on every rank."""
        out = np.zeros((*local.shape[:-1], self.network.n_edges))
        out[..., self._owned_bonds] = local
        if self.comm.size > 1:
            self.comm.Allreduce(MPI.IN_PLACE, out, op=MPI.SUM)
        return out

    def to_nodes(self, local: NDArray) -> NDArray[np.float64]:
        """Owned degrees of freedom, shape (dofs, ...), as (n, width, ...) on every rank.

        Nodes of a cell that deforms are taken along by it, about their centre.
        """
        out = self.to_points(local)[: self.network.n_nodes]
        if self.cell:
            x = self.network.nodes - self.network.nodes.mean(axis=0)
            tensors = strain_tensors(self.cell_strain(local), self.network.dim)
            out[:, : self.places] += np.einsum("ij...,nj->ni...", tensors, x)
        return out

    def cell_strain(self, local: NDArray) -> NDArray[np.float64]:
        """The components of the cell's strain in a state (owned dofs, ...), on every rank."""
        return self._border.split(local)[1]

    def cells_in_order(self) -> NDArray[np.int64]:
        """Which owned cell is which, bond by bond in the user's order; on one rank."""
        return np.argsort(np.asarray(self.mesh.topology.original_cell_index[: self._n_cells]))

    def to_points(self, local: NDArray) -> NDArray[np.float64]:
        """The same of all points, shape (points, width, ...)."""
        out = np.zeros((self._n_points * self.width, *local.shape[1:]))
        out[self._dof_of_local] = local[: self._n_owned]
        if self.comm.size > 1:
            self.comm.Allreduce(MPI.IN_PLACE, out, op=MPI.SUM)
        return out.reshape(self._n_points, self.width, *local.shape[1:])

    def to_local(self, per_point: NDArray) -> NDArray[np.float64]:
        """A field in the order of points, shape (points, width), as owned degrees of freedom."""
        return per_point.reshape(-1)[self._dof_of_local]

    def pack(self, local: NDArray) -> NDArray[np.float64]:
        """A state (owned dofs, ...) whole on every rank, as :meth:`to_points` has it.

        Where the cell deforms, all numbers of the points and then those of its strain.
        """
        points = self.to_points(local)
        if not self.cell:
            return points
        return np.concatenate([points.reshape(-1, *local.shape[1:]), self.cell_strain(local)])

    def unpack(self, whole: NDArray) -> NDArray[np.float64]:
        """The owned degrees of freedom of a :meth:`pack`."""
        if not self.cell:
            return self.to_local(whole)
        return self._border.join(self.to_local(whole[: -self.cell]), whole[-self.cell :])

    def local_rows(self, functionals: sparse.csr_array) -> sparse.csr_array:
        """Linear functionals of the nodes' degrees of freedom, restricted to those owned here.

        Supports do not move, so their columns are dropped.
        """
        columns, nodes = functionals.tocsc(), self.network.n_nodes * self.width
        of_nodes, of_cell = columns[:, :nodes], columns[:, nodes:]
        of_nodes.resize(functionals.shape[0], self._n_points * self.width)
        mine = of_nodes[:, self._dof_of_local]
        if self._owned_cell:
            mine = sparse.hstack([mine, of_cell])
        return sparse.csr_array(mine * self.local_free)

    # -- evaluation ----------------------------------------------------------------------------

    def set(self, **parameters: ArrayLike) -> None:
        """Set parameters of the bonds, each one number or one per bond in the user's order."""
        for name, values in parameters.items():
            self.energy.parameter(name)
            values = np.broadcast_to(np.asarray(values, dtype=float), self.network.n_edges)
            self._parameters[name].x.array[:] = values[self._edge_of_cell]

    def renew(self) -> bool:
        """Whether the mesh had to be made anew for the present parameters; here it never has."""
        return False

    def memory(self) -> dict[str, NDArray]:
        """What decides about the mesh, beside network and parameters: nothing."""
        return {}

    def recall(self, memory: Mapping[str, NDArray]) -> bool:
        """Go back to the mesh of a :meth:`memory`; whether it is another."""
        return False

    def inverted(self) -> bool:
        """Whether cells are turned inside out at the state; bonds have no inside."""
        return False

    def counts(self) -> dict[str, int]:
        """What summary.json says of the mesh: nothing."""
        return {}

    def doubts(self, states: NDArray) -> list[str]:
        """What speaks against trusting some states (owned dofs, k), in sentences: nothing."""
        return []

    def solver(self, *, definite: bool) -> DirectSolver | BorderedSolver:
        """The solver that suits the model."""
        # The sparse part of a matrix with a border is definite where the whole is.
        direct = DirectSolver(self.matrix, definite=definite)
        return BorderedSolver(direct, self._border, definite=definite) if self.cell else direct

    def get(self, name: str) -> NDArray[np.float64]:
        """A parameter of the bonds in the user's order."""
        return self.to_bonds(self._parameters[name].x.array[self._first_cells])

    def local_parameters(self) -> dict[str, NDArray[np.float64]]:
        """All parameters and the length (of a cell), of the bonds this rank owns."""
        functions = {"length": self._length, **self._parameters}
        return {name: f.x.array[self._first_cells] for name, f in functions.items()}

    def assemble_stiffness(self, expected: NDArray | None = None) -> PETSc.Mat:
        """``d2U/du2`` at the state, with unit rows and columns at supports; always the same Mat.

        With ``expected`` strains of the owned cells, (k, cells), bonds pull as hard as those say,
        which makes their geometric stiffness, instead of as hard as the state says.
        """
        if self.cell:
            self._assemble_border(self._border_forms)
        if self._scattered:
            return self._scatter.assemble(self._moduli())
        self.matrix.zeroEntries()
        fem.petsc.assemble_matrix(self.matrix, self._stiffness_form, bcs=self._supports)
        if expected is not None:
            pull, form, border = self._geometric_stiffness
            change = self._stresses(expected) - self._stresses(self._per_cell(self._strain_form))
            pull.x.array.reshape(-1, len(change))[: self._n_cells] = change.T
            # Unit diagonals were inserted; without this, what is added next is dropped in silence.
            self.matrix.assemble(PETSc.Mat.AssemblyType.FLUSH)
            fem.petsc.assemble_matrix(self.matrix, form, bcs=self._supports)
            if border:
                self._assemble_border(border, add=True)
        self.matrix.assemble()
        return self.matrix

    @cached_property
    def _geometric_stiffness(self) -> tuple[fem.Function, fem.Form, "_BorderForms | None"]:
        """Partners of the strains, and the stiffness that they make as strains are not linear."""
        pull = fem.Function(self._per_strain)
        work = ufl.replace(self._strain_of_state, {self._strain_of_state.arguments()[0]: pull})
        force = ufl.derivative(work, self.state, ufl.TestFunction(self.space))
        form = fem.form(ufl.derivative(force, self.state, ufl.TrialFunction(self.space)))
        if not self.cell:
            return pull, form, None
        return pull, form, _BorderForms(work, force, self._cell_strain, self._cell_rate)

    def _assemble_border(self, forms: "_BorderForms", *, add: bool = False) -> None:
        """The rows of the stiffness that belong to the cell's strain, at the state."""
        c, vector = self.cell, self._vector
        columns, corner = np.empty((self._n_owned, c)), np.empty((c, c))
        rate = self._cell_rate.x.array.reshape(-1, c)
        for k in range(c):
            rate[:] = np.eye(c)[k]
            vector.array[:] = 0
            fem.assemble_vector(vector.array, forms.columns)
            vector.scatter_reverse(la.InsertMode.add)
            columns[:, k] = vector.array[: self._n_owned]
            corner[:, k] = self._per_cell(forms.corner).sum(axis=1)
        columns *= self.local_free[: self._n_owned, None]
        corner = total(self.comm, corner)
        border = self._border
        border.columns = border.columns + columns if add else columns
        border.corner = border.corner + corner if add else corner

    @override
    def put_state(self, local: NDArray) -> None:
        super().put_state(local)
        if self.cell:
            self._cell_strain.x.array.reshape(-1, self.cell)[:] = self.cell_strain(local)

    @override
    def local_force(self) -> NDArray[np.float64]:
        force = super().local_force()
        if not self.cell:
            return force
        return self._border.join(
            force, total(self.comm, self._per_cell(self._border_forms.force).sum(axis=1))
        )

    @override
    def shift(self, matrix: PETSc.Mat, springs: NDArray) -> None:
        super().shift(matrix, springs)
        if self.cell:
            # The cell's strain moves all bonds at once, and its stiffness grows with their number.
            each = self._border.split(springs)[1]
            self._border.corner = self._border.corner + np.diag(each * self.network.n_edges)

    def _stresses(self, strains: NDArray) -> NDArray[np.float64]:
        """Partners of the strains of owned cells, (k, cells)."""
        at, out = self._at(strains), np.empty((len(self.energy.strains), self._n_cells))
        for k, name in enumerate(self.energy.strains):
            out[k] = self.energy.derivative(name)(**at)
        return out

    def _moduli(self, strains: NDArray | None = None) -> NDArray[np.float64]:
        """Second derivatives of the energy by the strains, (owned cells, k, k).

        At some strains, (k, cells); at rest where left out.
        """
        names = self.energy.strains
        at = self._at(np.zeros(len(names)) if strains is None else strains)
        out = np.empty((self._n_cells, len(names), len(names)))
        for j, k in np.ndindex(out.shape[1:]):
            out[:, j, k] = self.energy.derivative(names[j], names[k])(**at)
        return out

    def _at(self, strains: NDArray) -> dict[str, NDArray]:
        """What the energy of owned cells depends on, at some strains, (k,) or (k, cells)."""
        functions = {"length": self._length, **self._parameters}
        at = {name: f.x.array[: self._n_cells] for name, f in functions.items()}
        return at | dict(zip(self.energy.strains, strains, strict=True))

    @override
    def load_at_rest(self) -> NDArray[np.float64] | None:
        if self.energy.linear:
            tense = bool(self._stresses(np.zeros(len(self.energy.strains))).any())
            if not total(self.comm, int(tense)):
                return None
        return super().load_at_rest()

    def expected_strains(self, step: NDArray) -> NDArray[np.float64]:
        """Strains of owned cells, (k, cells), after a step (owned dofs), to first order in it."""
        return self._per_cell(self._strain_form) + self._strain_rates(step)

    def stiffen(self, matrix: PETSc.Mat, dofs: Iterable[int], stiffness: float) -> None:
        """Add springs to the ground, at degrees of freedom in the user's order, to a matrix."""
        mine = np.flatnonzero(np.isin(self._dof_of_local, list(dofs)))
        for dof in (mine + matrix.getOwnershipRange()[0]).astype(PETSc.IntType):
            matrix.setValues([dof], [dof], [stiffness], addv=PETSc.InsertMode.ADD_VALUES)
        matrix.assemble()

    @cached_property
    def strain_operator(self) -> sparse.csr_array:
        """Strains of owned cells as a sparse matrix on owned and ghost degrees of freedom.

        Of several strains, all those of the first cell come first. The cell's strain comes last.
        Linear elements only.
        """
        return self._operator(fem.form(self._strains_of_motion))

    @cached_property
    def _tangent_operator_form(self) -> fem.Form:
        motion = ufl.TrialFunction(self.space)
        return fem.form(ufl.derivative(self._strain_of_state, self.state, motion))

    def tangent_operator(self) -> sparse.csr_array:
        """Rates of the strains at the state, as :attr:`strain_operator` has the strains."""
        if self.energy.linear:
            return self.strain_operator
        return self._operator(self._tangent_operator_form)

    def tangent_moduli(self) -> NDArray[np.float64]:
        """Second derivatives of the energy by the strains at the state, (owned cells, k, k)."""
        if self.energy.linear:
            return self._moduli()
        return self._moduli(self._per_cell(self._strain_form))

    @cached_property
    def _cell_operator_form(self) -> fem.Form:
        return fem.form(ufl.derivative(self._strain_of_state, self._cell_strain, self._cell_rate))

    def _operator(self, form: fem.Form) -> sparse.csr_array:
        """Strains by moves of the nodes, as a form of test and trial functions, and of the cell."""
        of_nodes = self._operator_of_nodes(form)
        if not self.cell:
            return of_nodes
        rate, columns = self._cell_rate.x.array.reshape(-1, self.cell), []
        for unit in np.eye(self.cell):
            rate[:] = unit
            columns.append(self._per_cell(self._cell_operator_form).T.ravel())
        return sparse.csr_array(sparse.hstack([of_nodes, np.array(columns).T]))

    def _operator_of_nodes(self, form: fem.Form) -> sparse.csr_array:
        matrix = fem.petsc.assemble_matrix(form)
        matrix.assemble()
        rows, columns, values = matrix.getValuesCSR()
        matrix.destroy()
        d, blocks = self.width, self.space.dofmap.index_map
        columns = d * blocks.global_to_local(columns.astype(np.int64) // d) + columns % d
        shape = self._n_cells * len(self.energy.strains), len(self.state.x.array)
        return sparse.csr_array((values, columns, rows), shape)

    def superpose(self, columns: NDArray) -> BondSuperposition:
        """What sums of some states (owned dofs, columns) make the bonds feel; linear elements."""
        return BondSuperposition(self, columns)

    def local_strains(self) -> NDArray[np.float64]:
        """All strains of every owned bond at the state, summed over its cells, (k, bonds)."""
        return self._summed(self._strain_form)

    def local_energies(self) -> NDArray[np.float64]:
        """Energy of every owned bond at the state."""
        return self._summed(self._bond_energy_form)[0]

    def local_tensions(self) -> NDArray[np.float64]:
        """Partner of the first strain (tension, current) of every owned bond; mean of its cells."""
        per_cell = self._stresses(self._per_cell(self._strain_form))[:1]
        return self._over_bonds(per_cell)[0] / self.energy.segments

    def local_sensitivity(self, name: str) -> NDArray[np.float64]:
        """``du_i/dL_i`` of every owned bond at the state, displacements kept fixed."""
        return self._summed(self._sensitivity_form(name))[0]

    def local_sensitivity_rate(self, name: str, rate: NDArray) -> NDArray[np.float64]:
        """How :meth:`local_sensitivity` changes when the state does, at ``rate`` (owned dofs)."""
        self._put_rate(rate)
        return self._summed(self._sensitivity_rate_form(name))[0]

    def local_strain_rates(self, rate: NDArray) -> NDArray[np.float64]:
        """How :meth:`local_strains` change when the state does, at ``rate`` (owned dofs)."""
        return self._over_bonds(self._strain_rates(rate))

    def _strain_rates(self, rate: NDArray) -> NDArray[np.float64]:
        self._put_rate(rate)
        if self._strain_rate_form is None:
            self._strain_rate_form = fem.form(self._changing(self._strain_of_state))
        return self._per_cell(self._strain_rate_form)

    def felt(self, strains: NDArray) -> FeltByBonds:
        """What the owned bonds feel at given strains, (k, examples, bonds)."""
        if self.energy.segments > 1:
            raise InputError(
                f"Errors of measurement need bonds with one element; those of this "
                f"{self.energy.name} have {self.energy.segments} segments."
            )
        return FeltByBonds(self.energy, self.local_parameters(), strains)

    def to_local_bonds(self, values: NDArray) -> NDArray[np.float64]:
        """Values of all bonds, shape (..., m), as those of owned bonds."""
        return values[..., self._owned_bonds]

    def _put_rate(self, rate: NDArray) -> None:
        self._rate.x.array[: self._n_owned] = rate[: self._n_owned]
        self._rate.x.scatter_forward()
        if self.cell:
            self._cell_rate.x.array.reshape(-1, self.cell)[:] = self.cell_strain(rate)

    def _changing(self, form):
        """The rate of change of a form while the state changes at the rate that was put."""
        change = ufl.derivative(form, self.state, self._rate)
        if self.cell:
            change += ufl.derivative(form, self._cell_strain, self._cell_rate)
        return change

    def _sensitivity_form(self, name: str):
        if name not in self._sensitivity_forms:
            self._sensitivity_forms[name] = fem.form(self._sensitivities[name])
        return self._sensitivity_forms[name]

    def _sensitivity_rate_form(self, name: str):
        if name not in self._sensitivity_rate_forms:
            rate = self._changing(self._sensitivities[name])
            self._sensitivity_rate_forms[name] = fem.form(rate)
        return self._sensitivity_rate_forms[name]

    def _per_cell(self, form) -> NDArray[np.float64]:
        """A form with one or several numbers per cell, (k, owned cells)."""
        dofmap = form.function_spaces[0].dofmap
        values = np.zeros((len(self._edge_of_cell), dofmap.index_map_bs))
        fem.assemble_vector(values.reshape(-1), form)
        return values[: self._n_cells].T

    def _summed(self, form) -> NDArray[np.float64]:
        return self._over_bonds(self._per_cell(form))

    def _over_bonds(self, per_cell: NDArray) -> NDArray[np.float64]:
        """Numbers of owned cells, (k, cells), summed over those of every owned bond."""
        if self.energy.segments == 1:
            return per_cell
        # Cells of a bond may lie on several ranks.
        sums = np.zeros((len(per_cell), self.network.n_edges))
        for row, cells in zip(sums, per_cell, strict=True):
            np.add.at(row, self._edge_of_cell[: self._n_cells], cells)
        self.comm.Allreduce(MPI.IN_PLACE, sums, op=MPI.SUM)
        return sums[:, self._owned_bonds]

    def with_ghosts(self, columns: NDArray) -> NDArray[np.float64]:
        """Owned rows of a block of columns, completed by the rows that other ranks own."""
        if self.comm.size == 1:
            return columns
        out = np.empty((len(self.state.x.array) + self.cell, columns.shape[1]))
        swap = fem.Function(self.space).x
        for k, column in enumerate(columns.T):
            swap.array[: self._n_owned] = column[: self._n_owned]
            swap.scatter_forward()
            out[: len(swap.array), k] = swap.array
        if self.cell:
            out[-self.cell :] = self.cell_strain(columns)
        return out


class _BorderForms:
    """Derivatives of an energy by the cell's strain: its force, and the border of the stiffness.

    The latter in the direction of ``rate``, which is set before they are assembled.
    """

    def __init__(self, energy, force, strain: fem.Function, rate: fem.Function) -> None:
        of_cell = ufl.derivative(energy, strain, ufl.TestFunction(strain.function_space))
        self.force = fem.form(of_cell)
        self.columns = fem.form(ufl.derivative(force, strain, rate))
        self.corner = fem.form(ufl.derivative(of_cell, strain, rate))


def _divided(network: Network, segments: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The two points of every cell, bond by bond, and where the points are.

    Those inside bonds lie between the nodes even if the bond is one to a periodic image: nothing
    but the picture of the mesh depends on it.
    """
    a, b = network.edges.T
    count = network.n_edges, segments - 1
    inner = network.n_nodes + np.arange(count[0] * count[1]).reshape(count)
    row = np.column_stack([a, inner, b])
    part = (np.arange(1, segments) / segments)[:, None]
    between = network.nodes[a, None] * (1 - part) + network.nodes[b, None] * part
    cells = np.stack([row[:, :-1], row[:, 1:]], axis=-1).reshape(-1, 2)
    return cells, np.vstack([network.nodes, between.reshape(-1, network.dim)])


def _normals(t: NDArray) -> tuple[NDArray[np.float64], ...]:
    """Unit vectors across some directions: one in 2D, two in 3D."""
    if t.shape[1] == 2:
        return (np.column_stack([-t[:, 1], t[:, 0]]),)
    axis = np.eye(3)[np.argmin(np.abs(t), axis=1)]
    one = np.cross(t, axis)
    one /= np.linalg.norm(one, axis=1)[:, None]
    return one, np.cross(t, one)


def _tensor(components, dim: int):
    """The symmetric tensor of some components, in UFL."""
    number = strain_tensors(np.arange(len(cell_components(dim))), dim).astype(int)
    return ufl.as_matrix([[components[int(k)] for k in row] for row in number])


def _split(w, places: int) -> tuple:
    """The displacement in a state, and the rest, which is a rotation."""
    rotation = [w[c] for c in range(places, len(w))]
    turn = rotation[0] if len(rotation) == 1 else ufl.as_vector(rotation)
    return ufl.as_vector([w[c] for c in range(places)]), turn
