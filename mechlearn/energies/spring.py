"""Springs: linear and at finite displacement."""

from dataclasses import dataclass
from typing import ClassVar, override

from mechlearn.energies.element import Bond, BondEnergy, Parameter
from mechlearn.energies.kinematics import SPACE, Kinematics


@dataclass(frozen=True)
class Spring(BondEnergy):
    """Linear springs at small displacement, ``u = k (e - (l - L))^2 / 2``.

    ``e`` is the change of length to first order in the displacements, ``L`` the distance of the
    bond's nodes in the reference configuration, ``k`` the stiffness (force per length) and ``l``
    the rest length (``L`` unless given).
    """

    name: ClassVar[str] = "spring"
    linear: ClassVar[bool] = True
    kinematics: ClassVar[Kinematics] = SPACE
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "stiffness",
            default=lambda net: 1.0,
            positive=True,
            scale="log",
            about="Force per change of length.",
        ),
        Parameter(
            "rest_length",
            default=lambda net: net.lengths,
            positive=True,
            scale="linear",
            about="Length at which the spring pulls at nothing.",
        ),
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
    linear: ClassVar[bool] = False

    @override
    def strain(self, bond: Bond):
        now, twice = bond.vector + bond.jump, 2 * bond.vector + bond.jump
        # The difference of the lengths would have the rounding of lengths, not of strains.
        return bond.dot(twice, bond.jump) / (bond.dot(now, now) ** 0.5 + bond.length)
