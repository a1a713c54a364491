"""The task of two plateaus in compression: its units, its local rule, and that it is learned."""

from pathlib import Path

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.runs.config import Setup
from mechlearn.runs.taskfile import read_setup
from mechlearn.runs.training import begin

TASK = Path(__file__).parents[2] / "tasks" / "plateau.toml"


def setup_of(seed, **train):
    given = read_setup(TASK).model_dump(exclude_none=True)
    given["network"]["seed"], given["train"] = seed, given["train"] | train
    return Setup.model_validate(given)


@pytest.fixture(scope="module")
def training():
    made = begin(setup_of(3))
    made.advance(steps=40)
    return made


def test_forces_are_in_units_of_half_the_largest_before_training(training):
    problem, at = training.learner.problem, training.learner.system
    assert problem.n_examples == 25
    np.testing.assert_allclose(-problem.values[:, problem.sources[0]] / problem.drives[0].length,
                               np.linspace(0, 0.2, 25))  # fmt: skip
    path = ml.path(at.network, problem.task, at.energy, to=-0.2, steps=96,
                   control="displacement", **training.initial)  # fmt: skip
    half = np.abs(path["press.force"].values).max() / 2
    np.testing.assert_allclose(problem.scale, half, rtol=1e-6)
    wanted = np.interp(np.linspace(0, 1, 25), [0, 0.2, 0.45, 0.65, 1], [0, 0.5, 0.5, 1, 1])
    np.testing.assert_allclose(problem.wanted[:, 0], -half * wanted, rtol=1e-6, atol=1e-12)


def test_equilibrium_propagation_follows_the_gradient_of_every_constant(training):
    at = training.learner.system.copy(**training.learner.parameters)
    for name in training.learner.parameters:
        exact = at.gradient(name)
        local = at.signal(ml.EquilibriumPropagation(variant="centred", beta=1e-3), name)
        size = np.linalg.norm(exact) * np.linalg.norm(local)
        assert exact @ local / size > 1 - 1e-3, name


def test_two_plateaus_are_learned_step_by_step(training):
    error = training.learner.history.error
    assert min(error) < 0.4 * error[0]
    # A path in small steps from rest is at the same forces as the examples.
    run = training.pause()
    reached = np.array([row["reached"] for row in run.targets])
    path = run.path(steps=96)
    np.testing.assert_allclose(path["press.force"].values[::4], reached, atol=1e-6)


@pytest.mark.parametrize(("name", "steps"), [("plateau-cell", 15), ("plateau-rods", 12)])
def test_a_cell_of_beams_learns_a_plateau_of_stress(name, steps):
    given = read_setup(TASK.with_name(f"{name}.toml")).model_dump(exclude_none=True)
    training = begin(Setup.model_validate(given))
    training.advance(steps=steps)
    learner = training.learner
    assert [t.quantity for t in learner.problem.task.targets] == ["stress"]
    assert min(learner.history.error) < 0.5 * learner.history.error[0]
    run = training.pause()
    reached = np.array([row["reached"] for row in run.targets])
    path = run.path(source="press", to=-0.2, steps=48, control="displacement")
    np.testing.assert_allclose(
        path["plateau"].values[:: 48 // (len(reached) - 1)], reached, atol=1e-8
    )
