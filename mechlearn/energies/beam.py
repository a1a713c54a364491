"""Beams: struts that resist stretching, bending and shear (in space also twist).

A strut is one element with the exact stiffness of a straight Timoshenko beam: linear shape
functions, one quadrature point (reduced integration, so that shear does not lock), and in series
with the shear the bending that linear functions lack: MacNeal's residual bending flexibility.
Sections are rectangles in the plane (``width`` times ``thickness``) and circles in space
(``radius``). Their shear corrections are 5/6, and 6 (1 + nu) / (7 + 6 nu) after G. R. Cowper, J.
Appl. Mech. 33, 335 (1966), https://doi.org/10.1115/1.3625046.
"""

from dataclasses import dataclass
from math import inf, pi
from typing import Annotated, Any, ClassVar, override

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray
from pydantic import Strict

from mechlearn.energies.element import Bond, BondEnergy, Element, Parameter
from mechlearn.energies.kinematics import FRAME, SPACE, Kinematics
from mechlearn.errors import InputError

MODULUS = Parameter(
    "modulus",
    default=lambda net: 1.0,
    positive=True,
    scale="log",
    about="Young's modulus, force per area.",
)
WIDTH = Parameter(
    "width",
    default=lambda net: 0.1 * net.lengths,
    positive=True,
    scale="log",
    about="Width of the strut in the plane: its area grows with it, its bending with its cube.",
)
THICKNESS = Parameter(
    "thickness",
    default=lambda net: 1.0,
    positive=True,
    scale="log",
    about="Size of the strut out of the plane.",
)
RADIUS = Parameter(
    "radius",
    default=lambda net: 0.05 * net.lengths,
    positive=True,
    scale="log",
    about="Radius of the strut's circular section.",
)
REST = Parameter(
    "rest_length",
    default=lambda net: net.lengths,
    positive=True,
    scale="linear",
    about="Length of the strut where nothing pulls at it.",
)
POISSON = Parameter(
    "poisson",
    default=lambda net: 0.3,
    positive=False,
    scale="linear",
    about="Poisson's ratio, which gives the shear (and twisting) stiffness.",
)
JOINT = Parameter(
    "joint_stiffness",
    default=lambda net: inf,
    positive=True,
    scale="log",
    about="Moment per angle of a rotational spring at either end; infinite for rigid joints.",
)


def _rectangle(width, thickness, poisson):
    """Area, second moment, and modulus over shear modulus times the shear correction 5/6."""
    return width * thickness, thickness * width**3 / 12, 2 * (1 + poisson) * 6 / 5


def _circle(radius, poisson):
    """Area, second moment and shear ratio of a circle, with Cowper's 6 (1 + nu) / (7 + 6 nu)."""
    return pi * radius**2, pi * radius**4 / 4, (7 + 6 * poisson) / 3


@dataclass(frozen=True)
class Bar(BondEnergy):
    """Bars: struts with pin joints in the plane, axial stiffness only.

    ``u = E A (e - (l - L))^2 / (2 L)`` with ``e`` the change of length to first order, ``L`` the
    distance of the nodes, ``l`` the rest length, ``A`` the width times the thickness.
    """

    name: ClassVar[str] = "bar"
    linear: ClassVar[bool] = True
    kinematics: ClassVar[Kinematics] = SPACE
    dimension: ClassVar[int | None] = 2
    parameters: ClassVar[tuple[Parameter, ...]] = (MODULUS, WIDTH, THICKNESS, REST)

    @classmethod
    @override
    def in_dimension(cls, dim: int) -> type[Element]:
        return {2: Bar, 3: Bar3D}[dim]

    @override
    def strain(self, bond: Bond):
        return bond.dot(bond.direction, bond.jump)

    @override
    def energy(self, strain, length, modulus, width, thickness, rest_length):
        return _stretched(strain, length, rest_length, modulus * width * thickness)


@dataclass(frozen=True)
class Bar3D(Bar):
    """Bars of circular section with pin joints in space."""

    dimension: ClassVar[int | None] = 3
    parameters: ClassVar[tuple[Parameter, ...]] = (MODULUS, RADIUS, REST)

    @override
    def energy(self, strain, length, modulus, radius, rest_length):
        return _stretched(strain, length, rest_length, modulus * pi * radius**2)


@dataclass(frozen=True)
class Beam(BondEnergy):
    """Linear Timoshenko beams in the plane, joined rigidly or by rotational springs.

    The strains are lengths: ``extension``; ``bending``, the turn of the second end against the
    first, times the length; ``shear``, the mean turn of both ends against the line between them,
    times the length. ``joint_stiffness`` (moment per angle, infinite unless given) is that of a
    spring between either end of the strut and its node: in series with both modes of bending.
    """

    name: ClassVar[str] = "beam"
    linear: ClassVar[bool] = True
    kinematics: ClassVar[Kinematics] = FRAME
    dimension: ClassVar[int | None] = 2
    parameters: ClassVar[tuple[Parameter, ...]] = (MODULUS, WIDTH, THICKNESS, REST, POISSON, JOINT)
    strains: ClassVar[tuple[str, ...]] = ("extension", "bending", "shear")

    @classmethod
    @override
    def in_dimension(cls, dim: int) -> type[Element]:
        return {2: Beam, 3: Beam3D}[dim]

    def bent_shares(self, length, **parameters) -> tuple[NDArray, NDArray]:
        """Shares of the end rotations that bend a strut, two (m,) arrays.

        Of the turn of one end against the other, and of the mean turn of both against the line
        between them. What is left turns the joints, or shears the strut.

        Parameters
        ----------
        length : (m,) array
        **parameters : all those of the strut, (m,) arrays
        """
        give, slender = self._softness(**parameters)
        with np.errstate(divide="ignore"):
            bending = length / (length + 2 * give)
            shear = length / (length + 12 * slender / length + 6 * give)
        return bending, shear

    def _softness(self, modulus, width, thickness, poisson, joint_stiffness, **_):
        """Bending stiffness ``E I`` over that of a joint, and over the shear rigidity."""
        area, second, softness = _rectangle(width, thickness, poisson)
        with np.errstate(divide="ignore"):
            return modulus * second / joint_stiffness, softness * second / area

    @override
    def strain(self, bond: Bond):
        (normal,) = bond.normals
        return (
            bond.dot(bond.direction, bond.jump),
            bond.length * bond.turn,
            bond.length * bond.rotation - bond.dot(normal, bond.jump),
        )

    @override
    def energy(self, extension, bending, shear, length, modulus, width, thickness, rest_length,
               poisson, joint_stiffness):  # fmt: skip
        area, second, softness = _rectangle(width, thickness, poisson)
        rigidity = modulus * second
        return (
            _stretched(extension, length, rest_length, modulus * area)
            + _bent(bending, length, rigidity, rigidity / joint_stiffness)
            + _sheared(
                shear, length, rigidity, softness * second / area, rigidity / joint_stiffness
            )
        )


@dataclass(frozen=True)
class Beam3D(Beam):
    """Linear Timoshenko beams in space, of circular section.

    Bending and shear as in the plane, each about both normals of the strut, and ``twist``, the turn
    about the strut times its length. Springs in the joints give way to bending, not to twist.
    """

    dimension: ClassVar[int | None] = 3
    parameters: ClassVar[tuple[Parameter, ...]] = (MODULUS, RADIUS, REST, POISSON, JOINT)
    strains: ClassVar[tuple[str, ...]] = (
        "extension", "twist", "bending_1", "bending_2", "shear_1", "shear_2",
    )  # fmt: skip

    @override
    def _softness(self, modulus, radius, poisson, joint_stiffness, **_):
        area, second, softness = _circle(radius, poisson)
        with np.errstate(divide="ignore"):
            return modulus * second / joint_stiffness, softness * second / area

    @override
    def strain(self, bond: Bond):
        (one, two), dot, length = bond.normals, bond.dot, bond.length
        return (
            dot(bond.direction, bond.jump),
            length * dot(bond.direction, bond.turn),
            length * dot(one, bond.turn),
            length * dot(two, bond.turn),
            # A turn about one normal tilts the strut along the other.
            length * dot(two, bond.rotation) - dot(one, bond.jump),
            -length * dot(one, bond.rotation) - dot(two, bond.jump),
        )

    @override
    def energy(self, extension, twist, bending_1, bending_2, shear_1, shear_2, length, modulus,
               radius, rest_length, poisson, joint_stiffness):  # fmt: skip
        area, second, softness = _circle(radius, poisson)
        rigidity = modulus * second
        twisted = rigidity / (1 + poisson) * twist**2 / (2 * length**3)  # G J = E I / (1 + nu)
        give, slender = rigidity / joint_stiffness, softness * second / area
        return (
            _stretched(extension, length, rest_length, modulus * area)
            + twisted
            + _bent(bending_1, length, rigidity, give)
            + _bent(bending_2, length, rigidity, give)
            + _sheared(shear_1, length, rigidity, slender, give)
            + _sheared(shear_2, length, rigidity, slender, give)
        )


@dataclass(frozen=True)
class FiniteBeam(BondEnergy):
    """Geometrically exact beams in the plane (Simo-Reissner), at any displacement and rotation.

    J. C. Simo, Comput. Methods Appl. Mech. Eng. 49, 55 (1985),
    https://doi.org/10.1016/0045-7825(85)90050-7. Every strut is divided into ``segments``. Along
    a segment the strains are constant, so that a uniformly bent one is an exact arc, as in the
    elements of V. Sonneville, A. Cardona, O. Brüls, Comput. Methods Appl. Mech. Eng. 268, 451
    (2014), https://doi.org/10.1016/j.cma.2013.10.008; joints are rigid.

    Parameters
    ----------
    segments : int
        Into how many elements a strut is divided; the error falls with the square of it.
    """

    segments: Annotated[int, Strict(), Ge(1), Le(1000)] = 12

    name: ClassVar[str] = "finite_beam"
    linear: ClassVar[bool] = False
    kinematics: ClassVar[Kinematics] = FRAME
    dimension: ClassVar[int | None] = 2
    parameters: ClassVar[tuple[Parameter, ...]] = (MODULUS, WIDTH, THICKNESS, REST, POISSON)
    strains: ClassVar[tuple[str, ...]] = ("extension", "bending", "shear")

    @classmethod
    @override
    def in_dimension(cls, dim: int) -> type[Element]:
        if dim != 2:
            raise InputError(f"energy: a {cls.name} lives in 2D; the network is in {dim}D.")
        return cls

    @override
    def strain(self, bond: Bond):
        from mechlearn.fenics import ufl  # waits for UFL until a model is made

        (normal,), dot = bond.normals, bond.dot
        # Of what is nearly 1 only the difference is taken: extensions are far below lengths.
        s, less = ufl.sin(bond.rotation), 2 * ufl.sin(bond.rotation / 2) ** 2
        ahead, aside = dot(bond.direction, bond.jump), dot(normal, bond.jump)
        # The chord of an arc of unit length, sin(x) / x with x half its angle; as a series because
        # x may be zero. Its error is 1e-9 at x = 0.4: eight segments around a full circle.
        square = (bond.turn / 2) ** 2
        shorter = square / 6 * (1 - square / 20 * (1 - square / 42))
        longer = (1 - less) * ahead + s * aside + bond.length * (shorter - less)
        across = (1 - less) * aside - s * (bond.length + ahead)
        chord = 1 - shorter
        return longer / chord, bond.length * bond.turn, -across / chord

    @override
    def energy(self, extension, bending, shear, length, modulus, width, thickness, rest_length,
               poisson):  # fmt: skip
        area, second, softness = _rectangle(width, thickness, poisson)
        return (
            _stretched(extension, length, rest_length / self.segments, modulus * area)
            + _bent(bending, length, modulus * second)
            # No residual flexibility here: a strut in tension would lose its shear stiffness.
            + modulus * area / softness * shear**2 / (2 * length)
        )


def _stretched(extension, length, rest_length, rigidity) -> Any:
    """Energy of a strut of axial rigidity ``E A``."""
    return rigidity * (extension - (rest_length - length)) ** 2 / (2 * length)


def _bent(bending, length, rigidity, give=0.0) -> Any:
    """Energy of bending into an arc; ``give`` is ``E I`` over the stiffness of a joint."""
    return rigidity * bending**2 / (2 * length**2 * (length + 2 * give))


def _sheared(shear, length, rigidity, slender, give) -> Any:
    """Energy of bending into an S and of shear, in series with both joints.

    ``slender`` is ``E I`` over the shear rigidity: ``12 slender / length^2`` is Timoshenko's Phi.
    """
    compliance = length + 12 * slender / length + 6 * give
    return 12 * rigidity * shear**2 / (2 * length**2 * compliance)
