"""The condensed KKT system solves the whole one, and counts its unstable modes."""

from types import SimpleNamespace

import numpy as np
import pytest

from mechlearn.equilibrium.conditions import Imposed
from mechlearn.equilibrium.kkt import KKTSystem, Tangent
from mechlearn.errors import SolveError
from mechlearn.linalg.factorisation import Inertia

DOFS, GROUND = 12, 3.0
#: Ports: a held pair, a grounded one that is held by a spring, a load, a grounded one let go.
HELD = np.array([True, True, False, False])
COMPLIANCE = np.array([0.0, 0.2, 0.0, 0.0])
GROUNDED = np.array([1, 3])


def systems(seed, softest, ground=0.0, compliance=COMPLIANCE):
    """A condensed system of random blocks, and the dense matrix and columns of the whole one.

    The readings are a linear combination of two raw rows, then one raw row each.
    """
    rng = np.random.default_rng(seed)
    q = np.linalg.qr(rng.standard_normal((DOFS, DOFS)))[0]
    stiffness = q * np.concatenate([[softest], rng.uniform(1, 5, DOFS - 1)]) @ q.T
    rows = np.eye(DOFS)[[0, 1, 2, 3, 4]]
    jacobian = np.zeros((4, 5))
    jacobian[0, :2] = 0.6, -0.8
    jacobian[1:, 2:] = np.eye(3)
    curvature = np.zeros((5, 5))
    curvature[:2, :2] = 0.3 * np.array([[0.64, 0.48], [0.48, 0.36]])
    springs = ground * rows[[2, 4]].T @ rows[[2, 4]]
    inverse = np.linalg.inv(stiffness + springs)
    values = np.linalg.eigvalsh(stiffness + springs)
    inertia = Inertia(int((values < 0).sum()), 0, int((values > 0).sum()))
    solver = SimpleNamespace(solve=lambda columns: inverse @ columns)
    columns = inverse @ rows.T
    grounded = GROUNDED if ground else GROUNDED[:0]
    tied = np.full(len(grounded), ground)
    tangent = Tangent(
        solver, np.zeros(DOFS), columns, rows @ columns, tied, inertia, lambda u: rows @ u
    )
    imposed = Imposed(HELD, compliance, HELD & (compliance < 0), np.zeros(4))
    kkt = KKTSystem(tangent, imposed, jacobian, curvature, grounded)
    bound = (jacobian @ rows)[HELD]
    whole = np.block([
        [stiffness - rows.T @ curvature @ rows, -bound.T],
        [bound, np.diag(compliance[HELD])],
    ])  # fmt: skip
    return kkt, whole, jacobian @ rows


@pytest.mark.parametrize("ground", [0.0, GROUND])
@pytest.mark.parametrize("softest", [0.5, -0.7])
@pytest.mark.parametrize("seed", range(4))
def test_condensed_system_solves_the_whole_one(seed, softest, ground):
    kkt, whole, readings = systems(seed, softest, ground)
    force, gap = np.random.default_rng(seed + 9).standard_normal(DOFS), np.array([0.3, -0.2])
    wanted = np.linalg.solve(whole, np.concatenate([-force, gap]))
    np.testing.assert_allclose(np.concatenate(kkt.solve(force, gap)), wanted, rtol=0, atol=1e-11)
    change = np.array([0.1, -0.4, 0.7, 0.2])
    wanted = np.linalg.solve(
        whole, np.concatenate([readings[~HELD].T @ change[~HELD], change[HELD]])
    )
    du, forces = kkt.rate(change)
    np.testing.assert_allclose(np.concatenate([du, forces[HELD]]), wanted, rtol=0, atol=1e-11)
    np.testing.assert_array_equal(forces[~HELD], change[~HELD])


@pytest.mark.parametrize("ground", [0.0, GROUND])
@pytest.mark.parametrize("softest", [0.5, -0.7, -20.0])
@pytest.mark.parametrize("seed", range(4))
def test_unstable_modes_are_those_of_the_energy_on_the_constraints(seed, softest, ground):
    kkt, whole, _ = systems(seed, softest, ground)
    # With the compliant constraint as a spring, and the rigid one by projection.
    energy = whole[:DOFS, :DOFS] + np.outer(whole[-1, :DOFS], whole[-1, :DOFS]) / COMPLIANCE[1]
    tangential = np.linalg.svd(whole[DOFS : DOFS + 1, :DOFS])[2][1:]
    modes = np.linalg.eigvalsh(tangential @ energy @ tangential.T)
    assert kkt.unstable == np.count_nonzero(modes < 0)


def test_restoring_displacements_move_one_held_port_each():
    kkt, _, readings = systems(0, 0.5, compliance=np.zeros(4))
    np.testing.assert_allclose(readings[HELD] @ kkt.restore, np.eye(2), atol=1e-12)


def test_dependent_constraints_are_singular():
    kkt, _, _ = systems(0, 0.5)
    twice = np.zeros((4, 5))
    twice[:2, 0] = 1.0
    imposed = Imposed(HELD, np.zeros(4), np.zeros(4, dtype=bool), np.zeros(4))
    with pytest.raises(SolveError, match="singular under the constraints"):
        KKTSystem(kkt.tangent, imposed, twice, np.zeros((5, 5)), GROUNDED[:0])
