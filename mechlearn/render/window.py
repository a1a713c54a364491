"""Interactive 3D view of the learned network in a window, a notebook or a page."""

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from mechlearn.plots.style import INK
from mechlearn.render.colours import QUIET, Shades
from mechlearn.render.drawing import draw_bonds, draw_marks
from mechlearn.render.geometry import MARGIN
from mechlearn.render.labels import LABELS
from mechlearn.render.offscreen import has_display, load_pyvista
from mechlearn.render.run_view import Look, RunView, learned_caption
from mechlearn.render.scene import Scene

if TYPE_CHECKING:
    import pyvista

    from mechlearn.runs.run import Run


def plotter(
    run: "Run",
    *,
    example: int = 1,
    colour: str | None = None,
    thickness: str | None = None,
    amplify: float | None = None,
    whole: bool = False,
    words: bool = True,
    **options: Any,
) -> "pyvista.Plotter":
    """A pyvista plotter with the learned network, deformed, and its sources and targets.

    Parameters
    ----------
    run : Run
    example, colour, thickness, amplify, whole : as for :func:`render`
    words : bool
        Whether names, a colour bar and a caption are in it.
    **options : handed to ``pyvista.Plotter``, such as ``off_screen`` and ``window_size``

    Returns
    -------
    pyvista.Plotter
        Not shown yet; the camera looks straight on in 2D, and at sources and targets in 3D.

    Raises
    ------
    InputError
        As :func:`render`.
    """
    from mechlearn.render.pictures import check_options

    look = Look(colour, thickness, amplify, whole)
    check_options(run, example, look)
    return draw_view(RunView(run, example - 1, look), words, **options)


def draw_view(shown: RunView, words: bool, **options: Any) -> "pyvista.Plotter":
    """Plotter with the one scene of a view, as of :func:`plotter`."""
    pv = load_pyvista()
    (scene,) = shown.scenes
    made = pv.Plotter(**{"window_size": (1200, 800), "lighting": "light kit", **options})
    made.background_color = "white"
    draw_bonds(made, scene)
    draw_marks(made, scene, in_front=True)
    if words:
        _add_bar(made, shown.shades)
        _add_names(made, scene)
        made.add_text(learned_caption(shown), font_size=11, color=QUIET, position="lower_left")
    size = made.window_size[0], made.window_size[1]
    margin = (0.17, 0.08) if words else MARGIN
    scene.projection(size, margin).aim(made)
    made.camera_set = True
    return made


def show(run: "Run", **options: Any) -> Any:
    """Show the learned network, deformed, in a window or a notebook (pyvista).

    In a notebook it can be turned where the packages of the extra ``notebook`` are installed, in a
    saved one too; else it is a picture.

    Parameters
    ----------
    run : Run
    **options : those of :func:`plotter`

    Returns
    -------
    The view, in a notebook; what ``pyvista.Plotter.show`` gives, with a window; the picture as an
    array where there is neither.
    """
    notebook = _in_notebook()
    hidden = notebook or not has_display()
    if notebook and find_spec("trame_vtk"):
        from mechlearn.render.page import embedded

        made = plotter(run, **{"off_screen": True, "words": False, **options})
        try:
            return embedded(made)
        finally:
            made.close()
    made = plotter(run, **{"off_screen": hidden, **options})
    if run.network.dim == 2 and made.iren is not None:
        made.iren.enable_2d_style()
    if notebook:
        from PIL import Image

        image = np.asarray(made.screenshot(return_img=True))
        made.close()
        return Image.fromarray(image)
    return made.show(screenshot=hidden)


def _add_bar(plotter: "pyvista.Plotter", shades: Shades) -> None:
    import pyvista as pv

    table = pv.LookupTable(shades.map, scalar_range=(shades.low, shades.high))
    table.log_scale = shades.log
    mapper = pv.DataSetMapper()
    mapper.lookup_table = table
    mapper.scalar_range = (shades.low, shades.high)
    plotter.scalar_bars.add_scalar_bar(
        shades.title + "\n",
        mapper=mapper,
        color=INK,
        vertical=True,
        position_x=0.87,
        position_y=0.2,
        height=0.6,
        width=0.06,
        fmt="%.3g",
    )


def _add_names(plotter: "pyvista.Plotter", scene: Scene) -> None:
    for mark in scene.marks[:LABELS]:
        plotter.add_point_labels(
            scene.anchors_of(mark)[:1],
            [f"  {mark.terminal.name}"],
            text_color=mark.colour,
            shape=None,
            font_size=18,
            always_visible=True,
            show_points=False,
        )


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"
