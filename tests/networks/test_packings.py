"""Jammed packings: one network per seed on every machine, and the physics of jamming."""

import hashlib
import threading

import numpy as np
import pytest

from mechlearn import SolveError
from mechlearn.networks import delaunay, packing
from mechlearn.networks.spheres import Spheres, box_side, largest_ball

#: Networks of some seeds: number of bonds, digest of their node ids and shifts, the last node.
MADE = [
    (
        {"nodes": 64, "periodic": True, "seed": 2, "pressure": 1e-4},
        (132, "36bc9c4ab438cace", [1.905388464156477, 3.051931436433868]),
    ),
    (
        {"nodes": 128, "coordination": 4.4, "seed": 1},
        (282, "6845ad7861c3e592", [5.522627940839337, 0.5594684206666901]),
    ),
    (
        {"nodes": 48, "dim": 3, "periodic": True, "seed": 3, "pressure": 1e-2},
        (166, "a93c56602869cf67", [1.3662458613027517, 1.3788601032023424, 2.6014906151896997]),
    ),
    (
        {"nodes": 60, "dim": 3, "seed": 4, "excess": 0.5},
        (189, "4642425bb77e6e27", [-0.6796304472897186, -0.32004896828756624, 0.6154389902204389]),
    ),
    (
        {"nodes": 1000, "periodic": True, "seed": 5, "pressure": 1e-3},
        (2092, "3652d9367ccdb146", [18.390773556070794, 28.6957284603124]),
    ),
]


def digest(network):
    """Of the bonds, as whole numbers."""
    shifts = np.zeros((0, 2)) if network.shifts is None else network.shifts
    numbers = network.edges.astype("<i8").tobytes() + shifts.astype("<i8").tobytes()
    return hashlib.sha256(numbers).hexdigest()[:16]


@pytest.mark.parametrize(("options", "made"), MADE, ids=lambda x: str(x) if "nodes" in x else "")
def test_a_seed_is_one_network_on_every_machine(options, made):
    """The way to balance is chaotic: this holds only as long as not one last digit differs."""
    net = packing(**options)
    assert (net.n_edges, digest(net)) == made[:2]
    np.testing.assert_allclose(net.nodes[-1], made[2], rtol=1e-12)


def test_threads_make_the_networks_that_one_alone_makes():
    alone = [packing(40, periodic=True, seed=s) for s in range(4)]
    found = {}
    threads = [
        threading.Thread(target=lambda s=s: found.update({s: packing(40, periodic=True, seed=s)}))
        for s in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for s, net in enumerate(alone):
        assert np.array_equal(found[s].nodes, net.nodes)
        assert np.array_equal(found[s].edges, net.edges)


@pytest.mark.parametrize("options", [{}, {"dim": 3, "nodes": 60}, {"pressure": 1e-5}], ids=str)
def test_forces_balance_to_rounding(options):
    net = packing(**{"nodes": 80, "periodic": True, "seed": 3} | options)
    reach = net.node_data["radius"][net.edges].sum(axis=1)
    overlap = 1 - net.lengths / reach
    force = (overlap / reach / net.lengths)[:, None] * net.vectors
    total = np.zeros_like(net.nodes)
    np.add.at(total, net.edges[:, 1], force)
    np.subtract.at(total, net.edges[:, 0], force)
    # A coordinate is known to half a unit in its last place, an overlap thereby to a few of them.
    least = 8 * np.finfo(float).eps * net.cell[0, 0] / overlap.mean()
    assert np.abs(total).max() < max(1e-12, least) * (overlap / reach).mean()


def test_no_pair_touches_by_less_than_can_be_told_from_rounding():
    """Moved by rounding, every particle touches the same others."""
    net = packing(200, periodic=True, seed=7, pressure=1e-4)
    radius = net.node_data["radius"]
    i, j = np.triu_indices(200, 1)
    gap = 1 - np.linalg.norm(net.separation(i, j), axis=1) / (radius[i] + radius[j])
    touching = gap > 0
    assert np.count_nonzero(touching) == net.n_edges
    assert np.abs(gap).min() > 1e-7 * gap[touching].mean()
    assert 1e-7 * gap[touching].mean() > 100 * np.finfo(float).eps * net.cell[0, 0]


def test_rattlers_of_one_cage_do_not_come_to_lie_in_one_another():
    """Of these seeds, 8 has two of them."""
    for seed in (7, 8, 9):
        net = packing(64, periodic=True, seed=seed, pressure=1e-5)
        i, j = np.triu_indices(64, 1)
        reach = net.node_data["radius"][i] + net.node_data["radius"][j]
        assert (np.linalg.norm(net.separation(i, j), axis=1) / reach).min() > 0.99


@pytest.mark.parametrize("dim", [2, 3])
@pytest.mark.parametrize("count", [9, 60, 700])
def test_pairs_from_cells_are_those_of_all_images(dim, count):
    rng = np.random.default_rng(count)
    side = count ** (1 / dim)
    spheres = Spheres(rng.random((count, dim)) * side, side, rng.uniform(0.6, 1.2, count))
    found = spheres.contacts()
    i, j = np.triu_indices(count, 1)
    apart = spheres.positions[j] - spheres.positions[i]
    images = np.stack(np.meshgrid(*[(-1, 0, 1)] * dim), axis=-1).reshape(-1, dim) * side
    length = np.linalg.norm(apart[:, None] + images, axis=-1).min(axis=1)
    touch = length < (spheres.diameters[i] + spheres.diameters[j]) / 2
    wanted = set(zip(i[touch].tolist(), j[touch].tolist(), strict=True))
    assert set(map(tuple, found.pairs.tolist())) == wanted
    assert len(found.pairs) == len(wanted)


@pytest.mark.parametrize("dim", [2, 3])
def test_the_largest_ball_touches_a_simplex_of_equal_balls(dim):
    """Between d + 1 unit balls at the corners of a regular simplex of edge 3, its centre."""
    corners = np.eye(dim + 1) * 3 / np.sqrt(2)
    corners = corners - corners.mean(axis=0)
    centres = corners @ np.linalg.svd(corners)[2][:dim].T
    circumradius = 3 * np.sqrt(dim / (2 * (dim + 1)))
    place, radius = largest_ball(centres + 0.1, np.ones(dim + 1), 1e-6)
    np.testing.assert_allclose(place, 0.1, atol=1e-5)
    assert radius == pytest.approx(circumradius - 1 + 1e-6, abs=1e-7)


def test_roots_are_exact_to_rounding():
    for value in (1e-3, 0.5, 1.0, 2.0, 27.0, 1e9):
        assert box_side(value, 3) == pytest.approx(value ** (1 / 3), rel=1e-15)
        assert box_side(value, 2) == pytest.approx(value**0.5, rel=1e-15)


def test_particles_at_no_place_are_refused():
    from mechlearn.networks.spheres import relax

    lost = Spheres(np.full((8, 2), np.nan), 3.0, np.ones(8))
    with pytest.raises(SolveError, match="finite places"):
        relax(lost, 1e-2)


def test_points_of_delaunay_networks_keep_their_distance():
    for dim in (2, 3):
        net = delaunay(150, dim=dim, seed=3, periodic=True, separation=0.85)
        assert net.lengths.min() >= 0.85 - 1e-9
