"""Systems: costs, gradients and contrasts at a point, against finite differences and identities."""

import numpy as np
import pytest

import mechlearn as ml

TASK = ml.Task(
    sources=[ml.Source(name="in", nodes=[0, 7], strain=0.1)],
    targets=[ml.Target(nodes=[3, 12], strain=0.2), ml.Target(nodes=[20, 25], strain=-0.1)],
    examples=[{}, {"in": -0.05}],
)


@pytest.mark.parametrize("parameter", ["stiffness", "rest_length"])
@pytest.mark.parametrize("energy", [ml.Spring(), ml.FiniteSpring()], ids=lambda e: e.name)
def test_the_gradient_is_the_slope_of_the_cost(plane, stiffnesses, energy, parameter):
    at = {"stiffness": stiffnesses(plane), "rest_length": plane.lengths}
    system = ml.System(plane, TASK, energy, **at)
    bond, h = 17, 1e-5 * at[parameter][17]
    gradient = system.gradient(parameter)
    costs = []
    for sign in (1, -1):
        moved = at[parameter].copy()
        moved[bond] += sign * h
        costs.append(system.set(**{parameter: moved}).cost)
    slope = (costs[0] - costs[1]) / (2 * h)
    assert slope == pytest.approx(gradient[bond], rel=1e-5, abs=1e-7 * np.abs(gradient).max())


def test_a_run_and_a_system_read_the_same(plane):
    run = ml.train(plane, TASK, steps=3)
    system = ml.System(plane, TASK, stiffness=run.learned["stiffness"])
    assert system.outputs == pytest.approx(run.history.output.values[-1], abs=1e-12)
    assert system.cost == pytest.approx(float(run.history.cost[-1]), rel=1e-9)
    rule = ml.CoupledLearning(eta=0.01)
    assert system.contrast(rule) == pytest.approx(float(run.history.contrast[-1]), rel=1e-9)


def test_equilibrium_propagation_descends_its_contrast(plane, stiffnesses):
    """At any nudge, its signal is the gradient of contrast over nudge."""
    k = stiffnesses(plane)
    rule = ml.EquilibriumPropagation(beta=0.5)
    system = ml.System(plane, TASK, stiffness=k)
    signal, way = system.signal(rule), np.random.default_rng(1).normal(size=len(k))
    up, down = (system.set(stiffness=k + s * 1e-5 * way).contrast(rule) / 0.5 for s in (1, -1))
    assert (up - down) / 2e-5 == pytest.approx(signal @ way, rel=1e-6)


def test_what_is_no_parameter_is_refused(plane):
    with pytest.raises(ml.InputError, match="stiffness"):
        ml.System(plane, TASK, stifness=1.0)
    with pytest.raises(ml.InputError, match="numbers; the network has"):
        ml.System(plane, TASK, stiffness=[1.0, 2.0])
    with pytest.raises(ml.InputError, match="width"):
        ml.System(plane, TASK).gradient("width")


def test_beams_can_be_cut_and_struts_of_a_solid_cannot(plane):
    beams = ml.System(plane, TASK, ml.Beam(), cut=[3])
    assert beams.parameters["modulus"][3] == 0
    with pytest.raises(ml.InputError, match="A solid cannot be cut"):
        ml.System(plane, TASK, ml.Solid(), cut=[3])


@pytest.mark.parametrize("energy", ["beam", ml.Beam, ml.Beam()])
def test_an_element_takes_the_form_of_the_dimension(space, energy):
    assert "radius" in ml.System(space, TASK, energy).parameters
