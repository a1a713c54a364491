"""Summary of a training: table of targets, outcome and its cause, solver and versions."""

import platform
import time
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.rigidity import uncounted
from mechlearn.equilibrium import EquilibriumState, NewtonEquilibrium
from mechlearn.equilibrium.driving import TENSORS, source_table
from mechlearn.errors import SolveError, plain
from mechlearn.io.tables import aligned
from mechlearn.learning import Learner
from mechlearn.learning.dofs import LearningDof
from mechlearn.learning.optimisers import oscillates
from mechlearn.runs.fixed import FixedList
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.quantities import amount
from mechlearn.tasks.task import ABSOLUTE, LIMITS
from mechlearn.units import percent

#: Rows of a table that are printed.
ROWS = 20
#: A response found anew from rest may differ by this much before the summary warns.
BRANCH = 1e-6
#: A pair that is left with less than this part of its distance unloaded is worth a warning.
SHRUNK = 0.5

#: Learning stalls when the best error of its last part (at least so many steps) is hardly better
#: than the best before.
PART, LEAST, BETTER = 0.2, 20, 0.99
#: Learning diverged when it ended with an error so many times that of the beginning.
WORSE = 1.2
#: On a saturating scale a parameter is at a bound within this part of the range between both.
AT = 1e-9


def cautions(learner: Learner, reported: int, outputs: NDArray, tolerance: float) -> list[str]:
    """Cautions about a run whose targets read ``outputs`` from rest, at step ``reported``."""
    warnings = []
    moved = np.abs(outputs - learner.history.outputs[reported]).max() / _largest(learner.problem)
    if learner.energy.linear:  # one equilibrium; a solid's new mesh is what differs
        if learner.device is None and moved > tolerance:
            warnings.append(
                f"On a new mesh the answer differs by {percent(moved)} of what errors are measured "
                "in; a smaller mesh_size brings less."
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
        warnings.append(f"Steps that failed were taken back ({counted}).")
    return warnings


def _largest(problem: Problem) -> float:
    return float(np.abs(problem.scale / problem.units).max())


def result_of(
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
        **cell_table(problem, free),
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
            **({"regions": network.body.n_elements} if network.body else {}),
            "dimension": network.dim,
            "periodic": network.periodic,
            "coordination": network.coordination,
            "rigidity": str(learner.system.rigidity or uncounted(learner.model.energy)),
        },
        "solver": solver,
        "seeds": {"train": learner.options.seed},
        "ranks": learner.model.comm.size,
        "versions": versions(),
    }


class Targets(FixedList):
    """Rows of a run's targets, one dict each, that print as a table.

    Keys are ``name``, ``quantity``, ``wanted``, ``initial``, ``reached``, ``relative_error``, and
    ``example`` (from 1) where there are several. Of a target that is measured from the unloaded
    network, ``unpulled`` and ``pulled`` are its readings from the network as it was given.
    """

    def cells(self, digits: int = 6) -> tuple[list[str], list[list[str]]]:
        """The header and the rows as texts, in the units of people."""
        absolute = [key for key in ABSOLUTE if any(key in row for row in self)]
        numbers = ["initial", "reached"]
        body = [
            [
                plain(row["name"]) + (f" ({row['example']})" if "example" in row else ""),
                LIMITS.get(row.get("limit", ""), "")
                + amount(row["wanted"], row["quantity"], digits),
                *(amount(row[key], row["quantity"], digits) for key in numbers[:1]),
                amount(row["reached"], row["quantity"], digits, row.get("unit", "")),
                percent(row["relative_error"]),
                *(amount(row[k], row["quantity"], digits) if k in row else "" for k in absolute),
            ]
            for row in self
        ]
        return ["target", "wanted", *numbers, "relative error", *absolute], body

    def __repr__(self) -> str:
        head, body = self.cells()
        more = len(body) - ROWS
        text = aligned(head, body[:ROWS])
        return f"{text}\n... and {more} more rows" if more > 0 else text


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
    units, rows = problem.units, []
    error = problem.relative_errors(reached * units)
    targets = {t.name: t for t in problem.task.targets}
    offset = np.array([port.offset for port in problem.answers])
    read = {
        "wanted": problem.goals(reached * units) / units + offset,
        "initial": initial + offset,
        "reached": reached + offset,
    }

    def columns(name: str) -> dict[str, NDArray]:
        """Readings, with those from the reference but of what is over an imposed strain."""
        unloaded = targets[name].baseline == "unloaded" and not targets[name].kind.ratio
        return read | (dict(absolute) if unloaded else {})

    for row, example, mine in problem.rows(problem.answers, problem.active, columns):
        target = targets[row["name"]]
        row["quantity"] = target.quantity
        if target.limit:
            row["limit"] = target.limit
        row["relative_error"] = float(error[example, mine].max())
        rows.append(row)
    return rows


def cell_table(problem: Problem, free: EquilibriumState) -> dict[str, list[dict[str, Any]]]:
    """Rows ``cell`` of summary.json, one per example; nothing of a cell that is rigid."""
    if not problem.cell:
        return {}
    rows = [dict(zip(TENSORS, each.tolist(), strict=True)) for each in free.cell]
    if len(rows) > 1:
        rows = [{"example": k} | row for k, row in enumerate(rows, 1)]
    return {"cell": rows}


def shrunk(problem: Problem, unpulled: NDArray) -> list[str]:
    """Warnings about pairs that nearly coincide unloaded, whose strains are meaningless.

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


class Verdict(NamedTuple):
    """Outcome in one word, and a cause without its full stop.

    ``outcome`` is "learned", "unfinished" (the error was still falling), "oscillating" (it went up
    and down), "stalled", "diverged", "finished" (no further change helps), "stopped" (no step
    could be taken) or "interrupted" (by the user, outside of the command line).
    """

    outcome: str
    why: str


def judge(
    learner: Learner, error: float, tolerance: float, steps: int, accuracy: float | None = None
) -> Verdict:
    """Outcome of a training with a limited number of steps, and its cause.

    Of a classification at rest the ``accuracy`` is the outcome, not the cross-entropy that is left.
    """
    errors = np.array(learner.history.error)
    if error <= tolerance:
        return Verdict("learned", "")
    if learner.interrupted:
        return Verdict("interrupted", f"by the user after step {learner.updates} of {steps}")
    if learner.stopped:
        return Verdict("stopped", f"{learner.stopped.rstrip('.')}{_bounded(learner)}")
    if learner.updates < steps and errors[-1] > tolerance:
        return Verdict("finished", "no change of one element makes the response better")
    if learner.updates < steps:
        return Verdict(
            "finished", "loaded from rest, the network answers otherwise than in training"
        )
    best = int(errors.argmin())
    more = ""
    if best < len(errors) - 1:
        more = f" (the smallest was {errors[best]:.2g} at step {best})"
    if errors[-1] > WORSE * errors[0]:
        return Verdict(
            "diverged",
            f"the error grew from {errors[0]:.2g} to {errors[-1]:.2g}{more}; use a smaller rate, "
            "or a rule that follows the error",
        )
    last = max(LEAST, int(PART * len(errors)))
    recent = errors[-last:]
    if len(errors) < 2 * last or recent.min() < BETTER * errors[:-last].min():
        return Verdict("unfinished", f"{learner.updates} steps were too few{more}")
    if oscillates(errors, last) and accuracy is None:
        slower = f", made {1 / learner.step_scale.limit:g} times as small" * (
            learner.step_scale.limit < 1
        )
        return Verdict(
            "oscillating",
            f"the error goes up and down between {recent.min():.2g} and {recent.max():.2g} in the "
            f"last {last} steps{slower}{more}; use a smaller rate",
        )
    said = f"the error has hardly fallen for {last} steps"
    if accuracy is not None:
        return Verdict("finished", f"{said}{more}; its tolerance is {tolerance:g}")
    return Verdict("stalled", f"{said}{more}: {_reason(learner, recent)}")


def at_bounds(learner: Learner) -> dict[str, dict[str, int]]:
    """Number of learning elements at a bound, by parameter."""
    out = {}
    for dof in learner.dofs:
        low, high = _ends(dof)
        out[dof.name] = {"lower": int(low.sum()), "upper": int(high.sum())}
        out[dof.name]["learning"] = int(dof.learns.sum())
    return out


def _ends(dof: LearningDof) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    # Only saturating scales stop short of a bound.
    near = AT * (dof.high - dof.low) if dof.scale.unreached else 0.0
    return dof.learns & (dof.values <= dof.low + near), dof.learns & (dof.values >= dof.high - near)


def _bounded(learner: Learner) -> str:
    said = [
        f"{n['lower']} of {n['learning']} elements have the smallest {name} allowed"
        for name, n in at_bounds(learner).items()
        if n["lower"]
    ]
    return f"; {' and '.join(said)}" if said else ""


def _reason(learner: Learner, errors: NDArray) -> str:
    change = np.diff(errors)
    for name, n in at_bounds(learner).items():
        if n["lower"] + n["upper"] > n["learning"] / 2:
            return (
                f"{n['lower'] + n['upper']} of {n['learning']} elements are at the bounds of "
                f"{name}; widen them, or ask for less"
            )
    if not np.any(change):
        return "nothing changes any more; signals, or the changes they make, are too small"
    if (change <= 0).all():
        return f"it falls by {1 - errors[-1] / errors[0]:.1%} in that time; use a larger rate"
    return "the rule has come to rest; another start, more elements or an easier task may help"


@cache
def versions() -> dict[str, str]:
    """Versions of mechlearn and the libraries that affect results."""
    out = {"python": platform.python_version()}
    for package in ("mechlearn", "dolfinx-solver-real", "fenics-dolfinx", "numpy", "scipy"):
        try:
            out[package] = version(package)
        except PackageNotFoundError:
            continue
    return out


def timestamp() -> str:
    """Current time in the format of summary.json."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
