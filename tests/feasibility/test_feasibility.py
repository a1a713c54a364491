"""Feasibility: closed forms, and what check says."""

import numpy as np
import pytest
from paths import TASKS

import mechlearn as ml
from mechlearn.cli import main
from mechlearn.errors import InputError
from mechlearn.feasibility import reciprocity_bound


def test_nearest_passive_reciprocal_response():
    bound, nearest = reciprocity_bound([[2.0, 1.0], [0.0, 2.0]])
    assert bound == pytest.approx(np.sqrt(0.5))
    assert nearest == pytest.approx(np.array([[2.0, 0.5], [0.5, 2.0]]))
    bound, nearest = reciprocity_bound([[-1.0, 0.0], [0.0, 3.0]])
    assert (bound, nearest[0, 0], nearest[1, 1]) == pytest.approx((1.0, 0.0, 3.0))
    # Nothing symmetric and positive is nearer.
    rng = np.random.default_rng(0)
    wanted = rng.standard_normal((4, 4))
    bound, nearest = reciprocity_bound(wanted)
    for _ in range(50):
        move = rng.standard_normal((4, 4)) * 10 ** rng.uniform(-4, 0)
        value, vector = np.linalg.eigh(nearest + move + move.T)
        other = vector * np.maximum(value, 0) @ vector.T
        assert np.linalg.norm(wanted - other) >= bound - 1e-12
    with pytest.raises(InputError, match="square"):
        reciprocity_bound([1.0, 2.0])


def two_port(wanted):
    """Currents into two nodes against ground, whose voltages are read at the same two."""
    (a, b), (c, d) = wanted
    return ml.Task(
        supports=[ml.Support(nodes=[0])],
        sources=[
            ml.Source(name="in 1", nodes=[5], current=[1.0]),
            ml.Source(name="in 2", nodes=[9], current=[1.0]),
        ],
        targets=[
            ml.Target(name="v 1", nodes=[5, 0], voltage=1.0),
            ml.Target(name="v 2", nodes=[9, 0], voltage=1.0),
        ],
        examples=[{"in 2": [0.0], "v 1": a, "v 2": c}, {"in 1": [0.0], "v 1": b, "v 2": d}],
    )


@pytest.mark.parametrize(
    ("wanted", "square"),
    [
        (((1.0, 0.5), (0.1, 1.2)), 2 * 0.2**2),  # antisymmetric part 0.2
        (((1.0, 0.3), (0.3, 1.2)), 0.0),
        (((-0.5, 0.0), (0.0, 1.0)), 0.25),  # a place that gives way against its own current
    ],
)
def test_reciprocal_two_port(plane, wanted, square):
    learn = ml.Learn(bounds=(1e-3, 1e3), initial=1.0)
    found = ml.feasible(plane, two_port(wanted), energy=ml.Resistor(), learn=learn)
    if square == 0.0:
        assert found.lower_bounds == []
        assert found.feasible is True
        return
    (bound,) = found.lower_bounds
    assert bound.reason == "reciprocity"
    assert bound.relative == pytest.approx(np.sqrt(square) / np.linalg.norm(wanted), rel=1e-6)
    assert bound.cost == pytest.approx(square / 4, rel=1e-6)
    assert found.feasible is False
    assert found.search.cost >= bound.cost * (1 - 1e-6)
    (warning,) = found.warnings  # wider bounds are no remedy
    assert "same both ways" in warning
    without = ml.feasible(plane, two_port(wanted), energy=ml.Resistor(), learn=learn, starts=0)
    assert (without.feasible, without.search) == (False, None)


def test_linear_networks_answer_in_proportion(plane):
    """Double the pull and ask for the same: the best common ratio is that of least squares."""
    task = ml.Task(
        sources=[ml.Source(name="in", nodes=[0, 7], strain=0.1)],
        targets=[ml.Target(name="out", nodes=[3, 12], strain=0.05)],
        examples=[{}, {"in": 0.2}],
    )
    (bound,) = ml.feasible(plane, task, starts=0).lower_bounds
    # Answers s and 2 s against 0.05 and 0.05: s = 0.03.
    assert bound.best[:, 0] == pytest.approx([0.03, 0.06])
    assert bound.relative == pytest.approx(np.sqrt(0.02**2 + 0.01**2) / (0.05 * np.sqrt(2)))
    finite = ml.feasible(plane, task, energy=ml.FiniteSpring(), starts=0)
    assert (finite.lower_bounds, finite.answers) == ([], 2)
    rest = {"rest_length": ml.Learn(bounds=(0.5, 1.5), relative=True)}
    with pytest.raises(ml.InputError, match="does not depend on rest_length: learn stiffness"):
        ml.feasible(plane, task, learn=rest, starts=0)
    held = ml.Task(
        sources=task.sources,
        targets=[task.targets[0].model_copy(update={"baseline": "reference"})],
        examples=task.examples,
    )
    assert ml.feasible(plane, held, learn=rest, starts=0).lower_bounds == []


def test_counting(plane):
    """Two springs in series: one ratio to learn, two answers wanted."""
    chain = ml.Network([[0, 0], [1, 0], [2, 0]], [[0, 1], [1, 2]])
    task = ml.Task(
        supports=[
            ml.Support(nodes=[0, 1, 2], components=["y"]),
            ml.Support(nodes=[0], components=["x"]),
        ],
        sources=[ml.Source(name="in", nodes=[2], components=["x"], displacement=[1.0])],
        targets=[ml.Target(name="mid", nodes=[1], components=["x"], displacement=[0.7]),
                 ml.Target(name="left", nodes=[0, 1], strain=0.2)],
    )  # fmt: skip
    found = ml.feasible(chain, task, tolerance=1e-3)
    assert (found.answers, found.search.rank, found.feasible) == (2, 1, False)
    assert "in 1 direction" in found.warnings[0]
    # Both outputs are the same number u wanted at 0.7 and 0.2.
    assert found.search.outputs[0] == pytest.approx([0.45, 0.45], abs=1e-6)
    frozen = ml.Learn(bounds=(0.1, 10), initial=1.0, frozen=[0])
    assert "free frozen bonds" in ml.feasible(chain, task, learn=frozen, starts=0).warnings[0]
    with pytest.raises(InputError, match="nothing learns"):
        ml.feasible(plane, ALLOSTERY, learn=ml.Learn(frozen=list(range(plane.n_edges))))


ALLOSTERY = ml.Task(
    sources=[ml.Source(name="in", nodes=[0, 7], strain=0.1)],
    targets=[ml.Target(name="a", nodes=[3, 12], strain=0.04)],
)


@pytest.mark.parametrize("which", ["plane", "space", "torus"])
@pytest.mark.parametrize("energy", [ml.Spring(), ml.FiniteSpring()])
def test_allostery_is_within_reach(request, which, energy):
    net = request.getfixturevalue(which)
    found = ml.feasible(net, ALLOSTERY, energy=energy)
    assert found.feasible is True
    assert "within reach" in str(found)


def test_matches_and_classes(plane):
    task = ml.Task(
        sources=ALLOSTERY.sources,
        targets=[ml.Target(name="a", nodes=[3, 12], strain=0.04),
                 ml.Target(name="b", nodes=[5, 20], match="a")],
    )  # fmt: skip
    assert ml.feasible(plane, task, tolerance=1e-8).feasible is True
    from mechlearn.tasks.costs import CrossEntropy

    classes = ml.Task(
        supports=[ml.Support(nodes=[0])],
        sources=[ml.Source(name="in", nodes=[5], voltage=[1.0])],
        targets=[
            ml.Target(name="a", nodes=[9], voltage=[1.0]),
            ml.Target(name="b", nodes=[12], voltage=[0.0]),
        ],
        cost=CrossEntropy(),
    )  # fmt: skip
    found = ml.feasible(plane, classes, energy=ml.Resistor(), tolerance=0.1)
    assert found.feasible is True
    assert np.isnan(found.search.relative)


def test_time_is_kept(plane):
    found = ml.feasible(plane, ALLOSTERY, tolerance=1e-300, seconds=0.05, starts=1000)
    assert found.feasible is None
    assert "ran out of time" in found.warnings[0]


def test_check_says_what_is_out_of_reach(tmp_path, capsys):
    text = (TASKS / "li-mao.toml").read_text().replace("../meshes", str(TASKS.parent / "meshes"))
    path = tmp_path / "task.toml"
    for wanted, options, code, words in (
        ("-0.8e-3", [], 0, ["2 independent answers are wanted; 28 parameters learn"]),
        ("-0.8e-3", ["--feasible"], 1, ["target error; cost", "widen bounds"]),
        ("-0.6e-3", ["--feasible"], 0, ["within reach"]),
    ):
        path.write_text(text.replace("[-0.6e-3]", f"[{wanted}]"))
        with pytest.raises(SystemExit) as stop:
            main(["check", str(path), *options])
        assert stop.value.code == code
        out = capsys.readouterr().out
        assert all(word in out for word in words)


def test_broken_bonds_do_not_learn(tmp_path, capsys):
    """Without the two bonds of a corner that hold it, what is left has nothing to answer with."""
    text = """
    [network]
    points = [[0, 0], [1, 0], [2, 0]]
    edges = [[0, 1], [1, 2], [0, 2]]
    [energy]
    model = "resistor"
    [learn.conductance]
    bounds = [0.1, 10.0]
    initial = 1.0
    [[supports]]
    nodes = [0]
    [[sources]]
    nodes = [1]
    current = [1.0]
    [[targets]]
    nodes = [2]
    voltage = [0.5]
    [imperfections]
    broken = [BROKEN]
    """
    path = tmp_path / "task.toml"
    for broken, code, words in (("", 0, "3 parameters learn"), ("1", 1, "2 parameters learn")):
        path.write_text(text.replace("BROKEN", broken))
        with pytest.raises(SystemExit) as stop:
            main(["check", str(path), "--feasible"])
        assert stop.value.code == code
        assert words in capsys.readouterr().out


def cell_task():
    """Twice the strain, twice the stress: as linear as can be."""
    return ml.Task(
        sources=[ml.Source(name="exx", cell="xx", strain=0.01)],
        targets=[ml.Target(name="sxx", cell="xx", stress=0.01)],
        examples=[{"exx": 0.01, "sxx": 0.012}, {"exx": 0.02, "sxx": 0.024}],
    )


def test_no_lower_bound_where_a_cell_is_strained_and_its_stress_read():
    net = ml.networks.triangular(size=[4, 4], disorder=0.2, periodic=True)
    found = ml.feasible(net, cell_task())
    assert found.lower_bounds == []
    assert found.answers == 1
    assert found.warnings == []
    assert found.feasible is True
    assert ml.train(net, cell_task(), learn=ml.Learn(bounds=(0.05, 5.0), initial=1.0)).converged
    # Stress out of proportion is a bound there, too: s and 2 s against 0.012 and 0.036.
    bent = ml.Task(
        sources=cell_task().sources,
        targets=cell_task().targets,
        examples=[{"exx": 0.01, "sxx": 0.012}, {"exx": 0.02, "sxx": 0.036}],
    )
    (bound,) = ml.feasible(net, bent, starts=0).lower_bounds
    assert bound.best[:, 0] == pytest.approx([0.0168, 0.0336])


def test_check_ends_with_1_where_a_lower_bound_is_proved(tmp_path, capsys):
    """Without a search: double the pull and ask for the same."""
    path = tmp_path / "task.toml"
    path.write_text("""
    [network]
    generator = "triangular"
    size = [4, 4]
    [learn.stiffness]
    bounds = [0.1, 10.0]
    [[sources]]
    name = "in"
    nodes = [0, 3]
    strain = 0.1
    [[targets]]
    name = "out"
    nodes = [12, 15]
    strain = 0.05
    [[examples]]
    in = 0.1
    [[examples]]
    in = 0.2
    """)
    with pytest.raises(SystemExit) as stop:
        main(["check", str(path)])
    assert stop.value.code == 1
    # Answers s and 2 s, s = 0.03: misses of 0.02 and 0.01 where 0.05 is wanted.
    said = capsys.readouterr().out
    least = np.hypot(0.02, 0.01) / np.hypot(0.05, 0.05)
    assert f"The largest relative target error is at least {least:.3g}" in said
    assert "widen" not in said
