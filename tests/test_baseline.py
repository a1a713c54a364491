"""Responses measured from the unloaded state, in networks whose elements carry prestress."""

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.baseline import pose_from_baseline
from mechlearn.energies import Solid
from mechlearn.equilibrium import equilibrium
from mechlearn.fenics import MPI
from mechlearn.rules import EquilibriumPropagation, GradientDescent

PAIR = [ml.Source(name="in", nodes=[1, 21], strain=0.06)]


class Bench:
    """A prestressed network at a fixed point: its cost, and what rules make of it."""

    def __init__(self, net, task, energy=None, **at):
        self.energy = energy or ml.FiniteSpring()
        self.at = at
        self.problem = pose_from_baseline(task, net, self.energy, at, at)
        model = self.energy.model(net, self.problem, at, MPI.COMM_SELF)
        self.solver = equilibrium(model, self.problem)

    def outputs(self, **change):
        self.solver.update(**{**self.at, **change})
        return self.solver.outputs(self.solver.free())

    def cost(self, **change):
        return self.problem.costs(self.outputs(**change)).mean()

    def signal(self, rule, name):
        self.outputs()
        local = rule.signal([self.solver.solve(p).sensitivity(name) for p in rule.phases])
        mean = self.solver.mean_signal(name, [self.solver.solve(p) for p in rule.phases], rule.signal)
        assert mean == pytest.approx(local.mean(axis=0), rel=1e-9, abs=1e-9 * np.abs(local).max())
        return self.solver.model.to_bonds(local.mean(axis=0))

    def slope(self, name, size=4e-4):
        """The order of the Taylor remainder of the cost with the exact gradient."""
        gradient = self.signal(GradientDescent(), name)
        direction = np.random.default_rng(1).standard_normal(len(gradient)) * self.at[name]
        base, steps = self.cost(), size * 0.5 ** np.arange(4)
        left = [
            abs(self.cost(**{name: self.at[name] + h * direction}) - base - h * gradient @ direction)
            for h in steps
        ]
        return np.log2(left[0] / left[-1]) / 3


def values(net, spread=0.03, seed=3):
    rng = np.random.default_rng(seed)
    return {
        "stiffness": 10 ** rng.uniform(-0.3, 0.3, net.n_edges),
        "rest_length": net.lengths * rng.uniform(1 - spread, 1 + spread, net.n_edges),
    }
