"""Kill trainings at random moments, resume them, and compare with trainings left alone.

``python tests/long/kills.py 200`` kills (SIGKILL) so many times. The moment of a kill is drawn
between the start of the process and the time that a whole training takes, so that kills fall into
set-up, steps, checkpoints and the writing of the run. Exits with 1
where one run differs or is corrupt.
Processes are forks of a server that has imported everything; ``--fresh`` starts them anew.
"""

import argparse
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import mechlearn.runs.training  # noqa: F401 (so that forks need not)
from mechlearn.cli import main as main_of_mechlearn
from mechlearn.errors import InputError
from mechlearn.runs.folder import FILES
from mechlearn.runs.run import Run

BASE = """
[network]
generator = "triangular"
size = [6, 6]
disorder = 0.1
seed = 2
[energy]
model = "{model}"
[learn.{what}]
bounds = {bounds}
[[sources]]
name = "in"
near = [0.2, 0.2]
strain = 0.1
[[targets]]
name = "out"
near = [0.8, 0.8]
strain = {wanted}
"""
EXAMPLES = """
[[examples]]
in = 0.08
out = 0.04
[[examples]]
in = -0.05
out = -0.03
[[examples]]
"""
FLAWS = """
[imperfections]
noise = 0.01
read_noise = 0.01
drift = 1e-3
update_noise = 0.1
"""


def _task(model, steps, more="", *, what="stiffness", bounds="[0.1, 10.0]", wanted=0.09):
    base = BASE.format(model=model, what=what, bounds=bounds, wanted=wanted)
    batch = "batch = 2\n" if "[[examples]]" in more else ""
    return f"{base}[train]\nsteps = {steps}\ntolerance = 1e-14\n{batch}{more}"


#: Tasks by name, each of a kind of learner, and about as long as a process takes to start.
TASKS = {
    "springs": _task("spring", 1200, '[train.optimiser]\nname = "adam"\n'),
    "flawed": _task("spring", 400, EXAMPLES + FLAWS),
    "finite": _task("finite_spring", 120),
    "finite-batches": _task("finite_spring", 40, EXAMPLES),
    "momentum": _task(
        "spring", 1000, 'rate = 20.0\n[train.optimiser]\nname = "momentum"\nkeep = 0.8\n'
    ),
    "frame": _task("finite_beam", 25, what="width", bounds="[0.05, 0.3]", wanted=0.02),
    "pruned": _task("spring", 30, '[rule]\nname = "pruning"\n', bounds="[0.5, 2.0]"),
    "search": _task("spring", 800, '[rule]\nname = "gradient_free"\nmethod = "cma"\n'),
}

#: Modules that a training imports when it needs them, and a server of forks at once.
LATER = ("dask.array", "distributed", "h5netcdf", "meshio", "xarray.backends.api")


def command(task: Path, folder: Path) -> list[str]:
    """A command that trains a task, or goes on with it, with a checkpoint every few steps."""
    return [sys.executable, "-m", "mechlearn", *_arguments(task, folder)]


def _arguments(task: Path, folder: Path) -> list[str]:
    train = ["train", str(task), "-o", str(folder), "-q", "--save-steps", "5"]
    return [*train, *(["--resume"] if folder.exists() else [])]


def _run(task: Path, folder: Path, fork: bool, wait: float | None) -> tuple[int | None, str]:
    """Train in a process of its own, killed after a while: exit code (None: killed), stderr."""
    errors = folder.with_suffix(".err")
    with errors.open("w") as file:
        if fork:
            server = multiprocessing.get_context("forkserver")
            server.set_forkserver_preload(["__main__", __name__, *LATER])
            child = server.Process(target=_train, args=(_arguments(task, folder), str(errors)))
            child.start()
            child.join(wait)
            code = child.exitcode
            child.kill()
            child.join()
            child.close()
        else:
            process = subprocess.Popen(
                command(task, folder), stdout=subprocess.DEVNULL, stderr=file
            )
            try:
                code = process.wait(wait)
            except subprocess.TimeoutExpired:
                code = None
                process.kill()
                process.wait()
    return code, errors.read_text().strip()


def _train(arguments: list[str], errors: str) -> None:
    os.dup2(os.open(errors, os.O_WRONLY | os.O_APPEND), 2)
    main_of_mechlearn(arguments)


def difference(one: Path, two: Path) -> str:
    """In what two run folders differ beside times; empty where they do not."""
    a, b = Run.load(one), Run.load(two)
    if (one / "task.toml").read_bytes() != (two / "task.toml").read_bytes():
        return "task.toml"
    for name in a.history.variables:
        if not np.array_equal(a.history[name].values, b.history[name].values):
            return f"history: {name}"
    for name in a.learned:
        if not np.array_equal(a.learned[name], b.learned[name]):
            return f"learned: {name}"
    if not np.array_equal(a.response, b.response):
        return "response"
    same = ("targets", "converged", "outcome", "why", "error", "steps", "faults")
    return next((f"summary: {k}" for k in same if a.summary[k] != b.summary[k]), "")


def corruption(folder: Path) -> str:
    """The fault of the folder of a killed training; empty where it is as it should be."""
    if not (folder / FILES[-1]).exists():
        return ""  # not finished, and does not say it was
    try:
        Run.load(folder)
    except InputError as error:
        return str(error)
    return ""


def survive(
    name: str,
    where: Path,
    kills: int,
    rng: np.random.Generator,
    *,
    steps: int | None = None,
    fork: bool = False,
) -> tuple[int, list[str], dict[str, int]]:
    """Kill trainings of a task so many times; returns kills, troubles, and where kills fell.

    ``steps`` replaces those of the task.
    """
    task, whole = where / f"{name}.toml", where / f"{name}-whole"
    text = TASKS[name]
    task.write_text(re.sub(r"(?m)^steps = .*$", f"steps = {steps}", text) if steps else text)
    lasts = np.inf
    for _ in range(2):  # the first may have to compile
        shutil.rmtree(whole, ignore_errors=True)
        began = time.monotonic()
        code, said = _run(task, whole, fork, None)
        assert code == 0, said
        lasts = min(lasts, time.monotonic() - began)
        if not fork:
            break
    done, troubles, fell, number = 0, [], {"early": 0, "in training": 0, "at the end": 0}, 0
    while done < kills:
        folder, number = where / f"{name}-{number}", number + 1
        while True:
            wait = rng.uniform(0, 1.1 * lasts) if done < kills else None
            code, said = _run(task, folder, fork, wait)
            if code is None:
                done += 1
                saved = any(folder.glob("checkpoint*.npz"))
                ended = (folder / ".part").exists() or (folder / FILES[-1]).exists()
                fell["at the end" if ended else "in training" if saved else "early"] += 1
                if trouble := corruption(folder) if folder.exists() else "":
                    troubles.append(f"{folder.name}: {trouble}")
                continue
            if code:
                troubles.append(f"{folder.name}: exit {code}: {said}")
            elif trouble := difference(whole, folder):
                troubles.append(f"{folder.name} differs in {trouble}")
            break
    return done, troubles, fell


def main() -> None:
    """Kill, and count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kills", type=int, nargs="?", default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--tasks", nargs="*", default=list(TASKS), choices=list(TASKS))
    given = parser.parse_args()
    rng, total, wrong = np.random.default_rng(given.seed), 0, []
    for k, name in enumerate(given.tasks):
        share = -(-(given.kills - total) // (len(given.tasks) - k))
        with tempfile.TemporaryDirectory() as where:
            done, troubles, fell = survive(name, Path(where), share, rng, fork=not given.fresh)
        total, wrong = total + done, wrong + troubles
        print(f"{name}: {done} kills ({fell}), {len(troubles)} troubles", flush=True)
        for trouble in troubles:
            print(f"  {trouble}", flush=True)
    print(f"{total} kills, {len(wrong)} troubles")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
