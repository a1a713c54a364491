"""Labels: what the file of a network calls its nodes, wherever a node is named."""

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.attributes import node_ids
from mechlearn.errors import InputError
from mechlearn.io.meshfile import write_network
from mechlearn.networks import keep_nodes
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.ports import by_label

SQUARE = {
    "nodes": np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]),
    "edges": np.array([[0, 1], [1, 2], [2, 3], [3, 0], [0, 2], [1, 3]]),
}
PULL = ml.Source(name="in", nodes=["b", "d"], strain=0.1)


def task(**tables):
    return ml.Task(
        sources=[PULL], targets=[ml.Target(name="out", nodes=["a", "c"], strain=0.05)], **tables
    )


def test_labels_name_nodes_in_tasks_and_messages():
    net = ml.Network(**SQUARE, labels=["a", "b", "c", "d"])
    problem = pose(task(), net)
    assert [p.nodes for p in problem.ports] == [(1, 3), (0, 2)]
    assert [p.names for p in problem.ports] == [("b", "d"), ("a", "c")]
    with pytest.raises(InputError, match="the pair of nodes d and b"):
        pose(ml.Task(sources=[PULL], targets=[ml.Target(nodes=["d", "b"], strain=0.1)]), net)
    with pytest.raises(InputError, match="Node e has no bond"):
        ml.Network(np.arange(10).reshape(5, 2), SQUARE["edges"], labels=list("abcde"))


@pytest.mark.parametrize(
    ("labels", "word"),
    [
        (["a", "b", "c"], "3 labels for the 4 nodes"),
        (["a", "b", "c", "a"], "label 'a'"),
        (["a", "b", "c", ""], "empty label"),
        ([1, 2, 3, 4], "must be texts"),
        ("abcd", "must be texts"),
    ],
)
def test_labels_are_texts_each_another(labels, word):
    with pytest.raises(InputError, match=word):
        ml.Network(**SQUARE, labels=labels)


def test_labels_that_only_count_are_none():
    assert ml.Network(**SQUARE, labels=["0", "1", "2", "3"]).labels is None
    net = ml.Network(**SQUARE, labels=["a", "b", "c", "d"])
    assert keep_nodes(net, [0, 2, 3]).labels == ("a", "c", "d")
    assert net.keep_edges(np.arange(5)).labels == net.labels


def test_a_number_that_could_mean_two_nodes_is_refused():
    net = ml.Network(**SQUARE, labels=["1", "2", "3", "4"])
    with pytest.raises(InputError, match=r'write "2" for the one .* or "3" for the one'):
        node_ids([2], net, "support 1")
    with pytest.raises(InputError, match="could mean two nodes"):
        node_ids([9], net, "support 1")
    assert node_ids(["2"], net, "support 1") == [1]
    mixed = ml.Network(**SQUARE, labels=["0", "1", "9", "d"])
    assert node_ids([0, 1], mixed, "support 1") == [0, 1]
    with pytest.raises(InputError, match="could mean two nodes"):
        node_ids([2], mixed, "support 1")


def test_a_name_of_a_set_and_of_a_node_is_refused():
    net = ml.Network(**SQUARE, labels=["a", "b", "c", "d"], node_sets={"a": [1, 2]})
    assert node_ids(["a"], net, "support 1") == [0]
    with pytest.raises(InputError, match="both a node set and the label"):
        node_ids("a", net, "support 1")


def test_a_run_on_numbered_nodes_names_them_by_label(tmp_path):
    net = ml.Network(**SQUARE, labels=["10", "11", "12", "0"])
    asked = ml.Task(
        sources=[ml.Source(name="in", nodes=["11", "0"], strain=0.1)],
        targets=[ml.Target(name="out", nodes=["10", "12"], strain=-0.05)],
    )
    run = ml.train(net, asked, learn={"stiffness": ml.Learn(bounds=(0.1, 10))}, steps=2)
    assert run.setup.sources[0].nodes == ["11", "0"]
    assert run.problem.ports[0].nodes == (1, 3)
    assert by_label(run.problem.task, net).targets[0].nodes == ["10", "12"]
    run.save(tmp_path / "run")
    again = ml.Run.load(tmp_path / "run")
    assert again.network.labels == net.labels
    assert again.evaluate()[0]["reached"] == pytest.approx(run.targets[0]["reached"], rel=1e-9)


@pytest.mark.parametrize("suffix", [".vtu", ".vtk", ".xdmf", ".msh"])
def test_texts_come_back_from_meshes(suffix, tmp_path):
    names = ["ä" * 9, "b", "", "日本語"]
    net = ml.Network(
        **SQUARE,
        labels=["A:52A", "A:52", "H:1000000", "β:1"],
        node_data={"a name": np.array(names)},
        edge_data={"kind": np.array(list("uvwxyz"))},
    )
    write_network(tmp_path / f"a{suffix}", net)
    again = ml.networks.from_file(tmp_path / f"a{suffix}")
    assert again.labels == net.labels
    assert {k: v.tolist() for k, v in again.node_data.items()} == {"a name": names}
    assert {k: v.tolist() for k, v in again.edge_data.items()} == {"kind": list("uvwxyz")}


def test_numbers_that_hold_no_text_are_refused(tmp_path):
    net = ml.Network(**SQUARE, node_data={"text_1:a": np.array([0.5, 1, 2, 3])})
    write_network(tmp_path / "a.vtu", net)
    with pytest.raises(InputError, match="hold no text"):
        ml.networks.from_file(tmp_path / "a.vtu")


def test_floppy_nodes_are_called_as_in_the_file():
    net = ml.Network(SQUARE["nodes"], SQUARE["edges"][:4], labels=["a", "b", "c", "d"])
    assert ml.rigidity(net).floppy_names == [
        "abcd"[i] for i in ml.rigidity(net).floppy_nodes.tolist()
    ]
    with pytest.raises(InputError, match=r"they move nodes [abcd], [abcd]"):
        ml.train(net, task(), learn={"stiffness": ml.Learn(bounds=(0.1, 10))}, steps=1)
