"""Finite-element model of meshed bodies, whose nodes carry the displacements themselves."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, override

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.fenics import MPI
from mechlearn.network import Network
from mechlearn.networks.bodies import SIDES, Body
from mechlearn.solids.domain import Domain
from mechlearn.solids.meshing import SimplexMesh
from mechlearn.solids.model import SolidModel


class BodyMesh(SimplexMesh):
    """Cells of a body by the corners alone.

    Parameters
    ----------
    body : Body
    nodes : (n, d) array
    cell : (d, d) array, optional
        Lattice vectors, where it is periodic.
    """

    def __init__(self, body: Body, nodes: NDArray, cell: NDArray | None) -> None:
        self._cell = cell
        self.cells = np.array(body.corners)
        self.points = np.array(nodes[: self.cells.max() + 1])
        self._element = body.element

    @property
    @override
    def cell(self) -> NDArray[np.float64] | None:
        return self._cell

    @property
    @override
    def element(self) -> NDArray[np.int64]:
        return self._element

    @property
    @override
    def axes(self) -> NDArray[np.float64]:
        # Nothing in a body says along what its regions would be longer.
        return np.zeros((self._element.max() + 1, self.points.shape[1]))


class BodyDomain(Domain):
    """Domain of a body.

    Parameters
    ----------
    network : Network
        With its ``body``.
    comm : MPI communicator
    """

    def __init__(self, network: Network, comm: MPI.Comm) -> None:
        body = network.body
        assert body is not None, "a network of bonds is no body"
        drawn = BodyMesh(body, network.nodes, network.cell)
        still = sparse.csr_array((drawn.points.size, body.n_elements))
        super().__init__(drawn, still, body.order, comm)
        self.network, self.body = network, body

    def _nodes_of_cells(self) -> NDArray[np.int64]:
        """Nodes of every local cell, in the order of its blocks of degrees of freedom."""
        d, corners = self.places.shape[1], self._corners
        nodes = corners
        if self.body.order == 2:
            # Which middle lies between which corners, in the body's own order.
            own = self.body.cells[self.cell]
            nodes = np.empty((len(corners), own.shape[1]), dtype=np.int64)
            nodes[:, : d + 1] = corners
            place = (corners[:, :, None] == own[:, None, : d + 1]).argmax(axis=2)
            pairs = np.sort(place[:, SIDES[d]], axis=2)
            table = np.full((d + 1, d + 1), -1)
            table[tuple(np.sort(SIDES[d], axis=1).T)] = d + 1 + np.arange(len(SIDES[d]))
            column = table[pairs[..., 0], pairs[..., 1]]
            nodes[:, d + 1 :] = np.take_along_axis(own, column, axis=1)
        return nodes

    @override
    def patches(self) -> sparse.csr_array:
        """Displacements of the nodes, node by node, of owned dofs."""
        d, nodes = self.places.shape[1], self._nodes_of_cells()
        blocks = self.space.dofmap.list[: len(nodes)]
        pairs = np.unique(np.stack([nodes.ravel(), blocks.ravel()]), axis=1)
        # Of a periodic body, images of a node share a block, which may be another rank's.
        blocks = self.space.dofmap.index_map
        first, last = blocks.local_range
        whole = np.stack([pairs[0], blocks.local_to_global(pairs[1].astype(np.int32))])
        every = np.unique(np.concatenate(self.comm.allgather(whole), axis=1), axis=1)
        node, block = every[:, (every[1] >= first) & (every[1] < last)]
        rows, columns = ((d * k[:, None] + np.arange(d)).ravel() for k in (node, block - first))
        shape = (d * self.network.n_nodes, d * self.owned_blocks)
        return sparse.csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)


class BodyModel(SolidModel):
    """Energy, forces, stiffness and local sensitivities of a meshed body.

    Parameters
    ----------
    network : Network
        With its ``body``.
    energy : BodySolid
    parameters : mapping of names to (elements,) arrays
        All parameters of the regions.
    held : iterable of int
        Degrees of freedom ``d * node + component`` that never move (supports and gauge).
    comm : MPI communicator
        Over which the mesh is spread.
    cell : sequence of str
        Components of the strain of a periodic cell that deforms.
    """

    def __init__(
        self,
        network: Network,
        energy: Any,
        parameters: Mapping[str, NDArray],
        held: Iterable[int],
        comm: MPI.Comm = MPI.COMM_WORLD,
        cell: Sequence[str] = (),
    ) -> None:
        super().__init__(network, energy, parameters, held, comm, cell)
        self._build(BodyDomain(network, comm))

    def local_strains(self) -> NDArray[np.float64]:
        """Mean strain of every element along the axes, to first order, (1, elements)."""
        cells, points = self.domain.drawn.cells, self.domain.drawn.points
        moved = self.domain.at_points(self.state.x.array)
        inverse = np.linalg.inv(points[cells[:, 1:]] - points[cells[:, :1]])
        gradient = inverse @ (moved[cells[:, 1:]] - moved[cells[:, :1]])
        volume, element = self.cell_volumes(), self.domain.drawn.element
        mean = np.trace(gradient, axis1=1, axis2=2) / self.places
        total = np.bincount(element, volume * mean) / np.bincount(element, volume)
        return total[None, self._mine]
