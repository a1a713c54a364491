"""Invariants of every network: frame invariance, symmetry of energies, least energy at rest.

Networks, states and motions are drawn at random; the answers come from the geometry, or from a
minimisation by SciPy that shares nothing with the solvers.
"""

import numpy as np
import pytest
from conftest import random_network
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import equilibrium
from reference import bond_matrix, finite_energy, minimise_finite
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from mechlearn.energies import Bar, Beam, FiniteBeam, FiniteSpring, Spring
from mechlearn.fem.model import Model
from mechlearn.network import Network
from mechlearn.phase import Phase
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.task import Source, Target, Task

SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=8, deadline=None, derandomize=True)


def turned(rng, d):
    """A random rotation in d dimensions."""
    if d == 3:
        return Rotation.random(rng=rng).as_matrix()
    c, s = np.cos(a := rng.uniform(0, 2 * np.pi)), np.sin(a)
    return np.array([[c, -s], [s, c]])


def finite_model(net, rng):
    model = Model(net, FiniteSpring())
    rest = net.lengths * rng.uniform(0.8, 1.2, net.n_edges)
    model.set(stiffness=10 ** rng.uniform(-1, 1, net.n_edges), rest_length=rest)
    return model


def energy_at(model, u):
    model.put_state(model.to_local(u))
    return model.total_energy()


@pytest.mark.parametrize("dim", [2, 3])
@given(SEEDS)
@FEW
def test_finite_energy_is_frame_invariant_and_forces_turn_along(dim, seed):
    rng = np.random.default_rng(seed)
    net = random_network(12, dim, seed)
    model = finite_model(net, rng)
    u, q = 0.2 * rng.standard_normal(net.nodes.shape), turned(rng, dim)
    energy = energy_at(model, u)
    force = model.to_nodes(model.local_force())
    moved = (net.nodes + u) @ q.T + rng.standard_normal(dim) - net.nodes
    assert energy_at(model, moved) == pytest.approx(energy, rel=1e-10)
    assert model.to_nodes(model.local_force()) == pytest.approx(
        force @ q.T, abs=1e-9 * np.abs(force).max()
    )
    # No net force, no net torque.
    assert force.sum(axis=0) == pytest.approx(0, abs=1e-10 * np.abs(force).max())
    torque = np.einsum("ni,nj->ij", net.nodes + u, force)
    assert torque == pytest.approx(torque.T, abs=1e-10 * np.abs(torque).max())


@given(SEEDS)
@FEW
def test_a_mirror_image_stores_the_same(seed):
    rng = np.random.default_rng(seed)
    net = random_network(12, 3, seed)
    u = 0.2 * rng.standard_normal(net.nodes.shape)
    flip = np.array([-1.0, 1.0, 1.0])
    image = Network(net.nodes * flip, net.edges)
    ours, theirs = (finite_model(n, np.random.default_rng(seed)) for n in (net, image))
    assert energy_at(theirs, u * flip) == pytest.approx(energy_at(ours, u), rel=1e-12)


@given(SEEDS)
@FEW
def test_finite_beams_are_frame_invariant(seed):
    rng = np.random.default_rng(seed)
    net = random_network(8, 2, seed)
    model = Model(net, FiniteBeam(segments=1))
    u = np.column_stack([0.05 * rng.standard_normal(net.nodes.shape), rng.normal(0, 0.1, 8)])
    energy = energy_at(model, u)
    angle = rng.uniform(-3, 3)
    q = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = (net.nodes + u[:, :2]) @ q.T + [1.0, -2.0] - net.nodes
    again = energy_at(model, np.column_stack([moved, u[:, 2] + angle]))
    assert again == pytest.approx(energy, rel=1e-9)


@pytest.mark.parametrize("element", [Spring, Bar, Beam])
@pytest.mark.parametrize("dim", [2, 3])
@given(SEEDS)
@FEW
def test_linear_energies_are_symmetric_and_feel_no_small_rigid_motion(element, dim, seed):
    rng = np.random.default_rng(seed)
    net = random_network(9, dim, seed)
    model = Model(net, element().in_dimension(dim))
    size = (net.n_nodes, model.width)
    a, b = rng.standard_normal((2, *size))
    pull = []
    for u in (a, b):
        model.put_state(model.to_local(u))
        pull.append(model.to_nodes(model.local_force()))
    assert np.sum(pull[0] * b) == pytest.approx(np.sum(pull[1] * a), rel=1e-9)
    assert energy_at(model, a) == pytest.approx(np.sum(pull[0] * a) / 2, rel=1e-9)
    assert energy_at(model, -a) == pytest.approx(energy_at(model, a), rel=1e-12)
    rigid = model.energy.kinematics.free_motions(net.nodes, net.periodic) @ rng.standard_normal(
        model.energy.kinematics.free_motions(net.nodes, net.periodic).shape[1]
    )
    rigid = rigid.reshape(size)
    assert energy_at(model, rigid) < 1e-20 * energy_at(model, a) * max(1, np.abs(rigid).max() ** 2)


def pinch(net, seed):
    """Two pairs of nodes far from each other: one pulled, one read."""
    order = np.random.default_rng(seed).permutation(net.n_nodes)[:4].tolist()
    return Task(
        sources=[Source(nodes=order[:2], strain=0.08)],
        targets=[Target(nodes=order[2:], strain=0.05)],
    )


@given(SEEDS)
@FEW
def test_linear_equilibria_are_the_least_energy(seed):
    """SciPy minimises the energy on the states that hold the pair; the answer can go no lower."""
    rng = np.random.default_rng(seed)
    net = random_network(14, 2, seed)
    k = 10 ** rng.uniform(-1, 1, net.n_edges)
    problem = pose(pinch(net, seed), net)
    solver = equilibrium(Model(net, Spring(), problem.fixed), problem)
    solver.update(stiffness=k)
    free = solver.free()
    u = free.states()[0].ravel()
    c = bond_matrix(net)
    (i, j), stretch = problem.ports[0].nodes, problem.values[0, 0]
    t = (net.nodes[j] - net.nodes[i]) / np.linalg.norm(net.nodes[j] - net.nodes[i])
    row = np.zeros(u.size)
    row[2 * j : 2 * j + 2], row[2 * i : 2 * i + 2] = t, -t
    start = row * stretch / (row @ row)
    across = np.linalg.svd(row[None])[2][1:]
    found = minimize(
        lambda y: 0.5 * np.sum(k * (c @ (start + y @ across)) ** 2),
        np.zeros(len(across)),
        jac=lambda y: across @ (c.T @ (k * (c @ (start + y @ across)))),
        method="BFGS",
        options={"gtol": 1e-10, "maxiter": 2000},
    )
    assert row @ u == pytest.approx(stretch, rel=1e-10)
    assert free.energies[0] == pytest.approx(found.fun, rel=1e-6)
    assert free.energies[0] <= found.fun * (1 + 1e-10)


@pytest.mark.parametrize("dim", [2, 3])
@given(SEEDS)
@FEW
def test_finite_equilibria_are_least_energies(dim, seed):
    rng = np.random.default_rng(seed)
    net = random_network(10, dim, seed)
    k = 10 ** rng.uniform(-0.5, 0.5, net.n_edges)
    task = pinch(net, seed)
    problem = pose(task, net)
    solver = equilibrium(Model(net, FiniteSpring(), problem.fixed), problem)
    solver.update(stiffness=k)
    free = solver.free()
    u = free.states()[0]
    pair = task.sources[0].nodes
    _, least = minimise_finite(net, k, [pair], [0.08], 0.9 * u)
    assert free.energies[0] == pytest.approx(least, rel=1e-6, abs=1e-12)
    assert free.energies[0] == pytest.approx(finite_energy(net, k, net.lengths, u)[0], rel=1e-10)
    clamped = solver.solve(Phase("clamp", 1.0)).parts[0][1]
    held = [pair, task.targets[0].nodes]
    _, least = minimise_finite(net, k, held, [0.08, 0.05], 0.9 * clamped.states()[0])
    assert clamped.energies[0] == pytest.approx(least, rel=1e-6, abs=1e-12)
