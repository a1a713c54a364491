"""Equilibrium: the block method for linear elements, Newton for all others."""

from mechlearn.equilibrium.base import Equilibrium
from mechlearn.equilibrium.limits import LimitEquilibrium
from mechlearn.equilibrium.linear import LinearEquilibrium
from mechlearn.equilibrium.newton import NewtonEquilibrium
from mechlearn.equilibrium.states import EquilibriumState, PhaseState

__all__ = [
    "Equilibrium",
    "EquilibriumState",
    "LimitEquilibrium",
    "LinearEquilibrium",
    "NewtonEquilibrium",
    "PhaseState",
]
