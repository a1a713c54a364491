"""Imperfect elements: each flaw does what it says, repeats, and is nothing where it is zero."""

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.errors import InputError

TASK = ml.Task(
    sources=[ml.Source(nodes=[0, 7], strain=0.1)],
    targets=[ml.Target(nodes=[3, 12], strain=0.04, baseline="reference")],
)


def learn(net, flaws=None, steps=10, **more):
    options = {
        "learn": ml.Learn(bounds=(0.1, 10.0), initial=1.0),
        "tolerance": 1e-9,
        "steps": steps,
    } | more
    return ml.train(net, TASK, imperfections=flaws, **options)


def values(run):
    return run.learned["stiffness"]


def test_no_flaws_change_nothing(plane):
    assert values(learn(plane, ml.Imperfections())).tolist() == values(learn(plane)).tolist()


@pytest.mark.parametrize("energy", [ml.Spring(), ml.FiniteSpring()])
@pytest.mark.parametrize(
    "rule", [ml.CoupledLearning(), ml.GradientDescent(), ml.EquilibriumPropagation()]
)
def test_noise_repeats_and_vanishes_with_its_size(plane, energy, rule):
    """The same seed gives the same noise; the step's error is of first order in it."""
    plain = {"energy": energy, "rule": rule, "optimiser": "plain", "rate": 1e-3, "steps": 1}
    exact = values(learn(plane, **plain))
    off = []
    for size in (1e-4, 1e-5):
        noisy = [values(learn(plane, ml.Imperfections(noise=size), **plain)) for _ in range(2)]
        assert noisy[0].tolist() == noisy[1].tolist()
        off.append(np.abs(noisy[0] - exact).max())
    assert off[0] / off[1] == pytest.approx(10, rel=0.02)


def test_noise_is_as_large_as_said(plane):
    """Aging by the free state alone, u = e^2 / 2 per stiffness: strains off by the noise."""
    rule = ml.DirectedAging(clamp=0.0)
    options = {"rule": rule, "optimiser": "plain", "rate": 1.0, "steps": 1}
    wide = ml.Learn(bounds=(1e-3, 1e3), initial=1.0, scale="linear")
    strain = np.sqrt(2 * (1 - values(learn(plane, learn=wide, **options))))
    noisy = 2 * (1 - values(learn(plane, ml.Imperfections(noise=0.1), learn=wide, **options)))
    error = (np.sqrt(noisy) - strain) / np.sqrt(np.mean(strain**2))
    far = strain > 0.3 * np.sqrt(np.mean(strain**2))  # where noise does not turn the sign
    assert np.std(error[far]) == pytest.approx(0.1, rel=0.3)


def test_bias_is_the_same_in_every_step(plane):
    """A rule that contrasts a state with itself feels the bias of its sensors, always alike."""

    class Same:
        phases = (ml.CoupledLearning().phases[0],) * 2

        def signal(self, felt):
            return felt[1] - felt[0]

    options = {"rule": Same(), "optimiser": "plain", "rate": 1.0}
    wide = ml.Learn(bounds=(1e-3, 1e3), initial=1.0, scale="linear")
    assert values(learn(plane, learn=wide, **options)).tolist() == [1.0] * plane.n_edges
    one, two = (
        values(learn(plane, ml.Imperfections(bias=1e-4), learn=wide, steps=n, **options)) - 1
        for n in (1, 2)
    )
    assert np.abs(one).max() > 0
    assert two == pytest.approx(2 * one, rel=0.02)


def test_read_noise_shifts_what_the_clamp_starts_from(plane):
    noisy, exact = learn(plane, ml.Imperfections(read_noise=0.1), steps=1), learn(plane, steps=1)
    assert noisy.history.output.values[0] == pytest.approx(exact.history.output.values[0])
    assert noisy.history.contrast.values[0] != exact.history.contrast.values[0]


def test_levels_and_quanta(plane):
    run = learn(plane, ml.Imperfections(levels=12), steps=20)
    steps = (values(run) - 0.1) / (9.9 / 11)
    assert steps == pytest.approx(np.rint(steps), abs=1e-9)
    run = learn(plane, ml.Imperfections(quantum=0.05), steps=20)
    steps = (values(run) - 1.0) / 0.05
    inside = (values(run) > 0.1) & (values(run) < 10)
    assert steps[inside] == pytest.approx(np.rint(steps[inside]), abs=1e-9)
    assert np.unique(np.rint(steps)).size > 3


def test_too_coarse_elements_do_not_learn(plane):
    """A change that never reaches the next level is lost, every time."""
    run = learn(plane, ml.Imperfections(levels=3), steps=5)
    assert np.unique(values(run)).size == 1


def test_stuck_elements_stay_and_drift_moves_the_others(plane):
    run = learn(plane, ml.Imperfections(stuck=0.4, drift=0.01), steps=3, rate=1e-9)
    stays = values(run) == 1.0
    assert 0.2 < stays.mean() < 0.6
    assert np.std(values(run)[~stays]) == pytest.approx(0.01 * np.sqrt(3), rel=0.4)


def test_spread_elements_learn_and_the_run_says_what_they_are(plane):
    flaws = ml.Imperfections(spread=0.2)
    assert np.std(values(learn(plane, flaws, steps=0))) == pytest.approx(0.2, rel=0.2)
    run = learn(plane, flaws, steps=300, tolerance=1e-4)
    assert run.converged
    assert abs(run.respond([{}])[0, 0] / 0.04 - 1) <= 1e-4


def test_broken_bonds_carry_nothing(plane):
    """The same response as the network without them."""
    broken = [3, 17]
    run = learn(plane, ml.Imperfections(broken=broken), steps=0)
    rest = np.setdiff1d(np.arange(plane.n_edges), broken)
    less = learn(plane.keep_edges(rest), steps=0)
    assert run.history.output.values == pytest.approx(less.history.output.values, rel=1e-9)
    assert values(run)[broken].tolist() == [0.0, 0.0]
    rest_length = {"rest_length": ml.Learn(bounds=(0.01, 9.0))}
    other = learn(plane, ml.Imperfections(broken=broken), learn=rest_length, steps=0)
    assert other.respond([{}])[0, 0] == pytest.approx(less.respond([{}])[0, 0], rel=1e-9)


def test_breaking_too_much_is_refused(plane):
    at_corner = np.flatnonzero((plane.edges == plane.edges[0, 0]).any(axis=1)).tolist()
    with pytest.raises(InputError, match="has no bond"):
        learn(plane, ml.Imperfections(broken=at_corner))
    with pytest.raises(InputError, match="names bond 999"):
        learn(plane, ml.Imperfections(broken=[999]))


def test_levels_need_bounds(plane):
    with pytest.raises(InputError, match="levels needs bounds"):
        learn(plane, ml.Imperfections(levels=4), learn=ml.Learn(initial=1.0))


def test_noise_does_not_bias_the_exact_gradient(plane):
    """Strains and their rates are measured apart: the mean over many noises is the true step."""
    options = {"rule": ml.GradientDescent(), "optimiser": "plain", "rate": 1e-2, "steps": 1}
    exact = values(learn(plane, **options)) - 1
    noisy = [
        values(learn(plane, ml.Imperfections(noise=0.3), seed=s, **options)) - 1 for s in range(60)
    ]
    off = np.mean(noisy, axis=0) - exact
    assert abs(off.mean()) < 4 * np.std(np.mean(noisy, axis=1)) / np.sqrt(60)


def test_pruning_knows_what_spread_elements_really_are(plane):
    """No bond goes that holds the network, and the answer is the one that was foreseen."""
    for seed in range(6):
        run = learn(
            plane, ml.Imperfections(spread=0.3, broken=[5]), seed=seed, steps=8,
            learn=ml.Learn(initial=1.0), rule=ml.GreedyPruning(),
        )  # fmt: skip
        error = run.history.error.values
        assert values(run)[5] == 0
        assert (np.diff(error) < 0).all()


def test_levels_and_drift_exclude_one_another(plane):
    with pytest.raises(InputError, match="cannot drift"):
        learn(plane, ml.Imperfections(levels=4, drift=0.1))
