"""Greedy pruning: remove, or put back, the one bond that brings the response nearest to the wanted.

Every candidate's response follows from the present one by a rank-one update; the network is solved
once, for all bonds, and never again. Rocks et al., PNAS 114, 2520 (2017),
https://doi.org/10.1073/pnas.1612139114; with bonds put back: Rocks et al., PNAS 116, 2506 (2019),
https://doi.org/10.1073/pnas.1806790116.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.energies import BondEnergy, Spring
from mechlearn.equilibrium import LinearEquilibrium
from mechlearn.errors import InputError
from mechlearn.maxwell import check_rigidity
from mechlearn.model import Model
from mechlearn.network import Network
from mechlearn.posing import pose
from mechlearn.problem import Problem
from mechlearn.task import Task

#: More bonds than this would need a matrix of their number squared that does not fit.
BONDS = 8000
#: A bond whose removal leaves less than this part of its own constraint is holding the network.
HOLDING = 1e-8


@dataclass(frozen=True, eq=False)
class Pruning:
    """What greedy pruning did.

    Attributes
    ----------
    kept : (m,) bool array
        Which bonds are left.
    changes : list of int
        The bonds removed, or put back, in that order.
    error : list of float
        Largest relative target error before every change, and after the last.
    converged : bool
    network : Network
        The bonds that are left, on the same nodes.
    """

    kept: NDArray[np.bool_]
    changes: list[int]
    error: list[float]
    converged: bool
    network: Network


def prune(
    network: Network,
    task: Task,
    *,
    energy: BondEnergy | None = None,
    material: Mapping[str, ArrayLike] | None = None,
    tolerance: float = 1e-2,
    steps: int = 1000,
    restore: bool = True,
) -> Pruning:
    """Reach a task by removing bonds.

    Parameters
    ----------
    network, task : what shall respond how
    energy : linear element energy, springs unless given
    material : values of the elements' parameters, such as ``stiffness=1 / network.lengths``
    tolerance : on the largest relative target error
    steps : at most this many changes
    restore : whether a removed bond may be put back

    Returns
    -------
    Pruning
        Not converged where no single change lowers the sum of squared relative errors any more.

    Raises
    ------
    InputError
        For elements that are not linear, prestress, floppy networks and too many bonds.
    """
    state = _Response(network, task, energy or Spring(), material or {})
    changes: list[int] = []
    errors = [state.problem.error(state.outputs(state.compliance[None])[0])]
    while errors[-1] > tolerance and len(changes) < steps:
        bond = state.best(restore)
        if bond is None:
            break
        state.change(bond)
        changes.append(bond)
        errors.append(state.problem.error(state.outputs(state.compliance[None])[0]))
    kept = state.kept.copy()
    left = np.flatnonzero(kept)
    return Pruning(kept, changes, errors, errors[-1] <= tolerance, network.keep_edges(left))


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

    def __init__(self, network: Network, task: Task, energy: BondEnergy, material) -> None:
        if not energy.linear:
            raise InputError(f"Pruning follows linear responses; a {energy.name} is not linear.")
        if network.n_edges > BONDS:
            raise InputError(f"Pruning takes at most {BONDS} bonds, not {network.n_edges}.")
        self.problem: Problem = pose(task, network, energy.kinematics)
        check_rigidity(energy, network, self.problem.driven)
        model = Model(network, energy, self.problem.fixed)
        solver = LinearEquilibrium(model, self.problem)
        solver.update(**material)
        if solver.prestressed:
            raise InputError("Pruning follows linear responses; this network is prestressed.")
        self.between = solver.bond_compliance()
        self.strains = model.to_bonds(solver.superposition.strains.T).T
        self.compliance = solver.compliance
        local = energy.derivative("strain", "strain")(
            strain=np.zeros(network.n_edges), **model.local_parameters()
        )
        self.stiffness = model.to_bonds(np.broadcast_to(local, network.n_edges))
        self.kept = np.ones(network.n_edges, dtype=bool)

    def best(self, restore: bool) -> int | None:
        """The change that lowers the cost most; None where none does."""
        own = np.diag(self.between)
        change = np.where(self.kept, -self.stiffness, self.stiffness)
        left = 1 + change * own
        bonds = np.flatnonzero((left > HOLDING) & (self.kept | restore))
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
        return np.array([np.sum((p.residual(o) / p.scale) ** 2) for o in outputs])

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
