"""Verification: struts as stiff as learned, models that agree where they must, and tuning."""

import csv
import re

import numpy as np
import pytest
from ranks import command_on_ranks, run_command

import mechlearn as ml
from mechlearn.cli import main
from mechlearn.energies.solid import Hinge
from mechlearn.errors import InputError
from mechlearn.solids.sizing import size_struts
from mechlearn.studies.verify import table, tune, verify, write

TASK = ml.Task(
    sources=[ml.Source(name="in", nodes=[0, 6], strain=0.02)],
    targets=[ml.Target(name="out", nodes=[13, 19], strain=0.004)],
)


@pytest.fixture(scope="module")
def net():
    return ml.networks.triangular(size=[5, 4], disorder=0.1, seed=1)


@pytest.fixture(scope="module")
def springs(net):
    learn = ml.Learn(bounds=(0.05, 1.0), initial=0.3)
    return ml.train(net, TASK, learn=learn, steps=60)


@pytest.fixture(scope="module")
def found(springs):
    made = size_struts(springs, largest=0.1, smallest=0.01)
    return verify(springs, made, material="linear", order=1, mesh_size=0.7)


def test_struts_are_as_stiff_as_learned(springs):
    made = size_struts(springs, largest=0.1, smallest=0.01)
    stiffness = made.modulus * made.width / made.network.lengths
    assert stiffness == pytest.approx(springs.learned["stiffness"], rel=1e-12)
    assert made.width.max() == pytest.approx(0.1 * springs.network.lengths.mean())


def test_round_struts_in_space_are_as_stiff_as_learned(space):
    task = ml.Task(
        sources=[ml.Source(nodes=[0, 7], strain=0.1)],
        targets=[ml.Target(nodes=[3, 12], strain=0.01)],
    )
    run = ml.train(space, task, learn=ml.Learn(bounds=(0.2, 1.0), initial=0.5), steps=3)
    made = size_struts(run, smallest=0.01)
    stiffness = made.modulus * np.pi / 4 * made.width**2 / made.network.lengths
    assert stiffness == pytest.approx(run.learned["stiffness"], rel=1e-12)


def test_bars_say_what_springs_learned_and_others_their_own(found):
    [row] = found.targets
    assert row["bars"] == pytest.approx(row["learned"], rel=1e-9)
    assert abs(row["beams"] / row["learned"] - 1) > 1e-3
    assert row["solid"] == pytest.approx(row["finite solid"], rel=1e-9)  # both linear here
    assert row["solid"] == pytest.approx(row["beams"], rel=0.3)
    assert re.search(r"\((as learned|[0-9.]+ % too (far|little))\)", table(found))


def test_thin_struts_are_left_out_but_for_those_that_hold(springs):
    """The remaining struts stand with their joints free to turn."""
    made = size_struts(springs, largest=0.1, smallest=0.6)
    assert made.width.min() == pytest.approx(0.6 * made.width.max())
    dropped = np.count_nonzero(~made.kept)
    assert dropped + len(made.clipped) > 0
    assert not ml.rigidity(made.network).floppy
    kept = size_struts(springs, largest=0.1, smallest=0.6, drop=False)
    assert kept.kept.all()
    assert len(kept.clipped) == dropped + len(made.clipped)


def test_soft_joints_bring_the_beams_closer_to_the_bars(springs, found):
    made, options = found.struts, {"material": "linear", "order": 1, "mesh_size": 0.7}
    [hinged], [rigid] = (
        verify(springs, made, hinge=Hinge(0.3, 0.1), **options).targets,
        found.targets,
    )
    assert abs(hinged["beams"] - hinged["bars"]) < abs(rigid["beams"] - rigid["bars"])
    assert abs(hinged["solid"] - hinged["bars"]) < abs(rigid["solid"] - rigid["bars"])


def test_tuning_goes_on_in_the_solid(springs):
    made = size_struts(springs, largest=0.1, smallest=0.01)
    tuned = tune(springs, made, material="linear", order=1, mesh_size=0.7, steps=40)
    assert tuned.energy.name == "solid"
    assert tuned.summary["error"] <= 0.05 < tuned.history.error.values[0]


def test_the_command_writes_table_network_and_picture(springs, tmp_path, capsys):
    springs.save(tmp_path / "run")
    with pytest.raises(SystemExit) as stop:
        main(
            f"verify {tmp_path}/run -o {tmp_path}/out --material linear --order 1 --mesh-size 0.7 "
            "--largest 0.1 --smallest 0.01".split()
        )
    assert stop.value.code == 0
    assert re.search(r"\((as learned|[0-9.]+ % too (far|little))\)", capsys.readouterr().out)
    [row] = csv.DictReader((tmp_path / "out" / "verify.csv").read_text().splitlines())
    assert float(row["bars"]) == pytest.approx(float(row["learned"]), rel=1e-9)
    assert (tmp_path / "out" / "verify.png").stat().st_size > 10_000
    assert (tmp_path / "out" / "struts.vtu").is_file()


def test_two_ranks_say_the_same(tmp_path):
    """A wheel of six spokes: its least; the files are written once."""
    angle = np.arange(6) * np.pi / 3
    nodes = np.vstack([[0, 0], np.column_stack([np.cos(angle), np.sin(angle)])])
    rim = [(k, k % 6 + 1) for k in range(1, 7)]
    net = ml.Network(nodes, np.array([(0, k) for k in range(1, 7)] + rim))
    task = ml.Task(
        sources=[ml.Source(nodes=[1, 4], strain=0.02)],
        targets=[ml.Target(nodes=[3, 6], strain=0.01)],
    )
    ml.train(net, task, learn=ml.Learn(bounds=(0.3, 1.0), initial=0.5), steps=2).save(
        tmp_path / "run"
    )
    said, rows = [], []
    for out in ("one", "two"):
        command = ["verify", str(tmp_path / "run"), "--order", "1", "-o", str(tmp_path / out)]
        done = run_command(command) if out == "one" else command_on_ranks(2, *command)
        assert (done.returncode, done.stderr) == (0, "")
        said.append(done.stdout.replace(str(tmp_path / out), "OUT"))
        assert (tmp_path / out / "verify.png").is_file()
        rows += list(csv.DictReader((tmp_path / out / "verify.csv").read_text().splitlines()))
    assert said[0] == said[1]
    for model in ("bars", "beams", "solid", "finite solid"):
        assert float(rows[1][model]) == pytest.approx(float(rows[0][model]), rel=1e-6, abs=1e-12)


def test_cells_are_verified_as_solid_cells(tmp_path):
    net = ml.networks.honeycomb(1, 1, periodic=True)
    task = ml.Task(
        sources=[ml.Source(cell="xx", strain=1e-4)],
        targets=[ml.Target(cell="xx", stress=1e-4), ml.Target(cell="yy", poisson=0.9)],
    )
    run = ml.train(net, task, energy=ml.Beam(), learn={"width": ml.Learn(initial=0.05)}, steps=0)
    found = verify(run, size_struts(run))
    assert found.struts.network.periodic
    for row in found.targets:
        assert row["beams"] == pytest.approx(row["learned"], rel=1e-9)
        assert row["solid"] == pytest.approx(row["beams"], rel=0.06)  # joints have a size
        assert row["finite solid"] == pytest.approx(row["solid"], rel=0.01)
    assert found.targets[0]["solid"] > found.targets[0]["beams"]
    write(found, tmp_path)
    assert (tmp_path / "verify.png").is_file()


def test_what_no_solid_can_be_made_of_is_refused(plane, springs):
    task = ml.Task(
        sources=[ml.Source(nodes=[0, 7], strain=0.1)],
        targets=[ml.Target(nodes=[3, 12], strain=0.01, baseline="reference")],
    )
    rest = {"rest_length": ml.Learn(spread=0.01)}
    with pytest.raises(InputError, match="rest lengths"):
        size_struts(ml.train(plane, task, learn=rest, steps=0))
    with pytest.raises(InputError, match="between 0 and 1"):
        size_struts(springs, largest=1.5)
    volts = ml.Task(
        sources=[ml.Source(nodes=5, voltage=1.0)], targets=[ml.Target(nodes=[20, 25], voltage=0.1)],
        supports=[ml.Support(nodes=[0])],
    )  # fmt: skip
    with pytest.raises(InputError, match="not of a resistor"):
        size_struts(ml.train(plane, volts, energy=ml.Resistor(), steps=0))
