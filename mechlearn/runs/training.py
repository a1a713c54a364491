"""Training from a set-up to a run."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.runs.checkpoint import Checkpoints
from mechlearn.energies import Element, element_for
from mechlearn.equilibrium import EquilibriumState
from mechlearn.errors import SolveError
from mechlearn.fenics import MPI
from mechlearn.learning import Hardware, Learner, RuleLearner, learner_of
from mechlearn.attributes import values_per_bond
from mechlearn.learning.dofs import Learn, learning_tables
from mechlearn.learning.imperfections import Imperfections
from mechlearn.learning.optimisers import Optimiser
from mechlearn.learning.rules import Procedure, rules
from mechlearn.network import Network
from mechlearn.runs.results import Interrupted
from mechlearn.runs.run import Run
from mechlearn.runs.building import build_energy, build_material, build_network
from mechlearn.runs.config import TASK_TABLES, Setup, build_rule, read_setup
from mechlearn.runs.warm_start import begin_with, with_start
from mechlearn.runs.summary import shrunk, summarise, timestamp
from mechlearn.tasks.locate import by_label
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.task import Task
from mechlearn.units import percent

#: A response found anew from rest may differ by this much before the summary warns.
BRANCH = 1e-6


def train(
    network: Network,
    task: Task,
    *,
    energy: Element | type[Element] | str | None = None,
    learn: Learn | Mapping[str, Learn] | Sequence[str] | str | None = None,
    rule: Procedure | type[Procedure] | str | None = None,
    material: Mapping[str, ArrayLike] | None = None,
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
    material : mapping of parameter names to numbers or (m,) arrays, optional
        Values of parameters that do not learn, where they differ from the default.
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
        energy = energy or start.energy
        learn = start.setup.learn if learn is None else learn
        rule = build_rule(start.setup) if rule is None else rule
    element = element_for(network, energy)
    made: Procedure = rules.make("coupled_learning" if rule is None else rule, "rule")
    per_bond = {
        name: values_per_bond(values, network, f"material {name!r}", element.parameter(name))
        for name, values in (material or {}).items()
    }
    setup = Setup(
        title=title,
        network={"file": "network.vtu"},
        energy={
            "model": element.name,
            **element.settings,
            **per_bond,
        },
        learn=learning_tables(learn, element),
        **{name: getattr(task, name) for name in TASK_TABLES},
        imperfections=imperfections or Imperfections(),
        train={
            "steps": steps,
            "tolerance": tolerance,
            "batch": batch,
            "seed": seed,
            "rate": rate,
            "keep": keep,
        },
    ).with_objects(element, task.cost, made, optimiser)
    if start is not None:
        setup = begin_with(setup, start, network, element)
        per_bond = build_material(setup.energy, element, network)
    parts = setup, network, element, per_bond, made, device, comm

    def make() -> Learner:
        learner = make_learner(*parts)
        if keep_optimiser:
            learner.remember({} if start is None else start.memory)
        return learner

    return _train(setup, make, watch)


def train_file(
    path: str | Path,
    watch: Callable[[Learner], None] | None = None,
    comm: MPI.Comm | None = None,
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
    setup = with_start(setup, folder)

    def make() -> Learner:
        network = build_network(setup.network, folder)
        energy, material = build_energy(setup.energy, network)
        return make_learner(setup, network, energy, material, build_rule(setup), None, comm)

    return _train(setup, make, watch, checkpoints, resume)


def make_learner(
    setup: Setup,
    network: Network,
    energy: Element,
    material: Mapping[str, ArrayLike],
    rule: Procedure,
    device: Hardware | None = None,
    comm: MPI.Comm | None = None,
) -> Learner:
    """Learner of a set-up; energy and rule may be user-defined."""
    options = setup.train
    learner = learner_of(rule)(
        network,
        setup.task,
        energy,
        setup.learn,
        rule,
        material=material,
        optimiser=setup.optimiser,
        rate=options.rate,
        batch=options.batch,
        imperfections=setup.imperfections,
        device=device,
        seed=options.seed,
        comm=comm,
    )
    if options.steps and isinstance(learner, RuleLearner):
        learner.require_states()
    return learner


def _train(
    setup: Setup,
    make: Callable[[], Learner],
    watch: Callable[[Learner], None] | None,
    checkpoints: Checkpoints | None = None,
    resume: bool = False,
) -> Run:
    started, began = timestamp(), time.perf_counter()
    learner = make()
    initial = learner.parameters
    if resume and checkpoints:
        checkpoints.restore(learner)

    def see(learner: Learner) -> None:
        if watch:
            watch(learner)
        if checkpoints:
            checkpoints(learner)

    ready = time.perf_counter()
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
    trained = time.perf_counter()
    problem = learner.problem
    history = learner.history.dataset(problem, learner.parameters)
    reported, free, outputs, warnings = _result(learner, setup.train.keep)
    warnings += learner.network.notes
    moved = np.abs(outputs - learner.history.outputs[reported]).max() / _largest(problem)
    if learner.energy.linear:  # one equilibrium; a solid's new mesh is what differs
        if learner.device is None and moved > setup.train.tolerance:
            warnings.append(
                f"On a new mesh the answer differs by {percent(moved)} of what errors are measured in; "
                "a smaller mesh_size brings less."
            )
    elif learner.device is None and moved > BRANCH:
        warnings.append(
            "The learned network has several equilibria: reached from rest it answers differently "
            "than in training. The response from rest is reported."
        )
    if learner.equilibrium.floppy:
        warnings.append(
            "Parts of the network move without resistance, so their place is not unique; what is "
            "read there depends on where they came from."
        )
    if learner.faults:
        counted = ", ".join(f"{kind}: {n}" for kind, n in learner.faults.items())
        warnings.append(f"Steps led to no equilibrium, and were taken back ({counted}).")
    run = Run(
        setup=setup.with_task(by_label(problem.task, learner.network)),
        network=learner.network,
        initial=initial,
        learned=learner.parameters,
        response=free.states(),
        history=history,
        energy=learner.energy,
        memory=learner.memory(),
        summary={
            "title": setup.title,
            **summarise(learner, free, outputs, setup.train.tolerance, setup.train.steps),
            "reported_step": reported,
            "wall_s": trained - ready,
            "setup_s": ready - began,
            "started": started,
            "warnings": warnings,
        },
    )
    if learner.interrupted:
        raise Interrupted(run)
    return run


def _largest(problem: Problem) -> float:
    return float(np.abs(problem.scale / problem.units).max())


def _result(
    learner: Learner, keep: Literal["best", "last"]
) -> tuple[int, EquilibriumState, NDArray, list[str]]:
    """Step whose network is the result, and its response by :func:`_from_rest`.

    At finite displacement the best step may have other equilibria, and answer worse from rest than
    the last one does.
    """
    last, best = learner.updates, learner.best
    if keep == "last" or best == last:
        return last, *_from_rest(learner)
    if learner.energy.linear:
        learner.return_to(learner.best_state)
        return best, *_from_rest(learner)
    here = learner.position()
    answers = []
    for step, place in ((last, here), (best, learner.best_state)):
        learner.return_to(place)
        answers.append((step, *_from_rest(learner)))
    errors = [learner.problem.error(a[2] * learner.problem.units) for a in answers]
    if errors[1] <= errors[0]:
        return answers[1]
    learner.return_to(here)
    return last, *_from_rest(learner)


def _from_rest(learner: Learner) -> tuple[EquilibriumState, NDArray, list[str]]:
    """The free state loaded from rest, outputs (user's units), and cautions about it."""
    cautions = []
    try:
        free = learner.settle_from_rest()
    except SolveError as error:
        # Better than to lose what was learned.
        free = learner.settle_again()
        cautions.append(
            f"The learned network does not answer when it is loaded from rest: {error} The "
            "response at the end of training is reported."
        )
    outputs = learner.outputs(free) / learner.problem.units
    cautions += learner.model.warnings(free.fields())
    if absolute := learner.equilibrium.from_reference():
        cautions += shrunk(learner.problem, absolute["unpulled"])
    if learner.device is not None:
        cautions.append(
            "Outputs were measured on a device, which task.toml does not hold: whoever evaluates "
            "the run, or trains it again, does without."
        )
    return free, outputs, cautions


__all__ = ["train", "train_file", "train_setup"]
