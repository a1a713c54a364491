"""The view: from where a network is seen, and where its points lie in the picture."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.render.lines import space

if TYPE_CHECKING:
    import pyvista


@dataclass(frozen=True, eq=False)
class View:
    """A parallel projection: what is seen, from where, on how many pixels.

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


def view(
    points: NDArray,
    dim: int,
    size: tuple[int, int],
    towards: NDArray | None = None,
    margin: tuple[float, float] = (0.06, 0.06),
) -> View:
    """A view of all points: straight on in 2D, isometric in 3D.

    Of the four isometric views from above the one in front of the points ``towards`` is taken.
    ``margin`` is left free on every side, as a part of width and height.
    """
    if dim == 2:
        right, up, out = np.eye(3)
    else:
        sides = [np.array([a, b, 0.8]) for a, b in ((1, -1), (1, 1), (-1, 1), (-1, -1))]
        front = (
            np.zeros(3)
            if towards is None or not len(towards)
            else (np.mean(towards, axis=0) - np.mean(points, axis=0))
        )
        out = max(sides, key=lambda s: s @ front)
        out = out / np.linalg.norm(out)
        right = np.cross([0, 0, 1], out)
        right /= np.linalg.norm(right)
        up = np.cross(out, right)
    axes = np.array([right, up, out])
    low, high = (points @ axes.T).min(axis=0), (points @ axes.T).max(axis=0)
    w, h = size
    half = (high - low) / 2
    scale = max(half[1] / (1 - 2 * margin[1]), half[0] * h / w / (1 - 2 * margin[0]))
    return View(right, up, out, (low + high) / 2 @ axes, float(scale), size)
