"""Membranes with something inside: rows of polygons in the plane, spheres of triangles in space."""

import numpy as np
from scipy.spatial import ConvexHull

from mechlearn.errors import InputError
from mechlearn.network import Network
from mechlearn.networks import _check
from mechlearn.networks.origami import hinges


def membrane_chain(cells: int = 3, sides: int = 6, side: float = 1.0) -> Network:
    """Row of regular polygons along x, each of which has one side in common with the next.

    Its ``polygons`` are the cells, for areas; the edge set ``walls`` has the sides between two of
    them. Node sets ``left`` and ``right`` are the ends of the row. Such a chain is floppy without
    angles, or pressure.

    Parameters
    ----------
    cells : int
        Number of polygons.
    sides : int
        Of a polygon; an even number from 4.
    side : float
        Length of a side.

    Raises
    ------
    InputError
        For numbers that make no chain.
    """
    _check.integer("membrane_chain: cells", cells, low=1)
    _check.integer("membrane_chain: sides", sides, low=4)
    _check.number("membrane_chain: side", side, low=0.0)
    if sides % 2:
        raise InputError(f"membrane_chain: sides = {sides} must be even, for walls that face.")
    _check.many("membrane_chain", cells * sides)
    angle = np.pi / sides * (2 * np.arange(sides) + 1)
    radius = side / (2 * np.sin(np.pi / sides))
    corners = radius * np.column_stack([np.cos(angle), np.sin(angle)])
    wide = 2 * radius * np.cos(np.pi / sides)
    # Corners of a cell by its own number; those of the left wall are the right ones of the last.
    middle, polygons = sides // 2, np.empty((cells, sides), dtype=np.int64)
    nodes, first = [corners], sides
    polygons[0] = np.arange(sides)
    for k in range(1, cells):
        fresh = np.setdiff1d(np.arange(sides), [middle - 1, middle])
        polygons[k, [middle - 1, middle]] = polygons[k - 1, [0, sides - 1]]
        polygons[k, fresh] = first + np.arange(sides - 2)
        nodes.append(corners[fresh] + [k * wide, 0.0])
        first += sides - 2
    around = np.stack([polygons, np.roll(polygons, -1, axis=1)], axis=-1).reshape(-1, 2)
    edges, count = np.unique(np.sort(around, axis=1), axis=0, return_counts=True)
    return Network(
        np.vstack(nodes),
        edges,
        node_sets={
            "left": polygons[0, [middle - 1, middle]],
            "right": polygons[-1, [0, sides - 1]],
        },
        edge_sets={"walls": np.flatnonzero(count == 2)},
        tuples={"polygons": polygons},
    )


def balloon(halvings: int = 1, radius: float = 1.0) -> Network:
    """Sphere of triangles, an icosahedron whose edges are halved some times.

    Its one row of ``surfaces`` is for a volume, its ``quadruples`` for creases at all edges.

    Parameters
    ----------
    halvings : int
        12 nodes without, 42 after one, 162 after two.
    radius : float
        Distance of the nodes from the centre.

    Raises
    ------
    InputError
        For numbers that make no sphere.
    """
    _check.integer("balloon: halvings", halvings, low=0)
    _check.number("balloon: radius", radius, low=0.0)
    _check.many("balloon", 10 * 4 ** min(halvings, 20) + 2)
    golden = (1 + np.sqrt(5)) / 2
    corners = [(0.0, one, two) for one in (-1, 1) for two in (-golden, golden)]
    x = np.vstack([np.roll(corners, k, axis=1) for k in range(3)])
    for _ in range(halvings):
        sides = np.unique(np.sort(_triangles(x)[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)), axis=0)
        middles = x[sides].mean(axis=1)
        x = np.vstack([x / np.linalg.norm(x, axis=1)[:, None],
                       middles / np.linalg.norm(middles, axis=1)[:, None]])  # fmt: skip
    triangles = _triangles(x)
    edges = np.unique(np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)), axis=0)
    return Network(
        radius * x / np.linalg.norm(x, axis=1)[:, None],
        edges,
        tuples={"surfaces": triangles.reshape(1, -1), "quadruples": hinges(triangles)},
    )


def _triangles(x: np.ndarray) -> np.ndarray:
    """Faces of the convex hull of points about the origin, all in one sense as seen outside."""
    faces = ConvexHull(x).simplices.astype(np.int64)
    inwards = np.linalg.det(x[faces]) < 0
    faces[inwards] = faces[inwards][:, [0, 2, 1]]
    return faces
