"""Systems: a network with a task and values of all parameters, with equilibrium states on demand.

Whatever solves a network does so by a :class:`System`: trainings, runs, analyses, films, devices.

Displacements and strains are read from a *baseline*. Where something prestresses, such as a rest
length that learns, a network moves before any source acts, and a wanted strain may be there
already. Outputs are then read from the *unloaded* state on, in which every source is released,
unless a target says otherwise.
"""

from collections.abc import Iterable, Mapping
from copy import copy
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.attributes import values_per_bond
from mechlearn.energies import element_for
from mechlearn.energies.element import Element
from mechlearn.energies.kinematics import Displacements
from mechlearn.energies.rigidity import check_rigidity, check_stiffness
from mechlearn.equilibrium import (
    Equilibrium,
    EquilibriumState,
    LinearEquilibrium,
    NewtonEquilibrium,
    PathEquilibrium,
    PhaseState,
)
from mechlearn.equilibrium.states import Response, output_jacobian
from mechlearn.errors import InputError, listed
from mechlearn.fem.macroscopic_strain import deformation_gradient
from mechlearn.fenics import MPI
from mechlearn.learning.rules import Rule, signals
from mechlearn.learning.untrained import in_units_of_untrained
from mechlearn.network import Network
from mechlearn.phase import ADJOINT, Phase
from mechlearn.schema import checked
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.moduli import require_linear
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.task import Task


class System:
    """A network with a task at some values of its parameters; solved when it is first needed.

    Parameters
    ----------
    network : Network
    task : Task or Problem
    energy : Element, optional
        Linear springs unless given; in the dimension of the network.
    learns : name, names, or mapping of names to (m,) bool arrays, optional
        Parameters that learn, or vary, and the bonds where they do; those that are given here
        unless named.
    cut : sequence of int
        Bonds that are cut: the parameters of ``energy.removal`` are zero there.
    check : bool
        False where the network is known not to be floppy.
    comm : MPI communicator, optional
        The ranks that share the mesh; all unless given.
    **parameters : number, (m,) array, or name of edge data
        Values of the bonds' parameters, such as ``stiffness``; the defaults where left out.

    Raises
    ------
    InputError
        For a task that does not fit the network, a floppy network, and for values that are no
        parameters of the element.

    Attributes
    ----------
    problem : Problem
        The task in numbers.
    learns : dict of (m,) bool arrays
    rigidity : Rigidity or None
        Zero modes and states of self-stress, where they were counted.
    factor : float
        Load factor of the present states.
    """

    @checked(network=Network)
    def __init__(
        self,
        network: Network,
        task: Task | Problem,
        energy: Element | None = None,
        *,
        learns: str | Iterable[str] | Mapping[str, NDArray[np.bool_]] | None = None,
        cut: Iterable[int] = (),
        check: bool = True,
        comm: MPI.Comm | None = None,
        **parameters: ArrayLike,
    ) -> None:
        energy = element_for(network, energy)
        self.network, self.energy, self.comm = network, energy, comm or MPI.COMM_WORLD
        self._given = self._checked(parameters)
        names = (learns,) if isinstance(learns, str) else learns or parameters
        names = names or (energy.stiffness_parameter,)
        masks = names if isinstance(names, Mapping) and learns else {}
        self.learns = {
            p.name: masks.get(p.name, np.ones(network.count(p.table), dtype=bool))
            for p in map(energy.parameter, names)
        }
        self.problem = task if isinstance(task, Problem) else self._posed(task)
        self._whole = np.ones(network.n_edges, dtype=bool)
        self._whole[list(cut)] = False
        if not self._whole.all():
            if not energy.removal:
                raise InputError(f"A {energy.name} cannot be cut: no parameter makes it vanish.")
            values = self.parameters
            self._given |= {n: np.where(self._whole, values[n], 0.0) for n in energy.removal}
        if refusal := energy.refusal(self.parameters):
            raise InputError(f"energy: {refusal}")
        self.rigidity = self._count() if check else None
        self.factor = 1.0
        self._free: EquilibriumState | None = None

    def __repr__(self) -> str:
        learns, network = listed(self.learns), repr(self.network)[1:-1]
        return f"<System: {self.energy.name}, of which {learns} learns; {network}>"

    @property
    def parameters(self) -> dict[str, NDArray[np.float64]]:
        """All parameters by name, (m,) each, in bond order."""
        given, known = self._given, self.energy.parameters
        values = {p.name: p.values(self.network, given.get(p.name)) for p in known}
        return values | self.energy.completed(values)

    def set(self, **parameters: ArrayLike) -> Self:
        """Change ``parameters``, by name, those left out staying as they are; returns itself.

        The next states, under the present part of the load, are found from rest.
        """
        new = self._checked(parameters)
        self._given |= new
        if "equilibrium" in self.__dict__:
            self.equilibrium.update(**new)
            if self.equilibrium.forget():
                self.equilibrium.update(**new)
        self._free = None
        return self

    def copy(
        self, *, example: int | None = None, comm: MPI.Comm | None = None, **parameters: ArrayLike
    ) -> Self:
        """The same system, at rest, with other values of some ``parameters``.

        Parameters
        ----------
        example : int, optional
            The only example of the copy, counted from 0.
        comm : MPI communicator, optional
            The ranks that share the copy's mesh.

        Raises
        ------
        InputError
            For an example that there is not, and for values that are no parameters.
        """
        new = copy(self)
        for name in ("model", "solver", "equilibrium"):
            new.__dict__.pop(name, None)
        if example is not None:
            self.check_example(example)
            new.problem = self.problem.take(np.array([example]))
        new.comm, new.factor, new._free = comm or self.comm, 1.0, None
        new._given = self._given | self._checked(parameters)
        return new

    def check_example(self, example: int) -> None:
        """Raise InputError for an ``example``, counted from 0, that there is not."""
        count = self.problem.n_examples
        if not 0 <= example < count:
            raise InputError(f"example = {example} is not one of the task's: 0 to {count - 1}.")

    @cached_property
    def model(self) -> Any:
        """The finite-element model."""
        return self.energy.model(self.network, self.problem, self._given, self.comm)

    @cached_property
    def solver(self) -> Equilibrium:
        """The solver, for loops that update it themselves."""
        kind: Any = LinearEquilibrium if self.energy.linear else NewtonEquilibrium
        if self.problem.on_path:
            if self.energy.linear:
                raise InputError(
                    f"The path of a {self.energy.name} is straight, without limit points."
                )
            kind = PathEquilibrium
        solver = kind(self.model, self.problem)
        if self.rigidity and not self.rigidity.floppy:
            solver.floppy = False
        return solver

    @cached_property
    def equilibrium(self) -> Equilibrium:
        """The solver at the present parameters."""
        self.solver.update()
        return self.solver

    def load(self, factor: float, source: str | None = None) -> Self:
        """Apply a part of the load, or more than all of it; returns itself.

        Found from the present states, so that a path of factors is that of slow loading.

        Parameters
        ----------
        factor : float
            On the values of the sources.
        source : str, optional
            The only source that acts; others are held at zero, or carry nothing.

        Raises
        ------
        InputError
            For a source that there is not.
        SolveError
            Where there is no equilibrium, as beyond a collapse.
        """
        values, p = factor * self.problem.values, self.problem
        if source is not None:
            known = [number.terminal for number in p.drives]
            if source not in known:
                known = list(dict.fromkeys(known))
                raise InputError(f"source = {source!r} is none of the task's ({listed(known)}).")
            mine = p.sources[[name == source for name in known]]
            values = values * np.isin(np.arange(len(p.ports)), mine)
        self.factor = factor
        self.equilibrium.drive(values)
        self._free = self.equilibrium.free()
        return self

    @property
    def free(self) -> EquilibriumState:
        """The free state of every example: only sources act."""
        if self._free is None:
            self._free = self.equilibrium.free()
        return self._free

    @property
    def clamped(self) -> EquilibriumState:
        """The state of every example with all outputs held at their targets, too.

        Raises
        ------
        InputError
            Where outputs are not wanted at values.
        """
        cost = self.problem.task.cost
        if not cost.has_values:
            raise InputError(f"A {cost.name} wants shares, not values: there is no clamped state.")
        return self.solve(Phase("clamp", 1.0)).parts[0][1]  # type: ignore[return-value]

    def solve(self, phase: Phase) -> PhaseState:
        """The states of a phase, in every example.

        Parameters
        ----------
        phase : Phase
            Such as ``Phase("nudge", 0.1)``.
        """
        self._free = self.equilibrium.free() if self._free is None else self._free
        return self.equilibrium.solve(phase)

    def response(self, settled: EquilibriumState | None = None, example: int = 0) -> Response:
        """A state in one example.

        Parameters
        ----------
        settled : EquilibriumState, optional
            The free state unless given.
        example : int
            Counted from 0.
        """
        settled, dim = settled or self.free, self.network.dim
        field = settled.fields()[:, example]
        return Response(
            settled.states()[example],
            self.equilibrium.outputs(settled)[example] / self.problem.units_at(self.factor),
            {name: read[example] for name, read in self.equilibrium.from_reference().items()},
            float(settled.energies[example]),
            deformation_gradient(self.model, field) - np.eye(dim),
            field,
        )

    @property
    def outputs(self) -> NDArray[np.float64]:
        """Readings of the targets in the free state, in the user's units, (examples, t)."""
        return self._read() / self.problem.units_at(self.factor)

    @property
    def cost(self) -> float:
        """The task's cost, mean over the examples."""
        return float(self.problem.costs(self._read()).mean())

    @property
    def error(self) -> float:
        """The error that tolerances are on: the largest relative one, or the mean cross-entropy."""
        return self.problem.error(self._read())

    @property
    def accuracy(self) -> float | None:
        """Part of the examples that is classified right; None without classes."""
        return self.problem.accuracy(self._read())

    def jacobian(self, parameter: str | None = None) -> NDArray[np.float64]:
        """Derivative of the outputs by every bond's ``parameter``, exact, (examples, t, m)."""
        name = self.parameter(parameter)
        raw = output_jacobian(self.equilibrium, self.free, (name,))[name]
        return raw / self.problem.units_at(self.factor)[:, None]

    def gradient(self, parameter: str | None = None) -> NDArray[np.float64]:
        """Derivative of :attr:`cost` by every bond's ``parameter``, exact, (m,)."""
        name = self.parameter(parameter)
        rates = self.solve(ADJOINT).sensitivity(name)
        return self.model.to_elements(name, rates.mean(axis=0))

    def signal(self, rule: Rule, parameter: str | None = None) -> NDArray[np.float64]:
        """Signal of a ``rule`` at every bond, mean over the examples, (m,).

        A plain step changes the ``parameter``, the first that learns unless named, by minus the
        rate times the signal.
        """
        name = self.parameter(parameter)
        states = (self.solve(phase).sensitivity(name) for phase in rule.phases)
        parts = [self.model.to_elements(name, state) for state in states]
        return signals(rule, parts).mean(axis=0)

    def contrast(self, rule: Rule) -> float:
        """Energy (with the cost where that nudges) of a ``rule``'s last state less the first's.

        Over the nudge, of equilibrium propagation, it is what the rule lowers instead of the cost.
        """
        states = [self.solve(phase) for phase in rule.phases]
        return float((states[-1].potentials - states[0].potentials).mean())

    def parameter(self, name: str | None = None) -> str:
        """The name of a parameter, checked.

        Parameters
        ----------
        name : str, optional
            The first that learns where left out.

        Raises
        ------
        InputError
            For one that the element does not have.
        """
        return next(iter(self.learns)) if name is None else self.energy.parameter(name).name

    @property
    def prestressed(self) -> bool:
        """Existence of prestress, now or when a parameter changes that learns."""
        at = self.parameters | {"length": self.network.lengths}
        return any(self.energy.prestresses(at, name) for name in (None, *self.learns))

    def _checked(self, parameters: Mapping[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
        """Values of parameters, (m,) each; those that vanish in absent bonds may be zero."""
        net, energy = self.network, self.energy
        return {
            name: values_per_bond(v, net, name, energy.parameter(name), name in energy.removal)
            for name, v in parameters.items()
        }

    def _posed(self, task: Task) -> Problem:
        """The task in numbers, each target with its baseline."""
        require_linear(task, self.energy)
        prestressed = self.prestressed
        usual = "unloaded" if isinstance(self.energy.kinematics, Displacements) else "reference"
        # Where nothing prestresses, both are the same state.
        targets = [
            t.model_copy(update={"baseline": (t.baseline or usual) if prestressed else None})
            for t in task.targets
        ]
        task = task.model_copy(update={"targets": targets})
        if any(t.of_untrained for t in targets):
            task = in_units_of_untrained(pose(task, self.network, self.energy.kinematics), self)
        return pose(task, self.network, self.energy.kinematics)

    def _count(self) -> Any:
        """Zero modes of the network without absent bonds, where they are counted."""
        values, there = self.parameters, np.zeros(self.network.n_edges, dtype=bool)
        for name in self.energy.removal:
            there |= values[name] != 0
        check_stiffness(self.energy, values | {"length": self.network.lengths})
        whole = there.all() or not self.energy.removal
        try:
            network = self.network if whole else self.network.keep_edges(there)
            return check_rigidity(self.energy, network, self.problem.driven)
        except InputError as error:
            raise InputError(f"{'Without the bonds that are cut: ' * (not whole)}{error}") from None

    def _read(self) -> NDArray[np.float64]:
        return self.equilibrium.outputs(self.free)
