"""Laws of bonds: slopes by every constant, and states against programmes that share no code."""

import numpy as np
import pytest
from scipy.optimize import minimize

import mechlearn as ml
from mechlearn.energies.catalogue import (
    LAWS,
    OF_LENGTH,
    Bistable,
    Cable,
    Contact,
    Cubic,
    Morse,
    Piecewise,
)

SOFT, SOFTNESS = ml.energy(lambda e, soft=1.0: soft * e**2 / 2, name="soft"), 1e-3
LINE = ml.Network([[0, 0], [1, 0]], [[0, 1]])


def stretched(law, x, **constants):
    """Force that holds a bond stretched by ``x``, its energy and derivatives by its constants."""
    task = ml.Task(
        supports=[ml.Support(nodes=[0]), ml.Support(nodes=[1], components=["y"])],
        sources=[ml.Source(name="end", nodes=1, components=["x"], displacement=[x])],
        targets=[ml.Target(name="force", source="end", quantity="force", force=[0.0])],
    )
    # A soft spring beside it, for contacts, which resist nothing at first.
    at = ml.System(LINE, task, SOFT + law, soft=SOFTNESS, **constants)
    slopes = {n: float(at.jacobian(n)[0, 0, 0]) for n in constants}
    return float(at.outputs[0, 0]) - SOFTNESS * x, slopes


def test_a_constant_by_which_a_law_divides_is_no_zero():
    with pytest.raises(ml.InputError, match=r"bistable_law has no stiffness .* a zero"):
        stretched(Bistable, 0.1, snap=0.0)


@pytest.mark.parametrize("law", OF_LENGTH)
@pytest.mark.parametrize("x", [-0.3, 0.27])
def test_forces_of_a_law_have_its_slopes_by_every_constant(law, x):
    names = [p.name for p in law.parameters]
    at = {name: 0.9 - 0.07 * k for k, name in enumerate(names)} | {"rest_length": 0.97}
    _, slopes = stretched(law, x, **at)
    for name in names:
        h = 1e-6
        up, down = (stretched(law, x, **at | {name: at[name] + s})[0] for s in (h, -h))
        np.testing.assert_allclose(slopes[name], (up - down) / (2 * h), atol=1e-7)


@pytest.mark.parametrize(
    ("law", "constants", "x", "force"),
    [
        (Cubic, {"stiffness": 2.0, "quadratic": -1.0, "cubic": 3.0}, 0.2, 0.4 - 0.04 + 0.024),
        (Cable, {"cable_stiffness": 2.0}, -0.2, 0.0),
        (Cable, {"cable_stiffness": 2.0}, 0.2, 0.4),
        (Contact, {"contact_stiffness": 2.0, "gap": 0.1}, -0.05, 0.0),
        (Contact, {"contact_stiffness": 2.0, "gap": 0.1}, -0.3, -0.4),
        (Piecewise, {"stiffness": 2.0, "knee": 0.1, "beyond": -0.5}, 0.3, 0.2 - 0.1),
        (Piecewise, {"stiffness": 2.0, "knee": -0.1, "beyond": 5.0}, -0.3, -0.2 - 1.0),
        (Bistable, {"barrier": 3.0, "snap": 0.5}, 0.5, 0.0),
        (Morse, {"depth": 2.0, "decay": 0.3}, 0.3, 2 * 2 / 0.3 * np.exp(-1) * (1 - np.exp(-1))),
    ],
)
def test_forces_of_laws(law, constants, x, force):
    np.testing.assert_allclose(stretched(law, x, **constants)[0], force, atol=1e-12)


@pytest.mark.parametrize("law", LAWS)
def test_forces_are_slopes_of_energies(law):
    """Of the energy of each law, by differences; of Bezier springs along their curve."""
    energy, x, h = law(), np.linspace(-0.31, 0.47, 9), 1e-6
    values = {p.name: p.values(LINE)[0] for p in energy.parameters} | {"length": 1.0}
    values |= energy.completed({n: np.array([v]) for n, v in values.items()})
    for number, by in enumerate(energy.strains):
        at = {name: x * (1 + k) for k, name in enumerate(energy.strains)}
        up, down = (energy.derivative()(**values, **at | {by: at[by] + s}) for s in (h, -h))
        slope = energy.derivative(by)(**values, **at) * np.ones(len(x))
        np.testing.assert_allclose(slope, (up - down) / (2 * h), atol=1e-8, err_msg=str(number))


@pytest.mark.parametrize("law", LAWS)
def test_laws_are_exported_as_data_and_as_parts_and_refused_as_decks(law, tmp_path):
    net = ml.networks.triangular((3, 3))
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 1, 2])],
        sources=[ml.Source(nodes=8, displacement=[0.02, 0.01])],
        targets=[ml.Target(nodes=6, displacement=[0.01, 0.0])],
    )
    own = {Cable: {"soft": 0.1}, Contact: {"soft": 0.1}, Cubic: {"cubic": 2.0}}.get(law, {})
    energy = SOFT + law if "soft" in own else law
    run = ml.train(net, task, energy=energy, learn=law.stiffness_parameter, material=own, steps=1)
    for name in ("part.vtu", "part.csv", "part.dxf"):
        run.export(tmp_path / name)
        assert (tmp_path / name).stat().st_size
    with pytest.raises(ml.InputError, match="depends on how far they are stretched"):
        run.export(tmp_path / "part.inp")


def test_a_bistable_spring_has_two_lengths_at_rest_and_a_barrier():
    law = Bistable().derivative()
    at = {"length": 1.0, "rest_length": 1.0, "barrier": 3.0, "snap": 0.4}
    wells = [float(law(strain=x, **at)) for x in (0.0, 0.2, 0.4)]
    np.testing.assert_allclose(wells, [0.0, 3.0, 0.0], atol=1e-14)


def test_a_net_of_cables_is_the_solution_of_its_convex_programme():
    """Least energy in displacements and stretches ``s >= 0``, ``s >= r - l``, by SLSQP."""
    net = ml.networks.triangular((4, 3))
    top, node, load = net.node_sets["top"], 1, np.array([0.02, -0.1])
    stiffness = np.linspace(1.0, 2.0, net.n_edges)
    task = ml.Task(
        supports=[ml.Support(nodes=top.tolist())],
        sources=[ml.Source(name="load", nodes=node, force=load.tolist())],
        targets=[ml.Target(name="out", nodes=node, displacement=[0.0, 0.0])],
    )
    at = ml.System(net, task, Cable, cable_stiffness=stiffness)
    free = np.setdiff1d(np.arange(net.n_nodes), top)
    size, lengths, (i, j) = 2 * len(free), net.lengths, net.edges.T

    def stretch(x):
        u = np.zeros((net.n_nodes, 2))
        u[free] = x[:size].reshape(-1, 2)
        return u, np.linalg.norm(net.vectors + u[j] - u[i], axis=1) - lengths

    def energy(x):
        u, _ = stretch(x)
        return stiffness @ x[size:] ** 2 / 2 - load @ u[node]

    found = minimize(
        energy, np.zeros(size + net.n_edges), method="SLSQP",
        bounds=[(None, None)] * size + [(0, None)] * net.n_edges,
        constraints={"type": "ineq", "fun": lambda x: x[size:] - stretch(x)[1]},
        options={"maxiter": 500, "ftol": 1e-14},
    )  # fmt: skip
    assert found.success
    forces = stiffness * found.x[size:]
    assert (forces > 1e-4).any()
    assert (forces < 1e-8).any()
    np.testing.assert_allclose(at.outputs[0], stretch(found.x)[0][node], atol=1e-5)
    model = at.model
    at.free.states()
    np.testing.assert_allclose(model.to_bonds(model.local_tensions()), forces, atol=1e-5)


@pytest.mark.parametrize("gap", [0.0, 0.1])
def test_contacts_alone_hold_no_network(gap):
    """A sentence instead of a search for a state: the task asks for another network."""
    net = ml.networks.triangular(3, 3)
    task = ml.Task(
        sources=[ml.Source(nodes=[0, 8], strain=-0.1)],
        targets=[ml.Target(nodes=[2, 6], strain=0.1)],
    )
    with pytest.raises(ml.InputError, match="energy: contacts do not resist being pulled"):
        ml.System(net, task, Contact(), gap=gap)
    assert ml.System(net, task, Contact() + ml.FiniteSpring(), gap=gap).outputs.shape == (1, 1)
