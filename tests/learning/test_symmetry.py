"""Elements that a symmetry maps on each other learn as one."""

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.learning.symmetry import symmetry_classes

SQUARE = ml.Network(
    [[0.0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.5]],
    [[0, 1], [1, 2], [2, 3], [3, 0], [0, 4], [1, 4], [2, 4], [3, 4]],
)


@pytest.mark.parametrize(
    ("operations", "classes"),
    [
        (["mirror_x"], [0, 1, 2, 1, 3, 3, 4, 4]),
        (["mirror_y"], [0, 1, 0, 2, 3, 4, 4, 3]),
        (["mirror_x", "mirror_y"], [0, 1, 0, 1, 2, 2, 2, 2]),
        (["rotation_2"], [0, 1, 0, 1, 2, 3, 2, 3]),
        (["rotation_4"], [0, 0, 0, 0, 1, 1, 1, 1]),
    ],
)
def test_classes_of_a_square(operations, classes):
    assert symmetry_classes(SQUARE, operations).tolist() == classes


def test_classes_do_not_hang_on_units_or_order():
    rng = np.random.default_rng(0)
    new = rng.permutation(5)
    other = ml.Network(1e-9 * SQUARE.nodes[np.argsort(new)] + 3, new[SQUARE.edges][:, ::-1])
    wanted = symmetry_classes(SQUARE, ["mirror_x", "rotation_4"])
    assert symmetry_classes(other, ["mirror_x", "rotation_4"]).tolist() == wanted.tolist()


def test_classes_of_a_cell_and_of_node_tuples():
    """A periodic square lattice: a turn by a quarter makes all bonds one class; angles, too."""
    cell = ml.networks.square((3, 3), periodic=True)
    middle = cell.nodes[0].tolist()
    assert symmetry_classes(cell, ["mirror_x"], centre=middle).max() > 0
    assert symmetry_classes(cell, ["rotation_4"], centre=middle).max() < cell.n_edges / 2
    angles = ml.networks.with_angles(SQUARE)
    classes = symmetry_classes(angles, ["rotation_4"], "triples")
    assert sorted(np.bincount(classes)) == [4, 4, 4]
    at = angles.tuples["triples"][:, 1]
    assert len(np.unique(classes[at == 4])) == 1
    both = symmetry_classes(angles, ["rotation_4", "mirror_x"], "triples")
    assert sorted(np.bincount(both)) == [4, 8]


def test_classes_in_space():
    """Struts from the corners of a cube to its middle: one class under three mirrors."""
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], dtype=float)
    star = ml.Network(np.vstack([corners, [[0.5] * 3]]), [[k, 8] for k in range(8)])
    mirrors = ["mirror_x", "mirror_y", "mirror_z"]
    assert symmetry_classes(star, mirrors).max() == 0
    assert symmetry_classes(star, mirrors[:1]).tolist() == [0, 1, 2, 3] * 2


def lattice(seed: int) -> tuple[ml.Network, ml.Task]:
    """A frame whose jaws close by a push in the middle of its left side: symmetric about y."""
    net = ml.networks.triangular((5, 5))
    rows = np.unique(net.nodes[:, 1].round(9))
    left = np.flatnonzero(np.isclose(net.nodes[:, 1], rows[2]))[0]
    low, high = (np.flatnonzero(np.isclose(net.nodes[:, 1], rows[k])) for k in (0, 4))
    task = ml.Task(
        supports=[ml.Support(nodes=[int(low[0]), int(high[0])])],
        sources=[ml.Source(name="push", nodes=[int(left)], components=["x"], displacement=[0.02])],
        targets=[
            ml.Target(nodes=[int(n[-1])], components=["y"], displacement=[sign * 0.003])
            for n, sign in ((low, 1), (high, -1))
        ],
    )
    return net, task


@pytest.mark.parametrize("rule", [ml.CoupledLearning(), ml.GradientDescent()])
def test_training_keeps_the_symmetry(rule):
    """Values stay the same within a class, and so does the answer of both jaws."""
    net, task = lattice(0)
    learn = ml.Learn(bounds=(0.02, 0.3), initial=0.1, spread=0.5, symmetry=["mirror_y"])
    run = ml.train(net, task, energy=ml.Beam(), learn={"width": learn}, rule=rule, steps=200)
    classes = symmetry_classes(net, ["mirror_y"])
    width = run.learned["width"]
    for k in range(classes.max() + 1):
        assert np.ptp(width[classes == k]) == 0
    assert np.ptp(width) > 0
    read = [row["reached"] for row in run.targets]
    assert read[0] == pytest.approx(-read[1], rel=1e-9)
    assert run.converged, run.summary["error"]


def test_frozen_elements_stay_and_the_rest_of_their_class_learns():
    net, task = lattice(0)
    classes = symmetry_classes(net, ["mirror_y"])
    pair = np.flatnonzero(classes == classes[0])
    assert len(pair) == 2
    learn = ml.Learn(bounds=(0.02, 0.3), initial=0.1, symmetry=["mirror_y"], frozen=[int(pair[0])])
    run = ml.train(net, task, energy=ml.Beam(), learn={"width": learn}, steps=3)
    assert run.learned["width"][pair[0]] == 0.1
    assert run.learned["width"][pair[1]] != 0.1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"symmetry": ["mirror_z"]}, "no such plane"),
        ({"symmetry": ["rotation_5"]}, "symmetry"),
        ({"symmetry": ["mirror_x"], "centre": [0.1, 0.2]}, "have no image about the centre"),
        ({"symmetry": ["mirror_x"], "centre": [0.1]}, "needs 2 coordinates"),
    ],
)
def test_impossible_symmetries(options, said):
    net, task = lattice(0)
    with pytest.raises(ml.InputError, match=said):
        ml.train(net, task, energy=ml.Beam(), learn={"width": ml.Learn(**options)}, steps=0)
