"""Nodes that move as one, as under a plate: their common displacement and total force."""

import numpy as np
import pytest
from ranks import on_ranks

import mechlearn as ml
from mechlearn.energies import energies
from mechlearn.errors import InputError

FLAT = ml.networks.packing(nodes=30, seed=2)
BLOCK = ml.networks.fcc(2, 2, 2)
CASES = {
    "springs": (FLAT, "spring", "y"),
    "finite springs": (FLAT, "finite_spring", "y"),
    "beams": (FLAT, "beam", "y"),
    "finite beams": (FLAT, "finite_beam", "y"),
    "solid": (ml.networks.square(2, 2), "solid", "y"),
    "springs in 3D": (BLOCK, "finite_spring", "z"),
}


def plates(net, axis, word, value, together=True, target="force"):
    """A task with a lower plate that holds, and an upper one that slides along an axis."""
    others = [c for c in "xyz"[: net.dim] if c != axis]
    wanted = 0.1 if not isinstance(value, list) else [0.1]
    return ml.Task(
        supports=[ml.Support(nodes="bottom"), ml.Support(nodes="top", components=others)],
        sources=[ml.Source(name="press", nodes="top", components=[axis], together=together,
                           **{word: value})],
        targets=[ml.Target(name="answer", source="press", **{target: wanted})],
    )  # fmt: skip


def system(case, *given, **options):
    net, model, axis = CASES[case]
    task = plates(net, axis, *given, **options)
    return ml.System(net, task, energies.make(model, "energy").in_dimension(net.dim))


@pytest.mark.parametrize("case", CASES)
def test_a_plate_takes_what_its_nodes_take_held_one_by_one(case):
    net, _, axis = CASES[case]
    extent = np.ptp(net.nodes[:, "xyz".index(axis)])
    one = system(case, "strain", -0.03)
    alone = system(case, "displacement", [-0.03 * extent], together=False)
    [force] = one.outputs.ravel()
    assert force == pytest.approx(alone.outputs.sum(), rel=1e-8)
    assert force < 0
    np.testing.assert_allclose(one.free.states(), alone.free.states(), atol=1e-8)
    # The same plate under that force comes as far.
    loaded = system(case, "force", force, target="strain")
    assert loaded.outputs.item() == pytest.approx(-0.03, rel=1e-8)
    pushed = system(case, "force", [force], target="displacement")
    assert pushed.outputs.item() == pytest.approx(-0.03 * extent, rel=1e-8)


def test_outwards_is_down_at_the_lower_plate():
    task = ml.Task(
        supports=[ml.Support(nodes="top"), ml.Support(nodes="bottom", components=["x"])],
        sources=[ml.Source(name="pull", nodes="bottom", components=["y"], together=True,
                           strain=0.02)],
        targets=[ml.Target(name="answer", source="pull", force=0.1)],
    )  # fmt: skip
    at = ml.System(FLAT, task, ml.FiniteSpring())
    moved = at.free.states()[0, FLAT.node_sets["bottom"], 1]
    np.testing.assert_allclose(moved, -0.02 * np.ptp(FLAT.nodes[:, 1]), rtol=1e-9)
    assert at.outputs.item() > 0


@pytest.mark.parametrize("case", ["springs", "finite springs", "finite beams"])
@pytest.mark.parametrize("rule", [ml.GradientDescent(), ml.EquilibriumPropagation(
    variant="centred", beta=1e-3), ml.CoupledLearning(variant="centred", eta=1e-3)])  # fmt: skip
@pytest.mark.parametrize("word", ["strain", "force"])
def test_rules_follow_the_gradient_under_a_plate(case, rule, word):
    other = {"strain": "force", "force": "strain"}[word]
    at = system(
        case, word, -1e-4 if (word, case) == ("force", "finite beams") else -0.02, target=other
    )
    name = at.parameter()
    values, change = at.parameters[name], np.random.default_rng(0).uniform(-1, 1, FLAT.n_edges)
    low, high = (at.copy(**{name: values * (1 + s * 1e-4 * change)}).cost for s in (-1, 1))
    exact = (high - low) / 2e-4
    signal, gradient = at.signal(rule), at.gradient()
    assert gradient @ (values * change) == pytest.approx(exact, rel=1e-5)
    cosine = signal @ gradient / np.linalg.norm(signal) / np.linalg.norm(gradient)
    assert cosine > 1 - 1e-4


def answer_of(case):
    at = system(case, "strain", -0.03)
    return at.outputs, at.gradient()


@pytest.mark.parametrize("case", ["springs", "finite springs"])
def test_ranks_find_the_same_under_a_plate(case):
    outputs, gradient = answer_of(case)
    for other, slopes in on_ranks(2, answer_of, case):
        np.testing.assert_allclose(other, outputs, rtol=1e-8)
        np.testing.assert_allclose(slopes, gradient, atol=1e-8)


def test_plates_that_cannot_be_refuse():
    net = FLAT
    good = plates(net, "y", "strain", -0.1)
    held = [*good.supports, ml.Support(nodes=[int(net.node_sets["top"][1])])]
    at_once = good.sources[0].model_copy(update={"strain": None, "displacement": [0.1, 0.1, 0.1],
                                                 "components": ["x", "y"]})  # fmt: skip
    both = [*good.sources, ml.Source(name="more", nodes=[int(net.node_sets["top"][1])],
                                     components=["y"], force=[0.1])]  # fmt: skip
    ring = ml.networks.packing(nodes=30, seed=1, periodic=True)
    cell = {"name": "press", "nodes": [1, 2], "components": ["y"], "together": True, "strain": 0.1}
    for network, change, said in (
        (net, {"supports": held}, "and a support about y of 10 alone"),
        (net, {"sources": both}, "another source or target about y of"),
        (net, {"supports": []}, "nothing holds the network as a whole"),
        (net, {"sources": [at_once]}, "one number for each of the components"),
        (ring, {"supports": [], "sources": [ml.Source(**cell)]}, "a finite network has an extent"),
    ):
        with pytest.raises(InputError, match=said):
            ml.System(network, good.model_copy(update=change))
