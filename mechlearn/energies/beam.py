"""Beams: struts that resist stretching, bending and shear (in space also twist).

A strut is one element with the exact stiffness of a straight Timoshenko beam: linear shape
functions, one quadrature point (reduced integration, so that shear does not lock), and in series
with the shear the bending that linear functions lack: MacNeal's residual bending flexibility.
Sections are rectangles in the plane (``width`` times ``thickness``) and circles in space
(``radius``); see :class:`Section`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, pi
from typing import Annotated, Any, ClassVar, override

import numpy as np
from annotated_types import Gt

from mechlearn.energies.element import BondEnergy
from mechlearn.energies.kinematics import FRAME, SPACE, Bond, Kinematics
from mechlearn.energies.parameters import REST_LENGTH, Parameter

MODULUS = Parameter("modulus", about="Young's modulus, force per area.")
WIDTH = Parameter(
    "width",
    lambda net: 0.1 * net.lengths,
    about="Width of the strut in the plane: its area grows with it, its bending with its cube.",
)
THICKNESS = Parameter("thickness", about="Size of the strut out of the plane.")
RADIUS = Parameter(
    "radius", lambda net: 0.05 * net.lengths, about="Radius of the strut's circular section."
)
POISSON = Parameter(
    "poisson",
    0.3,
    about="Poisson's ratio, which gives the shear (and twisting) stiffness.",
    positive=False,
)
#: Bending strains, each with the shear whose force adds to its moment at the ends, and its sign.
BENDING = (("bending", "shear", 1), ("bending_1", "shear_2", -1), ("bending_2", "shear_1", 1))
#: Factors on stiffnesses of a section.
Factor = Annotated[float, Gt(0)]
JOINT = Parameter(
    "joint_stiffness",
    inf,
    about="Moment per angle of a rotational spring at either end; infinite for rigid joints.",
)
IN_PLANE, IN_SPACE = (MODULUS, WIDTH, THICKNESS, REST_LENGTH), (MODULUS, RADIUS, REST_LENGTH)


@dataclass(frozen=True, eq=False)
class Section:
    """Sections of struts, and the material: rectangles, or circles where they have no thickness.

    Attributes
    ----------
    modulus : (m,) array
        Young's modulus.
    width : (m,) array
        Size in the plane, in which a rectangle bends; diameter of a circle.
    thickness : (m,) array, optional
        Size out of the plane.
    poisson : (m,) array or number
        Poisson's ratio.
    shear_factor : float, optional
        Shear correction factor, instead of that of the section.
    """

    modulus: Any
    width: Any
    thickness: Any = None
    poisson: Any = 0.0
    shear_factor: Any = None

    @classmethod
    def of(cls, values: Mapping[str, Any], shear_factor: float | None = None) -> "Section":
        """Section by ``values`` of modulus, width (or radius), thickness and poisson.

        With ``shear_factor``, that instead of the section's own.
        """
        width = values["width"] if "width" in values else 2 * values["radius"]
        thickness, poisson = values.get("thickness"), values.get("poisson", 0.0)
        return cls(values["modulus"], width, thickness, poisson, shear_factor)

    @property
    def area(self) -> Any:
        """Area of the section."""
        if self.thickness is None:
            return pi / 4 * self.width**2
        return self.width * self.thickness

    @property
    def second_moment(self) -> Any:
        """Second moment of area for bending in the plane."""
        if self.thickness is None:
            return pi / 64 * self.width**4
        return self.thickness * self.width**3 / 12

    @property
    def shear_softness(self) -> Any:
        """Young's modulus over the shear modulus times the shear correction.

        The latter is 5/6, of circles 6 (1 + nu) / (7 + 6 nu) after G. R. Cowper, J. Appl. Mech.
        33, 335 (1966), https://doi.org/10.1115/1.3625046.
        """
        if self.shear_factor is not None:
            return 2 * (1 + self.poisson) / self.shear_factor
        if self.thickness is None:
            return (7 + 6 * self.poisson) / 3
        return 2 * (1 + self.poisson) * 6 / 5


class Strut(BondEnergy):
    """Bonds with a section."""

    dimension: ClassVar[int | None] = 2

    @override
    def section(self, values):
        return Section.of(values)

    @override
    def fibre_stress(self, values, through):
        section, length = Section.of(values), values["length"]
        bent = [(through.get(m, 0.0), sign * through.get(v, 0.0)) for m, v, sign in BENDING]
        ends = [
            np.linalg.norm(np.broadcast_arrays(*(end * m + v / 2 for m, v in bent)), axis=0)
            for end in (-1, 1)
        ]
        modulus = section.second_moment / (section.width / 2)
        normal = (
            np.abs(through[self.strains[0]]) / section.area + length * np.max(ends, 0) / modulus
        )
        shear = length * through.get("twist", 0.0) / (2 * modulus)  # of circles
        return np.sqrt(normal**2 + 3 * shear**2)


@dataclass(frozen=True)
class Bar(Strut):
    """Bars: struts with pin joints, axial stiffness only.

    ``u = E A (e - (l - L))^2 / (2 L)`` with ``e`` the change of length to first order, ``L`` the
    distance of the nodes, ``l`` the rest length, ``A`` the area of the section.
    """

    name: ClassVar[str] = "bar"
    plural: ClassVar[str] = "struts on pins"
    linear: ClassVar[bool] = True
    kinematics: ClassVar[Kinematics] = SPACE
    parameters: ClassVar[tuple[Parameter, ...]] = IN_PLANE

    @override
    def strain(self, bond: Bond):
        return bond.dot(bond.direction, bond.jump)

    @override
    def energy(self, strain, length, rest_length, **section):
        return stretched(strain, length, rest_length, Section.of(section))


class SpatialBar(Bar):
    """Bars in space, of circular section."""

    dimension: ClassVar[int | None] = 3
    parameters: ClassVar[tuple[Parameter, ...]] = IN_SPACE


@dataclass(frozen=True)
class Beam(Strut):
    """Linear Timoshenko beams, joined rigidly or by rotational springs.

    The strains are lengths: ``extension``; ``bending``, the turn of the second end against the
    first, times the length; ``shear``, the mean turn of both ends against the line between them,
    times the length; in space the latter two about both normals of the strut, and ``twist``, the
    turn about the strut times its length. ``joint_stiffness`` (moment per angle, infinite unless
    given) is that of a spring between either end of the strut and its node: in series with both
    modes of bending, not with twist.

    Parameters
    ----------
    shear_factor : float, optional
        Shear correction factor of the section; 5/6 of rectangles, Cowper's of circles where left
        out.
    torsion_factor : float, optional
        Torsion constant over that of the section (of a circle, twice its second moment), in space.
    """

    shear_factor: Factor | None = None
    torsion_factor: Factor | None = None

    name: ClassVar[str] = "beam"
    linear: ClassVar[bool] = True
    kinematics: ClassVar[Kinematics] = FRAME
    parameters: ClassVar[tuple[Parameter, ...]] = (*IN_PLANE, POISSON, JOINT)
    strains: ClassVar[tuple[str, ...]] = ("extension", "bending", "shear")

    @override
    def strain(self, bond: Bond):
        (normal,) = bond.normals
        return (
            bond.dot(bond.direction, bond.jump),
            bond.length * bond.turn,
            bond.length * bond.rotation - bond.dot(normal, bond.jump),
        )

    @override
    def energy(self, extension, bending, shear, length, rest_length, joint_stiffness, **section):
        shape = Section.of(section, self.shear_factor)
        return stretched(extension, length, rest_length, shape) + _bent(
            bending, shear, length, shape, joint_stiffness
        )


class SpatialBeam(Beam):
    """Linear Timoshenko beams in space, of circular section."""

    linear: ClassVar[bool] = True
    dimension: ClassVar[int | None] = 3
    parameters: ClassVar[tuple[Parameter, ...]] = (*IN_SPACE, POISSON, JOINT)
    strains: ClassVar[tuple[str, ...]] = (
        "extension", "twist", "bending_1", "bending_2", "shear_1", "shear_2",
    )  # fmt: skip

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
    def energy(self, extension, twist, bending_1, bending_2, shear_1, shear_2, length, rest_length,
               joint_stiffness, **section):  # fmt: skip
        shape = Section.of(section, self.shear_factor)
        # G J = E I / (1 + nu) of a circle
        rigidity = shape.modulus * shape.second_moment / (1 + shape.poisson)
        twisted = (self.torsion_factor or 1.0) * rigidity * twist**2 / (2 * length**3)
        return (
            stretched(extension, length, rest_length, shape)
            + twisted
            + _bent(bending_1, shear_1, length, shape, joint_stiffness)
            + _bent(bending_2, shear_2, length, shape, joint_stiffness)
        )


Bar.forms, SpatialBar.forms = {3: SpatialBar}, {2: Bar}
Beam.forms, SpatialBeam.forms = {3: SpatialBeam}, {2: Beam}


def stretched(extension, length, rest_length, section) -> Any:
    """Energy of a stretched strut."""
    rigidity = section.modulus * section.area
    return rigidity * (extension - (rest_length - length)) ** 2 / (2 * length)


def _bent(bending, shear, length, section, joint_stiffness) -> Any:
    """Energy of bending into an arc, and of that into an S and of shear, both joints in series."""
    rigidity = section.modulus * section.second_moment
    slender = section.shear_softness * section.second_moment / section.area
    give = rigidity / joint_stiffness
    arc = rigidity * bending**2 / (2 * length**2 * (length + 2 * give))
    # 12 slender / length^2 is Timoshenko's Phi.
    compliance = length + 12 * slender / length + 6 * give
    return arc + 12 * rigidity * shear**2 / (2 * length**2 * compliance)
