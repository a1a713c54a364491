"""Pictures of periodic cells that deform: outlines, arrows at the sides, bonds across them."""

from dataclasses import replace

import numpy as np
import pytest

from mechlearn.energies import Beam, FiniteBeam, FiniteSpring, Spring
from mechlearn.learning.dofs import Learn
from mechlearn.network import Network
from mechlearn.networks import delaunay
from mechlearn.render.captions import label, readings
from mechlearn.render.geometry import space
from mechlearn.render.marks import Mark, marks
from mechlearn.render.run_view import Look, RunView
from mechlearn.render.scene import Scene
from mechlearn.runs.training import train
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.task import Source, Target, Task

MINUS = "\N{MINUS SIGN}"
STIFFNESS = {"stiffness": Learn(bounds=(0.1, 10.0), initial=1.0)}
WIDTH = {"width": Learn(bounds=(0.01, 0.3), initial=0.1)}


def cell_task(network: Network, source: dict, target: dict) -> tuple[Scene, Mark, Mark]:
    """A network at rest, with a source and a target of its cell."""
    task = Task(sources=[Source(**source)], targets=[Target(name="answer", **target)])
    both = marks(pose(task, network, Spring.kinematics))
    grey = np.zeros((network.n_edges, 3), np.uint8)
    return (Scene(network, network.nodes, grey, np.ones(network.n_edges), both), *both)


def test_loads_of_the_cell_are_arrows_at_its_sides(torus):
    """They point at the middles of opposite sides where they push, away where they pull."""
    ratio = {"cell": "yy", "poisson": -1.0}
    scene, squeeze, ratio = cell_task(torus, {"cell": "xx", "strain": -0.05}, ratio)
    sides = scene.cell.sides()
    for mark, axis in ((squeeze, 0), (ratio, 1)):  # as much of y as of x: y is to shrink as well
        starts, along = scene.arrows(mark)
        np.testing.assert_array_equal(along, np.outer([1, -1], np.eye(3)[axis]))
        tips = starts + scene.arrow * along
        assert np.abs(tips[:, :2] - sides[axis]).max() < 2 * scene.mark
        assert scene.anchors_of(mark) == pytest.approx(starts + scene.arrow / 2 * along)
    assert np.linalg.norm(sides[0, 1] - sides[0, 0] - torus.cell[0]) == pytest.approx(0, abs=1e-12)
    wanted, minus = "answer\nwanted: Poisson's ratio yy", MINUS
    assert label(ratio, -0.3) == f"{wanted} {minus}1\nreached: {minus}0.3"


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_shear_of_the_cell_is_four_arrows_along_its_sides(sign):
    """Two couples of opposite moment, which turn nothing."""
    scene, shear, modulus = cell_task(
        delaunay(20, periodic=True, seed=1),
        {"cell": "xy", "strain": 0.1 * sign},
        {"cell": "xy", "modulus": 0.2},
    )
    starts, along = scene.arrows(shear)
    middle = scene.cell.sides().mean(axis=(0, 1))
    arms = starts[:, :2] - middle
    np.testing.assert_allclose(along.sum(axis=0), 0, atol=1e-12)
    assert np.cross(space(arms), along).sum() == pytest.approx(0, abs=1e-12)
    # Drawn longer along one diagonal, shorter along the other.
    assert np.sign(np.einsum("ac,ac->", along[:, :2], arms[:, ::-1])) == sign
    assert np.abs(along[:, :2] * arms).max() < 2 * scene.mark  # along their sides
    assert len(scene.arrows(modulus)[0]) == 0  # a modulus pulls at nothing
    assert len(scene.anchors_of(modulus)) == 2
    assert label(shear).endswith(f"strain xy {'+' if sign > 0 else MINUS}10 %")


def test_wanted_sides_of_the_cell_are_where_its_strain_is_what_is_wanted(torus):
    scene, _, target = cell_task(
        torus, {"cell": "xx", "strain": 0.1}, {"cell": "yy", "strain": 0.2}
    )
    dashes = scene.wanted_edges(target)
    heights = np.unique(np.round(dashes[..., 1], 9))
    assert np.ptp(heights) == pytest.approx(1.2 * torus.cell[1, 1])
    low = dashes[dashes[..., 1] < heights.mean()]
    assert np.ptp(low[:, 0]) < torus.cell[0, 0]  # what is not asked about is as it is drawn
    strain = np.diag([0.1, 0.2])
    moved = replace(scene, strain=strain, nodes=torus.nodes + torus.nodes @ strain)
    np.testing.assert_allclose(moved.wanted_edges(target)[0, 0, 1], moved.cell.corner[1])
    assert len(moved.wanted_edges(replace(target, active=False))) == 0


@pytest.mark.parametrize(
    ("energy", "learn"),
    [(Spring(), STIFFNESS), (FiniteSpring(), STIFFNESS), (Beam(), WIDTH), (FiniteBeam(), WIDTH)],
)
def test_bonds_of_a_strained_cell_are_drawn_as_long_as_they_are(torus, energy, learn):
    """Across the cell too; those behind, at rest, as long as they were."""
    task = Task(
        sources=[Source(cell=["xx", "xy"], strain=[0.004, 0.002])],
        targets=[Target(cell="yy", strain=-0.1)],
    )
    run = train(torus, task, energy=energy, learn=learn, steps=0)
    shown = RunView(run, 0, Look(amplify=1.0))
    (scene,), (state,) = shown.scenes, shown.states

    def lengths(pieces):
        apart = pieces.ends[:, -1] - pieces.ends[:, 0]
        return np.bincount(pieces.bond, np.linalg.norm(apart, axis=1))

    assert np.abs(state.fields.strain).max() > 1e-3
    strains = lengths(scene.to_images()) / torus.lengths - 1
    assert strains == pytest.approx(state.fields.strain, abs=1e-4)
    assert lengths(scene.pieces()) / torus.lengths - 1 == pytest.approx(strains, abs=2e-4)
    assert lengths(scene.rest()) == pytest.approx(torus.lengths)
    np.testing.assert_allclose(scene.cell.vectors, torus.cell @ (np.eye(2) + state.fields.cell))
    # The middle of the cell goes with the middle of the nodes.
    moved = scene.cell.sides().mean(axis=(0, 1)) - scene.rest_cell.sides().mean(axis=(0, 1))
    arm = scene.rest_cell.sides().mean(axis=(0, 1)) - torus.nodes.mean(axis=0)
    drift = (scene.nodes - torus.nodes).mean(axis=0)
    np.testing.assert_allclose(moved, drift + arm @ state.fields.cell, atol=1e-12)


def test_states_say_what_targets_of_the_cell_read(torus):
    task = Task(
        sources=[Source(cell="xx", strain=0.01)],
        targets=[Target(name="ratio", cell="yy", poisson=0.4)],
    )
    run = train(torus, task, learn=STIFFNESS, steps=0)
    state = RunView(run, 0, Look()).states[0]
    assert readings(run, 0, state.fields.outputs) == f"ratio {run.targets[0]['reached']:.3g}"
    assert readings(run, 0, np.array([np.nan])) == ""  # of a cell at rest
