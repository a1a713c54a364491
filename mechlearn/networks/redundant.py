"""Removal of given bonds where rigidity allows it, by redundancy in their neighbourhoods.

A bond can go without a new zero mode exactly when its squared weight ``w`` in the space of states
of self-stress is not zero (see :mod:`mechlearn.networks.prune`). Two bounds of ``w`` need only the
nodes of a *ball* around the bond. A state of self-stress of the bonds within the ball is one of the
network, too: ``w`` of the ball alone is a lower bound. Clamping all nodes outside adds states and
takes none away: ``w`` of the ball so clamped is an upper bound. The ball grows by one shell of
neighbours until a bound decides, in the end to the whole network, where both are ``w`` itself. So
the answers are those of the whole network. Where bonds abound, balls of one or two shells are
enough, whatever the size of the network; close to isostaticity states of self-stress are wide.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from mechlearn.network import Network
from mechlearn.networks.prune import WEIGHT

#: Stiffness that holds every node of a ball to the ground, so that its zero modes can be solved
#: for: far below what bonds (1) resist with, far above rounding.
GROUND = 1e-12
#: Tensions balance without the ground when its share of the elastic energy is below this. A motion
#: that only it resists then takes so little part that bonds as weak as SHARE * GROUND, which is
#: below rounding, would hardly change the weight. Where it never is, the bond stays.
SHARE = 1e-4
#: Up to this many degrees of freedom a ball is solved as a dense matrix.
DENSE_LIMIT = 1500


def remove_redundant(network: Network, order: ArrayLike) -> NDArray[np.bool_]:
    """Mask of the bonds left after all removable ones of some are removed in turn.

    Parameters
    ----------
    network : Network
        Rigid; it stays so, and no node is left with fewer than ``d`` bonds.
    order : array of bond ids
        The bonds to try, in this order.

    Returns
    -------
    (m,) bool array
    """
    balls = _Balls(network)
    for bond in np.asarray(order, dtype=np.int64):
        if balls.is_redundant(bond):
            balls.remove(bond)
    return balls.alive


class _Balls:
    """Neighbourhoods of bonds among those left."""

    def __init__(self, network: Network) -> None:
        self._edges, self._dim = network.edges, network.dim
        self._along = network.vectors / network.lengths[:, None]
        self.alive = np.ones(network.n_edges, dtype=bool)
        self._degree = np.bincount(network.edges.ravel(), minlength=network.n_nodes)
        # Bonds of node i: those from begin[i] to begin[i + 1]. Bonds gone stay listed.
        self._bonds = np.argsort(network.edges.ravel(), kind="stable") // 2
        self._begin = np.append(0, np.cumsum(self._degree))

    def remove(self, bond: int) -> None:
        """Remove a bond."""
        self.alive[bond] = False
        self._degree[self._edges[bond]] -= 1

    def is_redundant(self, bond: int) -> bool:
        """True for a redundant bond: weight above ``WEIGHT``, ``d`` bonds left at its nodes."""
        if self._degree[self._edges[bond]].min() <= self._dim:
            return False
        # With the bond out and f the extension that a unit tension in its place makes, its weight
        # is 1 / (1 + f).
        most = 1 / WEIGHT - 1
        bonds = self._touching(self._edges[bond])
        while True:
            ball = np.unique(self._edges[bonds])
            bonds = self._touching(ball)
            rows, inside = self._rows(ball, bonds)
            others = bonds != bond
            pull = (~others).astype(float) @ rows
            extension, share = _answer(rows[others & inside], pull)
            if 0 <= extension < most and share < SHARE:
                return True
            if inside.all() or _answer(rows[others], pull)[0] >= most:
                return False

    def _touching(self, nodes: NDArray) -> NDArray[np.int64]:
        """Remaining bonds of some nodes, sorted."""
        begin = self._begin
        bonds = np.concatenate([self._bonds[begin[i] : begin[i + 1]] for i in nodes])
        return np.unique(bonds[self.alive[bonds]])

    def _rows(
        self, ball: NDArray, bonds: NDArray
    ) -> tuple[NDArray[np.float64] | sparse.csr_array, NDArray[np.bool_]]:
        """Compatibility rows of bonds for motions of the nodes of a ball, all others clamped.

        Shape (bonds, ball d), dense for small balls; and which bonds have both ends in the ball.
        """
        d, ends = self._dim, self._edges[bonds]
        at = np.minimum(np.searchsorted(ball, ends), len(ball) - 1)
        within = ball[at] == ends
        row, end = np.nonzero(within)
        values = np.array([-1.0, 1.0])[end, None] * self._along[bonds[row]]
        columns = d * at[row, end][:, None] + np.arange(d)
        shape = len(bonds), d * len(ball)
        if shape[1] > DENSE_LIMIT:
            row = np.repeat(row, d)
            rows = sparse.csr_array((values.ravel(), (row, columns.ravel())), shape=shape)
        else:
            rows = np.zeros(shape)
            rows[row[:, None], columns] = values
        return rows, within.all(axis=1)


def _answer(rows: NDArray[np.float64] | sparse.csr_array, pull: NDArray) -> tuple[float, float]:
    """The extension of a missing bond that is pulled at with unit force; the ground's share in it.

    Where motions that cost nothing follow the pull the extension is without bound (here about
    1 / GROUND), and the share of the energy that the ground takes of order one.
    """
    if isinstance(rows, np.ndarray):
        stiffness = rows.T @ rows
        np.fill_diagonal(stiffness, stiffness.diagonal() + GROUND)
        motion = np.linalg.solve(stiffness, pull)
    else:
        stiffness = rows.T @ rows + GROUND * sparse.eye_array(rows.shape[1])
        motion = splu(
            stiffness.tocsc(),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        ).solve(pull)
    extension = float(pull @ motion)
    return extension, GROUND * float(motion @ motion) / extension
