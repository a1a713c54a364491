"""Quantities of sources and targets: keys of their tables, and what each measures of a state.

A kind of source or target is one class: its key and what that means, the ports whose values or
forces it is about, their units, and its words. A new one is a class, and an entry of
``quantities``; tables, problems, summaries, plots and reports ask it.
"""

from typing import TYPE_CHECKING, Any, NamedTuple, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.kinematics import Displacements, Kinematics
from mechlearn.errors import InputError, listed
from mechlearn.fem.macroscopic_strain import VOLUME, cell_components, multiplicity
from mechlearn.network import Network
from mechlearn.tasks.ports import (
    CellPort,
    LimitPort,
    NodePort,
    PairPort,
    Port,
    components_of,
    volume,
)
from mechlearn.units import percent

if TYPE_CHECKING:
    from mechlearn.tasks.task import Task, Terminal


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

    The key is the name of the class, its docstring the meaning of the key.
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
    #: Whether it is over a strain that a source imposes.
    ratio = False
    #: Number of the limit point on a path that it is about; None of what states are about.
    limit_point: int | None = None
    #: Whether it is a part of something, which reads in per cent.
    part = False

    def __init_subclass__(cls) -> None:
        cls.key = cls.__name__.lower()
        cls.title = vars(cls).get("title", cls.key)

    def check(self, values: NDArray, terminal: "Terminal", numbers: NDArray) -> None:
        """Raise InputError for impossible ``values``, (k, t), in examples of those ``numbers``."""

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
        words = [k for k, q in quantities.items() if q.of_cell] if cell else at.kinematics.words
        if self.key not in words:
            raise InputError(
                f"{name} is about a {self.key}, which {'a cell' if cell else 'this network'} does "
                f"not know; it knows {listed(words)}."
            )
        if cell:
            return self._of_cell(at)
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
        return [
            NodePort(terminal.name, (i,), tuple(at.network.described([i])), component=c)
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
        if not at.network.periodic or not isinstance(at.kinematics, Displacements):
            what = "a finite one" if not at.network.periodic else "one of potentials"
            raise InputError(
                f"{name} is about the cell of a periodic elastic network; this is {what}."
            )
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


class Strain(Quantity):
    """Change of a pair's distance over its reference distance.

    Or of the cell, one number per component (shear as in the tensor: half the change of the angle).
    """

    pair = of_cell = part = True
    change_of = "distance"

    @override
    def check(self, values: NDArray, terminal: "Terminal", numbers: NDArray) -> None:
        low = np.flatnonzero((values <= -1).any(axis=1))
        if len(low) and VOLUME not in terminal.cell_names:
            raise InputError(
                f"example {numbers[low[0]]}: strain = {values[low[0]].min():g} of "
                f"{terminal.name!r} would pull the nodes through one another; it must be above -1."
            )

    @override
    def ports(self, at: Place) -> list[Port]:
        if at.terminal.cell is None and isinstance(at.terminal.value, list):
            name = at.terminal.full_name
            raise InputError(f"{name}: the strain of a pair is one number, not a list.")
        return super().ports(at)

    @override
    def scale_of_pair(self, distance: float) -> tuple[float, float]:
        return distance, distance


class Displacement(Quantity):
    """Displacement of a node, one number per component."""

    vector = True


class Force(Quantity):
    """Force on a node, one number per component.

    Or one number for a pair, positive where it pulls the nodes apart.
    """

    through = pair = True


class Voltage(Quantity):
    """Of one node, or of the first node of a pair less that of the second.

    Or, as a list of one number, of every node.
    """


class Current(Quantity):
    """The same, of what flows in."""

    through = True


class Pressure(Quantity):
    """As voltage, in channels."""


class Flow(Quantity):
    """As current, in channels."""

    through = True


class Charge(Quantity):
    """As current, in capacitors."""

    through = True


class Stress(Quantity):
    """Of the cell, force over undeformed area; positive where it pulls."""

    through = of_cell = True

    @override
    def unit_of_cell(self, component: str, at: Place) -> float:
        return volume(at.network) * multiplicity(component)


class Poisson(Quantity):
    """Poisson's ratio, of a normal strain of the cell.

    Less that strain over the one normal strain that a source prescribes.
    """

    title, imposed = "Poisson's ratio", False
    of_cell = ratio = True

    @override
    def unit_of_cell(self, component: str, at: Place) -> float:
        name = at.terminal.full_name
        normal = {c for c in cell_components(at.network.dim) if multiplicity(c) == 1}
        if component not in normal:
            raise InputError(f"{name}: poisson is of a normal strain, not {component!r}.")
        driven, strain = _imposed_strain(at, normal)
        if driven == component:
            raise InputError(
                f"{name}: poisson is of a strain across the one that is imposed, "
                f"and {component!r} is imposed."
            )
        return -strain


class Modulus(Stress):
    """Stress over strain of the component that a source strains.

    Young's modulus of xx, the bulk modulus of volume; of xy over twice the strain, the shear
    modulus.
    """

    imposed, ratio = False, True

    @override
    def unit_of_cell(self, component: str, at: Place) -> float:
        strain = multiplicity(component) * _imposed_strain(at, {component})[1]
        return super().unit_of_cell(component, at) * strain


class Peak(Quantity):
    """Load of a source at the first maximum of its path: the force at which it snaps.

    Counted along the force that the source applies.
    """

    title, imposed = "peak load", False
    #: Number of the limit point along the path.
    limit_point = 0

    @override
    def ports(self, at: Place) -> list[Port]:
        terminal, name = at.terminal, at.terminal.full_name
        if any(target.kind.limit_point is None for target in at.task.targets):
            raise InputError(f"{name}: a {self.key} is learned with no other kind of target.")
        if len(at.task.examples) > 1:
            raise InputError(f"{name}: a {self.key} is of one path; leave examples out.")
        where = [s for s in at.task.sources if (s.ids, s.cell) == (terminal.ids, terminal.cell)]
        if not where or not all(source.kind.through for source in at.task.sources):
            raise InputError(
                f"{name}: a {self.key} is of the force of a source: name it as source = ..., and "
                "let it apply a force, up to which the path is followed in steps."
            )
        return [LimitPort(terminal.name, component=self.limit_point)]


class Valley(Peak):
    """Load of a source at the first minimum of its path after the peak."""

    title = "valley load"
    limit_point = 1


def _length(component: str, dim: int) -> float:
    """Reference length of a component of the cell's strain, for a cell of size 1."""
    if component == VOLUME:
        return float(dim)
    return 1.0 if multiplicity(component) == 1 else np.inf


def _imposed_strain(at: Place, among: set[str]) -> tuple[str, float]:
    """Strain component imposed by a source among some of a target."""
    terminal, task = at.terminal, at.task
    found: set[tuple[str, float]] = set()
    for example in task.examples or [{}]:
        if example.get(terminal.name) == "free":
            continue
        there = []
        for source in task.sources:
            value = example.get(source.name, source.value)
            if not isinstance(source.kind, Strain) or value == "free":
                continue
            strains = zip(source.cell_names, np.atleast_1d(value), strict=False)
            there += [(str(c), float(v)) for c, v in strains if c in among]
        found.update(there or [("", 0.0)])
        if len(there) > 1:
            break
    if len(found) != 1 or not next(iter(found))[1]:
        raise InputError(
            f"{terminal.full_name}: a {terminal.quantity} needs exactly one source that strains "
            f"{' or '.join(sorted(among))} of the cell, by the same amount, not zero, wherever it "
            "is asked for."
        )
    name, strain = found.pop()
    return name, float(strain)


#: All of them by their keys; networks know those of their kinematics' words.
quantities: dict[str, Quantity] = {
    kind.key: kind()
    for kind in (
        Strain, Displacement, Force, Voltage, Current, Pressure, Flow, Charge, Stress, Poisson,
        Modulus, Peak, Valley,
    )
}  # fmt: skip


def amount(value: Any, key: str, digits: int = 6) -> str:
    """Signed value, or values in brackets, of a quantity by its key, or of what is none."""
    if isinstance(value, list):
        return f"({', '.join(amount(v, key, digits) for v in value)})"
    if key in quantities and quantities[key].part:
        return percent(value, digits, signed=True)
    return f"{value:+.{digits}g}"
