"""Loads that a network can take where the ports whose force is read are released.

The clamped state of a force that is read loads its port instead of holding it. Where nothing else
holds the network as a whole, only loads that are in balance have an equilibrium: those are the ones
that any network can take, and what else is wanted no network can learn.
"""

import numpy as np
from numpy.typing import NDArray

from mechlearn.tasks.formulate import left_free
from mechlearn.tasks.problem import Problem


class Release:
    """Projection of changes of read forces on those in equilibrium.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._found: dict[bytes, NDArray | None] = {}

    def floats(self) -> bool:
        """True if the network floats in some example once all read forces are released."""
        p = self._problem
        those = np.unique(p.active & p.through, axis=0)
        return any(self._projector(e, mine) is not None for e, mine in self._first(those))

    def balanced(self, moves: NDArray) -> NDArray[np.float64]:
        """Part of changes of outputs, (examples, t), in equilibrium as loads.

        The forces that are to move are released.
        """
        p = self._problem
        nodes = p.dofs[p.targets] >= 0
        mine = p.active & p.through & (moves != 0)
        if not (mine & nodes).any():
            return moves
        out = moves.copy()
        for e, released in enumerate(mine):
            projector = self._projector(e, released)
            if projector is not None:
                out[e, released] = projector @ moves[e, released]
        return out

    def _first(self, those: NDArray) -> list[tuple[int, NDArray]]:
        asked = self._problem.active & self._problem.through
        return [(int(np.argmax((asked == mine).all(axis=1))), mine) for mine in those]

    def _projector(self, example: int, released: NDArray) -> NDArray[np.float64] | None:
        """Projection of moves of the released forces onto balanced ones; None where all are."""
        p = self._problem
        held = p.held[example].copy()
        held[p.targets[released]] = False
        key = released.tobytes() + held.tobytes()
        if key not in self._found:
            self._found[key] = self._found_projector(held, released)
        return self._found[key]

    def _found_projector(self, held: NDArray, released: NDArray) -> NDArray[np.float64] | None:
        p = self._problem
        dofs = p.dofs[p.targets[released]]
        if not (dofs >= 0).any():
            return None
        mean = float(p.network.lengths.mean())
        motions = p.kinematics.free_motions(p.network.nodes / mean, p.network.periodic)
        left = left_free(motions, np.union1d(p.fixed, p.dofs[held & (p.dofs >= 0)]))
        width = len(p.components)
        turns = dofs % width >= width - p.kinematics.rotations(p.network.dim)
        # A moment counts as a force at the end of a bond.
        arm = np.where(turns, mean, 1.0)
        moved = np.where(dofs[:, None] >= 0, left[dofs], 0.0)
        if not moved.size or np.abs(moved).max() <= 1e-8 * np.abs(motions).max():
            return None
        u, sizes, _ = np.linalg.svd(moved, full_matrices=False)
        u = u[:, sizes > 1e-8 * sizes.max()]
        return (np.eye(len(dofs)) - u @ u.T) * arm[:, None] / arm
