"""Equilibrium: the block method for linear elements, Newton for all others."""

from mechlearn.equilibrium.base import Equilibrium
from mechlearn.equilibrium.linear import LinearEquilibrium
from mechlearn.equilibrium.newton import NewtonEquilibrium
from mechlearn.equilibrium.states import EquilibriumState, PhaseState
from mechlearn.fem.model import Model
from mechlearn.tasks.problem import Problem


def equilibrium(model: Model, problem: Problem) -> Equilibrium:
    """Equilibrium solver for the model's energy."""
    kind = LinearEquilibrium if model.energy.linear else NewtonEquilibrium
    return kind(model, problem)


__all__ = [
    "Equilibrium",
    "EquilibriumState",
    "LinearEquilibrium",
    "NewtonEquilibrium",
    "PhaseState",
    "equilibrium",
]
