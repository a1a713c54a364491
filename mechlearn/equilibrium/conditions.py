"""What is imposed at the ports in a state: which are held, how softly, and which are loaded."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mechlearn.fenics import PETSc
from mechlearn.model import Model
from mechlearn.problem import Problem


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
            rows = slice(None) if len(examples) == len(which) else examples[:, None]
            softness = self.softness[examples[0], ports]
            out.append(GripOfSome(examples, ports, softness, (rows, ports)))
        return out


@dataclass(eq=False)
class GripOfSome:
    """Some examples, (k,), in which the same ports are held, equally softly.

    ``at`` is where these are in arrays of shape (examples, ports).

    Attributes
    ----------
    block : tuple
        Where the held ports are in an array of shape (ports, ports).
    soft : bool
        Whether any is held softly.
    """

    examples: NDArray[np.int64]
    held: NDArray[np.int64]
    softness: NDArray[np.float64]
    at: tuple[slice | NDArray[np.int64], NDArray[np.int64]]

    def __post_init__(self) -> None:
        self.block = np.ix_(self.held, self.held)
        self.soft = bool(self.softness.any())


@dataclass(frozen=True, eq=False)
class Conditions:
    """What is imposed at the ports: a grip, and the values, (examples, ports)."""

    grip: Grip
    values: NDArray[np.float64]


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
