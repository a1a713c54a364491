"""What is out of balance at a state, and the Newton step that leads to a stable equilibrium.

The stiffness is factorised once and condensed onto the ports' rows, so that held distances, their
curvature and loads along pairs are a small dense system. Its inertia says whether the step leads to
a minimum under the constraints; where not, the stiffness is shifted until it does.
J. Nocedal, S. J. Wright, Numerical Optimization (2006), chapter 16.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mechlearn.equilibrium.conditions import tie_to_ground
from mechlearn.equilibrium.reading import PortReader, Reading
from mechlearn.errors import SolveError
from mechlearn.model import Model
from mechlearn.problem import Problem
from mechlearn.ranks import largest, total

#: The first shift of an indefinite stiffness, relative to its mean: slender structures buckle by
#: modes far softer than it.
FIRST_SHIFT, FIRST_SHIFT_OF_FRAMES = 1e-9, 1e-10
#: From a state that is not stable one steps at least that far, relative to bond length.
KICK = 1e-3


class NotConverged(Exception):
    """Newton gave up; the caller steps the load. ``fault`` as of a :class:`SolveError`."""

    def __init__(self, text: str, fault: str = "no equilibrium") -> None:
        super().__init__(text)
        self.fault = fault


@dataclass
class Counts:
    """What the solver had to do since it was made.

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

    ``ports`` are those held. ``below`` of them take a direction away from the minimum: all but the
    springs that push away from their value.
    """

    held: NDArray
    values: NDArray
    softness: NDArray
    ports: NDArray
    below: int


@dataclass(frozen=True, eq=False)
class Residual:
    """What is left to balance at a state."""

    pull: NDArray = field(repr=False)
    gap: NDArray
    read: Reading
    energy: float
    potential: float
    miss: float


@dataclass(frozen=True, eq=False)
class Tangent:
    """The stiffness at a state, factorised and condensed onto the ports.

    ``columns`` (owned dofs, raw rows) are displacements by unit forces at the ports' raw rows, and
    ``invert`` the inverse of the small system of the forces there, their moves and the forces at
    held ports. ``ground`` is the stiffness of the springs to the ground at those of the held ports
    that are ``tied``.
    """

    columns: NDArray
    invert: NDArray
    tied: NDArray
    ground: float

    def step(self, pulled: NDArray, moved: NDArray, gap: NDArray) -> tuple[NDArray, NDArray]:
        """The step that closes a gap and follows a pull.

        The pull alone would make the displacements ``pulled``, which move the raw rows by
        ``moved``. Returns changes of the displacements and of the forces at held ports.
        """
        r = len(moved)
        y = self.invert @ np.concatenate([np.zeros(r), -moved, gap])
        df = -y[2 * r :]
        df[self.tied] -= self.ground * gap[self.tied]
        return pulled - self.columns @ y[r : 2 * r], df

    @cached_property
    def restore(self) -> NDArray[np.float64]:
        """Displacements that move each held port by one and nothing else."""
        r = self.columns.shape[1]
        return -self.columns @ self.invert[r : 2 * r, 2 * r :]


@dataclass(frozen=True, eq=False)
class Direction:
    """A Newton step, and the tangent that it follows from.

    ``shift`` is the stiffness of the ground that it took to lead to a minimum.
    """

    du: NDArray
    df: NDArray
    shift: float
    tangent: Tangent


class Balance:
    """The equations of equilibrium of a problem on one mesh of a model.

    Attributes
    ----------
    ports : PortReader
    solver : that of the model's stiffness
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
        self.frames = model.places < model.width
        self._first_shift = FIRST_SHIFT_OF_FRAMES if self.frames else FIRST_SHIFT
        self.ports = PortReader(model, problem)
        self._columns = self.ports.rows.T.toarray()
        self.solver = model.solver(definite=False)
        self.arm = np.where(model.local_turns, self.length, 1.0)

    @property
    def size(self) -> int:
        """Number of degrees of freedom that this rank owns."""
        return len(self._columns)

    def measure(self) -> None:
        """Take the stiffness as it is now as what forces are measured in."""
        matrix = self.model.assemble_stiffness()
        diagonal = matrix.getDiagonal().array
        diagonal = diagonal / self.arm[: len(diagonal)] ** 2
        self.stiffness = abs(self.total(diagonal.sum())) / matrix.size[0]

    def evaluate(self, u: NDArray, f: NDArray, imposed: Imposed) -> Residual:
        """What is left to balance at displacements ``u`` and forces ``f`` at the ports.

        Raises
        ------
        NotConverged
            Where it is not finite.
        """
        self.model.put_state(u)
        read = self.ports.read(u)
        pull = self.model.local_force() - self.ports.rows.T @ (read.slopes.T @ f)
        h = imposed.ports
        gap = (imposed.values - read.values - imposed.softness * f)[h]
        miss = max(
            self.largest(pull / self.arm) / (self.stiffness * self.length),
            np.abs(gap * self.port_arm[h]).max(initial=0.0) / self.length,
        )
        energy = self.model.total_energy()
        potential = energy - np.where(imposed.held, 0.0, f) @ read.values
        if not np.isfinite(miss + potential):
            raise NotConverged("the forces are not finite numbers", "not finite")
        return Residual(pull, gap, read, energy, potential, miss)

    def direction(
        self,
        state: Residual,
        f: NDArray,
        imposed: Imposed,
        expected: NDArray | None = None,
    ) -> Direction:
        """A Newton step that leads to a minimum: unshifted wherever that is where it leads.

        ``expected`` are strains for :meth:`Model.assemble_stiffness`.
        """
        h = imposed.ports
        curvature = -self.ports.curvature(state.read.vectors, f)
        slopes = state.read.slopes[h]
        r = len(state.read.vectors)
        shift = 0.0
        for _ in range(60):
            matrix = self.model.assemble_stiffness(expected)
            ground = tie_to_ground(self.model, self.problem, matrix, self.stiffness)
            if shift:
                self.model.shift(matrix, shift * self.arm**2)
            try:
                self.solver.factor()
                negative, zero, _ = self.solver.inertia()
                solution = self.solver.solve(np.column_stack([self._columns, -state.pull]))
                reads = self.ports.raw(solution)
                a = reads[:, :r]
                small = np.block(
                    [
                        [curvature, -np.eye(r), slopes.T],
                        [-np.eye(r), -(a + a.T) / 2, np.zeros((r, len(h)))],
                        [slopes, np.zeros((len(h), r)), -np.diag(imposed.softness[h])],
                    ]
                )
                # A congruence keeps the inertia, and makes it show where compliances are large.
                compliant = np.sqrt(np.abs(np.diag(a)))
                compliant[compliant == 0] = 1.0
                bound = np.abs(slopes * compliant).max(axis=1)
                scale = np.concatenate([compliant, 1 / compliant, 1 / np.where(bound, bound, 1.0)])
                small *= np.outer(scale, scale)
                eigenvalues = np.linalg.eigvalsh(small)
                below = np.count_nonzero(eigenvalues < 0)
                size = np.abs(eigenvalues)
                regular = zero == 0 and size.min() > 1e-13 * size.max()
                minimum = regular and negative + below == r + imposed.below
            except SolveError:
                minimum = False
            if minimum:
                invert = np.linalg.inv(small) * np.outer(scale, scale)
                tangent = Tangent(
                    solution[:, :r], invert, np.isin(h, self.problem.grounded), ground
                )
                du, df = tangent.step(solution[:, r], reads[:, r], state.gap)
                return Direction(du, df, shift, tangent)
            shift = 10 * shift if shift else self._first_shift * self.stiffness
            self.counts.shifts += 1
        raise NotConverged("no direction leads downhill")

    def softest(
        self, state: Residual, f: NDArray, imposed: Imposed, expected: NDArray | None
    ) -> NDArray[np.float64]:
        """A small step along the motion that lowers the energy most, by inverse iteration."""
        rng = np.random.default_rng(0)
        whole = self.model.pack(state.pull).shape
        along = self.model.unpack(rng.standard_normal(whole)) * self.model.local_free
        for _ in range(4):
            push = replace(state, pull=-along * self.arm**2, gap=np.zeros_like(state.gap))
            along = self.direction(push, f, imposed, expected).du
            along = along / self.largest(along * self.arm)
        uphill = self.total(state.pull @ along) > 0
        return KICK * self.length * (-along if uphill else along)

    def largest(self, local: NDArray) -> float:
        """The largest magnitude in an array, over all ranks."""
        return largest(self.model.comm, float(np.abs(local).max(initial=0.0)))

    def total(self, local: float) -> float:
        """The sum over all ranks."""
        return total(self.model.comm, float(local))
