"""mechlearn: mechanical networks that learn a response by local rules.

``import mechlearn as ml`` gives the names below; each is loaded when it is first used, so that
reading a task does not wait for DOLFINx.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mechlearn import analysis, networks
    from mechlearn.analysis.moduli import Moduli, moduli
    from mechlearn.energies import (
        Bar,
        Bar3D,
        Beam,
        Beam3D,
        Capacitor,
        Channel,
        FiniteBeam,
        FiniteSpring,
        Hinge,
        Resistor,
        Solid,
        Spring,
    )
    from mechlearn.energies.rigidity import rigidity
    from mechlearn.errors import InputError, MechlearnError, SolveError
    from mechlearn.feasibility import feasible
    from mechlearn.learning.device import Device
    from mechlearn.learning.dofs import Learn
    from mechlearn.learning.imperfections import Imperfections
    from mechlearn.learning.rules import (
        ContrastiveLearning,
        CoupledLearning,
        DirectedAging,
        EquilibriumPropagation,
        GradientDescent,
        GradientFree,
        GreedyPruning,
    )
    from mechlearn.learning.system import System
    from mechlearn.network import Network
    from mechlearn.runs.results import Interrupted
    from mechlearn.runs.run import Run
    from mechlearn.runs.training import train, train_file
    from mechlearn.studies.sequence import Cut, Stages, sequence, together
    from mechlearn.tasks import data
    from mechlearn.tasks.costs import CrossEntropy, SquaredError
    from mechlearn.tasks.task import Source, Support, Target, Task

_HOMES = {
    "Bar": "energies",
    "Bar3D": "energies",
    "Beam": "energies",
    "Beam3D": "energies",
    "Capacitor": "energies",
    "Channel": "energies",
    "ContrastiveLearning": "learning.rules",
    "CoupledLearning": "learning.rules",
    "CrossEntropy": "tasks.costs",
    "Cut": "studies.sequence",
    "Device": "learning.device",
    "DirectedAging": "learning.rules",
    "EquilibriumPropagation": "learning.rules",
    "FiniteBeam": "energies",
    "FiniteSpring": "energies",
    "GradientDescent": "learning.rules",
    "GradientFree": "learning.rules",
    "GreedyPruning": "learning.rules",
    "Hinge": "energies",
    "Imperfections": "learning.imperfections",
    "InputError": "errors",
    "Interrupted": "runs.results",
    "Learn": "learning.dofs",
    "MechlearnError": "errors",
    "Moduli": "analysis.moduli",
    "Network": "network",
    "Resistor": "energies",
    "Run": "runs.run",
    "Solid": "energies",
    "SolveError": "errors",
    "Source": "tasks.task",
    "Spring": "energies",
    "SquaredError": "tasks.costs",
    "Stages": "studies.sequence",
    "Support": "tasks.task",
    "System": "learning.system",
    "Target": "tasks.task",
    "Task": "tasks.task",
    "feasible": "feasibility",
    "moduli": "analysis.moduli",
    "rigidity": "energies.rigidity",
    "sequence": "studies.sequence",
    "together": "studies.sequence",
    "train": "runs.training",
    "train_file": "runs.training",
}

__all__ = [
    "Bar",
    "Bar3D",
    "Beam",
    "Beam3D",
    "Capacitor",
    "Channel",
    "ContrastiveLearning",
    "CoupledLearning",
    "CrossEntropy",
    "Cut",
    "Device",
    "DirectedAging",
    "EquilibriumPropagation",
    "FiniteBeam",
    "FiniteSpring",
    "GradientDescent",
    "GradientFree",
    "GreedyPruning",
    "Hinge",
    "Imperfections",
    "InputError",
    "Interrupted",
    "Learn",
    "MechlearnError",
    "Moduli",
    "Network",
    "Resistor",
    "Run",
    "Solid",
    "SolveError",
    "Source",
    "Spring",
    "SquaredError",
    "Stages",
    "Support",
    "System",
    "Target",
    "Task",
    "analysis",
    "data",
    "feasible",
    "moduli",
    "networks",
    "rigidity",
    "sequence",
    "together",
    "train",
    "train_file",
]


_MODULES = {
    "analysis": "mechlearn.analysis",
    "data": "mechlearn.tasks.data",
    "networks": "mechlearn.networks",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _HOMES:
        raise AttributeError(f"module 'mechlearn' has no attribute {name!r}")
    return getattr(import_module(f"mechlearn.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
