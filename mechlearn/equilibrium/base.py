"""Free, clamped and nudged states for any energy: constraints, loads and readings of ports.

The clamped state of coupled learning holds the outputs at ``p_F + eta (p_T - p_F)``, or loads them
with ``q_F + eta (q_T - q_F)`` where the output is a force. M. Stern, D. Hexner, J. W. Rocks,
A. J. Liu, Phys. Rev. X 11, 021045 (2021), https://doi.org/10.1103/PhysRevX.11.021045, eq. 3.
The nudged state of equilibrium propagation is stationary for the energy plus ``beta`` times the
cost. B. Scellier, Y. Bengio, Front. Comput. Neurosci. 11, 24 (2017),
https://doi.org/10.3389/fncom.2017.00024.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.equilibrium.conditions import (
    UNSTABLE,
    Conditions,
    ExampleGroup,
    PortConstraints,
    Release,
)
from mechlearn.equilibrium.states import EquilibriumState, PhaseState, Rate, Unloaded
from mechlearn.errors import SolveError
from mechlearn.fem.model import Model
from mechlearn.phase import Phase, weighted_sum
from mechlearn.tasks.costs import SquaredError
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.task import ABSOLUTE

#: Newton iterations on the forces of a nudge, at most.
PUSHES = 50


class Equilibrium[S: EquilibriumState](ABC):
    """Solver for the states of a problem on a model.

    Attributes
    ----------
    problem : Problem
        That of the examples under consideration.
    examples : integer array
        Their numbers among all, from 0.
    floppy : bool, optional
        Whether parts of the network may move without resistance; where not known, they may
        whenever they could in the first state that was asked for. Linear networks never may.
    compared : sequence of Phase
        Whose states will be compared with each other: what they differ by sets how well they must
        be found.

    After every change of the parameters call :meth:`update`, then :meth:`free`, then
    :meth:`solve` for phases.
    """

    floppy: bool | None = None
    compared: Sequence[Phase] = ()

    def __init__(self, model: Model, problem: Problem) -> None:
        self.model, self._all = model, problem
        self.unloaded: Unloaded[S] | None = None
        self.consider(None)

    def consider(self, examples: NDArray[np.int64] | None) -> None:
        """Restrict further solves to some examples; all of them for None."""
        self.examples = np.arange(self._all.n_examples) if examples is None else examples
        self.problem = problem = self._all if examples is None else self._all.take(examples)
        # Across outputs (+1) and through outputs (-1) that are asked for, (examples, t).
        self._of_kind = {s: problem.active & (problem.through == (s < 0)) for s in (1.0, -1.0)}
        # Where nothing is asked of any example, a clamped state is the free one.
        self._signs = tuple(s for s, those in self._of_kind.items() if those.any()) or (1.0,)
        # The kind of all outputs in all examples, where they are moved whatever they are.
        whole = [] if problem.limited else [s for s, k in self._of_kind.items() if k.all()]
        self._only_sign = whole[0] if whole else None
        # Ports that are held and whose force is asked for; pushes move them on from where they are.
        self._through = np.zeros(problem.held.shape, dtype=bool)
        self._put(self._through, True, problem.active & problem.through)
        self._release = Release(problem)
        self._constraints = PortConstraints.rigid(problem.held)
        self._impose(problem.values)
        self._constraints_of: dict[tuple[str, float], PortConstraints] = {}
        self._free: S | None = None
        self._free_outputs = np.empty((0, 0))

    def _impose(self, values: NDArray) -> None:
        """Set source values, (examples, ports), as given."""
        self._sources = Conditions(self._constraints, values)
        self._references = np.where(self._through, values, 0.0) if self._through.any() else None

    def drive(self, values: NDArray) -> None:
        """Impose other values at the ports, (all examples, ports), where they are held or loaded.

        The next states start from the last ones; :meth:`free` must be called anew.
        """
        self._all = replace(self._all, values=values)
        self.consider(self.examples)

    @abstractmethod
    def _attach(self) -> None:
        """Set up what belongs to the model's present mesh."""

    @abstractmethod
    def update(self, **parameters: ArrayLike) -> None:
        """Take over new parameters of the bonds (user's order)."""

    @abstractmethod
    def _settle(self, conditions: Conditions, key: str) -> S:
        """Equilibrium under the conditions of every example."""

    def _let_go(self, conditions: Conditions) -> S:
        """The unloaded state, under conditions that are those of one example."""
        return self._settle(conditions, "")

    def _react(self, unloaded: S, conditions: Conditions, key: str) -> S:
        """Unloaded state under the conditions of every example."""
        return self._settle(conditions, key)

    @abstractmethod
    def _rate(self, free: S, conditions: Conditions) -> Rate:
        """Rates of a state in every example, given rates of the conditions."""

    def free(self) -> S:
        """The free state: only sources act."""
        if self.problem.relative.any():
            settled = self._let_go(Unloaded.conditions(self.problem))
            self.unloaded = Unloaded(self.problem, settled, self.model.energy.linear)
            self._impose(self.unloaded.imposed(self.problem.values))
        free = self._settle(self._sources, key="free")
        self._free_outputs = self.outputs(free)
        self._free = free
        return free

    def forget(self) -> bool:
        """Start from rest, on a mesh made for the present parameters; True if that may differ."""
        renewed = self.model.renew()
        if renewed:
            self._attach()
        return renewed

    def keep(self) -> Any:
        """Store the mesh and initial guesses of the next states, for :meth:`go_back`."""
        return self.model.memory()

    def go_back(self, kept: Any) -> None:
        """Restore the stored mesh and guesses."""
        if self.model.recall(kept):
            self._attach()

    def memory(self, kept: Any = None) -> dict[str, NDArray]:
        """Stored (or present) guesses as arrays, whole on every rank."""
        return dict(self.keep() if kept is None else kept)

    def recall(self, memory: Mapping[str, NDArray]) -> None:
        """Restore a :meth:`memory`."""
        self.go_back(memory)

    def outputs(self, settled: EquilibriumState | Rate) -> NDArray[np.float64]:
        """Outputs of a state, or of a rate of it, shape (examples, t).

        Where that is a change from the unloaded state, that is the one of the last free state.
        """
        if settled is self._free:
            return self._free_outputs.copy()
        read = self._as_read(settled)
        if self.unloaded is not None:
            zero = self.unloaded.zero if isinstance(settled, EquilibriumState) else 0.0
            read = (read - zero) * self.unloaded.gain
        # Costs have squares of outputs, which must be numbers too.
        if not math.isfinite(np.vdot(read, read)):
            raise SolveError(
                "The response is no number, or far too large; the stiffness is singular or a "
                "learning step was far too large.",
                "not finite",
            )
        return read

    def from_reference(self) -> dict[str, NDArray[np.float64]]:
        """Readings of the targets from the reference, unpulled and pulled, (examples, t) each.

        In the user's units; empty where no target is measured from the unloaded state.
        :meth:`free` must have been called.
        """
        if self.unloaded is None or self._free is None:
            return {}
        states = dict(zip(ABSOLUTE, (self.unloaded.settled, self._free), strict=True))
        read = {name: self._as_read(state) / self.problem.units for name, state in states.items()}
        return {name: np.broadcast_to(r, self.problem.wanted.shape) for name, r in read.items()}

    def _as_read(self, settled: EquilibriumState | Rate) -> NDArray[np.float64]:
        p = self.problem
        read = settled.readings[:, p.at_targets].copy()
        if self._references is None:
            return read
        return np.where(p.through, settled.forces[:, p.targets], read)

    def _reached(self, outputs: NDArray) -> NDArray[np.float64]:
        """Readings of the targets from the reference, given their outputs."""
        if self.unloaded is None:
            return outputs
        return self.unloaded.zero + outputs / self.unloaded.gain

    @property
    def _gain(self) -> NDArray[np.float64] | float:
        """Derivatives of outputs by what targets read, (t,)."""
        return 1.0 if self.unloaded is None else self.unloaded.gain

    def _with_reaction(self, sign: float, settled: S, key: str) -> list[tuple]:
        """Part of a phase, and its load on the unloaded state."""
        if self.unloaded is None or self._free is None or settled is self._free:
            return [(sign, settled)]
        there = self.unloaded.settled
        pushed = self.unloaded.reaction(self._free, settled)
        return [(sign, settled), (sign, self._react(there, pushed, key)), (-sign, there)]

    def _rate_with_reaction(self, free: S, conditions: Conditions) -> PhaseState:
        """Rates of the free state, and of the unloaded one that it is compared with."""
        rates = [self._rate(free, conditions)]
        if (there := self.unloaded) is not None:
            rates.append(self._rate(there.settled, there.reaction(free, rates[0])))
        parts = tuple((1.0, rate) for rate in rates)
        return PhaseState(parts, np.zeros(self.problem.n_examples))

    def solve(self, phase: Phase, measured: NDArray | None = None) -> PhaseState:
        """The network in a phase; :meth:`free` must have been called since the last update.

        Clamps and nudges follow the errors of the free outputs, or of what was ``measured`` in
        their place, (examples, t).
        """
        free = self._free
        if free is None:
            raise RuntimeError("Call free() before solve().")
        outputs = self._free_outputs
        seen = outputs if measured is None else measured
        if phase.kind == "adjoint":
            slopes = self.problem.slopes(seen)
            return self._rate_with_reaction(free, self._against(slopes, self.problem.active))
        if phase.kind == "nudge":
            settled, offset = free, seen - outputs
            if phase.amount:
                settled = self._nudged(phase.amount, free, offset, phase.key)
            costs = phase.amount * self.problem.costs(self.outputs(settled) + offset)
            loads = self._sources.loads
            if self._references is not None:  # work of forces that are read
                loads = np.where(self._through, settled.forces, 0.0 if loads is None else loads)
            potential = settled.potential(loads, self._references)
            parts = self._with_reaction(1.0, settled, phase.key)
            return PhaseState(tuple(parts), potential + costs)
        parts, potentials = [], []
        for sign in self._signs:
            conditions, settled = self._sources, free
            key = phase.key + (" +1" if sign > 0 else " -1")
            if phase.amount:
                moves = self.problem.residual(seen)
                moves = moves if sign > 0 else self._release.balanced(moves)
                moved = outputs + phase.amount * moves
                conditions = self._clamped(sign, moved, self.problem.active_error(seen))
                settled = self._settle(conditions, key)
            parts += self._with_reaction(sign, settled, key)
            potential = settled.potential(self._working(conditions), self._references)
            potentials.append(potential if sign > 0 else -potential)
        first, *others = potentials
        return PhaseState(tuple(parts), sum(others, first))

    def mean_signal(
        self, name: str, states: Sequence[PhaseState], weights: Sequence[float]
    ) -> NDArray[np.float64]:
        """Weighted sum over phases of ``du_i/dL_i``, mean over the examples, (owned bonds,).

        ``states`` and ``weights`` have one entry per phase; ``name`` is that of the parameter.
        """
        return weighted_sum(weights, [state.sensitivity(name).mean(axis=0) for state in states])

    @property
    def released_floats(self) -> bool:
        """True if the network floats once all forces that are read are loads."""
        return self._release.floats()

    @property
    def source_groups(self) -> list[ExampleGroup]:
        """Examples grouped by the ports that sources hold."""
        return self._constraints.groups

    def _clamped(self, sign: float, moved: NDArray, missed: NDArray) -> Conditions:
        """Outputs held (across, +1) or loaded (through, -1) at their clamped values.

        Those that are not ``missed`` are left alone, (examples, t).
        """
        p, values, moved = self.problem, self._sources.values.copy(), self._reached(moved)
        mine = self._of_kind[sign]
        if p.limited:
            mine = missed & mine
        if sign == self._only_sign:
            values[:, p.at_targets] = moved
        else:
            self._put(values, moved, mine)
        if ("clamp", sign) not in self._constraints_of or p.limited:
            held = p.held.copy()
            self._put(held, sign > 0, mine)
            self._constraints_of["clamp", sign] = replace(self._constraints, held=held)
        return Conditions(self._constraints_of["clamp", sign], values)

    def _put(self, into: NDArray, numbers: NDArray | bool, where: NDArray) -> None:
        """Values of selected targets as an array (examples, ports)."""
        e, t = np.nonzero(where)
        into[e, self.problem.targets[t]] = np.broadcast_to(numbers, where.shape)[e, t]

    def _working(self, conditions: Conditions) -> NDArray[np.float64] | None:
        """Forces that do work in a clamped state, (examples, ports), or None.

        Those of sources do even where the port is now held: with them the energy is stationary in
        the free state too, and what clamping costs is of second order.
        """
        loads, mine = conditions.loads, self._sources.loads
        if mine is None or loads is None:
            return mine if loads is None else loads
        return np.where(conditions.constraints.held, mine, loads)

    def _nudged(self, amount: float, free: S, offset: NDArray | float, key: str) -> S:
        """The state that is stationary for the energy plus ``amount`` times the cost.

        The cost is that of the outputs plus an offset, (examples, t).
        """
        if isinstance(self.problem.task.cost, SquaredError) and not self.problem.limited:
            outputs = self._free_outputs
            wanted = outputs + self.problem.residual(outputs + offset)
            return self._settle(self._springs(amount, wanted), key)
        return self._pushed(amount, free, offset, key)

    def _springs(self, amount: float, wanted: NDArray) -> Conditions:
        """Springs at the outputs whose energy is ``amount`` times the squared error.

        For an across output ``o`` wanted at ``T`` that is a force ``amount * w (T - o)``; for a
        through output, a move of its held port by ``amount * w (o - T)``, which makes the energy
        plus the cost stationary in the force. ``w = 1 / unit^2``: costs are in the user's units.
        """
        p, values, wanted = self.problem, self._sources.values.copy(), self._reached(wanted)
        stiffness = amount * (self._gain / p.units) ** 2
        loads = self._sources.loads
        # A spring to its value acts beside the force of a source.
        across = wanted if loads is None else wanted + loads[:, p.targets] / stiffness
        new = np.where(p.through, values[:, p.targets] - stiffness * wanted, across)
        self._put(values, new, p.active)
        if ("nudge", amount) not in self._constraints_of or self.unloaded is not None:
            held, compliance = p.held.copy(), np.zeros(values.shape)
            self._put(held, True, p.active)
            self._put(compliance, np.where(p.through, -stiffness, 1 / stiffness), p.active)
            repelling = (compliance < 0) & ~self._through
            self._constraints_of["nudge", amount] = PortConstraints(held, compliance, repelling)
        return Conditions(self._constraints_of["nudge", amount], values)

    def _pushed(self, amount: float, free: S, offset: NDArray | float, key: str) -> S:
        """Nudged state for any cost, by forces at the outputs from its slope.

        A push is a force on an across output, ``-amount * slope``, and a move of a through output,
        ``amount * slope``. Newton's method on the pushes, with the response of the free state.
        """
        p = self.problem
        sign = np.where(p.through, amount, -amount)
        # Rates of the outputs by pushes at the outputs, (examples, t, pushes).
        rates = [self.outputs(self._rate(free, unit)) for unit in self._unit_errors()]
        response = np.stack(rates, axis=-1) * np.where(p.through, 1.0, -1.0)
        push, settled = np.zeros((p.n_examples, len(p.targets))), free
        for _ in range(PUSHES):
            outputs = self.outputs(settled) + offset
            wanted = sign * p.slopes(outputs)
            if np.abs(wanted - push).max() <= 1e-12 * np.abs(wanted).max(initial=1e-300):
                return settled
            feedback = sign[:, None] * (p.curvatures(outputs) @ response)
            matrix = np.eye(len(p.targets)) - feedback
            if np.linalg.eigvals(matrix).real.min() <= 0:
                raise SolveError(UNSTABLE, "unstable")
            push = push + np.linalg.solve(matrix, (wanted - push)[..., None])[..., 0]
            values = self._sources.values + p.at_ports(push * self._gain, p.active)
            settled = self._settle(Conditions(self._constraints, values), key)
        text = f"The nudged state was not found in {PUSHES} iterations; use a smaller nudge."
        raise SolveError(text, "unstable")

    def adjoints(self, free: S) -> list[PhaseState]:
        """The adjoint state of every output: its local sensitivities are the output's slopes."""
        return [self._rate_with_reaction(free, conditions) for conditions in self._unit_errors()]

    def _unit_errors(self) -> Iterator[Conditions]:
        """Rates of the conditions for unit nudges of the outputs in turn."""
        p = self.problem
        # Where a source gives what a target reads, nothing moves it.
        answers = p.held[:, p.targets] == p.through
        for unit in np.eye(len(p.targets)):
            yield self._against(unit, answers)

    def _against(self, slopes: NDArray, where: NDArray) -> Conditions:
        """Rates of the conditions for a nudge of the outputs against slopes of a cost."""
        p, slopes = self.problem, slopes * self._gain
        values = p.at_ports(np.where(p.through, slopes, -slopes), where)
        return Conditions(self._constraints, values)
