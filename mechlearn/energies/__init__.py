"""Element energies, one physics each. A new one is a class here and a line in ``energies``."""

from mechlearn.energies.conductor import Capacitor, Channel, Resistor
from mechlearn.energies.element import Bond, BondEnergy, Element, Parameter
from mechlearn.energies.solid import Hinge, Solid
from mechlearn.energies.spring import FiniteSpring, Spring

#: Energies by the name that task files use.
energies: dict[str, type[Element]] = {
    energy.name: energy for energy in (Spring, FiniteSpring, Resistor, Channel, Capacitor, Solid)
}

__all__ = [
    "Bond",
    "BondEnergy",
    "Capacitor",
    "Channel",
    "Element",
    "FiniteSpring",
    "Hinge",
    "Parameter",
    "Resistor",
    "Solid",
    "Spring",
    "energies",
]
