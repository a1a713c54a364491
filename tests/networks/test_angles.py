"""Angles and hinges of networks: their number, and the mechanism of a Miura sheet."""

from dataclasses import replace

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.energies import Angle, Crease
from mechlearn.energies.rigidity import rigidity


@pytest.mark.parametrize(
    ("net", "count"),
    [
        (ml.networks.square((4, 4)), 4 * 4 + 8 * 2 + 4),  # four inside, two (or one) at the rim
        (ml.networks.square((3, 3), periodic=True), 4 * 9),
        (ml.networks.triangular((4, 4), periodic=True), 6 * 16),
        (ml.networks.cubic((3, 3, 3), periodic=True), 12 * 27),
        (ml.Network([[0, 0], [1, 0], [2, 0]], [[0, 1], [1, 2]]), 1),
    ],
)
def test_neighbouring_bonds_have_one_angle_each(net, count):
    with_angles = ml.networks.with_angles(net)
    assert with_angles.count("triples") == count
    a, b, c = np.moveaxis(with_angles.tuple_places("triples"), 1, 0)
    np.testing.assert_allclose(np.linalg.norm(a - b, axis=1), net.lengths[0])
    np.testing.assert_allclose(np.linalg.norm(c - b, axis=1), net.lengths[0])


def test_angles_stop_the_mechanisms_of_a_square_lattice():
    net = ml.networks.with_angles(ml.networks.square((4, 4)))
    assert rigidity(net).floppy
    assert not rigidity(net, tuples=[Angle()]).floppy


@pytest.mark.parametrize(
    ("cells", "angle", "fold"), [((1, 1), 60, 45), ((2, 3), 50, 30), ((3, 2), 70, 60)]
)
def test_a_miura_sheet_of_stiff_facets_has_one_mechanism(cells, angle, fold):
    """Poisson's ratio -cos^2 theta tan^2 gamma: Schenk, Guest, PNAS 110, 3276 (2013)."""
    net = ml.networks.miura(cells, a=1.0, b=1.3, angle=angle, fold=fold)
    facets = 4 * cells[0] * cells[1]
    stiff = replace(net, tuples={"quadruples": net.tuples["quadruples"][:facets]})
    counts = rigidity(stiff, tuples=[Crease()])
    assert (counts.rigid_motions, len(counts.floppy_modes)) == (6, 1)
    assert not rigidity(net, tuples=[Crease()]).floppy
    mode, last = counts.floppy_modes[0], 2 * cells[1]

    def strain(i, j):
        apart = net.nodes[j] - net.nodes[i]
        return apart @ (mode[j] - mode[i]) / (apart @ apart)

    x, y = strain(0, net.n_nodes - 1 - last), strain(0, last)
    wanted = -((np.cos(np.radians(fold)) * np.tan(np.radians(angle))) ** 2)
    np.testing.assert_allclose(-y / x, wanted, rtol=1e-9)


def test_sides_and_diagonals_of_a_miura_sheet():
    net = ml.networks.miura((2, 1), a=1.0, b=1.3, angle=50, fold=30)
    short = np.sqrt(1 + 1.3**2 - 2 * 1.3 * np.cos(np.radians(50)))
    np.testing.assert_allclose(net.lengths[net.edge_sets["diagonals"]], short)
    others = np.setdiff1d(np.arange(net.n_edges), net.edge_sets["diagonals"])
    assert np.isclose(net.lengths[others][:, None], [1.0, 1.3]).any(axis=1).all()


RING = [[0, 0], [1, 0], [1, 1], [0, 1]]


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        ("triples", [[0, 1, 2], [1, 2, 3], [0, 1, 2]]),
        ("triples", [[0, 1, 2], [2, 1, 0]]),
        ("quadruples", [[0, 1, 2, 3], [3, 2, 1, 0]]),
        ("polygons", [[0, 1, 2, 3], [2, 3, 0, 1]]),
        ("polygons", [[0, 1, 2, 3], [1, 0, 3, 2]]),
        ("polygons", [[0, 1, 2, 3], [0, 1, 2], [2, 1, 0]]),
        ("surfaces", [[0, 1, 2, 0, 2, 3], [3, 2, 0, 1, 2, 0]]),
    ],
)
def test_elements_that_would_act_twice_are_refused(table, rows):
    with pytest.raises(ml.InputError, match=rf"{table}: row {len(rows) - 1}, .* again, and would"):
        ml.Network(RING, [[0, 1], [1, 2], [2, 3], [3, 0]], tuples={table: rows})


def test_angles_over_images_are_not_the_same():
    """In a cell of one node all angles are of it alone, and differ by its images."""
    cell = ml.Network([[0, 0]], [[0, 0], [0, 0]], [[1, 0], [0, 1]], [[1, 0], [0, 1]])
    angles = [[[1, 0], [0, 0], [0, 1]], [[0, 1], [0, 0], [-1, 0]]]
    with pytest.raises(ml.InputError, match="different nodes"):
        replace(cell, tuples={"triples": [[0, 0, 0]] * 2}, tuple_shifts={"triples": angles})
    large = ml.networks.with_angles(ml.networks.square((3, 3), periodic=True))
    shifts = np.array(large.tuple_shifts["triples"])
    moved = shifts + np.random.default_rng(0).integers(-2, 3, (len(shifts), 1, 2))
    again = {"triples": np.vstack([large.tuples["triples"], large.tuples["triples"][:1, ::-1]])}
    images = {"triples": np.vstack([moved, shifts[:1, ::-1]])}
    with pytest.raises(ml.InputError, match="is row 0 again"):
        replace(large, tuples=again, tuple_shifts=images)
