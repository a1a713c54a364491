"""Learning loop: solve the phases, form signals, update parameters.

A :class:`Learner` owns the parameters that learn and nothing about files or pictures; what happens
step by step goes into its :class:`History`. How a step comes about is for its subclasses to say.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.energies.element import Element
from mechlearn.errors import InputError, SolveError
from mechlearn.extensions import fresh, give_back, kept_by
from mechlearn.learning.device import Hardware, ImperfectElements, Imperfections, readings
from mechlearn.learning.dofs import Learn, LearningDof, require_response
from mechlearn.learning.history import History, Position, within
from mechlearn.learning.optimisers import Plain, StepScale, Train, make_optimiser
from mechlearn.learning.rules import Procedure
from mechlearn.network import Network
from mechlearn.tasks.task import Task

if TYPE_CHECKING:
    from mechlearn.equilibrium import EquilibriumState
    from mechlearn.fenics import MPI


class Learner(ABC):
    """Network that learns a task.

    Parameters
    ----------
    network, task, energy, rule : what learns what, and how
    learn : mapping of parameter names to Learn
        Which parameters of the bonds learn, and within which bounds.
    material : mapping of parameter names to values, optional
        Parameters of the bonds that do not learn, where they differ from the default.
    imperfections : Imperfections, optional
        What is wrong with the elements.
    device : Hardware, optional
        Where the outputs, and so the errors, are measured; the network here is then only its model,
        which says how to change.
    **options
        Those of :class:`~mechlearn.learning.optimisers.Train`.

    Raises
    ------
    InputError
        For a task that does not fit the network, or a network with floppy modes.

    Attributes
    ----------
    system : System
        The network with its task, at the values it began with.
    history : History
    updates : int
        Steps taken.
    faults : Counter
        How often an equilibrium could not be found or trusted, by kind (:class:`SolveError`).
    elements : ImperfectElements
        What elements make of the values they are set to, of steps and of strains.
    step_scale : StepScale
        The factor on all steps.
    best : int
        The step with the smallest error so far.
    stopped : str
        Why learning could not go on, where it could not; else empty.
    """

    def __init__(
        self,
        network: Network,
        task: Task,
        energy: Element,
        learn: Mapping[str, Learn],
        rule: Procedure,
        *,
        material: Mapping[str, ArrayLike] = MappingProxyType({}),
        imperfections: Imperfections | None = None,
        device: Hardware | None = None,
        comm: "MPI.Comm | None" = None,
        **options: Any,
    ) -> None:
        from mechlearn.learning.system import System  # waits for DOLFINx until it is needed

        if not learn:
            raise InputError("learn: nothing learns; name at least one parameter.")
        self.validate(task, energy, learn, rule)
        self.network, self.energy, self.learn, self.rule = network, energy, learn, fresh(rule)
        self.options, self.device = Train(**options), device
        seed = self.options.seed
        rng = np.random.default_rng(seed)
        self.dofs = [
            LearningDof(name, table, energy, network, rng, material.get(name))
            for name, table in learn.items()
        ]
        self.elements = ImperfectElements(
            imperfections or Imperfections(), network, self.options.seed
        )
        if energy.continuum and self.elements.noisy_strains:
            raise InputError(
                f"imperfections: noise and bias are of bonds; a {energy.name} has no one strain."
            )
        for dof in self.dofs:
            self.elements.apply_initial(dof)
        learns = {dof.name: dof.learns for dof in self.dofs}
        self._removal = energy.removal
        values: dict[str, Any] = {**material, **self._parameters()}
        self.system = System(
            network, task, energy, learns=learns, cut=self.elements.broken, comm=comm, **values
        )
        require_response(self.system)
        self._steps = [make_optimiser(self.options, dof) for dof in self.dofs]
        self.problem, self.model = self.system.problem, self.system.model
        self.equilibrium = self.system.solver
        self.history = History()
        self.updates = 0
        self.faults: Counter[str] = Counter()
        self.stopped = ""
        self.step_scale = StepScale()
        # Devices that round their changes go up and down at any size of a step.
        self._rounds = bool(self.elements.given.quantum or self.elements.given.levels)
        self._kept: Position | None = None
        self._noted: Position | None = None
        self.interrupted = False
        self._best: Position | None = None
        self._moment = (0, 0)
        if self.elements.noisy_strains:
            strains = self.model.to_bonds(self.settle().strains())
            self.elements.strain_unit = np.sqrt(np.mean(strains**2, axis=(1, 2)))[:, None, None]
        self._begin()

    def _begin(self) -> None:  # noqa: B027 (most have nothing to add)
        """Prepare what a way of learning has beside the rest."""

    @classmethod  # noqa: B027 (most take anything)
    def validate(cls, task: Task, energy: Element, learn: Mapping[str, Learn], rule: Any) -> None:
        """Raise InputError for a rule that cannot learn the task."""

    @property
    def parameters(self) -> dict[str, NDArray[np.float64]]:
        """Present learning parameters by name, in bond order.

        What the elements really are, which imperfections may make another thing than what they
        were set to.
        """
        return {name: values.copy() for name, values in self._parameters().items()}

    def _parameters(self) -> dict[str, NDArray[np.float64]]:
        """The same, some of which are what the dofs hold."""
        values = {dof.name: dof.values for dof in self.dofs}
        return self.elements.actual_values(values, self._removal)

    def settle(self) -> "EquilibriumState":
        """Free state at the present parameters."""
        self.equilibrium.update(**self._parameters())
        return self.equilibrium.free()

    def train(
        self, steps: int, tolerance: float, watch: Callable[["Learner"], None] | None = None
    ) -> bool:
        """Learn as by :meth:`iterate`, calling ``watch`` after every entry; True if learned."""
        for _ in self.iterate(steps, tolerance):
            if watch:
                watch(self)
        return self.history.error[-1] <= tolerance

    def iterate(self, steps: int, tolerance: float) -> Iterator[None]:
        """Take steps until the error is at most ``tolerance``; yields after every history entry.

        Where the state depends on where it came from, an answer counts only if the network gives it
        from rest; if not, learning goes on from there. Ends early where no step is of any use.

        A step after which no equilibrium is found is taken back and taken again at half its size;
        where that does not help, ``stopped`` says why, and the last good state is what is left.

        Raises
        ------
        SolveError
            Where there is no good state to go back to.
        """
        before: Position | None = None
        while True:
            self._kept = self.position()
            try:
                with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is checked
                    self._observe(tolerance)
            except SolveError as error:
                if before is None:
                    raise
                self._go_back(before, error)
                before = None
                continue
            self._noted = self._kept
            if self._best is None or self.history.error[-1] < self.history.error[self.best]:
                self._best = self._kept
            if not self._rounds:
                self.step_scale = self.step_scale.after_errors(self.history.error)
            yield
            done = self.history.error[-1] <= tolerance
            if done or self.updates >= steps or self.stopped:
                return
            before = self._kept
            try:
                with np.errstate(over="ignore", invalid="ignore"):
                    if not self._step():
                        return
            except SolveError as error:
                self._go_back(before, error)
                before = None
                continue
            self.updates += 1
            self.step_scale = self.step_scale.after_success()

    def recover(self, tolerance: float) -> bool:
        """Return to the last completed step after an interruption.

        Returns False where there is none yet.
        """
        if self._noted is None:
            return False
        self.updates, self.step_scale = self._noted.updates, self._noted.step_scale
        self._put(self._noted)
        self.history.cut(self.updates)
        self._observe(tolerance)
        self.interrupted = True
        return True

    @property
    def best(self) -> int:
        """The step with the smallest error so far."""
        return 0 if self._best is None else self._best.updates

    @property
    def best_state(self) -> Position:
        """Position at the start of that step."""
        return self._best or self.position()

    def return_to(self, kept: Position) -> None:
        """Take the parameters and states of another step; the history stays."""
        self._put(kept)
        self.equilibrium.update(**self._parameters())

    def _observe(self, tolerance: float) -> None:
        """Note outputs, their error and contrasts of the network as it is now."""
        self._moment = (self.updates, 0)
        outputs = self.outputs(self.settle())
        error = self.problem.error(outputs)
        if error <= tolerance and self.device is None:
            outputs = self.outputs(self.settle_from_rest())
            error = self.problem.error(outputs)
        contrast = self._evaluate_phases(outputs)
        self.history.note(self.problem, outputs, error, contrast, self.parameters)

    def position(self) -> Position:
        """Position at the start of the next step."""
        return Position(
            self.updates,
            tuple(dof.values for dof in self.dofs),
            tuple(dict(step.memory) for step in self._steps),
            self.equilibrium.keep(),
            self.step_scale,
            kept_by(self.rule),
        )

    def _put(self, kept: Position) -> None:
        """Set parameters, optimiser state and states of another step."""
        for dof, values in zip(self.dofs, kept.dofs, strict=True):
            dof.values = values
        for step, memory in zip(self._steps, kept.steps, strict=True):
            step.memory = dict(memory)
        give_back(self.rule, kept.rule)
        self.equilibrium.consider(None)
        self.equilibrium.go_back(kept.equilibrium)
        self._kept = kept

    def _go_back(self, kept: Position, error: SolveError) -> None:
        """Return to the start of a step after a failure."""
        self.faults[error.fault] += 1
        failed = self.updates
        self.updates = kept.updates
        self._put(kept)
        self.history.cut(self.updates)
        self.step_scale = kept.step_scale
        if not self._reduce_step():
            self.stopped = f"after step {failed} no step was possible: {error}"

    def _reduce_step(self) -> bool:
        """Reduce the next step after a failure; False if it cannot be smaller."""
        slower = self.step_scale.after_failure()
        self.step_scale = slower or self.step_scale
        return slower is not None

    @abstractmethod
    def _evaluate_phases(self, outputs: NDArray) -> NDArray[np.float64]:
        """Evaluate the phases of a step; returns the contrast of every example."""

    @abstractmethod
    def _step(self) -> bool:
        """Change the parameters; False where nothing is left to change."""

    def settle_from_rest(self) -> "EquilibriumState":
        """The free state as the unloaded network reaches it, whatever came before."""
        if not self.equilibrium.forget():
            return self.equilibrium.free()
        return self.settle()

    def settle_again(self) -> "EquilibriumState":
        """The free state from where the last step started, with the parameters as they are now."""
        if self._kept is not None:
            self.equilibrium.go_back(self._kept.equilibrium)
        return self.settle()

    def memory(self) -> dict[str, NDArray]:
        """State of the optimiser, by parameter and name."""
        return {
            f"{dof.name}/{name}": values
            for dof, step in zip(self.dofs, self._steps, strict=True)
            for name, values in step.memory.items()
        }

    def remember(self, memory: Mapping[str, NDArray]) -> None:
        """Restore a :meth:`memory`.

        Raises
        ------
        InputError
            Where that is none of this optimiser and these parameters.
        """
        for dof, step in zip(self.dofs, self._steps, strict=True):
            mine = within(memory, f"{dof.name}/")
            if not mine and not isinstance(step, Plain):
                raise InputError(
                    f"keep_optimiser: nothing is remembered of {dof.name}; only a run that was "
                    "trained in this session, with the same optimiser, can be gone on with so."
                )
            step.memory = dict(mine)

    def state(self) -> dict[str, NDArray]:
        """Complete state of the training, as plain arrays.

        It is the state at the start of the present step, which will be taken again from there.
        """
        kept = self._kept or self.position()
        out = {f"history/{name}": values for name, values in self.history.state().items()}
        out |= {f"faults/{name}": np.array(count) for name, count in self.faults.items()}
        for start, place in (("", kept), ("best/", self._best or kept)):
            states = self.equilibrium.memory(place.equilibrium)
            arrays = place.arrays((dof.name for dof in self.dofs), states)
            out |= {start + name: values for name, values in arrays.items()}
        return out

    def restore(self, state: Mapping[str, NDArray]) -> None:
        """Go back to a :meth:`state` of a learner of the same task.

        Raises
        ------
        InputError
            Where the state does not fit this learner.
        """
        try:
            self._recall(within(state, "best/"))
            self._best = self.position()
            self._recall(state)
            self.faults = Counter({k: int(n) for k, n in within(state, "faults/").items()})
            # The last entry was made before its update; it will be made again.
            self.history.restore(within(state, "history/"), self.updates)
            self._kept = None
        except KeyError as error:
            raise InputError(f"The checkpoint does not fit the task: {error} is missing.") from None

    def _recall(self, state: Mapping[str, NDArray]) -> None:
        """Take over parameters, the optimisers' memory and states from arrays."""
        for dof, step in zip(self.dofs, self._steps, strict=True):
            values = np.asarray(state[f"dof/{dof.name}"], dtype=float)
            if values.shape != dof.values.shape or not np.isfinite(values).all():
                raise ValueError(f"dof/{dof.name} should be one finite number per bond")
            dof.values = values
            step.memory = within(state, f"step/{dof.name}/")
        give_back(self.rule, within(state, "rule/"))
        self.equilibrium.recall(within(state, "memory/"))
        self.updates = int(state["updates"])
        self.step_scale = StepScale.from_array(state["step_scale"])

    def outputs(self, free: "EquilibriumState") -> NDArray[np.float64]:
        """Outputs of the model, or of the device that it models."""
        if self.device is None:
            return self.equilibrium.outputs(free)
        # Programmed anew for every batch: each has its own errors.
        batches = -(-self.problem.n_examples // (self.options.batch or self.problem.n_examples))
        programming = self._moment[0] * (batches + 1) + self._moment[1]
        examples, targets = self.equilibrium.examples, len(self.problem.targets)
        return readings(self.device, self.parameters, examples, programming, targets)
