"""The DOLFINx mesh of a network of bonds, and which node and bond of the user's is where on it.

DOLFINx renumbers nodes and cells and spreads them over ranks; what undoes that is here.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.errors import SolveError
from mechlearn.fenics import MPI, basix_ufl, fem, mesh, ufl
from mechlearn.network import Network


class BondMesh:
    """A mesh of intervals, every bond divided into as many.

    *Points* are the nodes of the mesh: the network's own, then those inside bonds, bond by bond. A
    rank owns a bond if it owns the bond's first cell.

    Parameters
    ----------
    network : Network
    segments : int
        Cells of a bond.
    width : int
        How many numbers a point's state has.
    comm : MPI communicator
        Over which the mesh is spread.

    Raises
    ------
    SolveError
        Where the mesh does not hang together.

    Attributes
    ----------
    cells, points : (cells, 2) integer and (points, d) arrays
        The two points of every cell, bond by bond, and where they are at rest; whole on every rank.
    mesh : dolfinx.mesh.Mesh
    space : dolfinx.fem.FunctionSpace
        That of states.
    n_cells, n_owned : int
        Cells, and degrees of freedom, that this rank owns.
    bond_of_cell : integer array
        Of owned cells, then ghosts.
    first_cells, owned_bonds : (owned bonds,) integer arrays
        The first cell of every bond that this rank owns, and the bond's number.
    forward : (cells,) array
        1 where a cell runs the way of the user's bond, -1 where against it.
    dof_of_local : (owned dofs,) integer array
        Degrees of freedom ``width * point + component``.
    """

    def __init__(self, network: Network, segments: int, width: int, comm: MPI.Comm) -> None:
        self.network, self.segments, self.width, self.comm = network, segments, width, comm
        self.cells, self.points = _divided(network, segments)
        self._make_mesh()
        self._make_orders()

    def _make_mesh(self) -> None:
        dim, root = self.network.dim, self.comm.rank == 0
        cells = self.cells if root else np.empty((0, 2), dtype=np.int64)
        points = self.points if root else np.empty((0, dim))
        # Without the true number of bonds that meet in a node, DOLFINx tears the network apart
        # between ranks and says nothing; the check below makes sure.
        most = int(np.bincount(self.cells.ravel()).max())
        element = basix_ufl.element("Lagrange", "interval", 1, shape=(dim,))
        self.mesh = mesh.create_mesh(
            self.comm, cells, ufl.Mesh(element), points, max_facet_to_cell_links=most
        )
        if self.mesh.topology.index_map(0).size_global != len(self.points):
            raise SolveError(
                "The mesh lost the connection of some bonds between ranks; use fewer ranks."
            )
        shape = (self.width,) if self.width > 1 else ()
        self.space = fem.functionspace(self.mesh, ("Lagrange", 1, shape))

    def _make_orders(self) -> None:
        topology, geometry = self.mesh.topology, self.mesh.geometry
        d, cells, blocks = self.width, topology.index_map(1), self.space.dofmap.index_map
        self.n_cells = cells.size_local
        n_all = cells.size_local + cells.num_ghosts
        number = np.asarray(topology.original_cell_index[:n_all])
        self.bond_of_cell = number // self.segments
        self.first_cells = np.flatnonzero(number[: self.n_cells] % self.segments == 0)
        self.owned_bonds = self.bond_of_cell[self.first_cells]
        self._place_of_bond = np.argsort(self.owned_bonds)
        points = geometry.dofmaps[0][:n_all]
        node_of_point = np.asarray(geometry.input_global_indices)
        # A cell runs the way its geometry does, which need not be the way of the user's bond.
        first = node_of_point[points[:, 0]]
        self.forward = np.where(first == self.cells[number, 0], 1.0, -1.0)
        self.n_owned = blocks.size_local * d
        node_of_block = np.empty(blocks.size_local + blocks.num_ghosts, dtype=np.int64)
        node_of_block[self.space.dofmap.list[:n_all]] = node_of_point[points]
        self._block_of_node = np.full(len(self.points), -1)
        self._block_of_node[node_of_block] = np.arange(len(node_of_block))
        node = node_of_block[: blocks.size_local, None]
        self.dof_of_local = (d * node + np.arange(d)).ravel()

    def supports(self, held: NDArray[np.int64]) -> list[fem.DirichletBC]:
        """Conditions that hold some degrees of freedom, one for every component."""
        d, conditions = self.width, []
        for c in range(d):
            blocks = self._block_of_node[held[held % d == c] // d]
            dofs = np.sort(blocks[blocks >= 0] * d + c).astype(np.int32)
            space = self.space.sub(c) if d > 1 else self.space
            conditions.append(fem.dirichletbc(0.0, dofs, space))
        return conditions

    def cells_in_order(self) -> NDArray[np.int64]:
        """Which owned cell is which, bond by bond in the user's order; on one rank."""
        return np.argsort(np.asarray(self.mesh.topology.original_cell_index[: self.n_cells]))

    def to_bonds(self, local: NDArray) -> NDArray[np.float64]:
        """Values of owned bonds, shape (..., bonds), as one row per bond on every rank."""
        if self.comm.size == 1:
            # Every place is in range; other modes than "clip" look at each.
            return local.take(self._place_of_bond, axis=-1, mode="clip")
        out = np.zeros((*local.shape[:-1], self.network.n_edges))
        out[..., self.owned_bonds] = local
        return self._summed(out)

    def to_points(self, local: NDArray) -> NDArray[np.float64]:
        """Owned degrees of freedom, (dofs, ...), as (points, width, ...) on every rank."""
        out = np.zeros((len(self.points) * self.width, *local.shape[1:]))
        out[self.dof_of_local] = local[: self.n_owned]
        return self._summed(out).reshape(len(self.points), self.width, *local.shape[1:])

    def to_local(self, per_point: NDArray) -> NDArray[np.float64]:
        """A field in the order of points, shape (points, width), as owned degrees of freedom."""
        return per_point.reshape(-1)[self.dof_of_local]

    def with_ghosts(self, columns: NDArray) -> NDArray[np.float64]:
        """Owned rows of a block of columns, completed by the rows that other ranks own."""
        swap = fem.Function(self.space).x
        out = np.empty((len(swap.array), columns.shape[1]))
        for k, column in enumerate(columns.T):
            swap.array[: self.n_owned] = column[: self.n_owned]
            swap.scatter_forward()
            out[:, k] = swap.array
        return out

    def over_bonds(self, per_cell: NDArray) -> NDArray[np.float64]:
        """Numbers of owned cells, (k, cells), summed over those of every owned bond."""
        if self.segments == 1:
            return per_cell
        # Cells of a bond may lie on several ranks.
        sums = np.zeros((len(per_cell), self.network.n_edges))
        for row, cells in zip(sums, per_cell, strict=True):
            np.add.at(row, self.bond_of_cell[: self.n_cells], cells)
        return self._summed(sums)[:, self.owned_bonds]

    def per_cell(self, form: fem.Form, **given: Any) -> NDArray[np.float64]:
        """A form with one or several numbers per cell, (k, owned cells).

        What is ``given`` are arguments of its assembly.
        """
        dofmap = form.function_spaces[0].dofmap
        values = np.zeros((len(self.bond_of_cell), dofmap.index_map_bs))
        fem.assemble_vector(values.reshape(-1), form, **given)
        return values[: self.n_cells].T

    def operator(self, form: fem.Form) -> sparse.csr_array:
        """A form with numbers per cell that is linear in the state, as a sparse matrix.

        Its rows are the numbers of the first owned cell, then of the second, and so on; its columns
        are owned and ghost degrees of freedom.
        """
        matrix = fem.petsc.assemble_matrix(form)
        matrix.assemble()
        rows, columns, values = matrix.getValuesCSR()
        matrix.destroy()
        d, blocks = self.width, self.space.dofmap.index_map
        columns = d * blocks.global_to_local(columns.astype(np.int64) // d) + columns % d
        n_all = d * (blocks.size_local + blocks.num_ghosts)
        return sparse.csr_array((values, columns, rows), (len(rows) - 1, n_all))

    def _summed(self, out: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.comm.size > 1:
            self.comm.Allreduce(MPI.IN_PLACE, out, op=MPI.SUM)
        return out


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
