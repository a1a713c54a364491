"""Free and clamped states, whatever the energy: what is held, what is loaded, and what is read.

The clamped state of coupled learning holds the outputs at ``p_F + eta (p_T - p_F)``, or loads them
with ``q_F + eta (q_T - q_F)`` where the output is a force. M. Stern, D. Hexner, J. W. Rocks,
A. J. Liu, Phys. Rev. X 11, 021045 (2021), https://doi.org/10.1103/PhysRevX.11.021045, eq. 3.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.errors import SolveError
from mechlearn.model import Model
from mechlearn.phase import FREE, Phase
from mechlearn.problem import Problem


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
    def displacements(self) -> NDArray[np.float64]:
        """Displacements in the user's order, shape (examples, n, d), whole on every rank."""


@dataclass(frozen=True, eq=False)
class PhaseState:
    """The network in one phase, as a rule sees it.

    Outputs may be across-quantities (displacements), clamped by holding them, or through-quantities
    (forces), clamped by loading them. The two kinds are clamped one after the other, and the
    potential that is stationary in the second has the opposite sign: ``parts`` lists signs and
    states.
    """

    parts: tuple[tuple[float, Settled], ...]
    potentials: NDArray[np.float64]

    def sensitivity(self, name: str) -> NDArray[np.float64]:
        """Local derivative of the stationary potential by a parameter, (examples, owned cells)."""
        return sum(sign * settled.sensitivity(name) for sign, settled in self.parts)


class Equilibrium(ABC):
    """Finds the free and clamped states of a problem on a model.

    After every change of the parameters call :meth:`update`, then :meth:`free`, then
    :meth:`solve` for other phases.
    """

    def __init__(self, model: Model, problem: Problem) -> None:
        self.model, self.problem = model, problem
        across = (problem.asked & ~problem.through).any()
        through = (problem.asked & problem.through).any()
        self._signs = tuple(s for s, there in ((1.0, across), (-1.0, through)) if there)
        self._free: Settled | None = None

    @abstractmethod
    def update(self, **parameters: ArrayLike) -> None:
        """Take over new parameters of the bonds (user's order)."""

    @abstractmethod
    def _settle(self, held: NDArray, values: NDArray, key: str) -> Settled:
        """Equilibrium with ports held at, or loaded with, the values of every example."""

    def free(self) -> Settled:
        """The free state: only sources act."""
        self._free = self._settle(self.problem.held, self.problem.values, key="free")
        return self._free

    def forget(self) -> bool:
        """Start the next states from rest; returns whether that can make any difference."""
        return False

    def memory(self) -> dict[str, NDArray]:
        """What the next states start from, whole on every rank; nothing where nothing matters."""
        return {}

    def recall(self, memory: Mapping[str, NDArray]) -> None:  # noqa: B027 (most have none)
        """Go back to a :meth:`memory`."""

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
        if phase == FREE:
            parts = tuple((sign, free) for sign in self._signs)
            settings = {sign: (self.problem.held, self.problem.values) for sign in self._signs}
        else:
            settings = {sign: self._clamped(phase, sign, free) for sign in self._signs}
            parts = tuple(
                (sign, self._settle(*settings[sign], key=f"clamp {phase.clamp!r} {sign:+g}"))
                for sign in self._signs
            )
        potentials = sum(
            sign * self._potential(settled, *settings[sign]) for sign, settled in parts
        )
        return PhaseState(parts, potentials)

    def _clamped(self, phase: Phase, sign: float, free: Settled) -> tuple[NDArray, NDArray]:
        """What is held and loaded when across outputs (+1) or through outputs (-1) are clamped."""
        p = self.problem
        outputs = self.outputs(free)
        moved = outputs + phase.clamp * p.residual(outputs)
        held, values = p.held.copy(), p.values.copy()
        mine = p.asked & (p.through == (sign < 0))
        held[:, p.targets] = np.where(mine, sign > 0, held[:, p.targets])
        values[:, p.targets] = np.where(mine, moved, values[:, p.targets])
        return held, values

    def _potential(self, settled: Settled, held: NDArray, values: NDArray) -> NDArray:
        """Energy less the work of the loads: stationary under the conditions in force."""
        work = np.where(held, 0.0, settled.forces * settled.readings).sum(axis=1)
        return settled.energies - work
