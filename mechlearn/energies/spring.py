"""Springs and scalar networks: bonds of one strain, an extension or a potential difference."""

from dataclasses import dataclass
from typing import Any, ClassVar, override

from mechlearn.energies.element import BondEnergy
from mechlearn.energies.kinematics import CHARGE, PRESSURE, SPACE, VOLTAGE, Bond, Kinematics
from mechlearn.energies.parameters import REST_LENGTH, Parameter


@dataclass(frozen=True)
class Spring(BondEnergy):
    """Linear springs at small displacement, ``u = k (e - (l - L))^2 / 2``.

    ``e`` is the change of length to first order in the displacements, ``L`` the distance of the
    bond's nodes in the reference configuration, ``k`` the stiffness (force per length) and ``l``
    the rest length (``L`` unless given).
    """

    name: ClassVar[str] = "spring"
    plural: ClassVar[str] = "linear springs"
    linear: ClassVar[bool] = True
    kinematics: ClassVar[Kinematics] = SPACE
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("stiffness", about="Force per change of length."),
        REST_LENGTH,
    )

    @override
    def strain(self, bond: Bond):
        return bond.dot(bond.direction, bond.jump)

    @override
    def energy(self, strain, length, stiffness, rest_length):
        return stiffness * (strain - (rest_length - length)) ** 2 / 2


@dataclass(frozen=True)
class FiniteSpring(Spring):
    """Hookean springs at any displacement, ``u = k (r - l)^2 / 2`` with ``r`` the actual length."""

    name: ClassVar[str] = "finite_spring"
    plural: ClassVar[str] = "springs at finite displacement"
    linear: ClassVar[bool] = False

    @override
    def strain(self, bond: Bond):
        now, twice = bond.vector + bond.jump, 2 * bond.vector + bond.jump
        # The difference of the lengths would have the rounding of lengths, not of strains.
        return bond.dot(twice, bond.jump) / (bond.dot(now, now) ** 0.5 + bond.length)


Spring.nonlinear = FiniteSpring


@dataclass(frozen=True)
class Conductor(BondEnergy):
    """Bonds between potentials ``a`` and ``b``, of which the strain is the difference.

    The energy ``u = k (b - a)^2 / 2`` is half the power dissipated, for resistors and channels, so
    that its derivative by the difference is what flows.
    """

    @override
    def strain(self, bond: Bond) -> Any:
        return bond.jump


@dataclass(frozen=True)
class Resistor(Conductor):
    """Ohmic resistors: conductance times ``width``, which is 1 unless it learns."""

    name: ClassVar[str] = "resistor"
    linear: ClassVar[bool] = True
    kinematics: ClassVar[Kinematics] = VOLTAGE
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("conductance", about="Current per voltage, at width 1."),
        Parameter(
            "width",
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
    plural: ClassVar[str] = "channels"
    linear: ClassVar[bool] = True
    kinematics: ClassVar[Kinematics] = PRESSURE
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("conductance", about="Flow per pressure, at radius 1."),
        Parameter("radius", about="Radius of the channel; the flow goes with its fourth power."),
    )

    @override
    def energy(self, strain, length, conductance, radius):
        return conductance * radius**4 * strain**2 / 2


@dataclass(frozen=True)
class Capacitor(Conductor):
    """Plate capacitors: capacitance times ``area`` over ``gap``, both 1 unless they learn."""

    name: ClassVar[str] = "capacitor"
    linear: ClassVar[bool] = True
    kinematics: ClassVar[Kinematics] = CHARGE
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("capacitance", about="Charge per voltage, at area and gap 1."),
        Parameter("area", about="Area of the plates, a factor on the capacitance."),
        Parameter("gap", about="Distance of the plates, by which the capacitance is divided."),
    )

    @override
    def energy(self, strain, length, capacitance, area, gap):
        return capacitance * area / gap * strain**2 / 2
