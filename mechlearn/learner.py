"""The learning loop: settle, compare, change, again.

A :class:`Learner` owns the parameters that learn and nothing about files or pictures; what happens
step by step goes into its :class:`History`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.dofs import Learn, LearningDof
from mechlearn.energies import Element
from mechlearn.equilibrium import PhaseState, Settled, equilibrium
from mechlearn.errors import InputError, SolveError
from mechlearn.fenics import MPI
from mechlearn.history import History
from mechlearn.maxwell import check_rigidity
from mechlearn.network import Network
from mechlearn.posing import pose
from mechlearn.rules import Rule
from mechlearn.steps import make_step
from mechlearn.task import Task


class Learner:
    """A network that learns a task.

    Parameters
    ----------
    network, task, energy, rule : what learns what, and how
    learn : mapping of parameter names to Learn
        Which parameters of the bonds learn, and within which bounds.
    material : mapping of parameter names to values, optional
        Parameters of the bonds that do not learn, where they differ from the default.
    optimiser : "adam", "momentum" or "plain"
        How a signal becomes a step, for every bond by itself.
    rate : float, optional
        Step size. Adam has a default; it is then the largest relative change of a bond per step.
    seed : int
        Of everything random.

    Raises
    ------
    InputError
        For a task that does not fit the network, or a network with floppy modes.
    """

    def __init__(
        self,
        network: Network,
        task: Task,
        energy: Element,
        learn: Mapping[str, Learn],
        rule: Rule,
        *,
        material: Mapping[str, ArrayLike] = MappingProxyType({}),
        optimiser: str = "adam",
        rate: float | None = None,
        seed: int = 0,
        comm: MPI.Comm = MPI.COMM_WORLD,
    ) -> None:
        if not learn:
            raise InputError("learn: nothing learns; name at least one parameter.")
        self.network, self.energy, self.rule = network, energy, rule
        self.problem = pose(task, network, energy.kinematics)
        self.seed = seed
        rng = np.random.default_rng(seed)
        self.dofs = [
            LearningDof(name, table, energy, network, rng, material.get(name))
            for name, table in learn.items()
        ]
        self.rigidity = check_rigidity(energy, network, self.problem.driven)
        self._steps = [make_step(optimiser, rate, dof) for dof in self.dofs]
        self.model = energy.model(network, self.problem, {**material, **self.parameters}, comm)
        self.equilibrium = equilibrium(self.model, self.problem)
        self.history = History()
        self.updates = 0

    @property
    def parameters(self) -> dict[str, NDArray[np.float64]]:
        """The learning parameters as they are now, by name, in bond order."""
        return {dof.name: dof.values.copy() for dof in self.dofs}

    def settle(self) -> Settled:
        """The free state with the parameters as they are now."""
        self.equilibrium.update(**self.parameters)
        return self.equilibrium.free()

    def train(
        self, steps: int, tolerance: float, watch: Callable[["Learner"], None] | None = None
    ) -> bool:
        """Learn until the largest relative target error is at most ``tolerance``.

        Returns whether it got there within that many updates. ``watch`` is called after every
        entry to the history. Where the state depends on where it came from, an answer counts only
        if the network gives it from rest; if not, learning goes on from there.
        """
        while True:
            free = self.settle()
            if self._error(free) <= tolerance:
                free = self.settle_from_rest()
            states = self._compare()
            self._note(free, states)
            if watch:
                watch(self)
            done = self.history.error[-1] <= tolerance
            if done or self.updates >= steps:
                return done
            self._update(states)

    def settle_from_rest(self) -> Settled:
        """The free state as the unloaded network reaches it, whatever came before."""
        if not self.equilibrium.forget():
            return self.equilibrium.free()
        return self.settle()

    def state(self) -> dict[str, NDArray]:
        """Everything that decides how learning goes on, as plain arrays."""
        out = {"updates": np.array(self.updates)}
        out |= {f"history/{name}": values for name, values in self.history.state().items()}
        for dof, step in zip(self.dofs, self._steps, strict=True):
            out[f"dof/{dof.name}"] = dof.values
            out |= {f"step/{dof.name}/{name}": v for name, v in step.memory.items()}
        out |= {f"memory/{name}": values for name, values in self.equilibrium.memory().items()}
        return out

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Go back to a :meth:`state` of a learner of the same task.

        Raises
        ------
        InputError
            Where the state does not fit this learner.
        """
        try:
            for dof, step in zip(self.dofs, self._steps, strict=True):
                values = np.asarray(state[f"dof/{dof.name}"], dtype=float)
                if values.shape != dof.values.shape:
                    raise KeyError(dof.name)
                dof.values = values
                step.memory = _within(state, f"step/{dof.name}/")
            self.equilibrium.recall(_within(state, "memory/"))
            self.updates = int(state["updates"])
            # The last entry was made before its update; it will be made again.
            self.history.restore(_within(state, "history/"), self.updates)
        except KeyError as error:
            raise InputError(f"The checkpoint does not fit the task: {error} is missing.") from None

    def _error(self, free: Settled) -> float:
        return self.problem.error(self.equilibrium.outputs(free))

    def _compare(self) -> list[PhaseState]:
        return [self.equilibrium.solve(phase) for phase in self.rule.phases]

    def _update(self, states: list[PhaseState]) -> None:
        moves = []
        for dof, step in zip(self.dofs, self._steps, strict=True):
            local = self.rule.signal([state.sensitivity(dof.name) for state in states])
            signal = self.model.to_bonds(local.mean(axis=0))
            moves.append(step(dof.on_scale(signal)))
        for dof, move in zip(self.dofs, moves, strict=True):
            if not np.isfinite(move).all():
                raise SolveError(
                    f"Learning diverged at step {self.updates}: the change of {dof.name} is not a "
                    "finite number; use a smaller rate."
                )
        for dof, move in zip(self.dofs, moves, strict=True):
            dof.move(move)
        self.updates += 1

    def _note(self, free: Settled, states: list[PhaseState]) -> None:
        self.history.note(
            self.problem,
            self.equilibrium.outputs(free),
            states[-1].potentials - states[0].potentials,
            self.parameters,
        )


def _within(state: Mapping[str, NDArray], start: str) -> dict[str, NDArray]:
    """The entries whose names begin with ``start``, without it."""
    return {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
