"""Folders of runs that others made, that threads share, and that move while they are written."""

import os
import shutil
import sys
import threading

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.cli import main
from mechlearn.errors import InputError
from mechlearn.io.writing import write_file
from mechlearn.runs.folder import CHECKPOINT, FILES, LOCK, Place, locked
from mechlearn.runs.run import Run

TASK = """
title = "small"
[network]
generator = "triangular"
size = [5, 5]
disorder = 0.1
[learn.stiffness]
bounds = [0.1, 10.0]
initial = 1.0
[[sources]]
near = [0.2, 0.2]
strain = 0.1
[[targets]]
near = [0.8, 0.8]
strain = 0.04
[train]
steps = 3
tolerance = 1e-12
"""


def command(*arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    return stop.value.code or 0


@pytest.fixture
def task(tmp_path):
    path = tmp_path / "task.toml"
    path.write_text(TASK)
    return path


@pytest.fixture
def received(task, tmp_path):
    """A run, and beside it a file that nothing may touch."""
    assert command("train", task, "-o", tmp_path / "run", "-q") == 0
    (tmp_path / "precious").write_text("precious")
    task.write_text(TASK.replace("steps = 3", "steps = 5"))
    yield tmp_path / "run"
    assert (tmp_path / "precious").read_text() == "precious"
    assert {p.name for p in tmp_path.iterdir()} <= {"task.toml", "run", "precious", "other"}


# -- links -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", [f"{CHECKPOINT}.part", ".part", "summary.json.part"])
def test_a_stage_that_is_a_link_is_replaced(received, task, link):
    (received / link).symlink_to("../precious")
    assert command("train", task, "-o", received, "--resume", "-q") == 0
    assert Run.load(received).summary["steps"] == 5
    assert not any(p.is_symlink() for p in received.iterdir() if p.suffix != ".part")


def test_a_stage_that_is_a_link_to_a_folder_leaves_that_folder(received, task, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter").write_text("kept")
    (received / ".part").symlink_to("../other")
    assert command("train", task, "-o", received, "--resume", "-q") == 0
    assert [p.name for p in (tmp_path / "other").iterdir()] == ["letter"]


@pytest.mark.parametrize("options", [["--resume"], ["--overwrite"]])
@pytest.mark.parametrize("target", ["../precious", "../nothing"])
def test_a_lock_that_is_a_link_is_refused(received, task, options, target, capsys):
    (received / LOCK).symlink_to(target)
    assert command("train", task, "-o", received, "-q", *options) == 2
    assert f"{received / LOCK} is a symbolic link" in capsys.readouterr().err


def test_a_lock_that_is_another_file_by_a_second_name_is_refused(received, task, tmp_path):
    os.link(tmp_path / "precious", received / LOCK)
    assert command("train", task, "-o", received, "-q", "--overwrite") == 2


@pytest.mark.parametrize("name", [*FILES, CHECKPOINT])
def test_files_of_a_run_that_are_links_are_replaced(received, task, name):
    (received / name).unlink()
    (received / name).symlink_to("../precious")
    assert command("train", task, "-o", received, "-q", "--overwrite") == 0
    assert Run.load(received).summary["steps"] == 5
    assert not (received / name).is_symlink()


@pytest.mark.parametrize("name", FILES)
def test_files_of_a_run_are_not_read_elsewhere(received, tmp_path, name):
    shutil.copytree(received, tmp_path / "other")
    (received / name).unlink()
    (received / name).symlink_to(f"../other/{name}")
    with pytest.raises(InputError, match=f"{name} lies outside the run, and is not read"):
        Run.load(received)


@pytest.mark.parametrize(
    "name", ["x.vtu", "x.xdmf", "x.csv", "x.graphml", "x.npz", "x.inp", "x.svg", "x.png", "x.html"]
)
def test_what_is_written_into_a_run_follows_no_link(received, name):
    (received / name).symlink_to("../precious")
    (received / "x.h5").symlink_to("../precious")
    kinds = {"x.html": ["report", received, "-o"], "x.png": ["render", received]}
    kinds["x.svg"] = kinds["x.png"]
    assert command(*kinds.get(name, ["export", received]), received / name) == 0
    assert not (received / name).is_symlink()


def test_a_file_is_the_old_one_until_it_is_whole(tmp_path, monkeypatch):
    write_file(tmp_path / "file", b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(InputError, match=r"file cannot be written: No space left on device\."):
        write_file(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


# -- threads ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two():
    """Two runs of different networks."""
    pull = ml.Task(
        sources=[ml.Source(near=[0.2, 0.2], strain=0.1)],
        targets=[ml.Target(near=[0.8, 0.8], strain=0.04)],
    )
    nets = [ml.networks.triangular((5, 5), disorder=0.1, seed=seed) for seed in (1, 2)]
    return [ml.train(net, pull, steps=2) for net in nets]


def together(*actions):
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_another_thread_is_refused_and_told_so(tmp_path):
    said = []

    def other():
        try:
            with locked(tmp_path):
                said.append("taken")
        except InputError as error:
            said.append(str(error))

    with locked(tmp_path), locked(tmp_path):
        together(other)
    together(other)
    assert said[0].startswith(f"{tmp_path} is in use by another thread of this process; wait")
    assert said[1] == "taken"


def test_a_folder_that_threads_write_is_always_one_whole_run(two, tmp_path):
    saved, read, wrong = [], [], []

    def write(run):
        try:
            run.save(tmp_path / "run", overwrite=True)
            saved.append(run)
        except InputError as error:
            if "in use by another thread" not in str(error):
                wrong.append(str(error))

    def look():
        try:
            read.append(Run.load(tmp_path / "run"))
        except InputError as error:
            known = "was written while it was read", "it has no summary.json"
            if not any(words in str(error) for words in known):
                wrong.append(str(error))

    two[0].save(tmp_path / "run")
    for _ in range(12):
        together(*(lambda r=run: write(r) for run in two), look)
        read.append(Run.load(tmp_path / "run"))
    assert wrong == []
    assert saved
    for run in read:
        assert any(
            np.array_equal(run.network.nodes, one.network.nodes)
            and np.array_equal(run.learned["stiffness"], one.learned["stiffness"])
            and run.summary["error"] == one.summary["error"]
            for one in two
        )


def test_threads_with_folders_of_their_own_leave_the_streams_alone(two, tmp_path):
    streams = sys.stdout, sys.stderr

    def write(number):
        for _ in range(5):
            two[0].save(tmp_path / f"{number}", overwrite=True)
            Run.load(tmp_path / f"{number}")
            assert (sys.stdout, sys.stderr) == streams

    together(*(lambda n=number: write(n) for number in range(4)))
    assert (sys.stdout, sys.stderr) == streams


# -- folders that move -----------------------------------------------------------------------------


def test_a_folder_is_found_where_it_is(tmp_path):
    said = []
    (tmp_path / "run").mkdir()
    place = Place(tmp_path / "run", said.append)
    assert place.find() == tmp_path / "run"
    (tmp_path / "run").rename(tmp_path / "renamed")
    (tmp_path / "run").mkdir()  # of somebody else
    assert [place.find(), place.find()] == 2 * [tmp_path / "renamed"]
    shutil.rmtree(tmp_path / "renamed")
    assert place.find() == tmp_path / "renamed"
    shutil.rmtree(tmp_path / "renamed")
    (tmp_path / "renamed").write_text("a file of somebody else")
    assert [place.find(), place.find()] == 2 * [tmp_path / "renamed-1"]
    assert len(said) == 3


def test_a_training_whose_folder_is_renamed_is_written_where_it_is_now(
    task, tmp_path, capsys, monkeypatch
):
    def rename(progress, learner):
        if learner.updates == 1:
            (tmp_path / "run").rename(tmp_path / "renamed")

    monkeypatch.setattr("mechlearn.runs.progress.Progress.__call__", rename)
    assert command("train", task, "-o", tmp_path / "run", "--save-steps", 1) == 0
    said = capsys.readouterr()
    assert said.err.count("was renamed") == 1
    assert f"Written to {tmp_path / 'renamed'}/" in said.out
    assert Run.load(tmp_path / "renamed").summary["steps"] == 3
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "renamed" / LOCK).exists()
