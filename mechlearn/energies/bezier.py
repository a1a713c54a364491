"""Bezier law of bonds: elongation and force along a curve, whose parameter is an internal unknown.

The curve ``(x(t), F(t))`` may turn back, so that force and energy have several values at one
elongation ``x``. With ``W' = F x'`` the energy ``W(t) + F(t) y + k y^2 / 2``, ``y = x - x(t)``, is
that of a spring ``k`` in series with what is ``h = x(t) - F(t) / k`` long, of the same force.
Its slope by ``t`` is ``-g y`` with ``g = k x' - F'``. Where ``g > 0`` all along the curve, it is
stationary for ``y = 0`` alone, where its slope by ``x`` is the force; ``k`` has no bearing on that.
Its second derivatives there are ``k``, ``-g`` and ``g x'``, of determinant ``g F'``: singular is a
limit of the force alone, and where ``x' < 0`` the bond is unstable even if its length is held.

So ``k`` must be above the slopes ``F' / x'`` of the parts that go on, and below those of the parts
that go back. Curves that have no such ``k`` are those of no such element, and are refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from math import comb
from typing import Any, ClassVar, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.parameters import REST_LENGTH, Parameter
from mechlearn.energies.spring import FiniteSpring
from mechlearn.errors import InputError

#: Control points of a curve, at most.
HIGHEST = 12
#: How often a curve is halved for bounds of its slope.
HALVINGS = 5


def _constants(degree: int) -> tuple[Parameter, ...]:
    """Control values of curves of a degree, at first those of a straight line of slope 1."""
    return (
        *(
            Parameter(
                f"{name}_{k}",
                k / degree,
                positive=k == 1 and name == "elongation",
                about=f"{what} at control point {k} of its Bezier curve, which begins at 0.",
            )
            for name, what in (("elongation", "Change of length"), ("force", "Force"))
            for k in range(1, degree + 1)
        ),
        REST_LENGTH,
        Parameter("series", about="Stiffness in series, from the curve.", derived=True),
    )


@dataclass(frozen=True)
class Bezier(FiniteSpring):
    """Springs whose force and change of length are Bezier curves, which may snap back.

    The curve begins at 0 and has the control points ``elongation_k, force_k``; beyond both ends it
    goes on straight.

    Parameters
    ----------
    degree : int
        Number of control points beside 0; the curve is a polynomial of that degree.

    Raises
    ------
    InputError
        For another number than 1 to 12.
    """

    name: ClassVar[str] = "bezier_law"
    plural: ClassVar[str] = "Bezier springs"
    linear: ClassVar[bool] = False
    strains: ClassVar[tuple[str, ...]] = ("strain", "along")
    internal: ClassVar[tuple[str, ...]] = ("along",)
    parameters: ClassVar[tuple[Parameter, ...]] = _constants(3)
    stiffness_parameter: ClassVar[str] = "force_1"
    degree: int = field(default=3)

    def __post_init__(self) -> None:
        if not 1 <= self.degree <= HIGHEST:
            raise InputError(f"energy: degree = {self.degree} must be from 1 to {HIGHEST}.")
        vars(self).update(parameters=_constants(self.degree))

    def _points(self, controls: Mapping[str, Any]) -> list[list[Any]]:
        """Elongations and forces of all control points."""
        numbers = range(1, self.degree + 1)
        return [[0.0, *(controls[f"{n}_{k}"] for k in numbers)] for n in ("elongation", "force")]

    def _hodograph(self, controls: Mapping[str, Any]) -> list[list[Any]]:
        """Control points of the curve's derivative."""
        return [
            [self.degree * (b - a) for a, b in pairwise(points)]
            for points in self._points(controls)
        ]

    @override
    def energy(self, strain, along, length, rest_length, series, **controls):
        from mechlearn.fenics import ufl

        n = self.degree
        (xs, forces), (dx, df) = self._points(controls), self._hodograph(controls)
        # Work along the curve, the integral of a product of Bernstein polynomials.
        slopes = [
            sum(
                comb(n, i) * comb(n - 1, m - i) / comb(2 * n - 1, m) * forces[i] * dx[m - i]
                for i in range(max(0, m - n + 1), min(n, m) + 1)
            )
            for m in range(2 * n)
        ]
        works = [sum(slopes[:m]) / (2 * n) for m in range(2 * n + 1)]
        t = ufl.max_value(ufl.min_value(along, 1.0), 0.0)
        rest = along - t
        x_slope, f_slope, force = _bernstein(dx, t), _bernstein(df, t), _bernstein(forces, t)
        work = _bernstein(works, t) + x_slope * (force + f_slope * rest / 2) * rest
        y = strain + length - rest_length - _bernstein(xs, t) - x_slope * rest
        return work + (force + f_slope * rest) * y + series * y**2 / 2

    @override
    def completed(self, values: Mapping[str, NDArray]) -> dict[str, NDArray]:
        dx, df = map(np.array, self._hodograph(values))
        low, high = _slopes(dx, df)
        mean = np.linalg.norm(df, axis=0) / np.linalg.norm(dx, axis=0)
        return {"series": low + np.minimum((high - low) / 2, mean)}

    @override
    def refusal(self, values: Mapping[str, NDArray]) -> str:
        dx, df = map(np.array, self._hodograph(values))
        low, high = _slopes(dx, df)
        for good, what in (
            (dx[-1] > 0, "must end with a growing elongation"),
            (df.any(axis=0), "has no force"),
            (low < high, "goes back where it is no steeper than where it goes on; a spring with an "
             "internal unknown goes back steeply, while its force falls"),
        ):  # fmt: skip
            if not np.all(good):
                return f"the Bezier curve of bond {np.argmin(good)} {what}."
        return ""


def _slopes(dx: NDArray, df: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Largest slope where curves go on, 0 at least, and least where they go back, (m,) each.

    Bounds by control points of pieces of the derivatives, (n, m), of which these are means.
    """
    weights = _halved(len(dx))
    x, f = weights @ dx, weights @ df
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = f / x
    low = np.where(x > 0, slopes, 0.0).max(axis=0, initial=0.0)
    back = np.where(f < 0, np.where(x < 0, slopes, np.inf), -np.inf)
    return low, np.where(x > 0, np.inf, back).min(axis=0)


@cache
def _halved(n: int) -> NDArray[np.float64]:
    """Control points of the pieces of a Bezier curve, (points, n), in terms of its own."""
    pieces = [np.eye(n)]
    for _ in range(HALVINGS):
        halves = []
        for piece in pieces:
            rows = [piece]
            while len(rows[-1]) > 1:
                rows.append((rows[-1][:-1] + rows[-1][1:]) / 2)
            halves += [np.array([r[0] for r in rows]), np.array([r[-1] for r in rows[::-1]])]
        pieces = halves
    return np.vstack(pieces)


def _bernstein(values: Sequence[Any], t: Any) -> Any:
    """Polynomial with given coefficients in Bernstein's basis."""
    n = len(values) - 1
    return sum(comb(n, k) * v * t**k * (1 - t) ** (n - k) for k, v in enumerate(values))
