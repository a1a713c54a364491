"""On a terminal a bar says how far a training, or a sweep, has come; results stay on stdout."""

import os
import pty
import re
import subprocess
import sys

import pytest

from mechlearn.runs.config import Setup
from mechlearn.runs.progress import Progress
from mechlearn.runs.taskfile import to_toml

TASK = {
    "title": "A [bold] title",
    "network": {"generator": "triangular", "size": [4, 4], "disorder": 0.1, "seed": 2},
    "learn": {"stiffness": {"bounds": [0.1, 10.0]}},
    "sources": [{"name": "in", "near": [0.2, 0.2], "strain": 0.1}],
    "targets": [{"name": "out", "near": [0.8, 0.8], "strain": 0.02}],
}


def on_terminal(*arguments):
    """Output of a command to stdout, a pipe, and to stderr, a terminal of 100 columns."""
    screen, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "mechlearn", *arguments],
        stdout=subprocess.PIPE,
        stderr=end,
        env=os.environ | {"TERM": "xterm", "COLUMNS": "100"},
        text=True,
    )
    os.close(end)
    shown = b""
    try:
        while part := os.read(screen, 4096):
            shown += part
    except OSError:  # how a terminal says that nobody writes any more
        pass
    os.close(screen)
    stdout = process.communicate(timeout=60)[0]
    assert process.returncode == 0, shown.decode()
    return stdout, re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown.decode())


@pytest.fixture
def task(tmp_path):
    path = tmp_path / "task.toml"
    path.write_text(to_toml(Setup(**TASK)))
    return path


def test_a_bar_follows_a_training_on_a_terminal(task, tmp_path):
    said, shown = on_terminal("train", str(task), "-o", str(tmp_path / "run"))
    assert "learned in" in said
    assert "\r" not in said
    steps = [int(n) for n in re.findall(r"A \[bold\] title .*?step (\d+), error", shown)]
    assert steps
    assert steps == sorted(steps)
    assert f"learned in {steps[-1]} steps" in said
    assert "(wanted 1e-03)" in shown


def test_a_bar_counts_the_members_of_a_sweep_on_a_terminal(task, tmp_path, scheduler):
    arguments = ["--vary", "train.seed=1,2,3", "-o", str(tmp_path / "sweep")]
    said, shown = on_terminal("sweep", str(task), *arguments, "--scheduler", scheduler)
    assert "3/3" in shown
    assert "3/3" not in said


@pytest.mark.parametrize(
    ("step", "error", "part"),
    [
        (0, 1.0, 0.0),
        (10, 1.0, 0.1),  # by steps, where the error does not fall
        (10, 1e-2, 0.5),  # by the logarithm of the error, half way to the tolerance
        (10, 1e-5, 1.0),
        (100, 0.5, 1.0),
    ],
)
def test_progress_is_that_of_what_will_end_the_training(step, error, part):
    progress = Progress(Setup(**TASK, train={"steps": 100, "tolerance": 1e-4}), quiet=True)
    progress._done(0, 1.0)
    assert progress._done(step, error) == pytest.approx(part)
