"""Networks in mesh files: dispatch to VTK, gmsh, meshio and the readers of this package.

Whatever is read ends as a :class:`~mechlearn.networks.cells.Mesh`, all points and all cells with
what is said of them, of which :func:`network_of` makes a network in one way for all formats.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mechlearn.attributes import BOX, renumbered
from mechlearn.errors import InputError, first_line
from mechlearn.io.meshfile import read_mesh, take_sets
from mechlearn.io.untrusted import check_vtk_xml, refuse_entities
from mechlearn.network import Network
from mechlearn.networks.cells import (
    FAMILIES,
    Mesh,
    bonds_of,
    edge_sets,
    merge_points,
    native_order,
    node_sets,
    without_repeats,
)
from mechlearn.networks.decks import read_deck
from mechlearn.networks.gmsh import read_gmsh
from mechlearn.networks.meshio_vtk import from_meshio, from_vtk
from mechlearn.networks.planar import DIMENSION
from mechlearn.networks.ply import read_ply

#: What VTK reads here.
VTK = (".vtu", ".vtp", ".vtk", ".obj", ".stl")
#: Formats whose readers leave nothing out, or say so.
OWN = {".inp": read_deck, ".msh": read_gmsh, ".ply": read_ply}
#: What else meshio reads.
MESHIO = (".xdmf", ".xmf", ".med", ".mesh", ".meshb", ".avs", ".h5m", ".mdpa", ".post", ".vol")
SUFFIXES = (*VTK, *OWN, *MESHIO)


def read_network(path: Path) -> Network:
    """Network of a mesh file; raises InputError where it cannot be read, or used."""
    try:
        return network_of(mesh_of(path))
    except (ValueError, LookupError, TypeError, ArithmeticError) as error:
        # What readers take of a damaged file may not go together in many ways.
        said = first_line(str(error)) or type(error).__name__
        raise InputError(f"{path} cannot be read as a mesh: it is garbled ({said}).") from None


def mesh_of(path: Path) -> Mesh:
    """All points and cells of a mesh file, with what is said of them."""
    suffix = path.suffix.lower()
    if suffix in OWN:
        return OWN[suffix](path)
    if suffix in MESHIO:
        return from_meshio(read_mesh(path))
    pieces = 1
    if suffix in (".vtu", ".vtp"):
        refuse_entities(path)
        pieces, cells = check_vtk_xml(path)
        if pieces == 1 and _by_meshio(path):
            # As mechlearn writes it, which is no work for a process of its own.
            read = read_mesh(path)
            kinds = {block.type.rstrip("0123456789") for block in read.cells}
            if (
                kinds <= {*FAMILIES, "vertex"}
                and sum(len(block.data) for block in read.cells) == cells
            ):
                return from_meshio(read)
    mesh = from_vtk(path, suffix)
    if suffix in (".obj", ".stl") or pieces > 1:
        borders = f", on the borders of its {pieces} pieces," if pieces > 1 else ""
        mesh = merge_points(mesh, borders)
    return mesh


def _by_meshio(path: Path) -> bool:
    with path.open("rb") as file:
        return b"<!--This file was created by meshio" in file.read(400)


def network_of(mesh: Mesh) -> Network:
    """Network of a mesh: its lines, and the edges of its other cells.

    Raises
    ------
    InputError
        Where that is no network, or something in the mesh cannot be a part of one.
    """
    every = bonds_of(mesh)
    points, cells = native_order(mesh.point_data), native_order(mesh.cell_data)
    mesh.cell_data = cells
    periodic = "shift" in cells and "cell_1" in points
    kept = every
    if not periodic:
        kept = without_repeats(mesh, every, cells.get("gmsh:geometrical"))
    used = np.unique(kept.pairs)
    _say_unused(mesh, used)
    edge_data = _edge_data(mesh, cells, kept.cells, bool(kept.lines.all()))
    node_data = {name: values[used] for name, values in points.items() if len(values)}
    nodes = mesh.points[used]
    if DIMENSION in node_data and (node_data[DIMENSION] == 2).all():
        nodes = nodes[:, :2]
        for data in (node_data, edge_data):
            data |= {k: v[:, :2] for k, v in data.items() if k != "shift" and _in_plane(v)}
    elif "cell_1" in node_data and "cell_3" not in node_data:
        nodes = nodes[:, :2]
    cell, shifts = _cell(node_data, edge_data, nodes.shape[1])
    # The ids that mechlearn writes say nothing that the order does not.
    if np.array_equal(node_data.get("node", []), np.arange(len(nodes))):
        del node_data["node"]
    given = node_sets(mesh)
    sets = renumbered(given, used, len(mesh.points))
    for name in [name for name, ids in sets.items() if len(given[name]) > len(ids) == 0]:
        mesh.notes.append(f"none of the points of the set {name!r} is a node")
        del sets[name]
    return Network(
        nodes=nodes,
        edges=np.searchsorted(used, kept.pairs),
        cell=cell,
        shifts=shifts,
        node_sets=sets | take_sets("node", node_data),
        edge_sets=edge_sets(mesh, kept, every) | take_sets("edge", edge_data),
        node_data=node_data,
        edge_data=edge_data,
        labels=None if mesh.labels is None else [mesh.labels[k] for k in used],
        notes=tuple(mesh.notes),
    )


def _in_plane(values: NDArray) -> bool:
    return values.ndim == 2 and values.shape[1] == 3 and not values[:, 2].any()


def _say_unused(mesh: Mesh, used: NDArray[np.int64]) -> None:
    named = [used, *(b.nodes.ravel() for b in mesh.blocks if b.kind != "vertex")]
    lone = len(mesh.points) - len(np.unique(np.concatenate(named)))
    if lone:
        mesh.notes.append(f"{lone} points that no bond uses are left out")


def _edge_data(
    mesh: Mesh, cells: dict[str, NDArray], rows: NDArray[np.int64], lines: bool
) -> dict[str, NDArray]:
    if not lines:
        names = [name for name in cells if not name.startswith("gmsh:")]
        if names:
            mesh.notes.append(
                f"data of cells ({', '.join(names)}) are none of their edges, and are left out"
            )
        return {}
    data = {name: values[rows] for name, values in cells.items()}
    data = {k: v.astype(float) if v.dtype.kind in "fiub" else v for k, v in data.items()}
    # Gmsh's number of the curve says nothing where there is but one.
    if len(np.unique(data.get("gmsh:geometrical", np.arange(2)))) == 1:
        del data["gmsh:geometrical"]
    return data


def _cell(
    node_data: dict[str, NDArray], edge_data: dict[str, NDArray], d: int
) -> tuple[NDArray[np.float64] | None, NDArray[np.int64] | None]:
    """Periodic cell and shifts of the bonds, if the file has both."""
    # Few formats keep field data, so mechlearn writes each lattice vector as data of all points.
    names = [f"cell_{k}" for k in range(1, d + 1)]
    if "shift" not in edge_data or any(name not in node_data for name in names):
        return None, None
    rows = [node_data.pop(name) for name in names]
    shift = edge_data.pop("shift")
    if any(np.ndim(v) != 2 or np.shape(v)[1] < d for v in (shift, *rows)):
        raise InputError(f"shift, cell_1, ... of a network in {d}D need {d} components.")
    if not (np.abs(shift) <= BOX).all():
        raise InputError("The shift of a bond must be whole numbers.")
    cell = np.array([np.asarray(row, dtype=float)[0] for row in rows])
    # Formats that know only three dimensions pad with zeros.
    return cell[:, :d], np.rint(shift[:, :d]).astype(np.int64)
