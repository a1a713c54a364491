"""Data of a report's viewer: arrows, and a periodic cell that deforms."""

import base64

import numpy as np
import pytest

from mechlearn.learning.dofs import Learn
from mechlearn.render.run_view import Look, RunView
from mechlearn.report.motion import moving_picture
from mechlearn.runs.training import train
from mechlearn.tasks.task import Source, Support, Target, Task

STIFFNESS = {"stiffness": Learn(bounds=(0.01, 10), initial=1.0)}


def unpack(text, kind="<f4"):
    return np.frombuffer(base64.b64decode(text), dtype=kind)


def test_bonds_that_cross_the_cell_reach_the_image_of_their_node(torus):
    task = Task(
        sources=[Source(nodes=[0, 7], strain=0.1)], targets=[Target(nodes=[12, 18], strain=0.1)]
    )
    scene = moving_picture(train(torus, task, learn=STIFFNESS, steps=2))
    x = unpack(scene["nodes"]).reshape(-1, 3)
    ends = unpack(scene["ends"], "<u4").reshape(-1, 2)
    far = x[ends[:, 1]] + unpack(scene["shifts"]).reshape(-1, 3)
    lengths = np.linalg.norm(far - x[ends[:, 0]], axis=1)
    bonds = unpack(scene["bonds"], "<u4")
    np.testing.assert_allclose(lengths, torus.lengths[bonds], rtol=1e-5)
    halves = unpack(scene["halves"], "u1")
    assert halves.sum() == 2 * np.count_nonzero(torus.shifts.any(axis=1))
    drawn = np.bincount(bonds, weights=np.where(halves, 0.5, 1.0))
    np.testing.assert_array_equal(drawn, np.ones(torus.n_edges))


def test_the_cell_of_the_viewer_is_strained_as_its_load_says(torus):
    task = Task(sources=[Source(cell="xx", strain=-0.05)], targets=[Target(cell="yy", strain=0.01)])
    run = train(torus, task, learn=STIFFNESS, steps=1)
    scene = moving_picture(run)
    states = scene["examples"][0]["after"]
    stretch = unpack(states["stretch"]).reshape(-1, 3, 3)
    assert stretch[-1, 0, 0] == pytest.approx(-0.05, rel=1e-6)
    assert stretch[-1, 1, 1] == pytest.approx(run.targets[0]["reached"], rel=1e-4)
    # Bonds to images in the strained cell are as strained as the viewer says.
    x = (
        unpack(scene["nodes"]).reshape(-1, 3)
        + unpack(states["moved"]).reshape(-1, *torus.nodes.shape[:1], 3)[-1]
    )
    ends = unpack(scene["ends"], "<u4").reshape(-1, 2)
    shifts = unpack(scene["shifts"]).reshape(-1, 3)
    far = x[ends[:, 1]] + shifts @ (np.eye(3) + stretch[-1])
    bonds = unpack(scene["bonds"], "<u4")
    lengths, rest = np.linalg.norm(far - x[ends[:, 0]], axis=1), torus.lengths[bonds]
    strains = unpack(states["strains"]).reshape(-1, torus.n_edges)[-1]
    np.testing.assert_allclose(lengths / rest - 1, strains[bonds], atol=3e-3)  # to first order


def test_the_viewer_knows_which_way_sources_and_targets_pull(torus, space):
    task = Task(
        sources=[Source(cell="xy", strain=0.05)],
        targets=[Target(nodes=[0, 7], strain=-0.1), Target(cell="yy", strain=0.01)],
    )
    scene = moving_picture(train(torus, task, learn=STIFFNESS, steps=0))
    shear, pair, side = scene["examples"][0]["marks"]
    along = np.array([way for _, way in shear["sides"]])
    assert along.shape == (4, 3)
    np.testing.assert_allclose(along.sum(axis=0), 0, atol=1e-12)
    assert [p[-1] for p in pair["pairs"]] == [-1.0]
    assert pair["sides"] == []
    assert len(side["sides"]) == 2
    task = Task(
        supports=[Support(near=[x, y, 0.0]) for x, y in ((0.0, 0.0), (1.0, 0.0), (0.5, 1.0))],
        sources=[Source(near=[0.5, 0.5, 1.0], displacement=[0.0, 0.0, -0.1])],
        targets=[Target(near=[1.0, 0.5, 0.5], displacement=[0.02], components=["x"])],
    )
    run = train(space, task, learn=STIFFNESS, steps=0)
    scene = moving_picture(run)
    push, answer = scene["examples"][0]["marks"]
    assert push["arrows"] == [[*push["nodes"], 0.0, 0.0, -1.0]]
    assert answer["arrows"] == [[*answer["nodes"], 1.0, 0.0, 0.0]]
    # The page is opened from where pictures are taken.
    assert scene["outlook"] == RunView(run, 0, Look()).scenes[0].viewing_direction().tolist()
