"""A network at given parameters: its cost, the exact gradient, and what rules make of it there."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.energies import Element, Spring
from mechlearn.energies.rigidity import check_rigidity
from mechlearn.equilibrium import PhaseState, equilibrium
from mechlearn.fenics import MPI
from mechlearn.learning.dofs import values_per_bond
from mechlearn.learning.rules import GradientDescent, Rule, signals
from mechlearn.network import Network
from mechlearn.tasks.baseline import pose_from_baseline
from mechlearn.tasks.task import Task


class Probe:
    """Looks at a network with a task without training it.

    Parameters
    ----------
    network, task : Network, Task
    energy : Element, optional
        What the bonds are made of; linear springs unless given.
    comm : the ranks that share the mesh
    **parameters : values of the bonds' parameters, such as ``stiffness``
        A number or one per bond; the element's default where left out.

    Raises
    ------
    InputError
        For a task that does not fit the network, a network with floppy modes, and for values that
        are no such parameters.
    """

    def __init__(
        self,
        network: Network,
        task: Task,
        energy: Element | None = None,
        comm: MPI.Comm | None = None,
        **parameters: ArrayLike,
    ) -> None:
        self.network, self.energy = network, energy or Spring()
        values = self._checked(parameters)
        self.problem = pose_from_baseline(task, network, self.energy, values, values)
        check_rigidity(self.energy, network, self.problem.driven)
        self._model = self.energy.model(network, self.problem, values, comm or MPI.COMM_WORLD)
        self._solver = equilibrium(self._model, self.problem)
        self.set(**parameters)

    def set(self, **parameters: ArrayLike) -> "Probe":
        """Change ``parameters``, by name; those left out stay as they are. Returns itself."""
        self._solver.update(**self._checked(parameters))
        self._free = self._solver.free()
        return self

    @property
    def outputs(self) -> NDArray[np.float64]:
        """What the targets read in the free state, in the user's units, (examples, targets)."""
        return self._solver.outputs(self._free) / self.problem.units

    @property
    def cost(self) -> float:
        """The task's cost, mean over the examples."""
        return float(self.problem.costs(self._solver.outputs(self._free)).mean())

    def gradient(self, parameter: str | None = None) -> NDArray[np.float64]:
        """The derivative of :attr:`cost` by every bond's ``parameter``, exact, (m,)."""
        return self.signal(GradientDescent(), parameter)

    def signal(self, rule: Rule, parameter: str | None = None) -> NDArray[np.float64]:
        """What a ``rule`` tells every bond, mean over the examples, (m,).

        A plain step changes the ``parameter`` by so much times minus the rate. Left out, it is the
        element's first.
        """
        first = self.energy.parameters[0].name
        name = self.energy.parameter(parameter or first).name
        felt = [self._model.to_bonds(state.sensitivity(name)) for state in self._states(rule)]
        return signals(rule, felt).mean(axis=0)

    def contrast(self, rule: Rule) -> float:
        """Energy (with the cost where that nudges) of a ``rule``'s last state less the first's.

        Over the nudge, of equilibrium propagation, it is what the rule lowers instead of the cost.
        """
        states = self._states(rule)
        return float((states[-1].potentials - states[0].potentials).mean())

    def _states(self, rule: Rule) -> Sequence[PhaseState]:
        return [self._solver.solve(phase) for phase in rule.phases]

    def _checked(self, parameters: dict[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
        return {
            name: values_per_bond(value, self.network, name, self.energy.parameter(name))
            for name, value in parameters.items()
        }
