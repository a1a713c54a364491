"""Learners: a network that learns by a local rule, by pruning, or by search."""

from mechlearn.learning.base import Learner
from mechlearn.learning.hardware import Hardware
from mechlearn.learning.local import RuleLearner
from mechlearn.learning.pruning import PruningLearner
from mechlearn.learning.rules import GradientFree, GreedyPruning, Procedure
from mechlearn.learning.searching import SearchLearner


def learner_of(rule: Procedure) -> type[Learner]:
    """Class of learner for a rule or procedure."""
    if isinstance(rule, GreedyPruning):
        return PruningLearner
    return SearchLearner if isinstance(rule, GradientFree) else RuleLearner


__all__ = ["Hardware", "Learner", "PruningLearner", "RuleLearner", "SearchLearner", "learner_of"]
