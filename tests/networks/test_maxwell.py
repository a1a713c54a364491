"""Zero modes and states of self-stress against closed-form counts and dense linear algebra."""

import math

import numpy as np
import pytest

from mechlearn.energies import rigidity as maxwell
from mechlearn.energies.kinematics import rigid_motions
from mechlearn.energies.rigidity import rigidity
from mechlearn.network import Network
from mechlearn.networks import cubic, fcc, honeycomb, kagome, packing, square, triangular


def dense_counts(net):
    """Zero modes and self-stress states from the singular values of the dense matrix."""
    c = net.compatibility().toarray()
    rank = np.linalg.matrix_rank(c, tol=1e-9)
    return c.shape[1] - rank, c.shape[0] - rank


@pytest.mark.parametrize(("nx", "ny"), [(3, 3), (4, 4), (5, 3), (7, 6)])
def test_periodic_square_lattice_slides_along_every_line(nx, ny):
    # Each of the nx + ny straight lines of bonds slides by itself, and carries its own tension.
    r = rigidity(square((nx, ny), periodic=True))
    assert (r.zero_modes, r.self_stress_states) == (nx + ny, nx + ny)
    assert (r.rigid_motions, len(r.floppy_modes)) == (2, nx + ny - 2)


@pytest.mark.parametrize(("nx", "ny"), [(2, 2), (5, 4)])
def test_finite_square_lattice_shears_in_every_row_and_column(nx, ny):
    r = rigidity(square((nx, ny)))
    assert (r.zero_modes, r.self_stress_states) == (nx + ny, 0)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_periodic_cubic_lattice_slides_along_every_line(n):
    r = rigidity(cubic((n + 1,) * 3, periodic=True))
    assert r.zero_modes == r.self_stress_states == 3 * (n + 1) ** 2


@pytest.mark.parametrize(("nx", "ny"), [(4, 4), (3, 5), (6, 4), (5, 6)])
def test_periodic_kagome_has_a_zero_mode_per_straight_line(nx, ny):
    # Every line carries a tension of its own; m = n d, so there are as many zero modes (Sun et
    # al., PNAS 109, 12369). Lines along x close at once; the oblique ones come back ny // 2 (or
    # ny - ny // 2) cells aside in the upright box, so several turns make one line.
    lines = ny + math.gcd(ny // 2, nx) + math.gcd(ny - ny // 2, nx)
    r = rigidity(kagome((nx, ny), periodic=True))
    assert r.zero_modes == r.self_stress_states == lines


@pytest.mark.parametrize(("nx", "ny"), [(2, 2), (4, 3), (6, 7)])
def test_finite_triangular_lattice_counts_in_closed_form(nx, ny):
    net = triangular((nx, ny))
    edges = (nx - 1) * ny + (2 * nx - 1) * (ny - 1)
    r = rigidity(net)
    assert net.n_edges == edges
    assert (r.zero_modes, r.floppy) == (3, False)
    assert r.self_stress_states == edges - (2 * nx * ny - 3)


def test_honeycomb_is_floppy_and_braced_lattices_are_rigid():
    assert rigidity(honeycomb((4, 4), periodic=True)).floppy
    assert not rigidity(square((4, 3), diagonals=True)).floppy
    assert not rigidity(cubic((3, 3, 2), diagonals=True)).floppy
    assert not rigidity(fcc((2, 2, 2))).floppy


@pytest.mark.parametrize(
    "net",
    [
        square((5, 5), disorder=0.2),
        honeycomb((5, 4), disorder=0.1),
        kagome((4, 4)),
        cubic((3, 3, 3)),
        packing(nodes=32, periodic=True, seed=2),
    ],
    ids=repr,
)
def test_counts_agree_with_dense_rank_and_with_maxwell(net):
    r = rigidity(net)
    assert (r.zero_modes, r.self_stress_states) == dense_counts(net)
    assert r.zero_modes - r.self_stress_states == net.n_nodes * net.dim - net.n_edges


@pytest.mark.parametrize(
    "net",
    [honeycomb((6, 6)), kagome((5, 5), periodic=True), triangular((12, 9)), cubic((5, 5, 4))],
    ids=repr,
)
def test_sparse_and_dense_ways_count_alike(net, monkeypatch):
    dense = rigidity(net)
    monkeypatch.setattr(maxwell, "DENSE_LIMIT", 0)
    sparse = rigidity(net)
    assert str(sparse).split(";")[0] == str(dense).split(";")[0]
    a = sparse.floppy_modes.reshape(-1, net.n_nodes * net.dim)
    b = dense.floppy_modes.reshape(-1, net.n_nodes * net.dim)
    # The same space: all of one basis lies in the other.
    assert np.allclose(a @ a.T, np.eye(len(a)), atol=1e-9)
    assert np.allclose(np.linalg.norm(b @ a.T, axis=1), 1, atol=1e-6)


def test_floppy_modes_stretch_no_bond_and_hold_no_rigid_motion():
    net = honeycomb((5, 5), disorder=0.1)
    modes = rigidity(net).floppy_modes.reshape(-1, 2 * net.n_nodes)
    assert len(modes) > 10
    assert np.abs(net.compatibility() @ modes.T).max() < 1e-6
    assert np.abs(modes @ rigid_motions(net.nodes, False)).max() < 1e-9


def test_counts_do_not_depend_on_orientation_scale_or_numbering():
    net = kagome((4, 3), disorder=0.1)
    before = rigidity(net)
    rng = np.random.default_rng(3)
    turn = np.linalg.qr(rng.standard_normal((2, 2)))[0]
    order = rng.permutation(net.n_nodes)
    new = np.argsort(order)
    after = rigidity(Network(1e3 * (net.nodes @ turn)[order] + 7, new[net.edges][::-1, ::-1]))
    assert (after.zero_modes, after.self_stress_states) == (
        before.zero_modes,
        before.self_stress_states,
    )


def test_a_dangling_node_is_named_and_a_support_stops_it():
    # A triangle 0 1 2 and a node 3 on a single bond: it swings.
    net = Network([[0, 0], [1, 0], [0, 1], [2, 0]], [[0, 1], [1, 2], [2, 0], [1, 3]])
    r = rigidity(net)
    assert (r.zero_modes, r.rigid_motions, r.self_stress_states) == (4, 3, 0)
    assert 3 in r.floppy_nodes
    assert "1 floppy" in str(r)
    # A swing is defined up to a rigid motion; hung from a large block, the free end moves most.
    block = triangular((6, 5))
    n, at = block.n_nodes, int(block.node_sets["right"][0])
    hung = Network(
        np.vstack([block.nodes, block.nodes[at] + [1, 0]]), np.vstack([block.edges, [at, n]])
    )
    assert rigidity(hung).floppy_nodes[0] == n
    held = rigidity(net, held=[0, 1, 3, 7])
    assert (held.zero_modes, held.rigid_motions, held.floppy) == (0, 0, False)


def test_supports_leave_the_rigid_motions_they_do_not_stop():
    net = triangular((4, 4))
    assert rigidity(net, held=[0, 1]).rigid_motions == 1
    assert rigidity(net, held=[0]).rigid_motions == 2
    assert rigidity(net, held=range(8)).self_stress_states > rigidity(net).self_stress_states


def test_collinear_chain_in_3d_has_five_rigid_motions():
    net = Network([[0, 0, 0], [1, 0, 0], [2, 0, 0]], [[0, 1], [1, 2]])
    r = rigidity(net)
    assert (r.rigid_motions, r.zero_modes) == (5, 7)
