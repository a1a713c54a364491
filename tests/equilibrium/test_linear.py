"""Linear equilibria against dense algebra that knows nothing of ports, blocks or gauges."""

import numpy as np
import pytest
from problems import equilibrium
from reference import bond_matrix, pair_row, solve_linear

from mechlearn.energies import Spring
from mechlearn.errors import InputError, SolveError
from mechlearn.fem.model import Model
from mechlearn.network import Network
from mechlearn.phase import Phase
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.task import Source, Support, Target, Task


def solver_for(net, task, k, **more):
    problem = pose(task, net)
    solver = equilibrium(Model(net, Spring(), problem.fixed), problem)
    solver.update(stiffness=k, **more)
    return solver


def unit_row(net, node, component):
    row = np.zeros(net.n_nodes * net.dim)
    row[net.dim * node + component] = 1
    return row


@pytest.mark.parametrize("which", ["plane", "space", "torus"])
def test_pinched_pair_free_and_clamped(request, which, stiffnesses):
    net = request.getfixturevalue(which)
    k = stiffnesses(net)
    task = Task(
        sources=[Source(nodes=[0, 7], strain=0.1)],
        targets=[Target(nodes=[3, 12], strain=-0.2), Target(nodes=[5, 20], strain=0.1)],
    )
    solver = solver_for(net, task, k)
    rows, lengths = zip(*(pair_row(net, *p) for p in ((0, 7), (3, 12), (5, 20))), strict=True)
    u, force = solve_linear(net, k, rows[:1], [0.1 * lengths[0]])
    free = solver.free()
    assert free.readings[0, 1:] == pytest.approx([rows[1] @ u, rows[2] @ u], abs=1e-12)
    assert free.forces[0, 0] == pytest.approx(force[0], rel=1e-9)
    eta = 0.3
    wanted = np.array([-0.2 * lengths[1], 0.1 * lengths[2]])
    outputs = np.array([rows[1] @ u, rows[2] @ u])
    held = np.concatenate([[0.1 * lengths[0]], outputs + eta * (wanted - outputs)])
    u, force = solve_linear(net, k, rows, held)
    clamped = solver.solve(Phase("clamp", eta)).parts[0][1]
    assert clamped.forces[0] == pytest.approx(force, rel=1e-9)
    expected = bond_matrix(net) @ u
    assert solver.model.to_bonds(clamped.strains()[0])[0] == pytest.approx(expected, abs=1e-12)
    assert clamped.energies[0] == pytest.approx(0.5 * np.sum(k * expected**2), rel=1e-12)
    sensitivity = solver.model.to_bonds(clamped.sensitivity("stiffness"))[0]
    assert sensitivity == pytest.approx(expected**2 / 2, abs=1e-13)


def test_supports_loads_and_displaced_nodes(plane, stiffnesses):
    k = stiffnesses(plane)
    task = Task(
        supports=[Support(nodes=[0, 1]), Support(nodes=[2], components=["y"])],
        sources=[
            Source(name="push", nodes=[10], force=[0.3, -0.2]),
            Source(name="move", nodes=[11], components=["x"], displacement=[0.05]),
            Source(name="stretch", nodes=[12, 13], force=0.7),
        ],
        targets=[Target(nodes=[20], displacement=[0.1, 0.0])],
    )
    solver = solver_for(plane, task, k)
    rows = [unit_row(plane, n, c) for n, c in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 1), (11, 0))]
    load = 0.3 * unit_row(plane, 10, 0) - 0.2 * unit_row(plane, 10, 1)
    load += 0.7 * pair_row(plane, 12, 13)[0]
    u, force = solve_linear(plane, k, rows, [0] * 5 + [0.05], load)
    free = solver.free()
    assert free.states()[0] == pytest.approx(u.reshape(-1, 2), abs=1e-11)
    move = [p.terminal for p in solver.problem.ports].index("move")
    assert free.forces[0, move] == pytest.approx(force[-1], rel=1e-8)


def test_displaced_nodes_alone_can_hold_a_network(plane, stiffnesses):
    k = stiffnesses(plane)
    moves = {4: [0.1, 0.0], 9: [-0.05, 0.02]}
    task = Task(
        sources=[Source(nodes=[n], displacement=v) for n, v in moves.items()],
        targets=[Target(nodes=[20], displacement=[0.0, 0.1])],
    )
    solver = solver_for(plane, task, k)
    assert len(solver.problem.fixed) == 0
    assert len(solver.problem.grounded) == 4
    rows = [unit_row(plane, n, c) for n in moves for c in (0, 1)]
    u, force = solve_linear(plane, k, rows, np.concatenate(list(moves.values())))
    free = solver.free()
    assert free.states()[0] == pytest.approx(u.reshape(-1, 2), abs=1e-11)
    assert free.forces[0, :4] == pytest.approx(force, rel=1e-8)
    energy = 0.5 * np.sum(k * (bond_matrix(plane) @ u) ** 2)
    assert free.energies[0] == pytest.approx(energy, rel=1e-10)


def test_one_displaced_node_leaves_a_gauge(plane, stiffnesses):
    k = stiffnesses(plane)
    task = Task(
        sources=[Source(nodes=[4], displacement=[0.1, 0.2]), Source(nodes=[0, 7], strain=0.1)],
        targets=[Target(nodes=[3, 12], strain=0.1)],
    )
    solver = solver_for(plane, task, k)
    free = solver.free()
    pinch, length = pair_row(plane, 0, 7)
    u, _ = solve_linear(plane, k, [pinch], [0.1 * length])
    assert free.readings[0, -1] == pytest.approx(pair_row(plane, 3, 12)[0] @ u, abs=1e-12)
    assert free.forces[0, :2] == pytest.approx(0, abs=1e-10)


def test_examples_may_hold_different_things(plane, stiffnesses):
    k = stiffnesses(plane)
    task = Task(
        sources=[
            Source(name="a", nodes=[0, 7], strain=0.1),
            Source(name="b", nodes=[8, 15], strain=0.2),
        ],
        targets=[Target(name="t", nodes=[3, 12], strain=0.1)],
        examples=[{}, {"b": "free"}, {"a": -0.3, "t": 0.4}, {"a": "free", "t": "free"}],
    )
    solver = solver_for(plane, task, k)
    (a, la), (b, lb), (t, _) = (pair_row(plane, *p) for p in ((0, 7), (8, 15), (3, 12)))
    cases = [
        ([a, b], [0.1 * la, 0.2 * lb]),
        ([a], [0.1 * la]),
        ([a, b], [-0.3 * la, 0.2 * lb]),
        ([b], [0.2 * lb]),
    ]
    expected = [t @ solve_linear(plane, k, *case)[0] for case in cases]
    assert solver.free().readings[:, 2] == pytest.approx(expected, abs=1e-12)
    clamped = solver.solve(Phase("clamp", 1.0)).parts[0][1]
    assert clamped.readings[2, 2] == pytest.approx(0.4 * pair_row(plane, 3, 12)[1], rel=1e-12)
    assert clamped.readings[3, 2] == pytest.approx(expected[3], abs=1e-12)


def test_prestress_moves_the_network_at_rest(plane, stiffnesses):
    k = stiffnesses(plane)
    rest = plane.lengths * np.random.default_rng(2).uniform(0.9, 1.1, plane.n_edges)
    task = Task(
        sources=[Source(nodes=[0, 7], strain=0.1)], targets=[Target(nodes=[3, 12], strain=0.1)]
    )
    solver = solver_for(plane, task, k, rest_length=rest)
    row, length = pair_row(plane, 0, 7)
    u, _ = solve_linear(plane, k, [row], [0.1 * length], rest=rest)
    free = solver.free()
    assert free.readings[0, 1] == pytest.approx(pair_row(plane, 3, 12)[0] @ u, abs=1e-12)
    strain = bond_matrix(plane) @ u
    energy = 0.5 * np.sum(k * (strain - rest + plane.lengths) ** 2)
    assert free.energies[0] == pytest.approx(energy, rel=1e-12)
    sensitivity = solver.model.to_bonds(free.sensitivity("rest_length"))[0]
    assert sensitivity == pytest.approx(-k * (strain - rest + plane.lengths), abs=1e-11)


@pytest.mark.parametrize(
    "targets",
    [
        [Target(nodes=[3, 12], strain=0.3)],
        [Target(nodes=[3, 12], strain=0.3), Target(nodes=[20, 25], strain=-0.1)],
        [Target(nodes=[5, 30], force=0.4)],
        [Target(nodes=[3, 12], strain=0.3), Target(nodes=[5, 30], force=0.4)],
    ],
)
def test_contrast_is_quadratic_in_the_nudge(plane, stiffnesses, targets):
    """U_c - U_f = eta^2 f(L, task) exactly, at every eta, for linear networks; f is not negative
    for outputs of either kind."""
    task = Task(sources=[Source(nodes=[0, 7], strain=0.1)], targets=targets)
    solver = solver_for(plane, task, stiffnesses(plane))
    solver.free()
    free = solver.solve(Phase("clamp")).potentials
    contrast = [
        (solver.solve(Phase("clamp", eta)).potentials - free).sum() / eta**2
        for eta in (1, 0.3, 0.1, 1e-2, 1e-3)
    ]
    assert contrast[0] > 0
    assert contrast == pytest.approx([contrast[0]] * 5, rel=1e-8)


@pytest.mark.parametrize(
    "target",
    [
        Target(nodes=[3, 12], strain=0.3),
        Target(nodes=[5, 30], force=0.4),
        Target(nodes=[1], components=["y"], force=[0.2]),
    ],
)
@pytest.mark.parametrize("name", ["stiffness", "rest_length"])
def test_local_rule_is_the_gradient_of_the_stationary_potential(plane, stiffnesses, target, name):
    """With what is held and loaded in the clamped state kept fixed, the sum of all local
    derivatives is the derivative of the potential: the sign for forces is the right one."""
    task = Task(
        supports=[Support(nodes=[0, 1, 2])],
        sources=[Source(nodes=[33, 38], strain=0.1), Source(nodes=[30], force=[0.1, 0.2])],
        targets=[target],
    )
    k = stiffnesses(plane)
    rest = plane.lengths * 1.01
    solver = solver_for(plane, task, k, rest_length=rest)
    free = solver.free()
    state = solver.solve(Phase("clamp", 0.4))
    [(sign, _)] = state.parts
    outputs = solver.outputs(free)
    moved = outputs + 0.4 * solver.problem.residual(outputs)
    conditions = solver._clamped(sign, moved, solver.problem.active)
    found = solver.model.to_bonds(state.sensitivity(name))[0]
    base = {"stiffness": k, "rest_length": rest}
    for bond in (0, 17, 40, 66):
        h = 1e-5
        sides = []
        for step in (h, -h):
            moved = base[name].copy()
            moved[bond] += step
            solver.update(**{**base, name: moved})
            settled = solver._settle(conditions, "test")
            sides.append(sign * settled.potential(conditions.loads)[0])
        assert found[bond] == pytest.approx((sides[0] - sides[1]) / (2 * h), rel=1e-5, abs=1e-9)


def test_reaction_of_a_support_can_be_a_target(plane, stiffnesses):
    k = stiffnesses(plane)
    task = Task(
        supports=[Support(nodes=[0, 1, 2])],
        sources=[Source(nodes=[30], force=[0.1, 0.2])],
        targets=[Target(nodes=[1], components=["y"], force=[0.5])],
    )
    solver = solver_for(plane, task, k)
    rows = [unit_row(plane, n, c) for n in (0, 1, 2) for c in (0, 1)]
    load = 0.1 * unit_row(plane, 30, 0) + 0.2 * unit_row(plane, 30, 1)
    _, force = solve_linear(plane, k, rows, np.zeros(6), load)
    assert solver.outputs(solver.free())[0, 0] == pytest.approx(force[3], rel=1e-9)


def test_dependent_constraints_are_refused(plane):
    net = Network([[0, 0], [1, 0], [2, 0.0]], [[0, 1], [1, 2]])
    task = Task(
        supports=[Support(nodes=[0, 1, 2], components=["y"])],
        sources=[
            Source(name="long", nodes=[0, 2], strain=0.1),
            Source(name="left", nodes=[0, 1], strain=0.1),
        ],
        targets=[Target(name="right", nodes=[1, 2], strain=0.2)],
    )
    solver = solver_for(net, task, 1.0)
    solver.free()
    with pytest.raises(SolveError, match="long, left and right cannot be held independently"):
        solver.solve(Phase("clamp", 0.5))


def test_floating_network_refuses_loads_it_cannot_carry(plane):
    task = Task(
        sources=[Source(name="push", nodes=[3], force=[1.0, 0.0])],
        targets=[Target(nodes=[3, 12], strain=0.1)],
    )
    with pytest.raises(InputError, match=r"source 'push'.*nothing holds the network"):
        pose(task, plane)


def test_singular_stiffness_is_an_error_not_a_number():
    square = Network([[0, 0], [1, 0], [1, 1], [0, 1.0]], [[0, 1], [1, 2], [2, 3], [3, 0]])
    task = Task(
        sources=[Source(nodes=[0, 2], strain=0.1)], targets=[Target(nodes=[1, 3], strain=0.1)]
    )
    with pytest.raises(SolveError, match=r"floppy|singular"):
        solver_for(square, task, 1.0)


def test_parameters_that_fail_are_not_answered_with_those_before(plane, stiffnesses):
    k = stiffnesses(plane)
    task = Task(
        sources=[Source(nodes=[0, 7], strain=0.1)], targets=[Target(nodes=[3, 12], strain=0.1)]
    )
    solver = solver_for(plane, task, k)
    first = solver.free().readings
    with pytest.raises(SolveError):
        solver.update(stiffness=np.zeros_like(k))
    for ask in (solver.free, solver.bond_compliance):
        with pytest.raises(RuntimeError, match="update"):
            ask()
    solver.update(stiffness=k)
    assert solver.free().readings == pytest.approx(first, rel=1e-12)
