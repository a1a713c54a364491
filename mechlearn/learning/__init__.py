"""Learners: a network that learns by a local rule, by pruning, or by search."""

from mechlearn.learning.base import Learner
from mechlearn.learning.device import Hardware
from mechlearn.learning.local import RuleLearner
from mechlearn.learning.pruning import PruningLearner
from mechlearn.learning.searching import SearchLearner

__all__ = ["Hardware", "Learner", "PruningLearner", "RuleLearner", "SearchLearner"]
