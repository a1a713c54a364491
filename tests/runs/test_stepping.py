"""Training in slices: paused and continued, it is the training in one go."""

import numpy as np
import pytest

from mechlearn.energies import FiniteSpring, Spring
from mechlearn.errors import InputError
from mechlearn.learning.device import Imperfections
from mechlearn.learning.dofs import Learn
from mechlearn.runs.learner import make_learner
from mechlearn.runs.training import Training, begin, go_on, train
from mechlearn.tasks.task import Source, Target, Task

TASK = Task(
    sources=[Source(nodes=[3, 30], strain=0.1)], targets=[Target(nodes=[12, 25], strain=0.02)]
)
TWO = TASK.model_copy(update={"examples": [{"source": 0.1}, {"source": -0.05, "target": 0.01}]})
LEARN = {"stiffness": Learn(bounds=(0.01, 10), initial=1.0)}


def same(run, other):
    """True if two runs learned the same by the same steps, to the last bit."""
    return all(
        np.array_equal(a[name], b[name])
        for a, b in ((run.learned, other.learned), (run.history, other.history))
        for name in a
    )


@pytest.mark.parametrize(
    ("energy", "task", "options"),
    [
        (Spring(), TASK, {}),
        (FiniteSpring(), TASK, {}),
        (Spring(), TWO, {"batch": 1, "optimiser": "momentum", "rate": 1.0}),
        (Spring(), TASK, {"imperfections": Imperfections(noise=0.1), "keep": "last"}),
    ],
    ids=["linear", "finite", "batches", "noise"],
)
def test_a_training_paused_after_every_step_is_the_same_as_one_in_one_go(
    plane, energy, task, options
):
    whole = train(plane, task, energy=energy, learn=LEARN, steps=12, tolerance=1e-12, **options)
    parts = whole.setup, plane, energy
    training = Training(whole.setup, lambda: make_learner(*parts))
    runs = [training.pause()]
    while training.learner.updates < 12:
        assert training.advance()
        runs.append(training.pause())
    assert [len(r.history.error) for r in runs] == [*range(1, 14)]
    assert same(runs[-1], whole)
    assert runs[-1].setup == whole.setup
    assert runs[-1].summary["why"] == whole.summary["why"]


def test_a_training_ends_at_its_tolerance(plane):
    whole = train(plane, TASK, learn=LEARN, steps=300, tolerance=1e-3)
    parts = whole.setup, plane, Spring()
    training = Training(whole.setup, lambda: make_learner(*parts))
    assert not training.advance(60.0)
    run = training.pause()
    assert run.converged
    assert same(run, whole)
    assert not training.advance()


def test_another_task_begins_with_what_was_learned(plane):
    first = train(plane, TASK, learn=LEARN, steps=5, tolerance=1e-12)
    other = Task(sources=TASK.sources, targets=[Target(nodes=[8, 20], strain=0.05)])
    training = go_on(first, other)
    training.advance(steps=6)
    run = training.pause()
    assert same(run, train(plane, other, start=first, steps=6))
    np.testing.assert_array_equal(run.initial["stiffness"], first.learned["stiffness"])
    with pytest.raises(InputError, match="nodes"):
        go_on(first, Task(sources=TASK.sources, targets=[Target(nodes=[8, 999], strain=0.05)]))


def test_a_task_file_begins_without_a_step(tmp_path, plane):
    whole = train(plane, TASK, learn=LEARN, steps=4, tolerance=1e-12)
    whole.save(tmp_path / "run")
    training = begin(whole.setup, tmp_path / "run")
    assert training.pause().history.sizes["step"] == 1
    training.advance(steps=4)
    assert same(training.pause(), whole)


def test_bonds_that_were_pruned_stay_so_in_what_goes_on_from_there(plane):
    first = train(plane, TASK, learn=LEARN, rule="pruning", steps=3, tolerance=1e-12)
    gone = first.learned["stiffness"] == 0
    assert gone.sum() == 3
    training = go_on(first)
    assert training.pause().summary["error"] == pytest.approx(first.summary["error"])
    training.advance()
    assert (training.learner.parameters["stiffness"][gone] == 0).all()
