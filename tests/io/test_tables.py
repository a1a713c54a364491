"""Tables and graphs of others, and our own read back: all of it, by the names it has there."""

import tempfile
from pathlib import Path

import networkx
import numpy as np
import pytest
from conftest import periodic_network, random_network
from hypothesis import given, settings
from hypothesis import strategies as st

from mechlearn.attributes import node_ids
from mechlearn.errors import InputError
from mechlearn.network import Network
from mechlearn.networks import from_file, from_networkx
from mechlearn.networks.graphs import write_graphml
from mechlearn.networks.tables import write_csv, write_npz

NODES, BONDS = "x,y\n0,0\n1,0\n0,1\n", "i,j,stiffness\n0,1,1\n1,2,2\n2,0,3\n"


def table(folder, bonds=BONDS, nodes=NODES):
    for name, text in (("net.csv", bonds), ("net.nodes.csv", nodes)):
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / "net.csv"


def changed(text, **pairs):
    for a, b in pairs.items():
        text = text.replace(a, b)
    return text


@pytest.mark.parametrize(
    ("bonds", "nodes"),
    [
        (BONDS.replace(",", ", "), NODES.replace(",", ", ")),
        (b"\xef\xbb\xbf" + BONDS.encode(), b"\xef\xbb\xbf" + NODES.encode()),
        (BONDS.encode("utf-16"), NODES.encode("utf-16")),
        (BONDS.replace(",", ";"), NODES.replace(",", ";")),
        (BONDS.replace(",", "\t"), NODES.replace(",", "\t")),
        (BONDS.replace(",", " "), NODES.replace(",", "   ")),
        ("sep=;\n" + BONDS.replace(",", ";"), NODES),
        (BONDS.replace(",3", ";3,0").replace(",", ";", 99).replace("3;0", "3,0"), NODES),
        ("# of the laboratory\n" + BONDS + "# end\n\n", "\n" + NODES + ",\n"),
        ('"i","j","stiffness"\n"0","1","1"\n"1","2","2"\n"2","0","3"\n', NODES),
        ("# i,j,stiffness\n" + BONDS.split("\n", 1)[1], NODES.upper()),
        (BONDS.replace("i,j", "source,target"), "id,x,y\n0.0,0,0\n1.0,1,0\n2.0,0,1\n"),
        (BONDS.replace("\n", "\r\n"), NODES.replace("\n", "\r\n")),
        (BONDS, ",x,y\n0,0,0\n1,1,0\n2,0,1\n"),
        (",i,j,stiffness\n0,0,1,1\n1,1,2,2\n2,2,0,3\n", NODES),
    ],
)
def test_tables_are_read_as_people_write_them(bonds, nodes, tmp_path):
    net = from_file(table(tmp_path, bonds, nodes))
    assert net.nodes.tolist() == [[0, 0], [1, 0], [0, 1]]
    assert net.edges.tolist() == [[0, 1], [1, 2], [2, 0]]
    assert net.edge_data["stiffness"].tolist() == [1, 2, 3]
    assert net.labels is None
    assert not net.node_data
    assert not net.notes


def test_ids_in_another_order_are_honoured(tmp_path):
    net = from_file(table(tmp_path, nodes="id,x,y\n2,0,0\n0,1,0\n1,0,1\n"))
    assert net.nodes.tolist() == [[1, 0], [0, 1], [0, 0]]  # node 0 is the one called 0
    assert net.lengths[:2] == pytest.approx([2**0.5, 1])
    ones = changed(BONDS, **{"2,0": "3,1", "1,2": "2,3", "0,1": "1,2"})
    net = from_file(table(tmp_path, ones, "id,x,y\n1,0,0\n2,1,0\n3,0,1\n"))
    assert net.labels == ("1", "2", "3")
    with pytest.raises(InputError, match="could mean two nodes"):
        node_ids([1], net, "support 1")
    assert node_ids(["1"], net, "support 1") == [0]


@pytest.mark.parametrize(
    ("bonds", "nodes", "word"),
    [
        (BONDS.replace("2,0,3", "2,0"), NODES, "row 3 has 2 columns, not 3"),
        (BONDS, NODES.replace("0,1", "0"), "row 3 has 1 columns, not 2"),
        (BONDS, "id,x,y\n0,0,0\n1,1,0\n1,0,1\n", "two nodes have the id '1'"),
        (BONDS, "id,x,y\n0,0,0\n1,1,0\n,0,1\n", "node 3 of the file has no id"),
        (BONDS, "id,x,y\n0,0,0\n1,1,0\nq,0,1\n", "bond 2 joins '2', .* one of the ids"),
        (BONDS.replace("2,0", "3,0"), NODES, "bond 3 joins '3', .* from 0 to 2"),
        (BONDS.replace("2,0", ",0"), NODES, "bond 3 of the file lacks the id"),
        (BONDS.replace("2,0", "2,2"), NODES, "bond 3 joins node '2' to itself"),
        (BONDS.replace("stiffness", "j"), NODES, "two columns are called 'j'"),
        (BONDS, NODES.replace("0,1", "0,"), "y of node 2 is missing"),
        (BONDS, NODES.replace("0,1", "0,up"), "y of node 2 is 'up'"),
        (BONDS, NODES + "5,5\n", "Node 3 has no bond"),
        (BONDS, "id,x,y\na,0,0\nb,1,0\nc,0,1\n", "joins '0', .* one of the ids of nodes"),
        (BONDS.replace("1,2,2", "1,0,2"), NODES, "repeats another bond"),
        ("a,b\n0,1\n", NODES, "needs columns i and j"),
        (BONDS, "", "holds no rows"),
        (b"i,j\n\xff\xfa,1\n", NODES, "cannot be read"),
        (BONDS, "label,x,y\n2,0,0\n0,1,0\n1,0,1\n", "could mean the column 'label'"),
        (BONDS.replace("stiffness", "edge_set:rim"), NODES, "should be 0 or 1 everywhere"),
    ],
)
def test_what_is_wrong_in_a_table_is_named(bonds, nodes, word, tmp_path):
    with pytest.raises(InputError, match=word) as caught:
        from_file(table(tmp_path, bonds, nodes))
    assert "net" in str(caught.value)


def test_names_of_nodes_and_ids_of_bonds(tmp_path):
    bonds = "from,to,id,k\nb,c,1,2\na,b,0,1\nc,a,2,3\n"
    net = from_file(table(tmp_path, bonds, "Name;x;y\na;0,5;0\nb;1,5;0\nc;0;1\n"))
    assert net.labels == ("a", "b", "c")
    assert net.nodes.tolist() == [[0.5, 0], [1.5, 0], [0, 1]]
    assert net.edges.tolist() == [[0, 1], [1, 2], [2, 0]]  # bond 0 is the one called 0
    assert net.edge_data["k"].tolist() == [1, 2, 3]
    net = from_file(table(tmp_path, BONDS.replace("stiffness", "id")))
    assert net.edge_data["bond_id"].tolist() == [1, 2, 3]
    write_csv(tmp_path / "again.csv", net, {}, {})
    assert np.array_equal(from_file(tmp_path / "again.csv").edge_data["bond_id"], [1, 2, 3])


def test_missing_values_are_said(tmp_path):
    net = from_file(table(tmp_path, BONDS.replace("0,1,1", "0,1,")))
    assert np.isnan(net.edge_data["stiffness"]).tolist() == [True, False, False]
    assert net.notes == ("1 of 3 bonds have no stiffness, which is nan there",)


# -- GraphML -----------------------------------------------------------------------------------

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns"
 xmlns:y="http://www.yworks.com/xml/graphml">
<key id="x" for="node" attr.name="x" attr.type="{kind}"/>
<key id="y" for="node" attr.name="y" attr.type="{kind}"><default>0</default></key>
<key id="k" for="edge" attr.name="stiffness" attr.type="double"><default>7</default></key>
<graph edgedefault="undirected">"""


def graphml(folder, nodes, edges, kind="double", more=""):
    lines = [HEAD.format(kind=kind)]
    for name, x, y in nodes:
        own = "" if y is None else f'<data key="y">{y}</data>'
        lines.append(f'<node id="{name}"><data key="x">{x}</data>{own}</node>')
    for a, b, *k in edges:
        own = f'<data key="k">{k[0]}</data>' if k else ""
        lines.append(f'<edge source="{a}" target="{b}">{own}</edge>')
    (folder / "net.graphml").write_text("\n".join([*lines, more, "</graph></graphml>"]))
    return folder / "net.graphml"


@pytest.mark.parametrize("kind", ["double", "string"])
def test_text_ids_text_numbers_and_defaults_of_graphml(kind, tmp_path):
    places = [("a", 0, None), ("b", 1, None), ("c", 1, 1), ("d", 0, 1)]
    edges = [("c", "a", 1), ("a", "b"), ("b", "c", 3), ("d", "c"), ("a", "d", 5)]
    net = from_file(graphml(tmp_path, places, edges, kind))
    assert net.labels == ("a", "b", "c", "d")
    assert net.nodes.tolist() == [[0, 0], [1, 0], [1, 1], [0, 1]]
    # In the order of the file, which networkx would not keep.
    assert net.edges.tolist() == [[2, 0], [0, 1], [1, 2], [3, 2], [0, 3]]
    assert net.edge_data["stiffness"].tolist() == [1, 7, 3, 7, 5]
    assert node_ids(["a", "d"], net, "support 1") == [0, 3]


def test_numbered_nodes_of_graphml_are_those_that_the_file_calls_so(tmp_path):
    at = {0: (0, 0), 1: (1, 1), 2: (2, 1), 3: (2, 0), 4: (1, 0), 5: (0, 1)}
    pairs = [(0, 5), (0, 4), (5, 1), (1, 4), (1, 2), (4, 3), (2, 3)]
    net = from_file(graphml(tmp_path, [(k, *at[k]) for k in (0, 5, 1, 4, 2, 3)], pairs))
    assert net.nodes.tolist() == [list(at[k]) for k in range(6)]
    assert net.edges.tolist() == [list(p) for p in pairs]


@pytest.mark.parametrize(
    ("nodes", "edges", "more", "word"),
    [
        ([("a", 0, 0), ("b", 1, 0), ("a", 0, 1)], [("a", "b")], "", "two nodes have the id 'a'"),
        ([("a", 0, 0), ("b", 1, 0)], [("a", "q")], "", "joins 'q', which is no node"),
        ([("a", 0, 0), ("b", 1, 0)], [("a", "a"), ("a", "b")], "", "node 'a' to itself"),
        ([("a", 0, 0), ("b", 1, 0)], [("a", "b"), ("b", "a")], "", "nodes b and a"),
        ([("a", 0, 0), ("b", "up", 0)], [("a", "b")], "", "x"),
        (
            [("a", 0, 0), ("b", 1, 0)],
            [("a", "b")],
            '</graph><graph edgedefault="undirected"><node id="c"/>',
            "in 2 graphs",
        ),
        ([("a", 0, 0), ("b", 1, 0)], [("a", "b")], "<hyperedge/>", "hyperedge"),
        ([("a", 0, 0), ("b", 1, 0), ("c", 1, 1)], [("a", "b")], "", "Node c has no bond"),
    ],
)
def test_what_is_wrong_in_a_graph_is_named(nodes, edges, more, word, tmp_path):
    with pytest.raises(InputError, match=word):
        from_file(graphml(tmp_path, nodes, edges, "string", more))


def test_yed_writes_places_as_text(tmp_path):
    shapes = "".join(
        f'<node id="n{k}"><data key="d6"><y:ShapeNode><y:Geometry height="30.0" width="30.0" '
        f'x="{x}" y="{y}"/></y:ShapeNode></data></node>'
        for k, (x, y) in enumerate([("0.0", "0.0"), ("100.0", "0.0"), ("0.0", "80.0")])
    )
    edges = "".join(f'<edge id="e{a}" source="n{a}" target="n{(a + 1) % 3}"/>' for a in range(3))
    (tmp_path / "yed.graphml").write_text(
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns" '
        'xmlns:y="http://www.yworks.com/xml/graphml"><key for="node" id="d6" '
        'yfiles.type="nodegraphics"/><graph edgedefault="directed">'
        f"{shapes}{edges}</graph></graphml>"
    )
    net = from_file(tmp_path / "yed.graphml")
    assert net.nodes.tolist() == [[0, 0], [100, 0], [0, 80]]
    assert net.labels == ("n0", "n1", "n2")


# -- networkx ----------------------------------------------------------------------------------


def test_graphs_of_networkx_become_networks():
    graph = networkx.Graph()
    for name, place in (("left", (0, 0)), (7, (1, 0)), ("top", (0, 1))):
        graph.add_node(name, pos=place, mass=2.0)
    graph.add_edge("top", "left", k=3)
    graph.add_edge("left", 7, k=1)
    graph.add_edge(7, "top", k=2)
    net = from_networkx(graph)
    assert net.labels == ("left", "7", "top")
    assert net.nodes.tolist() == [[0, 0], [1, 0], [0, 1]]
    assert net.edge_data["k"].tolist() == [graph.edges[e]["k"] for e in graph.edges]
    moved = from_networkx(graph, positions={"left": (0, 0, 5), 7: (2, 0, 5), "top": (0, 2, 5)})
    assert moved.nodes.tolist() == [[0, 0], [2, 0], [0, 2]]
    assert from_networkx(graph, {n: (*graph.nodes[n]["pos"], 0) for n in graph}, 3).dim == 3
    grid = networkx.grid_2d_graph(3, 3)
    net = from_networkx(grid, {n: n for n in grid})
    assert net.labels[1] == "(0, 1)"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda g: g.add_edge(0, 0), "to itself"),
        (lambda g: g.add_edge(0, 9), "x of node 9 is missing"),
        (lambda g: g.add_node("1", x=5, y=5), "two nodes have the id '1'"),
        (lambda g: g.nodes[0].update(pos="here"), "position of node 0"),
        (lambda g: g.nodes[0].update(pos=(5, 5)), "different places"),
        (lambda g: g.nodes[0].update(shape=[1, 2]), "node data shape are no numbers"),
        (lambda g: g.remove_edges_from([(0, 1), (1, 2)]), "Node 1 has no bond"),
    ],
)
def test_graphs_that_are_no_networks_are_refused(change, word):
    graph = networkx.complete_graph(4)
    for k in graph:
        graph.nodes[k].update(x=float(k), y=float(k * k))
    graph.remove_edge(1, 3)
    change(graph)
    with pytest.raises(InputError, match=word):
        from_networkx(graph)


# -- our own -----------------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"]), max_size=6)
CRUEL = st.one_of(
    TEXTS,
    st.sampled_from(["=1+1", "'=x", "#c", "-5", "2.0", "1e3", "a,b", 'a"b', " b", "nan", "True"]),
)
FORMS = {".graphml": write_graphml, ".npz": write_npz, ".csv": write_csv}


@st.composite
def labelled(draw):
    """Networks of every kind with labels, texts and sets whose names and values are cruel."""
    seed = draw(st.integers(0, 2**32 - 1))
    kind = draw(st.sampled_from(["plane", "space", "torus", "flat"]))
    net = (
        periodic_network(4, seed)
        if kind == "torus"
        else random_network(7, 3 if kind == "space" else 2, seed)
    )
    nodes = np.column_stack([net.nodes, np.zeros(net.n_nodes)]) if kind == "flat" else net.nodes
    n, m = net.n_nodes, net.n_edges
    rng = np.random.default_rng(seed)
    names = draw(
        st.one_of(
            st.none(),
            st.just([str(k) for k in rng.permutation(n)]),
            st.lists(CRUEL.map(str.strip).filter(bool), min_size=n, max_size=n, unique=True),
        )
    )
    words = draw(st.lists(CRUEL, min_size=n, max_size=n))
    odd = draw(
        CRUEL.filter(
            lambda t: (
                t.strip() == t and t.lower() not in ("", "x", "y", "z", "i", "j", "id", "node")
            )
        )
    )
    return Network(
        nodes,
        net.edges,
        cell=net.cell,
        shifts=net.shifts,
        node_sets={odd: [0, 2]},
        edge_sets={"rim": [1]},
        node_data={
            "kind": np.array(words),
            odd: rng.standard_normal(n),
            "even": np.arange(n) % 2 == 0,
        },
        edge_data={"stiffness": 10 ** rng.uniform(-9, 9, m), "count": np.arange(m)},
        labels=names,
    )


def same(one, two):
    assert one.dim == two.dim
    assert np.array_equal(one.nodes, two.nodes)
    assert np.array_equal(one.edges, two.edges)
    assert one.labels == two.labels
    assert one.periodic == two.periodic
    if one.periodic:
        assert np.array_equal(one.cell, two.cell)
        assert np.array_equal(one.shifts, two.shifts)
    for part in ("node_sets", "edge_sets", "node_data", "edge_data"):
        a, b = getattr(one, part), getattr(two, part)
        assert set(a) == set(b)
        for name, values in a.items():
            assert values.dtype.kind == b[name].dtype.kind, name
            assert np.array_equal(values, b[name]), name


@pytest.mark.parametrize("suffix", [*FORMS, "networkx"])
@given(labelled())
@settings(max_examples=40, deadline=None, derandomize=True)
def test_everything_comes_back(suffix, net):
    if suffix == "networkx":
        again = from_networkx(net.to_networkx())
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"net{suffix}"
            FORMS[suffix](path, net, {}, {})
            again = from_file(path)
    same(net, again)


def test_no_text_of_a_table_is_a_formula(tmp_path):
    net = random_network(5, 2, 0)
    names = ["=A1", "+1", "-cmd", "@x", "plain"]
    net = Network(net.nodes, net.edges, node_data={"=f": np.array(names)}, labels=names)
    write_csv(tmp_path / "a.csv", net, {}, {})
    for name in ("a.csv", "a.nodes.csv"):
        for line in (tmp_path / name).read_text().splitlines():
            for cell in line.split(","):
                bare = cell.strip('"')
                assert not bare.startswith(("=", "+", "@", "-c")), cell
    same(net, from_file(tmp_path / "a.csv"))


# -- text --------------------------------------------------------------------------------------

BLOCKS = """2
5
0 0 0
1 0 0
1 1 0
0 1 0
9 9 0
5
0 1 1.5 1.0 1
1 2 1.0 1.1 0
2 3 1.0 1.0 1
3 0 1.0 1.0 1
0 2 2.0 1.5 1
1
0 1 1.0 1
1
2 3 1.0 -1
"""


def test_files_in_counted_blocks(tmp_path):
    (tmp_path / "net.txt").write_bytes(b"\xef\xbb\xbf" + BLOCKS.encode())
    net = from_file(tmp_path / "net.txt")
    assert net.nodes.tolist() == [[0, 0], [1, 0], [1, 1], [0, 1]]
    assert net.edge_data["stiffness"].tolist() == [1.5, 1, 1, 1, 2]
    assert net.edge_data["rest_length"].tolist() == [1, 1.1, 1, 1, 1.5]
    assert net.edge_sets["frozen"].tolist() == [1]
    assert {k: v.tolist() for k, v in net.node_sets.items()} == {
        "source 1": [0, 1],
        "target 1": [2, 3],
    }
    assert [note[:30] for note in net.notes] == [
        "1 nodes without bonds are left",
        "its sources and targets are th",
    ]
    bare = "3\n3\n0 0 0\n1 0 0\n0 1 0\n3\n0 1\n1 2\n2 0\n"
    (tmp_path / "net.txt").write_text(bare)
    assert from_file(tmp_path / "net.txt").dim == 3


@pytest.mark.parametrize(
    ("a", "b", "word"),
    [
        ("0 1 0\n9", "0 1 0.5\n9", "the dimension is 2"),
        ("9 9 0\n5", "9 9 0\n6", "line 14: one of the bonds has 1 columns"),
        ("0 2 2.0 1.5 1", "0 2 2.0 1.5", "line 13: one of the bonds has 4 columns"),
        ("0 2 2.0", "0 7 2.0", "numbered from 0 to 4"),
        ("0 2 2.0", "0 2 q", "not all finite"),
        ("2 3 1.0 -1\n", "2 3 1.0 -1\n4 4\n", "more than the targets"),
        ("2 3 1.0 -1", "2 4 1.0 -1", "target 1 is at a node without bonds"),
    ],
)
def test_what_is_wrong_in_blocks_is_named(a, b, word, tmp_path):
    assert a in BLOCKS
    (tmp_path / "net.txt").write_text(BLOCKS.replace(a, b))
    with pytest.raises(InputError, match=word):
        from_file(tmp_path / "net.txt")


def test_text_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "net.txt").write_bytes(b"\xef\xbb\xbf3 3\n0 0\n1 0\n0 1\n0 1\n1 2\n2 0\n")
    assert from_file(tmp_path / "net.txt").n_edges == 3
