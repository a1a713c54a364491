"""Ends of equilibrium paths: sentences, and the part that is known."""

import csv
import json
import re

import numpy as np
import pytest
from paths import ROOT
from scipy.optimize import brentq

import mechlearn as ml
from mechlearn.cli import main

TRIANGLE = ml.Network([[0, 0], [1, 0], [0.5, 0.8]], [[0, 1], [1, 2], [0, 2]])


def pulled(target=(0, 1), **source):
    return ml.Task(
        supports=[ml.Support(nodes=[0, 1])],
        sources=[ml.Source(name="pull", **({"nodes": 2, "components": ["y"]} | source))],
        targets=[ml.Target(name="side", nodes=target, strain=0.1)],
    )


def test_bonds_that_are_pulled_apart_end_a_path():
    found = ml.path(TRIANGLE, pulled(force=[0.5]), "morse_law", depth=0.1, decay=0.2)
    assert "the size of the network, which has come apart" in found.attrs["ended"]
    [peak] = found.limit_points
    assert peak["side"] == 0
    length = np.hypot(0.5, 0.8 + peak["pull"])
    stretch = length - np.hypot(0.5, 0.8)
    each = 2 * 0.1 / 0.2 * (np.exp(-stretch / 0.2) - np.exp(-2 * stretch / 0.2))
    assert peak["pull.force"] == pytest.approx(2 * each * (0.8 + peak["pull"]) / length, rel=1e-9)
    assert found["stable"][0] == 1
    assert found["stable"][-1] == 0


def test_a_path_that_comes_back_to_its_start_ends():
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 1])],
        sources=[ml.Source(name="pull", nodes=[0, 2], strain=5.0)],
        targets=[ml.Target(nodes=2, components=["x"], displacement=[0.1])],
    )
    found = ml.path(TRIANGLE, task, ml.FiniteSpring())
    assert "The path is closed: it comes back to its start at load factor 0" in found.attrs["ended"]
    assert len(found.point) < 200


def test_a_steep_truss_leaves_and_returns_sideways():
    """Its springs swing aside where L^3 = L0 y^2, on a closed path that does not lead farther."""
    net = ml.Network([[0, 0], [1, 3], [2, 0]], [[0, 1], [1, 2]])
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 2])],
        sources=[ml.Source(name="push", nodes=1, components=["y"], force=[-3.0])],
        targets=[ml.Target(name="aside", nodes=1, components=["x"], displacement=[0.1])],
    )
    found = ml.path(net, task, ml.FiniteSpring(), stiffness=2.0, steps=30, branch=True)
    rest = np.sqrt(10)
    y = brentq(lambda y: np.hypot(1, y) ** 3 - rest * y**2, 1.5, 3.0)
    force = 4 * (rest - np.hypot(1, y)) * y / np.hypot(1, y)
    assert found.bifurcations[0]["push"] == pytest.approx(y - 3, rel=1e-8)
    assert -found.bifurcations[0]["push.force"] == pytest.approx(force, rel=1e-8)
    assert "The path is closed" in found.attrs["ended"]
    x, y = found["aside"].values, 3 + found["push"].values
    pull = [(1 - rest / np.hypot(1 + s * x, y)) * (1 + s * x) for s in (1, -1)]
    np.testing.assert_allclose(*pull, atol=1e-9)
    assert np.abs(x).max() > 1


def test_bonds_that_bear_no_such_load_leave_the_start():
    found = ml.path(TRIANGLE, pulled(force=[-0.5]), "cable_law")
    assert found.attrs["ended"].startswith("The path ends at load factor 0: no equilibrium was")
    assert len(found.point) == 1


def test_no_inverted_cell_is_an_equilibrium():
    """Ends of a bar that are pulled through one another have no state, loaded or followed."""
    bar = ml.Network([[0, 0], [1, 0]], [[0, 1]])
    task = ml.Task(
        supports=[ml.Support(nodes=[0])],
        sources=[ml.Source(nodes=1, displacement=[-1.2, 0])],
        targets=[ml.Target(nodes=[0, 1], strain=0.1)],
    )
    for material in ("neo_hookean", "st_venant_kirchhoff"):
        system = ml.System(bar, task, ml.Solid(material=material), width=0.3)
        with pytest.raises(ml.SolveError, match="No equilibrium was found"):
            _ = system.free
    found = ml.path(bar, task, ml.Solid(material="st_venant_kirchhoff"), width=0.3, steps=10)
    assert "cells turn inside out" in found.attrs["ended"]
    assert 0 < found["factor"][-1] < 1


def test_sources_that_impose_the_same_are_refused():
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 1])],
        sources=[ml.Source(name="both", nodes=2, displacement=[0.5, 0.0]),
                 ml.Source(name="again", nodes=[0, 2], strain=0.1)],
        targets=[ml.Target(nodes=[1, 2], strain=0.1)],
    )  # fmt: skip
    with pytest.raises(ml.InputError, match=r"source 'again' imposes what .*\(both\) hold already"):
        ml.path(TRIANGLE, task, ml.FiniteSpring())


@pytest.mark.parametrize("command", ["check", "path"])
def test_errors_of_the_table_name_it(command, tmp_path, capsys):
    text = (ROOT / "tasks" / "toggle.toml").read_text()
    (tmp_path / "task.toml").write_text(
        re.sub(r"\[path\][^\[]*", "", text) + '[path]\nsource = "x"\n'
    )
    output = ["-o", str(tmp_path / "path")] if command == "path" else []
    with pytest.raises(SystemExit) as stop:
        main([command, str(tmp_path / "task.toml"), *output])
    assert stop.value.code == 2
    assert "task.toml: path: source = 'x' is none of the task's" in capsys.readouterr().err


def test_a_command_keeps_the_part_of_a_path_that_is_known(tmp_path, capsys):
    (tmp_path / "task.toml").write_text("""
[network]
points = [[0, 0], [1, 0], [0.5, 0.8]]
edges = [[0, 1], [1, 2], [0, 2]]
[energy]
model = "law"
law = "morse"
[learn.depth]
initial = 0.1
[learn.decay]
initial = 0.2
[[supports]]
nodes = [0, 1]
[[sources]]
name = "pull"
nodes = [2]
components = ["y"]
force = [0.5]
[[targets]]
nodes = [0, 1]
strain = 0.1
""")
    with pytest.raises(SystemExit) as stop:
        main(["path", str(tmp_path / "task.toml"), "-o", str(tmp_path / "out")])
    assert stop.value.code == 1
    assert "which has come apart" in capsys.readouterr().err
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    rows = list(csv.DictReader((tmp_path / "out/path.csv").read_text().splitlines()))
    assert "which has come apart" in summary["ended"]
    assert len(rows) == summary["points"] > 10
