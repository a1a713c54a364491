"""Periodic bodies: moduli in closed form, and a square array of holes that buckles.

Laminates: G. W. Milton, The Theory of Composites (2002), chapter 9. Arrays of holes: T. Mullin,
S. Deschanel, K. Bertoldi, M. C. Boyce, Phys. Rev. Lett. 99, 084301 (2007),
https://doi.org/10.1103/PhysRevLett.99.084301.
"""

from itertools import product

import numpy as np
import pytest
from ranks import on_ranks
from scipy.spatial import cKDTree
from test_bodies import grid, mesh_of

import mechlearn as ml
from mechlearn.energies import Solid
from mechlearn.networks.body_meshes import body_of

POISSON = 0.3


def stiffness_of(modulus, plane):
    """Stiffness of a material, xx, yy, xy."""
    nu = POISSON if plane == "stress" else POISSON / (1 - POISSON)
    e = modulus if plane == "stress" else modulus / (1 - POISSON**2)
    return e / (1 - nu**2) * np.array([[1, nu, 0], [nu, 1, 0], [0, 0, (1 - nu) / 2]])


def uneven(n=4):
    """A square whose inner points are moved at random."""
    points, cells = grid(n)
    inner = ((points > 0) & (points < 1)).all(axis=1)
    points[inner] += np.random.default_rng(0).uniform(-0.2, 0.2, (inner.sum(), 2)) / n
    return points, cells


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("plane", ["stress", "strain"])
def test_a_homogeneous_cell_has_the_moduli_of_its_material(plane, order):
    net = body_of(mesh_of(*uneven()), order, "groups", np.eye(2))
    found = ml.moduli(net, Solid(plane=plane, poisson=POISSON, order=order), modulus=2.0)
    wanted = stiffness_of(2.0, plane)
    assert found.stiffness == pytest.approx(wanted, abs=1e-12 * wanted.max())


def test_a_sheared_cell_has_the_moduli_of_its_material():
    points, cells = uneven()
    cell = np.array([[1.0, 0.0], [0.4, 1.0]])
    net = body_of(mesh_of(points @ cell, cells), 2, "groups", cell)
    wanted = stiffness_of(1.0, "stress")
    found = ml.moduli(net, Solid(poisson=POISSON)).stiffness
    assert found == pytest.approx(wanted, abs=1e-12 * wanted.max())


def laminate(order=2, n=4):
    """Layers of equal thickness along x."""
    points, cells = grid(n)
    soft = points[cells].mean(axis=1)[:, 0] < 0.5
    regions = {"soft": np.flatnonzero(soft), "stiff": np.flatnonzero(~soft)}
    return body_of(mesh_of(points, cells, regions=regions), order, "groups", np.eye(2))


def test_a_laminate_of_volumes_has_the_moduli_of_its_closed_form():
    n, modulus = 2, np.array([1.0, 5.0])
    x = np.stack(np.meshgrid(*[np.arange(n + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    corner = np.ravel_multi_index(x[(x < n).all(axis=1)].T, (n + 1,) * 3)
    step = (n + 1) ** np.arange(3)[::-1]
    # Six tetrahedra about the diagonal of every cube: alike on opposite sides.
    order = [np.cumsum([0, *(step[k] for k in p)]) for p in
             ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))]  # fmt: skip
    cells = (corner[:, None, None] + np.array(order)).reshape(-1, 4)
    soft = (x / n)[cells].mean(axis=1)[:, 0] < 0.5
    regions = {"soft": np.flatnonzero(soft), "stiff": np.flatnonzero(~soft)}
    mesh = mesh_of(x / n, cells, kind="tetra", regions=regions)
    net = body_of(mesh, 2, "groups", np.eye(3))
    found = ml.moduli(net, Solid(poisson=POISSON), modulus=modulus).stiffness
    lame = modulus * POISSON / (1 + POISSON) / (1 - 2 * POISSON)
    shear = modulus / 2 / (1 + POISSON)
    whole = lame + 2 * shear
    normal, share = 1 / np.mean(1 / whole), np.mean(lame / whole)
    plane = np.mean(lame * 2 * shear / whole) + share**2 * normal  # lame - lame^2 / whole
    assert found[0, 0] == pytest.approx(normal, rel=1e-9)
    assert found[0, 1] == pytest.approx(share * normal, rel=1e-9)
    assert found[1, 2] == pytest.approx(plane, rel=1e-9)
    assert found[1, 1] == pytest.approx(plane + 2 * shear.mean(), rel=1e-9)
    assert found[3, 3] == pytest.approx(shear.mean(), rel=1e-9)
    assert found[5, 5] == pytest.approx(1 / np.mean(1 / shear), rel=1e-9)


def moduli_of_laminate():
    found = ml.moduli(
        laminate(), Solid("neo_hookean"), modulus=[1.0, 20.0], gradient=[[0.9, 0.1], [0.0, 1.0]]
    )
    return found.stiffness


def test_two_ranks_find_the_same():
    alone = moduli_of_laminate()
    for found in on_ranks(2, moduli_of_laminate):
        assert found == pytest.approx(alone, abs=1e-8 * np.abs(alone).max())


# -- holes -----------------------------------------------------------------------------------------


def holes(counts=(1, 1), around=4, rings=3, radius=0.43):
    """Squares with a hole each, ``4 around`` cells around it: a mesh that repeats itself."""
    side = np.linspace(-0.5, 0.5, around, endpoint=False)
    half = np.full(around, 0.5)
    sides = (side, -half), (half, side), (-side, half), (-half, -side)
    rim = np.concatenate([np.column_stack(places) for places in sides])
    hole = radius * rim / np.linalg.norm(rim, axis=1)[:, None]
    part = np.linspace(0, 1, rings + 1)[:, None, None]
    points = (hole + part * (rim - hole)).reshape(-1, 2)
    m = len(rim)
    a = (np.arange(rings)[:, None] * m + np.arange(m)).ravel()
    b = np.arange(rings).repeat(m) * m + (a + 1) % m
    cells = np.concatenate([np.stack(p, axis=1) for p in ((a, a + m, b), (b, a + m, b + m))])
    steps = np.array(list(product(*map(range, counts))))
    whole = (points + steps[:, None]).reshape(-1, 2)
    first = np.arange(len(whole))
    for i, j in cKDTree(whole).query_pairs(1e-9, output_type="ndarray"):
        first[max(i, j)] = min(first[i], first[j])
    cells = first[(cells + len(points) * np.arange(len(steps))[:, None, None]).reshape(-1, 3)]
    used, cells = np.unique(cells, return_inverse=True)
    return body_of(mesh_of(whole[used], cells.reshape(-1, 3)), 2, "groups", np.diag(counts))


def test_an_array_of_holes_buckles_to_the_pattern_of_two_by_two():
    rubber = Solid("neo_hookean", plane="strain", poisson=0.45)
    load = ml.Task(
        sources=[ml.Source(name="press", deformation_gradient=[["free", 0.0], [0.0, 0.94]])],
        targets=[ml.Target(piola_stress=[["free", "free"], ["free", 0.0]], scale=1.0)],
    )
    one = ml.path(holes(), load, rubber, steps=4, waves=[2, 2])
    many = ml.path(holes((2, 2)), load, rubber, steps=4)
    onset, first = one.attrs["bloch"], many.bifurcations[0]
    assert onset["wave"] == [0.5, 0.5]  # neighbours turn the other way round
    assert not one.bifurcations
    assert 0.95 < onset["press.yy"] < 0.99
    assert onset["factor"] == pytest.approx(first["factor"], rel=1e-4)
    assert onset["press.force.yy"] == pytest.approx(first["press.force.yy"], rel=1e-4)
