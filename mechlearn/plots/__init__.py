"""Plots of runs by matplotlib: one function each, which returns the Axes.

Nothing of matplotlib is imported before something is drawn.
"""

from mechlearn.plots.distributions import (
    confusion,
    pick_dof,
    plot_confusion,
    plot_dofs,
    plot_spectrum,
    stiffness_spectrum,
)
from mechlearn.plots.training import plot_bands, plot_error, plot_learning, plot_nudges

__all__ = [
    "confusion",
    "pick_dof",
    "plot_bands",
    "plot_confusion",
    "plot_dofs",
    "plot_error",
    "plot_learning",
    "plot_nudges",
    "plot_spectrum",
    "stiffness_spectrum",
]
