"""Finite samples of learned cells: what was learned is in every copy."""

from dataclasses import replace

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.runs.tiles import area, stress_of
from mechlearn.tasks.plates import between_plates


def learned(net, energy, parameter, source="yy", steps=3, **options):
    """Run of a few steps on the stress of a cell."""
    task = ml.Task(
        sources=[ml.Source(name="press", cell=source, strain=-0.01)],
        targets=[ml.Target(source="press", stress=-1e-3)],
    )
    return ml.train(net, task, energy=energy, learn=parameter, steps=steps, **options)


SQUARE = ml.networks.square((2, 2), periodic=True)
BARS = {"width": ml.Learn(bounds=(0.02, 0.3), initial=0.1)}


def test_parameters_are_repeated_bond_by_bond():
    cell = ml.networks.honeycomb((2, 2), periodic=True, disorder=0.2, seed=1)
    run = learned(cell, "beam", BARS, material={"modulus": np.linspace(1, 2, cell.n_edges)})
    part = run.tile(3, 2)
    assert not part.network.periodic
    assert part.learned.keys() == run.learned.keys()
    # Bonds are told by their vectors, which are all different in a disordered cell.
    place = {tuple(np.round(v, 9)): k for k, v in enumerate(cell.vectors)}
    own = np.array([place[tuple(np.round(v, 9))] for v in part.network.vectors])
    assert len(np.unique(own)) == cell.n_edges
    for name in ("width", "modulus"):
        np.testing.assert_allclose(part.parameters[name], run.parameters[name][own])


def test_a_square_frame_of_beams_carries_what_its_cells_do(tmp_path):
    """Columns between sliding plates take the load alone: so many as cells, of the same stress."""
    run = learned(SQUARE, "beam", BARS)
    part = run.tile(3, 4)
    (row,) = part.targets
    assert row["wanted"] == pytest.approx(stress_of(run, "y", -0.01) * area(SQUARE, (3, 4), "y"))
    assert area(SQUARE, (3, 4), "y") == pytest.approx(6)
    np.testing.assert_allclose(row["reached"], row["wanted"], rtol=1e-9)
    assert part.setup.task.sources[0].name == "press"
    part.save(tmp_path / "part")
    again = ml.Run.load(tmp_path / "part")
    np.testing.assert_array_equal(again.learned["width"], part.learned["width"])
    part.export(tmp_path / "part.svg")


@pytest.mark.parametrize("energy", ["spring", "finite_spring"])
def test_nothing_of_a_sample_of_springs_is_floppy(energy):
    """Its surface has nodes that too few bonds hold; they are left out."""
    cell = ml.networks.packing(nodes=32, periodic=True, coordination=4.6, seed=2)
    run = learned(cell, energy, "stiffness")
    part = run.tile(3, 3)
    assert part.network.n_nodes < 9 * 32
    assert np.isfinite(part.targets[0]["reached"])


def test_a_sample_in_space():
    cell = ml.networks.fcc((1, 1, 1), periodic=True)
    run = learned(cell, "beam", {"radius": ml.Learn(bounds=(0.02, 0.1), initial=0.05)}, "zz")
    part = run.tile(2, 2, 3)
    assert {"front", "back", "bottom", "top"} <= part.network.node_sets.keys()
    assert part.setup.task.sources[0].components == ["z"]
    assert part.targets[0]["reached"] < 0


def test_a_framed_sample_is_stiffer_than_a_trimmed_one():
    cell = ml.networks.honeycomb((2, 2), periodic=True, disorder=0.2, seed=1)
    run = learned(cell, "beam", BARS)
    trimmed, framed = (run.tile(3, 3, ends=ends) for ends in ("trim", "frame"))
    frame = framed.network.edge_sets["frame"]
    np.testing.assert_allclose(framed.learned["width"][frame], run.learned["width"].mean())
    force = [abs(part.targets[0]["reached"]) for part in (trimmed, framed)]
    assert force[0] < abs(framed.targets[0]["wanted"]) < force[1]


def test_angles_that_learned_are_those_of_their_copies():
    cell = ml.networks.with_angles(ml.networks.triangular(3, 2, periodic=True))
    count = len(cell.tuples["triples"])
    initial = np.linspace(0.1, 1, count)
    run = learned(
        cell,
        ml.FiniteSpring() + ml.Angle(),
        {"angle_stiffness": ml.Learn(bounds=(0.01, 2), initial=initial)},
    )
    part = run.tile(3, 3)
    found = part.learned["angle_stiffness"]
    assert len(found) == len(part.network.tuples["triples"]) > 3 * count
    np.testing.assert_allclose(np.unique(found), np.unique(run.learned["angle_stiffness"]))


def test_a_sample_is_graded_between_two_runs():
    soft, stiff = (
        learned(SQUARE, "beam", {"width": ml.Learn(bounds=(0.01, 0.5), initial=w)}, steps=0)
        for w in (0.1, 0.2)
    )
    part = soft.tile(4, 4, to=stiff, grade="y")
    y = part.network.nodes[part.network.edges, 1].mean(axis=1)
    wanted = np.interp(y, [0, y.max()], [0.1, 0.2])
    np.testing.assert_allclose(part.learned["width"], wanted)
    wider = soft.tile(4, 4, grade={"width": lambda places: 1 + 9 * places[:, 1]})
    np.testing.assert_allclose(wider.learned["width"], 0.1 + 0.9 * y / y.max())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grade": "x"}, "of one run, a mapping"),
        ({"grade": {"depth": lambda x: x[:, 0]}}, "depth"),
        ({"ends": "glue"}, "ends = 'glue' must be one of"),
        ({"counts": (2, 1)}, "all bonds hang loose"),
    ],
)
def test_samples_that_make_no_sense_are_refused(options, message):
    run = learned(ml.networks.square((1, 1), periodic=True, diagonals=True), "beam", BARS)
    counts = options.pop("counts", (2, 2))
    with pytest.raises(ml.InputError, match=message):
        run.tile(*counts, **options)


def test_plates_need_two_faces():
    net = ml.networks.square((3, 3))
    kinematics = ml.Beam().kinematics
    with pytest.raises(ml.InputError, match="sets 'bottom' and 'top' must be there"):
        between_plates(replace(net, node_sets={"bottom": [0, 1], "top": [1, 2]}), kinematics)
    with pytest.raises(ml.InputError, match="axis = 'z' must be one of x, y"):
        between_plates(net, kinematics, "z")
    with pytest.raises(ml.InputError, match="Plates press nodes that move"):
        between_plates(net, ml.Resistor().kinematics)
