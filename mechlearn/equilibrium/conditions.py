"""What is imposed at the ports in a state: which are held, how softly, and which are loaded."""

from dataclasses import InitVar, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.fenics import PETSc
from mechlearn.model import Model
from mechlearn.problem import Problem
from mechlearn.ranks import total


@dataclass(frozen=True, eq=False)
class Grip:
    """Which ports are held, and how softly, arrays of shape (examples, ports).

    A port that is held obeys ``reading + softness * force = value``: softness 0 fixes the reading,
    any other is a spring to ``value``. A port that is not held carries the force ``value``.
    """

    held: NDArray[np.bool_]
    softness: NDArray[np.float64]

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
            out.append(GripOfSome(examples, ports, softness, len(examples) == len(which)))
        return out

    @cached_property
    def loaded(self) -> NDArray[np.float64]:
        """1 where ports carry given forces, 0 where they are held."""
        return np.where(self.held, 0.0, 1.0)

    @cached_property
    def loads(self) -> bool:
        """Whether any do."""
        return bool(self.loaded.any())


@dataclass(eq=False)
class GripOfSome:
    """Some examples, (k,), or ``all`` of them, in which the same ports are held, equally softly.

    Attributes
    ----------
    at, block : tuple
        Where these are in arrays of shape (examples, ports), and in those of shape (ports, ports).
    soft : bool
        Whether any is held softly.
    """

    examples: NDArray[np.int64]
    held: NDArray[np.int64]
    softness: NDArray[np.float64]
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
        self.loads: NDArray[np.float64] | None = None
        if self.grip.loads:
            given = np.where(self.grip.held, 0.0, self.values)
            self.loads = given if given.any() else None


def mean_stiffness(model: Model, matrix: PETSc.Mat, arm: NDArray | None = None) -> float:
    """The mean of the diagonal where no support holds, (owned dofs,).

    Rotations turn an ``arm``, if given, and count as what that moves at its end.
    """
    diagonal = matrix.getDiagonal().array
    free = model.local_free[: len(diagonal)]
    each = diagonal if arm is None else diagonal / arm[: len(diagonal)] ** 2
    whole, count = total(model.comm, np.array([each[free].sum(), np.count_nonzero(free)]))
    return float(whole / max(count, 1))


def tie_to_ground(model: Model, problem: Problem, matrix: PETSc.Mat, stiffness: float) -> float:
    """Springs to the ground at nodes that are always held: they change no state.

    They make the matrix definite where only displaced nodes hold the network as a whole; what they
    carry must be taken off the forces at their ports. Returns their stiffness, 0 where there are
    none.
    """
    if len(problem.grounded) == 0:
        return 0.0
    dofs = [problem.ports[k].dof(model.width) for k in problem.grounded]
    model.stiffen(matrix, dofs, stiffness)
    return stiffness
