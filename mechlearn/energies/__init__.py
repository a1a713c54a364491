"""Element energies, one physics each. A new one is a class here and a line in ``energies``."""

from mechlearn.energies.element import Bond, BondEnergy, Parameter
from mechlearn.energies.spring import FiniteSpring, Spring

#: Energies by the name that task files use.
energies: dict[str, type[BondEnergy]] = {e.name: e for e in (Spring, FiniteSpring)}

__all__ = ["Bond", "BondEnergy", "FiniteSpring", "Parameter", "Spring", "energies"]
