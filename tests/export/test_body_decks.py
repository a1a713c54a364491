"""Input decks of bodies, by CalculiX, and surfaces of bodies."""

import sys
from pathlib import Path

import numpy as np
import pytest
from test_export import calculix, needs_ccx, reached

import mechlearn as ml
from mechlearn.energies import Solid
from mechlearn.errors import InputError
from mechlearn.networks.body_meshes import body_of

sys.path.append(str(Path(__file__).parent.parent / "solids"))
from test_bodies import cube, halves, laminate


def trained(network, energy, **material):
    across = [0.0] * (network.dim - 1)
    task = ml.Task(
        supports=[ml.Support(region="left")],
        sources=[ml.Source(name="pull", region="right", force=[0.1, *across])],
        targets=[ml.Target(name="side", near=[0.5, 1.0, 0.5][: network.dim],
                           displacement=[0.1, *across])],
    )  # fmt: skip
    learn = {"modulus": ml.Learn(initial={n: 1.0 + 2 * k for k, n in enumerate(network.body.sets)})}
    return ml.train(network, task, energy=energy, learn=learn, steps=0, material=material)


@needs_ccx
@pytest.mark.parametrize("plane", ["strain", "stress", "space"])
def test_calculix_answers_as_the_body_does(plane, tmp_path):
    network = body_of(cube(), 2, "groups") if plane == "space" else halves(6)
    energy = Solid(plane="stress" if plane == "stress" else "strain")
    thickness = {} if plane == "space" else {"thickness": [1.0, 2.0]}
    run = trained(network, energy, **thickness)
    run.export(tmp_path / "a.inp")
    wanted = reached(run)
    within = 0.02 if plane == "stress" else 1e-5  # plane stress is that of a thin body
    assert np.abs(calculix(tmp_path / "a.inp") - wanted).max() < within * np.abs(wanted).max()


def test_decks_of_struts_and_cells_are_refused(tmp_path):
    run = trained(halves(2), Solid())
    with pytest.raises(InputError, match="mesh_size: means nothing to a body"):
        run.export(tmp_path / "a.inp", mesh_size=0.2)
    with pytest.raises(InputError, match="A body has no struts"):
        run.export(tmp_path / "a.stl")
    aim = ml.Task(
        sources=[ml.Source(cell="xx", strain=0.1)], targets=[ml.Target(cell="yy", strain=0.1)]
    )
    run = ml.train(laminate(2), aim, energy=Solid(), learn={"modulus": ml.Learn()}, steps=0)
    with pytest.raises(InputError, match="no periodic cell"):
        run.export(tmp_path / "a.inp")


@pytest.mark.parametrize("order", [1, 2])
def test_the_surface_of_a_body(order):
    net = halves(4, order)
    rim = (np.abs(net.nodes - [1.0, 0.5]) > [1 - 1e-9, 0.5 - 1e-9]).any(axis=1)
    assert np.array_equal(net.body.surface, np.flatnonzero(rim))
    net = body_of(cube(), order, "groups")
    rim = (np.abs(net.nodes - 0.5) > 0.5 - 1e-9).any(axis=1)
    assert np.array_equal(net.body.surface, np.flatnonzero(rim))
