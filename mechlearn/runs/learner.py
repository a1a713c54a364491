"""The learner that a set-up describes."""

from mechlearn.energies.element import Element
from mechlearn.fenics import MPI
from mechlearn.learning import Hardware, Learner, RuleLearner
from mechlearn.learning.rules import Procedure
from mechlearn.network import Network
from mechlearn.runs.config import Setup


def make_learner(
    setup: Setup,
    network: Network,
    energy: Element,
    rule: Procedure | None = None,
    device: Hardware | None = None,
    comm: MPI.Comm | None = None,
) -> Learner:
    """Learner of a set-up, by its own rule or another."""
    rule = rule or setup.procedure
    kind = rule.learner() if isinstance(rule, Procedure) else RuleLearner
    learner = kind(
        network,
        setup.task,
        energy,
        setup.learn,
        rule,
        material=setup.constants(energy, network),
        imperfections=setup.imperfections,
        device=device,
        comm=comm,
        **dict(setup.train),
    )
    if setup.train.steps and isinstance(learner, RuleLearner):
        learner.require_states()
    return learner
