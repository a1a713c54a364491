"""Maps between the user's order of nodes and bonds and DOLFINx's distributed numbering."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.fem.macroscopic_strain import strain_tensors
from mechlearn.fem.mesh import BondMesh
from mechlearn.fenics import MPI
from mechlearn.linalg.bordered import BorderedMatrix
from mechlearn.network import Network


class UserOrder:
    """Maps between both numberings, for a model of bonds.

    Subclasses set the attributes, which are those of :class:`mechlearn.fem.model.Model`.
    """

    network: Network
    comm: MPI.Comm
    width: int
    places: int
    cell: int
    points: NDArray[np.float64]
    local_free: NDArray[np.bool_]
    _mesh: BondMesh
    _border: BorderedMatrix

    def to_bonds(self, local: NDArray) -> NDArray[np.float64]:
        """Values of owned bonds, shape (..., bonds), as one row per bond on every rank."""
        return self._mesh.to_bonds(local)

    def to_local_bonds(self, values: NDArray) -> NDArray[np.float64]:
        """Values of all bonds, shape (..., m), as those of owned bonds."""
        return values[..., self._mesh.owned_bonds]

    def to_points(self, local: NDArray) -> NDArray[np.float64]:
        """Owned degrees of freedom, (dofs, ...), as (points, width, ...) on every rank."""
        return self._mesh.to_points(local)

    def to_local(self, per_point: NDArray) -> NDArray[np.float64]:
        """A field in the order of points, shape (points, width), as owned degrees of freedom."""
        return self._mesh.to_local(per_point)

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
        """Owned cells bond by bond in the user's order; on one rank."""
        return self._mesh.cells_in_order()

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
        mine = of_nodes[:, self._mesh.dof_of_local]
        if self.cell and self.comm.rank == 0:
            mine = sparse.hstack([mine, of_cell])
        return sparse.csr_array(mine * self.local_free)

    def with_ghosts(self, columns: NDArray) -> NDArray[np.float64]:
        """Rows of a block of columns, owned ones completed by ghosts."""
        if self.comm.size == 1:
            return columns
        out = self._mesh.with_ghosts(columns)
        return np.vstack([out, self.cell_strain(columns)]) if self.cell else out
