"""Units of a task, and the formatting of numbers and quantities."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Units:
    """Consistent units of a task, by that of length.

    Attributes
    ----------
    length, force, stress, mass, density : str
        Their signs.
    from_mpa, from_g_per_cm3 : float
        Factors on stresses in MPa and densities in g/cm3.
    mass_of : float
        Mass of a unit volume of unit density.
    """

    length: str
    force: str
    stress: str
    mass: str
    density: str
    from_mpa: float = 1.0
    from_g_per_cm3: float = 1.0
    mass_of: float = 1.0

    def of(self, quantity: str) -> str:
        """Sign of the unit of a quantity by its key; empty of what is none."""
        per_length = f"{self.force}/{self.length}"
        energy = f"{self.force} {self.length}"
        return {
            "displacement": self.length, "force": self.force, "stress": self.stress,
            "modulus": self.stress, "pressure": self.stress, "peak": self.force,
            "valley": self.force, "plateau": self.force, "stiffness": per_length, "work": energy,
            "absorbed": energy, "mass": self.mass, "volume": f"{self.length}³",
        }.get(quantity, "")  # fmt: skip


#: Systems of units by the unit of length, as task files name it.
UNITS = {
    "mm": Units("mm", "N", "MPa", "g", "g/cm³", mass_of=1e-3),
    "m": Units("m", "N", "Pa", "kg", "kg/m³", from_mpa=1e6, from_g_per_cm3=1e3),
    "um": Units("µm", "µN", "MPa", "pg", "g/cm³"),
}


def percent(part: float, digits: int = 3, signed: bool = False) -> str:
    """Fraction in per cent."""
    return f"{100 * part:{'+' if signed else ''}.{digits}g} %"


def typeset(text: Any) -> str:
    """Text with true minus signs and a no-break space before per-cent signs."""
    return str(text).replace("-", "\u2212").replace(" %", "\u00a0%")
