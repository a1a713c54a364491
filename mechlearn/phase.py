"""Phases: the states of the network that a learning rule compares."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Phase:
    """One state of the network in every example.

    ``clamp`` is how far the outputs are moved from where they are in the free state (0) to where
    they are wanted (1); negative moves them away.
    """

    clamp: float = 0.0


#: Only the sources act.
FREE = Phase()
