"""Feasibility: whether a task can be learned at all, asked before it is trained.

Lower bounds on the error (:mod:`~mechlearn.feasibility.lower_bounds`); counting: more
independent answers than parameters that learn, or than directions in which the outputs can be
moved, the rank of their Jacobian by what learns; and the best error within the bounds
(:mod:`~mechlearn.feasibility.search`).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mechlearn.energies import Element, Spring
from mechlearn.energies.rigidity import check_rigidity
from mechlearn.feasibility.lower_bounds import (
    LowerBound,
    independent_answers,
    known_bounds,
    reciprocity_bound,
)
from mechlearn.feasibility.search import Search, best_within_bounds
from mechlearn.feasibility.verdict import Feasibility
from mechlearn.learning.dofs import Learn, LearningDof, values_per_bond
from mechlearn.network import Network
from mechlearn.tasks.baseline import is_prestressed, pose_from_baseline, require_response
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.task import Task


def feasible(
    network: Network,
    task: Task,
    *,
    energy: Element | None = None,
    learn: Learn | Mapping[str, Learn] | None = None,
    material: Mapping[str, ArrayLike] | None = None,
    tolerance: float = 1e-3,
    starts: int = 4,
    seconds: float = 10.0,
    seed: int = 0,
) -> Feasibility:
    """Say whether a network can learn a task within the bounds of what learns.

    Parameters
    ----------
    network, task, energy, learn, material : as :func:`mechlearn.train` takes them
    tolerance : float
        On the largest relative target error, or the mean cross-entropy.
    starts : int
        Of the search: the initial values, then random ones within the bounds. 0 makes none.
    seconds : float
        When the search ends, wherever it is.
    seed : int
        Of random starts.

    Raises
    ------
    InputError
        For a task that a training would refuse.
    """
    energy = energy or Spring()
    energy = energy if energy.settings else energy.in_dimension(network.dim)()
    learn = Learn(bounds=(0.01, 10.0), initial=1.0) if learn is None else learn
    learn = {energy.parameters[0].name: learn} if isinstance(learn, Learn) else learn
    rng = np.random.default_rng(seed)
    material = {
        name: values_per_bond(values, network, f"material {name!r}", energy.parameter(name))
        for name, values in (material or {}).items()
    }
    dofs = [
        LearningDof(name, table, energy, network, rng, material.get(name))
        for name, table in learn.items()
    ]
    at = {**material, **{dof.name: dof.values for dof in dofs}}
    problem = pose_from_baseline(task, network, energy, at, learn)
    require_response(problem, energy, at, learn)
    known = counted(problem, energy, dofs, material, tolerance)
    check_rigidity(energy, network, problem.driven)
    if starts == 0:
        return known
    return searched(known, problem, energy, dofs, material, starts, seconds, seed)


def counted(
    problem: Problem,
    energy: Element,
    dofs: list[LearningDof],
    material: Mapping[str, Any],
    tolerance: float,
) -> Feasibility:
    """Facts that need no solution: lower bounds and counts."""
    at = {**material, **{dof.name: dof.values for dof in dofs}}
    linear = energy.linear and (
        bool(problem.relative[problem.targets].all())
        or not is_prestressed(problem.network, energy, at, [dof.name for dof in dofs])
    )
    return Feasibility(
        answers=independent_answers(problem, linear, energy.linear),
        parameters=int(sum(dof.learns.sum() for dof in dofs)),
        tolerance=tolerance,
        error_name=problem.error_name,
        lower_bounds=known_bounds(problem, linear, energy.linear),
    )


def searched(
    known: Feasibility,
    problem: Problem,
    energy: Element,
    dofs: list[LearningDof],
    material: Mapping[str, Any],
    starts: int = 4,
    seconds: float = 10.0,
    seed: int = 0,
) -> Feasibility:
    """The same, and what a search within the bounds finds."""
    found = best_within_bounds(
        problem, energy, dofs, material, known.tolerance, starts, seconds, seed
    )
    return replace(known, search=found)


__all__ = [
    "Feasibility",
    "LowerBound",
    "Search",
    "counted",
    "feasible",
    "reciprocity_bound",
    "searched",
]
