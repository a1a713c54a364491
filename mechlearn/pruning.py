"""Greedy pruning: remove, or put back, the one bond that brings the response nearest to the wanted.

Every candidate's response follows from the present one by a rank-one update: for all bonds the
network is solved once. What a step reports is solved anew. Rocks et al., PNAS 114, 2520 (2017),
https://doi.org/10.1073/pnas.1612139114; with bonds put back: Rocks et al., PNAS 116, 2506 (2019),
https://doi.org/10.1073/pnas.1806790116.
"""

from collections.abc import Mapping
from typing import Any, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.dofs import Learn
from mechlearn.energies import Element
from mechlearn.equilibrium import Equilibrium, LinearEquilibrium
from mechlearn.errors import InputError
from mechlearn.learner import Learner
from mechlearn.problem import Problem
from mechlearn.rules import GreedyPruning
from mechlearn.task import Task

#: More bonds than this would need a matrix of their number squared that does not fit.
BONDS = 8000
#: A bond whose removal leaves less than this part of its own constraint is holding the network.
HOLDING = 1e-8


class PruningLearner(Learner):
    """A network that loses, or gets back, one bond per step."""

    rule: GreedyPruning

    def __init__(self, network, task, energy, learn, rule, **options) -> None:
        super().__init__(network, task, energy, learn, rule, **options)
        self._dof = self.dofs[0]
        self._whole = self._dof.values.copy()
        self._response: _Response | None = None

    @classmethod
    @override
    def refuse(cls, task: Task, energy: Element, learn: Mapping[str, Learn], rule: Any) -> None:
        first = energy.parameters[0].name
        if list(learn) != [first]:
            raise InputError(f"rule: {rule.name} is about the {first} of a {energy.name} alone.")
        if not task.cost.has_values:
            raise InputError(f"rule: {rule.name} needs targets at values, not a {task.cost.name}.")
        if not energy.linear:
            raise InputError(
                f"rule: {rule.name} follows linear responses; a {energy.name} is not linear."
            )

    @override
    def _look(self, outputs: NDArray) -> NDArray[np.float64]:
        if self._response is None:
            name = self._dof.name
            there = self.flaws.true({name: self._whole}, name)[name]
            self._response = _Response(self.equilibrium, self.parameters[name] > 0, there)
        return np.zeros(self.problem.n_examples)

    @override
    def _step(self) -> bool:
        bond = self._response.best(self.rule.restore, self._dof.learns & self.flaws.whole)
        if bond is None:
            return False
        self._response.change(bond)
        values = self._dof.values.copy()
        values[bond] = self._whole[bond] if self._response.kept[bond] else 0.0
        self._dof.values = values
        return True


class _Response:
    """Compliances between ports and bonds, kept up to date as bonds come and go.

    Attributes
    ----------
    compliance : (p, p) array
        Readings of the ports by unit forces at the ports.
    strains : (m, p) array
        Strains of the bonds by unit forces at the ports.
    between : (m, m) array
        Strains of the bonds by unit tensions of the bonds.
    """

    def __init__(self, at: Equilibrium, kept: NDArray, whole: NDArray) -> None:
        model, energy, m = at.model, at.model.energy, at.model.network.n_edges
        if not isinstance(at, LinearEquilibrium):
            raise InputError(f"Pruning follows linear responses; a {energy.name} is not linear.")
        if len(energy.strains) > 1:
            raise InputError(f"Pruning follows bonds of one strain; a {energy.name} has several.")
        if m > BONDS:
            raise InputError(f"Pruning takes at most {BONDS} bonds, not {m}.")
        if at.prestressed:
            raise InputError("Pruning follows linear responses; this network is prestressed.")
        self.problem: Problem = at.problem
        self.between = at.bond_compliance()
        self.strains = model.to_bonds(at.superposition.columns[0].T).T
        self.compliance = at.compliance
        # What a bond is worth when it is there, be it now or not.
        parameters = {name: model.get(name) for name in (p.name for p in energy.parameters)}
        parameters |= {energy.parameters[0].name: whole, "length": model.network.lengths}
        local = energy.derivative("strain", "strain")(strain=np.zeros(m), **parameters)
        self.stiffness = np.broadcast_to(local, m)
        self.kept = kept.copy()

    def best(self, restore: bool, may: NDArray[np.bool_]) -> int | None:
        """The change that lowers the cost most, among bonds that may; None where none does."""
        own = np.diag(self.between)
        change = np.where(self.kept, -self.stiffness, self.stiffness)
        left = 1 + change * own
        bonds = np.flatnonzero((left > HOLDING) & (self.kept | restore) & may)
        if len(bonds) == 0:
            return None
        factor = change[bonds] / left[bonds]
        a = self.strains[bonds]
        tried = self.compliance - factor[:, None, None] * a[:, :, None] * a[:, None, :]
        costs = self.cost(self.outputs(tried))
        now = self.cost(self.outputs(self.compliance[None]))[0]
        k = int(np.argmin(costs))
        return int(bonds[k]) if costs[k] < now * (1 - 1e-9) else None

    def cost(self, outputs: NDArray) -> NDArray[np.float64]:
        """Sum of squared relative errors, for outputs of shape (candidates, examples, t)."""
        p = self.problem
        return np.square(p.residual(outputs) / p.scale).sum(axis=(1, 2))

    def outputs(self, compliance: NDArray) -> NDArray[np.float64]:
        """What the targets read, by candidates' compliances: (c, p, p) to (c, examples, t)."""
        p = self.problem
        out = np.empty((len(compliance), p.n_examples, len(p.targets)))
        for e, (held, values) in enumerate(zip(p.held, p.values, strict=True)):
            h = np.flatnonzero(held)
            forces = np.tile(np.where(held, 0.0, values), (len(compliance), 1))
            known = np.einsum("cij,cj->ci", compliance[:, h], forces)
            block = compliance[:, h[:, None], h]
            forces[:, h] = np.linalg.solve(block, (values[h] - known)[..., None])[..., 0]
            readings = np.einsum("cij,cj->ci", compliance, forces)
            out[:, e] = np.where(p.through, forces[:, p.targets], readings[:, p.targets])
        return out

    def change(self, bond: int) -> None:
        """Remove a bond, or put it back, in all compliances."""
        change = -self.stiffness[bond] if self.kept[bond] else self.stiffness[bond]
        column, a = self.between[:, bond].copy(), self.strains[bond].copy()
        factor = change / (1 + change * column[bond])
        self.between -= factor * np.outer(column, column)
        self.strains -= factor * np.outer(column, a)
        self.compliance = self.compliance - factor * np.outer(a, a)
        self.kept[bond] = not self.kept[bond]
