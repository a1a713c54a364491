"""Meshes read by meshio and VTK, with all their cells."""

import re
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from mechlearn.io.isolated import read_isolated
from mechlearn.io.meshfile import set_field
from mechlearn.io.vtk import read_vtk
from mechlearn.networks.cells import Block, Mesh, point_ids

#: Families by VTK's numbers of cell types.
TYPES = {
    1: "vertex", 2: "vertex", 3: "line", 4: "polyline", 5: "triangle", 6: "strip", 7: "polygon",
    8: "quad", 9: "quad", 10: "tetra", 11: "hexahedron", 12: "hexahedron", 13: "wedge",
    14: "pyramid", 21: "line", 22: "triangle", 23: "quad", 24: "tetra", 25: "hexahedron",
    26: "wedge", 27: "pyramid", 28: "quad", 29: "hexahedron", 32: "wedge", 33: "hexahedron",
    34: "triangle", 35: "line", 42: "pairs", 68: "line", 69: "triangle", 70: "quad", 71: "tetra",
    72: "hexahedron", 73: "wedge", 74: "pyramid", 75: "line", 76: "triangle", 77: "quad",
    78: "tetra", 79: "hexahedron", 80: "wedge", 81: "pyramid",
}  # fmt: skip
#: Corners of VTK's pixels and voxels in the order of quadrilaterals and hexahedra.
TURNED = {8: [0, 1, 3, 2], 11: [0, 1, 3, 2, 4, 5, 7, 6]}


def from_meshio(read: Any) -> Mesh:
    """Mesh from an object of meshio."""
    cell_sets, offsets = {}, np.cumsum([0, *(len(b.data) for b in read.cells)])
    blocks = [
        Block(re.sub(r"\d+$", "", block.type), point_ids(block.data), np.arange(*ids))
        for block, ids in zip(read.cells, pairwise(offsets), strict=True)
        if len(block.data)
    ]
    for name, parts in read.cell_sets.items():
        if name != "gmsh:bounding_entities":
            found = [np.asarray(p, np.int64) + o for p, o in zip(parts, offsets, strict=False)
                     if p is not None and len(p)]  # fmt: skip
            cell_sets[name] = np.concatenate([*found, np.zeros(0, np.int64)])
    return Mesh(
        np.asarray(read.points, dtype=float),
        blocks,
        dict(read.point_data),
        {name: np.concatenate([np.asarray(p) for p in parts]) if parts else np.zeros(0)
         for name, parts in read.cell_data.items()},
        {name: np.asarray(ids, np.int64) for name, ids in read.point_sets.items()},
        cell_sets,
    )  # fmt: skip


def from_vtk(path: Path, suffix: str) -> Mesh:
    """Mesh from a file that VTK reads, in a process of its own."""
    found = read_isolated("VTK", read_vtk, path, suffix)
    types, offsets, nodes = found["types"], found["offsets"], found["nodes"]
    widths = np.diff(offsets)
    blocks = []
    for kind, width in np.unique(np.stack([types, widths], axis=1).astype(np.int64), axis=0):
        ids = np.flatnonzero((types == kind) & (widths == width))
        if kind == 42:
            blocks += [Block("pairs", np.array([found["pairs"][k]]), ids[ids == k]) for k in ids]
        elif kind != 0:
            block = nodes[offsets[ids][:, None] + np.arange(width)]
            block = block[:, TURNED.get(int(kind), np.arange(width))]
            blocks.append(Block(TYPES.get(int(kind), f"VTK type {kind}"), block, ids))
    data = [found["point_data"], found["cell_data"]]
    if suffix == ".vtk":  # where VTK has decoded the names, once
        data = [{_encoded(name): v for name, v in d.items()} for d in data]
    return Mesh(found["points"], blocks, *data)


def _encoded(name: str) -> str:
    """Original name of a field that encodes a set or texts."""
    kind, mark, rest = name.partition("_set:")
    if mark and kind in ("node", "edge"):
        return set_field(kind, rest)
    kind, mark, rest = name.partition(":")
    return f"{kind}:{quote(rest, safe='')}" if mark and kind.startswith("text_") else name
