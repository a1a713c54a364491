"""Miura sheets as bars and hinges."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.errors import InputError
from mechlearn.network import Network
from mechlearn.networks import _check


def miura(
    cells: Sequence[int] = (2, 2),
    a: float = 1.0,
    b: float = 1.0,
    angle: float = 60.0,
    fold: float = 45.0,
) -> Network:
    """Partly folded Miura sheet of parallelograms, each with a bar along its shorter diagonal.

    Bars are the creases and these diagonals. Its ``quadruples`` are hinges about the diagonals,
    one per parallelogram, and then about the creases inside. The edge set ``diagonals`` has the
    bars of the former. Geometry after M. Schenk, S. D. Guest, PNAS 110, 3276 (2013),
    https://doi.org/10.1073/pnas.1217998110.

    Parameters
    ----------
    cells : (nx, ny)
        Unit cells of four parallelograms along x and y.
    a, b : float
        Sides of a parallelogram: those that zigzag in height, and those that zigzag in the plane.
    angle : float
        Its acute angle, degrees.
    fold : float
        Angle between parallelograms and the plane of the sheet, degrees: 0 is flat.

    Raises
    ------
    InputError
        For numbers that make no sheet.
    """
    _check.number("miura: the angle", angle, low=1.0, high=89.0)
    _check.number("miura: the fold", fold, low=1.0, high=89.0)
    _check.number("miura: a", a, low=0.0)
    _check.number("miura: b", b, low=0.0)
    if len(cells) != 2:
        raise InputError(f"miura: cells = {cells!r} must be two numbers of cells.")
    nx, ny = (2 * _check.integer("miura: cells", count, low=1) for count in cells)
    _check.many("miura", (nx + 1) * (ny + 1))
    gamma, theta = np.radians([angle, fold])
    t = np.cos(theta) * np.tan(gamma)
    high, wide = a * np.sin(theta) * np.sin(gamma), b * t / np.sqrt(1 + t**2)
    deep, zigzag = a * np.sqrt(1 - (np.sin(theta) * np.sin(gamma)) ** 2), b / np.sqrt(1 + t**2)
    i, j = np.meshgrid(np.arange(nx + 1), np.arange(ny + 1), indexing="ij")
    nodes = np.stack([wide * i, deep * j + zigzag * (i % 2), high * (j % 2)], axis=-1)
    number = np.arange(i.size).reshape(i.shape)
    corners = np.stack([number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]], -1)
    # The shorter diagonal alternates with the zigzag.
    corners = np.where((i[:-1, :-1] % 2 == 1)[..., None], np.roll(corners, -1, -1), corners)
    p, q, r, s = corners.reshape(-1, 4).T
    triangles = np.vstack([np.column_stack([p, q, s]), np.column_stack([r, s, q])])
    folds = hinges(triangles)
    short = np.sort(np.column_stack([q, s]), axis=1)
    inside = _among(np.sort(folds[:, 1:3], axis=1), short, len(number.ravel()))
    sides = np.sort(np.vstack([triangles[:, k] for k in ([0, 1], [1, 2], [2, 0])]), axis=1)
    edges = np.unique(sides, axis=0)
    return Network(
        nodes.reshape(-1, 3),
        edges,
        edge_sets={"diagonals": np.flatnonzero(_among(edges, short, i.size))},
        tuples={"quadruples": np.vstack([folds[inside], folds[~inside]])},
    )


def hinges(triangles: ArrayLike) -> NDArray[np.int64]:
    """Quadruples at the inner edges of a triangulated surface, (q, 4).

    Parameters
    ----------
    triangles : (t, 3) integer array
        Nodes of every triangle, all in the same sense as seen from one side.

    Returns
    -------
    (q, 4) integer array
        Of triangles ``a b c`` and ``d c b``, the nodes ``a, b, c, d``.
    """
    a, b, c = np.asarray(triangles).T
    third, start, end = np.r_[a, b, c], np.r_[b, c, a], np.r_[c, a, b]
    n = int(third.max(initial=0)) + 1
    key, back = start * n + end, end * n + start
    order = np.argsort(key)
    place = np.searchsorted(key, back, sorter=order).clip(max=len(key) - 1)
    other = order[place]
    mine = (key[other] == back) & (start < end)
    return np.column_stack([third, start, end, third[other]])[mine]


def _among(pairs: NDArray, known: NDArray, n: int) -> NDArray[np.bool_]:
    """Mask of the sorted pairs of ``n`` ids that are known."""
    return np.isin(pairs @ [n, 1], known @ [n, 1])
