"""Labels: every source and target named, in places where nothing is drawn."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.render.marks import Mark
from mechlearn.render.scene import Scene
from mechlearn.render.sheet import Place, Sheet
from mechlearn.render.view import View
from mechlearn.render.words import label

#: More sources and targets than this are marked but not labelled one by one.
LABELS = 14


def label_marks(
    sheet: Sheet,
    scene: Scene,
    sight: View,
    image: NDArray[np.uint8],
    place: Place,
    reached: Mapping[str, Any],
) -> None:
    """Name the marks in a picture of a scene; ``reached`` says what targets read, by name."""
    shown = scene.marks if len(scene.marks) <= LABELS else []
    texts, anchors = [], []
    for mark in shown:
        words = label(mark, reached.get(mark.terminal.name))
        texts.append(sheet.text(0, 0, words, 19, mark.colour, va="top", linespacing=1.3))
        anchors.append(sight.pixels(scene.anchors_of(mark)))
    extents = [t.get_window_extent() for t in texts]
    sizes = [(e.width, e.height) for e in extents]
    corners = free_places((image < 250).any(axis=2), sizes, anchors, 10 * sheet.unit)
    origin = np.array(place[:2])
    for text, mark, corner, size, points in zip(texts, shown, corners, sizes, anchors, strict=True):
        text.set_position(sheet.at(*(origin + corner)))
        _leader(sheet, mark, origin + corner, np.array(size), origin + points)


def _leader(sheet: Sheet, mark: Mark, corner: NDArray, size: NDArray, anchors: NDArray) -> None:
    """A thin line from a label to its node, where the two are not side by side."""
    from matplotlib.lines import Line2D

    nearest = np.clip(anchors, corner, corner + size)
    gaps = np.linalg.norm(nearest - anchors, axis=1)
    k = int(gaps.argmin())
    if gaps[k] < 30 * sheet.unit:
        return
    start, end = nearest[k], anchors[k]
    start = start + (end - start) * min(1, 5 * sheet.unit / gaps[k])
    end = end + (start - end) * min(1, 14 * sheet.unit / gaps[k])
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
