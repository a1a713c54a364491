"""Elements, rules, costs, networks, formats, optimisers and devices of a user's own."""

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.learning import RuleLearner
from mechlearn.learning.rules import Rule
from mechlearn.phase import Phase

PHASES = (Phase("clamp", 0.0), Phase("clamp", 0.1))
LEARN = {"stiffness": ml.Learn(bounds=(0.1, 10.0))}


@pytest.fixture(scope="module")
def net():
    return ml.networks.packing(nodes=32, coordination=4.5, seed=3)


@pytest.fixture(scope="module")
def task(net):
    pairs = net.edges[[0, 9, 20]].tolist()
    return ml.Task(
        sources=[ml.Source(name="in", nodes=pairs[0], strain=0.1)],
        targets=[
            ml.Target(name=name, nodes=pair, strain=0.02)
            for name, pair in zip("ab", pairs[1:], strict=True)
        ],
        examples=[{"in": 0.1, "a": 0.02, "b": 0.01}, {"in": -0.1, "a": -0.02, "b": 0.0}],
    )


def signal_of(rule, net, task):
    learner = RuleLearner(net, task, ml.Spring(), LEARN, rule)
    learner._look(learner.outputs(learner.settle()))
    return learner._signal("stiffness")


@pytest.mark.parametrize(
    ("kind", "amount", "message"),
    [
        ("nugde", 0.1, "phase: kind = 'nugde' is not known; did you mean 'nudge'?"),
        (3, 0.1, "phase: kind = 3 is not known; known are clamp, nudge, adjoint"),
        ("clamp", float("nan"), "phase: amount = nan must be a finite number"),
        ("clamp", "half", "phase: amount = 'half' must be a finite number"),
    ],
)
def test_a_phase_is_checked_when_it_is_made(kind, amount, message):
    with pytest.raises(ml.InputError, match=message):
        Phase(kind, amount)


def test_a_linear_rule_is_weights_of_its_phases(net, task):
    """They give what the signal of every example gives, without any rule seeing anything else."""

    class Weights(Rule):
        phases = PHASES
        weights = (-10.0, 10.0)

    class Signal:
        phases = PHASES
        linear = True  # a claim that nothing relies on

        def signal(self, felt):
            assert [f.shape for f in felt] == [(2, net.n_edges)] * 2
            return (felt[1] - felt[0]) / 0.1

    linear = signal_of(Weights(), net, task)
    exact = signal_of(ml.CoupledLearning(eta=0.1), net, task)
    np.testing.assert_allclose(linear, exact, rtol=0, atol=1e-12 * np.abs(exact).max())
    one_by_one = signal_of(Signal(), net, task)
    np.testing.assert_allclose(one_by_one, exact, rtol=0, atol=1e-10 * np.abs(exact).max())


def test_a_rule_may_have_a_factor_per_element(net, task):
    factor = np.linspace(0.5, 2.0, net.n_edges)

    class Scaled(ml.CoupledLearning):
        weights = None

        def signal(self, felt):
            return factor * super().signal(felt)

    plain = signal_of(ml.CoupledLearning(eta=0.1), net, task)
    scaled = signal_of(Scaled(eta=0.1), net, task)
    np.testing.assert_allclose(scaled, factor * plain, rtol=0, atol=1e-9 * np.abs(plain).max())


class Mean:
    phases = PHASES

    def signal(self, felt):
        return (felt[1] - felt[0]).mean(axis=0)


class Short:
    phases = PHASES

    def signal(self, felt):
        return np.ones(3) * felt[0]


class Saturating:
    phases = PHASES
    weights = (-10.0, 10.0)

    def signal(self, felt):
        return np.tanh(felt[1] - felt[0])


class Lone(Rule):
    phases = PHASES
    weights = (1.0,)


class Mistyped:
    phases = ("clamp", 0.1)

    def signal(self, felt):
        return felt[0]


class Silent(Rule):
    phases = PHASES


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Mean(), r"its signal has the shape \(\d+,\); it must be \(2, \d+\)"),
        (Short(), r"its signal cannot be computed from arrays of shape \(2, \d+\).*ValueError"),
        (Saturating(), "its signal is not the sum of du/dL in its phases times weights"),
        (Lone(), r"weights = \(1.0,\) must be 2 numbers"),
        (Mistyped(), "the phase 'clamp' must be an ml.Phase"),
        (Silent(), "must have phases, and weights or a method signal"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_claims_of_rules_are_checked(net, task, rule, message):
    with pytest.raises(ml.InputError, match=message):
        ml.train(net, task, rule=rule, learn=LEARN, steps=2)
