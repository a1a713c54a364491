"""Triples of nodes at which two bonds meet, for angular springs."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError
from mechlearn.network import Network

#: Cosine of the angle from which bonds in space count as collinear.
STRAIGHT = 1 - 1e-9


def with_angles(network: Network) -> Network:
    """The network with ``triples`` of the ends of neighbouring bonds and the node between them.

    In the plane, of every bond and the next one around a node, without angles of more than half a
    turn; in space, of all pairs of bonds at a node that are not collinear, or its only ones.

    Parameters
    ----------
    network : Network

    Raises
    ------
    InputError
        Where no node has two such bonds.
    """
    a, b = network.edges.T
    shifts = np.zeros((network.n_edges, network.dim), np.int64)
    shifts = shifts if network.shifts is None else network.shifts
    # Each bond as seen from both of its nodes.
    node, other = np.r_[a, b], np.r_[b, a]
    vectors, images = np.vstack([network.vectors, -network.vectors]), np.vstack([shifts, -shifts])
    directions = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    pairs = _around(node, directions) if network.dim == 2 else _all_pairs(node, directions)
    if not len(pairs):
        raise InputError("network: angles: no node has two bonds that are not collinear.")
    one, two = pairs.T
    triples = np.column_stack([other[one], node[one], other[two]])
    none = np.zeros_like(images[one])
    tuples = {**network.tuples, "triples": triples}
    if not network.periodic:
        return replace(network, tuples=tuples)
    moved = np.stack([images[one], none, images[two]], axis=1)
    return replace(network, tuples=tuples, tuple_shifts={**network.tuple_shifts, "triples": moved})


def _around(node: NDArray, directions: NDArray) -> NDArray[np.int64]:
    """Pairs of bonds that follow each other around a node of the plane, (p, 2)."""
    angle = np.arctan2(directions[:, 1], directions[:, 0])
    order = np.lexsort((angle, node))
    start = np.searchsorted(node[order], node[order])
    count = np.bincount(node)[node[order]]
    follows = order[start + (np.arange(len(order)) - start + 1) % count]
    turn = (angle[follows] - angle[order]) % (2 * np.pi)
    # Of two opposite bonds, each follows the other.
    twice = (count == 2) & (np.arange(len(order)) > start) & (np.abs(turn - np.pi) < 1e-9)
    # Along a straight rim, an angle outside is the sum of those inside.
    widest = np.pi * np.where(count > 2, 1 - 1e-9, 1 + 1e-9)
    kept = (count > 1) & (turn < widest) & ~twice
    return np.column_stack([order, follows])[kept]


def _all_pairs(node: NDArray, directions: NDArray) -> NDArray[np.int64]:
    """Pairs of bonds at a node that are not collinear, (p, 2)."""
    order = np.argsort(node, kind="stable")
    start = np.searchsorted(node[order], node[order])
    before = np.arange(len(order)) - start
    one = np.repeat(np.arange(len(order)), before)
    two = np.arange(len(one)) - np.repeat(np.cumsum(before) - before - start, before)
    one, two = order[one], order[two]
    cosine = np.einsum("pi,pi->p", directions[one], directions[two])
    alone = (cosine < 0) & (np.bincount(node)[node[one]] == 2)
    return np.column_stack([two, one])[alone | (np.abs(cosine) < STRAIGHT)]
