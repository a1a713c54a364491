"""A scene as one page of HTML, to be turned in any browser, with no server and no network."""

import io
import json
import zipfile
from dataclasses import dataclass, field
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mechlearn.errors import InputError
from mechlearn.render.shown import Look
from mechlearn.render.window import plotter

if TYPE_CHECKING:
    import pyvista

    from mechlearn.run import Run


def write_page(run: "Run", path: Path, *, example: int, look: Look, size: tuple[int, int]) -> Path:
    """Write the learned network as one page of HTML in which it can be turned (vtk.js).

    Raises
    ------
    InputError
        Where what writes it is not installed, or the file cannot be written.
    """
    if not find_spec("trame_vtk"):
        raise InputError(
            f"{path}: a page to turn a network in needs trame; pip install 'mechlearn[notebook]'."
        )
    options = {n: getattr(look, n) for n in ("colour", "thickness", "amplify", "whole")}
    made = plotter(run, example=example, words=False, off_screen=True, window_size=size, **options)
    try:
        text = page(made)
    finally:
        made.close()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from None
    return path


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
    """What a plotter shows, to be turned in a notebook."""
    width, height = plotter.window_size
    return Embedded(
        f'<iframe srcdoc="{escape(page(plotter))}" style="border:0;width:100%;'
        f'max-width:{width}px;height:{height}px"></iframe>'
    )


def page(plotter: "pyvista.Plotter") -> str:
    """What a plotter shows, as a self-contained page of HTML.

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
    # The viewer fits the scene to its window, too small where the projection is parallel.
    plotter.camera.parallel_projection = False
    plotter.render()
    window = plotter.render_window
    scene = serialize(None, window, reference_id(window), context, 1)
    camera = window.GetRenderers().GetFirstRenderer().GetActiveCamera()
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
