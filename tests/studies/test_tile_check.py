"""Finite samples between plates tend to their cell as they grow."""

import csv
import json

import numpy as np
import pytest
from ranks import on_ranks

import mechlearn as ml
from mechlearn.cli import main
from mechlearn.networks.tiling import tile
from mechlearn.runs.tiles import loading_of
from mechlearn.studies.tiling import mean_gradient, tile_check

HONEYCOMB = ml.networks.honeycomb((2, 2), periodic=True)
WIDTH = {"width": ml.Learn(bounds=(0.01, 0.3), initial=0.1)}


def cell_run(net, energy, learn, strain=-0.01, cell="yy"):
    """Run that learns nothing."""
    task = ml.Task(
        sources=[ml.Source(name="press", cell=cell, strain=strain)],
        targets=[ml.Target(source="press", stress=-1e-3)],
    )
    return ml.train(net, task, energy=energy, learn=learn, steps=0)


@pytest.fixture(scope="module")
def honeycomb():
    return cell_run(HONEYCOMB, "beam", WIDTH)


def by_copies(found):
    return {row["copies"]: row for row in found.rows()}


def test_columns_of_a_square_frame_know_no_surface():
    """Between sliding plates they carry the load alone, whatever their number: E = w / a."""
    run = cell_run(ml.networks.square((2, 2), periodic=True), "beam", WIDTH)
    found = tile_check(run, 3, 3)
    for one in (*found.samples, found.cell):
        assert one.modulus == pytest.approx(0.1, rel=1e-9)
        assert one.poisson()[0] == pytest.approx(0, abs=1e-9)


def test_samples_of_beams_tend_to_their_cell(honeycomb):
    rows = by_copies(tile_check(honeycomb, 6, 6))
    ratios = [rows[f"{n} x {n}"]["modulus_over_cell"] for n in range(2, 7)]
    assert (np.diff(ratios) > 0).all()
    assert ratios[-1] < 0.9
    assert rows["1/n to 0"]["modulus_over_cell"] == pytest.approx(1, abs=0.003)
    assert rows["1/n to 0"]["poisson_x"] == pytest.approx(rows["cell"]["poisson_x"], abs=0.01)
    moduli = ml.moduli(HONEYCOMB, energy=ml.Beam(), width=0.1)
    assert rows["cell"]["modulus"] == pytest.approx(1 / moduli.compliance[1, 1])


def test_samples_of_springs_tend_to_their_cell():
    cell = ml.networks.packing(nodes=64, periodic=True, coordination=5.0, seed=1)
    rows = by_copies(tile_check(cell_run(cell, "spring", "stiffness", cell="xx"), 5, 5))
    assert rows["1/n to 0"]["modulus_over_cell"] == pytest.approx(1, abs=0.005)
    assert rows["1/n to 0"]["poisson_y"] == pytest.approx(rows["cell"]["poisson_y"], abs=0.003)


def test_a_lattice_in_space_tends_to_its_cell():
    cell = ml.networks.fcc((1, 1, 1), periodic=True)
    learn = {"radius": ml.Learn(bounds=(0.01, 0.1), initial=0.05)}
    rows = by_copies(tile_check(cell_run(cell, "beam", learn, cell="zz"), 4, 4, 4))
    assert rows["1/n to 0"]["modulus_over_cell"] == pytest.approx(1, abs=0.01)
    assert rows["1/n to 0"]["poisson_x"] == pytest.approx(rows["cell"]["poisson_x"], abs=0.01)


def test_samples_of_solids_tend_to_their_cell():
    learn = {"width": ml.Learn(bounds=(0.05, 0.3), initial=0.15)}
    element = ml.Solid(order=1, mesh_size=1.0)
    cell = ml.networks.triangular(2, 2, periodic=True)
    rows = by_copies(tile_check(cell_run(cell, element, learn), 3, 3))
    ratios = [rows[name]["modulus_over_cell"] for name in ("2 x 2", "3 x 3", "1/n to 0")]
    assert ratios[0] < ratios[1] < 1
    assert ratios[2] == pytest.approx(1, abs=0.02)


def test_clamped_plates_and_frames_are_stiffer(honeycomb):
    def ratio(**options):
        return tile_check(honeycomb, 3, 3, **options).rows()[1]["modulus_over_cell"]

    free = ratio()
    assert free < ratio(plates="clamped") < ratio(ends="frame")


def test_stress_and_strain_of_samples_that_buckle_follow_the_cell():
    cell = ml.networks.honeycomb((2, 2), periodic=True, disorder=0.2, seed=0)
    run = cell_run(cell, "finite_beam", WIDTH, strain=-0.15)
    found = tile_check(run, 3, 3, points=4)
    assert found.cell.strain.tolist() == pytest.approx([-0.00015, -0.05, -0.1, -0.15])
    own = -np.diff(found.cell.stress) / np.diff(found.cell.strain)
    assert (np.abs(own[1:]) < np.abs(own[0])).all()  # softer as it buckles
    rows = by_copies(found)
    assert rows["2 x 2"]["stress_difference"] > rows["3 x 3"]["stress_difference"] > 0.05
    assert "poisson_x_loaded" in rows["cell"]


def test_the_mean_gradient_is_that_of_a_lattice_with_moving_nodes():
    made = tile(HONEYCOMB, (3, 2))
    rng = np.random.default_rng(0)
    gradient, own = rng.normal(size=(2, 2)), rng.normal(size=(HONEYCOMB.n_nodes, 2))
    moved = made.network.nodes @ gradient.T + own[made.origins["nodes"]]
    np.testing.assert_allclose(mean_gradient(made, HONEYCOMB.n_nodes, moved), gradient)


def check_of_honeycomb():
    return [s.stress for s in tile_check(cell_run(HONEYCOMB, "beam", WIDTH), 3, 3).samples]


def test_ranks_find_the_same():
    alone = check_of_honeycomb()
    for found in on_ranks(2, check_of_honeycomb):
        np.testing.assert_allclose(found, alone, rtol=1e-8)


@pytest.mark.parametrize(
    ("counts", "options", "message"),
    [
        ((3,), {}, "repeated by 2 counts, not 1"),
        ((3, 3), {"strain": 0}, "strain = 0 must be above -1"),
        ((3, 3), {"points": 1}, "points = 1 must be at least 2"),
        ((3, 3), {"ends": "keep"}, "leaves no faces to press"),
        ((3, 3), {"plates": "glued"}, 'must be "sliding" or "clamped"'),
        ((1, 1), {}, "smallest = 2 must lie between 1 and 1"),
        ((3, 3), {"axis": "z"}, "axis = 'z' must be one of x, y"),
    ],
)
def test_checks_that_make_no_sense_are_refused(honeycomb, counts, options, message):
    with pytest.raises(ml.InputError, match=message):
        tile_check(honeycomb, *counts, **options)


def test_networks_without_a_cell_or_motions_are_refused(plane):
    finite = ml.Task(
        sources=[ml.Source(nodes=[0, 1], strain=0.1)], targets=[ml.Target(nodes=[2, 3], strain=0.1)]
    )
    with pytest.raises(ml.InputError, match="Only a periodic network has a cell"):
        tile_check(ml.train(plane, finite, steps=0), 3, 3)
    wires = ml.networks.square((3, 3), periodic=True)
    volts = ml.Task(
        sources=[ml.Source(nodes=[0, 4], voltage=1.0)],
        targets=[ml.Target(nodes=[2, 7], voltage=0.1)],
    )
    with pytest.raises(ml.InputError, match="is about the cell of a periodic elastic network"):
        tile_check(ml.train(wires, volts, energy="resistor", steps=0), 3, 3)


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ({"cell": ["xx", "xy"], "strain": [0.02, 0.1]}, ("x", 0.02)),
        ({"deformation_gradient": [["free", 0.0], [0.0, 0.9]]}, ("y", -0.1)),
        ({"cell": "volume", "strain": 0.1}, ("y", -0.01)),
    ],
)
def test_samples_are_pressed_as_the_cell_was(source, wanted):
    task = ml.Task(sources=[ml.Source(**source)], targets=[ml.Target(cell="xx", stress=1.0)])
    assert loading_of(task) == (wanted[0], pytest.approx(wanted[1]))


def test_faces_that_are_inclined_are_refused():
    cell = ml.Network([[0, 0]], [[0, 0], [0, 0]], [[1, 0.2], [0, 1]], [[1, 0], [0, 1]])
    run = cell_run(cell.supercell(2, 2), "beam", WIDTH)
    with pytest.raises(ml.InputError, match="faces of this cell are inclined"):
        tile_check(run, 3, 3)


def test_commands_write_samples_parts_and_checks(honeycomb, tmp_path, capsys):
    honeycomb.save(tmp_path / "cell")

    def command(*words):
        with pytest.raises(SystemExit) as stop:
            main(["tile", str(tmp_path / "cell"), *words])
        return stop.value.code

    assert command("3", "2", "-o", str(tmp_path / "part"), "--ends", "frame") == 0
    part = ml.Run.load(tmp_path / "part")
    assert "frame" in part.network.edge_sets
    assert command("3", "2", "-o", str(tmp_path / "part.dxf")) == 0
    assert (tmp_path / "part.dxf").stat().st_size > 1000
    assert command("3", "3", "--check", "--strain", "-0.02", "-o", str(tmp_path / "check")) == 0
    said = capsys.readouterr().out
    assert "3 x 3 copies between sliding plates are" in said
    rows = list(csv.DictReader((tmp_path / "check" / "tile.csv").read_text().splitlines()))
    assert [row["copies"] for row in rows] == ["2 x 2", "3 x 3", "1/n to 0", "cell"]
    found = json.loads((tmp_path / "check" / "tile.json").read_text())
    assert found["samples"][1]["modulus"] == pytest.approx(float(rows[1]["modulus"]))
    assert found["samples"][-1]["strain"] == pytest.approx(-0.02)
    assert (tmp_path / "check" / "tile.png").stat().st_size > 1000
    assert command("3", "-o", str(tmp_path / "none")) == 2
    assert "repeated by 2 counts" in capsys.readouterr().err
