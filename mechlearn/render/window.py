"""The learned network in a window or a notebook, to be turned by hand."""

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mechlearn.plots import INK
from mechlearn.render.colours import QUIET, Shades
from mechlearn.render.drawing import draw_bonds, draw_marks
from mechlearn.render.labels import LABELS
from mechlearn.render.offscreen import has_display, load_pyvista
from mechlearn.render.pictures import check_options
from mechlearn.render.scene import Scene
from mechlearn.render.shown import learned_caption, learned_state
from mechlearn.render.view import view

if TYPE_CHECKING:
    import pyvista

    from mechlearn.run import Run


def show(
    run: "Run",
    *,
    example: int = 1,
    colour: str | None = None,
    amplify: float | None = None,
    **options: Any,
) -> Any:
    """Show the learned network, deformed, in a window or a notebook (pyvista).

    Parameters
    ----------
    run : Run
    example, colour, amplify : as for :func:`render`
    **options : handed to ``pyvista.Plotter``

    Returns
    -------
    What ``pyvista.Plotter.show`` gives: a widget or image in a notebook; the picture as an array
    where there is neither a notebook nor a display.
    """
    check_options(run, "network", example, colour, amplify)
    pv = load_pyvista()
    shown = learned_state(run, example - 1, colour, amplify)
    (scene,) = shown.scenes
    notebook = _in_notebook()
    hidden = not notebook and not has_display()
    plotter = pv.Plotter(**{"off_screen": hidden, "window_size": (1200, 800), **options})
    plotter.background_color = "white"
    draw_bonds(plotter, scene)
    draw_marks(plotter, scene)
    _add_bar(plotter, shown.shades)
    _add_names(plotter, scene)
    plotter.add_text(learned_caption(shown), font_size=11, color=QUIET, position="lower_left")
    size = tuple(plotter.window_size)
    view(scene.points(), run.network.dim, size, scene.mark_points(), (0.17, 0.08)).aim(plotter)
    plotter.camera_set = True
    if scene.flat and not (hidden or notebook):
        plotter.enable_2d_style()
    if notebook:
        return plotter.show(**({} if find_spec("trame") else {"jupyter_backend": "static"}))
    return plotter.show(**({"screenshot": True} if hidden else {}))


def _add_bar(plotter: "pyvista.Plotter", shades: Shades) -> None:
    import pyvista as pv

    table = pv.LookupTable(shades.map, scalar_range=(shades.low, shades.high))
    table.log_scale = shades.log
    mapper = pv.DataSetMapper()
    mapper.lookup_table = table
    mapper.scalar_range = (shades.low, shades.high)
    plotter.add_scalar_bar(
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
            scene.nodes_of(mark)[:1],
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
