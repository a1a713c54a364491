"""What is analysed: a network at some values of its parameters, and the task it was given."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.analysis.result import Result
from mechlearn.energies import BondEnergy, Element, Spring
from mechlearn.energies.rigidity import check_rigidity
from mechlearn.errors import InputError
from mechlearn.learning.dofs import values_per_bond
from mechlearn.network import Network
from mechlearn.tasks.baseline import pose_from_baseline
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.task import Task

if TYPE_CHECKING:
    from mechlearn.analysis.tangent import Tangent
    from mechlearn.equilibrium import Equilibrium, EquilibriumState
    from mechlearn.runs.run import Run


@dataclass(frozen=True, eq=False, repr=False)
class Specimen(Result):
    """A network at some values of its parameters, solved on one rank whenever it is asked.

    Attributes
    ----------
    network, problem, energy : what it is, the task in numbers, what its bonds are made of
    values : mapping of names to (m,) arrays
        All parameters of the bonds.
    learns : tuple of str
        Those that learn.
    trained : mapping of names to (m,) bool arrays
        Which bonds learn, where not all do.
    """

    network: Network
    problem: Problem
    energy: Element
    values: Mapping[str, NDArray[np.float64]]
    learns: tuple[str, ...]
    trained: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    @cached_property
    def equilibrium(self) -> "Equilibrium":
        """What solves it, at its values."""
        from mechlearn.equilibrium import equilibrium
        from mechlearn.fenics import MPI

        if all(np.all(self.values[name] > 0) for name in self.learns):
            check_rigidity(self.energy, self.network, self.problem.driven)
        model = self.energy.model(self.network, self.problem, self.values, MPI.COMM_SELF)
        solver = equilibrium(model, self.problem)
        solver.update(**{name: self.values[name] for name in self.learns})
        return solver

    @cached_property
    def free(self) -> "EquilibriumState":
        """The free state of every example, from rest."""
        return self.equilibrium.free()

    def tangent(self, example: int = 0) -> "Tangent":
        """The network to first order about a free state; about rest where it is linear.

        Parameters
        ----------
        example : int
            Whose free state, counted from 0.
        """
        from mechlearn.analysis.tangent import tangent

        self.check_example(example)
        return tangent(self, example)

    def at(self, **values: ArrayLike) -> "Specimen":
        """The same with other values of some parameters.

        Parameters
        ----------
        **values : numbers, or (m,) arrays
        """
        m = self.network.n_edges
        new = {k: np.broadcast_to(np.asarray(v, float), m) for k, v in values.items()}
        return Specimen(
            self.network, self.problem, self.energy, {**self.values, **new}, self.learns,
            self.trained,
        )  # fmt: skip

    def check_example(self, example: int) -> None:
        """Raise InputError for an ``example``, counted from 0, that there is not."""
        count = self.problem.n_examples
        if not 0 <= example < count:
            raise InputError(f"example = {example} is not one of the task's: 0 to {count - 1}.")

    def need_bonds(self, what: str) -> BondEnergy:
        """Its energy, which must be one of bonds; raises InputError about ``what`` for solids."""
        if not isinstance(self.energy, BondEnergy):
            raise InputError(f"{what} is found for networks of bonds, not of a {self.energy.name}.")
        return self.energy

    def need_linear(self, what: str) -> BondEnergy:
        """Its energy, which must be linear in the state; raises InputError about ``what``."""
        energy = self.need_bonds(what)
        if not energy.linear:
            raise InputError(f"{what} is found for linear elements; a {energy.name} is not linear.")
        return energy

    def dof(self, name: str | None) -> str:
        """The parameter of that ``name``, or the first that learns where it is None."""
        if name is None:
            return self.learns[0]
        self.energy.parameter(name)
        return name

    def masked(self, name: str, per_bond: NDArray) -> NDArray[np.float64]:
        """What is ``per_bond``, (..., m), with zero where the parameter ``name`` does not learn."""
        return np.where(self.trained[name], per_bond, 0.0) if name in self.trained else per_bond


def specimen(
    network: Network,
    task: Task,
    energy: Element | None = None,
    learns: str | tuple[str, ...] | None = None,
    **values: ArrayLike,
) -> Specimen:
    """A network to analyse that was not trained here.

    Parameters
    ----------
    network, task : what it is, and what is asked of it
    energy : element energy, linear springs unless given
    learns : names of the parameters that count as learning; the element's first unless given
    **values : parameters of the bonds, one number or one per bond; the defaults where left out

    Raises
    ------
    InputError
        For a task that does not fit the network, and for parameters that the element does not have.
    """
    energy = energy or Spring()
    energy = energy.in_dimension(network.dim)() if not energy.settings else energy
    all_values = {p.name: np.asarray(p.default(network), dtype=float) for p in energy.parameters}
    for name, given in values.items():
        parameter = energy.parameter(name)
        known = values_per_bond(given, network, f"values of {name!r}", parameter, gone=True)
        all_values[name] = known
    names = (learns,) if isinstance(learns, str) else learns or (energy.parameters[0].name,)
    for name in names:
        energy.parameter(name)
    m = network.n_edges
    return Specimen(
        network,
        pose_from_baseline(task, network, energy, all_values, names),
        energy,
        {name: np.broadcast_to(v, m).astype(float) for name, v in all_values.items()},
        tuple(names),
    )


def specimen_of(subject: "Run | Specimen", learned: bool = True) -> Specimen:
    """What is to be analysed: of a run the learned network, or the one before training.

    Raises
    ------
    InputError
        Where it is neither a run nor a specimen, or a specimen is asked for before its training.
    """
    if isinstance(subject, Specimen):
        if not learned:
            raise InputError("learned = False is about a run; a specimen was not trained.")
        return subject
    from mechlearn.runs.run import Run

    if not isinstance(subject, Run):
        raise InputError(
            f"A Run or an analysis.specimen(network, task, ...) is analysed, not a "
            f"{type(subject).__name__}."
        )
    values = subject.parameters if learned else {**subject.parameters, **subject.initial}
    return Specimen(
        subject.network,
        subject.problem,
        subject.energy,
        {name: np.asarray(v, dtype=float) for name, v in values.items()},
        tuple(subject.learned),
        _trained(subject),
    )


def _trained(run: "Run") -> dict[str, NDArray[np.bool_]]:
    from mechlearn.learning.dofs import learning_mask

    masks = {n: learning_mask(t.frozen, run.network, n) for n, t in run.setup.learn.items()}
    return {name: mask for name, mask in masks.items() if not mask.all()}
