"""Element energies, one physics each. A new one is a class here and a line in ``energies``."""

from mechlearn.energies.beam import Bar, Bar3D, Beam, Beam3D, FiniteBeam
from mechlearn.energies.conductor import Capacitor, Channel, Resistor
from mechlearn.energies.element import Bond, BondEnergy, Parameter
from mechlearn.energies.spring import FiniteSpring, Spring

#: Energies by the name that task files use; ``in_dimension`` gives the class for a network.
energies: dict[str, type[BondEnergy]] = {
    energy.name: energy
    for energy in (Spring, FiniteSpring, Bar, Beam, FiniteBeam, Resistor, Channel, Capacitor)
}

__all__ = [
    "Bar",
    "Bar3D",
    "Beam",
    "Beam3D",
    "Bond",
    "BondEnergy",
    "Capacitor",
    "Channel",
    "FiniteBeam",
    "FiniteSpring",
    "Parameter",
    "Resistor",
    "Spring",
    "energies",
]
