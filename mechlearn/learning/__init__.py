"""Learners: a network that learns by a local rule, by pruning, or by search."""

from mechlearn.learning.base import Learner
from mechlearn.learning.hardware import Hardware
from mechlearn.learning.local import RuleLearner
from mechlearn.learning.pruning import PruningLearner
from mechlearn.learning.rules import GradientFree, GreedyPruning, Procedure
from mechlearn.learning.searching import SearchLearner


def learner_of(rule: Procedure) -> type[Learner]:
    """The kind of learner that a rule, or another way to change a network, makes."""
    others: dict[type, type[Learner]] = {GreedyPruning: PruningLearner, GradientFree: SearchLearner}
    return others.get(type(rule), RuleLearner)


__all__ = ["Hardware", "Learner", "PruningLearner", "RuleLearner", "SearchLearner", "learner_of"]
