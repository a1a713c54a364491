"""Removal of bonds without loss of rigidity, down to a mean coordination or one by one.

A bond can go without a new zero mode exactly when it takes part in a state of self-stress. With
unit stiffnesses, ``C`` the compatibility matrix and ``K = C^T C``, that part is read off
``1 - c_b K^+ c_b^T``, the squared weight of bond ``b`` in the self-stress space; removing bonds
one after another makes a Cholesky factorisation of ``I - C_B K^+ C_B^T`` over the bonds ``B``,
whose pivots are these weights at each turn. K itself is factored once per batch.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.linalg import qr
from scipy.sparse.linalg import splu

from mechlearn.energies.kinematics import rigid_motions
from mechlearn.errors import InputError, SolveError
from mechlearn.linalg.threads import one_thread
from mechlearn.network import Network
from mechlearn.networks import _check

#: A bond counts as part of a state of self-stress from this squared weight on. Far above
#: rounding, far below what real self-stress has; a network pruned below it would be nearly floppy.
WEIGHT = 1e-6
#: Stiffness that holds every node of a ball to the ground, so that its zero modes can be solved
#: for: far below what bonds (1) resist with, far above rounding.
GROUND = 1e-12
#: Tensions balance without the ground when its share of the elastic energy is below this. A motion
#: that only it resists then takes so little part that bonds as weak as SHARE * GROUND, which is
#: below rounding, would hardly change the weight. Where it never is, the bond stays.
SHARE = 1e-4
#: Up to this many degrees of freedom a ball is solved as a dense matrix.
DENSE_LIMIT = 1500
#: Options of SuperLU for symmetric, positive definite matrices.
SYMMETRIC = {
    "permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}
}  # fmt: skip


@one_thread()
def prune_to_coordination(
    network: Network, coordination: float, seed: int = 0, keep: ArrayLike = ()
) -> Network:
    """Remove random bonds, never creating a zero mode, until the mean coordination is reached.

    Bonds between well connected nodes go first (the smaller of the two coordinations counts), so
    that the network thins evenly and no node is left with fewer than ``d + 1`` bonds while others
    can give; never with fewer than ``d``.

    Parameters
    ----------
    network : Network
        Rigid: without zero modes beyond rigid motions.
    coordination : float
        The wanted ``2 m / n``; the number of bonds is rounded to the nearest whole number.
    seed : int
    keep : array of bond ids, optional
        Bonds that must stay.

    Returns
    -------
    Network
        The same nodes; bonds keep their order, sets and data follow.

    Raises
    ------
    InputError
        For a floppy network, or a coordination above the network's own or below what can be
        reached; the message gives the range.
    """
    coordination = _check.number("The coordination to prune to", coordination)
    seed = _check.integer("The seed of the pruning", seed, 0)
    keep = np.asarray(keep, dtype=np.int64).ravel()
    if len(keep) and (keep.min() < 0 or keep.max() >= network.n_edges):
        raise InputError(f"keep must list bonds from 0 to {network.n_edges - 1}.")
    wanted = round(coordination * network.n_nodes / 2)
    lowest = 2 * fewest_bonds(network) / network.n_nodes
    if wanted > network.n_edges or wanted < fewest_bonds(network):
        raise InputError(
            f"Pruning this network of {network.n_nodes} nodes reaches coordinations from "
            f"{lowest:.4g} (isostatic) to {network.coordination:.4g}, not {coordination:.4g}."
        )
    alive = _remove_bonds(network, network.n_edges - wanted, np.random.default_rng(seed), keep)
    if np.count_nonzero(alive) > wanted:
        raise InputError(
            f"Pruning stops at coordination {2 * np.count_nonzero(alive) / network.n_nodes:.4g} "
            f"instead of {coordination:.4g}: every bond left is kept or needed for rigidity."
        )
    return network.keep_edges(alive)


def fewest_bonds(network: Network) -> int:
    """Number of bonds of an isostatic network of these nodes: ``n d`` less the rigid motions."""
    return network.n_nodes * network.dim - rigid_motions(network.nodes, network.periodic).shape[1]


def _remove_bonds(
    network: Network, count: int, rng: np.random.Generator, keep: NDArray
) -> NDArray[np.bool_]:
    """Mask of the bonds left after removal of up to ``count`` redundant bonds.

    They are drawn at random among those between the best connected nodes.
    """
    d = network.dim
    c, edges = network.compatibility(), network.edges
    free = _unpinned(network)
    c = c[:, free].tocsr()
    alive = np.ones(network.n_edges, dtype=bool)
    open_ = np.ones(network.n_edges, dtype=bool)
    open_[keep] = False
    degree = np.bincount(edges.ravel(), minlength=network.n_nodes)
    gone = 0
    factors = _factors(c)
    if factors is None:
        raise InputError("The network to prune has floppy modes already; only a rigid one can be.")
    while gone < count:
        level = degree[edges].min(axis=1)
        ids = np.flatnonzero(alive & open_ & (level > d))
        if not len(ids):
            break
        size = min(count - gone + 32, 256)
        # Whole layers of equal coordination, best connected first, random within a layer.
        ids = rng.permutation(ids)
        ids = ids[np.argsort(-level[ids], kind="stable")][:size]
        floor = level[ids[0]]
        batch = c[ids]
        weight = np.eye(len(ids)) - batch @ factors.solve(batch.T.toarray())
        before = gone
        for k, bond in enumerate(ids):
            if gone == count:
                break
            if degree[edges[bond]].min() < floor:
                # Others of its layer went before it: it waits for its turn in a lower one.
                continue
            pivot = weight[k, k]
            open_[bond] = False
            if pivot > WEIGHT:
                alive[bond] = False
                degree[edges[bond]] -= 1
                gone += 1
                rest = weight[k + 1 :, k] / np.sqrt(pivot)
                weight[k + 1 :, k + 1 :] -= np.outer(rest, rest)
        if gone > before:
            factors = _factors(c[np.flatnonzero(alive)])
            if factors is None:
                raise SolveError("Pruning lost rigidity to rounding; another seed will do.")
    return alive


def _unpinned(network: Network) -> NDArray[np.int64]:
    """Degrees of freedom left free by a statically determinate support."""
    motions = rigid_motions(network.nodes, network.periodic)
    pinned = qr(motions.T, mode="r", pivoting=True)[1][: motions.shape[1]]
    return np.setdiff1d(np.arange(len(motions)), pinned)


def _factors(c: sparse.csr_array) -> Any:
    """Sparse LU factors of ``C^T C``, or None where it is numerically singular."""
    stiffness = (c.T @ c).tocsc()
    if (stiffness.diagonal() <= 0).any():
        return None
    try:
        factors = splu(stiffness, **SYMMETRIC)
    except RuntimeError:
        return None
    pivots = factors.U.diagonal()
    return factors if pivots.min() > 1e-12 * pivots.max() else None


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
    """Neighbourhoods of bonds among those left.

    A bond can go without a new zero mode exactly when its squared weight ``w`` in the space of
    states of self-stress is not zero. Two bounds of ``w`` need only the nodes of a *ball* around
    the bond. A state of self-stress of the bonds within the ball is one of the network, too: ``w``
    of the ball alone is a lower bound. Clamping all nodes outside adds states and takes none away:
    ``w`` of the ball so clamped is an upper bound. The ball grows by one shell of neighbours until
    a bound decides, in the end to the whole network, where both are ``w`` itself. So the answers
    are those of the whole network. Where bonds abound, balls of one or two shells are enough,
    whatever the size of the network; close to isostaticity states of self-stress are wide.
    """

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
        motion = splu(stiffness.tocsc(), **SYMMETRIC).solve(pull)
    extension = float(pull @ motion)
    return extension, GROUND * float(motion @ motion) / extension
