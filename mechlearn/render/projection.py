"""Parallel projection of a network onto the pixels of a picture."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.render.lines import space

if TYPE_CHECKING:
    import pyvista


@dataclass(frozen=True, eq=False)
class Projection:
    """Parallel projection: direction of view, centre, scale and pixels.

    Attributes
    ----------
    right, up, out : unit vectors of the picture; ``out`` points at the viewer
    centre : what is in the middle
    scale : half the picture's height, in units of length
    size : width and height in pixels
    """

    right: NDArray[np.float64]
    up: NDArray[np.float64]
    out: NDArray[np.float64]
    centre: NDArray[np.float64]
    scale: float
    size: tuple[int, int]

    def pixels(self, points: ArrayLike) -> NDArray[np.float64]:
        """Pixel coordinates from the top left corner, shape (..., 2)."""
        v = space(points) - self.centre
        w, h = self.size
        x = w / 2 + v @ self.right / self.scale * h / 2
        return np.stack([x, h / 2 - v @ self.up / self.scale * h / 2], axis=-1)

    def aim(self, plotter: "pyvista.Plotter") -> None:
        """Point a plotter's camera."""
        camera = plotter.camera
        camera.parallel_projection = True
        camera.focal_point = tuple(self.centre)
        camera.position = tuple(self.centre + 10 * self.scale * self.out)
        camera.up = tuple(self.up)
        camera.parallel_scale = self.scale
        plotter.reset_camera_clipping_range()


#: The isometric views from above: where the viewer is.
SIDES = np.array([[1.0, -1.0, 0.8], [1.0, 1.0, 0.8], [-1.0, 1.0, 0.8], [-1.0, -1.0, 0.8]])
#: How much it counts, beside being in front, that places are seen apart, and arrows from the side.
APART, ASIDE = 0.5, 0.25
#: Free part of width and height on every side.
MARGIN = (0.06, 0.06)


def viewing_direction(places: NDArray, arrows: NDArray) -> NDArray[np.float64]:
    """Best viewing direction of a network in space, of four isometric ones from above.

    Parameters
    ----------
    places : (k, 3) array
        What is to be in front and to be told apart, from the middle of the network, over its size.
    arrows : (a, 3) array
        Directions of arrows, which are hidden where they point at the viewer.
    """
    scores = []
    for side in SIDES / np.linalg.norm(SIDES, axis=1, keepdims=True):
        flat = np.eye(3) - np.outer(side, side)
        front = apart = aside = 0.0
        if len(places):
            front = float(places.mean(axis=0) @ side)
            apart = float(np.linalg.norm((places - places.mean(axis=0)) @ flat, axis=1).mean())
        if len(arrows):
            aside = float(np.linalg.norm(arrows @ flat, axis=1).mean())
        scores.append(front + APART * apart + ASIDE * aside)
    # Of those that are alike the first, whatever the rounding.
    return SIDES[int(np.argmax(np.round(scores, 6)))]


def fit_projection(
    points: NDArray,
    dim: int,
    size: tuple[int, int],
    out: NDArray | None = None,
    margin: tuple[float, float] = MARGIN,
) -> Projection:
    """Projection that shows all points: straight on in 2D; in 3D from ``out``, above the horizon.

    ``margin`` is left free on every side, as a part of width and height.
    """
    if dim == 2:
        right, up, out = np.eye(3)
    else:
        out = SIDES[0] if out is None else out
        out = out / np.linalg.norm(out)
        right = np.cross([0, 0, 1], out)
        right /= np.linalg.norm(right)
        up = np.cross(out, right)
    axes = np.array([right, up, out])
    low, high = (points @ axes.T).min(axis=0), (points @ axes.T).max(axis=0)
    w, h = size
    half = (high - low) / 2
    scale = max(half[1] / (1 - 2 * margin[1]), half[0] * h / w / (1 - 2 * margin[0]))
    return Projection(right, up, out, (low + high) / 2 @ axes, float(scale), size)
