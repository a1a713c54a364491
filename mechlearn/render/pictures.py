"""Pictures of a run as files: kinds, dispatch and validation of options."""

import difflib
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mechlearn.errors import InputError, plain
from mechlearn.network import Network
from mechlearn.plots import plot_error
from mechlearn.plots.style import INK, escaped
from mechlearn.render.captions import heading, sizes, which_example
from mechlearn.render.colours import BOND, rgb
from mechlearn.render.marks import held_nodes, marks
from mechlearn.render.panels import (
    check_vector,
    labelled_picture,
    network_sheet,
    response_sheet,
    states_sheet,
)
from mechlearn.render.run_view import Look
from mechlearn.render.scene import Scene
from mechlearn.render.sheet import Sheet, new_figure, save
from mechlearn.tasks.problem import Problem

if TYPE_CHECKING:
    import PIL.Image

    from mechlearn.runs.run import Run

_STILL, _MOVING = (".png", ".svg", ".pdf"), (".gif", ".mp4")
#: What ``render`` can draw, with the suffixes it can be written to.
PICTURES: dict[str, tuple[str, ...]] = {
    "network": (*_STILL, ".html"),
    "states": _STILL,
    "response": _STILL,
    "setup": _STILL,
    "error": _STILL,
    "actuation": _MOVING,
    "training": _MOVING,
}
_SHEETS: dict[str, Callable[..., Sheet]] = {
    "network": network_sheet,
    "states": states_sheet,
    "response": response_sheet,
}


def render(
    run: "Run",
    path: str | Path,
    *,
    what: str | None = None,
    example: int = 1,
    colour: str | None = None,
    thickness: str | None = None,
    amplify: float | None = None,
    whole: bool = False,
    size: tuple[int, int] | None = None,
) -> Path:
    """Write a picture or film of a run.

    Parameters
    ----------
    run : Run
    path : file to write
        The suffix says how: ``.png``; ``.svg`` or ``.pdf`` (vector graphics; networks of the plane
        only); ``.html`` (the network to be turned in a browser); ``.gif`` or ``.mp4``.
    what : str, optional
        ``"network"``: the learned network deformed, and at rest behind it. ``"states"``: free and
        clamped, before and after training. ``"response"``: strain of every bond when the sources
        pull, before and after. ``"error"``: error against step. ``"setup"``: the task before
        training. ``"actuation"``: the sources pulled from nothing to full, and the targets'
        answer. ``"training"``: what learns, and the error, step by step. Left out, the file's name
        decides by its last word (``states.png``, ``mine-states.png``), else ``actuation`` for films
        and ``network`` for pictures.
    example : int
        Which example of the task, counted from 1.
    colour : str, optional
        What colours the bonds: any parameter of theirs, ``"change"`` (learned over initial),
        ``"strain"``, ``"tension"``, ``"energy"`` or ``"contrast"`` (energy clamped less free);
        of struts also ``"stress"`` and, with a material, ``"utilisation"`` (stress over strength);
        of conductors the names of their drop and flux, such as ``"voltage"`` and ``"current"``.
        Left out, the first learning parameter, for ``states`` and ``response`` the strain, for
        solids the energy density.
    thickness : str, optional
        What sets the widths of the bonds: the same, or ``"even"``; of bars and beams also
        ``"true"``, their own widths to scale. Left out, as ``colour``.
    amplify : float, optional
        Factor on the displacements; left out, 1 where the deformation is visible, else a round
        factor. The picture says it.
    whole : bool
        Whether bonds that cross a periodic cell are drawn whole, not as one half at either side.
    size : pair of int, optional
        Width and height in pixels; 1600 by 1000, of films 1200 by 750.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        For an unknown picture, suffix, colour, thickness or example; the message lists the choices.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if what is None:
        usual = "actuation" if suffix in _MOVING else "network"
        last = re.split(r"[^a-z]", path.stem)[-1]
        near = difflib.get_close_matches(last, PICTURES, n=1, cutoff=0.75)
        if near and last not in PICTURES:
            raise InputError(
                f"{path}: {last!r} is no picture; did you mean {near[0]!r}? Name it so, or say "
                f"what to draw: {', '.join(PICTURES)}."
            )
        what = last if last in PICTURES else usual
    _check_file(path, what)
    size = size or ((1200, 750) if suffix in _MOVING else (1600, 1000))
    _check_size(size)
    look = Look(colour, thickness, amplify, whole)
    check_options(run, example, look)
    if what == "error":
        return _error_picture(run, path, size)
    if what == "setup":
        network, problem = run.network, run.problem
        return draw_setup(network, problem, path, example=example, size=size, title=heading(run))
    if suffix in _MOVING:
        from mechlearn.render.film import film

        return film(run, path, what, example - 1, look, size)
    if suffix == ".html":
        from mechlearn.render.page import write_page

        return write_page(run, path, example=example, look=look, size=size)
    check_vector(run.network, suffix)
    sheet = _SHEETS[what](run, example - 1, look, size, vector=suffix != ".png")
    return save(sheet.figure, path)


def picture(
    run: "Run", what: str = "network", *, size: tuple[int, int] = (960, 600), **options: Any
) -> "PIL.Image.Image":
    """Picture of a run as an image, for notebooks.

    Parameters
    ----------
    run : Run
    what : {"network", "states", "response", "error", "setup"}
    size : pair of int
        Width and height in pixels.
    **options : the others of :func:`render`

    Raises
    ------
    InputError
        As :func:`render`.
    """
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder:
        path = render(run, Path(folder) / "picture.png", what=what, size=size, **options)
        with Image.open(path) as image:
            return image.convert("RGB")


def draw_setup(
    network: Network,
    problem: Problem,
    path: str | Path,
    *,
    example: int = 1,
    size: tuple[int, int] = (1600, 1000),
    title: str = "",
    letters: float = 1.0,
) -> Path:
    """Write a picture of a task before training: supports, sources and targets.

    Parameters
    ----------
    network, problem : what is to learn what
    path : png, svg or pdf file to write
    example : which example, counted from 1
    size : width and height in pixels
    title : above the picture; sizes of the network where left out
    letters : factor on the size of all words

    Returns
    -------
    Path
    """
    path = Path(path)
    _check_file(path, "setup")
    check_vector(network, path.suffix.lower())
    scene = Scene(
        network,
        network.nodes,
        np.tile(rgb(BOND), (network.n_edges, 1)),
        np.full(network.n_edges, 0.28),
        marks(problem, example - 1),
        held_nodes(problem),
    )
    parts = [sizes(network)] if title else []
    parts += ["before training", *which_example(problem, example - 1)]
    vector = path.suffix.lower() != ".png"
    heading = plain(title) or sizes(network)
    sheet = Sheet(size, heading, ", ".join(parts), vector=vector, letters=letters)
    sheet.explain(scene)
    labelled_picture(sheet, scene, {})
    return save(sheet.figure, path)


def check_options(run: "Run", example: int, look: Look) -> None:
    """Raise InputError for options that do not fit a run; examples count from 1."""
    count = run.problem.n_examples
    if not isinstance(example, (int, np.integer)) or not 1 <= example <= count:
        raise InputError(f"example = {example} is not one of the run's: 1 to {count}.")
    look.check(run)


def _check_file(path: Path, what: str) -> None:
    if what not in PICTURES:
        raise InputError(f"what = {what!r} is no picture; known are {', '.join(PICTURES)}.")
    if path.suffix.lower() not in PICTURES[what]:
        raise InputError(
            f"{path}: a picture of kind {what!r} is written as "
            f"{' or '.join(PICTURES[what])}, not {path.suffix or 'without suffix'!r}."
        )


def _check_size(size: tuple[int, int]) -> None:
    if len(size) != 2 or min(size) < 300 or max(size) > 8000:
        raise InputError(
            f"size = {tuple(size)} must be a width and a height of 300 to 8000 pixels."
        )


def _error_picture(run: "Run", path: Path, size: tuple[int, int]) -> Path:
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.25, h_pad=0.25)
    figure = new_figure(size, layout=layout)
    figure.suptitle(
        escaped(heading(run)),
        x=0.02,
        ha="left",
        fontsize=21.6 * min(size[0] / 1600, size[1] / 1000),
        fontweight="bold",
        color=INK,
    )
    plot_error(run, figure.add_subplot())
    return save(figure, path)
