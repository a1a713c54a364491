"""Parts for CAD: STEP by gmsh's OpenCASCADE, with true cylinders, cones and balls in space."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import SolveError
from mechlearn.export.body import hole_places, plate_corners, rods, surface
from mechlearn.export.options import Options
from mechlearn.export.part import Part, lowest, make_part, silhouette
from mechlearn.meshfile import save
from mechlearn.solids.meshing import TRIES, gmsh_session, trouble

if TYPE_CHECKING:
    from mechlearn.run import Run

#: What OpenCASCADE may lose of a part's volume, which the union of triangles tells to 1e-4.
LOST = 2e-3
#: How far out in a ball, over its radius, the rims of the rods that end in it may lie.
INSIDE = 0.985
#: Corners of plane parts that lie this close (mm) to a straight side are left out: each is a face.
FLAT = 5e-3


def write(run: "Run", path: Path, options: Options) -> str:
    """Write the part as a solid in mm; see :func:`mechlearn.export.export`."""
    part = make_part(run, options)
    wanted = float(surface(part).volume)
    for attempt in range(TRIES if part.dim == 3 else 1):
        try:
            volume, content = _made(part, attempt)
        except SolveError as error:
            failed = error
            continue
        if abs(volume / wanted - 1) < LOST:
            save(path, content)
            return f"One solid of {volume / 1000:.4g} cm3. {part}"
        failed = SolveError(
            f"OpenCASCADE lost some of the part: its volume is {volume / 1000:.4g} cm3, not "
            f"{wanted / 1000:.4g}; change widths or fillet a little, or write 3mf or stl."
        )
    raise failed


def _made(part: Part, attempt: int) -> tuple[float, bytes]:
    """The volume of a part in mm3, as it is read from its STEP file, and that file."""
    with (
        trouble("OpenCASCADE could not unite the struts", "widths or fillet"),
        gmsh_session() as gmsh,
        tempfile.TemporaryDirectory() as folder,
    ):
        gmsh.option.setString("Geometry.OCCTargetUnit", "MM")
        # In space the halves of balls must stay apart.
        gmsh.option.setNumber("Geometry.OCCUnionUnify", int(part.dim == 2))
        occ = gmsh.model.occ
        pieces, cuts = _plane(occ, part) if part.dim == 2 else _space(occ, part, attempt)
        _unite(gmsh, pieces, cuts)
        with _hushed():
            gmsh.write(f"{folder}/part.step")
            gmsh.clear()
            # What others read counts, not what was written.
            bodies = [e for e in occ.importShapes(f"{folder}/part.step") if e[0] == 3]
        volume = sum(occ.getMass(*body) for body in bodies)
        return volume, (Path(folder) / "part.step").read_bytes()


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


def _unite(gmsh, pieces: list, cuts: list) -> None:
    """Unite bodies and take others away; what is left must be one body."""
    occ = gmsh.model.occ
    if len(pieces) > 1:
        occ.fuse(pieces[:1], pieces[1:])
    if cuts:
        occ.cut(occ.getEntities(3)[:1], cuts)
    occ.synchronize()
    bodies = gmsh.model.getEntities(3)
    if len(bodies) != 1:
        raise SolveError(f"The part is {len(bodies)} bodies, not one; make struts wider (largest).")


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


def _space(occ, part: Part, attempt: int) -> tuple[list, list]:
    """Bodies to unite and to take away; the balls are turned another way in every attempt."""
    net = part.struts.network
    pieces = _half_balls(occ, net.nodes, part.struts.joint_radius, attempt)
    joints = part.struts.joint_radius[net.edges]
    for rod, ends, axis, first in zip(
        rods(part), joints, part.struts.axes, net.edges[:, 0], strict=True
    ):
        place, radius = _shortened(*rod, *ends)
        starts = net.nodes[first] + place[:-1, None] * axis
        for x, along, one, two in zip(
            starts, np.diff(place)[:, None] * axis, radius[:-1], radius[1:], strict=True
        ):
            alike = abs(one - two) < 1e-9 * one
            make = (occ.addCylinder, (one,)) if alike else (occ.addCone, (one, two))
            pieces.append((3, make[0](*x, *along, *make[1])))
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


def _half_balls(occ, centres: NDArray, radii: NDArray, attempt: int) -> list[tuple[int, int]]:
    """Balls in two halves each, turned at random where this is not the first attempt (0).

    The face of a whole ball closes on itself at a seam; trimmed by rods, it comes back from a STEP
    file with pieces missing (1 to 3 % of the volume), without an error. Half a ball's does not.
    """
    rng, out = np.random.default_rng(attempt), []
    for centre, radius in zip(centres, radii, strict=True):
        pair = [(3, occ.addSphere(*centre, radius, -1, -np.pi / 2, np.pi / 2, np.pi)) for _ in "ab"]
        occ.rotate(pair[1:], *centre, 0, 0, 1, np.pi)
        if attempt:
            occ.rotate(pair, *centre, *rng.normal(size=3), rng.uniform(0.5, 2.5))
        out += pair
    return out


def _shortened(
    place: NDArray, radius: NDArray, first: float, last: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A rod that ends inside its balls, not at their centres, where surfaces would touch.

    Rods of a joint then cross each other less, too; the union is the same.
    """
    ends = []
    for ball, away in ((first, place), (last, place[-1] - place[::-1])):
        thick = radius if away is place else radius[::-1]
        x = np.linspace(0, min(ball, 0.4 * place[-1]), 101)
        far = np.hypot(x, np.interp(x, away, thick))
        ends.append(x[np.flatnonzero(far <= max(INSIDE * ball, far.min()))[-1]])
    low, high = ends[0], place[-1] - ends[1]
    kept = np.unique([low, *place[(place > low) & (place < high)], high])
    return kept, np.interp(kept, place, radius)
