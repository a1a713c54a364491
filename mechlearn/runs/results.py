"""Results that runs give: states, scores, and what an interrupted training had learned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mechlearn.runs.run import Run


@dataclass(frozen=True, eq=False)
class States:
    """Nodes' states in the free and in the fully clamped network, (examples, n, components)."""

    free: NDArray[np.float64]
    clamped: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Score:
    """How well a network does at a task.

    Attributes
    ----------
    error : float
        What a tolerance is on: the largest relative target error, or the mean cross-entropy.
    cost : float
        The task's cost, mean over examples.
    accuracy : float, optional
        The part of the examples that is classified right, where there are classes.
    outputs : (examples, targets) array
        What the targets read, in the user's units.
    """

    error: float
    cost: float
    accuracy: float | None
    outputs: NDArray[np.float64]


class Interrupted(KeyboardInterrupt):
    """A training was interrupted, as by Ctrl-C or the stop button of a notebook.

    Attributes
    ----------
    run : Run
        What it had come to at the last step it finished.
    runs : list of Run
        Of a sequence: those of the stages before as well.
    """

    def __init__(self, run: "Run", runs: Sequence["Run"] = ()) -> None:
        super().__init__(
            f"interrupted after step {run.summary['steps']}, with the error "
            f"{run.summary['error']:.2e}. What was learned until then is kept: it is the `run` of "
            "this exception (at a prompt: import sys; run = sys.last_value.run)."
        )
        self.run, self.runs = run, [*runs, run]
