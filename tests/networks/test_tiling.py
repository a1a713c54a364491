"""Copies of a periodic cell: the same material, and finite pieces of it."""

import re
from dataclasses import replace

import numpy as np
import pytest

import mechlearn as ml

CELL = ml.networks.triangular(4, 4, periodic=True, disorder=0.1, seed=1).with_data(
    stiffness=np.random.default_rng(0).uniform(0.5, 2, 48)
)


def closed_form_of_bonds(n, m):
    """Bonds inside n x m nodes of a triangular lattice, rows shifted alternately."""
    return n * m - m + (m - 1) * (2 * n - 1)


@pytest.mark.parametrize("counts", [(2, 3), (1, 1), ([2, 1],)])
def test_a_supercell_is_the_same_material(counts):
    large = CELL.supercell(*counts)
    copies = int(np.prod(counts))
    assert (large.n_nodes, large.n_edges) == (copies * CELL.n_nodes, copies * CELL.n_edges)
    one, many = (ml.moduli(net, stiffness="stiffness").compliance for net in (CELL, large))
    np.testing.assert_allclose(many, one, rtol=1e-12)
    np.testing.assert_allclose(np.sort(large.lengths), np.sort(np.tile(CELL.lengths, copies)))


def test_a_supercell_in_space_has_the_moduli_of_its_cell():
    cell = ml.networks.fcc((1, 1, 1), periodic=True)
    large = cell.supercell(2, 1, 3)
    assert large.n_nodes == 6 * cell.n_nodes
    one, many = (ml.moduli(net, stiffness=1.0).compliance for net in (cell, large))
    np.testing.assert_allclose(many, one, rtol=1e-11, atol=1e-13)


def test_angles_of_a_supercell_are_those_of_every_copy():
    before, after = (
        ml.networks.with_angles(CELL).supercell(2, 2), ml.networks.with_angles(CELL.supercell(2, 2))
    )  # fmt: skip

    def bent(net):
        places = net.tuple_places("triples")
        a, b = places[:, 0] - places[:, 1], places[:, 2] - places[:, 1]
        return np.sort(np.einsum("ij,ij->i", a, b))

    np.testing.assert_allclose(bent(before), bent(after), atol=1e-12)


def test_a_tile_is_the_finite_lattice():
    """Of a perfect lattice, bond by bond; its corners hang by one bond and are trimmed."""
    cell = ml.networks.triangular(3, 2, periodic=True)
    tiled = cell.tile(2, 3)
    assert tiled.cell is None
    assert tiled.n_nodes == 36
    assert tiled.n_edges == closed_form_of_bonds(6, 6)
    assert {"left", "right", "bottom", "top"} <= set(tiled.node_sets)
    np.testing.assert_allclose(tiled.lengths, 1.0)
    assert not ml.rigidity(tiled).floppy
    kept = cell.tile(2, 3, ends="keep")
    assert kept.n_edges == 6 * cell.n_edges
    degree = np.bincount(kept.edges.ravel())
    assert (degree[:36] == 6).sum() > (np.bincount(tiled.edges.ravel()) == 6).sum()


def test_data_and_sets_are_those_of_every_copy():
    cell = ml.networks.square((2, 2), periodic=True, diagonals=True)
    numbers = {"k": np.arange(cell.n_edges) + 1.0}
    cell = replace(cell, node_sets={"some": [0]}, edge_sets={"first": [0]}, edge_data=numbers)
    tiled = cell.tile(2, 2)
    assert len(tiled.node_sets["some"]) == 4
    np.testing.assert_array_equal(tiled.edge_data["k"][tiled.edge_sets["first"]], 1.0)
    large = cell.supercell(2, 1)
    np.testing.assert_array_equal(large.edge_data["k"], np.tile(cell.edge_data["k"], 2))


def test_a_graded_tiling_goes_from_one_cell_to_another():
    other = replace(CELL, nodes=CELL.nodes + 0.1).with_data(
        stiffness=3 * CELL.edge_data["stiffness"]
    )
    plain, graded = CELL.tile(3, 3), CELL.tile(3, 3, to=other, grade="x")
    x = plain.nodes[:, 0]
    part = (x - x.min()) / np.ptp(x)
    np.testing.assert_allclose(graded.nodes - plain.nodes, 0.1 * part[:, None] + [0, 0])
    grown = graded.edge_data["stiffness"] / plain.edge_data["stiffness"]
    np.testing.assert_allclose(grown.min(), 1 + 2 * part[plain.edges].mean(axis=1).min(), atol=0.05)
    assert grown.max() > 2.7
    half = CELL.tile(3, 3, to=other, grade=lambda places: np.full(len(places), 0.5))
    np.testing.assert_allclose(half.nodes, plain.nodes + 0.05)
    np.testing.assert_allclose(half.edge_data["stiffness"], 2 * plain.edge_data["stiffness"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CELL.tile(2), "A cell in 2D is repeated by 2 counts, not 1"),
        (lambda: CELL.supercell(0, 2), "The count of copies"),
        (lambda: CELL.tile(2, 2, ends="cut"), "ends = 'cut' must be one of 'trim'"),
        (lambda: CELL.tile(2, 2, to=ml.networks.triangular(4, 3, periodic=True)), "these differ"),
        (lambda: CELL.tile(2, 2, to=CELL, grade="z"), "grade = 'z' must be one of the axes x, y"),
        (lambda: CELL.tile(2, 2, to=CELL, grade=lambda x: x), "): places"),
        (lambda: ml.networks.triangular(4, 4).tile(2, 2), "Only a periodic network has a cell"),
        (lambda: CELL.supercell(10**6, 10**6), "copies"),
        (lambda: ml.Network([[0.5, 0.5]], [[0, 0], [0, 0]], np.eye(2), np.eye(2, dtype=int))
         .tile(1, 1), "have no bond inside"),
    ],
)  # fmt: skip
def test_copies_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ml.InputError, match=re.escape(message)):
        make()


def test_a_task_file_names_a_supercell(tmp_path):
    text = """
[network]
generator = "triangular"
size = [4, 4]
periodic = true
supercell = [2, 1]
[learn.stiffness]
bounds = [0.1, 10]
[[sources]]
name = "squeeze"
cell = "xx"
strain = -0.01
[[targets]]
source = "squeeze"
modulus = 1.0
[train]
steps = 1
"""
    (tmp_path / "task.toml").write_text(text)
    run = ml.train_file(tmp_path / "task.toml")
    assert run.network.n_nodes == 32
    run.save(tmp_path / "run")
    assert ml.Run.load(tmp_path / "run").network.n_nodes == 32
    (tmp_path / "task.toml").write_text(text.replace("[2, 1]", "[2]"))
    with pytest.raises(ml.InputError, match="supercell: A cell in 2D is repeated by 2 counts"):
        ml.train_file(tmp_path / "task.toml")
