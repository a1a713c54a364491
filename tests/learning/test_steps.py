"""Scales and steps: bounds are kept, slopes are derivatives, optimisers do as published."""

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.energies import Spring
from mechlearn.errors import InputError
from mechlearn.learning.dofs import LearningDof
from mechlearn.learning.optimisers import Train, make_optimiser
from mechlearn.learning.scales import scales

LOW, HIGH = 0.5, 4.0
VALUES = np.linspace(0.6, 3.9, 7)


@pytest.mark.parametrize("name", sorted(scales))
def test_scales_go_there_and_back_with_the_right_slope(name):
    scale = scales[name](LOW, HIGH, 3.0)
    x = scale.coordinate(VALUES)
    assert scale.values(x) == pytest.approx(VALUES, rel=1e-12)
    h = 1e-6
    slope = (scale.values(x + h) - scale.values(x - h)) / (2 * h)
    assert scale.slope(VALUES) == pytest.approx(slope, rel=1e-8)


@pytest.mark.parametrize("name", sorted(scales))
def test_bounds_are_kept_and_left_again(plane, name):
    """Steps of any size stay within bounds, and opposite ones lead back inside."""
    dof = LearningDof(
        "stiffness",
        ml.Learn(bounds=(LOW, HIGH), initial=1.0, scale=name),
        Spring(),
        plane,
        np.random.default_rng(0),
    )
    for step in (60.0, -60.0):
        dof.move(np.full(plane.n_edges, step))
        assert (dof.values >= LOW).all()
        assert (dof.values <= HIGH).all()
    dof.move(np.full(plane.n_edges, 50.0))
    assert (dof.values > 1.1 * LOW).all()


def test_sigmoid_of_li_and_mao():
    """k = k_L + (k_U - k_L) / (1 + exp(-beta x))."""
    scale = scales["sigmoid"](103.125, 171.875, 10.0)
    x = np.array([0.0, 0.1])
    expected = 103.125 + 68.75 / (1 + np.exp(-10 * x))
    assert scale.values(x) == pytest.approx(expected, rel=1e-14)


@pytest.fixture
def dof(plane):
    return LearningDof(
        "stiffness",
        ml.Learn(bounds=(LOW, HIGH), initial=1.0),
        Spring(),
        plane,
        np.random.default_rng(0),
    )


def test_adam_is_the_published_one(dof):
    """Kingma and Ba, algorithm 1, with its constants."""
    table = {"name": "adam", "betas": [0.9, 0.999], "eps": 1e-8}
    step = make_optimiser(Train(optimiser=table, rate=0.01), dof)
    rng, m, v = np.random.default_rng(1), 0.0, 0.0
    for t in range(1, 6):
        g = rng.standard_normal(4)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        expected = -0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        assert step(g) == pytest.approx(expected, rel=1e-12)


def test_adam_waits_for_the_first_signal(dof):
    """A step without any signal, as of constants that cancel at first, sets no scale."""
    late, early = (make_optimiser(Train(rate=0.01), dof) for _ in range(2))
    assert not late(np.zeros(4)).any()
    signal = 1e-6 * np.array([1.0, -2.0, 3.0, 0.0])
    np.testing.assert_array_equal(late(signal), early(signal))
    assert np.abs(late(signal)).max() == pytest.approx(0.01, rel=1e-3)


def test_momentum_is_a_heavy_ball(dof):
    step = make_optimiser(Train(optimiser={"name": "momentum", "momentum": 0.5}, rate=0.1), dof)
    assert [step(np.ones(1))[0] for _ in range(3)] == pytest.approx([-0.1, -0.15, -0.175])


@pytest.mark.parametrize(
    ("optimiser", "rate", "message"),
    [
        ("adan", None, "optimiser = .adan. is not known; did you mean .adam."),
        ("plain", None, "needs a rate"),
        ({"name": "adam", "betast": [0.9, 0.9]}, None, "did you mean 'betas'"),
        ({"name": "adam", "betas": [0.9, 1.0]}, None, "betas.2. = 1.0: it should be less than 1"),
        ({"name": "adam", "betas": "much"}, None, "betas"),
        ({"name": "adam", "eps": 0.0}, None, "eps = 0.0: it should be greater than 0"),
        ({"name": "momentum", "rate": 1.0}, None, "train.rate"),
    ],
)
def test_optimisers_that_make_no_sense_are_refused(dof, optimiser, rate, message):
    with pytest.raises(InputError, match=message):
        make_optimiser(Train(optimiser=optimiser, rate=rate), dof)


def test_saturating_scales_need_bounds(plane):
    with pytest.raises(InputError, match="'sigmoid' needs bounds"):
        LearningDof(
            "stiffness", ml.Learn(scale="sigmoid"), Spring(), plane, np.random.default_rng(0)
        )


def test_no_value_starts_where_its_scale_ends(plane):
    with pytest.raises(InputError, match="no value reaches a bound"):
        LearningDof(
            "stiffness",
            ml.Learn(scale="sigmoid", bounds=(1.0, 10.0), initial=1.0),
            Spring(),
            plane,
            np.random.default_rng(0),
        )
