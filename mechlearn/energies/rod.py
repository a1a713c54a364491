"""Geometrically exact beams in the plane, and rods in space (Simo-Reissner)."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, override

from annotated_types import Ge, Le
from pydantic import Strict

from mechlearn.energies.beam import (
    IN_PLANE,
    IN_SPACE,
    POISSON,
    Beam,
    Factor,
    Section,
    SpatialBeam,
    Strut,
    stretched,
)
from mechlearn.energies.kinematics import ROD, Bond, Kinematics
from mechlearn.energies.parameters import Parameter

REST_CURVATURE = Parameter(
    "rest_curvature",
    0.0,
    positive=False,
    about="Curvature at which it bears no moment, one over a radius.",
)
REST_CURVATURES = tuple(
    Parameter(name, 0.0, positive=False, about=f"{what} at which it bears no moment, per length.")
    for name, what in (
        ("rest_twist", "Twist"),
        ("rest_curvature_1", "Curvature about the first normal of the strut"),
        ("rest_curvature_2", "Curvature about the second normal of the strut"),
    )
)


@dataclass(frozen=True)
class FiniteBeam(Strut):
    """Geometrically exact beams (Simo-Reissner), at any displacement and rotation.

    J. C. Simo, Comput. Methods Appl. Mech. Eng. 49, 55 (1985),
    https://doi.org/10.1016/0045-7825(85)90050-7. Every strut is divided into ``segments``. Along
    a segment the strains are constant, so that a uniformly bent one is an exact arc, as in the
    elements of V. Sonneville, A. Cardona, O. Brüls, Comput. Methods Appl. Mech. Eng. 268, 451
    (2014), https://doi.org/10.1016/j.cma.2013.10.008; joints are rigid.

    Parameters
    ----------
    segments : int
        Into how many elements a strut is divided; the error falls with the square of it.
    shear_factor : float, optional
        Shear correction factor of the section; 5/6 of rectangles, Cowper's of circles where left
        out.
    torsion_factor : float, optional
        Torsion constant over that of the section (of a circle, twice its second moment), in space.
    """

    segments: Annotated[int, Strict(), Ge(1), Le(1000)] = 12
    shear_factor: Factor | None = None
    torsion_factor: Factor | None = None

    name: ClassVar[str] = "finite_beam"
    plural: ClassVar[str] = "geometrically exact beams"
    linear: ClassVar[bool] = False
    kinematics: ClassVar[Kinematics] = ROD
    parameters: ClassVar[tuple[Parameter, ...]] = (*IN_PLANE, POISSON, REST_CURVATURE)
    strains: ClassVar[tuple[str, ...]] = ("extension", "bending", "shear")

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
    def energy(self, extension, bending, shear, length, rest_length, rest_curvature, **section):
        shape, bending = (
            Section.of(section, self.shear_factor),
            bending - rest_curvature * length**2,
        )
        return (
            stretched(extension, length, rest_length / self.segments, shape)
            + shape.modulus * shape.second_moment * bending**2 / (2 * length**3)
            # No residual flexibility here: a strut in tension would lose its shear stiffness.
            + shape.modulus * shape.area / shape.shear_softness * shear**2 / (2 * length)
        )


class SpatialFiniteBeam(FiniteBeam):
    """Geometrically exact rods in space, of circular section, with rotations as quaternions."""

    dimension: ClassVar[int | None] = 3
    parameters: ClassVar[tuple[Parameter, ...]] = (*IN_SPACE, POISSON, *REST_CURVATURES)
    strains: ClassVar[tuple[str, ...]] = (
        "extension", "twist", "bending_1", "bending_2", "shear_1", "shear_2", "norm_1", "norm_2",
    )  # fmt: skip

    @override
    def strain(self, bond: Bond):
        from mechlearn.fenics import ufl

        length, axes = bond.length, [_numbers(a) for a in (bond.direction, *bond.normals)]
        turn, mean, jump = _numbers(bond.turn), _numbers(bond.rotation), _numbers(bond.jump)
        # Twice the quaternions at the ends, and those.
        ends = [[*m[:3], 2 + m[3]] for s in (-0.5, 0.5) for m in [_sum((1, mean), (s, turn))]]
        squares = [_dot(q, q) for q in ends]
        first, second = (
            [x / ufl.sqrt(square) for x in q] for q, square in zip(ends, squares, strict=True)
        )
        # Half their sum is the rotation in the middle, shortened; their difference is small.
        (*m, m0), (*a, a0) = _sum((0.5, first), (0.5, second)), _sum((1, second), (-1, first))
        # The squared sine, and cosine, of a quarter of the angle between the ends.
        sine, cosine = _dot(a, a) / 4 + a0**2 / 4, _dot(m, m) + m0**2
        excess = _excess(sine)
        relative = _sum((m0, a), (-a0, m), (-1, _cross(m, a)))
        reached = _sum((1, _numbers(bond.vector)), (1, jump))
        # What is seen from the middle, less the bond at rest: extensions are far below lengths.
        across = _cross(m, reached)
        aside = _sum((2 / cosine, _cross(m, across)), (-2 * m0 / cosine, across))
        seen, along = _sum((1, reached), (1, aside)), excess / (4 * cosine)
        pulled = _sum(
            (1, jump), (1, aside), (sine * excess, seen), (-along * _dot(relative, seen), relative)
        )
        half = 1 + sine * excess  # half the angle over its sine
        return (
            _dot(axes[0], pulled),
            *(2 * length * half * _dot(axis, relative) for axis in axes),
            *(_dot(axis, pulled) for axis in axes[1:]),
            *(length * (square / 4 - 1) for square in squares),
        )

    @override
    def energy(self, extension, twist, bending_1, bending_2, shear_1, shear_2, norm_1, norm_2,
               length, rest_length, rest_twist, rest_curvature_1, rest_curvature_2,
               **section):  # fmt: skip
        shape = Section.of(section, self.shear_factor)
        twist -= rest_twist * length**2
        bending_1 -= rest_curvature_1 * length**2
        bending_2 -= rest_curvature_2 * length**2
        stiffness = shape.modulus * shape.second_moment
        shearing = shape.modulus * shape.area / shape.shear_softness
        twisting = (self.torsion_factor or 1.0) * stiffness / (1 + shape.poisson)
        return (
            stretched(extension, length, rest_length / self.segments, shape)
            + (twisting * twist**2 + stiffness * (bending_1**2 + bending_2**2)) / (2 * length**3)
            + shearing * (shear_1**2 + shear_2**2) / (2 * length)
            # Any stiffness: strains do not know the norms, which are 1 in equilibrium.
            + stiffness * (norm_1**2 + norm_2**2) / (2 * length**3)
        )


FiniteBeam.forms, SpatialFiniteBeam.forms = {3: SpatialFiniteBeam}, {2: FiniteBeam}
Beam.nonlinear, SpatialBeam.nonlinear = FiniteBeam, SpatialFiniteBeam


def _numbers(vector) -> list[Any]:
    """Components of a vector; UFL is slow with nested ones."""
    return [vector[k] for k in range(vector.ufl_shape[0])]


def _sum(*terms) -> list[Any]:
    """Linear combination of lists by (factor, list)."""
    return [sum(f * x[k] for f, x in terms) for k in range(len(terms[0][1]))]


def _dot(a, b) -> Any:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _cross(a, b) -> list[Any]:
    return [a[k - 2] * b[k - 1] - a[k - 1] * b[k - 2] for k in range(3)]


def _excess(x) -> Any:
    """``(h / sin h - 1) / x`` with ``x`` the squared sine of half of ``h``, by a series.

    Its error is 1e-8 of the whole at h = pi / 4.
    """
    coefficients = [2 / 3]
    for n in range(2, 10):
        coefficients.append(coefficients[-1] * 2 * n / (2 * n + 1))
    total: Any = 0.0
    for c in reversed(coefficients):
        total = total * x + c
    return total
