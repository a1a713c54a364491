"""Fast steps of linear networks: the same numbers as plain assembly."""

import numpy as np
import pytest
from problems import equilibrium
from scipy import sparse

import mechlearn as ml
from mechlearn.energies import Beam, Resistor
from mechlearn.fem.matrices import BondStiffness
from mechlearn.fem.model import Model
from mechlearn.fenics import MPI
from mechlearn.learning import RuleLearner
from mechlearn.network import Network
from mechlearn.phase import ADJOINT, Phase
from mechlearn.tasks.formulate import pose


@pytest.mark.parametrize("energy", [ml.Spring(), Beam(), Resistor()], ids=lambda e: e.name)
@pytest.mark.parametrize("shape", ["plane", "space", "torus"])
def test_scattered_stiffness_is_the_derivative_of_the_forces(shape, energy, request):
    net = request.getfixturevalue(shape)
    energy = energy.in_dimension(net.dim)
    model = Model(net, energy, held=[0, 1, 5])
    rng = np.random.default_rng(1)
    first = energy.parameters[0]
    model.set(**{first.name: first.default(net) * rng.uniform(0.5, 2, net.n_edges)})
    at_rest = np.zeros(len(model.local_free))
    model.put_state(at_rest)
    rest, columns = model.local_force(), np.empty((len(at_rest),) * 2)
    for k, free in enumerate(model.local_free):
        model.put_state(np.eye(len(at_rest))[k] * free)
        columns[:, k] = model.local_force() - rest if free else np.eye(len(at_rest))[k]
    # Everything on one rank: owned order is the matrix's.
    dense = model.assemble_stiffness().convert("dense").getDenseArray()
    np.testing.assert_allclose(dense, columns, atol=1e-11 * np.abs(columns).max())


def test_large_matrices_are_numbered_without_overflow():
    n = 50_000  # n^2 is more than 32 bits hold
    ends = np.arange(n - 1)
    operator = sparse.csr_array(
        (
            np.tile([-1.0, 1.0], n - 1),
            (np.repeat(ends, 2), np.column_stack([ends, ends + 1]).ravel().astype(np.int32)),
        ),
        shape=(n - 1, n),
    )
    free = np.arange(n) > 0
    moduli = np.random.default_rng(0).uniform(1, 2, n - 1)
    matrix = BondStiffness(operator, 1, free, 1).assemble(moduli)
    rows, columns, values = matrix.getValuesCSR()
    kept = operator * free
    wanted = (kept.T @ sparse.diags_array(moduli) @ kept).tocsr() + sparse.diags_array(
        (~free).astype(float)
    )
    found = sparse.csr_array((values, columns, rows), shape=(n, n))
    assert np.abs(found - wanted).max() < 1e-14


def many_examples(net, energy=None, rule=ml.CoupledLearning):
    rng = np.random.default_rng(2)
    edges = net.edges[[1, 12, 25]].tolist()
    task = ml.Task(
        sources=[ml.Source(name="a", nodes=edges[0], strain=0.0)],
        targets=[
            ml.Target(name="b", nodes=edges[1], strain=0.0),
            ml.Target(name="c", nodes=edges[2], strain=0.0),
        ],
        examples=[dict(zip("abc", row, strict=True)) for row in rng.normal(0, 0.1, (25, 3))],
    )
    energy = energy or ml.Spring()
    learn = {energy.parameters[0].name: ml.Learn(bounds=(0.05, 9.0))}
    return RuleLearner(net, task, energy, learn, rule(eta=0.1))


@pytest.mark.parametrize(
    ("energy", "name"),
    [
        (ml.Spring(), "stiffness"), (ml.Spring(), "rest_length"),
        (Beam(), "width"), (Beam(), "rest_length"),
    ],
    ids=lambda x: getattr(x, "name", x),
)  # fmt: skip
@pytest.mark.parametrize("phase", [Phase("clamp", 0.1), Phase("nudge", 0.01), ADJOINT])
def test_the_mean_over_many_examples_follows_from_their_moments(plane, energy, name, phase):
    energy = energy.in_dimension(2)
    at = many_examples(plane, energy).equilibrium
    random, first = np.random.default_rng(3), energy.parameters[0]
    rest = plane.lengths * random.uniform(0.99, 1.01, plane.n_edges)
    at.update(**{first.name: random.uniform(0.5, 2, plane.n_edges), "rest_length": rest})
    at.free()
    state = at.solve(phase)
    each = state.sensitivity(name)
    assert len(each) == 25 > at.columns.shape[1]
    mean = at.mean_signal(name, [state], (1.0,))
    np.testing.assert_allclose(mean, each.mean(0), atol=1e-12 * np.abs(each).max())


def test_a_rule_that_is_linear_learns_alike_by_means_and_by_examples(plane):
    class OneByOne(ml.CoupledLearning):
        weights = None

    signals = []
    for rule in (ml.CoupledLearning, OneByOne):
        learner = many_examples(plane, rule=rule)
        learner._evaluate_phases(learner.outputs(learner.settle()))
        signals.append(learner._signal("stiffness"))
    np.testing.assert_allclose(*signals, rtol=0, atol=1e-10 * np.abs(signals[0]).max())


def test_balanced_self_stress_counts_as_energy():
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 2, indexing="ij"), -1).reshape(-1, 2)
    steps = np.array([[1, 0], [0, 1], [1, 1], [1, -1]])
    to = (grid[:, None] + steps).reshape(-1, 2)
    edges = np.column_stack([np.repeat(np.arange(16), 4), (to % 4) @ [4, 1]])
    net = Network(grid.astype(float), edges, cell=4.0 * np.eye(2), shifts=to // 4)
    task = ml.Task(
        sources=[ml.Source(nodes=net.edges[0].tolist(), strain=0.1)],
        targets=[ml.Target(nodes=net.edges[9].tolist(), strain=0.1)],
    )
    energy = ml.Spring()
    problem = pose(task, net, energy.kinematics)
    # Rows and columns are under tension, by numbers that cancel to the last bit at every node.
    rest = net.lengths - np.where(net.lengths == 1.0, 0.125, 0.0)
    at = equilibrium(energy.model(net, problem, {"rest_length": rest}, MPI.COMM_SELF), problem)
    at.update()
    assert not at.prestressed
    free = at.free()
    felt = at.model.to_bonds(free.strains()[0]) - (rest - net.lengths)
    np.testing.assert_allclose(free.energies, (felt**2).sum(axis=1) / 2, rtol=1e-12)


def test_the_last_factorisation_finishes_what_newton_began(plane):
    task = ml.Task(
        sources=[ml.Source(nodes=plane.edges[1].tolist(), strain=0.05)],
        targets=[ml.Target(nodes=plane.edges[25].tolist(), strain=0.05)],
    )
    learner = RuleLearner(
        plane, task, ml.FiniteSpring(), {"stiffness": ml.Learn(bounds=(0.1, 10), initial=1.0)},
        ml.CoupledLearning(eta=0.01),
    )  # fmt: skip
    at = learner.equilibrium
    free = learner.settle()
    assert at.counts.chords > 0
    assert at.counts.iterations >= at.counts.solves
    model = learner.model
    model.put_state(free.fields()[:, 0])
    # Bonds pull at no node but the two that are held apart.
    loaded = {int(n) for n in plane.edges[1]}
    at_node = model.to_nodes(model.local_force())
    others = [n for n in range(plane.n_nodes) if n not in loaded]
    assert np.abs(at_node[others]).max() < 1e-10
    assert np.abs(at_node[sorted(loaded)]).max() > 1e-4
