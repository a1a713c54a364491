"""Greedy pruning: rank-one updates against solving anew."""

import numpy as np
import pytest
from problems import equilibrium
from reference import pair_row, solve_linear

import mechlearn as ml
from mechlearn.equilibrium import LinearEquilibrium
from mechlearn.errors import InputError, SolveError
from mechlearn.fem.model import Model
from mechlearn.learning.pruning import _Response
from mechlearn.tasks.formulate import pose

TASK = ml.Task(
    sources=[ml.Source(name="in", nodes=[0, 7], strain=0.1)],
    targets=[ml.Target(name="a", nodes=[3, 12], strain=0.04)],
)


def prune(net, task, k=None, tolerance=1e-2, steps=1000, **more):
    learn = ml.Learn(initial=1.0 if k is None else k.tolist())
    rule = ml.GreedyPruning()
    return ml.train(net, task, learn=learn, rule=rule, tolerance=tolerance, steps=steps, **more)


def removed(run):
    return np.flatnonzero(run.learned["stiffness"] == 0)


@pytest.mark.parametrize("which", ["plane", "space", "torus"])
def test_pruned_response_is_that_of_the_pruned_network(request, which, stiffnesses):
    net = request.getfixturevalue(which)
    k = stiffnesses(net)
    run = prune(net, TASK, k, steps=6, tolerance=1e-6)
    kept = run.learned["stiffness"] > 0
    assert 0 < np.count_nonzero(~kept) <= 6
    assert run.learned["stiffness"][kept].tolist() == k[kept].tolist()
    (p, length), (o, distance) = pair_row(net, 0, 7), pair_row(net, 3, 12)
    u, _ = solve_linear(net, np.where(kept, k, 0.0), [p], [0.1 * length])
    reached = o @ u / distance
    assert abs(reached / 0.04 - 1) == pytest.approx(run.history.error.values[-1], abs=1e-8)
    assert ml.rigidity(net.keep_edges(kept)).floppy is False


def test_all_compliances_follow_many_changes(plane, stiffnesses):
    """Also back and forth: after removing and restoring, everything is as it was."""
    k = stiffnesses(plane)
    problem = pose(TASK, plane)
    at = equilibrium(Model(plane, ml.Spring(), problem.fixed), problem)
    at.update(stiffness=k)
    state, fresh = (_Response(at, k > 0, k) for _ in range(2))
    for bond in (3, 17, 40, 17, 3, 40):
        state.change(bond)
    for name in ("between", "strains", "compliance"):
        found, expected = getattr(state, name), getattr(fresh, name)
        assert found == pytest.approx(expected, abs=1e-9 * np.abs(expected).max())


def test_each_change_is_the_best_single_one(plane, stiffnesses):
    k = stiffnesses(plane)
    run = prune(plane, TASK, k, steps=1, tolerance=1e-9)
    (p, length), (o, distance) = pair_row(plane, 0, 7), pair_row(plane, 3, 12)
    errors = []
    for bond in range(plane.n_edges):
        less = k.copy()
        less[bond] = 0
        u, _ = solve_linear(plane, less, [p], [0.1 * length])
        errors.append(abs(o @ u / distance / 0.04 - 1))
    assert removed(run).tolist() == [int(np.argmin(errors))]
    assert run.history.error.values[-1] == pytest.approx(min(errors), abs=1e-9)


@pytest.mark.parametrize("which", ["plane", "space", "torus"])
def test_every_change_is_foreseen(request, which, stiffnesses):
    """Removing and restoring every bond, with strains and a force read in two situations."""
    net = request.getfixturevalue(which)
    k = stiffnesses(net)
    kept = np.ones(net.n_edges, dtype=bool)
    kept[[3, 17]] = False
    task = ml.Task(
        sources=[
            ml.Source(name="in", nodes=[0, 7], strain=0.1),
            ml.Source(name="pull", nodes=[2, 9], force=0.3),
        ],
        targets=[
            ml.Target(name="a", nodes=[3, 12], strain=0.04),
            ml.Target(name="f", nodes=[5, 11], force=0.1),
        ],
        examples=[{}, {"in": "free", "pull": -1.0}],
    )
    problem = pose(task, net)
    at = equilibrium(Model(net, ml.Spring(), problem.fixed), problem)
    at.update(stiffness=np.where(kept, k, 0.0))
    state = _Response(at, kept, k)
    bonds = np.arange(net.n_edges)
    change = np.where(kept, -k, k)
    bonds = bonds[1 + change * state.between.diagonal() > 1e-6]
    assert {3, 17} < set(bonds)
    assert len(bonds) > net.n_edges / 2
    foreseen = state.outputs(bonds, change[bonds])
    (i, length), (f, _) = pair_row(net, 0, 7), pair_row(net, 2, 9)
    (a, distance), (q, _) = pair_row(net, 3, 12), pair_row(net, 5, 11)
    for bond, found in zip(bonds, foreseen, strict=True):
        other = np.where(kept, k, 0.0)
        other[bond] = 0.0 if kept[bond] else k[bond]
        for example, (rows, values, load) in enumerate(
            (([i, q], [0.1 * length, 0.0], 0.3), ([q], [0.0], -1.0))
        ):
            u, forces = solve_linear(net, other, rows, values, load * f)
            assert found[example] / [distance, 1.0] == pytest.approx(
                np.array([a @ u / distance, forces[-1]]), abs=1e-6
            )


def test_a_change_that_cannot_be_solved_is_not_made(plane, monkeypatch):
    """The next best is; and where there is none, pruning ends."""
    first, second = (removed(prune(plane, TASK, steps=n, tolerance=1e-9)) for n in (1, 2))
    update = LinearEquilibrium.update

    def fail(self, **parameters):
        if not parameters["stiffness"][first[0]]:
            raise SolveError("singular")
        update(self, **parameters)

    monkeypatch.setattr(LinearEquilibrium, "update", fail)
    run = prune(plane, TASK, steps=2, tolerance=1e-9)
    assert set(first) < set(second)
    assert len(removed(run)) == 2
    assert first[0] not in removed(run)
    assert np.isfinite(run.history.error.values).all()


def test_several_targets_and_examples(plane):
    task = ml.Task(
        sources=TASK.sources,
        targets=[*TASK.targets, ml.Target(name="b", nodes=[20, 25], strain=-0.005)],
        examples=[{}, {"in": -0.1, "a": -0.04, "b": 0.005}],
    )
    error = prune(plane, task, tolerance=0.3).history.error.values
    assert error[-1] < error[0]


def test_what_is_not_linear_is_refused(plane):
    with pytest.raises(InputError, match="a finite_spring is not linear"):
        prune(plane, TASK, energy=ml.FiniteSpring())
    with pytest.raises(InputError, match="prestressed"):
        prune(plane, TASK, material={"rest_length": 1.1 * plane.lengths})
    with pytest.raises(
        InputError, match="only the stiffness of a spring can learn, not rest_length"
    ):
        ml.train(
            plane, TASK, learn={"rest_length": ml.Learn(bounds=(0.01, 9))}, rule=ml.GreedyPruning()
        )
