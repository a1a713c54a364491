"""Elements on node tuples: derivatives by differences, invariances and closed forms."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mechlearn.energies.fillings import Area, Volume
from mechlearn.energies.tuples import Angle, Crease
from mechlearn.fem.tuples import TupleForms

RNG = np.random.default_rng(3)
KINDS = [
    (Angle(), 3, 2),
    (Angle(), 3, 3),
    (Crease(), 4, 3),
    (Area(), 3, 2),
    (Area(), 5, 2),
    (Volume(), 12, 3),
]


def made(kind, k, d, n=5):
    reference = RNG.standard_normal((n, k, d))
    forms = TupleForms(kind, reference)
    forms.set(**{p.name: RNG.uniform(0.1, 0.5, n) for p in kind.parameters})
    moves = 0.2 * RNG.standard_normal((n, k, d))
    forms.put_state(moves)
    return forms, reference, moves


@pytest.mark.parametrize(("kind", "k", "d"), KINDS)
def test_forces_and_stiffnesses_are_slopes_of_the_energy(kind, k, d):
    forms, _, moves = made(kind, k, d)
    forces, stiffnesses = forms.forces(), forms.stiffnesses()
    along, errors = RNG.standard_normal(moves.shape), []
    energies = forms.energies()
    first = (forces * along).sum(axis=(1, 2))
    flat = along.reshape(len(moves), -1)
    second = np.einsum("ni,nij,nj->n", flat, stiffnesses, flat)
    for h in (1e-2, 1e-3):
        forms.put_state(moves + h * along)
        errors.append(np.abs(forms.energies() - energies - h * first - h * h / 2 * second).max())
    assert np.log10(errors[0] / errors[1]) > 2.9
    np.testing.assert_allclose(stiffnesses, stiffnesses.transpose(0, 2, 1), atol=1e-12)


@pytest.mark.parametrize(("kind", "k", "d"), KINDS)
def test_sensitivities_are_slopes_by_every_constant(kind, k, d):
    forms, _, moves = made(kind, k, d)
    along, h = RNG.standard_normal(moves.shape), 1e-5
    for parameter in kind.parameters:
        at = RNG.uniform(0.1, 0.5, len(moves))
        values = []
        for shift in (h, -h):
            forms.set(**{parameter.name: at + shift})
            values.append(forms.energies())
        forms.set(**{parameter.name: at})
        slopes = forms.sensitivities(parameter.name)
        np.testing.assert_allclose(slopes, (values[0] - values[1]) / (2 * h), atol=1e-8)
        rates, moved = forms.sensitivity_rates(parameter.name, along), []
        for shift in (h, -h):
            forms.put_state(moves + shift * along)
            moved.append(forms.sensitivities(parameter.name))
        forms.put_state(moves)
        np.testing.assert_allclose(rates, (moved[0] - moved[1]) / (2 * h), atol=1e-7)


@pytest.mark.parametrize(("kind", "k", "d"), KINDS)
def test_a_rigid_motion_costs_nothing(kind, k, d):
    forms, reference, _ = made(kind, k, d)
    forms.set(**{p.name: 0.0 for p in kind.parameters if not p.positive})
    turn = Rotation.random(rng=RNG).as_matrix()
    if d == 2:
        turn = Rotation.from_euler("z", 2.0).as_matrix()[:2, :2]
    forms.put_state(reference @ turn.T + RNG.standard_normal(d) - reference)
    np.testing.assert_allclose(forms.energies(), 0, atol=1e-12)


def test_an_angle_passes_the_straight_one():
    x = np.array([[[-4.0, 0], [0, 3], [4, 0]]])
    forms = TupleForms(Angle(), x)
    forms.set(angle_stiffness=7.5, rest_angle=0.0)
    for u in (0.5, 3.0, 5.0):
        forms.put_state(np.array([[[0.0, 0], [0, -u], [0, 0]]]))
        y = 3 - u
        change = 2 * np.arctan2(4, y) - 2 * np.arctan2(4, 3)
        np.testing.assert_allclose(np.abs(forms.strain()), change, atol=1e-14)
        moment = 7.5 * change * 2 * 4 / (16 + y * y)
        np.testing.assert_allclose(forms.forces()[0, 1], [0, -moment], atol=1e-12)


def test_a_fold_is_the_angle_between_two_triangles():
    flat = np.array([[[0.5, 1.0, 0], [0, 0, 0], [1, 0, 0], [0.5, -1, 0]]])
    forms = TupleForms(Crease(), flat)
    for angle in (-3.0, -1.0, 0.4, 2.0, 3.1):
        moved = flat.copy()
        moved[0, 3] = [0.5, -np.cos(angle), np.sin(angle)]
        forms.put_state(moved - flat)
        np.testing.assert_allclose(np.abs(forms.strain()), abs(angle), atol=1e-14)


def test_straight_bonds_in_space_bend_to_all_sides():
    """By an angle 2 arctan d of unit bonds whose middle node moves by d."""
    straight = np.array([[[-1.0, 0, 0], [0, 0, 0], [1, 0, 0]]]) @ Rotation.random(rng=3).as_matrix()
    forms = TupleForms(Angle(), straight)
    forms.set(angle_stiffness=1.5, rest_angle=0.0)
    bends = np.linalg.eigvalsh(forms.stiffnesses()[0])
    np.testing.assert_allclose(bends, [0] * 7 + [1.5 * 6] * 2, atol=1e-9)
    np.testing.assert_allclose(forms.forces(), 0, atol=1e-12)
    side = np.cross(straight[0, 2], [0.0, 0, 1])
    side /= np.linalg.norm(side)
    for d in (1e-3, 0.3, 2.0):
        forms.put_state(d * np.array([[np.zeros(3), side, np.zeros(3)]]))
        force = 1.5 * 2 * np.arctan(d) * 2 / (1 + d**2)
        np.testing.assert_allclose(forms.forces()[0, 1], force * side, rtol=1e-9, atol=1e-10)


def test_an_area_is_that_of_its_triangle():
    x = np.array([[[0.0, 0], [2, 0], [0, 1]]])
    forms = TupleForms(Area(), x)
    forms.put_state(0.5 * x)
    np.testing.assert_allclose(forms.strain(), 1.25, atol=1e-14)
