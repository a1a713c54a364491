"""Scenes as self-contained pages of HTML."""

import io
import json
import zipfile
from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mechlearn.extensions import load
from mechlearn.io.writing import write_file
from mechlearn.plots.style import INK
from mechlearn.render.captions import heading, label
from mechlearn.render.colours import QUIET
from mechlearn.render.labels import LABELS
from mechlearn.render.run_view import Look, RunView, learned_caption
from mechlearn.render.window import draw_view

if TYPE_CHECKING:
    import pyvista

    from mechlearn.runs.run import Run


def write_page(run: "Run", path: Path, *, example: int, look: Look, size: tuple[int, int]) -> Path:
    """Write the learned network as one page of HTML in which it can be turned (vtk.js).

    Raises
    ------
    InputError
        Where what writes it is not installed, or the file cannot be written.
    """
    load("trame_vtk", "notebook", f"{path}: a page to turn a network in needs")
    shown = RunView(run, example - 1, look)
    made = draw_view(shown, words=False, off_screen=True, window_size=size)
    try:
        text = page(made)
    finally:
        made.close()
    # The viewer empties what it draws into: the page, unless there is a place for it.
    text = text.replace("<body>", f"<body>{legend(shown)}", 1)
    write_file(path, text.encode())
    return path


def legend(shown: RunView) -> str:
    """HTML overlay with title, colour bar, names of sources and targets, and caption."""
    from jinja2 import Environment

    shades, (scene,) = shown.shades, shown.scenes
    middle = np.sqrt(shades.low * shades.high) if shades.log else (shades.low + shades.high) / 2
    caption = learned_caption(shown)
    template = files("mechlearn.render").joinpath("legend.html").read_text("utf-8")
    return (
        Environment(autoescape=True, trim_blocks=True)
        .from_string(template)
        .render(
            ink=INK,
            quiet=QUIET,
            heading=heading(shown.run),
            title=shades.title,
            ramp=", ".join("rgb({}, {}, {})".format(*c) for c in shades.ramp(33)[::-1].tolist()),
            ticks=[shades.number(float(v)) for v in (shades.high, middle, shades.low)],
            names=[
                (mark.colour, label(mark, shown.reached.get(mark.terminal.name)))
                for mark in scene.marks[:LABELS]
            ],
            caption=caption[0].upper() + caption[1:],
        )
    )


@dataclass(frozen=True)
class Embedded:
    """A page inside a notebook's.

    Attributes
    ----------
    html : str
        What the notebook shows.
    """

    html: str = field(repr=False)

    def _repr_html_(self) -> str:
        return self.html


def embedded(plotter: "pyvista.Plotter") -> Embedded:
    """Interactive scene of a plotter for a notebook."""
    width, height = plotter.window_size
    return Embedded(
        f'<iframe srcdoc="{escape(page(plotter))}" style="border:0;width:100%;'
        f'max-width:{width}px;height:{height}px"></iframe>'
    )


def page(plotter: "pyvista.Plotter") -> str:
    """Self-contained HTML page of a plotter's scene.

    pyvista's own export starts a web server, which looks for downloads; the pieces it is made of do
    not.
    """
    from trame_vtk.modules.vtk.serializers import (
        SynchronizationContext,
        extract_array_hash,
        initialize_serializers,
        reference_id,
        serialize,
    )
    from trame_vtk.tools.vtksz2html import write_html

    initialize_serializers()
    context = SynchronizationContext()
    context.set_ignore_last_dependencies(True)
    # The viewer is told where the camera is, but neither its angle nor what is parallel.
    seen = plotter.camera
    if seen.parallel_projection:
        centre, place = np.array(seen.focal_point), np.array(seen.position)
        out = (place - centre) / np.linalg.norm(place - centre)
        # What is nearest looks largest, and shall be in view as well.
        corners = np.array(list(product(*np.reshape(plotter.bounds, (3, 2)))))
        near = float(((corners - centre) @ out).max())
        far = seen.parallel_scale / np.tan(np.radians(seen.view_angle / 2)) + near
        seen.parallel_projection = False
        seen.position = tuple(centre + far * out)
        plotter.reset_camera_clipping_range()
    plotter.render()
    window = plotter.render_window
    scene = serialize(None, window, reference_id(window), context, 1)
    camera = plotter.renderer.GetActiveCamera()
    scene["extra"] = {
        "vtkRefId": reference_id(window),
        "centerOfRotation": camera.GetFocalPoint(),
        "camera": reference_id(camera),
    }
    arrays = {
        entry["hash"]: {**entry, "content": context.get_cached_data_array(entry["hash"], False)}
        for entry in extract_array_hash(scene)
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("index.json", json.dumps({"hashes": arrays, "scene": scene}))
    text = io.StringIO()
    write_html(packed.getvalue(), text)
    return text.getvalue()
