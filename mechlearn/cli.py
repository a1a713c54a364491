"""The command line: check, train, evaluate, compare, sweep, verify, render, report, view, export.

A user's mistake is one line on stderr and exit code 2; a failed solve is one line and exit code 1.
Heavy imports wait until a command needs them.
"""

import sys
import traceback
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from mechlearn import __version__
from mechlearn.errors import InputError, MechlearnError
from mechlearn.export.options import Options
from mechlearn.ranks import fail, on_first, prepare, rank, size

app = App(
    name="mechlearn",
    help="Teach a mechanical network a response by local rules: check a task, train it, look at "
    "the result, take the learned network elsewhere.",
    version=__version__,
    version_flags=["--version"],
)

Quiet = Annotated[bool, Parameter(negative="")]


@app.command
def check(task: Path, *, draw: Path | None = None, feasible: Quiet = False) -> None:
    """Validate a task file, count zero modes, say what cannot be learned, and draw the set-up.

    A warning says what of the task no network of the kind can do. With --feasible the exit code is
    1 where the tolerance is out of reach.

    Parameters
    ----------
    task
        A task file (TOML).
    draw
        A png to draw the network, its supports, sources and targets in.
    feasible
        Search for the best answer within the bounds of what learns, for at most ten seconds.
    """
    from mechlearn.check import check_setup
    from mechlearn.setup import read_setup

    setup = read_setup(task)
    with _about(task):
        first = rank() == 0
        text, known = check_setup(setup, task.parent, draw if first else None, feasible and first)
    say(text)
    if feasible and known.feasible is False:
        sys.exit(1)


@app.command
def train(
    task: Path,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    start: Annotated[Path | None, Parameter(name="--from")] = None,
    resume: Quiet = False,
    overwrite: Quiet = False,
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
    from mechlearn.setup import read_setup

    setup = read_setup(task)
    from mechlearn.folder import locked, new_folder, resumable

    if start is not None:
        setup = setup.model_copy(update={"start": str(start.resolve())})
    with ExitStack() as stack:
        on_first(lambda: resume and resumable(output))
        on_first(lambda: stack.enter_context(locked(new_folder(output, overwrite or resume))))
        from mechlearn.checkpoint import Checkpoints, Stopped
        from mechlearn.progress import Progress
        from mechlearn.training import train_setup

        checkpoints = Checkpoints(output, setup, seconds=save_seconds, steps=save_steps, tell=_warn)
        try:
            with _about(task), Progress(setup, quiet=quiet or rank() > 0) as progress:
                run = train_setup(setup, task.parent, progress, checkpoints, resume)
            on_first(lambda: run.save(output, overwrite=True))
        except KeyboardInterrupt:
            raise Stopped(
                "stopped at once; the same command with --resume goes on from the last checkpoint."
            ) from None
    if not quiet:
        say(f"{_report(run)}\nWritten to {output}/")
    if run.summary["outcome"] == "stopped":
        _fail(f"{task}: {run.summary['why']}. The network of the last good step is written.", 1)


@app.command
def evaluate(run: Path, *, cut: list[int] | None = None) -> None:
    """Solve a learned network anew, from rest, and print what its targets read.

    Parameters
    ----------
    run
        The folder of a finished run.
    cut
        Bonds to cut first; nothing of that is written.
    """
    from mechlearn.run import Run

    loaded = Run.load(run)
    with _about(run):
        loaded = loaded.cut(cut) if cut else loaded
        rows = loaded.evaluate()
        outputs = loaded.respond(loaded.setup.examples) * loaded.problem.units
    say(_table(rows))
    accuracy = loaded.problem.accuracy(outputs)
    if accuracy is not None:
        say(_error({"error": loaded.problem.error(outputs), "accuracy": accuracy}))


@app.command
def compare(
    task: Path,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    rules: Annotated[list[str] | None, Parameter(negative="")] = None,
    seeds: int = 3,
    overwrite: Quiet = False,
) -> None:
    """Train a task by several rules from the same starts, and measure each against the gradient.

    Writes rules.csv (medians over the starts) and learning.png, nudges.csv and nudges.png: how
    contrast, update and the angle to the exact gradient depend on the nudge.

    Parameters
    ----------
    task
        A task file (TOML).
    output
        The folder to write; it must be new or empty.
    rules
        Which rules: CL, "CpL P", "CpL N", "CpL C", "EP P", "EP N", "EP C", GD, aging, prune, CMA,
        1+1, pattern; all if left out. (contrastive and coupled learning, equilibrium propagation,
        gradient descent, directed aging, pruning, searches; positive, negative, centred)
    seeds
        Number of starts, which differ in the random spread of the initial values.
    overwrite
        Write over what is there.
    """
    if seeds < 1:
        raise InputError(f"--seeds {seeds} must be at least 1.")
    if size() > 1:
        raise InputError("compare runs on one rank; its trainings are small.")
    from mechlearn.folder import new_folder
    from mechlearn.setup import read_setup

    setup = read_setup(task)
    new_folder(output, overwrite)
    from mechlearn.comparison import write_comparison

    with _about(task):
        text = write_comparison(setup, task.parent, output, rules or [], seeds)
    say(f"{text}\nWritten to {output}/")


@app.command
def sweep(
    task: Path,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    vary: Annotated[list[str], Parameter(negative="")],
    workers: int | None = None,
    scheduler: str | None = None,
) -> None:
    """Train a task many times, with some keys varied; every combination is a run of its own.

    Writes a run folder per member, and sweep.csv. The same command goes on with members that are
    missing or failed.

    Parameters
    ----------
    task
        A task file (TOML).
    output
        The folder of the sweep.
    vary
        A key and its values, such as train.seed=0:64, rule.eta=0.01,0.1 or targets[1].strain=0.1;
        several times for several keys.
    workers
        Processes on this machine; one for every core if left out.
    scheduler
        Address of a Dask scheduler, instead.
    """
    if size() > 1:
        raise InputError("sweep runs on one rank; its workers are processes of their own.")
    from mechlearn.progress import Counter
    from mechlearn.setup import read_setup
    from mechlearn.sweep import TABLE, parse
    from mechlearn.sweep import sweep as train_all

    setup = read_setup(task)
    values = dict(parse(text) for text in vary)
    with _about(task), Counter(setup.title or "sweep") as count:
        rows = train_all(
            setup,
            output,
            values,
            folder=task.parent,
            workers=workers,
            scheduler=scheduler,
            watch=count,
        )
    learned, failed = (sum(map(bool, (r[k] for r in rows))) for k in ("converged", "trouble"))
    say(f"{learned} of {len(rows)} learned, {failed} failed. Written to {output / TABLE}")
    for row in [r for r in rows if r["trouble"]][:5]:
        which = ", ".join(f"{k} = {row[k]}" for k in values)
        print(f"mechlearn: {which}: {row['trouble']}", file=sys.stderr)
    if failed:
        sys.exit(1)


@app.command
def verify(
    run: Path,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    largest: float = 0.2,
    smallest: float = 0.1,
    keep: Quiet = False,
    hinge: tuple[float, float] | None = None,
    material: str = "neo_hookean",
    poisson: float = 0.3,
    order: int = 2,
    mesh_size: float = 0.5,
    tune: Quiet = False,
    steps: int = 100,
    tolerance: float = 5e-2,
    overwrite: Quiet = False,
) -> None:
    """Make a solid of a learned network, and see how much of what it learned is left.

    Prints what the targets read in bars, beams, a solid at small strain and one at finite strain;
    writes verify.csv, struts.vtu (the network that is left, with the widths of its struts) and
    verify.png (the deformed solid, coloured by its strain energy).

    Parameters
    ----------
    run
        The folder of a finished run of springs, bars or beams.
    output
        The folder to write; it must be new or empty.
    largest
        Width of the widest strut over the mean length of the bonds (runs of springs).
    smallest
        The smallest width that can be made, over the largest.
    keep
        Make struts that should be thinner as wide as that, rather than leaving out those that the
        network can do without.
    hinge
        Thinned ends of struts: their width over the strut's, and length over the strut's.
    material
        Of the solid at finite strain: neo_hookean or st_venant_kirchhoff.
    poisson
        Poisson's ratio.
    order
        Degree of the displacements in the solid's cells, 1 or 2.
    mesh_size
        Size of the solid's cells over the width of the strut.
    tune
        Go on training in the solid, whose widths learn, and write the run as the folder tuned.
    steps
        At most this many steps of tuning.
    tolerance
        On the largest relative target error of tuning.
    overwrite
        Write over what is there.
    """
    from mechlearn.folder import new_folder
    from mechlearn.run import Run

    loaded = Run.load(run)
    on_first(lambda: new_folder(output, overwrite))
    from mechlearn import verify as verification
    from mechlearn.energies.solid import Hinge
    from mechlearn.sizing import struts

    with _about(run):
        made = struts(loaded, largest=largest, smallest=smallest, drop=not keep)
        options = {
            "hinge": None if hinge is None else Hinge(*hinge),
            "material": material,
            "poisson": poisson,
            "order": order,
            "mesh_size": mesh_size,
        }
        found = verification.verify(loaded, made, **options)
        say(verification.table(found))
        verification.write(found, output)
        if tune:
            tuned = verification.tune(loaded, made, steps=steps, tolerance=tolerance, **options)
            on_first(lambda: tuned.save(output / "tuned", overwrite=True))
            say(f"Tuned as a solid:\n{_report(tuned)}")
    say(f"Written to {output}/")


@app.command
def render(
    run: Path,
    /,
    *out: Path,
    what: str | None = None,
    example: int = 1,
    colour: Annotated[str | None, Parameter(alias="--color")] = None,
    thickness: str | None = None,
    amplify: float | None = None,
    whole: Quiet = False,
    size: Annotated[tuple[int, int] | None, Parameter(negative="")] = None,
) -> None:
    """Draw a run: pictures, films, and a page in which the network can be turned.

    Parameters
    ----------
    run
        The folder of a finished run.
    out
        What to write: png, svg or pdf (vector graphics, 2D), html (to be turned), gif or mp4.
    what
        "network" (deformed), "states" (free and clamped, before and after), "response" (what every
        bond feels when the sources pull), "error", "setup", or as a film "actuation" or "training";
        taken from the last word of the file's name where that is one of them.
    example
        Which example to draw, counted from 1.
    colour
        What colours the bonds: any parameter, "change" (learned over initial), "strain", "tension",
        "energy" or "contrast" (clamped less free).
    thickness
        What sets their widths: the same, or "even"; of bars and beams also "true". As the colour
        unless given.
    amplify
        Factor on the displacements; a round one that makes them visible unless given.
    whole
        Draw bonds that cross a periodic cell whole, not as one half at either side.
    size
        Width and height in pixels.
    """
    from mechlearn.run import Run

    if not out:
        raise InputError("render needs a picture to write, such as network.png.")
    loaded = Run.load(run)
    options = {
        "what": what,
        "example": example,
        "colour": colour,
        "thickness": thickness,
        "amplify": amplify,
        "whole": whole,
        "size": size,
    }

    def draw() -> None:
        from mechlearn.render import render as picture

        for path in out:
            picture(loaded, path, **options)
            say(f"Written to {path}")

    on_first(draw)


@app.command
def export(
    run: Path,
    out: Path,
    *,
    options: Annotated[Options | None, Parameter(name="*", negative=())] = None,
) -> None:
    """Write the learned network to be made, for other codes, or as data.

    To be made, in mm: stl, 3mf, ply, step (solids), dxf, svg (sheets). An input deck of the task
    for CalculiX and Abaqus: inp. The network: vtu, vtk, xdmf, msh, med, graphml, csv, npz, ...

    Parameters
    ----------
    run
        The folder of a finished run.
    out
        The file to write; its suffix says the format.
    """
    from mechlearn.export import export as write
    from mechlearn.run import Run

    loaded = Run.load(run)
    given = options.given() if options else {}
    on_first(lambda: say(write(loaded, out, **given)))
    say(f"Written to {out}")


@app.command
def report(run: Path, *, output: Annotated[Path | None, Parameter(alias="-o")] = None) -> None:
    """Write a run as one page of HTML: to read, to turn, to send, to print.

    It needs no network: what was asked, the set-up, the network moving under its load, the targets,
    how it learned, and what it takes to repeat it.

    Parameters
    ----------
    run
        The folder of a finished run.
    output
        The page to write (.html); report.html in the folder of the run if left out.
    """
    from mechlearn.run import Run

    loaded = Run.load(run)
    path = output or run / "report.html"

    def write() -> None:
        from mechlearn.report import report as page

        page(loaded, path)

    on_first(write)
    say(f"Written to {path}")


@app.command
def view(
    run: Path,
    *,
    example: int = 1,
    port: int = 0,
    browser: bool = True,
    serve: Quiet = False,
) -> None:
    """Look at a run on a local page: move along its training, pull it, pick its bonds, live.

    The page is for this machine only, and lasts until Ctrl-C.

    Parameters
    ----------
    run
        The folder of a finished run.
    example
        Which example to pull, counted from 1.
    port
        Where the page is served; a free port if left out.
    browser
        Open the page in a browser.
    serve
        Only print the page's address; the same as --no-browser.
    """
    if size() > 1:
        raise InputError("view runs on one rank; it answers one person.")
    from mechlearn.run import Run

    loaded = Run.load(run)
    from mechlearn.view import serve as show

    show(loaded, example=example, port=port, browser=browser and not serve, say=say)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exits with 0, 1 (failed solve) or 2 (bad input)."""
    try:
        prepare()
        app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _fail(f"{' '.join(str(error).split())} See mechlearn --help.", InputError.exit_code)
    except MechlearnError as error:
        _fail(str(error), error.exit_code)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}.", InputError.exit_code)
    except KeyboardInterrupt:
        _fail("Stopped.", 130)
    except Exception:
        if size() == 1:
            raise
        fail(traceback.format_exc(), 1)


def _warn(text: str) -> None:
    """Say on stderr what the user should know at once, once for all ranks."""
    if rank() == 0:
        print(f"mechlearn: {text}", file=sys.stderr, flush=True)


def say(text: str) -> None:
    """Print, once for all ranks."""
    if rank() == 0:
        print(text, flush=True)


class _about:
    """Errors inside name the file they are about, once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind, error, trace) -> None:
        if isinstance(error, (MemoryError, OverflowError, RecursionError)):
            raise InputError(
                f"{self.path}: it asks for more than fits ({type(error).__name__}: {error})."
            ) from None
        if isinstance(error, MechlearnError) and not str(error).startswith(str(self.path)):
            error.args = (f"{self.path}: {error}",)
            raise error from None


def _fail(text: str, code: int) -> None:
    fail(f"mechlearn: {text}", code)


def _report(run) -> str:
    summary = run.summary
    verdict = "learned" if run.converged else "NOT learned"
    lines = [
        _table(run.targets),
        f"{verdict} in {summary['steps']} steps and {summary['wall_s']:.2f} s ({_error(summary)}).",
    ]
    if summary["why"]:
        lines.append(f"{summary['outcome'].capitalize()}: {summary['why']}.")
    return "\n".join([*lines, *(f"Warning: {w}" for w in summary["warnings"])])


def _error(summary: dict) -> str:
    if "accuracy" not in summary:
        return f"largest relative error {summary['error']:.2e}"
    return f"mean cost {summary['error']:.4g}, {100 * summary['accuracy']:.1f} % classified right"


def _table(rows: list[dict]) -> str:
    """Targets as columns of text, at most twenty rows."""
    from mechlearn.task import LIMITS

    head = ["target", "wanted", "initial", "reached", "relative error"]
    body = [
        [
            row["name"] + (f" ({row['example']})" if "example" in row else ""),
            LIMITS.get(row.get("limit"), "") + _number(row["wanted"]),
            *(_number(row[key]) for key in ("initial", "reached")),
            f"{row['relative_error']:.2e}",
        ]
        for row in rows[:20]
    ]
    widths = [max(len(line[k]) for line in [head, *body]) for k in range(len(head))]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in [head, *body]
    ]
    if len(rows) > 20:
        lines.append(f"... and {len(rows) - 20} more in summary.json")
    return "\n".join(lines)


def _number(value) -> str:
    if isinstance(value, list):
        return "(" + ", ".join(f"{v:+.6g}" for v in value) + ")"
    return f"{value:+.6g}"


if __name__ == "__main__":
    main()
