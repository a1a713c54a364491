"""Distributions over a run's bonds, and confusion matrices."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.errors import InputError
from mechlearn.plots.style import (
    AFTER,
    BEFORE,
    INK,
    escaped,
    font_size,
    in_words,
    legend,
    log_ticks,
    new_axes,
    set_sizes,
    spans_decades,
    styled_axes,
)
from mechlearn.tasks import data

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from scipy import sparse

    from mechlearn.runs.run import Run

#: All eigenvalues of larger matrices are not found in a reasonable time.
MOST_DOFS = 6000
#: Eigenvalues below this part of the largest belong to zero modes.
ZERO = 1e-12


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
    from matplotlib.ticker import MaxNLocator

    dof = pick_dof(run, dof)
    before, after = np.asarray(run.initial[dof]), np.asarray(run.learned[dof])
    both = np.concatenate([before, after])
    ax = styled_axes(ax, in_words(dof), "bonds")
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
        ax.hist(before, bins=edges.tolist(), color=BEFORE, label="before")
    ax.hist(after, bins=edges.tolist(), color=AFTER, alpha=0.85, label="after")
    if log:
        ax.set_xscale("log")
        log_ticks(ax.xaxis, low, high)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    legend(ax)
    return ax


def plot_spectrum(run: "Run", ax: "Axes | None" = None) -> "Axes":
    """Draw the cumulative number of modes against stiffness, before and after training.

    Parameters
    ----------
    run : Run
    ax : matplotlib Axes, optional
        Drawn into; a new figure where left out.

    Returns
    -------
    matplotlib.axes.Axes
        With two lines, before and after: eigenvalues of the stiffness, zero modes left out, and
        the part of the modes up to each.

    Raises
    ------
    InputError
        For solids, and networks of too many degrees of freedom.
    """
    before, after = (stiffness_spectrum(run, learned) for learned in (False, True))
    ax = styled_axes(ax, "eigenvalue of the stiffness", "part of the modes up to it")
    for values, colour, name in ((before, BEFORE, "before"), (after, AFTER, "after")):
        modes = values[values > ZERO * values[-1]]
        zero = len(values) - len(modes)
        label = f"{name}, {zero} zero modes" if zero else name
        part = np.arange(zero + 1, len(values) + 1) / len(values)
        ax.step(modes, part, where="post", color=colour, linewidth=2.2, label=label)
    ax.set_xscale("log")
    ax.set_yscale("log")
    legend(ax)
    return ax


def stiffness_spectrum(run: "Run", learned: bool = True) -> NDArray[np.float64]:
    """Eigenvalues of the stiffness of a run's network at rest, ascending.

    Only supports hold it: sources and targets are free, so rigid motions count as zero modes. Where
    nodes turn, rotations are degrees of freedom like displacements. Of conductors those of the
    conductance.

    Raises
    ------
    InputError
        For solids, and networks of too many degrees of freedom.
    """
    from scipy.linalg import eigvalsh

    count = run.network.n_nodes * len(run.problem.components)
    if run.energy.continuum or count > MOST_DOFS:
        size = "a solid" if run.energy.continuum else f"{count:,} degrees of freedom"
        raise InputError(
            f"The whole spectrum is found for networks of up to {MOST_DOFS:,} degrees of freedom; "
            f"this is {size}."
        )
    _, stiffness = model_at_rest(run, run.learned if learned else run.initial)
    return np.abs(eigvalsh(stiffness.toarray()))


def model_at_rest(
    run: "Run", parameters: Mapping[str, ArrayLike]
) -> "tuple[Any, sparse.csr_array]":
    """Model of a run's network at rest, and its stiffness on the degrees of freedom not held.

    Only supports hold it; of a cell that deforms it is that in the undeformed one.
    """
    from scipy import sparse

    from mechlearn.fenics import MPI

    problem = replace(run.problem, gauge=np.empty(0, dtype=np.int64), cell=())
    model = run.energy.model(run.network, problem, {**run.parameters, **parameters}, MPI.COMM_SELF)
    free = model.local_free
    model.put_state(np.zeros(len(free)))
    rows, columns, values = model.assemble_stiffness().getValuesCSR()
    return model, sparse.csr_array((values, columns, rows))[free][:, free]


def pick_dof(run: "Run", name: str | None) -> str:
    """Learning parameter of a name, or the first; raises InputError that lists those known."""
    known = list(run.learned)
    if name is None:
        return known[0]
    if name not in known:
        raise InputError(f"{name!r} is no parameter that learned; known are {', '.join(known)}.")
    return name


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
