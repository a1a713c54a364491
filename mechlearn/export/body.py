"""Parts as closed triangulated surfaces by manifold3d: extruded in 2D, round struts in 3D."""

from itertools import product
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from mechlearn.errors import SolveError
from mechlearn.export.part import Part, lowest, silhouette
from mechlearn.extensions import load
from mechlearn.solids.kernels import Kernel, Manifolds
from mechlearn.solids.struts import Rod

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
    kernel = Manifolds(manifold, SIDES)
    body = kernel.union(*bodies(part, kernel)).simplify(DETAIL)
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


def rods(part: Part) -> list[Rod]:
    """Every strut as places along it and radii there, in mm; linear in between.

    A fillet is a cone from the joint, as wide as it, to the strut at that distance from the joint.
    """
    struts, fillet = part.struts, part.options.fillet
    if not fillet:
        return struts.rods
    out = []
    joints = struts.joint_radius[struts.network.edges]
    for (place, radius), radii in zip(struts.rods, joints, strict=True):
        length, reach = place[-1], radii + fillet
        if reach.sum() < length:
            more = np.unique([*place, reach[0], length - reach[1]])
            place, radius = more, np.interp(more, place, radius)
            for at, r, far in zip((0.0, length), radii, reach, strict=True):
                away = np.abs(place - at)
                foot = np.interp(abs(at - far), place, radius)
                cone = r + (foot - r) * away / far
                radius = np.where(away < far, np.maximum(radius, cone), radius)
        out.append((place, radius))
    return out


def bodies(part: Part, kernel: Kernel) -> tuple[list, list]:
    """Bodies of a geometry kernel to unite, and to subtract: sheet or struts, plate, posts, holes.

    In the plane every supported node has a hole; in space there are four in the corners of the
    base plate, which reaches beyond the part by twice their diameter.
    """
    nodes, joints = part.struts.network.nodes, part.struts.joint_radius[:, None]
    held = nodes[part.supported]
    base, hole = part.options.base or 0.0, part.options.hole or 0.0
    if part.dim == 2:
        shape = silhouette(part)
        floor, bottom = 0.0, base + part.gap if base else 0.0
        tops, roof = np.full(len(held), bottom + part.thickness / 2), bottom + part.thickness
        made = kernel.sheet(shape, bottom, part.thickness)
        low, high = np.array(shape.bounds).reshape(2, 2)
        drilled = held.tolist()
    else:
        floor = lowest(part) - part.gap - base
        tops, roof = held[:, 2], floor + base
        balls, struts = kernel.struts(part.struts, rods(part))
        made = balls + struts
        low = (nodes - joints).min(axis=0)[:2] - 2 * hole
        high = (nodes + joints).max(axis=0)[:2] + 2 * hole
        drilled = [*product(*zip(low + hole, high - hole, strict=True))]
    if not base:
        return made, []
    made += kernel.box([*low, floor], [*high, floor + base])
    for (x, y), top, radius in zip(held[:, :2], tops, part.posts, strict=True):
        # Into plate and part, but no further: faces that coincide are hard to unite.
        made += kernel.post(x, y, floor + base / 2, top, radius)
    cuts = [kernel.post(x, y, floor - base, roof + base, hole / 2) for x, y in drilled if hole]
    return made, [body for cut in cuts for body in cut]
