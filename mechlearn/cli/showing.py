"""Commands that show or convert a run: render, export, tile, report, view."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from mechlearn.cli.output import Switch, say
from mechlearn.errors import InputError, about
from mechlearn.export.options import Options
from mechlearn.parallel import on_first, size


def render(
    run: Path,
    /,
    *out: Path,
    what: str | None = None,
    example: int = 1,
    colour: Annotated[str | None, Parameter(alias="--color")] = None,
    thickness: str | None = None,
    amplify: float | None = None,
    whole: Switch = False,
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
        "network" (deformed), "states" (free and clamped, before and after), "response" (strain of
        every bond when the sources pull), "error", "setup", or as a film "actuation" or "training";
        taken from the last word of the file's name where that is one of them.
    example
        Which example to draw, counted from 1.
    colour
        What colours the bonds: any parameter, "change" (learned over initial), "strain", "tension",
        "energy", "contrast" (clamped less free), of struts also "stress" and, with a material,
        "utilisation" (stress over strength).
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
    from mechlearn.runs.run import Run

    if not out:
        raise InputError("render needs a picture to write, such as network.png.")
    loaded = Run.load(run)
    options: dict[str, Any] = {
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


def export(
    run: Path,
    out: Path,
    *,
    options: Annotated[Options | None, Parameter(name="*", negative=())] = None,
) -> None:
    """Write the learned network to be made, for other codes, or as data.

    To be made, in mm: stl, 3mf, ply, step (solids), dxf, svg (sheets). An input deck of the task
    for CalculiX and Abaqus: inp. Proteins with B-factors, and scripts for ChimeraX and PyMOL: pdb,
    cif, cxc, pml. The network: vtu, vtk, xdmf, msh, med, graphml, csv, npz, ...

    Parameters
    ----------
    run
        The folder of a finished run.
    out
        The file to write; its suffix says the format.
    """
    from mechlearn.export import export as write
    from mechlearn.runs.run import Run

    loaded = Run.load(run)
    given = options.given() if options else {}
    said = on_first(lambda: write(loaded, out, **given))
    say(f"{said}\nWritten to {out}".lstrip())


def tile(
    run: Path,
    counts: Annotated[list[int], Parameter(negative="")],
    /,
    *,
    output: Annotated[Path, Parameter(alias="-o")],
    ends: Literal["trim", "keep", "frame"] = "trim",
    to: Path | None = None,
    grade: str = "x",
    check: Switch = False,
    axis: Literal["x", "y", "z"] | None = None,
    strain: float | None = None,
    plates: Literal["sliding", "clamped"] = "sliding",
    points: int = 11,
    overwrite: Switch = False,
) -> None:
    """Repeat a learned periodic cell to a finite sample, or compare such samples with the cell.

    The sample is a run, which all commands take; or a file, where the output has the suffix of one
    (see mechlearn export). With --check, samples of two to so many copies are pressed between
    plates, and the cell by itself: writes tile.csv (moduli, Poisson's ratios, their trend with the
    size), curves.csv (stress and strain), tile.json and tile.png.

    Parameters
    ----------
    run
        The folder of a finished run of a periodic network.
    counts
        How many copies along every axis of the cell.
    output
        The folder to write, which must be new or empty, or a file.
    ends
        What becomes of bonds that leave the copies: trim them, and what then hangs by one bond;
        keep them; or a frame of struts around the sample, at which they end.
    to
        The run of another cell with the same bonds, into which this one goes over.
    grade
        Along which axis it does.
    check
        Compare samples of several sizes with the cell.
    axis
        Along which samples are pressed; that of the run's sources if left out.
    strain
        At the end of the load, below zero where it presses; that of the run's sources if left out.
    plates
        Whether the nodes at the plates slide and turn freely, or are clamped to them.
    points
        Steps of the load; linear elements need one.
    overwrite
        Write over what is there.
    """
    from mechlearn.export import FORMATS
    from mechlearn.export import export as write_part
    from mechlearn.runs.folder import new_folder
    from mechlearn.runs.run import Run

    loaded, other = Run.load(run), None if to is None else Run.load(to)
    if check:
        from mechlearn.studies.tiling import tile_check, write

        if other is not None:
            raise InputError("--check is of samples of one cell; leave out --to.")
        with about(run):
            on_first(lambda: new_folder(output, overwrite))
            found = tile_check(loaded, *counts, axis=axis, strain=strain, plates=plates, ends=ends,
                               points=points)  # fmt: skip
        on_first(lambda: write(found, output))
        say(f"{found.table()}\nWritten to {output}/")
        return
    with about(run):
        made = loaded.tile(*counts, ends=ends, to=other, grade=None if other is None else grade)
        if output.suffix.lower() in FORMATS:
            say(f"{on_first(lambda: write_part(made, output))}\nWritten to {output}".lstrip())
            return
    on_first(lambda: made.save(output, overwrite))
    say(f"{made.network}\n{made.targets}\nWritten to {output}/")


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
    from mechlearn.runs.run import Run

    loaded = Run.load(run)
    path = output or run / "report.html"

    def write() -> None:
        from mechlearn.report import report as page

        page(loaded, path)

    on_first(write)
    say(f"Written to {path}")


def view(
    run: Path,
    *,
    output: Annotated[Path | None, Parameter(alias="-o")] = None,
    overwrite: Switch = False,
    example: int = 1,
    port: int = 0,
    browser: bool = True,
    serve: Switch = False,
) -> None:
    """Look at a run, or at a training as it goes on, on a local page: pull it, pick bonds, live.

    The page is for this machine only, and lasts until Ctrl-C. Training can be paused, and goes on
    with other targets if nodes are clicked.

    Parameters
    ----------
    run
        The folder of a finished run, or a task file whose training is to be watched.
    output
        The folder in which the page saves what was trained; it must be new or empty.
    overwrite
        Write over a run that is there.
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
    from mechlearn.runs.folder import locked, new_folder
    from mechlearn.runs.run import Run
    from mechlearn.runs.taskfile import read_setup
    from mechlearn.runs.training import Training, begin
    from mechlearn.view import serve as show

    shown: Run | Training
    if run.suffix == ".toml" or run.is_file():
        with about(run):
            shown = begin(read_setup(run), run.parent)
    else:
        shown = Run.load(run)
    with ExitStack() as stack:
        if output is not None:
            stack.enter_context(locked(new_folder(output, overwrite)))
        browser &= not serve
        show(shown, output=output, example=example, port=port, browser=browser, say=say)
