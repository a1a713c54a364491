"""Lower bounds on the error of a task, for any values of the parameters.

*Balance*: forces that are read balance what is applied, as reactions do.

*Linearity*: what a linear network without prestress answers is linear in what its sources do.

*Reciprocity and passivity*: driven and read at the same places, its response matrix is symmetric
and positive semidefinite (Maxwell and Betti; no work is gained). The antisymmetric and the negative
part of what is wanted can never be learned (https://arxiv.org/abs/2609.04169). The nearest such
matrix: N. J. Higham, Linear Algebra Appl. 103, 103 (1988),
https://doi.org/10.1016/0024-3795(88)90223-6.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.errors import InputError
from mechlearn.tasks.problem import Problem

#: Singular values below this part of the largest count as zero.
RANK = 1e-9
#: Bounds below this part of what is wanted count as zero.
NEGLIGIBLE = 1e-6
#: Slopes at the nearest answers, relative to what is wanted, that count as zero.
OPTIMAL = 1e-6
#: With more independent places than this reciprocity is not looked at: it would take too long.
MOST_PLACES = 12


@dataclass(frozen=True, eq=False)
class LowerBound:
    """Lower bound on the error, for any values of the parameters.

    Attributes
    ----------
    reason : "balance", "linearity" or "reciprocity"
    cost : float
        The smallest mean cost, in the user's units.
    relative : float
        Root of the sum of squared errors over that of what is wanted.
    error : float
        The error that a tolerance is on (see :meth:`Problem.error`) is at least this.
    best : (examples, t) array
        The answers that are nearest to what is wanted, in the user's units.
    """

    reason: str
    cost: float
    relative: float
    error: float
    best: NDArray[np.float64]


def known_bounds(problem: Problem, linear: bool, small: bool) -> list[LowerBound]:
    """Lower bounds on the error of a task on a network, as far as they are known.

    Those of balance, of moments too where displacements are ``small``; and, on a ``linear`` network
    without prestress, those of its responses.
    """
    p = problem
    if not p.task.cost.has_values or p.match.any() or not p.two_sided:
        return []
    balance = None
    if not p.relative.any():
        # A body's joints are of a size: where forces act on them is not quite at their nodes.
        balance = _bound("balance", p, nearest_balanced(p, small and p.kinematics.turned))
    if not linear:
        return [balance] if balance else []
    linearity, reciprocity = _linearity(p), _reciprocity(p)
    if linearity and reciprocity and reciprocity.cost <= linearity.cost * (1 + NEGLIGIBLE):
        reciprocity = None  # what a passive, reciprocal network answers is linear, too
    return [f for f in (balance, linearity, reciprocity) if f is not None]


def reciprocity_bound(wanted: ArrayLike) -> tuple[float, NDArray[np.float64]]:
    """Distance of a wanted response matrix from those of passive, reciprocal networks.

    Parameters
    ----------
    wanted : (p, p) array
        Wanted readings of ``p`` places (rows) by a unit force, or current, at each of them.

    Returns
    -------
    bound : float
        The Frobenius distance: that of the antisymmetric part, and of the negative eigenvalues of
        the symmetric part, ``bound^2 = |A|^2 + sum min(lambda, 0)^2``.
    nearest : (p, p) array
        The response matrix there.

    Raises
    ------
    InputError
        For a matrix that is not square.
    """
    w = np.asarray(wanted, dtype=float)
    if w.ndim != 2 or w.shape[0] != w.shape[1] or not np.isfinite(w).all():
        raise InputError(
            f"A response matrix between places is square and finite, not of shape {w.shape}."
        )
    values, vectors = np.linalg.eigh((w + w.T) / 2)
    nearest = vectors * np.maximum(values, 0.0) @ vectors.T
    return float(np.linalg.norm(w - nearest)), nearest


def _linearity(problem: Problem) -> LowerBound | None:
    """The bound from wanted values that are not linear in what the sources do."""
    p = problem
    if p.n_examples < 2 or not (p.held == p.held[0]).all():
        return None
    drive, best = p.given, np.where(p.active, p.wanted, 0.0)
    for k in range(len(p.targets)):
        e = p.active[:, k]
        best[e, k] = drive[e] @ np.linalg.lstsq(drive[e], p.wanted[e, k], rcond=RANK)[0]
    return _bound("linearity", problem, best)


def _reciprocity(problem: Problem) -> LowerBound | None:
    """The bound of a network that is driven and read at the same places.

    Between loaded ports the compliance is ``C A C^T`` with ``C`` their rows in a basis, and ``A``
    symmetric and positive semidefinite; between held ones the stiffness ``S`` is; and what goes
    from one kind to the other, ``B``, comes back as ``-B^T``, whatever the network. Without common
    places that is no restriction.
    """
    p = problem
    if not (p.held == p.held[0]).all():
        return None
    driven, read = (p.values != 0).any(axis=0), np.isin(np.arange(len(p.ports)), p.targets)
    rows = p.linear_rows()
    rows = rows[:, np.setdiff1d(np.arange(rows.shape[1]), p.supported)]
    rows = rows[:, np.unique(rows.nonzero()[1])].toarray()
    held = np.flatnonzero(p.held[0] & (driven | read))
    loaded = np.flatnonzero(~p.held[0])
    u, sizes, _ = np.linalg.svd(rows[loaded], full_matrices=False)
    rank = int(np.count_nonzero(sizes > RANK * sizes.max(initial=0.0)))
    common = (driven & read).any() or (rank < len(loaded) and driven[loaded].any())
    if not common or rank + len(held) > MOST_PLACES:
        return None
    if np.linalg.matrix_rank(rows[np.concatenate([loaded, held])], RANK) < rank + len(held):
        return None
    # A basis of the rows; every state reads C y with y = A (C^T f) - B^T v.
    c = np.zeros((len(p.ports), rank))
    c[loaded] = u[:, :rank] * sizes[:rank]
    v = np.zeros((len(p.ports), len(held)))
    v[held, np.arange(len(held))] = 1.0
    best = _nearest(p, p.values @ c, p.values @ v, c[p.targets], v[p.targets])
    return None if best is None else _bound("reciprocity", problem, best)


def _nearest(
    p: Problem, load: NDArray, moved: NDArray, c: NDArray, v: NDArray
) -> NDArray[np.float64] | None:
    """Response of a passive, reciprocal network nearest to the wanted one.

    ``load`` and ``moved``, (examples, k), are what is applied and imposed; ``c`` and ``v``,
    (targets, k), where it is read. The sum of squares is convex in ``A``, ``B`` and ``S``, so that
    full factors of ``A`` and ``S`` have no other minima than the best; None where it is not found.
    """
    from scipy.optimize import least_squares

    n, m = load.shape[1], moved.shape[1]
    size = np.abs(p.wanted / p.units).max() or 1.0
    c, v = c / p.units[:, None] / size, v / p.units[:, None] / size
    # Unknowns such that all that is applied, imposed and read is about 1.
    a, b = np.abs(load).max(initial=0.0) or 1.0, np.abs(moved).max(initial=0.0) or 1.0
    load, moved = load / a, moved / b
    r, s = np.abs(c).max(initial=0.0) or 1.0, np.abs(v).max(initial=0.0) or 1.0
    # B is one block both ways, of the larger of its two units.
    back, forth = min(1.0, b * r / (a * s)), min(1.0, a * s / (b * r))

    def answers(x: NDArray) -> NDArray[np.float64]:
        low, cross, stiff = np.split(x, [n * n, n * n + n * m])
        low, cross, stiff = low.reshape(n, n), cross.reshape(m, n), stiff.reshape(m, m)
        across = load @ (low @ low.T) - back * moved @ cross
        through = moved @ (stiff @ stiff.T) + forth * load @ cross.T
        return across @ (c / r).T + through @ (v / s).T

    wanted = p.wanted / p.units / size

    def missing(x: NDArray) -> NDArray:
        return np.where(p.active, answers(x) - wanted, 0.0)

    starts = np.random.default_rng(0).standard_normal((3, n * n + n * m + m * m))
    tight = dict.fromkeys(("xtol", "ftol", "gtol"), 1e-15)
    found = [least_squares(lambda x: missing(x).ravel(), x, **tight) for x in starts]
    x = min(found, key=lambda f: f.cost).x
    lacking = missing(x)
    # The slopes by A and S must be positive semidefinite there, and that by B zero.
    on_c, on_v = lacking @ (c / r), lacking @ (v / s)
    slopes = load.T @ on_c, moved.T @ on_v
    lowest = min(np.linalg.eigvalsh((q + q.T) / 2).min(initial=0.0) for q in slopes)
    level = forth * on_v.T @ load - back * moved.T @ on_c
    if max(-lowest, np.abs(level).max(initial=0.0)) > OPTIMAL * np.linalg.norm(wanted):
        return None
    return answers(x) * size * p.units


def _bound(reason: str, problem: Problem, best: NDArray) -> LowerBound | None:
    """A lower bound, from the nearest answers; None where it is negligible."""
    relative = relative_error(problem, best)
    if relative <= NEGLIGIBLE:
        return None
    missing = np.linalg.norm(problem.residual(best) / problem.units)
    allowed = np.linalg.norm(np.where(problem.active, problem.scale / problem.units, 0.0))
    cost = float(problem.costs(best).mean())
    return LowerBound(reason, cost, relative, float(missing / allowed), best / problem.units)


def relative_error(problem: Problem, outputs: NDArray) -> float:
    """Relative error in the Euclidean norm."""
    missing = problem.residual(outputs) / problem.units
    wanted = np.where(problem.active, problem.wanted + outputs @ problem.match.T, 0.0)
    return float(np.linalg.norm(missing) / max(np.linalg.norm(wanted / problem.units), 1e-300))


def independent_answers(problem: Problem, linear: bool, small: bool) -> int:
    """Independent numbers wanted: in a linear network, targets times independent drives.

    Less those that follow from others by balance; none where values are not what is wanted.
    """
    p = problem
    if not p.task.cost.has_values:
        return 0
    sums = [s.count for s in fixed_sums(p, small and p.kinematics.turned)]
    if not linear or not (p.held == p.held[0]).all():
        return int(p.active.sum()) - (0 if p.relative.any() else sum(sums))
    drive = p.given
    ranks = [np.linalg.matrix_rank(drive[p.active[:, k]], rtol=RANK) for k in range(len(p.targets))]
    alike = (p.active == p.active[0]).all() and not p.relative.any()
    return int(sum(ranks)) - (sums[0] * int(max(ranks)) if alike else 0)


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
        Their values.
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
        read = np.flatnonzero(p.active[e] & p.through)
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
    best = np.where(p.active, p.wanted, 0.0)
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
