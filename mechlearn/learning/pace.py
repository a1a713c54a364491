"""Step-size factor of a training: halved after failed steps and while the error oscillates."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Failed steps are taken again at half the pace, down to this one.
SLOWEST = 2.0**-10
#: After so many steps without failure the pace is doubled again, up to its limit.
PATIENCE = 10
#: Errors are judged in windows of this many steps.
WINDOW = 20
#: An error oscillates if it turns in more than this part of a window, by more than this part of
#: itself, and its smallest value is not below this part of the smallest before.
TURNS, SWING, BETTER = 0.4, 0.01, 0.99


@dataclass(frozen=True)
class Pace:
    """Factor on all steps.

    Attributes
    ----------
    factor : float
        What moves are multiplied by.
    limit : float
        The largest factor; halved for good where the error oscillates.
    good : int
        Steps without failure since the factor last changed.
    judged : int
        Number of errors already looked at.
    """

    factor: float = 1.0
    limit: float = 1.0
    good: int = 0
    judged: int = 0

    def after_success(self) -> "Pace":
        """The pace after a step without failure."""
        if self.factor == self.limit:
            return self
        if self.good + 1 < PATIENCE:
            return Pace(self.factor, self.limit, self.good + 1, self.judged)
        return Pace(min(2 * self.factor, self.limit), self.limit, 0, self.judged)

    def after_failure(self) -> "Pace | None":
        """The pace after a failed step; None where it would be below the slowest."""
        half = self.factor / 2
        return Pace(half, self.limit, 0, self.judged) if half >= SLOWEST else None

    def after_errors(self, errors: Sequence[float]) -> "Pace":
        """The pace after these errors: half where the last window of them only oscillates."""
        if len(errors) - self.judged < WINDOW:
            return self
        seen = len(errors)
        limit = self.limit
        if oscillates(np.array(errors)) and limit / 2 >= SLOWEST:
            limit /= 2
        return Pace(min(self.factor, limit), limit, self.good, seen)

    def as_array(self) -> NDArray[np.float64]:
        """All four numbers, for a checkpoint."""
        return np.array([self.factor, self.limit, self.good, self.judged], dtype=float)

    @classmethod
    def from_array(cls, numbers: NDArray) -> "Pace":
        """The pace of an array that :meth:`as_array` made."""
        factor, limit, good, judged = (float(n) for n in numbers)
        return cls(factor, limit, int(good), int(judged))


def oscillates(errors: NDArray, window: int = WINDOW) -> bool:
    """True if the last errors go up and down without a new minimum."""
    last, before = errors[-window:], errors[:-window]
    if not len(before) or not np.isfinite(last).all():
        return False
    change = np.diff(last)
    turns = np.count_nonzero(change[1:] * change[:-1] < 0)
    swing = np.ptp(last) > SWING * last.min()
    return bool(turns > TURNS * len(last) and swing and last.min() >= BETTER * before.min())
