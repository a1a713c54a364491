"""Equilibrium of linear elements, all examples at once, from one factorisation.

With ``P`` the ports' rows, ``X = K^-1 P^T`` and ``A = P X``, every state of the network is
``u = u_0 + X f`` and every reading ``p = p_0 + A f``, with ``f`` the forces at the ports. What
remains per example is a dense system of the size of the ports that are held; a thousand examples
cost a handful of solves and a matrix product.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import override

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.equilibrium.base import TOPPLED, Conditions, Equilibrium, Rate, Settled
from mechlearn.equilibrium.reading import PortReader
from mechlearn.errors import InputError, SolveError, listed
from mechlearn.fenics import MPI, PETSc
from mechlearn.model import Model
from mechlearn.problem import Problem
from mechlearn.solver import multiplied
from mechlearn.superposition import Sense

#: Held ports whose scaled compliance is closer to singular than this contradict each other.
DEPENDENT = 1e-11
#: A solution that misses its load by more than this (relative) is not a solution.
RESIDUAL = 1e-6


class LinearEquilibrium(Equilibrium):
    """The block method for energies that are quadratic in the state."""

    def __init__(self, model: Model, problem: Problem) -> None:
        super().__init__(model, problem)
        self._attach()

    def _attach(self) -> None:
        """Take up the model's mesh."""
        self._rows = PortReader(self.model, self.problem).linearised()
        self._solver = self.model.solver(definite=True)

    @override
    def update(self, **parameters: ArrayLike) -> None:
        model = self.model
        if model.set(**parameters) is not None:
            self._attach()
        model.put_state(np.zeros(self._rows.shape[1]))
        matrix = model.assemble_stiffness()
        self._ground = self._tie_to_ground(matrix, matrix.getDiagonal().sum() / matrix.size[0])
        self._solver.factor()
        load = -model.local_force()
        prestressed = model.comm.allreduce(bool(np.any(load)), op=MPI.LOR)
        columns = self._rows.T.toarray()
        if prestressed:
            columns = np.column_stack([columns, load])
        solution = self._solver.solve(columns)
        self._check(matrix, columns, solution)
        reading = model.comm.allreduce(self._rows @ solution, op=MPI.SUM)
        n = len(self.problem.ports)
        # One column per unit force at a port and, in a prestressed network, the state without any.
        self.columns, self.prestressed = solution, prestressed
        self.compliance = (reading[:, :n] + reading[:, :n].T) / 2
        self.reading_at_rest = reading[:, n] if prestressed else np.zeros(n)
        self.superposition = model.superpose(solution)
        self._free = None

    @override
    def forget(self) -> bool:
        renewed = self.model.renew()
        if renewed:
            self._attach()
        return renewed

    @override
    def memory(self) -> dict[str, NDArray]:
        return self.model.memory()

    @override
    def recall(self, memory: Mapping[str, NDArray]) -> None:
        if self.model.recall(memory):
            self._attach()

    def amounts(self, forces: NDArray, at_rest: float) -> NDArray[np.float64]:
        """How much of every column a state with such forces holds, and of the state at rest."""
        if not self.prestressed:
            return forces
        return np.column_stack([forces, np.full(len(forces), at_rest)])

    def bond_compliance(self) -> NDArray[np.float64]:
        """Strains of all bonds by unit tensions of all bonds, (m, m), on one rank.

        Raises
        ------
        InputError
            On several ranks.
        """
        if self.model.comm.size > 1:
            raise InputError("The compliance between all bonds is found on one rank only.")
        operator = self.model.strain_operator
        columns = operator.T.toarray() * self.model.local_free[:, None]
        local = operator @ self._solver.solve(columns)
        return self.model.to_bonds(self.model.to_bonds(local).T)

    def _check(self, matrix: PETSc.Mat, columns: NDArray, solution: NDArray) -> None:
        """A direct solver hands out numbers for a singular matrix too; look at what they are."""
        comm = self.model.comm
        missing = multiplied(matrix, solution) - columns
        sums = [np.square(missing).sum(axis=0), np.square(columns).sum(axis=0)]
        miss, size = comm.allreduce(np.array(sums), op=MPI.SUM)
        worst = float(np.sqrt(np.max(miss[size > 0] / size[size > 0], initial=0.0)))
        if not worst < RESIDUAL:
            raise SolveError(
                f"The equilibrium equations are not solved (relative residual {worst:.1e}): the "
                "network is floppy, or its stiffnesses differ by too many orders of magnitude."
            )

    @override
    def _settle(self, conditions: Conditions, key: str) -> "LinearSettled":
        forces, true, readings = self._carried(conditions, self.reading_at_rest)
        return LinearSettled(self, self.amounts(forces, 1.0), true, readings)

    @override
    def _rate(self, free: Settled, conditions: Conditions) -> "LinearRate":
        forces, true, readings = self._carried(conditions, 0.0)
        return LinearRate(free, self.amounts(forces, 0.0), true, readings)

    def _carried(self, conditions: Conditions, at_rest: NDArray | float) -> tuple[NDArray, ...]:
        """Forces at the ports, with and without springs to the ground, and what the ports read."""
        forces = self._forces(conditions, at_rest)
        readings = at_rest + forces @ self.compliance
        true, grounded = forces.copy(), self.problem.grounded
        true[:, grounded] -= self._ground * readings[:, grounded]
        return forces, true, readings

    def _forces(self, conditions: Conditions, at_rest: NDArray | float) -> NDArray[np.float64]:
        """Forces at the ports (springs to the ground included) under the conditions."""
        held, values, softness = conditions.held, conditions.values, conditions.softness
        at_rest = np.broadcast_to(at_rest, held.shape[1])
        forces = np.where(held, 0.0, values)
        # Examples with the same ports held, equally softly, share one small factorisation.
        patterns, which = np.unique(np.where(held, softness, np.inf), axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            examples = np.flatnonzero(which.ravel() == number)
            h, free = np.flatnonzero(np.isfinite(pattern)), np.flatnonzero(np.isinf(pattern))
            if len(h) == 0:
                continue
            known = at_rest[h] + forces[np.ix_(examples, free)] @ self.compliance[np.ix_(free, h)]
            block = np.ix_(examples, h)
            forces[block] = self._hold(h, pattern[h], (values[block] - known).T).T
        return forces

    def _hold(self, h: NDArray, softness: NDArray, moves: NDArray) -> NDArray:
        """Forces that move held ports by the columns of ``moves``."""
        a = self.compliance[np.ix_(h, h)] + np.diag(softness)
        size = np.sqrt(np.abs(np.diag(a)))
        with np.errstate(divide="ignore", invalid="ignore"):
            scaled = a / np.outer(size, size)
        if not np.isfinite(scaled).all() or np.linalg.cond(scaled) > 1 / DEPENDENT:
            names = list(dict.fromkeys(self.problem.ports[k].terminal for k in h))
            raise SolveError(
                f"What is held at {listed(names)} cannot be held independently: one of them "
                "follows from the others, or from the supports."
            )
        through = self.problem.targets[self.problem.through]
        away = np.count_nonzero((softness < 0) & ~np.isin(h, through))
        if softness.any() and np.count_nonzero(np.linalg.eigvalsh(scaled) < 0) != away:
            raise SolveError(TOPPLED)
        return np.linalg.solve(scaled, moves / size[:, None]) / size[:, None]


class LinearSettled(Settled):
    """States of a linear network, kept as amounts of its columns."""

    def __init__(self, at: LinearEquilibrium, amounts, forces, readings) -> None:
        self._model, self._columns = at.model, at.columns
        self.forces, self.readings = forces, readings
        self.superposition, self.amounts = at.superposition, amounts

    @cached_property
    def energies(self) -> NDArray[np.float64]:
        """Elastic energy of the network in every example."""
        return self.superposition.energies(self.amounts)

    @override
    def strains(self) -> NDArray[np.float64]:
        return self.superposition.strains(self.amounts)

    @override
    def sensitivity(self, name: str, sense: Sense | None = None) -> NDArray[np.float64]:
        return self.superposition.sensitivity(name, self.amounts, sense)

    @override
    def states(self) -> NDArray[np.float64]:
        return np.moveaxis(self._model.to_nodes(self.fields()), -1, 0)

    @override
    def fields(self) -> NDArray[np.float64]:
        return self._columns @ self.amounts.T


class LinearRate(Rate):
    """A rate of change of a linear network, kept as that of its amounts."""

    def __init__(self, at: LinearSettled, rates, forces, readings) -> None:
        self._at, self._rates = at, rates
        self.forces, self.readings = forces, readings

    @override
    def sensitivity(self, name: str, sense: Sense | None = None) -> NDArray[np.float64]:
        at = self._at
        return at.superposition.sensitivity_rate(name, at.amounts, self._rates, sense)
