"""What degrees of freedom of nodes are, and which of them may be compared."""

import numpy as np
from numpy.typing import NDArray


class Kinds:
    """Degrees of freedom of the same kind, as displacements along x are, and rotations.

    Stiffnesses of other kinds may be in other units, and are not compared.

    Parameters
    ----------
    rows : (k,) integer array
        Those of this rank's rows that count, counted from its first.
    width : int
        How many degrees of freedom, one after the other, a node has.

    Attributes
    ----------
    rows : (k,) integer array
        Kind by kind.
    width : int
    """

    def __init__(self, rows: NDArray[np.int64], width: int) -> None:
        self.rows, self.width = rows[np.argsort(rows % width, kind="stable")], width
        self._present, self._first = np.unique(self.rows % width, return_index=True)

    def placed(self, place: NDArray[np.int64]) -> "Kinds":
        """The same where every row has another place; nodes stay together."""
        return Kinds(np.sort(place[self.rows]), self.width)

    def smallest(self, values: NDArray) -> NDArray[np.float64]:
        """The smallest of each kind of some values, one for each of the ``rows``.

        Infinite where there are none.
        """
        return self._reduced(np.minimum, values, np.inf)

    def largest(self, values: NDArray) -> NDArray[np.float64]:
        """The largest of each kind; 0 where there are none."""
        return self._reduced(np.maximum, values, 0.0)

    def _reduced(self, function: np.ufunc, values: NDArray, absent: float) -> NDArray[np.float64]:
        if len(self._present) == self.width:
            return function.reduceat(values, self._first)
        out = np.full(self.width, absent)
        if len(self._present):
            out[self._present] = function.reduceat(values, self._first)
        return out
