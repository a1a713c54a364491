"""Greedy pruning: removal, or restoration, of the single best bond per step.

Every candidate's response follows from the present one by a rank-one update: for all bonds the
network is solved once. What a step reports is solved anew. Rocks et al., PNAS 114, 2520 (2017),
https://doi.org/10.1073/pnas.1612139114; with bonds put back: Rocks et al., PNAS 116, 2506 (2019),
https://doi.org/10.1073/pnas.1806790116.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.element import Element
from mechlearn.errors import InputError, listed
from mechlearn.fem.superposition import BondResponse
from mechlearn.learning.base import Learner
from mechlearn.learning.dofs import Learn
from mechlearn.learning.rules import GreedyPruning
from mechlearn.tasks.task import Task

if TYPE_CHECKING:
    from mechlearn.equilibrium import LinearEquilibrium

#: More bonds than this would need a matrix of their number squared that does not fit.
BONDS = 8000
#: A bond whose removal leaves less than this part of its own constraint is holding the network.
HOLDING = 1e-8
#: A change must lower the cost by at least this part of it.
LEAST_GAIN = 1e-9
#: Where compliances kept up to date differ by this part from those solved anew, start anew.
DRIFT = 1e-9


class PruningLearner(Learner):
    """Network that removes, or restores, one bond per step."""

    rule: GreedyPruning

    @override
    def _begin(self) -> None:
        self._dof = self.dofs[0]
        self._whole = self._base = self._dof.values.copy()

        # All changes to the base in their order, and bonds after whose change nothing was solved.
        self._changes: list[int] = []
        self._barred = np.zeros(self.network.n_edges, dtype=bool)

    @classmethod
    @override
    def validate(cls, task: Task, energy: Element, learn: Mapping[str, Learn], rule: Any) -> None:
        first = energy.stiffness_parameter
        if energy.table == "regions":
            raise InputError(f"rule: {rule.name} removes bonds, which a body does not have.")
        if not list(learn) == [first] == list(energy.removal):
            raise InputError(
                f"rule: {rule.name} removes whole bonds: only the {first} of a {energy.name} can "
                f"learn, not {listed(learn)}."
            )
        if len(getattr(energy, "strains", ())) != 1:
            raise InputError(
                f"rule: {rule.name} follows bonds of one strain, as springs and bars are; a "
                f"{energy.name} has several."
            )
        if not task.cost.has_values:
            raise InputError(f"rule: {rule.name} needs targets at values, not a {task.cost.name}.")
        if not energy.linear:
            raise InputError(
                f"rule: {rule.name} follows linear responses; a {energy.name} is not linear."
            )

    @override
    def _evaluate_phases(self, outputs: NDArray) -> NDArray[np.float64]:
        if "_response" not in self.__dict__ or self._response.drifted():
            self._respond()
        return np.zeros(self.problem.n_examples)

    def _respond(self) -> None:
        """Compute all compliances of the present network."""
        self._base, self._changes = self._dof.values.copy(), []
        name = self._dof.name
        there = self.elements.actual_values({name: self._whole}, [name])[name]
        at = cast("LinearEquilibrium", self.equilibrium)
        self._response = _Response(at, self.parameters[name] > 0, there)

    @override
    def _step(self) -> bool:
        may = self._dof.learns & self.elements.intact & ~self._barred
        bond = self._response.best(self.rule.restore, may)
        if bond is None:
            return False
        self._change(bond)
        values = self._dof.values.copy()
        values[bond] = self._whole[bond] if self._response.kept[bond] else 0.0
        self._dof.values = values
        return True

    def _change(self, bond: int) -> None:
        self._response.change(bond)
        self._changes.append(bond)

    @override
    def _reduce_step(self) -> bool:
        """Undo the last change, and leave that bond as it is from now on."""
        self._barred[self._changes[-1]] = True
        self._change(self._changes[-1])
        return True

    @override
    def state(self) -> dict[str, NDArray]:
        return super().state() | {
            "pruning/base": self._base,
            "pruning/changes": np.array(self._changes, dtype=int),
            "pruning/barred": self._barred,
        }

    @override
    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Go back to a :meth:`state`: the network it began with, and its changes in their order."""
        barred = np.asarray(state["pruning/barred"], dtype=bool)
        base = np.asarray(state["pruning/base"], dtype=float)
        if not barred.shape == base.shape == self._barred.shape:
            raise ValueError("pruning/barred and pruning/base should have one entry per bond")
        self._dof.values = base
        self.settle()
        self._respond()
        for bond in state["pruning/changes"].tolist():
            self._change(bond)
        super().restore(state)
        self._barred = barred.copy()


class _Response:
    """Compliances between ports and bonds, updated by low-rank changes.

    Attributes
    ----------
    compliance : (p, p) array
        Readings of the ports by unit forces at the ports.
    strains : (m, p) array
        Strains of the bonds by unit forces at the ports.
    between : (m, m) array
        Strains of the bonds by unit tensions of the bonds.
    """

    def __init__(self, at: "LinearEquilibrium", kept: NDArray, whole: NDArray) -> None:
        model, energy, m = at.model, at.model.energy, at.model.network.n_edges
        if m > BONDS:
            raise InputError(f"Pruning takes at most {BONDS} bonds, not {m}.")
        if at.prestressed:
            raise InputError("Pruning follows linear responses; this network is prestressed.")
        self.at, self.problem = at, at.problem
        self.between = at.bond_compliance()
        self.strains = model.to_bonds(at.superposition.columns[0]).T
        self.compliance = at.compliance
        # What a bond is worth when it is there, be it now or not.
        parameters = {name: model.get(name) for name in (p.name for p in energy.parameters)}
        parameters |= {energy.stiffness_parameter: whole, "length": model.network.lengths}
        self.stiffness = BondResponse(energy, parameters, np.zeros(1)).moduli()[:, 0, 0]
        self.kept = kept.copy()

    def drifted(self) -> bool:
        """True if accumulated rounding calls for new compliances."""
        found = self.at.compliance
        return bool(np.abs(self.compliance - found).max() > DRIFT * np.abs(found).max())

    def best(self, restore: bool, may: NDArray[np.bool_]) -> int | None:
        """Change of lowest cost among the allowed bonds; None if none lowers it."""
        change = np.where(self.kept, -self.stiffness, self.stiffness)
        left = 1 + change * self.between.diagonal()
        bonds = np.flatnonzero((left > HOLDING) & (self.kept | restore) & may)
        if len(bonds) == 0:
            return None
        costs = self.cost(self.outputs(bonds, change[bonds]))
        now = self.cost(self.outputs(bonds[:1], np.zeros(1)))[0]
        k = int(np.argmin(costs))
        return int(bonds[k]) if costs[k] < now * (1 - LEAST_GAIN) else None

    def cost(self, outputs: NDArray) -> NDArray[np.float64]:
        """Sum of squared relative errors, for outputs of shape (candidates, examples, t)."""
        p = self.problem
        return np.square(p.residual(outputs) / p.scale).sum(axis=(1, 2))

    def outputs(self, bonds: NDArray[np.int64], change: NDArray) -> NDArray[np.float64]:
        """Outputs after a change of one bond's stiffness, (bonds, examples, t)."""
        a, factor = self.strains[bonds], change / (1 + change * self.between[bonds, bonds])
        less = factor[:, None, None] * a[:, :, None] * a[:, None, :]
        return self.at.outputs_by(self.compliance - less, np.zeros(a.shape))

    def change(self, bond: int) -> None:
        """Update all compliances for a removed or restored bond."""
        change = -self.stiffness[bond] if self.kept[bond] else self.stiffness[bond]
        column, a = self.between[:, bond].copy(), self.strains[bond].copy()
        factor = change / (1 + change * column[bond])
        self.between -= factor * np.outer(column, column)
        self.strains -= factor * np.outer(column, a)
        self.compliance = self.compliance - factor * np.outer(a, a)
        self.kept[bond] = not self.kept[bond]
