"""Networks from files, and back: text, proteins, tables, graphs and meshes.

The text format is the one public coupled-learning codes use::

    # comments and blank lines are ignored
    N NE            (or  N NE L,  or  N NE Lx Ly [Lz]  for a periodic box)
    x y [z]         N rows of coordinates
    i j             NE rows of node ids from 0

A comment ``# edge: stiffness rest_length`` names further columns of the bond rows, and
``# dimension: 3`` keeps a flat network in space.

Files whose first two lines are single numbers are in counted blocks, as physical_learning of
J. Andrejevic saves them, https://github.com/jandrejevic12/physical_learning::

    d                               2 or 3
    N
    x y z                           N rows
    M
    i j stiffness length trainable  M rows, or only i j
    S
    i j length phase                S rows of sources; then as many lines of targets, or nothing
"""

import logging
import math
import os
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError, listed
from mechlearn.io.text import with_texts
from mechlearn.io.writing import write_file
from mechlearn.network import Network
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
#: Counted blocks and how many columns their rows have.
BLOCKS = {"nodes": (3,), "bonds": (2, 5), "sources": (4,), "targets": (4,)}
#: What columns of bonds mean there after their nodes.
COLUMNS = ("stiffness", "rest_length", "trainable")
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


@dataclass
class _Rows:
    """Words of the lines of a text file that hold data, and the numbers of these lines."""

    path: Path
    words: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def fault(self, at: int, text: str) -> InputError:
        """Error about a row."""
        return InputError(f"{self.path}, line {self.lines[at]}: {text}")

    def table(
        self, first: int, count: int, what: str, widths: Collection[int], wanted: str
    ) -> NDArray[np.float64]:
        """Finite numbers of successive rows, which have as many columns each."""
        rows = self.words[first : first + count]
        for at, row in enumerate(rows, first):
            if len(row) not in widths or len(row) != len(rows[0]):
                raise self.fault(
                    at,
                    f"one of the {what} has {len(row)} columns, where {wanted} are expected, in "
                    f"every line as many as in the first ({len(rows[0])}).",
                )
            odd = next((word for word in row if not _is_finite(word)), None)
            if odd is not None:
                raise self.fault(
                    at, f"the {what} are not all finite: '{odd[:40]}' is not a finite number."
                )
        return np.array(rows, dtype=float).reshape(count, len(rows[0]) if rows else min(widths))

    def ends(self, first: int, table: NDArray, n: int) -> NDArray[np.int64]:
        """Pairs of nodes in the first two columns of a table, of ``n`` nodes."""
        ends = table[:, :2]
        odd = np.flatnonzero(((ends != np.rint(ends)) | (ends < 0) | (ends >= n)).any(axis=1))
        if len(odd):
            at = first + odd[0]
            raise self.fault(
                at,
                f"it joins {' and '.join(self.words[at][:2])}, but nodes are numbered from 0 to "
                f"{n - 1}.",
            )
        return ends.astype(np.int64)

    def count(self, at: int, what: str) -> int:
        """Number of rows of the block that begins at a row."""
        if at >= len(self.words):
            raise InputError(f"{self.path} ends before the number of {what}.")
        row, left = self.words[at], len(self.words) - at - 1
        if len(row) != 1 or not row[0].isdecimal() or len(row[0]) > 18:
            raise self.fault(
                at, f"the number of {what} should stand here, not '{' '.join(row)[:60]}'."
            )
        if left < int(row[0]):
            raise self.fault(at, f"{row[0]} {what} are announced, but {left} lines follow.")
        return int(row[0])


def _is_finite(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def _from_text(path: Path) -> Network:
    names: list[str] = []
    spatial = False
    rows = _Rows(path)
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
            rows.words.append(body.replace(",", " ").split())
            rows.lines.append(number)
    if not rows.words:
        raise InputError(f"{path} is empty; its first line must be 'N NE' or 'N NE L'.")
    if [len(row) for row in rows.words[:2]] == [1, 1] and rows.words[0][0] in ("2", "3"):
        return _from_blocks(rows)
    n, m, box = _header(rows)
    # Before any memory is taken: a header may claim anything.
    if n + m + 1 != len(rows.words):
        raise rows.fault(
            0,
            f"announces {n} nodes and {m} bonds, so {n + m + 1} lines of data, but the file has "
            f"{len(rows.words)}.",
        )
    nodes = rows.table(1, n, "nodes", (2, 3), "2 or 3 coordinates")
    bonds = rows.table(n + 1, m, "bonds", range(2, 2**31), "the ids of two nodes and numbers")
    edges = rows.ends(n + 1, bonds, n)
    if names and len(names) != bonds.shape[1] - 2:
        raise rows.fault(
            n + 1,
            f"the comment '# edge:' names {len(names)} columns, but a bond has "
            f"{bonds.shape[1] - 2} after its nodes.",
        )
    d = nodes.shape[1]
    if len(box) not in (0, 1, d):
        raise rows.fault(0, f"the box of a {d}D network has 1 or {d} sides, not {len(box)}.")
    return Network(
        nodes,
        edges,
        cell=np.eye(d) * box if box else None,
        node_data={DIMENSION: np.full(n, 3)} if spatial else {},
        edge_data=dict(zip(names, bonds[:, 2:].T, strict=False)),
    )


def _header(rows: _Rows) -> tuple[int, int, list[float]]:
    words = rows.words[0]
    try:
        n, m = int(words[0]), int(words[1])
        box = [float(w) for w in words[2:]]
        if n < 2 or m < 1 or len(box) > 3 or not all(0 < b < np.inf for b in box):
            raise ValueError
    except (ValueError, IndexError):
        raise rows.fault(
            0,
            "the first line must be 'N NE' or 'N NE L' (numbers of nodes and bonds, sides of a "
            f"periodic box), not '{' '.join(words)[:60]}'.",
        ) from None
    return n, m, box


def _from_blocks(rows: _Rows) -> Network:
    """Network of a file in counted blocks.

    Nodes without bonds are left out, which a note says; the others keep their number as a label
    then. Sources and targets become sets of nodes, bonds that do not learn the set ``frozen``.
    """
    path, tables, begins, at = rows.path, list[NDArray](), list[int](), 1
    for what, widths in BLOCKS.items():
        if at == len(rows.words) and len(tables) >= 2:
            break
        count, wanted = rows.count(at, what), " or ".join(map(str, widths))
        tables.append(rows.table(at + 1, count, what, widths, wanted))
        begins.append(at + 1)
        at += 1 + count
    if at < len(rows.words):
        raise rows.fault(at, "there is more than the targets announced.")
    nodes, bonds, *pairs = tables
    n, dim = len(nodes), int(rows.words[0][0])
    if dim == 2 and np.ptp(nodes[:, 2]):
        raise rows.fault(0, "the dimension is 2, but z is not the same.")
    edges, *ends = (rows.ends(*part, n) for part in zip(begins[1:], tables[1:], strict=True))
    used = np.unique(edges)
    new = np.full(n, -1)
    new[used] = np.arange(len(used))
    notes, sets = [], {}
    if len(used) < n:
        alone = np.setdiff1d(np.arange(n), used)
        notes.append(f"{len(alone)} nodes without bonds are left out: {listed(alone)}")
    for what, table in zip(("source", "target"), ends, strict=False):
        for k, pair in enumerate(new[table], 1):
            if (pair < 0).any():
                raise InputError(f"{path}: {what} {k} is at a node without bonds.")
            sets[f"{what} {k}"] = pair
    if sets:
        phases = [f"{int(p[3]):+d}" for table in pairs for p in table]
        notes.append(
            f"its sources and targets are the node sets {listed(sets)}; their phases, which are "
            f"{listed(phases)}, belong into the task"
        )
    data = dict(zip(COLUMNS, bonds[:, 2:].T, strict=False))
    learns = data.pop("trainable", np.ones(len(edges))) != 0
    return Network(
        nodes[used, :dim],
        new[edges],
        node_sets=sets,
        edge_sets={} if learns.all() else {"frozen": np.flatnonzero(~learns)},
        node_data={DIMENSION: np.full(len(used), dim)} if dim == 3 else {},
        edge_data=data,
        labels=[str(k) for k in used],
        notes=tuple(notes),
    )
