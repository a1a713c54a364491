"""Scenes as self-contained pages of HTML."""

import io
import json
import zipfile
from dataclasses import dataclass, field
from html import escape
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mechlearn.extensions import load
from mechlearn.io.writing import write_file
from mechlearn.plots import INK, short_number
from mechlearn.render.captions import heading, label, percent
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
    text = text.replace("<body>", f"<body>{legend(shown)}<div class=content></div>", 1)
    write_file(path, text.encode())
    return path


def legend(shown: RunView) -> str:
    """HTML overlay with title, colour bar, names of sources and targets, and caption."""
    shades, (scene,) = shown.shades, shown.scenes
    colours = np.asarray(shades.map(np.linspace(1, 0, 33), bytes=True))[:, :3]
    ramp = ", ".join("rgb({}, {}, {})".format(*c) for c in colours.tolist())
    middle = np.sqrt(shades.low * shades.high) if shades.log else (shades.low + shades.high) / 2
    amount = percent if shades.title.startswith("strain") else short_number
    ticks = "".join(f"<span>{amount(float(v))}</span>" for v in (shades.high, middle, shades.low))
    reached = {
        t["name"]: t["reached"]
        for t in shown.run.targets
        if t.get("example", 1) == shown.example + 1
    }
    names = "".join(
        f'<p style="color:{mark.colour}">{_lines(label(mark, reached.get(mark.terminal.name)))}</p>'
        for mark in scene.marks[:LABELS]
    )
    caption = learned_caption(shown)
    return (
        f"{_STYLE}<div class=legend><h1>{escape(heading(shown.run))}</h1>"
        f"<b>{_lines(shades.title)}</b>"
        f'<div class=bar><i style="background:linear-gradient({ramp})"></i><div>{ticks}</div></div>'
        f"{names}</div><div class=caption>{escape(caption[0].upper() + caption[1:])}</div>"
    )


def _lines(text: str) -> str:
    return escape(text).replace("\n", "<br>")


_STYLE = f"""<style>
.legend, .caption {{ position: fixed; z-index: 9; left: 16px; pointer-events: none;
  color: {INK}; font: 14px/1.35 system-ui, "DejaVu Sans", sans-serif; }}
.legend {{ top: 12px; }}
.legend h1 {{ font-size: 20px; margin: 0 0 14px; }}
.legend .bar {{ display: flex; height: 190px; margin: 6px 0 16px; }}
.legend .bar i {{ width: 18px; margin-right: 7px; }}
.legend .bar div {{ display: flex; flex-direction: column; justify-content: space-between; }}
.legend p {{ margin: 0 0 9px; }}
.content {{ position: fixed; inset: 0; }}
.caption {{ bottom: 12px; color: {QUIET}; }}
</style>"""


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
