"""Arguments of wrong types, in Python: a sentence that says which."""

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.runs.config import Setup
from mechlearn.studies.sweep import sweep

NET = ml.networks.triangular(size=[4, 4])
TASK = ml.Task(
    sources=[ml.Source(nodes=[0, 1], strain=0.1)], targets=[ml.Target(nodes=[9, 10], strain=0.02)]
)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"network": 3}, "network = 3: it should be an instance of Network"),
        ({"network": None}, "network = None: it should be an instance of Network"),
        ({"task": "x"}, "task = 'x': it should be .*instance of Task"),
        ({"start": "x"}, "start = 'x': it should be an instance of Run"),
        ({"watch": 3}, "watch = 3: it should be callable"),
        ({"comm": "x"}, "comm = 'x': it should be an instance of Comm"),
        ({"material": [1]}, r"material = \[1\]: it should be a valid dictionary"),
        ({"imperfections": 3}, "imperfections = 3: it should be .*instance of Imperfections"),
        ({"title": 3}, "title = 3: it should be a valid string"),
        ({"steps": "x"}, "steps = 'x': it should be a valid integer"),
        ({"keep": "x"}, "keep = 'x': it should be 'best' or 'last'"),
    ],
    ids=str,
)
def test_arguments_of_train(given, message):
    with pytest.raises(ml.InputError, match=f"^train: {message}"):
        ml.train(**{"network": NET, "task": TASK, **given})


@pytest.mark.parametrize("call", [ml.System, ml.feasible, ml.rigidity, ml.compare])
def test_arguments_that_are_no_network_or_set_up(call):
    name = "setup" if call is ml.compare else "network"
    with pytest.raises(ml.InputError, match=f"{name} = 3: it should be .*instance of"):
        call(*[3, TASK][: 2 if call in (ml.System, ml.feasible) else 1])


def test_a_name_that_is_no_argument_is_an_error_of_python():
    with pytest.raises(TypeError, match=r"^train\(\) got an unexpected .*mean 'optimiser'"):
        ml.train(NET, TASK, optimizer="adam")


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (ml.CoupledLearning, {"eta": "x"}, "eta = 'x': it should be a valid number"),
        (ml.CoupledLearning, {"dead_zone": np.inf}, "dead_zone = inf: it should be a finite"),
        (ml.CoupledLearning, {"colour": 1}, "colour is not a known key; known are variant"),
        (ml.EquilibriumPropagation, {"variant": 3}, "variant = 3: it should be 'positive'"),
        (ml.GreedyPruning, {"restore": "x"}, "restore = 'x': it should be a valid boolean"),
        (ml.CrossEntropy, {"temperature": np.inf}, "temperature = inf: it should be a finite"),
        (ml.Adam, {"betas": ("a", 0.5)}, r"betas\[1\] = 'a': it should be a valid number"),
        (ml.Momentum, {"momentum": None}, "momentum = None: it should be a valid number"),
    ],
    ids=str,
)
def test_fields_of_rules_costs_and_optimisers(kind, fields, message):
    with pytest.raises(ml.InputError, match=f"^{kind.__name__}: {message}"):
        kind(**fields)


@pytest.mark.parametrize("kind", [ml.Learn, ml.Source, ml.Task, ml.CoupledLearning, ml.Plain])
def test_values_without_their_keys(kind):
    with pytest.raises(
        ml.InputError, match=rf"{kind.__name__}: \(1, 2\) is given without the name"
    ):
        kind((1, 2))


@pytest.mark.parametrize("examples", [[7], [-1], [0.5], "x"])
def test_examples_of_a_device(examples):
    device = ml.Device(NET, TASK, energy="spring", bounds=(0.1, 10.0))
    with pytest.raises(ml.InputError, match=r"device: examples = .* must be numbers from 0 to 0"):
        device.outputs({"stiffness": np.ones(NET.n_edges)}, examples=examples)
    with pytest.raises(ml.InputError, match="Device: task = 3"):
        ml.Device(NET, 3, bounds=(0.1, 10.0))


def test_paths_of_a_sweep_may_be_texts(tmp_path, inline):
    setup = Setup(
        network={"generator": "triangular", "size": [4, 4]},
        learn={"stiffness": {}},
        sources=TASK.sources,
        targets=TASK.targets,
        train={"steps": 1},
    )
    rows = sweep(setup, str(tmp_path / "out"), {"train.seed": [0]})
    assert rows[0]["trouble"] == ""
    with pytest.raises(ml.InputError, match=r"^sweep: vary = 3: it should be a valid dictionary"):
        sweep(setup, tmp_path, 3)
