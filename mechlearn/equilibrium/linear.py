"""Equilibrium of linear elements, all examples at once, from one factorisation.

With ``P`` the ports' rows, ``X = K^-1 P^T`` and ``A = P X``, every state of the network is
``u = u_0 + X f`` and every reading ``p = p_0 + A f``, with ``f`` the forces at the ports. What
remains per example is a dense system of the size of the ports that are held; a thousand examples
cost a handful of solves and a matrix product.
"""

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, override

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import lapack

from mechlearn.equilibrium.base import Equilibrium
from mechlearn.equilibrium.conditions import (
    Conditions,
    ExampleGroup,
    PortConstraints,
    PortReader,
    check_size,
)
from mechlearn.equilibrium.kkt import DEPENDENT, inverse_compliance, tie_to_ground
from mechlearn.equilibrium.states import EquilibriumState, PhaseState, Rate
from mechlearn.errors import InputError, SolveError, listed
from mechlearn.fem.model import Model
from mechlearn.fem.superposition import Sense, moment
from mechlearn.parallel import total
from mechlearn.phase import weighted_sum
from mechlearn.tasks.problem import Problem

#: A solution that misses its load by more than this (relative) is not a solution.
RESIDUAL = 1e-6


class LinearEquilibrium(Equilibrium["LinearState"]):
    """The block method for energies that are quadratic in the state."""

    def __init__(self, model: Model, problem: Problem) -> None:
        super().__init__(model, problem)
        self._found = self._sized = False
        self._attach()

    @override
    def _attach(self) -> None:
        rows = PortReader(self.model, self._all).linearised()
        self._pulls = rows.T.toarray()
        self._pulls.flags.writeable = False
        # Ports read few degrees of freedom.
        self._read = np.unique(rows.indices)
        # Of halves the sum with the transpose is the mean.
        self._half_reads = self._pulls[self._read] / 2
        self._solver = self.model.solver(definite=True)

    @override
    def update(self, **parameters: ArrayLike) -> None:
        model = self.model
        self._free, self._found = None, False
        if model.set(**parameters) is not None:
            self._attach()
        load = model.load_at_rest()
        matrix = model.assemble_stiffness()
        if not self._sized:
            check_size(model, self._all, model.mean_stiffness(matrix))
            self._sized = True
        self.ground = np.empty(0)
        if len(self._all.grounded):
            self.ground = tie_to_ground(model, self._all, matrix, model.mean_stiffness(matrix))
        self._solver.factor()
        columns = self._pulls if load is None else np.column_stack([self._pulls, -load])
        prestressed = load is not None
        solution = self._solver.solve(columns)
        # `dot` starts in a third of the time of `@`, which shows in small networks.
        half = total(model.comm, solution.T.take(self._read, axis=1).dot(self._half_reads))
        # One column per unit force at a port and, in a prestressed network, the state without any.
        self.columns, self.prestressed = solution, prestressed
        self._check(half, self._solver.relative_residual(solution))
        self._at_rest = 2 * half[-1] if prestressed else None
        forced = half[:-1] if prestressed else half
        self.compliance = forced + forced.T
        self.energy_at_rest = model.energy_at_rest()
        self.superposition = model.superpose(solution)
        self._stiffened: dict[ExampleGroup, Callable[[NDArray], NDArray]] = {}
        self._tied: dict[PortConstraints, PortConstraints] = {}
        self._found = True

    @property
    def reading_at_rest(self) -> NDArray[np.float64]:
        """Readings of the ports without load, (ports,)."""
        return np.zeros(len(self.compliance)) if self._at_rest is None else self._at_rest

    def amounts(self, forces: NDArray, at_rest: float) -> NDArray[np.float64]:
        """Amplitudes of the columns, and of the state at rest, for given port forces."""
        if not self.prestressed:
            return forces
        return np.column_stack([forces, np.full(len(forces), at_rest)])

    @override
    def mean_signal(
        self, name: str, states: Sequence[PhaseState], weights: Sequence[float]
    ) -> NDArray[np.float64]:
        columns, known = self.columns.shape[1], self.superposition
        # Products of columns, which moments take, shall not outnumber what the states would.
        if known is None or columns > len(states) * self.problem.n_examples:
            return super().mean_signal(name, states, weights)
        return known.mean_sensitivity(
            name, lambda order: weighted_sum(weights, [_moment(state, order) for state in states])
        )

    def bond_compliance(self, bonds: NDArray | None = None) -> NDArray[np.float64]:
        """Strains of bonds by unit tensions of the same bonds, (m k, m k), on one rank.

        Of all bonds where none are named. With several strains, the ``k`` of the first bond come
        first.

        Raises
        ------
        InputError
            On several ranks.
        """
        self._require_update()
        if self.model.comm.size > 1:
            raise InputError("The compliance between bonds is found on one rank only.")
        k, cells = len(self.model.energy.strains), self.model.cells_in_order()
        cells = cells if bonds is None else cells[np.asarray(bonds)]
        operator = self.model.strain_operator[(k * cells[:, None] + np.arange(k)).ravel()]
        return operator @ self._solver.solve(operator.T.toarray() * self.model.local_free[:, None])

    def outputs_by(self, compliance: NDArray, at_rest: NDArray) -> NDArray[np.float64]:
        """Outputs for another compliance matrix of the ports.

        Parameters
        ----------
        compliance : (candidates, p, p) array
            With springs of stiffness ``ground`` to the ground at grounded ports.
        at_rest : (candidates, p) array
            What the ports read before anything is held or loaded.

        Returns
        -------
        (candidates, examples, t) array
        """
        p, count = self.problem, len(compliance)
        # What is counted from the unloaded state does not depend on it.
        at_rest = np.where(p.relative, 0.0, at_rest)[:, None]
        out = np.empty((count, p.n_examples, len(p.targets)))
        for some in self.source_groups:
            h, mine = some.held, some.examples
            held, values = p.held[mine], p.values[mine]
            forces = np.repeat(np.where(held, 0.0, values)[None], count, axis=0)
            lacking = values[:, h] - at_rest[..., h] - forces @ compliance[:, :, h]
            block = compliance[:, h[:, None], h]
            forces[..., h] = np.linalg.solve(block, lacking.mT).mT
            readings = at_rest + forces @ compliance
            forces = self.without_ground(forces, readings)
            out[:, mine] = np.where(p.through, forces[..., p.targets], readings[..., p.targets])
        return out

    def _require_update(self) -> None:
        """Raise SolveError unless the present parameters were taken over."""
        if not self._found:
            raise RuntimeError("Call update() before; if that failed, with other parameters.")

    def _check(self, reading: NDArray, worst: float) -> None:
        """Check a solution for signs of a singular matrix."""
        # A load that is no number shows in what it makes ports read.
        if not math.isfinite(worst) or (self.prestressed and not np.isfinite(reading).all()):
            raise SolveError(
                "Stiffness or load are not finite numbers; a learning step was far too large.",
                "not finite",
            )
        if not worst < RESIDUAL:
            raise SolveError(
                f"The equilibrium equations are not solved (relative residual {worst:.1e}): the "
                "network is floppy, or its stiffnesses differ by too many orders of magnitude.",
                "singular",
            )

    @override
    def _settle(self, conditions: Conditions, key: str) -> "LinearState":
        forces, true, readings = self._carried(conditions, self._at_rest)
        return LinearState(self, self.amounts(forces, 1.0), true, readings)

    @override
    def _rate(self, free: "LinearState", conditions: Conditions) -> Rate:
        forces, true, readings = self._carried(conditions, None)
        rates = self.amounts(forces, 0.0)
        if self.superposition is None:
            return Rate(free, rates @ self.columns.T, true, readings)
        return LinearRate(free, rates, true, readings)

    def _carried(self, conditions: Conditions, at_rest: NDArray | None) -> tuple[NDArray, ...]:
        """Forces at the ports, with and without springs to ground, and readings.

        ``at_rest`` is what they read without any, if that is anything.
        """
        self._require_update()
        forces = self._forces(self._with_ground(conditions), at_rest)
        readings = forces.dot(self.compliance)
        if at_rest is not None:
            readings += at_rest
        return forces, self.without_ground(forces, readings), readings

    def _with_ground(self, conditions: Conditions) -> Conditions:
        """Port response of the network with springs to ground where always held."""
        grounded, stiffness = self.problem.grounded, self.ground
        constraints = conditions.constraints
        if not len(stiffness):
            return conditions
        if constraints not in self._tied:
            tied = constraints.with_ground(grounded, stiffness)
            held = constraints.held[:, grounded].all()
            rigid = held and not constraints.compliance[:, grounded].any()
            self._tied[constraints] = constraints if rigid else tied
        if self._tied[constraints] is constraints:
            return conditions
        values = constraints.values_with_ground(conditions.values, grounded, stiffness)
        return Conditions(self._tied[constraints], values)

    def without_ground(self, forces: NDArray, readings: NDArray) -> NDArray[np.float64]:
        """Forces at the ports, (..., ports), without those of springs to ground."""
        if not len(self.ground):
            return forces
        grounded, forces = self.problem.grounded, forces.copy()
        forces[..., grounded] -= self.ground * readings[..., grounded]
        return forces

    def _forces(self, conditions: Conditions, at_rest: NDArray | None) -> NDArray[np.float64]:
        """Forces at the ports (springs to the ground included) under the conditions."""
        loads, lacking = conditions.loads, conditions.values
        if at_rest is not None:
            lacking = lacking - at_rest
        if loads is None:
            forces = np.zeros(lacking.shape)
        else:
            forces = loads.copy()
            lacking = lacking - loads @ self.compliance
        for some in conditions.constraints.groups:
            if len(some.held):
                if some not in self._stiffened:
                    self._stiffened[some] = self._stiffness(some)
                forces[some.at] = self._stiffened[some](lacking[some.at])
        return forces

    def _stiffness(self, group: ExampleGroup) -> Callable[[NDArray], NDArray]:
        """Function from moves of held ports, (examples, held), to forces there."""
        a = self.compliance[group.block]
        if group.compliant:
            inverse = inverse_compliance(a, group, self.problem.grounded)
            if inverse is None:
                raise self._contradiction(group.held)
            return lambda moves: moves @ inverse
        if len(a) == 1 and a[0, 0] > 0:
            return lambda moves: moves / a
        root, failed = lapack.dpotrf(a)
        # Pivots in parts of the diagonal do not depend on the units of the ports.
        pivots = zip(root.diagonal().tolist(), a.diagonal().tolist(), strict=True)
        if failed or not all(pivot**2 > DEPENDENT * alone for pivot, alone in pivots):
            raise self._contradiction(group.held)
        return lambda moves: lapack.dpotrs(root, moves.T)[0].T

    def _contradiction(self, held: NDArray) -> SolveError:
        names = list(dict.fromkeys(self.problem.ports[k].terminal for k in held))
        return SolveError(
            f"What is held at {listed(names)} cannot be held independently: one of them "
            "follows from the others, or from the supports.",
            "dependent",
        )


class LinearState(EquilibriumState):
    """States of a linear network as amplitudes of its columns."""

    def __init__(
        self, at: LinearEquilibrium, amounts: NDArray, forces: NDArray, readings: NDArray
    ) -> None:
        super().__init__(at.model, forces, readings)
        self._columns, self._prestressed = at.columns, at.prestressed
        self._energy_at_rest = at.energy_at_rest
        self.superposition, self.amounts = at.superposition, amounts

    @override
    @cached_property
    def energies(self) -> NDArray[np.float64]:
        if self._prestressed:
            known = self.superposition
            return known.energies(self.amounts) if known else super().energies
        # Half the work of the forces that brought it there, on top of what balanced self-stress
        # holds.
        work = 0.5 * np.vecdot(self.forces, self.readings)
        return work + self._energy_at_rest if self._energy_at_rest else work

    @override
    def strains(self) -> NDArray[np.float64]:
        known = self.superposition
        return known.strains(self.amounts) if known else super().strains()

    @override
    def sensitivity(self, name: str, sense: Sense | None = None) -> NDArray[np.float64]:
        known = self.superposition
        if known is None:
            return super().sensitivity(name, sense)
        return known.sensitivity(name, self.amounts, sense)

    def moment(self, order: int) -> NDArray[np.float64]:
        """Raw moment of the amplitudes; see :func:`mechlearn.fem.superposition.moment`."""
        return moment(order, self.amounts)

    @override
    def fields(self) -> NDArray[np.float64]:
        return self._columns @ self.amounts.T


class LinearRate(Rate):
    """Rates of a linear network as rates of its amplitudes."""

    _at: LinearState

    @override
    def strains(self) -> NDArray[np.float64]:
        return self._at.superposition.strains(self._rates)

    @override
    def sensitivity(self, name: str, sense: Sense | None = None) -> NDArray[np.float64]:
        at = self._at
        return at.superposition.sensitivity_rate(name, at.amounts, self._rates, sense)

    def moment(self, order: int) -> NDArray[np.float64]:
        """Rate of a moment of the states."""
        amounts = self._at.amounts
        if len(amounts) < len(self._rates):  # one state, and how it changes in every example
            amounts = np.broadcast_to(amounts, self._rates.shape)
        return moment(order, amounts, self._rates)


def _moment(state: PhaseState, order: int) -> NDArray[np.float64]:
    """Moment of the states, or of their rates, for a phase of a linear network."""
    parts: Any = state.parts
    first, *others = [p.moment(order) if sign > 0 else -p.moment(order) for sign, p in parts]
    return sum(others, first)
