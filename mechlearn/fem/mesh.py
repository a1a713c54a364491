"""Mesh of a network of bonds, and the maps between the user's order and the distributed one.

DOLFINx's meshes are made for bodies: two cells share one corner at most, and those of a cell are
apart. Bonds of a periodic network may join the same two nodes several times, or a node to its own
image. So the mesh is a mere row of unit intervals, one for every cell, and which nodes a cell joins
is in the map of degrees of freedom alone, which is spread over ranks here.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import reverse_cuthill_mckee

from mechlearn.energies.kinematics import Kinematics
from mechlearn.errors import InputError
from mechlearn.fem.assembly import CellStrain
from mechlearn.fenics import MPI, basix_ufl, dolfinx, fem, mesh, ufl
from mechlearn.linalg.solver import BorderedMatrix
from mechlearn.network import Network


class BondMesh(CellStrain):
    """Line cells of bonds, equally divided, the function space of states, and maps to and from it.

    *Points* are the network's nodes, then those inside bonds, bond by bond. A rank owns some points
    and the cells of the bonds that start at its nodes. Internal unknowns of a bond are the state of
    a point in its middle, on quadratic cells.

    Parameters
    ----------
    network : Network
    segments : int
        Cells of a bond.
    kinematics : Kinematics
        What a point's state is.
    held : iterable of int
        Degrees of freedom ``width * node + component`` that never move.
    comm : MPI communicator
        Over which cells and points are spread.
    cell : sequence of str
        Names of the unknowns of a periodic network's cell, none where it is rigid; see
        :mod:`mechlearn.fem.macroscopic_strain`. They are the last few degrees of freedom of the
        first rank.
    tables : sequence of str
        Of node tuples whose elements there are.
    internal : int
        Internal unknowns of a bond, which has one cell then; as many as components at most.

    Raises
    ------
    InputError
        For more of them.

    Attributes
    ----------
    width : int
        How many numbers a point's state has.
    places : int
        How many of them are no rotations.
    turning : bool
        Whether any is.
    cell : int
        How many unknowns the cell has as part of the state; 0 where it is rigid.
    cells, points : (cells, 2) integer and (points, d) arrays
        The points of every cell, bond by bond, its ends first, and where they are at rest; whole on
        every rank.
    mesh : dolfinx.mesh.Mesh
        A row of intervals of length 1, which say nothing of where the bonds are.
    space : dolfinx.fem.FunctionSpace
        That of states.
    n_cells, n_owned : int
        Cells, and degrees of freedom, that this rank owns.
    bond_of_cell : integer array
        Of owned cells; no others are known here.
    first_cells, owned_bonds : (owned bonds,) integer arrays
        The first cell of every bond that this rank owns, and the bond's number.
    dof_of_local : (owned dofs,) integer array
        Degrees of freedom ``width * point + component``.
    local_free, local_turns : (owned dofs,) bool arrays
        Which degrees of freedom no support holds, and which are rotations, strains of the cell or
        internal unknowns.
    """

    def __init__(
        self,
        network: Network,
        segments: int,
        kinematics: Kinematics,
        held: Iterable[int],
        comm: MPI.Comm,
        cell: Sequence[str] = (),
        tables: Sequence[str] = (),
        internal: int = 0,
    ) -> None:
        self.network, self.segments, self.comm = network, segments, comm
        self.internal = internal
        self.cell, self.cell_names = len(cell), tuple(cell)
        self.width = len(kinematics.components(network.dim))
        self.places = self.width - kinematics.rotations(network.dim)
        self.turning = self.expects = self.places < self.width
        if internal > self.width or (internal and segments > 1):
            raise InputError(
                f"energy: its bonds have {internal} internal unknowns and {segments} segments; "
                f"there may be {self.width} unknowns, in bonds of one segment."
            )
        self.cells, self.points = _divided(network, segments + (internal > 0))
        if internal:
            self.cells = self.cells.reshape(-1, 4)[:, [0, 3, 1]]
        place, owner = _spread(network, comm.size)
        bonds = np.flatnonzero(owner[network.edges[:, 0]] == comm.rank)
        # Neighbours in memory are neighbours in the network.
        bonds = bonds[np.argsort(place[network.edges[bonds, 0]], kind="stable")]
        self._make_mesh((segments * bonds[:, None] + np.arange(segments)).ravel())
        inner = np.repeat(owner[network.edges[:, 0]], segments - 1 + (internal > 0))
        self._tuples = {
            name: np.flatnonzero(owner[network.tuples[name][:, 0]] == comm.rank) for name in tables
        }
        self._make_space(np.r_[place, network.n_nodes + np.arange(len(inner))], np.r_[owner, inner])
        middles = np.arange(network.n_nodes, len(self.points)) if internal else np.arange(0)
        unused = self.width * middles[:, None] + np.arange(internal, self.width)
        self.held = np.unique(np.r_[np.fromiter(held, dtype=np.int64), unused.ravel()])
        of_cell = np.ones(self.cell if comm.rank == 0 else 0, dtype=bool)
        self.local_free: NDArray[np.bool_] = np.r_[~np.isin(self.dof_of_local, self.held), of_cell]
        point, component = np.divmod(self.dof_of_local, self.width)
        self.local_turns = np.r_[
            np.where(np.isin(point, middles), component < internal, component >= self.places),
            of_cell,
        ]
        self._border = BorderedMatrix(comm, C=np.zeros((self.cell, self.cell)))

    def _make_mesh(self, mine: NDArray[np.int64]) -> None:
        comm, count = self.comm, len(mine)
        # Every rank brings its own row, of which it keeps all.
        points = np.arange(count + 1.0 if count else 0.0)[:, None]
        first = sum(comm.allgather(len(points))[: comm.rank])
        row = first + np.arange(count)[:, None] + np.arange(2)
        here = dolfinx.graph.adjacencylist(np.full((count, 1), comm.rank, dtype=np.int32))
        self.mesh = mesh.create_mesh(
            comm, row, ufl.Mesh(basix_ufl.element("Lagrange", "interval", 1, shape=(1,))), points,
            partitioner=lambda *_: here._cpp_object,
        )  # fmt: skip
        given = np.asarray(self.mesh.topology.original_cell_index[:count])
        self._number = number = mine[given - sum(comm.allgather(count)[: comm.rank])]
        self.n_cells, self.bond_of_cell = count, number // self.segments
        self.first_cells = np.flatnonzero(number % self.segments == 0)
        self.owned_bonds = self.bond_of_cell[self.first_cells]
        self._place_of_bond = np.argsort(self.owned_bonds)

    def _make_space(self, place: NDArray[np.int64], owner: NDArray[np.int64]) -> None:
        """Function space of states for an order and distribution of points."""
        d, comm = self.width, self.comm
        order = np.lexsort((place, owner))
        number = np.argsort(order)
        start, end = np.searchsorted(owner[order], [comm.rank, comm.rank + 1])
        tuples = (self.network.tuples[name][mine] for name, mine in self._tuples.items())
        nodes = [self.cells[self._number].ravel(), *(rows[rows >= 0] for rows in tuples)]
        joined = number[np.concatenate(nodes)]
        others = np.unique(joined[(joined < start) | (joined >= end)])
        blocks = dolfinx.common.IndexMap(
            comm, int(end - start), others, owner[order[others]].astype(np.int32), 0
        )
        points = np.r_[order[start:end], order[others]]
        self._block_of_node = np.full(len(self.points), -1)
        self._block_of_node[points] = np.arange(len(points))
        of_cells = self._block_of_node[self.cells[self._number]].astype(np.int32)
        shape = (d,) if d > 1 else ()
        element = basix_ufl.element("Lagrange", "interval", 2 if self.internal else 1, shape=shape)
        plain = fem.functionspace(self.mesh, element)
        joints = dolfinx.cpp.fem.DofMap(
            plain.dofmap.dof_layout, blocks, d, dolfinx.graph.adjacencylist(of_cells)._cpp_object, d
        )
        made = dolfinx.cpp.fem.FunctionSpace_float64(
            self.mesh._cpp_object, plain.element._cpp_object, joints
        )
        self.space = fem.FunctionSpace(self.mesh, element, made)
        self.n_owned = d * int(end - start)
        self.dof_of_local = (d * order[start:end, None] + np.arange(d)).ravel()

    def supports(self) -> list[fem.DirichletBC]:
        """Dirichlet conditions at supports, one per component."""
        d, held, conditions = self.width, self.held, list[fem.DirichletBC]()
        for c in range(d):
            blocks = self._block_of_node[held[held % d == c] // d]
            dofs = np.sort(blocks[blocks >= 0] * d + c).astype(np.int32)
            space = self.space.sub(c) if d > 1 else self.space
            conditions.append(fem.dirichletbc(0.0, dofs, space))
        return conditions

    def tuples_owned(self, table: str) -> NDArray[np.int64]:
        """Rows of a table of node tuples that this rank owns: those whose first node it owns."""
        return self._tuples[table]

    def dofs_of_nodes(self, nodes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Local degrees of freedom of nodes of owned bonds and tuples, shape (..., width)."""
        return self._block_of_node[nodes][..., None] * self.width + np.arange(self.width)

    def cells_in_order(self) -> NDArray[np.int64]:
        """Owned cells bond by bond in the user's order; on one rank."""
        return np.argsort(self._number)

    def to_bonds(self, local: NDArray) -> NDArray[np.float64]:
        """Values of owned bonds, shape (..., bonds), as one row per bond on every rank."""
        if self.comm.size == 1:
            # Every place is in range; other modes than "clip" look at each.
            return local.take(self._place_of_bond, axis=-1, mode="clip")
        out = np.zeros((*local.shape[:-1], self.network.n_edges))
        out[..., self.owned_bonds] = local
        return self._over_ranks(out)

    def to_local_bonds(self, values: NDArray) -> NDArray[np.float64]:
        """Values of all bonds, shape (..., m), as those of owned bonds."""
        return values[..., self.owned_bonds]

    def to_points(self, local: NDArray) -> NDArray[np.float64]:
        """Owned degrees of freedom, (dofs, ...), as (points, width, ...) on every rank."""
        out = np.zeros((len(self.points) * self.width, *local.shape[1:]))
        out[self.dof_of_local] = local[: self.n_owned]
        return self._over_ranks(out).reshape(len(self.points), self.width, *local.shape[1:])

    def to_local(self, per_point: NDArray) -> NDArray[np.float64]:
        """A field in the order of points, shape (points, width), as owned degrees of freedom."""
        return per_point.reshape(-1)[self.dof_of_local]

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
        of_nodes.resize(functionals.shape[0], len(self.points) * self.width)
        mine = of_nodes[:, self.dof_of_local]
        if self.cell and self.comm.rank == 0:
            mine = sparse.hstack([mine, of_cell])
        return sparse.csr_array(mine * self.local_free)

    def with_ghosts(self, columns: NDArray) -> NDArray[np.float64]:
        """Rows of a block of columns, owned ones completed by ghosts."""
        if self.comm.size == 1:
            return columns
        swap = fem.Function(self.space).x
        out = np.empty((len(swap.array), columns.shape[1]))
        for k, column in enumerate(columns.T):
            swap.array[: self.n_owned] = column[: self.n_owned]
            swap.scatter_forward()
            out[:, k] = swap.array
        return np.vstack([out, self.cell_strain(columns)]) if self.cell else out

    def over_bonds(self, per_cell: NDArray) -> NDArray[np.float64]:
        """Sums of cell values (k, cells) over every owned bond."""
        if self.segments == 1:
            return per_cell
        # Cells of a bond may lie on several ranks.
        sums = np.zeros((len(per_cell), self.network.n_edges))
        for row, cells in zip(sums, per_cell, strict=True):
            np.add.at(row, self.bond_of_cell[: self.n_cells], cells)
        return self._over_ranks(sums)[:, self.owned_bonds]

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

    def _over_ranks(self, out: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.comm.size > 1:
            self.comm.Allreduce(MPI.IN_PLACE, out, op=MPI.SUM)
        return out


def _divided(network: Network, segments: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Ends of every cell, bond by bond, and coordinates of the points.

    Those inside bonds lie between the nodes even if the bond is one to a periodic image: nothing
    but pictures depends on it.
    """
    a, b = network.edges.T
    count = network.n_edges, segments - 1
    inner = network.n_nodes + np.arange(count[0] * count[1]).reshape(count)
    row = np.column_stack([a, inner, b])
    part = (np.arange(1, segments) / segments)[:, None]
    between = network.nodes[a, None] * (1 - part) + network.nodes[b, None] * part
    cells = np.stack([row[:, :-1], row[:, 1:]], axis=-1).reshape(-1, 2)
    return cells, np.vstack([network.nodes, between.reshape(-1, network.dim)])


def _spread(network: Network, ranks: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Bandwidth-reducing position of every node, and the rank that owns it, (n,).

    Every rank gets a part of that order with about as many bonds.
    """
    order = reverse_cuthill_mckee(network.neighbours(), symmetric_mode=True)
    before = np.cumsum(np.bincount(network.edges[:, 0], minlength=network.n_nodes)[order])
    owner = np.empty(network.n_nodes, dtype=np.int64)
    owner[order] = np.minimum(ranks * (before - 1).clip(0) // network.n_edges, ranks - 1)
    return np.argsort(order), owner
