"""Tasks in numbers: scales, matches, and the constraints that hold a network."""

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.errors import InputError
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.task import Source, Support, Target, Task


def test_matching_targets_equal_each_other_as_strains(plane):
    """Also where their distances differ (0.346 and 0.231 here)."""
    task = Task(
        sources=[Source(nodes=[0, 7], strain=0.1)],
        targets=[
            Target(name="a", nodes=[3, 12], match="b", scale=0.01),
            Target(name="b", nodes=[20, 25], match="a", scale=0.01),
        ],
    )
    run = ml.train(plane, task, steps=500, tolerance=1e-4)
    assert run.converged
    u, net = run.displacements[0], run.network
    strains = []
    for i, j in ((3, 12), (20, 25)):
        r = net.separation(i, j)
        strains.append((u[j] - u[i]) @ r / (r @ r))
    assert abs(strains[0]) > 1e-5
    assert strains[0] == pytest.approx(strains[1], abs=2.1e-6)


def test_one_sided_match_follows_the_whole_way(plane):
    task = Task(
        sources=[Source(nodes=[0, 7], strain=0.1)],
        targets=[
            Target(name="a", nodes=[3, 12], match="b"),
            Target(name="b", nodes=[20, 25], strain=0.2),
        ],
    )
    problem = pose(task, plane)
    outputs = np.array([[0.01, 0.02]]) * problem.units
    wanted = (problem.residual(outputs) + outputs) / problem.units
    assert wanted[0] == pytest.approx([0.02, 0.2])


def test_errors_are_relative_to_each_node_and_each_example(plane):
    """A node, or an example, of which little is wanted does not hide behind the others."""
    task = Task(
        supports=[Support(nodes=[0, 1])],
        sources=[Source(nodes=[30], force=[0.1, 0.0])],
        targets=[Target(name="t", nodes=[20, 21], displacement=[0.03, 0.04])],
        examples=[{}, {"t": [0.0003, 0.0004]}],
    )
    problem = pose(task, plane)
    assert problem.scale == pytest.approx(np.array([[0.05] * 4, [0.0005] * 4]))


def test_scale_of_a_zero_target_is_that_of_the_others(plane):
    task = Task(
        sources=[Source(nodes=[0, 7], strain=0.1)], targets=[Target(nodes=[3, 12], strain=0.0)]
    )
    problem = pose(task, plane)
    assert problem.scale / problem.units == pytest.approx(0.1)


def test_a_support_near_a_place_takes_the_nearest_node_that_nothing_names(plane):
    low, extent = plane.nodes.min(axis=0), np.ptp(plane.nodes, axis=0)
    place = low + extent * [0.1, 0.6]
    nearest = np.argsort(np.linalg.norm(plane.nodes - place, axis=1))
    task = Task(
        supports=[Support(near=[0.1, 0.6]), Support(near=[0.1, 0.6], components=["y"])],
        sources=[Source(nodes=[int(nearest[0])], displacement=[0.1, 0.0])],
        targets=[Target(near=[0.1, 0.6], displacement=[0.1], components=["x"])],
    )
    problem = pose(task, plane)
    first, second = problem.task.supports
    assert (first.nodes, second.nodes) == ([nearest[1]], [nearest[2]])
    assert first.near is None
    assert problem.task.targets[0].nodes == [nearest[3]]
    assert problem.supported.tolist() == sorted(
        [2 * nearest[1], 2 * nearest[1] + 1, 2 * nearest[2] + 1]
    )


def test_a_support_near_a_place_of_a_periodic_cell_is_looked_for_across_it(torus):
    task = Task(supports=[Support(near=[0.999, 0.001])], targets=[Target(nodes=[0, 1], strain=0.1)])
    [support] = pose(task, torus).task.supports
    fractions = torus.nodes @ np.linalg.inv(torus.cell) - [0.999, 0.001]
    away = np.linalg.norm((fractions - np.round(fractions)) @ torus.cell, axis=1)
    away[:2] = np.inf  # those of the target
    assert support.nodes == [away.argmin()]


@pytest.mark.parametrize(
    ("tables", "sentence"),
    [
        ([{"near": [0.1, 0.5, 0.5]}], r"support 1: near needs 2 numbers in 2D"),
        ([{"nodes": [5]}, {"near": [0.5]}], r"support 2: near needs 2 numbers in 2D"),
        ([{"nodes": [5], "near": [0.1, 0.5]}], r"exactly one of nodes, near and region"),
        ([{"components": ["x"]}], r"exactly one of nodes, near and region"),
        ([{"near": [0.1, np.nan]}], r"near\[2\] = nan"),
        ([{"nodes": list(range(30))}, {"near": [0.5, 0.5]}], r"support 2: no node is left near"),
    ],
)
def test_supports_without_a_place_are_refused(tables, sentence):
    net = ml.networks.triangular([5, 6])
    assert net.n_nodes == 30

    def posed():
        supports = [Support(**table) for table in tables]
        return pose(Task(supports=supports, targets=[Target(nodes=[0, 7], strain=0.1)]), net)

    with pytest.raises(InputError, match=sentence):
        posed()


def test_a_dangling_node_may_be_moved(plane):
    """A node on one bond is floppy by itself; a source that displaces it holds it."""
    net = ml.Network(
        np.vstack([plane.nodes, [[1.5, 0.5]]]),
        np.vstack([plane.edges, [[int(np.argmax(plane.nodes[:, 0])), 40]]]),
    )
    target = Target(nodes=[3, 12], strain=0.01)
    moved = Task(
        supports=[Support(nodes=[0, 1])],
        sources=[Source(nodes=[40], displacement=[0.1, 0.05])],
        targets=[target],
    )
    assert ml.train(net, moved, steps=1).summary["steps"] == 1
    pulled = Task(sources=[Source(nodes=[0, 7], strain=0.1)], targets=[target])
    with pytest.raises(InputError, match=r"floppy.*nodes 40"):
        ml.train(net, pulled, steps=1)


def test_thousands_of_supports_are_no_burden():
    net = ml.networks.triangular((120, 120))
    task = Task(
        supports=[Support(nodes="left"), Support(nodes=list(range(7000, 14000)))],
        sources=[Source(nodes=[500], force=[0.1, 0.0])],
        targets=[Target(nodes=[510], displacement=[0.1, 0.0])],
    )
    assert len(pose(task, net).supported) > 14000


def test_material_is_checked_in_python_too(plane):
    task = Task(
        sources=[Source(nodes=[0, 7], strain=0.1)], targets=[Target(nodes=[3, 12], strain=0.1)]
    )
    with pytest.raises(InputError, match="material 'rest_length' must be a number"):
        ml.train(plane, task, material={"rest_length": [[1.0]] * 3 + ["x"]})
    with pytest.raises(InputError, match="must be above 0"):
        ml.train(plane, task, material={"rest_length": -1.0})


@pytest.mark.parametrize("nodes", [np.array([3, 12]), list(np.array([3, 12])), (3, 12)])
def test_nodes_may_come_from_numpy(nodes):
    assert Source(nodes=nodes, strain=0.1).nodes == [3, 12]
    assert Support(nodes=np.int64(3)).nodes == [3]


def test_nodes_are_no_fractions_and_no_switches():
    for wrong in (np.array([3.0, 12.0]), [True, 12], [np.bool_(True)]):
        with pytest.raises(InputError, match="nodes"):
            Source(nodes=wrong, strain=0.1)
