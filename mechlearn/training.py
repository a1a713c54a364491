"""From a set-up to a run: build, train, find the answer anew from rest, and write it down."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.dofs import Learn
from mechlearn.energies import BondEnergy, Spring
from mechlearn.equilibrium import NewtonEquilibrium, equilibrium
from mechlearn.fenics import MPI
from mechlearn.learner import Learner
from mechlearn.model import Model
from mechlearn.network import Network
from mechlearn.phase import Phase
from mechlearn.problem import Problem
from mechlearn.rules import CoupledLearning, Rule
from mechlearn.run import Run, States, timestamp
from mechlearn.setup import Setup, build_energy, build_network, build_rule, read_setup
from mechlearn.task import Task

#: Parameters are kept at no more than this many steps of the history.
SNAPSHOTS = 200
#: A response found anew from rest may differ by this much before the summary warns.
BRANCH = 1e-6


def train(
    network: Network,
    task: Task,
    *,
    energy: BondEnergy | None = None,
    learn: Learn | Mapping[str, Learn] | None = None,
    rule: Rule | None = None,
    material: Mapping[str, ArrayLike] | None = None,
    steps: int = 2000,
    tolerance: float = 1e-3,
    optimiser: str = "adam",
    rate: float | None = None,
    seed: int = 0,
    title: str = "",
    watch: Callable[[Learner], None] | None = None,
    comm: MPI.Comm = MPI.COMM_WORLD,
) -> Run:
    """Teach a network a task.

    Parameters
    ----------
    network, task : what learns what
    energy : element energy, linear springs unless given
    learn : which parameters learn, and their bounds; a mapping of names to :class:`Learn`
        Stiffness between 0.01 and 10 unless given.
    rule : learning rule, coupled learning with eta 0.01 unless given
    material : values of parameters that do not learn, where they differ from the default
    steps, tolerance : stop after so many updates, or at this largest relative target error
    optimiser, rate : how a bond's signal becomes its step
    seed : of everything random
    title : for people
    watch : called with the learner at every step
    comm : the ranks that share the mesh

    Returns
    -------
    Run
        Also when the tolerance was not reached: see ``run.converged``.

    Raises
    ------
    InputError, SolveError
        For a task that makes no sense, and for equilibria that cannot be found.
    """
    energy = energy or Spring()
    rule = rule or CoupledLearning()
    learn = {"stiffness": Learn(bounds=(0.01, 10.0), initial=1.0)} if learn is None else learn
    setup = Setup(
        title=title,
        network={"file": "network.vtu"},
        energy={
            "model": energy.name,
            **{k: np.asarray(v, dtype=float).tolist() for k, v in (material or {}).items()},
        },
        learn=dict(learn),
        **{k: getattr(task, k) for k in ("supports", "sources", "targets", "examples")},
        rule={"name": rule.name, **vars(rule)},
        train={"steps": steps, "tolerance": tolerance, "optimiser": optimiser, "seed": seed}
        | ({} if rate is None else {"rate": rate}),
    )
    return _train(setup, network, energy, material or {}, rule, watch, comm)


def train_file(
    path: str | Path,
    watch: Callable[[Learner], None] | None = None,
    comm: MPI.Comm = MPI.COMM_WORLD,
) -> Run:
    """Train as a task file says; see :func:`train`."""
    return train_setup(read_setup(path), Path(path).parent, watch, comm)


def train_setup(
    setup: Setup,
    folder: Path = Path(),
    watch: Callable[[Learner], None] | None = None,
    comm: MPI.Comm = MPI.COMM_WORLD,
) -> Run:
    """Train as a set-up says; its files are relative to ``folder``."""
    network = build_network(setup.network, folder)
    energy, material = build_energy(setup.energy, network)
    return _train(setup, network, energy, material, build_rule(setup.rule), watch, comm)


def make_learner(
    setup: Setup,
    network: Network,
    energy: BondEnergy,
    material: Mapping[str, ArrayLike],
    rule: Rule,
    comm: MPI.Comm = MPI.COMM_WORLD,
) -> Learner:
    """The learner that a set-up describes."""
    options = setup.train
    return Learner(
        network,
        setup.task,
        energy,
        setup.learn,
        rule,
        material=material,
        optimiser=options.optimiser,
        rate=options.rate,
        seed=options.seed,
        comm=comm,
    )


def _train(setup, network, energy, material, rule, watch, comm) -> Run:
    started, began = timestamp(), time.perf_counter()
    learner = make_learner(setup, network, energy, material, rule, comm)
    initial = learner.parameters
    snapshots = Snapshots(SNAPSHOTS)

    def see(learner: Learner) -> None:
        snapshots.take(learner)
        if watch:
            watch(learner)

    ready = time.perf_counter()
    converged = learner.train(setup.train.steps, setup.train.tolerance, see)
    snapshots.take(learner, last=True)
    trained = time.perf_counter()
    problem = learner.problem
    warm = learner.history.outputs[-1]
    outputs, displacements = _from_rest(learner)
    warnings = []
    if np.abs(outputs - warm).max() > BRANCH * (problem.scale / problem.units).max():
        warnings.append(
            "The learned network has several equilibria: reached from rest it answers differently "
            "than at the end of training. The response from rest is reported."
        )
        converged = problem.error(outputs * problem.units) <= setup.train.tolerance
    task = problem.task
    resolved = setup.model_copy(
        update={k: getattr(task, k) for k in ("supports", "sources", "targets", "examples")}
    )
    summary = {
        "title": setup.title,
        "targets": target_table(problem, outputs, learner.history.outputs[0]),
        "converged": bool(converged),
        "error": problem.error(outputs * problem.units),
        "steps": learner.updates,
        "wall_s": trained - ready,
        "setup_s": ready - began,
        "started": started,
        "warnings": warnings,
        "network": {
            "nodes": network.n_nodes,
            "bonds": network.n_edges,
            "dimension": network.dim,
            "periodic": network.periodic,
            "coordination": network.coordination,
            "rigidity": str(learner.rigidity) if learner.rigidity else "not counted (large)",
        },
        "solver": _solver_facts(learner),
        "seeds": {"train": setup.train.seed},
        "ranks": comm.size,
        "versions": versions(),
    }
    return Run(
        setup=resolved,
        network=network,
        initial=initial,
        learned=learner.parameters,
        displacements=displacements,
        history=_history(learner, snapshots),
        summary=summary,
    )


class Snapshots:
    """Parameters at evenly spaced steps, never more than twice ``limit`` of them."""

    def __init__(self, limit: int) -> None:
        self.limit, self.every = limit, 1
        self.steps: list[int] = []
        self.values: list[dict[str, NDArray]] = []

    def take(self, learner: Learner, last: bool = False) -> None:
        """Keep the parameters as they are, if it is time."""
        step = learner.updates
        if (step % self.every and not last) or (self.steps and self.steps[-1] == step):
            return
        self.steps.append(step)
        self.values.append(learner.parameters)
        if len(self.steps) >= 2 * self.limit:
            self.every *= 2
            keep = [k for k, s in enumerate(self.steps) if s % self.every == 0]
            self.steps = [self.steps[k] for k in keep]
            self.values = [self.values[k] for k in keep]


def _from_rest(learner: Learner) -> tuple[NDArray, NDArray]:
    """Outputs (user's units) and displacements of the free state, loaded from rest."""
    free = learner.settle_from_rest()
    return learner.equilibrium.outputs(free) / learner.problem.units, free.displacements()


def settled_states(run: Run, parameters: Mapping[str, ArrayLike]) -> States:
    """Free and fully clamped displacements of a run's network with the given parameters."""
    energy, material = build_energy(run.setup.energy, run.network)
    model = Model(run.network, energy, run.problem.fixed)
    model.set(**material)
    solver = equilibrium(model, run.problem)
    solver.update(**parameters)
    free = solver.free()
    clamped = solver.solve(Phase(clamp=1.0))
    return States(free.displacements(), clamped.parts[0][1].displacements())


def evaluate(run: Run) -> list[dict[str, Any]]:
    """What the targets of a run read, solved anew from rest with the learned parameters."""
    energy, material = build_energy(run.setup.energy, run.network)
    model = Model(run.network, energy, run.problem.fixed)
    model.set(**material)
    solver = equilibrium(model, run.problem)
    reads = []
    for parameters in (run.learned, run.initial):
        solver.forget()
        solver.update(**parameters)
        reads.append(solver.outputs(solver.free()) / run.problem.units)
    return target_table(run.problem, *reads)


def target_table(problem: Problem, reached: NDArray, initial: NDArray) -> list[dict[str, Any]]:
    """Rows of summary.json, one per target and example in which it is asked."""
    rows = []
    units = problem.units
    wanted = (problem.residual(reached * units) + reached * units) / units
    error = np.abs(wanted - reached) * units / problem.scale
    names = [problem.ports[k].terminal for k in problem.targets]
    several = problem.n_examples > 1
    for e in range(problem.n_examples):
        for name in dict.fromkeys(names):
            mine = [k for k, n in enumerate(names) if n == name and problem.asked[e, k]]
            if not mine:
                continue
            row: dict[str, Any] = {"name": name}
            if several:
                row["example"] = e + 1
            for key, values in (("wanted", wanted), ("initial", initial), ("reached", reached)):
                numbers = [float(values[e, k]) for k in mine]
                row[key] = numbers[0] if len(numbers) == 1 else numbers
            row["relative_error"] = float(error[e, mine].max())
            rows.append(row)
    return rows


def _history(learner: Learner, snapshots: Snapshots):
    import xarray

    history, problem = learner.history, learner.problem
    names = [problem.ports[k].terminal for k in problem.targets]
    labels = [
        name
        if problem.ports[k].component is None
        else f"{name}.{'xyz'[problem.ports[k].component]}"
        for name, k in zip(names, problem.targets, strict=True)
    ]
    data = {
        "error": ("step", history.error, {"long_name": "largest relative target error"}),
        "cost": ("step", history.cost, {"long_name": "half the squared target error"}),
        "contrast": ("step", history.contrast, {"long_name": "potential, clamped less free"}),
        "output": (("step", "example", "target"), np.array(history.outputs)),
    }
    for dof in learner.dofs:
        values = np.array([v[dof.name] for v in snapshots.values])
        data[dof.name] = (("snapshot", "bond"), values)
    return xarray.Dataset(
        data,
        coords={
            "step": np.arange(len(history.error)),
            "example": np.arange(1, problem.n_examples + 1),
            "target": labels,
            "snapshot": ("snapshot", snapshots.steps, {"long_name": "step of the snapshot"}),
        },
    )


def _solver_facts(learner: Learner) -> dict[str, Any]:
    facts: dict[str, Any] = {"method": type(learner.equilibrium).__name__}
    if isinstance(learner.equilibrium, NewtonEquilibrium):
        facts |= vars(learner.equilibrium.counts)
    return facts


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    out = {"python": platform.python_version()}
    for package in ("mechlearn", "dolfinx-solver-real", "fenics-dolfinx", "numpy", "scipy"):
        try:
            out[package] = version(package)
        except PackageNotFoundError:
            continue
    return out


__all__ = ["evaluate", "make_learner", "train", "train_file", "train_setup"]
