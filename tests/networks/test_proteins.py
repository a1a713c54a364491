"""Proteins as structure files have them: insertion codes, copies, alternates, models, laws."""

import re

import gemmi
import numpy as np
import pytest
import tomli_w
from paths import ROOT

import mechlearn as ml
from mechlearn.attributes import node_ids
from mechlearn.cli import main
from mechlearn.errors import InputError
from mechlearn.networks import from_file, protein
from mechlearn.render.scene import Scene
from mechlearn.report.description import in_sentences
from mechlearn.runs.taskfile import read_setup


def place(k, away=0.0):
    """C-alpha ``k`` of a helix: 1.5 A of rise and 100 degrees of turn per residue."""
    turn = np.radians(100) * k
    return away + 2.3 * np.cos(turn), 2.3 * np.sin(turn), 1.5 * k


def line(k, number, chain="A", name="ALA", alt=" ", occ=1.0, at=None, atom=" CA ", element=" C"):
    """A record of a PDB file; ``number`` may end in an insertion code."""
    digits, code = (number[:-1], number[-1]) if number[-1].isalpha() else (number, " ")
    x, y, z = place(k) if at is None else at
    return (
        f"ATOM  {k + 1:>5} {atom}{alt}{name:>3} {chain}{digits:>4}{code}   "
        f"{x:8.3f}{y:8.3f}{z:8.3f}{occ:6.2f}{10:6.2f}          {element}"
    )


def written(path, lines):
    path.write_text("\n".join([*lines, "END", ""]))
    return path


def cif_row(k, number, code="?", chain="A", label="A", model=1, alt=".", occ=1.0, name="ALA"):
    x, y, z = place(k)
    return (
        f"ATOM {k + 1} C CA {alt} {name} {label} {k + 1} {code} {x:.3f} {y:.3f} {z:.3f} {occ} "
        f"{number} {chain} {model}"
    )


CIF_HEAD = "loop_\n" + "".join(
    f"_atom_site.{n}\n"
    for n in (
        "group_PDB id type_symbol label_atom_id label_alt_id label_comp_id label_asym_id "
        "label_seq_id pdbx_PDB_ins_code Cartn_x Cartn_y Cartn_z occupancy auth_seq_id auth_asym_id "
        "pdbx_PDB_model_num"
    ).split()
)
PDZ = ROOT / "meshes" / "1be9.pdb"
NUMBERS = ["50", "51", "52", "52A", "52B", "53", "54", "55", "56", "57", "58", "59"]


def test_insertion_codes_are_part_of_labels(tmp_path):
    path = written(tmp_path / "a.pdb", [line(k, n, "H") for k, n in enumerate(NUMBERS)])
    net = protein(path)
    assert net.labels == tuple(f"H:{n}" for n in NUMBERS)
    assert node_ids(["H:52", "H:52A"], net, "source") == [2, 3]
    assert net.node_data["residue"].tolist() == [int(n.rstrip("AB")) for n in NUMBERS]
    assert net.node_data["insertion"].tolist() == [n.lstrip("0123456789") for n in NUMBERS]
    rows = [cif_row(k, n.rstrip("AB"), n[2:] or "?", "H") for k, n in enumerate(NUMBERS)]
    (tmp_path / "a.cif").write_text("data_a\n" + CIF_HEAD + "\n".join(rows) + "\n")
    again = protein(tmp_path / "a.cif")
    assert again.labels == net.labels
    assert np.allclose(again.nodes, net.nodes)


@pytest.mark.parametrize("way", ["ter", "blank", "cif"])
def test_copies_of_a_chain_are_kept_apart(way, tmp_path):
    chain = " " if way == "blank" else "A"
    first = [line(k, str(k + 1), chain) for k in range(12)]
    second = [line(k, str(k + 1), chain, at=place(k, 8.0)) for k in range(12)]
    path = tmp_path / "a.pdb"
    if way == "cif":
        rows = [cif_row(k, k + 1) for k in range(12)]
        rows += [cif_row(k + 12, k + 1, label="B") for k in range(12)]
        path = tmp_path / "a.cif"
        path.write_text("data_a\n" + CIF_HEAD + "\n".join(rows) + "\n")
    else:
        written(path, [*first, *(["TER"] if way == "ter" else []), *second])
    net = protein(path)
    assert net.n_nodes == 24
    name = chain.strip()
    assert net.labels[::12] == (f"{name}-1:1", f"{name}-2:1")
    assert len(net.edge_sets["backbone"]) == 22
    with pytest.raises(InputError, match=f"could be '?{name}-1:5'? and '?{name}-2:5'?"):
        node_ids([f"{name}:5"], net, "source")
    assert "is there 2 times" in net.notes[0]
    assert protein(path, chains=[name]).n_nodes == 24
    assert protein(path, chains=[f"{name}-2"]).labels[0] == f"{name}-2:1"


def test_a_chain_that_goes_on_after_ter_is_one(tmp_path):
    lines = [line(k, str(k + 1)) for k in range(12)]
    net = protein(written(tmp_path / "a.pdb", [*lines[:6], "TER", *lines[6:]]))
    assert net.labels == tuple(f"A:{k + 1}" for k in range(12))
    assert not net.notes
    assert len(net.edge_sets["backbone"]) == 10  # none across the end of a chain


@pytest.mark.parametrize("at", [None, (-1.752, 1.478, 7.5)])
def test_two_residues_at_one_place_are_the_more_frequent_one(at, tmp_path):
    lines = [line(k, str(k + 1)) for k in range(12)]
    lines[5:6] = [
        line(5, "6", name="GLN", alt="B", occ=0.4, at=at),
        line(5, "6", name="ARG", alt="A", occ=0.6),
    ]
    net = protein(written(tmp_path / "a.pdb", lines))
    assert net.n_nodes == 12
    assert net.node_data["name"][5] == "ARG"
    assert "A:6" in net.notes[0]
    plain = protein(written(tmp_path / "b.pdb", [line(k, str(k + 1)) for k in range(12)]))
    assert np.array_equal(plain.edges, net.edges)


def test_alternates_that_come_after_the_chain_are_no_copy(tmp_path):
    lines = [line(k, str(k + 1), alt="A" if k == 3 else " ", occ=0.5) for k in range(12)]
    lines.append(line(3, "4", alt="B", occ=0.9, at=(1.2, -2.0, 4.6)))
    net = protein(written(tmp_path / "a.pdb", lines))
    assert net.n_nodes == 12
    assert net.nodes[3].tolist() == [1.2, -2.0, 4.6]


def test_residues_of_one_name_at_different_places_are_refused(tmp_path):
    lines = [line(k, str(k + 1)) for k in range(12)]
    lines.insert(6, line(5, "6", at=(9.0, 0.0, 7.5)))
    with pytest.raises(InputError, match="2 residues at different places are called A:6"):
        protein(written(tmp_path / "a.pdb", lines))


def test_c_alphas_aligned_left_are_carbons_and_calcium_is_not(tmp_path):
    lines = [line(k, str(k + 1), atom="CA  ", element="  ") for k in range(12)]
    lines.append(line(12, "13", atom="CA  ", name="CA", element="  "))
    lines.append(line(13, "14", atom="CA  ", name="CA", element="CA"))
    assert protein(written(tmp_path / "a.pdb", lines)).n_nodes == 12


def test_the_block_with_atoms_is_read(tmp_path):
    rows = "\n".join(cif_row(k, k + 1) for k in range(12))
    other = "data_comp_LIG\n_chem_comp.id LIG\n"
    for k, text in enumerate(
        (f"data_a\n{CIF_HEAD}{rows}\n{other}", f"{other}data_a\n{CIF_HEAD}{rows}\n")
    ):
        (tmp_path / f"{k}.cif").write_text(text)
        assert protein(tmp_path / f"{k}.cif").n_nodes == 12


def test_what_is_left_out_is_said(tmp_path, caplog):
    lines = [line(k, str(k + 1)) for k in range(12)]
    lines[7] = line(7, "8", atom=" CB ")
    model = [*lines, "TER"]
    path = tmp_path / "a.pdb"
    written(path, ["MODEL        1", *model, "ENDMDL", "MODEL        2", *model, "ENDMDL"])
    net = from_file(path)
    assert net.n_nodes == 11
    assert list(net.notes) == [
        "of 2 models the first is read",
        "1 residue without a C-alpha atom is left out: A:8",
    ]
    assert [r.getMessage() for r in caplog.records] == [f"{path}: {note}." for note in net.notes]


def test_a_law_of_distance_and_a_stiffer_backbone(tmp_path):
    path = written(tmp_path / "a.pdb", [line(k, str(k + 1)) for k in range(12)])
    net = protein(path, decay=2.0, backbone=3.0)
    k, d = net.edge_data["stiffness"], net.lengths
    along = np.isin(np.arange(net.n_edges), net.edge_sets["backbone"])
    assert sorted(map(tuple, net.edges[along].tolist())) == [(i, i + 1) for i in range(11)]
    product = k * d**2
    assert product[~along] == pytest.approx(product[~along][0])
    assert product[along] == pytest.approx(3 * product[~along][0])
    assert protein(path, backbone=2.0).edge_data["stiffness"][~along] == pytest.approx(1.0)
    assert "stiffness" not in protein(path).edge_data


def test_task_files_begin_with_the_law(tmp_path, capsys):
    written(tmp_path / "a.pdb", [line(k, str(k + 1)) for k in range(12)])
    task = {
        "network": {"file": "a.pdb", "decay": 2, "backbone": 3.0},
        "learn": {"stiffness": {"bounds": [0.001, 1000.0]}},
        "sources": [{"name": "in", "nodes": ["A:1", "A:8"], "strain": 0.05}],
        "targets": [{"name": "out", "nodes": ["A:3", "A:12"], "strain": 0.05}],
        "train": {"steps": 1},
    }

    def checked(**tables):
        (tmp_path / "t.toml").write_text(tomli_w.dumps(task | tables))
        try:
            main(["check", str(tmp_path / "t.toml")])
        except SystemExit as end:
            if end.code:
                return capsys.readouterr().err
        return capsys.readouterr().out

    assert "ALA A:1 and ALA A:8" in checked()
    run = ml.train_file(tmp_path / "t.toml")
    law = protein(tmp_path / "a.pdb", decay=2, backbone=3.0).edge_data["stiffness"]
    assert run.initial["stiffness"] == pytest.approx(law)
    rest = {"rest_length": {"bounds": [0.5, 1.5], "relative": True}}
    checked(learn=rest, energy={"model": "finite_spring"})
    assert read_setup(tmp_path / "t.toml").energy.model_extra["stiffness"] == "stiffness"
    assert "both say how stiff" in checked(learn={"stiffness": {"initial": 1.0}})
    assert "which a beam does not have" in checked(
        energy={"model": "beam"}, learn={"width": {"bounds": [0.1, 1.0]}}
    )
    assert "must lie between 0 and 12" in checked(network={"file": "a.pdb", "decay": -1})


def test_our_reading_agrees_with_gemmi_on_a_real_protein():
    structure = gemmi.read_structure(str(PDZ))
    [chain] = structure[0]
    net = protein(PDZ)
    assert net.labels == tuple(f"A:{r.seqid}" for r in chain)
    assert np.allclose(net.nodes, [r["CA"][0].pos.tolist() for r in chain])
    assert not net.notes


# -- for ChimeraX and PyMOL --------------------------------------------------------------------


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A run on two copies of a helix, saved and read again."""
    folder = tmp_path_factory.mktemp("learned")
    lines = [line(k, "6A" if k == 6 else str(k + 1)) for k in range(12)]
    lines += ["TER", *(line(k, str(k + 1), at=place(k, 8.0)) for k in range(12))]
    net = protein(written(folder / "a.pdb", lines), decay=1.0)
    task = ml.Task(
        sources=[ml.Source(name="in", nodes=["A-1:1", "A-1:8"], strain=0.05)],
        targets=[ml.Target(name="out", nodes=["A-2:3", "A-2:12"], strain=0.01)],
    )
    learn = {"stiffness": ml.Learn(bounds=(0.01, 100.0), initial="stiffness")}
    title = 'two\nclose session; runscript evil.py "'
    ml.train(net, task, learn=learn, steps=20, title=title).save(folder / "run")
    return ml.Run.load(folder / "run")


def test_a_run_keeps_what_residues_are_called(learned):
    assert learned.network.labels[6] == "A-1:6A"
    assert set(learned.network.node_data) == {"residue", "insertion", "chain", "name"}
    assert learned.network.described([6]) == ["ALA A-1:6A"]


@pytest.mark.parametrize("which", ["importance", "change"])
@pytest.mark.parametrize("suffix", [".pdb", ".cif"])
def test_b_factors_are_what_residues_are_worth(learned, which, suffix, tmp_path):
    structure = gemmi.read_structure(str(learned.export(tmp_path / f"a{suffix}", bfactor=which)))
    net = learned.network
    if which == "importance":
        per_bond = ml.analysis.susceptibility(learned).importance
    else:
        per_bond = np.log(learned.learned["stiffness"] / learned.initial["stiffness"])
    worth = [np.linalg.norm(per_bond[(net.edges == n).any(axis=1)]) for n in range(net.n_nodes)]
    residues = [r for chain in structure[0] for r in chain]
    assert [str(r.seqid) for r in residues] == [x.partition(":")[2] for x in net.labels]
    assert [r.name for r in residues] == net.node_data["name"].tolist()
    assert [len(chain) for chain in structure[0]] == [12, 12]
    assert np.allclose([r[0].pos.tolist() for r in residues], net.nodes, atol=1e-3)
    factors = [r[0].b_iso for r in residues]
    assert factors == pytest.approx(100 * np.array(worth) / max(worth), abs=0.006)


@pytest.mark.parametrize("suffix", [".cxc", ".pml"])
def test_scripts_name_residues_and_obey_no_title(learned, suffix, tmp_path):
    script = learned.export(tmp_path / f"look{suffix}").read_text().splitlines()
    structure = gemmi.read_structure(str(tmp_path / "look.cif"))
    ids = {(chain.name, str(r.seqid)) for chain in structure[0] for r in chain}
    place = r"/(\w+):(\w+)@CA" if suffix == ".cxc" else r"chain (\w+) and resi (\w+) and name CA"
    named = {found for text in script for found in re.findall(place, text)}
    assert named <= ids
    sites = {("A", "1"), ("A", "8"), ("B", "3"), ("B", "12")}
    assert sites <= named
    # The title is one line of comment, and every other line a command of ours.
    assert [text for text in script if "evil" in text] == [script[0]]
    assert script[0].startswith("# ")
    with pytest.raises(InputError, match="a script needs a name of"):
        learned.export(tmp_path / f"a;b{suffix}")


def test_only_proteins_are_exported_as_such(tmp_path):
    net = ml.networks.triangular(size=[4, 4])
    task = ml.Task(
        sources=[ml.Source(nodes=[0, 5], strain=0.1)], targets=[ml.Target(nodes=[10, 15], strain=0)]
    )
    run = ml.train(net, task, learn={"stiffness": ml.Learn(bounds=(0.1, 10.0))}, steps=0)
    with pytest.raises(InputError, match="this network has no residues"):
        run.export(tmp_path / "a.pdb")


def test_reports_and_tables_name_residues(learned, tmp_path):
    csv = learned.export(tmp_path / "a.csv").with_name("a.nodes.csv").read_text()
    assert '"A-1:6A"' in csv
    assert "chain" in csv.splitlines()[1] or "chain" in csv.splitlines()[0]
    page = " ".join(in_sentences(learned))
    assert "the distance of residues ALA A-1:1 and ALA A-1:8 changes" in page


def test_pathways_name_residues(learned):
    found = ml.analysis.pathway(learned)
    assert found.names[0][0] in ("ALA A-1:1", "ALA A-1:8")
    assert {t.get_text() for t in found.plot().texts} >= set(found.names[0])


def test_the_chain_is_drawn_as_a_tube_and_contacts_thin(learned):
    net = learned.network
    scene = Scene(net, net.nodes, np.zeros((net.n_edges, 3), np.uint8), np.ones(net.n_edges))
    assert np.array_equal(np.flatnonzero(scene.chain), net.edge_sets["backbone"])
    assert scene.radii[scene.chain].min() > 2 * scene.radii[~scene.chain].max()
    plain = ml.networks.cubic(size=[2, 2, 2])
    count = plain.n_edges
    scene = Scene(plain, plain.nodes, np.zeros((count, 3), np.uint8), np.ones(count))
    assert not scene.chain.any()
