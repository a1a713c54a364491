"""Tables of stable states, barriers between them, and transitions under a load; their output."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray

from mechlearn.extensions import load
from mechlearn.io.tables import csv_table
from mechlearn.io.writing import replaced_file, write_file
from mechlearn.network import Network

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class States(xarray.Dataset):
    """Stable states along a ``state`` dimension: that from rest first, others by their energy.

    Variables: ``factor`` of the load; of every source its displacement (strain, voltage) and force,
    and of every target its reading, as in an
    :class:`~mechlearn.studies.path.EquilibriumPath`; ``energy``; ``potential``, the energy less the
    work of the loads; ``found``, how many random starts led there; ``states``, (state, node,
    component). The same of unstable states along a ``saddle`` dimension, with ``saddle.`` before
    their names; of these ``saddle.index``, the number of unstable modes, ``saddle.ends``, the two
    states below one of index 1, or -1, and ``saddle.barrier``, its height above both. Along
    ``transition``: ``from`` and ``to``, numbers of states, -1 where none follows, or from the
    number of states on of others that are stable under load alone; ``load``, the value of the
    source at which the first one loses its stability, and ``load_factor``, that as a multiple of
    the whole load; ``upwards``, 1 where the factor grows there.
    """

    __slots__ = ()

    @property
    def columns(self) -> list[str]:
        """Names of the numbers of a state, as in states.csv."""
        return [str(n) for n, v in self.data_vars.items() if v.dims == ("state",)]

    def rows(self) -> list[dict[str, Any]]:
        """States as dicts of their numbers."""
        return self._rows("state", self.columns)

    @property
    def barriers(self) -> list[dict[str, Any]]:
        """Saddle points of index 1: the states below, the potential there, and heights above."""
        names = {"ends": "states", "potential": "potential", "barrier": "barriers"}
        rows = self._rows("saddle", [f"saddle.{name}" for name in names])
        named = [dict(zip(names.values(), row.values(), strict=True)) for row in rows]
        return [row for row in named if min(row["states"]) >= 0]

    @property
    def transitions(self) -> list[dict[str, Any]]:
        """Transitions: from one state to another, at a load, as it grows or falls."""
        rows = self._rows("transition", ["from", "to", "load", "load_factor", "upwards"])
        return [row | {"upwards": bool(row["upwards"])} for row in rows]

    @property
    def graph(self) -> Any:
        """Transitions as a :class:`networkx.MultiDiGraph`; edges have ``load`` and ``upwards``.

        Nodes have their ``energy``, where they are stable at the load of the search.
        """
        networkx = load("networkx", "make", "a graph of transitions needs")
        graph = networkx.MultiDiGraph()
        for k, energy in enumerate(self["energy"].values):
            graph.add_node(k, energy=float(energy))
        for row in self.transitions:
            if row["to"] >= 0:
                graph.add_edge(row["from"], row["to"], load=row["load"], upwards=row["upwards"])
        return graph

    def plot(self, ax: "Axes | None" = None) -> "Axes":  # type: ignore[override]
        """Draw the energies of states and of the barriers between them; returns the Axes."""
        from mechlearn.plots.landscape import plot_landscape

        return plot_landscape(self, ax)

    def to_csv(self) -> bytes:
        """The states as a CSV table."""
        rows = [{"state": k, **row} for k, row in enumerate(self.rows())]
        return csv_table(["state", *self.columns], rows)

    def _rows(self, dim: str, names: Sequence[str]) -> list[dict[str, Any]]:
        if dim not in self.sizes:
            return []
        values = [self[name].values.tolist() for name in names]
        return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def write(found: States, network: Network, folder: Path) -> None:
    """Write states.csv, summary.json, landscape.png and states.png into a folder."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from mechlearn.plots.landscape import plot_landscape, plot_shapes, plot_transitions

    write_file(folder / "states.csv", found.to_csv())
    summary = {
        **found.attrs,
        "states": found.rows(),
        "barriers": found.barriers,
        "transitions": found.transitions,
    }
    write_file(folder / "summary.json", (json.dumps(summary, indent=2) + "\n").encode())
    both = len(found.transitions) > 0
    levels = Figure(figsize=(8 + 6 * both, 5), layout="constrained")
    axes: Any = levels.subplots(1, 1 + both, squeeze=False)[0]
    plot_landscape(found, axes[0])
    if both:
        plot_transitions(found, axes[1])
    shapes = Figure(layout="constrained")
    plot_shapes(found, network, shapes)
    for name, figure in (("landscape", levels), ("states", shapes)):
        FigureCanvasAgg(figure)
        with replaced_file(folder / f"{name}.png") as place:
            figure.savefig(place, dpi=150)
