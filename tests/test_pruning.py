"""Greedy pruning: rank-one updates against solving anew, and published success."""

import sys
from pathlib import Path

import numpy as np
import pytest
from reference import pair_row, solve_linear

import mechlearn as ml
from mechlearn.errors import InputError
from mechlearn.pruning import _Response

TASK = ml.Task(
    sources=[ml.Source(name="in", nodes=[0, 7], strain=0.1)],
    targets=[ml.Target(name="a", nodes=[3, 12], strain=0.04)],
)


@pytest.mark.parametrize("which", ["plane", "space", "torus"])
def test_pruned_response_is_that_of_the_pruned_network(request, which, stiffnesses):
    net = request.getfixturevalue(which)
    k = stiffnesses(net)
    pruned = ml.prune(net, TASK, material={"stiffness": k}, steps=6, tolerance=1e-6)
    assert len(pruned.changes) > 0
    (p, length), (o, distance) = pair_row(net, 0, 7), pair_row(net, 3, 12)
    u, _ = solve_linear(net, np.where(pruned.kept, k, 0.0), [p], [0.1 * length])
    reached = o @ u / distance
    assert abs(reached / 0.04 - 1) == pytest.approx(pruned.error[-1], abs=1e-8)
    assert pruned.network.n_edges == pruned.kept.sum()
    assert ml.rigidity(pruned.network).floppy is False


def test_all_compliances_follow_many_changes(plane, stiffnesses):
    """Also back and forth: after removing and restoring, everything is as it was."""
    material = {"stiffness": stiffnesses(plane)}
    state, fresh = (_Response(plane, TASK, ml.Spring(), material) for _ in range(2))
    for bond in (3, 17, 40, 17, 3, 40):
        state.change(bond)
    for name in ("between", "strains", "compliance"):
        found, expected = getattr(state, name), getattr(fresh, name)
        assert found == pytest.approx(expected, abs=1e-9 * np.abs(expected).max())


def test_each_change_is_the_best_single_one(plane, stiffnesses):
    k = stiffnesses(plane)
    pruned = ml.prune(plane, TASK, material={"stiffness": k}, steps=1, tolerance=1e-9)
    (p, length), (o, distance) = pair_row(plane, 0, 7), pair_row(plane, 3, 12)
    errors = []
    for bond in range(plane.n_edges):
        less = k.copy()
        less[bond] = 0
        u, _ = solve_linear(plane, less, [p], [0.1 * length])
        errors.append(abs(o @ u / distance / 0.04 - 1))
    assert pruned.changes == [int(np.argmin(errors))]
    assert pruned.error[-1] == pytest.approx(min(errors), abs=1e-9)


def test_several_targets_and_examples(plane):
    task = ml.Task(
        sources=TASK.sources,
        targets=[*TASK.targets, ml.Target(name="b", nodes=[20, 25], strain=-0.005)],
        examples=[{}, {"in": -0.1, "a": -0.04, "b": 0.005}],
    )
    pruned = ml.prune(plane, task, tolerance=0.3)
    assert pruned.error[-1] < pruned.error[0]


def test_packings_reach_response_ratios_of_plus_and_minus_one():
    """Rocks et al. 2017: nearly every pair, by removing a few per cent of the bonds. Here 1 %
    tolerance on packings of 64 nodes; the full study is benchmarks/pruning_rate.py."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "benchmarks"))
    try:
        from pruning_rate import trial
    finally:
        sys.path.pop(0)
    results = []
    for seed in range(10):
        net = ml.networks.packing(nodes=64, periodic=True, coordination=4.5, seed=seed)
        results += [trial(net, ratio, 100 * seed, 1e-2) for ratio in (1.0, -1.0)]
    assert sum(r.converged for r in results) >= 19
    assert 2 < np.mean([np.count_nonzero(~r.kept) for r in results if r.converged]) < 8


def test_what_is_not_linear_is_refused(plane):
    with pytest.raises(InputError, match="a finite_spring is not linear"):
        ml.prune(plane, TASK, energy=ml.FiniteSpring())
    with pytest.raises(InputError, match="prestressed"):
        ml.prune(plane, TASK, material={"rest_length": 1.1 * plane.lengths})
