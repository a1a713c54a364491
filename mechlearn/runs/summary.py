"""The summary of a run: what was wanted, what was reached, and by what means."""

import platform
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.rigidity import uncounted
from mechlearn.equilibrium import NewtonEquilibrium, EquilibriumState
from mechlearn.equilibrium.driving import source_table
from mechlearn.learning import Learner
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.task import RATIOS
from mechlearn.runs.outcome import at_bounds, judge

#: A pair that is left with less than this part of its distance unloaded is worth a warning.
SHRUNK = 0.5


def summarise(
    learner: Learner, free: EquilibriumState, reached: NDArray, tolerance: float, steps: int
) -> dict[str, Any]:
    """Content of summary.json, of targets that read ``reached`` (user's units) when ``free``.

    It was to reach ``tolerance`` within so many steps.
    """
    network, problem = learner.network, learner.problem
    error = problem.error(reached * problem.units)
    accuracy = problem.accuracy(reached * problem.units)
    solver: dict[str, Any] = {"method": type(learner.equilibrium).__name__}
    if isinstance(learner.equilibrium, NewtonEquilibrium):
        solver |= vars(learner.equilibrium.counts)
    solver |= learner.model.counts()
    absolute = learner.equilibrium.from_reference() if learner.device is None else {}
    verdict = judge(learner, error, tolerance, steps, accuracy)
    return {
        "targets": target_table(problem, reached, learner.history.outputs[0], absolute),
        "sources": source_table(learner.equilibrium, free),
        "converged": bool(error <= tolerance),
        "outcome": verdict.outcome,
        "why": verdict.why,
        "error": error,
        "error_is": problem.error_name,
        "cost": problem.task.cost.name,
        **({} if accuracy is None else {"accuracy": accuracy}),
        "steps": learner.updates,
        "faults": dict(learner.faults),
        "at_bounds": at_bounds(learner),
        "network": {
            "nodes": network.n_nodes,
            "bonds": network.n_edges,
            "dimension": network.dim,
            "periodic": network.periodic,
            "coordination": network.coordination,
            "rigidity": str(learner.system.rigidity or uncounted(learner.model.energy)),
        },
        "solver": solver,
        "seeds": {"train": learner.seed},
        "ranks": learner.model.comm.size,
        "versions": versions(),
    }


def target_table(
    problem: Problem,
    reached: NDArray,
    initial: NDArray,
    absolute: Mapping[str, NDArray] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Rows of summary.json, one per target and example in which it is asked.

    All arrays are in the user's units, (examples, t). What targets read from the reference,
    ``absolute``, is said of those that are measured from the unloaded state.
    """
    rows = []
    units = problem.units
    wanted = problem.goals(reached * units) / units
    error = problem.relative_errors(reached * units)
    quantities = {t.name: t.quantity for t in problem.task.targets}
    limits = {t.name: t.limit for t in problem.task.targets}
    names = [p.terminal for p in problem.answers]
    # What is over an imposed strain is none from the reference.
    shown = {
        t.name: absolute if t.baseline == "unloaded" and t.quantity not in RATIOS else {}
        for t in problem.task.targets
    }
    several = problem.n_examples > 1
    for e in range(problem.n_examples):
        for name in dict.fromkeys(names):
            mine = [k for k, n in enumerate(names) if n == name and problem.active[e, k]]
            if not mine:
                continue
            row: dict[str, Any] = {"name": name, "quantity": quantities[name]}
            if limits[name]:
                row["limit"] = limits[name]
            if several:
                row["example"] = e + 1
            columns = {"wanted": wanted, "initial": initial, "reached": reached, **shown[name]}
            for key, values in columns.items():
                numbers = [float(values[e, k]) for k in mine]
                row[key] = numbers[0] if len(numbers) == 1 else numbers
            row["relative_error"] = float(error[e, mine].max())
            rows.append(row)
    return rows


def shrunk(problem: Problem, unpulled: NDArray) -> list[str]:
    """Warnings about pairs that come together unloaded, so that a strain from there is no motion.

    ``unpulled`` are readings of the targets from the reference, (examples, t), user's units.
    """
    found = {}
    for k, port in enumerate(problem.targets):
        left = 1 + float(unpulled[0, k])
        answer = problem.answers[k]
        if problem.relative[port] and np.isfinite(answer.length) and left < SHRUNK:
            found[answer.terminal] = f"{left:.0%}"
    return [
        f"Target {name!r} has come down to {left} of its distance before anything pulls; its "
        "strain is measured from there, and hardly is a motion any more."
        for name, left in found.items()
    ]


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    out = {"python": platform.python_version()}
    for package in ("mechlearn", "dolfinx-solver-real", "fenics-dolfinx", "numpy", "scipy"):
        try:
            out[package] = version(package)
        except PackageNotFoundError:
            continue
    return out


def timestamp() -> str:
    """Now, as in summary.json."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
