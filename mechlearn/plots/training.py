"""Learning curves: error and contrast against step, of a run, several rules or many seeds."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError
from mechlearn.plots.style import (
    BEFORE,
    CONTRAST,
    ERROR,
    FAMILIES,
    INK,
    LIMIT,
    SEARCHES,
    font_size,
    legend,
    log_axis,
    rule_look,
    set_sizes,
    short_number,
    styled_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

    from mechlearn.runs.run import Run
    from mechlearn.studies.compare import NudgeStudy, RuleResult

#: Steps of the slowest rule, over those of the fastest, from which on their axis is logarithmic.
SEARCH = 20
#: Colours of groups (Okabe and Ito's, safe for the colour-blind).
GROUPS = tuple(FAMILIES.values())


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

    history = run.history
    name = history.error.attrs.get("long_name", "error").replace("_", " ")
    ax = styled_axes(ax, "step", name)
    step, error = history.step.values, history.error.values
    alone: dict[str, Any] = {"marker": "o"} if len(step) == 1 else {}
    (curve,) = ax.plot(step, error, color=ERROR, linewidth=2.4, label="error", **alone)
    tolerance = run.setup.train.tolerance
    line = ax.axhline(
        tolerance,
        color=LIMIT,
        linewidth=1.6,
        linestyle=(0, (5, 3)),
        label=f"tolerance {short_number(tolerance)}",
    )
    contrasts = history.contrast.values
    curves = [curve, line]
    if contrast and np.any(contrasts):
        # The contrast goes with the square of the error: on a log scale the two would coincide, so
        # one curve is given the upper and the other the lower part of the frame.
        log_axis(ax, np.append(error, tolerance), below=0.25)
        below = ax.twinx()
        ax.set_zorder(below.get_zorder() + 1)
        ax.patch.set_visible(False)
        curves.insert(1, _plot_contrast(below, step, contrasts, **alone))
    else:
        log_axis(ax, np.append(error, tolerance))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlim(step[0], max(step[-1], step[0] + 1))
    legend(ax, curves)
    return ax


def plot_learning(
    results: "Sequence[RuleResult]", tolerance: float, ax: "Axes | None" = None
) -> "Axes":
    """Draw error against step for several rules: medians over the starts, with their range."""
    searches = [name for name in dict.fromkeys(t.rule for t in results) if name in SEARCHES]
    label = f"step (of {', '.join(searches)}: trial)" if searches else "step"
    ax = styled_axes(ax, label, "error, median and range over starts")
    for name in dict.fromkeys(t.rule for t in results):
        errors = [t.error for t in results if t.rule == name and len(t.error)]
        if not errors:
            continue
        curves, look = _same_length(errors), rule_look(name)
        step = np.arange(curves.shape[1])
        # Dashes and dots above full lines, which would hide those that they coincide with.
        z = 2.0 if look["linestyle"] == "-" else 2.1
        ax.plot(step, np.median(curves, axis=0), linewidth=2, label=name, zorder=z, **look)
        low, high = curves.min(axis=0), curves.max(axis=0)
        ax.fill_between(step, low, high, color=look["color"], alpha=0.1, linewidth=0)
    ax.axhline(tolerance, color=BEFORE, linewidth=1.6, linestyle=(0, (5, 3)), label="tolerance")
    ax.set_yscale("log")
    ax.set_xlim(left=0)
    lengths = [len(t.error) for t in results if len(t.error)]
    if lengths and max(lengths) > SEARCH * min(lengths):
        ax.set_xscale("log")
        ax.set_xlim(left=1)
    ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return ax


def _plot_contrast(ax: "Axes", step: NDArray, contrast: NDArray, **options: Any) -> "Line2D":
    """Contrast on an axis of its own, in the colour of its curve."""
    (curve,) = ax.plot(
        step,
        contrast,
        color=CONTRAST,
        linewidth=1.8,
        alpha=0.85,
        label="contrast (right axis)",
        **options,
    )
    log_axis(ax, contrast, above=0.3)
    ax.set_ylabel("contrast: clamped less free energy", color=CONTRAST)
    ax.tick_params(axis="y", which="both", colors=CONTRAST)
    for side in ("top", "left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.spines["right"].set_color(CONTRAST)
    set_sizes(ax)
    return curve


def plot_nudges(
    studies: "Sequence[NudgeStudy]", axes: "Sequence[Axes] | None" = None
) -> "Sequence[Axes]":
    """Draw contrast, update and angle to the exact gradient against the nudge; returns three Axes.

    Parameters
    ----------
    studies : sequence of NudgeStudy
    axes : sequence of four matplotlib Axes, optional
        Drawn into, the last one for the legend, which gives the fitted powers of the nudge; those
        of a new figure where left out.
    """
    if axes is None:
        from matplotlib import pyplot

        axes = pyplot.subplots(2, 2, figsize=(10, 8), layout="constrained")[1].ravel()
    *axes, beside = axes
    panels: tuple[tuple[str, Callable[[NudgeStudy], NDArray]], ...] = (
        ("contrast of two states", lambda s: np.abs(s.contrast)),
        ("size of the update", lambda s: s.update),
        ("1 \u2212 cosine to the gradient", lambda s: np.maximum(s.angle, 1e-16)),
    )
    for ax, (label, values) in zip(axes, panels, strict=True):
        styled_axes(ax, "nudge (eta of CpL, beta of EP)", label)
        for study in studies:
            known = [f"{p:.3f}" if np.isfinite(p) else "none" for p in study.powers[:2]]
            name = f"{study.rule}: {known[0]} and {known[1]}"
            look: dict[str, Any] = {"marker": "o", "markersize": 4, "label": name}
            ax.plot(study.amount, values(study), **look | rule_look(study.rule))
        ax.set_xscale("log")
        if any(np.any(values(study) > 0) for study in studies):  # paths have no contrast
            ax.set_yscale("log")
    beside.set_axis_off()
    beside.legend(
        *axes[0].get_legend_handles_labels(),
        loc="center left",
        frameon=False,
        fontsize=font_size(beside),
        title="powers of the nudge:\ncontrast and update",
        title_fontsize=font_size(beside),
    )
    return axes


def plot_bands(table: str | Path, ax: "Axes | None" = None) -> "Axes":
    """Draw the error against the step of a sweep: median over seeds, and the band around it.

    Members that differ in nothing but seeds are one band, from the 10th to the 90th percentile; a
    training that has ended stays where it ended.

    Parameters
    ----------
    table : path
        The sweep's folder, or its table ``sweep.csv``; the runs must lie beside it.
    ax : matplotlib Axes, optional
        Drawn into; a new figure where left out.

    Returns
    -------
    matplotlib.axes.Axes
        With one line per group, in the order of the table.

    Raises
    ------
    InputError
        Where there is no sweep, or no member of it has a history.
    """
    from mechlearn.studies.sweep import RESULTS, TABLE

    table = Path(table)
    table = table / TABLE if table.is_dir() else table
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{table} is no table of a sweep: {error}.") from None
    if not rows or "member" not in rows[0]:
        raise InputError(f"{table} is no table of a sweep: it has no column member.")
    keys = [k for k in rows[0] if k not in ("member", *RESULTS) and not k.endswith("seed")]
    groups: dict[tuple[str, ...], list[NDArray]] = {}
    for row in rows:
        errors = groups.setdefault(tuple(row[k] for k in keys), [])
        if (history := table.parent / row["member"] / "history.nc").is_file():
            errors.append(_error_of(history))
    if not any(groups.values()):
        raise InputError(f"{table}: none of its members has left a history beside it.")
    ax = styled_axes(ax, "step", "error, median and 10 to 90 %")
    everything = []
    for number, (values, errors) in enumerate(groups.items()):
        if not errors:
            continue
        name = ", ".join(f"{k} = {v}" for k, v in zip(keys, values, strict=True))
        colour = GROUPS[number % len(GROUPS)] if keys else INK
        curves = _same_length(errors)
        step = np.arange(curves.shape[1])
        label = f"{name} ({len(errors)})" if name else f"median of {len(errors)}"
        ax.plot(step, np.median(curves, axis=0), linewidth=2.2, color=colour, label=label)
        low, high = np.percentile(curves, [10, 90], axis=0)
        ax.fill_between(step, low, high, color=colour, alpha=0.15, linewidth=0)
        everything.append(np.concatenate([low, high]))
    log_axis(ax, np.concatenate(everything))
    ax.set_xlim(left=0)
    ax.legend(frameon=False)
    return ax


def _error_of(path: Path) -> NDArray[np.float64]:
    import h5py

    try:
        with h5py.File(path) as file:
            return np.asarray(file["error"], dtype=float)
    except (OSError, KeyError) as error:
        raise InputError(f"{path} is damaged: {error}.") from None


def _same_length(errors: Sequence[NDArray]) -> NDArray[np.float64]:
    """Curves as rows of one length; shorter ones are continued by their last value."""
    longest = max(len(e) for e in errors)
    return np.array([np.pad(e, (0, longest - len(e)), mode="edge") for e in errors])
