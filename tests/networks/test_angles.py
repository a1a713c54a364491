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
