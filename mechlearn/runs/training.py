"""Training from a set-up to a run."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from numpy.typing import ArrayLike

from mechlearn.attributes import values_per_bond
from mechlearn.energies import element_for
from mechlearn.energies.element import Element
from mechlearn.energies.material import Material
from mechlearn.fenics import MPI
from mechlearn.learning import Hardware, Learner, RuleLearner
from mechlearn.learning.device import Imperfections, devices
from mechlearn.learning.dofs import Learn, learning_tables
from mechlearn.learning.optimisers import Optimiser, Train
from mechlearn.learning.rules import Procedure, rules
from mechlearn.network import Network
from mechlearn.runs.checkpoint import Checkpoints, Interrupted
from mechlearn.runs.config import TASK_TABLES, Setup
from mechlearn.runs.learner import make_learner
from mechlearn.runs.part import describe_part
from mechlearn.runs.run import Run
from mechlearn.runs.summary import cautions, result_of, summarise, timestamp
from mechlearn.runs.taskfile import read_setup
from mechlearn.runs.warm_start import begin_with, with_start
from mechlearn.schema import build, checked
from mechlearn.tasks.ports import by_label
from mechlearn.tasks.task import Task


class Training:
    """Training in progress: a learner, and the run that it makes at any step.

    Parameters
    ----------
    setup : Setup
    make : callable
        Builds the learner.

    Attributes
    ----------
    learner : Learner
    initial : mapping of parameter names to (m,) arrays
        The learning parameters before the first step.
    seconds : float
        Wall time of the steps so far.
    """

    def __init__(self, setup: Setup, make: Callable[[], Learner]) -> None:
        self.setup, self.seconds = setup, 0.0
        self._started, began = timestamp(), time.perf_counter()
        self.learner = make()
        self.initial = self.learner.parameters
        self._setup_seconds = time.perf_counter() - began
        self._updates: Iterator[None] | None = None
        self._more = True

    def advance(self, seconds: float = 0.0, steps: int = 1) -> bool:
        """Take at least so many steps, for about so many seconds; returns False where none is left.

        Steps are not limited by ``setup.train.steps``. With none, the network is but looked at.

        Raises
        ------
        InputError
            For a step whose states the network cannot have.
        SolveError
            Where there is no good state to go back to; the training is then over.
        """
        learner = self.learner
        if steps and isinstance(learner, RuleLearner):
            learner.require_states()
        if self._updates is None:
            self._updates = learner.iterate(sys.maxsize, self.setup.train.tolerance)
        began, least, self._more = time.perf_counter(), learner.updates + steps, True
        # A continued training sees the state of its last step anew before it takes another.
        while self._more:
            self._more = next(self._updates, self) is None
            passed = time.perf_counter() - began
            if learner.updates >= least and passed >= seconds:
                break
        self.seconds += passed
        return self._more

    def pause(self) -> Run:
        """The run up to now, as by :meth:`run`; the training can go on, bit by bit the same.

        Its set-up has as many steps as were taken, so that it repeats the run.
        """
        if not self.learner.history.error:
            self.advance(steps=0)
        state, learner = self.learner.state(), self.learner
        least = 0 if self._more else self.setup.train.steps
        train = self.setup.train.model_copy(update={"steps": max(least, learner.updates)})
        self.setup = self.setup.model_copy(update={"train": train})
        run = self.run()
        learner.restore(state)
        self._updates = None
        return run

    def run(self) -> Run:
        """The run up to now: the learned network solved anew from rest, and how it got there.

        The learner is left at the step whose network is the result.
        """
        setup, learner = self.setup, self.learner
        problem = learner.problem
        history = learner.history.dataset(problem, learner.parameters, learner.energy)
        reported, free, outputs, warnings = result_of(learner, setup.train.keep)
        warnings += learner.network.notes
        warnings += cautions(learner, reported, outputs, setup.train.tolerance)
        states = free.states()
        found = summarise(learner, free, outputs, setup.train.tolerance, setup.train.steps)
        if learner.device is None:
            warnings += describe_part(found, setup, learner.equilibrium, free)
        return Run(
            setup=setup.with_task(by_label(problem.task, learner.network)),
            network=learner.network,
            initial=self.initial,
            learned=learner.parameters,
            response=states,
            history=history,
            energy=learner.energy,
            memory=learner.memory(),
            summary={
                "title": setup.title,
                **found,
                "reported_step": reported,
                "wall_s": self.seconds,
                "setup_s": self._setup_seconds,
                "started": self._started,
                "warnings": warnings,
            },
        )


@checked(
    network=Network,
    task=Task,
    material=Mapping | Material,
    imperfections=Imperfections,
    start=Run,
    title=str,
    watch=Callable,
    comm=MPI.Comm,
)
def train(
    network: Network,
    task: Task,
    *,
    energy: Element | type[Element] | str | None = None,
    learn: Learn | Mapping[str, Learn] | Sequence[str] | str | None = None,
    rule: Procedure | type[Procedure] | str | None = None,
    material: Mapping[str, ArrayLike] | Material | None = None,
    unit: Literal["mm", "m", "um"] | None = None,
    steps: int = 2000,
    tolerance: float = 1e-3,
    optimiser: Optimiser | type[Optimiser] | str | Mapping[str, Any] = "adam",
    rate: float | None = None,
    batch: int | None = None,
    keep: Literal["best", "last"] = "best",
    imperfections: Imperfections | None = None,
    device: Hardware | None = None,
    start: Run | None = None,
    keep_optimiser: bool = False,
    seed: int = 0,
    title: str = "",
    watch: Callable[[Learner], None] | None = None,
    comm: MPI.Comm | None = None,
) -> Run:
    """Train a network on a task.

    Parameters
    ----------
    network : Network
        What learns.
    task : Task
        What it learns: sources, targets, examples, and the cost.
    energy : Element, its class or name, optional
        What its bonds are made of; linear springs unless given.
    learn : Learn, mapping of parameter names to Learn, or names of parameters, optional
        Which parameters learn, and their bounds. A :class:`Learn` alone is about the element's
        first parameter (stiffness); left out, that learns between 0.01 and 10.
    rule : Procedure, its class or name, optional
        The learning rule; coupled learning with eta 0.01 unless given.
    material : mapping of parameter names to numbers or (m,) arrays, or Material, optional
        Values of parameters that do not learn, where they differ from the default; or what the
        part is made of, as ``ml.Material(name="PLA")``.
    unit : "mm", "m" or "um", optional
        Unit of length, from which the others follow; see :class:`mechlearn.runs.config.Setup`.
    steps : int
        At most this many updates.
    tolerance : float
        Stop at this largest relative target error, or mean cross-entropy.
    optimiser : Optimiser, its class or name, or mapping
        How a bond's signal becomes its step: a name, or a mapping of ``name`` and parameters; see
        :mod:`mechlearn.learning.optimisers`.
    rate : float, optional
        Size of the step; adam has a default for every parameter.
    batch : int, optional
        Update after so many examples, drawn anew in every step, instead of after all.
    keep : "best" or "last"
        Which step's network is the result where the tolerance is not reached: that with the
        smallest error, or the last.
    imperfections : Imperfections, optional
        What is wrong with the elements.
    device : Device, optional
        Where outputs are measured while the network, as its model, says how to change.
    start : Run, optional
        What the training begins with: its learned network, cut bonds and all. Energy, learn and
        rule are those of the run where they are not given.
    keep_optimiser : bool
        Whether the optimiser goes on with what it remembers of ``start``.
    seed : int
        Of everything random.
    title : str
        For people.
    watch : callable, optional
        Called with the learner at every step.
    comm : MPI communicator, optional
        The ranks that share the mesh; all unless given.

    Returns
    -------
    Run
        Also when the tolerance was not reached: see ``run.converged``.

    Raises
    ------
    InputError
        For a task, or anything else given, that makes no sense; the message says what would.
    SolveError
        For equilibria that cannot be found, or are not to be trusted.
    Interrupted
        For Ctrl-C, a KeyboardInterrupt; its ``run`` is what was learned until then.
    """
    if start is not None:
        energy = start.energy if energy is None else energy
        learn = start.setup.learn if learn is None else learn
        rule = start.setup.procedure if rule is None else rule
    options = {
        "steps": steps,
        "tolerance": tolerance,
        "batch": batch,
        "seed": seed,
        "rate": rate,
        "keep": keep,
        "optimiser": optimiser,
    }
    element = element_for(network, energy)
    made: Procedure = rules.make(rule, "rule")
    device = None if device is None else devices.make(device, "device")
    made_of = material if isinstance(material, Material) else None
    constants = material if isinstance(material, Mapping) else {}
    per_bond = {
        name: values_per_bond(values, network, f"material {name!r}", parameter)
        for name, values in constants.items()
        for parameter in [element.parameter(name).of_user("material")]
    }
    setup = Setup(
        title=title,
        unit=unit,
        material=made_of,
        network=table_of_network(network),
        energy={"model": element.name, **element.settings, **per_bond},
        learn=learning_tables(learn, element),
        **{name: getattr(task, name) for name in TASK_TABLES},
        imperfections=imperfections or Imperfections(),
        train=build(Train, options, "train"),
    ).with_objects(element, task.cost, made)
    if start is not None:
        setup = begin_with(setup, start, network, element)

    def make() -> Learner:
        learner = make_learner(setup, network, element, device=device, comm=comm)
        if keep_optimiser:
            learner.remember({} if start is None else start.memory)
        return learner

    return _train(Training(setup, make), watch)


def table_of_network(network: Network) -> dict[str, Any]:
    """Table ``[network]`` of what is written with a run."""
    if network.body is None:
        return {"file": "network.vtu"}
    return network.body.table("network.vtu", network.cell)


def train_file(
    path: str | Path, watch: Callable[[Learner], None] | None = None, comm: MPI.Comm | None = None
) -> Run:
    """Train a network as a task file describes.

    Parameters
    ----------
    path : path
        The task file; what it names is looked for relative to it.
    watch, comm
        As in :func:`train`.

    Raises
    ------
    InputError, SolveError
        For a file that makes no sense, and for equilibria that cannot be found.
    """
    return train_setup(read_setup(path), Path(path).parent, watch, comm=comm)


def train_setup(
    setup: Setup,
    folder: Path = Path(),
    watch: Callable[[Learner], None] | None = None,
    checkpoints: Checkpoints | None = None,
    resume: bool = False,
    comm: MPI.Comm | None = None,
) -> Run:
    """Train a network as a set-up describes; its files are relative to ``folder``.

    With ``checkpoints`` the training saves itself now and then; ``resume`` goes on from the last.
    """
    return _train(begin(setup, folder, comm), watch, checkpoints, resume)


def begin(setup: Setup, folder: Path = Path(), comm: MPI.Comm | None = None) -> Training:
    """Training as a set-up describes it, before its first step."""
    setup = with_start(setup, folder)

    def make() -> Learner:
        network = setup.build_network(folder)
        return make_learner(setup, network, setup.element(network), comm=comm)

    return Training(setup, make)


def go_on(run: Run, task: Task | None = None) -> Training:
    """Training that begins with what a run learned, of its task or another one.

    Raises
    ------
    InputError
        For a task that makes no sense on the network.
    """
    network, energy = run.network, run.energy
    setup = begin_with(run.setup.with_task(task or run.setup.task), run, network, energy)
    return Training(setup, lambda: make_learner(setup, network, energy))


def _train(
    training: Training,
    watch: Callable[[Learner], None] | None,
    checkpoints: Checkpoints | None = None,
    resume: bool = False,
) -> Run:
    learner, setup = training.learner, training.setup
    if resume and checkpoints:
        checkpoints.restore(learner)

    def see(learner: Learner) -> None:
        if watch:
            watch(learner)
        if checkpoints:
            checkpoints(learner)

    began = time.perf_counter()
    with checkpoints or nullcontext():
        try:
            learner.train(setup.train.steps, setup.train.tolerance, see)
        except KeyboardInterrupt:
            # With checkpoints it is on the disk; of several ranks each would be elsewhere.
            alone = learner.model.comm.size == 1
            if checkpoints or not (alone and learner.recover(setup.train.tolerance)):
                raise
    if checkpoints:
        checkpoints.save(learner)
    training.seconds = time.perf_counter() - began
    run = training.run()
    if learner.interrupted:
        raise Interrupted(run)
    return run


__all__ = ["train", "train_file", "train_setup"]
