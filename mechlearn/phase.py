"""Phases: the states of the network that a learning rule compares."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

from mechlearn.errors import InputError, hint

Kind = Literal["clamp", "nudge", "adjoint"]


@dataclass(frozen=True)
class Phase:
    """One state of the network in every example.

    Attributes
    ----------
    kind : "clamp", "nudge" or "adjoint"
        ``clamp`` moves the outputs from where they are in the free state (``amount`` 0) towards
        where they are wanted (1). ``nudge`` adds ``amount`` times the cost to the energy.
        ``adjoint`` is the rate at which the state changes when such a nudge is turned on: the
        response to the error as a force.
    amount : float
        How far; 0 is the free state.

    Raises
    ------
    InputError
        For another kind, an amount that is not a finite number, and one of an adjoint.
    """

    kind: Kind
    amount: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            known = hint(str(self.kind), get_args(Kind))
            raise InputError(f"phase: kind = {self.kind!r} is not known; {known}")
        try:
            finite = math.isfinite(self.amount)
        except TypeError:
            finite = False
        if not finite:
            raise InputError(f"phase: amount = {self.amount!r} must be a finite number.")
        if self.kind == "adjoint" and self.amount:
            raise InputError("phase: an adjoint is a rate of change, and has no amount.")

    @cached_property
    def key(self) -> str:
        """Kind and amount in one word."""
        return f"{self.kind} {self.amount!r}"


#: The rate of change of the state with the nudge.
ADJOINT = Phase("adjoint")


def weighted_sum(weights: Sequence[float], values: Sequence[Any]) -> Any:
    """Sum of one number or array per phase, each times its weight.

    Divided by the largest weight first: weights of opposite sign make an exact difference.
    """
    size = max(map(abs, weights)) or 1.0
    parts = [v if w == size else w / size * v for w, v in zip(weights, values, strict=True)]
    total = sum(parts[1:], parts[0])
    return total if size == 1 else size * total
