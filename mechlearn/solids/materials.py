"""Material laws of solids: one UFL energy density each, for Young's modulus 1.

With ``F`` the elastic deformation gradient, ``C = F^T F``, ``J = det F``, and ``mu``, ``la`` Lamé's
constants:

=================== ==========================================================================
linear              ``mu e:e + la tr(e)^2 / 2``, ``e`` the small strain
neo_hookean         ``mu (tr C - 3 - 2 ln J) / 2 + la (J^2 - 1 - 2 ln J) / 4``
st_venant_kirchhoff ``mu E:E + la tr(E)^2 / 2``, ``E = (C - 1) / 2``; softens when pressed
=================== ==========================================================================

The neo-Hookean volume term is Ciarlet's (J. C. Simo, T. J. R. Hughes, Computational Inelasticity
(1998), eq. 9.2.3). With it the plane-stress condition ``dW/dC33 = 0`` has a closed solution,
``C33 = (2 mu + la) / (2 mu + la det C)``, exact at any strain; the other two take the plane-stress
Lamé constant ``2 mu la / (2 mu + la)``, which is as exact for them.

Nearly incompressible rubbers: all of these are displacement formulations; there is no mixed one.
Plane stress does not lock at any Poisson's ratio. In plane strain and 3D, P1 cells do: with two
cells across a strut a frame answers with 0.6 of its displacement at 0.49 and 0.4 at 0.499 (at 0.3
with 0.75: P1 is stiff in bending anyway). P2 cells answer with 0.98 and 0.96.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from mechlearn.energies.solid import Solid
from mechlearn.fenics import basix_ufl, ufl

#: Stretches by which stress and stiffness are told from differences of the energy.
STEP = 1e-5


@cache
def unstrained(energy: Solid, eigenstrain: float) -> tuple[float, float]:
    """Axial stress and modulus of an unstrained strut, for Young's modulus 1.

    By differences of the energy density.
    """
    domain = ufl.Mesh(basix_ufl.element("Lagrange", "interval", 1, shape=(2,)))
    stretch, axis = ufl.Constant(domain), ufl.as_vector([1.0, 0.0])
    law = density(energy.material, energy.plane == "stress", energy.poisson, 0.0)
    cost = law(stretch * ufl.outer(axis, axis), eigenstrain, axis)
    cost = ufl.algorithms.apply_algebra_lowering.apply_algebra_lowering(cost)
    less, here, more = (cost(None, {stretch: h}) for h in (-STEP, 0.0, STEP))
    return (more - less) / (2 * STEP), (more - 2 * here + less) / STEP**2


def density(
    material: str, plane_stress: bool, poisson: Any, zero: Any
) -> Callable[[Any, Any, Any], Any]:
    """Energy per reference volume, for modulus 1, of displacement gradient and eigenstrain.

    Parameters
    ----------
    material : str
        As in task files.
    plane_stress : bool
        Whether nothing pulls across the plane; else plane strain (2D) or 3D.
    poisson, zero : UFL constants
        Poisson's ratio, and 0.

    Returns
    -------
    callable
        Of the displacement gradient (d, d), the eigenstrain and the unit vector along which it
        acts. Not a number where a cell is inverted (finite strains).
    """
    mu = 1 / (2 * (1 + poisson))
    la = poisson / ((1 + poisson) * (1 - 2 * poisson))
    flat = 2 * mu * la / (2 * mu + la) if plane_stress else la

    def quadratic(e: Any) -> Any:
        return mu * ufl.inner(e, e) + flat * ufl.tr(e) ** 2 / 2

    def linear(gradient: Any, eigenstrain: Any, axis: Any) -> Any:
        return quadratic(ufl.sym(gradient) - eigenstrain * ufl.outer(axis, axis))

    def finite(gradient: Any, eigenstrain: Any, axis: Any) -> Any:
        one = ufl.Identity(gradient.ufl_shape[0])
        growth = one + eigenstrain * ufl.outer(axis, axis)
        f = (one + gradient) * ufl.inv(growth)
        return ufl.det(growth) * elastic(f.T * f, ufl.det(f))

    def neo_hookean(c: Any, j: Any) -> Any:
        d = c.ufl_shape[0]
        across = (2 * mu + la) / (2 * mu + la * j**2) if plane_stress else 1.0
        trace = ufl.tr(c) + (across if d == 2 else 0.0)
        log = ufl.ln(j) + (ufl.ln(across) / 2 if plane_stress else 0.0)
        return mu * (trace - 3 - 2 * log) / 2 + la * (j**2 * across - 1 - 2 * log) / 4

    def st_venant_kirchhoff(c: Any, j: Any) -> Any:
        # The last term is 0, or not a number where a cell is inverted, which costs nothing else.
        return quadratic((c - ufl.Identity(c.ufl_shape[0])) / 2) + zero * ufl.ln(j)

    if material == "linear":
        return linear
    elastic = {"neo_hookean": neo_hookean, "st_venant_kirchhoff": st_venant_kirchhoff}[material]
    return finite
