"""Vector pictures: a scene of the plane drawn by matplotlib, as lines and shapes."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.render.colours import CELL, GHOST, REMOVED, RIM, SUPPORT, rgb
from mechlearn.render.drawing import FADED
from mechlearn.render.lines import Segments, cell_outline
from mechlearn.render.marks import Mark
from mechlearn.render.scene import Scene
from mechlearn.render.view import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Points per pixel, at the 100 pixels per inch of a sheet.
POINT = 0.72
#: A bond that fades out is drawn in so many steps.
STEPS = 8


def draw_scene(axes: "Axes", scene: Scene, sight: View) -> None:
    """Draw a plane scene into axes of the size of its view."""
    from matplotlib.collections import LineCollection, PolyCollection

    w, h = sight.size
    axes.set(xlim=(0, w), ylim=(h, 0))
    axes.set_axis_off()
    unit = h / 2 / sight.scale

    def lines(ends: NDArray, radius: ArrayLike, colours: Any, z: float) -> None:
        width = 2 * POINT * unit * np.broadcast_to(radius, len(ends))
        options = {"linewidths": width, "colors": colours, "capstyle": "round", "zorder": z}
        axes.add_collection(LineCollection(sight.pixels(ends), **options))

    if scene.network.periodic:
        lines(cell_outline(scene.network), 0.0016 * scene.extent, CELL, 0)
    if scene.ghost is not None:
        rest = scene.rest()
        ends, colours, _ = _shaded(rest, np.tile(rgb(GHOST), (scene.network.n_edges, 1)), 1.0)
        lines(ends, scene.thin, colours, 1)
    lines(scene.dashes(), scene.thin, REMOVED, 1.5)
    if scene.solid is not None:
        cells = sight.pixels(scene.solid.points[scene.solid.cells])
        faces = scene.solid.colours / 255
        # A hair of an edge hides the seams between cells. So many shapes are better pixels.
        body = PolyCollection(cells, facecolors=faces, edgecolors="face", linewidths=0.2, zorder=2)
        body.set_rasterized(True)
        axes.add_collection(body)
        rim = sight.pixels(scene.solid.points[scene.solid.rim()])
        axes.add_collection(LineCollection(rim, colors=RIM, linewidths=0.7, zorder=2.1))
    else:
        ends, colours, bond = _shaded(scene.pieces(), scene.colours, FADED)
        radii = scene.radii[bond]
        order = np.argsort(radii, kind="stable")
        lines(ends[order], radii[order], colours[order], 2)
    for node in scene.supports:
        _polygon(axes, sight, scene.nodes[node] + 0.85 * scene.mark * _SQUARE, SUPPORT, 3)
    for mark in scene.marks:
        pairs = scene.pairs_of(mark)
        if len(pairs):
            lines(pairs, 0.32 * scene.mark, mark.colour, 4)
        _draw_mark(axes, scene, sight, mark, unit)


def _shaded(pieces: Segments, colours: NDArray, most: float) -> tuple[NDArray, NDArray, NDArray]:
    """Lines of one colour each: pieces that fade are cut into steps; ends, colours, bonds."""
    fading = pieces.fade.any(axis=1)
    s = np.linspace(0, 1, STEPS + 1)
    a, b = pieces.ends[fading, :1], pieces.ends[fading, 1:]
    points = a * (1 - s[:, None]) + b * s[:, None]
    cut = np.stack([points[:, :-1], points[:, 1:]], axis=2).reshape(-1, 2, 3)
    fade = pieces.fade[fading, :1] * (1 - s) + pieces.fade[fading, 1:] * s
    part = most * np.concatenate([np.zeros(np.count_nonzero(~fading)), fade[:, :-1].ravel()])
    bond = np.concatenate([pieces.bond[~fading], np.repeat(pieces.bond[fading], STEPS)])
    made = colours[bond] * (1 - part[:, None]) + 255 * part[:, None]
    return np.concatenate([pieces.ends[~fading], cut]), made / 255, bond


_SQUARE = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def _draw_mark(axes: "Axes", scene: Scene, sight: View, mark: Mark, unit: float) -> None:
    from matplotlib.patches import Circle

    size = scene.mark * unit
    for place in sight.pixels(scene.wanted_of(mark)):
        ring = {"fill": False, "edgecolor": mark.colour, "linewidth": 0.3 * size * POINT}
        axes.add_patch(Circle(tuple(place), 1.7 * size, zorder=3.5, **ring))
    for place in sight.pixels(scene.nodes_of(mark)):
        axes.add_patch(Circle(tuple(place), 1.3 * size, color="white", zorder=5, linewidth=0))
        full = {"color": mark.colour, "linewidth": 0}
        ring = {"fill": False, "edgecolor": mark.colour, "linewidth": 0.4 * size * POINT}
        radius = size if mark.active else 0.8 * size
        axes.add_patch(Circle(tuple(place), radius, zorder=6, **(full if mark.active else ring)))
    for start, along in zip(*scene.arrows(mark), strict=True):
        across = np.array([-along[1], along[0]])
        for wider, colour, z in ((0.5, "white", 5), (0.0, mark.colour, 6)):
            shaft, head = (0.38 + 0.34 * wider) * scene.mark, (1.1 + 0.5 * wider) * scene.mark
            neck = scene.arrow - min(0.5 * scene.arrow, 2.4 * scene.mark)
            tip = scene.arrow + 0.5 * wider * scene.mark
            outline = [(0, shaft), (neck, shaft), (neck, head), (tip, 0)]
            outline += [(x, -y) for x, y in outline[2::-1]]
            points = [start[:2] + x * along[:2] + y * across for x, y in outline]
            _polygon(axes, sight, np.array(points), colour, z)


def _polygon(axes: "Axes", sight: View, points: NDArray, colour: str, z: float) -> None:
    from matplotlib.patches import Polygon

    axes.add_patch(Polygon(sight.pixels(points), color=colour, zorder=z, linewidth=0))
