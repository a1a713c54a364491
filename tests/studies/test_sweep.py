"""Sweeps: every member is the training it says, failures are told and tried again."""

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from conftest import train_inline

import mechlearn as ml
from mechlearn.cli import main
from mechlearn.errors import InputError
from mechlearn.runs.taskfile import read_setup
from mechlearn.runs.training import train_setup
from mechlearn.studies.sweep import TABLE, _cluster, members, parse, sweep

TASK = """
title = "small"
[network]
generator = "triangular"
size = [5, 5]
disorder = 0.1
[learn.stiffness]
bounds = [0.1, 10.0]
initial = 1.0
spread = 0.1
[[sources]]
near = [0.2, 0.2]
strain = 0.1
[[targets]]
near = [0.8, 0.8]
strain = 0.04
[train]
steps = 100
"""


@pytest.fixture
def task(tmp_path):
    path = tmp_path / "task.toml"
    path.write_text(TASK)
    return path


def command(*arguments):
    with pytest.raises(SystemExit) as stop:
        main(["sweep", *map(str, arguments)])
    return stop.value.code


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("train.seed=0:3", [0, 1, 2]),
        ("rule.eta=0.01, 0.1", [0.01, 0.1]),
        ("rule.name=coupled_learning,gradient_descent", ["coupled_learning", "gradient_descent"]),
        ("learn.stiffness.bounds=[0.1, 1.0],[0.1, 10]", [[0.1, 1.0], [0.1, 10]]),
        ("network.periodic=true", [True]),
    ],
)
def test_values_as_written(text, values):
    assert parse(text) == (text.split("=")[0], values)


def test_members_are_all_combinations(task):
    found = members(read_setup(task), {"train.seed": [1, 2], "targets[1].strain": [0.1, 0.2, 0.3]})
    assert [m.name for m in found] == list("123456")
    assert [(m.setup.train.seed, m.setup.targets[0].strain) for m in found] == [
        (s, v) for s in (1, 2) for v in (0.1, 0.2, 0.3)
    ]


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        ({"train.sed": [1]}, "member 1: train.sed is not a known key; did you mean 'seed'"),
        ({"rule.etta": [1]}, "member 1: rule: etta is not a known key; did you mean 'eta'"),
        ({"targets[2].strain": [1]}, r"targets\[2\].strain names entry 2 of a list that has not"),
        ({"title.x": [1]}, "leads nowhere"),
        ({"targets[x].strain": [1]}, "must be a key such as"),
        ({"train.seed": []}, "has no values"),
        ({"train.seed": range(10**6)}, "more than 100000"),
    ],
)
def test_sweeps_that_make_no_sense_are_refused_before_they_start(task, tmp_path, vary, message):
    with pytest.raises(InputError, match=message):
        sweep(read_setup(task), tmp_path / "out", vary)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def client():
    """Two workers for the sweeps here: starting them takes seconds."""
    with _cluster(2, None) as client:
        yield client


def test_members_are_the_trainings_they_say(task, tmp_path, client):
    """On two workers, the numbers are those of training alone; a second call only reads them."""
    vary = {"train.seed": [1, 2], "rule.eta": [0.01, 0.5]}
    seen = []
    rows = sweep(
        read_setup(task),
        tmp_path / "out",
        vary,
        scheduler=client.scheduler.address,
        watch=lambda done, total, row: seen.append((done, total)),
    )
    assert seen == [(k, 4) for k in (1, 2, 3, 4)]
    for member, row in zip(members(read_setup(task), vary), rows, strict=True):
        alone = train_setup(member.setup)
        run = ml.Run.load(tmp_path / "out" / member.name)
        assert row["train.seed"] == run.setup.train.seed
        assert row["steps"] == alone.summary["steps"]
        assert run.learned["stiffness"] == pytest.approx(alone.learned["stiffness"], rel=1e-12)
    table = list(csv.DictReader((tmp_path / "out" / "sweep.csv").read_text().splitlines()))
    assert [float(r["error"]) for r in table] == [r["error"] for r in rows]
    assert sweep(read_setup(task), tmp_path / "out", vary) == rows


def test_runs_are_saved_while_a_client_of_a_cluster_is_open(task, tmp_path, client):
    run = ml.train_file(task)
    run.save(tmp_path / "run")
    assert ml.Run.load(tmp_path / "run").history.identical(run.history)


def test_failed_members_are_reported_and_tried_again(task, tmp_path, capsys, client):
    vary = "--vary", "network.size=[5, 5],[1, 1]"
    where = "--scheduler", client.scheduler.address
    assert command(task, "-o", tmp_path / "out", *vary, *where) == 1
    said = capsys.readouterr()
    assert "1 of 2 learned, 1 failed" in said.out
    assert "network.size = [1, 1]: " in said.err
    written = (tmp_path / "out" / "1" / "summary.json").stat().st_mtime_ns
    assert command(task, "-o", tmp_path / "out", *vary, *where) == 1
    assert (tmp_path / "out" / "1" / "summary.json").stat().st_mtime_ns == written
    assert command(task, "-o", tmp_path / "out", "--vary", "train.seed=5") == 2
    assert "a run of another sweep" in capsys.readouterr().err


def test_nobody_at_the_scheduler(task, tmp_path, capsys):
    where = "--scheduler", "tcp://127.0.0.1:9"
    assert command(task, "-o", tmp_path / "out", "--vary", "train.seed=0:2", *where) == 2
    assert "nobody answers" in capsys.readouterr().err


def test_as_many_workers_as_asked_for(client):
    assert len(client.nthreads()) == 2


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 2), (signal.SIGTERM, 1)])
def test_a_stopped_sweep_says_so_in_one_line_and_goes_on(task, tmp_path, number, workers):
    """Ctrl-C reaches the workers too; they must leave the last word to the command."""
    out = tmp_path / "sweep"
    vary = ["--vary", "train.seed=0:1000", "--vary", "train.tolerance=1e-300"]
    vary += ["--workers", str(workers)]
    process = subprocess.Popen(
        [sys.executable, "-m", "mechlearn", "sweep", str(task), "-o", str(out), *vary],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 60
    # When a third run is there, the command has surely heard of the first.
    while len(list(out.glob("*/summary.json"))) < 3 and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(process.pid, number)
    *progress, said = process.communicate(timeout=60)[1].strip().splitlines()
    assert process.returncode == 128 + number
    # A slow machine says how far it is before.
    assert all(re.fullmatch(r"small: \d+ of 1000", line) for line in progress)
    found = re.search(r"stopped with (\d+) of 1000 members done; the same command goes on", said)
    with (out / TABLE).open() as file:
        assert len(list(csv.DictReader(file))) == int(found[1]) >= 1
    assert _gone(process.pid)


def _gone(group):
    """True if the processes of a group end soon; the last of them clean up behind the first."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


EDGES = "i,j\n0,1\n1,2\n2,3\n3,0\n0,2\n1,3\n"
PLACES = "x,y\n0,0\n1,0\n{}\n0,1\n"
GIVEN = """
examples = "examples.csv"
start = "first"
[network]
file = "net.csv"
[learn.stiffness]
bounds = [0.1, 10.0]
[[sources]]
name = "in"
nodes = [0, 1]
strain = 0.1
[[targets]]
name = "out"
nodes = [2, 3]
strain = 0.04
[train]
steps = 2
"""


SEEDS = {"train.seed": [1, 2]}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep whose task has a network, examples and a start in files of their own."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "net.csv").write_text(EDGES)
    (folder / "net.nodes.csv").write_text(PLACES.format("1,1"))
    (folder / "examples.csv").write_text("in,out\n0.1,0.04\n0.05,0.02\n")
    path = folder / "task.toml"
    path.write_text(GIVEN.replace('start = "first"', ""))
    ml.train_file(path).save(folder / "first")
    path.write_text(GIVEN)
    with pytest.MonkeyPatch.context() as patch:
        train_inline(patch)
        rows = sweep(read_setup(path), folder / "out", SEEDS, folder=folder)
        assert [row["trouble"] for row in rows] == ["", ""]
        assert sweep(read_setup(path), folder / "out", SEEDS, folder=folder) == rows
    return folder


def edit(name, old, new):
    def change(folder):
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))

    return change


def another_start(folder):
    task = (folder / "task.toml").read_text()
    (folder / "other.toml").write_text(task.replace('start = "first"', "").replace("= 2", "= 5"))
    ml.train_file(folder / "other.toml").save(folder / "first", overwrite=True)


CHANGES = {
    "targets": edit("task.toml", "strain = 0.04", "strain = -0.3"),
    "sources": edit("task.toml", "nodes = [0, 1]", "nodes = [0, 2]"),
    "supports": edit("task.toml", "[train]", "[[supports]]\nnodes = [0]\n[train]"),
    "cost": edit("task.toml", "[train]", "[cost]\nname = 'cross_entropy'\n[train]"),
    "imperfections": edit("task.toml", "[train]", "[imperfections]\nnoise = 0.1\n[train]"),
    "energy": edit("task.toml", "[train]", "[energy]\nmodel = 'finite_spring'\n[train]"),
    "rule": edit("task.toml", "[train]", "[rule]\nname = 'gradient_descent'\n[train]"),
    "train": edit("task.toml", "steps = 2", "steps = 3"),
    "contents.network": edit("net.nodes.csv", "1,1", "1,1.1"),
    "examples": edit("examples.csv", "0.05", "0.06"),
    "contents.start": another_start,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_sweep_of_anything_else_is_refused(swept, tmp_path, inline, change):
    """Whatever decides what a training comes to, in the task or in a file that it names."""
    folder = shutil.copytree(swept, tmp_path / "copy")
    CHANGES[change](folder)
    with pytest.raises(InputError, match=rf"holds a run of another sweep \({change}"):
        sweep(read_setup(folder / "task.toml"), folder / "out", SEEDS, folder=folder)


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [("targets[1].strain", [0.05, 0.1], [-0.05, -0.3]), ("network.seed", [1, 2], [7, 8])],
)
def test_results_of_other_values_are_never_reported(task, tmp_path, inline, key, one, other):
    setup = read_setup(task)
    sweep(setup, tmp_path / "out", {key: one})
    table = (tmp_path / "out" / TABLE).read_bytes()
    with pytest.raises(InputError, match="holds a run of another sweep"):
        sweep(setup, tmp_path / "out", {key: other})
    assert (tmp_path / "out" / TABLE).read_bytes() == table
    (tmp_path / "out" / "1" / "member.json").unlink()
    with pytest.raises(InputError, match="does not say of which task"):
        sweep(setup, tmp_path / "out", {key: one})


def test_a_sweep_follows_no_link(task, tmp_path, inline):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "other").mkdir()
    setup, vary = read_setup(task), {"train.seed": [1]}
    rows = sweep(setup, tmp_path / "out", vary)
    (tmp_path / "out" / f"{TABLE}.part").symlink_to("../precious")
    (tmp_path / "out" / TABLE).unlink()
    (tmp_path / "out" / TABLE).symlink_to("../precious")
    assert sweep(setup, tmp_path / "out", vary) == rows
    assert (tmp_path / "precious").read_text() == "precious"
    with (tmp_path / "out" / TABLE).open() as file:
        assert [row["train.seed"] for row in csv.DictReader(file)] == ["1"]
    shutil.rmtree(tmp_path / "out" / "1")
    (tmp_path / "out" / "1").symlink_to("../other")
    with pytest.raises(InputError, match="is a symbolic link, which is not followed"):
        sweep(setup, tmp_path / "out", vary)
    assert list((tmp_path / "other").iterdir()) == []
