"""Marks: where the network is driven, asked and held."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mechlearn.cell import VOLUME
from mechlearn.kinematics import Displacements
from mechlearn.network import Network
from mechlearn.problem import Port, Problem
from mechlearn.render.colours import SOURCE, TARGET
from mechlearn.task import Source, Target, Terminal


@dataclass(frozen=True, eq=False)
class Mark:
    """One source or target in one example.

    Attributes
    ----------
    terminal : Source or Target
    ports : tuple of Port
    values : (ports,) array
        Imposed or wanted, in the user's quantity.
    active : bool
        Whether it takes part in the example.
    moves : bool
        Whether it is about motions and forces in space, which have a direction.
    share : bool
        Whether ``values`` are shares of the outputs, as a cross-entropy wants them.
    """

    terminal: Terminal
    ports: tuple[Port, ...]
    values: NDArray[np.float64]
    active: bool
    moves: bool
    share: bool = False

    @property
    def is_source(self) -> bool:
        """Whether it drives the network rather than reads it."""
        return isinstance(self.terminal, Source)

    @property
    def colour(self) -> str:
        """The colour of its kind."""
        return SOURCE if self.is_source else TARGET

    @property
    def nodes(self) -> list[int]:
        """Its nodes, each once."""
        return list(dict.fromkeys(n for p in self.ports for n in p.nodes))

    @property
    def cell(self) -> list[str]:
        """The components of the periodic cell that it is about."""
        return [p.cell for p in self.ports if p.cell is not None]

    @property
    def pairs(self) -> list[tuple[int, ...]]:
        """Pairs of nodes whose distance it is about."""
        return [p.nodes for p in self.ports if len(p.nodes) == 2]

    def arrows(self, network: Network, nodes: NDArray) -> list[tuple[NDArray, NDArray, bool]]:
        """Arrows as (place, direction, whether the arrow ends there rather than starts)."""
        steered = self.active and self.moves and not self.share and not self.cell
        if not steered or getattr(self.terminal, "match", None):
            return []
        out = []
        vectors: dict[int, NDArray] = {}
        for port, value in zip(self.ports, self.values, strict=True):
            if port.component is not None and port.component >= network.dim:
                continue  # a rotation or a moment
            if port.component is not None:
                vectors.setdefault(port.nodes[0], np.zeros(network.dim))[port.component] = value
                continue
            a, b = port.nodes
            axis = network.separation(a, b)
            if value:
                way = np.sign(value) * axis / np.linalg.norm(axis)
                out += [(nodes[a], -way, value < 0), (nodes[b], way, value < 0)]
        for node, vector in vectors.items():
            if size := np.linalg.norm(vector):
                out.append((nodes[node], vector / size, False))
        return out

    def cell_arrows(self, dim: int) -> list[tuple[int, float]]:
        """The axes along which it pulls the periodic cell (1) or pushes it (-1)."""
        pulls = self.terminal.quantity in ("strain", "stress")
        if not (self.cell and self.active and pulls):
            return []
        out = []
        for name, value in zip(self.cell, self.values, strict=True):
            axes = [c for c in range(dim) if name in (VOLUME, 2 * "xyz"[c])]
            out += [(c, float(np.sign(value))) for c in axes if value]
        return out

    def wanted_places(
        self, network: Network, rest: NDArray, nodes: NDArray, factor: float
    ) -> NDArray[np.float64]:
        """Where a target's nodes would be if it read what is wanted, (k, d), as far as it says.

        ``nodes`` are where they are drawn, ``factor`` times as far from ``rest`` as they move.
        """
        ready = self.active and self.moves and not self.share
        ready = ready and self.terminal.quantity in ("strain", "displacement")
        if self.is_source or self.cell or not ready or getattr(self.terminal, "match", None):
            return np.empty((0, network.dim))
        places: dict[int, NDArray] = {}
        for port, value in zip(self.ports, self.values, strict=True):
            if port.component is not None and port.component < network.dim:
                place = places.setdefault(port.nodes[0], nodes[port.nodes[0]].copy())
                place[port.component] = rest[port.nodes[0], port.component] + factor * value
            elif port.component is None:
                a, b = port.nodes
                line = apart(network, nodes, a, b)
                length = np.linalg.norm(network.separation(a, b)) * (1 + factor * value)
                change = (length / np.linalg.norm(line) - 1) / 2 * line
                places[a], places[b] = nodes[a] - change, nodes[b] + change
        return np.array(list(places.values())).reshape(-1, network.dim)


def apart(network: Network, nodes: NDArray, a: int, b: int) -> NDArray[np.float64]:
    """The vector from one node to another, or to its nearest image at rest."""
    v = nodes[b] - nodes[a]
    if not network.periodic:
        return v
    return v + network.separation(a, b) - (network.nodes[b] - network.nodes[a])


def marks(problem: Problem, example: int = 0) -> list[Mark]:
    """The sources and targets of a problem in one example, counted from 0."""
    out = []
    column = {port: k for k, port in enumerate(problem.targets)}
    for terminal in (*problem.task.sources, *problem.task.targets):
        ks = [k for k, p in enumerate(problem.ports) if p.terminal == terminal.name]
        if isinstance(terminal, Source):
            values = problem.values[example, ks]
            active = bool(problem.held[example, ks].any() or values.any())
        else:
            values = problem.wanted[example, [column[k] for k in ks]]
            active = bool(problem.asked[example, [column[k] for k in ks]].any())
        ports = tuple(problem.ports[k] for k in ks)
        units = [p.unit for p in ports]
        moves = isinstance(problem.kinematics, Displacements)
        share = isinstance(terminal, Target) and not problem.task.cost.has_values
        if share:
            units = [1.0] * len(ports)
        out.append(Mark(terminal, ports, values / units, active, moves, share))
    return out


def held_nodes(problem: Problem) -> NDArray[np.int64]:
    """The nodes of all supports."""
    return np.unique(np.array([n for s in problem.task.supports for n in s.nodes], dtype=np.int64))
