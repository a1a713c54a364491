"""Outlines of plane solids: union of struts and joints as a polygon with holes."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError, listed
from mechlearn.extensions import load
from mechlearn.solids.struts import Struts

#: Corners of the polygon that stands for a joint's disc.
FACETS = 16
#: Surfaces closer than this fraction of their half width count as touched by a corner.
SLACK = 0.03
#: Corners of the outline that lie on a strut's side do so to this fraction of its half width.
EXACT = 1e-6
#: Edges shorter than this fraction of the local half width are removed where that is harmless.
SHORT = 0.25


@dataclass(frozen=True, eq=False)
class Outline:
    """Boundary of a plane solid as closed loops.

    Attributes
    ----------
    points : (k, 2) array
        Corners of all loops, one loop after the other.
    loops : list of slices
        The outer loop first, then the holes.
    half_width : (k,) array
        Half width of the thinnest strut, or radius of the joint, at every corner.
    """

    points: NDArray[np.float64]
    loops: list[slice]
    half_width: NDArray[np.float64]


def optional(module: str) -> ModuleType:
    """A module of the extra ``solids``; raises MechlearnError that says how to install it."""
    return load(module, "solids", "Solids need")


def rings(shape: Any) -> list[NDArray[np.float64]]:
    """Corners of a polygon of shapely: of its outer ring, then of those of its holes."""
    return [np.asarray(ring.coords)[:-1, :2] for ring in (shape.exterior, *shape.interiors)]


def strut_polygons(struts: Struts) -> NDArray:
    """One shapely polygon per strut, flat at its ends."""
    shapely = optional("shapely")
    net = struts.network
    place = struts.stations
    half = struts.profile(place)[0] / 2
    along = net.nodes[net.edges[:, 0], None] + place[:, None] * net.vectors[:, None]
    normal = np.stack([-struts.axes[:, 1], struts.axes[:, 0]], axis=1)
    offset = (struts.width[:, None] * half)[..., None] * normal[:, None]
    return shapely.polygons(np.concatenate([along + offset, (along - offset)[:, ::-1]], axis=1))


def silhouette(struts: Struts, facets: int = FACETS) -> Any:
    """Struts and joints united into one shapely polygon, every corner kept.

    ``facets`` is the number of corners of the polygon that stands for a joint's disc.

    Raises
    ------
    InputError
        Where struts overlap that do not meet at a node.
    """
    shapely = optional("shapely")
    bodies = strut_polygons(struts)
    _check_apart(struts, bodies)
    angle = 2 * np.pi * np.arange(facets) / facets
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    nodes = struts.network.nodes[:, None]
    joints = shapely.polygons(nodes + struts.joint_radius[:, None, None] * circle)
    return shapely.union_all(np.concatenate([bodies, joints]))


def outline(struts: Struts) -> Outline:
    """Union of struts and joints, without corners that are too close to others.

    Raises
    ------
    InputError
        Where struts overlap that do not meet at a node.
    """
    corners = [_tidied(struts, ring) for ring in rings(silhouette(struts))]
    ends = np.cumsum([len(c) for c in corners])
    loops = [slice(end - len(c), end) for c, end in zip(corners, ends, strict=True)]
    points = np.vstack(corners)
    return Outline(points, loops, _half_widths(struts, points)[0])


def _half_widths(struts: Struts, points: NDArray) -> tuple[NDArray, NDArray[np.bool_]]:
    """Smallest half width at every corner, and a mask of those on the side of a strut."""
    touch = struts.touching(points, np.full(len(points), SLACK))
    half = np.full(len(points), np.inf)
    np.minimum.at(half, touch.point, touch.half_widths)
    on = touch.on_strut & (touch.distance < EXACT * touch.half_widths)
    on_strut = np.zeros(len(points), dtype=bool)
    on_strut[touch.point[on]] = True
    return half, on_strut


def _tidied(struts: Struts, corners: NDArray) -> NDArray[np.float64]:
    """Loop without corners that crowd others: first of joints, then (much closer) of struts."""
    for on_struts, short in ((False, SHORT), (True, SLACK)):
        half, on_strut = _half_widths(struts, corners)
        before = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
        # A corner of a joint goes wherever it crowds; of two on struts, the second does.
        near = before if on_struts else np.minimum(before, np.roll(before, -1))
        corners = corners[(near >= short * half) | (on_strut != on_struts)]
    return corners


def crossings(shapes: NDArray, ends: NDArray) -> NDArray[np.int64]:
    """Pairs of geometries of shapely that intersect and share none of their ``ends``, (k, 2)."""
    a, b = optional("shapely").STRtree(shapes).query(shapes, predicate="intersects")
    meet = (ends[a][:, :, None] == ends[b][:, None, :]).any(axis=(1, 2))
    return np.stack([a, b], axis=1)[(a < b) & ~meet]


def _check_apart(struts: Struts, bodies: NDArray) -> None:
    bad = crossings(bodies, struts.network.edges)
    if len(bad):
        pairs = listed([f"{i}-{j}" for i, j in bad], limit=5)
        raise InputError(
            f"Struts {pairs} overlap without meeting at a node: solids need a plane network "
            "without crossings, and widths that leave gaps."
        )
