"""Crossbars of driven rows and grounded columns with a device at every crossing."""

import numpy as np

from mechlearn.errors import InputError
from mechlearn.network import Network
from mechlearn.networks import _check

#: Where column wires run beside the crossings, in units of the distance between rows.
ASIDE = 0.4


def crossbar(rows: int = 8, columns: int = 4, wires: bool = False) -> Network:
    """Crossbar of ``rows`` by ``columns`` devices, for resistor networks.

    Nodes 0 to ``rows - 1`` are the ends of the rows where voltages are applied, the next
    ``columns`` nodes the ends of the columns where currents are read: node sets ``rows`` and
    ``columns``. Currents count as positive where they flow into the network: columns held at zero
    read ``-V G``. The first bonds are the devices, row by row (edge set ``devices``); so values of
    an ideal crossbar fit one with wires.

    Parameters
    ----------
    rows, columns : int
        How many of them, at least one.
    wires : bool
        Whether rows and columns are wires with a resistance of their own: a segment between
        neighbouring crossings, and one to the end. They are the edge set ``wires``.

    Raises
    ------
    InputError
        For fewer than one row or column.
    """
    if rows < 1 or columns < 1:
        raise InputError(f"A crossbar needs at least one row and column, not {rows} by {columns}.")
    _check.many(f"A crossbar of {rows} by {columns}", rows * columns)
    i, j = np.divmod(np.arange(rows * columns), columns)
    nodes = [
        np.stack([np.full(rows, -1.0), -np.arange(rows)], axis=1),
        np.stack([np.arange(columns) + ASIDE, np.full(columns, -rows - ASIDE)], axis=1),
    ]
    sets = {"rows": np.arange(rows), "columns": rows + np.arange(columns)}
    edges = [np.stack([i, rows + j], axis=1)]
    if wires:
        crossings = np.stack([j, -i], axis=1).astype(float)
        nodes += [crossings, crossings + np.array([ASIDE, -ASIDE])]
        on_row = rows + columns + np.arange(rows * columns).reshape(rows, columns)
        on_column = on_row + rows * columns
        along_rows = np.hstack([np.arange(rows)[:, None], on_row])
        along_columns = np.vstack([on_column, sets["columns"]])
        edges = [
            np.stack([on_row.ravel(), on_column.ravel()], axis=1),
            np.stack([along_rows[:, :-1].ravel(), along_rows[:, 1:].ravel()], axis=1),
            np.stack([along_columns[:-1].ravel(), along_columns[1:].ravel()], axis=1),
        ]
    bonds = np.arange(sum(map(len, edges)))
    parts = {"devices": bonds[: rows * columns]}
    parts |= {"wires": bonds[rows * columns :]} if wires else {}
    return Network(np.vstack(nodes), np.vstack(edges), node_sets=sets, edge_sets=parts)
