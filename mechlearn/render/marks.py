"""Marks of sources, targets and supports."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.kinematics import Displacements
from mechlearn.fem.macroscopic_strain import VOLUME
from mechlearn.network import Network
from mechlearn.render.colours import SOURCE, TARGET
from mechlearn.tasks.ports import PairPort, Port
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.task import Source, Target, Terminal, ids_of


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
    loads : (ports,) array
        The same as ``values`` as strains or forces: of a Poisson's ratio, the strain it means.
    """

    terminal: Terminal
    ports: tuple[Port, ...]
    values: NDArray[np.float64]
    active: bool
    moves: bool
    share: bool
    loads: NDArray[np.float64]

    @property
    def is_source(self) -> bool:
        """True for a source, False for a target."""
        return isinstance(self.terminal, Source)

    @property
    def colour(self) -> str:
        """Colour by kind."""
        return SOURCE if self.is_source else TARGET

    @property
    def nodes(self) -> list[int]:
        """Unique nodes."""
        return list(dict.fromkeys(n for p in self.ports for n in p.nodes))

    @property
    def cell(self) -> list[str]:
        """Cell components of the mark."""
        return [p.cell for p in self.ports if p.cell is not None]

    @property
    def pairs(self) -> list[tuple[int, ...]]:
        """Pairs of nodes whose distance is prescribed or read."""
        return [p.nodes for p in self.ports if isinstance(p, PairPort)]

    @property
    def _points_somewhere(self) -> bool:
        steered = self.active and self.moves and not self.share and not self.cell
        return steered and not getattr(self.terminal, "match", None)

    @property
    def pulls(self) -> dict[tuple[int, ...], float]:
        """Pairs drawn apart (1) or together (-1)."""
        if not self._points_somewhere:
            return {}
        both = zip(self.ports, self.values, strict=True)
        return {p.nodes: float(np.sign(v)) for p, v in both if isinstance(p, PairPort) and v}

    def pushes(self, dim: int) -> dict[int, NDArray[np.float64]]:
        """Nodes that are moved or loaded, with directions (no rotations)."""
        vectors: dict[int, NDArray] = {}
        for port, value in zip(self.ports, self.values, strict=True):
            if self._points_somewhere and port.component is not None and port.component < dim:
                for node in port.nodes:
                    vectors.setdefault(node, np.zeros(dim))[port.component] = port.sign * value
        return {n: v / size for n, v in vectors.items() if (size := np.linalg.norm(v))}

    def arrows(
        self, network: Network, nodes: NDArray, strain: NDArray | None = None
    ) -> list[tuple[NDArray, NDArray, bool]]:
        """Arrows as (place, direction, whether the arrow ends there rather than starts).

        ``nodes`` are where they are drawn, ``strain`` that of the periodic cell as it is drawn.
        """
        out = []
        for (a, b), sign in self.pulls.items():
            axis = apart(network, nodes, a, b, strain)
            way = sign * axis / np.linalg.norm(axis)
            out += [(nodes[a], -way, sign < 0), (nodes[b], way, sign < 0)]
        return out + [(nodes[n], way, False) for n, way in self.pushes(network.dim).items()]

    def cell_arrows(self, dim: int) -> list[tuple[int, int, float]]:
        """Arrows at the periodic cell: axis of each side, and direction.

        That is the axis along which the high side is drawn forward (1) or back (-1); the low side
        is drawn the other way. Shear draws at two pairs of sides.
        """
        draws = not (self.terminal.kind.ratio and self.terminal.kind.through)
        if not (self.cell and self.active and draws) or getattr(self.terminal, "match", None):
            return []
        out = []
        for name, load in zip(self.cell, self.loads, strict=True):
            pairs = [(c, c) for c in range(dim)] if name == VOLUME else _axes(name)
            out += [(a, b, float(np.sign(load))) for a, b in pairs if load]
        return out

    def wanted_strain(self) -> dict[tuple[int, int], float]:
        """The components of the cell's strain that a target wants, by their axes."""
        asks = not self.terminal.kind.through and not self.is_source
        if not (self.cell and self.active and asks) or getattr(self.terminal, "match", None):
            return {}
        named = zip(self.cell, self.loads, strict=True)
        return {p: float(v) for name, v in named if name != VOLUME for p in _axes(name)}

    def wanted_places(
        self, network: Network, nodes: NDArray, factor: float, strain: NDArray | None = None
    ) -> NDArray[np.float64]:
        """Wanted places of a target's nodes, (k, d), as far as specified.

        ``nodes`` are where they are drawn, ``factor`` times as far from rest as they move, and
        ``strain`` is that of the periodic cell as it is drawn.
        """
        ready = self.active and self.moves and not self.share and not self.terminal.kind.through
        if self.is_source or self.cell or not ready or getattr(self.terminal, "match", None):
            return np.empty((0, network.dim))
        rest, places = network.nodes, dict[int, NDArray]()
        for port, value in zip(self.ports, self.values, strict=True):
            if port.component is not None and port.component < network.dim:
                way = port.sign * value * port.extent
                for node in port.nodes:
                    place = places.setdefault(node, nodes[node].copy())
                    place[port.component] = rest[node, port.component] + factor * way
            elif isinstance(port, PairPort):
                a, b = port.nodes
                line = apart(network, nodes, a, b, strain)
                length = np.linalg.norm(network.separation(a, b)) * (1 + factor * value)
                change = (length / np.linalg.norm(line) - 1) / 2 * line
                places[a], places[b] = nodes[a] - change, nodes[b] + change
        return np.array(list(places.values())).reshape(-1, network.dim)


def apart(
    network: Network, nodes: NDArray, a: int, b: int, strain: NDArray | None = None
) -> NDArray[np.float64]:
    """Vector from one node to another, or to its nearest image at rest.

    ``strain`` is that of the periodic cell, with which images move.
    """
    v = nodes[b] - nodes[a]
    if not network.periodic:
        return v
    image = network.separation(a, b) - (network.nodes[b] - network.nodes[a])
    return v + image if strain is None else v + image + image @ strain.T


def _axes(component: str) -> set[tuple[int, int]]:
    """Indices of a component such as "xy" in the strain tensor."""
    a, b = ("xyz".index(c) for c in component)
    return {(a, b), (b, a)}


def marks(problem: Problem, example: int = 0) -> list[Mark]:
    """The sources and targets of a problem in one example, counted from 0."""
    out = []
    for terminal in (*problem.task.sources, *problem.task.targets):
        source = isinstance(terminal, Source)
        numbers = problem.drives if source else problem.answers
        there = (problem.acts if source else problem.active)[example]
        mine = [k for k, p in enumerate(numbers) if p.terminal == terminal.name]
        mine = [k for k in mine if there[k]] or mine  # without free entries of tensors
        ports = tuple(numbers[k] for k in mine)
        if not any(port.nodes or port.cell for port in ports):
            continue  # it is about a whole path
        if source:
            loads = problem.given[example, mine]
            imposed = problem.acts[example, mine] & ~problem.loads[mine]
            active = bool(imposed.any() or loads.any())
        else:
            loads = problem.wanted[example, mine]
            active = bool(problem.active[example, mine].any())
        units = np.array([p.unit for p in ports])
        moves = isinstance(problem.kinematics, Displacements)
        share = isinstance(terminal, Target) and not problem.task.cost.has_values
        values = loads if share else loads / units + [p.offset for p in ports]
        out.append(Mark(terminal, ports, values, active, moves, share, loads))
    return out


def held_nodes(problem: Problem) -> NDArray[np.int64]:
    """The nodes of all supports."""
    held = [n for s in problem.task.supports for n in ids_of(s)]
    return np.unique(np.array(held, dtype=np.int64))
