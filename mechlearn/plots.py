"""Curves of a run, drawn by matplotlib: error and contrast, and what the parameters became."""

from typing import TYPE_CHECKING

import numpy as np

from mechlearn.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from mechlearn.compare import NudgeStudy, Trial
    from mechlearn.run import Run

ERROR, CONTRAST, LIMIT = "#1B1F24", "#0072B2", "#D55E00"
BEFORE, AFTER = "#A8AEB8", "#35608D"
INK, FAINT = "#20242A", "#D9DDE3"
#: Where the largest value is this many times the smallest, a logarithmic scale reads better.
DECADE = 10.0


def plot_error(run: "Run", ax: "Axes | None" = None, contrast: bool = True) -> "Axes":
    """Draw the error against the step, and the contrast, if there is any, on a second axis.

    Parameters
    ----------
    run : Run
    ax : matplotlib Axes, optional
        Drawn into; a new figure where left out.
    contrast : bool
        Whether the contrast is drawn too.

    Returns
    -------
    matplotlib.axes.Axes
        That of the error; its first line is ``run.history.error``.
    """
    from matplotlib.ticker import MaxNLocator

    ax = _new_axes() if ax is None else ax
    history = run.history
    step, error = history.step.values, history.error.values
    alone = {"marker": "o"} if len(step) == 1 else {}
    _style(ax)
    (curve,) = ax.plot(step, error, color=ERROR, linewidth=2.4, label="error", **alone)
    tolerance = run.setup.train.tolerance
    line = ax.axhline(
        tolerance,
        color=LIMIT,
        linewidth=1.6,
        linestyle=(0, (5, 3)),
        label=f"tolerance {short(tolerance)}",
    )
    contrasts = history.contrast.values
    curves = [curve, line]
    if contrast and np.any(contrasts):
        # The contrast goes with the square of the error: on a log scale the two would coincide, so
        # one curve is given the upper and the other the lower part of the frame.
        _log(ax, np.append(error, tolerance), below=0.25)
        below = ax.twinx()
        ax.set_zorder(below.get_zorder() + 1)
        ax.patch.set_visible(False)
        curves.insert(1, _plot_contrast(below, step, contrasts, **alone))
    else:
        _log(ax, np.append(error, tolerance))
    ax.set_xlabel("step")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_ylabel(history.error.attrs.get("long_name", "error").replace("_", " "))
    ax.set_xlim(step[0], max(step[-1], step[0] + 1))
    _legend(ax, curves)
    return ax


def plot_dofs(run: "Run", ax: "Axes | None" = None, dof: str | None = None) -> "Axes":
    """Draw the distribution of a learning parameter over the bonds, before and after training.

    Parameters
    ----------
    run : Run
    ax : matplotlib Axes, optional
        Drawn into; a new figure where left out.
    dof : str, optional
        Name of the parameter; the first that learned where left out.

    Returns
    -------
    matplotlib.axes.Axes
    """
    dof = pick_dof(run, dof)
    before, after = np.asarray(run.initial[dof]), np.asarray(run.learned[dof])
    both = np.concatenate([before, after])
    ax = _new_axes() if ax is None else ax
    _style(ax)
    count = int(np.clip(np.sqrt(len(after)) * 1.5, 10, 60))
    log = spans_decades(both)
    low, high = both.min(), both.max()
    if high - low <= 1e-12 * max(abs(high), 1e-300):
        pad = abs(high) * 0.1 or 1.0
        low, high = low - pad, high + pad
    edges = np.geomspace(low, high, count + 1) if log else np.linspace(low, high, count + 1)
    edges[0], edges[-1] = min(edges[0], both.min()), max(edges[-1], both.max())
    if np.ptp(before) <= 1e-9 * np.abs(before).max():
        ax.axvline(before[0], color=BEFORE, linewidth=4, label="before (all bonds)")
    else:
        ax.hist(before, bins=edges, color=BEFORE, label="before")
    ax.hist(after, bins=edges, color=AFTER, alpha=0.85, label="after")
    if log:
        ax.set_xscale("log")
    ax.set_xlabel(in_words(dof))
    ax.set_ylabel("bonds")
    _legend(ax, ax.get_legend_handles_labels()[0])
    return ax


def plot_learning(trials: "Sequence[Trial]", tolerance: float, ax: "Axes | None" = None) -> "Axes":
    """Draw error against step for several rules: medians over the starts, with their range."""
    ax = _new_axes() if ax is None else ax
    _style(ax)
    for name in dict.fromkeys(t.rule for t in trials):
        errors = [t.error for t in trials if t.rule == name and len(t.error)]
        if not errors:
            continue
        # A training that has ended stays where it ended.
        longest = max(len(e) for e in errors)
        curves = np.array([np.pad(e, (0, longest - len(e)), mode="edge") for e in errors])
        step, look = np.arange(longest), _look(name)
        ax.plot(step, np.median(curves, axis=0), linewidth=2, label=name, **look)
        low, high = curves.min(axis=0), curves.max(axis=0)
        ax.fill_between(step, low, high, color=look["color"], alpha=0.1, linewidth=0)
    ax.axhline(tolerance, color=LIMIT, linewidth=1.6, linestyle=(0, (5, 3)), label="tolerance")
    ax.set_yscale("log")
    ax.set_xscale("symlog", linthresh=10)
    ax.set_xlim(left=0)
    ax.set_xlabel("step (of the searches CMA, 1+1 and pattern: trial)")
    ax.set_ylabel("error, median and range over starts")
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def plot_nudges(studies: "Sequence[NudgeStudy]", axes: "Sequence[Axes] | None" = None):
    """Draw contrast, update and angle to the exact gradient against the nudge; returns three Axes.

    The legends give the fitted powers of the nudge.
    """
    if axes is None:
        from matplotlib import pyplot

        axes = pyplot.subplots(1, 3, figsize=(15, 4.8), layout="constrained")[1]
    panels = (
        ("contrast: energy, second less first state", lambda s: np.abs(s.contrast), 0),
        ("size of the update, not divided by the nudge", lambda s: s.update, 1),
        ("1 - cosine to the exact gradient", lambda s: np.maximum(s.angle, 1e-16), None),
    )
    for ax, (label, values, power) in zip(axes, panels, strict=True):
        _style(ax)
        for study in studies:
            name = study.rule
            if power is not None:
                fitted = study.powers[power]
                if not np.isfinite(fitted):
                    continue
                name += f": power {fitted:.3f}"
            look = {"marker": "o", "markersize": 4, "label": name} | _look(study.rule)
            ax.loglog(study.amount, values(study), **look)
        ax.set_xlabel("nudge (eta of CpL, beta of EP)")
        ax.set_ylabel(label)
        ax.legend(frameon=False, fontsize="small")
    return axes


#: Colours of the families of rules (Okabe and Ito's, safe for the colour-blind).
FAMILIES = {
    "CL": "#000000", "CpL": "#0072B2", "EP": "#D55E00", "GD": "#009E73", "aging": "#999999",
    "prune": "#CC79A7", "CMA": "#56B4E9", "1+1": "#E69F00", "pattern": "#B8A900",
}  # fmt: skip
VARIANTS = {"P": "-", "N": "--", "C": ":"}


def _look(rule: str) -> dict[str, str]:
    """Colour by family, dashes by variant, hollow where only one of several outputs counts."""
    family, _, variant = rule.partition(" ")
    look = {"color": FAMILIES.get(family, INK), "linestyle": VARIANTS.get(variant[:1], "-")}
    return look | ({"markerfacecolor": "white"} if "one output" in variant else {})


def pick_dof(run: "Run", name: str | None) -> str:
    """The learning parameter of that name, or the first; raises InputError, naming those known."""
    known = list(run.learned)
    if name is None:
        return known[0]
    if name not in known:
        raise InputError(f"{name!r} is no parameter that learned; known are {', '.join(known)}.")
    return name


def in_words(name: str) -> str:
    """A parameter's name as people write it: "rest length"."""
    return name.replace("_", " ")


def spans_decades(values: np.ndarray) -> bool:
    """Whether values are best seen on a logarithmic scale."""
    values = values[np.isfinite(values)]
    return bool(len(values) and values.min() > 0 and values.max() >= DECADE * values.min())


def _new_axes():
    from matplotlib import pyplot

    return pyplot.subplots(figsize=(8, 5), layout="constrained")[1]


def _plot_contrast(ax, step, contrast, **options):
    """The contrast on its own axis, in the colour of its curve."""
    (curve,) = ax.plot(
        step,
        contrast,
        color=CONTRAST,
        linewidth=1.8,
        alpha=0.85,
        label="contrast (right axis)",
        **options,
    )
    _log(ax, contrast, above=0.3)
    ax.set_ylabel("contrast: clamped less free energy", color=CONTRAST)
    ax.tick_params(axis="y", which="both", colors=CONTRAST)
    for side in ("top", "left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.spines["right"].set_color(CONTRAST)
    _sizes(ax)
    return curve


def _legend(ax, handles) -> None:
    """The curves side by side, above the frame."""
    ax.legend(
        handles=handles,
        frameon=False,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=len(handles),
        borderaxespad=0.2,
        fontsize=_size(ax) * 0.95,
    )


def _log(ax, values, below: float = 0.0, above: float = 0.0) -> None:
    """A log axis, with room below and above as parts of it; linear where nothing is positive."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not len(positive):
        return
    ax.set_yscale("log", nonpositive="clip")
    low, high = positive.min(), positive.max()
    low = max(low, high * 1e-16)
    span = max(np.log10(high / low), 0.3)
    share = span / (1 - below - above - 0.1)
    ax.set_ylim(low * 10 ** (-share * (below + 0.05)), high * 10 ** (share * (above + 0.05)))


def _size(ax) -> float:
    """Font size in points, in proportion to the figure."""
    w, h = ax.figure.get_size_inches()
    return float(np.clip(1.45 * min(w, 1.5 * h), 9, 20))


def _sizes(ax) -> None:
    size = _size(ax)
    ax.tick_params(which="both", labelsize=0.92 * size)
    ax.tick_params(which="major", width=1, length=5)
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set_size(size)
        axis.labelpad = 0.5 * size


def _style(ax) -> None:
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(INK)
    ax.set_axisbelow(True)
    ax.grid(True, which="major", color=FAINT, linewidth=0.8)
    _sizes(ax)


def short(number: float) -> str:
    """0.001 as 0.001, 1e-06 as 1e−6."""
    text = f"{number:.3g}"
    mantissa, e, power = text.partition("e")
    return (f"{mantissa}e{int(power)}" if e else text).replace("-", "\u2212")
