"""Bloch check of equilibrium paths: the first state at which a pattern of several cells buckles."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.equilibrium.corrector import PathPoint
from mechlearn.equilibrium.newton import NewtonEquilibrium
from mechlearn.errors import InputError
from mechlearn.fem.waves import wave_vectors
from mechlearn.learning.system import System


class Waves(NamedTuple):
    """Stiffness of waves along a path.

    Attributes
    ----------
    vectors : (k, d) array
        Wave vectors in parts of the reciprocal lattice.
    lowest : (points, k) array
        Lowest eigenvalues of their tangent stiffness over the mean stiffness; nan beyond the first
        point at which one is negative.
    onset : PathPoint or None
        The state at which the first one vanishes.
    first : int
        Which wave that is.
    """

    vectors: NDArray[np.float64]
    lowest: NDArray[np.float64]
    onset: PathPoint | None
    first: int


def wave_check(
    at: System, solver: NewtonEquilibrium, points: Sequence[PathPoint], waves: ArrayLike
) -> Waves:
    """Lowest eigenvalues of waves at the points of a path, and the first that vanishes.

    Parameters
    ----------
    at : System
        Under the load of the path.
    solver : NewtonEquilibrium
        That of the path.
    points : sequence of PathPoint
    waves : d whole numbers, or (k, d) array
        As of :func:`mechlearn.fem.waves.wave_vectors`.

    Raises
    ------
    InputError
        For finite networks, and waves that there are not.
    """
    if not at.network.periodic:
        raise InputError("waves: only cells of periodic networks have waves.")
    vectors = wave_vectors(waves, at.network.dim)
    stiffness = at.energy.waves(at.model, at.problem, at.parameters)
    follower, _ = solver.path(at.problem.values, at.factor)
    unit = follower.balance.stiffness

    def onset(before: PathPoint, after: PathPoint, wave: NDArray) -> PathPoint:
        def lowest(point: PathPoint) -> float:
            return stiffness.lowest(stiffness.at(point.at.u), wave)

        return follower.between(before, after, lowest)

    found = np.full((len(points), len(vectors)), np.nan)
    for k, point in enumerate(points):
        matrix = stiffness.at(point.at.u)
        found[k] = [stiffness.lowest(matrix, wave) / unit for wave in vectors]
        falling = np.flatnonzero(found[k] < 0)
        if len(falling) and k:
            onsets = [onset(points[k - 1], point, vectors[n]) for n in falling]
            before = points[k - 1].at.factor
            first = int(np.argmin([abs(there.at.factor - before) for there in onsets]))
            return Waves(vectors, found, onsets[first], int(falling[first]))
        if len(falling):
            return Waves(vectors, found, point, int(falling[0]))
    return Waves(vectors, found, None, 0)
