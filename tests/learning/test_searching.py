"""Gradient-free searches: they lower the cost, keep the best, and say what they cannot do."""

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.errors import InputError
from mechlearn.learning.rules import Method

TASK = ml.Task(
    sources=[ml.Source(nodes=[0, 7], strain=0.1)], targets=[ml.Target(nodes=[3, 12], strain=0.06)]
)


@pytest.mark.parametrize("method", Method.__args__)
def test_searches_never_get_worse_and_get_better(method):
    net = ml.networks.triangular(size=[4, 3])
    task = ml.Task(
        sources=[ml.Source(nodes=[0, 5], strain=0.1)],
        targets=[ml.Target(nodes=[7, 10], strain=-0.05)],
    )
    run = ml.train(net, task, rule=ml.GradientFree(method=method), steps=500, seed=1)
    cost = run.history.cost.values
    assert (np.diff(cost) <= 1e-15).all()
    assert cost[-1] < (0.99 if method == "simplex" else 0.8) * cost[0]


def test_frozen_bonds_stay_and_the_seed_decides(plane):
    learn = ml.Learn(bounds=(0.1, 10.0), initial=1.0, frozen=[0, 1, 2])
    runs = [
        ml.train(plane, TASK, learn=learn, rule=ml.GradientFree(), steps=50, seed=s)
        for s in (1, 1, 2)
    ]
    first, same, other = (r.learned["stiffness"] for r in runs)
    assert first.tolist() == same.tolist() != other.tolist()
    assert first[:3].tolist() == [1.0] * 3


def test_searches_need_bounds(plane):
    with pytest.raises(InputError, match="needs bounds of all that learns"):
        ml.train(plane, TASK, learn=ml.Learn(initial=1.0), rule=ml.GradientFree())
    with pytest.raises(InputError, match="method = 'genetic': it should be 'evolution', 'cma'"):
        ml.GradientFree(method="genetic")


def test_narrow_bounds_are_searched_in_steps_that_fit(plane):
    """And without a warning of the optimiser's, which would be an error here."""
    learn = ml.Learn(bounds=(0.9, 1.2), initial=1.0)
    run = ml.train(plane, TASK, learn=learn, rule=ml.GradientFree(), steps=5, tolerance=1e-12)
    tried = run.history["stiffness"].values
    assert tried.min() >= 0.9
    assert tried.max() <= 1.2
    assert np.ptp(tried[-1]) > 0
