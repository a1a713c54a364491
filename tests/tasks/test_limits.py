"""Targets that want at least, or at most, a value."""

import numpy as np
import pytest
from problems import equilibrium
from reference import pair_row, solve_linear

import mechlearn as ml
from mechlearn.fenics import MPI
from mechlearn.phase import ADJOINT, Phase
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.task import Source, Target, Task

PULL = Source(nodes=[0, 7], strain=0.1)


def solver_for(net, targets, k, energy=None):
    energy = energy or ml.Spring()
    problem = pose(Task(sources=[PULL], targets=targets), net, energy.kinematics)
    solver = equilibrium(energy.model(net, problem, {"stiffness": k}, MPI.COMM_SELF), problem)
    solver.update(stiffness=k)
    return solver


def answers(net, k, pairs):
    """Strains of pairs, by dense NumPy."""
    row, length = pair_row(net, 0, 7)
    u, _ = solve_linear(net, k, row, [0.1 * length])
    return [pair_row(net, *p)[0] @ u / pair_row(net, *p)[1] for p in pairs]


def test_what_is_satisfied_is_neither_an_error_nor_held(plane, stiffnesses):
    """Of two limits the violated one alone is clamped: the state is that of a task without the
    other."""
    k, pairs = stiffnesses(plane), [(3, 12), (20, 25)]
    a, b = answers(plane, k, pairs)
    both = solver_for(
        plane,
        [
            Target(nodes=[3, 12], strain=a - 0.05, limit="at_least"),
            Target(nodes=[20, 25], strain=b - 0.05, limit="at_most"),
        ],
        k,
    )
    one = solver_for(plane, [Target(nodes=[20, 25], strain=b - 0.05)], k)
    outputs = both.outputs(both.free())
    one.free()
    residual = (both.problem.residual(outputs) / both.problem.units)[0]
    assert residual == pytest.approx([0, -0.05], abs=1e-9)
    assert both.problem.relative_errors(outputs)[0, 0] == 0
    assert both.problem.costs(outputs)[0] == pytest.approx(0.05**2 / 2)
    for phase in (Phase("clamp", 0.3), Phase("nudge", 1e-3), ADJOINT):
        found, right = (s.solve(phase).parts[0][1].sensitivity("stiffness") for s in (both, one))
        assert found == pytest.approx(right, rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("energy", [ml.Spring(), ml.FiniteSpring()], ids=["linear", "finite"])
def test_nothing_is_nudged_where_all_is_well(plane, stiffnesses, energy):
    solver = solver_for(plane, [Target(nodes=[3, 12], strain=-0.5, limit="at_least")],
                        stiffnesses(plane) ** 0.3, energy)  # fmt: skip
    free = solver.free()
    for phase in (Phase("clamp", 0.5), Phase("nudge", 0.5)):
        state = solver.solve(phase).parts[0][1]
        assert state.sensitivity("stiffness") == pytest.approx(free.sensitivity("stiffness"))


def test_an_example_that_asks_nothing_is_clamped_nowhere(plane, stiffnesses):
    """As a batch of its own, as which it may be drawn."""
    energy, k = ml.Spring(), stiffnesses(plane)
    target = Target(name="out", nodes=[3, 12], strain=0.1)
    task = Task(sources=[PULL], targets=[target], examples=[{}, {"out": "free"}])
    problem = pose(task, plane, energy.kinematics)
    solver = equilibrium(energy.model(plane, problem, {"stiffness": k}, MPI.COMM_SELF), problem)
    solver.update(stiffness=k)
    for example, alike in ((0, False), (1, True)):
        solver.consider(np.array([example]))
        free = solver.free().sensitivity("stiffness")
        for phase in (Phase("clamp", 0.5), Phase("nudge", 0.5)):
            state = solver.solve(phase).sensitivity("stiffness")
            assert (state == pytest.approx(free, rel=1e-9)) == alike


def test_the_nudged_state_of_a_one_sided_cost_is_stationary(plane, stiffnesses):
    """A strong nudge on one output pulls another beyond its limit: there its cost pushes back."""
    k, pairs = stiffnesses(plane), [(3, 12), (20, 25)]
    a, b = answers(plane, k, pairs)
    tight = [
        Target(nodes=[3, 12], strain=a + 0.2),
        Target(nodes=[20, 25], strain=b, limit="at_most"),
    ]
    way = 1
    solver = solver_for(plane, [tight[0]], k)
    solver.free()
    other = pair_row(plane, 20, 25)[0]
    state = solver.solve(Phase("nudge", 0.5)).parts[0][1].states()[0].ravel()
    if other @ state / pair_row(plane, 20, 25)[1] < b:
        tight[1], way = Target(nodes=[20, 25], strain=b, limit="at_least"), -1
    solver = solver_for(plane, tight, k)
    solver.free()
    nudged = solver.solve(Phase("nudge", 0.5)).parts[0][1]
    read = solver.outputs(nudged)[0] / solver.problem.units
    assert way * (read[1] - b) > 0
    force = -0.5 * (read - [a + 0.2, b]) / solver.problem.units
    assert nudged.forces[0, solver.problem.targets] == pytest.approx(force, rel=1e-8)


@pytest.mark.parametrize("rule", [ml.CoupledLearning(), ml.GradientDescent()])
@pytest.mark.parametrize(("strain", "limit"), [(0.05, "at_least"), (-0.05, "at_most")])
def test_training_stops_on_the_right_side(plane, rule, strain, limit):
    task = Task(sources=[PULL], targets=[Target(nodes=[20, 25], strain=strain, limit=limit)])
    run = ml.train(plane, task, rule=rule, steps=300)
    (row,) = run.targets
    assert run.converged
    assert row["wanted"] == strain
    assert row["limit"] == limit
    assert np.sign(strain) * (row["reached"] - strain) > -1e-3 * abs(strain)


def test_a_poissons_ratio_may_be_below_its_limit_whatever_the_load(torus):
    """The sign of a strain that stands for a ratio depends on the load; that of the limit not."""
    for strain in (-0.01, 0.01):
        task = Task(
            sources=[Source(cell="xx", strain=strain)],
            targets=[Target(cell="yy", poisson=0.9, limit="at_most")],
        )
        problem = pose(task, torus)
        low, high = np.array([[0.5]]) * problem.units, np.array([[1.2]]) * problem.units
        assert problem.error(low) == 0
        assert problem.error(high) == pytest.approx(0.3 / 0.9)


def test_shares_have_no_limits(plane):
    task = Task(
        sources=[PULL],
        targets=[
            Target(nodes=[3, 12], strain=1.0, limit="at_least"),
            Target(nodes=[20, 25], strain=0),
        ],
        cost=ml.CrossEntropy(),
    )
    with pytest.raises(ml.InputError, match="no target can have a limit"):
        pose(task, plane)
    with pytest.raises(ml.InputError, match="at_least"):
        Target(nodes=[1, 2], strain=0.1, limit="at_leest")


def test_pictures_say_which_way_a_limit_goes(plane):
    from mechlearn.render.captions import label
    from mechlearn.render.marks import marks
    from mechlearn.tasks.formulate import pose

    target = Target(name="far", nodes=[5, 20], strain=-0.04, limit="at_most")
    task = Task(sources=[Source(nodes=[0, 1], strain=0.1)], targets=[target])
    _, mark = marks(pose(task, plane, ml.Spring().kinematics), 0)
    assert label(mark) == "far\nwanted: strain ≤ −4 %"
