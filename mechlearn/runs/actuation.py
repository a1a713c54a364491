"""Actuation: a run's network under any part of its load, as it was at any recorded step.

What pictures that move need: the sources of one example are pulled from nothing to full, and the
network answers by the equilibrium that it was trained with.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.errors import InputError
from mechlearn.fem.macroscopic_strain import strain_tensors
from mechlearn.phase import Phase

if TYPE_CHECKING:
    from mechlearn.equilibrium import Equilibrium, EquilibriumState
    from mechlearn.runs.run import Run


@dataclass(frozen=True, eq=False)
class Answer:
    """What the network does under a part of its load.

    Attributes
    ----------
    state : (n, components) array
        Displacements (then rotations), or potentials.
    outputs : (t,) array
        What the targets read, in the user's units.
    absolute : dict of (t,) arrays
        What they read from the reference, unpulled and pulled, if they read changes from another
        state.
    energy : float
        Elastic energy of the network.
    cell : (d, d) array
        Strain of the periodic cell; zero where it is rigid.
    field : (dofs,) array
        The whole state as :attr:`Actuation.model` takes it.
    """

    state: NDArray[np.float64]
    outputs: NDArray[np.float64]
    absolute: dict[str, NDArray[np.float64]]
    energy: float
    cell: NDArray[np.float64]
    field: NDArray[np.float64]


class Actuation:
    """A run's network in one example, solved on one rank whenever it is asked.

    Parameters
    ----------
    run : Run
    example : int
        Counted from 0.

    Raises
    ------
    InputError
        For an example that the run does not have.
    """

    def __init__(self, run: "Run", example: int = 0) -> None:
        from mechlearn.equilibrium import equilibrium
        from mechlearn.fenics import MPI

        if not 0 <= example < run.problem.n_examples:
            raise InputError(
                f"example = {example + 1} is not one of the run's: 1 to {run.problem.n_examples}."
            )
        self.run = run
        self.problem = run.problem.take(np.array([example]))
        self.model = run.energy.model(run.network, self.problem, run.parameters, MPI.COMM_SELF)
        self._equilibrium = equilibrium(self.model, self.problem)
        self._amplitude = 1.0
        self.set(run.learned)

    @cached_property
    def steps(self) -> NDArray[np.int64]:
        """The training steps at which the run recorded its parameters, the last included."""
        return self.run.history["snapshot"].values.astype(np.int64)

    def recorded(self, number: int) -> dict[str, NDArray[np.float64]]:
        """The learning parameters of a recorded step, by its place in :attr:`steps`."""
        if number in (-1, len(self.steps) - 1):
            return dict(self.run.learned)
        history = self.run.history
        return {name: history[name].values[number] for name in self.run.learned}

    def set(self, parameters: Mapping[str, ArrayLike]) -> None:
        """Give the bonds these parameters; the network is then at rest."""
        self._equilibrium.update(**parameters)
        if self._equilibrium.forget():
            self._equilibrium.update(**parameters)

    def answer(self, amplitude: float) -> Answer:
        """The equilibrium under that part of the load, found from the last one.

        Raises
        ------
        SolveError
            Where there is none, as beyond a collapse.
        """
        return self.settle(amplitude)[0]

    def settle(self, amplitude: float) -> "tuple[Answer, Equilibrium, EquilibriumState]":
        """The same, what found it, and the state as that knows it."""
        self._equilibrium.drive(amplitude * self.problem.values)
        self._amplitude = amplitude
        free = self._equilibrium.free()
        return self._said(free), self._equilibrium, free

    def clamped(self) -> Answer:
        """The equilibrium under the last load with the outputs held at their targets too.

        Raises
        ------
        InputError
            Where outputs are not wanted at values, so that nothing can be held there.
        """
        cost = self.run.setup.task.cost
        if not cost.has_values:
            raise InputError(f"A {cost.name} wants shares, not values: there is no clamped state.")
        self._equilibrium.free()
        return self._said(self._equilibrium.solve(Phase("clamp", 1.0)).parts[0][1])

    def pull(self, amplitudes: Iterable[float]) -> list[Answer]:
        """The answers along a path of amplitudes, each found from the one before."""
        return [self.answer(a) for a in amplitudes]

    def _said(self, settled: "EquilibriumState") -> Answer:
        units = self.problem.units_at(self._amplitude)
        outputs = self._equilibrium.outputs(settled)[0] / units
        field, dim = settled.fields()[:, 0], self.run.network.dim
        cell = np.zeros((dim, dim))
        if self.problem.cell:
            cell = strain_tensors(self.model.cell_strain(field), dim)
        absolute = {k: v[0] for k, v in self._equilibrium.from_reference().items()}
        return Answer(
            settled.states()[0], outputs, absolute, float(settled.energies[0]), cell, field
        )
