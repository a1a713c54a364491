"""Resistors, channels and capacitors: the same machinery on potentials."""

import numpy as np
import pytest
from problems import equilibrium

import mechlearn as ml
from mechlearn.energies import Capacitor, Channel, Resistor
from mechlearn.errors import InputError
from mechlearn.fem.model import Model
from mechlearn.tasks.costs import CrossEntropy, SquaredError
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.task import Source, Support, Target, Task

PARAMETERS = {
    Resistor: ("conductance", "width"),
    Channel: ("conductance", "radius"),
    Capacitor: ("capacitance", "area", "gap"),
}


def laplacian(net, k):
    """Dense graph Laplacian, bond by bond."""
    out = np.zeros((net.n_nodes, net.n_nodes))
    for (i, j), c in zip(net.edges, np.broadcast_to(k, net.n_edges), strict=True):
        out[i, i] += c
        out[j, j] += c
        out[i, j] -= c
        out[j, i] -= c
    return out


def solver_for(net, task, energy, **parameters):
    problem = pose(task, net, energy.kinematics)
    solver = equilibrium(Model(net, energy, problem.fixed), problem)
    solver.update(**parameters)
    return solver


@pytest.mark.parametrize("which", ["plane", "space", "torus"])
def test_potentials_and_currents_obey_kirchhoff(request, which, stiffnesses):
    net = request.getfixturevalue(which)
    k = stiffnesses(net)
    task = Task(
        supports=[Support(nodes=[0])],
        sources=[Source(nodes=5, voltage=1.0), Source(nodes=8, current=0.3)],
        targets=[Target(nodes=[11, 13], voltage=0.2), Target(name="out", nodes=17, current=0.1)],
    )
    solver = solver_for(net, task, Resistor(), conductance=k)
    free = solver.free()
    matrix = laplacian(net, k)
    known = {0: 0.0, 5: 1.0, 17: 0.0}
    rest = np.setdiff1d(np.arange(net.n_nodes), list(known))
    v = np.zeros(net.n_nodes)
    v[5] = 1.0
    load = np.zeros(net.n_nodes)
    load[8] = 0.3
    v[rest] = np.linalg.solve(matrix[np.ix_(rest, rest)], (load - matrix @ v)[rest])
    assert free.states()[0, :, 0] == pytest.approx(v, abs=1e-12)
    outputs = solver.outputs(free)[0]
    assert outputs == pytest.approx([v[11] - v[13], (matrix @ v)[17]], abs=1e-11)


def test_channel_conducts_with_the_fourth_power_of_its_radius(plane):
    task = Task(
        supports=[Support(nodes=[0])],
        sources=[Source(nodes=5, pressure=1.0)],
        targets=[Target(nodes=20, pressure=0.5)],
    )
    radius = np.random.default_rng(1).uniform(0.5, 2, plane.n_edges)
    by_radius = solver_for(plane, task, Channel(), radius=radius).free()
    by_conductance = solver_for(plane, task, Channel(), conductance=radius**4).free()
    assert by_radius.states() == pytest.approx(by_conductance.states(), abs=1e-13)


@pytest.mark.parametrize(
    ("energy", "name"), [(e, name) for e, names in PARAMETERS.items() for name in names]
)
@pytest.mark.parametrize("kind", ["across", "through"])
@pytest.mark.parametrize("cost", [SquaredError(), CrossEntropy(), CrossEntropy(of="softmax")])
def test_exact_gradient_of_every_parameter(plane, energy, name, kind, cost):
    """Taylor remainder of order 2, for outputs that are potentials and outputs that are flows."""
    words = energy.kinematics
    word = words.across if kind == "across" else words.through
    task = Task(
        supports=[Support(nodes=[0])],
        sources=[Source(nodes=5, **{words.across: 1.0})],
        targets=[Target(nodes=20, **{word: 0.3}), Target(nodes=[25], **{word: [0.7]})],
        cost=cost,
    )
    solver = solver_for(plane, task, energy())
    rng = np.random.default_rng(2)
    at, direction = rng.uniform(0.5, 2, plane.n_edges), rng.standard_normal(plane.n_edges)

    def value(values):
        solver.update(**{name: values})
        return solver.problem.costs(solver.outputs(solver.free()))[0]

    base = value(at)
    from mechlearn.phase import ADJOINT

    gradient = solver.model.to_bonds(solver.solve(ADJOINT).sensitivity(name))[0]
    steps = 1e-3 * 0.5 ** np.arange(4)
    remainders = [abs(value(at + h * direction) - base - h * gradient @ direction) for h in steps]
    assert np.log2(remainders[0] / remainders[-1]) / 3 > 1.95


def test_flow_network_learns_by_twelve_decades():
    """Coupled learning on a flow network of 64 nodes, eta 1e-3."""
    net = ml.networks.packing(nodes=64, periodic=True, coordination=4.5, seed=1)
    task = ml.Task(
        supports=[ml.Support(nodes=[0])],
        sources=[ml.Source(nodes=n, pressure=p) for n, p in ((9, 1.0), (23, -0.5), (41, 0.3))],
        targets=[ml.Target(nodes=[14, 15], pressure=0.1), ml.Target(nodes=[33, 60], pressure=0.2)],
    )
    run = ml.train(
        net,
        task,
        energy=ml.Channel(),
        learn={"conductance": ml.Learn(bounds=(1e-3, 1e3), initial=1.0)},
        rule=ml.CoupledLearning(eta=1e-3),
        optimiser="plain",
        rate=2.0,
        steps=3000,
        tolerance=1e-8,
    )
    cost = run.history["cost"].values
    assert cost[-1] < 1e-12 * cost[0]


@pytest.mark.parametrize("energy", [ml.Resistor(), ml.Channel(), ml.Capacitor()])
def test_scalar_runs_are_saved_and_read_back(plane, energy, tmp_path):
    words = energy.kinematics
    task = ml.Task(
        supports=[ml.Support(nodes=[0])],
        sources=[ml.Source(nodes=5, **{words.across: 1.0})],
        targets=[ml.Target(nodes=[20, 25], **{words.across: 0.1})],
    )
    name = energy.parameters[0].name
    run = ml.train(plane, task, energy=energy, learn={name: ml.Learn(bounds=(0.01, 100))})
    assert run.converged
    again = ml.Run.load(run.save(tmp_path / "run"))
    assert again.response == pytest.approx(run.response, abs=1e-15)
    assert again.evaluate()[0]["reached"] == pytest.approx(run.targets[0]["reached"], abs=1e-12)


def test_words_of_another_physics_are_refused(plane):
    task = Task(sources=[Source(nodes=5, voltage=1.0)], targets=[Target(nodes=[3, 9], strain=0.1)])
    with pytest.raises(InputError, match="voltage, which this network does not know; it knows str"):
        pose(task, plane)
    with pytest.raises(InputError, match=r"target 'target' is about a strain.*voltage and current"):
        pose(task, plane, Resistor.kinematics)
