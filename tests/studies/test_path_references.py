"""Limit loads of frames, arches and springs against closed forms and independent integration."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq, fsolve, minimize_scalar

import mechlearn as ml


def chain(points):
    """Bonds from each point to the next."""
    return ml.Network(points, [[i, i + 1] for i in range(len(points) - 1)])


def hinged(net, loaded, load):
    """A chain that is hinged at its ends and pushed down at a node."""
    return ml.Task(
        supports=[ml.Support(nodes=[0, net.n_nodes - 1], components=["x", "y"])],
        sources=[ml.Source(name="push", nodes=loaded, components=["y"], force=[-load])],
        targets=[ml.Target(nodes=loaded // 2, components=["y"], displacement=[-1.0])],
    )


def extrapolated(limits):
    """Loads of limit points without the error of segments that are halved each time."""
    first = [b + (b - a) / 3 for a, b in pairwise(limits)]
    return first[-1] + (first[-1] - first[-2]) / 15


def limit_forces(net, loaded, load, **made):
    found = ml.path(net, hinged(net, loaded, load), ml.FiniteBeam(segments=1), **made)
    assert found.attrs["ended"] == ""
    return np.array([-p["push.force"] for p in found.limit_points])


def test_a_toggle_with_a_spring_on_top_snaps_back():
    """The toggle's limit points; its springs in series with one of stiffness 1.4 on top."""
    k, kh, top, b, h = 9.0, 7.5, 1.4, 4.0, 3.0
    net = ml.Network([[0, 0], [b, h], [2 * b, 0], [b, h + 8]], [[0, 1], [1, 2], [1, 3]],
                     tuples={"triples": [[0, 1, 2]]})  # fmt: skip
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 2]), ml.Support(nodes=[3], components=["x"])],
        sources=[ml.Source(name="push", nodes=3, components=["y"], force=[-9.0])],
        targets=[ml.Target(name="apex", nodes=1, components=["y"], displacement=[-1.0])],
    )
    found = ml.path(net, task, "finite_spring + angle", stiffness=[k, k, top], angle_stiffness=kh)
    apex = np.array([[1.8389803089, 6.6863515754], [4.5320517861, 1.9873680383]])
    limits = [(-p["apex"], -p["push.force"]) for p in found.limit_points[:2]]
    np.testing.assert_allclose(limits, apex, atol=1e-8)
    ends = [-p["push"] for p in found.limit_points[:2]]
    np.testing.assert_allclose(ends, apex[:, 0] + apex[:, 1] / top, atol=1e-8)
    # Of the same model in springable 1.0.1, whose steps leave errors of this size.
    np.testing.assert_allclose(ends, [6.614941, 5.951607], atol=1e-5)
    assert ends[1] < ends[0]


def reissner(height, width, poisson):
    """Force on the apex of two beams of unit half span for its move, and the move of its peak.

    E. Reissner, Z. angew. Math. Phys. 23, 795 (1972): one half, hinged below and without a turn
    above, is shot from its hinge. Unit modulus and thickness.
    """
    area, second = width, width**3 / 12
    shear = 5 / 6 * area / (2 * (1 + poisson))
    length, angle = np.hypot(1.0, height), np.arctan2(height, 1.0)

    def along(_, z):
        _, _, turn, moment, ahead, up = z
        c, s = np.cos(turn), np.sin(turn)
        normal, across = ahead * c + up * s, up * c - ahead * s
        e, g = 1 + normal / area, across / shear
        return [e * c - g * s, e * s + g * c, moment / second, g * normal - e * across, 0, 0]

    def miss(z, down):
        """Of the other end, from an angle and forces in thousandths of the area."""
        start = [0, 0, z[0], 0, *(z[1:] * 1e-3 * area)]
        end = solve_ivp(along, (0, length), start, rtol=1e-11, atol=1e-13, method="DOP853").y
        return end[:3, -1] - [1.0, height - down, angle]

    guess = np.array([angle, 0.0, 0.0])

    def force(down):
        guess[:] = fsolve(miss, guess, args=(down,), xtol=1e-12)
        return -2e-3 * area * guess[2]

    return force


def test_a_truss_of_two_beams_snaps_as_by_shooting():
    """A von Mises truss, hinged at its supports and rigid at its apex."""
    height, width, poisson = 0.2, 0.1, 0.3
    force, h = reissner(height, width, poisson), 1e-4
    exact = []
    for low, high in ((0.04, 0.08), (0.22, 0.26)):
        for down in np.linspace(exact[0][0] if exact else 0.0, low, 9):
            force(down)
        at = brentq(lambda u: force(u + h) - force(u - h), low, high, xtol=1e-7)
        exact.append((at, force(at)))
    limits = []
    for n in (4, 8, 16):
        x = np.linspace(0, 2, 2 * n + 1)
        net = chain(np.column_stack([x, height * (1 - abs(x - 1))]))
        made = {"width": width, "modulus": 1.0, "poisson": poisson, "steps": 30}
        limits.append(limit_forces(net, n, 1e-3, **made))
    np.testing.assert_allclose(extrapolated(limits), [f for _, f in exact], rtol=1e-5)


def shallow_arch(rise, width):
    """Loads at the crown of a shallow parabolic arch with hinges, two for a given thrust.

    Unit span, modulus and thickness. With ``s`` from the crown, the deflection under a load ``Q``
    and a thrust ``N = EI m^2`` has the slope below; that the arch shortens by ``N / EA`` is
    quadratic in ``Q``. M. A. Bradford, B. Uy, Y.-L. Pi, J. Eng. Mech. 128, 710 (2002),
    https://doi.org/10.1061/(ASCE)0733-9399(2002)128:7(710).
    """
    second, curvature = width**3 / 12, 8 * rise
    s, w = np.polynomial.legendre.leggauss(40)
    s, w = (s + 1) / 4, w / 4

    def too_long(m, load):
        sine = -load / (2 * second * m**3)
        cosine = -(curvature / m**2 + sine * np.sin(m / 2)) / np.cos(m / 2)
        slope = m * (sine * (np.cos(m * s) - 1) - cosine * np.sin(m * s)) - curvature * s
        return 2 * w @ (-curvature * s * slope - slope**2 / 2) - second * m**2 / width

    def loads(m):
        at = np.array([0, 100, 200]) * second * rise
        c = np.polynomial.polynomial.polyfit(at / at[2], [too_long(m, load) for load in at], 2)
        return np.sort(np.roots(c[::-1]).real)[::-1] * at[2]

    return loads


def test_a_shallow_arch_snaps_and_buckles_at_the_loads_of_the_closed_form():
    rise, width = 0.005, 0.003
    loads = shallow_arch(rise, width)
    inside = {"bounds": (1.8 * np.pi, 2.55 * np.pi), "options": {"xatol": 1e-9}}
    peak = loads(minimize_scalar(lambda m: -loads(m)[0], **inside).x)[0]
    valley = loads(minimize_scalar(lambda m: loads(m)[1], **inside).x)[1]
    limits, branches = [], []
    for n in (8, 16, 32):
        x = np.linspace(0, 1, n + 1)
        net = chain(np.column_stack([x, 4 * rise * x * (1 - x)]))
        task, made = hinged(net, n // 2, 3e-9), {"width": width, "modulus": 1.0, "poisson": 0.3}
        found = ml.path(net, task, ml.FiniteBeam(segments=1), steps=30, **made)
        limits.append(np.array([-p["push.force"] for p in found.limit_points]))
        branches.append(np.array([-p["push.force"] for p in found.bifurcations]))
    np.testing.assert_allclose(extrapolated(limits), [peak, valley], rtol=3e-4)
    # Sideways it buckles under the thrust of the second mode of a column.
    np.testing.assert_allclose(extrapolated(branches), loads(2 * np.pi), rtol=3e-4)


@pytest.mark.parametrize(("poisson", "published"), [(0.3, 1.8545e4), (-0.999, 1.8557e4)])
def test_lees_frame_snaps_at_its_published_load(poisson, published):
    """S.-L. Lee, F. S. Manuel, E. C. Rossow, J. Eng. Mech. Div. 94, 513 (1968).

    With a shear modulus of E / 2.6, and one that leaves no shear.
    """
    limits, made = [], {"width": 2.0, "thickness": 3.0, "modulus": 7.2e6, "poisson": poisson}
    for n in (10, 20, 40):
        leg = np.linspace(0, 120, n + 1)
        points = np.concatenate([np.column_stack([0 * leg, leg]),
                                 np.column_stack([leg[1:], 0 * leg[1:] + 120])])  # fmt: skip
        limits.append(limit_forces(chain(points), n + n // 5, 1.9e4, steps=10, **made)[:1])
    assert limits[-1] == pytest.approx(published, rel=1.5e-3)
    assert extrapolated(limits) == pytest.approx(published, rel=1e-4)
