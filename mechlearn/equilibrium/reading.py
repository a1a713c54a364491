"""Reading the ports off a state: values, slopes and curvature, on however many ranks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.model import Model
from mechlearn.problem import Problem
from mechlearn.ranks import total


@dataclass(frozen=True, eq=False)
class Reading:
    """What the ports read of one state.

    Attributes
    ----------
    values : (ports,) array
    slopes : (ports, r) array
        Derivatives of the values by the raw rows.
    vectors : (r,) array
        The raw rows' values; of pairs, their present vectors.
    """

    values: NDArray[np.float64]
    slopes: NDArray[np.float64]
    vectors: NDArray[np.float64]


class PortReader:
    """The ports of a problem as functions of a few raw rows, which are linear in the state.

    Attributes
    ----------
    rows : sparse array
        The raw rows, restricted to the degrees of freedom that this rank owns.
    distance : (ports,) array
        Reference distance of pairs in space; 0 for ports that are linear in the state.
    """

    def __init__(self, model: Model, problem: Problem) -> None:
        rows, self._reference, self._spans = problem.functionals()
        self._comm = model.comm
        self.rows = model.local_rows(rows)
        self.distance = np.array([np.linalg.norm(self._reference[s]) for s in self._spans])

    def raw(self, local: NDArray) -> NDArray[np.float64]:
        """Values of the raw rows of owned degrees of freedom, shape (dofs,) or (dofs, k)."""
        return total(self._comm, self.rows @ local)

    def read(self, local: NDArray) -> Reading:
        """What the ports read of a state, given the degrees of freedom that this rank owns."""
        vectors = self._reference + self.raw(local)
        values = np.empty(len(self._spans))
        slopes = np.zeros((len(self._spans), len(vectors)))
        for k, span in enumerate(self._spans):
            if self.distance[k]:
                distance = np.linalg.norm(vectors[span])
                values[k], slopes[k, span] = distance - self.distance[k], vectors[span] / distance
            else:
                values[k], slopes[k, span] = vectors[span.start], 1.0
        return Reading(values, slopes, vectors)

    def curvature(self, vectors: NDArray, forces: NDArray) -> NDArray[np.float64]:
        """Second derivative by the raw rows, (r, r), of forces times values."""
        out = np.zeros((len(vectors),) * 2)
        for k, span in enumerate(self._spans):
            if self.distance[k]:
                distance = np.linalg.norm(vectors[span])
                n = vectors[span] / distance
                out[span, span] = forces[k] * (np.eye(len(n)) - np.outer(n, n)) / distance
        return out

    def linearised(self) -> sparse.csr_array:
        """Rows that read the ports to first order about rest, owned degrees of freedom."""
        at_rest = self.read(np.zeros(self.rows.shape[1]))
        return sparse.csr_array(sparse.csr_array(at_rest.slopes) @ self.rows)
