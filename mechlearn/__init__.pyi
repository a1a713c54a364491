"""Public names, and where each is defined: the one list, which ``__init__.py`` reads."""
# ruff: noqa: I001
# fmt: off

from mechlearn import analysis as analysis, networks as networks
from mechlearn.analysis.moduli import Moduli as Moduli, moduli as moduli
from mechlearn.energies.beam import (
    Bar as Bar, Beam as Beam, Section as Section,
)
from mechlearn.energies.element import BondEnergy as BondEnergy
from mechlearn.energies.material import Material as Material
from mechlearn.energies.parameters import Parameter as Parameter
from mechlearn.energies.kinematics import Bond as Bond
from mechlearn.energies.rod import FiniteBeam as FiniteBeam
from mechlearn.energies.solid import Hinge as Hinge, Solid as Solid
from mechlearn.energies.spring import (
    Capacitor as Capacitor, Channel as Channel, FiniteSpring as FiniteSpring,
    Resistor as Resistor, Spring as Spring,
)
from mechlearn.energies.laws import energy as energy
from mechlearn.energies.fillings import Area as Area, Volume as Volume
from mechlearn.energies.tuples import Angle as Angle, Crease as Crease
from mechlearn.energies.rigidity import rigidity as rigidity
from mechlearn.errors import (
    InputError as InputError, MechlearnError as MechlearnError, SolveError as SolveError,
)
from mechlearn.export import export as export
from mechlearn.extensions import register as register
from mechlearn.feasibility import feasible as feasible
from mechlearn.learning.device import Device as Device
from mechlearn.learning.dofs import Learn as Learn
from mechlearn.learning.device import Imperfections as Imperfections
from mechlearn.learning.optimisers import (
    Adam as Adam, Momentum as Momentum, Optimiser as Optimiser, Plain as Plain,
)
from mechlearn.learning.rules import (
    ContrastiveLearning as ContrastiveLearning, CoupledLearning as CoupledLearning,
    DirectedAging as DirectedAging, EquilibriumPropagation as EquilibriumPropagation,
    GradientDescent as GradientDescent, GradientFree as GradientFree,
    GreedyPruning as GreedyPruning, Rule as Rule,
)
from mechlearn.learning.buckling import buckling as buckling
from mechlearn.learning.system import System as System
from mechlearn.network import Network as Network
from mechlearn.phase import Phase as Phase
from mechlearn.render import render as render
from mechlearn.runs.checkpoint import Interrupted as Interrupted
from mechlearn.runs.run import Run as Run
from mechlearn.runs.training import train as train, train_file as train_file
from mechlearn.studies.compare import compare as compare
from mechlearn.studies.path import path as path
from mechlearn.studies.sequence import (
    Cut as Cut, sequence as sequence, Stages as Stages, together as together,
)
from mechlearn.studies.states import states as states
from mechlearn.studies.sweep import sweep as sweep
from mechlearn.studies.tiling import tile_check as tile_check
from mechlearn.studies.verify import verify as verify
from mechlearn.tasks import data as data
from mechlearn.tasks.costs import (
    Cost as Cost, CrossEntropy as CrossEntropy, SquaredError as SquaredError,
)
from mechlearn.tasks.task import (
    Source as Source, Support as Support, Target as Target, Task as Task,
)

__version__: str
__all__: list[str]
