"""Reader of PLY files, edges included."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError
from mechlearn.io.untrusted import content
from mechlearn.networks.cells import Block, Mesh

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2",
    "ushort": "u2", "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"ascii": None, "binary_little_endian": "<", "binary_big_endian": ">"}
#: Names of the numbers of the two ends of an edge, and of the list of the corners of a face.
_ENDS, _CORNERS = ("vertex1", "vertex2"), ("vertex_indices", "vertex_index")


def read_ply(path: Path) -> Mesh:
    """Mesh of a PLY file: edges are lines, faces polygons; numbers of both are data.

    Raises
    ------
    InputError
        For what is no PLY, or has elements that are neither vertices, edges nor faces.
    """
    try:
        tables = _tables(content(path))
    except (ValueError, IndexError, KeyError, OverflowError) as error:
        said = f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as a mesh: {said or 'it is damaged'}.") from None
    unknown = {n: len(next(iter(t.values()), ())) for n, t in tables.items()}
    for name in ("vertex", "edge", "face"):
        unknown.pop(name, None)
    if any(unknown.values()):
        said = ", ".join(f"{n} {name}" for name, n in unknown.items() if n)
        raise InputError(f"{path}: it holds {said}, which are none of vertex, edge and face.")
    vertices = tables.get("vertex", {})
    if any(a not in vertices for a in "xyz"):
        raise InputError(f"{path} cannot be read as a mesh: its vertices have no x, y, z.")
    points = np.column_stack([np.asarray(vertices.pop(a), dtype=float) for a in "xyz"])
    blocks, start, cell_data = [], 0, {}
    edges = tables.get("edge", {})
    if edges:
        ends = np.column_stack([np.asarray(edges.pop(n), dtype=np.int64) for n in _ENDS])
        blocks.append(Block("line", ends, np.arange(len(ends))))
        start = len(ends)
    faces = tables.get("face", {})
    corners = next((faces.pop(n) for n in _CORNERS if n in faces), [])
    sizes = np.array([len(c) for c in corners], dtype=np.int64)
    for size in np.unique(sizes):
        ids = np.flatnonzero(sizes == size)
        kind = {3: "triangle", 4: "quad"}.get(int(size), "polygon")
        nodes = np.array([corners[k] for k in ids], dtype=np.int64)
        blocks.append(Block(kind, nodes, start + ids))
    if not len(corners):
        cell_data = {k: v for k, v in edges.items() if isinstance(v, np.ndarray)}
    notes = [f"lists {name!r} are left out" for table in (vertices, edges, faces)
             for name, values in table.items() if not isinstance(values, np.ndarray)]  # fmt: skip
    point_data = {k: v for k, v in vertices.items() if isinstance(v, np.ndarray)}
    return Mesh(points, blocks, point_data, cell_data, notes=notes)


def _tables(file: bytes) -> dict[str, dict[str, NDArray | list[NDArray]]]:
    """Properties of every element type by name; lists are lists of arrays."""
    head, found, body = file.partition(b"end_header")
    lines = [line.split() for line in head.decode("ascii", "replace").splitlines()]
    if not found or lines[:1] != [["ply"]]:
        raise ValueError("it is no PLY")
    body = body[body.index(b"\n") + 1 :]
    order: str | None = None
    elements: list[tuple[str, int, list[list[str]]]] = []
    for words in lines[1:]:
        if words[:1] == ["format"]:
            order = _ORDERS[words[1]]
        elif words[:1] == ["element"]:
            elements.append((words[1], int(words[2]), []))
            # Every row takes a byte or more.
            if not 0 <= int(words[2]) <= len(body):
                raise ValueError(f"it claims {words[2]} rows of {words[1]}, which it has not")
        elif words[:1] == ["property"]:
            elements[-1][2].append(words[1:])
    read = _Words(body) if order is None else _Bytes(body, order)
    return {name: _rows(read, n, properties) for name, n, properties in elements}


def _rows(
    read: "_Words | _Bytes", n: int, properties: list[list[str]]
) -> dict[str, NDArray | list[NDArray]]:
    kinds = [_TYPES[p[0]] if p[0] != "list" else "" for p in properties]
    if all(kinds):
        names = [p[-1] for p in properties]
        return dict(zip(names, read.columns(n, kinds), strict=True))
    out: dict[str, list] = {p[-1]: [] for p in properties}
    for _ in range(n):
        for p, kind in zip(properties, kinds, strict=True):
            if kind:
                out[p[-1]].append(read.columns(1, [kind])[0][0])
            else:
                length = int(read.columns(1, [_TYPES[p[1]]])[0][0])
                out[p[-1]].append(read.columns(length, [_TYPES[p[2]]])[0])
    return {
        p[-1]: np.array(out[p[-1]]) if k else out[p[-1]]
        for p, k in zip(properties, kinds, strict=True)
    }


class _Words:
    """Rows of numbers in an ASCII file."""

    def __init__(self, body: bytes) -> None:
        self.words, self.at = body.split(), 0

    def columns(self, n: int, kinds: list[str]) -> list[NDArray]:
        """Columns of ``n`` rows; raises ValueError or OverflowError for numbers of another type."""
        size = n * len(kinds)
        found = self.words[self.at : self.at + size]
        if n < 0 or len(found) < size:
            raise ValueError("it ends too early")
        self.at += size
        rows = np.array([float(word) for word in found]).reshape(n, len(kinds))
        with np.errstate(over="ignore"):  # what is infinite then is refused as coordinates
            return [
                np.array(column if kind[0] == "f" else [int(v) for v in column], dtype=kind)
                for column, kind in zip(rows.T.tolist(), kinds, strict=True)
            ]


class _Bytes:
    """Rows of numbers in a binary file."""

    def __init__(self, body: bytes, order: str) -> None:
        self.body, self.order, self.at = body, order, 0

    def columns(self, n: int, kinds: list[str]) -> list[NDArray]:
        """Columns of ``n`` rows."""
        dtype = np.dtype([(str(k), self.order + kind) for k, kind in enumerate(kinds)])
        end = self.at + n * dtype.itemsize
        if n < 0 or end > len(self.body):
            raise ValueError("it ends too early")
        rows = np.frombuffer(self.body, dtype, n, self.at)
        self.at = end
        return [rows[str(k)].astype(kind) for k, kind in enumerate(kinds)]
