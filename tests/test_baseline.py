"""Responses measured from the unloaded state, in networks whose elements carry prestress."""

import numpy as np
import pytest
from test_rules import GENTLE, TASKS

import mechlearn as ml
from mechlearn.baseline import pose_from_baseline
from mechlearn.equilibrium import equilibrium
from mechlearn.fenics import MPI
from mechlearn.rules import CoupledLearning, EquilibriumPropagation, GradientDescent


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
        states = [self.solver.solve(phase) for phase in rule.phases]
        return self.solver.model.to_bonds(self.solver.mean_signal(name, states, rule.signal))

    def slope(self, name, size=4e-3):
        """The order of the Taylor remainder of the cost with the exact gradient."""
        gradient = self.signal(GradientDescent(), name)
        direction = np.random.default_rng(1).standard_normal(len(gradient)) * self.at[name]
        base, steps = self.cost(), size * 0.5 ** np.arange(4)
        left = [
            abs(
                self.cost(**{name: self.at[name] + h * direction}) - base - h * gradient @ direction
            )
            for h in steps
        ]
        return np.log2(left[0] / left[-1]) / 3


def values(net, spread=0.03, seed=3):
    rng = np.random.default_rng(seed)
    return {
        "stiffness": 10 ** rng.uniform(-0.3, 0.3, net.n_edges),
        "rest_length": net.lengths * rng.uniform(1 - spread, 1 + spread, net.n_edges),
    }


@pytest.mark.parametrize("name", ["stiffness", "rest_length"])
@pytest.mark.parametrize("task", sorted(TASKS))
def test_the_exact_gradient_has_two_states(plane, task, name):
    """Taylor remainders of order 2: both states, and sources that follow the unloaded one."""
    assert Bench(plane, TASKS[task], **values(plane)).slope(name) > 1.95


@pytest.mark.parametrize("task", sorted(set(TASKS) - {"coupled strains"}))
def test_equilibrium_propagation_tends_to_it(plane, task):
    """With beta, with beta and with beta^2 for the variants P, N and C."""
    b = Bench(plane, TASKS[task], **values(plane))
    for name in ("stiffness", "rest_length"):
        exact = b.signal(GradientDescent(), name)
        for variant, order in (("positive", 1), ("negative", 1), ("centred", 2)):
            errors = []
            for beta in (4e-4, 1e-4):
                rule = EquilibriumPropagation(beta=beta * GENTLE.get(task, 1.0), variant=variant)
                errors.append(np.linalg.norm(b.signal(rule, name) - exact))
            assert errors[-1] < 0.05 * np.linalg.norm(exact)
            assert np.log(errors[0] / errors[1]) / np.log(4) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize("task", ["one strain", "force of a pair", "reaction"])
def test_coupled_learning_of_one_output_follows_it(plane, task):
    b = Bench(plane, TASKS[task], **values(plane))
    for name in ("stiffness", "rest_length"):
        exact = b.signal(GradientDescent(), name)
        found = b.signal(CoupledLearning(eta=1e-4, variant="centred"), name)
        assert found @ exact / np.linalg.norm(found) / np.linalg.norm(exact) > 1 - 1e-6
