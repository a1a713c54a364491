"""Residuals of the equations of equilibrium, and Newton steps with inertia correction.

The steps solve the KKT system of :mod:`.kkt`. Where its inertia says that they lead to no minimum
under the constraints, multiples of the identity are added to the stiffness until they do.
J. Nocedal, S. J. Wright, Numerical Optimization (2006), chapter 19.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.equilibrium.conditions import Imposed, PortReader, Reading, check_size
from mechlearn.equilibrium.kkt import KKTSystem, Tangent, tie_to_ground
from mechlearn.errors import SolveError
from mechlearn.fem.model import Model
from mechlearn.linalg.solver import BorderedSolver, DirectSolver
from mechlearn.parallel import largest, total
from mechlearn.tasks.ports import CurvedPort
from mechlearn.tasks.problem import Problem

#: The first shift of an indefinite stiffness, relative to its mean: slender structures buckle by
#: modes far softer than it.
INERTIA_SHIFT0, INERTIA_SHIFT0_FRAMES = 1e-9, 1e-10
#: A factorisation serves for other states this near, relative to bond length.
REUSE_RADIUS = 1e-2
#: What is started a little off is so by no more than this, relative to bond length.
PERTURBATION = 1e-6
#: How many examples have factorisations of their own, and with how many unknowns altogether.
KEPT, UNKNOWNS_KEPT = 32, 200_000
#: The number of the unloaded state among the examples.
UNLOADED = -1
#: From a state that is not stable one steps at least that far, relative to bond length.
ESCAPE_STEP = 1e-3


class NotConverged(Exception):
    """Newton's method failed; the caller steps the load. ``fault`` as of a :class:`SolveError`."""

    def __init__(self, text: str, fault: str = "no equilibrium") -> None:
        super().__init__(text)
        self.fault = fault


@dataclass
class Counts:
    """Counts of solver operations.

    ``unstable`` are solves that came by states which are no minimum, as when a strut buckles.
    """

    solves: int = 0
    iterations: int = 0
    chords: int = 0
    load_steps: int = 0
    shifts: int = 0
    unstable: int = 0


@dataclass(frozen=True, eq=False)
class Residual:
    """Residuals of the KKT conditions at displacements ``u`` and ``forces`` at the ports.

    Attributes
    ----------
    force : (owned dofs,) array
        Unbalanced forces.
    gap : (held,) array
        Violations of the constraints.
    read : Reading
    norm : float
        The largest force relative to stiffness times bond length, or gap relative to bond length.
    """

    balance: "Balance" = field(repr=False)
    u: NDArray = field(repr=False)
    forces: NDArray
    imposed: Imposed
    force: NDArray = field(repr=False)
    gap: NDArray
    read: Reading
    norm: float

    @cached_property
    def energy(self) -> float:
        """Elastic energy; collective."""
        return self.balance.energy(self.u)

    @property
    def potential(self) -> float:
        """The energy less the work of the loads."""
        loads = np.where(self.imposed.held, 0.0, self.forces)
        return self.energy - float(loads @ self.read.values)


@dataclass(frozen=True, eq=False)
class NewtonStep:
    """Newton step of displacements and of forces at held ports, and the system that it solves.

    ``shift`` is that of the inertia correction; 0 where the step leads to a minimum without.
    """

    du: NDArray
    df: NDArray
    shift: float
    kkt: KKTSystem


@dataclass(eq=False)
class Kept:
    """Data of some examples that later phases reuse."""

    solver: DirectSolver | BorderedSolver | None = None
    tangent: Tangent | None = None


class Balance:
    """The equations of equilibrium of a problem on one mesh of a model.

    Attributes
    ----------
    ports : PortReader
    stiffness, length : float
        What forces and displacements are measured in: the mean of the stiffness's diagonal at the
        start (0 before), and the mean length of bonds.
    arm, port_arm : (owned dofs,) and (ports,) arrays
        Rotations, and strains of the cell, count as what they move at the end of a bond, moments as
        forces there.
    frames : bool
        Whether nodes turn.
    counts : Counts
    """

    def __init__(
        self, model: Model, problem: Problem, counts: Counts, stiffness: float = 0.0
    ) -> None:
        self.model, self.problem, self.counts = model, problem, counts
        self.stiffness, self.length = stiffness, float(model.network.lengths.mean())
        turns = [
            p.cell is not None or (p.component is not None and p.component >= model.places)
            for p in problem.ports
        ]
        self.port_arm = np.where(turns, self.length, 1.0)
        self.frames = model.turning
        self._first_shift = INERTIA_SHIFT0_FRAMES if self.frames else INERTIA_SHIFT0
        self.ports = PortReader(model, problem)
        curved = [isinstance(p, CurvedPort) and p.component is not None for p in problem.ports]
        self._moments_in_matrix = False
        self._turns = np.zeros(self.ports.rows.shape[0], dtype=bool)
        self._turns[self.ports.rows_of(np.array(curved, dtype=bool))] = True
        self._rows = self.ports.rows.T.tocsr()
        self._columns = self._rows.toarray()
        count = min(KEPT, UNKNOWNS_KEPT // model.matrix.size[0], problem.n_examples)
        self._kept = [Kept() for _ in range(max(1, count))]
        self._of_unloaded = Kept()
        self._mine = self._last = self._kept[0]
        whole = model.pack(np.zeros(self.size)).shape
        off = model.unpack(np.random.default_rng(0).uniform(-1.0, 1.0, whole))
        self._off = PERTURBATION * self.length * model.obeyed(off)
        self.arm = np.where(model.local_turns, self.length, 1.0)

    @property
    def size(self) -> int:
        """Number of degrees of freedom that this rank owns."""
        return len(self._columns)

    def measure(self) -> None:
        """Set the scale of forces from the present stiffness at rest."""
        self.model.put_state(np.zeros(self.size))
        mean = abs(self.model.mean_stiffness(self.model.assemble_stiffness(), self.arm))
        # Nodes whose bonds lead to their own images alone are held by nothing.
        stiffness = mean or self.model.cell_stiffness()
        check_size(self.model, self.problem, stiffness)
        self.stiffness = stiffness

    def evaluate(
        self, u: NDArray, f: NDArray, imposed: Imposed, dead: NDArray | float = 0.0
    ) -> Residual:
        """Residual at displacements ``u``, forces ``f`` at the ports, and dead loads (dofs,).

        Raises
        ------
        NotConverged
            Where it is not finite.
        """
        self.model.put_state(u)
        read = self.ports.read(u)
        force = self.model.local_force() - self._rows @ (read.slopes.T @ f) - dead
        h = imposed.ports
        gap = (imposed.values - read.values - imposed.compliance * f)[h]
        unbalanced = self.largest(force / self.arm) / (self.stiffness * self.length)
        unmet = np.abs(gap * self.port_arm[h]).max(initial=0.0) / self.length
        if not math.isfinite(unbalanced + unmet):
            raise NotConverged("the forces are not finite numbers", "not finite")
        return Residual(self, u, f, imposed, force, gap, read, max(unbalanced, unmet))

    def energy(self, u: NDArray) -> float:
        """Elastic energy at displacements ``u``."""
        self.model.put_state(u)
        return self.model.total_energy()

    def newton_step(
        self,
        state: Residual,
        expected: NDArray | None = None,
        accepts: Callable[[KKTSystem], bool] = lambda kkt: not kkt.unstable,
    ) -> NewtonStep:
        """Newton step towards a minimum, with an inertia correction where the state is unstable.

        ``expected`` are strains for :meth:`Model.assemble_stiffness`; ``accepts`` says of a system
        whether its inertia is that of the point to be reached.
        """
        shift, self._moments_in_matrix = 0.0, False
        for _ in range(60):
            try:
                tangent, du = self._factorise(state, expected, shift)
                kkt = self.condense(tangent, state)
                fits = accepts(kkt)
            except SolveError:
                fits = False
                if self._turns.any() and not self._moments_in_matrix:
                    self._moments_in_matrix = True
                    continue
            if fits:
                self._mine.tangent = None if shift or kkt.unstable else tangent
                return NewtonStep(*kkt.step(du, state.gap), shift, kkt)
            shift = 10 * shift if shift else self._first_shift * self.stiffness
            self.counts.shifts += 1
        raise NotConverged("no direction leads downhill")

    def linearised(self, state: Residual, acting: NDArray[np.bool_]) -> KKTSystem:
        """KKT system of any state, critical ones too.

        Parameters
        ----------
        state : Residual
        acting : (ports,) bool array
            Ports that may bear forces.

        Raises
        ------
        SolveError
            Where ``K`` is singular.
        """
        rows = self.ports.rows_of(acting)
        tangent = self._factorised(state, None, 0.0, self._columns[:, rows], rows)[0]
        return self.condense(tangent, state, rows, critical=True)

    def _factorise(
        self, state: Residual, expected: NDArray | None, shift: float
    ) -> tuple[Tangent, NDArray]:
        """Factorise the stiffness; also returns displacements by the unbalanced forces."""
        columns = np.column_stack([self._columns, -state.force])
        tangent, (du,) = self._factorised(state, expected, shift, columns)
        return tangent, du

    def _factorised(
        self,
        state: Residual,
        expected: NDArray | None,
        shift: float,
        columns: NDArray,
        rows: NDArray | slice = slice(None),
    ) -> tuple[Tangent, NDArray]:
        """Tangent for the first of some ``columns``, which are raw ``rows``.

        Also returns solutions for the others, (others, dofs).
        """
        mine = self._last = self._mine
        mine.tangent = None
        if mine.solver is None:
            mine.solver = self.model.solver(definite=False)
        self.model.put_state(state.u)
        matrix = self.model.assemble_stiffness(expected)
        read, curvature = None, np.zeros(self.ports.rows.shape[:1] * 2)
        if self._turns.any():
            read = sparse.csr_array(sparse.csr_array(state.read.slopes) @ self.ports.rows)
            # Without what moments add, the stiffness may be singular where the whole is not.
            curvature = self.ports.curvature(state.read.vectors, state.forces)
            bent = self._turns & self._moments_in_matrix
            curvature = np.where(bent[:, None] & bent, curvature, 0.0)
            self.model.stiffen_along(matrix, self.ports.rows, -curvature)
        ground = tie_to_ground(self.model, self.problem, matrix, self.stiffness, read)
        if shift:
            self.model.shift(matrix, shift * self.arm**2)
        mine.solver.factor()
        solution = mine.solver.solve(columns)
        count = self._columns[:1, rows].shape[1]
        X, inertia = solution[:, :count], mine.solver.inertia()

        ports = self.ports  # a tangent that knew its balance would not be freed at once

        def raw(local: NDArray) -> NDArray[np.float64]:
            return ports.raw(local)[rows]

        A = raw(X)
        A = (A + A.T) / 2
        tangent = Tangent(
            mine.solver, state.u, X, A, ground, inertia, raw, curvature[rows][:, rows]
        )
        return tangent, solution[:, count:].T

    def condense(
        self,
        tangent: Tangent,
        state: Residual,
        rows: NDArray | slice = slice(None),
        critical: bool = False,
    ) -> KKTSystem:
        """KKT system of a tangent, of the same raw ``rows``, under the conditions at a state."""
        slopes = state.read.slopes[:, rows]
        curvature = self.ports.curvature(state.read.vectors, state.forces)[rows][:, rows]
        curvature = curvature - tangent.curvature
        grounded = self.problem.grounded
        return KKTSystem(tangent, state.imposed, slopes, curvature, grounded, critical)

    def stable(self, tangent: Tangent, state: Residual) -> KKTSystem | None:
        """KKT system as of :meth:`condense`; None where it is singular, or leads to no minimum."""
        try:
            kkt = self.condense(tangent, state)
        except SolveError:
            return None
        return None if kkt.unstable else kkt

    def nearby(self, u: NDArray) -> Tangent | None:
        """The example's tangent, or the last one, if of a stable state that is almost ``u``."""
        for kept in dict.fromkeys((self._mine, self._last)):
            known = kept.tangent
            if known and self.largest((u - known.u) * self.arm) <= REUSE_RADIUS * self.length:
                return known
        return None

    def perturbed(self, u: NDArray) -> NDArray[np.float64]:
        """Displacements with a small random perturbation of all modes."""
        return u + self._off / self.arm

    def select_example(self, example: int) -> None:
        """Select the example of the next states, or ``UNLOADED``."""
        unloaded = example == UNLOADED
        self._mine = self._of_unloaded if unloaded else self._kept[example % len(self._kept)]

    def forget(self) -> None:
        """Note that the model's parameters have changed."""
        for kept in (*self._kept, self._of_unloaded):
            kept.tangent = None

    def lowest_mode(self, state: Residual, expected: NDArray | None) -> NDArray[np.float64]:
        """Small step along the lowest mode, by inverse iteration."""
        rng = np.random.default_rng(0)
        whole = self.model.pack(state.force).shape
        along = self.model.obeyed(self.model.unpack(rng.standard_normal(whole)))
        for _ in range(4):
            push = replace(state, force=-along * self.arm**2, gap=np.zeros_like(state.gap))
            along = self.newton_step(push, expected).du
            along = along / self.largest(along * self.arm)
        uphill = self.total(float(state.force @ along)) > 0
        return ESCAPE_STEP * self.length * (-along if uphill else along)

    def largest(self, local: NDArray) -> float:
        """The largest magnitude in an array, over all ranks."""
        return largest(self.model.comm, float(np.abs(local).max(initial=0.0)))

    def total(self, local: float) -> float:
        """The sum over all ranks."""
        return total(self.model.comm, float(local))
