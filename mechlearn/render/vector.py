"""Vector graphics of plane scenes by matplotlib."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.render.colours import CELL, GHOST, REMOVED, RIM, SUPPORT, rgb
from mechlearn.render.drawing import FADED
from mechlearn.render.geometry import Projection, Segments
from mechlearn.render.marks import Mark
from mechlearn.render.scene import Scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Points per pixel, at the 100 pixels per inch of a sheet.
POINT = 0.72
#: A bond that fades out is drawn in so many steps.
STEPS = 12


def draw_scene(axes: "Axes", scene: Scene, projection: Projection) -> None:
    """Draw a plane scene into axes of the size of its view."""
    from matplotlib.collections import LineCollection, PolyCollection

    w, h = projection.size
    axes.set(xlim=(0, w), ylim=(h, 0))
    axes.set_axis_off()
    unit = h / 2 / projection.scale

    def lines(ends: NDArray, radius: ArrayLike, colours: Any, z: float, cap: str = "round") -> None:
        width = 2 * POINT * unit * np.broadcast_to(radius, len(ends))
        options = {"linewidths": width, "colors": colours, "capstyle": cap, "zorder": z}
        axes.add_collection(LineCollection(list(projection.pixels(ends)), **options))

    if scene.network.periodic:
        if scene.ghost and scene.strain is not None:
            lines(scene.rest_cell.edges(), 0.0008 * scene.extent, GHOST, 0)
        lines(scene.cell.edges(), 0.0016 * scene.extent, CELL, 0)
    if scene.ghost:
        rest = scene.rest()
        grey = np.tile(rgb(GHOST), (scene.network.n_edges, 1))
        for ends, colours, _, cap in _shaded(rest, grey, 1.0):
            lines(ends, scene.thin, colours, 1, cap)
    for polygons, tints in scene.faces():
        shapes = [projection.pixels(polygon) for polygon in polygons]
        axes.add_collection(PolyCollection(shapes, facecolors=tints / 255, zorder=1.2))
    lines(scene.dashes(), scene.thin, REMOVED, 1.5)
    if scene.solid is not None:
        cells = list(projection.pixels(scene.solid.points[scene.solid.cells]))
        faces = scene.solid.colours / 255
        # A hair of an edge hides the seams between cells. So many shapes are better pixels.
        body = PolyCollection(cells, facecolors=faces, edgecolors="face", linewidths=0.2, zorder=2)
        body.set_rasterized(True)
        axes.add_collection(body)
        rim = projection.pixels(scene.solid.points[scene.solid.rim()])
        axes.add_collection(LineCollection(list(rim), colors=RIM, linewidths=0.7, zorder=2.1))
    else:
        for ends, colours, bond, cap in _shaded(scene.pieces(), scene.colours, FADED):
            radii = scene.radii[bond]
            order = np.argsort(radii, kind="stable")
            # What fades away is behind all that does not.
            lines(ends[order], radii[order], colours[order], 2 if cap == "round" else 1.9, cap)
    for node, half in zip(scene.supports, scene.support_sizes(), strict=True):
        _polygon(axes, projection, scene.nodes[node] + half * _SQUARE, SUPPORT, 3)
    for mark in scene.marks:
        lines(scene.wanted_edges(mark), 0.0016 * scene.extent, mark.colour, 3.5)
        pairs = scene.pairs_of(mark)
        if len(pairs):
            lines(pairs, 0.32 * scene.mark, mark.colour, 4)
        _draw_mark(axes, scene, projection, mark, unit)


def _shaded(
    pieces: Segments, colours: NDArray, most: float
) -> Iterator[tuple[NDArray, NDArray, NDArray, str]]:
    """Single-coloured lines in two groups: ends, colours, bonds, and cap styles.

    Pieces that fade are cut into steps. But for the first, at a node, those end straight: round
    ends would show, like scales.
    """
    fading = pieces.fade.any(axis=1)
    part = np.linspace(0, 1, STEPS + 1)
    starts, along = pieces.ends[fading, 0], pieces.ends[fading, 1] - pieces.ends[fading, 0]
    # Each reaches a little below the next, or a seam would show.
    low, high = part[:-1], np.minimum(part[1:] + 0.1 / STEPS, 1)
    steps = np.stack([low, high], axis=1)[None, :, :, None]
    cut = starts[:, None, None] + steps * along[:, None, None]
    fade = pieces.fade[fading, :1] * (1 - low) + pieces.fade[fading, 1:] * low

    def shaded(bond: NDArray, fade: NDArray) -> NDArray[np.float64]:
        return (colours[bond] * (1 - most * fade[:, None]) + 255 * most * fade[:, None]) / 255

    whole, faded = pieces.bond[~fading], pieces.bond[fading]
    ends = np.concatenate([pieces.ends[~fading], cut[:, 0]])
    bond = np.concatenate([whole, faded])
    yield ends, shaded(bond, np.concatenate([np.zeros(len(whole)), fade[:, 0]])), bond, "round"
    bond = np.repeat(faded, STEPS - 1)
    yield cut[:, 1:].reshape(-1, 2, 3), shaded(bond, fade[:, 1:].ravel()), bond, "butt"


_SQUARE = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


def _draw_mark(axes: "Axes", scene: Scene, projection: Projection, mark: Mark, unit: float) -> None:
    from matplotlib.patches import Circle

    size = scene.mark * unit
    for place in projection.pixels(scene.wanted_of(mark)):
        ring = {"fill": False, "edgecolor": mark.colour, "linewidth": 0.3 * size * POINT}
        axes.add_patch(Circle(tuple(place), 1.7 * size, zorder=3.5, **ring))
    for place in projection.pixels(scene.nodes_of(mark)):
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
            _polygon(axes, projection, np.array(points), colour, z)


def _polygon(axes: "Axes", projection: Projection, points: NDArray, colour: str, z: float) -> None:
    from matplotlib.patches import Polygon

    axes.add_patch(Polygon(projection.pixels(points), color=colour, zorder=z, linewidth=0))
