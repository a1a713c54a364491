"""Imperfections of networks, and the patterns that paths follow by them."""

import numpy as np
import pytest
from paths import ROOT

import mechlearn as ml
from mechlearn.runs.config import Setup
from mechlearn.runs.taskfile import read_setup
from mechlearn.runs.training import train_setup

TASK = {
    "network": {
        "generator": "honeycomb", "size": [1, 1], "periodic": True, "supercell": [2, 2],
        "imperfection": 1e-3, "seed": 2,
    },
    "energy": {"model": "finite_beam", "segments": 3},
    "learn": {"width": {"bounds": [0.05, 0.3], "initial": 0.1}},
    "sources": [{"name": "press", "deformation_gradient": [[0.99, 0.0], [0.0, 0.99]]}],
    "targets": [{"piola_stress": [[0.0, "free"], ["free", "free"]], "scale": 1.0}],
}  # fmt: skip


def network(**changes):
    table = {k: v for k, v in (TASK["network"] | changes).items() if v is not None}
    setup = {**TASK, "network": table}
    return Setup.model_validate(setup).build_network()


def test_nodes_move_by_the_seed_and_no_further():
    plain = network(imperfection=0.0)
    moved = [network(seed=seed).nodes - plain.nodes for seed in (2, 2, 3)]
    assert np.array_equal(moved[0], moved[1])
    assert not np.array_equal(moved[0], moved[2])
    assert 0.5e-3 < np.abs(moved[0]).max() <= 1e-3
    # Copies of a cell differ.
    assert len(np.unique(np.round(moved[0], 12), axis=0)) == plain.n_nodes
    points = network(generator=None, points=[[0, 0], [1, 0], [0.5, 1]], periodic=None, size=None,
                     edges=[[0, 1], [1, 2], [0, 2]], supercell=None)  # fmt: skip
    assert np.abs(points.nodes - [[0, 0], [1, 0], [0.5, 1]]).max() > 0


def test_a_path_follows_the_pattern_that_buckles():
    task = ml.Task(**{k: TASK[k] for k in ("sources", "targets")})
    energy = ml.FiniteBeam(segments=3)
    ideal, real = (
        ml.path(network(imperfection=size), task, energy, steps=30, width=0.1)
        for size in (0.0, 1e-2)
    )
    assert ideal.bifurcations
    assert not real.bifurcations
    assert real["stable"].values.all()
    assert real["energy"].values[-1] < 0.8 * ideal["energy"].values[-1]
    # Before it buckles the imperfection hardly shows.
    first = int(np.argmax(real["factor"].values > 0.1))
    near = np.interp(real["factor"].values[first], ideal["factor"], ideal["press.force.xx"])
    assert real["press.force.xx"].values[first] == pytest.approx(near, rel=0.02)


@pytest.mark.parametrize("size", [-0.1, 0.3, "much"])
def test_what_is_no_imperfection_is_refused(size):
    with pytest.raises((ml.InputError, ValueError), match="imperfection"):
        network(imperfection=size)
    with pytest.raises(ml.InputError, match="imperfection"):
        ml.networks.imperfect(ml.networks.square(), size)


def test_a_honeycomb_learns_the_pressure_under_which_it_buckles():
    """The task file, on fewer cells."""
    setup = read_setup(ROOT / "tasks" / "buckling-cell.toml")
    table = setup.network.model_copy(update={"supercell": [2, 2]})
    run = train_setup(setup.model_copy(update={"network": table}))
    assert run.converged
    assert run.cell[0, 1].diagonal() == pytest.approx([-2.5e-4, -2.5e-4], rel=1e-2)
