"""Quantities of sources and targets: keys of their tables, and what each measures of a state.

A kind of source or target is one class: its key and what that means, the ports whose values or
forces it is about, their units, and its words. A new one is a class, and an entry of
``quantities``; tables, problems, summaries, plots and reports ask it.
"""

from typing import TYPE_CHECKING, Any, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError
from mechlearn.fem.macroscopic_strain import VOLUME, cell_components, multiplicity
from mechlearn.tasks.enclosed import EnclosedPressure, Growth
from mechlearn.tasks.gradients import DeformationGradient, PiolaStress
from mechlearn.tasks.path_quantities import Absorbed, Peak, Plateau, States, Stiffness, Valley, Work
from mechlearn.tasks.ports import Port, volume
from mechlearn.tasks.quantity import Place, Quantity
from mechlearn.units import percent

if TYPE_CHECKING:
    from mechlearn.tasks.task import Terminal


class Strain(Quantity):
    """Change of a pair's distance over its reference distance.

    Or, of nodes together, their way outwards over the network's extent along that axis. Or of the
    cell, one number per component (shear as in the tensor: half the change of the angle).
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

    Or one number for a pair, positive where it pulls the nodes apart, or for nodes together,
    positive where it pulls them outwards.
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
    """As voltage, in channels.

    Or, as one number of three and more nodes that move, inside the polygon of these, in their
    order, or inside the closed surface that has them.
    """

    enclosed = EnclosedPressure()


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


class Moduli(Stress):
    """Of the cell of linear elements, its stiffness tensor, row by row in Voigt's notation.

    Stresses xx, yy, xy (in 3D xx, yy, zz, yz, xz, xy) by unit strains, those of shear as changes of
    angle. Entries that are "free", or 0 in the mask, are not asked for.
    """

    imposed, ratio, tensor, of_linear = False, True, True, True


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
        Modulus, DeformationGradient, PiolaStress, Growth, Peak, Valley, Plateau, Stiffness, Work,
        Absorbed, States, Moduli,
    )
}  # fmt: skip


def amount(value: Any, key: str, digits: int = 6, unit: str = "") -> str:
    """Signed value, or values in brackets, of a quantity by its key, or of what is none."""
    if isinstance(value, str):
        return value
    if unit:
        return f"{amount(value, key, digits)} {unit}"
    if isinstance(value, list):
        return f"({', '.join(amount(v, key, digits) for v in value)})"
    if key in quantities and quantities[key].part:
        return percent(value, digits, signed=True)
    return f"{value:+.{digits}g}"
