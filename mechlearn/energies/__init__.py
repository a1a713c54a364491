"""Element energies, one physics each. A new one is a class here and a line in ``energies``."""

from mechlearn.energies.conductor import Capacitor, Channel, Resistor
from mechlearn.energies.element import Bond, BondEnergy, Parameter
from mechlearn.energies.spring import FiniteSpring, Spring

#: Energies by the name that task files use.
energies: dict[str, type[BondEnergy]] = {
    energy.name: energy for energy in (Spring, FiniteSpring, Resistor, Channel, Capacitor)
}

__all__ = [
    "Bond",
    "BondEnergy",
    "Capacitor",
    "Channel",
    "FiniteSpring",
    "Parameter",
    "Resistor",
    "Spring",
    "energies",
]
