"""Off-screen rendering of scenes by pyvista, with or without a display."""

import os
import sys
from contextlib import closing
from ctypes.util import find_library
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from mechlearn.render.drawing import draw_bonds, draw_marks
from mechlearn.render.geometry import Projection
from mechlearn.render.scene import Scene


class Stage:
    """Reusable off-screen plotter for scenes of one size.

    Parameters
    ----------
    size : width and height in pixels
    """

    def __init__(self, size: tuple[int, int]) -> None:
        pv = load_pyvista()
        self.size = w, h = size
        # Drawn at twice the size and averaged.
        self._plotter = pv.Plotter(
            off_screen=True, window_size=(2 * w, 2 * h), lighting="light kit"
        )
        self._plotter.background_color = "white"
        self._plotter.disable_anti_aliasing()

    def close(self) -> None:
        """Give back what the plotter holds."""
        self._plotter.close()

    def picture(self, scene: Scene, projection: Projection) -> NDArray[np.uint8]:
        """A scene as (h, w, 3) bytes."""
        plotter, (w, h) = self._plotter, self.size
        plotter.clear_actors()
        draw_bonds(plotter, scene, -projection.out)
        bonds = list(plotter.actors.values())
        draw_marks(plotter, scene)
        projection.aim(plotter)
        image = self._shot()
        if not scene.flat and len(plotter.actors) > len(bonds):
            # Marks inside a network in space shine through what is in front of them.
            for actor in bonds:
                actor.visibility = False
            marked = self._shot()
            there = (marked < 255).any(axis=2)
            image = image.copy()
            image[there] = 0.12 * image[there] + 0.88 * marked[there]
        sums = image.reshape(h, 2, w, 2, 3).sum(axis=(1, 3), dtype=np.uint16)
        return ((sums + 2) // 4).astype(np.uint8)

    def _shot(self) -> NDArray[np.uint8]:
        self._plotter.render()
        return self._plotter.screenshot(return_img=True)[..., :3]


def picture(scene: Scene, projection: Projection) -> NDArray[np.uint8]:
    """A scene as (h, w, 3) bytes."""
    with closing(Stage(projection.size)) as stage:
        return stage.picture(scene, projection)


def load_pyvista() -> ModuleType:
    """Import pyvista without warnings where there is no display."""
    if not has_display() and "vtkmodules" not in sys.modules and find_library("EGL"):
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    import pyvista

    return pyvista


def has_display() -> bool:
    """True if a window can be opened."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY"))
