"""Learning: success on random packings, of every kind of target, and what repeats itself."""

import sys

import numpy as np
import pytest
from paths import TASKS
from scipy.stats import binomtest

import mechlearn as ml


def test_coupled_learning_reaches_far_targets_in_random_packings():
    """At least 47 of 50 packings of 64 nodes learn a strain ratio of +1 or -1 to 1e-2."""
    reached, steps = 0, []
    for seed in range(50):
        run = allostery(seed, strain=0.1)
        reached += run.converged
        steps.append(run.summary["steps"])
    interval = binomtest(reached, 50).proportion_ci(0.95, method="wilson")
    print(f"{reached} of 50, Wilson interval {interval.low:.3f} to {interval.high:.3f}")
    assert reached >= 47
    assert np.median(steps) < 100


@pytest.mark.parametrize("seed", range(4))
def test_finite_springs_learn_at_large_strain(seed):
    run = allostery(seed, strain=0.2, energy=ml.FiniteSpring())
    assert run.converged
    assert abs(run.targets[0]["initial"] - run.targets[0]["wanted"]) > 0.05
    assert run.evaluate()[0]["reached"] == pytest.approx(run.targets[0]["reached"], abs=1e-9)


def allostery(seed, strain, energy=None):
    """A packing of 64 nodes whose random pinched pair shall strain one far from it."""

    sys.path.insert(0, str(TASKS.parent / "benchmarks"))
    try:
        from success_rate import trial
    finally:
        sys.path.pop(0)
    return trial(
        seed,
        nodes=64,
        strain=strain,
        finite=energy is not None,
        tolerance=1e-2,
        steps=2000,
        coordination=4.5,
        bounds=(0.01, 10.0),
    )


def test_several_targets_and_examples_learn_together(plane):
    task = ml.Task(
        sources=[ml.Source(name="in", nodes=[0, 7], strain=0.1)],
        targets=[
            ml.Target(name="a", nodes=[3, 12], strain=0.02),
            ml.Target(name="b", nodes=[20, 25], strain=-0.01),
        ],
        examples=[{}, {"in": -0.05, "a": -0.01, "b": 0.005}],
    )
    run = ml.train(plane, task, steps=2000, tolerance=1e-2)
    assert run.converged
    assert [(t["name"], t["example"]) for t in run.targets] == [
        ("a", 1),
        ("b", 1),
        ("a", 2),
        ("b", 2),
    ]


def test_rest_lengths_learn_too(plane):
    task = ml.Task(
        sources=[ml.Source(nodes=[0, 7], strain=0.05)],
        targets=[ml.Target(nodes=[3, 12], strain=0.05, baseline="reference")],
    )
    for energy in (ml.Spring(), ml.FiniteSpring()):
        run = ml.train(
            plane,
            task,
            energy=energy,
            steps=1000,
            tolerance=1e-3,
            learn={"rest_length": ml.Learn(bounds=(0.5, 1.5), relative=True)},
        )
        assert run.converged


def test_force_targets_are_learned(plane):
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 1, 2])],
        sources=[ml.Source(nodes=[30], force=[0.1, 0.2])],
        targets=[ml.Target(name="reaction", nodes=[1], components=["y"], force=[-0.02])],
    )
    run = ml.train(plane, task, steps=1000, tolerance=1e-3)
    assert run.converged
    assert run.targets[0]["reached"] == pytest.approx(-0.02, rel=1e-3)


@pytest.mark.parametrize("variant", ["positive", "negative", "centred"])
@pytest.mark.parametrize("energy", [ml.Spring(), ml.FiniteSpring()])
def test_every_variant_learns(plane, variant, energy):
    task = ml.Task(
        sources=[ml.Source(nodes=[0, 7], strain=0.1)],
        targets=[ml.Target(nodes=[3, 12], strain=0.05)],
    )
    run = ml.train(
        plane, task, energy=energy, rule=ml.CoupledLearning(eta=1e-2, variant=variant), steps=1000
    )
    assert run.converged


def test_frozen_bonds_stay_and_bounds_hold(plane):
    frozen = list(range(0, plane.n_edges, 3))
    task = ml.Task(
        sources=[ml.Source(nodes=[0, 7], strain=0.1)],
        targets=[ml.Target(nodes=[3, 12], strain=0.1)],
    )
    run = ml.train(
        plane,
        task,
        steps=200,
        tolerance=1e-9,
        learn={"stiffness": ml.Learn(bounds=(0.5, 2), initial=1.0, frozen=frozen)},
    )
    assert np.all(run.learned["stiffness"][frozen] == 1)
    assert run.learned["stiffness"].min() == 0.5
    assert run.learned["stiffness"].max() == 2


def test_training_repeats_itself_exactly(plane):
    task = ml.Task(
        sources=[ml.Source(nodes=[0, 7], strain=0.1)],
        targets=[ml.Target(nodes=[3, 12], strain=0.1)],
    )
    learn = {"stiffness": ml.Learn(bounds=(0.1, 10), initial=1.0, spread=0.2)}
    runs = [ml.train(plane, task, learn=learn, steps=30, seed=s) for s in (4, 4, 5)]
    assert np.array_equal(runs[0].learned["stiffness"], runs[1].learned["stiffness"])
    assert not np.array_equal(runs[0].learned["stiffness"], runs[2].learned["stiffness"])


def test_what_was_learned_is_where_the_next_training_starts(plane):
    task = ml.Task(
        sources=[ml.Source(near=[0.1, 0.5], strain=0.1)],
        targets=[ml.Target(near=[0.9, 0.5], strain=0.1)],
    )
    run = ml.train(plane, task, steps=3)
    learn = ml.Learn(bounds=(0.01, 10), initial=run.learned["stiffness"])
    again = ml.train(plane, task, learn=learn, steps=0)
    assert np.array_equal(again.learned["stiffness"], run.learned["stiffness"])
    with pytest.raises(ml.InputError, match="initial"):
        ml.Learn(initial=np.array(["soft"]))
