"""Equilibria at finite displacement, against an independent constrained minimisation."""

import numpy as np
import pytest
from problems import equilibrium
from reference import finite_energy, minimise_finite
from scipy.optimize import minimize, minimize_scalar

from mechlearn.energies import FiniteSpring, Spring
from mechlearn.equilibrium import balance
from mechlearn.errors import SolveError
from mechlearn.fem.model import Model
from mechlearn.network import Network
from mechlearn.networks import delaunay
from mechlearn.phase import Phase
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.task import Source, Support, Target, Task


def solver_for(net, task, k=1.0, **more):
    problem = pose(task, net)
    solver = equilibrium(Model(net, FiniteSpring(), problem.fixed), problem)
    solver.update(stiffness=k, **more)
    return solver


PINCH = Task(
    sources=[Source(nodes=[0, 7], strain=0.2)], targets=[Target(nodes=[3, 12], strain=0.2)]
)


@pytest.mark.parametrize("which", ["plane", "space", "torus"])
def test_free_and_clamped_minimise_the_energy(request, which, stiffnesses):
    net = request.getfixturevalue(which)
    k = stiffnesses(net)
    solver = solver_for(net, PINCH, k)
    free = solver.free()
    u, energy = minimise_finite(net, k, [(0, 7)], [0.2], free.states()[0] * 0.9)
    assert free.energies[0] == pytest.approx(energy, rel=1e-8)
    x = net.separation(3, 12) + u[12] - u[3]
    strain = np.linalg.norm(x) / np.linalg.norm(net.separation(3, 12)) - 1
    assert solver.outputs(free)[0, 0] / solver.problem.units[0] == pytest.approx(strain, abs=1e-5)
    clamped = solver.solve(Phase("clamp", 0.5)).parts[0][1]
    halfway = (strain + 0.2) / 2
    _, energy = minimise_finite(
        net, k, [(0, 7), (3, 12)], [0.2, halfway], clamped.states()[0] * 0.9
    )
    assert clamped.energies[0] == pytest.approx(energy, rel=1e-7)


def test_forces_balance_and_are_the_slope_of_the_energy(plane, stiffnesses):
    k = stiffnesses(plane)
    energies, forces = [], []
    for strain in (0.2 - 1e-4, 0.2, 0.2 + 1e-4):
        task = Task(sources=[Source(nodes=[0, 7], strain=strain)], targets=PINCH.targets)
        settled = solver_for(plane, task, k).free()
        energies.append(settled.energies[0])
        forces.append(settled.forces[0, 0])
    length = np.linalg.norm(plane.separation(0, 7))
    assert forces[1] == pytest.approx((energies[2] - energies[0]) / (2e-4 * length), rel=1e-5)
    u = settled.states()[0]
    _, gradient = finite_energy(plane, k, plane.lengths, u)
    inside = np.setdiff1d(np.arange(plane.n_nodes), [0, 7])
    assert np.abs(gradient.reshape(-1, 2)[inside]).max() < 1e-9 * np.abs(gradient).max()


def test_answer_does_not_depend_on_the_gauge(plane, stiffnesses):
    k = stiffnesses(plane)
    free = solver_for(plane, PINCH, k).free()
    a = int(np.argmax(plane.nodes[:, 0]))
    held = Task(supports=[Support(nodes=[a])], sources=PINCH.sources, targets=PINCH.targets)
    again = solver_for(plane, held, k).free()
    assert again.energies == pytest.approx(free.energies, rel=1e-9)
    assert again.readings == pytest.approx(free.readings, rel=1e-8)


def test_displaced_nodes_and_loads(plane, stiffnesses):
    k = stiffnesses(plane)
    task = Task(
        sources=[
            Source(nodes=[4], displacement=[0.1, 0.0]),
            Source(nodes=[9], displacement=[0.0, 0.1]),
            Source(name="load", nodes=[20], force=[0.05, -0.1]),
        ],
        targets=[Target(nodes=[3, 12], strain=0.1)],
    )
    solver = solver_for(plane, task, k)
    free = solver.free()
    _, gradient = finite_energy(plane, k, plane.lengths, free.states()[0])
    g = gradient.reshape(-1, 2)
    assert g[20] == pytest.approx([0.05, -0.1], abs=1e-9)
    assert free.forces[0, :4] == pytest.approx([*g[4], *g[9]], abs=1e-9)
    others = np.setdiff1d(np.arange(plane.n_nodes), [4, 9, 20])
    assert np.abs(g[others]).max() < 1e-9
    assert free.states()[0][4] == pytest.approx([0.1, 0.0], abs=1e-12)


def test_small_strains_agree_with_linear_springs_to_second_order(plane, stiffnesses):
    from mechlearn.energies import Spring

    k = stiffnesses(plane)
    differences = []
    for strain in (1e-2, 1e-3):
        task = Task(sources=[Source(nodes=[0, 7], strain=strain)], targets=PINCH.targets)
        problem = pose(task, plane)
        linear = equilibrium(Model(plane, Spring(), problem.fixed), problem)
        linear.update(stiffness=k)
        finite = solver_for(plane, task, k).free()
        differences.append(abs(linear.free().readings[0, 1] - finite.readings[0, 1]))
    assert differences[0] / differences[1] == pytest.approx(100, rel=0.1)


def column_of(shortened, offset=0.0, examples=()):
    """Two springs in line with soft springs at their joint, pushed together: so far, or by force.

    One that is pushed by a force is asked to become shorter.
    """
    net = Network(
        [[0, 0], [1, offset], [2, 0], [1, 1], [1, -1.0]], [[0, 1], [1, 2], [1, 3], [1, 4]]
    )
    by = {"force": [-0.0095]} if shortened is None else {"displacement": [-shortened]}
    aside = Target(nodes=[1], components=["y"], displacement=[0.5])
    return net, Task(
        supports=[Support(nodes=[0, 3, 4]), Support(nodes=[2], components=["y"])],
        sources=[Source(name="s", nodes=[2], components=["x"], **by)],
        targets=[Target(nodes=[0, 2], strain=-0.02) if shortened is None else aside],
        examples=list(examples),
    )


def column(shortened, offset=0.0, loose=False):
    """A solver of the column that is shortened."""
    solver = solver_for(*column_of(shortened, offset), np.array([1.0, 1.0, 0.01, 0.01]))
    solver.floppy = loose
    return solver


@pytest.mark.parametrize("shortened", [0.021, 0.025, 0.03, 0.04, 0.06, 0.1, 0.4])
@pytest.mark.parametrize("offset", [0.0, 1e-9], ids=["straight", "bent"])
@pytest.mark.parametrize("loose", [False, None], ids=["firm", "not known"])
def test_compressed_column_buckles_to_the_side_instead_of_standing(shortened, offset, loose):
    """The straight state is an equilibrium but no minimum beyond a shortening of 0.02, and Newton
    alone would stay there."""
    solver = column(shortened, offset, loose)
    free = solver.free()
    assert solver.floppy is False

    def energy(place):
        stretched = (
            np.linalg.norm(np.subtract(place, end)) - 1
            for end in ([0, 0], [2 - shortened, 0], [1, 1], [1, -1])
        )
        return sum(k * e**2 / 2 for k, e in zip([1.0, 1.0, 0.01, 0.01], stretched, strict=True))

    least = minimize(energy, [1 - shortened / 2, 0.3], tol=1e-14, method="Nelder-Mead")
    height = abs(least.x[1])
    assert height > 0.01
    assert free.energies[0] == pytest.approx(least.fun, rel=1e-7)
    assert abs(free.readings[0, 1]) == pytest.approx(height, rel=1e-5)


def test_driven_column_buckles_where_it_loses_its_stability():
    solver = column(0.01)
    assert abs(solver.free().readings[0, 1]) < 1e-9
    heights = []
    for shortened in (0.019, 0.0201, 0.021, 0.019):
        values = solver.problem.values.copy()
        values[:, 0] = -shortened
        solver.drive(values)
        heights.append(abs(solver.free().readings[0, 1]))
    assert heights[0] < 1e-6
    assert heights[1] > 5e-3
    assert heights[2] == pytest.approx(0.0344666, rel=1e-4)
    assert heights[3] < 1e-4


def test_floppy_network_is_held_by_prestress(plane):
    """A square with stretched sides and one diagonal missing has a mechanism that tension stiffens;
    a cross of stretched springs does too."""
    net = Network([[0, 0], [1, 0], [2, 0.0]], [[0, 1], [1, 2]])
    task = Task(
        supports=[Support(nodes=[0, 2])],
        sources=[Source(nodes=[1], components=["y"], force=[0.01])],
        targets=[Target(nodes=[1], components=["x"], displacement=[0.0])],
    )
    solver = solver_for(net, task, 1.0, rest_length=0.5)
    u = solver.free().states()[0]
    lateral = u[1, 1]
    length = np.hypot(1, lateral)
    assert 2 * (length - 0.5) * lateral / length == pytest.approx(0.01, rel=1e-9)


def test_impossible_load_ends_in_a_sentence(plane):
    task = Task(supports=[Support(nodes=[0, 7])], sources=PINCH.sources, targets=PINCH.targets)
    with pytest.raises(SolveError, match=r"example 1 beyond 0 % of the load"):
        solver_for(plane, task).free()


NUDGE = Task(
    sources=[Source(nodes=[0, 7], strain=0.005)], targets=[Target(nodes=[3, 12], strain=0.005)]
)


@pytest.mark.parametrize("which", ["plane", "space", "torus"])
@pytest.mark.parametrize("kind", ["clamp", "nudge"])
def test_one_factorisation_serves_for_all_phases(request, which, kind, stiffnesses, monkeypatch):
    net = request.getfixturevalue(which)
    amounts = (0.02, -0.02)
    k, found, factorised = stiffnesses(net), [], []
    for nearby in (balance.REUSE_RADIUS, -1.0):
        monkeypatch.setattr(balance, "REUSE_RADIUS", nearby)
        solver = solver_for(net, NUDGE, k)
        free = solver.free()
        before = solver.counts.iterations
        states = [solver.solve(Phase(kind, a)).parts[0][1].states() for a in amounts]
        factorised.append(solver.counts.iterations - before)
        found.append([free.states(), *states])
    assert factorised[0] == 0
    assert factorised[1] >= 1
    for with_one, with_own in zip(*found, strict=True):
        assert with_one == pytest.approx(with_own, abs=1e-9)
    assert np.abs(found[0][1] - found[0][0]).max() > 1e-6


APART = Task(
    sources=[Source(name="in", nodes=[0, 7], strain=0.0)],
    targets=[Target(name="out", nodes=[3, 12], strain=0.01)],
    examples=[{"in": 0.1}, {"in": -0.1}, {"in": 0.04}],
)


@pytest.mark.parametrize(("kept", "enough"), [(balance.KEPT, True), (2, False), (1, False)])
def test_every_example_keeps_its_factorisation(plane, stiffnesses, monkeypatch, kept, enough):
    k = stiffnesses(plane)
    with monkeypatch.context() as patched:
        patched.setattr(balance, "REUSE_RADIUS", -1.0)
        expected = solver_for(plane, APART, k)
        expected.free()
        expected = expected.solve(Phase("clamp", 0.02)).parts[0][1].states()
    monkeypatch.setattr(balance, "KEPT", kept)
    solver = solver_for(plane, APART, k)
    solver.free()
    before = solver.counts.iterations
    found = solver.solve(Phase("clamp", 0.02)).parts[0][1].states()
    assert (solver.counts.iterations == before) == enough
    assert found == pytest.approx(expected, abs=1e-9)
    # So they are, far from each other.
    far = min(np.abs(found[e] - found[0]).max() for e in (1, 2))
    assert far > 2 * balance.REUSE_RADIUS * plane.lengths.mean()


def bulge(shortened, soft):
    """Deflection of the column's joint, by its energy alone."""

    def energy(y):
        return (np.hypot(1 - shortened / 2, y) - 1) ** 2 + soft * sum(
            (np.hypot(shortened / 2, 1 + sign * y) - 1) ** 2 for sign in (-1, 1)
        ) / 2

    found = minimize_scalar(energy, bounds=(1e-4, 0.5), options={"xatol": 1e-12})
    return found.x if found.fun < energy(0.0) else 0.0


def test_a_column_that_becomes_unstable_beside_one_that_stays_buckles():
    """Examples may share a factorisation, but not the verdict on whether they are stable."""
    examples = [{}, {"s": [-0.0195]}]
    net, task = column_of(0.0175, examples=examples)
    solver = solver_for(net, task)
    solver.floppy = False
    # The critical shortening is about twice the ratio of the stiffnesses: 0.02, and less later.
    for step in range(4):
        soft = 0.01 * (1 - 0.02 * step)
        solver.update(stiffness=np.array([1.0, 1.0, soft, soft]))
        straight, buckled = np.abs(solver.free().readings[:, 1])
        assert straight < 1e-12
        assert buckled == pytest.approx(bulge(0.0195, soft), rel=1e-4, abs=1e-12)
    assert buckled > 0.02


def test_a_clamp_that_buckles_a_column_shows_in_the_next_step():
    net, task = column_of(None)
    solver = solver_for(net, task)
    solver.floppy = False
    stiffness = np.array([1.0, 1.0, 0.01, 0.01])
    for step in range(3):
        solver.update(stiffness=stiffness * (1 + 1e-4 * step))
        solver.free()
        clamped = solver.solve(Phase("clamp", 0.12)).parts[0][1]
        aside = bulge(-clamped.readings[0, 0], 0.01)
        assert aside > 0.04
        if step:
            assert abs(clamped.states()[0][1, 1]) == pytest.approx(aside, rel=1e-4)


# One is factorised by PETSc, the other by MUMPS.
@pytest.mark.parametrize(("dim", "nodes"), [(2, 30), (3, 120)])
def test_factorisations_serve_whatever_becomes_of_the_matrix(dim, nodes):
    net = delaunay(nodes=nodes, dim=dim, seed=1)
    k = np.random.default_rng(0).uniform(0.5, 2.0, net.n_edges)
    a, b = net.edges[0], net.edges[-1]
    task = Task(
        sources=[Source(nodes=a.tolist(), strain=0.01)],
        targets=[Target(nodes=b.tolist(), strain=0.01)],
    )
    solver, fresh = (solver_for(net, task, k) for _ in range(2))
    for each in (solver, fresh):
        each.free()
    # Somebody else, say an analysis, assembles the stiffness at another state.
    model = solver.model
    model.put_state(model.to_local(0.3 * net.nodes))
    model.assemble_stiffness()
    before = solver.counts.iterations
    found, expected = (each.solve(Phase("clamp", 0.02)).parts[0][1] for each in (solver, fresh))
    assert solver.counts.iterations == before == fresh.counts.iterations
    assert found.states() == pytest.approx(expected.states(), abs=1e-9)


def test_factorisations_do_not_serve_for_other_parameters(plane, stiffnesses):
    k = stiffnesses(plane)
    solver = solver_for(plane, NUDGE, k)
    solver.free()
    other = k[::-1].copy()
    solver.update(stiffness=other)
    before, fresh = solver.counts.iterations, solver_for(plane, NUDGE, other)
    assert solver.free().states() == pytest.approx(fresh.free().states(), abs=1e-9)
    assert solver.counts.iterations > before


@pytest.mark.parametrize("unit", [1e-15, 1e-9, 1e9])
@pytest.mark.parametrize("before", [None, 1.0])
def test_stiffnesses_may_have_any_unit_whatever_they_were_before(plane, stiffnesses, unit, before):
    # Supports have a diagonal of 1, which is no stiffness.
    k, free = stiffnesses(plane), []
    for of in (1.0, unit):
        push = Source(nodes=[5], force=[0.0, 0.0 if before else 0.01 * of])
        task = Task(
            supports=[Support(nodes=[0, 1])],
            sources=[Source(nodes=[10, 17], strain=0.1), push],
            targets=[Target(nodes=[3, 12], strain=0.02)],
        )
        solver = solver_for(plane, task, k * (before or of))
        if before:
            solver.free()
            solver.update(stiffness=k[::-1] * of)
        free.append(solver.free())
    assert free[1].readings == pytest.approx(free[0].readings, rel=1e-8, abs=1e-10)
    assert free[1].forces == pytest.approx(unit * free[0].forces, rel=1e-7, abs=1e-9 * unit)


@pytest.mark.parametrize("contrast", [1e6, 1e12])
def test_soft_parts_move_though_what_pulls_them_is_nothing_beside_the_stiff_ones(contrast):
    # A braced strip, stiff where it is held; the load is a 1e-11th of what stretches a stiff bond.
    cells = 8
    x = np.array([[i, j] for i in range(cells + 1) for j in (0.0, 1.0)])
    a = 2 * np.repeat(np.arange(cells), 4)
    edges = np.stack([a, a], axis=1) + np.tile([[0, 2], [1, 3], [0, 3], [2, 3]], (cells, 1))
    net, soft = Network(x, edges), 1 / contrast
    k = np.where(np.arange(len(edges)) < 12, 1.0, soft)
    tip, moved = 2 * cells, []
    task = Task(
        supports=[Support(nodes=[0, 1])],
        sources=[Source(name="f", nodes=[tip], force=[0.0, 2e-5 * soft])],
        targets=[Target(nodes=[tip + 1], displacement=[0.1, 0.1])],
    )
    for element in (Spring(), FiniteSpring()):
        problem = pose(task, net)
        solver = equilibrium(Model(net, element, problem.fixed), problem)
        solver.update(stiffness=k)
        moved.append(solver.free().states()[0][tip, 1])
    assert moved[0] > 1e-3
    assert moved[1] == pytest.approx(moved[0], rel=0.02)
