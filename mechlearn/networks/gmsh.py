"""Reader of gmsh meshes: format 2 by meshio, format 4 by gmsh, with physical groups."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError
from mechlearn.extensions import remedy
from mechlearn.io.gmsh import read_msh
from mechlearn.io.isolated import read_isolated
from mechlearn.io.meshfile import read_mesh
from mechlearn.io.untrusted import content
from mechlearn.networks.cells import FAMILIES, Block, Mesh
from mechlearn.networks.meshio_vtk import from_meshio

#: Families by the first word of what gmsh calls types of elements.
NAMES = {
    "Point": "vertex", "Line": "line", "Triangle": "triangle", "Quadrilateral": "quad",
    "Tetrahedron": "tetra", "Hexahedron": "hexahedron", "Prism": "wedge", "Pyramid": "pyramid",
}  # fmt: skip


def read_gmsh(path: Path) -> Mesh:
    """Mesh of a gmsh file; named physical groups become sets of points and cells.

    Raises
    ------
    InputError
        Where it cannot be read.
    """
    file = content(path)
    version = re.match(rb"\s*\$MeshFormat\s+(\d+)", file[:200])
    if version is None:
        raise InputError(
            f"{path} cannot be read as a mesh: it does not begin with $MeshFormat, as files of "
            "gmsh do since its version 2."
        )
    return _version_2(path, file) if int(version[1]) < 4 else _by_gmsh(path)


def _version_2(path: Path, file: bytes) -> Mesh:
    read = read_mesh(path)
    mesh, names = from_meshio(read), _physical_names(file)
    groups = mesh.cell_data.get("gmsh:physical", np.zeros(mesh.n_cells))
    _name_groups(mesh, [
        (names.get((b.dim, int(tag)), ""), int(tag), b.ids[groups[b.ids] == tag])
        for b in mesh.blocks for tag in np.unique(groups[b.ids])
    ])  # fmt: skip
    announced = re.search(rb"\$Elements\s+(\d+)\s", file)
    if announced and int(announced[1]) != mesh.n_cells:
        raise InputError(
            f"{path} announces {int(announced[1])} elements, but {mesh.n_cells} could be read "
            f"({mesh.counts()})."
        )
    return mesh


def _physical_names(file: bytes) -> dict[tuple[int, int], str]:
    """Names of physical groups by dimension and number; unnamed groups are data only."""
    found = re.search(rb"\$PhysicalNames\s+\d+\s(.*?)\$EndPhysicalNames", file, re.DOTALL)
    text = found[1].decode("utf-8", "replace") if found else ""
    rows = re.findall(r'(\d+)\s+(\d+)\s+"([^"\n]*)"', text)
    return {(int(dim), int(tag)): name for dim, tag, name in rows}


def _name_groups(mesh: Mesh, groups: list[tuple[str, int, NDArray]]) -> None:
    """Make sets of groups of cells, given by name, number and cells.

    Groups without a name get one where their number would otherwise be lost.
    """
    lost = any(b.dim > 1 for b in mesh.blocks)
    sets: dict[str, list[NDArray]] = {}
    for name, tag, ids in groups:
        if name := name or (f"physical_{tag}" if tag and lost else ""):
            sets.setdefault(name, []).append(ids)
    mesh.cell_sets = {name: np.unique(np.concatenate(parts)) for name, parts in sets.items()}


def _by_gmsh(path: Path) -> Mesh:
    try:
        found = read_isolated("gmsh", read_msh, path)
    except ImportError as error:
        raise InputError(
            f"{path}: meshes of gmsh's version 4 need gmsh, which cannot be loaded ({error}): "
            f"{remedy('solids')}, or save version 2."
        ) from None
    from meshio.gmsh.common import _gmsh_to_meshio_order, _gmsh_to_meshio_type

    if not found["elements"]:
        raise InputError(f"{path} cannot be read as a mesh: it has no elements.")
    tags, points = found["tags"], found["points"]
    place = dict(zip(tags.tolist(), range(len(tags)), strict=True))
    blocks, groups, elements = [], [], found["elements"]
    every = np.sort(np.concatenate([e["tags"] for e in elements]))
    data = {name: np.zeros(len(every)) for name in ("gmsh:physical", "gmsh:geometrical")}
    for e in elements:
        kind = NAMES.get(e["name"].split()[0], e["name"])
        nodes = np.array([place[k] for k in e["nodes"].ravel().tolist()], dtype=np.int64)
        nodes = nodes.reshape(len(e["tags"]), -1)
        if e["type"] in _gmsh_to_meshio_type and nodes.shape[1] != FAMILIES.get(kind, (0,))[0]:
            nodes = np.asarray(_gmsh_to_meshio_order(_gmsh_to_meshio_type[e["type"]], nodes))
        ids = np.searchsorted(every, e["tags"])
        blocks.append(Block(kind, nodes, ids))
        data["gmsh:geometrical"][ids] = e["entity"]
        for tag, name in e["groups"]:
            data["gmsh:physical"][ids] = tag
            groups.append((name, tag, ids))
    if not data["gmsh:physical"].any():
        del data["gmsh:physical"]
    mesh = Mesh(points, blocks, {}, data, notes=found["notes"])
    _name_groups(mesh, groups)
    _views(mesh, found["views"], tags, every)
    return mesh


def _views(mesh: Mesh, views: list[dict[str, Any]], tags: NDArray, every: NDArray) -> None:
    """Data of gmsh's views that cover all points, or all cells."""
    for view in views:
        own = tags if view["kind"] == "NodeData" else every
        known = np.isin(view["tags"], own)
        if view["kind"] not in ("NodeData", "ElementData") or not len(own):
            mesh.notes.append(f"{view['kind']} {view['name']!r} is left out")
            continue
        values = np.full((len(own), view["values"].shape[1]), np.nan)
        values[np.searchsorted(own, view["tags"][known])] = view["values"][known]
        of, data = ("points", mesh.point_data) if own is tags else ("cells", mesh.cell_data)
        partial = int(np.count_nonzero(known)) < len(own)
        if partial and own is every:  # data of bonds may lack other cells
            missing = {b.kind for b in mesh.blocks if np.isnan(values[b.ids]).any()}
            partial = bool(missing & {"line", "triangle"})
        if partial:
            mesh.notes.append(f"{view['name']!r} is not there for all {of}, and is left out")
            continue
        data[view["name"]] = values[:, 0] if values.shape[1] == 1 else values
