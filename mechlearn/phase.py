"""Phases: the states of the network that a learning rule compares."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal


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
    """

    kind: Literal["clamp", "nudge", "adjoint"]
    amount: float = 0.0

    @cached_property
    def key(self) -> str:
        """Kind and amount in one word."""
        return f"{self.kind} {self.amount!r}"


#: The rate of change of the state with the nudge.
ADJOINT = Phase("adjoint")
