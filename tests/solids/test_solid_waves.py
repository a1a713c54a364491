"""Waves of solid cells: patterns of several cells, against supercells of the same mesh pattern."""

from itertools import product

import numpy as np
import pytest
from scipy.spatial import cKDTree

import mechlearn as ml
from mechlearn.energies import Solid
from mechlearn.errors import InputError
from mechlearn.fem.waves import wave_vectors
from mechlearn.learning.system import System
from mechlearn.solids.meshing import SolidMesh, make_mesh
from mechlearn.solids.struts import Struts

NET, WIDTH = ml.networks.square([1, 1], periodic=True), 0.2
RUBBER = Solid("neo_hookean", mesh_size=0.8, order=1)


def press(stretch):
    """Squeeze along x and y alike."""
    return ml.Task(
        sources=[ml.Source(name="press", deformation_gradient=[[stretch, 0], [0, stretch]])],
        targets=[ml.Target(piola_stress=[[0.0, "free"], ["free", "free"]], scale=1.0)],
    )


@pytest.fixture
def repeated(monkeypatch):
    """The supercell of 2 x 2 squares, whose mesh repeats that of one."""
    one = make_mesh(Struts(NET, np.full(NET.n_edges, WIDTH)), RUBBER.mesh_size)
    steps = np.array(list(product((0, 1), repeat=2)))
    points = (one.points + (steps @ NET.cell)[:, None]).reshape(-1, 2)
    first = np.arange(len(points))
    for a, b in cKDTree(points).query_pairs(1e-8, output_type="ndarray"):
        first[max(a, b)] = min(a, b)
    cells = (one.cells + len(one.points) * np.arange(4)[:, None, None]).reshape(-1, 3)
    used, cells = np.unique(first[cells], return_inverse=True)
    level = np.tile(one.level, 4)[used]

    def mesh(struts, _size):
        return SolidMesh(struts, points[used], cells.reshape(-1, 3), level)

    def swap():
        monkeypatch.setattr("mechlearn.solids.domain.make_mesh", mesh)
        return NET.supercell(2, 2)

    return swap


def spectrum(net, waves):
    system = System(net, press(0.98), RUBBER, width=WIDTH)
    waved = RUBBER.waves(system.model, system.problem, system.parameters)
    matrix = waved.at(system.free.fields()[:, 0])
    found = [np.linalg.eigvalsh(waved.of_wave(matrix, wave).toarray()) for wave in waves]
    return np.sort(np.concatenate(found))


def test_waves_have_the_spectrum_of_the_supercell(repeated):
    one = spectrum(NET, [[0.0, 0.0], *wave_vectors([2, 2], 2)])
    many = spectrum(repeated(), [[0.0, 0.0]])
    assert one == pytest.approx(many, abs=1e-11 * many[-1])


def test_the_first_wave_buckles_where_the_supercell_does(repeated):
    one = ml.path(NET, press(0.92), RUBBER, steps=4, waves=[2, 2], width=WIDTH)
    many = ml.path(repeated(), press(0.92), RUBBER, steps=4, width=WIDTH)
    onset, first = one.attrs["bloch"], many.bifurcations[0]
    assert onset["factor"] == pytest.approx(first["factor"], rel=1e-5)
    assert onset["press.force.xx"] == pytest.approx(first["press.force.xx"], rel=1e-5)
    assert not any(row["factor"] < onset["factor"] for row in one.bifurcations)


def test_supported_cells_of_solids_have_no_waves():
    held = press(0.98).model_copy(update={"supports": [ml.Support(nodes=[0])]})
    with pytest.raises(InputError, match="without supports"):
        ml.path(NET, held, RUBBER, steps=1, waves=[2, 2], width=WIDTH)
