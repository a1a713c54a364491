"""Position of a learner: everything to restart a step, or to save it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.learning.pace import Pace


@dataclass(frozen=True, eq=False)
class Position:
    """Start of a step; arrays in it are never changed.

    Attributes
    ----------
    updates : int
        Steps taken before.
    dofs : tuple of (m,) arrays
        Values of what learns.
    steps : tuple of mappings
        The optimisers' memory.
    equilibrium : Any
        What the next states start from, as the equilibrium keeps it.
    pace : Pace
    """

    updates: int
    dofs: tuple[NDArray, ...]
    steps: tuple[dict[str, NDArray], ...]
    equilibrium: Any
    pace: Pace

    def arrays(
        self, names: Iterable[str], states: Mapping[str, NDArray]
    ) -> dict[str, NDArray[Any]]:
        """Everything as arrays by name, given names of what learns and arrays of the states."""
        out: dict[str, NDArray] = {
            "updates": np.array(self.updates), "pace": self.pace.as_array()
        }  # fmt: skip
        for name, values, memory in zip(names, self.dofs, self.steps, strict=True):
            out[f"dof/{name}"] = values
            out |= {f"step/{name}/{key}": value for key, value in memory.items()}
        return out | {f"memory/{name}": values for name, values in states.items()}


def within(state: Mapping[str, NDArray], start: str) -> dict[str, NDArray]:
    """Entries with names that begin with ``start``, which is removed."""
    return {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
