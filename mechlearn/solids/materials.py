"""Material laws of solids: one energy density each, for Young's modulus 1.

With ``F`` the elastic deformation gradient, ``C = F^T F`` with invariants ``I1`` and ``I2``,
``J = det F``, Lamé's constants ``mu`` and ``la`` and the bulk modulus ``K``:

=================== ==========================================================================
linear              ``mu e:e + la tr(e)^2 / 2``, ``e`` the small strain
st_venant_kirchhoff ``mu E:E + la tr(E)^2 / 2``, ``E = (C - 1) / 2``; softens when pressed
neo_hookean         ``mu (I1 - 3 - 2 ln J) / 2 + la (J^2 - 1 - 2 ln J) / 4``
mooney_rivlin       ``c1 (i1 - 3) + c2 (i2 - 3) + K (J^2 - 1 - 2 ln J) / 4``
yeoh                ``c1 (i1 - 3) + c2 (i1 - 3)^2 + c3 (i1 - 3)^3 + K (J^2 - 1 - 2 ln J) / 4``
bertoldi_boyce      ``c1 (I1 - 3) + c2 (I1 - 3)^2 - 2 c1 ln J + K (J - 1)^2 / 2``
=================== ==========================================================================

with the isochoric ``i1 = J^(-2/3) I1`` and ``i2 = J^(-4/3) I2``. The term of ``J^2 - 1 - 2 ln J``
is Ciarlet's (J. C. Simo, T. J. R. Hughes, Computational Inelasticity (1998), eq. 9.2.3); the last
law is of K. Bertoldi, M. C. Boyce, Phys. Rev. B 77, 052105 (2008),
https://doi.org/10.1103/PhysRevB.77.052105.

Plane stress is exact at any strain. ``C33``, for which nothing pulls across the plane, has a closed
form for the first three laws; for the others it is solved for at every point of integration, and
the energy takes one more step of Newton's method from there as an expression, so that its first
and second derivatives are those of the minimum.

Nearly incompressible solids, above a Poisson's ratio of 0.4, lock in cells of order 2 where every
point of integration must keep its volume. There the volume term takes one dilatation per cell, that
at its middle: in 2D the selective reduced integration that is the same as an independent, constant
pressure in each cell (D. S. Malkus, T. J. R. Hughes, CMAME 15, 63 (1978),
https://doi.org/10.1016/0045-7825(78)90005-1). It remains an energy of the displacements alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.solid import Continuum
from mechlearn.fenics import ufl

#: Stretches by which stress and stiffness are told from differences of the energy.
STEP = 1e-4
#: Logarithms of C33 between which it is looked for, and the steps that are enough.
RANGE, STEPS = 12.0, 80
#: Step of complex differentiation, exact to rounding.
IMAGINARY = 1e-30


@dataclass(frozen=True)
class Law:
    """Energy density as a function of invariants of ``C``, for UFL expressions and for numbers.

    Attributes
    ----------
    distortion, dilatation : functions of ``(I1, I2, J)``
        What is integrated as it is, and the measure of volume.
    volumetric : function of the dilatation
        What costs the change of volume.
    across : function of the trace of the plane's ``C`` and the determinant of its ``F``, optional
        ``C33`` without stress across the plane, where that has a closed form.
    """

    distortion: Callable[[Any, Any, Any], Any]
    dilatation: Callable[[Any, Any, Any], Any]
    volumetric: Callable[[Any], Any]
    across: Callable[[Any, Any], Any] | None = None

    def __call__(self, i1: Any, i2: Any, j: Any) -> Any:
        """The whole density."""
        return self.distortion(i1, i2, j) + self.volumetric(self.dilatation(i1, i2, j))

    def of_plane(self, trace: Any, j: Any, across: Any) -> Any:
        """The density for the trace of the plane's ``C``, the determinant of its ``F``, ``C33``."""
        return self(trace + across, j**2 + trace * across, j * across**0.5)

    def solved(self, trace: NDArray, j: NDArray) -> NDArray[np.float64]:
        """``C33`` without stress across the plane, by Newton's method between bounds.

        Not a number where a cell is inverted.
        """
        if self.across:
            return np.asarray(self.across(trace, j))
        low, high = np.full(np.shape(trace), -RANGE), np.full(np.shape(trace), RANGE)
        s = -2 * np.log(np.where(j > 0, j, np.nan))  # of an incompressible solid

        def stress(s: NDArray) -> NDArray[np.float64]:
            pulled = self.of_plane(trace, j, np.exp(s + IMAGINARY * 1j))
            return pulled.imag / IMAGINARY

        for _ in range(STEPS):
            here = stress(s)
            high, low = np.where(here > 0, s, high), np.where(here > 0, low, s)
            h = 1e-6
            slope = (stress(s + h) - here) / h
            new = s - here / slope
            new = np.where((new > low) & (new < high), new, (low + high) / 2)
            done = np.abs(new - s) <= 1e-15 * (1 + np.abs(s))
            s = new
            if np.all(done | np.isnan(s)):
                break
        return np.exp(s)


def law_of(material: str, constants: Any, ln: Callable[[Any], Any]) -> Law:
    """Law of a name with its ``constants``, those of :func:`constants_of`, in order.

    ``ln`` is the logarithm of what it is applied to.
    """
    mu, la, c1, c2, c3, bulk, zero = (constants[k] for k in range(7))

    def ciarlet(coefficient: Any) -> Callable[[Any], Any]:
        return lambda j: coefficient * (j**2 - 1 - 2 * ln(j)) / 4

    def volume(i1: Any, i2: Any, j: Any) -> Any:
        return j

    def distortion(i1: Any, i2: Any, j: Any) -> Any:
        match material:
            case "st_venant_kirchhoff":
                # The last term is 0, or not a number where a cell is inverted.
                return mu * (i1**2 - 2 * i2 - 2 * i1 + 3) / 4 + zero * ln(j)
            case "neo_hookean":
                return mu * (i1 - 3 - 2 * ln(j)) / 2
            case "bertoldi_boyce":
                return c1 * (i1 - 3 - 2 * ln(j)) + c2 * (i1 - 3) ** 2
            case "mooney_rivlin":
                return c1 * (j ** (-2 / 3) * i1 - 3) + c2 * (j ** (-4 / 3) * i2 - 3)
            case _:
                y = j ** (-2 / 3) * i1 - 3
                return c1 * y + c2 * y**2 + c3 * y**3

    match material:
        case "st_venant_kirchhoff":
            return Law(
                distortion,
                lambda i1, i2, j: (i1 - 3) / 2,
                lambda trace: la * trace**2 / 2,
                lambda trace, j: 1 - la / (2 * mu + la) * (trace - 2),
            )
        case "neo_hookean":
            return Law(
                distortion,
                volume,
                ciarlet(la),
                lambda trace, j: (2 * mu + la) / (2 * mu + la * j**2),
            )
        case "bertoldi_boyce":
            return Law(distortion, volume, lambda j: bulk * (j - 1) ** 2 / 2)
        case _:
            return Law(distortion, volume, ciarlet(bulk))


def density(
    energy: Continuum,
    constants: Any,
    gradient: Any,
    growth: Any,
    solve: Callable[[Law, Any, Any], Any],
) -> tuple[Any, Any, Callable[[Any], Any]]:
    """Energy per reference volume, for modulus 1, as UFL expressions.

    Parameters
    ----------
    energy : Continuum
    constants : UFL vector
        ``energy.constants``.
    gradient, growth : (d, d) UFL expressions
        The displacement gradient, and the deformation gradient without stress.
    solve : callable
        Of a law, and trace and determinant in the plane: ``C33`` where it has no closed form.

    Returns
    -------
    distortion, dilatation : UFL expressions
    volumetric : callable
        Of the dilatation; the energy is its value plus the distortion. Not a number where a cell is
        inverted (finite strains).
    """
    d, mu, la = gradient.ufl_shape[0], constants[0], constants[1]
    one = ufl.Identity(d)
    thin = d == 2 and energy.plane == "stress"
    if energy.linear:
        strain = ufl.sym(gradient) - (growth - one)
        flat = 2 * mu * la / (2 * mu + la) if thin else la
        return mu * ufl.inner(strain, strain), ufl.tr(strain), lambda e: flat * e**2 / 2
    law = law_of(energy.material, constants, ufl.ln)
    f, grown = (one + gradient) * ufl.inv(growth), ufl.det(growth)
    c, j = f.T * f, ufl.det(f)
    trace = ufl.tr(c)
    if thin:
        across = law.across(trace, j) if law.across else solve(law, trace, j)
        return grown * law.of_plane(trace, j, across), j, lambda e: 0.0 * e
    i1, i2 = (trace, (trace**2 - ufl.tr(c * c)) / 2) if d == 3 else (trace + 1, j**2 + trace)
    theta = law.dilatation(i1, i2, j)
    return grown * law.distortion(i1, i2, j), theta, lambda e: grown * law.volumetric(e)


def unstrained(energy: Continuum, eigenstrain: float) -> tuple[float, float]:
    """Axial stress and modulus of an unstrained strut, for Young's modulus 1.

    By differences of the energy density, of a strut that is held across its axis in the plane.
    """
    plane = energy.plane == "stress"
    law = None if energy.linear else law_of(energy.material, energy.constants, np.log)
    mu, la = energy.constants[:2]

    def cost(stretch: float) -> float:
        if law is None:
            strain = stretch - eigenstrain
            flat = 2 * mu * la / (2 * mu + la) if plane else la
            return float((mu + flat / 2) * strain**2)
        j = np.array((1 + stretch) / (1 + eigenstrain))
        trace = j**2 + 1
        across = law.solved(trace, j) if plane else np.array(1.0)
        return float((1 + eigenstrain) * law.of_plane(trace, j, across))

    less, here, more = (cost(h) for h in (-STEP, 0.0, STEP))
    return (more - less) / (2 * STEP), (more - 2 * here + less) / STEP**2
