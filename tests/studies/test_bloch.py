"""Waves of periodic cells: their stiffness, and patterns that buckle first, against supercells."""

import json

import numpy as np
import pytest
from ranks import on_ranks
from scipy import sparse

import mechlearn as ml
from mechlearn.cli import app
from mechlearn.fem.waves import DENSE, lowest_eigenvalue, wave_vectors
from mechlearn.learning.system import System
from mechlearn.networks.angles import with_angles


def task(gradient):
    asked = [["free"] * len(gradient) for _ in gradient]
    asked[0][0] = 0.0
    return ml.Task(
        sources=[ml.Source(name="press", deformation_gradient=gradient)],
        targets=[ml.Target(piola_stress=asked, scale=1.0)],
    )


BEAMS = ml.FiniteBeam(segments=3)
CELLS = {
    "honeycomb": (
        ml.networks.honeycomb([1, 1], periodic=True), BEAMS, {"width": 0.1},
        [[0.98, 0.0], [0.0, 0.98]],
    ),
    "square": (
        ml.networks.square([1, 1], periodic=True), BEAMS, {"width": 0.1},
        [[0.98, 0.0], [0.0, 0.98]],
    ),
    "springs": (
        ml.networks.fcc([1, 1, 1], periodic=True), ml.FiniteSpring(), {},
        [[0.6, 0, 0], [0, 1, 0], [0, 0, 1]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CELLS)
def test_the_first_wave_buckles_where_the_supercell_does(name):
    net, energy, values, gradient = CELLS[name]
    load, counts = task(gradient), [2] * net.dim
    one = ml.path(net, load, energy, steps=10, waves=counts, **values)
    many = ml.path(net.supercell(counts), load, energy, steps=10, **values)
    assert one.attrs["bloch"]["factor"] == pytest.approx(many.bifurcations[0]["factor"], rel=1e-6)
    assert one.attrs["bloch"]["press.force.xx"] == pytest.approx(
        many.bifurcations[0]["press.force.xx"], rel=1e-6
    )
    assert not any(row["factor"] < one.attrs["bloch"]["factor"] for row in one.bifurcations)
    waves = one["waves"].values
    assert (waves[0] > 0).all()
    assert np.nanmin(waves) < 0


STATES = [
    (ml.networks.honeycomb([1, 1], periodic=True), BEAMS, [[0.995, 0.0], [0.001, 0.999]]),
    (
        ml.networks.triangular([2, 2], periodic=True, disorder=0.2, seed=1),
        ml.FiniteSpring(),
        [[1.02, 0.01], [0.03, 1.01]],
    ),
    (
        ml.networks.fcc([1, 1, 1], periodic=True),
        ml.FiniteSpring(),
        [[1.02, 0.01, 0], [0, 1.01, 0], [0, 0, 1.03]],
    ),
]


def spectrum(net, energy, gradient, waves):
    system = System(net, task(gradient), energy, check=False)
    waved = energy.waves(system.model, system.problem, system.parameters)
    matrix = waved.at(system.free.fields()[:, 0])
    found = [np.linalg.eigvalsh(waved.of_wave(matrix, wave).toarray()) for wave in waves]
    return np.sort(np.concatenate(found))


@pytest.mark.parametrize(("net", "energy", "gradient"), STATES, ids=["beams", "springs", "3D"])
def test_waves_have_the_spectrum_of_the_supercell(net, energy, gradient):
    counts, still = [2] * net.dim, [0.0] * net.dim
    waves = [still, *wave_vectors(counts, net.dim)]
    one = spectrum(net, energy, gradient, waves)
    many = spectrum(net.supercell(counts), energy, gradient, [still])
    assert one == pytest.approx(many, abs=1e-9 * many[-1])


def test_angles_across_the_cell_have_waves_too():
    net = with_angles(ml.networks.triangular([2, 2], periodic=True))
    energy, gradient = ml.FiniteSpring() + ml.Angle(), [[1.01, 0.0], [0.0, 1.0]]
    waves = [[0.0, 0.0], *wave_vectors([2, 2], 2)]
    one = spectrum(net, energy, gradient, waves)
    many = spectrum(net.supercell([2, 2]), energy, gradient, waves[:1])
    assert one == pytest.approx(many, abs=1e-9 * many[-1])


def test_large_matrices_have_the_eigenvalue_of_dense_ones():
    rng = np.random.default_rng(0)
    n = DENSE + 50
    chain = sparse.diags_array([np.full(n - 1, -1.0), np.full(n, 2.0), np.full(n - 1, -1.0)],
                               offsets=[-1, 0, 1])  # fmt: skip
    phases = sparse.diags_array(np.exp(2j * np.pi * rng.uniform(size=n)))
    for shift in (0.0, -0.01):
        matrix = sparse.csc_array(phases.conj() @ (chain + shift * sparse.eye_array(n)) @ phases)
        exact = np.linalg.eigvalsh(matrix.toarray())[0]
        assert lowest_eigenvalue(matrix) == pytest.approx(exact, abs=1e-9)


def test_waves_that_fit_into_a_supercell():
    assert wave_vectors([2, 1], 2).tolist() == [[0.5, 0.0]]
    assert len(wave_vectors([2, 2], 2)) == 3
    assert len(wave_vectors([2, 2, 2], 3)) == 7
    # Of 15 waves of 4 x 4 three are their own opposites.
    assert len(wave_vectors([4, 4], 2)) == 3 + 12 // 2
    assert wave_vectors([[0.1, 0.2]], 2).tolist() == [[0.1, 0.2]]


def onset():
    net, energy, values, gradient = CELLS["honeycomb"]
    found = ml.path(net, task(gradient), energy, steps=5, waves=[2, 2], **values)
    return np.array([found.attrs["bloch"]["factor"]])


def test_two_ranks_find_the_same():
    alone = onset()
    for found in on_ranks(2, onset):
        assert found == pytest.approx(alone, rel=1e-6)


TASK = """
[network]
generator = "honeycomb"
size = [1, 1]
periodic = true
[energy]
model = "finite_beam"
segments = 3
[learn.width]
bounds = [0.05, 0.3]
initial = 0.1
[[sources]]
name = "press"
deformation_gradient = [[0.98, 0.0], [0.0, 0.98]]
[[targets]]
piola_stress = [[-1e-3, "free"], ["free", "free"]]
[path]
waves = [2, 2]
steps = 5
"""


def test_the_command_says_the_first_wave(tmp_path, capsys):
    (tmp_path / "task.toml").write_text(TASK)
    with pytest.raises(SystemExit) as ended:
        app(["path", str(tmp_path / "task.toml"), "-o", str(tmp_path / "out")])
    assert not ended.value.code
    said = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert said["bloch"]["factor"] == pytest.approx(onset()[0], rel=1e-6)
    assert "waves" in capsys.readouterr().out


@pytest.mark.parametrize(
    "waves", [[2], [1, 1], [2, 2, 2], [[0.0, 1.0]], "half", [0.5, 1], [[np.nan, 0]]]
)
def test_waves_that_there_are_not_are_refused(waves):
    net, energy, values, gradient = CELLS["square"]
    with pytest.raises(ml.InputError, match="waves = "):
        ml.path(net, task(gradient), energy, steps=1, waves=waves, **values)


def test_finite_networks_have_no_waves():
    net = ml.networks.square([3, 3])
    load = ml.Task(
        supports=[ml.Support(nodes=[0, 1])],
        sources=[ml.Source(nodes=[8], force=[0.0, -0.01])],
        targets=[ml.Target(nodes=[7], displacement=[0.0, 0.1])],
    )
    with pytest.raises(ml.InputError, match="periodic networks"):
        ml.path(net, load, ml.FiniteBeam(), steps=1, waves=[2, 2])
