"""Packed coefficients of forms: those that DOLFINx gathers anew, after any change."""

import gc
import weakref
from itertools import product

import numpy as np
import pytest
from ranks import on_ranks

from mechlearn.energies import Beam, FiniteBeam, FiniteSpring, Resistor
from mechlearn.fem.model import Model
from mechlearn.fenics import fem
from mechlearn.network import Network
from mechlearn.networks import delaunay


def check(net, energy, cell=()):
    """Change the state and the parameters in turns, and compare."""
    model, random = Model(net, energy().in_dimension(net.dim), cell=cell), np.random.default_rng(0)
    first = energy.parameters[0].name
    forms = model._forms
    size = len(model.local_free)
    alike = 0
    for step in range(8):
        if step % 3 == 0:
            model.set(**{first: random.uniform(0.5, 2.0, net.n_edges)})
        if step % 3 != 1:
            model.put_state(0.01 * random.standard_normal(size))
        for form in (forms.force, forms.energy, forms.stiffness, forms.strain, forms.strain_rate):
            given = model._packed.given(form)
            fresh = fem.pack_coefficients(form)
            for key in given.get("coeffs", {}):
                np.testing.assert_array_equal(given["coeffs"][key], fresh[key])
                alike += 1
        np.testing.assert_array_equal(
            model.local_strains(), model.over_bonds(model.per_cell(forms.strain))
        )
    assert alike


@pytest.mark.parametrize(
    ("shape", "energy"),
    [
        *product(["plane", "torus"], [FiniteSpring, FiniteBeam, Resistor]),
        *product(["space"], [FiniteSpring, Beam, Resistor]),
    ],
)
def test_numbers_of_functions_are_kept_only_as_long_as_they_hold(shape, energy, request):
    check(request.getfixturevalue(shape), energy)


def test_those_of_a_cell_that_deforms(torus):
    check(torus, FiniteSpring, cell=("xx", "yy", "xy"))


@pytest.mark.parametrize(
    ("size", "network", "energy"),
    [
        (2, delaunay(nodes=60, seed=2), FiniteSpring),
        (2, delaunay(nodes=40, dim=3, seed=2), Beam),
        # One rank has no bond.
        (4, Network([[0, 0], [1, 0], [0.5, 0.9]], [[0, 1], [1, 2], [2, 0]]), FiniteSpring),
    ],
    ids=["plane", "space", "one without a bond"],
)
def test_on_several_ranks(size, network, energy):
    on_ranks(size, check, network, energy)


@pytest.mark.parametrize("energy", [FiniteSpring, Beam])
def test_forms_are_compiled_once_and_keep_no_mesh(plane, torus, energy, monkeypatch):
    """On one rank; other networks and functions of the same kind share what was compiled."""

    def check_force(net):
        model, first = Model(net, energy().in_dimension(2)), energy.parameters[0].name
        model.set(**{first: np.linspace(0.5, 2.0, net.n_edges)})
        model.put_state(0.01 * np.random.default_rng(1).standard_normal(len(model.local_free)))
        expected = fem.assemble_vector(fem.form(model._forms._force)).array
        np.testing.assert_array_equal(fem.assemble_vector(model._forms.force).array, expected)
        assert np.any(expected)
        return weakref.ref(model.mesh)

    check_force(plane)
    monkeypatch.setattr(fem, "compile_form", None)
    used = check_force(torus)
    gc.collect()
    assert used() is None
