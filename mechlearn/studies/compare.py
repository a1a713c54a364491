"""Comparison of rules: the same network and starts, with the exact gradient as reference."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError, MechlearnError, SolveError
from mechlearn.extensions import name_of, needed
from mechlearn.learning import Learner, RuleLearner
from mechlearn.learning.rules import (
    ContrastiveLearning,
    CoupledLearning,
    DirectedAging,
    EquilibriumPropagation,
    GradientDescent,
    GradientFree,
    GreedyPruning,
    Procedure,
    Rule,
    Variant,
    signals,
)
from mechlearn.phase import ADJOINT
from mechlearn.runs.config import Setup
from mechlearn.runs.learner import make_learner
from mechlearn.runs.warm_start import with_start
from mechlearn.schema import checked, pick

#: Spread of the initial values where the task has none and several starts are wanted.
SPREAD = 0.1
#: Differences of energies below this part of them are rounding.
ROUNDING = 1e-14
#: The letters of the literature for variants of a nudge.
VARIANTS: dict[Variant, str] = {"positive": "P", "negative": "N", "centred": "C"}
#: Errors and cosines of a training that did not begin.
NOTHING = np.empty(0)


def all_rules(beta: float) -> dict[str, Procedure]:
    """All rules and variants, and some searches, by the short names of the literature.

    ``beta`` is a nudge that equilibrium propagation can use on the task, see :func:`natural_beta`.
    """
    return {
        "CL": ContrastiveLearning(),
        **{f"CpL {k}": CoupledLearning(eta=1e-2, variant=v) for v, k in VARIANTS.items()},
        **{
            f"EP {k}": EquilibriumPropagation(beta=1e-2 * beta, variant=v)
            for v, k in VARIANTS.items()
        },
        "GD": GradientDescent(),
        "aging": DirectedAging(),
        "prune": GreedyPruning(),
        "CMA": GradientFree(method="cma"),
        "1+1": GradientFree(method="perturbation"),
        "pattern": GradientFree(method="pattern"),
    }


@dataclass(frozen=True, eq=False)
class RuleResult:
    """Training by one rule from one start: errors and cosines by step, and the outcome.

    ``cosine`` is that between a local rule's signal and the exact gradient of the cost. ``began``
    is False for a rule that is not for the task.
    """

    rule: str
    seed: int
    error: NDArray[np.float64]
    cosine: NDArray[np.float64]
    converged: bool
    wall_s: float
    trouble: str = ""
    began: bool = True


@checked(setup=Setup, folder=Path, watch=Callable)
def compare(
    setup: Setup,
    folder: Path = Path(),
    names: Sequence[str] = (),
    seeds: int = 3,
    watch: Callable[[str, int], None] | None = None,
) -> list[RuleResult]:
    """Train a task by several rules from the same starts.

    Parameters
    ----------
    setup, folder : the task, and the folder its files are relative to
    names : rules by the names of ``all_rules``, and the task's own where it is a user's; all of
        them where empty
    seeds : number of starts, which differ in the random spread of the initial values
    watch : called with the rule's name and the seed before each training

    Raises
    ------
    InputError
        For an unknown rule, and where the task itself is wrong, or its own rule.
    """
    setup = with_start(setup, folder)
    if seeds > 1:
        learn = {
            name: table if table.spread else table.model_copy(update={"spread": SPREAD})
            for name, table in setup.learn.items()
        }
        setup = setup.model_copy(update={"learn": learn})
    build = _Builder(setup, folder)
    known = all_rules(natural_beta(build(GradientDescent(), 0)))
    own = setup.procedure
    known |= dict.fromkeys(needed((name_of(own), own)), own)
    chosen = {name: pick(known, name, "rules") for name in names} or known
    results = []
    for name, rule in chosen.items():
        for seed in range(seeds):
            if watch:
                watch(name, seed)
            try:
                learner = build(rule, seed)
            except InputError as error:
                if names or rule is own:
                    raise
                # Not every rule is for every task: a cost without values, a nonlinear element.
                none = RuleResult(name, seed, NOTHING, NOTHING, False, 0.0, str(error), False)
                results.append(none)
            else:
                results.append(_train(learner, name, seed, setup))
    return results


class _Builder:
    """Factory of learners of one task for any rule and start; the network is made once."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        self.setup = setup = with_start(setup, folder)
        self.network = setup.build_network(folder)
        self.energy = setup.element(self.network)

    def __call__(self, rule: Procedure, seed: int) -> Learner:
        train = self.setup.train.model_copy(update={"seed": self.setup.train.seed + seed})
        setup = self.setup.model_copy(update={"train": train})
        return make_learner(setup, self.network, self.energy, rule)


def _train(learner: Learner, name: str, seed: int, setup: Setup) -> RuleResult:
    cosines: list[float] = []
    spent = 0.0

    def see(learner: Learner) -> None:
        nonlocal spent
        if not isinstance(learner, RuleLearner) or not isinstance(learner.rule, Rule):
            return
        began = time.perf_counter()
        cosines.append(cosine(signal(learner, learner.rule), signal(learner, GradientDescent())))
        spent += time.perf_counter() - began

    began, converged, trouble = time.perf_counter(), False, ""
    try:
        converged = learner.train(setup.train.steps, setup.train.tolerance, see)
    except MechlearnError as error:
        trouble = str(error)
    wall = time.perf_counter() - began - spent
    errors = np.array(learner.history.error)
    return RuleResult(name, seed, errors, np.array(cosines), converged, wall, trouble)


def signal(learner: Learner, rule: Rule) -> NDArray[np.float64]:
    """Concatenated signals of a rule for all learning parameters of a settled learner."""
    states = [learner.equilibrium.solve(phase) for phase in rule.phases]
    parts = []
    for dof in learner.dofs:
        sensitivities = [
            learner.model.to_elements(dof.name, state.sensitivity(dof.name)) for state in states
        ]
        parts.append(np.where(dof.learns, signals(rule, sensitivities).mean(axis=0), 0.0))
    return np.concatenate(parts)


def cosine(a: NDArray, b: NDArray) -> float:
    """Cosine of the angle between two vectors; NaN where one is zero."""
    size = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / size) if size > 0 else float("nan")


def natural_beta(learner: Learner) -> float:
    """Nudge that would move the outputs about as far as their errors.

    About as far as they are from zero, where they are not wanted at values.
    """
    solver, problem = learner.equilibrium, learner.problem
    outputs = solver.outputs(learner.settle())
    _, rate = solver.solve(ADJOINT).parts[0]  # of the free state, whatever it is compared with
    missing = problem.residual(outputs) if problem.task.cost.has_values else outputs
    size, largest = np.abs(missing).max(), np.abs(solver.outputs(rate)).max()
    return float(size / largest) if largest > 0 and size > 0 else 1.0


@dataclass(frozen=True, eq=False)
class NudgeStudy:
    """Contrast, update and angle to the gradient of a family of rules, against the nudge.

    Attributes
    ----------
    rule : str
    amount : (k,) array
        The nudge, eta or beta.
    contrast, update : (k,) arrays
        Energy difference of the two states, and size of the signal before dividing by the nudge.
    angle : (k,) array
        One less the cosine between the signal and the exact gradient.
    """

    rule: str
    amount: NDArray[np.float64]
    contrast: NDArray[np.float64]
    update: NDArray[np.float64]
    angle: NDArray[np.float64]

    @property
    def powers(self) -> tuple[float, float]:
        """Fitted exponents of contrast and update in the nudge, over its smallest third.

        Not a number where there is nothing to fit, as for the contrast of centred coupled learning.
        """
        return self._power(self.contrast), self._power(self.update)

    def _power(self, values: NDArray) -> float:
        last = slice(-(len(self.amount) // 3), None)
        x, y = self.amount[last], np.abs(values[last])
        if not y.min() > 0:  # the contrast of centred rules cancels
            return float("nan")
        return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def nudge_study(setup: Setup, folder: Path = Path(), decades: float = 5.0) -> list[NudgeStudy]:
    """Contrast, update and angle to the exact gradient of the untrained network, against the nudge.

    For coupled learning ``eta`` runs down from 1; for equilibrium propagation ``beta`` from a tenth
    of :func:`natural_beta`. Coupled learning follows the gradient for one output only, so a task
    with several is also studied with nothing but its first target.
    """
    studies = _studies(setup, folder, decades, "")
    if len(setup.targets) > 1 and not setup.targets[0].match and setup.task.cost.has_values:
        studies += _studies(_first_target(setup), folder, decades, ", one output")
    return studies


def _studies(setup: Setup, folder: Path, decades: float, suffix: str) -> list[NudgeStudy]:
    learner = _Builder(setup, folder)(GradientDescent(), 0)
    beta = 0.1 * natural_beta(learner)
    learner.settle()
    exact = signal(learner, GradientDescent())
    families: dict[str, Callable[[float, Variant], Rule]] = {
        "EP": lambda x, v: EquilibriumPropagation(beta=beta * x, variant=v, normalise=False)
    }
    if learner.problem.task.cost.has_values:
        families["CpL"] = lambda x, v: CoupledLearning(eta=x, variant=v, normalise=False)
    studies = []
    for variant, letter in VARIANTS.items():
        for family, make in families.items():
            rows = [_nudged(learner, make(x, variant), exact) for x in np.logspace(0, -decades, 16)]
            studies.append(NudgeStudy(f"{family} {letter}{suffix}", *np.array(rows).T))
    return sorted(studies, key=lambda study: study.rule)


def _first_target(setup: Setup) -> Setup:
    """The task with its first target only."""
    gone = {t.name for t in setup.task.targets[1:]}
    examples = [{k: v for k, v in e.items() if k not in gone} for e in setup.examples]
    return setup.model_copy(update={"targets": setup.targets[:1], "examples": examples})


def _nudged(learner: Learner, rule: Any, exact: NDArray) -> tuple[float, float, float, float]:
    try:
        found = signal(learner, rule)
        first, second = (learner.equilibrium.solve(p).potentials.mean() for p in rule.phases)
    except SolveError:  # so strong a nudge that there is no such state
        return rule.amount, np.nan, np.nan, np.nan
    # Less than that is nothing but rounding.
    contrast = second - first if abs(second - first) > 1e-13 * abs(second) else 0.0
    return rule.amount, contrast, float(np.linalg.norm(found)), 1 - cosine(found, exact)


def table(results: Sequence[RuleResult]) -> list[dict[str, Any]]:
    """One row per rule: successes, and medians over the starts."""
    rows = []
    for name in dict.fromkeys(t.rule for t in results):
        mine = [t for t in results if t.rule == name]
        rows.append(
            {
                "rule": name,
                "reached": sum(t.converged for t in mine),
                "starts": len(mine),
                "final_error": _median([t.error[-1] for t in mine if len(t.error)]),
                "steps": float(np.median([max(len(t.error) - 1, 0) for t in mine])),
                "wall_s": float(np.median([t.wall_s for t in mine])),
                "first_cosine": _median([t.cosine[0] for t in mine if len(t.cosine)]),
                "median_cosine": _median([np.nanmedian(t.cosine) for t in mine if len(t.cosine)]),
                "trouble": next((t.trouble for t in mine if t.trouble), ""),
            }
        )
    return rows


def _median(values: Sequence[float]) -> float:
    finite = [v for v in values if np.isfinite(v)]
    return float(np.median(finite)) if finite else float("nan")
