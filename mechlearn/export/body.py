"""Parts as closed triangulated surfaces by manifold3d: extruded in 2D, round struts in 3D."""

from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import SolveError
from mechlearn.export.part import Part, lowest, silhouette
from mechlearn.extensions import load
from mechlearn.solids import facets

if TYPE_CHECKING:
    from trimesh import Trimesh

#: Sides of the prisms that stand for cylinders.
SIDES = 48
#: Details of a surface below this many mm are left out.
DETAIL = 1e-4
#: Points lie on a grid of so many mm, or that of single precision where it is coarser.
POINT = 1e-6


def optional(module: str) -> ModuleType:
    """A module of the extra ``make``; raises MechlearnError that says how to install it."""
    return load(module, "make", "Making parts needs")


def surface(part: Part) -> "Trimesh":
    """Surface of a part in mm, closed and connected.

    Raises
    ------
    InputError
        For what cannot be made, see :mod:`mechlearn.export.part`.
    SolveError
        Where the surface is not closed, or is of several bodies.
    """
    manifold, trimesh = optional("manifold3d"), optional("trimesh")
    pieces, cuts = (_plane if part.dim == 2 else _space)(manifold, part)
    body = manifold.Manifold.batch_boolean(pieces, manifold.OpType.Add)
    if cuts:
        body = manifold.Manifold.batch_boolean([body, *cuts], manifold.OpType.Subtract)
    body = body.simplify(DETAIL)
    mesh = _as_printed(trimesh, body.to_mesh64())
    check_closed(mesh)
    return mesh


def _as_printed(trimesh: ModuleType, raw: Any) -> "Trimesh":
    """Closed surface in the single precision of printers' files, with the same triangles.

    Points that become the same are set apart by as little as can be: to merge them, or to leave
    out triangles without area, could open the surface, or fold it onto itself.
    """
    faces = np.asarray(raw.tri_verts, dtype=np.int64)
    one = np.arange(len(raw.vert_properties))
    one[np.asarray(raw.merge_from_vert, dtype=np.int64)] = np.asarray(raw.merge_to_vert)
    kept, faces = np.unique(one[faces], return_inverse=True)
    points = np.asarray(raw.vert_properties)[kept, :3]
    points = (np.rint(points / POINT) * POINT).astype(np.float32)
    axis = 0
    while True:
        _, first, place = np.unique(points, axis=0, return_index=True, return_inverse=True)
        again = np.flatnonzero(first[place.ravel()] != np.arange(len(points)))
        if not len(again):
            break
        least = np.spacing(np.abs(points[again, axis]))
        points[again, axis] += np.maximum(least, np.float32(POINT))
        axis = (axis + 1) % 3
    return trimesh.Trimesh(points.astype(float), faces.reshape(-1, 3), process=False)


def check_closed(mesh: "Trimesh") -> None:
    """Raise SolveError unless a surface encloses exactly one body."""
    bodies = mesh.body_count
    if not (mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0):
        raise SolveError("The surface is not closed; change widths or fillet a little.")
    if bodies != 1:
        raise SolveError(f"The part is {bodies} bodies, not one; make struts wider (largest).")


# -- in the plane ------------------------------------------------------------------------------


def _plane(manifold: ModuleType, part: Part) -> tuple[list, list]:
    """Solids to unite and to subtract."""
    shape = silhouette(part)
    rings = [shape.exterior, *shape.interiors]
    contours = [np.asarray(ring.coords)[:-1, :2] for ring in rings]
    section = manifold.CrossSection(contours, manifold.FillRule.EvenOdd)
    body = manifold.Manifold.extrude(section, part.thickness)
    if not part.options.base:
        return [body], []
    base, top = part.options.base, part.options.base + part.gap
    low, high = np.array(shape.bounds).reshape(2, 2)
    plate = manifold.Manifold.cube([*(high - low), base]).translate([*low, 0.0])
    posts, holes = [], []
    for (x, y), radius in zip(part.struts.network.nodes[part.supported], part.posts, strict=True):
        post = manifold.Manifold.cylinder(top + part.thickness / 2, radius, -1, SIDES)
        posts.append(post.translate([x, y, 0]))
        if part.options.hole:
            hole = manifold.Manifold.cylinder(
                top + 2 * part.thickness, part.options.hole / 2, -1, SIDES
            )
            holes.append(hole.translate([x, y, -part.thickness / 2]))
    return [body.translate([0, 0, top]), plate, *posts], holes


# -- in space ----------------------------------------------------------------------------------


def rods(part: Part) -> list[tuple[NDArray, NDArray]]:
    """Every strut as places along it and radii there, in mm; linear in between.

    A fillet is a cone from the joint, as wide as it, to the strut at that distance from the joint.
    """
    struts, fillet = part.struts, part.options.fillet
    net = struts.network
    stations = struts.stations
    half = struts.profile(stations)[0] / 2
    out = []
    for (i, j), length, width in zip(net.edges, net.lengths, struts.width, strict=True):
        place, radius = stations * length, half * width
        if fillet:
            ends = [(0.0, struts.joint_radius[i]), (length, struts.joint_radius[j])]
            reach = [r + fillet for _, r in ends]
            if sum(reach) < length:
                more = np.unique([*place, reach[0], length - reach[1]])
                radius = np.interp(more, place, radius)
                place = more
                for (at, r), far in zip(ends, reach, strict=True):
                    away = np.abs(place - at)
                    foot = np.interp(abs(at - far), place, radius)
                    cone = r + (foot - r) * away / far
                    radius = np.where(away < far, np.maximum(radius, cone), radius)
        out.append((place, radius))
    return out


def _space(manifold: ModuleType, part: Part) -> tuple[list, list]:
    make, net = manifold.Manifold, part.struts.network
    starts, axes = net.nodes[net.edges[:, 0]], part.struts.axes
    pieces = facets.balls(manifold, net.nodes, part.struts.joint_radius, SIDES)
    pieces += facets.rods(manifold, starts, axes, rods(part), SIDES)
    if not part.options.base:
        return pieces, []
    base, floor = part.options.base, lowest(part) - part.gap
    low, high = plate_corners(part)
    pieces.append(make.cube([*(high - low), base]).translate([*low, floor - base]))
    for node, radius in zip(net.nodes[part.supported], part.posts, strict=True):
        post = make.cylinder(node[2] - floor + base / 2, radius, -1, SIDES)
        pieces.append(post.translate([node[0], node[1], floor - base / 2]))
    holes = []
    if part.options.hole:
        for x, y in hole_places(part):
            hole = make.cylinder(3 * base, part.options.hole / 2, -1, SIDES)
            holes.append(hole.translate([x, y, floor - 2 * base]))
    return pieces, holes


def plate_corners(part: Part) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners of the base plate, beyond the part by twice its hole diameter."""
    nodes, radius = part.struts.network.nodes[:, :2], part.struts.joint_radius[:, None]
    margin = 2 * (part.options.hole or 0.0)
    return (nodes - radius).min(axis=0) - margin, (nodes + radius).max(axis=0) + margin


def hole_places(part: Part) -> list[tuple[float, float]]:
    """Centres of the holes in the corners of the base plate."""
    low, high = plate_corners(part)
    hole = part.options.hole or 0.0
    a, b = low + hole, high - hole
    return [(a[0], a[1]), (b[0], a[1]), (b[0], b[1]), (a[0], b[1])]
