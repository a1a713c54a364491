"""Networks as columns of numbers and texts, the common form of tables and graphs."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError, listed
from mechlearn.io.meshfile import set_field, set_fields, take_sets
from mechlearn.network import Network
from mechlearn.networks.planar import dimension_mark

AXES = ("x", "y", "z")
WHOLE = re.compile(r"[+-]?\d+")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
TRUTH = {"true": True, "false": False}
#: The note by which our own files keep texts that look like numbers.
TEXTS = "texts"
#: The note by which our own files keep labels whatever they look like.
LABELS = "labels"


# -- written -----------------------------------------------------------------------------------


def columns_of(
    network: Network, nodes: Mapping, edges: Mapping
) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    """All data of nodes and of bonds, as columns of single numbers or texts."""
    axes = AXES[: network.dim]
    of_nodes = dict(zip(axes, network.nodes.T, strict=True))
    of_edges: dict[str, NDArray] = {}
    if network.shifts is not None:
        shifts = network.shifts.T
        of_edges |= {f"shift_{a}": s for a, s in zip(axes, shifts, strict=True)}
    for columns, data in ((of_nodes, {**network.node_data, **nodes, **dimension_mark(network)}),
                          (of_edges, {**network.edge_data, **edges})):  # fmt: skip
        for name, values in data.items():
            parts = _split(name, np.asarray(values))
            if taken := sorted({*columns, "i", "j", "id"} & set(parts)):
                raise InputError(
                    f"The data {name!r} would hide what a table calls {taken[0]!r}; rename them."
                )
            columns |= parts
    of_nodes |= set_fields("node", network.node_sets, network.n_nodes)
    of_edges |= set_fields("edge", network.edge_sets, network.n_edges)
    return of_nodes, of_edges


def _split(name: str, values: NDArray) -> dict[str, NDArray]:
    """Columns of data with several components: ``displacement_x``, ... or ``name_1``."""
    if values.ndim == 1:
        return {name: values}
    flat = values.reshape(len(values), -1)
    width = flat.shape[1]
    ends = AXES[:width] if width <= 3 else range(1, width + 1)
    return {f"{name}_{end}": flat[:, k] for k, end in enumerate(ends)}


def column_notes(network: Network, *columns: Mapping[str, NDArray]) -> dict[str, str]:
    """Header for the rest: lattice vectors, texts that look like numbers, labels."""
    notes = {}
    if network.cell is not None:
        for k, row in enumerate(network.cell, 1):
            notes[f"cell_{k}"] = " ".join(repr(float(v)) for v in row)
    texts = [
        quote(name, safe="")
        for part in columns
        for name, values in part.items()
        if values.dtype.kind == "U" and typed(values.tolist()).dtype.kind != "U"
    ]
    if texts:
        notes[TEXTS] = " ".join(dict.fromkeys(texts))
    if network.labels is not None:
        notes[LABELS] = "as they are"
    return notes


def row_dicts(columns: Mapping[str, NDArray], n: int) -> list[dict[str, Any]]:
    """Columns as dictionaries, one per row."""
    lists = {name: values.tolist() for name, values in columns.items()}
    return [{name: values[k] for name, values in lists.items()} for k in range(n)]


# -- read --------------------------------------------------------------------------------------


def typed(column: Sequence[str], comma: bool = False) -> NDArray:
    """Texts as whole numbers, numbers or truth values where all of them are, else as they are.

    Missing numbers, empty texts, become nan. With ``comma``, decimals may follow one.
    """
    texts = [text.strip() for text in column]
    if comma:
        texts = [t.replace(",", ".") if NUMBER.fullmatch(t.replace(",", ".")) else t for t in texts]
    there = [text for text in texts if text]
    if there and all(text.lower() in TRUTH for text in texts):
        return np.array([TRUTH[text.lower()] for text in texts])
    if there and all(NUMBER.fullmatch(text) for text in there):
        if len(there) == len(texts) and all(WHOLE.fullmatch(text) for text in texts):
            numbers = [int(text) for text in texts]
            if max(map(abs, numbers)) < 2**63:
                return np.array(numbers, dtype=np.int64)
        return np.array([float(text) if text else np.nan for text in texts])
    return np.array(list(column))


def collect_columns(rows: Sequence[Mapping[str, Any]], texts: set[str]) -> dict[str, NDArray]:
    """Columns of values that rows have by name; those in ``texts`` stay texts."""
    out: dict[str, NDArray] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        there = [value for value in values if value is not None]
        if all(isinstance(v, bool | np.bool_) for v in values):
            out[str(name)] = np.array(values)
        elif all(isinstance(v, int | float | np.number) for v in there):
            out[str(name)] = np.array([np.nan if v is None else v for v in values])
        else:
            words = ["" if v is None else str(v) for v in values]
            out[str(name)] = np.array(words) if name in texts else typed(words)
    return out


def text_names(notes: Mapping[str, str]) -> set[str]:
    """Names of columns that are texts although they look like numbers."""
    return {unquote(name) for name in notes.get(TEXTS, "").split()}


def node_names(column: Sequence[str], notes: Mapping[str, str]) -> list[str]:
    """Ids as intended: whole numbers written as 2.0 by a program are 2."""
    names = [text.strip() for text in column]
    if LABELS in notes or not all(re.fullmatch(r"\d+(\.0*)?", name) for name in names):
        return names
    return [name.partition(".")[0] for name in names]


def build_network(
    path: Path,
    ids: Sequence[str] | None,
    of_nodes: dict[str, NDArray],
    ends: Sequence[tuple[str, str]],
    of_edges: dict[str, NDArray],
    notes: Mapping[str, str],
) -> Network:
    """A network from columns.

    Parameters
    ----------
    path : path
        For messages.
    ids : sequence of str, optional
        What the nodes are called; left out, they are counted from 0. Where they are the numbers
        from 0 in another order, nodes are put in order; else they become labels.
    of_nodes, of_edges : dict of columns
    ends : sequence of pairs
        What the nodes of every bond are called.
    notes : mapping
        Those of :func:`column_notes`.
    """
    places = _rows_by_name(path, ids, of_nodes)
    n = len(places)
    periodic = any(name.startswith("cell_") for name in notes)
    edges = _edges(path, ends, places, ids is not None, periodic)
    labels: Sequence[str] | None = None if ids is None else list(places)
    counted = set(labels or ()) == set(map(str, range(n)))
    if labels is not None and counted and LABELS not in notes:
        order = np.argsort([int(label) for label in labels])
        of_nodes = {name: values[order] for name, values in of_nodes.items()}
        new = np.empty(n, dtype=np.int64)
        new[order] = np.arange(n)
        edges, labels = new[edges], None
    edges, of_edges = _in_order(edges, of_edges)
    names = labels or [str(k) for k in range(n)]
    axes = [a for a in AXES if a in of_nodes]
    if axes not in (["x", "y"], ["x", "y", "z"]):
        raise InputError(f"{path}: nodes need coordinates x, y (and z); they have {listed(axes)}.")
    nodes = np.column_stack([_numbers(path, a, of_nodes.pop(a), "node", names) for a in axes])
    vectors: NDArray | None = None
    shifts: NDArray | None = None
    if periodic:
        try:
            rows = [notes[f"cell_{k}"].split() for k in range(1, len(axes) + 1)]
            vectors = np.array(rows, dtype=float)
        except (KeyError, ValueError):
            raise InputError(
                f"{path}: a periodic network in {len(axes)}D needs cell_1, ... cell_{len(axes)}, "
                "numbers with blanks in between."
            ) from None
        columns = [f"shift_{a}" for a in axes]
        if all(name in of_edges for name in columns):
            bonds = [f"{names[i]}-{names[j]}" for i, j in edges.tolist()]
            shifts = np.column_stack(
                [_numbers(path, c, of_edges.pop(c), "bond", bonds) for c in columns]
            )
    said = [*_missing("nodes", of_nodes), *_missing("bonds", of_edges)]
    for kind, data in (("node", of_nodes), ("edge", of_edges)):
        for name in [c for c in data if c.startswith(set_field(kind, ""))]:
            if data[name].dtype.kind not in "biu" or not np.isin(data[name], (0, 1)).all():
                raise InputError(f"{path}: {name} is a set, and should be 0 or 1 everywhere.")
    return Network(
        nodes,
        edges,
        cell=vectors,
        shifts=shifts,
        node_sets=take_sets("node", of_nodes),
        edge_sets=take_sets("edge", of_edges),
        node_data=of_nodes,
        edge_data=of_edges,
        labels=labels,
        notes=tuple(said),
    )


def _in_order(
    edges: NDArray[np.int64], of_edges: dict[str, NDArray]
) -> tuple[NDArray[np.int64], dict[str, NDArray]]:
    """Bonds sorted by ids 0, 1, ...; any other ids become data."""
    rest = dict(of_edges)
    ids = rest.pop("id", None)
    if ids is None:
        return edges, rest
    if ids.dtype.kind == "i" and np.array_equal(np.sort(ids), np.arange(len(ids))):
        order = np.argsort(ids)
        return edges[order], {name: values[order] for name, values in rest.items()}
    return edges, {"bond_id": ids} | rest


def _rows_by_name(path: Path, ids: Sequence[str] | None, of_nodes: Mapping) -> dict[str, int]:
    """Row of every node by its name."""
    if ids is None:
        n = len(next(iter(of_nodes.values()), ()))
        return {str(k): k for k in range(n)}
    places: dict[str, int] = {}
    for row, name in enumerate(ids):
        if not name:
            raise InputError(f"{path}: node {row + 1} of the file has no id.")
        if name in places:
            raise InputError(f"{path}: two nodes have the id {name!r}; every node needs its own.")
        places[name] = row
    return places


def _edges(
    path: Path,
    ends: Sequence[tuple[str, str]],
    places: Mapping[str, int],
    own: bool,
    periodic: bool,
) -> NDArray[np.int64]:
    edges = []
    for row, pair in enumerate(ends, 1):
        for name in pair:
            if not name:
                raise InputError(f"{path}: bond {row} of the file lacks the id of a node.")
            if name not in places:
                known = (
                    f"one of the ids of nodes ({listed(places, 4)})"
                    if own
                    else f"a whole number from 0 to {len(places) - 1}, where nodes have no ids"
                )
                raise InputError(f"{path}: bond {row} joins {name!r}, which should be {known}.")
        if pair[0] == pair[1] and not periodic:
            raise InputError(f"{path}: bond {row} joins node {pair[0]!r} to itself; leave it out.")
        edges.append((places[pair[0]], places[pair[1]]))
    return np.array(edges, dtype=np.int64).reshape(-1, 2)


def _numbers(
    path: Path, name: str, values: NDArray, what: str, names: Sequence[str]
) -> NDArray[np.float64]:
    if values.dtype.kind in "fiu" and np.isfinite(values).all():
        return values.astype(float)
    for value, of in zip(values.tolist(), names, strict=True):
        good = isinstance(value, int | float) and np.isfinite(value)
        if not good and not (isinstance(value, str) and NUMBER.fullmatch(value.strip())):
            found = "missing" if value in ("", None) or value != value else repr(value)[:40]
            raise InputError(
                f"{path}: {name} of {what} {of} is {found}; {name} should be a finite number "
                "everywhere."
            )
    raise InputError(f"{path}: {name} should be a finite number everywhere.")


def _missing(what: str, columns: Mapping[str, NDArray]) -> list[str]:
    """Sentences about missing values."""
    return [
        f"{gap} of {len(values)} {what} have no {name}, which is nan there"
        for name, values in columns.items()
        if values.dtype.kind == "f" and (gap := np.count_nonzero(np.isnan(values)))
    ]
