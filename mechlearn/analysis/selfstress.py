"""States of self-stress, and their localisation.

They span the null space of ``B^T``, the map from tensions to forces on what is free to move; their
number is bonds less the rank of ``B`` (Maxwell and Calladine). The projector ``P`` onto them says
two things that do not depend on the choice of a basis: ``P_ii`` is the *redundancy* of bond ``i``,
0 where the bond holds the network and 1 where nothing relies on it (their sum is the number of
states); column ``i`` is the state of self-stress about bond ``i``, whose participation ratio says
how local it is. D. M. Sussman, C. P. Goodrich, A. J. Liu, Soft Matter 12, 3982 (2016).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mechlearn.analysis.importance import participation
from mechlearn.analysis.result import Plotted, Subject, bonds_of, system_of
from mechlearn.analysis.tangent import tangent
from mechlearn.errors import InputError
from mechlearn.network import Network

#: More strains of bonds than this would need too large a dense matrix.
LARGEST = 8000
#: Singular values of ``B`` below this part of the largest are zero.
ZERO = 1e-9


@dataclass(frozen=True, eq=False, repr=False)
class SelfStress(Plotted):
    """The states of self-stress of a network.

    Attributes
    ----------
    network : Network
    states : (s, m, k) array
        An orthonormal basis: the partners of the ``k`` strains of every bond (of springs, tensions,
        ``k`` = 1); zero in bonds that are not there.
    """

    network: Network
    states: NDArray[np.float64]

    @property
    def count(self) -> int:
        """Number of independent states."""
        return len(self.states)

    @property
    def redundancy(self) -> NDArray[np.float64]:
        """Diagonal of the projector onto them, summed over a bond's strains, (m,)."""
        return np.square(self.states).sum(axis=(0, 2))

    @property
    def localisation(self) -> NDArray[np.float64]:
        """Participation ratio of the state about each bond, (m,); NaN without one."""
        flat = self.states.reshape(self.count, -1)
        projector = flat.T @ flat
        m, k = self.states.shape[1:]
        square = np.square(projector).reshape(m, k, m, k).sum(axis=(1, 3))
        return np.where(self.redundancy > ZERO, participation(np.sqrt(square)), np.nan)

    def about(self, bond: int) -> NDArray[np.float64]:
        """Self-stress nearest to a unit tension of a bond, (m, k)."""
        return np.einsum("sk,smj->mj", self.states[:, bond], self.states)


def self_stress(subject: Subject, *, example: int = 0, learned: bool = True) -> SelfStress:
    """States of self-stress of a network under its supports, sources released.

    Parameters
    ----------
    subject : a run, or a :class:`mechlearn.System`
    example : int
        At finite displacement, of the network as it is in the free state of this example, from 0.
    learned : bool
        Of a run: the learned network, or the one before training. They differ where bonds went.

    Raises
    ------
    InputError
        For solids, for bonds of several segments, and for large networks.
    """
    s = system_of(subject, learned)
    bonds_of(s, "Self-stress", whole=True)
    t = tangent(s, example)
    cells, k = t.moduli.shape[:2]
    if cells * k > LARGEST:
        raise InputError(
            f"Self-stress is found for up to {LARGEST:,} strains of bonds; here are {cells * k:,}."
        )
    there = np.flatnonzero(np.abs(t.moduli).any(axis=(1, 2)))
    rows = (k * there[:, None] + np.arange(k)).ravel()
    u, sizes, _ = np.linalg.svd(t.strains[rows].toarray(), full_matrices=True)
    rank = int(np.count_nonzero(sizes > ZERO * sizes.max(initial=0.0)))
    states = np.zeros((len(rows) - rank, cells * k))
    states[:, rows] = u[:, rank:].T
    return SelfStress(s.network, states.reshape(-1, cells, k))
