"""Conditions at the ports: constraints, exact or compliant, and loads."""

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

#: What is said where a nudge makes the energy plus the cost lose its minimum.
UNSTABLE = "The nudge is so strong that the network loses its stability; use a smaller one."
#: Held ports whose scaled compliance is closer to singular than this contradict each other.
DEPENDENT = 1e-11
#: Energies of bonds are no larger, nor smaller than one over it: products of them are numbers.
LARGEST_ENERGY = 1e200


@dataclass(frozen=True, eq=False)
class PortConstraints:
    """Constraints at the ports, exact or compliant, arrays of shape (examples, ports).

    A held port obeys ``reading + compliance * force = value``: compliance 0 fixes the reading, any
    other is a spring to ``value``. A port that is not held carries the force ``value``.

    Attributes
    ----------
    held : bool array
    compliance : array
    repelling : bool array
        Held ports with springs of negative stiffness, which add no negative eigenvalue to the KKT
        matrix.
    """

    held: NDArray[np.bool_]
    compliance: NDArray[np.float64]
    repelling: NDArray[np.bool_]

    @classmethod
    def rigid(cls, held: NDArray[np.bool_]) -> "PortConstraints":
        """Constraints without compliance at the ``held`` ports."""
        return cls(held, np.zeros(held.shape), np.zeros_like(held))

    @cached_property
    def groups(self) -> list["ExampleGroup"]:
        """Examples grouped by equal constraints."""
        which = np.zeros(len(self.held), dtype=int)
        if len(which) > 1:
            pattern = np.where(self.held, self.compliance, np.inf)
            which = np.unique(pattern, axis=0, return_inverse=True)[1].ravel()
        out = []
        for number in range(which.max() + 1):
            examples = np.flatnonzero(which == number)
            ports = np.flatnonzero(self.held[examples[0]])
            compliance = self.compliance[examples[0], ports]
            repelling = int(np.count_nonzero(self.repelling[examples[0], ports]))
            whole = len(examples) == len(which)
            out.append(ExampleGroup(examples, ports, compliance, repelling, whole))
        return out

    def loads(self, values: NDArray) -> NDArray[np.float64] | None:
        """Loads among values (examples, ports); None where all are zero."""
        if self.held.all():
            return None
        given = np.where(self.held, 0.0, values)
        return given if given.any() else None

    def with_ground(self, ports: NDArray, stiffness: float) -> "PortConstraints":
        """Constraints in parallel with springs to the ground at some ports.

        With ``g`` their stiffness, both carry ``f' = f + g reading``, so a port that is not held
        obeys ``reading - f' / g = -f / g``.
        """
        held, compliance, repelling = (
            self.held.copy(),
            self.compliance.copy(),
            self.repelling.copy(),
        )
        mine, soft = held[:, ports], compliance[:, ports]
        compliance[:, ports] = np.where(mine, soft / (1 - soft * stiffness), -1 / stiffness)
        repelling[:, ports] |= ~mine
        held[:, ports] = True
        return PortConstraints(held, compliance, repelling)

    def values_with_ground(
        self, values: NDArray, ports: NDArray, stiffness: float
    ) -> NDArray[np.float64]:
        """Values of the constraints of :meth:`with_ground`."""
        out, soft = values.copy(), self.compliance[:, ports]
        out[:, ports] /= np.where(self.held[:, ports], 1 - soft * stiffness, -stiffness)
        return out


@dataclass(eq=False)
class ExampleGroup:
    """Examples, (k,), with the same constraints; ``all`` of them, or some.

    Attributes
    ----------
    n_repelling : int
        Number of constraints of negative stiffness.
    at, block : tuple
        Indices of the held ports in arrays (examples, ports) and (ports, ports).
    compliant : bool
        Whether any constraint is compliant.
    """

    examples: NDArray[np.int64]
    held: NDArray[np.int64]
    compliance: NDArray[np.float64]
    n_repelling: int
    all: InitVar[bool]

    def __post_init__(self, all: bool) -> None:
        h = self.held
        self.compliant = bool(self.compliance.any())
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
    """Constraints at the ports, and values, (examples, ports), that they impose.

    Attributes
    ----------
    loads : (examples, ports) array, optional
        Prescribed forces; None where all are zero.
    """

    constraints: PortConstraints
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        self.loads = self.constraints.loads(self.values)


def inverse_compliance(
    a: NDArray, group: ExampleGroup, grounded: NDArray
) -> NDArray[np.float64] | None:
    """Stiffness between held ports with compliant constraints; None where these are dependent.

    Indefinite where springs are of negative stiffness. Where nothing is left that holds the network
    as a whole, the inverse is that of its deformations.

    Parameters
    ----------
    a : (held, held) array
        Compliance between the ports.
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
    """Raise InputError for units in which energies or signals underflow or overflow.

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
    """Springs to ground at nodes that are always held; states are unchanged.

    They make the matrix definite where only displaced nodes hold the network as a whole; what they
    carry must be taken off the forces at their ports. Returns their stiffness, 0 where there are
    none.
    """
    if len(problem.grounded) == 0:
        return 0.0
    model.stiffen(matrix, problem.dofs[problem.grounded], stiffness)
    return stiffness
