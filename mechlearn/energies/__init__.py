"""Element energies: springs, beams, solids, scalar conductors."""

from mechlearn.energies.beam import Bar, Bar3D, Beam, Beam3D, FiniteBeam
from mechlearn.energies.conductor import Capacitor, Channel, Resistor
from mechlearn.energies.element import Bond, BondEnergy, Element, Parameter
from mechlearn.energies.solid import Hinge, Solid
from mechlearn.energies.spring import FiniteSpring, Spring
from mechlearn.extensions import Registry

#: Energies by the name that task files use; ``in_dimension`` gives the class for a network.
energies = Registry(
    "element",
    Element,
    "an element: an ml.BondEnergy",
    (Spring, FiniteSpring, Bar, Beam, FiniteBeam, Solid, Resistor, Channel, Capacitor),
)

__all__ = [
    "Bar",
    "Bar3D",
    "Beam",
    "Beam3D",
    "Bond",
    "BondEnergy",
    "Capacitor",
    "Channel",
    "Element",
    "FiniteBeam",
    "FiniteSpring",
    "Hinge",
    "Parameter",
    "Resistor",
    "Solid",
    "Spring",
    "energies",
]
