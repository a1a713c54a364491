"""States in equilibrium, their rates of change, phases that rules see, and the unloaded state."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.equilibrium.conditions import Conditions, PortConstraints
from mechlearn.fem.macroscopic_strain import cell_response
from mechlearn.fem.model import Model
from mechlearn.fem.superposition import Sense
from mechlearn.tasks.problem import Problem


class EquilibriumState(ABC):
    """The network in equilibrium, once per example, evaluated one after the other.

    Attributes
    ----------
    model : Model
    forces, readings : (examples, ports) arrays
        The force that the outside exerts at every port, and the port's value.
    """

    def __init__(self, model: Model, forces: NDArray, readings: NDArray) -> None:
        self.model, self.forces, self.readings = model, forces, readings

    @abstractmethod
    def fields(self) -> NDArray[np.float64]:
        """The owned degrees of freedom of the state, shape (dofs, examples)."""

    def states(self) -> NDArray[np.float64]:
        """The state in the user's order, shape (examples, n, components), whole on every rank."""
        return np.moveaxis(self.model.to_nodes(self.fields()), -1, 0)

    def each(self, evaluate: Callable, *rates: NDArray) -> NDArray[np.float64]:
        """Evaluations of the model at every state, or of rates (k, owned dofs) at one."""
        fields, out = self.fields().T, []
        if rates and len(fields) < len(rates[0]):
            fields = np.broadcast_to(fields, rates[0].shape)
        for field, *rate in zip(fields, *rates, strict=True):
            self.model.put_state(field)
            out.append(evaluate(*rate))
        return np.array(out)

    @cached_property
    def energies(self) -> NDArray[np.float64]:
        """Elastic energy of the network in every example."""
        return self.each(self.model.total_energy)

    @cached_property
    def cell(self) -> NDArray[np.float64]:
        """Deformation gradient, first Piola-Kirchhoff stress of the cell, (examples, 2, d, d)."""
        return np.array([cell_response(self.model, field) for field in self.fields().T])

    def strains(self) -> NDArray[np.float64]:
        """All strains of every owned bond in every example, (k, examples, owned bonds)."""
        return self.each(self.model.local_strains).swapaxes(0, 1)

    def sensitivity(self, name: str, sense: Sense | None = None) -> NDArray[np.float64]:
        """``du_i/dL_i`` at fixed state, of every example and owned bond.

        With ``sense``, that of the strains that sensors report instead of the true ones.
        """
        if sense is None:
            return self.each(partial(self.model.local_sensitivity, name))
        return self.model.bond_response(sense(self.strains(), "strain"))(name)

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


class Rate:
    """A rate of change of the state at an equilibrium, once per example.

    Parameters
    ----------
    at : EquilibriumState
    rates : (examples, owned dofs) array
        Rates of the degrees of freedom, or of what the state is a combination of.
    forces, readings : (examples, ports) arrays
        Rates of those of the ports.
    """

    _at: Any

    def __init__(
        self, at: EquilibriumState, rates: NDArray, forces: NDArray, readings: NDArray
    ) -> None:
        self._at, self._rates, self.forces, self.readings = at, rates, forces, readings

    def strains(self) -> NDArray[np.float64]:
        """Rates of all strains of every owned bond, (k, examples, owned bonds)."""
        return self._at.each(self._at.model.local_strain_rates, self._rates).swapaxes(0, 1)

    def sensitivity(self, name: str, sense: Sense | None = None) -> NDArray[np.float64]:
        """Rate of change of ``du_i/dL_i``, of every example and owned bond.

        With ``sense``, that of the strains, and rates of strain, that sensors report.
        """
        at, model = self._at, self._at.model
        if sense is None:
            return at.each(partial(model.local_sensitivity_rate, name), self._rates)
        response = model.bond_response(sense(at.strains(), "strain"))
        return response.rate(name, sense(self.strains(), "rate"))


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
        parts = (sign * part.sensitivity(name, sense) for sign, part in self.parts)
        return sum(parts, np.zeros(()))


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


@dataclass(frozen=True, eq=False)
class Unloaded[S: EquilibriumState]:
    """Network with all sources released, as the reference of imposed values and readings.

    A pair that reads ``r0`` in that state and ``r`` under load is strained by ``e = (r - r0) / (l +
    r0)``, with ``l`` its distance in the reference configuration; of a port that is no strain, the
    change ``r - r0`` itself counts, as if ``l`` were infinite. Where a source holds ``e``, the
    loaded state follows the unloaded one, ``dr/dr0 = 1 + e``, and so does what a target reads. An
    output thus depends on two states, and so does its derivative: what a nudge adds to the force at
    a port works on the unloaded state with the opposite sign, ``-(1 + e)`` times as much. See
    docs/theory.md.

    Attributes
    ----------
    problem : Problem
    settled : EquilibriumState
        The state, as that of one example.
    linear : bool
        Whether elements are linear: strains are then those of the reference distance.
    """

    problem: Problem
    settled: S
    linear: bool

    @staticmethod
    def conditions(problem: Problem, values: NDArray | None = None) -> Conditions:
        """Conditions with supports only, and forces of some ``values``, (examples, ports)."""
        values = np.zeros((1, len(problem.ports))) if values is None else values
        held = np.tile(problem.kept, (len(values), 1))
        return Conditions(PortConstraints.rigid(held), values)

    @cached_property
    def _length(self) -> NDArray[np.float64]:
        p, length = self.problem, np.full(len(self.problem.ports), np.inf)
        if not self.linear:
            # One number at a port may be a strain, and another a force.
            np.minimum.at(length, p.sources, [number.length for number in p.drives])
            np.minimum.at(length, p.targets, [number.length for number in p.answers])
        return length

    @cached_property
    def _reading(self) -> NDArray[np.float64]:
        """Readings of the ports there, zero of those counted from the reference, (ports,)."""
        return np.where(self.problem.relative, self.settled.readings[0], 0.0)

    @cached_property
    def _stretch(self) -> NDArray[np.float64]:
        """The distances of pairs there over those in the reference configuration, (ports,)."""
        return 1 + self._reading / self._length

    @property
    def ports(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Readings of the ports there, and extensions of pairs, (ports,) each."""
        return self._reading, self._stretch

    @cached_property
    def zero(self) -> NDArray[np.float64]:
        """Readings of the targets there, subtracted from those under load, (t,)."""
        p, there = self.problem, self.settled.forces[0] * self.problem.relative
        return np.where(p.through, there[p.targets], self._reading[p.targets])

    @cached_property
    def gain(self) -> NDArray[np.float64]:
        """Factors from changes of readings to outputs, (t,)."""
        p = self.problem
        return np.where(p.through, 1.0, 1 / self._stretch[p.targets])

    def imposed(self, values: NDArray) -> NDArray[np.float64]:
        """Port values, (examples, ports), at zero displacement."""
        return np.where(self.problem.held, self._reading + self._stretch * values, values)

    def reaction(self, free: EquilibriumState, change: Rate | EquilibriumState) -> Conditions:
        """Push of a nudge on the unloaded state.

        Parameters
        ----------
        free : EquilibriumState
        change : Rate or EquilibriumState
            The rate at which the nudge changes the free state, or the state that comes of it.
        """
        forces, readings = change.forces, change.readings
        if isinstance(change, EquilibriumState):
            forces, readings = forces - free.forces, readings - free.readings
        strain = (free.readings - self._reading) / (self._length + self._reading)
        pushes = np.where(self.problem.kept, readings, (1 + strain) * forces)
        return self.conditions(self.problem, -pushes * self.problem.relative)


def output_jacobian(
    at: Any, free: EquilibriumState, names: Iterable[str]
) -> dict[str, NDArray[np.float64]]:
    """Derivatives of the outputs by parameters of the bonds, per name (examples, t, m), exact.

    By the adjoint state of every output: the network under a unit force there (a unit move, where
    the output is a force). ``do/dk = -e e_adj`` of a spring, local to it; one solve per output
    gives the derivatives by all bonds. Outputs are those of :meth:`Equilibrium.outputs`.
    S. Li, X. Mao, Nat. Commun. 15, 10528 (2024), https://doi.org/10.1038/s41467-024-54849-z.
    """
    rates = at.adjoints(free)
    return {
        name: np.stack(
            [at.model.to_elements(name, rate.sensitivity(name)) for rate in rates], axis=1
        )
        for name in names
    }
