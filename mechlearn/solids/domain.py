"""Mesh of a solid in DOLFINx, with the maps between its numbering and gmsh's.

gmsh's order of points and cells, whole on every rank, is what all of :mod:`mechlearn.solids` speaks
of; DOLFINx renumbers them and spreads them over ranks, which ends here.
"""

from abc import ABC, abstractmethod
from dataclasses import replace
from functools import cached_property
from typing import override

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import cKDTree

from mechlearn.errors import SolveError, listed
from mechlearn.fenics import MPI, basix_ufl, fem, mesh, ufl
from mechlearn.networks.bodies import SIDES
from mechlearn.parallel import on_first
from mechlearn.solids.images import translations_within
from mechlearn.solids.meshing import SimplexMesh, SolidMesh, make_mesh, quality, roundness, volumes
from mechlearn.solids.patches import VOLUME, node_rows
from mechlearn.solids.periodic import tied_space
from mechlearn.solids.shape import dilations, velocities
from mechlearn.solids.struts import Struts

#: Moved cells must keep this quality (1 is equilateral), or half that of the worst cell there was.
POOREST = 0.1
#: Moved cells must keep this fraction of their volume.
SMALLEST = 0.2


def mesh_and_velocity(struts: Struts, size: float) -> tuple[SolidMesh, sparse.csr_array]:
    """Mesh of a solid, and its design velocity (d p, m): derivative of points by strut widths.

    Raises
    ------
    InputError, SolveError
        Where the struts cannot be meshed.
    """
    drawn = make_mesh(struts, size)
    velocity = velocities(drawn)
    if struts.network.dim == 3:
        wider, (grown, elsewhere) = roundness(drawn), dilations(drawn)
        free = sparse.csr_array((elsewhere @ velocity) * wider)
        points = drawn.points + (free @ ((1 - 1 / wider) * struts.width)).reshape(-1, 3)
        velocity = sparse.csr_array(free + grown)
        drawn = replace(drawn, points=points)
    return drawn, velocity


class Domain(ABC):
    """Mesh and function space of a solid in its reference shape, distributed over ranks.

    Parameters
    ----------
    drawn : SimplexMesh
    velocity : (d p, m) sparse array
        How points move when the parameters of shape of the elements change.
    order : int
        Degree of the displacements.
    comm : MPI communicator

    Attributes
    ----------
    mesh, space : the mesh and the displacements in DOLFINx
        Of a periodic network, their periodic part.
    cell : integer array
        Which of ``drawn.cells`` each local cell is, ghosts included; the first ``owned_cells`` are
        this rank's.
    block_of_point : (p,) integer array
        Local block of degrees of freedom at every point, -1 where this rank has none.
    places : (blocks, d) array
        Where local blocks of degrees of freedom sit.
    tied : TiedSpace
        These, and the space on the mesh as it is cut open.
    """

    def __init__(
        self, drawn: SimplexMesh, velocity: sparse.csr_array, order: int, comm: MPI.Comm
    ) -> None:
        self.comm, self.drawn, self.velocity = comm, drawn, velocity
        points, cells = drawn.points, drawn.cells
        d = points.shape[1]
        root = comm.rank == 0
        shape = "triangle" if d == 2 else "tetrahedron"
        element = basix_ufl.element("Lagrange", shape, 1, shape=(d,))
        self.mesh = mesh.create_mesh(
            comm,
            cells if root else np.empty((0, d + 1), dtype=np.int64),
            ufl.Mesh(element),
            points if root else np.empty((0, d)),
        )
        topology, geometry = self.mesh.topology, self.mesh.geometry
        count = topology.index_map(d)
        self.owned_cells = count.size_local
        everywhere = count.size_local + count.num_ghosts
        self.cell = np.asarray(topology.original_cell_index[:everywhere])
        self._corners = np.asarray(geometry.input_global_indices)[geometry.dofmaps[0][:everywhere]]
        self.tied = tied_space(self.mesh, order, drawn.cell)
        self.space, self.places = self.tied.space, self.tied.places
        self.owned_blocks = self.space.dofmap.index_map.size_local
        self.block_of_point = np.full(len(points), -1)
        self.block_of_point[self._corners] = self.space.dofmap.list[:everywhere, : d + 1]

    def element_of_cells(self) -> NDArray[np.int64]:
        """Element of every local cell, ghosts included."""
        return self.drawn.element[self.cell]

    @cached_property
    def _drawn_order(self) -> NDArray[np.int64]:
        """Global blocks in an order that is the same on any number of ranks.

        That of the points of the drawn mesh between which they lie, of images the first.
        """
        d, owned, dofmap = self.places.shape[1], self.owned_cells, self.space.dofmap
        blocks, corners = dofmap.list[:owned], self._corners[:owned]
        ends = np.stack([corners, corners], axis=2)
        if blocks.shape[1] > d + 1:
            ends = np.concatenate([ends, np.sort(corners[:, SIDES[d]], axis=2)], axis=1)
        number = dofmap.index_map.local_to_global(blocks.ravel().astype(np.int32))
        here = np.unique(np.column_stack([number, ends.reshape(-1, 2)]), axis=0)
        every = np.unique(np.concatenate(self.comm.allgather(here)), axis=0)
        _, low, high = every[np.unique(every[:, 0], return_index=True)[1]].T
        return np.lexsort((high, low))

    def gathered(self, local: NDArray) -> NDArray[np.float64]:
        """Degrees of freedom (owned dofs, ...) of all ranks, in the order of the drawn mesh."""
        whole = np.concatenate(self.comm.allgather(local))
        blocks = whole.reshape(-1, self.places.shape[1], *whole.shape[1:])
        return blocks[self._drawn_order].reshape(whole.shape)

    def scattered(self, whole: NDArray) -> NDArray[np.float64]:
        """The part of :meth:`gathered` that this rank owns."""
        first, last = self.space.dofmap.index_map.local_range
        blocks = whole.reshape(-1, self.places.shape[1], *whole.shape[1:])
        return blocks[np.argsort(self._drawn_order)[first:last]].reshape(-1, *whole.shape[1:])

    @abstractmethod
    def patches(self) -> sparse.csr_array:
        """Functionals of the nodes' states, node by node, as rows of owned dofs."""

    def mesh_motion(self) -> tuple[fem.Function, sparse.csr_array]:
        """Displacement field of mesh points, and the its derivatives by parameters of shape."""
        d = self.drawn.points.shape[1]
        space = fem.functionspace(self.mesh, ("Lagrange", 1, (d,)))
        field = fem.Function(space)
        point = np.empty(len(field.x.array) // d, dtype=np.int64)
        point[space.dofmap.list[: len(self._corners)]] = self._corners
        return field, self.velocity[(d * point[:, None] + np.arange(d)).ravel()]

    def _on_owned(self, rows: sparse.coo_array) -> sparse.csr_array:
        """Functionals of local degrees of freedom, summed over ranks, on those owned here."""
        blocks, d = self.space.dofmap.index_map, self.places.shape[1]
        # Every rank adds what its own cells contribute, to ghosts too.
        block, component = np.divmod(rows.col, d)
        columns = d * blocks.local_to_global(block.astype(np.int32)) + component
        shape = (rows.shape[0], d * blocks.size_global)
        whole = sparse.csr_array((rows.data, (rows.row, columns)), shape=shape)
        if self.comm.size > 1:
            whole = sparse.csr_array(sum(self.comm.allgather(whole)))
        first, last = blocks.local_range
        return sparse.csr_array(whole[:, d * first : d * last])

    def interpolate_to(self, field: NDArray, other: "Domain") -> NDArray[np.float64]:
        """Interpolation of a local field, ghosts included, to another mesh, as an initial guess."""
        values, points = self.at_points(field), self.drawn.points
        if self.drawn.cell is not None:
            steps = translations_within(np.vstack([points, other.places]), self.drawn.cell)
            points = (points + (steps @ self.drawn.cell)[:, None]).reshape(-1, points.shape[1])
            values = np.tile(values, (len(steps), 1))
        out = LinearNDInterpolator(points, values)(other.places)
        outside = np.isnan(out[:, 0])
        nearest = cKDTree(points).query(other.places[outside])[1]
        out[outside] = values[nearest]
        return out.ravel()

    def at_points(self, field: NDArray) -> NDArray[np.float64]:
        """Nodal values of local degrees of freedom at the points of the mesh, (p, d)."""
        here = self.block_of_point >= 0
        out = np.full(self.drawn.points.shape, -np.inf)
        out[here] = field.reshape(len(self.places), -1)[self.block_of_point[here]]
        self.comm.Allreduce(MPI.IN_PLACE, out, op=MPI.MAX)
        return out


class StrutDomain(Domain):
    """Domain of struts at reference widths.

    Parameters
    ----------
    struts : Struts
    size : float
        Of the cells, over the local width.
    order : int
        Degree of the displacements.
    comm : MPI communicator
    """

    drawn: SolidMesh

    def __init__(self, struts: Struts, size: float, order: int, comm: MPI.Comm) -> None:
        self.struts = struts

        def drawing() -> tuple[NDArray, NDArray, NDArray, sparse.csr_array]:
            drawn, velocity = mesh_and_velocity(struts, size)
            return drawn.points, drawn.cells, drawn.level, velocity

        points, cells, level, velocity = on_first(drawing, comm)
        super().__init__(SolidMesh(struts, points, cells, level), velocity, order, comm)
        self._volumes = volumes(points, cells)
        self._poorest = min(POOREST, quality(points, cells).min() / 2)

    @override
    def patches(self) -> sparse.csr_array:
        """Functionals of the nodes' mean displacements and rotations, as rows of owned dofs.

        Rows are ``c`` components, node by node; of turns, at the widths the mesh was made at.

        Raises
        ------
        SolveError
            Where the cells do not fill the patches.
        """
        d = self.struts.network.dim
        self._check_patches()
        cells = np.flatnonzero(self.drawn.patch[self.cell[: self.owned_cells]] >= 0)
        dofs = self.space.dofmap.list[cells]
        sides = SIDES[d] if dofs.shape[1] > d + 1 else SIDES[d][:0]
        corners = self.drawn.points[self._corners[cells]]
        node = self.drawn.patch[self.cell[cells]]
        here = node_rows(self.struts, node, corners, dofs, len(self.places), sides)
        return self._on_owned(here)

    def _check_patches(self) -> None:
        patch, d = self.drawn.patch, self.struts.network.dim
        filled = np.bincount(
            patch[patch >= 0], self._volumes[patch >= 0], self.struts.network.n_nodes
        )
        bad = np.flatnonzero(abs(filled / (VOLUME[d] * self.struts.patch_radius**d) - 1) > 1e-6)
        if len(bad):
            raise SolveError(
                f"The mesh has no cells that fill the patch of node {listed(bad)}; change widths "
                "or mesh_size a little."
            )

    def points_at(self, width: NDArray) -> NDArray[np.float64]:
        """Points of the mesh at some widths, (p, d)."""
        moves = self.velocity @ (width - self.struts.width)
        return self.drawn.points + moves.reshape(self.drawn.points.shape)

    def accepts(self, width: NDArray) -> bool:
        """True if the cells keep quality and volume when the points move to other widths."""
        points, cells = self.points_at(width), self.drawn.cells
        kept = volumes(points, cells) / self._volumes
        return bool(kept.min() > SMALLEST and quality(points, cells).min() > self._poorest)
