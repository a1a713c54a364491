"""Outlines of plane solids: union of struts and joints as a polygon with holes."""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mechlearn.errors import InputError, SolveError, listed
from mechlearn.extensions import load
from mechlearn.solids.images import OVERLAPS, Pieces, strut_pairs, translations_within, with_images
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
    cuts : (c, 2) integer array
        Straight lines, by the corner before each, that are images of each other across the cell.
    """

    points: NDArray[np.float64]
    loops: list[slice]
    half_width: NDArray[np.float64]
    cuts: NDArray[np.int64]


def optional(module: str) -> ModuleType:
    """A module of the extra ``solids``; raises MechlearnError that says how to install it."""
    return load(module, "solids", "Solids need")


def rings(shape: Any) -> list[NDArray[np.float64]]:
    """Corners of a polygon of shapely: of its outer ring, then of those of its holes."""
    return [np.asarray(ring.coords)[:-1, :2] for ring in (shape.exterior, *shape.interiors)]


def strut_polygons(struts: Struts) -> NDArray:
    """One shapely polygon per piece of a strut, flat at its ends."""
    return _polygons(struts, struts.pieces)


def _polygons(struts: Struts, p: Pieces) -> NDArray:
    """Shapely polygons of some pieces."""
    place = np.clip(struts.stations, p.low[:, None], p.high[:, None])
    half = struts.width[p.strut, None] * struts.profile(place)[0] / 2
    along = p.origin[:, None] + place[..., None] * struts.network.vectors[p.strut, None]
    axis = struts.axes[p.strut]
    offset = half[..., None] * np.stack([-axis[:, 1], axis[:, 0]], axis=1)[:, None]
    corners = np.concatenate([along + offset, (along - offset)[:, ::-1]], axis=1)
    return optional("shapely").polygons(corners)


def silhouette(struts: Struts, facets: int = FACETS) -> Any:
    """Struts and joints united into one shapely polygon, every corner kept.

    ``facets`` is the number of corners of the polygon that stands for a joint's disc.

    Raises
    ------
    InputError
        Where struts overlap that do not meet at a node.
    """
    shapely = optional("shapely")
    _check_apart(struts)
    angle = 2 * np.pi * np.arange(facets) / facets
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    nodes = struts.network.nodes[:, None]
    joints = shapely.polygons(nodes + struts.joint_radius[:, None, None] * circle)
    whole = shapely.union_all(np.concatenate([strut_polygons(struts), joints]))
    if struts.network.periodic:
        _check_images(whole, struts)
    return whole


def outline(struts: Struts) -> Outline:
    """Union of struts and joints, without corners that are too close to others.

    Raises
    ------
    InputError
        Where struts overlap that do not meet at a node.
    """
    ends = cut_ends(struts)
    corners = [_tidied(struts, ring, ends) for ring in rings(silhouette(struts))]
    last = np.cumsum([len(c) for c in corners])
    loops = [slice(end - len(c), end) for c, end in zip(corners, last, strict=True)]
    points = np.vstack(corners)
    lines = [_line(points, loops, ends[side].reshape(-1, 2, 2)) for side in (0, 1)]
    return Outline(points, loops, _half_widths(struts, points)[0], np.stack(lines, axis=1))


def cut_ends(struts: Struts) -> NDArray[np.float64]:
    """Corners of the cuts across the cell, (2, 2 c, 2): at first nodes, and images at second."""
    p, net = struts.pieces, struts.network
    first = p.halves[:, 0]
    strut, place = p.strut[first], p.high[first]
    axis, half = struts.axes[strut], struts.width[strut] * struts.profile(place)[0] / 2
    offset = half[:, None] * np.stack([-axis[:, 1], axis[:, 0]], axis=1)
    middle = p.origin[first] + place[:, None] * net.vectors[strut]
    ends = np.stack([middle - offset, middle + offset], axis=1)
    both = np.stack([ends, ends - net.images[strut, None]])
    return both.reshape(2, -1, 2)


def _line(points: NDArray, loops: list[slice], ends: NDArray) -> NDArray[np.int64]:
    """Corner before each of some lines between neighbouring corners of an outline, (c,)."""
    if not len(ends):
        return np.empty(0, dtype=np.int64)
    following = np.concatenate([np.roll(np.arange(s.start, s.stop), -1) for s in loops])
    away, corner = cKDTree(points).query(ends)
    forward, back = (following[corner[:, k]] == corner[:, 1 - k] for k in (0, 1))
    bad = np.flatnonzero(~(forward | back) | (away.max(axis=1) > EXACT))
    if len(bad):
        raise SolveError(
            f"The outline of the solid has no straight cut across the cell at cut {listed(bad)}; "
            "change widths a little."
        )
    return np.where(forward, corner[:, 0], corner[:, 1])


def _half_widths(struts: Struts, points: NDArray) -> tuple[NDArray, NDArray[np.bool_]]:
    """Smallest half width at every corner, and a mask of those on the side of a strut."""
    touch = struts.touching(points, np.full(len(points), SLACK))
    half = np.full(len(points), np.inf)
    np.minimum.at(half, touch.point, touch.half_widths)
    on = touch.on_strut & (touch.distance < EXACT * touch.half_widths)
    on_strut = np.zeros(len(points), dtype=bool)
    on_strut[touch.point[on]] = True
    return half, on_strut


def _tidied(struts: Struts, corners: NDArray, kept: NDArray) -> NDArray[np.float64]:
    """Loop without corners that crowd others: first of joints, then (much closer) of struts.

    Those at ``kept``, (2, k, 2), stay.
    """
    tree = cKDTree(kept.reshape(-1, 2))
    for on_struts, short in ((False, SHORT), (True, SLACK)):
        half, on_strut = _half_widths(struts, corners)
        stays = tree.query(corners)[0] < EXACT * half
        before = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
        # A corner of a joint goes wherever it crowds; of two on struts, the second does.
        near = before if on_struts else np.minimum(before, np.roll(before, -1))
        corners = corners[(near >= short * half) | (on_strut != on_struts) | stays]
    return corners


def crossings(shapes: NDArray, ends: NDArray) -> NDArray[np.int64]:
    """Pairs of geometries of shapely that intersect and share none of their ``ends``, (k, 2)."""
    a, b = optional("shapely").STRtree(shapes).query(shapes, predicate="intersects")
    meet = (ends[a][:, :, None] == ends[b][:, None, :]).any(axis=(1, 2))
    return np.stack([a, b], axis=1)[(a < b) & ~meet]


def _check_apart(struts: Struts) -> None:
    """Raise InputError for struts, and images of them, that overlap without meeting."""
    strut, ends, nodes = with_images(struts.network)
    whole = Pieces(strut, ends[:, 0], np.zeros(len(strut)), np.ones(len(strut)))
    found = crossings(_polygons(struts, whole), nodes)
    bad = strut_pairs(found, strut, struts.network.n_edges)
    if len(bad):
        pairs = listed([f"{i}-{j}" for i, j in bad], limit=5)
        raise InputError(
            f"Struts {pairs} overlap without meeting at a node: solids need a plane network "
            "without crossings, and widths that leave gaps."
        )


def _check_images(whole: Any, struts: Struts) -> None:
    """Raise InputError where a solid overlaps with an image of itself."""
    shapely, cell = optional("shapely"), struts.network.lattice_vectors
    steps = translations_within(shapely.get_coordinates(whole), cell)
    # Of every pair of opposite translations, one.
    for step in (s for s in steps if tuple(s) > (0, 0)):
        move = step @ cell
        image = shapely.transform(whole, lambda x, move=move: x + move)
        if whole.intersection(image).area > EXACT * struts.width.min() ** 2:
            raise InputError(OVERLAPS)
