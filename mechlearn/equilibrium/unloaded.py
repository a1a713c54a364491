"""Unloaded state: reference of imposed values and readings, and its response to nudges.

A pair that reads ``r0`` in that state and ``r`` under load is strained by ``e = (r - r0) / (l +
r0)``, with ``l`` its distance in the reference configuration; of a port that is no strain, the
change ``r - r0`` itself counts, as if ``l`` were infinite. Where a source holds ``e``, the loaded
state follows the unloaded one, ``dr/dr0 = 1 + e``, and so does what a target reads. An output thus
depends on two states, and so does its derivative: what a nudge adds to the force at a port works on
the unloaded state with the opposite sign, ``-(1 + e)`` times as much. See docs/theory.md.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mechlearn.equilibrium.conditions import Conditions, PortConstraints
from mechlearn.equilibrium.states import EquilibriumState, Rate
from mechlearn.tasks.problem import Problem


@dataclass(frozen=True, eq=False)
class Unloaded:
    """Network with all sources released, as the reference of readings.

    Attributes
    ----------
    problem : Problem
    settled : EquilibriumState
        The state, as that of one example.
    linear : bool
        Whether elements are linear: strains are then those of the reference distance.
    """

    problem: Problem
    settled: EquilibriumState
    linear: bool

    @staticmethod
    def conditions(problem: Problem) -> Conditions:
        """Conditions with supports only."""
        return _let_go(problem, np.zeros((1, len(problem.ports))))

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
        return _let_go(self.problem, -pushes * self.problem.relative)


def _let_go(problem: Problem, values: NDArray) -> Conditions:
    held = np.tile(problem.kept, (len(values), 1))
    return Conditions(PortConstraints.rigid(held), values)
