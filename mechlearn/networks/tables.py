"""Networks as tables and arrays: CSV and npz, lossless.

Both hold everything a network has, periodic ones too; they are meant for pandas, spreadsheets and
NumPy. In CSV coordinates are ``x``, ``y`` (, ``z``), lattice vectors comments ``# cell_1: ...``,
the shift of a bond ``shift_x``, ``shift_y``, ..., and a set a column of 0 and 1 named
``node_set:name`` or ``edge_set:name``.
"""

import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError, failure, listed
from mechlearn.io.meshfile import set_field
from mechlearn.io.untrusted import content, read_arrays
from mechlearn.io.writing import write_file
from mechlearn.network import Network
from mechlearn.networks.columns import (
    NUMBER,
    build_network,
    column_notes,
    columns_of,
    node_names,
    text_names,
    typed,
)
from mechlearn.networks.planar import dimension_mark

#: Columns that say which nodes a bond joins, and which one is the id of a node.
ENDS = (("i", "j"), ("source", "target"), ("from", "to"))
IDS = ("id", "node_id", "node", "")
#: Columns that may be such an id.
LIKELY = ("label", "name", "number", "nr", "no", "index", "idx", "key")
#: How spreadsheets tell formulas; what begins so is kept from being one by an apostrophe.
FORMULA = re.compile(r"'*[=+\-@\t\r]")


# -- npz ---------------------------------------------------------------------------------------


def write_npz(path: Path, network: Network, nodes: Mapping, edges: Mapping) -> None:
    """Write ``nodes``, ``edges``, ``cell``, ``shifts``, ``labels``; data as ``node:name``."""
    arrays: dict[str, NDArray] = {"nodes": network.nodes, "edges": network.edges}
    if network.cell is not None and network.shifts is not None:
        arrays |= {"cell": network.cell, "shifts": network.shifts}
    if network.labels is not None:
        arrays["labels"] = np.array(network.labels)
    of_nodes = {**network.node_data, **nodes, **dimension_mark(network)}
    of_edges = {**network.edge_data, **edges}
    for kind, data, sets in (
        ("node", of_nodes, network.node_sets), ("edge", of_edges, network.edge_sets)
    ):  # fmt: skip
        arrays |= {f"{kind}:{k}": np.asarray(v) for k, v in data.items()}
        arrays |= {set_field(kind, k): v for k, v in sets.items()}
    for name, values in arrays.items():
        if values.dtype.hasobject:
            raise InputError(f"{path}: {name} is no array of numbers or texts.")
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]  # no array is allow_pickle
    write_file(path, out.getvalue())


def read_npz(path: Path) -> Network:
    """Network of an npz file; raises InputError where it holds none."""
    try:
        arrays = read_arrays(path)
    except InputError:
        raise
    except Exception as error:  # NumPy, zipfile and zlib fail in many ways on a damaged file
        raise InputError(f"{path} cannot be read as npz: {failure(error)}.") from None
    for name in ("nodes", "edges"):
        if name not in arrays:
            raise InputError(f"{path} holds no array {name!r}; a network has nodes and edges.")
    taken = {
        start: {n.removeprefix(start): arrays.pop(n) for n in list(arrays) if n.startswith(start)}
        for start in ("node_set:", "edge_set:", "node:", "edge:")
    }
    labels = arrays.pop("labels", None)
    nodes, edges = arrays.pop("nodes"), arrays.pop("edges")
    cell, shifts = arrays.pop("cell", None), arrays.pop("shifts", None)
    unused = f"arrays that mean nothing here are left out: {listed(arrays)}"
    return Network(
        nodes,
        edges,
        cell=cell,
        shifts=shifts,
        node_sets={unquote(k): ids for k, ids in taken["node_set:"].items()},
        edge_sets={unquote(k): ids for k, ids in taken["edge_set:"].items()},
        node_data=taken["node:"],
        edge_data=taken["edge:"],
        labels=None if labels is None else [str(text) for text in np.ravel(labels).tolist()],
        notes=(unused,) if arrays else (),
    )


# -- CSV ---------------------------------------------------------------------------------------


def nodes_beside(path: Path) -> Path:
    """Path of the node table that belongs to a bond table."""
    return path.with_name(f"{path.stem}.nodes{path.suffix}")


def write_csv(path: Path, network: Network, nodes: Mapping, edges: Mapping) -> None:
    """Write bonds (``i``, ``j``, data) to ``NAME.csv`` and nodes to ``NAME.nodes.csv``.

    Nodes with labels have them as ``id``, and bonds join labels. The lattice vectors of a periodic
    network are comments at the top of the nodes.
    """
    of_nodes, of_edges = columns_of(network, nodes, edges)
    notes = column_notes(network, of_nodes, of_edges)
    ends = dict(zip("ij", network.edges.T, strict=True))
    if network.labels is not None:
        labels = np.array(network.labels)
        of_nodes = {"id": labels, **of_nodes}
        ends = {name: labels[column] for name, column in ends.items()}
    write_file(path, _table([], ends | of_edges))
    write_file(
        nodes_beside(path), _table([f"# {k}: {text}" for k, text in notes.items()], of_nodes)
    )


def _table(head: list[str], columns: Mapping[str, NDArray]) -> bytes:
    out = io.StringIO()
    out.writelines(f"{line}\n" for line in head)
    csv.writer(out, lineterminator="\n").writerow([_kept(name) for name in columns])
    # Texts in quotes: blanks at their ends would be lost otherwise.
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_STRINGS)
    lists = [
        [_kept(text) for text in c.tolist()] if c.dtype.kind == "U" else c.tolist()
        for c in columns.values()
    ]
    writer.writerows(zip(*lists, strict=True))
    return out.getvalue().encode()


def _kept(text: str) -> str:
    """Text escaped against interpretation as a formula or a comment."""
    return f"'{text}" if FORMULA.match(text) or text.startswith("#") else text


def _meant(text: str) -> str:
    """Inverse of :func:`_kept`."""
    inner = text.removeprefix("'")
    return inner if inner != text and _kept(inner) == text else text


def read_csv(path: Path) -> Network:
    """Network in ``NAME.csv`` and ``NAME.nodes.csv``.

    Columns are parted by commas, semicolons, tabs or blanks. Bonds name their nodes in columns i
    and j (or source and target, from and to): by the ``id`` of nodes, or, where they have none, by
    their row, counted from 0.

    Raises
    ------
    InputError
        For ragged rows, columns of one name, ids that are missing, unknown or there twice.
    """
    beside = nodes_beside(path)
    if not beside.is_file():
        raise InputError(f"{path}: the coordinates should be in {beside.name} beside it.")
    notes, of_nodes = _columns_of(beside)
    _, of_edges = _columns_of(path)
    pair = next((pair for pair in ENDS if set(pair) <= set(of_edges)), None)
    if pair is None:
        raise InputError(f"{path}: a table of bonds needs columns i and j, the ids of nodes.")
    columns = [node_names(list(map(_meant, of_edges.pop(name))), notes) for name in pair]
    ends = list(zip(*columns, strict=True))
    name = next((name for name in IDS if name in of_nodes), None)
    name = _likely(path, of_nodes, ends) if name is None else name
    ids = None if name is None else node_names(list(map(_meant, of_nodes.pop(name))), notes)
    texts = text_names(notes)
    node_columns = {name: _values(column, name in texts) for name, column in of_nodes.items()}
    edge_columns = {name: _values(column, name in texts) for name, column in of_edges.items()}
    if "" in edge_columns:
        if not np.array_equal(edge_columns.pop(""), np.arange(len(ends))):
            raise InputError(f"{path}: a column has no name.")
    return build_network(path, ids, node_columns, ends, edge_columns, notes)


def _likely(
    path: Path, of_nodes: Mapping[str, list[str]], ends: list[tuple[str, str]]
) -> str | None:
    """A column that looks like ids of bonds although it is not called ``id``, if any."""
    wanted = {name for pair in ends for name in pair}
    counted = wanted <= {str(k) for k in range(len(next(iter(of_nodes.values()), ())))}
    for name in LIKELY:
        values = node_names(list(map(_meant, of_nodes.get(name, []))), {})
        if not wanted <= set(values) or len(set(values)) < len(values):
            continue
        if counted and values != [str(k) for k in range(len(values))]:
            raise InputError(
                f"{path}: bonds could mean the column {name!r} of the nodes, or their rows counted "
                f"from 0, which is not the same; call the column id if they mean it, else drop it."
            )
        return None if counted else name
    return None


def _values(column: list[str], as_text: bool) -> NDArray:
    values = typed(column, comma=True)
    return np.array(list(map(_meant, column))) if as_text or values.dtype.kind == "U" else values


def _columns_of(path: Path) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Comments ``# name: text`` and columns of a table, as texts."""
    raw = content(path)
    try:
        wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
        text = raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} cannot be read: {failure(error)}.") from None
    lines, comments = _without_comments(text)
    apart = ","
    if lines and (told := re.fullmatch(r"sep=(.)\s*", lines[0])):
        apart, lines = told[1], lines[1:]
    elif lines:
        bare = re.sub(r'"[^"]*"', "", lines[0])
        apart = max(",;\t|", key=bare.count)
        apart = apart if bare.count(apart) or " " not in bare.strip() else " "
    try:
        rows = list(csv.reader(lines, delimiter=apart, skipinitialspace=True))
    except csv.Error as error:
        raise InputError(f"{path} cannot be read: {error}.") from None
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if len(rows) > 1 and all(NUMBER.fullmatch(cell.strip()) for cell in rows[0]) and comments:
        # NumPy writes the names of columns as a comment.
        rows.insert(0, next(csv.reader([comments[-1]], delimiter=apart, skipinitialspace=True)))
    if len(rows) < 2:
        raise InputError(f"{path} holds no rows under a line of names.")
    head = [_special(_meant(name.strip())) for name in rows[0]]
    body = rows[1:]
    if twice := next((name for name in head if head.count(name) > 1), None):
        raise InputError(f"{path}: two columns are called {twice!r}.")
    for number, row in enumerate(body, 1):
        if len(row) != len(head):
            raise InputError(f"{path}: row {number} has {len(row)} columns, not {len(head)}.")
    named = [comment.partition(":") for comment in comments]
    notes = {name.strip(): text.strip() for name, colon, text in named if colon}
    columns = zip(*body, strict=True)
    return notes, {name: list(column) for name, column in zip(head, columns, strict=True)}


def _special(name: str) -> str:
    """Names of coordinates, ends and ids in lower case."""
    known = {"x", "y", "z", *IDS, *LIKELY, *(end for pair in ENDS for end in pair)}
    return name.lower() if name.lower() in known else name


def _without_comments(text: str) -> tuple[list[str], list[str]]:
    """Lines of a table and of its comments; a ``#`` within quotes is data."""
    lines, comments, inside = [], [], False
    for line in io.StringIO(text, newline=""):
        if not inside and line.startswith("#"):
            comments.append(line[1:].strip())
            continue
        inside ^= line.count('"') % 2 == 1
        lines.append(line)
    return [line for line in lines if line.strip()] if not inside else lines, comments
