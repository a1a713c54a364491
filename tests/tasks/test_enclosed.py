"""Pressures and growths of what nodes enclose, as sources and targets: closed forms, slopes."""

import numpy as np
import pytest
from ranks import on_ranks

import mechlearn as ml
from mechlearn.tasks.ports import Port

RING, SIDES, STIFFNESS = ml.networks.membrane_chain(1, 8), 8, 2.0
ICOSAHEDRON, BALLOON = ml.networks.balloon(0), ml.networks.balloon(1)
SIZE = 5 * (3 + np.sqrt(5)) / 12  # volume of an icosahedron of side 1


def pumped(net, targets, **value):
    return ml.Task(
        sources=[ml.Source(name="pump", nodes=list(range(net.n_nodes)), **value)], targets=targets
    )


GROWTH = ml.Target(source="pump", growth=0.2)
PRESSURE = ml.Target(source="pump", quantity="pressure", pressure=0.1)


def test_a_ring_under_a_pressure_grows_as_a_regular_polygon():
    p, slope = 0.05, 1 / np.tan(np.pi / SIDES) / 2
    growth = (STIFFNESS / (STIFFNESS - p * slope)) ** 2 - 1
    for task, answer in (
        (pumped(RING, [GROWTH], pressure=p), growth),
        (pumped(RING, [PRESSURE], growth=growth), p),
    ):
        at = ml.System(RING, task, "finite_spring", check=False, stiffness=STIFFNESS)
        np.testing.assert_allclose(at.outputs, answer, atol=1e-9)


def test_the_path_of_a_balloon_passes_its_largest_pressure():
    """10 k (l - l0) / (c l^2) in an icosahedron of sides l, largest at l = 2 l0."""
    task = pumped(ICOSAHEDRON, [PRESSURE], growth=12.0)
    path = ml.path(ICOSAHEDRON, task, "finite_spring", steps=40, stiffness=STIFFNESS)
    rest = ICOSAHEDRON.lengths[0]
    side = rest * (1 + path["pump"].values) ** (1 / 3)
    wanted = 10 * STIFFNESS * (side - rest) / (SIZE * side**2)
    np.testing.assert_allclose(path["pump.force"].values, wanted, atol=1e-9)
    assert (path["stable"].values == 1).all()
    task = pumped(ICOSAHEDRON, [GROWTH], pressure=wanted.max() * 1.5)
    path = ml.path(ICOSAHEDRON, task, "finite_spring", steps=40, stiffness=STIFFNESS)
    first = path.limit_points[0]
    np.testing.assert_allclose(first["pump"], 7.0, atol=1e-6)
    np.testing.assert_allclose(first["pump.force"], 10 * STIFFNESS / (4 * SIZE * rest), atol=1e-9)


def balloon(**values):
    at = {"stiffness": np.linspace(1, 2, BALLOON.n_edges), "crease_stiffness": 0.1} | values
    task = pumped(BALLOON, [GROWTH, ml.Target(nodes=[0, 5], strain=0.1)], pressure=0.3)
    return ml.System(BALLOON, task, "finite_spring + crease", **at)


def test_derivatives_of_a_balloon_and_the_same_pressure_of_a_filling():
    at, rng = balloon(), np.random.default_rng(0)
    values, slopes = at.parameters["stiffness"], at.jacobian("stiffness")
    change = values * rng.uniform(-1, 1, values.shape)
    error = [
        np.abs(balloon(stiffness=values + h * change).outputs - at.outputs
               - h * slopes @ change).max() for h in (5e-3, 5e-4)
    ]  # fmt: skip
    assert np.log10(error[0] / error[1]) > 1.95
    task = ml.Task(targets=[ml.Target(nodes=[0, 5], strain=0.1)])
    filled = ml.System(
        BALLOON, task, "finite_spring + crease + volume", stiffness=values, crease_stiffness=0.1,
        bulk=0.0, pressure=0.3,
    )  # fmt: skip
    lengths = [np.linalg.norm(np.diff(BALLOON.nodes[[0, 5]] + s.free.states()[0, [0, 5]], axis=0))
               for s in (at, filled)]  # fmt: skip
    np.testing.assert_allclose(*lengths, rtol=1e-9)


def outputs():
    at = balloon()
    return at.outputs, at.gradient("stiffness")


def test_ranks_find_one_answer():
    here = outputs()
    for other in on_ranks(2, outputs):
        for one, two in zip(here, other, strict=True):
            np.testing.assert_allclose(one, two, atol=1e-9)


def test_a_chain_learns_how_far_a_pressure_drives_it():
    chain = ml.networks.with_angles(ml.networks.membrane_chain(2, 6))
    task = ml.Task(
        supports=[ml.Support(nodes="left")],
        sources=[ml.Source(name="pump", nodes=chain.tuples["polygons"][1].tolist(), pressure=0.2)],
        targets=[ml.Target(nodes=[7], components=["x"], displacement=[0.1])],
    )
    run = ml.train(
        chain, task, energy="finite_spring + angle", learn="angle_stiffness", steps=60, rate=0.1
    )
    assert run.summary["converged"]


def test_slopes_of_sizes_are_differences_of_them():
    rng = np.random.default_rng(2)
    for net in (RING, BALLOON):
        problem = ml.System(net, pumped(net, [GROWTH], pressure=0.1), "finite_spring",
                            check=False).problem  # fmt: skip
        port: Port = problem.ports[0]
        x = rng.standard_normal(net.n_nodes * net.dim)
        along, h = rng.standard_normal(x.shape), 1e-4
        (up, s1, _), (low, s0, _) = (port.size(x + s * h * along) for s in (1, -1))
        _, slopes, curvature = port.size(x)
        np.testing.assert_allclose((up - low) / (2 * h), slopes @ along, rtol=1e-6)
        np.testing.assert_allclose((s1 - s0) / (2 * h), curvature @ along, atol=1e-8)


@pytest.mark.parametrize(
    ("net", "nodes", "message"),
    [
        (
            ml.Network([[0, 0], [1, 0], [2, 0], [1, 1]], [[0, 1], [1, 2], [0, 3], [2, 3], [1, 3]]),
            [0, 1, 2],
            "source 'pump': .* row 0 of polygons encloses nothing",
        ),
        (RING, [0, 2, 1, 3], "source 'pump': .*polygon 0, .*crosses or touches itself"),
        (BALLOON, [0, 1, 2], "no row of surfaces of the network has just its nodes"),
        (ml.networks.square((30, 30)), list(range(900)), "900 nodes are too many for a pressure"),
    ],
)
def test_nodes_that_enclose_nothing_are_refused(net, nodes, message):
    task = ml.Task(
        sources=[ml.Source(name="pump", nodes=nodes, pressure=0.1)],
        targets=[ml.Target(nodes=[0, 3], strain=0.1)],
    )
    with pytest.raises(ml.InputError, match=message):
        ml.System(net, task, "finite_spring", check=False)


@pytest.mark.parametrize("key", [{"together": True}, {"components": ["x"]}])
def test_keys_of_single_nodes_are_none_of_what_they_enclose(key):
    task = ml.Task(
        sources=[ml.Source(name="pump", nodes=[0, 1, 2, 3], pressure=0.1, **key)],
        targets=[ml.Target(source="pump", growth=0.1)],
    )
    with pytest.raises(ml.InputError, match=f"what nodes enclose has no key {next(iter(key))}"):
        ml.System(RING, task, "finite_spring", check=False)
