"""Noise of contrasts: what is left in two states is divided by the nudge that tells them apart."""

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.learning.local import RuleLearner
from mechlearn.networks import delaunay
from mechlearn.phase import ADJOINT

EPS = np.finfo(float).eps
#: Elements, with the parameter that learns and where that starts.
KINDS = {
    "spring": (ml.Spring(), "stiffness", 1.0),
    "finite spring": (ml.FiniteSpring(), "stiffness", 1.0),
    "rest length": (ml.FiniteSpring(), "rest_length", None),
    "beam": (ml.Beam(), "width", 0.1),
    "finite beam": (ml.FiniteBeam(segments=4), "width", 0.1),
}


def signals(kind: str, rule: ml.EquilibriumPropagation, steps: int) -> tuple:
    """The signal of a rule, the exact gradient there, and how much elements feel beside that."""
    network = delaunay(nodes=20, seed=3)
    order = np.argsort(network.nodes[:, 0]).tolist()
    task = ml.Task(
        sources=[ml.Source(nodes=[order[1], order[9]], strain=0.05)],
        targets=[ml.Target(nodes=[order[-2], order[-9]], strain=0.02)],
    )
    energy, name, initial = KINDS[kind]
    learner = RuleLearner(network, task, energy, {name: ml.Learn(initial=initial)}, rule)
    at = learner.equilibrium
    for step in range(steps + 1):
        if step:
            learner._step()
        learner._states = learner._compare(learner.outputs(learner.settle()))
    gradient = at.model.to_bonds(at.solve(ADJOINT).sensitivity(name).mean(axis=0))
    size = np.linalg.norm(learner._states[0].sensitivity(name))
    return learner._signal(name), gradient, size / np.linalg.norm(gradient)


@pytest.mark.parametrize("variant", ["positive", "centred"])
@pytest.mark.parametrize("kind", KINDS)
def test_contrasts_are_gradients_up_to_the_order_of_the_nudge_and_rounding(kind, variant):
    order = 2 if variant == "centred" else 1
    errors, noise = {}, []
    for beta in (1e-3, 1e-4, 1e-5, 1e-6, 1e-7):
        rule = ml.EquilibriumPropagation(beta=beta, variant=variant)
        signal, gradient, felt = signals(kind, rule, steps=2)
        errors[beta] = np.linalg.norm(signal - gradient) / np.linalg.norm(gradient)
        # Numbers of that size are subtracted, which no method can do better than to rounding.
        rounding = felt * EPS / (beta * order)
        truncation = errors[1e-3] * (beta / 1e-3) ** order
        noise.append(errors[beta] / (1.5 * truncation + rounding))
    assert max(noise) < 20, noise
    assert errors[1e-4] < 0.2 * errors[1e-3]
