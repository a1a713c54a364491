"""Networks as line plots, coloured by one number per bond."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.errors import InputError
from mechlearn.plots.style import INK, font_size, legend, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mechlearn.network import Network

#: Of bonds whose number is infinite, and of those that have none, or zero: dark enough on white.
INFINITE, NOTHING = "#D55E00", "#C9CDD6"
#: Colours from zero on, and of both signs around it: those of matplotlib without their pale part.
ONE_SIGN = NOTHING, "#F8765C", "#B63679", "#641A80", "#140E36"
TWO_SIGNS = "#2D004B", "#6D5A9E", NOTHING, "#D4781C", "#7F3B08"
#: Widths of the lines in points, from the smallest number to the largest.
WIDTHS = 0.8, 4.0
#: Negative numbers smaller than this part of the largest are drawn as zero.
NEGATIVE = 0.02


def plot_bonds(
    network: "Network",
    values: ArrayLike,
    label: str,
    ax: "Axes | None" = None,
    marked: Mapping[str, ArrayLike] | None = None,
) -> "Axes":
    """Draw a network with the colours and widths of its bonds by given numbers.

    Numbers of both signs are drawn in two colours, around zero, the largest on top. A network in
    3D is drawn in the plane in which the marked nodes, or else all, are farthest apart.

    Parameters
    ----------
    network : Network
    values : (m,) array
        Infinite ones in a colour of their own, those that are no number faint.
    label : str
        What they are.
    ax : matplotlib Axes, optional
        Drawn into; a new figure where left out.
    marked : mapping of names to node ids, optional
        Nodes to be marked, such as those of sources.

    Raises
    ------
    InputError
        For another number of values than bonds.
    """
    values = np.asarray(values, dtype=float)
    if values.shape != (network.n_edges,):
        raise InputError(
            f"plot_bonds: {values.shape} values for the {network.n_edges} bonds of the network."
        )
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap, Normalize, TwoSlopeNorm

    ax = new_axes() if ax is None else ax
    known = np.isfinite(values)
    size = float(np.abs(values[known]).max(initial=0.0)) or 1.0
    signed = bool((values[known] < -NEGATIVE * size).any())
    norm = TwoSlopeNorm(0.0, -size, size) if signed else Normalize(0.0, size)
    part = np.where(known, np.abs(values) / size, np.isinf(values) * 0.6)
    width = WIDTHS[0] + (WIDTHS[1] - WIDTHS[0]) * part
    nodes, vectors = projected(network, marked)
    lines, bond = line_segments(network, nodes, vectors)
    colours = LinearSegmentedColormap.from_list("bonds", TWO_SIGNS if signed else ONE_SIGN)
    chosen_colours = (np.isnan(values), NOTHING), (known, None), (np.isinf(values), INFINITE)
    for chosen, colour in chosen_colours:
        mine = np.flatnonzero(chosen[bond])
        mine = mine[np.argsort(part[bond[mine]], kind="stable")]
        drawn = LineCollection(list(lines[mine]), linewidths=width[bond[mine]], capstyle="round")
        if colour is None:
            drawn.set(array=values[bond[mine]], cmap=colours, norm=norm)
            bar = ax.figure.colorbar(drawn, ax=ax, shrink=0.8, pad=0.02)
            bar.set_label(label, fontsize=font_size(ax))
            bar.outline.set_visible(False)
        else:
            drawn.set_color(colour)
        ax.add_collection(drawn)
    for (name, ids), look in zip((marked or {}).items(), ("o", "s", "D"), strict=False):
        x = nodes[np.asarray(ids)]
        face = INK if look == "o" else "white"
        ax.plot(x[:, 0], x[:, 1], look, color=INK, mfc=face, ms=9, label=name, linestyle="none")
    if marked:
        legend(ax)
    ax.set_aspect("equal")
    ax.autoscale_view()
    ax.set_axis_off()
    return ax


def projected(
    network: "Network", marked: Mapping[str, ArrayLike] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Nodes (n, 2) and vectors of the bonds (m, 2) in the plane of the picture.

    In 3D that in which the ``marked`` nodes, or else all, are farthest apart: spanned by the two
    largest principal axes.
    """
    if network.dim == 2:
        return network.nodes, network.vectors
    ids = [np.atleast_1d(nodes) for nodes in (marked or {}).values()]
    shown = network.nodes[np.concatenate(ids)] if ids else network.nodes
    apart = shown - shown.mean(axis=0)
    axes = np.linalg.eigh(apart.T @ apart)[1][:, :0:-1]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), range(2)])
    return network.nodes @ axes, network.vectors @ axes


def line_segments(
    network: "Network", nodes: NDArray, v: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Line segments in the plane and their bonds; periodic bonds are two half segments."""
    a, b = nodes[network.edges.T]
    bond = np.arange(network.n_edges)
    if network.shifts is None:
        return np.stack([a, b], axis=1), bond
    across = network.shifts.any(axis=1)
    whole = np.stack([a, b], axis=1)[~across]
    halves = [np.stack([a, a + v / 2], axis=1), np.stack([b - v / 2, b], axis=1)]
    lines = np.concatenate([whole, *(h[across] for h in halves)])
    return lines, np.concatenate([bond[~across], bond[across], bond[across]])
