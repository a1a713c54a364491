"""The pictures: the learned network, free and clamped states, the error, the set-up."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mechlearn.errors import InputError
from mechlearn.network import Network
from mechlearn.plots import INK, plot_error
from mechlearn.problem import Problem
from mechlearn.render.colours import BOND, TARGET, rgb
from mechlearn.render.labels import label_marks
from mechlearn.render.marks import held_nodes, marks
from mechlearn.render.offscreen import picture
from mechlearn.render.scene import Scene
from mechlearn.render.sheet import Place, Sheet, new_figure, save
from mechlearn.render.shown import four_states, learned_caption, learned_state
from mechlearn.render.view import view
from mechlearn.render.words import heading, readings, sizes, which_example

if TYPE_CHECKING:
    from mechlearn.run import Run

#: What ``render`` can draw, with the suffixes it can be written to.
PICTURES: dict[str, tuple[str, ...]] = {
    "network": (".png",),
    "states": (".png",),
    "setup": (".png",),
    "error": (".png", ".svg", ".pdf"),
}


def render(
    run: "Run",
    path: str | Path,
    *,
    what: str | None = None,
    example: int = 1,
    colour: str | None = None,
    amplify: float | None = None,
    size: tuple[int, int] = (1600, 1000),
) -> Path:
    """Write a picture of a run.

    Parameters
    ----------
    run : Run
    path : file to write
        ``.png``; for ``"error"`` also ``.svg`` and ``.pdf``.
    what : {"network", "states", "error", "setup"}, optional
        ``network``: the learned network deformed, and at rest behind it. ``states``: free and
        clamped, before and after training. ``error``: error against step. ``setup``: the task
        before training. Left out, the file's name decides (``states.png``), else ``network``.
    example : int
        Which example of the task, counted from 1.
    colour : str, optional
        What colours the bonds: a learning parameter, ``"change"`` (learned over initial) or
        ``"strain"``. Left out, the first learning parameter; for ``states`` the strain.
    amplify : float, optional
        Factor on the displacements; left out, 1 where the deformation is visible, else a round
        factor. The picture says it.
    size : pair of int
        Width and height in pixels.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        For an unknown picture, suffix, colour or example.
    """
    path = Path(path)
    if what is None:
        what = path.stem if path.stem in PICTURES else "network"
    _check_file(path, what)
    _check_size(size)
    check_options(run, what, example, colour, amplify)
    if what == "error":
        return _error_picture(run, path, size)
    if what == "setup":
        network, problem = run.network, run.problem
        return draw_setup(network, problem, path, example=example, size=size, title=heading(run))
    draw = _network_picture if what == "network" else _states_picture
    return draw(run, path, example - 1, colour, amplify, size)


def draw_setup(
    network: Network,
    problem: Problem,
    path: str | Path,
    *,
    example: int = 1,
    size: tuple[int, int] = (1600, 1000),
    title: str = "",
) -> Path:
    """Write a picture of a task before training: supports, sources, and what targets shall do.

    Parameters
    ----------
    network, problem : what is to learn what
    path : png file to write
    example : which example, counted from 1
    size : width and height in pixels
    title : above the picture; sizes of the network where left out

    Returns
    -------
    Path
    """
    path = Path(path)
    _check_file(path, "setup")
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
    sheet = Sheet(size, title or sizes(network), ", ".join(parts))
    sheet.explain(scene)
    _labelled_picture(sheet, scene, {})
    return save(sheet.figure, path)


def check_options(
    run: "Run", what: str, example: int, colour: str | None, amplify: float | None
) -> None:
    """Raise InputError where a run cannot be drawn like that; examples count from 1."""
    count = run.problem.n_examples
    if not isinstance(example, (int, np.integer)) or not 1 <= example <= count:
        raise InputError(f"example = {example} is not one of the run's: 1 to {count}.")
    if what == "network" and example > len(run.displacements):
        raise InputError(
            f"example = {example}: the run keeps the displacements of the first "
            f"{len(run.displacements)} examples only."
        )
    known = [*run.learned, "change", "strain"]
    if colour is not None and colour not in known:
        raise InputError(f"colour = {colour!r} is not known; known are {', '.join(known)}.")
    if amplify is not None and not (np.isfinite(amplify) and amplify > 0):
        raise InputError(f"amplify = {amplify} must be a number above 0.")


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


# -- one by one ----------------------------------------------------------------------------------


def _network_picture(
    run: "Run",
    path: Path,
    example: int,
    colour: str | None,
    amplify: float | None,
    size: tuple[int, int],
) -> Path:
    shown = learned_state(run, example, colour, amplify)
    (scene,) = shown.scenes
    text = learned_caption(shown)
    sheet = Sheet(size, heading(run), text[0].upper() + text[1:])
    sheet.explain(scene, shown.shades)
    reached = {t["name"]: t["reached"] for t in run.targets if t.get("example", 1) == example + 1}
    _labelled_picture(sheet, scene, reached)
    return save(sheet.figure, path)


def _states_picture(
    run: "Run",
    path: Path,
    example: int,
    colour: str | None,
    amplify: float | None,
    size: tuple[int, int],
) -> Path:
    shown = four_states(run, example, colour, amplify)
    scenes = shown.scenes
    states = "Free: sources only; clamped: outputs also held at their targets"
    sheet = Sheet(size, heading(run), "; ".join([states, *shown.scale_and_example]), column=215.0)
    sheet.explain(scenes[0], shown.shades)
    w, h, head = sheet.width // 2, sheet.height // 2, sheet.unit * 40
    points, towards = np.concatenate([s.points() for s in scenes]), scenes[0].mark_points()
    names = [
        f"{when} training: {state}" for when in ("Before", "After") for state in ("free", "clamped")
    ]
    for k, (scene, name, u) in enumerate(zip(scenes, names, shown.fields, strict=True)):
        left, top = (k % 2) * w, sheet.top + (k // 2) * h
        middle = top + head / 2
        words = sheet.text(left + 32 * sheet.unit, middle, name, 21, weight="bold")
        end = words.get_window_extent().x1 + 18 * sheet.unit
        answer = sheet.text(end, middle, readings(run, example, u), 20, TARGET)
        sheet.fit(answer, left + w - end)
        place = _whole(left, top + head, w, h - head)
        sight = view(points, run.network.dim, place[2:], towards, (0.02, 0.02))
        sheet.picture(picture(scene, sight), place)
    return save(sheet.figure, path)


def _error_picture(run: "Run", path: Path, size: tuple[int, int]) -> Path:
    figure = new_figure(size, layout="constrained")
    figure.get_layout_engine().set(w_pad=0.25, h_pad=0.25)
    figure.suptitle(
        heading(run),
        x=0.02,
        ha="left",
        fontsize=21.6 * min(size) / 1000,
        fontweight="bold",
        color=INK,
    )
    plot_error(run, figure.add_subplot())
    return save(figure, path)


def _labelled_picture(sheet: Sheet, scene: Scene, reached: Mapping[str, Any]) -> None:
    """One big picture with labels; ``reached`` says what targets read, by name."""
    place = _whole(0, sheet.top, sheet.width, sheet.height)
    margin = (0.06, 0.115)
    sight = view(scene.points(), scene.network.dim, place[2:], scene.mark_points(), margin)
    image = picture(scene, sight)
    sheet.picture(image, place)
    label_marks(sheet, scene, sight, image, place, reached)


def _whole(*place: float) -> Place:
    return tuple(round(v) for v in place)
