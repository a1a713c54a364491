"""Off-screen: a scene drawn by pyvista to an array, with or without a display."""

import os
import sys
from ctypes.util import find_library
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from mechlearn.render.drawing import draw_bonds, draw_marks
from mechlearn.render.scene import Scene
from mechlearn.render.view import View


def picture(scene: Scene, sight: View) -> NDArray[np.uint8]:
    """A scene as (h, w, 3) bytes, drawn at twice the size and averaged."""
    pv = load_pyvista()
    w, h = sight.size
    plotter = pv.Plotter(off_screen=True, window_size=(2 * w, 2 * h), lighting="light kit")
    plotter.background_color = "white"
    plotter.disable_anti_aliasing()  # averaging does it
    try:
        draw_bonds(plotter, scene, -sight.out)
        bonds = list(plotter.actors.values())
        draw_marks(plotter, scene)
        sight.aim(plotter)
        image = plotter.screenshot(return_img=True)[..., :3]
        if not scene.flat and len(plotter.actors) > len(bonds):
            # Marks inside a network in space shine through what is in front of them.
            for actor in bonds:
                actor.visibility = False
            plotter.render()
            marked = plotter.screenshot(return_img=True)[..., :3]
            there = (marked < 255).any(axis=2)
            image = image.copy()
            image[there] = 0.12 * image[there] + 0.88 * marked[there]
    finally:
        plotter.close()
    sums = image.reshape(h, 2, w, 2, 3).sum(axis=(1, 3), dtype=np.uint16)
    return ((sums + 2) // 4).astype(np.uint8)


def load_pyvista() -> ModuleType:
    """Import pyvista so that it says nothing where there is no display."""
    if not has_display() and "vtkmodules" not in sys.modules and find_library("EGL"):
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    import pyvista

    return pyvista


def has_display() -> bool:
    """Whether a window can be opened."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY"))
