"""Mesh files of others: every cell, point, piece and name, or a sentence about it."""

import base64
import itertools

import meshio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mechlearn as ml
from mechlearn.cli import main
from mechlearn.errors import InputError
from mechlearn.io.meshfile import write_network
from mechlearn.networks import from_file
from mechlearn.networks.cells import FAMILIES, Block, Mesh, bonds_of
from mechlearn.networks.meshes import network_of

MSH = "$MeshFormat\n2.2 0 8\n$EndMeshFormat\n"
FRAME_DECK = """*NODE
1, 0., 0., 0.
2, 1., 0., 0.
3, 2., 0., 0.
4, 1., 1., 0.
5, 2., 2., 0.
*ELEMENT, TYPE=B32
1, 1, 2, 3
*ELEMENT, TYPE=B31
2, 3, 4
3, 4, 1
4, 4, 5
5, 5, 3
"""
LATTICE_DECK = """*Heading
 a lattice,
** a comment
*NODE, NSET=A
1, 0., 0., 0.
2, 1., 0., 0.
3, 1., 1., 0.
*Node
 4, 0., 1.
5, 0.5, 0.6, 0.
*ELEMENT, TYPE=T2D2,
 ELSET=RODS
1, 1, 2
2, 2, 3
3, 3, 4
4, 4, 1
5, 1, 5
6, 2, 5
7, 3, 5
8, 4, 5
*NSET, NSET=odd, GENERATE
1, 5, 2
*NSET, NSET=both
A, 5
*ELSET, ELSET=rim, GENERATE
1, 4
"""
SQUARE = np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
SIDES = {(0, 1), (1, 2), (2, 3), (0, 3)}


def read(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return from_file(path)


def refusal(tmp_path, name, content):
    with pytest.raises(InputError) as caught:
        read(tmp_path, name, content)
    text = str(caught.value)
    assert text.count(str(tmp_path / name)) == 1
    assert "\n" not in text
    return text


def bonds(net):
    return {tuple(sorted(e)) for e in net.edges.tolist()}


def members(sets):
    return {name: ids.tolist() for name, ids in sets.items()}


def msh(points, elements, names=""):
    rows = [f"{k} {x} {y} {z}" for k, (x, y, z) in enumerate(points, 1)]
    lines = [f"{k} {e}" for k, e in enumerate(elements, 1)]
    return "\n".join([
        MSH + names + "$Nodes", str(len(rows)), *rows, "$EndNodes", "$Elements", str(len(lines)),
        *lines, "$EndElements\n",
    ])  # fmt: skip


# -- gmsh --------------------------------------------------------------------------------------


def test_names_of_gmsh_are_sets(tmp_path):
    names = '$PhysicalNames\n4\n0 1 "held"\n0 2 "tip"\n1 1 "thick"\n1 4 "thin"\n$EndPhysicalNames\n'
    elements = [
        "15 2 1 1 1", "15 2 1 2 2", "15 2 2 3 3", "1 2 1 1 1 2", "1 2 1 1 2 3", "1 2 4 3 3 4",
        "1 2 4 4 4 1", "1 2 4 5 1 3",
    ]  # fmt: skip
    net = read(tmp_path, "a.msh", msh(SQUARE, elements, names))
    assert members(net.node_sets) == {"held": [0, 1], "tip": [2]}
    assert members(net.edge_sets) == {"thick": [0, 1], "thin": [2, 3, 4]}


def test_two_struts_between_two_nodes_are_refused_unless_they_are_one(tmp_path):
    triangle = [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    rest = ["1 2 1 3 2 3", "1 2 1 4 3 1"]
    text = refusal(tmp_path, "a.msh", msh(triangle, ["1 2 1 1 1 2", "1 2 2 2 2 1", *rest]))
    assert "repeat others" in text
    net = read(tmp_path, "b.msh", msh(triangle, ["1 2 1 1 1 2", "1 2 1 1 2 1", *rest]))
    assert net.n_edges == 3
    assert "there twice" in net.notes[0]


def test_quadratic_lines_beside_linear_ones(tmp_path):
    points = [[0, 0, 0], [2, 0, 0], [1, 2, 0], [1, 0, 0], [3, 2, 0]]
    elements = ["8 2 1 1 1 2 4", "1 2 1 2 2 3", "1 2 1 3 3 1", "1 2 1 4 2 5", "1 2 1 5 3 5"]
    net = read(tmp_path, "a.msh", msh(points, elements))
    assert (net.n_nodes, net.n_edges) == (4, 5)
    assert "1 line3" in net.notes[0]
    # Where something ends at the middle, there is a node.
    net = read(tmp_path, "b.msh", msh(points, [*elements, "1 2 1 6 4 3"]))
    assert (net.n_nodes, net.n_edges) == (5, 7)


def test_quadratic_triangles_beside_linear_ones(tmp_path):
    points = [[0, 0, 0], [2, 0, 0], [0, 2, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 2, 0]]
    net = read(tmp_path, "a.msh", msh(points, ["9 2 1 1 1 2 3 4 5 6", "2 2 1 1 2 7 3"]))
    assert (net.n_nodes, net.n_edges) == (4, 5)
    assert "3 nodes" in net.notes[0]


@pytest.mark.parametrize("version", [2.2, 4.1])
@pytest.mark.parametrize("binary", [0, 1])
def test_boundaries_of_gmsh_do_not_hide_what_they_bound(tmp_path, version, binary):
    gmsh = pytest.importorskip("gmsh")
    path = tmp_path / "plate.msh"
    gmsh.initialize(readConfigFiles=False, interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        occ = gmsh.model.occ
        occ.addRectangle(0, 0, 0, 2, 1)
        occ.synchronize()
        gmsh.model.addPhysicalGroup(1, [4], name="left")
        gmsh.model.addPhysicalGroup(1, [1, 2], name="other")
        gmsh.model.addPhysicalGroup(2, [1], name="left")
        gmsh.model.addPhysicalGroup(0, [3], 7, name="corner")
        gmsh.option.setNumber("Mesh.MeshSizeMax", 0.6)
        gmsh.option.setNumber("Mesh.MshFileVersion", version)
        gmsh.option.setNumber("Mesh.Binary", binary)
        gmsh.model.mesh.generate(2)
        triangles = gmsh.model.mesh.getElements(2)[2][0].reshape(-1, 3).astype(int)
        gmsh.write(str(path))
    finally:
        gmsh.finalize()
    net = from_file(path)
    sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    pairs = np.unique(np.sort(sides, axis=1), axis=0)
    assert net.n_edges == len(pairs)
    assert net.n_nodes == len(np.unique(triangles))
    assert set(net.node_sets) == {"left", "other", "corner"}
    assert len(net.node_sets["corner"]) == 1
    assert (net.nodes[net.node_sets["left"]][:, 0] == 0).all()
    assert len(net.edge_sets["left"]) == net.n_edges  # the area has that name as well
    other = net.nodes[net.edges[net.edge_sets["other"]]]
    assert ((other[..., 1] == 0).all(axis=1) | (other[..., 0] == 2).all(axis=1)).all()
    assert "lines and the" in net.notes[0]


def test_partitions_and_parameters_of_gmsh_are_read(tmp_path):
    gmsh = pytest.importorskip("gmsh")
    counts = []
    gmsh.initialize(readConfigFiles=False, interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.model.occ.addRectangle(0, 0, 0, 2, 1)
        gmsh.model.occ.synchronize()
        gmsh.model.addPhysicalGroup(2, [1], name="plate")
        gmsh.model.addPhysicalGroup(1, [4], name="left")
        gmsh.model.mesh.generate(2)
        gmsh.write(str(tmp_path / "whole.msh"))
        gmsh.option.setNumber("Mesh.SaveParametric", 1)
        gmsh.write(str(tmp_path / "parametric.msh"))
        gmsh.option.setNumber("Mesh.SaveParametric", 0)
        gmsh.model.mesh.partition(2)
        gmsh.write(str(tmp_path / "parts.msh"))
    finally:
        gmsh.finalize()
    for name in ("whole", "parametric", "parts"):
        net = from_file(tmp_path / f"{name}.msh")
        assert net.node_sets["left"].size
        assert (net.nodes[net.node_sets["left"]][:, 0] == 0).all()
        counts.append((net.n_nodes, net.n_edges, len(net.edge_sets["plate"])))
    assert counts[0] == counts[1] == counts[2]


def test_files_that_only_pretend_to_be_of_gmsh_are_not_run(tmp_path):
    """Gmsh takes what is no mesh for a script, which may call the system."""
    script = f'SystemCall "touch {tmp_path}/owned";\n'
    refusal(tmp_path, "a.msh", script)
    text = msh(SQUARE, ["1 2 1 1 1 2"]).replace("2.2 0 8", "4.1 0 8")
    (tmp_path / "b.msh.opt").write_text(script)
    refusal(tmp_path, "b.msh", text + script)
    assert not (tmp_path / "owned").exists()


# -- input decks -------------------------------------------------------------------------------


def test_quadratic_beams_beside_linear_ones(tmp_path):
    net = read(tmp_path, "a.inp", FRAME_DECK)
    assert net.labels == ("1", "3", "4", "5")
    assert bonds(net) == {(0, 1), (1, 2), (0, 2), (2, 3), (1, 3)}
    net = read(tmp_path, "b.inp", FRAME_DECK + "6, 2, 4\n")
    assert (net.n_nodes, net.n_edges) == (5, 7)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_blocks_sets_and_numbers_of_decks(tmp_path, mark):
    net = read(tmp_path, "a.inp", mark + LATTICE_DECK)
    assert (net.n_nodes, net.n_edges, net.dim) == (5, 8, 2)
    assert net.labels == ("1", "2", "3", "4", "5")
    assert members(net.node_sets) == {"A": [0, 1, 2], "odd": [0, 2, 4], "both": [0, 1, 2, 4]}
    assert members(net.edge_sets) == {"RODS": list(range(8)), "rim": [0, 1, 2, 3]}


def test_generated_nodes_and_elements(tmp_path):
    deck = (
        "*NODE\n1, 0, 0\n5, 4, 0\n11, 0, 1\n15, 4, 1\n*NGEN, NSET=low\n1, 5\n*NGEN\n11, 15, 1\n"
        "*ELEMENT, TYPE=T2D2\n1, 1, 2\n101, 1, 11\n201, 1, 12\n"
        "*ELGEN, ELSET=rails\n1, 4, 1, 1, 2, 10, 10\n*ELGEN, ELSET=posts\n101, 5\n201, 4\n"
    )
    net = read(tmp_path, "a.inp", deck)
    assert (net.n_nodes, net.n_edges) == (10, 17)
    assert [len(s) for s in (net.edge_sets["rails"], net.edge_sets["posts"])] == [8, 9]
    assert net.nodes[net.node_sets["low"]].tolist() == [[x, 0] for x in range(5)]
    assert "generated" in refusal(tmp_path, "b.inp", deck.replace("101, 5", "101, 99999999"))


def test_parts_are_read_where_their_instances_are(tmp_path):
    part = (
        "*PART, NAME=bar\n*NODE\n1, 0, 0, 0\n2, 1, 0, 0\n*ELEMENT, TYPE=T3D2, ELSET=all\n1, 1, 2\n"
        "*NSET, NSET=end\n2\n*END PART\n*ASSEMBLY, NAME=a\n*INSTANCE, NAME=one, PART=bar\n"
        "*END INSTANCE\n"
        "*INSTANCE, NAME=two, PART=bar\n1., 1., 0.\n0,0,0, 0,0,1, 90.\n*END INSTANCE\n"
    )
    text = refusal(tmp_path, "a.inp", part + "*END ASSEMBLY\n")
    assert "2 pieces" in text
    assert "two.1" in text or "one.1" in text
    part = part.replace(
        "two, PART=bar\n1., 1., 0.\n0,0,0, 0,0,1, 90.", "two, PART=bar\n0, -1, 0\n1,0,0, 1,0,1, 90."
    )
    whole = part + "*ELEMENT, TYPE=T3D2\n1, 1, 2\n*NODE\n1, 0, 0\n2, 2, 2\n*END ASSEMBLY\n"
    assert "3 pieces" in refusal(tmp_path, "b.inp", whole)


def test_one_instance_alone_is_turned_and_moved(tmp_path):
    deck = (
        "*PART, NAME=p\n*NODE\n1, 0, 0, 0\n2, 2, 0, 0\n3, 0, 1, 0\n*ELEMENT, TYPE=T3D2\n"
        "1, 1, 2\n2, 2, 3\n3, 3, 1\n*NSET, NSET=end\n2\n*END PART\n*ASSEMBLY, NAME=a\n"
        "*INSTANCE, NAME=i, PART=p\n1, 0, 0\n1, 0, 0, 1, 0, 1, 90.\n*END INSTANCE\n"
        "*NSET, NSET=held, INSTANCE=i\n1, 3\n*END ASSEMBLY\n"
    )
    net = read(tmp_path, "a.inp", deck)
    assert net.nodes == pytest.approx(np.array([[1, 0], [1, 2], [0, 0]]), abs=1e-15)
    assert net.labels == ("i.1", "i.2", "i.3")
    assert members(net.node_sets) == {"i.end": [1], "i.held": [0, 2]}


def test_included_decks_are_read_from_their_folder_alone(tmp_path):
    head, tail = LATTICE_DECK.split("*ELEMENT")
    (tmp_path / "nodes.inc").write_text(head)
    net = read(tmp_path, "a.inp", "*INCLUDE, INPUT=nodes.inc\n*ELEMENT" + tail)
    assert (net.n_nodes, net.n_edges) == (5, 8)
    assert "outside" in refusal(tmp_path, "b.inp", "*INCLUDE, INPUT=../nodes.inc\n")
    assert "not there" in refusal(tmp_path, "c.inp", "*INCLUDE, INPUT=none.inc\n")
    assert "more than" in refusal(tmp_path, "d.inp", "*INCLUDE, INPUT=d.inp\n" * 2)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (("TYPE=B31", "TYPE=CONROD"), "4 CONROD"),
        (("TYPE=B31", "TYPE=U1"), "4 U1"),
        (("2, 3, 4", "2, 3, 77"), "names node 77"),
        (("2, 3, 4", "1, 3, 4"), "element 1 is there twice"),
        (("5, 2., 2., 0.", "4, 2., 2., 0."), "node 4 is there twice"),
        (("*ELEMENT, TYPE=B32", "*NFILL\n1\n*ELEMENT, TYPE=B32"), "NFILL"),
        (("*ELEMENT, TYPE=B32", "*NSET, NSET=a\n99\n*ELEMENT, TYPE=B32"), "node 99"),
        (("2, 1., 0., 0.", "2, x, 0., 0."), "line 1"),
    ],
)
def test_what_cannot_be_used_of_a_deck_is_named(tmp_path, change, word):
    assert word in refusal(tmp_path, "a.inp", FRAME_DECK.replace(*change))


# -- VTK, OBJ, PLY, STL ------------------------------------------------------------------------

VTP = """<?xml version="1.0"?>
<VTKFile type="PolyData" version="0.1" byte_order="LittleEndian"><PolyData>
<Piece NumberOfPoints="4" NumberOfVerts="0" NumberOfLines="5" NumberOfStrips="0" NumberOfPolys="0">
<Points><DataArray type="Float64" NumberOfComponents="3" format="ascii">0 0 0 1 0 0 1 1 0 0 1 0
</DataArray></Points>
<Lines><DataArray type="Int64" Name="connectivity" format="ascii">0 1 1 2 2 3 3 0 0 2</DataArray>
<DataArray type="Int64" Name="offsets" format="ascii">2 4 6 8 10</DataArray></Lines>
</Piece></PolyData></VTKFile>"""
PIECE = """<Piece NumberOfPoints="3" NumberOfCells="3">
<Points><DataArray type="Float64" NumberOfComponents="3" format="ascii">{points}</DataArray>
</Points><Cells><DataArray type="Int64" Name="connectivity" format="ascii">0 1 1 2 2 0</DataArray>
<DataArray type="Int64" Name="offsets" format="ascii">2 4 6</DataArray>
<DataArray type="UInt8" Name="types" format="ascii">3 3 3</DataArray></Cells></Piece>"""
VTU = """<?xml version="1.0"?><VTKFile type="UnstructuredGrid" version="0.1"
byte_order="LittleEndian"><UnstructuredGrid>{}</UnstructuredGrid></VTKFile>"""
POLYDATA = """# vtk DataFile Version 3.0
lattice
ASCII
DATASET POLYDATA
POINTS 4 float
0 0 0 1 0 0 1 1 0 0 1 0
LINES 2 9
5 0 1 2 3 0
2 0 2
CELL_DATA 2
SCALARS radius float 1
LOOKUP_TABLE default
0.5 0.25
"""


def test_lines_of_polydata_are_bonds(tmp_path):
    assert bonds(read(tmp_path, "a.vtp", VTP)) == SIDES | {(0, 2)}
    net = read(tmp_path, "a.vtk", POLYDATA)
    assert bonds(net) == SIDES | {(0, 2)}
    assert net.edge_data["radius"].tolist() == [0.5] * 4 + [0.25]


def test_polylines_and_lines_of_a_grid(tmp_path):
    points = " ".join(f"{x:g}" for x in SQUARE.ravel())
    piece = PIECE.format(points=points).replace('Points="3"', 'Points="4"')
    piece = piece.replace('Cells="3"', 'Cells="2"')
    piece = piece.replace("0 1 1 2 2 0", "0 1 2 3 0 0 2").replace("2 4 6", "5 7")
    net = read(tmp_path, "a.vtu", VTU.format(piece.replace(">3 3 3<", ">4 3<")))
    assert bonds(net) == SIDES | {(0, 2)}


def test_all_pieces_are_read(tmp_path):
    one, two = "0 0 0 1 0 0 0 1 0", "1 0 0 2 0 0 0 1 0"
    pieces = PIECE.format(points=one) + PIECE.format(points=two)
    net = read(tmp_path, "a.vtu", VTU.format(pieces))
    assert (net.n_nodes, net.n_edges) == (4, 5)
    assert "2 pieces" in net.notes[0]
    apart = PIECE.format(points=one) + PIECE.format(points="5 0 0 6 0 0 5 1 0")
    assert "2 pieces" in refusal(tmp_path, "b.vtu", VTU.format(apart))


@pytest.mark.parametrize("suffix", [".vtu", ".vtk", ".vtp"])
@pytest.mark.parametrize("binary", [True, False])
def test_what_pyvista_saves_comes_back(tmp_path, suffix, binary):
    pyvista = pytest.importorskip("pyvista")
    cells = np.array([[2, 0, 1], [2, 1, 2], [2, 2, 3], [2, 3, 0]])
    grid = pyvista.PolyData(SQUARE, lines=cells.ravel())
    if suffix != ".vtp":
        grid = pyvista.UnstructuredGrid(cells.ravel(), np.full(4, 3), SQUARE)
    grid.cell_data["radius"] = np.array([0.5, 1.5, 2.5, 3.5])
    grid.cell_data["pull"] = np.arange(12.0).reshape(4, 3)
    grid.point_data["name"] = np.array(["a", "b", "c", "d"])
    grid.save(tmp_path / f"a{suffix}", binary=binary)
    net = from_file(tmp_path / f"a{suffix}")
    assert bonds(net) == SIDES
    assert net.edge_data["radius"].tolist() == [0.5, 1.5, 2.5, 3.5]
    assert np.array_equal(net.edge_data["pull"], np.arange(12.0).reshape(4, 3))
    assert net.node_data["name"].tolist() == ["a", "b", "c", "d"]


def test_wireframes(tmp_path):
    corners = list(itertools.product([0, 1], repeat=3))
    ends = [(a, b) for a, b in itertools.combinations(range(8), 2)
            if sum(x != y for x, y in zip(corners[a], corners[b], strict=True)) == 1]  # fmt: skip
    obj = [f"v {x} {y} {z}" for x, y, z in corners] + [f"l {a + 1} {b + 1}" for a, b in ends]
    assert bonds(read(tmp_path, "a.obj", "\n".join(obj))) == set(ends)
    head = (
        "ply\nformat ascii 1.0\ncomment x\nelement vertex 8\nproperty float x\nproperty float y\n"
        "property float z\nelement edge 12\nproperty int vertex1\nproperty int vertex2\n"
        "property float radius\nend_header\n"
    )
    rows = [f"{x} {y} {z}" for x, y, z in corners] + [f"{a} {b} {a + 0.5}" for a, b in ends]
    net = read(tmp_path, "a.ply", head + "\n".join(rows))
    assert bonds(net) == set(ends)
    assert net.edge_data["radius"].tolist() == [a + 0.5 for a, _ in ends]
    binary = head.replace("ascii", "binary_big_endian").encode()
    binary += np.array(corners, ">f4").tobytes()
    binary += np.array([(a, b, a + 0.5) for a, b in ends], ">i4,>i4,>f4").tobytes()
    assert bonds(read(tmp_path, "b.ply", binary)) == set(ends)
    assert "ends too early" in refusal(tmp_path, "c.ply", binary[:-3])
    claim = head.replace("edge 12", "edge 1200000000000")
    assert "which it has not" in refusal(tmp_path, "d.ply", claim)


@pytest.mark.parametrize("suffix", ["stl", "obj", "ply"])
def test_surfaces_share_their_corners(tmp_path, suffix):
    trimesh = pytest.importorskip("trimesh")
    box = trimesh.creation.box()
    box.export(tmp_path / f"a.{suffix}")
    net = from_file(tmp_path / f"a.{suffix}")
    assert (net.n_nodes, net.n_edges, net.dim) == (8, 18, 3)
    assert any("edges" in note for note in net.notes)


def test_garbled_files_of_vtk_are_refused(tmp_path):
    refusal(tmp_path, "a.vtp", VTP[:400])
    refusal(tmp_path, "b.vtp", VTP.replace("0 1 1 2 2 3 3 0 0 2", "0 1 1 2 2 3 3 0 0 9"))
    refusal(tmp_path, "c.vtk", POLYDATA.replace("2 0 2", "2 0"))
    refusal(tmp_path, "d.vtk", POLYDATA.replace("POINTS 4", "POINTS 400000000000"))
    refusal(tmp_path, "e.vtk", "# vtk DataFile Version 3.0\nx\nASCII\nDATASET TABLE\n")


# -- cells -------------------------------------------------------------------------------------

#: Nodes of cells that meshio and VTK both know.
WIDTHS = {
    "line": [2, 3], "triangle": [3, 6], "quad": [4, 8, 9], "tetra": [4, 10], "pyramid": [5, 13],
    "wedge": [6, 15], "hexahedron": [8, 20, 27],
}  # fmt: skip


@st.composite
def mixed(draw):
    """Cells of several kinds that share corners at random, and the pairs their edges are."""
    kinds = draw(st.lists(st.sampled_from(sorted(WIDTHS)), min_size=1, max_size=4, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    corners, middles, cells = 12, itertools.count(12), []
    for kind in kinds:
        n = FAMILIES[kind][0]
        width = draw(st.sampled_from(WIDTHS[kind]))
        rows = [
            [*rng.permutation(corners)[:n], *(next(middles) for _ in range(width - n))]
            for _ in range(draw(st.integers(1, 3)))
        ]
        cells.append((kind + (str(width) if width > n else ""), np.array(rows)))
    pairs = [
        tuple(sorted((int(r[a]), int(r[b]))))
        for (kind, rows), name in zip(cells, kinds, strict=True)
        for r in rows
        for a, b in FAMILIES[name][1]
    ]
    points = rng.random((next(middles), 3))
    used = np.unique([p for p in pairs])
    lines = [tuple(sorted(r[:2])) for k, rows in cells if k[:4] == "line" for r in rows.tolist()]
    labels = np.arange(len(points))
    for _ in range(len(points)):
        for a, b in pairs:
            labels[a] = labels[b] = min(labels[a], labels[b])
    whole = len(np.unique(labels[used])) == 1 and len(set(lines)) == len(lines)
    return points, cells, set(pairs), whole


def test_polyhedra_and_curves_of_meshio_are_read_by_vtk(tmp_path):
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0.5, 0.5, 1]])
    faces = [[0, 1, 2, 3], [0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]
    pyramid = [("polyhedron5", [[np.array(face) for face in faces]])]
    meshio.Mesh(points, pyramid).write(tmp_path / "a.vtu")
    sides = {tuple(sorted((f[k - 1], f[k]))) for f in faces for k in range(len(f))}
    assert bonds(from_file(tmp_path / "a.vtu")) == sides
    cells = [("VTK_LAGRANGE_TRIANGLE", np.array([[0, 1, 4]])), ("line", np.array([[1, 2], [2, 3]]))]
    meshio.Mesh(points, cells).write(tmp_path / "b.vtu")
    assert bonds(from_file(tmp_path / "b.vtu")) == {(0, 1), (1, 4), (0, 4), (1, 2), (2, 3)}


@pytest.mark.parametrize("suffix", [".vtu", ".vtk", ".msh", ".xdmf", ".med", ".inp"])
@given(mixed().filter(lambda m: m[3]))
@settings(max_examples=8, deadline=None, derandomize=True)
def test_all_edges_of_all_cells_are_bonds(tmp_path_factory, suffix, mesh):
    points, cells, pairs, _ = mesh
    path = tmp_path_factory.mktemp("mixed") / f"a{suffix}"
    try:
        form = "gmsh" if suffix == ".msh" else None
        meshio.Mesh(points, cells).write(path, file_format=form)
    except (KeyError, meshio.WriteError):
        return  # the format has no such cells
    try:
        net = from_file(path)
    except InputError as error:
        known = {
            ".inp": ("none whose edges", "nodes each"),
            ".xdmf": ("holds what its reader does not know",),
        }
        assert any(text in str(error) for text in known.get(suffix, ()))  # noqa: PT017
        return
    used = np.unique(list(pairs))
    assert np.allclose(net.nodes, points[used], rtol=1e-12)
    assert bonds(net) == {tuple(np.searchsorted(used, p).tolist()) for p in pairs}
    told = " ".join(net.notes)
    assert all((kind in told) for kind, _ in cells if kind != "line")


def test_unknown_cells_are_counted_in_the_refusal():
    blocks = [Block("line", np.array([[0, 1]]), np.array([0])),
              Block("hexa_prism", np.arange(12).reshape(1, 12), np.array([1]))]  # fmt: skip
    with pytest.raises(InputError, match=r"1 hexa_prism, whose edges.*1 line and 1 hexa_prism"):
        bonds_of(Mesh(np.random.default_rng(0).random((12, 3)), blocks))


def test_data_of_cells_beside_lines_are_named():
    blocks = [Block("line", np.array([[0, 1]]), np.array([0])),
              Block("triangle", np.array([[0, 1, 2]]), np.array([1]))]  # fmt: skip
    mesh = Mesh(SQUARE, blocks, cell_data={"radius": np.array([1.0, 2.0])})
    net = network_of(mesh)
    assert net.n_edges == 3
    assert "radius" not in net.edge_data
    assert any("radius" in note for note in net.notes)
    assert any("1 points that no bond uses" in note for note in net.notes)


def test_commands_say_what_was_chosen(tmp_path, capfd):
    (tmp_path / "a.inp").write_text(FRAME_DECK)
    (tmp_path / "task.toml").write_text(
        '[network]\nfile = "a.inp"\n[energy]\nmodel = "beam"\n[learn.width]\n'
        "bounds = [0.01, 0.5]\n[[sources]]\nname = 'a'\nnodes = ['1', '5']\nstrain = 0.1\n"
        "[[targets]]\nname = 'b'\nnodes = ['4', '3']\nstrain = 0.1\n[train]\nsteps = 1\n"
    )
    with pytest.raises(SystemExit) as ended:
        main(["check", str(tmp_path / "task.toml")])
    assert not ended.value.code
    said = capfd.readouterr().err.splitlines()
    assert len([line for line in said if "Note" in line and "1 line3" in line]) == 1
    run = ml.train_file(tmp_path / "task.toml")
    assert any("1 line3" in warning for warning in run.summary["warnings"])
    again = ml.Run.load(run.save(tmp_path / "run"))
    assert again.network.labels == ("1", "3", "4", "5")
    assert again.evaluate()[0]["reached"] == pytest.approx(run.targets[0]["reached"], rel=1e-12)


# -- sizes -------------------------------------------------------------------------------------


def claiming(kind, way, header):
    """A file of VTK of a few lines, one array of which is packed and claims three gigabytes."""
    blocks = np.array(
        [48, 1 << 26, 0, *[65] * 48], dtype={"UInt32": "<u4", "UInt64": "<u8"}[header]
    )
    data = blocks.tobytes() + b"\0" * 100
    inline = base64.b64encode(data) if way == "inline" else b""
    tail = {
        "inline": b"",
        "raw": b'<AppendedData encoding="raw">_' + data + b"</AppendedData>",
    }.get(way, b'<AppendedData encoding="base64">_' + base64.b64encode(data) + b"</AppendedData>")
    place = 'format="binary"' if way == "inline" else 'format="appended" offset="0"'
    counts = 'NumberOfPoints="5" ' + {
        "UnstructuredGrid": 'NumberOfCells="1"', "PolyData": 'NumberOfLines="1"'
    }[kind]  # fmt: skip
    head = (
        f'<?xml version="1.0"?><VTKFile type="{kind}" version="1.0" byte_order="LittleEndian" '
        f'header_type="{header}" compressor="vtkLZMADataCompressor"><{kind}><Piece {counts}>'
        f'<Points><DataArray type="Float64" NumberOfComponents="3" {place}>'
    )
    return (
        head.encode()
        + inline
        + f"</DataArray></Points></Piece></{kind}>".encode()
        + tail
        + b"</VTKFile>"
    )


@pytest.mark.parametrize("kind", ["UnstructuredGrid", "PolyData"])
@pytest.mark.parametrize("way", ["inline", "base64", "raw"])
@pytest.mark.parametrize("header", ["UInt32", "UInt64"])
def test_what_would_unpack_to_gigabytes_is_refused_before(tmp_path, kind, way, header):
    suffix = {"UnstructuredGrid": "vtu", "PolyData": "vtp"}[kind]
    text = refusal(tmp_path, f"a.{suffix}", claiming(kind, way, header))
    assert "3 GiB" in text


def test_more_points_than_fit_are_refused_before(tmp_path):
    assert "GiB" in refusal(tmp_path, "a.vtp", VTP.replace('Points="4"', 'Points="400000000"'))
    assert "number" in refusal(tmp_path, "b.vtp", VTP.replace('Points="4"', 'Points="-4"'))


def test_hdf_of_meshes_is_bounded(tmp_path):
    h5py = pytest.importorskip("h5py")
    net = ml.networks.triangular(size=[4, 4])
    write_network(tmp_path / "a.xdmf", net)
    with h5py.File(tmp_path / "a.h5", "a") as file:
        # Of zeros, nothing is stored: as much as compression could make of the file at most.
        for k in range(3):
            file.create_dataset(f"z{k}", data=np.zeros(10**6), chunks=(10**6,), compression=9)
        for k in range(150):
            file[f"again {k}"] = file["z0"]
    with pytest.raises(InputError, match="not read"):
        from_file(tmp_path / "a.xdmf")
