"""Equilibrium: the block method for linear elements, Newton for all others."""

from mechlearn.equilibrium.base import Equilibrium
from mechlearn.equilibrium.linear import LinearEquilibrium
from mechlearn.equilibrium.newton import NewtonEquilibrium
from mechlearn.equilibrium.on_path import PathEquilibrium
from mechlearn.equilibrium.states import EquilibriumState, PhaseState

__all__ = [
    "Equilibrium",
    "EquilibriumState",
    "LinearEquilibrium",
    "NewtonEquilibrium",
    "PathEquilibrium",
    "PhaseState",
]
