"""Files for laser cutters: closed outlines in mm as DXF and SVG."""

import io
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError, plain
from mechlearn.export.body import optional
from mechlearn.export.options import Options
from mechlearn.export.part import make_part, silhouette
from mechlearn.io.writing import write_file
from mechlearn.solids import outline

if TYPE_CHECKING:
    from mechlearn.runs.run import Run


def write(run: "Run", path: Path, options: Options) -> str:
    """Write outlines, the outer one first, then the holes; see :mod:`mechlearn.export`."""
    if run.network.dim == 3:
        raise InputError("A sheet is plane; a network in space goes into stl, 3mf, ply or step.")
    part = make_part(run, options)
    shape = silhouette(part)
    area = shape.area
    if options.kerf:
        holes = len(shape.interiors)
        shape = shape.buffer(options.kerf / 2, join_style="mitre")
        if shape.geom_type != "Polygon" or len(shape.interiors) != holes:
            raise InputError(
                f"kerf = {options.kerf:g} mm is wider than a hole between struts; use a finer cut."
            )
    rings = outline.rings(shape)
    drawing = {".dxf": _dxf, ".svg": _svg}[path.suffix.lower()](rings, plain(run.setup.title, 200))
    write_file(path, drawing.encode())
    sides = " x ".join(f"{side:.4g}" for side in np.ptp(rings[0], axis=0))
    length = sum(np.linalg.norm(r - np.roll(r, 1, axis=0), axis=1).sum() for r in rings)
    return (
        f"{sides} mm, {area / 100:.4g} cm2 in {len(rings)} closed outlines, {length:.4g} mm to "
        f"cut. {part}"
    )


def _dxf(rings: list[NDArray], title: str) -> str:
    """Closed polylines on the layer CUT, in mm."""
    ezdxf = optional("ezdxf")
    drawing = ezdxf.new("R2010", units=ezdxf.units.MM)
    drawing.layers.add("CUT", color=1)  # red, as cutters expect
    space = drawing.modelspace()
    for ring in rings:
        space.add_lwpolyline(ring.tolist(), close=True, dxfattribs={"layer": "CUT"})
    drawing.header.custom_vars.append("Title", title or "learned network")
    out = io.StringIO()
    drawing.write(out)
    return out.getvalue()


def _svg(rings: list[NDArray], title: str) -> str:
    """One path with holes in hairline width; user units are mm, y points down."""
    low, high = rings[0].min(axis=0), rings[0].max(axis=0)
    width, height = high - low
    loops = []
    for ring in rings:
        x, y = ring[:, 0] - low[0], high[1] - ring[:, 1]
        corners = " L".join(f"{a:.5f},{b:.5f}" for a, b in zip(x, y, strict=True))
        loops.append(f"M{corners} Z")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.5f}mm" height="{height:.5f}mm" '
        f'viewBox="0 0 {width:.5f} {height:.5f}">\n'
        f"<title>{escape(title or 'learned network')}</title>\n"
        f'<path fill="none" fill-rule="evenodd" stroke="#ff0000" stroke-width="0.01" '
        f'd="{" ".join(loops)}"/>\n</svg>\n'
    )
