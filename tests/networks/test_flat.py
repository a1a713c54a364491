"""Flat networks in space: of the plane, whatever the format, unless the file says otherwise."""

from dataclasses import replace

import numpy as np
import pytest
from conftest import random_network

from mechlearn.errors import InputError
from mechlearn.io.meshfile import write_network
from mechlearn.network import Network
from mechlearn.networks import from_file, to_text
from mechlearn.networks.graphs import write_graphml
from mechlearn.networks.planar import reduced_dimension
from mechlearn.networks.tables import write_csv, write_npz

WRITERS = {
    ".vtu": write_network,
    ".msh": write_network,
    ".graphml": lambda path, net: write_graphml(path, net, {}, {}),
    ".npz": lambda path, net: write_npz(path, net, {}, {}),
    ".csv": lambda path, net: write_csv(path, net, {}, {}),
    ".txt": lambda path, net: to_text(net, path),
}
TRIANGLE = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 1e-17]])
BONDS = [(0, 1), (1, 2), (2, 0)]


@pytest.mark.parametrize("suffix", WRITERS)
def test_networks_meant_for_space_stay_there(suffix, tmp_path):
    plane = random_network(12)
    net = Network(np.column_stack([plane.nodes, np.full(12, 0.7)]), plane.edges)
    WRITERS[suffix](tmp_path / f"a{suffix}", net)
    again = from_file(tmp_path / f"a{suffix}")
    assert np.array_equal(again.nodes, net.nodes)
    assert "dimension" not in again.node_data
    flat = from_file(tmp_path / f"a{suffix}", dimension=2)
    assert np.array_equal(flat.nodes, plane.nodes)


def test_text_and_tables_with_a_third_coordinate_that_says_nothing_are_plane(tmp_path):
    (tmp_path / "a.txt").write_text("3 3\n0 0 0\n1 0 0\n0 1 1e-17\n0 1\n1 2\n2 0\n")
    (tmp_path / "a.csv").write_text("i,j\n0,1\n1,2\n2,0\n")
    (tmp_path / "a.nodes.csv").write_text("x,y,z\n0,0,5\n1,0,5\n0,1,5\n")
    for name in ("a.txt", "a.csv"):
        net = from_file(tmp_path / name)
        assert np.array_equal(net.nodes, TRIANGLE[:, :2])
        assert not net.notes
        assert from_file(tmp_path / name, dimension=3).dim == 3


@pytest.mark.parametrize(("normal", "kept"), [(0, [1, 2]), (1, [0, 2]), (2, [0, 1])])
@pytest.mark.parametrize("size", [1e-9, 1.0, 1e12])
def test_planes_along_the_axes(normal, kept, size):
    plane = random_network(12)
    nodes = np.full((12, 3), 0.3)
    nodes[:, kept] = plane.nodes
    nodes[3, normal] *= 1 + 1e-14
    net = reduced_dimension(Network(size * nodes, plane.edges))
    assert np.array_equal(net.nodes, size * plane.nodes)
    assert len(net.notes) == (normal != 2)


def test_tilted_planes_stay_with_a_word(space):
    plane = random_network(12)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    net = Network(np.column_stack([plane.nodes, np.zeros(12)]) @ turn, plane.edges)
    again = reduced_dimension(net)
    assert again.dim == 3
    assert "it is flat" in again.notes[0]
    with pytest.raises(InputError, match="do not lie"):
        reduced_dimension(net, 2)
    assert not reduced_dimension(space).notes


def test_flat_periodic_networks_lose_the_axis_that_no_bond_crosses(torus):
    three = {k: np.pad(getattr(torus, k), ((0, 0), (0, 1))) for k in ("nodes", "shifts")}
    cell = np.pad(torus.cell, (0, 1))
    cell[2, 2] = 9.0
    net = Network(three["nodes"], torus.edges, cell=cell, shifts=three["shifts"])
    again = reduced_dimension(net)
    assert np.array_equal(again.cell, torus.cell)
    assert np.array_equal(again.shifts, torus.shifts)
    leaning = replace(net, cell=cell + 0.5 * np.outer([1, 0, 0], [0, 0, 1]))
    assert reduced_dimension(leaning).dim == 3


def test_dimensions_that_make_no_sense_are_refused(tmp_path, plane, space):
    to_text(plane, tmp_path / "plane.txt")
    to_text(space, tmp_path / "space.txt")
    for name, dimension in (("plane", 3), ("space", 2), ("plane", 4), ("plane", "2")):
        with pytest.raises(InputError, match="dimension"):
            from_file(tmp_path / f"{name}.txt", dimension=dimension)
