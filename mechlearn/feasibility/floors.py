"""Floors: errors that are left whatever the network, because of what linear networks can be.

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
from mechlearn.problem import Problem

#: Singular values below this part of the largest count as zero.
RANK = 1e-9
#: Floors below this part of what is wanted are none.
NEGLIGIBLE = 1e-6
#: With more independent places than this reciprocity is not looked at: it would take too long.
MOST_PLACES = 12


@dataclass(frozen=True, eq=False)
class Floor:
    """An error that is left whatever the network.

    Attributes
    ----------
    reason : "linearity" or "reciprocity"
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


def known_floors(problem: Problem) -> list[Floor]:
    """The floors of a task on a linear network without prestress, as far as they are known."""
    if not problem.task.cost.has_values or problem.match.any() or not problem.two_sided:
        return []
    return [f for f in (_linearity(problem), _reciprocity(problem)) if f is not None]


def reciprocity_floor(wanted: ArrayLike) -> tuple[float, NDArray[np.float64]]:
    """How near a passive, reciprocal network can come to a wanted response matrix.

    Parameters
    ----------
    wanted : (p, p) array
        What each of ``p`` places shall read (rows) by a unit force, or current, at each of them.

    Returns
    -------
    floor : float
        The Frobenius distance: that of the antisymmetric part, and of the negative eigenvalues of
        the symmetric part, ``floor^2 = |A|^2 + sum min(lambda, 0)^2``.
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


def _linearity(problem: Problem) -> Floor | None:
    """The floor from what is wanted not being linear in what the sources do."""
    p = problem
    if p.n_examples < 2 or not (p.held == p.held[0]).all():
        return None
    drive, best = _drive(p), np.where(p.asked, p.wanted, 0.0)
    for k in range(len(p.targets)):
        e = p.asked[:, k]
        best[e, k] = drive[e] @ np.linalg.lstsq(drive[e], p.wanted[e, k], rcond=RANK)[0]
    return _floor("linearity", problem, best)


def _reciprocity(problem: Problem) -> Floor | None:
    """The floor of a network that is loaded and read at the same places.

    The compliance between the ports is ``C A C^T`` with ``C`` their rows in a basis, and ``A``
    symmetric and positive semidefinite, whatever the network. Without common places that is no
    restriction.
    """
    p = problem
    sources = np.setdiff1d(np.arange(len(p.ports)), p.targets)
    if p.held.any() or p.through.any() or not len(sources):
        return None
    rows = p.linear_rows()
    rows = rows[:, np.setdiff1d(np.arange(rows.shape[1]), p.supported)]
    rows = rows[:, np.unique(rows.nonzero()[1])].toarray()
    u, sizes, _ = np.linalg.svd(rows, full_matrices=False)
    rank = int(np.count_nonzero(sizes > RANK * sizes.max(initial=0.0)))
    if rank == len(rows) or rank > MOST_PLACES:
        return None
    # A basis of the rows; every state reads C y with y = A (C^T f).
    c = u[:, :rank] * sizes[:rank]
    load = p.values @ c
    read = c[p.targets]
    factor = _nearest_definite(load, read, p.wanted / p.units, p.asked, p.units)
    return _floor("reciprocity", problem, load @ (factor @ factor.T) @ read.T)


def _nearest_definite(load, read, wanted, asked, units) -> NDArray[np.float64]:
    """``L`` with ``A = L L^T`` whose answers ``load A read^T`` are nearest to what is wanted.

    The sum of squares is convex in ``A``, so that a full ``L`` has no other minima than the best.
    """
    from scipy.optimize import least_squares

    q = load.shape[1]
    size = np.abs(wanted).max() or 1.0
    unit = np.abs(load).max() * np.abs(read / units[:, None]).max() or 1.0

    def missing(x: NDArray) -> NDArray:
        factor = x.reshape(q, q)
        answers = load @ (factor @ factor.T) @ read.T / units / unit
        return (np.where(asked, answers - wanted / size, 0.0)).ravel()

    starts = np.random.default_rng(0).standard_normal((3, q * q))
    found = [least_squares(missing, x, xtol=1e-15, ftol=1e-15, gtol=1e-15) for x in starts]
    best = min(found, key=lambda f: f.cost)
    return best.x.reshape(q, q) * np.sqrt(size / unit)


def _floor(reason: str, problem: Problem, best: NDArray) -> Floor | None:
    """A floor, from the nearest answers; None where nothing of it is left."""
    relative = relative_error(problem, best)
    if relative <= NEGLIGIBLE:
        return None
    missing = np.linalg.norm(problem.residual(best) / problem.units)
    allowed = np.linalg.norm(np.where(problem.asked, problem.scale / problem.units, 0.0))
    cost = float(problem.costs(best).mean())
    return Floor(reason, cost, relative, float(missing / allowed), best / problem.units)


def relative_error(problem: Problem, outputs: NDArray) -> float:
    """Root of the sum of squared errors over that of what is wanted."""
    missing = problem.residual(outputs) / problem.units
    wanted = np.where(problem.asked, problem.wanted + outputs @ problem.match.T, 0.0)
    return float(np.linalg.norm(missing) / max(np.linalg.norm(wanted / problem.units), 1e-300))


def _drive(problem: Problem) -> NDArray[np.float64]:
    """Values and forces imposed at the ports in every example, (examples, ports).

    Those of ports that are only read are zero.
    """
    return problem.values


def independent_answers(problem: Problem, linear: bool) -> int:
    """Independent numbers wanted: in a linear network, targets times independent drives.

    None where values are not what is wanted.
    """
    p = problem
    if not p.task.cost.has_values:
        return 0
    if not linear or not (p.held == p.held[0]).all():
        return int(p.asked.sum())
    drive = _drive(p)
    return int(
        sum(np.linalg.matrix_rank(drive[p.asked[:, k]], rtol=RANK) for k in range(len(p.targets)))
    )
