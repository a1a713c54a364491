"""Base of the quantities of sources and targets: what each measures, and where."""

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.kinematics import Displacements, Kinematics
from mechlearn.errors import InputError, listed
from mechlearn.fem.macroscopic_strain import VOLUME, cell_components, multiplicity
from mechlearn.network import Network
from mechlearn.tasks.groups import group_ports
from mechlearn.tasks.ports import CellPort, NodePort, PairPort, Port, components_of
from mechlearn.tasks.regions import region_ports
from mechlearn.tasks.turns import TurnPort

if TYPE_CHECKING:
    from mechlearn.tasks.task import Task, Terminal


#: Nodes from which on there is something that they enclose.
THREE = 3


class Place(NamedTuple):
    """Source or target in its task on a network."""

    terminal: "Terminal"
    task: "Task"
    network: Network
    kinematics: Kinematics

    @property
    def components(self) -> tuple[str, ...]:
        """Names of the numbers of a node's state."""
        return self.kinematics.components(self.network.dim)


class Quantity:
    """Kind of source and target, of nodes and pairs of them.

    The key is the name of the class unless given, its docstring the meaning of the key.
    """

    key: str
    #: Words for people; the key unless given.
    title: str
    #: Instead, of nodes: what it is the change of.
    change_of = ""
    #: Whether it is the force of its ports, or derived from one, rather than their value.
    through = False
    #: Whether it is of one node always, and a list of numbers.
    vector = False
    #: Whether one number is of a pair of nodes where these are looked for.
    pair = False
    #: Whether sources may be about it, or only targets.
    imposed = True
    #: Whether the cell of a periodic network knows it; nodes do where their kinematics says so.
    of_cell = False
    #: Whether its value is a tensor of the whole cell, row by row.
    tensor = False
    #: Whether it is over a strain that a source imposes.
    ratio = False
    #: Whether it is about a network of linear elements.
    of_linear = False
    #: Whether it is of a source's path rather than of one state.
    on_path = False
    #: Whether it is about limit points alone, and no other part of the path matters.
    of_limits = False
    #: Keys of a target that say where on the path it is.
    places: tuple[str, ...] = ()
    #: What it is where one number is of more than two nodes, if something else.
    enclosed: "Quantity | None" = None
    #: Whether it is a part of something, which reads in per cent.
    part = False

    #: Keys of the quantities that components of cells know.
    of_cells: ClassVar[list[str]] = []

    def __init_subclass__(cls) -> None:
        cls.key = vars(cls).get("key", cls.__name__.lower())
        if cls.of_cell:
            cls.of_cells.append(cls.key)
        cls.title = vars(cls).get("title", cls.key)

    def among(self, nodes: object, value: object) -> "Quantity":
        """Kind that it is at some nodes: of what three and more enclose, if it has such a kind."""
        around = isinstance(nodes, list) and len(nodes) >= THREE
        return self.enclosed if self.enclosed and around and not isinstance(value, list) else self

    def check(self, values: NDArray, terminal: "Terminal", numbers: NDArray) -> None:
        """Raise InputError for impossible ``values``, (k, t), in examples of those ``numbers``."""

    def numbers(self, value: Any) -> NDArray[np.float64]:
        """Numbers of a value in a table, (t,); nan where one is free."""
        each = value if isinstance(value, list | tuple | np.ndarray) else [value]
        return np.array([np.nan if isinstance(v, str) else v for v in each], dtype=float)

    def check_keys(self, terminal: "Terminal") -> None:
        """Raise InputError for keys of a target that its quantity does not have, or needs."""
        for key in ("at", "between", "points"):
            if (getattr(terminal, key, None) is None) == (key in self.places):
                has = f"needs {key} = ..." if key in self.places else f"has no key {key}"
                raise InputError(f"{terminal.full_name}: {self.named} {has}.")

    @property
    def named(self) -> str:
        """Title with its article."""
        return f"{'an' if self.title[0] in 'aeiou' else 'a'} {self.title}"

    def ports(self, at: Place) -> list[Port]:
        """Ports that a terminal is about, in the order of its numbers.

        Raises
        ------
        InputError
            Where its numbers, nodes and components do not go together, and for a quantity that the
            network does not know.
        """
        terminal, name, known = at.terminal, at.terminal.full_name, at.components
        cell, single = terminal.cell is not None, not isinstance(terminal.value, list)
        words = self.of_cells if cell else at.kinematics.words
        if self.key not in words:
            raise InputError(
                f"{name} is about a {self.key}, which {'a cell' if cell else 'this network'} does "
                f"not know; it knows {listed(words)}."
            )
        if cell:
            return self._of_cell(at)
        if terminal.region is not None:
            return region_ports(self.key, terminal, at.network, at.kinematics)
        if terminal.together:
            return group_ports(self, terminal, at.network, at.kinematics)
        if single and (len(terminal.ids) == 2 or len(known) > 1):
            return [self._of_pair(at)]
        if single and len(terminal.ids) != 1:
            raise InputError(
                f"{name}: a {self.key} of one number needs one node, or a pair; write "
                f"[{terminal.value}] for every one of the {len(terminal.ids)} nodes."
            )
        return self._of_nodes(at)

    def _of_nodes(self, at: Place) -> list[Port]:
        terminal, name, known = at.terminal, at.terminal.full_name, at.components
        places = len(known) - at.kinematics.rotations(at.network.dim)
        components = components_of(terminal.components, known, places, name)
        if any(other.cell is not None for other in (*at.task.sources, *at.task.targets)):
            raise InputError(
                f"{name} is about a {self.key} of nodes, which in a cell that deforms depends on "
                "where it is held; use the strain, or the force, of a pair."
            )
        if not at.kinematics.turned and max(components) >= places:
            raise InputError(
                f"{name} is about a rotation; the joints of a solid can be held against turning by "
                "a support, but are not turned, and their turns and moments are not read."
            )
        if np.size(terminal.value) != len(components):
            raise InputError(
                f"{name}: {self.key} has {np.size(terminal.value)} numbers where "
                f"{len(components)} components need one each."
            )
        curved = at.kinematics.curved(at.network.dim)
        return [
            (TurnPort if curved and c >= places else NodePort)(
                terminal.name, (i,), tuple(at.network.described([i])), component=c
            )
            for i in terminal.ids
            for c in components
        ]

    def _of_pair(self, at: Place) -> PairPort:
        terminal, nodes, name = at.terminal, at.terminal.ids, at.terminal.full_name
        if len(nodes) != 2:
            raise InputError(
                f"{name}: a {self.key} of one number needs a pair of nodes, not {len(nodes)}."
            )
        if terminal.components is not None:
            raise InputError(f"{name}: components go with a displacement, not with a pair.")
        described = tuple(at.network.described(nodes))
        vector = at.kinematics.pair(at.network, *nodes)
        if len(vector) and not np.any(vector):
            raise InputError(f"{name}: nodes {listed(described)} lie on the same place.")
        unit, length = self.scale_of_pair(float(np.linalg.norm(vector)))
        return PairPort(terminal.name, tuple(nodes), described, unit=unit, length=length)

    def scale_of_pair(self, distance: float) -> tuple[float, float]:
        """Unit of a pair's port, and what its value is a strain of; infinite where of nothing."""
        return 1.0, np.inf

    def _of_cell(self, at: Place) -> list[Port]:
        terminal, name, names = at.terminal, at.terminal.full_name, at.terminal.cell_names
        require_cell(at)
        known = (*cell_components(at.network.dim), VOLUME)
        for component in set(names) - set(known):
            raise InputError(
                f"{name}: cell = {component!r} is not known in {at.network.dim}D; known are "
                f"{listed(known)}."
            )
        if len(set(names)) < max(len(names), 1):
            raise InputError(f"{name}: cell names nothing, or a component twice.")
        many = isinstance(terminal.value, list)
        if np.size(terminal.value) != len(names) or many != isinstance(terminal.cell, list):
            raise InputError(
                f"{name}: {self.key} = {terminal.value} needs one number for each of cell = "
                f"{terminal.cell}."
            )
        return [
            CellPort(
                terminal.name,
                unit=self.unit_of_cell(name, at),
                cell=name,
                length=_length(name, at.network.dim),
            )
            for name in names
        ]

    def unit_of_cell(self, component: str, at: Place) -> float:
        """Unit of the port at a component of the cell's strain."""
        return 1.0


def require_cell(at: Place) -> None:
    """Raise InputError unless the network is periodic, and its nodes move."""
    if not at.network.periodic or not isinstance(at.kinematics, Displacements):
        what = "a finite one" if not at.network.periodic else "one of potentials"
        raise InputError(
            f"{at.terminal.full_name} is about the cell of a periodic elastic network; this is "
            f"{what}."
        )


def _length(component: str, dim: int) -> float:
    """Reference length of a component of the cell's strain, for a cell of size 1."""
    if component == VOLUME:
        return float(dim)
    return 1.0 if multiplicity(component) == 1 else np.inf
