"""Networks from files, and back: text, proteins, tables, graphs and meshes.

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
from numpy.typing import NDArray

from mechlearn.errors import InputError, listed
from mechlearn.io.text import with_texts
from mechlearn.io.writing import write_file
from mechlearn.network import Network
from mechlearn.networks.blocks import in_blocks, read_blocks
from mechlearn.networks.graphs import read_graphml
from mechlearn.networks.meshes import SUFFIXES, read_network
from mechlearn.networks.planar import DIMENSION, dimension_mark, reduced_dimension
from mechlearn.networks.protein import protein
from mechlearn.networks.tables import read_csv, read_npz

LOG = logging.getLogger(__name__)
TEXT = (".txt", ".net", ".dat", ".edges")
PROTEIN = (".pdb", ".ent", ".cif")
#: Options of :func:`protein`.
OF_PROTEINS = ("cutoff", "chains", "decay", "backbone")
TABLES = {".npz": read_npz, ".graphml": read_graphml, ".csv": read_csv}


def from_file(path: str | os.PathLike[str], /, **options: Any) -> Network:
    """The network in a file, by its suffix.

    Parameters
    ----------
    path : path
        ``.pdb .ent .cif`` (also ``.gz``): a protein. ``.txt .net .dat .edges``: the text format of
        this module. ``.npz .graphml .csv``: see :mod:`mechlearn.networks.tables`. ``.inp``: an
        input deck, see :mod:`mechlearn.networks.decks`. ``.vtu .vtp .vtk .obj .stl .ply .msh .xdmf
        .med`` and more: a mesh.

        Bonds of a mesh are its lines and polylines, and the edges of its triangles, quadrilaterals,
        polygons, tetrahedra, pyramids, wedges and hexahedra. Nodes in the middle of edges are left
        out, unless another cell has a corner there. Data of points, and of cells where all are
        lines, become node and edge data; named groups become sets of nodes and bonds. Points at one
        place are joined in ``.obj`` and ``.stl``, and where files have several pieces. What was
        chosen or left out is logged, and in the network's ``notes``.

        What mechlearn writes beside a network is honoured: point data ``dimension`` (3 keeps a flat
        mesh in space), ``cell_1``, ... (the lattice vectors) and line data ``shift`` of a periodic
        network, 0/1 data ``node_set:name`` and ``edge_set:name``.
    **options
        For a protein those of :func:`protein`; for all others ``dimension``: 3 keeps a flat
        network in space, which would be one of the plane.

    Raises
    ------
    InputError
        When the file is missing, of unknown type, unreadable, holds no valid network, or something
        that cannot be a part of one; the message names the file and, for text, the line.
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
        return _log_notes(path, protein(path, **options))
    dimension = options.pop("dimension", None)
    if options:
        raise InputError(
            f"{path}: a network's file takes dimension, and a protein {listed(OF_PROTEINS)}, not "
            f"{min(options)}."
        )
    known = (*TEXT, *PROTEIN, *TABLES, *SUFFIXES)
    if suffix not in known or path.suffix.lower() == ".gz":
        raise InputError(
            f"{path}: the suffix '{path.suffix}' names no format known here; use one of "
            f"{' '.join(known)}."
        )
    read = _from_text if suffix in TEXT else TABLES.get(suffix, read_network)
    try:
        network = reduced_dimension(with_texts(read(path)), dimension)
    except InputError as problem:
        text = str(problem)
        raise InputError(text if str(path) in text else f"{path}: {text}") from None
    return _log_notes(path, network)


def _log_notes(path: Path, network: Network) -> Network:
    """Log the notes of a file reader."""
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
    lines += ["# dimension: 3"] if dimension_mark(network) else []
    lines.append(" ".join(header))
    lines += [" ".join(map(_digits, row)) for row in network.nodes]
    columns = list(data.values())
    lines += [
        " ".join([str(i), str(j), *(_digits(c[b]) for c in columns)])
        for b, (i, j) in enumerate(network.edges.tolist())
    ]
    write_file(path, ("\n".join(lines) + "\n").encode())


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
