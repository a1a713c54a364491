"""Arrangements of pictures: one large with labels, or several side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mechlearn.errors import InputError
from mechlearn.network import Network
from mechlearn.render.captions import heading, readings
from mechlearn.render.colours import TARGET
from mechlearn.render.fields import RunStates
from mechlearn.render.labels import label_marks, label_room, mark_words
from mechlearn.render.offscreen import picture
from mechlearn.render.run_view import Look, RunView, learned_caption, quantities
from mechlearn.render.scene import Scene
from mechlearn.render.sheet import Place, Sheet
from mechlearn.render.vector import draw_scene

if TYPE_CHECKING:
    from mechlearn.runs.run import Run

Size = tuple[int, int]


def network_sheet(run: "Run", example: int, look: Look, size: Size, vector: bool = False) -> Sheet:
    """The learned network in its free state."""
    shown = RunView(run, example, look)
    (scene,) = shown.scenes
    sheet = Sheet(size, heading(run), learned_caption(shown), vector=vector)
    sheet.explain(scene, shown.shades)
    labelled_picture(sheet, scene, shown.reached)
    return sheet


def states_sheet(run: "Run", example: int, look: Look, size: Size, vector: bool = False) -> Sheet:
    """Free and clamped states before training, and after."""
    cost, solved = run.setup.task.cost, RunStates(run, example)
    if not cost.has_values:
        raise InputError(f"A {cost.name} wants shares, not values: there is no clamped state.")
    states = [solved(learned, clamped) for learned in (False, True) for clamped in (False, True)]
    shown = RunView(run, example, _of_states(run, look), states)
    names = [
        f"{when} training: {state}" for when in ("Before", "After") for state in ("free", "clamped")
    ]
    caption = "Free: sources only; clamped: outputs also held at their targets"
    return _grid(shown, caption, names, size, vector)


def response_sheet(run: "Run", example: int, look: Look, size: Size, vector: bool = False) -> Sheet:
    """Response of every bond to the sources, before training and after, drawn at rest."""
    solved = RunStates(run, example)
    states = [solved(learned=False), solved()]
    shown = RunView(run, example, _of_states(run, look), states, moving=False)
    names = ["Before training", "After training"]
    caption = "Response of every bond to the sources, on the network at rest"
    return _grid(shown, caption, names, size, vector)


def _of_states(run: "Run", look: Look) -> Look:
    """Look that shows states: coloured by strain, or by the drop of a potential, where left out."""
    known = quantities(run)
    return replace(look, colour=look.colour or known[known.index("change") + 1])


def labelled_picture(sheet: Sheet, scene: Scene, reached: Mapping[str, Any]) -> None:
    """One big picture with labels; ``reached`` says what targets read, by name."""
    place = _whole(0, sheet.top, sheet.width, sheet.height)
    words = mark_words(scene, reached)
    margin = (0.06, max(0.115, label_room(sheet, words) / sheet.height))
    projection = scene.projection(place[2:], margin)
    image = picture(scene, projection)
    if sheet.vector:
        draw_scene(sheet.frame(place), scene, projection)
    else:
        sheet.picture(image, place)
    sheet.scale_bar(projection)
    label_marks(sheet, scene, projection, image, place, words)


def _grid(shown: RunView, caption: str, names: Sequence[str], size: Size, vector: bool) -> Sheet:
    """States of a network in two columns, seen from the same place, each with a heading."""
    run, scenes = shown.run, shown.scenes
    answers = [readings(run, shown.example, s.fields.outputs) for s in shown.states]
    caption = "; ".join([caption, *shown.scale_and_example, *shown.sizes_in_words])
    sheet = Sheet(size, heading(run), caption, column=215.0, vector=vector)
    sheet.explain(scenes[-1], shown.shades)
    rows = -(-len(scenes) // 2)
    w, h, head = sheet.width // 2, sheet.height // rows, sheet.unit * 40
    points = np.concatenate([s.points() for s in scenes])
    said = []
    for k, (scene, name, answer) in enumerate(zip(scenes, names, answers, strict=True)):
        left, top = (k % 2) * w, sheet.top + (k // 2) * h
        middle = top + head / 2
        words = sheet.text(left + 32 * sheet.unit, middle, name, 21, weight="bold")
        end = words.get_window_extent().x1 + 18 * sheet.unit
        said.append(sheet.text(end, middle, answer, 20, TARGET))
        sheet.fit(said[-1], left + w - 24 * sheet.unit - end)
        place = _whole(left, top + head, w, h - head)
        projection = scenes[0].projection(place[2:], (0.035, 0.04), points)
        if sheet.vector:
            draw_scene(sheet.frame(place), scene, projection)
        else:
            sheet.picture(picture(scene, projection), place)
    least = min(text.get_fontsize() for text in said)
    for text in said:
        text.set_fontsize(least)
    sheet.scale_bar(projection)
    return sheet


def check_vector(network: Network, suffix: str) -> None:
    """Raise InputError where a network in space is to be drawn as lines and shapes."""
    if network.dim == 3 and suffix in (".svg", ".pdf"):
        raise InputError(
            f"{suffix}: vector pictures are of networks in the plane, and this one is in space; "
            "write a png, or an html to turn it."
        )


def _whole(left: float, top: float, width: float, height: float) -> Place:
    return round(left), round(top), round(width), round(height)
