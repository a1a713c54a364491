"""Balance: forces that are read hold the loads, whatever the network, as reactions do."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mechlearn.tasks.problem import Problem

#: Singular values below this part of the largest count as zero.
RANK = 1e-9


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums of forces that are read in an example, which the loads fix.

    Attributes
    ----------
    read : integer array
        The targets that read them.
    weights : (sums, read) array
        Of the forces in the user's units; of a force that is read twice, once.
    fixed : (sums,) array
        What they are.
    """

    read: NDArray[np.int64]
    weights: NDArray[np.float64]
    fixed: NDArray[np.float64]

    @property
    def count(self) -> int:
        """Number of independent sums."""
        return int(np.linalg.matrix_rank(self.weights, rtol=RANK)) if self.weights.size else 0


def fixed_sums(problem: Problem, turns: bool) -> list[Sums]:
    """The sums of forces that are fixed in every example.

    No rigid motion that only known forces do work in, loads and forces that are read, may gain any:
    sums of forces (currents) are fixed, and with ``turns`` sums of moments.
    """
    p, width, out = problem, len(problem.components), []
    mean = float(p.network.lengths.mean())
    motions = p.kinematics.free_motions(p.network.nodes / mean, p.network.periodic)
    if not turns:
        motions = motions @ _still(motions, width)
    moved = p.linear_rows()[:, : len(motions)] @ motions  # what the ports read of every motion
    moved[np.abs(moved) <= RANK * np.abs(moved).max(initial=0.0)] = 0.0
    for e in range(p.n_examples):
        read = np.flatnonzero(p.asked[e] & p.through)
        read = read[np.unique(p.targets[read], return_index=True)[1]]
        unknown = p.held[e].copy()
        unknown[p.targets[read]] = False
        left = _null(np.vstack([motions[p.supported], moved[unknown]]), motions.shape[1])
        weights = (moved[p.targets[read]] @ left).T * p.units[read]
        given = np.where(p.held[e], 0.0, p.values[e])
        out.append(Sums(read, weights, -(given @ moved) @ left))
    return out


def nearest_balanced(problem: Problem, turns: bool) -> NDArray[np.float64]:
    """The answers nearest to those wanted that meet the fixed sums, (examples, t)."""
    p = problem
    best = np.where(p.asked, p.wanted, 0.0)
    for e, sums in enumerate(fixed_sums(p, turns)):
        if not sums.count:
            continue
        lacking = sums.fixed - sums.weights @ (p.wanted[e] / p.units)[sums.read]
        change = np.linalg.lstsq(sums.weights, lacking, rcond=RANK)[0]
        best[e, sums.read] += change * p.units[sums.read]
    return best


def _still(motions: NDArray, width: int) -> NDArray[np.float64]:
    """Mask of the rigid motions that move all nodes alike."""
    each = motions.reshape(-1, width, motions.shape[1])
    apart = (each - each.mean(axis=0)).reshape(motions.shape)
    return _null(apart, motions.shape[1])


def _null(rows: NDArray, columns: int) -> NDArray[np.float64]:
    """Orthonormal null space of rows, (columns, k)."""
    if not len(rows):
        return np.eye(columns)
    _, sizes, vt = np.linalg.svd(np.linalg.qr(rows, mode="r"), full_matrices=True)
    return vt[np.count_nonzero(sizes > RANK * max(sizes.max(initial=0.0), 1e-300)) :].T
