"""Networks from files, and back: text, proteins, and every mesh format meshio reads.

The text format is the one public coupled-learning codes use::

    # comments and blank lines are ignored
    N NE            (or  N NE L,  or  N NE Lx Ly [Lz]  for a periodic box)
    x y [z]         N rows of coordinates
    i j             NE rows of node ids from 0

Files in counted blocks, of another code, are told by their first two lines: see
:mod:`mechlearn.networks.blocks`.

A comment ``# edge: stiffness rest_length`` names further columns of the bond rows, and
``# dimension: 3`` keeps a flat network in space.
"""

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.errors import InputError, listed
from mechlearn.meshfile import read_mesh, take_sets
from mechlearn.network import BOX, Network
from mechlearn.networks.blocks import in_blocks, read_blocks
from mechlearn.networks.flat import DIMENSION, in_its_dimension, marked
from mechlearn.networks.graphs import read_graphml
from mechlearn.networks.protein import protein
from mechlearn.networks.tables import read_csv, read_npz
from mechlearn.writing import save

LOG = logging.getLogger(__name__)
TEXT = (".txt", ".net", ".dat", ".edges")
PROTEIN = (".pdb", ".ent", ".cif")
#: Options of :func:`protein`.
OF_PROTEINS = ("cutoff", "chains", "decay", "backbone")
TABLES = {".npz": read_npz, ".graphml": read_graphml, ".csv": read_csv}
#: The edges of one cell of each type that has no lines of its own, as pairs of its corners.
CELL_EDGES = {
    "triangle": [(0, 1), (1, 2), (2, 0)],
    "quad": [(0, 1), (1, 2), (2, 3), (3, 0)],
    "tetra": [(0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3)],
    "hexahedron": [
        (0, 1),
        (1, 2),
        (2, 3),
        (3, 0),
        (4, 5),
        (5, 6),
        (6, 7),
        (7, 4),
        (0, 4),
        (1, 5),
        (2, 6),
        (3, 7),
    ],
}


def from_file(path: str | os.PathLike[str], /, **options: Any) -> Network:
    """The network in a file, by its suffix.

    Parameters
    ----------
    path : path
        ``.pdb .ent .cif`` (also ``.gz``): a protein. ``.txt .net .dat .edges``: the text format of
        this module. ``.npz .graphml .csv``: see :mod:`mechlearn.networks.tables`. Everything else
        is read by meshio: line cells are the bonds, or, where there
        are none, the edges of triangles, quadrilaterals, tetrahedra and hexahedra. Points that no
        bond uses are dropped; data of points and of
        lines, one number each, become node and edge data. What mechlearn writes beside them is
        honoured: point data ``dimension`` (3 keeps a flat mesh in space), ``cell_1``, ... (the
        lattice vectors) and line data ``shift`` of a periodic network, 0/1 data ``node_set:name``
        and ``edge_set:name``.
    **options
        For a protein those of :func:`protein`; for all others ``dimension``: 3 keeps a flat
        network in space, which would be one of the plane.

    Raises
    ------
    InputError
        When the file is missing, of unknown type, unreadable or holds no valid network; the
        message names the file and, for text, the line.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"There is no file {path}.")
    if path.is_dir():
        raise InputError(f"{path} is a folder, not the file of a network.")
    if not path.is_file():  # a device may never end
        raise InputError(f"{path} is no regular file, and is not read.")
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix in PROTEIN:
        unknown = sorted(set(options) - set(OF_PROTEINS))
        if unknown:
            raise InputError(f"{path}: a protein takes {listed(OF_PROTEINS)}, not {unknown[0]}.")
        return _heard(path, protein(path, **options))
    dimension = options.pop("dimension", None)
    if options:
        raise InputError(
            f"{path}: a network's file takes dimension, and a protein {listed(OF_PROTEINS)}, not "
            f"{min(options)}."
        )
    read = _from_text if suffix in TEXT else TABLES.get(suffix, _from_mesh)
    try:
        network = in_its_dimension(read(path), dimension)
    except InputError as problem:
        text = str(problem)
        raise InputError(text if str(path) in text else f"{path}: {text}") from None
    return _heard(path, network)


def _heard(path: Path, network: Network) -> Network:
    """Say what the reader of a network has noted."""
    for note in network.notes:
        LOG.warning("%s: %s.", path, note)
    return network


def to_text(network: Network, path: str | os.PathLike[str]) -> None:
    """Write the text format; coordinates and per-bond data keep every digit.

    Parameters
    ----------
    path : path
        The file to write.
    network : Network
        Periodic ones need an upright box and bonds to nearest images, which is all the format
        knows. Per-bond data are written as named columns; node data and sets are not.

    Raises
    ------
    InputError
        When the format cannot hold the network.
    """
    header = [str(network.n_nodes), str(network.n_edges)]
    if network.cell is not None and network.shifts is not None:
        box = np.diag(network.cell)
        again = Network(network.nodes, network.edges, cell=network.cell).shifts
        upright = np.array_equal(network.cell, np.diag(box))
        if again is None or not upright or not np.array_equal(again, network.shifts):
            raise InputError(
                f"{path}: the text format holds periodic networks in an upright box with bonds to "
                "nearest images only; save this one as a mesh (.vtu)."
            )
        header += [_digits(v) for v in box]
    data = {k: v for k, v in network.edge_data.items() if v.ndim == 1 and v.dtype.kind in "fiu"}
    lines = ["# edge: " + " ".join(k.replace(" ", "_") for k in data)] if data else []
    lines += ["# dimension: 3"] if marked(network) else []
    lines.append(" ".join(header))
    lines += [" ".join(map(_digits, row)) for row in network.nodes]
    columns = list(data.values())
    lines += [
        " ".join([str(i), str(j), *(_digits(c[b]) for c in columns)])
        for b, (i, j) in enumerate(network.edges.tolist())
    ]
    save(path, ("\n".join(lines) + "\n").encode())


def _digits(value: float) -> str:
    return repr(float(value))


# -- text --------------------------------------------------------------------------------------


def _from_text(path: Path) -> Network:
    names: list[str] = []
    spatial = False
    rows: list[list[str]] = []
    numbers: list[int] = []
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path} is not a readable text file.") from None
    for number, line in enumerate(content.splitlines(), 1):
        body, _, comment = line.partition("#")
        if not body.strip() and comment.strip().lower().startswith("edge:"):
            names = comment.split(":", 1)[1].split()
        spatial |= not body.strip() and comment.split() == ["dimension:", "3"]
        if body.strip():
            rows.append(body.replace(",", " ").split())
            numbers.append(number)
    if not rows:
        raise InputError(f"{path} is empty; its first line must be 'N NE' or 'N NE L'.")
    if in_blocks(rows):
        return read_blocks(path, rows, numbers)
    n, m, box = _header(path, rows[0], numbers[0])
    # Before any memory is taken: a header may claim anything.
    if n + m + 1 != len(rows):
        raise InputError(
            f"{path}, line {numbers[0]}: announces {n} nodes and {m} bonds, so "
            f"{n + m + 1} lines of data, but the file has {len(rows)}."
        )
    nodes = _table(path, rows[1 : n + 1], numbers[1:], "coordinates")
    if nodes.shape[1] not in (2, 3):
        raise InputError(
            f"{path}, line {numbers[1]}: a node has 2 or 3 coordinates, not {nodes.shape[1]}."
        )
    bonds = _table(path, rows[n + 1 :], numbers[n + 1 :], "a bond")
    if bonds.shape[1] < 2:
        raise InputError(f"{path}, line {numbers[n + 1]}: a bond needs the ids of two nodes.")
    odd = np.flatnonzero(
        (bonds[:, :2] != np.rint(bonds[:, :2])).any(axis=1)
        | (bonds[:, :2] < 0).any(axis=1)
        | (bonds[:, :2] >= n).any(axis=1)
    )
    if len(odd):
        raise InputError(
            f"{path}, line {numbers[n + 1 + odd[0]]}: a bond joins nodes numbered "
            f"from 0 to {n - 1}, not {' and '.join(rows[n + 1 + odd[0]][:2])}."
        )
    if names and len(names) != bonds.shape[1] - 2:
        raise InputError(
            f"{path}, line {numbers[n + 1]}: the comment '# edge:' names "
            f"{len(names)} columns, but a bond has {bonds.shape[1] - 2} after its "
            "nodes."
        )
    cell = None
    if box:
        d = nodes.shape[1]
        if len(box) not in (1, d):
            raise InputError(
                f"{path}, line {numbers[0]}: the box of a {d}D network has 1 or {d} "
                f"sides, not {len(box)}."
            )
        cell = np.eye(d) * box
    return Network(
        nodes,
        bonds[:, :2].astype(np.int64),
        cell=cell,
        node_data={DIMENSION: np.full(n, 3)} if spatial else {},
        edge_data={k: bonds[:, 2 + c] for c, k in enumerate(names)},
    )


def _header(path: Path, words: list[str], number: int) -> tuple[int, int, list[float]]:
    try:
        n, m = int(words[0]), int(words[1])
        box = [float(w) for w in words[2:]]
        if n < 2 or m < 1 or len(box) > 3 or not all(0 < b < np.inf for b in box):
            raise ValueError
    except (ValueError, IndexError):
        raise InputError(
            f"{path}, line {number}: the first line must be 'N NE' or 'N NE L' (numbers of nodes "
            f"and bonds, sides of a periodic box), not '{' '.join(words)[:60]}'."
        ) from None
    return n, m, box


def _table(path: Path, rows: list[list[str]], numbers: list[int], what: str) -> NDArray[np.float64]:
    width = len(rows[0])
    for row, number in zip(rows, numbers, strict=False):
        if len(row) != width:
            raise InputError(
                f"{path}, line {number}: {what} here has {len(row)} columns, above {width}."
            )
    table = None
    with suppress(ValueError):
        table = np.array(rows, dtype=float)
    if table is not None and np.isfinite(table).all():
        return table
    for row, number in zip(rows, numbers, strict=False):
        for word in row:
            try:
                good = np.isfinite(float(word))
            except ValueError:
                good = False
            if not good:
                raise InputError(f"{path}, line {number}: '{word[:40]}' is not a finite number.")
    raise InputError(f"{path} holds numbers that cannot be read.")


# -- meshes ------------------------------------------------------------------------------------


def _from_mesh(path: Path) -> Network:
    if not _known_to_meshio(path):
        raise InputError(
            f"{path}: the suffix '{path.suffix}' names no format known here; use one of "
            f"{' '.join((*TEXT, *PROTEIN, *TABLES))} or a mesh such as .vtu .msh .xdmf .obj."
        )
    mesh = read_mesh(path)
    edges, edge_data = _bonds(path, mesh)
    used = np.unique(edges)
    node_data = {k: _native(v)[used] for k, v in mesh.point_data.items() if np.ndim(v) == 1}
    nodes = mesh.points[used]
    plane = "cell_1" in mesh.point_data and "cell_3" not in mesh.point_data
    if nodes.ndim == 2 and (plane or node_data.get(DIMENSION, [3])[0] == 2):
        nodes = nodes[:, :2]
    cell, shifts = _cell(path, mesh, edge_data, nodes.shape[1])
    # The ids that mechlearn writes say nothing that the order does not.
    if np.array_equal(node_data.get("node", []), np.arange(len(nodes))):
        del node_data["node"]
    return Network(
        nodes=nodes,
        edges=np.searchsorted(used, edges),
        cell=cell,
        shifts=shifts,
        node_sets=take_sets("node", node_data),
        edge_sets=take_sets("edge", edge_data),
        node_data=node_data,
        edge_data=edge_data,
    )


def _known_to_meshio(path: Path) -> bool:
    import meshio

    suffixes = [suffix.lower() for suffix in path.suffixes]
    tails = {"".join(suffixes[k:]) for k in range(len(suffixes))}
    return not tails.isdisjoint(meshio.extension_to_filetypes)


def _native(given: ArrayLike) -> NDArray:
    """Numbers in the byte order of this machine."""
    values = np.asarray(given)
    return values.astype(values.dtype.newbyteorder("="))


def _bonds(path: Path, mesh: Any) -> tuple[NDArray[np.int64], dict[str, NDArray]]:
    """Edges and their data: of the lines, or else of all other cells."""
    lines = [k for k, block in enumerate(mesh.cells) if block.type == "line" and len(block.data)]
    if lines:
        edges = _ids(path, np.vstack([mesh.cells[k].data for k in lines]))
        data = {
            name: np.concatenate([np.asarray(blocks[k]) for k in lines])
            for name, blocks in mesh.cell_data.items()
        }
        data = {
            name: v.astype(float)
            for name, v in data.items()
            if v.dtype.kind in "fiu" and (v.ndim == 1 or name == "shift")
        }
        # Gmsh's number of the curve says nothing where there is but one.
        _known(path, edges, mesh)
        if len(np.unique(data.get("gmsh:geometrical", np.arange(2)))) == 1:
            del data["gmsh:geometrical"]
        # Meshers write a line once for every region it bounds.
        first = np.sort(np.unique(np.sort(edges, axis=1), axis=0, return_index=True)[1])
        return (
            (edges, data)
            if "shift" in data
            else (edges[first], {name: v[first] for name, v in data.items()})
        )
    pairs = [
        _ids(path, np.asarray(block.data)[:, corners])
        for block in mesh.cells
        for corners in CELL_EDGES.get(block.type, [])
    ]
    if not pairs:
        kinds = ", ".join(dict.fromkeys(block.type for block in mesh.cells)) or "no cells"
        raise InputError(
            f"{path} holds no lines, and no triangles, quadrilaterals, tetrahedra or "
            f"hexahedra whose edges could be bonds (it holds {kinds})."
        )
    edges = np.unique(np.sort(np.vstack(pairs), axis=1), axis=0)
    _known(path, edges, mesh)
    return edges, {}


def _ids(path: Path, cells: NDArray) -> NDArray[np.int64]:
    if cells.dtype.kind not in "iu" and not (np.abs(cells) < BOX).all():
        raise InputError(f"{path}: a cell names points by what are no numbers of points.")
    return cells.astype(np.int64)


def _known(path: Path, edges: NDArray, mesh: Any) -> None:
    if not edges.size:
        raise InputError(f"{path} holds no bonds.")
    if edges.min() < 0 or edges.max() >= len(mesh.points):
        raise InputError(
            f"{path}: a cell names point {edges.max()}, but there are "
            f"{len(mesh.points)} points, numbered from 0."
        )


def _cell(
    path: Path, mesh: Any, edge_data: dict[str, NDArray], d: int
) -> tuple[NDArray[np.float64] | None, NDArray[np.int64] | None]:
    """The periodic cell and the shifts of the bonds, where the file has both."""
    # Few formats keep field data, so mechlearn writes each lattice vector as data of all points.
    rows = [mesh.point_data.get(f"cell_{k}") for k in range(1, d + 1)]
    if "shift" not in edge_data or any(row is None for row in rows):
        return None, None
    shift = edge_data.pop("shift")
    if any(np.ndim(v) != 2 or np.shape(v)[1] < d for v in (shift, *rows)):
        raise InputError(f"{path}: shift, cell_1, ... of a network in {d}D need {d} components.")
    if not (np.abs(shift) <= BOX).all():
        raise InputError(f"{path}: the shift of a bond must be whole numbers.")
    cell = np.array([np.asarray(row, dtype=float)[0] for row in rows])
    # Formats that know only three dimensions pad with zeros.
    return cell[:, :d], np.rint(shift[:, :d]).astype(np.int64)
