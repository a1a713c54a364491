"""Several tasks on one network: from where another run ended, in sequence, at once, with damage."""

from dataclasses import replace

import numpy as np
import pytest
from reference import pair_row, solve_linear

import mechlearn as ml
from mechlearn.runs.taskfile import read_setup, to_toml
from mechlearn.tasks.formulate import pose

A = ml.Task(
    sources=[ml.Source(nodes=[0, 7], strain=0.1)],
    targets=[ml.Target(nodes=[20, 25], strain=0.08, baseline="reference")],
)
B = ml.Task(
    sources=[ml.Source(nodes=[2, 9], strain=0.1)],
    targets=[ml.Target(nodes=[31, 38], strain=-0.05), ml.Target(nodes=[5, 30], strain=0.02)],
)


@pytest.fixture(scope="module")
def learned(request):
    return ml.train(request.getfixturevalue("plane"), A, steps=200)


def test_a_training_starts_where_another_ended(plane, learned):
    run = ml.train(plane, B, start=learned, steps=0)
    assert run.initial["stiffness"] == pytest.approx(learned.learned["stiffness"], rel=1e-15)
    assert run.setup.rule == learned.setup.rule
    assert run.system(A).error == pytest.approx(learned.summary["error"], rel=1e-9)


def test_in_two_halves_with_the_optimiser_kept_it_is_the_training_in_one_go(plane):
    options = {"rule": ml.CoupledLearning(), "tolerance": 1e-12}
    whole = ml.train(plane, A, steps=8, **options)
    half = ml.train(plane, A, steps=4, **options)
    kept = ml.train(plane, A, start=half, keep_optimiser=True, steps=4, **options)
    anew = ml.train(plane, A, start=half, steps=4, **options)
    assert kept.learned["stiffness"] == pytest.approx(whole.learned["stiffness"], rel=1e-12)
    assert np.abs(anew.learned["stiffness"] / whole.learned["stiffness"] - 1).max() > 1e-3


def test_a_run_read_from_a_folder_remembers_no_optimiser(plane, learned, tmp_path):
    learned.save(tmp_path / "run")
    again = ml.Run.load(tmp_path / "run")
    with pytest.raises(ml.InputError, match="nothing is remembered of stiffness"):
        ml.train(plane, A, start=again, keep_optimiser=True)


def test_what_learned_before_and_no_longer_learns_is_kept(plane):
    rest = ml.train(plane, A, learn={"rest_length": ml.Learn(spread=0.02)}, steps=0)
    run = ml.train(plane, B, start=rest, learn=ml.Learn(bounds=(0.1, 10), initial=1.0), steps=0)
    assert run.parameters["rest_length"] == pytest.approx(rest.learned["rest_length"])


@pytest.mark.parametrize("scale", ["sigmoid", "softplus", "log"])
def test_what_has_come_to_a_bound_that_its_scale_never_reaches_begins_just_inside(
    plane, learned, scale
):
    """As when rounding took it there; and what is outside the bounds is refused all the same."""
    ends = np.resize([0.5, 1.0, 1.5, 2.0], plane.n_edges)
    saturated = replace(learned, learned={"stiffness": ends})
    learn = ml.Learn(bounds=(0.5, 2.0), scale=scale)
    run = ml.train(plane, A, start=saturated, learn=learn, steps=2)
    begun = run.initial["stiffness"]
    assert begun == pytest.approx(ends, abs=2e-6)
    assert (begun[0] > 0.5) == (scale != "log")
    assert (begun[3] < 2.0) == (scale == "sigmoid")
    with pytest.raises(ml.InputError, match="outside the bounds"):
        ml.train(plane, A, start=saturated, learn=ml.Learn(bounds=(0.6, 2.0), scale=scale))


def test_relative_values_are_taken_over(plane):
    relative = {"rest_length": ml.Learn(bounds=(0.5, 2), initial=1.0, relative=True, spread=0.05)}
    first = ml.train(plane, A, learn=relative, steps=0)
    then = ml.train(plane, A, start=first, steps=0)
    assert then.learned["rest_length"] == pytest.approx(first.learned["rest_length"], rel=1e-14)


def test_other_networks_and_other_elements_are_refused(plane, torus, learned):
    with pytest.raises(ml.InputError, match="another network"):
        ml.train(torus, A, start=learned)
    with pytest.raises(ml.InputError, match="which a beam does not have"):
        ml.train(plane, A, start=learned, energy=ml.Beam(), learn={"width": ml.Learn()})


def test_a_task_file_names_its_start(plane, learned, tmp_path):
    learned.save(tmp_path / "first")
    file = tmp_path / "second.toml"
    file.write_text('start = "first"\n' + to_toml(learned.setup))
    (tmp_path / "network.vtu").write_bytes((tmp_path / "first" / "network.vtu").read_bytes())
    run = ml.train_file(file)
    assert run.summary["steps"] == 0
    assert run.setup.start is None
    assert run.learned["stiffness"] == pytest.approx(learned.learned["stiffness"])
    run.save(tmp_path / "again")
    assert read_setup(tmp_path / "again" / "task.toml") == run.setup
    file.write_text('start = "frist"\n' + to_toml(learned.setup))
    with pytest.raises(ml.InputError, match="frist is no finished run"):
        ml.train_file(file)


def test_a_sequence_is_trainings_one_after_the_other(plane):
    """Each stage is the training from the last run; the table is what every run says of every
    task."""
    options = {"steps": 60, "tolerance": 1e-2}
    found = ml.sequence(plane, [("A", A), ("B", B), ("A", A, {"steps": 3})], **options)
    first = ml.train(plane, A, **options)
    second = ml.train(plane, B, start=first, **options)
    assert found.runs[1].learned["stiffness"] == pytest.approx(second.learned["stiffness"])
    assert found.runs[2].summary["steps"] <= 3
    assert found.error.dims == ("stage", "task")
    assert list(found.error["stage"].values) == ["start", "A", "B", "A"]
    assert float(found.error[1, 0]) == pytest.approx(first.summary["error"], rel=1e-9)
    assert float(found.error[0, 0]) == pytest.approx(float(first.history["error"][0]), rel=1e-9)
    for row, run in enumerate(found.runs, 1):
        for column, task in enumerate((A, B)):
            assert float(found.error[row, column]) == pytest.approx(run.system(task).error)
    assert "error B" in repr(found)
    assert len(repr(found).splitlines()) == 2 + 4


def test_a_sequence_is_saved(plane, tmp_path):
    found = ml.sequence(plane, [("A", A), ("a/b", B)], steps=1)
    found.save(tmp_path / "all")
    assert ml.Run.load(tmp_path / "all" / "02-a-b").targets == found.runs[1].targets
    assert (tmp_path / "all" / "stages.csv").read_text().startswith("stage,error A,error a/b")


def test_tasks_together_are_each_what_they_are_alone(plane, stiffnesses):
    both = ml.together(A=A, B=B)
    problem = pose(both, plane)
    assert problem.n_examples == 2
    assert problem.active.tolist() == [[True, False, False], [False, True, True]]
    run = ml.train(plane, both, steps=0)
    assert run.system(both).outputs[0, 0] == pytest.approx(run.system(A).outputs[0, 0])
    assert run.system(both).outputs[1, 1:] == pytest.approx(run.system(B).outputs[0])


def test_tasks_with_the_same_places_share_them():
    other = ml.Task(
        sources=[ml.Source(nodes=[0, 7], strain=-0.2)],
        targets=[ml.Target(nodes=[20, 25], strain=0.3, baseline="reference")],
    )
    both = ml.together(soft=A, hard=other)
    assert [t.name for t in (*both.sources, *both.targets)] == ["soft.source", "soft.target"]
    assert both.examples == [
        {"soft.source": 0.1, "soft.target": 0.08},
        {"soft.source": -0.2, "soft.target": 0.3},
    ]


def test_tasks_held_otherwise_are_not_put_together():
    held = A.model_copy(update={"supports": [ml.Support(nodes=[1])]})
    with pytest.raises(ml.InputError, match="task 'b' has other supports"):
        ml.together(a=A, b=held)


def test_a_cut_network_answers_as_one_without_the_bonds(plane, learned):
    bonds = [4, 17, 40]
    cut = learned.cut(bonds)
    k = learned.learned["stiffness"].copy()
    k[bonds] = 0
    (source, length), (target, reach) = pair_row(plane, 0, 7), pair_row(plane, 20, 25)
    u, _ = solve_linear(plane, k, source, [0.1 * length])
    (row,) = cut.targets
    assert row["reached"] == pytest.approx(target @ u / reach, rel=1e-8)
    assert row["initial"] == pytest.approx(learned.targets[0]["reached"], rel=1e-9)
    assert cut.evaluate()[0]["reached"] == pytest.approx(row["reached"], rel=1e-9)
    assert not cut.converged
    assert learned.converged


def test_a_damaged_network_learns_anew_without_its_bonds(plane, learned, tmp_path):
    bonds = [4, 17, 40]
    cut = learned.cut(bonds)
    healed = ml.train(plane, A, start=cut, steps=300)
    assert healed.converged
    assert healed.initial["stiffness"] == pytest.approx(cut.learned["stiffness"])
    assert not healed.learned["stiffness"][bonds].any()
    cut.save(tmp_path / "cut")
    again = ml.Run.load(tmp_path / "cut")
    assert again.system(A).error == pytest.approx(cut.summary["error"], rel=1e-9)
    twice = healed.cut([5])
    assert twice.setup.imperfections.broken == [4, 5, 17, 40]


def test_a_sequence_with_damage(plane):
    near = np.flatnonzero((plane.edges == 25).any(axis=1))[:2]
    found = ml.sequence(
        plane, [("A", A), ("damage", ml.Cut(near)), ("A", A)], steps=300, tolerance=1e-2
    )
    error = found.error.sel(task="A").values
    assert error[1] <= 1e-2 < error[2]
    assert error[3] <= 1e-2
    assert not found.runs[2].learned["stiffness"][near].any()


def test_damage_under_finite_strain(plane):
    run = ml.train(plane, A, energy=ml.FiniteSpring(), steps=3)
    cut = run.cut([4])
    assert cut.system(A).error == pytest.approx(cut.summary["error"], rel=1e-6)
    assert cut.learned["stiffness"][4] == 0


@pytest.mark.parametrize(
    ("bonds", "message"),
    [([1000], "does not exist"), ([-1], "does not exist"), (range(106), "has no bonds")],
)
def test_impossible_cuts_are_refused(learned, bonds, message):
    with pytest.raises(ml.InputError, match=message):
        learned.cut(list(bonds))


def test_what_would_flop_or_fall_off_is_not_cut(plane, learned):
    at = np.flatnonzero((plane.edges == 25).any(axis=1))
    with pytest.raises(ml.InputError, match="bonds that are cut: Node 25 has no bond"):
        learned.cut(at)
    with pytest.raises(ml.InputError, match=r"floppy.*nodes 25"):
        learned.cut(at[1:])


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ([], "name no task"),
        ([A], "must be"),
        ([("A", A), ("A", B)], "already"),
        ([("cut", ml.Cut([1])), ("A", A)], "before there is any run"),
    ],
)
def test_sequences_of_nothing_are_refused(plane, stages, message):
    with pytest.raises(ml.InputError, match=message):
        ml.sequence(plane, stages)
