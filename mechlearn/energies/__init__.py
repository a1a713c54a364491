"""Element energies: springs, beams, solids, scalar conductors."""

from collections.abc import Mapping
from typing import Any

from mechlearn.energies.beam import Bar, Beam
from mechlearn.energies.catalogue import LAWS
from mechlearn.energies.element import Element
from mechlearn.energies.fillings import Area, Volume
from mechlearn.energies.laws import added
from mechlearn.energies.rod import FiniteBeam
from mechlearn.energies.solid import Solid
from mechlearn.energies.spring import Capacitor, Channel, FiniteSpring, Resistor, Spring
from mechlearn.energies.tuples import Angle, Crease
from mechlearn.errors import InputError, hint
from mechlearn.extensions import Registry
from mechlearn.network import Network
from mechlearn.schema import build

#: Elements by the name that task files use.
energies = Registry(
    "element",
    Element,
    "an element: an ml.BondEnergy, or ml.energy of a function",
    (
        Spring,
        FiniteSpring,
        Bar,
        Beam,
        FiniteBeam,
        Solid,
        Resistor,
        Channel,
        Capacitor,
        Angle,
        Crease,
        Area,
        Volume,
        *LAWS,
    ),
)


def element_for(network: Network, energy: Element | type[Element] | str | None = None) -> Element:
    """Element of a network, in the form that its dimension needs.

    Parameters
    ----------
    network : Network
    energy : Element, a class of such, its name or several joined by ``+``, optional
        Linear springs unless given.

    Raises
    ------
    InputError
        Where it is none, or does not live in that dimension.
    """
    energy = Spring if energy is None else energy
    given = _named(energy, "energy") if isinstance(energy, str) else [energy]
    made: list[Element] = [energies.make(each, "energy") for each in given]
    element = _sum(made).on(network)
    for kind in element.tuples:
        kind.require(network)
    return element


def element_of(table: Mapping[str, Any], network: Network) -> Element:
    """Element of a table ``[energy]``, whose other keys are settings and parameters.

    Raises
    ------
    InputError
        For names and keys that are not known, and settings of the wrong kind.
    """
    made = []
    for kind in _named(table["model"], "energy: model"):
        settings = {k: v for k, v in table.items() if k in kind.setting_names()}
        made.append(build(kind, settings, "energy"))
    element = _sum(made).on(network)
    known = ["model", *(p.name for p in element.parameters), *element.setting_names()]
    for key in table:
        if key not in known:
            raise InputError(f"energy: {key} is not a known key; {hint(key, known)}")
    return element


def _sum(made: list[Element]) -> Element:
    return made[0] if len(made) == 1 else added(*made)


def _named(names: str, where: str) -> list[Any]:
    """Elements, or classes, of names joined by ``+``."""
    return [energies.pick(name.strip(), where) for name in names.split("+")]
