"""Feasibility of a task, before training.

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

from mechlearn.attributes import values_per_bond
from mechlearn.energies import element_for
from mechlearn.energies.element import Element
from mechlearn.feasibility.lower_bounds import (
    LowerBound,
    independent_answers,
    known_bounds,
    reciprocity_bound,
)
from mechlearn.feasibility.search import Search, best_within_bounds
from mechlearn.feasibility.verdict import Feasibility
from mechlearn.learning.dofs import Learn, LearningDof, require_response
from mechlearn.learning.system import System
from mechlearn.network import Network
from mechlearn.schema import checked
from mechlearn.tasks.task import Task


@checked(network=Network, task=Task)
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
    """Feasibility of a task for a network, within the bounds of the parameters that learn.

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
    energy = element_for(network, energy)
    learn = Learn(bounds=(0.01, 10.0), initial=1.0) if learn is None else learn
    learn = {energy.stiffness_parameter: learn} if isinstance(learn, Learn) else learn
    rng = np.random.default_rng(seed)
    material = {
        name: values_per_bond(values, network, f"material {name!r}", energy.parameter(name))
        for name, values in (material or {}).items()
    }
    dofs = [
        LearningDof(name, table, energy, network, rng, material.get(name))
        for name, table in learn.items()
    ]
    values: dict[str, Any] = {**material, **{dof.name: dof.values for dof in dofs}}
    learns = {dof.name: dof.learns for dof in dofs}
    system = System(network, task, energy, learns=learns, **values)
    require_response(system)
    known = counted(system, dofs, tolerance)
    return searched(known, system, dofs, starts, seconds, seed) if starts else known


def counted(system: System, dofs: list[LearningDof], tolerance: float) -> Feasibility:
    """Facts that need no solution: lower bounds and counts."""
    problem, small = system.problem, system.energy.linear
    linear = small and (bool(problem.relative[problem.targets].all()) or not system.prestressed)
    return Feasibility(
        answers=independent_answers(problem, linear, small),
        parameters=int(sum(dof.learns.sum() for dof in dofs)),
        tolerance=tolerance,
        error_name=problem.error_name,
        lower_bounds=known_bounds(problem, linear, small),
    )


def searched(
    known: Feasibility,
    system: System,
    dofs: list[LearningDof],
    starts: int = 4,
    seconds: float = 10.0,
    seed: int = 0,
) -> Feasibility:
    """Feasibility with the result of a search within the bounds."""
    found = best_within_bounds(system, dofs, known.tolerance, starts, seconds, seed)
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
