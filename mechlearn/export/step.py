"""STEP files for CAD by gmsh's OpenCASCADE, with exact cylinders, cones and balls."""

import tempfile
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import SolveError
from mechlearn.export.body import hole_places, plate_corners, rods, surface
from mechlearn.export.options import Options
from mechlearn.export.part import Part, lowest, make_part, silhouette
from mechlearn.io.writing import write_file
from mechlearn.solids.boolean import (
    TRIES,
    Bodies,
    check_volume,
    first_success,
    rotate_bodies,
    shortened_rod,
    union,
)
from mechlearn.solids.meshing import gmsh_session, meshing_error

if TYPE_CHECKING:
    from mechlearn.runs.run import Run

#: What OpenCASCADE may lose of a part's volume, which the union of triangles tells to 1e-4.
LOST = 2e-3
#: Corners of plane parts that lie this close (mm) to a straight side are left out: each is a face.
FLAT = 5e-3


def write(run: "Run", path: Path, options: Options) -> str:
    """Write the part as a solid in mm; see :func:`mechlearn.export.export`."""
    part = make_part(run, options)
    wanted = float(surface(part).volume)
    # Nothing can be turned in the plane: one attempt is as good as many.
    volume, content = first_success(
        _made, part.struts, part, wanted, tries=1 if part.dim == 2 else TRIES
    )
    write_file(path, content)
    return f"One solid of {volume / 1000:.4g} cm3. {part}"


def _made(part: Part, wanted: float, attempt: int) -> tuple[float, bytes]:
    """Volume of a part in mm3, as read back from its STEP file, and that file."""
    with (
        meshing_error("OpenCASCADE could not unite the struts", "widths or fillet"),
        gmsh_session() as gmsh,
        tempfile.TemporaryDirectory() as folder,
    ):
        gmsh.option.setString("Geometry.OCCTargetUnit", "MM")
        # In space the halves of balls must stay apart.
        gmsh.option.setNumber("Geometry.OCCUnionUnify", int(part.dim == 2))
        occ = gmsh.model.occ
        pieces, cuts = _plane(occ, part) if part.dim == 2 else _space(occ, part, attempt)
        body = _united(gmsh, pieces, cuts)
        # Before it is written and read, which takes as long.
        check_volume(occ.getMass(*body), wanted, LOST)
        gmsh.write(f"{folder}/part.step")
        gmsh.clear()
        # What others read counts, not what was written.
        bodies = [e for e in occ.importShapes(f"{folder}/part.step") if e[0] == 3]
        volume = sum(occ.getMass(*body) for body in bodies)
        check_volume(volume, wanted, LOST)
        return volume, (Path(folder) / "part.step").read_bytes()


def _united(gmsh: ModuleType, pieces: Bodies, cuts: Bodies) -> tuple[int, int]:
    """Union of bodies minus others; must be a single body."""
    occ = gmsh.model.occ
    bodies = union(occ, pieces[:1], pieces[1:])
    if cuts:
        bodies = occ.cut(bodies, cuts)[0]
    occ.synchronize()
    if len(bodies) != 1:
        raise SolveError(f"The part is {len(bodies)} bodies, not one; make struts wider (largest).")
    return bodies[0]


def _polygon(occ: Any, corners: NDArray) -> int:
    """A closed loop through corners in space."""
    points = [occ.addPoint(*map(float, x)) for x in corners]
    following = points[1:] + points[:1]
    lines = [occ.addLine(a, b) for a, b in zip(points, following, strict=True)]
    return occ.addCurveLoop(lines)


def _plane(occ: Any, part: Part) -> tuple[Bodies, Bodies]:
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
    """Loop in anticlockwise order; OpenCASCADE reverses holes itself."""
    (x, y), (u, v) = corners.T, np.roll(corners, -1, axis=0).T
    return corners if (x * v - y * u).sum() > 0 else corners[::-1]


def _space(occ: Any, part: Part, attempt: int) -> tuple[Bodies, Bodies]:
    """Bodies to unite and to subtract; the balls are rotated anew in every attempt."""
    net = part.struts.network
    pieces = _half_balls(occ, net.nodes, part.struts.joint_radius, attempt)
    joints = part.struts.joint_radius[net.edges]
    for rod, ends, axis, first in zip(
        rods(part), joints, part.struts.axes, net.edges[:, 0], strict=True
    ):
        place, radius = shortened_rod(*rod, *ends)
        starts = net.nodes[first] + place[:-1, None] * axis
        for x, along, one, two in zip(
            starts, np.diff(place)[:, None] * axis, radius[:-1], radius[1:], strict=True
        ):
            alike = abs(one - two) < 1e-9 * one
            make = (occ.addCylinder, (one,)) if alike else (occ.addCone, (one, two))
            pieces.append((3, make[0](*x, *along, *make[1])))
            rotate_bodies(occ, pieces[-1:], x, axis, attempt)
    if not part.options.base:
        return pieces, []
    base, floor = part.options.base, lowest(part) - part.gap
    low, high = plate_corners(part)
    pieces.append((3, occ.addBox(*low, floor - base, *(high - low), base)))
    for node, radius in zip(net.nodes[part.supported], part.posts, strict=True):
        foot = floor - base / 2
        pieces.append((3, occ.addCylinder(node[0], node[1], foot, 0, 0, node[2] - foot, radius)))
    cuts = []
    if part.options.hole:
        for x, y in hole_places(part):
            hole = occ.addCylinder(x, y, floor - 2 * base, 0, 0, 3 * base, part.options.hole / 2)
            cuts.append((3, hole))
    return pieces, cuts


def _half_balls(occ: Any, centres: NDArray, radii: NDArray, attempt: int) -> Bodies:
    """Balls as two halves each, rotated at random after the first attempt (0).

    The face of a whole ball closes on itself at a seam; trimmed by rods, it comes back from a STEP
    file with pieces missing (1 to 3 % of the volume), without an error. Half a ball's does not.
    """
    out = []
    for centre, radius in zip(centres, radii, strict=True):
        pair = [(3, occ.addSphere(*centre, radius, -1, -np.pi / 2, np.pi / 2, np.pi)) for _ in "ab"]
        occ.rotate(pair[1:], *centre, 0, 0, 1, np.pi)
        rotate_bodies(occ, pair, centre, None, attempt)
        out += pair
    return out
