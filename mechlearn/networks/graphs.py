"""Networks as graphs: GraphML and networkx.

Nodes have their label, or their number, for an id. Coordinates are ``x``, ``y`` (, ``z``), the
lattice vectors data ``cell_1``, ``cell_2``, ... of the graph, the shift of a bond ``shift_x``,
``shift_y``, ..., and a set 0/1 data ``node_set:name`` or ``edge_set:name``.
"""

import warnings
from collections import defaultdict, deque
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mechlearn.errors import InputError, failure, listed
from mechlearn.extensions import load
from mechlearn.io.untrusted import refuse_entities
from mechlearn.io.writing import write_file
from mechlearn.network import Network
from mechlearn.networks.columns import (
    AXES,
    build_network,
    collect_columns,
    column_notes,
    columns_of,
    row_dicts,
    text_names,
)
from mechlearn.networks.planar import reduced_dimension

if TYPE_CHECKING:
    import networkx

#: Data of an edge of a graph that is not directed: the bond's number, and its first node.
BOND, FIRST = "bond", "first"


def write_graphml(path: Path, network: Network, nodes: Mapping, edges: Mapping) -> None:
    """Write a multigraph; the ``id`` of an edge is the number of its bond."""
    networkx = load("networkx", "make", "GraphML needs")
    of_nodes, of_edges = columns_of(network, nodes, edges)
    graph = networkx.MultiDiGraph(**column_notes(network, of_nodes, of_edges))
    names = network.named(range(network.n_nodes))
    graph.add_nodes_from(zip(names, row_dicts(of_nodes, network.n_nodes), strict=True))
    edge_rows = row_dicts(of_edges, network.n_edges)
    for b, (i, j) in enumerate(network.edges.tolist()):
        graph.add_edge(names[i], names[j], key=str(b), **edge_rows[b])
    try:
        text = "\n".join(networkx.generate_graphml(graph, named_key_ids=False)) + "\n"
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} cannot be written: {failure(error)}.") from None
    write_file(path, text.encode())


def read_graphml(path: Path) -> Network:
    """Network of a GraphML file, as written by mechlearn, networkx, igraph, Gephi, yEd or OSMnx.

    Ids of nodes become labels, unless they only count; bonds take the order of the file.

    Raises
    ------
    InputError
        For what is no GraphML, or more than one graph; for ids that are there twice or not at all.
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
    nodes, pairs = _counted(path, graph)
    # Of edges networkx keeps the order between two nodes only.
    waiting: dict[Any, deque] = defaultdict(deque)
    directed = graph.is_directed()
    for a, b, key, data in graph.edges(data=True, keys=True):
        waiting[(a, b) if directed else frozenset((a, b))].append((key, data))
    bonds = [(pair, *waiting[pair if directed else frozenset(pair)].popleft()) for pair in pairs]
    if {str(key) for _, key, _ in bonds} == set(map(str, range(len(bonds)))):
        bonds.sort(key=lambda bond: int(bond[1]))
    defaults = (graph.graph.get("node_default", {}), graph.graph.get("edge_default", {}))
    notes = {str(k): str(v) for k, v in graph.graph.items() if isinstance(v, str)}
    texts = text_names(notes)
    of_nodes = collect_columns([defaults[0] | graph.nodes[node] for node in nodes], texts)
    of_edges = collect_columns([defaults[1] | data for _, _, data in bonds], texts)
    of_edges.pop("id", None)  # the key of the bond, which networkx keeps twice
    ends = [(a.strip(), b.strip()) for (a, b), _, _ in bonds]
    return build_network(path, [n.strip() for n in nodes], of_nodes, ends, of_edges, notes)


def _counted(path: Path, graph: "networkx.Graph") -> tuple[list[str], list[tuple[str, str]]]:
    """Nodes and pairs of nodes in the order of the file.

    networkx reads the first graph of a file, makes one of nodes that have an id in common, and a
    node of every name that an edge mentions.
    """
    from defusedxml.ElementTree import parse

    file = parse(path)
    for kind in ("hyperedge", "port"):
        if file.find(f".//{{*}}{kind}") is not None:
            raise InputError(f"{path} has a {kind}, which a network of bonds cannot have.")
    nodes = [node.get("id", "") for node in file.iterfind(".//{*}node")]
    edges = file.iterfind(".//{*}edge")
    pairs = [(edge.get("source", ""), edge.get("target", "")) for edge in edges]
    known = set(nodes)
    unknown = [n for pair in pairs for n in pair if n not in known]
    if unknown:
        raise InputError(f"{path}: an edge joins {unknown[0]!r}, which is no node of the file.")
    if known != set(graph) or len(pairs) != graph.number_of_edges():
        graphs = len(file.findall(".//{*}graph"))
        raise InputError(
            f"{path} holds {len(nodes)} nodes and {len(pairs)} edges in {graphs} graphs, of which "
            f"{len(graph)} and {graph.number_of_edges()} are in the first; one graph is read, "
            "without groups."
        )
    return nodes, pairs


# -- networkx ----------------------------------------------------------------------------------


def from_networkx(
    graph: "networkx.Graph", /, positions: Mapping | None = None, dimension: int | None = None
) -> Network:
    """Network of a networkx graph.

    Nodes keep their names as labels, unless these count from 0, and edges their order; numbers
    and texts that nodes and edges have become data.

    Parameters
    ----------
    graph : networkx graph
        Of any kind. Coordinates are data ``x``, ``y`` (, ``z``) of nodes, or ``pos``, a sequence.
        What :meth:`Network.to_networkx` writes is honoured: shifts, lattice vectors, sets.
    positions : mapping of nodes to coordinates, optional
        Such as the ``pos`` of a layout, instead.
    dimension : int, optional
        3 keeps a flat network in space.

    Raises
    ------
    InputError
        For nodes without coordinates, names that are not told apart as texts, edges of a node with
        itself or that are there twice, and graphs in pieces.
    """
    if not all(hasattr(graph, part) for part in ("nodes", "edges", "graph")):
        raise InputError(f"graph = {str(graph)[:40]!r} is no graph of networkx.")
    here = Path("graph")
    rows = []
    for node, data in graph.nodes(data=True):
        row = {k: v for k, v in data.items() if k != "pos" or positions is None}
        place = row.pop("pos", None) if positions is None else positions.get(node)
        if place is not None:
            try:
                place = np.asarray(place, dtype=float).ravel()
            except (TypeError, ValueError):
                place = np.zeros(0)
            if len(place) not in (2, 3):
                raise InputError(f"graph: the position of node {node!r} is not 2 or 3 numbers.")
            place = dict(zip(AXES, place.tolist(), strict=False))
            if any(row.get(axis, at) != at for axis, at in place.items()):
                raise InputError(f"graph: x, y and pos of node {node!r} are different places.")
            row |= place
        rows.append(row)
    bonds = [(a, b, dict(data)) for a, b, data in graph.edges(data=True)]
    numbers = [data.pop(BOND, None) for _, _, data in bonds]
    firsts = [data.pop(FIRST, None) for _, _, data in bonds]
    bonds = [(b, a, d) if first == b != a else (a, b, d)
             for (a, b, d), first in zip(bonds, firsts, strict=True)]  # fmt: skip
    if set(numbers) == set(range(len(bonds))):
        bonds = [bonds[k] for k in np.argsort(numbers)]
    notes = {str(k): v for k, v in graph.graph.items() if isinstance(v, str)}
    for what, data in (("node", rows), ("edge", [d for *_, d in bonds])):
        _refuse_containers(what, data)
    of_nodes = collect_columns(rows, text_names(notes))
    of_edges = collect_columns([data for *_, data in bonds], text_names(notes))
    ends = [(str(a).strip(), str(b).strip()) for a, b, _ in bonds]
    network = build_network(here, [str(n).strip() for n in graph], of_nodes, ends, of_edges, notes)
    return reduced_dimension(network, dimension)


def _refuse_containers(what: str, rows: list[dict[str, Any]]) -> None:
    odd = {
        name
        for row in rows
        for name, value in row.items()
        if not isinstance(value, str | int | float | bool | np.generic | None)
    }
    if odd:
        raise InputError(
            f"graph: the {what} data {listed(sorted(map(str, odd)))} are no numbers or texts; "
            "leave them out."
        )


def to_networkx(network: Network) -> "networkx.Graph":
    """The network as a networkx graph, a multigraph where bonds are parallel.

    Nodes are labels, or numbers; edges have the bond's number as ``bond`` and its first node as
    ``first``, from which shifts of periodic bonds count.
    """
    networkx = load("networkx", "make", "A graph of networkx needs")
    of_nodes, of_edges = columns_of(network, {}, {})
    pairs = {frozenset(pair) for pair in network.edges.tolist()}
    kind = networkx.Graph if len(pairs) == network.n_edges else networkx.MultiGraph
    graph = kind(**column_notes(network, of_nodes, of_edges))
    names = range(network.n_nodes) if network.labels is None else network.labels
    graph.add_nodes_from(zip(names, row_dicts(of_nodes, network.n_nodes), strict=True))
    for b, row in enumerate(row_dicts(of_edges, network.n_edges)):
        i, j = network.edges[b].tolist()
        if taken := {BOND, FIRST} & set(row):
            raise InputError(
                f"The data {min(taken)!r} would hide what a graph calls so; rename them."
            )
        graph.add_edge(names[i], names[j], **row, **{BOND: b, FIRST: names[i]})
    return graph
