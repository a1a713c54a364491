"""The finite-element model: a network and an element energy, on a DOLFINx mesh.

DOLFINx renumbers nodes and cells and spreads them over ranks. All of that ends here: arrays that
go in and come out are in the network's own order and whole on every rank, except where a name says
``local``. The forms are built once, when the model is made.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from mechlearn.energies import Bond, BondEnergy
from mechlearn.errors import SolveError
from mechlearn.fenics import MPI, PETSc, basix_ufl, fem, la, mesh, ufl
from mechlearn.network import Network
from mechlearn.solver import DirectSolver
from mechlearn.superposition import BondSuperposition


class Model:
    """Energy, forces, stiffness and local sensitivities of a network.

    Parameters
    ----------
    network : Network
    energy : BondEnergy
    held : iterable of int
        Degrees of freedom ``width * node + component`` that never move (supports and gauge).
    comm : MPI communicator
        Over which the mesh is spread.

    Attributes
    ----------
    state : dolfinx.fem.Function
        The state at which everything is evaluated: displacements, or potentials.
    width : int
        How many numbers a node's state has.
    """

    def __init__(
        self,
        network: Network,
        energy: BondEnergy,
        held: Iterable[int] = (),
        comm: MPI.Comm = MPI.COMM_WORLD,
    ) -> None:
        self.network, self.energy, self.comm = network, energy, comm
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
        cells = net.edges if root else np.empty((0, 2), dtype=np.int64)
        points = net.nodes if root else np.empty((0, net.dim))
        # Without the true number of bonds that meet in a node, DOLFINx tears the network apart
        # between ranks and says nothing; the check below makes sure.
        most = int(np.bincount(net.edges.ravel()).max())
        element = basix_ufl.element("Lagrange", "interval", 1, shape=(net.dim,))
        self.mesh = mesh.create_mesh(
            self.comm, cells, ufl.Mesh(element), points, max_facet_to_cell_links=most
        )
        if self.mesh.topology.index_map(0).size_global != net.n_nodes:
            raise SolveError(
                "The mesh lost the connection of some bonds between ranks; use fewer ranks."
            )
        self.width = len(self.energy.kinematics.components(net.dim))
        shape = (self.width,) if self.width > 1 else ()
        self.space = fem.functionspace(self.mesh, ("Lagrange", 1, shape))
        self._per_bond = fem.functionspace(self.mesh, ("DG", 0))
        self._per_bond_vector = fem.functionspace(self.mesh, ("DG", 0, (net.dim,)))

    def _make_orders(self) -> None:
        """Maps from local cells and degrees of freedom to the network's bonds and nodes."""
        topology, geometry = self.mesh.topology, self.mesh.geometry
        d = self.width
        cells = topology.index_map(1)
        self._n_cells = cells.size_local
        n_all = cells.size_local + cells.num_ghosts
        self._edge_of_cell = np.asarray(topology.original_cell_index[:n_all])
        points = geometry.dofmaps[0][:n_all]
        node_of_point = np.asarray(geometry.input_global_indices)
        # A cell runs the way its geometry does, which need not be the way of the user's bond.
        first = node_of_point[points[:, 0]]
        self._forward = np.where(first == self.network.edges[self._edge_of_cell, 0], 1.0, -1.0)
        blocks = self.space.dofmap.index_map
        self._n_owned = blocks.size_local * d
        self._node_of_block = np.empty(blocks.size_local + blocks.num_ghosts, dtype=np.int64)
        self._node_of_block[self.space.dofmap.list[:n_all]] = node_of_point[points]
        self._block_of_node = np.full(self.network.n_nodes, -1)
        self._block_of_node[self._node_of_block] = np.arange(len(self._node_of_block))
        node = self._node_of_block[: blocks.size_local, None]
        self._dof_of_local = (d * node + np.arange(d)).ravel()

    def _make_forms(self) -> None:
        net, energy = self.network, self.energy
        self.state = fem.Function(self.space)
        self._parameters = {p.name: fem.Function(self._per_bond) for p in energy.parameters}
        self._length = self._bond_function(net.lengths)
        vector = fem.Function(self._per_bond_vector)
        vector.x.array[:] = net.vectors[self._edge_of_cell].ravel()
        direction = fem.Function(self._per_bond_vector)
        t = net.vectors / net.lengths[:, None]
        direction.x.array[:] = t[self._edge_of_cell].ravel()
        forward = fem.Function(self._per_bond)
        forward.x.array[:] = self._forward
        along = ufl.Jacobian(self.mesh)[:, 0]
        dx = ufl.Measure("dx", domain=self.mesh, metadata={"quadrature_degree": 0})

        def strain(w):
            # The difference along the bond, free of the mesh's geometry: so bonds that wrap
            # around a periodic cell need nothing special.
            jump = forward * ufl.dot(ufl.grad(w), along)
            return energy.strain(Bond(vector, direction, self._length, jump, ufl.dot))

        def on_bonds(density):
            return density / ufl.CellVolume(self.mesh) * dx

        u = self.state
        total = on_bonds(energy.energy(strain(u), self._length, **self._parameters))
        force = ufl.derivative(total, u, ufl.TestFunction(self.space))
        stiffness = ufl.derivative(force, u, ufl.TrialFunction(self.space))
        self._energy_form = fem.form(total)
        self._force_form = fem.form(force)
        self._stiffness_form = fem.form(stiffness)
        share = ufl.TestFunction(self._per_bond)
        self._bond_energy_form = fem.form(
            on_bonds(share * energy.energy(strain(u), self._length, **self._parameters))
        )
        self._strain_form = fem.form(on_bonds(share * strain(u)))
        self._rate = fem.Function(self.space)
        self._sensitivity_forms: dict[str, fem.Form] = {}
        self._sensitivity_rate_forms: dict[str, fem.Form] = {}
        self._sensitivities = {
            name: ufl.derivative(total, function, share)
            for name, function in self._parameters.items()
        }
        if energy.linear:
            self._strain_operator_form = fem.form(
                on_bonds(share * strain(ufl.TrialFunction(self.space)))
            )
        self.matrix = fem.petsc.create_matrix(self._stiffness_form)
        self._vector = la.vector(self.space.dofmap.index_map, self.space.dofmap.index_map_bs)

    def _make_supports(self) -> None:
        d = self.width
        self._supports = []
        for c in range(d):
            blocks = self._block_of_node[self.held[self.held % d == c] // d]
            dofs = np.sort(blocks[blocks >= 0] * d + c).astype(np.int32)
            space = self.space.sub(c) if d > 1 else self.space
            self._supports.append(fem.dirichletbc(0.0, dofs, space))
        self.local_free = ~np.isin(self._dof_of_local, self.held)

    def _bond_function(self, values: ArrayLike) -> fem.Function:
        function = fem.Function(self._per_bond)
        function.x.array[:] = np.broadcast_to(values, self.network.n_edges)[self._edge_of_cell]
        return function

    # -- the user's order ----------------------------------------------------------------------

    def to_bonds(self, local: NDArray) -> NDArray[np.float64]:
        """Values of owned cells, shape (..., cells), as one row per bond on every rank."""
        out = np.zeros((*local.shape[:-1], self.network.n_edges))
        out[..., self._edge_of_cell[: self._n_cells]] = local
        if self.comm.size > 1:
            self.comm.Allreduce(MPI.IN_PLACE, out, op=MPI.SUM)
        return out

    def to_nodes(self, local: NDArray) -> NDArray[np.float64]:
        """Owned degrees of freedom, shape (dofs, ...), as (n, width, ...) on every rank."""
        n = self.network.n_nodes
        out = np.zeros((n * self.width, *local.shape[1:]))
        out[self._dof_of_local] = local[: self._n_owned]
        if self.comm.size > 1:
            self.comm.Allreduce(MPI.IN_PLACE, out, op=MPI.SUM)
        return out.reshape(n, self.width, *local.shape[1:])

    def to_local(self, per_node: NDArray) -> NDArray[np.float64]:
        """A field in node order, shape (n, width), as owned degrees of freedom."""
        return per_node.reshape(-1)[self._dof_of_local]

    def pack(self, local: NDArray) -> NDArray[np.float64]:
        """A state (owned dofs, ...) whole on every rank, as :meth:`to_nodes` has it."""
        return self.to_nodes(local)

    def unpack(self, whole: NDArray) -> NDArray[np.float64]:
        """The owned degrees of freedom of a :meth:`pack`."""
        return self.to_local(whole)

    def local_rows(self, functionals: sparse.csr_array) -> sparse.csr_array:
        """Linear functionals of the user's degrees of freedom, restricted to those owned here.

        Supports do not move, so their columns are dropped.
        """
        return sparse.csr_array(functionals.tocsc()[:, self._dof_of_local] * self.local_free)

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

    def counts(self) -> dict[str, int]:
        """What summary.json says of the mesh: nothing."""
        return {}

    def doubts(self, states: NDArray) -> list[str]:
        """What speaks against trusting some states (owned dofs, k), in sentences: nothing."""
        return []

    def solver(self, *, definite: bool) -> DirectSolver:
        """The solver that suits the model."""
        return DirectSolver(self.matrix, definite=definite)

    def get(self, name: str) -> NDArray[np.float64]:
        """A parameter of the bonds in the user's order."""
        return self.to_bonds(self._parameters[name].x.array[: self._n_cells])

    def local_parameters(self) -> dict[str, NDArray[np.float64]]:
        """All parameters and the length, at the cells this rank owns."""
        functions = {"length": self._length, **self._parameters}
        return {name: f.x.array[: self._n_cells] for name, f in functions.items()}

    def put_state(self, local: NDArray) -> None:
        """Set the state from owned degrees of freedom, and tell the neighbouring ranks."""
        self.state.x.array[: self._n_owned] = local
        self.state.x.scatter_forward()

    def total_energy(self) -> float:
        """Elastic energy of the whole network at the state."""
        return self.comm.allreduce(fem.assemble_scalar(self._energy_form), op=MPI.SUM)

    def local_force(self) -> NDArray[np.float64]:
        """``dU/du`` at the owned degrees of freedom, zero at supports."""
        b = self._vector
        b.array[:] = 0
        fem.assemble_vector(b.array, self._force_form)
        b.scatter_reverse(la.InsertMode.add)
        return np.where(self.local_free, b.array[: self._n_owned], 0.0)

    def assemble_stiffness(self) -> PETSc.Mat:
        """``d2U/du2`` at the state, with unit rows and columns at supports; always the same Mat."""
        self.matrix.zeroEntries()
        fem.petsc.assemble_matrix(self.matrix, self._stiffness_form, bcs=self._supports)
        self.matrix.assemble()
        return self.matrix

    def stiffen(self, matrix: PETSc.Mat, dofs: Iterable[int], stiffness: float) -> None:
        """Add springs to the ground, at degrees of freedom in the user's order, to a matrix."""
        for dof in np.flatnonzero(np.isin(self._dof_of_local, list(dofs))).astype(np.int32):
            matrix.setValuesLocal([dof], [dof], [stiffness], addv=PETSc.InsertMode.ADD_VALUES)
        matrix.assemble()

    @cached_property
    def strain_operator(self) -> sparse.csr_array:
        """Strains of owned cells as a sparse matrix on owned and ghost degrees of freedom."""
        matrix = fem.petsc.assemble_matrix(self._strain_operator_form)
        matrix.assemble()
        rows, columns, values = matrix.getValuesCSR()
        matrix.destroy()
        d, blocks = self.width, self.space.dofmap.index_map
        columns = d * blocks.global_to_local(columns.astype(np.int64) // d) + columns % d
        return sparse.csr_array((values, columns, rows), (self._n_cells, len(self.state.x.array)))

    def superpose(self, columns: NDArray) -> BondSuperposition:
        """What sums of some states (owned dofs, columns) make the bonds feel; linear elements."""
        return BondSuperposition(self, columns)

    def local_strain(self) -> NDArray[np.float64]:
        """Strain of every owned cell at the state."""
        return self._per_cell(self._strain_form)

    def local_energies(self) -> NDArray[np.float64]:
        """Energy of every owned cell at the state."""
        return self._per_cell(self._bond_energy_form)

    def local_sensitivity(self, name: str) -> NDArray[np.float64]:
        """``du_i/dL_i`` of every owned cell at the state, displacements kept fixed."""
        return self._per_cell(self._sensitivity_form(name))

    def local_sensitivity_rate(self, name: str, rate: NDArray) -> NDArray[np.float64]:
        """How :meth:`local_sensitivity` changes when the state does, at ``rate`` (owned dofs)."""
        self._rate.x.array[: self._n_owned] = rate
        self._rate.x.scatter_forward()
        return self._per_cell(self._sensitivity_rate_form(name))

    def _sensitivity_form(self, name: str):
        if name not in self._sensitivity_forms:
            self._sensitivity_forms[name] = fem.form(self._sensitivities[name])
        return self._sensitivity_forms[name]

    def _sensitivity_rate_form(self, name: str):
        if name not in self._sensitivity_rate_forms:
            rate = ufl.derivative(self._sensitivities[name], self.state, self._rate)
            self._sensitivity_rate_forms[name] = fem.form(rate)
        return self._sensitivity_rate_forms[name]

    def _per_cell(self, form) -> NDArray[np.float64]:
        values = np.zeros(len(self._edge_of_cell))
        fem.assemble_vector(values, form)
        return values[: self._n_cells]

    def with_ghosts(self, columns: NDArray) -> NDArray[np.float64]:
        """Owned rows of a block of columns, completed by the rows that other ranks own."""
        if self.comm.size == 1:
            return columns
        out = np.empty((len(self.state.x.array), columns.shape[1]))
        swap = fem.Function(self.space).x
        for k, column in enumerate(columns.T):
            swap.array[: self._n_owned] = column
            swap.scatter_forward()
            out[:, k] = swap.array
        return out
