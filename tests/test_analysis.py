"""What analysis says against dense NumPy, solving anew, and closed forms."""

import numpy as np
import pytest
from conftest import random_network
from reference import pair_row, solve_linear

import mechlearn as ml
from mechlearn.errors import InputError

TASK = ml.Task(
    sources=[ml.Source(name="in", nodes=[0, 7], strain=0.1)],
    targets=[
        ml.Target(name="a", nodes=[3, 12], strain=0.04),
        ml.Target(name="b", nodes=[5, 20], strain=-0.02),
    ],
)
NETWORKS = ["plane", "space", "torus"]


@pytest.fixture(scope="module")
def trained(plane):
    return ml.train(plane, TASK, steps=100)


def outputs(net, k, rest=None):
    """What the targets of TASK read, by dense algebra."""
    (p, length), *read = (pair_row(net, *nodes) for nodes in ((0, 7), (3, 12), (5, 20)))
    u, _ = solve_linear(net, k, [p], [0.1 * length], rest=rest)
    return np.array([row @ u / distance for row, distance in read])


def slope(f, x, h):
    """A derivative by Richardson's extrapolation of central differences."""
    one, two = ((f(x + s * h) - f(x - s * h)) / (2 * s) for s in (1, 2))
    return (4 * one - two) / 3


@pytest.mark.parametrize("which", NETWORKS)
def test_susceptibility_is_the_slope_of_the_response(request, which, stiffnesses):
    net = request.getfixturevalue(which)
    k = stiffnesses(net)
    found = ml.analysis.susceptibility(ml.analysis.specimen(net, TASK, stiffness=k))
    for bond in (0, 5, net.n_edges - 1):
        by_log = np.where(np.arange(net.n_edges) == bond, 1e-3, 0.0)
        expected = (
            slope(lambda x: outputs(net, k * np.exp(x)), np.zeros(net.n_edges), by_log) / 1e-3
        )
        assert found.slopes[0, :, bond] == pytest.approx(
            expected, abs=1e-8 * found.importance.max()
        )
    # Springs that all become stiffer by the same factor answer the same to a strain.
    assert found.slopes.sum(axis=2) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("which", NETWORKS)
def test_removal_agrees_with_solving_anew(request, which, stiffnesses):
    net = request.getfixturevalue(which)
    k = stiffnesses(net)
    found = ml.analysis.removal(ml.analysis.specimen(net, TASK, stiffness=k))
    assert not found.holding.any()
    for bond in range(0, net.n_edges, 7):
        without = outputs(net, np.where(np.arange(net.n_edges) == bond, 0.0, k))
        assert found.without[bond, 0] == pytest.approx(without, abs=1e-8 * np.abs(without).max())
        assert found.error[bond] == pytest.approx(
            np.abs(without / [0.04, -0.02] - 1).max(), rel=1e-8
        )


def test_removal_takes_prestress_along(plane, stiffnesses):
    """The tension that a bond had at rest goes with it."""
    k = stiffnesses(plane)
    rest = plane.lengths * (1 + 0.05 * np.random.default_rng(2).uniform(-1, 1, plane.n_edges))
    s = ml.analysis.specimen(plane, TASK, stiffness=k, rest_length=rest)
    found = ml.analysis.removal(s)
    assert found.outputs[0] == pytest.approx(outputs(plane, k, rest), rel=1e-8)
    for bond in (2, 30, 60):
        without = outputs(plane, np.where(np.arange(plane.n_edges) == bond, 0.0, k), rest)
        assert found.without[bond, 0] == pytest.approx(without, rel=1e-8)


def test_bonds_that_hold_the_network_are_flagged(stiffnesses):
    """A node on two bonds: neither can go; nothing is said of the response without them."""
    net = random_network()
    x = np.vstack([net.nodes, [[1.5, 0.5]]])
    far = np.argsort(np.linalg.norm(net.nodes - [1.5, 0.5], axis=1))[:2]
    net = ml.Network(x, np.vstack([net.edges, [[far[0], 40], [far[1], 40]]]))
    found = ml.analysis.removal(ml.analysis.specimen(net, TASK, stiffness=stiffnesses(net)))
    assert np.flatnonzero(found.holding).tolist() == [net.n_edges - 2, net.n_edges - 1]
    assert np.isnan(found.without[-2:]).all()
    assert np.isinf(found.importance[-2:]).all()
    assert np.isinf(found.error[-2:]).all()
    assert np.isfinite(found.without[:-2]).all()


def test_beams_are_removed_with_all_their_strains(plane):
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 1])],
        sources=[ml.Source(name="in", nodes=[20], force=[0.1, 0.0])],
        targets=[ml.Target(name="out", nodes=[30], displacement=[1.0, 0.0])],
    )
    width = 0.02 + 0.02 * np.random.default_rng(0).random(plane.n_edges)
    s = ml.analysis.specimen(plane, task, ml.Beam(), learns="modulus", width=width)
    found = ml.analysis.removal(s)
    for bond in (0, 11):
        keep = np.arange(plane.n_edges) != bond
        rest = ml.analysis.specimen(plane.keep_edges(keep), task, ml.Beam(), width=width[keep])
        assert found.without[bond] == pytest.approx(
            rest.equilibrium.outputs(rest.free), rel=1e-8, abs=1e-8 * np.abs(found.outputs).max()
        )
    slopes = ml.analysis.susceptibility(s)
    assert slopes.slopes.sum() == pytest.approx(-found.outputs.sum(), rel=1e-9)


def test_finite_springs_are_solved_anew(plane):
    s = ml.analysis.specimen(plane, TASK, ml.FiniteSpring())
    found = ml.analysis.removal(s)
    bond = int(np.argmax(found.importance))
    rest = s.at(stiffness=np.where(np.arange(plane.n_edges) == bond, 0.0, 1.0))
    assert rest.equilibrium.outputs(rest.free) / s.problem.units == pytest.approx(
        found.without[bond], rel=1e-8
    )
    slopes = ml.analysis.susceptibility(s).slopes[0, :, bond]
    moved = [
        s.at(stiffness=np.where(np.arange(plane.n_edges) == bond, np.exp(h), 1.0))
        for h in (-1e-4, 1e-4)
    ]
    low, high = (m.equilibrium.outputs(m.free)[0] / s.problem.units for m in moved)
    assert slopes == pytest.approx((high - low) / 2e-4, rel=1e-6)


def test_subjects_are_checked(trained, plane):
    assert (
        ml.analysis.susceptibility(trained).total
        != ml.analysis.susceptibility(trained, learned=False).total
    )
    s = ml.analysis.specimen(plane, TASK)
    with pytest.raises(InputError, match="was not trained"):
        ml.analysis.removal(s, learned=False)
    with pytest.raises(InputError, match="a Network"):
        ml.analysis.removal(plane)
    with pytest.raises(InputError, match="no parameter 'stifness'"):
        ml.analysis.susceptibility(trained, "stifness")
    with pytest.raises(InputError, match="no parameter 'stifness'"):
        ml.analysis.specimen(plane, TASK, stifness=1.0)
