"""Confusion matrices."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError
from mechlearn.plots.style import INK, escaped, font_size, new_axes, set_sizes
from mechlearn.tasks import data

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mechlearn.runs.run import Run


def plot_confusion(run: "Run", ax: "Axes | None" = None) -> "Axes":
    """Draw the confusion matrix of a run that classifies, on the examples it was trained with.

    Parameters
    ----------
    run : Run
    ax : matplotlib Axes, optional
        Drawn into; a new figure where left out.

    Returns
    -------
    matplotlib.axes.Axes
        With one image; rows are the classes wanted, columns those with the largest share.

    Raises
    ------
    InputError
        For a run whose cost wants values, not shares.
    """
    counts, names = confusion(run)
    ax = new_axes() if ax is None else ax
    parts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(parts, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        dark = parts[row, column] > 0.5
        ax.text(
            column, row, f"{count}", ha="center", va="center", fontsize=font_size(ax),
            color="white" if dark else INK,
        )  # fmt: skip
    shown = [escaped(name) for name in names]
    ax.set_xticks(range(len(names)), shown)
    ax.set_yticks(range(len(names)), shown)
    ax.set_xlabel("predicted class (largest share)")
    ax.set_ylabel("true class")
    set_sizes(ax)
    ax.tick_params(which="both", length=0)
    right = np.trace(counts) / counts.sum()
    ax.set_title(f"{100 * right:.1f} % of {counts.sum()} right", fontsize=font_size(ax))
    return ax


def confusion(run: "Run", learned: bool = True) -> tuple[NDArray[np.int64], list[str]]:
    """Counts of true (rows) against predicted classes, and the classes' names.

    Of the learned network, or of the initial one.

    Raises
    ------
    InputError
        For a run whose cost wants values, not shares.
    """
    problem = run.problem
    if problem.task.cost.has_values:
        raise InputError("A confusion matrix is of a run that classifies, whose cost wants shares.")
    outputs = run.respond(run.setup.examples, learned)
    shares = np.where(problem.active, problem.task.cost.reached(outputs, problem.active), -1.0)
    terminals = [p.terminal for p in problem.answers]
    labels = [str(label) for label in run.history["target"].values]
    names = terminals if len(set(terminals)) == len(terminals) else labels
    return data.confusion(shares, problem.wanted / problem.units), names
