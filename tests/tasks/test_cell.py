"""The cell of a periodic network: its strain and stress as sources and targets."""

import numpy as np
import pytest
from conftest import periodic_network
from problems import equilibrium
from ranks import on_ranks
from reference import bond_matrix
from scipy.optimize import minimize

import mechlearn as ml
from mechlearn.fenics import MPI
from mechlearn.learning import RuleLearner
from mechlearn.phase import ADJOINT, Phase
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.task import Source, Target, Task

COMPONENTS = {2: [(0, 0), (1, 1), (0, 1)], 3: [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]}


def solver_for(net, task, energy, **parameters):
    problem = pose(task, net, energy.kinematics)
    solver = equilibrium(energy.model(net, problem, parameters, MPI.COMM_SELF), problem)
    solver.update(**parameters)
    return solver


def reads(net, task, energy, **parameters):
    solver = solver_for(net, task, energy, **parameters)
    return solver.outputs(solver.free())[0] / solver.problem.units


def affine_matrix(net):
    """Dense rows: extensions of bonds by the components of the cell's strain."""
    t = net.vectors / net.lengths[:, None]
    columns = []
    for i, j in COMPONENTS[net.dim]:
        e = np.zeros((net.dim, net.dim))
        e[i, j] = e[j, i] = 1
        columns.append(np.einsum("bi,ij,bj->b", t, e, net.vectors))
    return np.array(columns).T


def moduli(net, k):
    """Dense stiffness tensor, energy per volume by strain components, nodes relaxed."""
    c, a = bond_matrix(net), affine_matrix(net)
    stiff = c.T @ (k[:, None] * c)
    coupling = c.T @ (k[:, None] * a)
    schur = a.T @ (k[:, None] * a) - coupling.T @ np.linalg.pinv(stiff, rcond=1e-12) @ coupling
    return schur / abs(np.linalg.det(net.cell))


@pytest.mark.parametrize("energy", [ml.Spring(), ml.FiniteSpring()])
def test_triangular_lattice_has_the_moduli_of_the_textbook(energy):
    """Equal springs k: Poisson 1/3, bulk sqrt(3)/2 k, shear sqrt(3)/4 k, Young 2/sqrt(3) k."""
    net, e = ml.networks.triangular([4, 4], periodic=True), 1e-6
    pull = Task(
        sources=[Source(cell="xx", strain=e)],
        targets=[Target(cell="yy", poisson=0.0), Target(cell="xx", modulus=1.0)],
    )
    found = reads(net, pull, energy, stiffness=3.0)
    assert found == pytest.approx([1 / 3, 2 / np.sqrt(3) * 3], rel=1e-5)
    for cell, modulus in (("volume", np.sqrt(3) / 2), ("xy", np.sqrt(3) / 4)):
        task = Task(sources=[Source(cell=cell, strain=e)], targets=[Target(cell=cell, modulus=1.0)])
        assert reads(net, task, energy, stiffness=3.0) == pytest.approx(3 * modulus, rel=1e-5)


@pytest.mark.parametrize("dim", [2, 3])
def test_random_cells_agree_with_dense_numpy(dim, stiffnesses):
    """All stresses by held strains, and all strains by given stresses, of a random cell."""
    net = (
        periodic_network()
        if dim == 2
        else ml.networks.packing(nodes=40, dim=3, periodic=True, coordination=7.5, seed=2)
    )
    k = stiffnesses(net)
    c = moduli(net, k)
    names = ["".join("xyz"[i] for i in pair) for pair in COMPONENTS[dim]]
    twice = np.array([1 if i == j else 2 for i, j in COMPONENTS[dim]])
    strain = 0.01 * np.random.default_rng(0).standard_normal(len(names))
    held = Task(
        sources=[Source(cell=names, strain=strain.tolist())],
        targets=[Target(cell=names, stress=[1.0] * len(names))],
    )
    stress = reads(net, held, ml.Spring(), stiffness=k)
    assert stress == pytest.approx(c @ strain / twice, rel=1e-7)
    loaded = Task(
        sources=[Source(cell=names, stress=stress.tolist())],
        targets=[Target(cell=names, strain=[1.0] * len(names))],
    )
    assert reads(net, loaded, ml.Spring(), stiffness=k) == pytest.approx(strain, rel=1e-6)


def test_a_pair_is_pulled_apart_with_the_cell(torus, stiffnesses):
    """A pinched pair strains a cell that is free of stress as the dense matrices say."""
    k, (a, b) = stiffnesses(torus), (3, 12)
    task = Task(
        sources=[Source(nodes=[a, b], force=0.01)],
        targets=[Target(cell=["xx", "xy"], strain=[1, 1])],
    )
    from reference import pair_row

    from mechlearn.fem.macroscopic_strain import affine_rows, gradient_basis

    row, length = pair_row(torus, a, b)
    away = torus.separation(a, b)
    by_entries = affine_rows(away).T @ away / length
    row = np.r_[row, gradient_basis(["xx", "yy", "xy"]).T @ by_entries]
    whole = np.hstack([bond_matrix(torus), affine_matrix(torus)])
    u = np.linalg.pinv(whole.T @ (k[:, None] * whole), rcond=1e-12) @ (0.01 * row)
    found = reads(torus, task, ml.Spring(), stiffness=k)
    assert found == pytest.approx(u[[-3, -1]], rel=1e-7)


def test_finite_strain_minimises_the_energy_and_its_stress_is_the_slope(torus, stiffnesses):
    """Uniaxial compression by 8 %: the energy is that of a minimiser that knows nothing of this
    package, and the stress is its derivative by the imposed strain."""
    k = stiffnesses(torus) ** 0.3
    c = bond_matrix(torus)

    def lowest(strain):
        def energy(x):
            u, e = x[:-2].reshape(-1, 2), np.array([[strain, x[-1]], [x[-1], x[-2]]])
            v = torus.vectors @ (np.eye(2) + e) + u[torus.edges[:, 1]] - u[torus.edges[:, 0]]
            length = np.linalg.norm(v, axis=1)
            pull = (k * (length - torus.lengths) / length)[:, None] * v
            force = np.zeros_like(u)
            np.add.at(force, torus.edges[:, 1], pull)
            np.add.at(force, torus.edges[:, 0], -pull)
            by = pull.T @ torus.vectors
            value = (k * (length - torus.lengths) ** 2).sum() / 2
            return value, np.r_[force.ravel(), by[1, 1], by[0, 1] + by[1, 0]]

        return minimize(
            energy, np.zeros(c.shape[1] + 2), jac=True, method="BFGS", options={"gtol": 1e-9}
        )

    task = Task(
        sources=[Source(cell="xx", strain=-0.08)],
        targets=[Target(cell=["yy", "xy"], strain=[1, 1]), Target(cell="xx", stress=1.0)],
    )
    solver = solver_for(torus, task, ml.FiniteSpring(), stiffness=k)
    free = solver.free()
    found, best = solver.outputs(free)[0] / solver.problem.units, lowest(-0.08)
    assert free.energies[0] == pytest.approx(best.fun, rel=1e-9)
    assert found[:2] == pytest.approx(best.x[-2:], rel=1e-5)
    slope = (lowest(-0.08 + 1e-4).fun - lowest(-0.08 - 1e-4).fun) / 2e-4
    assert found[2] * abs(np.linalg.det(torus.cell)) == pytest.approx(slope, rel=1e-5)


TASKS = {
    "poisson": Task(
        sources=[Source(cell="xx", strain=-0.03)], targets=[Target(cell="yy", poisson=-0.2)]
    ),
    "modulus": Task(
        sources=[Source(cell="volume", strain=0.02)],
        targets=[Target(cell="volume", modulus=0.4), Target(cell="xy", strain=0.01)],
    ),
}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
@pytest.mark.parametrize("energy", [ml.Spring(), ml.FiniteSpring()], ids=["linear", "finite"])
def test_rules_follow_the_gradient_of_the_cost(torus, stiffnesses, task, energy):
    """The adjoint is the derivative of the cost by finite differences, and equilibrium propagation
    tends to it, where outputs are strains and stresses of the cell."""
    k = stiffnesses(torus) ** 0.5
    solver = solver_for(torus, task, energy, stiffness=k)

    def cost(at):
        solver.update(stiffness=at)
        return solver.problem.costs(solver.outputs(solver.free()))[0]

    cost(k)

    def felt(phase):
        return solver.model.to_bonds(solver.solve(phase).sensitivity("stiffness"))[0]

    exact = felt(ADJOINT)
    beta = 1e-4
    sides = [felt(Phase("nudge", b)) for b in (-beta, beta)]
    assert (sides[1] - sides[0]) / (2 * beta) == pytest.approx(exact, rel=1e-3, abs=1e-6)
    for bond in (0, 30, 60):
        step = np.zeros(len(k))
        step[bond] = 1e-5
        slope = (cost(k + step) - cost(k - step)) / 2e-5
        assert exact[bond] == pytest.approx(slope, rel=1e-4, abs=1e-9)


def test_contrast_is_quadratic_where_stress_is_asked_beside_an_imposed_strain(torus, stiffnesses):
    solver = solver_for(torus, TASKS["modulus"], ml.Spring(), stiffness=stiffnesses(torus))
    solver.free()
    rest = solver.solve(Phase("clamp")).potentials
    found = [
        float((solver.solve(Phase("clamp", eta)).potentials - rest)[0]) / eta**2
        for eta in (1, 0.1, 0.01)
    ]
    assert found[0] > 0
    assert found == pytest.approx([found[0]] * 3, rel=1e-7)


@pytest.mark.parametrize("rule", [ml.CoupledLearning(), ml.EquilibriumPropagation(beta=1e-3)])
def test_a_network_learns_a_poissons_ratio_and_a_modulus(torus, rule):
    task = Task(
        sources=[Source(cell="xx", strain=-0.01)],
        targets=[Target(cell="yy", poisson=0.0), Target(cell="xx", modulus=0.8)],
    )
    run = ml.train(torus, task, rule=rule, steps=300, tolerance=1e-2)
    assert run.converged
    assert run.cell[0, 0, 0, 0] == pytest.approx(0.99)
    assert run.cell[0, 0, 1, 1] == pytest.approx(1.0, abs=2e-4)
    assert run.evaluate()[1]["reached"] == pytest.approx(0.8, rel=1e-2)


def test_a_run_about_the_cell_is_read_again(torus, tmp_path):
    run = ml.train(torus, TASKS["poisson"], energy=ml.FiniteSpring(), steps=2)
    run.save(tmp_path / "run")
    again = ml.Run.load(tmp_path / "run")
    assert again.targets == run.targets
    assert again.evaluate()[0]["reached"] == pytest.approx(run.targets[0]["reached"], rel=1e-9)


def test_nodes_go_with_the_cell(torus):
    """An affine lattice: every node moves by the cell's strain times its place."""
    net = ml.networks.triangular([4, 4], periodic=True)
    run = ml.train(net, TASKS["poisson"], steps=0)
    x = net.nodes - net.nodes.mean(axis=0)
    moved = run.response[0] - run.response[0].mean(axis=0)
    assert moved == pytest.approx(x @ (run.cell[0, 0] - np.eye(2)), abs=1e-12)


@pytest.mark.parametrize(
    ("sources", "targets", "message"),
    [
        (
            [Source(cell="zz", strain=0.1)],
            [Target(cell="yy", strain=0.1)],
            "known in 2D; known are",
        ),
        ([Source(cell="xx", force=0.1)], [Target(cell="yy", strain=0.1)], "a cell does not know"),
        ([Source(cell="xx", strain=[0.1])], [Target(cell="yy", strain=0.1)], "one number for each"),
        ([Source(cell="xx", strain=0.1)], [Target(cell="xx", strain=0.1)], "the same as source"),
        ([Source(cell="xx", stress=0.1)], [Target(cell="yy", poisson=0.1)], "exactly one source"),
        ([Source(cell="xx", strain=0.1)], [Target(cell="xx", poisson=0.1)], "is imposed"),
        ([Source(cell="xx", strain=0.1)], [Target(cell="yy", modulus=0.1)], "exactly one source"),
        (
            [Source(nodes=[1], displacement=[0, 0])],
            [Target(cell="xx", strain=0.1)],
            "deforms depends on",
        ),
        ([Source(nodes=[1], force=[0, 0.1])], [Target(cell="xx", strain=0.1)], "force of nodes"),
        ([Source(nodes=[1, 2], strain=[0.1])], [Target(nodes=[5, 7], strain=0.1)], "not a list"),
    ],
)
def test_nonsense_is_refused(torus, sources, targets, message):
    with pytest.raises(ml.InputError, match=message):
        pose(Task(sources=sources, targets=targets), torus)


def test_a_finite_network_has_no_cell(plane):
    with pytest.raises(ml.InputError, match="periodic elastic network"):
        pose(TASKS["poisson"], plane)


def poisson_and_modulus():
    """Readings of a cell's targets, linear and at finite strain, of springs and of beams."""
    net = ml.networks.triangular([4, 4], periodic=True, disorder=0.3, seed=1)
    task = ml.Task(
        sources=[ml.Source(cell="xx", strain=-0.04)],
        targets=[ml.Target(cell="yy", poisson=0.1), ml.Target(cell="xx", modulus=0.5)],
    )
    moduli = {"modulus": ml.Learn(bounds=(0.01, 10), initial=1.0)}
    found = []
    for energy, learn in ((ml.Spring(), None), (ml.FiniteBeam(segments=2), moduli)):
        run = ml.train(net, task, energy=energy, steps=2, learn=learn)
        found += [[t["initial"], t["reached"]] for t in run.targets]
    return np.array(found)


def test_two_ranks_find_the_same():
    alone = poisson_and_modulus()
    for found in on_ranks(2, poisson_and_modulus):
        assert found == pytest.approx(alone, rel=1e-6)


@pytest.mark.parametrize("energy", [ml.Spring(), ml.FiniteSpring()])
def test_what_pictures_say_of_bonds_across_the_cell_is_what_the_bonds_feel(torus, energy):
    from mechlearn.render.fields import state_fields

    system = ml.train(torus, TASKS["poisson"], energy=energy, steps=1).system()
    seen = state_fields(system, system.response())
    strain = system.model.to_bonds(system.model.local_strains())[0] / torus.lengths
    assert np.abs(strain[torus.shifts.any(axis=1)]).max() > 1e-3
    assert seen.strain == pytest.approx(strain, abs=1e-12)


@pytest.mark.parametrize("energy", [ml.Spring(), ml.FiniteSpring()])
def test_what_is_over_the_imposed_strain_follows_it_when_it_is_pulled_further(torus, energy):
    """A Poisson's ratio and a modulus along a curve are those of a task at that strain."""
    from mechlearn.view.interactive import InteractiveView

    targets = [Target(name="ratio", cell="yy", poisson=0.1), Target(cell="xx", modulus=1.0)]
    task = Task(sources=[Source(name="pull", cell="xx", strain=-0.02)], targets=targets)
    run = ml.train(torus, task, energy=energy, steps=1)
    curve = ml.analysis.amplitude(run, [0.5, 1.5]).outputs
    alone = np.concatenate([run.respond([{"pull": strain}]) for strain in (-0.01, -0.03)])
    assert curve == pytest.approx(alone, rel=1e-8)
    system = run.system()
    assert np.isnan(system.load(0.0).outputs).all()
    assert system.load(0.5).outputs[0] == pytest.approx(alone[0], rel=1e-8)
    view = InteractiveView(run)
    view.go(amplitude=0.0)
    assert view.targets()[0] == ("ratio.yy", "+0.1", "-")


def test_moduli_are_those_of_the_dense_compliance(torus, stiffnesses):
    k = stiffnesses(torus)
    found, twice = ml.moduli(torus, stiffness=k), np.array([1, 1, 2])
    dense = np.linalg.inv(moduli(torus, k) / twice[:, None])
    assert found.compliance == pytest.approx(dense, rel=1e-7, abs=1e-9)
    assert found.poisson("yy", "xx") == pytest.approx(-dense[0, 1] / dense[1, 1], rel=1e-7)


def test_moduli_of_lattices():
    flat = ml.moduli(ml.networks.triangular([4, 4], periodic=True))
    assert (flat.bulk, flat.shear()) == pytest.approx((np.sqrt(3) / 2, np.sqrt(3) / 4))
    assert (flat.young(), flat.poisson()) == pytest.approx((2 / np.sqrt(3), 1 / 3))
    # A face-centred cubic crystal of springs k of length l: C11 = 2 C12 = 2 C44 = k sqrt(2) / l.
    space = ml.moduli(ml.networks.fcc([2, 2, 2], periodic=True), stiffness=1.0)
    length = ml.networks.fcc([2, 2, 2], periodic=True).lengths[0]
    c = np.sqrt(2) / length
    assert space.bulk == pytest.approx((c + 2 * c / 2) / 3)
    assert space.shear("yz") == pytest.approx(c / 2)
    assert space.poisson() == pytest.approx(1 / 3)


def test_moduli_of_what_a_run_learned(torus):
    task = Task(sources=[Source(cell="xx", strain=0.01)], targets=[Target(cell="yy", poisson=0.1)])
    run = ml.train(torus, task, steps=200)
    assert ml.moduli(run).poisson() == pytest.approx(run.targets[0]["reached"], rel=1e-9)
    with pytest.raises(ml.InputError, match="component = 'xy'"):
        ml.moduli(run).young("xy")


def test_a_training_with_a_cell_is_taken_up_again_as_it_was(torus):
    """Parameters, the optimiser and the state to start from, the cell's strain among it."""
    task = TASKS["poisson"]
    parts = (
        torus, task, ml.FiniteSpring(), {"stiffness": ml.Learn(bounds=(0.01, 10), initial=1.0)},
        ml.CoupledLearning(eta=0.1),
    )  # fmt: skip
    whole, first, second = (RuleLearner(*parts, comm=MPI.COMM_SELF) for _ in range(3))
    whole.train(steps=4, tolerance=1e-12)
    first.train(steps=2, tolerance=1e-12)
    state = first.state()
    assert state["memory/free/u"][-3] == pytest.approx(-0.03)
    second.restore(state)
    second.train(steps=4, tolerance=1e-12)
    assert np.array_equal(second.parameters["stiffness"], whole.parameters["stiffness"])
