"""Curves as targets: points between theirs, files, units of the untrained network."""

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.errors import InputError
from mechlearn.runs.taskfile import read_setup
from mechlearn.runs.training import begin
from mechlearn.tasks.data import read_examples, write_examples

STEPS = [[0.0, 0.0], [0.2, 0.5], [1.0, 1.0]]
TOGGLE = """
[network]
points = [[0.0, 0.0], [4.0, 3.0], [8.0, 0.0]]
edges = [[0, 1], [1, 2]]
[energy]
model = "finite_spring"
[learn.stiffness]
bounds = [1.0, 100.0]
initial = 9.0
[[supports]]
nodes = [0, 2]
[[sources]]
name = "push"
nodes = [1]
components = ["y"]
displacement = [-5.0]
[[targets]]
name = "force"
source = "push"
"""


def written(tmp_path, lines, train=""):
    place = tmp_path / "task.toml"
    place.write_text(TOGGLE + lines + train, encoding="utf-8")
    return place


def test_points_lie_on_straight_lines_between_those_of_a_curve(tmp_path):
    (tmp_path / "wanted.csv").write_text("u,F\n0,0\n-1,-4\n\n-5,4\n", encoding="utf-8")
    task = read_setup(written(tmp_path, 'curve = "wanted.csv"\npoints = 6\n')).task
    found = [(e["push"][0], e["force"][0]) for e in task.examples]
    np.testing.assert_allclose(found, [(0, 0), (-1, -4), (-2, -2), (-3, 0), (-4, 2), (-5, 4)])
    assert [e.get("after") for e in task.examples] == [None, *["previous"] * 5]


def test_a_curve_in_units_of_the_untrained_network(tmp_path):
    """The largest force of two bars, 2 k (1 - L0/L) y: see closed form in test_path."""
    lines = f"curve = {STEPS}\npoints = 11\nof_untrained = 0.5\n"
    problem = begin(read_setup(written(tmp_path, lines))).learner.problem
    u = np.linspace(0, 5, 41)
    y = 3 - u
    force = -2 * 9 * y * (1 - 5 / np.hypot(4, y))
    largest = force[np.abs(force).argmax()]
    wanted = 0.5 * -largest * np.interp(u[::4] / 5, *np.array(STEPS).T)
    np.testing.assert_allclose(problem.values[:, problem.sources[0]], -u[::4])
    np.testing.assert_allclose(problem.wanted[:, 0], wanted, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(problem.scale, 0.5 * abs(largest))
    # The task of a run has the values themselves, and needs no untrained network.
    [target] = problem.task.targets
    assert target.of_untrained is None
    assert [e["force"] for e in problem.task.examples] == problem.wanted.tolist()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('curve = "none.csv"', "none.csv cannot be read as a curve"),
        ('curve = "three.csv"', "line 2 has 3 columns; a curve has two"),
        ('curve = "."', "is no file"),
        ("curve = [[0, 0], [-1, -1], [0, 0]]\npoints = 5", "in their order"),
        ("curve = [[0, 0]]\npoints = 5", "two values or more"),
        ("curve = [[0, 0], [1, 1]]\nof_untrained = 0.0", "of_untrained"),
        ("curve = []", r"targets\[1\]\.curve = \[\]: .*at least 1 item"),
        ('curve = "head.csv"', "it has no line of two numbers"),
        ("curve = [[0, 0], [-1, 1], [-1, 2]]", "two points, one after the other, at -1"),
        ("curve = [[0, 0], [-1, 1]]\npeak = 2.0", "a target with a curve has no peak"),
    ],
)
def test_curves_that_make_no_sense_are_refused(tmp_path, lines, said):
    (tmp_path / "head.csv").write_text("u,F\n", encoding="utf-8")
    (tmp_path / "three.csv").write_text("0,0\n1,2,3\n", encoding="utf-8")
    with pytest.raises(InputError, match=said):
        assert read_setup(written(tmp_path, lines + "\n")).task


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"after": "next"}, "or 'free' or 'previous'"),
        ({"after": 1.0}, 'after = 1.0 must be "previous"'),
        ({"aftr": "previous"}, "names 'aftr', which is no source or target"),
        ({"push": "previous"}, 'push = "previous" is no value'),
    ],
)
def test_sequences_that_make_no_sense_are_refused(second, said):
    source = {"name": "push", "nodes": 1, "components": ["y"], "displacement": [1.0]}
    target = {"source": "push", "force": [1.0]}
    with pytest.raises(InputError, match=said):
        ml.Task(sources=[source], targets=[target], examples=[{}, second])
    with pytest.raises(InputError, match="example 1 is the first, and comes after none"):
        ml.Task(sources=[source], targets=[target], examples=[{"after": "previous"}])


def test_what_is_nothing_before_training_is_no_unit():
    bars = ml.Network([[0, 0], [4, 0], [8, 0]], [[0, 1], [1, 2]])
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 2])],
        sources=[ml.Source(name="push", nodes=1, components=["x"], displacement=[0.1])],
        targets=[ml.Target(nodes=1, components=["y"], force=[1.0], of_untrained=1.0)],
    )
    with pytest.raises(InputError, match="reads 0 before training"):
        ml.System(bars, task, ml.FiniteSpring())


def test_batches_do_not_mix_examples_that_follow_one_another(tmp_path):
    place = written(tmp_path, "curve = [[-1, -4], [-2, -5]]\n", "[train]\nbatch = 1\n")
    with pytest.raises(InputError, match="batch = 1 takes examples in random order"):
        begin(read_setup(place))


def test_examples_of_a_table_may_follow_one_another(tmp_path):
    examples = [{"push": [-1.0], "force": [-4.0]},
                {"push": [-2.0], "force": [-5.0], "after": "previous"}]  # fmt: skip
    write_examples(tmp_path / "moves.csv", examples)
    assert read_examples(tmp_path / "moves.csv") == examples
