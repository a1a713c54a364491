"""Data sets as tasks: examples, batches, files; classification as published."""

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.errors import InputError
from mechlearn.runs.taskfile import read_setup
from mechlearn.tasks import data

NAMES, CLASSES = ["a", "b"], ["yes", "no"]


def points(n=40, seed=0):
    """Two classes that a linear network can tell apart."""
    x = np.random.default_rng(seed).uniform(-1, 1, (n, 2))
    return data.classification(x, np.where(x[:, 0] + x[:, 1] > 0, 0, 1), CLASSES)


def task(examples, cost=None):
    return ml.Task(
        supports=[ml.Support(nodes=[0, 1])],
        sources=[ml.Source(name=n, nodes=[20 + k], voltage=0.0) for k, n in enumerate(NAMES)],
        targets=[ml.Target(name=c, nodes=[30 + k], voltage=0.0) for k, c in enumerate(CLASSES)],
        examples=examples,
        cost=cost or ml.CrossEntropy(of="softmax", temperature=0.1),
    )


def test_splits_have_every_row_once():
    whole = points()
    train, test = whole.split(0.25, seed=3)
    assert (len(train), len(test)) == (30, 10)
    rows = np.vstack([train.inputs, test.inputs])
    assert np.sort(rows, axis=0).tolist() == np.sort(whole.inputs, axis=0).tolist()
    assert whole.split(0.25, seed=3)[0].inputs.tolist() == train.inputs.tolist()


def test_accuracy_and_confusion():
    wanted = np.eye(3)[[0, 0, 1, 2]]
    outputs = np.eye(3)[[0, 1, 1, 2]]
    assert data.accuracy(outputs, wanted) == 0.75
    assert data.confusion(outputs, wanted).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_inputs_are_scaled_like_those_trained_on():
    train = data.DataSet([[1.0, -4.0], [2.0, 2.0]], [[1.0], [0.0]])
    test = data.DataSet([[4.0, 4.0]], [[1.0]])
    assert train.scaled(0.5).inputs.tolist() == [[0.25, -0.5], [0.5, 0.25]]
    assert test.scaled(0.5, like=train).inputs.tolist() == [[1.0, 0.5]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: data.DataSet([[1.0]], [[1.0], [2.0]]), "1 rows of inputs, 2 of wanted"),
        (lambda: data.DataSet([[np.nan]], [[1.0]]), "finite numbers"),
        (lambda: data.DataSet([["x"]], [[1.0]]), "must be numbers"),
        (lambda: points().split(0.001), "leaves one empty"),
        (lambda: points().examples(["a"], CLASSES), "1 sources for 2 columns"),
        (lambda: data.load("irish"), "'irish' is not known"),
    ],
)
def test_bad_data_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize("batch", [None, 7])
def test_a_resistor_network_classifies(plane, batch):
    """In batches or all at once; the accuracy reported is that of the responses."""
    train, test = points(60).split(0.5)
    run = ml.train(
        plane,
        task(train.examples(NAMES, CLASSES)),
        energy=ml.Resistor(),
        rule=ml.GradientDescent(),
        batch=batch,
        steps=60,
    )
    reached = run.respond(train.examples(NAMES, CLASSES))
    assert run.summary["accuracy"] == data.accuracy(reached, train.wanted)
    before = run.history.cost.values[0]
    assert run.history.cost.values[-1] < 0.5 * before
    assert data.accuracy(run.respond(test.examples(NAMES, CLASSES)), test.wanted) > 0.8


def test_one_batch_of_all_is_no_batch(plane):
    examples = points(12).examples(NAMES, CLASSES)
    options = {"energy": ml.Resistor(), "rule": ml.GradientDescent(), "steps": 5}
    whole = ml.train(plane, task(examples), **options)
    batch = ml.train(plane, task(examples), batch=12, **options)
    assert batch.learned["conductance"] == pytest.approx(whole.learned["conductance"], rel=1e-12)


def test_batches_of_finite_springs(plane):
    """States of nonlinear elements are remembered example by example."""
    examples = [{"in": 0.02 * k, "out": 0.01 * k} for k in (-3, -2, 2, 3)]
    springs = ml.Task(
        sources=[ml.Source(name="in", nodes=[0, 7], strain=0.0)],
        targets=[ml.Target(name="out", nodes=[3, 12], strain=0.0, scale=0.05)],
        examples=examples,
    )
    run = ml.train(
        plane, springs, energy=ml.FiniteSpring(), batch=2, steps=60, tolerance=2e-2, rate=0.05
    )
    assert run.history.error.values[-1] < 0.3 * run.history.error.values[0]
    assert not run.summary["warnings"]


TOML = """
examples = "{examples}"
[network]
generator = "triangular"
size = [5, 5]
[learn.stiffness]
bounds = [0.1, 10.0]
[[supports]]
nodes = [0, 4]
[[sources]]
name = "push"
nodes = [12]
force = [0.0, -0.1]
[[targets]]
name = "out"
nodes = [3, 17]
strain = 0.01
[train]
steps = 2
"""


def test_examples_come_from_a_csv_file_and_go_into_one(tmp_path):
    (tmp_path / "examples.csv").write_text(
        "push[1],push[2],out\n0.1,-0.2,0.02\n0.1,0,\n0,0.1,free\n" + "0.01,0.02,0.003\n" * 60
    )
    (tmp_path / "task.toml").write_text(TOML.format(examples="examples.csv"))
    setup = read_setup(tmp_path / "task.toml")
    assert setup.examples[:3] == [
        {"push": [0.1, -0.2], "out": 0.02},
        {"push": [0.1, 0.0]},
        {"push": [0.0, 0.1], "out": "free"},
    ]
    run = ml.train_file(tmp_path / "task.toml")
    folder = run.save(tmp_path / "run")
    assert 'examples = "examples.csv"' in (folder / "task.toml").read_text()
    again = ml.Run.load(folder)
    assert again.setup.examples == setup.examples
    assert again.evaluate()[5]["reached"] == pytest.approx(run.targets[5]["reached"], rel=1e-9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("push[1],push[2],out\n", "holds no examples"),
        ("push[1],push[2],out\n1,2\n", "line 2: 2 values in 3 columns"),
        ("push[1],push[2],out\n1,2,x\n", "line 2: out = 'x' is no finite number"),
        ("push[1],push[2],aut\n1,2,3\n", "example 1 names 'aut'"),
        ("push[1],push[2],out,out\n1,2,3,4\n", "named twice"),
        ("push[1],out\n1,2\n", "'push' needs 2 numbers, not 1"),
        ("push[1],push[3],out\n1,2,3\n", r"line 2: push needs columns push\[1\], push\[2\]"),
        ("push,push[1],out\n1,2,3\n", r"line 2: push needs columns"),
    ],
)
def test_bad_example_files_are_refused(tmp_path, text, message):
    (tmp_path / "examples.csv").write_text(text)
    (tmp_path / "task.toml").write_text(TOML.format(examples="examples.csv"))
    with pytest.raises(InputError, match=message):
        ml.train_file(tmp_path / "task.toml")


def test_missing_example_file(tmp_path):
    (tmp_path / "task.toml").write_text(TOML.format(examples="none.csv"))
    with pytest.raises(InputError, match=r"none.csv cannot be read: No such file"):
        ml.train_file(tmp_path / "task.toml")
