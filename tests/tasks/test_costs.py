"""Costs: derivatives against finite differences, and what they refuse."""

import numpy as np
import pytest

from mechlearn.errors import InputError, SolveError
from mechlearn.tasks.costs import CrossEntropy, SquaredError

COSTS = [SquaredError(), CrossEntropy(), CrossEntropy(of="softmax", temperature=0.7)]
ASKED = np.array([[True, True, True], [True, False, True]])
WANTED = np.array([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0]])


@pytest.mark.parametrize("cost", COSTS, ids=lambda c: f"{c.name} {vars(c)}")
def test_slope_and_curvature_are_derivatives(cost):
    outputs = np.array([[0.4, -1.2, 0.7], [-0.3, 5.0, 0.9]])
    slope, curvature = (f(outputs, WANTED, ASKED) for f in (cost.slope, cost.curvature))
    h = 1e-6
    for k in range(3):
        step = h * np.eye(3)[k]
        sides = [cost.value(outputs + s, WANTED, ASKED) for s in (step, -step)]
        assert slope[:, k] == pytest.approx((sides[0] - sides[1]) / (2 * h), abs=1e-8)
        sides = [cost.slope(outputs + s, WANTED, ASKED) for s in (step, -step)]
        assert curvature[:, k] == pytest.approx((sides[0] - sides[1]) / (2 * h), abs=1e-8)
    assert not slope[~ASKED].any()


def test_shares_are_those_of_li_and_mao():
    """-log of the wanted output's part of the sum of sizes."""
    outputs = np.array([[-0.2, 0.6]])
    value = CrossEntropy().value(outputs, np.array([[1.0, 0.0]]), np.array([[True, True]]))
    assert value == pytest.approx(-np.log(0.25))


@pytest.mark.parametrize("wanted", [[0.5, 0.4, 0.0], [1.5, -0.5, 0.0], [0.0, 0.0, 0.0]])
def test_shares_must_sum_to_one(wanted):
    with pytest.raises(InputError, match="targets of example 1 want"):
        CrossEntropy().check(np.array([wanted]), ASKED[:1])


def test_nothing_has_no_shares():
    with pytest.raises(SolveError, match="all zero"):
        CrossEntropy().value(np.zeros((1, 3)), WANTED[:1], ASKED[:1])
    with pytest.raises(SolveError, match="has no slope"):
        CrossEntropy().slope(np.array([[0.0, 1.0, 1.0]]), WANTED[:1], ASKED[:1])


@pytest.mark.parametrize("options", [{"of": "squares"}, {"temperature": 0.0}])
def test_nonsense_is_refused(options):
    with pytest.raises(InputError, match=r"(cost|CrossEntropy): (of|temperature) = "):
        CrossEntropy(**options)
