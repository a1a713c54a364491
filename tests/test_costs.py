"""Costs: derivatives against finite differences, and what they refuse."""

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.costs import CrossEntropy, Shortfall, SquaredError
from mechlearn.errors import InputError, SolveError

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
    with pytest.raises(InputError, match=r"cost: (of|temperature) = "):
        CrossEntropy(**options)


def test_a_shortfall_is_felt_on_one_side_only():
    """Short of 0.2 and of -0.2 by 0.1; beyond both; and what no one asks for."""
    wanted, asked = np.array([[0.2, -0.2, 1.0]]), np.array([[True, True, False]])
    short, beyond = np.array([[0.1, -0.1, 0.0]]), np.array([[0.3, -9.0, 0.0]])
    cost = Shortfall()
    assert cost.value(short, wanted, asked) == pytest.approx(0.01)
    assert cost.slope(short, wanted, asked) == pytest.approx(np.array([[-0.1, 0.1, 0.0]]))
    assert np.diagonal(cost.curvature(short, wanted, asked)[0]).tolist() == [1, 1, 0]
    for nothing in (cost.value, cost.slope, cost.curvature):
        assert not nothing(beyond, wanted, asked).any()
    with pytest.raises(InputError, match="wants 0 has none"):
        cost.check(np.array([[0.0, 1.0, 1.0]]), asked)


@pytest.mark.parametrize(
    "rule", [ml.CoupledLearning(), ml.EquilibriumPropagation(), ml.GradientDescent()]
)
def test_rules_leave_alone_what_is_beyond_its_shortfall(plane, rule, tmp_path):
    """The target that is past what is asked of it from the start does not count as an error; and
    what was learned says so when it is read back."""
    source = ml.Source(nodes=[0, 7], strain=0.1)
    probe = ml.Task(
        sources=[source],
        targets=[ml.Target(nodes=n, strain=0.1) for n in ([3, 12], [20, 25])],
    )
    learn = ml.Learn(bounds=(0.01, 10))
    a, b = (t["initial"] for t in ml.train(plane, probe, learn=learn, steps=0).targets)
    targets = [ml.Target(nodes=[3, 12], strain=1.2 * a), ml.Target(nodes=[20, 25], strain=0.1 * b)]
    task = ml.Task(sources=[source], targets=targets, cost=Shortfall())
    run = ml.train(plane, task, learn=learn, rule=rule, tolerance=1e-3, steps=400)
    assert run.converged
    assert run.summary["targets"][1]["relative_error"] == 0
    assert abs(run.targets[1]["reached"]) > abs(0.1 * b)
    assert run.targets[1]["wanted"] == pytest.approx(0.1 * b)
    again = ml.Run.load(run.save(tmp_path / "run"))
    outputs = np.array([[t["reached"] for t in again.evaluate()]]) * again.problem.units
    assert again.problem.error(outputs) <= 1e-3
