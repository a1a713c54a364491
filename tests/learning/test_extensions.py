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
    learner._evaluate_phases(learner.outputs(learner.settle()))
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
        (Short(), r"its signal cannot be computed .ValueError.*; it must be \(2, \d+\)"),
        (Saturating(), "its signal is not the sum of du/dL in its phases times weights"),
        (Lone(), r"weights = \(1.0,\) must be 2 finite numbers"),
        (Mistyped(), "the phase 'clamp' must be an ml.Phase"),
        (Silent(), "must have phases, and weights or a method signal"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_claims_of_rules_are_checked(net, task, rule, message):
    with pytest.raises(ml.InputError, match=message):
        ml.train(net, task, rule=rule, learn=LEARN, steps=2)


# -- objects, classes and names in training --------------------------------------------------------


class Quartic(ml.Cost):
    """The mean fourth power, which the cost of squares cannot stand in for."""

    name = "quartic"

    def value(self, outputs, wanted, active):
        return (np.where(active, outputs - wanted, 0.0) ** 4).sum(axis=1) / 4

    def slope(self, outputs, wanted, active):
        return np.where(active, outputs - wanted, 0.0) ** 3

    def curvature(self, outputs, wanted, active):
        square = np.where(active, outputs - wanted, 0.0) ** 2
        return 3 * square[:, :, None] * np.eye(outputs.shape[1])


class Saturating:
    name = "saturating"
    phases = PHASES

    def __init__(self, size=1e-3):
        self.size = size

    def signal(self, derivatives):
        return np.tanh((derivatives[1] - derivatives[0]) / self.size)


@pytest.fixture
def own_run(net, task):
    own = task.model_copy(update={"cost": Quartic()})
    return ml.train(net, own, rule=Saturating(size=2e-3), learn="stiffness", steps=2)


def test_objects_that_nobody_registered_train(own_run, net, task):
    assert isinstance(own_run.problem.task.cost, Quartic)
    assert own_run.setup.rule.name == "saturating"
    assert set(own_run.setup.plugins) == {"quartic", "saturating"}
    further = ml.train(net, task, start=own_run, steps=1)
    assert further.setup.rule.model_extra == {"size": 2e-3}


def test_a_run_says_what_it_needs_where_that_is_not_known(own_run, tmp_path, own_extensions):
    own_run.save(tmp_path / "run")
    with pytest.raises(ml.InputError, match=r"'quartic' is not known.*--plugin, ml\.register"):
        ml.Run.load(tmp_path / "run")
    ml.register(Quartic)
    ml.register(Saturating)
    again = ml.Run.load(tmp_path / "run")
    assert again.summary["error"] == own_run.summary["error"]
    assert ml.train(again.network, again.setup.task, start=again, steps=1).setup.rule == (
        own_run.setup.rule
    )


@pytest.mark.parametrize(
    ("given", "same"),
    [
        ({"energy": "finite_spring"}, {"energy": ml.FiniteSpring()}),
        ({"energy": ml.FiniteSpring}, {"energy": ml.FiniteSpring()}),
        ({"rule": "gradient_descent"}, {"rule": ml.GradientDescent()}),
        ({"rule": ml.GradientDescent}, {"rule": ml.GradientDescent()}),
        (
            {"optimiser": ml.Momentum(momentum=0.5)},
            {"optimiser": {"name": "momentum", "momentum": 0.5}},
        ),
        ({"learn": "stiffness"}, {}),
    ],
)
def test_names_and_classes_are_taken_for_objects(net, task, given, same):
    one, other = (ml.train(net, task, steps=2, rate=0.01, **options) for options in (given, same))
    np.testing.assert_array_equal(one.learned["stiffness"], other.learned["stiffness"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"energy": "sprong"}, "energy = 'sprong' is not known; did you mean 'spring'"),
        ({"energy": 3}, "energy = 3 must be an element"),
        ({"energy": []}, r"energy = \[\] must be an element"),
        ({"rule": "coupled_lerning"}, "did you mean 'coupled_learning'"),
        ({"learn": 3}, "learn = 3 must be an ml.Learn"),
        ({"learn": {"stiffness": (1, 2)}}, r"learn: stiffness = \(1, 2\) must be an ml.Learn"),
        ({"learn": "stifness"}, "has no parameter 'stifness'"),
        ({"optimiser": "adom"}, "'adom' is not known; did you mean 'adam'"),
        ({"optimiser": 3}, "train.optimiser = 3 must be an optimiser"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(net, task, given, message):
    with pytest.raises(ml.InputError, match=message):
        ml.train(net, task, steps=1, **given)


class Softsign(ml.Rule):
    name = "softsign_of_tests"
    phases = PHASES

    def __init__(self, scale: float = 1.0, wide: bool = False, at: np.ndarray | None = None):
        self.at = at
        self.scale, self._wide = scale, wide

    def signal(self, derivatives):
        contrast = (derivatives[1] - derivatives[0]) / self.scale
        return contrast / (1 + abs(contrast))


class Forgetful(Softsign):
    def __init__(self, scale: float = 1.0):
        self.factor = 1 / scale


def test_a_task_file_of_registered_names_says_where_they_come_from(net, task, own_extensions):
    ml.register(Softsign)
    setup = ml.train(net, task, rule=Softsign(), steps=0).setup
    assert setup.model_copy(update={"plugins": {}}).origins() == setup.plugins != {}


def test_arguments_of_classes_of_users_have_the_types_they_say(net, task, own_extensions):
    ml.register(Softsign)
    given = {"name": "softsign_of_tests", "scale": "wide"}
    with pytest.raises(ml.InputError, match="rule: scale = 'wide': it should be a valid number"):
        ml.train(net, task, rule=given, steps=0)
    given["scale"] = 2
    with pytest.raises(ml.InputError, match="rule: wide = 'no': it should be a valid boolean"):
        ml.train(net, task, rule={**given, "wide": "no"}, steps=0)
    rule = ml.train(net, task, rule={**given, "wide": False, "at": [1]}, steps=0).setup.procedure
    assert repr(rule) == "Softsign(scale=2.0, wide=False, at=[1])"


def test_a_rule_that_does_not_keep_its_arguments_is_refused(net, task):
    with pytest.raises(ml.InputError, match="must keep its argument scale as an attribute"):
        ml.train(net, task, rule=Forgetful(2.0), steps=0)


def test_a_lambda_has_no_name_to_register():
    with pytest.raises(ml.InputError, match="a lambda has no name"):
        ml.register(lambda run, path: None)


def test_a_task_before_its_network_is_refused_in_a_sentence(net, task):
    with pytest.raises(ml.InputError, match=r"network = Task: it should be an instance of Network"):
        ml.train(task, net)
