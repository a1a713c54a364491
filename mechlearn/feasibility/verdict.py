"""Feasibility of a task in numbers and sentences."""

from dataclasses import dataclass, field

import numpy as np

from mechlearn.analysis.result import Result
from mechlearn.errors import listed
from mechlearn.feasibility.lower_bounds import LowerBound
from mechlearn.feasibility.search import WIDER, Search


@dataclass(frozen=True, eq=False, repr=False)
class Feasibility(Result):
    """Facts on a task before training.

    Attributes
    ----------
    answers : int
        Independent numbers that are wanted.
    parameters : int
        How many parameters learn.
    tolerance : float
    error_name : str
        The error that the tolerance, bounds and searches are about.
    lower_bounds : list of LowerBound
        Errors that are left whatever the network; empty where none is known.
    search : Search, optional
        Where one was made.
    """

    answers: int
    parameters: int
    tolerance: float
    error_name: str
    lower_bounds: list[LowerBound] = field(default_factory=list)
    search: Search | None = None

    @property
    def feasible(self) -> bool | None:
        """True if the tolerance can be reached, False if not; None if unknown."""
        if self.search is not None and self.search.error <= self.tolerance:
            return True
        if any(bound.error > self.tolerance for bound in self.lower_bounds):
            return False
        if self.search is None:
            return None
        return False if self.search.finished else None

    @property
    def _rank(self) -> float:
        rank = None if self.search is None else self.search.rank
        return np.inf if rank is None else rank

    @property
    def warnings(self) -> list[str]:
        """Obstacles, in sentences that name remedies."""
        out = [_about_bound(bound, self.error_name) for bound in self.lower_bounds]
        if self.answers > self.parameters:
            out.append(
                f"{self.answers} independent answers are wanted, and {self.parameters} parameters "
                "learn: free frozen bonds in [learn], let another parameter learn, or ask for less."
            )
        elif self._rank < self.answers and not self.lower_bounds and not self.feasible:
            out.append(
                f"{self.answers} independent answers are wanted, and what learns moves the outputs "
                f"in {self._rank} direction{'s' * (self._rank != 1)} alone: add bonds, let another "
                "parameter learn, or ask for less."
            )
        # Below a lower bound other limits of parameters are no remedy.
        barred = any(bound.error > self.tolerance for bound in self.lower_bounds)
        if self.search is not None and self.search.error > self.tolerance and not barred:
            out.append(_about_search(self.search, self.tolerance))
        return out

    @property
    def counts(self) -> str:
        """Numbers of wanted values and learning parameters, in words."""
        if not self.answers:
            return f"{self.parameters} parameters learn"
        answers = "1 answer is" if self.answers == 1 else f"{self.answers} independent answers are"
        return f"{answers} wanted; {self.parameters} parameters learn"

    @property
    def verdict(self) -> str:
        """Feasibility in words and numbers."""
        said = {True: "within reach", False: "out of reach", None: "not known"}[self.feasible]
        text = f"{said} (tolerance {self.tolerance:g})"
        if self.search is not None:
            s = self.search
            text += f": smallest error found {s.error:.3g} ({self.error_name}; cost "
            text += f"{s.cost:.4g}), by a search of {s.evaluations} solutions"
        return text

    def __repr__(self) -> str:
        return f"<Feasibility: {self.counts}; {self.verdict}>"

    def __str__(self) -> str:
        lines = [f"{self.counts}; {self.verdict}"]
        return "\n".join([*lines, *(f"Warning: {w}" for w in self.warnings)])


def _about_bound(bound: LowerBound, error_name: str) -> str:
    why = {
        "balance": "forces that hold a network balance what is applied to it, so that their sum, "
        "and at small displacements that of their moments, is fixed; change the targets' values",
        "linearity": "the wanted values are not linear in what the sources do, as the answers of a "
        "linear network without prestress are: change [[examples]], or take an energy at finite "
        "displacement",
        "reciprocity": "the network is driven and read at the same places, where its response is "
        "symmetric and positive semidefinite: what is wanted from one to the other must be the "
        "same both ways, and no place may give way against its own force; change the targets' "
        "values in [[examples]]",
    }[bound.reason]
    return f"The {error_name} is at least {bound.error:.3g}, whatever is learned: {why}."


def _about_search(search: Search, tolerance: float) -> str:
    out = f"Within the bounds the smallest error found is {search.error:.3g}, not {tolerance:g}: "
    if not search.finished:
        return f"{out}the search ran out of time, and there may be better ones."
    ends = [
        f"{count} values of [learn.{name}] end at the {side} bound"
        for side, counts in (("lower", search.at_low), ("upper", search.at_high))
        for name, count in counts.items()
        if count
    ]
    less = "ask for less in [[targets]], or raise train.tolerance"
    if not ends:
        return (
            f"{out}none of the values ends at a bound, so that wider ones hardly help; add bonds, "
            f"let another parameter learn, {less}."
        )
    wider = ""
    if search.wider is not None:
        wider = f" (of bounds {WIDER:g} times as wide on either side: {search.wider:.3g})"
    return f"{out}{listed(ends)}; widen bounds{wider}, {less}."
