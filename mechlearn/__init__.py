"""mechlearn: mechanical networks that learn a response by local rules.

``import mechlearn as ml`` gives the names below; each is loaded when it is first used, so that
reading a task does not wait for DOLFINx.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mechlearn import networks
    from mechlearn.dofs import Learn
    from mechlearn.energies import (
        Capacitor,
        Channel,
        FiniteSpring,
        Hinge,
        Resistor,
        Solid,
        Spring,
    )
    from mechlearn.errors import InputError, MechlearnError, SolveError
    from mechlearn.maxwell import rigidity
    from mechlearn.network import Network
    from mechlearn.pruning import Pruning, prune
    from mechlearn.rules import (
        ContrastiveLearning,
        CoupledLearning,
        DirectedAging,
        EquilibriumPropagation,
        GradientDescent,
    )
    from mechlearn.run import Run
    from mechlearn.task import Source, Support, Target, Task
    from mechlearn.training import train, train_file

_HOMES = {
    "Capacitor": "energies",
    "Channel": "energies",
    "ContrastiveLearning": "rules",
    "CoupledLearning": "rules",
    "DirectedAging": "rules",
    "EquilibriumPropagation": "rules",
    "FiniteSpring": "energies",
    "GradientDescent": "rules",
    "Hinge": "energies",
    "InputError": "errors",
    "Learn": "dofs",
    "MechlearnError": "errors",
    "Network": "network",
    "Pruning": "pruning",
    "Resistor": "energies",
    "Run": "run",
    "Solid": "energies",
    "SolveError": "errors",
    "Source": "task",
    "Spring": "energies",
    "Support": "task",
    "Target": "task",
    "Task": "task",
    "prune": "pruning",
    "rigidity": "maxwell",
    "train": "training",
    "train_file": "training",
}

__all__ = [
    "Capacitor",
    "Channel",
    "ContrastiveLearning",
    "CoupledLearning",
    "DirectedAging",
    "EquilibriumPropagation",
    "FiniteSpring",
    "GradientDescent",
    "Hinge",
    "InputError",
    "Learn",
    "MechlearnError",
    "Network",
    "Pruning",
    "Resistor",
    "Run",
    "Solid",
    "SolveError",
    "Source",
    "Spring",
    "Support",
    "Target",
    "Task",
    "networks",
    "prune",
    "rigidity",
    "train",
    "train_file",
]


def __getattr__(name: str) -> Any:
    if name == "networks":
        return import_module("mechlearn.networks")
    if name not in _HOMES:
        raise AttributeError(f"module 'mechlearn' has no attribute {name!r}")
    return getattr(import_module(f"mechlearn.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
