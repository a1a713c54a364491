"""Resolution of names, labels and rough places to node ids."""

from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError, listed
from mechlearn.network import Network, nearest_image
from mechlearn.tasks.task import PLACES, Nodes, Support, Task, Terminal


def resolve(task: Task, network: Network) -> Task:
    """Task with explicit node ids everywhere.

    Raises
    ------
    InputError
        For ids out of range, unknown labels and sets, and places where no node or pair is left.
    """
    task = at_sources(task)
    words = [f"support {k}" for k in range(1, len(task.supports) + 1)]
    words += [_what(t, task) for t in (*task.sources, *task.targets)]
    tables: list[Support | Terminal] = [*task.supports, *task.sources, *task.targets]
    explicit = [
        None if t.nodes is None else node_ids(t.nodes, network, what)
        for t, what in zip(tables, words, strict=True)
    ]
    # Whatever is looked for is none of the nodes that are named, nor one that was found before.
    taken = {node for ids in explicit if ids is not None for node in ids}
    placed: list[Any] = []
    for table, ids, what in zip(tables, explicit, words, strict=True):
        if isinstance(table, Terminal) and table.cell is not None:
            placed.append(table)
            continue
        if ids is None and (source := getattr(table, "source", None)) is not None:
            at = next(k for k, t in enumerate(task.sources) if t.name == source)
            ids = placed[len(task.supports) + at].nodes
        elif ids is None:
            ids = _near(table, network, taken, what)
            taken.update(ids)
        placed.append(table.model_copy(update={"nodes": ids, "near": None}))
    held, driven = len(task.supports), len(task.supports) + len(task.sources)
    targets = [t.model_copy(update={"source": None}) for t in placed[driven:]]
    return task.model_copy(
        update={
            "supports": placed[:held],
            "sources": placed[held:driven],
            "targets": targets,
        }
    )


def at_sources(task: Task) -> Task:
    """Task in which targets that name a source have the places of that source."""
    places = {s.name: {n: getattr(s, n) for n in (*PLACES, "components")} for s in task.sources}
    targets = []
    for target in task.targets:
        if target.source is not None:
            place = dict(places[target.source])
            place["components"] = target.components or place["components"]
            target = target.model_copy(update=place)
        targets.append(target)
    return task.model_copy(update={"targets": targets})


def node_ids(nodes: Nodes, network: Network, what: str) -> list[int]:
    """Explicit node ids of ids, labels or the name of a node set.

    Raises
    ------
    InputError
        For what is not known, named twice, or could mean several nodes: a number where labels are
        numbers in another order, and a name that is both of a set and of a node.
    """
    places = {} if network.labels is None else {t: i for i, t in enumerate(network.labels)}
    if isinstance(nodes, str):
        if nodes in network.node_sets and nodes in places:
            raise InputError(
                f"{what}: {nodes!r} is both a node set and the label of a node; write "
                f"[{nodes!r}] for the node, or rename the set."
            )
        if nodes in network.node_sets:
            return network.node_sets[nodes].tolist()
        nodes = [nodes]
    counted = any(label.isdecimal() for label in places)
    ids = []
    for node in nodes:
        if isinstance(node, str):
            if node not in places:
                raise InputError(f"{what}: {_unknown(node, network)}")
            node = places[node]
        elif counted and (node >= network.n_nodes or network.label(node) != str(node)):
            raise InputError(f"{what}: {_numbers(node, network)}")
        elif node >= network.n_nodes:
            raise InputError(
                f"{what}: node {node} does not exist; the network has nodes 0 to "
                f"{network.n_nodes - 1}."
            )
        ids.append(int(node))
    if not ids:
        raise InputError(f"{what}: it names no node.")
    if len(set(ids)) < len(ids):
        again = next(i for i in ids if ids.count(i) > 1)
        raise InputError(f"{what}: node {network.label(again)} is named twice.")
    return ids


def by_label(task: Task, network: Network) -> Task:
    """Resolved task with labels in place of ids that could be mistaken for labels."""
    if network.labels is None or not any(label.isdecimal() for label in network.labels):
        return task
    parts = {
        part: [
            t if t.nodes is None else t.model_copy(update={"nodes": _named(t.nodes, network)})
            for t in getattr(task, part)
        ]
        for part in ("supports", "sources", "targets")
    }
    return task.model_copy(update=parts)


def _named(nodes: Nodes, network: Network) -> list[str]:
    return [n if isinstance(n, str) else network.label(n) for n in nodes]


def _unknown(name: str, network: Network) -> str:
    """Sentence about a name that is neither a set's nor a label."""
    several = [label for label in network.labels or () if _short(label) == name]
    if several:
        return f"{name!r} could be {listed(several)}; write which."
    known = [*network.node_sets, *(network.labels or ())]
    near = get_close_matches(name, known, 1)
    if near:
        hint = f"did you mean {near[0]!r}?"
    elif network.node_sets:
        hint = f"sets are {listed(network.node_sets)}."
    elif network.labels:
        hint = f"labels are {listed(network.labels)}."
    else:
        hint = "the network has none."
    return f"no node set or label is called {name!r}; {hint}"


def _short(label: str) -> str:
    """The label of a residue without the number of its chain's copy: "A:5" of "A-2:5"."""
    chain, colon, residue = label.rpartition(":")
    name, dash, copy = chain.rpartition("-")
    return f"{name}:{residue}" if colon and dash and copy.isdecimal() else label


def _numbers(node: int, network: Network) -> str:
    """Sentence about a number that could be a label or a place in the order of nodes."""
    names = network.labels or ()
    text = f"node {node} could mean two nodes, because the file numbers its nodes otherwise: write "
    if str(node) in names:
        text += f'"{node}" for the one that the file calls so'
    else:
        text += f"one of its labels as a text ({listed(names)})"
    if node < len(names):
        text += f', or "{names[node]}" for the one that is number {node} counted from 0'
    return f"{text}."


def _what(terminal: Terminal, task: Task) -> str:
    kind = "source" if any(terminal is s for s in task.sources) else "target"
    return f"{kind} {terminal.name!r}"


def _near(table: Support | Terminal, network: Network, taken: set[int], what: str) -> list[int]:
    """Free node, or pair of close unbonded nodes, nearest to a wanted place."""
    near = table.near or []
    if len(near) != network.dim:
        raise InputError(f"{what}: near needs {network.dim} numbers in {network.dim}D.")
    if network.periodic:
        place = np.asarray(near) @ network.cell
    else:
        low = network.nodes.min(axis=0)
        place = low + np.asarray(near) * np.ptp(network.nodes, axis=0)
    free = np.setdiff1d(np.arange(network.n_nodes), sorted(taken))
    pair = isinstance(table, Terminal) and (
        table.strain is not None or isinstance(table.force, float)
    )
    candidates = close_pairs(network, free) if pair else free[:, None]
    if len(candidates) == 0:
        raise InputError(f"{what}: no {'pair of nodes' if pair else 'node'} is left near {near}.")
    a, b = candidates[:, 0], candidates[:, -1]
    middle = network.nodes[a] + network.separation(a, b) / 2
    away = _distance(middle, place, network)
    return candidates[np.argmin(away)].tolist()


def close_pairs(network: Network, among: NDArray | None = None) -> NDArray[np.int64]:
    """Pairs of nodes with a common neighbour and no bond, shape (k, 2).

    Only pairs at least half a mean bond apart, so that their direction means something.
    """
    adjacency = network.neighbours()
    twice = (adjacency @ adjacency).tocoo()
    i, j = twice.coords
    pairs = np.stack([i, j], axis=1)[i < j]
    if not len(pairs):  # SciPy looks up no pairs as something else
        return pairs.astype(np.int64)
    pairs = pairs[adjacency[pairs[:, 0], pairs[:, 1]] == 0]
    if among is not None:
        pairs = pairs[np.isin(pairs, among).all(axis=1)]
    apart = np.linalg.norm(network.separation(pairs[:, 0], pairs[:, 1]), axis=1)
    mean = network.lengths.mean()
    return pairs[(apart > 0.5 * mean) & (apart < 2.5 * mean)]


def _distance(points: NDArray, place: NDArray, network: Network) -> NDArray:
    away = points - place
    if network.periodic:
        away = away + nearest_image(away, network.cell) @ network.cell
    return np.linalg.norm(away, axis=1)
