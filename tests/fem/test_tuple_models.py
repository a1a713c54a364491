"""Networks with angles, creases and areas beside bonds: gradients, ranks, cells, refusals."""

from dataclasses import replace

import numpy as np
import pytest
from ranks import on_ranks

import mechlearn as ml
from mechlearn.energies import element_for

SQUARE = ml.networks.with_angles(ml.networks.square((4, 4)))
POLYGONS = replace(
    SQUARE, tuples={**SQUARE.tuples, "polygons": [[0, 1, 5, 4], [1, 2, 6, 5], [4, 5, 6, 10, 9, 8]]}
)
CUBIC = ml.networks.with_angles(ml.networks.cubic((2, 2, 3)))
CELL = ml.networks.with_angles(ml.networks.triangular((3, 4), periodic=True))
SHEET = ml.networks.miura((1, 1), b=1.3)
RNG = np.random.default_rng(0)


def pulled(net, held, source, move, target):
    return ml.Task(
        supports=[ml.Support(nodes=held)],
        sources=[ml.Source(name="in", nodes=source, displacement=move)],
        targets=[ml.Target(name="out", nodes=target, displacement=[0.1] * net.dim)],
    )


def of_cell(net):
    return ml.Task(
        sources=[ml.Source(name="in", cell="xy", strain=0.1)],
        targets=[ml.Target(name="out", cell="xx", strain=-0.05)],
    )


FLAT = pulled(SQUARE, [0, 1, 2, 3], 12, [0.3, 0.2], 15)
CASES = {
    "angles": (SQUARE, FLAT, "finite_spring + angle"),
    "areas": (POLYGONS, FLAT, "finite_spring + angle + area"),
    "frames": (SQUARE, FLAT, "finite_beam + angle"),
    "space": (CUBIC, pulled(CUBIC, [0, 1, 2, 3], 11, [0.2, 0.2, 0.1], 10), "angle + finite_spring"),
    "sheet": (SHEET, pulled(SHEET, [0, 3, 4], 8, [0.1, 0.0, 0.1], 6), "finite_spring + crease"),
    "cell": (CELL, of_cell(CELL), "finite_spring + angle"),
}


def system(name, **changed):
    net, task, model = CASES[name]
    values = {}
    for parameter in element_for(net, model).parameters:
        default = parameter.values(net)
        noise = np.random.default_rng(len(parameter.name)).uniform(0.5, 1, default.shape)
        values[parameter.name] = default * noise if default.any() else 0.05 * noise
    values.pop("rest_length", None)
    return ml.System(net, task, model, **values | changed)


@pytest.mark.parametrize("name", CASES)
def test_derivatives_of_outputs_by_every_constant(name):
    at = system(name)
    outputs = at.outputs
    for parameter in at.learns:
        values, slopes = at.parameters[parameter], at.jacobian(parameter)
        change = values * RNG.uniform(-1, 1, values.shape)
        error = [
            np.abs(system(name, **{parameter: values + h * change}).outputs - outputs
                   - h * slopes @ change).max() for h in (5e-3, 5e-4)
        ]  # fmt: skip
        assert error[0] < 1e-11 or np.log10(error[0] / error[1]) > 1.95, parameter


def states_of(name):
    at = system(name)
    return at.free.states(), at.gradient(next(reversed(at.learns)))


@pytest.mark.parametrize("name", ["areas", "cell", "sheet"])
def test_ranks_find_one_state_and_one_gradient(name):
    state, gradient = states_of(name)
    for other, slopes in on_ranks(2, states_of, name):
        np.testing.assert_allclose(other, state, atol=1e-9)
        np.testing.assert_allclose(slopes, gradient, atol=1e-8)


def test_a_run_with_angles_is_trained_saved_and_loaded(tmp_path):
    net, task, model = CASES["angles"]
    learn = {"stiffness": ml.Learn(bounds=(0.1, 10)), "angle_stiffness": ml.Learn(bounds=(0.1, 10))}
    run = ml.train(net, task, energy=model, learn=learn, steps=4, rate=5.0)
    assert run.history["angle_stiffness"].dims == ("snapshot", "triple")
    # The best step is kept, which is not the last of the history.
    assert np.any(run.learned["angle_stiffness"] != run.history["angle_stiffness"].values[-1])
    run.save(tmp_path)
    again = ml.Run.load(tmp_path)
    np.testing.assert_array_equal(again.network.tuples["triples"], net.tuples["triples"])
    for name, values in run.learned.items():
        np.testing.assert_array_equal(again.learned[name], values)
    np.testing.assert_allclose(again.system().outputs, run.system().outputs, rtol=1e-9)
    with pytest.raises(ml.InputError, match=r"angular springs have no counterpart in \.inp files"):
        run.export(tmp_path / "part.inp")
    more = ml.train(net, task, start=run, steps=1)
    assert np.any(more.learned["angle_stiffness"] != run.learned["angle_stiffness"])


@pytest.mark.parametrize(
    ("net", "model", "message"),
    [
        (ml.networks.square((3, 3)), "finite_spring + angle", "angular springs need triples"),
        (SQUARE, "angle", r"act beside bonds; add some, as in model = 'finite_spring \+ angle'"),
        (SQUARE, "finite_spring + crease", "lives in 3D; the network is in 2D"),
        (SQUARE, "resistor + angle", "need nodes that move"),
        (
            replace(ml.networks.cubic((2, 2, 3)), tuples={"triples": [[0, 1, 2]]}),
            "finite_spring + angle",
            "nodes 0, 1 and 2 of triples 0 are on a line",
        ),
    ],
)
def test_bad_node_tuples_are_refused_in_a_sentence(net, model, message):
    task = pulled(net, [0, 1], net.n_nodes - 1, [0.1] * net.dim, net.n_nodes - 2)
    with pytest.raises(ml.InputError, match=message):
        ml.System(net, task, model).free  # noqa: B018


@pytest.mark.parametrize(
    ("tuples", "message"),
    [
        ({"pairs": [[0, 1]]}, "Node tuples are triples, quadruples and polygons, not 'pairs'"),
        ({"triples": [[0, 1]]}, "triples must be rows of 3 node ids"),
        ({"triples": [[0, 1, 0]]}, r"row 0, \[0, 1, 0\], must be 3 different nodes, 0 to 15"),
        ({"quadruples": [[0, 1, 2, 16]]}, "must be 4 different nodes, 0 to 15"),
        ({"polygons": [[0, 1, 2, 3], [0, 1]]}, "row 1, .*must be three or more different nodes"),
    ],
)
def test_tables_that_are_no_node_tuples_are_refused(tuples, message):
    with pytest.raises(ml.InputError, match=message):
        ml.Network(SQUARE.nodes, SQUARE.edges, tuples=tuples)
