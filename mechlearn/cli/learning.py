"""Commands for one training: check, train, evaluate."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mechlearn.cli.output import Switch, error_text, fail, say, source_table, verdict, warn
from mechlearn.errors import about
from mechlearn.parallel import on_first, rank


def check(task: Path, *, draw: Path | None = None, feasible: Switch = False) -> None:
    """Validate a task file, count zero modes, report unreachable targets, and draw the set-up.

    A warning says what of the task no network of the kind can do. The exit code is 1 where the
    tolerance is out of reach: always where that is proved, with --feasible also where no search
    within the bounds comes near.

    Parameters
    ----------
    task
        A task file (TOML).
    draw
        A png to draw the network, its supports, sources and targets in.
    feasible
        Search for the best answer within the bounds of what learns, for at most ten seconds.
    """
    from mechlearn.feasibility.check import check_setup
    from mechlearn.runs.taskfile import read_setup

    setup = read_setup(task)
    from mechlearn.runs.progress import patience

    with about(task), patience(setup.title or task.name):
        first = rank() == 0
        text, known = check_setup(setup, task.parent, draw if first else None, feasible and first)
    say(text)
    if known.feasible is False:
        sys.exit(1)


def train(
    task: Path,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    start: Annotated[Path | None, Parameter(name="--from")] = None,
    resume: Switch = False,
    overwrite: Switch = False,
    save_seconds: float = 30.0,
    save_steps: int | None = None,
    quiet: Annotated[bool, Parameter(alias="-q", negative="")] = False,
) -> None:
    """Train a network as a task file says, and write the run as a folder.

    Ends with exit code 0 whether or not the targets were reached; summary.json says which, and why.
    Where no step was possible any more, the last good network is written, and the exit code is 1.

    Parameters
    ----------
    task
        A task file (TOML).
    output
        The folder to write; it must be new or empty.
    start
        The folder of a run: begin with the network as it was left there.
    resume
        Go on from the checkpoint that an earlier training of the same task left in the folder;
        train.steps and train.tolerance may have changed since.
    overwrite
        Write over a run that is there.
    save_seconds
        Save a checkpoint when so many seconds have passed since the last.
    save_steps
        Save a checkpoint after so many steps as well.
    quiet
        Say nothing but errors and warnings.
    """
    from mechlearn.runs.taskfile import read_setup

    setup = read_setup(task)
    from mechlearn.runs.folder import locked, new_folder, resumable

    if start is not None:
        setup = setup.model_copy(update={"start": str(start.resolve())})
    with ExitStack() as stack:
        if resume:
            on_first(lambda: resumable(output))
        on_first(lambda: stack.enter_context(locked(new_folder(output, overwrite or resume))))
        from mechlearn.runs.checkpoint import Checkpoints, Stopped
        from mechlearn.runs.progress import Progress
        from mechlearn.runs.training import train_setup

        checkpoints = Checkpoints(output, setup, seconds=save_seconds, steps=save_steps, tell=warn)
        try:
            with about(task), Progress(setup, quiet=quiet or rank() > 0) as progress:
                run = train_setup(setup, task.parent, progress, checkpoints, resume)
            output = on_first(lambda: run.save(checkpoints.place.find(), overwrite=True))
        except KeyboardInterrupt:
            raise Stopped(
                "stopped at once; the same command with --resume goes on from the last checkpoint."
            ) from None
    if not quiet:
        say(f"{verdict(run)}\nWritten to {output}/")
    if run.summary["outcome"] == "stopped":
        step = run.summary["reported_step"]
        fail(f"{task}: {run.summary['why']}. The network of step {step} is written.", 1)


def evaluate(run: Path, *, cut: list[int] | None = None) -> None:
    """Solve a learned network anew, from rest, and print the readings of its targets.

    Parameters
    ----------
    run
        The folder of a finished run.
    cut
        Bonds to cut first; nothing of that is written.
    """
    from mechlearn.equilibrium.driving import source_table as sources_of
    from mechlearn.runs.part import describe_part, part_lines
    from mechlearn.runs.run import Run

    loaded = Run.load(run)
    with about(run):
        loaded = loaded.cut(cut) if cut else loaded
        rows = loaded.evaluate()
        system = loaded.system()
        driven = sources_of(system.equilibrium, system.free)
        found = {"targets": rows, "sources": driven}
        warnings = describe_part(found, loaded.setup, system.equilibrium, system.free)
    say(str(rows))
    if driven:
        say(source_table(driven))
    for name, said in part_lines(found):
        say(f"{name}: {said}")
    for text in warnings:
        say(f"Warning: {text}")
    if system.accuracy is not None:
        say(error_text({"error": system.error, "accuracy": system.accuracy}))
