"""Run folders: what others read from them must be enough to repeat every number."""

import json
import tomllib
from dataclasses import replace

import meshio
import numpy as np
import pytest
import xarray
from ranks import command_on_ranks

import mechlearn as ml
from mechlearn.cli import main
from mechlearn.io.formats import FORMATS
from mechlearn.io.meshfile import write_network
from mechlearn.runs.checkpoint import differences
from mechlearn.runs.taskfile import read_setup

SMALL = """
title = "small"
[network]
generator = "triangular"
size = [6, 6]
disorder = 0.1
seed = 2
periodic = {periodic}
[energy]
model = "{model}"
[learn.stiffness]
bounds = [0.1, 10.0]
initial = 1.0
[[sources]]
name = "in"
near = [0.2, 0.2]
strain = 0.1
[[targets]]
name = "out"
near = [0.8, 0.8]
strain = 0.05
[train]
steps = 200
"""


#: In batches, by imperfect elements.
FLAWED = """batch = 2
[[examples]]
in = 0.08
out = 0.04
[[examples]]
in = -0.05
out = -0.03
[[examples]]
[imperfections]
noise = 0.01
bias = 0.01
read_noise = 0.01
drift = 1e-3
update_noise = 0.1
spread = 0.1
stuck = 0.1
broken = [7]
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Small runs by (periodic, model), trained through the command line once."""
    made = {}

    def run(periodic=False, model="spring"):
        if (periodic, model) not in made:
            folder = tmp_path_factory.mktemp("runs")
            task = folder / "small.toml"
            task.write_text(SMALL.format(periodic=str(periodic).lower(), model=model))
            succeed("train", task, "-o", folder / "run", "--quiet")
            made[periodic, model] = folder / "run"
        return made[periodic, model]

    return run


def succeed(*arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    assert stop.value.code in (0, None)


@pytest.mark.parametrize("periodic", [False, True])
def test_learned_vtu_is_enough_to_repeat_the_answer(runs, periodic):
    folder = runs(periodic)
    task = tomllib.loads((folder / "task.toml").read_text())
    mesh = meshio.read(folder / "learned.vtu")
    x, (i, j) = mesh.points[:, :2], mesh.cells_dict["line"].T
    k = mesh.cell_data["stiffness"][0]
    vector = x[j] - x[i]
    cell = np.zeros((2, 2))
    if periodic:
        cell = np.array([mesh.point_data[f"cell_{c}"][0, :2] for c in (1, 2)])
        vector = vector + mesh.cell_data["shift"][0][:, :2] @ cell
    c = np.zeros((len(i), len(x), 2))
    t = vector / np.linalg.norm(vector, axis=1)[:, None]
    c[np.arange(len(i)), j], c[np.arange(len(i)), i] = t, -t
    c = c.reshape(len(i), -1)

    def row(a, b):
        images = np.array([[p, q] for p in (-1, 0, 1) for q in (-1, 0, 1)]) @ cell
        v = x[b] - x[a] + images
        v = v[np.argmin(np.linalg.norm(v, axis=1))]
        r = np.zeros((len(x), 2))
        length = np.linalg.norm(v)
        r[b], r[a] = v / length**2, -v / length**2
        return r.ravel()

    p, o = row(*task["sources"][0]["nodes"]), row(*task["targets"][0]["nodes"])
    u = np.linalg.pinv(c.T @ (k[:, None] * c), rcond=1e-12) @ p
    strain = 0.1 * (o @ u) / (p @ u)
    summary = json.loads((folder / "summary.json").read_text())
    assert strain == pytest.approx(summary["targets"][0]["reached"], rel=1e-8)
    read = mesh.point_data["displacement"][:, :2].ravel()
    assert o @ read == pytest.approx(strain, rel=1e-8)
    assert mesh.point_data["node"].tolist() == list(range(len(x)))


def test_history_and_summary_tell_the_same(runs):
    folder = runs()
    history = xarray.open_dataset(folder / "history.nc")
    summary = json.loads((folder / "summary.json").read_text())
    assert history.sizes["step"] == summary["steps"] + 1
    assert float(history["error"][-1]) == pytest.approx(summary["error"], rel=1e-9)
    assert float(history["output"][-1, 0, 0]) == pytest.approx(
        summary["targets"][0]["reached"], rel=1e-9
    )
    assert summary["converged"] == (summary["error"] <= 1e-3)
    assert history["stiffness"].sizes["bond"] == summary["network"]["bonds"]
    history.close()


@pytest.mark.parametrize("model", ["spring", "finite_spring"])
def test_a_run_can_be_repeated_from_its_own_task(runs, model, tmp_path):
    folder = runs(False, model)
    succeed("train", folder / "task.toml", "-o", tmp_path / "again", "--quiet")
    first, again = ml.Run.load(folder), ml.Run.load(tmp_path / "again")
    assert np.array_equal(first.learned["stiffness"], again.learned["stiffness"])
    assert np.array_equal(first.history["error"], again.history["error"])


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("model", ["spring", "finite_spring"])
def test_loaded_runs_evaluate_to_what_was_reported(runs, periodic, model, capsys):
    run = ml.Run.load(runs(periodic, model))
    [row] = run.evaluate()
    assert row["reached"] == pytest.approx(run.targets[0]["reached"], abs=1e-10)
    assert row["initial"] == pytest.approx(run.targets[0]["initial"], abs=1e-9)
    succeed("evaluate", run.folder)
    assert f"{100 * row['reached']:+.6g} %" in capsys.readouterr().out


@pytest.mark.parametrize("periodic", [False, True])
def test_saved_network_is_the_network(runs, periodic):
    run = ml.Run.load(runs(periodic))
    setup = read_setup(runs(periodic).parent / "small.toml")
    made = ml.networks.generate("triangular", **setup.network.model_extra)
    assert np.array_equal(run.network.nodes, made.nodes)
    assert np.array_equal(run.network.edges, made.edges)
    assert run.network.periodic == periodic
    if periodic:
        assert np.array_equal(run.network.shifts, made.shifts)
        assert np.array_equal(run.network.cell, made.cell)


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_every_export_is_read_back_the_same(runs, suffix, tmp_path):
    run = ml.Run.load(runs())
    path = run.export(tmp_path / f"out{suffix}")
    back = ml.networks.from_file(path)
    assert back.nodes == pytest.approx(run.network.nodes, abs=1e-11)
    assert np.array_equal(back.edges, run.network.edges)


def _networks(plane, space, torus):
    """Networks with everything a network can have, by name."""
    everything = {
        "node_sets": {"rim": [0, 3, 5], "my rim/2": [1], "none": []},
        "edge_sets": {"rim": [2, 4], "ä%20": [0]},
        "node_data": {"radius": np.linspace(0.1, 0.7, 25), "kind": np.arange(25) % 3},
        "edge_data": {"area": np.geomspace(1e-3, 1e5, 75), "shift_of_mine": np.ones(75)},
    }
    flat = np.column_stack([plane.nodes, np.zeros(plane.n_nodes)])
    tilted = np.vstack([np.column_stack([torus.cell, [0, 0]]), [0.1, 0.2, 3.0]])
    return {
        "plane": plane,
        "space": space,
        "flat in space": ml.Network(flat, plane.edges, edge_sets={"first": [0]}),
        "torus": replace(torus, **everything),
        "flat torus in space": ml.Network(
            np.column_stack([torus.nodes, np.full(25, 0.5)]),
            torus.edges,
            cell=tilted,
            shifts=np.column_stack([torus.shifts, np.zeros(75, dtype=int)]),
            **everything,
        ),
        "data named shift": plane.with_data(shift=np.arange(plane.n_edges) / 3),
    }


@pytest.mark.parametrize("suffix", [".vtu", ".vtk", ".xdmf"])
@pytest.mark.parametrize(
    "name", ["plane", "space", "flat in space", "torus", "flat torus in space", "data named shift"]
)
def test_networks_come_back_exactly(plane, space, torus, name, suffix, tmp_path):
    net = _networks(plane, space, torus)[name]
    write_network(tmp_path / f"net{suffix}", net)
    back = ml.networks.from_file(tmp_path / f"net{suffix}")
    for part in ("nodes", "edges", "cell", "shifts"):
        ours, theirs = getattr(net, part), getattr(back, part)
        assert (ours is None) == (theirs is None)
        assert ours is None or (np.array_equal(ours, theirs) and ours.dtype == theirs.dtype)
    for part in ("node_sets", "edge_sets", "node_data", "edge_data"):
        ours, theirs = getattr(net, part), getattr(back, part)
        assert set(ours) == set(theirs)
        for key in ours:
            assert np.array_equal(ours[key], theirs[key])
            assert ours[key].dtype == theirs[key].dtype


def test_a_run_keeps_the_sets_of_its_network(runs):
    run = ml.Run.load(runs())
    assert set(run.network.node_sets) >= {"left", "right", "top", "bottom"}


def test_examples_get_a_field_each(tmp_path, plane):
    task = ml.Task(
        sources=[ml.Source(name="in", nodes=[0, 7], strain=0.1)],
        targets=[ml.Target(name="a", nodes=[3, 12], strain=0.02)],
        examples=[{}, {"in": -0.05, "a": -0.01}],
    )
    run = ml.train(plane, task, steps=5)
    run.save(tmp_path / "run")
    again = ml.Run.load(tmp_path / "run")
    assert again.displacements == pytest.approx(run.displacements, abs=1e-15)
    assert again.displacements.shape == (2, 40, 2)
    for found, reported in zip(again.evaluate(), run.targets, strict=True):
        assert (found["name"], found["example"]) == (reported["name"], reported["example"])
        assert found["reached"] == pytest.approx(reported["reached"], abs=1e-12)


def test_two_ranks_give_the_same_history(tmp_path):
    for model, periodic, more in (("spring", "false", FLAWED), ("finite_spring", "true", "")):
        task = tmp_path / f"{model}.toml"
        text = SMALL.format(periodic=periodic, model=model)
        task.write_text(text.replace("steps = 200", "steps = 20") + more)
        said = command_on_ranks(2, "train", task, "-o", tmp_path / model, "--quiet")
        assert said.returncode == 0, said.stderr
        one, two = ml.train_file(task), ml.Run.load(tmp_path / model)
        assert two.summary["ranks"] == 2
        for name in ("error", "output", "contrast", "stiffness"):
            a, b = one.history[name].values, two.history[name].values
            assert b == pytest.approx(a, rel=1e-8, abs=1e-8 * np.abs(a).max())
        assert two.displacements == pytest.approx(one.displacements, abs=1e-8)


@pytest.mark.parametrize(
    ("model", "more"),
    [("spring", ""), ("finite_spring", ""), ("spring", FLAWED), ("finite_spring", FLAWED)],
)
def test_a_stopped_training_goes_on_as_if_nothing_had_happened(model, more, tmp_path):
    task = tmp_path / "small.toml"
    text = SMALL.format(periodic="false", model=model).replace("0.05\n", "0.08\n")
    text = text.replace("steps = 200", "steps = 40") + "tolerance = 1e-5\n" + more
    task.write_text(text)
    succeed("train", task, "-o", tmp_path / "whole", "--quiet")
    task.write_text(text.replace("steps = 40", "steps = 7"))
    succeed("train", task, "-o", tmp_path / "parts", "--quiet")
    task.write_text(text)
    succeed("train", task, "-o", tmp_path / "parts", "--quiet", "--resume")
    whole, parts = ml.Run.load(tmp_path / "whole"), ml.Run.load(tmp_path / "parts")
    assert whole.summary["steps"] > 10
    for name in ("error", "cost", "stiffness"):
        assert np.array_equal(parts.history[name].values, whole.history[name].values)


def test_a_task_whose_keys_stand_in_another_order_is_the_same():
    """Parameters of rules and networks, and tables of what learns, are kept in their order."""
    one, other = '{"rule": {"a": 1, "b": null}, "learn": {}}', '{"learn": {}, "rule": {"a": 1}}'
    assert differences(one, other) == ""
    assert differences(one, other.replace("1", "2")) == "rule.a was 1 and is 2"


def test_resume_refuses_another_task_and_damage(runs, tmp_path, capsys):
    folder = runs()
    task = tmp_path / "other.toml"
    other = SMALL.format(periodic="false", model="spring").replace("strain = 0.1", "strain = 0.2")
    task.write_text(other)
    with pytest.raises(SystemExit) as stop:
        main(["train", str(task), "-o", str(folder), "--resume", "--quiet"])
    assert stop.value.code == 2
    assert "belongs to another task (sources[1].strain was 0.1 and is 0.2)" in (
        capsys.readouterr().err
    )
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.npz").write_bytes(b"PK rubbish")
    with pytest.raises(SystemExit) as stop:
        main(["train", str(task), "-o", str(tmp_path / "run"), "--resume", "--quiet"])
    assert stop.value.code == 2
    assert "damaged" in capsys.readouterr().err
