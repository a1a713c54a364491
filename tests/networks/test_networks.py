"""Generators, pruning, proteins and files."""

import gzip
import pickle
import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.spatial import Delaunay

from mechlearn import networks
from mechlearn.energies.rigidity import rigidity
from mechlearn.errors import InputError, MechlearnError, SolveError
from mechlearn.network import Network, nearest_image
from mechlearn.networks import (
    cubic,
    delaunay,
    fcc,
    from_file,
    generate,
    generators,
    honeycomb,
    kagome,
    keep_nodes,
    packing,
    protein,
    prune_to_coordination,
    square,
    to_text,
    triangular,
    trim_floppy,
)
from mechlearn.networks.prune import fewest_bonds, remove_redundant
from mechlearn.networks.spheres import random_spheres, relax

LATTICES = [
    (triangular, {}, 6, 1),
    (square, {}, 4, 1),
    (square, {"diagonals": True}, 8, 1),
    (honeycomb, {}, 3, 2),
    (kagome, {}, 4, 3),
    (cubic, {}, 6, 1),
    (cubic, {"diagonals": True}, 18, 1),
    (fcc, {}, 12, 4),
    (fcc, {"diagonals": True}, 18, 4),
]


def degrees(net):
    return np.bincount(net.edges.ravel(), minlength=net.n_nodes)


def same(a, b):
    assert np.array_equal(a.nodes, b.nodes)
    assert np.array_equal(a.edges, b.edges)


# -- network -----------------------------------------------------------------------------------

GOOD = {"nodes": [[0, 0], [1, 0], [0, 1]], "edges": [[0, 1], [1, 2], [2, 0]]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"nodes": [[0, 0], [1, 0], [np.nan, 1]]}, ["node 2"]),
        ({"edges": [[0, 1], [1, 2], [2, 5]]}, ["Edge 2", "2 and 5"]),
        ({"edges": [[0, 1], [1, 1], [2, 0]]}, ["Edge 1", "node 1"]),
        ({"edges": [[0, 1], [1, 2], [1, 0]]}, ["Edge 2", "between nodes 1 and 0"]),
        ({"nodes": [[0, 0], [1, 0], [1, 0]]}, ["Edge 1", "1 and 2"]),
        ({"edges": [[0, 1]]}, ["Node 2"]),
        (
            {"nodes": [*GOOD["nodes"], [5, 5], [6, 5]], "edges": [*GOOD["edges"], [3, 4]]},
            ["2 pieces", "3 and 4"],
        ),
        ({"node_sets": {"feet": [0, 9]}}, ["'feet'", "9"]),
        ({"edge_data": {"k": [1.0]}}, ["'k'", "3"]),
    ],
)
def test_network_errors_name_what_is_wrong(change, words):
    with pytest.raises(InputError) as error:
        Network(**{**GOOD, **change})
    assert all(word in str(error.value) for word in words), error.value


def test_network_is_frozen_and_its_sets_follow_its_bonds():
    net = Network(**GOOD, edge_sets={"last": [2]}, edge_data={"k": [1.0, 2.0, 3.0]})
    with pytest.raises(ValueError, match="read-only"):
        net.nodes[0, 0] = 1
    less = net.keep_edges([0, 2])
    assert less.edge_sets["last"].tolist() == [1]
    assert less.edge_data["k"].tolist() == [1, 3]


# -- lattices ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("make", "options", "z", "per_cell"), LATTICES)
def test_periodic_lattices_have_their_coordination_everywhere(make, options, z, per_cell):
    size = (5, 4) if make not in (cubic, fcc) else (4, 3, 3)
    net = make(size, periodic=True, spacing=2.5, **options)
    assert net.n_nodes == per_cell * np.prod(size)
    assert (degrees(net) == z).all()
    assert np.allclose(
        np.unique(net.lengths.round(9)), 2.5 * np.array([1, np.sqrt(2)] if options else [1])
    )
    # As many nodes per area as the lattice has: the cell is the right one.
    per_spacing = {
        triangular: 2 / np.sqrt(3),
        honeycomb: 4 / np.sqrt(27),
        fcc: np.sqrt(2),
        kagome: np.sqrt(3) / 2,
    }.get(make, 1)
    assert net.n_nodes / np.linalg.det(net.cell / 2.5) == pytest.approx(per_spacing)


@pytest.mark.parametrize(("make", "options", "z", "per_cell"), LATTICES)
def test_finite_lattices_are_their_periodic_ones_without_the_bonds_across(
    make, options, z, per_cell
):
    size = (5, 4) if make not in (cubic, fcc) else (4, 3, 3)
    around = make(size, periodic=True, **options)
    inside = make(size, **options)
    expected = around.edges[(around.shifts == 0).all(axis=1)]
    assert {tuple(sorted(e)) for e in inside.edges.tolist()} == {
        tuple(sorted(e)) for e in expected.tolist()
    }
    assert degrees(inside).max() <= z


def test_lattice_sides_are_their_outermost_nodes():
    net = triangular((5, 4), spacing=3.0, disorder=0.1)
    assert {k: len(v) for k, v in net.node_sets.items()} == {
        "left": 4,
        "right": 4,
        "bottom": 5,
        "top": 5,
    }
    box = cubic((4, 3, 2))
    assert np.ptp(box.nodes[box.node_sets["top"]], axis=0).tolist() == [3, 2, 0]
    assert set(box.node_sets) == {"left", "right", "bottom", "top", "front", "back"}


def test_lattices_take_their_counts_one_by_one():
    for one, other in [
        (triangular(5, 4, seed=1), triangular(size=(5, 4), seed=1)),
        (cubic(3, 2, 2, disorder=0.1), cubic((3, 2, 2), disorder=0.1)),
        (square([3, 3], 2.0), square(size=(3, 3), spacing=2.0)),
    ]:
        np.testing.assert_array_equal(one.nodes, other.nodes)
        np.testing.assert_array_equal(one.edges, other.edges)
    with pytest.raises(InputError, match=r"must be \(nx, ny\), such as \(8, 6\), not \(8,\)"):
        triangular(8)


def test_an_arch_is_a_strip_whose_middle_rises():
    strip, bent = triangular(14, 2, spacing=2.0), networks.arch((14, 2), rise=1.5, spacing=2.0)
    raised = bent.nodes - strip.nodes
    np.testing.assert_array_equal(bent.edges, strip.edges)
    apex = bent.node_sets["apex"][0]
    assert apex in bent.node_sets["top"]
    # 14 nodes per row have none in the middle: the apex is a quarter of a spacing beside it.
    np.testing.assert_allclose(raised[apex], [0.0, 3.0 * (1 - (0.5 / 13.5) ** 2)], atol=1e-9)
    np.testing.assert_allclose(raised[[0, -1]], 0.0, atol=1e-12)
    with pytest.raises(InputError, match="The rise of an arch"):
        networks.arch(rise="high")


@pytest.mark.parametrize("make", [triangular, square, honeycomb, kagome, cubic, fcc])
def test_disorder_moves_nodes_within_its_bound_and_keeps_the_bonds(make):
    perfect, moved = make(disorder=0.0), make(disorder=0.2, seed=4)
    assert np.array_equal(perfect.edges, moved.edges)
    shift = np.abs(moved.nodes - perfect.nodes).max()
    assert 0.15 < shift <= 0.2
    same(moved, make(disorder=0.2, seed=4))
    assert not np.array_equal(moved.nodes, make(disorder=0.2, seed=5).nodes)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"size": (3,)}, "nx, ny"),
        ({"size": (0, 3)}, "at least 1"),
        ({"size": (2.5, 3)}, "whole"),
        ({"spacing": 0}, "positive"),
        ({"disorder": 0.9}, "0.4"),
        ({"disorder": np.nan}, "finite"),
        ({"seed": -1}, "at least 0"),
        ({"size": (1, 1)}, "no bonds"),
    ],
)
def test_lattice_arguments_are_checked(arguments, word):
    with pytest.raises(InputError, match=word):
        triangular(**arguments)


# -- Delaunay ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("dim", "n"), [(2, 150), (3, 120)])
def test_delaunay_is_rigid_keeps_points_apart_and_repeats(dim, n):
    net = delaunay(n, dim=dim, seed=3)
    assert (net.n_nodes, net.dim) == (n, dim)
    assert net.lengths.min() >= 0.7
    assert not rigidity(net).floppy
    same(net, delaunay(n, dim=dim, seed=3))


def test_periodic_delaunay_obeys_euler():
    # On a torus n - m + f = 0 with 3 f = 2 m: exactly 3 n bonds.
    for seed in range(3):
        net = delaunay(60, seed=seed, periodic=True, separation=0.0)
        assert net.n_edges == 3 * net.n_nodes
    solid = delaunay(90, dim=3, periodic=True)
    assert 13 < solid.coordination < 16
    assert not rigidity(solid).floppy


def test_finite_delaunay_has_no_sliver_bonds():
    net = delaunay(400, seed=1)
    assert net.lengths.max() < 2.3
    assert 2 * net.n_nodes - 3 <= net.n_edges <= 3 * net.n_nodes - 3


def test_large_delaunay_in_3d_is_rigid_without_slivers():
    """Its bonds are those of the tetrahedra that are no slivers, all of them and no other."""
    net = delaunay(5000, dim=3, seed=1)
    tetrahedra = Delaunay(net.nodes).simplices
    # Radii of spheres through four points, from their squared distances (Cayley and Menger).
    squares = ((net.nodes[tetrahedra][:, :, None] - net.nodes[tetrahedra][:, None]) ** 2).sum(-1)
    bordered = np.pad(squares, ((0, 0), (1, 0), (1, 0)), constant_values=1.0)
    bordered[:, 0, 0] = 0.0
    radius = np.sqrt(-np.linalg.det(squares) / np.linalg.det(bordered) / 2)
    every, round_ = (
        {tuple(sorted(pair)) for t in some for pair in combinations(t, 2)}
        for some in (tetrahedra.tolist(), tetrahedra[radius <= 1.2].tolist())
    )
    assert len(every - round_) > 2000
    assert {tuple(e) for e in net.edges.tolist()} == round_
    counts = rigidity(net)
    assert (counts.zero_modes, counts.rigid_motions) == (6, 6)


# -- packings ----------------------------------------------------------------------------------


def contact_forces(net):
    """Repulsive forces of the contacts, and their sums on the nodes relative to the mean."""
    radius = net.node_data["radius"]
    reach = radius[net.edges].sum(axis=1)
    force = (1 - net.lengths / reach) / reach
    pull = net.compatibility().T @ -force
    return force, np.abs(pull).max() / force.mean()


@pytest.mark.parametrize(
    "options",
    [
        {"nodes": 64},
        {"nodes": 64, "seed": 7, "pressure": 1e-3},
        {"nodes": 64, "pressure": 0.1},
        {"nodes": 48, "dim": 3},
        {"nodes": 64, "polydispersity": 0.1},
    ],
    ids=str,
)
def test_periodic_packings_balance_at_their_pressure(options):
    net = packing(periodic=True, **options)
    force, residual = contact_forces(net)
    assert net.n_nodes == options["nodes"]
    assert (force > 0).all()
    assert residual < 1e-8
    # The virial gives the pressure, in units of contact energy and mean diameter.
    pressure = force @ net.lengths / (net.dim * np.linalg.det(net.cell))
    assert pressure == pytest.approx(options.get("pressure", 1e-2), rel=1e-8)
    assert net.node_data["radius"].mean() == pytest.approx(0.5, abs=1e-12)
    assert degrees(net).min() >= net.dim + 1
    r = rigidity(net)
    assert not r.floppy
    assert r.self_stress_states >= 1


@pytest.mark.parametrize("seed", range(6))
def test_completing_the_count_leaves_balance_and_sizes_alone(seed):
    net = packing(100, periodic=True, seed=seed, pressure=3e-3)
    assert net.n_nodes == 100
    assert contact_forces(net)[1] < 1e-8
    # Discs come in two sizes; the few swollen ones fill cages, which are of like size.
    size = net.node_data["radius"] / np.median(net.node_data["radius"])
    assert np.ptp(size) < 1.0
    assert degrees(net).min() >= 3
    assert not rigidity(net).floppy


def test_every_overlapping_pair_is_a_bond():
    net = packing(40, periodic=True, seed=5)
    i, j = np.triu_indices(40, 1)
    apart = np.linalg.norm(net.separation(i, j), axis=1)
    radius = net.node_data["radius"]
    assert np.count_nonzero(apart < radius[i] + radius[j]) == net.n_edges


@pytest.mark.parametrize(
    "options",
    [
        {"nodes": 128},
        {"nodes": 37, "seed": 3},
        {"nodes": 60, "dim": 3},
        {"nodes": 8},
        {"nodes": 50, "pressure": 0.02},
    ],
    ids=str,
)
def test_finite_packings_have_the_wanted_nodes_and_are_rigid(options):
    net = packing(**options)
    assert net.n_nodes == options["nodes"]
    assert not net.periodic
    assert not rigidity(net).floppy
    # A disc or ball, not a strip: it is as wide as it is long.
    spread = np.linalg.svd(net.nodes - net.nodes.mean(axis=0), compute_uv=False)
    assert options["nodes"] < 30 or spread[0] < 1.3 * spread[-1]


def test_packings_repeat_with_their_seed():
    same(packing(50, seed=11), packing(50, seed=11))
    assert not np.array_equal(packing(50, seed=11).nodes, packing(50, seed=12).nodes)


@pytest.mark.parametrize(
    "options",
    [
        {"nodes": 64, "periodic": True, "coordination": 4.25},
        {"nodes": 64, "coordination": 4.5, "seed": 1},
        {"nodes": 60, "dim": 3, "coordination": 6.5},
    ],
    ids=str,
)
def test_coordination_is_a_dial(options):
    net = packing(**options)
    assert net.n_edges == round(options["coordination"] * options["nodes"] / 2)
    assert not rigidity(net).floppy


@pytest.mark.parametrize(("periodic", "motions"), [(True, 2), (False, 3)])
def test_no_excess_is_exactly_isostatic(periodic, motions):
    net = packing(48, periodic=periodic, excess=0.0, seed=4)
    r = rigidity(net)
    assert (r.self_stress_states, r.zero_modes) == (0, motions)
    more = packing(48, periodic=periodic, excess=0.25, seed=4)
    assert more.n_edges == net.n_edges + 6


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"nodes": 3}, "at least 8"),
        ({"nodes": 7, "periodic": True}, "at least 8"),
        ({"nodes": 32.5}, "whole"),
        ({"dim": 4}, "2 or 3"),
        ({"pressure": -1}, "between"),
        ({"pressure": 0.01, "excess": 0.1}, "not several"),
        ({"coordination": 3.0}, "isostatic"),
        ({"coordination": 9.0, "nodes": 32}, "up to about"),
        ({"excess": -0.5}, "isostatic"),
        ({"seed": 1.5}, "whole"),
        ({"polydispersity": 2}, "between"),
    ],
)
def test_packing_arguments_are_checked(options, word):
    with pytest.raises(InputError, match=word):
        packing(**options)


def test_smallest_periodic_packings_touch_every_neighbour_once():
    """Else a bond would stand for two: 8 discs of two sizes just fit, of sizes spread wider not."""
    for seed in range(10):
        net = packing(8, periodic=True, pressure=0.1, seed=seed)
        assert 4 * net.node_data["radius"].max() < net.cell[0, 0]
        assert not rigidity(net).floppy
    with pytest.raises(SolveError, match="No packing"):
        packing(8, periodic=True, pressure=0.1, polydispersity=0.3)


def test_relaxing_an_unpressed_handful_fails_clearly():
    # So few particles cannot jam in so large a box before the steps allowed are used up.
    spheres = random_spheres(np.ones(40), 2, 0.01, np.random.default_rng(0))
    with pytest.raises(MechlearnError, match="force balance"):
        relax(spheres, 1e-9, patience=100)


# -- pruning and trimming ----------------------------------------------------------------------


def is_rigid_dense(net):
    c = net.compatibility().toarray()
    motions = net.dim if net.periodic else net.dim * (net.dim + 1) // 2
    return np.linalg.matrix_rank(c, tol=1e-8) == c.shape[1] - motions


@pytest.mark.parametrize(
    ("net", "z"),
    [
        (triangular((8, 8), disorder=0.1), 4.2),
        (triangular((8, 8), periodic=True), 4.0),
        (delaunay(80, dim=3), 6.2),
        (fcc((3, 3, 3), periodic=True, disorder=0.1), 6.5),
    ],
    ids=["triangular", "triangular periodic", "delaunay 3D", "fcc periodic"],
)
def test_pruning_reaches_the_coordination_and_keeps_rigidity(net, z):
    thin = prune_to_coordination(net, z, seed=3)
    assert thin.n_edges == round(z * net.n_nodes / 2)
    assert is_rigid_dense(thin)
    assert degrees(thin).min() >= net.dim
    assert {tuple(e) for e in thin.edges.tolist()} <= {tuple(e) for e in net.edges.tolist()}
    same(thin, prune_to_coordination(net, z, seed=3))


def test_pruning_can_go_down_to_isostaticity_and_no_further():
    net = delaunay(60, seed=2)
    thin = prune_to_coordination(net, 2 * (2 * 60 - 3) / 60)
    assert thin.n_edges == 117
    assert is_rigid_dense(thin)
    for bond in range(0, 117, 9):
        kept = thin.compatibility().toarray()[np.arange(117) != bond]
        assert np.linalg.matrix_rank(kept, tol=1e-8) == 116
    with pytest.raises(InputError, match=r"3\.9 \(isostatic\) to"):
        prune_to_coordination(net, 3.5)


def test_pruning_thins_evenly():
    thin = prune_to_coordination(triangular((12, 12), periodic=True, disorder=0.1), 5.0)
    # Bonds of six-fold nodes go first, so hardly a node falls below four.
    assert degrees(thin).min() >= 4


def test_pruning_keeps_what_it_is_told():
    net = triangular((6, 6))
    keep = np.arange(0, net.n_edges, 4)
    thin = prune_to_coordination(net, 4.2, keep=keep)
    left = {tuple(e) for e in thin.edges.tolist()}
    assert all(tuple(e) in left for e in net.edges[keep].tolist())
    with pytest.raises(InputError, match="every bond left is kept"):
        prune_to_coordination(net, 4.0, keep=np.arange(net.n_edges))


@pytest.mark.parametrize(
    ("net", "word"),
    [(square((5, 5)), "floppy|isostatic"), (honeycomb((4, 4), periodic=True), "floppy|isostatic")],
)
def test_pruning_refuses_floppy_networks(net, word):
    with pytest.raises(InputError, match=word):
        prune_to_coordination(net, net.coordination - 0.05)


def test_pruning_refuses_a_floppy_network_with_bonds_to_spare():
    # Two braced squares that share a single node turn about it.
    patch = square((3, 3), diagonals=True)
    both = Network(
        np.vstack([patch.nodes, patch.nodes[1:] + np.array([2, 2])]),
        np.vstack([patch.edges, np.where(patch.edges == 0, 8, patch.edges + 8)]),
    )
    assert rigidity(both).zero_modes == 4
    with pytest.raises(InputError, match="floppy modes already"):
        prune_to_coordination(both, both.coordination - 0.2)


@pytest.mark.parametrize("dense", [0, 1500])
@pytest.mark.parametrize(
    "net",
    [
        delaunay(90, separation=0, seed=4),
        delaunay(40, dim=3, seed=1),
        triangular((7, 7), periodic=True, disorder=0.1),
    ],
    ids=["2D", "3D", "periodic"],
)
def test_neighbourhoods_know_which_bonds_can_go(net, dense, monkeypatch):
    """Down to where none can, as singular vectors of the whole network say."""
    monkeypatch.setattr("mechlearn.networks.prune.DENSE_LIMIT", dense)
    order = np.random.default_rng(0).permutation(net.n_edges)
    c = net.compatibility().toarray()
    left = np.ones(net.n_edges, dtype=bool)
    for bond in order:
        # What is left of the bond's own axis when the extensions that motions make are taken out.
        u, s, _ = np.linalg.svd(c[left], full_matrices=False)
        row = u[np.flatnonzero(left) == bond][0, s > 1e-9]
        left[bond] = 1 - row @ row < 1e-6
    assert np.array_equal(remove_redundant(net, order), left)
    assert np.count_nonzero(left) == fewest_bonds(net)
    assert is_rigid_dense(net.keep_edges(left))


def test_a_bond_that_hardly_resists_a_motion_stays_if_no_other_does():
    """Node 2 lies on the line of 0 and 1; the slope of its bond to 3 alone keeps it there."""
    net = Network(
        [[0, 0], [2, 0], [1, 0], [-1, 1e-3], [0.5, 3]],
        [[0, 1], [0, 4], [1, 4], [0, 3], [3, 4], [0, 2], [1, 2], [2, 3]],
    )
    assert is_rigid_dense(net)
    left = remove_redundant(net, [7, 5])
    assert np.flatnonzero(~left).tolist() == [5]
    assert is_rigid_dense(net.keep_edges(left))


def test_trimming_leaves_the_rigid_part():
    # A triangulated block with a chain of three nodes hanging from it.
    block = triangular((5, 4))
    tail = [[5.0, 0], [6, 0], [7, 0]]
    n = block.n_nodes
    at = int(block.node_sets["right"][0])
    net = Network(
        np.vstack([block.nodes, tail]),
        np.vstack([block.edges, [[at, n], [n, n + 1], [n + 1, n + 2]]]),
    )
    assert rigidity(net).floppy
    rest = trim_floppy(net)
    assert rest.n_nodes == n
    assert not rigidity(rest).floppy
    with pytest.raises(InputError, match="No rigid part"):
        trim_floppy(honeycomb((3, 3)))


def test_kept_nodes_take_their_sets_and_data_along():
    net = square((3, 2)).with_data(k=np.arange(7.0))
    part = keep_nodes(net, [0, 1, 2, 3])
    assert part.n_nodes == 4
    assert part.n_edges == 4
    assert np.array_equal(part.lengths, np.ones(4))
    kept = [tuple(e) for e in net.edges.tolist() if max(e) < 4]
    assert part.edge_data["k"].tolist() == [
        b for b, e in enumerate(net.edges.tolist()) if tuple(e) in kept
    ]


# -- proteins ----------------------------------------------------------------------------------


def atom(serial, name, residue, chain, number, xyz, alt=" ", occ=1.0, element="C", kind="ATOM"):
    x, y, z = xyz
    return (
        f"{kind:<6}{serial:>5} {name:<4}{alt}{residue:>3} {chain}{number:>4}    "
        f"{x:8.3f}{y:8.3f}{z:8.3f}{occ:6.2f}{10:6.2f}          {element:>2}"
    )


def tiny_pdb():
    """Two chains of five residues, with side atoms, a calcium ion and an alternate location."""
    lines, serial = ["HEADER    TINY"], 0
    rng = np.random.default_rng(0)
    for chain, origin in (("A", 0.0), ("B", 6.0)):
        for number in range(1, 6):
            xyz = np.array([3.8 * number, origin, rng.uniform(-1, 1)])
            lines += [atom(serial + 1, " N", "GLY", chain, number, xyz + 1, element="N")]
            if (chain, number) == ("A", 2):
                aside = xyz + np.array([0, 0.5, 0])
                lines += [
                    atom(serial + 2, " CA", "SER", chain, number, xyz, "A", 0.3),
                    atom(serial + 3, " CA", "SER", chain, number, aside, "B", 0.7),
                ]
            else:
                lines += [atom(serial + 2, " CA", "GLY", chain, number, xyz)]
            serial += 3
    lines.append(atom(99, "CA", " CA", "A", 50, (100, 0, 0), element="CA", kind="HETATM"))
    return "\n".join([*lines, "END", ""])


def test_protein_network_joins_alpha_carbons_within_the_cutoff(tmp_path):
    (tmp_path / "tiny.pdb").write_text(tiny_pdb())
    net = protein(tmp_path / "tiny.pdb", cutoff=8.0)
    assert net.n_nodes == 10
    assert net.dim == 3
    apart = np.linalg.norm(net.nodes[:, None] - net.nodes, axis=-1)
    assert net.n_edges == (np.count_nonzero(apart <= 8.0) - 10) // 2
    assert net.node_data["residue"].tolist() == [1, 2, 3, 4, 5] * 2
    assert net.node_data["chain"].tolist() == ["A"] * 5 + ["B"] * 5
    assert net.node_data["name"].tolist()[1:3] == ["SER", "GLY"]
    # Of the two places of residue 2 the one of occupancy 0.7.
    assert net.nodes[1, 1] == pytest.approx(0.5)
    assert protein(tmp_path / "tiny.pdb", chains="B").n_nodes == 5


def test_protein_reads_mmcif_and_gzip_alike(tmp_path):
    gemmi = pytest.importorskip("gemmi")
    text = tiny_pdb()
    (tmp_path / "tiny.pdb").write_text(text)
    gemmi.read_pdb_string(text).make_mmcif_document().write_file(str(tmp_path / "tiny.cif"))
    (tmp_path / "tiny.ent.gz").write_bytes(gzip.compress(text.encode()))
    pdb = protein(tmp_path / "tiny.pdb")
    for name in ("tiny.cif", "tiny.ent.gz"):
        same(pdb, from_file(tmp_path / name, cutoff=10.0))


def test_only_the_first_model_of_a_protein_is_read(tmp_path):
    body = "\n".join(tiny_pdb().splitlines()[1:-1])
    (tmp_path / "nmr.pdb").write_text(
        f"MODEL        1\n{body}\nENDMDL\nMODEL        2\n{body}\nENDMDL\nEND\n"
    )
    assert protein(tmp_path / "nmr.pdb").n_nodes == 10


@pytest.mark.parametrize(
    ("name", "text", "options", "word"),
    [
        ("a.pdb", None, {}, "no file"),
        ("a.pdb", "HEADER\nEND\n", {}, "no C-alpha"),
        ("a.pdb", "", {}, "no C-alpha"),
        ("a.cif", "garbage {", {}, "cannot be read"),
        ("a.cif", "", {}, "no C-alpha"),
        ("a.pdb.gz", "not gzip", {}, "cannot be read"),
        ("a.pdb", tiny_pdb(), {"cutoff": 3.0}, "8 to 12 are usual"),
        ("a.pdb", tiny_pdb(), {"cutoff": "x"}, "finite number"),
        ("a.pdb", tiny_pdb(), {"chains": "C"}, "chains are A and B"),
        ("a.pdb", tiny_pdb().replace("   6.000", "  60.000"), {}, "2 pieces"),
    ],
)
def test_protein_errors_name_the_file(tmp_path, name, text, options, word):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=word) as error:
        protein(tmp_path / name, **options)
    assert name in str(error.value)


# -- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "net",
    [
        triangular((4, 3), disorder=0.2),
        packing(32, periodic=True),
        cubic((3, 3, 3), periodic=True),
        delaunay(30, dim=3).with_data(stiffness=np.ones(len(delaunay(30, dim=3).edges)) / 3),
    ],
    ids=repr,
)
def test_text_files_give_back_what_was_written(net, tmp_path):
    to_text(net, tmp_path / "net.txt")
    again = from_file(tmp_path / "net.txt")
    same(net, again)
    assert np.allclose(again.vectors, net.vectors, rtol=0, atol=1e-12)
    assert set(again.edge_data) == set(net.edge_data)
    for name, values in net.edge_data.items():
        assert np.array_equal(again.edge_data[name], values)


def test_text_files_may_hold_comments_a_box_and_named_columns(tmp_path):
    (tmp_path / "a.net").write_text(
        "# a ring through the box\n# edge: stiffness rest_length\n\n3 3 3.0  # box\n"
        "0.5 0\n1.5 0\n2.5 0\n0 1 2.0 0.9\n1 2 1 1\n2 0 1 1\n"
    )
    net = from_file(tmp_path / "a.net")
    assert net.periodic
    assert np.allclose(net.lengths, 1)
    assert net.edge_data["stiffness"].tolist() == [2, 1, 1]
    assert net.edge_data["rest_length"][0] == 0.9


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["empty"]),
        ("hello world\n", ["line 1", "N NE"]),
        ("3\n", ["line 1"]),
        ("1000000000000 5\n0 0\n", ["line 1", "1000000000000"]),
        ("2 1\n0 0\n1 0\n", ["line 1", "has 3"]),
        ("2 1\n0 0\nx 0\n0 1\n", ["line 3", "'x'"]),
        ("2 1\n0 0\n1 nan\n0 1\n", ["line 3", "'nan'"]),
        ("2 1\n0 0\n\n1 0 3\n0 1\n", ["line 4", "columns"]),
        ("2 1\n0\n1\n0 1\n", ["line 2", "coordinates"]),
        ("2 1\n0 0\n1 0\n0 2\n", ["line 4", "0 to 1"]),
        ("2 1\n0 0\n1 0\n0 0.5\n", ["line 4", "0 and 0.5"]),
        ("2 1\n0 0\n1 0\n0 0\n", ["Edge 0"]),
        ("2 1 -4\n0 0\n1 0\n0 1\n", ["line 1"]),
        ("2 1 4 4 4\n0 0\n1 0\n0 1\n", ["line 1", "sides"]),
        ("# edge: a b\n2 1\n0 0\n1 0\n0 1 2\n", ["line 5", "names 2"]),
    ],
)
def test_text_errors_name_file_and_line(tmp_path, text, words):
    path = tmp_path / "bad.txt"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        from_file(path)
    message = str(error.value)
    assert message.count(str(path)) == 1
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_text_refuses_networks_it_cannot_hold(tmp_path):
    with pytest.raises(InputError, match="upright box"):
        to_text(triangular((5, 5), periodic=True), tmp_path / "a.txt")


def write_mesh(path, points, cells, **data):
    meshio = pytest.importorskip("meshio")
    meshio.Mesh(np.asarray(points, float), cells, **data).write(path)


SQUARE = [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [9, 9, 9]]


def test_mesh_lines_are_bonds_and_their_data_follow(tmp_path):
    lines = np.array([[0, 1], [1, 2], [2, 3], [3, 0]])
    write_mesh(
        tmp_path / "a.vtu",
        SQUARE,
        [("line", lines)],
        cell_data={"k": [np.arange(4.0)]},
        point_data={"id": np.arange(5)},
    )
    net = from_file(tmp_path / "a.vtu")
    # Point 4 is on no line: without it the mesh is flat.
    assert (net.n_nodes, net.dim, net.n_edges) == (4, 2, 4)
    assert net.edge_data["k"].tolist() == [0, 1, 2, 3]
    assert net.node_data["id"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("kind", "cells", "n", "m", "dim"),
    [
        ("triangle", [[0, 1, 2], [0, 2, 3]], 4, 5, 2),
        ("quad", [[0, 1, 2, 3]], 4, 4, 2),
        ("tetra", [[0, 1, 2, 4]], 4, 6, 3),
    ],
)
def test_edges_of_other_cells_are_bonds(tmp_path, kind, cells, n, m, dim):
    write_mesh(tmp_path / "a.vtk", SQUARE, [(kind, np.array(cells))])
    net = from_file(tmp_path / "a.vtk")
    assert (net.n_nodes, net.n_edges, net.dim) == (n, m, dim)


@pytest.mark.parametrize("suffix", ["vtu", "vtk", "xdmf"])
def test_periodic_networks_come_back_from_a_mesh(tmp_path, suffix):
    # The fields that mechlearn.export writes: shifts of bonds, lattice vectors at every point.
    pytest.importorskip("h5py")
    for net in (triangular((5, 5), periodic=True), cubic((3, 3, 3), periodic=True)):
        wide = 3 - net.dim
        write_mesh(
            tmp_path / f"a.{suffix}",
            np.pad(net.nodes, ((0, 0), (0, wide))),
            [("line", net.edges)],
            cell_data={
                "shift": [np.pad(net.shifts, ((0, 0), (0, wide)))],
                "stiffness": [np.arange(net.n_edges) / 7],
            },
            point_data={
                f"cell_{k}": np.tile(np.pad(v, (0, wide)), (net.n_nodes, 1))
                for k, v in enumerate(net.cell, 1)
            },
        )
        again = from_file(tmp_path / f"a.{suffix}")
        same(again, net)
        assert np.array_equal(again.cell, net.cell)
        assert np.array_equal(again.shifts, net.shifts)
        assert np.array_equal(again.edge_data["stiffness"], np.arange(net.n_edges) / 7)


def test_hexahedron_has_twelve_edges(tmp_path):
    base = np.array(SQUARE[:4])
    write_mesh(
        tmp_path / "a.vtu",
        np.vstack([base, base + np.array([0, 0, 1])]),
        [("hexahedron", np.arange(8)[None])],
    )
    net = from_file(tmp_path / "a.vtu")
    assert net.n_edges == 12
    assert np.allclose(net.lengths, 1)


def test_mesh_errors_name_the_file(tmp_path):
    def fails(name, word):
        with pytest.raises(InputError, match=word) as error:
            from_file(tmp_path / name)
        assert str(tmp_path / name) in str(error.value)
        assert "\n" not in str(error.value)

    fails("none.vtu", "no file")
    (tmp_path / "a.xyzzy").write_text("1 2 3")
    fails("a.xyzzy", "suffix '.xyzzy'")
    (tmp_path / "plain").write_text("1 2 3")
    fails("plain", "suffix ''")
    (tmp_path / "broken.vtu").write_text("<VTKFile")
    fails("broken.vtu", "cannot be read as a mesh")
    (tmp_path / "empty.vtu").write_text("")
    fails("empty.vtu", "cannot be read as a mesh")
    (tmp_path / "broken.msh").write_text("$MeshFormat\nnonsense\n")
    fails("broken.msh", "cannot be read as a mesh")
    write_mesh(tmp_path / "points.vtk", SQUARE, [("vertex", np.array([[0], [1]]))])
    fails("points.vtk", "no lines")
    (tmp_path / "folder").mkdir()
    fails("folder", "folder")
    with pytest.raises(InputError, match="decay and backbone, not cutoff"):
        from_file(tmp_path / "points.vtk", cutoff=8)


# -- by name -----------------------------------------------------------------------------------


def test_every_generator_can_be_called_by_name():
    for name in generators:
        assert generate(name).n_nodes > 1
    same(generate("packing", nodes=32, seed=1), packing(32, seed=1))
    same(generate("square", size=[3, 4], spacing=2), square((3, 4), spacing=2.0))
    assert networks.packing is packing


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("packng", {}, ["'packng'", "did you mean 'packing'"]),
        ("qqq", {}, ["'qqq'", "known are packing, delaunay", "--plugin"]),
        ("packing", {"node": 5}, ["node is not", "did you mean 'nodes'"]),
        ("packing", {"nodes": "many"}, ["nodes", "whole number", "'many'"]),
        ("packing", {"nodes": True}, ["nodes", "whole number"]),
        ("packing", {"periodic": 1}, ["periodic", "true or false"]),
        ("packing", {"pressure": "high"}, ["pressure", "a number"]),
        ("square", {"size": 4}, ["size", "list of whole numbers"]),
        ("square", {"size": [4, 4.5]}, ["size", "list of whole numbers"]),
    ],
)
def test_generate_explains_what_it_does_not_know(name, parameters, words):
    with pytest.raises(InputError) as error:
        generate(name, **parameters)
    assert all(word in str(error.value) for word in words), error.value


def test_import_is_light():
    code = (
        "import sys, mechlearn.networks; "
        "print([m for m in ('dolfinx', 'meshio', 'gemmi', 'matplotlib') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("dim", [2, 3])
def test_nearest_image_is_the_nearest_in_any_cell(dim):
    rng = np.random.default_rng(1)
    far = np.stack(np.meshgrid(*[np.arange(-12, 13)] * dim), axis=-1).reshape(-1, dim)
    for _ in range(10):
        cell = np.eye(dim) + np.tril(rng.uniform(-4, 4, (dim, dim)), -1)
        vectors = rng.uniform(-2, 2, (30, dim))
        found = np.linalg.norm(vectors + nearest_image(vectors, cell) @ cell, axis=1)
        images = vectors[:, None] + far @ cell
        assert np.all(found <= np.linalg.norm(images, axis=2).min(axis=1) + 1e-9)


def test_networks_travel_between_processes(torus):
    """With all that they hold, and frozen as before."""
    net = replace(torus, node_sets={"few": [1, 2]}, edge_data={"k": np.arange(torus.n_edges)})
    again = pickle.loads(pickle.dumps(net))
    for name in ("nodes", "edges", "cell", "shifts"):
        np.testing.assert_array_equal(getattr(again, name), getattr(net, name))
    assert again.node_sets["few"].tolist() == [1, 2]
    np.testing.assert_array_equal(again.edge_data["k"], net.edge_data["k"])
    assert not again.nodes.flags.writeable
