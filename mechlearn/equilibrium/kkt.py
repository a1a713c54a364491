"""KKT system of an equilibrium under port constraints, condensed onto the ports.

The state minimises ``U(u)`` less the work ``f_l . p_l(v)`` of the loads under the constraints
``p_h(v) + S f_h = values``. The *raw rows* ``v = P u`` are linear functionals of the displacements,
``p(v)`` the readings of the ports, ``S`` the compliances of the constraints, and the forces ``f_h``
at held ports their Lagrange multipliers. With the tangent stiffness ``K = U''(u)``, the Jacobian
``J = p_h'(v)`` of the constraints and the curvature ``H = sum_i f_i p_i''(v)`` of all readings, a
Newton step solves::

    [ K - P^T H P   -P^T J^T ] [ du   ]   [ -force ]      force = U'(u) - P^T p'(v)^T f
    [ J P            S       ] [ df_h ] = [  gap   ]      gap = values - p_h(v) - S f_h

``K`` is factorised once, for ``X = K^-1 P^T``, the compliance ``A = P X`` of the raw rows, and
``K^-1 force``. With ``dv = P du`` and the change ``q = H dv + J^T df_h`` of the forces at the raw
rows, ``du = X q - K^-1 force``; what remains is small, dense and symmetric::

    [ -H   -I   J^T ] [  dv   ]   [ 0              ]
    [ -I   -A   0   ] [ -q    ] = [ P K^-1 force   ]
    [  J    0   -S  ] [ -df_h ]   [ gap            ]

Inertias add (Haynsworth): the state is a minimum under the constraints where ``K`` and the small
matrix have together one negative eigenvalue for each raw row and each constraint, but for springs
of negative stiffness; every other one is an unstable mode. One more unknown, such as a load factor,
and its equation border the system; two of its solutions, :meth:`KKTSystem.solve` and
:meth:`KKTSystem.rate`, eliminate them (H. B. Keller, 1977).

For linear elements ``H = 0``, and ``J P u`` are the readings: what remains is ``(J A J^T + S) df_h
= gap + J P K^-1 force``, the same for all examples with the same constraints.

J. Nocedal, S. J. Wright, Numerical Optimization (2006), chapters 16 and 18.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.equilibrium.conditions import UNSTABLE, ExampleGroup, Imposed
from mechlearn.errors import SolveError
from mechlearn.fem.model import Model
from mechlearn.fenics import PETSc
from mechlearn.linalg.factorisation import Inertia
from mechlearn.linalg.solver import BorderedSolver, DirectSolver
from mechlearn.tasks.ports import CurvedPort
from mechlearn.tasks.problem import Problem

#: Smallest eigenvalue relative to the largest at which a condensed system is singular.
SINGULAR = 1e-13
#: Scaled compliance between held ports at which they are dependent.
DEPENDENT = 1e-11


@dataclass(frozen=True, eq=False)
class Tangent:
    """Factorised tangent stiffness ``K`` at displacements ``u``.

    Attributes
    ----------
    solver : DirectSolver or BorderedSolver
    u : (owned dofs,) array
    X : (owned dofs, raw rows) array
        Displacements by unit forces at the ports' raw rows.
    A : (raw rows, raw rows) array
        Compliance of the raw rows.
    ground : (grounded,) array
        Stiffness of the springs to the ground at grounded ports, which is part of ``K``.
    inertia : Inertia
    raw : callable
        Values of the raw rows for displacements, ``P u``.
    curvature : (raw rows, raw rows) array
        Part of the readings' curvature that is in ``K`` already; none if left out.
    """

    solver: DirectSolver | BorderedSolver = field(repr=False)
    u: NDArray[np.float64]
    X: NDArray[np.float64]
    A: NDArray[np.float64]
    ground: NDArray[np.float64]
    inertia: Inertia
    raw: Callable[[NDArray], NDArray] = field(repr=False)
    curvature: NDArray[np.float64] | float = 0.0


class KKTSystem:
    """Condensed KKT system of a state under its conditions, inverted.

    Parameters
    ----------
    tangent : Tangent
    imposed : Imposed
    jacobian : (ports, raw rows) array
        Derivatives ``p'(v)`` of all readings.
    curvature : (raw rows, raw rows) array
        ``H``.
    grounded : integer array
        Ports with springs to the ground.
    critical : bool
        Whether the constraints may leave it singular, as at a limit point: its inverse is then
        huge along the critical mode, which is the direction of the path there.

    Attributes
    ----------
    unstable : int
        Number of modes that lower the energy under the conditions.

    Raises
    ------
    SolveError
        Where it is singular, or not finite.
    """

    def __init__(
        self,
        tangent: Tangent,
        imposed: Imposed,
        jacobian: NDArray,
        curvature: NDArray,
        grounded: NDArray,
        critical: bool = False,
    ) -> None:
        self.tangent, self._imposed, self._jacobian = tangent, imposed, jacobian
        # The ground is there also where a port is not held now: its force follows its move.
        tied = imposed.with_ground(grounded, tangent.ground) if len(grounded) else imposed
        rows, r = tied.ports, len(curvature)
        self._held, self._compliance = imposed.held[rows], tied.compliance[rows]
        self._ground = np.zeros(len(rows))
        if len(grounded):
            self._ground[np.isin(rows, grounded)] = tangent.ground
        A, J = tangent.A, jacobian[rows]
        kkt = np.zeros((2 * r + len(rows),) * 2)
        self._moves, self._forces = moves, forces = slice(r, 2 * r), slice(2 * r, None)
        kkt[:r, :r] = -curvature
        kkt[:r, moves] = kkt[moves, :r] = -np.eye(r)
        kkt[moves, moves] = -A
        kkt[forces, :r], kkt[:r, forces] = J, J.T
        kkt[forces, forces] = -np.diag(self._compliance)
        # A congruence keeps the inertia, and makes it show where compliances are large.
        size = np.sqrt(np.abs(np.diag(A)))
        size[size == 0] = 1.0
        bound = np.abs(J * size).max(axis=1, initial=0.0)
        scale = np.concatenate([size, 1 / size, 1 / np.where(bound, bound, 1.0)])
        kkt *= scale[:, None] * scale
        if not np.isfinite(kkt).all():
            raise SolveError("The stiffness is not a finite number.", "not finite")
        eigenvalues, vectors = np.linalg.eigh(kkt)
        magnitudes = np.abs(eigenvalues)
        least = SINGULAR * magnitudes.max(initial=0.0)
        if tangent.inertia.zero or (magnitudes.min(initial=np.inf) <= least and not critical):
            raise SolveError("The stiffness is singular under the constraints.", "singular")
        negative = tangent.inertia.negative + np.count_nonzero(eigenvalues < 0)
        if critical:
            eigenvalues = np.copysign(np.maximum(magnitudes, least), eigenvalues)
        self.unstable = int(negative - r - imposed.n_attracting)
        vectors *= scale[:, None]
        self._inverse = vectors / eigenvalues @ vectors.T

    def solve(self, force: NDArray, gap: NDArray) -> tuple[NDArray, NDArray]:
        """Newton step for residuals of the equations.

        Parameters
        ----------
        force : (owned dofs,) array
            Unbalanced forces.
        gap : (held,) array
            Violations of the constraints.

        Returns
        -------
        du, df : (owned dofs,) and (held,) arrays
            Changes of the displacements and of the forces at held ports.
        """
        return self.step(self.tangent.solver.solve(-force[:, None])[:, 0], gap)

    def step(self, du: NDArray, gap: NDArray) -> tuple[NDArray, NDArray]:
        """Newton step as of :meth:`solve`, given the displacements ``-K^-1 force``."""
        right = np.zeros(len(self._inverse))
        right[self._moves] = -self.tangent.raw(du)
        # With the springs to the ground, forces and values are those of both in parallel.
        closed = right[self._forces]
        closed[self._held] = gap
        closed *= 1 + self._compliance * self._ground
        y = self._inverse @ right
        df = -y[self._forces]
        df -= self._ground * (closed - self._compliance * df)
        return du - self.tangent.X @ y[self._moves], df[self._held]

    def rate(self, change: NDArray) -> tuple[NDArray, NDArray]:
        """Rates of the state for rates of the imposed values, (ports,).

        Returns
        -------
        du, forces : (owned dofs,) and (ports,) arrays
            Rates of the displacements and of the forces at the ports.
        """
        held, ports = self._imposed.held, self._imposed.ports
        forces = np.where(held, 0.0, change)
        du, forces[ports] = self.step(self.tangent.X @ (self._jacobian.T @ forces), change[ports])
        return du, forces

    @cached_property
    def restore(self) -> NDArray[np.float64]:
        """Displacements that move each held port by one and nothing else, (owned dofs, held)."""
        factor = 1 + self._compliance * self._ground
        return -self.tangent.X @ (self._inverse[self._moves, self._forces] * factor)[:, self._held]


def inverse_compliance(
    a: NDArray, group: ExampleGroup, grounded: NDArray
) -> NDArray[np.float64] | None:
    """Inverse of the condensed system ``A + S`` of linear elements; None where it is singular.

    Indefinite where springs are of negative stiffness. Where nothing is left that holds the network
    as a whole, the inverse is that of its deformations.

    Parameters
    ----------
    a : (held, held) array
        Compliance between the held ports.
    group : ExampleGroup
    grounded : integer array
        Ports with springs to the ground.

    Raises
    ------
    SolveError
        Where the network loses its stability.
    """
    size = np.sqrt(np.abs(a.diagonal()) + np.abs(group.compliance))
    if not (size.all() and np.isfinite(size).all()):
        return None
    eigenvalues, vectors = np.linalg.eigh((a + np.diag(group.compliance)) / (size[:, None] * size))
    floats = np.abs(eigenvalues) <= DEPENDENT
    floating = np.count_nonzero(floats)
    if floating > np.count_nonzero(np.isin(group.held, grounded) & (group.compliance < 0)):
        return None
    if np.count_nonzero(eigenvalues[~floats] < 0) != group.n_repelling - floating:
        raise SolveError(UNSTABLE, "unstable")
    half = vectors[:, ~floats] / size[:, None]
    return half / eigenvalues[~floats] @ half.T


def tie_to_ground(
    model: Model,
    problem: Problem,
    matrix: PETSc.Mat,
    stiffness: float,
    read: sparse.csr_array | None = None,
) -> NDArray[np.float64]:
    """Springs to ground at ports that are always held; states are unchanged.

    They make the matrix definite where only displaced nodes hold the network as a whole; what they
    carry must be taken off the forces at their ports. Returns their stiffness, (grounded,). What
    curved ports ``read`` to first order are rows (ports, owned dofs).
    """
    dofs, out = problem.dofs[problem.grounded], np.full(len(problem.grounded), stiffness)
    curved = np.array([isinstance(problem.ports[k], CurvedPort) for k in problem.grounded], bool)
    of_nodes = (dofs >= 0) & ~curved
    if of_nodes.any():
        model.stiffen(matrix, dofs[of_nodes], stiffness)
    if read is not None and curved.any():
        model.stiffen_along(
            matrix, read[problem.grounded[curved]], stiffness * np.eye(np.count_nonzero(curved))
        )
    if (dofs < 0).any():
        names = [str(problem.ports[k].cell) for k in problem.grounded[dofs < 0]]
        # The cell moves all bonds at once.
        out[dofs < 0] *= np.square(model.network.lengths).sum()
        model.stiffen_cell([problem.cell.index(name) for name in names], out[dofs < 0][0])
    return out
