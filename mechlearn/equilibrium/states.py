"""States in equilibrium, their rates of change, and the phases that rules see, for any energy."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mechlearn.fem.superposition import Sense


class EquilibriumState(ABC):
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
    def sensitivity(self, name: str, sense: Sense | None = None) -> NDArray[np.float64]:
        """``du_i/dL_i`` at fixed state, of every example and owned bond.

        With ``sense``, that of the strains that sensors report instead of the true ones.
        """

    def potential(
        self, loads: NDArray[np.float64] | None, reference_values: NDArray | None = None
    ) -> NDArray[np.float64]:
        """Energy less the work of given forces at the ports, (examples, ports), (examples,).

        What is stationary where they act, also under the condition that ports are held. Work is
        counted from the readings ``reference_values``, or from zero.
        """
        if loads is None:
            return self.energies
        moved = self.readings if reference_values is None else self.readings - reference_values
        return self.energies - np.vecdot(loads, moved)

    @abstractmethod
    def strains(self) -> NDArray[np.float64]:
        """All strains of every owned bond in every example, (k, examples, owned bonds)."""

    def strain(self) -> NDArray[np.float64]:
        """The first strain, the change of length, (examples, owned bonds)."""
        return self.strains()[0]

    @abstractmethod
    def states(self) -> NDArray[np.float64]:
        """The state in the user's order, shape (examples, n, components), whole on every rank."""

    @abstractmethod
    def fields(self) -> NDArray[np.float64]:
        """The owned degrees of freedom of the state, shape (dofs, examples)."""


class Rate(ABC):
    """A rate of change of the state at an equilibrium, once per example.

    ``forces`` and ``readings`` are those of the ports, (examples, ports).
    """

    forces: NDArray[np.float64]
    readings: NDArray[np.float64]

    @abstractmethod
    def sensitivity(self, name: str, sense: Sense | None = None) -> NDArray[np.float64]:
        """Rate of change of ``du_i/dL_i``, of every example and owned bond.

        With ``sense``, that of the strains, and rates of strain, that sensors report.
        """


@dataclass(eq=False)
class PhaseState:
    """State of the network in one phase, as rules use it.

    Outputs may be across-quantities (displacements), clamped by holding them, or through-quantities
    (forces), clamped by loading them. The two kinds are clamped one after the other, and the
    potential that is stationary in the second has the opposite sign: ``parts`` lists signs and
    states. ``potentials`` is the sum of those potentials per example.
    """

    parts: tuple[tuple[float, EquilibriumState | Rate], ...]
    potentials: NDArray[np.float64]

    def sensitivity(self, name: str, sense: Sense | None = None) -> NDArray[np.float64]:
        """Local derivative of the stationary potential by a parameter, (examples, owned bonds)."""
        return sum(sign * part.sensitivity(name, sense) for sign, part in self.parts)


@dataclass(frozen=True, eq=False)
class Response:
    """A state of a system in one example.

    Attributes
    ----------
    state : (n, components) array
        Displacements (then rotations), or potentials.
    outputs : (t,) array
        Readings of the targets, in the user's units.
    absolute : dict of (t,) arrays
        Their readings from the reference, unpulled and pulled, where outputs are changes from the
        unloaded state.
    energy : float
        Elastic energy of the network.
    cell : (d, d) array
        Strain of the periodic cell; zero where it is rigid.
    field : (dofs,) array
        The whole state in the order of the model.
    """

    state: NDArray[np.float64]
    outputs: NDArray[np.float64]
    absolute: dict[str, NDArray[np.float64]]
    energy: float
    cell: NDArray[np.float64]
    field: NDArray[np.float64]
