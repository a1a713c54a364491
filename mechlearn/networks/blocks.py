"""Text files in counted blocks: dimension, nodes, bonds with data, pairs of sources and targets.

Those that physical_learning of J. Andrejevic saves, https://github.com/jandrejevic12/physical_learning::

    d                               2 or 3
    N
    x y z                           N rows
    M
    i j stiffness length trainable  M rows, or only i j
    S
    i j length phase                S rows of sources; then as many lines of targets, or nothing
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError, listed
from mechlearn.network import Network
from mechlearn.networks.planar import DIMENSION

#: What columns of bonds mean after their nodes.
COLUMNS = ("stiffness", "rest_length", "trainable")


def in_blocks(rows: Sequence[Sequence[str]]) -> bool:
    """Test whether the first two lines are the dimension and a number of nodes, each alone."""
    return len(rows) > 1 and [len(r) for r in rows[:2]] == [1, 1] and rows[0][0] in ("2", "3")


def read_blocks(path: Path, rows: Sequence[list[str]], lines: Sequence[int]) -> Network:
    """The network in such a file, from its ``rows`` of words and the numbers of their ``lines``.

    Nodes without bonds are left out, which a note says; the others keep their number as a label
    then. Sources and targets become sets of nodes, bonds that do not learn the set ``frozen``.

    Raises
    ------
    InputError
        Where counts and rows do not go together; the message names the line.
    """
    blocks: list[NDArray[np.float64]] = []
    at = 1
    for what, widths in (("nodes", (3,)), ("bonds", (2, 5)), ("sources", (4,)), ("targets", (4,))):
        if at == len(rows) and len(blocks) >= 2:
            break
        block, at = _block(path, rows, lines, at, what, widths)
        blocks.append(block)
    if at < len(rows):
        raise InputError(f"{path}, line {lines[at]}: there is more than the targets announced.")
    nodes, bonds, *pairs = blocks
    dim = int(rows[0][0])
    if dim == 2 and np.ptp(nodes[:, 2]):
        raise InputError(f"{path}, line {lines[0]}: the dimension is 2, but z is not the same.")
    n = len(nodes)
    for table in (bonds, *pairs):
        ends = table[:, :2]
        bad = np.flatnonzero(((ends != np.rint(ends)) | (ends < 0) | (ends >= n)).any(axis=1))
        if len(bad):
            raise InputError(
                f"{path}: nodes are numbered from 0 to {n - 1}; a pair is {ends[bad[0]].tolist()}."
            )
    edges = bonds[:, :2].astype(np.int64)
    used = np.unique(edges)
    new = np.full(n, -1)
    new[used] = np.arange(len(used))
    notes, sets = [], {}
    if len(used) < n:
        alone = np.setdiff1d(np.arange(n), used)
        notes.append(f"{len(alone)} nodes without bonds are left out: {listed(alone)}")
    for what, table in zip(("source", "target"), pairs, strict=False):
        for k, pair in enumerate(table, 1):
            ids = new[pair[:2].astype(np.int64)]
            if (ids < 0).any():
                raise InputError(f"{path}: {what} {k} is at a node without bonds.")
            sets[f"{what} {k}"] = ids
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


def _block(
    path: Path,
    rows: Sequence[list[str]],
    lines: Sequence[int],
    at: int,
    what: str,
    widths: tuple[int, ...],
) -> tuple[NDArray[np.float64], int]:
    """Rows of numbers of one counted block, and the row where the next block begins."""
    if at >= len(rows):
        raise InputError(f"{path} ends before the number of {what}.")
    if len(rows[at]) != 1 or not rows[at][0].isdecimal():
        raise InputError(
            f"{path}, line {lines[at]}: the number of {what} should stand here, not "
            f"'{' '.join(rows[at])[:60]}'."
        )
    count = int(rows[at][0])
    body = rows[at + 1 : at + 1 + count]
    if len(body) < count:
        raise InputError(
            f"{path}, line {lines[at]}: {count} {what} are announced, but {len(body)} lines follow."
        )
    for k, row in enumerate(body, at + 1):
        if len(row) not in widths or len(row) != len(body[0]):
            raise InputError(
                f"{path}, line {lines[k]}: one of the {what} has {len(row)} columns, where "
                f"{' or '.join(map(str, widths))} are expected, in every line as many."
            )
    try:
        table = np.array(body, dtype=float).reshape(count, len(body[0]) if body else widths[0])
    except ValueError:
        table = np.full((1, 1), np.nan)
    if not np.isfinite(table).all():
        raise InputError(f"{path}: what follows line {lines[at]} are not all finite numbers.")
    return table, at + 1 + count
