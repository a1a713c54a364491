"""Scalar networks: resistors, flow channels and capacitors.

A bond between potentials ``a`` and ``b`` has the energy ``u = k (b - a)^2 / 2`` (half the power
dissipated, for resistors and channels), so that the derivative by the drop is what flows.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, override

from mechlearn.energies.element import Bond, BondEnergy, Parameter
from mechlearn.energies.kinematics import CHARGE, PRESSURE, VOLTAGE, Kinematics


@dataclass(frozen=True)
class Conductor(BondEnergy):
    """Scalar bonds; the strain is the potential difference."""

    linear: ClassVar[bool] = True

    @override
    def strain(self, bond: Bond) -> Any:
        return bond.jump


@dataclass(frozen=True)
class Resistor(Conductor):
    """Ohmic resistors: conductance times ``width``, which is 1 unless it learns."""

    name: ClassVar[str] = "resistor"
    kinematics: ClassVar[Kinematics] = VOLTAGE
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "conductance",
            default=lambda net: 1.0,
            positive=True,
            scale="log",
            about="Current per voltage, at width 1.",
        ),
        Parameter(
            "width",
            default=lambda net: 1.0,
            positive=True,
            scale="log",
            about="Factor on the conductance, such as the width of a track of a circuit board.",
        ),
    )

    @override
    def energy(self, strain, length, conductance, width):
        return conductance * width * strain**2 / 2


@dataclass(frozen=True)
class Channel(Conductor):
    """Poiseuille flow in channels: conductance times ``radius`` to the fourth power, 1 at first."""

    name: ClassVar[str] = "flow"
    kinematics: ClassVar[Kinematics] = PRESSURE
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "conductance",
            default=lambda net: 1.0,
            positive=True,
            scale="log",
            about="Flow per pressure, at radius 1.",
        ),
        Parameter(
            "radius",
            default=lambda net: 1.0,
            positive=True,
            scale="log",
            about="Radius of the channel; the flow goes with its fourth power.",
        ),
    )

    @override
    def energy(self, strain, length, conductance, radius):
        return conductance * radius**4 * strain**2 / 2


@dataclass(frozen=True)
class Capacitor(Conductor):
    """Plate capacitors: capacitance times ``area`` over ``gap``, both 1 unless they learn."""

    name: ClassVar[str] = "capacitor"
    kinematics: ClassVar[Kinematics] = CHARGE
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "capacitance",
            default=lambda net: 1.0,
            positive=True,
            scale="log",
            about="Charge per voltage, at area and gap 1.",
        ),
        Parameter(
            "area",
            default=lambda net: 1.0,
            positive=True,
            scale="log",
            about="Area of the plates, a factor on the capacitance.",
        ),
        Parameter(
            "gap",
            default=lambda net: 1.0,
            positive=True,
            scale="log",
            about="Distance of the plates, by which the capacitance is divided.",
        ),
    )

    @override
    def energy(self, strain, length, capacitance, area, gap):
        return capacitance * area / gap * strain**2 / 2
