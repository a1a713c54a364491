"""Port readings of a state: values, slopes and curvature, on any number of ranks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.fem.model import Model
from mechlearn.parallel import total
from mechlearn.tasks.problem import Problem


@dataclass(frozen=True, eq=False)
class Reading:
    """Port readings of one state.

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
    """Ports of a problem as functions of a few raw linear functionals.

    Attributes
    ----------
    rows : sparse array
        The raw rows, restricted to the degrees of freedom that this rank owns.
    distance : (ports,) array
        Reference distance of pairs in space; 0 for ports that are linear in the state.
    """

    def __init__(self, model: Model, problem: Problem) -> None:
        rows, self._reference, spans = problem.functionals()
        self._comm = model.comm
        self.rows = model.local_rows(rows)
        self.distance = np.array([np.linalg.norm(self._reference[s]) for s in spans])
        self._pairs = self.distance > 0
        self._only_pairs = bool(self._pairs.all())
        # Which port every raw row belongs to, and the first row of every port.
        self._raw = np.arange(len(self._reference))
        self._first = np.array([s.start for s in spans])
        self._port = np.searchsorted(self._first, self._raw, side="right") - 1
        self._together = self._port[:, None] == self._port

    def raw(self, local: NDArray) -> NDArray[np.float64]:
        """Values of the raw rows of owned degrees of freedom, shape (dofs,) or (dofs, k)."""
        return total(self._comm, self.rows @ local)

    def read(self, local: NDArray) -> Reading:
        """Readings of a state, from owned degrees of freedom."""
        moves = self.raw(local)
        vectors = self._reference + moves
        distances = self._distances(vectors)
        slopes = np.zeros((len(distances), len(vectors)))
        if self._only_pairs:
            slopes[self._port, self._raw] = vectors / distances[self._port]
            return Reading(self._extensions(moves, distances), slopes, vectors)
        extensions = self._extensions(moves, distances)
        values = np.where(self._pairs, extensions, vectors[self._first])
        unit = np.where(self._pairs[self._port], vectors / distances[self._port], 1.0)
        slopes[self._port, self._raw] = unit
        return Reading(values, slopes, vectors)

    def _distances(self, vectors: NDArray) -> NDArray[np.float64]:
        """Present distances of pairs; 1 for ports that are linear in the state, (ports,)."""
        squares = np.bincount(self._port, vectors * vectors, len(self._first))
        return np.sqrt(squares if self._only_pairs else np.where(self._pairs, squares, 1.0))

    def _extensions(self, moves: NDArray, distances: NDArray) -> NDArray[np.float64]:
        """Extensions of pairs, (ports,), with the rounding of these and not of distances."""
        squares = np.bincount(self._port, (2 * self._reference + moves) * moves, len(self._first))
        return squares / (distances + self.distance)

    def curvature(self, vectors: NDArray, forces: NDArray) -> NDArray[np.float64]:
        """Second derivative by the raw rows, (r, r), of forces times values."""
        distances, port = self._distances(vectors), self._port
        tension = np.where(self._pairs, forces / distances, 0.0)[port]
        n = vectors / distances[port]
        of_pairs = np.where(self._together, -np.outer(n, n), 0.0)
        of_pairs.flat[:: len(n) + 1] += 1.0
        return tension * of_pairs

    def linearised(self) -> sparse.csr_array:
        """Rows that read the ports to first order about rest, owned degrees of freedom."""
        at_rest = self.read(np.zeros(self.rows.shape[1]))
        return sparse.csr_array(sparse.csr_array(at_rest.slopes) @ self.rows)
