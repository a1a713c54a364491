"""Style of all plots: colours, axes, legends, number formats."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

ERROR, CONTRAST, LIMIT = "#1B1F24", "#0072B2", "#D55E00"
BEFORE, AFTER = "#A8AEB8", "#35608D"
INK, FAINT = "#20242A", "#D9DDE3"
#: Where the largest value is this many times the smallest, a logarithmic scale reads better.
DECADE = 10.0
#: Colours of the families of rules (Okabe and Ito's, safe for the colour-blind).
FAMILIES = {
    "CL": "#000000", "CpL": "#0072B2", "EP": "#D55E00", "GD": "#009E73", "aging": "#999999",
    "prune": "#CC79A7", "CMA": "#56B4E9", "1+1": "#E69F00", "pattern": "#B8A900",
}  # fmt: skip
#: Rules whose steps are trials.
SEARCHES = ("CMA", "1+1", "pattern")
VARIANTS = {"P": "-", "N": "--", "C": ":"}


def rule_look(rule: str) -> dict[str, Any]:
    """Line style of a rule: colour by family, dashes by variant, hollow for a single output."""
    family, _, variant = rule.partition(" ")
    look = {"color": FAMILIES.get(family, INK), "linestyle": VARIANTS.get(variant[:1], "-")}
    return look | ({"markerfacecolor": "white"} if "one output" in variant else {})


def in_words(name: str) -> str:
    """Parameter name with spaces: "rest length"."""
    return name.replace("_", " ")


def spans_decades(values: NDArray) -> bool:
    """True if values suit a logarithmic scale."""
    values = values[np.isfinite(values)]
    return bool(len(values) and values.min() > 0 and values.max() >= DECADE * values.min())


def escaped(text: str) -> str:
    """Text escaped against matplotlib's mathtext."""
    return plain(text, 60).replace("$", r"\$")


def new_axes() -> "Axes":
    """Axes of a new figure."""
    from matplotlib import pyplot

    return pyplot.subplots(figsize=(8, 5), layout="constrained")[1]


def legend(ax: "Axes", handles: Any = None) -> None:
    """Legend in one row above the axes, of all that has a label where nothing is given."""
    handles = ax.get_legend_handles_labels()[0] if handles is None else handles
    ax.legend(
        handles=handles,
        frameon=False,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=len(handles),
        borderaxespad=0.2,
        fontsize=font_size(ax) * 0.95,
    )


def log_axis(ax: "Axes", values: NDArray, below: float = 0.0, above: float = 0.0) -> None:
    """Logarithmic axis with margins; linear where nothing is positive."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not len(positive):
        return
    ax.set_yscale("log", nonpositive="clip")
    low, high = positive.min(), positive.max()
    low = max(low, high * 1e-16)
    span = max(np.log10(high / low), 0.3)
    share = span / (1 - below - above - 0.1)
    ax.set_ylim(low * 10 ** (-share * (below + 0.05)), high * 10 ** (share * (above + 0.05)))


def log_ticks(axis: "Axis", low: float, high: float) -> None:
    """Round numbers on a logarithmic axis, in plain digits where those are short."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    decades = np.log10(high / low)
    powers = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        ticks = np.array([s * 10**p for p in powers for s in steps])
        ticks = ticks[(ticks >= low * 0.999) & (ticks <= high * 1.001)]
        if len(ticks) >= 4:
            break
    if decades > 7:
        ticks = ticks[:: int(np.ceil(decades / 6))]
    axis.set_major_locator(FixedLocator(ticks.tolist()))
    axis.set_major_formatter(FuncFormatter(lambda v, _: short_number(v)))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def font_size(ax: "Axes") -> float:
    """Font size in points, in proportion to the figure."""
    figure = ax.get_figure(root=True)
    assert figure is not None, "axes of a removed figure"
    w, h = figure.get_size_inches()
    return float(np.clip(1.45 * min(w, 1.5 * h), 9, 20))


def set_sizes(ax: "Axes") -> None:
    """Font sizes of the axes in proportion to the figure."""
    size = font_size(ax)
    ax.tick_params(which="both", labelsize=0.92 * size)
    ax.tick_params(which="major", width=1, length=5)
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set_fontsize(size)
        axis.labelpad = 0.5 * size


def style(ax: "Axes") -> None:
    """Apply the style of all plots to axes."""
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(INK)
    ax.set_axisbelow(True)
    ax.grid(True, which="major", color=FAINT, linewidth=0.8)
    set_sizes(ax)


def styled_axes(ax: "Axes | None", x: str, y: str) -> "Axes":
    """Axes with labels in the style of all plots; those of a new figure if ``ax`` is None."""
    ax = new_axes() if ax is None else ax
    style(ax)
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    return ax


def short_number(number: float, digits: int = 3) -> str:
    """Shortest readable form of a number: 0.001 as 0.001, 1e-06 as 1e−6."""
    text = f"{number:.{digits}g}"
    mantissa, e, power = text.partition("e")
    return (f"{mantissa}e{int(power)}" if e else text).replace("-", "\u2212")
