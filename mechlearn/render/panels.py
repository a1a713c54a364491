"""Arrangements of pictures: one large with labels, or several side by side."""

from collections.abc import Mapping, Sequence
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
    text = learned_caption(shown)
    sheet = Sheet(size, heading(run), text[0].upper() + text[1:], vector=vector)
    sheet.explain(scene, shown.shades)
    reached = {t["name"]: t["reached"] for t in run.targets if t.get("example", 1) == example + 1}
    labelled_picture(sheet, scene, reached)
    return sheet


def states_sheet(run: "Run", example: int, look: Look, size: Size, vector: bool = False) -> Sheet:
    """Free and clamped states before training, and after."""
    cost, solved = run.setup.task.cost, RunStates(run, example)
    if not cost.has_values:
        raise InputError(f"A {cost.name} wants shares, not values: there is no clamped state.")
    states = [solved(learned, clamped) for learned in (False, True) for clamped in (False, True)]
    if look.colour is None:
        look = Look(_quantity(run), look.thickness, look.amplify, look.whole)
    shown = RunView(run, example, look, states)
    names = [
        f"{when} training: {state}" for when in ("Before", "After") for state in ("free", "clamped")
    ]
    caption = ["Free: sources only; clamped: outputs also held at their targets"]
    caption += [*shown.scale_and_example, *shown.sizes_in_words]
    answers = [readings(run, example, s.fields.outputs) for s in shown.states]
    return _grid(shown, "; ".join(caption), names, answers, size, vector)


def response_sheet(run: "Run", example: int, look: Look, size: Size, vector: bool = False) -> Sheet:
    """Response of every bond to the sources, before training and after, drawn at rest."""
    if look.colour is None:
        look = Look(_quantity(run), look.thickness, look.amplify, look.whole)
    solved = RunStates(run, example)
    shown = RunView(run, example, look, [solved(learned=False), solved()], moving=False)
    names = ["Before training", "After training"]
    caption = ["What every bond feels when the sources act, on the network at rest"]
    caption += [*shown.scale_and_example, *shown.sizes_in_words]
    answers = [readings(run, example, s.fields.outputs) for s in shown.states]
    return _grid(shown, "; ".join(caption), names, answers, size, vector)


def _quantity(run: "Run") -> str:
    """The quantity that shows a state: strain, or the drop of a potential."""
    known = quantities(run)
    return known[known.index("change") + 1]


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


def _grid(
    shown: RunView,
    caption: str,
    names: Sequence[str],
    answers: Sequence[str],
    size: Size,
    vector: bool,
    columns: int = 2,
) -> Sheet:
    """Several states of a network, seen from the same place, each with a heading."""
    run, scenes = shown.run, shown.scenes
    sheet = Sheet(size, heading(run), caption, column=215.0, vector=vector)
    sheet.explain(scenes[-1], shown.shades)
    rows = -(-len(scenes) // columns)
    w, h, head = sheet.width // columns, sheet.height // rows, sheet.unit * 40
    points = np.concatenate([s.points() for s in scenes])
    said = []
    for k, (scene, name, answer) in enumerate(zip(scenes, names, answers, strict=True)):
        left, top = (k % columns) * w, sheet.top + (k // columns) * h
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
