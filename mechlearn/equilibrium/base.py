"""Free, clamped and nudged states, whatever the energy: what is held, what is loaded, what is read.

The clamped state of coupled learning holds the outputs at ``p_F + eta (p_T - p_F)``, or loads them
with ``q_F + eta (q_T - q_F)`` where the output is a force. M. Stern, D. Hexner, J. W. Rocks,
A. J. Liu, Phys. Rev. X 11, 021045 (2021), https://doi.org/10.1103/PhysRevX.11.021045, eq. 3.
The nudged state of equilibrium propagation is stationary for the energy plus ``beta`` times the
cost. B. Scellier, Y. Bengio, Front. Comput. Neurosci. 11, 24 (2017),
https://doi.org/10.3389/fncom.2017.00024.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.errors import SolveError
from mechlearn.fenics import PETSc
from mechlearn.model import Model
from mechlearn.phase import Phase
from mechlearn.problem import Problem


@dataclass(frozen=True, eq=False)
class Conditions:
    """What is imposed at the ports, arrays of shape (examples, ports).

    A port that is held obeys ``reading + softness * force = value``: softness 0 fixes the reading,
    any other is a spring to ``value``. A port that is not held carries the force ``value``.
    """

    held: NDArray[np.bool_]
    values: NDArray[np.float64]
    softness: NDArray[np.float64]


class Settled(ABC):
    """The network in equilibrium, once per example.

    Attributes
    ----------
    forces, readings : (examples, ports) arrays
        The force that the outside exerts at every port, and the port's value.
    energies : (examples,) array
        Elastic energy of the network.
    """

    forces: NDArray[np.float64]
    readings: NDArray[np.float64]
    energies: NDArray[np.float64]

    @abstractmethod
    def sensitivity(self, name: str) -> NDArray[np.float64]:
        """``du_i/dL_i`` at fixed state, of every example and owned cell."""

    @abstractmethod
    def strain(self) -> NDArray[np.float64]:
        """The strain of every owned cell in every example."""

    @abstractmethod
    def states(self) -> NDArray[np.float64]:
        """The state in the user's order, shape (examples, n, components), whole on every rank."""

    @abstractmethod
    def fields(self) -> NDArray[np.float64]:
        """The owned degrees of freedom of the state, shape (dofs, examples)."""


class Rate(ABC):
    """A rate of change of the state at an equilibrium, once per example."""

    @abstractmethod
    def sensitivity(self, name: str) -> NDArray[np.float64]:
        """Rate of change of ``du_i/dL_i``, of every example and owned cell."""


@dataclass(frozen=True, eq=False)
class PhaseState:
    """The network in one phase, as a rule sees it.

    Outputs may be across-quantities (displacements), clamped by holding them, or through-quantities
    (forces), clamped by loading them. The two kinds are clamped one after the other, and the
    potential that is stationary in the second has the opposite sign: ``parts`` lists signs and
    states. ``potentials`` is the sum of those potentials per example.
    """

    parts: tuple[tuple[float, Settled | Rate], ...]
    potentials: NDArray[np.float64]

    def sensitivity(self, name: str) -> NDArray[np.float64]:
        """Local derivative of the stationary potential by a parameter, (examples, owned cells)."""
        return sum(sign * part.sensitivity(name) for sign, part in self.parts)


class Equilibrium(ABC):
    """Finds the states of a problem on a model.

    After every change of the parameters call :meth:`update`, then :meth:`free`, then
    :meth:`solve` for phases.
    """

    def __init__(self, model: Model, problem: Problem) -> None:
        self.model, self.problem = model, problem
        across = (problem.asked & ~problem.through).any()
        through = (problem.asked & problem.through).any()
        self._signs = tuple(s for s, there in ((1.0, across), (-1.0, through)) if there)
        self._sources = Conditions(problem.held, problem.values, np.zeros(problem.values.shape))
        self._free: Settled | None = None

    @abstractmethod
    def update(self, **parameters: ArrayLike) -> None:
        """Take over new parameters of the bonds (user's order)."""

    @abstractmethod
    def _settle(self, conditions: Conditions, key: str) -> Settled:
        """Equilibrium under the conditions of every example."""

    @abstractmethod
    def _rate(self, free: Settled, conditions: Conditions) -> Rate:
        """How the free state changes when conditions change at the rates given."""

    def free(self) -> Settled:
        """The free state: only sources act."""
        self._free = self._settle(self._sources, key="free")
        return self._free

    def forget(self) -> bool:
        """Start the next states from rest, on a mesh made for the parameters as they are now.

        Returns whether that can make any difference.
        """
        return False

    def memory(self) -> dict[str, NDArray]:
        """What the next states start from, whole on every rank; nothing where nothing matters."""
        return {}

    def recall(self, memory: Mapping[str, NDArray]) -> None:  # noqa: B027 (most have none)
        """Go back to a :meth:`memory`."""

    def _tie_to_ground(self, matrix: PETSc.Mat, stiffness: float) -> float:
        """Springs to the ground at nodes that are always held: they change no state.

        They make the matrix definite where only displaced nodes hold the network as a whole; what
        they carry must be taken off the forces at their ports. Returns their stiffness.
        """
        p = self.problem
        if len(p.grounded) == 0:
            return 0.0
        self.model.stiffen(
            matrix, [p.ports[k].dof(self.model.width) for k in p.grounded], stiffness
        )
        return stiffness

    def outputs(self, settled: Settled) -> NDArray[np.float64]:
        """What the targets read in a state, shape (examples, t)."""
        p = self.problem
        read = np.where(p.through, settled.forces[:, p.targets], settled.readings[:, p.targets])
        if not np.isfinite(read).all():
            raise SolveError(
                "The response is not a finite number; the stiffness is singular or a "
                "learning step was far too large."
            )
        return read

    def solve(self, phase: Phase) -> PhaseState:
        """The network in a phase; :meth:`free` must have been called since the last update."""
        free = self._free
        if free is None:
            raise RuntimeError("Call free() before solve().")
        if phase.kind == "adjoint":
            rate = self._rate(free, self._error_as_force(free))
            return PhaseState(((1.0, rate),), np.zeros(self.problem.n_examples))
        settings = {
            "clamp": lambda sign: self._clamped(phase.amount, sign, free),
            "nudge": lambda sign: self._nudged(phase.amount, free),
        }[phase.kind]
        parts, potentials = [], 0.0
        for sign in self._signs if phase.kind == "clamp" else (1.0,):
            conditions = settings(sign) if phase.amount else self._sources
            key = f"{phase.kind} {phase.amount!r} {sign:+g}"
            settled = self._settle(conditions, key) if phase.amount else free
            parts.append((sign, settled))
            potentials = potentials + sign * self._potential(settled, conditions)
        return PhaseState(tuple(parts), potentials)

    def _clamped(self, amount: float, sign: float, free: Settled) -> Conditions:
        """What is held and loaded when across outputs (+1) or through outputs (-1) are clamped."""
        p = self.problem
        outputs = self.outputs(free)
        moved = outputs + amount * p.residual(outputs)
        held, values = p.held.copy(), p.values.copy()
        mine = p.asked & (p.through == (sign < 0))
        held[:, p.targets] = np.where(mine, sign > 0, held[:, p.targets])
        values[:, p.targets] = np.where(mine, moved, values[:, p.targets])
        return Conditions(held, values, self._sources.softness)

    def _nudged(self, amount: float, free: Settled) -> Conditions:
        """Springs at the outputs whose energy is ``amount`` times the cost.

        For an across output ``o`` wanted at ``T`` that is a force ``amount * w (T - o)``; for a
        through output, a move of its port by ``amount * w (o - T)``, which makes the energy plus
        the cost stationary in the force. ``w = 1 / unit^2``: costs are in the user's units.
        """
        p = self.problem
        outputs = self.outputs(free)
        wanted = outputs + p.residual(outputs)
        stiffness = amount / p.units**2
        held, values = p.held.copy(), p.values.copy()
        softness = np.zeros(values.shape)
        held[:, p.targets] |= p.asked
        new = np.where(p.through, -stiffness * wanted, wanted)
        values[:, p.targets] = np.where(p.asked, new, values[:, p.targets])
        soft = np.where(p.through, -stiffness, 1 / stiffness)
        softness[:, p.targets] = np.where(p.asked, soft, 0.0)
        return Conditions(held, values, softness)

    def _error_as_force(self, free: Settled) -> Conditions:
        """Rates of the conditions when a nudge is turned on at rate 1."""
        p = self.problem
        push = p.residual(self.outputs(free)) / p.units**2
        values = np.zeros(p.values.shape)
        values[:, p.targets] = np.where(p.through, -push, push)
        return Conditions(p.held, values, self._sources.softness)

    def _potential(self, settled: Settled, conditions: Conditions) -> NDArray:
        """What is stationary under the conditions: energy, less work, plus that of soft ports."""
        c, f, x = conditions, settled.forces, settled.readings
        work = np.where(c.held, 0.0, f * x)
        through = np.zeros(c.held.shape, dtype=bool)
        through[:, self.problem.targets] = self.problem.through
        across = np.where(through, 0.0, c.softness * f**2 / 2)
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = np.where(through & (c.softness != 0), -f * x - x**2 / (2 * c.softness), 0.0)
        return settled.energies + (across + moved - work).sum(axis=1)
