"""Networks with angles, creases and areas beside bonds: gradients, ranks, cells, refusals."""

from dataclasses import replace

import numpy as np
import pytest
from ranks import on_ranks

import mechlearn as ml
from mechlearn.energies import element_for
from mechlearn.solids.sizing import size_struts

SQUARE = ml.networks.with_angles(ml.networks.square((4, 4)))
POLYGONS = replace(
    SQUARE, tuples={**SQUARE.tuples, "polygons": [[0, 1, 5, 4], [1, 2, 6, 5], [4, 5, 6, 10, 9, 8]]}
)
CUBIC = ml.networks.with_angles(ml.networks.cubic((2, 2, 3)))
CELL = ml.networks.with_angles(ml.networks.triangular((3, 4), periodic=True))
SHEET = ml.networks.miura((1, 1), b=1.3)
BALLOON = ml.networks.balloon(0)
CHAIN = ml.networks.with_angles(ml.networks.membrane_chain(2, 6))
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
    "balloon": (
        BALLOON,
        pulled(BALLOON, [0, 1, 2], 8, [0.2, 0.0, 0.1], 6),
        "finite_spring + volume",
    ),
    "chain": (CHAIN, pulled(CHAIN, [2, 3], 8, [0.2, 0.1], 6), "finite_spring + angle + area"),
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


@pytest.mark.parametrize("name", ["areas", "balloon", "cell", "sheet"])
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
    with pytest.raises(ml.InputError, match="A solid has no counterpart of angular springs"):
        size_struts(run)
    more = ml.train(net, task, start=run, steps=1)
    assert np.any(more.learned["angle_stiffness"] != run.learned["angle_stiffness"])


@pytest.mark.parametrize("sides", [4, 8, 30])
def test_a_ring_of_springs_under_pressure_is_a_regular_polygon(sides):
    """Tension k (l - l0) in its sides l, of which the area is sides l^2 / (4 tan(pi / sides))."""
    ring, k, p, bulk = ml.networks.membrane_chain(1, sides), 2.0, 0.05, 0.03
    task = ml.Task(targets=[ml.Target(nodes=[0, sides // 2], strain=0.1, baseline="reference")])
    model = "finite_spring + area"
    at = ml.System(ring, task, model, check=False, stiffness=k, bulk=0.0, pressure=p)
    slope = 1 / np.tan(np.pi / sides) / 2
    np.testing.assert_allclose(at.outputs, k / (k - p * slope) - 1, atol=1e-10)
    at = ml.System(ring, task, model, check=False, stiffness=k, bulk=bulk, pressure=p)
    side = 1 + at.outputs[0, 0]
    inside = p - bulk * (side**2 - 1)
    np.testing.assert_allclose(k * (side - 1), inside * slope * side, atol=1e-10)


def test_an_icosahedron_of_springs_under_pressure_keeps_its_shape():
    k, p, bulk = 2.0, 0.1, 0.3
    task = ml.Task(targets=[ml.Target(nodes=BALLOON.edges[0].tolist(), strain=0.1,
                                      baseline="reference")])  # fmt: skip
    at = ml.System(BALLOON, task, "finite_spring + volume", stiffness=k, bulk=bulk, pressure=p)
    rest = BALLOON.lengths[0]
    side, size = rest * (1 + at.outputs[0, 0]), 5 * (3 + np.sqrt(5)) / 12
    inside = p - bulk * ((side / rest) ** 3 - 1)
    np.testing.assert_allclose(30 * k * (side - rest), inside * 3 * size * side**2, atol=1e-10)


def test_a_filling_resists_as_a_gas_of_one_modulus():
    """A unit square between plates, pressed by d: a force of bulk d on them, to all orders."""
    soft = ml.energy(lambda e, soft=1e-9: soft * e**2 / 2, name="soft")
    square = ml.Network(
        [[0, 0], [1, 0], [1, 1], [0, 1]], [[0, 1], [1, 2], [2, 3], [3, 0]],
        tuples={"polygons": [[3, 2, 1, 0]]},
    )  # fmt: skip
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 1]), ml.Support(nodes=[2], components=["x"])],
        sources=[
            ml.Source(name="a", nodes=2, components=["y"], displacement=[-0.3]),
            ml.Source(name="b", nodes=3, displacement=[0.0, -0.3]),
        ],
        targets=[ml.Target(source="a", quantity="force", force=[0.0])],
    )
    at = ml.System(square, task, soft + ml.Area(), check=False, bulk=2.0)
    np.testing.assert_allclose(at.outputs, -2.0 * 0.3 / 2, atol=1e-8)


def test_a_straight_chain_in_space_is_held_by_its_angles():
    """Bent as a beam of stiffness k times the length of its links: F L^3 / (3 k), L of 3 links."""
    x = np.column_stack([np.arange(5.0), np.zeros((5, 2))])
    chain = ml.networks.with_angles(ml.Network(x, [[i, i + 1] for i in range(4)]))
    assert chain.count("triples") == 3
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 1])],
        sources=[ml.Source(name="end", nodes=4, force=[0.0, 3e-6, 4e-6])],
        targets=[ml.Target(nodes=4, displacement=[0.0, 0.0, 0.0])],
    )
    at = ml.System(chain, task, "finite_spring + angle", angle_stiffness=2.0)
    # Angles of moment (3 - i) F each, at nodes 1, 2, 3: deflection is the sum of its squares.
    wanted = (9 + 4 + 1) / 2.0 * np.array([3e-6, 4e-6])
    np.testing.assert_allclose(at.outputs[0, 1:], wanted, rtol=1e-8)


@pytest.mark.parametrize(
    ("net", "model", "message"),
    [
        (ml.networks.square((3, 3)), "finite_spring + angle", "angular springs need triples"),
        (SQUARE, "angle", r"act beside bonds; add some, as in model = 'finite_spring \+ angle'"),
        (SQUARE, "finite_spring + crease", "lives in 3D; the network is in 2D"),
        (SQUARE, "resistor + angle", "need nodes that move"),
        (
            replace(ml.networks.cubic((2, 2, 3)), tuples={"triples": [[1, 0, 2]]}),
            "finite_spring + angle",
            "nodes 1, 0 and 2 of triples 0 are on a line",
        ),
        (
            replace(BALLOON, tuples={"polygons": [[0, 1, 2]]}),
            "finite_spring + area",
            "lives in 2D; the network is in 3D",
        ),
        (
            replace(SQUARE, tuples={"polygons": [[0, 1, 5, 4], [0, 5, 1, 4]]}),
            "finite_spring + area",
            "polygon 1, of nodes 0, 5, 1 and 4, crosses or touches itself",
        ),
        (
            replace(BALLOON, tuples={"surfaces": BALLOON.tuples["surfaces"][:, 3:]}),
            "finite_spring + volume",
            "surface 0 is not closed, or its triangles do not all have the same sense, at nodes",
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
        (
            {"pairs": [[0, 1]]},
            "Node tuples are triples, quadruples, polygons and surfaces, not 'pairs'",
        ),
        ({"triples": [[0, 1]]}, "triples must be rows of 3 node ids"),
        ({"triples": [[0, 1, 0]]}, r"row 0, \[0, 1, 0\], must be 3 different nodes, 0 to 15"),
        ({"quadruples": [[0, 1, 2, 16]]}, "must be 4 different nodes, 0 to 15"),
        ({"polygons": [[0, 1, 2, 3], [0, 1]]}, "row 1, .*must be three or more different nodes"),
        ({"surfaces": [[0, 1, 2, 3]]}, "row 0, .*must be triangles, of three different nodes"),
    ],
)
def test_tables_that_are_no_node_tuples_are_refused(tuples, message):
    with pytest.raises(ml.InputError, match=message):
        ml.Network(SQUARE.nodes, SQUARE.edges, tuples=tuples)
