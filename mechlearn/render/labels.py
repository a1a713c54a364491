"""Placement of labels of sources and targets."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.render.captions import label
from mechlearn.render.geometry import Projection
from mechlearn.render.marks import Mark
from mechlearn.render.scene import Scene
from mechlearn.render.sheet import Place, Sheet

#: More sources and targets than this are marked but not labelled one by one.
LABELS = 14
#: Of a label, in pixels of a sheet of 1600 by 1000: height of the letters, of a line, and of what
#: of it is above the baseline; what stays free around it, and at the sides of the picture.
LETTERS, LINE, ABOVE, GAP, SIDE = 19.0, 25.0, 19.0, 10.0, 22.0
#: Up to so far from its place a label needs no line to it.
BESIDE = 16.0


def mark_words(scene: Scene, reached: Mapping[str, Any]) -> list[list[str]]:
    """Lines of every mark's label; ``reached`` gives readings by name."""
    shown = scene.marks if len(scene.marks) <= LABELS else []
    return [label(m, reached.get(str(m.terminal.name))).split("\n") for m in shown]


def label_room(sheet: Sheet, words: Sequence[Sequence[str]]) -> float:
    """Height of the tallest label in pixels."""
    most = max((len(lines) for lines in words), default=0)
    return (LINE * most + 4 * GAP) * sheet.unit


def label_marks(
    sheet: Sheet,
    scene: Scene,
    projection: Projection,
    image: NDArray[np.uint8],
    place: Place,
    words: Sequence[Sequence[str]],
) -> None:
    """Name the marks in a picture of a scene by :func:`mark_words`."""
    # Line by line: as one text, lines would be as far apart as their letters are tall.
    texts = [
        [sheet.text(0, 0, line, LETTERS, mark.colour, va="baseline") for line in lines]
        for mark, lines in zip(scene.marks, words, strict=False)
    ]
    anchors = [projection.pixels(scene.anchors_of(mark)) for mark in scene.marks[: len(texts)]]
    sizes = [
        (max(t.get_window_extent().width for t in lines), LINE * sheet.unit * len(lines))
        for lines in texts
    ]
    ink = (image < 250).any(axis=2)
    ink[:, : round(SIDE * sheet.unit)] = True
    corners = free_places(ink, sizes, anchors, GAP * sheet.unit)
    origin, pixels = np.array(place[:2]), projection.size[1] / 2 / projection.scale
    for mark, lines, corner, size, points in zip(
        scene.marks, texts, corners, sizes, anchors, strict=False
    ):
        for k, text in enumerate(lines):
            low = corner[1] + (LINE * k + ABOVE) * sheet.unit
            text.set_position(sheet.at(origin[0] + corner[0], origin[1] + low))
        reach = scene.radius_of(mark) * pixels
        _leader(sheet, mark, origin + corner, np.array(size), origin + points, reach)


def _leader(
    sheet: Sheet, mark: Mark, corner: NDArray, size: NDArray, anchors: NDArray, reach: float
) -> None:
    """A thin line from a label to its node, where the two are not side by side.

    It ends ``reach`` pixels and a little before the node.
    """
    from matplotlib.lines import Line2D

    nearest = np.clip(anchors, corner, corner + size)
    gaps = np.linalg.norm(nearest - anchors, axis=1)
    k = int(gaps.argmin())
    if gaps[k] < reach + BESIDE * sheet.unit:
        return
    start, end = nearest[k], anchors[k]
    start = start + (end - start) * min(1, 5 * sheet.unit / gaps[k])
    end = end + (start - end) * min(1, (reach + 3 * sheet.unit) / gaps[k])
    line = sheet.at(*np.array([start, end]).T)
    for colour, width in (("white", 3.5), (mark.colour, 1.5)):
        sheet.figure.add_artist(
            Line2D(*line, color=colour, linewidth=width * sheet.unit, solid_capstyle="round")
        )


def free_places(
    ink: NDArray[np.bool_],
    sizes: Sequence[tuple[float, float]],
    anchors: Sequence[NDArray],
    gap: float,
) -> list[tuple[float, float]]:
    """Top left corners of boxes that cover nothing drawn and not each other, near their anchors.

    Where nothing is free, the place that covers least is taken.

    Parameters
    ----------
    ink : (h, w) bool array
        Pixels that are drawn on.
    sizes : width and height of every box in pixels
    anchors : (k, 2) arrays, what each box shall be near to
    gap : pixels that stay free around every box
    """
    coarse = 4
    rows, columns = (-(-s // coarse) for s in ink.shape)
    padded = np.zeros((rows * coarse, columns * coarse), dtype=bool)
    padded[: ink.shape[0], : ink.shape[1]] = ink
    grid = padded.reshape(rows, coarse, columns, coarse).any(axis=(1, 3))
    out = []
    for (w, h), points in zip(sizes, anchors, strict=True):
        bw, bh = (
            min(int(np.ceil((s + 2 * gap) / coarse)), most) for s, most in ((w, columns), (h, rows))
        )
        total = np.pad(grid.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        covered = total[bh:, bw:] - total[:-bh, bw:] - total[bh:, :-bw] + total[:-bh, :-bw]
        top, left = np.indices(covered.shape) * coarse + gap
        distance = np.full(covered.shape, np.inf)
        for x, y in points:
            dx = np.maximum(np.maximum(left - x, x - left - w), 0)
            dy = np.maximum(np.maximum(top - y, y - top - h), 0)
            distance = np.minimum(distance, np.hypot(dx, dy))
        cost = distance + np.where(covered > 0, 1e5 + 1e3 * covered, 0)
        r, c = np.unravel_index(int(cost.argmin()), cost.shape)
        out.append((float(left[r, c]), float(top[r, c])))
        grid[r : r + bh, c : c + bw] = True
    return out
