"""Public names, and where each is defined: the one list, read by ``__init__.py`` too."""

from mechlearn import analysis as analysis
from mechlearn import export as export
from mechlearn import networks as networks
from mechlearn import render as render
from mechlearn.analysis.moduli import Moduli as Moduli
from mechlearn.analysis.moduli import moduli as moduli
from mechlearn.learning.system import System as System
from mechlearn.energies import (
    Bar as Bar,
)
from mechlearn.energies import (
    Bar3D as Bar3D,
)
from mechlearn.energies import (
    Beam as Beam,
)
from mechlearn.energies import (
    Beam3D as Beam3D,
)
from mechlearn.energies import (
    Bond as Bond,
)
from mechlearn.energies import (
    BondEnergy as BondEnergy,
)
from mechlearn.energies import (
    Capacitor as Capacitor,
)
from mechlearn.energies import (
    Channel as Channel,
)
from mechlearn.energies import (
    FiniteBeam as FiniteBeam,
)
from mechlearn.energies import (
    FiniteSpring as FiniteSpring,
)
from mechlearn.energies import (
    Hinge as Hinge,
)
from mechlearn.energies import (
    Parameter as Parameter,
)
from mechlearn.energies import (
    Resistor as Resistor,
)
from mechlearn.energies import (
    Solid as Solid,
)
from mechlearn.energies import (
    Spring as Spring,
)
from mechlearn.energies.rigidity import rigidity as rigidity
from mechlearn.errors import (
    InputError as InputError,
)
from mechlearn.errors import (
    MechlearnError as MechlearnError,
)
from mechlearn.errors import (
    SolveError as SolveError,
)
from mechlearn.extensions import register as register
from mechlearn.feasibility import feasible as feasible
from mechlearn.learning.device import Device as Device
from mechlearn.learning.dofs import Learn as Learn
from mechlearn.learning.imperfections import Imperfections as Imperfections
from mechlearn.learning.optimisers import (
    Adam as Adam,
)
from mechlearn.learning.optimisers import (
    Momentum as Momentum,
)
from mechlearn.learning.optimisers import (
    Optimiser as Optimiser,
)
from mechlearn.learning.optimisers import (
    Plain as Plain,
)
from mechlearn.learning.rules import (
    ContrastiveLearning as ContrastiveLearning,
)
from mechlearn.learning.rules import (
    CoupledLearning as CoupledLearning,
)
from mechlearn.learning.rules import (
    DirectedAging as DirectedAging,
)
from mechlearn.learning.rules import (
    EquilibriumPropagation as EquilibriumPropagation,
)
from mechlearn.learning.rules import (
    GradientDescent as GradientDescent,
)
from mechlearn.learning.rules import (
    GradientFree as GradientFree,
)
from mechlearn.learning.rules import (
    GreedyPruning as GreedyPruning,
)
from mechlearn.learning.rules import (
    Rule as Rule,
)
from mechlearn.network import Network as Network
from mechlearn.phase import Phase as Phase
from mechlearn.runs.results import Interrupted as Interrupted
from mechlearn.runs.run import Run as Run
from mechlearn.runs.training import train as train
from mechlearn.runs.training import train_file as train_file
from mechlearn.studies.compare import compare as compare
from mechlearn.studies.sequence import (
    Cut as Cut,
)
from mechlearn.studies.sequence import (
    Stages as Stages,
)
from mechlearn.studies.sequence import (
    sequence as sequence,
)
from mechlearn.studies.sequence import (
    together as together,
)
from mechlearn.studies.sweep import sweep as sweep
from mechlearn.studies.verify import verify as verify
from mechlearn.tasks import data as data
from mechlearn.tasks.costs import (
    Cost as Cost,
)
from mechlearn.tasks.costs import (
    CrossEntropy as CrossEntropy,
)
from mechlearn.tasks.costs import (
    SquaredError as SquaredError,
)
from mechlearn.tasks.task import (
    Source as Source,
)
from mechlearn.tasks.task import (
    Support as Support,
)
from mechlearn.tasks.task import (
    Target as Target,
)
from mechlearn.tasks.task import (
    Task as Task,
)

__version__: str
__all__: list[str]
