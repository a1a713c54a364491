"""Plane parts for CAD: STEP by gmsh's OpenCASCADE."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mechlearn.errors import InputError, SolveError
from mechlearn.export.options import Options
from mechlearn.export.part import Part, make_part, silhouette
from mechlearn.meshfile import save
from mechlearn.solids.meshing import gmsh_session, trouble

if TYPE_CHECKING:
    from mechlearn.run import Run

#: Corners of plane parts that lie this close (mm) to a straight side are left out: each is a face.
FLAT = 5e-3


def write(run: "Run", path: Path, options: Options) -> str:
    """Write the part as a solid in mm; see :func:`mechlearn.export.export`."""
    if run.network.dim == 3:
        raise InputError(
            "STEP carries plane parts only: round rods that OpenCASCADE united came out too small. "
            "Write a part in space as 3mf, stl or ply."
        )
    part = make_part(run, options)
    failed = trouble("OpenCASCADE could not unite the struts", "widths or fillet")
    with failed, gmsh_session() as gmsh, tempfile.TemporaryDirectory() as folder:
        gmsh.option.setString("Geometry.OCCTargetUnit", "MM")
        pieces, cuts = _plane(gmsh.model.occ, part)
        volume = _united(gmsh, pieces, cuts)
        with _hushed():
            gmsh.write(f"{folder}/part.step")
        content = (Path(folder) / "part.step").read_bytes()
    save(path, content)
    return f"One solid of {volume / 1000:.4g} cm3. {part}"


@contextmanager
def _hushed() -> Iterator[None]:
    """Keep what OpenCASCADE prints, on the process's own stdout, from the user."""
    sys.stdout.flush()
    kept = os.dup(1)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _united(gmsh, pieces: list, cuts: list) -> float:
    """Unite bodies, take others away, and give the volume of what is left: one body."""
    occ = gmsh.model.occ
    if len(pieces) > 1:
        occ.fuse(pieces[:1], pieces[1:])
    if cuts:
        occ.cut(occ.getEntities(3)[:1], cuts)
    occ.synchronize()
    bodies = gmsh.model.getEntities(3)
    if len(bodies) != 1:
        raise SolveError(f"The part is {len(bodies)} bodies, not one; make struts wider (largest).")
    return occ.getMass(*bodies[0])


def _polygon(occ, corners) -> int:
    """A closed loop through corners in space."""
    points = [occ.addPoint(*map(float, x)) for x in corners]
    following = points[1:] + points[:1]
    lines = [occ.addLine(a, b) for a, b in zip(points, following, strict=True)]
    return occ.addCurveLoop(lines)


def _plane(occ, part: Part) -> tuple[list, list]:
    shape = silhouette(part).simplify(FLAT)
    base = part.options.base
    top = base + part.gap if base else 0.0
    loops = []
    for ring in [shape.exterior, *shape.interiors]:
        corners = _leftwards(np.asarray(ring.coords)[:-1, :2])
        loops.append(_polygon(occ, np.column_stack([corners, np.full(len(corners), top)])))
    sheet = occ.addPlaneSurface(loops)
    (body,) = (e for e in occ.extrude([(2, sheet)], 0, 0, part.thickness) if e[0] == 3)
    if not base:
        return [body], []
    low, high = np.array(shape.bounds).reshape(2, 2)
    pieces, cuts = [body, (3, occ.addBox(*low, 0, *(high - low), base))], []
    tall = top + part.thickness
    places = part.struts.network.nodes[part.supported]
    for (x, y), radius in zip(places, part.posts, strict=True):
        # Into plate and pad, but no further: faces that coincide are hard to unite.
        foot = base / 2
        reach = top + part.thickness / 2 - foot
        pieces.append((3, occ.addCylinder(x, y, foot, 0, 0, reach, radius)))
        if part.options.hole:
            cut = occ.addCylinder(x, y, -base, 0, 0, tall + 2 * base, part.options.hole / 2)
            cuts.append((3, cut))
    return pieces, cuts


def _leftwards(corners: np.ndarray) -> np.ndarray:
    """A loop run anticlockwise: OpenCASCADE turns holes around by itself."""
    (x, y), (u, v) = corners.T, np.roll(corners, -1, axis=0).T
    return corners if (x * v - y * u).sum() > 0 else corners[::-1]
