"""Equations of equilibrium with port constraints, and stabilised Newton steps.

The stiffness is factorised once and condensed onto the ports' rows, so that held distances, their
curvature and loads along pairs are a small dense system. Its inertia says whether the step leads to
a minimum under the constraints; where not, the stiffness is shifted until it does.
J. Nocedal, S. J. Wright, Numerical Optimization (2006), chapter 16.
"""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mechlearn.equilibrium.conditions import PortReader, Reading, check_size, tie_to_ground
from mechlearn.errors import SolveError
from mechlearn.fem.model import Model
from mechlearn.linalg.factorisation import Inertia
from mechlearn.linalg.solver import BorderedSolver, DirectSolver
from mechlearn.parallel import largest, total
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
class Imposed:
    """The conditions of one example.

    ``ports`` are those held; ``n_negative_expected`` of them add a negative eigenvalue to the KKT
    matrix: all but springs of negative stiffness.
    """

    held: NDArray
    values: NDArray
    compliance: NDArray
    ports: NDArray
    n_negative_expected: int


@dataclass(frozen=True, eq=False)
class Residual:
    """Residual forces at displacements ``u``, under ``forces`` at the ports.

    ``residual_norm`` is the largest of its forces relative to stiffness times bond length, and of
    the violations of constraints relative to bond length.
    """

    balance: "Balance" = field(repr=False)
    u: NDArray = field(repr=False)
    forces: NDArray
    imposed: Imposed
    pull: NDArray = field(repr=False)
    gap: NDArray
    read: Reading
    residual_norm: float

    @cached_property
    def energy(self) -> float:
        """Elastic energy; collective."""
        return self.balance.energy(self.u)

    @property
    def potential(self) -> float:
        """The energy less the work of the loads."""
        loads = np.where(self.imposed.held, 0.0, self.forces)
        return self.energy - loads @ self.read.values


@dataclass(frozen=True, eq=False)
class Factorised:
    """Factorised stiffness at displacements ``u``.

    ``columns`` (owned dofs, raw rows) are displacements by unit forces at the ports' raw rows, and
    ``compliance`` is what they move those. ``ground`` is the stiffness of the springs to the ground
    at grounded ports.
    """

    solver: DirectSolver | BorderedSolver = field(repr=False)
    u: NDArray
    columns: NDArray
    compliance: NDArray
    inertia: Inertia
    ground: float


@dataclass(frozen=True, eq=False)
class Tangent:
    """A factorised stiffness, condensed onto the ports under some conditions.

    Attributes
    ----------
    invert : array
        The inverse of the small system of the forces at the ports' raw rows, their moves and the
        forces at held and at grounded ports.
    held : (rows,) bool array
        Which of the latter are held.
    ground, compliance : (rows,) arrays
        Stiffness of the ground at them, and their compliance together with it.
    """

    factors: Factorised
    invert: NDArray
    held: NDArray
    ground: NDArray
    compliance: NDArray

    def step(self, pulled: NDArray, moved: NDArray, gap: NDArray) -> tuple[NDArray, NDArray]:
        """The step that closes a gap and follows a pull.

        The pull alone would make the displacements ``pulled``, which move the raw rows by
        ``moved``. Returns changes of the displacements and of the forces at held ports.
        """
        r, closed = len(moved), np.zeros(len(self.held))
        closed[self.held] = gap
        closed *= 1 + self.compliance * self.ground
        y = self.invert @ np.concatenate([np.zeros(r), -moved, closed])
        df = -y[2 * r :]
        df -= self.ground * (closed - self.compliance * df)
        return pulled - self.factors.columns @ y[r : 2 * r], df[self.held]

    @cached_property
    def restore(self) -> NDArray[np.float64]:
        """Displacements that move each held port by one and nothing else."""
        columns = self.factors.columns
        r = columns.shape[1]
        factor = 1 + self.compliance * self.ground
        return -columns @ (self.invert[r : 2 * r, 2 * r :] * factor)[:, self.held]


@dataclass(frozen=True, eq=False)
class Direction:
    """A Newton step, and the tangent that it follows from.

    ``shift`` is the stiffness of the ground that it took to lead to a minimum.
    """

    du: NDArray
    df: NDArray
    shift: float
    tangent: Tangent


@dataclass(eq=False)
class Kept:
    """Data of some examples that later phases reuse."""

    solver: DirectSolver | BorderedSolver | None = None
    factors: Factorised | None = None


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
        self._rows = self.ports.rows.T.tocsr()
        self._columns = self._rows.toarray()
        self._unit = np.eye(self._rows.shape[1])
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

    def evaluate(self, u: NDArray, f: NDArray, imposed: Imposed) -> Residual:
        """Residual at displacements ``u`` and forces ``f`` at the ports.

        Raises
        ------
        NotConverged
            Where it is not finite.
        """
        self.model.put_state(u)
        read = self.ports.read(u)
        pull = self.model.local_force() - self._rows @ (read.slopes.T @ f)
        h = imposed.ports
        gap = (imposed.values - read.values - imposed.compliance * f)[h]
        unbalanced = self.largest(pull / self.arm) / (self.stiffness * self.length)
        unmet = np.abs(gap * self.port_arm[h]).max(initial=0.0) / self.length
        residual_norm = max(unbalanced, unmet)
        if not math.isfinite(unbalanced + unmet):
            raise NotConverged("the forces are not finite numbers", "not finite")
        return Residual(self, u, f, imposed, pull, gap, read, residual_norm)

    def energy(self, u: NDArray) -> float:
        """Elastic energy at displacements ``u``."""
        self.model.put_state(u)
        return self.model.total_energy()

    def direction(self, state: Residual, expected: NDArray | None = None) -> Direction:
        """Newton step towards a minimum; the stiffness is shifted where it is indefinite.

        ``expected`` are strains for :meth:`Model.assemble_stiffness`.
        """
        shift = 0.0
        for _ in range(60):
            try:
                factors, pulled = self._factorise(state, expected, shift)
                tangent = self.condense(factors, state)
            except SolveError:
                tangent = None
            if tangent:
                self._mine.factors = None if shift else factors
                du, df = tangent.step(pulled, self.ports.raw(pulled), state.gap)
                return Direction(du, df, shift, tangent)
            shift = 10 * shift if shift else self._first_shift * self.stiffness
            self.counts.shifts += 1
        raise NotConverged("no direction leads downhill")

    def _factorise(
        self, state: Residual, expected: NDArray | None, shift: float
    ) -> tuple[Factorised, NDArray]:
        """Factorise the stiffness; also returns displacements by the residual."""
        mine = self._last = self._mine
        mine.factors = None
        if mine.solver is None:
            mine.solver = self.model.solver(definite=False)
        self.model.put_state(state.u)
        matrix = self.model.assemble_stiffness(expected)
        ground = tie_to_ground(self.model, self.problem, matrix, self.stiffness)
        if shift:
            self.model.shift(matrix, shift * self.arm**2)
        mine.solver.factor()
        solution = mine.solver.solve(np.column_stack([self._columns, -state.pull]))
        columns = solution[:, :-1]
        a = self.ports.raw(columns)
        inertia = mine.solver.inertia()
        factors = Factorised(mine.solver, state.u, columns, (a + a.T) / 2, inertia, ground)
        return factors, solution[:, -1]

    def condense(self, factors: Factorised, state: Residual) -> Tangent | None:
        """A factorised stiffness under the conditions at a state.

        None where they lead to no minimum, or its numbers are none.
        """
        imposed, read = state.imposed, state.read
        # The ground is there also where a port is not held now: what it carries follows its move.
        tied = np.zeros(len(imposed.held), dtype=bool)
        tied[self.problem.grounded] = factors.ground > 0
        h = np.flatnonzero(imposed.held | tied)
        held, ground = imposed.held[h], np.where(tied[h], factors.ground, 0.0)
        released = -1 / np.where(held, 1.0, ground)
        soft = np.where(
            held, imposed.compliance[h] / (1 - imposed.compliance[h] * ground), released
        )
        r = len(read.vectors)
        slopes, a = read.slopes[h], factors.compliance
        small = np.zeros((2 * r + len(h),) * 2)
        moves, rows = slice(r, 2 * r), slice(2 * r, None)
        small[:r, :r] = -self.ports.curvature(read.vectors, state.forces)
        small[:r, moves] = small[moves, :r] = -self._unit
        small[moves, moves] = -a
        small[rows, :r], small[:r, rows] = slopes, slopes.T
        small[rows, rows] = -np.diag(soft)
        # A congruence keeps the inertia, and makes it show where compliances are large.
        compliant = np.sqrt(np.abs(np.diag(a)))
        compliant[compliant == 0] = 1.0
        bound = np.abs(slopes * compliant).max(axis=1)
        scale = np.concatenate([compliant, 1 / compliant, 1 / np.where(bound, bound, 1.0)])
        small *= scale[:, None] * scale
        if not np.isfinite(small).all():
            return None
        eigenvalues, vectors = np.linalg.eigh(small)
        n_negative_expected = np.count_nonzero(eigenvalues < 0)
        size = np.abs(eigenvalues)
        regular = factors.inertia.zero == 0 and size.min() > 1e-13 * size.max()
        if (
            not regular
            or factors.inertia.negative + n_negative_expected != r + imposed.n_negative_expected
        ):
            return None
        vectors *= scale[:, None]
        invert = vectors / eigenvalues @ vectors.T
        return Tangent(factors, invert, held, ground, soft)

    def nearby(self, u: NDArray) -> Factorised | None:
        """The example's factors, or the last ones, if of a stable state that is almost ``u``."""
        for kept in dict.fromkeys((self._mine, self._last)):
            factors = kept.factors
            if factors and self.largest((u - factors.u) * self.arm) <= REUSE_RADIUS * self.length:
                return factors
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
            kept.factors = None

    def lowest_mode(self, state: Residual, expected: NDArray | None) -> NDArray[np.float64]:
        """Small step along the lowest mode, by inverse iteration."""
        rng = np.random.default_rng(0)
        whole = self.model.pack(state.pull).shape
        along = self.model.obeyed(self.model.unpack(rng.standard_normal(whole)))
        for _ in range(4):
            push = replace(state, pull=-along * self.arm**2, gap=np.zeros_like(state.gap))
            along = self.direction(push, expected).du
            along = along / self.largest(along * self.arm)
        uphill = self.total(state.pull @ along) > 0
        return ESCAPE_STEP * self.length * (-along if uphill else along)

    def largest(self, local: NDArray) -> float:
        """The largest magnitude in an array, over all ranks."""
        return largest(self.model.comm, float(np.abs(local).max(initial=0.0)))

    def total(self, local: float) -> float:
        """The sum over all ranks."""
        return total(self.model.comm, float(local))
