"""Faces of elements on node tuples in pictures, with what they learned as colours."""

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.render.pictures import render
from mechlearn.render.run_view import Look, RunView
from mechlearn.render.tuples import faces

CHAIN = ml.networks.with_angles(ml.networks.membrane_chain(2, 6))
TASK = ml.Task(
    supports=[ml.Support(nodes="left")],
    sources=[ml.Source(nodes=9, displacement=[0.1, 0.1])],
    targets=[ml.Target(nodes=7, displacement=[0.1, 0.0])],
)


@pytest.fixture(scope="module")
def run():
    learn = {name: ml.Learn(bounds=(0.1, 10)) for name in ("angle_stiffness", "bulk")}
    return ml.train(CHAIN, TASK, energy="finite_spring + angle + area", learn=learn, steps=3)


@pytest.mark.parametrize(
    ("colour", "table"), [("angle_stiffness", "triples"), ("bulk", "polygons")]
)
def test_elements_have_the_colours_of_what_they_learned(run, colour, table):
    view = RunView(run, 0, Look(colour=colour))
    (scene,) = view.scenes
    values = run.learned[colour]
    np.testing.assert_array_equal(scene.tuples[table], view.shades.colours(values))
    others = {"triples", "polygons"} - {table}
    assert (
        len(np.unique(np.vstack([scene.colours, *(scene.tuples[t] for t in others)]), axis=0)) == 2
    )
    (fillings, _), (wedges, _) = scene.faces()
    assert (len(fillings), len(wedges)) == (2, CHAIN.count("triples"))
    moved = run.network.nodes + view.factor * view.displacements(view.nodal[0])
    np.testing.assert_allclose(fillings[1], moved[CHAIN.tuples["polygons"][1]])


def test_pictures_of_all_kinds_are_written(run, tmp_path):
    for name, options in (("a.png", {}), ("b.svg", {}), ("c.png", {"colour": "tension"})):
        render(run, tmp_path / name, **options)
        assert (tmp_path / name).stat().st_size > 5000
    sheet = ml.networks.miura((1, 1))
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 1, 3])],
        sources=[ml.Source(nodes=8, displacement=[0.1, 0.0, 0.0])],
        targets=[ml.Target(nodes=6, displacement=[0.1, 0.0, 0.0])],
    )
    folded = ml.train(
        sheet, task, energy="finite_spring + crease", learn="crease_stiffness", steps=1
    )
    render(folded, tmp_path / "d.png")
    assert (tmp_path / "d.png").stat().st_size > 5000


def test_wedges_lie_between_their_arms_and_flaps_in_their_triangles():
    corner = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 2.0]])
    ((wedge,), _) = faces("triples", np.array([[0, 1, 2]]), corner[None])
    assert (wedge >= -1e-12).all()
    np.testing.assert_allclose(np.linalg.norm(wedge[1:], axis=1), 0.25)
    straight = np.array([[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    ((wedge,), _) = faces("triples", np.array([[0, 1, 2]]), straight[None])
    assert np.isfinite(wedge).all()
    flat = np.array([[0.5, 1.0, 0], [0, 0, 0], [1, 0, 0], [0.5, -1, 0]])
    flaps, number = faces("quadruples", np.array([[0, 1, 2, 3]]), flat[None])
    assert [np.sign(flap[2, 1]) for flap in flaps] == [1, -1]
    np.testing.assert_array_equal(number, [0, 0])
