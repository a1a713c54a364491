"""Networks as graphs and arrays: GraphML, CSV and npz, written and read to the last digit.

All hold everything a network has, periodic ones too; they are meant for networkx, igraph, Gephi,
pandas and NumPy. In GraphML and CSV coordinates are ``x``, ``y`` (, ``z``), the lattice vectors
``cell_1``, ``cell_2``, ..., the shift of a bond ``shift_x``, ``shift_y``, ..., and a set a column
of 0 and 1 named ``node_set:name`` or ``edge_set:name``.
"""

import csv
import io
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError, failure
from mechlearn.extras import load
from mechlearn.meshfile import set_field, take_sets
from mechlearn.network import Network
from mechlearn.networks.flat import marked
from mechlearn.safenpz import read_arrays
from mechlearn.safexml import refuse_entities
from mechlearn.writing import save

AXES = ("x", "y", "z")


# -- npz ---------------------------------------------------------------------------------------


def write_npz(path: Path, network: Network, nodes: Mapping, edges: Mapping) -> None:
    """Write ``nodes``, ``edges``, ``cell``, ``shifts`` and data as ``node:name``, ``edge:name``."""
    arrays: dict[str, NDArray] = {"nodes": network.nodes, "edges": network.edges}
    if network.cell is not None and network.shifts is not None:
        arrays |= {"cell": network.cell, "shifts": network.shifts}
    for kind, data in (("node", {**network.node_data, **nodes, **marked(network)}),
                       ("edge", {**network.edge_data, **edges})):  # fmt: skip
        arrays |= {f"{kind}:{k}": np.asarray(v) for k, v in data.items()}
    for kind, sets in (("node", network.node_sets), ("edge", network.edge_sets)):
        arrays |= {set_field(kind, k): v for k, v in sets.items()}
    for name, values in arrays.items():
        if values.dtype.hasobject:
            raise InputError(f"{path}: {name} is no array of numbers or texts.")
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)  # type: ignore[arg-type]  # no array is allow_pickle
    save(path, out.getvalue())


def read_npz(path: Path) -> Network:
    """The network in an npz file; raises InputError where it holds none."""
    try:
        arrays = read_arrays(path)
    except InputError:
        raise
    except Exception as error:  # NumPy, zipfile and zlib fail in many ways on a damaged file
        raise InputError(f"{path} cannot be read as npz: {failure(error)}.") from None
    for name in ("nodes", "edges"):
        if name not in arrays:
            raise InputError(f"{path} holds no array {name!r}; a network has nodes and edges.")
    data, sets = {}, {}
    for kind in ("node", "edge"):
        start = f"{kind}_set:"
        own: dict[str, NDArray] = {}
        for name in [n for n in arrays if n.startswith(start)]:
            values = arrays.pop(name)
            own |= take_ids(kind, name, values)
        sets[kind] = own
        start = f"{kind}:"
        data[kind] = {
            n.removeprefix(start): arrays.pop(n) for n in list(arrays) if n.startswith(start)
        }
    return Network(
        arrays["nodes"],
        arrays["edges"],
        cell=arrays.get("cell"),
        shifts=arrays.get("shifts"),
        node_sets=sets["node"],
        edge_sets=sets["edge"],
        node_data=data["node"],
        edge_data=data["edge"],
    )


def take_ids(kind: str, field: str, ids: NDArray) -> dict[str, NDArray]:
    """A set by the name that its field encodes."""
    [name] = take_sets(kind, {field: np.zeros(1)})
    return {name: ids}


# -- columns -----------------------------------------------------------------------------------


def _columns(
    network: Network, nodes: Mapping, edges: Mapping
) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    """Everything of nodes and of bonds as columns of single numbers or texts."""
    axes = AXES[: network.dim]
    of_nodes = dict(zip(axes, network.nodes.T, strict=True))
    of_edges: dict[str, NDArray] = {}
    if network.shifts is not None:
        shifts = network.shifts.T
        of_edges |= {f"shift_{a}": s for a, s in zip(axes, shifts, strict=True)}
    for columns, data in ((of_nodes, {**network.node_data, **nodes, **marked(network)}),
                          (of_edges, {**network.edge_data, **edges})):  # fmt: skip
        for name, values in data.items():
            parts = _split(name, np.asarray(values))
            if taken := sorted({*columns, *"ij"} & set(parts)):
                raise InputError(
                    f"The data {name!r} would hide what a table calls {taken[0]!r}; rename them."
                )
            columns |= parts
    for kind, columns, sets in (
        ("node", of_nodes, network.node_sets),
        ("edge", of_edges, network.edge_sets),
    ):
        n = network.n_nodes if kind == "node" else network.n_edges
        for name, ids in sets.items():
            columns[set_field(kind, name)] = np.isin(np.arange(n), ids).astype(int)
    return of_nodes, of_edges


def _split(name: str, values: NDArray) -> dict[str, NDArray]:
    """Data of several components as a column for each: ``displacement_x``, ... or ``name_1``."""
    if values.ndim == 1:
        return {name: values}
    flat = values.reshape(len(values), -1)
    width = flat.shape[1]
    ends = AXES[:width] if width <= 3 else range(1, width + 1)
    return {f"{name}_{end}": flat[:, k] for k, end in enumerate(ends)}


def _built(path: Path, of_nodes: dict, of_edges: dict, edges: NDArray, cell: dict) -> Network:
    """The network of such columns; ``cell`` holds the lattice vectors as texts by their names."""
    axes = [a for a in AXES if a in of_nodes]
    if axes not in (["x", "y"], ["x", "y", "z"]):
        raise InputError(
            f"{path}: nodes need coordinates x, y (and z); they have {axes or 'none'}."
        )
    nodes = np.column_stack([_numbers(path, a, of_nodes.pop(a)) for a in axes])
    vectors: NDArray | None = None
    shifts: NDArray | None = None
    if cell:
        try:
            rows = [cell[f"cell_{k}"].split() for k in range(1, len(axes) + 1)]
            vectors = np.array(rows, dtype=float)
        except (KeyError, ValueError):
            raise InputError(
                f"{path}: a periodic network in {len(axes)}D needs cell_1, ... cell_{len(axes)}, "
                "numbers with blanks in between."
            ) from None
        names = [f"shift_{a}" for a in axes]
        if all(name in of_edges for name in names):
            columns = [_numbers(path, n, of_edges.pop(n)) for n in names]
            shifts = np.column_stack(columns)
    node_sets, edge_sets = take_sets("node", of_nodes), take_sets("edge", of_edges)
    return Network(
        nodes,
        edges,
        cell=vectors,
        shifts=shifts,
        node_sets=node_sets,
        edge_sets=edge_sets,
        node_data=of_nodes,
        edge_data=of_edges,
    )


def _numbers(path: Path, name: str, values: NDArray) -> NDArray[np.float64]:
    if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise InputError(f"{path}: {name} should be a finite number everywhere.")
    return values.astype(float)


def _cell_texts(network: Network) -> dict[str, str]:
    if network.cell is None:
        return {}
    return {
        f"cell_{k}": " ".join(repr(float(v)) for v in row) for k, row in enumerate(network.cell, 1)
    }


# -- GraphML -----------------------------------------------------------------------------------


def write_graphml(path: Path, network: Network, nodes: Mapping, edges: Mapping) -> None:
    """Write a multigraph whose nodes are numbered from 0 and whose bonds have an ``id``."""
    networkx = load("networkx", "make", "GraphML needs")
    graph = networkx.MultiDiGraph(**_cell_texts(network))
    of_nodes, of_edges = _columns(network, nodes, edges)
    node_rows, edge_rows = _rows(of_nodes, network.n_nodes), _rows(of_edges, network.n_edges)
    graph.add_nodes_from((str(i), row) for i, row in enumerate(node_rows))
    for b, (i, j) in enumerate(network.edges.tolist()):
        graph.add_edge(str(i), str(j), key=str(b), **edge_rows[b])
    try:
        text = "\n".join(networkx.generate_graphml(graph, named_key_ids=False)) + "\n"
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} cannot be written: {failure(error)}.") from None
    save(path, text.encode())


def _rows(columns: Mapping[str, NDArray], n: int) -> list[dict]:
    lists = {name: values.tolist() for name, values in columns.items()}
    return [{name: values[k] for name, values in lists.items()} for k in range(n)]


def read_graphml(path: Path) -> Network:
    """The network in a GraphML file: of mechlearn, networkx, igraph, Gephi.

    Nodes take the order of the file; numbers that all nodes, or bonds, have become data.
    """
    refuse_entities(path)
    networkx = load("networkx", "make", "GraphML needs")
    try:
        with warnings.catch_warnings():
            # Data without a type are text, as GraphML says.
            warnings.filterwarnings("ignore", "No key type")
            graph = networkx.read_graphml(path, force_multigraph=True)
    except Exception as error:  # networkx fails in many ways on what is no GraphML
        raise InputError(f"{path} cannot be read as GraphML: {failure(error)}.") from None
    place = {node: k for k, node in enumerate(graph)}
    bonds = list(graph.edges(data=True, keys=True))
    try:  # those of mechlearn are numbered
        bonds.sort(key=lambda bond: int(bond[2]))
    except (TypeError, ValueError):
        pass
    edges = np.array([(place[a], place[b]) for a, b, _, _ in bonds]).reshape(-1, 2)
    of_nodes = _gathered([data for _, data in graph.nodes(data=True)])
    of_edges = _gathered([data for *_, data in bonds])
    of_edges.pop("id", None)
    cell = {k: str(v) for k, v in graph.graph.items() if str(k).startswith("cell_")}
    return _built(path, of_nodes, of_edges, edges, cell)


def _gathered(rows: list[dict]) -> dict[str, NDArray]:
    """Data that all rows have, by name."""
    shared = [name for name in (rows[0] if rows else {}) if all(name in row for row in rows)]
    return {name: np.array([row[name] for row in rows]) for name in shared}


# -- CSV ---------------------------------------------------------------------------------------


def nodes_beside(path: Path) -> Path:
    """The table of nodes that goes with a table of bonds."""
    return path.with_name(f"{path.stem}.nodes{path.suffix}")


def write_csv(path: Path, network: Network, nodes: Mapping, edges: Mapping) -> None:
    """Write bonds (``i``, ``j``, data) to ``NAME.csv`` and nodes to ``NAME.nodes.csv``.

    The lattice vectors of a periodic network are comments at the top of the nodes.
    """
    of_nodes, of_edges = _columns(network, nodes, edges)
    ends = dict(zip("ij", network.edges.T, strict=True))
    head = [f"# {name}: {text}" for name, text in _cell_texts(network).items()]
    save(path, _table([], ends | of_edges))
    save(nodes_beside(path), _table(head, of_nodes))


def _table(head: list[str], columns: Mapping[str, NDArray]) -> bytes:
    out = io.StringIO()
    out.writelines(f"{line}\n" for line in head)
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*(c.tolist() for c in columns.values()), strict=True))
    return out.getvalue().encode()


def read_csv(path: Path) -> Network:
    """The network in ``NAME.csv`` and ``NAME.nodes.csv``."""
    beside = nodes_beside(path)
    if not beside.is_file():
        raise InputError(f"{path}: the coordinates should be in {beside.name} beside it.")
    cell, of_nodes = _columns_of(beside)
    _, of_edges = _columns_of(path)
    if not {"i", "j"} <= set(of_edges):
        raise InputError(f"{path}: a table of bonds needs columns i and j, the ids of nodes.")
    ends = [_numbers(path, name, of_edges.pop(name)) for name in "ij"]
    return _built(path, of_nodes, of_edges, np.column_stack(ends), cell)


def _columns_of(path: Path) -> tuple[dict[str, str], dict[str, NDArray]]:
    """Comments ``# name: text`` and columns of a table; numbers where all of a column are."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {failure(error)}.") from None
    notes = [line[1:].partition(":") for line in lines if line.startswith("#")]
    comments = {name.strip(): text.strip() for name, colon, text in notes if colon}
    try:
        rows = list(csv.reader(line for line in lines if line.strip() and not line.startswith("#")))
    except csv.Error as error:
        raise InputError(f"{path} cannot be read: {error}.") from None
    if len(rows) < 2:
        raise InputError(f"{path} holds no rows under a line of names.")
    head, body = rows[0], rows[1:]
    for number, row in enumerate(body, 1):
        if len(row) != len(head):
            raise InputError(f"{path}: row {number} has {len(row)} columns, not {len(head)}.")
    return comments, {
        name: _typed(column) for name, column in zip(head, zip(*body, strict=True), strict=True)
    }


def _typed(column: tuple[str, ...]) -> NDArray:
    for kind in (np.int64, float):
        try:
            return np.array([kind(text) for text in column])
        except (ValueError, OverflowError):
            continue
    return np.array(column)
