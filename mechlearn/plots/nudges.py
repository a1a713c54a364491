"""Contrast, update and gradient angle against the nudge."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.plots.style import rule_look, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mechlearn.studies.compare import NudgeStudy


def plot_nudges(
    studies: "Sequence[NudgeStudy]", axes: "Sequence[Axes] | None" = None
) -> "Sequence[Axes]":
    """Draw contrast, update and angle to the exact gradient against the nudge; returns three Axes.

    The legends give the fitted powers of the nudge.
    """
    if axes is None:
        from matplotlib import pyplot

        axes = pyplot.subplots(1, 3, figsize=(15, 4.8), layout="constrained")[1]
    panels: tuple[tuple[str, Callable[[NudgeStudy], NDArray], int | None], ...] = (
        ("contrast: energy, second less first state", lambda s: np.abs(s.contrast), 0),
        ("size of the update, not divided by the nudge", lambda s: s.update, 1),
        ("1 - cosine to the exact gradient", lambda s: np.maximum(s.angle, 1e-16), None),
    )
    for ax, (label, values, power) in zip(axes, panels, strict=True):
        style(ax)
        for study in studies:
            name = study.rule
            if power is not None:
                fitted = study.powers[power]
                if not np.isfinite(fitted):
                    continue
                name += f": power {fitted:.3f}"
            look: dict[str, Any] = {"marker": "o", "markersize": 4, "label": name}
            look |= rule_look(study.rule)
            ax.loglog(study.amount, values(study), **look)
        ax.set_xlabel("nudge (eta of CpL, beta of EP)")
        ax.set_ylabel(label)
        ax.legend(frameon=False, fontsize="small")
    return axes
