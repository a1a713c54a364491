"""Materials of parts: cards of shipped ones, and those that a task gives."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from mechlearn.errors import InputError, hint
from mechlearn.schema import Table, build
from mechlearn.units import Units

_Size = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Material(Table):
    """Material of a part: one of the shipped cards by its name, or numbers, or both.

    Numbers are in the units of the task: of stress, and of density (g/cm3 of "mm", kg/m3 of "m").
    Those that are given come before those of the card. The modulus and Poisson's ratio are those
    of the elements, wherever the energy gives or learns no others.

    Parameters
    ----------
    name : str, optional
        The name of a card, which needs a unit: PLA, PETG, ABS, PA12, TPU 85A, TPU 95A, Agilus30,
        silicone, aluminium or spring steel; beside a modulus, any name.
    modulus : float (> 0), optional
        Young's modulus.
    poisson : float (-1 to 0.5), optional
        Poisson's ratio.
    density : float (> 0), optional
        Mass per volume.
    strength : float (> 0), optional
        Yield stress, or that at which what does not yield breaks.
    fatigue : float (> 0), optional
        Largest stress that is endured for a million cycles.
    elongation : float (> 0), optional
        Strain at break.
    spread : float (0 to 1), optional
        Part by which the modulus differs between makers and machines, to either side.
    source : str, optional
        Where the numbers are from.
    file : str, optional
        A TOML file of these keys, relative to the task file.
    """

    name: str = ""
    modulus: _Size | None = None
    poisson: Annotated[float, Field(gt=-1, lt=0.5)] | None = None
    density: _Size | None = None
    strength: _Size | None = None
    fatigue: _Size | None = None
    elongation: _Size | None = None
    spread: Annotated[float, Field(ge=0, lt=1)] | None = None
    source: str = ""
    file: str | None = None

    @model_validator(mode="after")
    def _strong_enough(self) -> Self:
        if self.fatigue and self.strength and self.fatigue > self.strength:
            raise ValueError(
                f"fatigue = {self.fatigue:g} is above strength = {self.strength:g}; a material "
                "endures less for many cycles than once"
            )
        return self

    def completed(self, units: Units | None) -> "Material":
        """The material with what its card knows.

        Parameters
        ----------
        units : Units, optional
            Those of the task, in which its numbers then are.

        Raises
        ------
        InputError
            For a card without units, and a name that none has, without a modulus.
        """
        known = cards()
        if self.name not in known:
            if self.name and self.modulus is None:
                raise InputError(
                    f"material: name = {self.name!r} is no card; {hint(self.name, known)} Another "
                    "material needs its modulus."
                )
            return self
        if units is None:
            raise InputError(
                f'material: {self.name} is known in MPa and g/cm3; give the task a unit = "mm", '
                "or the material's own numbers."
            )
        of_card: dict[str, Any] = dict(known[self.name].model_dump(exclude_none=True))
        for key in ("modulus", "strength", "fatigue"):
            if key in of_card:
                of_card[key] *= units.from_mpa
        of_card["density"] *= units.from_g_per_cm3
        return build(Material, of_card | self.model_dump(exclude_unset=True), "material")


@cache
def cards() -> dict[str, Material]:
    """Shipped materials by name, in MPa and g/cm3."""
    text = (files("mechlearn") / "energies" / "materials.toml").read_text(encoding="utf-8")
    return {name: Material(name=name, **card) for name, card in tomllib.loads(text).items()}
