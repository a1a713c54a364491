"""Bodies from mesh files: which cells, regions and named parts there are, and what is no body."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from mechlearn.errors import InputError, first_line, listed
from mechlearn.io.meshfile import take_sets
from mechlearn.network import Network
from mechlearn.networks.bodies import SIDES, Body
from mechlearn.networks.cells import FAMILIES, Mesh, counted, kind_name, native_order, node_sets
from mechlearn.networks.meshes import SUFFIXES, mesh_of

#: Sides of a box around a body, axis by axis, where all facets that lie in one have no other name.
FACES = {
    2: (("left", "right"), ("bottom", "top")),
    3: (("left", "right"), ("front", "back"), ("bottom", "top")),
}
#: Data of cells that say which region they are of, in files without named groups.
NUMBERS = ("region", "gmsh:physical", "medit:ref", "cell_tags", "MaterialIDs", "gmsh:geometrical")
#: How thin a cell may be: its volume over that of a cube on its longest side.
FLAT = 1e-6
#: How close to a face of the box facets lie, over its size.
CLOSE = 1e-6


def body(
    path: str | os.PathLike[str],
    /,
    *,
    order: Literal[1, 2] = 2,
    regions: Literal["groups", "cells"] = "groups",
    cell: ArrayLike | None = None,
) -> Network:
    """The body in a mesh file, as a network.

    Parameters
    ----------
    path : path
        A mesh of triangles, quadrilaterals (halved) or tetrahedra, in any format that is read as a
        network. Of cells with curved sides the corners count. Named groups of cells are regions,
        else numbers of cells that are called region, medit:ref, cell_tags or as gmsh does; named
        groups of facets, and of points that are all corners of a facet, are parts of the boundary.
        Facets in a side of the box around the body are ``left``, ``right``, ``bottom``, ``top`` (in
        3D ``front`` and ``back``) unless the file has that name.
    order : 1 or 2
        Degree of the displacements.
    regions : "groups" or "cells"
        Elements: regions, or every cell by itself.
    cell : (d, d) array, optional
        Lattice vectors, in rows, of a body that is periodic: its opposite sides match.

    Raises
    ------
    InputError
        For a file that cannot be read or holds no such cells, cells that are flat or overlap, a
        body in several parts, and sides that do not match.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}.")
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: '{path.suffix}' is no mesh; use one of {' '.join(SUFFIXES)}.")
    try:
        return body_of(mesh_of(path), order, regions, cell)
    except InputError as problem:
        text = str(problem)
        raise InputError(text if str(path) in text else f"{path}: {text}") from None
    except (ValueError, LookupError, TypeError, ArithmeticError) as error:
        said = first_line(str(error)) or type(error).__name__
        raise InputError(f"{path} cannot be read as a mesh: it is garbled ({said}).") from None


def body_of(mesh: Mesh, order: int, regions: str, cell: ArrayLike | None = None) -> Network:
    """Body of a mesh; see :func:`body`."""
    cells, ids, d = _simplices(mesh)
    points = mesh.points[:, :2] if d == 2 else mesh.points
    used, cells = np.unique(cells, return_inverse=True)
    cells = cells.reshape(-1, d + 1)
    points, new = points[used], np.full(len(mesh.points), -1)
    new[used] = np.arange(len(used))
    data = native_order(mesh.cell_data)
    cell_sets = mesh.cell_sets | take_sets("cell", data)
    point_sets = take_sets("node", native_order(mesh.point_data))
    cells = _checked(points, cells)
    faces, owner, inner = _facets(cells, d)
    _check_whole(points, cells, faces, owner, d)
    element, sets = _regions(ids, cell_sets, data, regions, mesh.n_cells)
    given = node_sets(
        Mesh(mesh.points, mesh.blocks, cell_sets=cell_sets, point_sets=mesh.point_sets)
    )
    given |= {name: rows for name, rows in point_sets.items() if name not in given}
    named = {name: new[rows][new[rows] >= 0] for name, rows in given.items()}
    facets = _boundaries(mesh, cell_sets, new, d, named, faces[~inner])
    facets |= {k: f for k, f in _box(points, faces[~inner], d).items() if k not in facets}
    named = {name: np.unique(f) for name, f in facets.items()} | named
    sides = np.unique(np.sort(cells[:, SIDES[d]].reshape(-1, 2), axis=1), axis=0)
    edges = sides
    if order == 2:
        middle = _Middles(sides, len(points))
        cells = np.hstack([cells, middle(cells[:, SIDES[d]])])
        pairs = {1: [(0, 1)], 2: [(1, 2), (0, 2), (0, 1)]}[d - 1]
        facets = {k: np.hstack([f, middle(f[:, pairs])]) for k, f in facets.items()}
        on = {name: np.union1d(named[name], np.unique(f)) for name, f in facets.items()}
        named |= on
        m = len(points) + np.arange(len(sides))
        edges = np.concatenate([np.column_stack([sides[:, k], m]) for k in (0, 1)])
        points = np.vstack([points, points[sides].mean(axis=1)])
    made = Network(
        points,
        edges,
        node_sets={name: rows for name, rows in named.items() if len(rows)},
        notes=tuple(mesh.notes),
        body=Body(cells, element, sets, facets),
    )
    return made if cell is None else _periodic(made, cell)


def _periodic(made: Network, cell: ArrayLike) -> Network:
    """The body in a periodic cell; raises InputError where its opposite sides do not match."""
    out = replace(made, cell=np.asarray(cell), shifts=np.zeros((made.n_edges, made.dim), int))
    vectors = out.lattice_vectors
    parts = np.linalg.solve(vectors.T, made.nodes.T).T
    within = CLOSE * np.abs(vectors).max()
    for k, place in enumerate(parts.T):
        if abs(np.ptp(place) - 1) > CLOSE:
            raise InputError(
                f"The body is {np.ptp(place):.6g} times as long as the cell along its vector "
                f"{k + 1}; a periodic body fills it from side to side."
            )
        low, high = (made.nodes[np.abs(place - end) < CLOSE] for end in (place.min(), place.max()))
        apart = cKDTree(high).query(low + vectors[k])[0]
        if len(low) != len(high) or apart.max() > within:
            raise InputError(
                f"The opposite sides of the body along vector {k + 1} of the cell do not match "
                f"({len(low)} and {len(high)} nodes): mesh them alike (gmsh: setPeriodic)."
            )
    return out


@dataclass(frozen=True)
class _Middles:
    """Nodes in the middle of pairs of corners."""

    sides: NDArray[np.int64]
    n: int

    def __call__(self, pairs: NDArray) -> NDArray[np.int64]:
        low, high = np.sort(pairs, axis=-1).reshape(-1, 2).T
        keys = self.sides[:, 0] * self.n + self.sides[:, 1]
        return (self.n + np.searchsorted(keys, low * self.n + high)).reshape(pairs.shape[:-1])


def _simplices(mesh: Mesh) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Corners of the cells of highest dimension, the cell of each in the file, and that."""
    d = max((b.dim for b in mesh.blocks), default=0)
    top = [b for b in mesh.blocks if b.dim == d]
    good = {2: ("triangle", "quad"), 3: ("tetra",)}.get(d, ())
    bad = [(kind_name(b), len(b.nodes)) for b in top if b.kind not in good]
    if not top or bad or d < 2:
        holds = counted(bad) if bad else mesh.counts()
        raise InputError(
            f"A body is of triangles, quadrilaterals or tetrahedra; this mesh has {holds}."
        )
    if d == 2 and mesh.points.shape[1] == 3:
        corners = np.concatenate([b.nodes.ravel() for b in top])
        if np.ptp(mesh.points[corners, 2]) > CLOSE * np.ptp(mesh.points[corners], axis=0).max():
            raise InputError(
                "A body of triangles lies in the plane of x and y; this is a surface in space."
            )
    cells, ids = [], []
    for b in top:
        width = FAMILIES[b.kind][0]
        if b.nodes.size and not (0 <= b.nodes.min() and b.nodes.max() < len(mesh.points)):
            raise InputError(f"A cell names a point that there is not (of {len(mesh.points)}).")
        if b.nodes.shape[1] > width:
            mesh.notes.append(f"of {len(b.nodes)} {kind_name(b)} the corners make the body")
        corners = b.nodes[:, :width]
        halves = [corners[:, [0, 1, 2]], corners[:, [0, 2, 3]]] if width == 4 and d == 2 else None
        cells += halves or [corners]
        ids += [b.ids] * len(halves or [corners])
    return np.concatenate(cells), np.concatenate(ids), d


def _checked(points: NDArray, cells: NDArray) -> NDArray[np.int64]:
    """Cells with positive volume."""
    volume = np.linalg.det(points[cells[:, 1:]] - points[cells[:, :1]])
    longest = np.ptp(points[cells], axis=1).max(axis=1)
    flat = np.flatnonzero(~(np.abs(volume) > FLAT * longest ** points.shape[1]))
    if len(flat):
        raise InputError(
            f"Cell {listed(flat, limit=5)} is flat, or its corners are no numbers; mend the mesh."
        )
    turned = volume < 0
    cells = cells.copy()
    cells[turned, :2] = cells[turned, 1::-1]
    return cells


def _facets(cells: NDArray, d: int) -> tuple[NDArray, NDArray, NDArray[np.bool_]]:
    """Facets of all cells, sorted and once each, the two cells of each (or -1), those inside."""
    every = np.concatenate([np.delete(cells, k, axis=1) for k in range(d + 1)])
    faces, place, count = np.unique(
        np.sort(every, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    if (count > 2).any():
        raise InputError(
            f"Cells overlap: {np.count_nonzero(count > 2)} facets are of three cells or more, the "
            f"first of points {listed(faces[np.argmax(count > 2)])}."
        )
    order = np.argsort(place.ravel(), kind="stable")
    cell, ends = order % len(cells), np.cumsum(count)
    owner = np.column_stack([cell[ends - count], cell[ends - 1]])
    owner[count == 1, 1] = -1
    return faces, owner, count == 2


def _check_whole(points: NDArray, cells: NDArray, faces: NDArray, owner: NDArray, d: int) -> None:
    """Raise InputError for cells that fold over their neighbours, and a body in several parts."""
    inner = owner[:, 1] >= 0
    sides = []
    for k in (0, 1):
        corners, face = cells[owner[inner, k]], faces[inner]
        apex = corners[~(corners[:, :, None] == face[:, None]).any(axis=2)].reshape(len(face))
        sides.append(np.linalg.det(points[face] - points[apex][:, None]))
    over = np.flatnonzero(sides[0] * sides[1] >= 0)
    if len(over):
        pair = owner[inner][over[0]]
        raise InputError(
            f"Cells are inverted: {len(over)} pairs of neighbours lie on the same side of the "
            f"facet that they share, the first cells {pair[0]} and {pair[1]}."
        )
    one, other = owner[inner].T
    joined = sparse.csr_array((np.ones(len(one)), (one, other)), shape=(len(cells),) * 2)
    parts, label = connected_components(joined, directed=False)
    if parts > 1:
        sizes = np.bincount(label)
        small = int(np.argmin(sizes))
        where = points[cells[label == small]].mean(axis=(0, 1))
        raise InputError(
            f"The body is in {parts} parts that share no facet, the smallest of {sizes[small]} "
            f"cells around {listed(f'{x:.3g}' for x in where)}: join the points that lie on one "
            "another, or take that part out."
        )


def _regions(
    ids: NDArray, cell_sets: Mapping[str, NDArray], data: Mapping[str, NDArray], by: str, n: int
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    """Element of every cell, and the elements of every region."""
    groups = {k: np.isin(ids, rows) for k, rows in cell_sets.items() if np.isin(ids, rows).any()}
    if not groups:
        for name in NUMBERS:
            values = data.get(name)
            if values is None or values.ndim != 1 or not np.array_equal(values, np.rint(values)):
                continue
            mine = values[ids].astype(int)
            groups = {f"region_{k}": mine == k for k in np.unique(mine)}
            break
    left = ~np.any(list(groups.values()), axis=0) if groups else np.ones(len(ids), bool)
    if left.any():
        groups["rest" if groups else "body"] = left
    if by == "cells":
        return np.arange(len(ids)), {k: np.flatnonzero(mask) for k, mask in groups.items()}
    overlap = np.sum(list(groups.values()), axis=0) > 1
    if overlap.any():
        twice = [k for k, mask in groups.items() if (mask & overlap).any()]
        raise InputError(
            f"{np.count_nonzero(overlap)} cells are of several groups ({listed(twice)}); a region "
            'is one element: take groups apart, or learn with regions = "cells".'
        )
    names = sorted(groups, key=lambda name: int(np.argmax(groups[name])))
    element = np.empty(len(ids), dtype=np.int64)
    for k, name in enumerate(names):
        element[groups[name]] = k
    return element, {name: np.array([k]) for k, name in enumerate(names)}


def _boundaries(
    mesh: Mesh,
    cell_sets: Mapping[str, NDArray],
    new: NDArray,
    d: int,
    named: Mapping[str, NDArray],
    outside: NDArray,
) -> dict[str, NDArray[np.int64]]:
    """Facets of named groups: those that the file has, or the outer ones of its named points."""
    out = {}
    for name, rows in cell_sets.items():
        found = [
            new[b.nodes[np.isin(b.ids, rows)][:, :d]] for b in mesh.blocks
            if b.dim == d - 1 and b.kind in ("line", "triangle")
        ]  # fmt: skip
        facets = np.concatenate([*found, np.empty((0, d), dtype=np.int64)])
        if len(facets):
            out[name] = facets[(facets >= 0).all(axis=1)]
    for name, rows in named.items():
        if name not in out:
            facets = outside[np.isin(outside, rows).all(axis=1)]
            if len(facets):
                out[name] = facets
    return out


def _box(points: NDArray, outside: NDArray, d: int) -> dict[str, NDArray[np.int64]]:
    """Outer facets in the sides of the box around the points."""
    out, size = {}, np.ptp(points, axis=0).max()
    for axis, names in enumerate(FACES[d]):
        x = points[outside][:, :, axis]
        for name, end in zip(names, (points[:, axis].min(), points[:, axis].max()), strict=True):
            there = (np.abs(x - end) <= CLOSE * size).all(axis=1)
            if there.any():
                out[name] = outside[there]
    return out
