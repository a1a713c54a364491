"""Meshes of bodies: what is read of them, and what is no body, or asks for what no body has."""

import meshio
import numpy as np
import pytest
from test_bodies import grid, halves, laminate, mesh_of, task

import mechlearn as ml
from mechlearn.cli import main
from mechlearn.energies import Solid, Spring
from mechlearn.errors import InputError
from mechlearn.learning.system import System
from mechlearn.networks.body_meshes import body, body_of
from mechlearn.tasks.task import Source, Support, Target, Task

SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 1.5]], float)
TWO = [[0, 1, 2], [0, 2, 3]]


@pytest.mark.parametrize(
    ("points", "cells", "kind", "says"),
    [
        (SQUARE, [[0, 1], [1, 2]], "line", "triangles, quadrilaterals or tetrahedra"),
        (SQUARE, [[0, 1, 2], [0, 0, 2]], "triangle", "Cell 1 is flat"),
        (SQUARE, [[0, 1, 2], [0, 2, 1], [0, 2, 3]], "triangle", "facets are of three cells"),
        (SQUARE, [[0, 1, 2], [0, 1, 3]], "triangle", "same side of the facet"),
        (SQUARE, [[0, 1, 2], [2, 3, 4]], "triangle", "in 2 parts that share no facet"),
    ],
)
def test_meshes_of_no_body_are_refused(points, cells, kind, says):
    with pytest.raises(InputError, match=says):
        body_of(mesh_of(points, cells, kind=kind), 2, "groups")


@pytest.mark.parametrize(
    ("made", "energy", "says"),
    [
        ({"source": "rim"}, {}, "'rim' is no part of the body; it has 'left'"),
        ({"near": [0.5, 3.0]}, {}, "near = .* is off the body"),
        ({"source": "right", "together": True}, {}, "mean over 'right'; for a rigid plate"),
        ({}, {"mesh_size": 0.2}, "mesh_size is of struts"),
        ({}, {"order": 1}, "order = 1, but the body was read for displacements of order 2"),
        ({"force": 1.0}, {}, "needs a list of one number for each component"),
    ],
)
def test_tasks_that_no_body_has_are_refused(made, energy, says):
    source = {"region": made.get("source", "right"), "together": made.get("together", False)}
    aim = Task(
        supports=[Support(region="left")],
        sources=[Source(name="pull", force=made.get("force", [0.0, 1.0]), **source)],
        targets=[Target(name="tip", near=made.get("near", [1.0, 1.0]), displacement=[0.0, 1.0])],
    )
    with pytest.raises(InputError, match=says):
        System(halves(2), aim, Solid(**energy))


def test_elements_of_bonds_have_no_body_and_networks_no_region():
    with pytest.raises(InputError, match="take model = 'solid'"):
        System(halves(2), task(), Spring())
    points, cells = grid(1)
    net = body_of(mesh_of(points, cells), 1, "groups")
    bonds = type(net)(net.nodes, net.edges)
    with pytest.raises(InputError, match="region = 'left' is of a body"):
        System(bonds, task(), Spring())


def test_bodies_are_read_from_quadratic_and_unnamed_meshes(tmp_path):
    points, cells = grid(2)
    quads = np.array([[0, 1, 4, 3], [1, 2, 5, 4], [3, 4, 7, 6], [4, 5, 8, 7]])
    flat = np.column_stack([points, np.zeros(len(points))])
    numbers = {"cell_tags": [np.array([3, 3, 5, 5])]}
    meshio.Mesh(flat, [("quad", quads)], cell_data=numbers).write(tmp_path / "quads.vtu")
    net = body(tmp_path / "quads.vtu", order=1)
    assert {k: len(np.flatnonzero(net.body.element == v)) for k, v in net.body.sets.items()} == {
        "region_3": 4, "region_5": 4,
    }  # fmt: skip
    whole = body_of(mesh_of(points, cells), 2, "groups")
    meshio.Mesh(
        np.column_stack([whole.nodes, 0 * whole.nodes[:, 0]]),
        [("triangle6", whole.body.cells[:, [0, 1, 2, 5, 3, 4]])],
    ).write(tmp_path / "quadratic.vtu")
    again = body(tmp_path / "quadratic.vtu")
    assert np.array_equal(again.nodes, whole.nodes)
    assert np.array_equal(again.body.cells, whole.body.cells)
    assert "the corners make the body" in again.notes[0]
    every = body(tmp_path / "quads.vtu", regions="cells")
    assert every.body.n_elements == 8


def test_what_is_of_bonds_is_refused():
    net = halves(2)
    learn = {"modulus": ml.Learn(bounds=(0.1, 2.0))}
    options = {"energy": Solid(), "learn": learn, "steps": 0}
    flaws = ml.Imperfections(levels=4)
    with pytest.raises(InputError, match="regions of a body have none"):
        ml.train(net, task(), imperfections=flaws, **options)
    with pytest.raises(InputError, match="pruning removes bonds, which a body does not have"):
        ml.train(net, task(), rule="pruning", **options)
    with pytest.raises(InputError, match="repeat it where it is meshed"):
        laminate(2).supercell(2, 2)
    run = ml.train(net, task(), **options)
    with pytest.raises(InputError, match="no bonds that could be cut"):
        run.cut([0])


TASK = """
[network]
body = "{file}"
[energy]
model = "solid"
[learn.modulus]
[[supports]]
region = "left"
[[sources]]
region = "{region}"
force = [0.0, 0.1]
[[targets]]
near = {near}
displacement = [0.0, 0.1]
"""


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({}, ""),
        ({"file": "none.vtu"}, "There is no file"),
        ({"file": "lines.vtu"}, "triangles, quadrilaterals or tetrahedra; this mesh has 1 line"),
        ({"region": "rim"}, "'rim' is no part of the body"),
        ({"near": "[2.0, 2.0]"}, "is off the body, in a hole or outside"),
    ],
)
def test_check_says_in_a_sentence_what_is_wrong(changes, says, tmp_path, capsys):
    points, cells = grid(2)
    flat = np.column_stack([points, 0 * points[:, 0]])
    meshio.Mesh(flat, [("triangle", cells)]).write(tmp_path / "good.vtu")
    meshio.Mesh(flat[:2], [("line", [[0, 1]])]).write(tmp_path / "lines.vtu")
    text = TASK.format(**{"file": "good.vtu", "region": "right", "near": "[1.0, 1.0]", **changes})
    (tmp_path / "task.toml").write_text(text)
    with pytest.raises(SystemExit) as done:
        main(["check", str(tmp_path / "task.toml")])
    assert done.value.code == (2 if says else 0)
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") <= 1
