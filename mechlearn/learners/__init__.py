"""Learners: a network that learns by a local rule, by pruning, or by search."""

from mechlearn.learners.base import Learner
from mechlearn.learners.hardware import Hardware
from mechlearn.learners.local import RuleLearner
from mechlearn.learners.pruning import PruningLearner
from mechlearn.learners.searching import SearchLearner
from mechlearn.rules import GradientFree, GreedyPruning, Procedure


def learner_of(rule: Procedure) -> type[Learner]:
    """The kind of learner that a rule, or another way to change a network, makes."""
    others: dict[type, type[Learner]] = {GreedyPruning: PruningLearner, GradientFree: SearchLearner}
    return others.get(type(rule), RuleLearner)


__all__ = ["Hardware", "Learner", "PruningLearner", "RuleLearner", "SearchLearner", "learner_of"]
