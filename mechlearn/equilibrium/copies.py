"""Copies of a state: rigid motions of networks that nothing holds, and relabelled nodes."""

from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mechlearn.energies.kinematics import left_free
from mechlearn.equilibrium.balance import Balance
from mechlearn.equilibrium.conditions import Imposed
from mechlearn.extensions import load

#: Relative difference of energies of copies, in units of a bond's stiffness or of themselves.
ENERGY = 1e-7
#: Relabellings that are compared, at most.
RELABELLINGS = 1000


class Copies:
    """Comparison of states up to the motions that cost nothing.

    States are packed, as :meth:`Model.pack` has them. Rigid motions that neither supports nor held
    ports stop are undone (W. Kabsch, Acta Cryst. A 32, 922 (1976)). Nodes of a network that floats
    freely may be relabelled where its bonds and their parameters stay as they are.

    Attributes
    ----------
    floats : bool
        Whether any rigid motion is left.
    arm : array
        What rotations count as, packed.
    """

    def __init__(self, balance: Balance, imposed: Imposed) -> None:
        self._balance, self._model = balance, balance.model
        p = self._problem = balance.problem
        mean = float(p.network.lengths.mean())
        motions = p.kinematics.free_motions(p.network.nodes / mean, p.network.periodic)
        still = p.dofs[imposed.held & (imposed.compliance == 0) & (p.dofs >= 0)]
        self._left = left_free(motions, np.union1d(p.supported, still))
        self.floats = self._left.shape[1] > 0
        # Rotations move nodes differently.
        each = self._left.reshape(p.network.n_nodes, len(p.components), -1)
        self._turns = self.floats and bool(np.ptp(each, axis=0).max() > 1e-9)
        self._freely = self._turns and self._left.shape[1] == motions.shape[1]
        self.arm = self._model.pack(balance.arm)

    def same(self, a: Any, b: Any, tolerance: float) -> bool:
        """True of states with a ``potential`` and a ``shape`` that are copies of each other.

        ``tolerance`` is on displacements, in bond lengths.
        """
        unit = self._balance.stiffness * self._balance.length**2
        if abs(a.potential - b.potential) > ENERGY * max(unit, abs(a.potential)):
            return False
        near = tolerance * self._balance.length
        away = (self.aligned(b.shape, a.shape) - a.shape) * self.arm
        if self.floats:
            away = self._points(away)[: self._problem.network.n_nodes, : self._model.places]
        if np.abs(away).max(initial=0.0) < near:
            return True
        if not self._freely:
            return False
        x, y = (self._places(s.shape)[: self._problem.network.n_nodes] for s in (a, b))
        return any(
            np.abs(_superposed(y[order], x)[0] - x).max() < near
            for order in self._relabellings(x, y, near)
        )

    def aligned(self, b: NDArray, a: NDArray) -> NDArray[np.float64]:
        """A state after the rigid motion that brings it nearest to another, where one is left."""
        if not self.floats:
            return b
        out, model, n = b.copy(), self._model, self._problem.network.n_nodes
        of_points = self._points(out)
        # Internal unknowns of bonds do not turn.
        of_points = of_points[:n] if model.internal else of_points
        if not self._turns:
            away = (self._points(a) - of_points)[:n].ravel()
            of_points += (self._left @ (self._left.T @ away)).reshape(n, -1)[0]
            return out
        x, y = (self._places(s)[: len(of_points)] for s in (a, b))
        moved, turn = _superposed(y, x)
        of_points[:, : model.places] = moved - model.points[: len(of_points)]
        if model.width > model.places and len(turn) == 2:
            angle = np.arctan2(turn[0, 1], turn[0, 0])
            mine = self._points(a)[: len(of_points), model.places]
            back = (mine - of_points[:, model.places]).mean() - angle
            of_points[:, model.places] += angle + 2 * np.pi * np.round(back / (2 * np.pi))
        elif self._problem.kinematics.curved(len(turn)):
            rest = np.array([0.0, 0.0, 0.0, 2.0])
            mine = self._points(a)[: len(of_points), model.places :] + rest
            turned = Rotation.from_quat(of_points[:, model.places :] + rest)
            found = 2 * (Rotation.from_matrix(turn.T) * turned).as_quat()
            sides = np.sign(np.vecdot(mine, found))[:, None]  # both are the same rotation
            of_points[:, model.places :] = sides * found - rest
        return out

    def _points(self, shape: NDArray) -> NDArray[np.float64]:
        """View of a packed state as (points, components)."""
        model = self._model
        return (shape[: -model.cell] if model.cell else shape).reshape(-1, model.width)

    def _places(self, shape: NDArray) -> NDArray[np.float64]:
        return self._model.points + self._points(shape)[:, : self._model.places]

    def _relabellings(self, x: NDArray, y: NDArray, near: float) -> Iterator[NDArray[np.int64]]:
        """Orders of the nodes at ``y`` in which bonds are as those of the nodes at ``x``."""
        if self._parameters is None:
            return
        networkx = load("networkx", "make", "states of a network that nothing holds need")
        first, second = (self._graph(networkx, places) for places in (x, y))
        isomorphism = networkx.algorithms.isomorphism
        matcher = isomorphism.GraphMatcher(
            first,
            second,
            node_match=lambda a, b: a == b,
            edge_match=lambda a, b: np.abs(a["values"] - b["values"]).max() < 4 * near,
        )
        for mapping in islice(matcher.isomorphisms_iter(), RELABELLINGS):
            yield np.array([mapping[k] for k in range(len(x))])

    def _graph(self, networkx: Any, places: NDArray) -> Any:
        """Graph of the bonds, with their lengths and parameters, and the ports of the nodes."""
        network, graph = self._problem.network, networkx.Graph()
        for node in range(network.n_nodes):
            ports = [k for k, port in enumerate(self._problem.ports) if node in port.nodes]
            graph.add_node(node, ports=ports)
        lengths = np.linalg.norm(places[network.edges[:, 1]] - places[network.edges[:, 0]], axis=1)
        values = np.column_stack([lengths, *(self._parameters or ())])
        graph.add_edges_from(
            (int(i), int(j), {"values": v}) for (i, j), v in zip(network.edges, values, strict=True)
        )
        return graph

    @cached_property
    def _parameters(self) -> list[NDArray[np.float64]] | None:
        """Parameters of the bonds, in units of length; None where nodes are joined otherwise."""
        model, network = self._model, self._problem.network
        twice = len(np.unique(np.sort(network.edges, axis=1), axis=0)) < network.n_edges
        if twice or model.energy.tuples:
            return None
        values = [model.get(p.name) for p in model.energy.bond_parameters]
        unit = self._balance.length
        return [unit * v / (np.abs(v).max() or 1.0) for v in [*values, network.lengths]]


def _superposed(y: NDArray, x: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points ``y`` after the rigid motion that brings them nearest to ``x``, and its rotation."""
    centre = y.mean(axis=0)
    u, _, vt = np.linalg.svd((y - centre).T @ (x - x.mean(axis=0)))
    u[:, -1] *= np.sign(np.linalg.det(u @ vt))
    return (y - centre) @ u @ vt + x.mean(axis=0), u @ vt
