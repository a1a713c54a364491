"""Plots of results of :mod:`mechlearn.analysis`, called by their methods ``plot``."""

from typing import TYPE_CHECKING

import numpy as np

from mechlearn.errors import InputError
from mechlearn.plots.bonds import plot_bonds, projected
from mechlearn.plots.style import (
    AFTER,
    BEFORE,
    CONTRAST,
    INK,
    LIMIT,
    escaped,
    font_size,
    legend,
    log_axis,
    log_ticks,
    styled_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mechlearn.analysis.curvature import Correspondence, Hessian
    from mechlearn.analysis.effective import Dimension
    from mechlearn.analysis.importance import Removal, Susceptibility
    from mechlearn.analysis.maps import ResponseMap
    from mechlearn.analysis.modes import Overlap, Spectrum
    from mechlearn.analysis.pathways import Pathway
    from mechlearn.analysis.robustness import Curve, Robustness
    from mechlearn.analysis.selfstress import SelfStress

#: Where the largest value is less than this many times the smallest the axis stays linear.
NARROW = 3.0
#: Curves are told apart by these, in turn.
COLOURS = CONTRAST, LIMIT, "#009E73", "#CC79A7", INK, "#56B4E9", "#E69F00"


def _log_x(ax: "Axes", values: np.ndarray) -> None:
    """Logarithmic x axis for positive values, with readable ticks."""
    low, high = float(np.min(values)), float(np.max(values))
    if 0 < NARROW * low < high:
        ax.set_xscale("log")
        log_ticks(ax.xaxis, low, high)


def _log_y(ax: "Axes", values: np.ndarray) -> None:
    """Logarithmic y axis with margins."""
    positive = values[np.isfinite(values) & (values > 0)]
    if len(positive) and positive.max() > NARROW * positive.min():
        log_axis(ax, values)
        log_ticks(ax.yaxis, *ax.get_ylim())


def plot_spectrum(found: "Spectrum", ax: "Axes | None" = None, bins: int = 20) -> "Axes":
    """Draw the density of states; where only soft modes are known, their participation."""
    if not found.complete:
        return _plot_participation(found, ax)
    ax = styled_axes(ax, "frequency √λ", "density of states")
    edges, density = found.density(bins)
    ax.stairs(density, edges, color=AFTER, linewidth=2.2, fill=False)
    _log_x(ax, edges)
    _log_y(ax, density)
    return ax


def _plot_participation(found: "Spectrum", ax: "Axes | None" = None) -> "Axes":
    """Draw the participation ratios of modes against their frequencies."""
    ax = styled_axes(ax, "frequency √λ", "participation ratio")
    keep = slice(found.zero_modes, None)
    ax.plot(found.frequencies[keep], found.participation[keep], "o", color=AFTER, ms=5)
    _log_x(ax, found.frequencies[keep])
    ax.set_ylim(0, 1)
    return ax


def plot_overlap(found: "Overlap", ax: "Axes | None" = None) -> "Axes":
    """Draw the cumulative shares of response, source and target in the modes."""
    ax = styled_axes(ax, "number of softest modes", "part in them")
    count = np.arange(1, len(found.eigenvalues) + 1)
    curves = {
        "free response": (found.response.mean(axis=0), INK),
        "source": (found.source, CONTRAST),
        "target": (found.target, LIMIT),
    }
    for name, (parts, colour) in curves.items():
        ax.step(count, np.cumsum(parts), where="post", color=colour, linewidth=2.2, label=name)
    _log_x(ax, count)
    ax.set_ylim(0, 1.02)
    legend(ax)
    return ax


def plot_dimension(found: "Dimension", ax: "Axes | None" = None) -> "Axes":
    """Draw singular values of the response in order."""
    ax = styled_axes(ax, "number", "singular value of the response")
    values = found.singular_values[found.singular_values > 1e-12 * found.singular_values.max()]
    label = f"effective dimension {found.effective:.3g}"
    ax.plot(np.arange(1, len(values) + 1), values, ".-", color=AFTER, linewidth=1.5, label=label)
    _log_x(ax, np.arange(1, len(values) + 1))
    _log_y(ax, values)
    legend(ax)
    return ax


def plot_hessian(found: "Hessian", ax: "Axes | None" = None) -> "Axes":
    """Draw the eigenvalues of a cost's Hessian in order; hollow where they are negative."""
    ax = styled_axes(ax, "number", "eigenvalue of the cost's Hessian")
    values = found.eigenvalues
    values = values[np.argsort(-np.abs(values))]
    count = np.arange(1, len(values) + 1)
    sizes = np.abs(values)
    for sign, face, name in ((1, AFTER, "positive"), (-1, "white", "negative")):
        mine = (np.sign(values) == sign) & (sizes > 1e-16 * sizes.max(initial=0.0))
        if mine.any():
            ax.plot(count[mine], sizes[mine], "o", color=AFTER, mfc=face, ms=5, label=name)
    _log_y(ax, sizes)
    legend(ax)
    return ax


def plot_correspondence(found: "Correspondence", ax: "Axes | None" = None) -> "Axes":
    """Draw the overlap of modes of the network with the stiffest modes of the cost."""
    ax = styled_axes(ax, "eigenvalue of the stiffness", "part of the changed response up to it")
    for c, parts in enumerate(found.response):
        label = f"{c + 1}" if c else "cost mode 1"
        colour = COLOURS[c % len(COLOURS)]
        ax.step(found.stiffness, np.cumsum(parts), where="post", color=colour, label=label)
    _log_x(ax, found.stiffness)
    ax.set_ylim(0, 1.02)
    legend(ax, ax.get_legend_handles_labels()[0][: len(COLOURS)])
    return ax


def plot_robustness(found: "Robustness", ax: "Axes | None" = None) -> "Axes":
    """Draw the error against the level: median, and the range of the middle 80 %."""
    ax = styled_axes(ax, found.level, "error")
    low, median, high = (
        np.where(np.isinf(v), np.nan, v)
        for v in (found.quantile(0.1), found.median, found.quantile(0.9))
    )
    ax.fill_between(found.levels, low, high, color=BEFORE, alpha=0.4, label="10 to 90 %")
    ax.plot(found.levels, median, "o-", color=AFTER, linewidth=2.2, label="median")
    for level, part in zip(found.levels, found.collapsed, strict=True):
        if part:
            ax.annotate(
                f"{part:.0%} floppy", (level, 0.97), xycoords=("data", "axes fraction"),
                ha="center", color=LIMIT, fontsize=0.8 * font_size(ax), annotation_clip=True,
            ).set_in_layout(False)  # fmt: skip
    span = float(found.levels.max() - found.levels.min()) or 1.0
    ax.set_xlim(found.levels.min() - 0.05 * span, found.levels.max() + 0.05 * span)
    if len(found.levels) > 2 and found.levels.min() > 0:
        _log_x(ax, found.levels)
        ax.set_xlim(found.levels.min() / 1.3, found.levels.max() * 1.3)
    finite = found.errors[np.isfinite(found.errors)]
    _log_y(ax, np.concatenate([low, median, high]) if len(finite) else finite)
    legend(ax)
    return ax


def plot_curve(found: "Curve", ax: "Axes | None" = None) -> "Axes":
    """Draw outputs against the amplitude of the sources, beside a proportional response."""
    ax = styled_axes(ax, "amplitude of the sources", "output")
    for k, name in enumerate(found.targets):
        colour = COLOURS[k % len(COLOURS)]
        ax.plot(
            found.amplitudes, found.outputs[:, k], color=colour, linewidth=2.2, label=escaped(name)
        )
        ideal = found.amplitudes * found.wanted[k]
        ax.plot(found.amplitudes, ideal, "--", color=colour, linewidth=1.2)
    ax.plot([], [], "--", color=INK, linewidth=1.2, label="wanted")
    handles = ax.get_legend_handles_labels()[0]
    legend(ax, [*handles[:-1][: len(COLOURS)], handles[-1]])
    return ax


def plot_selfstress(found: "SelfStress", ax: "Axes | None" = None) -> "Axes":
    """Draw a network, its bonds coloured by their redundancy."""
    return plot_bonds(found.network, found.redundancy, "redundancy", ax)


def plot_susceptibility(found: "Susceptibility", ax: "Axes | None" = None) -> "Axes":
    """Draw a network, its bonds coloured by their importance."""
    return plot_bonds(found.network, found.importance, "susceptibility", ax, found.ends)


def plot_removal(found: "Removal", ax: "Axes | None" = None) -> "Axes":
    """Draw a network, its bonds coloured by their importance; those that hold it in red."""
    return plot_bonds(found.network, found.importance, "change of the response", ax, found.ends)


def plot_responsemap(
    found: "ResponseMap", ax: "Axes | None" = None, what: str = "strain"
) -> "Axes":
    """Draw a network, its bonds coloured by "strain", "tension" or "energy"."""
    if what not in ("strain", "tension", "energy"):
        raise InputError(f"what = {what!r} must be 'strain', 'tension' or 'energy'.")
    return plot_bonds(found.network, getattr(found, what), what, ax, found.ends)


def plot_pathway(found: "Pathway", ax: "Axes | None" = None) -> "Axes":
    """Draw a network, its bonds coloured by their share in a coupling, and the pathways."""
    net = found.network
    ends = {"source": found.ends[0], "target": found.ends[1]}
    ax = plot_bonds(net, found.shares, "mutual energy by unit forces", ax, ends)
    nodes, vectors = projected(net, ends)
    for chain in found.bonds:
        for bond in chain:
            (a, b), v = nodes[net.edges[bond]], vectors[bond]
            halves = [(a, a + v / 2), (b - v / 2, b)]
            for p, q in halves:
                ax.plot(*np.transpose([p, q]), color=INK, linewidth=1.4, linestyle=(0, (2, 2)))
    if net.labels is not None:
        named = zip(found.nodes, found.names, strict=True)
        labels = {node: name for ids, names in named for node, name in zip(ids, names, strict=True)}
        for node, name in labels.items():
            ax.annotate(
                name.replace("$", r"\$"),
                tuple(nodes[node]),
                xytext=(6, 5),
                textcoords="offset points",
                fontsize=0.6 * font_size(ax),
                color=INK,
            )
    return ax
