"""What is imposed at the ports in a state: which are held, how softly, and which are loaded."""

from dataclasses import InitVar, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.kinematics import Displacements
from mechlearn.errors import SolveError
from mechlearn.fem.model import Model
from mechlearn.fenics import PETSc
from mechlearn.parallel import total
from mechlearn.tasks.problem import Problem

#: Energies of bonds are no larger, nor smaller than one over it: products of them are numbers.
LARGEST_ENERGY = 1e200


@dataclass(frozen=True, eq=False)
class Grip:
    """Which ports are held, and how softly, arrays of shape (examples, ports).

    A port that is held obeys ``reading + softness * force = value``: softness 0 fixes the reading,
    any other is a spring to ``value``. A port that is not held carries the force ``value``.

    Attributes
    ----------
    away : (examples, ports) bool array
        Held ports that take no direction away from the minimum: springs that push away.
    """

    held: NDArray[np.bool_]
    softness: NDArray[np.float64]
    away: NDArray[np.bool_]

    @classmethod
    def firm(cls, held: NDArray[np.bool_]) -> "Grip":
        """Ports held where so, and not softly."""
        return cls(held, np.zeros(held.shape), np.zeros_like(held))

    @cached_property
    def alike(self) -> list["GripOfSome"]:
        """The examples sorted by what is held in them."""
        which = np.zeros(len(self.held), dtype=int)
        if len(which) > 1:
            pattern = np.where(self.held, self.softness, np.inf)
            which = np.unique(pattern, axis=0, return_inverse=True)[1].ravel()
        out = []
        for number in range(which.max() + 1):
            examples = np.flatnonzero(which == number)
            ports = np.flatnonzero(self.held[examples[0]])
            softness = self.softness[examples[0], ports]
            away = int(np.count_nonzero(self.away[examples[0], ports]))
            out.append(GripOfSome(examples, ports, softness, away, len(examples) == len(which)))
        return out

    def loads(self, values: NDArray) -> NDArray[np.float64] | None:
        """The forces among values (examples, ports); None where there are none but zero."""
        if self.held.all():
            return None
        given = np.where(self.held, 0.0, values)
        return given if given.any() else None

    def with_ground(self, ports: NDArray, stiffness: float) -> "Grip":
        """The grip on some ports together with springs to the ground there.

        With ``g`` their stiffness, what the grip carries is ``f' = f + g reading``, so a port that
        is not held obeys ``reading - f' / g = -f / g``.
        """
        held, softness, away = self.held.copy(), self.softness.copy(), self.away.copy()
        grip, soft = held[:, ports], softness[:, ports]
        softness[:, ports] = np.where(grip, soft / (1 - soft * stiffness), -1 / stiffness)
        away[:, ports] |= ~grip
        held[:, ports] = True
        return Grip(held, softness, away)

    def values_with_ground(
        self, values: NDArray, ports: NDArray, stiffness: float
    ) -> NDArray[np.float64]:
        """The values of :meth:`with_ground`."""
        out = values.copy()
        factor = np.where(self.held[:, ports], 1 - self.softness[:, ports] * stiffness, -stiffness)
        out[:, ports] /= factor
        return out


@dataclass(eq=False)
class GripOfSome:
    """Some examples, (k,), or ``all`` of them, in which the same ports are held, equally softly.

    Attributes
    ----------
    away : int
        How many of the ports push away.
    at, block : tuple
        Where these are in arrays of shape (examples, ports), and in those of shape (ports, ports).
    soft : bool
        Whether any is held softly.
    """

    examples: NDArray[np.int64]
    held: NDArray[np.int64]
    softness: NDArray[np.float64]
    away: int
    all: InitVar[bool]

    def __post_init__(self, all: bool) -> None:
        h = self.held
        self.soft = bool(self.softness.any())
        rows = slice(None) if all else self.examples
        if len(h) and h[-1] - h[0] + 1 == len(h):
            # Ports side by side are a view.
            span = slice(h[0], h[-1] + 1)
            self.at: tuple[Any, Any] = rows, span
            self.block: tuple[Any, Any] = span, span
        else:
            self.at = rows if all else self.examples[:, None], h
            self.block = np.ix_(h, h)


@dataclass(eq=False)
class Conditions:
    """What is imposed at the ports: a grip, and the values, (examples, ports).

    Attributes
    ----------
    loads : (examples, ports) array, optional
        The forces that are given; None where there are none but zero.
    """

    grip: Grip
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        self.loads = self.grip.loads(self.values)


def mean_stiffness(model: Model, matrix: PETSc.Mat, arm: NDArray | None = None) -> float:
    """The mean of the diagonal where no support holds, (owned dofs,).

    Rotations turn an ``arm``, if given, and count as what that moves at its end.
    """
    diagonal = matrix.getDiagonal().array
    free = model.local_free[: len(diagonal)]
    each = diagonal if arm is None else diagonal / arm[: len(diagonal)] ** 2
    whole, count = total(model.comm, np.array([each[free].sum(), np.count_nonzero(free)]))
    return float(whole / max(count, 1))


def check_size(model: Model, problem: Problem, stiffness: float) -> None:
    """Refuse units in which what bonds store, or a signal of learning, is hardly a number.

    Raises
    ------
    SolveError
        For a mean stiffness at rest that is none, or no number.
    """
    moves = isinstance(problem.kinematics, Displacements)
    stiffness = abs(stiffness) or model.cell_stiffness()
    size = stiffness * (float(model.network.lengths.mean()) ** 2 if moves else 1.0)
    if not 1 / LARGEST_ENERGY <= size <= LARGEST_ENERGY:
        what = "Lengths and stiffnesses" if moves else "Conductances"
        raise SolveError(
            f"{what} are too far from 1 for double precision: energies are of the order of "
            f"{size:.0e}; choose other units.",
            "not finite",
        )


def tie_to_ground(model: Model, problem: Problem, matrix: PETSc.Mat, stiffness: float) -> float:
    """Springs to the ground at nodes that are always held: they change no state.

    They make the matrix definite where only displaced nodes hold the network as a whole; what they
    carry must be taken off the forces at their ports. Returns their stiffness, 0 where there are
    none.
    """
    if len(problem.grounded) == 0:
        return 0.0
    model.stiffen(matrix, problem.dofs[problem.grounded], stiffness)
    return stiffness
