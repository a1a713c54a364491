"""Energy landscapes: levels of states and barriers, transitions under a load, deformed shapes."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.plots.bonds import line_segments
from mechlearn.plots.style import AFTER, BEFORE, FAINT, INK, LIMIT, font_size, legend, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mechlearn.network import Network
    from mechlearn.studies.landscape import States

#: Half the width of a level, where its neighbours are 1 apart.
LEVEL = 0.3
#: Shapes in a picture at most, and in a row.
SHAPES, ROW = 12, 4
#: Shapes in space are seen from 20 degrees above and 25 aside: right and up on the page.
_SIDE, _ABOVE = np.radians(25), np.radians(20)
OBLIQUE = np.array(
    [
        [np.cos(_SIDE), -np.sin(_SIDE) * np.sin(_ABOVE)],
        [np.sin(_SIDE), np.cos(_SIDE) * np.sin(_ABOVE)],
        [0.0, np.cos(_ABOVE)],
    ]
)


def plot_landscape(found: "States", ax: "Axes | None" = None) -> "Axes":
    """Draw the potentials of stable states as levels, joined over the barriers between them.

    Parameters
    ----------
    found : States
    ax : matplotlib Axes, optional
        Drawn into; a new figure where left out.
    """
    ax, potential = new_axes() if ax is None else ax, found["potential"].values
    for row in found.barriers:
        (a, b), top = row["states"], row["potential"]
        if a == b:
            continue
        x = np.array([a + LEVEL, (a + b) / 2, b - LEVEL])
        ax.plot(x, [potential[a], top, potential[b]], "--", color=BEFORE, lw=1, zorder=1)
        ax.plot(x[1], top, "o", color=LIMIT, ms=5, zorder=2)
    numbers = np.arange(len(potential))
    ax.hlines(potential, numbers - LEVEL, numbers + LEVEL, color=AFTER, lw=3)
    if len(numbers) <= 2 * SHAPES:
        ax.set_xticks(numbers)
    ax.set_xlabel("stable state")
    ax.set_ylabel("energy less work of the load")
    return ax


def plot_transitions(found: "States", ax: "Axes | None" = None) -> "Axes":
    """Draw which state follows which as the load grows (in one colour) and falls (in the other).

    Parameters
    ----------
    found : States
    ax : matplotlib Axes, optional
        Drawn into; a new figure where left out.
    """
    from matplotlib.lines import Line2D

    ax, graph = new_axes() if ax is None else ax, found.graph
    around = 2 * np.pi * np.arange(len(graph)) / len(graph)
    place = dict(zip(graph, np.column_stack([np.sin(around), np.cos(around)]), strict=True))
    for a, b, data in graph.edges(data=True):
        look = {"arrowstyle": "-|>", "color": LIMIT if data["upwards"] else AFTER, "shrinkA": 11,
                "shrinkB": 11, "connectionstyle": "arc3,rad=0.2"}  # fmt: skip
        ax.annotate("", place[b], place[a], arrowprops=look)
    for node, (x, y) in place.items():
        face = FAINT if node < found.sizes["state"] else "white"
        ax.plot(x, y, "o", ms=20, mfc=face, color=INK)
        ax.text(x, y, str(node), ha="center", va="center", fontsize=font_size(ax))
    looks = {"load grows": LIMIT, "load falls": AFTER}
    legend(ax, [Line2D([], [], color=colour, label=label) for label, colour in looks.items()])
    ax.set(aspect="equal", xlim=(-1.3, 1.3), ylim=(-1.3, 1.3))
    ax.set_axis_off()
    return ax


def plot_shapes(found: "States", network: "Network", figure: "Figure") -> None:
    """Draw the first stable states of a network deformed, over its shape at rest.

    Parameters
    ----------
    found : States
    network : Network
    figure : matplotlib Figure
        Drawn into.
    """
    from matplotlib.collections import LineCollection

    moves = found["states"].values[:SHAPES]
    rows = -(-len(moves) // ROW)
    figure.set_size_inches(12, 1 + 3 * rows)
    axes: Any = figure.subplots(rows, min(len(moves), ROW), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for k, (ax, move) in enumerate(zip(axes.flat, moves, strict=False)):
        for shown, colour, width in ((0 * move, FAINT, 1.0), (move, AFTER, 1.6)):
            lines = list(_shape(network, shown))
            ax.add_collection(LineCollection(lines, colors=colour, linewidths=width))
        energy = float(found["potential"][k])
        ax.set_title(f"{k}: {energy:.4g}", fontsize=font_size(ax))
        ax.set_aspect("equal")
        ax.autoscale_view()


def _shape(network: "Network", move: NDArray) -> NDArray[np.float64]:
    """Line segments of the bonds, (lines, 2, 2), where nodes have moved."""
    d = network.dim
    moves = move[:, :d] if move.shape[1] >= d else np.zeros(network.nodes.shape)
    axes = OBLIQUE if d == 3 else np.eye(2)
    along = moves[network.edges[:, 1]] - moves[network.edges[:, 0]]
    nodes, vectors = network.nodes + moves, network.vectors + along
    return line_segments(network, nodes @ axes, vectors @ axes)[0]
