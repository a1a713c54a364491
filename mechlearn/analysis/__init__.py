"""Analyses of what a network has learned, one call each, on a run or a system.

Every function takes a :class:`~mechlearn.runs.run.Run` (``learned=False`` for the network before
training) or a :class:`~mechlearn.System` (a network, a task and values that were not trained here),
and returns labelled data. See ``docs/analysis.md`` for formulas and sources.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "amplitude": "robustness",
    "bond_loss": "robustness",
    "correspondence": "curvature",
    "dimension": "effective",
    "hessian": "curvature",
    "noise": "robustness",
    "overlap": "modes",
    "pathway": "pathways",
    "removal": "importance",
    "response": "maps",
    "self_stress": "selfstress",
    "spectrum": "modes",
    "susceptibility": "importance",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mechlearn.analysis' has no attribute {name!r}")
    return getattr(import_module(f"mechlearn.analysis.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
