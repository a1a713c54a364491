"""Faces that stand for elements on node tuples: wedges of angles, flaps of creases, fillings."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

#: Radius of a wedge, and reach of a flap, as parts of an arm and of a triangle.
WEDGE, FLAP = 0.25, 0.18
#: Points along the arc of a wedge.
ARC = 9


def _wedge(x: NDArray) -> list[NDArray[np.float64]]:
    """Sector between two arms, (3, d), on the side where they are less than half a turn apart."""
    arms = x[[0, 2]] - x[1]
    sizes = np.linalg.norm(arms, axis=1)
    if not sizes.all():
        return []
    part = np.linspace(0.0, 1.0, ARC)[:, None]
    a, b = arms / sizes[:, None]
    along = (1 - part) * a + part * b
    if np.linalg.norm(a + b) < 1e-6:  # straight: any side
        along[:, :2] += (part * (1 - part)) * np.array([-a[1], a[0]])
    arc = along / np.maximum(np.linalg.norm(along, axis=1), 1e-12)[:, None]
    return [np.vstack([x[1], x[1] + WEDGE * sizes.min() * arc])]


def _flaps(x: NDArray) -> list[NDArray[np.float64]]:
    """Two small triangles, one on each side of a crease, (4, 3)."""
    a, b, c, d = x
    ends = np.array([b + 0.35 * (c - b), b + 0.65 * (c - b)])
    middle = (b + c) / 2
    return [np.vstack([ends, middle + FLAP * (wing - middle)]) for wing in (a, d)]


#: Polygons of an element at given places of its nodes, (k, d), by its table of node tuples; those
#: that come first are drawn behind the others.
SHAPES: dict[str, Callable[[NDArray], list[NDArray[np.float64]]]] = {
    "surfaces": lambda x: list(x.reshape(-1, 3, 3)),
    "polygons": lambda x: [x],
    "quadruples": _flaps,
    "triples": _wedge,
}


def faces(
    table: str, rows: NDArray, places: NDArray
) -> tuple[list[NDArray[np.float64]], NDArray[np.int64]]:
    """Polygons, (k, d) each, of all elements of a table, and the number of each one's element."""
    found = [SHAPES[table](x[row >= 0]) for row, x in zip(rows, places, strict=True)]
    number = np.repeat(np.arange(len(found)), [len(polygons) for polygons in found])
    return [polygon for polygons in found for polygon in polygons], number
