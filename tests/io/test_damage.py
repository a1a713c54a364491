"""Damaged folders and full disks end in one sentence that names the file, never in a traceback."""

import dataclasses
import errno
import json
import os
import shutil

import numpy as np
import pytest
import xarray

import mechlearn as ml
from mechlearn.errors import InputError
from mechlearn.io.formats import FORMATS
from mechlearn.io.meshfile import write_network
from mechlearn.learning import Learner
from mechlearn.runs.checkpoint import Checkpoints
from mechlearn.runs.config import Setup
from mechlearn.runs.folder import BEFORE, FILES, new_folder
from mechlearn.runs.run import Run
from mechlearn.runs.training import train_setup

SETUP = Setup.model_validate(
    {
        "network": {"generator": "triangular", "size": [5, 5], "disorder": 0.1, "seed": 2},
        "learn": {"stiffness": {"bounds": [0.1, 10.0], "initial": 1.0}},
        "sources": [{"name": "in", "nodes": [0, 6], "strain": 0.1}],
        "targets": [{"name": "out", "nodes": [17, 23], "strain": 0.09}],
        "train": {"steps": 6, "tolerance": 1e-12},
    }
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run folder with a checkpoint, as a training leaves it."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    folder.mkdir()
    run = train_setup(SETUP, checkpoints=Checkpoints(folder, SETUP))
    return run.save(folder, overwrite=True)


@pytest.fixture
def folder(whole, tmp_path):
    """A copy of that folder, to be damaged; with one checkpoint only."""
    copy = shutil.copytree(whole, tmp_path / "run")
    (copy / BEFORE).unlink()
    return copy


def refusal(call, *arguments, **options):
    """The one sentence of the InputError that a call must end with."""
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith((".", "?"))  # "... is not known; did you mean ...?"
    return text


def complaint(call, *arguments):
    """The InputError that a call may end with: a flipped bit may do no harm."""
    try:
        call(*arguments)
    except InputError as error:
        return str(error)
    return None


def resume(folder, setup=SETUP):
    return train_setup(setup, checkpoints=Checkpoints(folder, setup), resume=True)


def damages(data, seed):
    """Truncated and bit-flipped copies of some bytes."""
    rng = np.random.default_rng(seed)
    yield b""
    for _ in range(8):
        yield data[: rng.integers(len(data))]
    for _ in range(16):
        flipped = bytearray(data)
        flipped[rng.integers(len(data))] ^= 1 << rng.integers(8)
        yield bytes(flipped)


# -- reading -----------------------------------------------------------------------------------


def test_the_undamaged_folder_is_fine(folder):
    assert Run.load(folder).summary["steps"] == 6


def forget_checksum(folder):
    """Files that a stranger made fit each other."""
    path = folder / "summary.json"
    summary = json.loads(path.read_text())
    del summary["history_sha256"]
    path.write_text(json.dumps(summary))


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_of_a_run_are_named_and_nothing_else_is_said(folder, name, capfd):
    refused = 0
    for data in damages((folder / name).read_bytes(), seed=len(name)):
        (folder / name).write_bytes(data)
        said = complaint(Run.load, folder)
        assert said is None or (str(folder) in said and "\n" not in said)
        refused += said is not None
    assert refused > 5
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["network.vtu", "learned.vtu"])
def test_a_mesh_cut_short_is_said_to_be(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[:1500])
    text = refusal(Run.load, folder)
    assert text.startswith(f"{path} cannot be read as a mesh: it is ")
    assert "cut short" in text


def test_damaged_checkpoints_are_refused(folder):
    path = folder / "checkpoint.npz"
    network = Run.load(folder).network
    refused = 0
    for damaged in damages(path.read_bytes(), seed=3):
        path.write_bytes(damaged)
        said = complaint(Checkpoints(folder, SETUP)._read, path, network)
        assert said is None or said.startswith(f"{path} ")
        refused += said is not None
    assert refused > 15


def _generator():
    return ml.networks.generate("triangular", **SETUP.network.model_extra)


@pytest.mark.parametrize(
    "change",
    [
        lambda arrays: arrays.pop("dof/stiffness"),
        lambda arrays: arrays.pop("step/stiffness/sum"),
        lambda arrays: arrays.pop("history/every"),
        lambda arrays: arrays.update({"dof/stiffness": arrays["dof/stiffness"][:-1]}),
        lambda arrays: arrays.update({"step/stiffness/sum": np.zeros(3)}),
        lambda arrays: arrays.update({"history/outputs": np.zeros((2, 5))}),
        lambda arrays: arrays.update({"updates": np.zeros(2)}),
        lambda arrays: arrays.update({"format": np.zeros(2)}),
        lambda arrays: arrays.update({"format": np.array("two")}),
    ],
)
def test_checkpoints_with_other_arrays_are_refused(folder, change):
    path = folder / "checkpoint.npz"
    with np.load(path) as file:
        arrays = dict(file)
    change(arrays)
    np.savez(path, **arrays)
    assert f"{path} is damaged: " in refusal(resume, folder)


@pytest.mark.parametrize("kind", [KeyError, TypeError, ValueError, IndexError])
def test_what_a_learner_cannot_go_on_from_does_not_fit(folder, kind, monkeypatch):
    def restore(self, state):
        raise kind("step/stiffness/sum")

    monkeypatch.setattr(Learner, "restore", restore)
    text = refusal(resume, folder)
    assert text == f"{folder / 'checkpoint.npz'} does not fit the task: step/stiffness/sum."


def test_resume_refuses_a_network_that_changed(tmp_path):
    net = _generator()
    mesh = tmp_path / "mesh.vtu"
    setup = SETUP.model_copy(update={"network": SETUP.network.model_validate({"file": str(mesh)})})
    changes = {
        "nodes": {"nodes": net.nodes * (1 + 1e-12)},
        "edges": {"edges": net.edges[:, ::-1]},
        "data": {"edge_data": {"area": np.linspace(1, 2, net.n_edges)}},
        "sets": {"edge_sets": {"rim": [0, 1]}},
    }
    write_network(mesh, net)
    checkpoints = Checkpoints(tmp_path, setup)
    train_setup(setup, checkpoints=checkpoints)
    assert resume(tmp_path, setup).summary["steps"] == 6
    for change in changes.values():
        write_network(mesh, dataclasses.replace(net, **change))
        assert "belongs to another network" in refusal(resume, tmp_path, setup)


def test_resume_refuses_another_cell_and_other_shifts(torus, tmp_path):
    mesh = tmp_path / "mesh.vtu"
    setup = SETUP.model_copy(update={"network": SETUP.network.model_validate({"file": str(mesh)})})
    write_network(mesh, torus)
    train_setup(setup, checkpoints=Checkpoints(tmp_path, setup))
    write_network(mesh, dataclasses.replace(torus, cell=torus.cell * 1.01))
    assert "belongs to another network" in refusal(resume, tmp_path, setup)
    # The same bonds, with the first node in the next cell.
    nodes, shifts = torus.nodes.copy(), torus.shifts.copy()
    nodes[0] += torus.cell[0]
    shifts[torus.edges[:, 0] == 0, 0] += 1
    shifts[torus.edges[:, 1] == 0, 0] -= 1
    write_network(mesh, dataclasses.replace(torus, nodes=nodes, shifts=shifts))
    assert "belongs to another network" in refusal(resume, tmp_path, setup)


def test_learned_vtu_must_have_what_learned(folder):
    net = _generator()
    path = folder / "learned.vtu"
    still = {"displacement": np.zeros(net.nodes.shape)}
    write_network(path, net, point_data=still)
    assert f"{path}: the bonds have no stiffness" in refusal(Run.load, folder)
    for wrong in (np.full(net.n_edges, np.nan), np.ones((net.n_edges, 3))):
        write_network(path, net, cell_data={"stiffness": wrong}, point_data=still)
        assert f"{path}: its stiffness should be {net.n_edges} finite" in refusal(Run.load, folder)


def test_learned_vtu_must_have_the_nodes_of_the_network(folder, plane):
    write_network(folder / "learned.vtu", plane, cell_data={"stiffness": np.ones(plane.n_edges)})
    text = refusal(Run.load, folder)
    assert text.startswith(f"{folder / 'learned.vtu'} does not belong to the network")
    assert f"it has {plane.n_nodes} and {plane.n_edges}" in text


def test_learned_vtu_must_have_the_bonds_of_the_network(folder):
    net = _generator()
    path = folder / "learned.vtu"
    write_network(path, dataclasses.replace(net, edges=net.edges[::-1]))
    assert "joined otherwise" in refusal(Run.load, folder)
    write_network(path, net.keep_edges(np.arange(net.n_edges - 1)))
    assert f"it has {net.n_nodes} and {net.n_edges - 1}." in refusal(Run.load, folder)


def test_learned_vtu_must_have_the_states(folder):
    net = _generator()
    path = folder / "learned.vtu"
    stiffness = {"stiffness": np.ones(net.n_edges)}
    write_network(path, net, cell_data=stiffness)
    assert f"{path}: the nodes have no displacement" in refusal(Run.load, folder)
    for wrong in (np.ones(net.n_nodes), np.full(net.nodes.shape, np.inf)):
        write_network(path, net, cell_data=stiffness, point_data={"displacement": wrong})
        assert f"{path}: the displacement of a node should be 2" in refusal(Run.load, folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda h: h.drop_vars("error"), "it holds no error."),
        (lambda h: h.drop_vars("contrast"), "it holds no contrast."),
        (lambda h: h.drop_vars("stiffness"), "it holds no stiffness."),
        (lambda h: h.isel(snapshot=slice(0)), "its stiffness should be numbers by"),
        (lambda h: h.isel(step=slice(0)), "its error should be numbers by"),
        (lambda h: h.isel(bond=slice(3)), "finite numbers, one per bond."),
        (lambda h: h.rename(step="time"), "its error should be numbers by"),
        (lambda h: h.assign(error=("step", ["?"] * h.sizes["step"])), "its error should be"),
    ],
)
def test_a_history_must_have_what_a_run_needs(folder, change, said):
    path = folder / "history.nc"
    forget_checksum(folder)
    change(xarray.load_dataset(path, engine="h5netcdf")).to_netcdf(path, engine="h5netcdf")
    text = refusal(Run.load, folder)
    assert text.startswith(str(path))
    assert said in text


def test_a_history_is_the_one_of_its_summary(folder):
    path = folder / "history.nc"
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)
    text = refusal(Run.load, folder)
    assert text == f"{path}: it is damaged: it is not the file that summary.json was written with."


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "it: "),
        ("null", "it: "),
        ("{}", "targets: field required"),
        ("", "Expecting value"),
        ("[" * 100_000, "recursion"),
        ({"targets": None}, "targets: "),
        ({"targets": [{}]}, "targets[1].name: field required"),
        ({"converged": "yes"}, "converged: "),
        ({"steps": 1.5}, "steps: "),
        ({"error": "small"}, "error: "),
        ({"warnings": [1]}, "warnings[1]: "),
    ],
)
def test_a_summary_must_have_what_is_read_from_it(folder, content, said):
    path = folder / "summary.json"
    if isinstance(content, dict):
        content = json.dumps(json.loads(path.read_text()) | content)
    path.write_text(content)
    text = refusal(Run.load, folder)
    assert text.startswith(f"{path} is damaged: ")
    assert said in text


@pytest.mark.parametrize("key", ["targets", "converged", "steps", "error", "warnings"])
def test_a_summary_must_have_every_key(folder, key):
    path = folder / "summary.json"
    summary = json.loads(path.read_text())
    del summary[key]
    path.write_text(json.dumps(summary))
    assert refusal(Run.load, folder) == f"{path} is damaged: {key}: field required."


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[learn.stiffness]", "[learn.rest_length]", "learned.vtu: the bonds have no rest_length"),
        ("[learn.stiffness]", "[learn.weight]", "task.toml: A spring has no parameter 'weight'"),
        ('model = "spring"', 'model = "spring"\nrest_length = [1.0]', "task.toml: energy.rest_len"),
        ('model = "spring"', 'model = "spring"\nweight = 1.0', "task.toml: energy: weight is no"),
        ('file = "network.vtu"', 'file = "gone.vtu"', "There is no file"),
        ('file = "network.vtu"', 'generator = "square"', "does not belong to the network"),
        ('file = "network.vtu"', 'generator = "squar"', "'squar' is not known"),
    ],
)
def test_a_task_must_fit_the_other_files(folder, old, new, said):
    path = folder / "task.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    assert said in refusal(Run.load, folder)


def test_the_folder_one_is_in_can_be_damaged_too(folder, monkeypatch):
    monkeypatch.chdir(folder)
    write_network("learned.vtu", _generator())
    assert refusal(Run.load, ".").startswith("learned.vtu: the bonds have no stiffness")


# -- an energy of one's own --------------------------------------------------------------------


class MySpring(ml.Spring):
    """A spring by another name."""

    name = "my_spring"


def test_runs_of_ones_own_energy_need_it_to_be_loaded(whole, tmp_path):
    run = Run.load(whole)
    setup = run.setup.model_copy(
        update={"energy": run.setup.energy.model_validate({"model": "my_spring"})}
    )
    dataclasses.replace(run, setup=setup, energy=MySpring()).save(tmp_path / "own")
    text = refusal(Run.load, tmp_path / "own")
    assert str(tmp_path / "own" / "task.toml") in text
    assert "'my_spring'" in text
    assert "Run.load(folder, energy=" in text
    own = Run.load(tmp_path / "own", energy=MySpring())
    assert own.evaluate()[0]["reached"] == pytest.approx(run.targets[0]["reached"], abs=1e-12)
    assert Run.load(tmp_path / "own", energy=MySpring).energy == MySpring()
    wrong = refusal(Run.load, tmp_path / "own", energy=ml.Spring())
    assert "whose name is 'my_spring'" in wrong


# -- writing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_a_file_in_the_way_is_found_before_training(tmp_path, name):
    (tmp_path / name).mkdir()
    text = refusal(new_folder, tmp_path, overwrite=True)
    assert text == f"{tmp_path / name} cannot be written: Is a directory."


def test_a_folder_where_nothing_can_be_written_is_refused(tmp_path, monkeypatch):
    def read_only(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("mechlearn.runs.folder.tempfile.NamedTemporaryFile", read_only)
    text = refusal(new_folder, tmp_path, overwrite=True)
    assert text == f"{tmp_path} cannot be written: {os.strerror(errno.EROFS)}."


def test_a_new_folder_is_left_as_it_was(folder):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    new_folder(folder, overwrite=True)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_folder_in_the_way_says_whether_training_can_go_on(folder):
    assert "--resume can go on with" in refusal(new_folder, folder)
    (folder / "checkpoint.npz").unlink()
    text = refusal(new_folder, folder)
    assert "--resume" not in text
    assert "--overwrite" in text
    assert "is a file" in refusal(new_folder, folder / "task.toml")
    assert "cannot be made: Not a directory" in refusal(new_folder, folder / "task.toml" / "run")


def test_names_with_control_characters_can_be_saved(whole, tmp_path):
    run = Run.load(whole)
    history = run.history.assign_coords(target=["a\0b\x01"])
    dataclasses.replace(run, history=history).save(tmp_path / "run")
    assert Run.load(tmp_path / "run").history["target"].values.tolist() == ["a\\0b\x01"]


# -- exports -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", FORMATS)
def test_periodic_networks_only_go_where_their_shifts_go(torus, suffix, tmp_path):
    path = tmp_path / f"out{suffix}"
    if FORMATS[suffix][1]:
        write_network(path, torus)
        assert np.array_equal(ml.networks.from_file(path).shifts, torus.shifts)
    else:
        text = refusal(write_network, path, torus)
        assert text.startswith(f"{path}: ")
        assert ".vtu, .vtk, .xdmf, .msh, .med can" in text
        assert not path.exists()


def test_exports_make_their_folders_and_know_capitals(whole, tmp_path):
    run = Run.load(whole)
    path = run.export(tmp_path / "a" / "b" / "OUT.VTU")
    assert np.array_equal(ml.networks.from_file(path).nodes, run.network.nodes)
    (tmp_path / "file").write_text("")
    text = refusal(run.export, tmp_path / "file" / "out.vtu")
    assert text.startswith(f"{tmp_path / 'file' / 'out.vtu'} cannot be written: ")


# -- files from strangers ----------------------------------------------------------------------


def test_runs_do_not_lead_outside_their_folder(folder, whole, tmp_path):
    path = folder / "task.toml"
    text = path.read_text()
    for outside in (whole / "network.vtu", "../run/../other.vtu"):
        path.write_text(text.replace('file = "network.vtu"', f'file = "{outside}"'))
        assert "lies outside the run" in refusal(Run.load, folder)
    path.write_text(text)
    (folder / "network.vtu").unlink()
    (folder / "network.vtu").symlink_to(whole / "network.vtu")
    assert "lies outside the run" in refusal(Run.load, folder)


def test_examples_of_a_run_lie_in_its_folder(folder, tmp_path):
    path = folder / "task.toml"
    text = path.read_text()
    secret = tmp_path / "secret.csv"
    secret.write_text("in,out\n0.1,0.1\n")
    assert "examples = []" in text
    path.write_text(text.replace("examples = []", f'examples = "{secret}"'))
    assert "lies outside the run" in refusal(Run.load, folder)


def test_histories_that_claim_too_much_or_lead_elsewhere_take_no_memory(folder):
    import h5py

    path = folder / "history.nc"
    whole = path.read_bytes()
    forget_checksum(folder)
    with h5py.File(path, "a") as file:
        file.create_dataset("huge", shape=(10**12,), chunks=(1000,), dtype="f8")
    assert "huge claims 8000000000000 bytes" in refusal(Run.load, folder)
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
    assert "elsewhere lies in another file" in refusal(Run.load, folder)


def test_meshes_do_not_lead_outside_their_folder(plane, tmp_path):
    path = tmp_path / "net.xdmf"
    write_network(path, plane)
    assert ml.networks.from_file(path).n_nodes == plane.n_nodes
    text = path.read_text()
    assert "net.h5:" in text
    for other in ("../net.h5:", "/etc/net.h5:"):
        path.write_text(text.replace("net.h5:", other))
        assert "outside its folder" in refusal(ml.networks.from_file, path)


@pytest.mark.parametrize(
    "nodes",
    [
        "4.1 0 8\n$EndMeshFormat\n$Nodes\n1 3 1 3\n1 0 0 3\n1\n2\n3000000000\n0 0 0\n1 0 0\n0 1 0",
        "2.2 0 8\n$EndMeshFormat\n$Nodes\n3\n1 0 0 0\n2 1 0 0\n2000000000 0 1 0",
    ],
)
def test_gmsh_nodes_with_endless_tags_are_refused(tmp_path, nodes):
    """For the largest tag readers would make a table of that length."""
    path = tmp_path / "net.msh"
    bonds = "1 2 1\n1 1 0 2\n1 1 2\n2 2 3" if nodes[0] == "4" else "1\n1 1 0 1 2"
    path.write_text(f"$MeshFormat\n{nodes}\n$EndNodes\n$Elements\n{bonds}\n$EndElements\n")
    said = {"4": "cannot be read as a mesh", "2": "a node has the tag"}[nodes[0]]
    assert said in refusal(ml.networks.from_file, path)


@pytest.mark.parametrize("suffix", [".msh", ".vtk"])
def test_files_that_promise_more_lines_than_they_have_end(tmp_path, suffix):
    """Readers that count what they were promised would read on at the end for days."""
    path = tmp_path / f"net{suffix}"
    if suffix == ".msh":
        path.write_text(
            "$MeshFormat\n4.1 0 8\n$EndMeshFormat\n$NodeData\n1\ngone\n1000000000000\n0.0\n"
        )
    else:
        path.write_text(
            "# vtk DataFile Version 3.0\nnet\nASCII\nDATASET UNSTRUCTURED_GRID\n"
            "FIELD data 1000000000000\n"
        )
    assert "cannot be read as a mesh" in refusal(ml.networks.from_file, path)
