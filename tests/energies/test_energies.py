"""An energy is one expression: forces, stiffness and sensitivities must be its derivatives."""

import numpy as np
import pytest
from reference import bond_matrix, finite_energy

from mechlearn.energies import energies
from mechlearn.errors import InputError
from mechlearn.fem.model import Model

ALL = ["spring", "finite_spring"]


@pytest.fixture(params=ALL)
def energy(request):
    return energies[request.param]()


@pytest.fixture(params=["plane", "space", "torus"])
def net(request):
    return request.getfixturevalue(request.param)


def model_at(net, energy, stiffnesses, size=0.05):
    """A model with random stiffness, rest length and state."""
    rng = np.random.default_rng(7)
    model = Model(net, energy)
    rest = net.lengths * rng.uniform(0.9, 1.1, net.n_edges)
    model.set(stiffness=stiffnesses(net), rest_length=rest)
    u = size * rng.standard_normal(net.nodes.shape)
    model.put_state(model.to_local(u))
    return model, u, rest


def test_energy_equals_the_formula(net, energy, stiffnesses):
    model, u, rest = model_at(net, energy, stiffnesses)
    k = stiffnesses(net)
    if energy.linear:
        expected = 0.5 * np.sum(k * (bond_matrix(net) @ u.ravel() - (rest - net.lengths)) ** 2)
    else:
        expected = finite_energy(net, k, rest, u)[0]
    assert model.total_energy() == pytest.approx(expected, rel=1e-13)
    assert model.to_bonds(model.local_energies()).sum() == pytest.approx(expected, rel=1e-13)


def test_force_is_the_slope_of_the_energy(net, energy, stiffnesses):
    model, u, _ = model_at(net, energy, stiffnesses)
    force = model.to_nodes(model.local_force())
    direction = np.random.default_rng(1).standard_normal(u.shape)
    remainders = []
    base = model.total_energy()
    for h in 1e-2 * 0.5 ** np.arange(5):
        model.put_state(model.to_local(u + h * direction * 0.1))
        remainders.append(abs(model.total_energy() - base - h * 0.1 * np.sum(force * direction)))
    slopes = np.diff(np.log2(remainders)) / -1
    assert slopes == pytest.approx(2.0, abs=0.1)


def test_stiffness_is_the_slope_of_the_force(net, energy, stiffnesses):
    model, u, _ = model_at(net, energy, stiffnesses)
    matrix = model.assemble_stiffness()
    indptr, indices, data = matrix.getValuesCSR()
    from scipy.sparse import csr_array

    k = csr_array((data, indices, indptr))
    direction = np.random.default_rng(2).standard_normal(u.shape)
    h = 1e-6
    forces = []
    for sign in (1, -1):
        model.put_state(model.to_local(u + sign * h * direction))
        forces.append(model.local_force())
    expected = (forces[0] - forces[1]) / (2 * h)
    found = k @ model.to_local(direction)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["stiffness", "rest_length"])
def test_local_sensitivity_is_the_slope_of_each_bonds_own_energy(net, energy, stiffnesses, name):
    model, _, _ = model_at(net, energy, stiffnesses)
    found = model.to_bonds(model.local_sensitivity(name))
    value = model.get(name)
    h = 1e-6
    sides = []
    for sign in (1, -1):
        model.set(**{name: value + sign * h})
        sides.append(model.to_bonds(model.local_energies()))
    expected = (sides[0] - sides[1]) / (2 * h)
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("by", ["stiffness", "rest_length", "strain"])
def test_batch_derivatives_agree_with_finite_differences(energy, by):
    rng = np.random.default_rng(3)
    at = {
        "strain": rng.uniform(-0.2, 0.2, (4, 6)),
        "length": rng.uniform(0.5, 2, 6),
        "stiffness": rng.uniform(0.1, 3, 6),
        "rest_length": rng.uniform(0.5, 2, 6),
    }
    h = 1e-6
    high, low = ({**at, by: at[by] + s * h} for s in (1, -1))
    expected = (energy.derivative()(**high) - energy.derivative()(**low)) / (2 * h)
    assert energy.derivative(by)(**at) == pytest.approx(expected, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("name", ["spring", "beam", "resistor"])
@pytest.mark.parametrize("known", ["none", "all", "alike", "slack", "zero"])
def test_what_is_known_before_changes_no_derivative(name, known):
    energy = energies[name]().in_dimension(2)
    rng = np.random.default_rng(3)
    names = [p.name for p in energy.parameters]
    at = {n: rng.uniform(0.5, 2.0, 6) for n in (*energy.strains, "length", *names)}
    if known == "slack":
        at |= {"rest_length": at["length"]} if "rest_length" in names else {}
    if known == "alike":
        at["length"] = np.full(6, 1.5)
    if known == "zero":
        at |= {n: np.zeros(6) for n in energy.strains}
    first = names[0]
    given = {n: at[n] for n in {"none": [], "all": at}.get(known, at.keys() - {first})}
    left = {n: v for n, v in at.items() if n not in given}
    e = energy.strains
    for by in [(), *[(n,) for n in at], (first, e[0]), (first, e[0], e[0]), (e[-1], e[-1])]:
        function = energy.derivative(*by)
        found = np.broadcast_to(function.given(given)(left), 6)
        assert found == pytest.approx(np.broadcast_to(function(**at), 6), rel=1e-14, abs=1e-300)


def test_bonds_at_rest_follow_whatever_parameter_changes(net, stiffnesses):
    model = Model(net, energies["spring"]())
    length = model.to_bonds(model.unstrained().parameters["length"])
    stiff, rest = np.ones(net.n_edges), length
    for step in range(6):
        if step in (1, 2, 5):
            stiff = stiffnesses(net) * (1 + step)
            model.set(stiffness=stiff)
        if step in (3, 4, 5):
            rest = length * (1 + 0.01 * step)
            model.set(rest_length=rest)
        bonds = model.unstrained()
        assert bonds.vanishes("strain") == (step < 3)
        pull = np.broadcast_to(bonds("strain"), net.n_edges)
        assert model.to_bonds(pull) == pytest.approx(-stiff * (rest - length), rel=1e-14)
        moduli = bonds.moduli()[:, 0, 0]
        assert model.to_bonds(moduli) == pytest.approx(stiff, rel=1e-14)
        if step == 2:
            kept, before = bonds, stiff
    assert model.to_bonds(kept.moduli()[:, 0, 0]) == pytest.approx(before, rel=1e-14)


@pytest.mark.parametrize("more", [-1, 1])
def test_another_number_of_values_than_bonds_is_refused(net, energy, more):
    model = Model(net, energy)
    before = model.assemble_stiffness().getValuesCSR()[2].copy()
    with pytest.raises(InputError, match=f"one number for each of {net.n_edges} bonds"):
        model.set(stiffness=3.0, rest_length=np.ones(net.n_edges + more))
    # Nor is anything else taken over.
    assert model.get("stiffness") == pytest.approx(1.0)
    assert model.assemble_stiffness().getValuesCSR()[2] == pytest.approx(before, rel=1e-15)


def test_finite_energy_does_not_feel_rigid_motion(plane, stiffnesses):
    model = Model(plane, energies["finite_spring"]())
    model.set(stiffness=stiffnesses(plane))
    c, s = np.cos(2.0), np.sin(2.0)
    turned = plane.nodes @ np.array([[c, s], [-s, c]]) + [3.0, -1.0]
    model.put_state(model.to_local(turned - plane.nodes))
    assert model.total_energy() < 1e-25
    assert np.abs(model.local_force()).max() < 1e-12


def test_finite_and_linear_agree_to_first_order(plane, stiffnesses):
    k, direction = stiffnesses(plane), np.random.default_rng(4).standard_normal(plane.nodes.shape)
    differences = []
    for h in (1e-2, 1e-3):
        forces = []
        for energy in (energies[name] for name in ALL):
            model = Model(plane, energy())
            model.set(stiffness=k)
            model.put_state(model.to_local(h * direction * 0.1))
            forces.append(model.local_force())
        differences.append(np.abs(forces[0] - forces[1]).max())
    assert differences[0] / differences[1] == pytest.approx(100, rel=0.2)


def test_unknown_parameter_is_named(energy):
    with pytest.raises(InputError, match="no parameter 'colour'; it has stiffness or rest_length"):
        energy.parameter("colour")
