"""Stiffness tensors of cells as targets, learned by local rules."""

import numpy as np
import pytest
from paths import ROOT
from ranks import on_ranks

import mechlearn as ml
from mechlearn.learning.system import System
from mechlearn.runs.taskfile import read_setup
from mechlearn.runs.training import train_setup

WANTED = [[1.2, 0.35, 0.05], [0.35, 0.8, 0.0], [0.05, 0.0, 0.4]]


def net(dim=2):
    if dim == 2:
        return ml.networks.triangular([4, 4], periodic=True, disorder=0.2, seed=3)
    return ml.networks.fcc([2, 2, 2], periodic=True, disorder=0.1, seed=3)


def asked(**target):
    return ml.Task(targets=[ml.Target(name="c", **target)])


@pytest.mark.parametrize("dim", [2, 3])
def test_targets_read_the_moduli(dim, stiffnesses):
    """Every entry of the upper triangle, column by column."""
    cell, size = net(dim), 3 if dim == 2 else 6
    system = System(cell, asked(moduli=np.eye(size).tolist()), stiffness=stiffnesses(cell))
    exact = ml.moduli(cell, stiffness=stiffnesses(cell)).stiffness
    active = system.problem.active
    assert np.count_nonzero(active) == size * (size + 1) // 2
    read = np.where(active, system.outputs, exact.T)
    assert read == pytest.approx(exact.T, rel=1e-8, abs=1e-9)


@pytest.mark.parametrize(
    "rule", [ml.CoupledLearning(), ml.EquilibriumPropagation(beta=1e-2), ml.GradientDescent()]
)
def test_a_cell_learns_a_stiffness_tensor_to_one_per_cent(rule):
    run = ml.train(net(), asked(moduli=WANTED), rule=rule, steps=300, tolerance=1e-2)
    assert run.converged
    found = ml.moduli(run).stiffness
    assert found == pytest.approx(np.array(WANTED), rel=1e-2, abs=1e-2)
    assert found[0, 0] == pytest.approx(1.2, rel=1e-2)


def test_the_task_file_learns():
    run = train_setup(read_setup(ROOT / "tasks" / "anisotropic-cell.toml"))
    assert run.converged
    assert ml.moduli(run).stiffness == pytest.approx(np.array(WANTED), rel=1e-2, abs=1e-2)


def test_entries_are_left_out_by_a_mask_or_by_a_word():
    mask = [[1, 0, 0], [0, 1, 0], [0, 0, 0]]
    words = [[1.2, "free", "free"], ["free", 0.8, "free"], ["free", "free", 0.4]]
    masked = System(net(), asked(moduli=WANTED, mask=mask)).problem
    assert np.count_nonzero(masked.active) == masked.n_examples == 2
    said = System(net(), asked(moduli=words)).problem
    assert said.n_examples == 3
    lower = [["free", "free", "free"], [0.35, "free", "free"], ["free", "free", "free"]]
    assert System(net(), asked(moduli=lower)).outputs.shape == (1, 3)


def test_moduli_are_asked_beside_other_targets(tmp_path):
    """In examples of their own, and in a run that is read again."""
    task = ml.Task(
        sources=[ml.Source(name="pull", cell="xx", strain=0.01)],
        targets=[
            ml.Target(cell="yy", poisson=0.3),
            ml.Target(moduli=WANTED, mask=np.eye(3, dtype=int).tolist()),
        ],
    )
    run = ml.train(net(), task, rule=ml.GradientDescent(), steps=400, tolerance=2e-2)
    assert run.converged
    found = ml.moduli(run)
    assert np.diag(found.stiffness) == pytest.approx([1.2, 0.8, 0.4], rel=2e-2)
    assert found.poisson() == pytest.approx(0.3, abs=6e-3)
    run.save(tmp_path / "run")
    assert ml.Run.load(tmp_path / "run").targets == run.targets


def test_prestress_leaves_the_moduli_of_linear_springs():
    cell, asked_all = net(), asked(moduli=WANTED)
    still, pressed = (
        System(cell, asked_all, rest_length=factor * cell.lengths).outputs for factor in (1, 0.95)
    )
    assert pressed == pytest.approx(still, rel=1e-8)


def on_some_ranks():
    run = ml.train(net(), asked(moduli=WANTED), steps=3)
    return np.array(
        [t["initial"] for t in run.targets][-1] + [t["reached"] for t in run.targets][-1]
    )


def test_two_ranks_learn_the_same():
    alone = on_some_ranks()
    for found in on_ranks(2, on_some_ranks):
        assert found == pytest.approx(alone, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"moduli": [[1.0, 0.0], [0.0, 1.0]]}, "3 rows of 3 numbers"),
        ({"moduli": [[1.0, 0.0, 0.0]]}, "3 rows of 3 numbers"),
        ({"moduli": [[1, 0.5, 0], [0.4, 1, 0], [0, 0, 1.0]]}, "is symmetric"),
        ({"moduli": [[1, 2.0, 0], [2.0, 1, 0], [0, 0, 1.0]]}, "no stable cell"),
        ({"moduli": [[-1.0, "free", "free"], ["free"] * 3, ["free"] * 3]}, "above 0"),
        ({"moduli": WANTED, "mask": [[0] * 3] * 3}, "asks for none"),
        ({"moduli": WANTED, "mask": [[1, 1]]}, "mask needs"),
        ({"moduli": WANTED, "mask": [[2] * 3] * 3}, "mask"),
        ({"moduli": WANTED, "cell": "xx"}, "leave cell"),
        ({"strain": 0.1, "cell": "xx", "mask": [[1]]}, "mask"),
        ({"moduli": 1.0}, "moduli"),
    ],
)
def test_nonsense_is_refused(target, message):
    with pytest.raises(ml.InputError, match=message):
        System(net(), asked(**target))


def test_only_periodic_networks_of_linear_elements_have_them(plane):
    with pytest.raises(ml.InputError, match="periodic elastic network"):
        System(plane, asked(moduli=WANTED))
    with pytest.raises(ml.InputError, match="linear elements"):
        System(net(), asked(moduli=WANTED), ml.FiniteSpring())
    with pytest.raises(ml.InputError, match="not known in 2D"):
        System(net(), asked(moduli=np.eye(6).tolist()))
