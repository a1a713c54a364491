"""S. Li, X. Mao, Nat. Commun. 15, 10528 (2024), https://doi.org/10.1038/s41467-024-54849-z."""

import numpy as np
import pytest
from paths import ROOT, TASKS

import mechlearn as ml
from mechlearn.runs.taskfile import read_setup
from mechlearn.runs.training import train_setup


@pytest.fixture(scope="module")
def li_mao():
    setup = read_setup(TASKS / "li-mao.toml")
    return setup, setup.build_network(TASKS)


def test_li_mao_lattice_before_and_after_training(li_mao):
    """Figure 2 before training: -0.524292929 mm at both nodes; the pair (-0.5, -0.6) mm is within
    the bounds."""
    run = train_setup(li_mao[0], TASKS)
    assert [t["initial"] for t in run.targets] == pytest.approx([-0.524292929e-3] * 2, rel=1e-8)
    assert run.converged
    assert [t["reached"] for t in run.targets] == pytest.approx([-0.5e-3, -0.6e-3], rel=1e-3)
    assert run.learned["stiffness"].min() >= 103.125
    assert run.learned["stiffness"].max() <= 171.875


def test_li_mao_classes_by_in_situ_backpropagation():
    """The same figure after training by cross-entropy, target node 13: -0.625333116 and
    -0.479973464 mm; the loss goes from ln 2 to 0.5696."""
    run = train_setup(read_setup(TASKS / "li-mao-classes.toml"), TASKS)
    assert [t["reached"] for t in run.targets] == pytest.approx(
        [-0.625333116e-3, -0.479973464e-3], rel=1e-5
    )
    cost = run.history["cost"].values
    assert cost[[0, -1]] == pytest.approx([np.log(2), 0.5696], abs=1e-4)
    assert run.summary["accuracy"] == 1.0


def test_iris_on_the_li_mao_lattice(monkeypatch):
    """Two of the splits of benchmarks/iris.py, which says what the constants are."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import iris

    options = iris.parser().parse_args(["--epochs", "60"])
    assert np.mean([iris.trial(seed, options)[1] for seed in (0, 1)]) >= 0.9


def test_li_mao_default_targets_are_out_of_reach(li_mao):
    """The authors' default pair (-0.5, -0.8) mm cannot be reached within the bounds."""
    setup, _ = li_mao
    far = setup.targets[1].model_copy(update={"displacement": [-0.8e-3]})
    setup = setup.model_copy(update={"targets": [setup.targets[0], far]})
    setup = setup.model_copy(update={"train": setup.train.model_copy(update={"steps": 300})})
    run = train_setup(setup, TASKS)
    assert not run.converged
    assert run.summary["error"] > 0.14


def behaviour(setup, first, second):
    """Their task of two displacements, in mm."""
    targets = [
        t.model_copy(update={"displacement": [1e-3 * value]})
        for t, value in zip(setup.targets, (first, second), strict=True)
    ]
    return ml.Task(supports=setup.supports, sources=setup.sources, targets=targets)


def test_their_default_behaviour_is_out_of_reach(li_mao):
    """Best relative error 0.1446, loss 9.31e-9: found independently, by other code."""
    setup, net = li_mao
    found = ml.feasible(net, behaviour(setup, -0.5, -0.8), learn=setup.learn)
    assert found.feasible is False
    assert found.search.relative == pytest.approx(0.1446, abs=5e-5)
    assert found.search.cost == pytest.approx(9.31e-9, rel=1e-3)
    assert found.search.wider < 1e-3
    (warning,) = found.warnings
    assert "lower bound" in warning
    assert "widen bounds" in warning


@pytest.mark.parametrize("pair", [(-0.5, -0.6), (-0.55, -0.65), (-0.6, -0.6)])
def test_other_behaviours_are_within_reach(li_mao, pair):
    setup, net = li_mao
    found = ml.feasible(net, behaviour(setup, *pair), learn=setup.learn, tolerance=1e-12)
    assert found.feasible is True
    assert found.warnings == []
    run = ml.train(net, behaviour(setup, *pair), learn={"stiffness": ml.Learn(
        bounds=setup.learn["stiffness"].bounds,
        initial=found.search.parameters["stiffness"].tolist())}, steps=0)  # fmt: skip
    assert run.summary["error"] < 1e-9


@pytest.mark.parametrize(
    ("modulus", "bound", "accuracy"), [(5.5e5, 6.6e-8, 0.8605), (4.4e5, 8.7e-10, 0.98398)]
)
def test_their_regression_has_a_lower_bound(li_mao, modulus, bound, accuracy):
    """(ux13, uy13, ux14, uy14) = (0, .016, .004, .016) X, of 100 uniform X up to 0.196 N."""
    setup, net = li_mao
    weights = np.random.default_rng(0).uniform(-0.196, 0.196, 100)
    weights *= np.sqrt(0.196**2 / 3 / np.mean(weights**2))
    task = ml.Task(
        supports=setup.supports,
        sources=setup.sources,
        targets=[
            ml.Target(name="a", nodes=[12], displacement=[0.0, 0.0]),
            ml.Target(name="b", nodes=[13], displacement=[0.0, 0.0]),
        ],
        examples=[
            {"weight": [x], "a": [0.0, 0.016 * x], "b": [0.004 * x, 0.016 * x]} for x in weights
        ],
    )
    k = modulus * 2e-3 / 16e-3 * np.array([1.5e-3, 2.5e-3, 2e-3])
    found = ml.feasible(net, task, learn=ml.Learn(bounds=(k[0], k[1]), initial=k[2]))
    assert found.search.cost == pytest.approx(bound, rel=2e-2)
    assert 1 - found.search.relative == pytest.approx(accuracy, abs=1e-4)
    # A hundred examples of a linear network with one source want four numbers.
    assert (found.answers, found.search.rank, found.lower_bounds) == (4, 4, [])
