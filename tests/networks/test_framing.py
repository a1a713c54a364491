"""Framed samples: every bond ends at the outline, and the outline is closed."""

from dataclasses import replace

import numpy as np
import pytest

import mechlearn as ml

HONEYCOMB = ml.networks.honeycomb((2, 2), periodic=True, disorder=0.3)
TRIANGLES = ml.networks.triangular(4, 4, periodic=True, disorder=0.1, seed=1)
SKEW = replace(
    ml.networks.square((2, 2), periodic=True, disorder=0.1, seed=2), cell=[[2, 0], [0.6, 2]]
)


def frame_of(net):
    return np.isin(np.arange(net.n_edges), net.edge_sets.get("frame", []))


@pytest.mark.parametrize("counts", [(1, 1), (2, 3)])
def test_a_square_lattice_is_its_own_frame(counts):
    n, m = 2 * np.array(counts)
    net = ml.networks.square((2, 2), periodic=True).tile(*counts, ends="frame")
    assert net.n_nodes == (n + 1) * (m + 1)
    assert net.n_edges == n * (m + 1) + m * (n + 1)
    assert not frame_of(net).any()
    np.testing.assert_allclose(net.lengths, 1.0)


@pytest.mark.parametrize("cell", [HONEYCOMB, TRIANGLES, SKEW])
def test_all_bonds_are_there_and_the_outline_is_closed(cell):
    net = cell.tile(3, 2, ends="frame")
    frame = frame_of(net)
    np.testing.assert_allclose(net.lengths[~frame].sum(), 6 * cell.lengths.sum(), rtol=0.01)
    sides = [net.node_sets[name] for name in ("left", "right", "bottom", "top")]
    rim = np.any([np.isin(net.edges, side).all(axis=1) for side in sides], axis=0)
    assert rim[frame].all()
    perimeter = 6 * np.linalg.norm(cell.cell[0]) + 4 * np.linalg.norm(cell.cell[1])
    np.testing.assert_allclose(net.lengths[rim].sum(), perimeter)
    outline = np.unique(np.concatenate(sides))
    assert np.bincount(net.edges[rim].ravel())[outline].tolist() == [2] * len(outline)
    assert np.bincount(net.edges.ravel()).min() >= 2
    for low, high, k in (("left", "right", 0), ("bottom", "top", 1)):
        across = np.linalg.inv(cell.cell)[:, k]
        for name in (low, high):
            assert np.ptp(net.nodes[net.node_sets[name]] @ across) < 1e-9


@pytest.mark.parametrize(
    "cell",
    [
        ml.networks.cubic((2, 2, 2), periodic=True),
        ml.networks.fcc((1, 1, 1), periodic=True),
        ml.networks.packing(nodes=40, dim=3, periodic=True, coordination=7, seed=1),
    ],
)
def test_no_strut_dangles_in_space(cell):
    net = cell.tile(2, 1, 2, ends="frame")
    assert np.bincount(net.edges.ravel()).min() >= 2
    assert net.n_edges > 4 * cell.n_edges
    corners = np.isclose(
        np.abs(net.nodes - (net.nodes.min(axis=0) + net.nodes.max(axis=0)) / 2),
        np.ptp(net.nodes, axis=0) / 2,
    ).all(axis=1)
    assert corners.sum() == 8


def test_struts_of_a_frame_have_mean_properties():
    width = np.linspace(0.1, 0.2, HONEYCOMB.n_edges)
    net = HONEYCOMB.with_data(width=width, kind=np.arange(HONEYCOMB.n_edges)).tile(
        2, 2, ends="frame"
    )
    frame = frame_of(net)
    np.testing.assert_allclose(net.edge_data["width"][frame], 0.15)
    own = net.edge_data["kind"][~frame].astype(int)
    np.testing.assert_allclose(net.edge_data["width"][~frame], width[own])


def test_angles_inside_a_frame_are_those_of_the_cell():
    cell = ml.networks.with_angles(HONEYCOMB)
    net = cell.tile(3, 3, ends="frame")

    def arms(network):
        places = network.tuple_places("triples")
        a, b = (np.linalg.norm(places[:, k] - places[:, 1], axis=1) for k in (0, 2))
        return {tuple(row) for row in np.round(np.column_stack([a, b]), 8).tolist()}

    assert len(net.tuples["triples"]) > 4 * len(cell.tuples["triples"])
    assert arms(net) == arms(cell)


def test_a_frame_stays_where_the_cells_are_graded():
    moved = replace(HONEYCOMB, nodes=HONEYCOMB.nodes + 0.02)
    plain, graded = (HONEYCOMB.tile(2, 2, ends="frame", **o) for o in ({}, {"to": moved}))
    outline = np.unique(plain.edges[frame_of(plain)])
    np.testing.assert_array_equal(graded.nodes[outline], plain.nodes[outline])
    inside = np.setdiff1d(np.arange(plain.n_nodes), outline)
    assert (graded.nodes[inside] > plain.nodes[inside]).all()
