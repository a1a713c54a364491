"""Trainings that are interrupted outside of the command line, and runs that stay as they are."""

import copy
import pickle
import signal
import threading

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.equilibrium.linear import LinearEquilibrium

PULL = ml.Task(
    sources=[ml.Source(near=[0.2, 0.2], strain=0.1)],
    targets=[ml.Target(near=[0.8, 0.8], strain=0.04)],
)
OTHER = ml.Task(sources=PULL.sources, targets=[ml.Target(near=[0.5, 0.9], strain=0.02)])
NET = ml.networks.triangular((5, 5), disorder=0.1, seed=1)
RULES = {
    "coupled": ml.CoupledLearning(),
    "gradient": ml.GradientDescent(),
    "pruning": ml.GreedyPruning(),
    "search": ml.GradientFree(method="cma"),
}


def train(steps=50, watch=None, rule="coupled", **options):
    return ml.train(
        NET, PULL, steps=steps, tolerance=1e-12, rule=RULES[rule], watch=watch, **options
    )


def interrupt_at(step):
    def watch(learner):
        if learner.updates == step:
            raise KeyboardInterrupt

    return watch


def assert_is_after(run, steps, **options):
    """The run is that of a training which was asked for so many steps."""
    whole = train(steps, **options)
    np.testing.assert_array_equal(run.history["error"], whole.history["error"])
    for name, values in whole.learned.items():
        np.testing.assert_array_equal(run.learned[name], values)
    assert run.targets == whole.targets


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("step", [0, 3])
def test_what_was_learned_survives_an_interruption(rule, step, tmp_path):
    with pytest.raises(ml.Interrupted, match=rf"interrupted after step {step}, .*\.run\)") as stop:
        train(watch=interrupt_at(step), rule=rule)
    run = stop.value.run
    assert isinstance(stop.value, KeyboardInterrupt)
    assert (run.summary["outcome"], run.summary["steps"]) == ("interrupted", step)
    assert run.summary["why"] == f"by the user after step {step} of 50"
    assert_is_after(run, step, rule=rule)
    run.save(tmp_path / "run")
    assert ml.Run.load(tmp_path / "run").targets == run.targets


@pytest.mark.parametrize("name", ["update", "free", "solve", "outputs"])
@pytest.mark.parametrize("call", [9, 10, 11])
def test_it_does_so_at_whatever_moment(monkeypatch, name, call):
    """Before, between and within solves: the last step that was finished is what is left."""
    real, calls = getattr(LinearEquilibrium, name), []

    def interrupted(self, *arguments, **options):
        calls.append(name)
        if len(calls) == call:
            raise KeyboardInterrupt
        return real(self, *arguments, **options)

    monkeypatch.setattr(LinearEquilibrium, name, interrupted)
    with pytest.raises(ml.Interrupted) as stop:
        train()
    monkeypatch.undo()
    run = stop.value.run
    assert run.summary["steps"] >= 1
    assert_is_after(run, run.summary["steps"])


def test_before_the_first_answer_there_is_nothing_to_keep(monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(LinearEquilibrium, "free", interrupted)
    with pytest.raises(KeyboardInterrupt) as stop:
        train()
    assert not isinstance(stop.value, ml.Interrupted)


def test_a_signal_interrupts(monkeypatch):
    """As the stop button of a notebook does."""

    def watch(learner):
        if learner.updates == 2:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    with pytest.raises(ml.Interrupted) as stop:
        train(steps=100_000, watch=watch)
    assert stop.value.run.summary["steps"] >= 1


def test_of_a_sequence_the_stages_before_are_kept_as_well():
    def watch(learner):
        if learner.problem.task.targets[0].strain == 0.02 and learner.updates == 2:
            raise KeyboardInterrupt

    with pytest.raises(ml.Interrupted) as stop:
        ml.sequence(NET, [("A", PULL), ("B", OTHER)], steps=5, watch=watch)
    first, second = stop.value.runs
    assert first.summary["outcome"] != "interrupted"
    assert stop.value.run is second
    assert second.summary["steps"] == 2


# -- finished runs ---------------------------------------------------------------------------------


@pytest.fixture(params=["trained", "loaded"])
def run(request, tmp_path):
    made = train(2)
    return made if request.param == "trained" else ml.Run.load(made.save(tmp_path / "run"))


def changes():
    def assign(name):
        def change(run):
            getattr(run, name)["stiffness"] = 1.0

        return change

    def write(name):
        def change(run):
            getattr(run, name)["stiffness"][3] = 1.0

        return change

    def response(run):
        run.response[0, 0, 0] = 1.0

    def history(run):
        run.history["error"].values[-1] = 0.0

    def history_by_place(run):
        run.history["stiffness"][0, 0] = 0.0

    def summary(run):
        run.summary["converged"] = True

    def row(run):
        run.targets[0]["reached"] = 0.04

    def rows(run):
        run.targets.clear()

    def warnings(run):
        run.summary["warnings"] += ["no"]

    def nodes(run):
        run.network.nodes[0] = 0.0

    def field(run):
        run.learned = {}

    alone = [response, history, history_by_place, summary, row, rows, warnings, nodes, field]
    return [*(make(n) for make in (assign, write) for n in ("learned", "initial")), *alone]


@pytest.mark.parametrize("change", changes())
def test_a_finished_run_cannot_be_changed_by_accident(run, change):
    before = pickle.dumps((dict(run.learned), run.response, run.targets, run.history.to_dict()))
    with pytest.raises((TypeError, ValueError, AttributeError)):
        change(run)
    after = pickle.dumps((dict(run.learned), run.response, run.targets, run.history.to_dict()))
    assert before == after


def test_its_parts_can_be_copied_and_then_changed(run):
    mine = {name: values.copy() for name, values in run.learned.items()}
    mine["stiffness"][0] = 7.0
    rows = [dict(row) for row in run.targets]
    rows[0]["reached"] = 0.0
    for same in (copy.deepcopy(run.summary), pickle.loads(pickle.dumps(run.summary))):
        assert same == run.summary
    assert run.parameters["stiffness"].flags.writeable
