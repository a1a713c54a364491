"""Forces at ports that are held softly, or released beside springs to the ground."""

import numpy as np
from numpy.typing import NDArray

from mechlearn.equilibrium.conditions import GripOfSome
from mechlearn.errors import SolveError

#: A nudged state that takes more iterations on its pushes than this will not be found.
PUSHES = 50
NOT_FOUND = f"The nudged state was not found in {PUSHES} iterations; use a smaller nudge."
#: What is said where a nudge makes the energy plus the cost lose its minimum.
TOPPLED = "The nudge is so strong that it topples the network; use a smaller one."
#: Held ports whose scaled compliance is closer to singular than this contradict each other.
DEPENDENT = 1e-11


def inverted_soft(a: NDArray, grip: GripOfSome, grounded: NDArray) -> NDArray[np.float64] | None:
    """Stiffness from moves of held ports to their forces; None where these are dependent.

    The matrix need not be definite, as springs may push outputs away. Where nothing is left that
    holds the network as a whole, the inverse is that of what deforms it.

    Parameters
    ----------
    a : (held, held) array
        The compliance between the ports.
    grip : GripOfSome
    grounded : integer array
        Ports with springs to the ground.

    Raises
    ------
    SolveError
        Where the network topples.
    """
    size = np.sqrt(np.abs(a.diagonal()) + np.abs(grip.softness))
    if not (size.all() and np.isfinite(size).all()):
        return None
    eigenvalues, vectors = np.linalg.eigh((a + np.diag(grip.softness)) / (size[:, None] * size))
    floats = np.abs(eigenvalues) <= DEPENDENT
    floating = np.count_nonzero(floats)
    if floating > np.count_nonzero(np.isin(grip.held, grounded) & (grip.softness < 0)):
        return None
    if np.count_nonzero(eigenvalues[~floats] < 0) != grip.away - floating:
        raise SolveError(TOPPLED, "toppled")
    half = vectors[:, ~floats] / size[:, None]
    return half / eigenvalues[~floats] @ half.T
