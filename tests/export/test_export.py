"""Exports: closed bodies of the right size, decks that CalculiX runs, networks that come back."""

import csv
import functools
import json
import os
import re
import shutil
import subprocess
from dataclasses import fields, replace
from xml.etree import ElementTree

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.cli import main
from mechlearn.energies.solid import Hinge
from mechlearn.errors import InputError, SolveError
from mechlearn.export import FORMATS, export
from mechlearn.export.body import _as_printed, check_closed
from mechlearn.export.options import Options
from mechlearn.export.part import lowest, make_part, silhouette
from mechlearn.io.meshfile import write_network
from mechlearn.networks.graphs import write_graphml
from mechlearn.networks.tables import write_csv, write_npz
from mechlearn.solids import boolean, sizing
from mechlearn.solids.domain import mesh_and_velocity
from mechlearn.solids.meshing import volumes
from mechlearn.solids.struts import Struts
from mechlearn.studies.verify import verify

trimesh = pytest.importorskip("trimesh")

MADE = [".stl", ".3mf", ".ply", ".step"]
TABLES = {".npz": write_npz, ".graphml": write_graphml, ".csv": write_csv}


@pytest.fixture(scope="module")
def flat():
    """Trained springs in 2D, held at three nodes, that answer with a displacement."""
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 1, 2])],
        sources=[ml.Source(name="in", nodes=[16], displacement=[0.1, 0.0])],
        targets=[ml.Target(name="out", nodes=[18], displacement=[0.03, 0.03])],
    )
    net = ml.networks.triangular(size=[5, 4], disorder=0.1, seed=1)
    return ml.train(net, task, learn=ml.Learn(bounds=(0.2, 1.0), initial=0.5), steps=30)


@pytest.fixture(scope="module")
def deep():
    """Trained springs in 3D, held at the bottom."""
    net = ml.networks.fcc(size=[2, 2, 1], disorder=0.05, seed=1)
    order = np.argsort(net.nodes[:, 2])
    low, high = order[: net.n_nodes // 3].tolist(), order[-net.n_nodes // 3 :].tolist()
    task = ml.Task(
        supports=[ml.Support(nodes=low)],
        sources=[ml.Source(name="in", nodes=[high[0]], displacement=[0.1, 0.0, 0.05])],
        targets=[ml.Target(name="out", nodes=[high[-1]], displacement=[0.02, 0.02, 0.0])],
    )
    return ml.train(net, task, learn=ml.Learn(bounds=(0.2, 1.0), initial=0.5), steps=30)


@pytest.fixture(scope="module")
def small():
    """The least in 3D."""
    net = ml.networks.fcc(size=[1, 1, 1], disorder=0.1, seed=0)
    task = ml.Task(
        sources=[ml.Source(nodes=[0, 1], strain=0.1)], targets=[ml.Target(nodes=[2, 3], strain=0.1)]
    )
    return ml.train(net, task, learn=ml.Learn(bounds=(0.2, 1.0), initial=0.5), steps=2)


@pytest.fixture(params=["flat", "deep"])
def run(request):
    return request.getfixturevalue(request.param)


def untrained(net, task, energy, **values):
    """A run of zero steps with some values of its parameters."""
    learn = {
        name: ml.Learn(bounds=(0.5 * v.min(), 2 * v.max()), initial=v.tolist())
        for name, v in values.items()
    }
    return ml.train(net, task, energy=energy, learn=learn, steps=0)


@functools.cache
def solid_volume(run, unit, thickness, **options):
    """Volume in mm3 of the mesh that a solid is solved on."""
    made = sizing.size_struts(run)
    mesh, _ = mesh_and_velocity(Struts(made.network, made.width, **options), 0.4)
    return volumes(mesh.points, mesh.cells).sum() * unit**2 * thickness


#: Rods of a sample lattice whose union has needles among its triangles.
NEEDLES = """
72.96287632455316 101.44509836607551 0.0008047169314794976;
91.38887274847058 76.08385231270806 0.00016324400572267767;
72.96097924804315 50.72535580807384 -0.000704139562280167;
95.50780692555634 88.76420416197804 -0.00034612127517317343;
47.2677941239733 47.730257789135344 -0.0006104866460656993;
86.29496422604133 50.72159351063359 -0.0008274022267661552;
54.863435807558275 58.58556124319169 32.499218575958324;
54.859342602758474 93.58354441716939 32.49997830914049;
37.36071472778836 76.08377563939906 49.99871342553326;
72.36210237850526 41.0849616854513 14.999625431980432;
89.86045933879218 58.58399046954087 32.49706395455398;
72.3607956618271 41.08343945559031 49.99899731570097
"""
ENDS = [(8, 6), (8, 7), (9, 10), (11, 6), (1, 5), (2, 4), (9, 4), (0, 3), (11, 10), (2, 5), (1, 3)]


@pytest.mark.parametrize("suffix", [".stl", ".3mf", ".ply"])
def test_bodies_stay_closed(suffix, tmp_path):
    """Merging points and dropping needles afterwards opened what was closed."""
    net = ml.Network([[float(x) for x in row.split()] for row in NEEDLES.split(";")], ENDS)
    task = ml.Task(
        supports=[ml.Support(nodes=[3])],
        sources=[ml.Source(nodes=[4], displacement=[0.01, 0, 0])],
        targets=[ml.Target(nodes=[11], displacement=[0.0, 0, 0.001])],
    )
    run = untrained(net, task, ml.Beam(), radius=np.full(len(ENDS), 0.3))
    mesh, volume = read_body(run.export(tmp_path / f"a{suffix}"))
    assert mesh.is_watertight
    assert volume > 0


def test_points_that_round_to_one_place_are_kept_apart():
    """Two tetrahedra whose tips are nearer than single precision tells: closed, and two."""
    manifold = pytest.importorskip("manifold3d")
    one = manifold.Manifold.tetrahedron().translate([100.0, 100.0, 100.0])
    both = one + one.translate([2.0, 1e-9, 0.0]).translate([0.0, 0.0, 0.0])
    raw = both.to_mesh64()
    mesh = _as_printed(trimesh, raw)
    assert len(mesh.faces) == len(raw.tri_verts)
    assert len(np.unique(mesh.vertices.astype(np.float32), axis=0)) == len(mesh.vertices)
    assert mesh.is_watertight
    with pytest.raises(SolveError, match="bodies"):
        check_closed(_as_printed(trimesh, (one + one.translate([9.0, 0, 0])).to_mesh64()))


def read_body(path):
    """The surface in a file; of a STEP, which is exact, meshed by gmsh."""
    if path.suffix != ".step":
        loaded = trimesh.load(path)
        mesh = loaded.to_mesh() if hasattr(loaded, "to_mesh") else loaded
        mesh.merge_vertices()
        return mesh, mesh.volume
    from mechlearn.solids.meshing import gmsh_session

    with gmsh_session() as gmsh:
        [body] = [e for e in gmsh.model.occ.importShapes(str(path)) if e[0] == 3]
        gmsh.model.occ.synchronize()
        gmsh.option.setNumber("Mesh.MeshSizeFromCurvature", 12)
        gmsh.model.mesh.generate(2)
        tags, points, _ = gmsh.model.mesh.getNodes()
        _, corners = gmsh.model.mesh.getElementsByType(2)
        row = np.zeros(int(tags.max()) + 1, dtype=int)
        row[tags.astype(int)] = np.arange(len(tags))
        volume = gmsh.model.occ.getMass(*body)
    faces = row[corners.astype(int)].reshape(-1, 3)
    mesh = trimesh.Trimesh(points.reshape(-1, 3), faces, process=False)
    mesh.fix_normals()
    return mesh, volume


# -- bodies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", MADE)
@pytest.mark.parametrize("which", ["flat", "small"])
def test_a_part_is_one_closed_body_as_large_as_the_solid(which, suffix, request, tmp_path):
    run = request.getfixturevalue(which)
    flat = run.network.dim == 2
    path = run.export(tmp_path / f"part{suffix}", unit=20.0, **({"thickness": 4.0} if flat else {}))
    mesh, volume = read_body(path)
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert mesh.body_count == 1
    assert volume == pytest.approx(solid_volume(run, 20.0, 4.0 if flat else 20.0), rel=0.01)
    radius = Struts(run.network, sizing.size_struts(run).width).joint_radius.max()
    wide = np.ptp(run.network.nodes, axis=0).max() * 20
    assert wide < mesh.extents.max() < wide + 2 * 20 * radius


def test_the_unit_follows_from_the_size(run, tmp_path):
    mesh, _ = read_body(run.export(tmp_path / "a.stl", size=150.0))
    assert mesh.extents.max() == pytest.approx(150, rel=1e-3)
    assert "unit is" in export(run, tmp_path / "a.stl")


def test_3mf_says_that_it_is_in_mm(run, tmp_path):
    scene = trimesh.load(run.export(tmp_path / "a.3mf"))
    assert scene.units == "millimeter"


def test_base_posts_holes_fillets_and_hinges_make_one_body(tmp_path):
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 1, 2])],
        sources=[ml.Source(nodes=[3], displacement=[0.1, 0.0])],
        targets=[ml.Target(nodes=[5], displacement=[0.03, 0.03])],
    )
    net = ml.networks.triangular(size=[3, 2], disorder=0.1, seed=1)
    flat = ml.train(net, task, learn=ml.Learn(bounds=(0.2, 1.0), initial=0.5), steps=2)
    options = {"unit": 40.0, "thickness": 3.0, "fillet": 0.5, "base": 2.0, "gap": 5.0, "hole": 2.0}
    options |= {"hinge": (0.5, 0.1)}
    volumes = {}
    for suffix in (".stl", ".step"):
        mesh, volumes[suffix] = read_body(flat.export(tmp_path / f"part{suffix}", **options))
        assert mesh.is_watertight
        assert mesh.body_count == 1
        assert mesh.extents[2] == pytest.approx(10.0)
    assert volumes[".step"] == pytest.approx(volumes[".stl"], rel=2e-3)
    # Handles of the body: meshes between struts, holes, and ways between posts under the part.
    holes = len(silhouette(make_part(flat, Options(**options))).interiors)
    assert (2 - mesh_euler(tmp_path / "part.stl")) // 2 == holes + 2


def mesh_euler(path):
    return read_body(path)[0].euler_number


def test_a_base_in_space_carries_the_part_on_posts(deep, tmp_path):
    bare, _ = read_body(deep.export(tmp_path / "a.stl", unit=20.0))
    held, _ = read_body(deep.export(tmp_path / "b.stl", unit=20.0, base=2.0, gap=4.0, hole=3.0))
    assert held.body_count == 1
    # Facets stand out from the true ball, from which the plate keeps its distance.
    true = lowest(make_part(deep, Options(unit=20.0)))
    assert bare.bounds[0, 2] < true
    assert held.bounds[0, 2] == pytest.approx(true - 6, abs=1e-3)
    assert held.bounds[1, 2] == pytest.approx(bare.bounds[1, 2], abs=1e-3)


def test_cones_lead_to_the_struts_in_step_files_too(small, tmp_path):
    volumes = [
        read_body(small.export(tmp_path / f"a{suffix}", unit=30.0, fillet=1.0))[1]
        for suffix in (".stl", ".step")
    ]
    assert volumes[1] == pytest.approx(volumes[0], rel=1e-3)


def test_fillets_add_material_in_the_corners(run, tmp_path):
    bare, _ = read_body(run.export(tmp_path / "a.stl", unit=20.0))
    more, _ = read_body(run.export(tmp_path / "b.stl", unit=20.0, fillet=1.0))
    assert 1.005 < more.volume / bare.volume < 1.2
    assert more.is_watertight


def test_step_is_whole_though_the_union_loses_rods_at_first(small, tmp_path, monkeypatch):
    """Losses of OpenCASCADE are seen by the volume, and the union is tried anew."""
    asked = []

    def loses(make, part, wanted, attempt):
        asked.append(attempt)
        return make(part, wanted if attempt else 1.02 * wanted, attempt)

    monkeypatch.setattr(boolean, "call_isolated", loses)
    path = small.export(tmp_path / "a.step", unit=20.0)
    assert asked == [0, 1]
    assert path.read_bytes().startswith(b"ISO-10303-21")
    tries = []

    def always_loses(make, part, wanted, attempt):
        if not tries:  # the others would be as this one, and take as long
            with pytest.raises(SolveError) as error:
                make(part, wanted / 2, attempt)
            tries.append(error.value)
        raise tries[0]

    monkeypatch.setattr(boolean, "call_isolated", always_loses)
    with pytest.raises(SolveError, match=r"lost some of the struts.*meet at the smallest angle"):
        small.export(tmp_path / "b.step", unit=20.0)
    assert not (tmp_path / "b.step").exists()


def test_hinges_thin_the_ends(flat, tmp_path):
    mesh, _ = read_body(flat.export(tmp_path / "a.stl", unit=40.0, thickness=4, hinge=(0.4, 0.1)))
    assert mesh.volume == pytest.approx(solid_volume(flat, 40.0, 4.0, hinge=Hinge(0.4, 0.1)), 0.01)


def test_a_beam_lattice_has_the_struts_as_beams(deep, tmp_path):
    import zipfile

    path = deep.export(tmp_path / "a.3mf", lattice=True, unit=20.0)
    text = zipfile.ZipFile(path).read("3D/3dmodel.model")
    root = ElementTree.fromstring(text)
    beams = [e for e in root.iter() if e.tag.endswith("}beam")]
    balls = [e for e in root.iter() if e.tag.endswith("}ball")]
    made = sizing.size_struts(deep)
    radii = [float(b.get("r1")) for b in beams]
    assert root.get("unit") == "millimeter"
    assert radii == pytest.approx(10 * made.width, rel=1e-4)
    assert len(balls) == deep.network.n_nodes


# -- sheets ------------------------------------------------------------------------------------


def ring_area(points):
    x, y = np.asarray(points).T
    return abs((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2


@pytest.mark.parametrize("options", [{}, {"fillet": 0.4}, {"hole": 2.0}, {"hinge": (0.5, 0.1)}])
def test_dxf_outlines_are_closed_and_enclose_the_outline(flat, options, tmp_path):
    ezdxf = pytest.importorskip("ezdxf")
    path = flat.export(tmp_path / "a.dxf", unit=40.0, **options)
    drawing = ezdxf.readfile(path)
    assert not drawing.audit().has_errors
    assert not drawing.audit().has_fixes
    assert drawing.units == ezdxf.units.MM
    lines = list(drawing.modelspace())
    assert all(line.dxftype() == "LWPOLYLINE" and line.closed for line in lines)
    areas = [ring_area([p[:2] for p in line.get_points()]) for line in lines]
    shape = silhouette(make_part(flat, Options(unit=40.0, **options)))
    assert areas[0] - sum(areas[1:]) == pytest.approx(shape.area, rel=1e-3)
    assert len(lines) == 1 + len(shape.interiors)


def test_svg_is_the_outline_in_mm(flat, tmp_path):
    path = flat.export(tmp_path / "a.svg", unit=20.0)
    root = ElementTree.fromstring(path.read_bytes())
    shape = silhouette(make_part(flat, Options(unit=20.0)))
    low, high = np.reshape(shape.bounds, (2, 2))
    assert root.get("width").endswith("mm")
    assert float(root.get("width")[:-2]) == pytest.approx(high[0] - low[0], abs=1e-4)
    [way] = [e for e in root.iter() if e.tag.endswith("}path")]
    loops = [re.findall(r"([-\d.]+),([-\d.]+)", part) for part in way.get("d").split("Z")[:-1]]
    areas = [ring_area(np.array(loop, dtype=float)) for loop in loops]
    assert areas[0] - sum(areas[1:]) == pytest.approx(shape.area, rel=1e-3)


def test_kerf_lets_outlines_out_by_half_of_it(flat):
    shape = silhouette(make_part(flat, Options(unit=20.0)))
    assert shape.buffer(0.1).area - shape.area == pytest.approx(0.1 * shape.length, rel=0.02)


# -- what cannot be made -----------------------------------------------------------------------


def refusal(run, path, **options):
    with pytest.raises(InputError) as caught:
        run.export(path, **options)
    assert not path.exists()
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_struts_thinner_than_a_line_are_named(run, tmp_path):
    text = refusal(run, tmp_path / "a.stl", unit=1.0)
    widths = sizing.size_struts(run).width
    thin = np.flatnonzero(widths < 0.4)
    assert f"Struts {thin[0]}, " in text
    unit = float(re.search(r"unit of ([\d.]+) mm", text)[1])
    assert unit == pytest.approx(0.4 / widths.min(), rel=1e-3)
    run.export(tmp_path / "a.stl", unit=unit * 1.001)


def test_struts_that_cross_are_named(tmp_path):
    corners = np.array([[0, 0, 0], [1, 0, 0.05], [1, 1, 0], [0, 1, 0.05]])
    edges = [[0, 1], [1, 2], [2, 3], [3, 0], [0, 2], [1, 3]]
    task = ml.Task(
        sources=[ml.Source(nodes=[0, 1], strain=0.1)], targets=[ml.Target(nodes=[2, 3], strain=0.1)]
    )
    for points, suffixes in (
        (corners, (".stl", ".3mf")),
        (corners[:, :2], (".stl", ".dxf", ".step")),
    ):
        crossed = ml.train(ml.Network(points, edges), task, steps=0)
        for suffix in suffixes:
            assert "Struts 4-5 overlap" in refusal(crossed, tmp_path / f"a{suffix}")


def test_refusals_say_what_would_be_right(flat, deep, torus, tmp_path):
    assert "fills" in refusal(flat, tmp_path / "a.stl", fillet=20.0)
    assert "plane" in refusal(deep, tmp_path / "a.dxf")
    assert "give base" in refusal(deep, tmp_path / "a.stl", hole=3.0)
    assert "thickness is for plane" in refusal(deep, tmp_path / "a.stl", thickness=3.0)
    assert "round" in refusal(flat, tmp_path / "a.3mf", lattice=True)
    assert "means nothing to .vtu" in refusal(flat, tmp_path / "a.vtu", unit=3.0)
    assert "means nothing to .dxf" in refusal(flat, tmp_path / "a.dxf", base=3.0)
    assert "no option" in refusal(flat, tmp_path / "a.stl", thikness=3.0)
    assert "above zero" in refusal(flat, tmp_path / "a.stl", unit=-1.0)
    assert "'bar', 'beam' or 'solid'" in refusal(flat, tmp_path / "a.inp", model="rod")
    assert "not both" in refusal(flat, tmp_path / "a.stl", unit=1.0, size=1.0)
    assert "hinge" in refusal(flat, tmp_path / "a.stl", hinge=(2.0, 0.1))
    task = ml.Task(
        sources=[ml.Source(nodes=[0, 7], strain=0.1)],
        targets=[ml.Target(nodes=[3, 12], strain=0.01)],
    )
    loose = ml.train(flat.network, task, steps=0)
    assert "supports" in refusal(loose, tmp_path / "a.stl", hole=1.0)
    around = ml.train(torus, task, steps=0)
    for suffix in (".stl", ".inp"):
        assert "periodic" in refusal(around, tmp_path / f"a{suffix}")


def test_options_are_those_of_sizing_and_formats_take_known_ones():
    names = {f.name for f in fields(Options)}
    assert {name for form in FORMATS.values() for name in form.takes} == names


def test_the_command_writes_and_says_what(flat, tmp_path, capsys):
    flat.save(tmp_path / "run")
    with pytest.raises(SystemExit) as stop:
        main(f"export {tmp_path}/run {tmp_path}/part.stl --unit 40 --hinge 0.5 0.1".split())
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "A network unit is 40 mm" in out
    assert "Written to" in out
    with pytest.raises(SystemExit) as stop:
        main(f"export {tmp_path}/run {tmp_path}/part.stl --unit 1".split())
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


# -- input decks -------------------------------------------------------------------------------


def calculix(path):
    """Outputs of a deck's targets, by its own comments, one step after the other."""
    done = subprocess.run(
        ["ccx", "-i", path.stem],
        cwd=path.parent,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=120,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "ERROR" not in done.stdout
    steps, times = [], []
    for line in path.with_suffix(".dat").read_text().splitlines():
        words = line.split()
        if words and words[0] in ("displacements", "forces"):
            kind = {"displacements": "U", "forces": "RF"}[words[0]]
            if words[-1] not in times:
                times.append(words[-1])
                steps.append({})
        elif words:
            steps[-1][kind, int(words[0])] = [float(w) for w in words[1:]]
    out, step = [], -1
    for line in path.read_text().splitlines():
        step += line.startswith("** example")
        if found := re.fullmatch(r"\*\* .+ is (U|RF)(\d) of node (\d+) over (\S+)", line):
            kind, dof, node, unit = found.groups()
            out.append(steps[step][kind, int(node)][int(dof) - 1] / float(unit))
    return np.array(out)


def reached(run):
    return np.concatenate([np.ravel(row["reached"]) for row in run.targets])


needs_ccx = pytest.mark.skipif(shutil.which("ccx") is None, reason="CalculiX (ccx) is not there")


@needs_ccx
@pytest.mark.parametrize(
    ("dim", "energy"), [(d, e) for d in (2, 3) for e in ("spring", "bar", "beam")] + [(2, "solid")]
)
def test_decks_answer_as_the_models_do(flat, deep, energy, dim, tmp_path):
    run = {2: flat, 3: deep}[dim]
    made = sizing.size_struts(run)
    element = {"spring": ml.Spring, "bar": ml.Bar, "beam": ml.Beam, "solid": ml.Solid}[energy]
    material = (
        {"width": made.width} if dim == 2 or energy == "solid" else {"radius": made.width / 2}
    )
    material = {"stiffness": run.learned["stiffness"]} if energy == "spring" else material
    own = ml.train(run.network, run.setup.task, energy=element(), material=material, steps=0)
    export(own, tmp_path / "a.inp")
    wanted = reached(own)
    assert np.abs(calculix(tmp_path / "a.inp") - wanted).max() < 0.01 * np.abs(wanted).max()


@needs_ccx
def test_the_deck_of_a_solid_in_space_answers_as_the_model_does(tmp_path):
    """A tetrahedron, held at an edge, pulled at one of the other corners."""
    x = [[0, 0, 0], [1, 0, 0], [0.5, 0.9, 0], [0.5, 0.3, 0.8]]
    pairs = [(a, b) for a in range(4) for b in range(a)]
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 1])],
        sources=[ml.Source(name="in", nodes=[3], displacement=[0.02, 0.05, 0.0])],
        targets=[ml.Target(name="out", nodes=[2], displacement=[0.0, 0.02, 0.0])],
    )
    learn = {"width": ml.Learn(bounds=(0.08, 0.2), initial=0.12)}
    energy = ml.Solid(order=2, mesh_size=0.65)
    net = ml.Network(np.array(x), np.array(pairs))
    run = ml.train(net, task, energy=energy, learn=learn, steps=1)
    export(run, tmp_path / "a.inp")
    wanted = reached(run)
    assert np.abs(calculix(tmp_path / "a.inp") - wanted).max() < 0.01 * np.abs(wanted).max()


@pytest.fixture(scope="module")
def verified(flat):
    """Readings of the one target as bars, beams and a solid."""
    [row] = verify(flat, sizing.size_struts(flat), material="linear").targets
    return row


@needs_ccx
@pytest.mark.parametrize("model", ["bar", "beam", "solid"])
def test_springs_become_the_struts_that_verify_solves(flat, verified, model, tmp_path):
    export(flat, tmp_path / "a.inp", model=model)
    wanted = np.array(verified["solid" if model == "solid" else f"{model}s"])
    assert np.abs(calculix(tmp_path / "a.inp") - wanted).max() < 0.01 * np.abs(wanted).max()


@needs_ccx
def test_every_kind_of_source_and_target_and_example_is_in_the_deck(flat, tmp_path):
    task = ml.Task(
        sources=[
            ml.Source(name="in", nodes=[0, 6], strain=0.02),
            ml.Source(name="pull", nodes=[6, 12], strain=0.03),
            ml.Source(name="push", nodes=[7, 13], force=0.01),
        ],
        targets=[
            ml.Target(name="out", nodes=[13, 19], strain=0.004),
            ml.Target(name="reaction", nodes=[3, 9], force=1.0),
        ],
        examples=[{"in": 0.02}, {"in": "free", "push": -0.02}, {"in": 0.03, "reaction": 2.0}],
    )
    run = ml.train(flat.network, task, steps=0)
    export(run, tmp_path / "a.inp")
    assert calculix(tmp_path / "a.inp") == pytest.approx(reached(run), rel=1e-5)
    text = (tmp_path / "a.inp").read_text()
    for name in ("SUPPORTS", "SOURCES", "TARGETS"):
        assert f"NSET={name}" in text
    assert max(map(len, text.splitlines())) <= 132


def test_decks_for_abaqus_have_its_own_beams(deep, tmp_path):
    beams = ml.train(deep.network, deep.setup.task, energy=ml.Beam(), steps=0)
    text = beams.export(tmp_path / "a.inp", abaqus=True).read_text()
    assert "TYPE=B32," in text
    assert "ENGINEERING" not in text


# -- networks that come back -------------------------------------------------------------------


def same(a, b):
    assert np.array_equal(a.nodes, b.nodes)
    assert np.array_equal(a.edges, b.edges)
    assert a.periodic == b.periodic
    if a.periodic:
        assert np.array_equal(a.cell, b.cell)
        assert np.array_equal(a.shifts, b.shifts)
    for name in ("node_sets", "edge_sets", "node_data", "edge_data"):
        one, two = getattr(a, name), getattr(b, name)
        assert set(one) == set(two)
        assert all(np.array_equal(one[k], two[k]) for k in one)


@pytest.mark.parametrize("suffix", [*TABLES, ".vtu", ".msh", ".xdmf"])
@pytest.mark.parametrize("which", ["plane", "space", "torus"])
def test_networks_come_back_exactly(suffix, which, request, tmp_path):
    net = request.getfixturevalue(which)
    m, n = net.n_edges, net.n_nodes
    net = replace(
        net,
        node_sets={"rim": [0, 3], "my rim/2": [1], "none": []},
        edge_sets={"rim": [2, 4], "ä%20": [0]},
        node_data={"radius": np.linspace(0.1, 0.7, n), "kind": np.arange(n) % 3},
        edge_data={"stiffness": np.geomspace(1e-3, 1e5, m) / 3},
    )
    path = tmp_path / f"a{suffix}"
    if suffix in TABLES:
        TABLES[suffix](path, net, {}, {})
    else:
        write_network(path, net)
    same(net, ml.networks.from_file(path))


@pytest.mark.parametrize("suffix", [*TABLES, ".vtu", ".msh"])
def test_what_was_learned_comes_back_as_data(run, suffix, tmp_path):
    net = ml.networks.from_file(run.export(tmp_path / f"a{suffix}"))
    assert np.array_equal(net.edge_data["stiffness"], run.learned["stiffness"])
    again = untrained(net, run.setup.task, ml.Spring(), stiffness=net.edge_data["stiffness"])
    assert reached(again) == pytest.approx(reached(run), rel=1e-9)


def test_tables_open_elsewhere(flat, tmp_path):
    networkx = pytest.importorskip("networkx")
    graph = networkx.read_graphml(flat.export(tmp_path / "a.graphml"))
    assert graph.number_of_edges() == flat.network.n_edges
    rows = list(csv.DictReader(flat.export(tmp_path / "a.csv").read_text().splitlines()))
    assert float(rows[3]["stiffness"]) == flat.learned["stiffness"][3]
    with np.load(flat.export(tmp_path / "a.npz"), allow_pickle=False) as file:
        assert np.array_equal(file["edge:stiffness"], flat.learned["stiffness"])


def test_graphs_of_others_are_networks(tmp_path):
    networkx = pytest.importorskip("networkx")
    graph = networkx.cycle_graph(5)
    for k in graph:
        graph.nodes[k].update(x=float(np.cos(k)), y=float(np.sin(k)), name=f"node {k}")
    networkx.write_graphml(graph, tmp_path / "a.graphml")
    net = ml.networks.from_file(tmp_path / "a.graphml")
    assert (net.n_nodes, net.n_edges, net.dim) == (5, 5, 2)
    # What has no type is text, of which a network has none.
    text = (tmp_path / "a.graphml").read_text().replace('attr.type="string"', "")
    (tmp_path / "b.graphml").write_text(text)
    assert (ml.networks.from_file(tmp_path / "b.graphml").nodes == net.nodes).all()


BOMB = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<graphml><graph><node id="&b;"/></graph></graphml>"""


@pytest.mark.parametrize("suffix", [".graphml", ".vtu", ".xdmf"])
def test_xml_with_entities_is_not_read(suffix, tmp_path):
    path = tmp_path / f"a{suffix}"
    path.write_text(BOMB)
    with pytest.raises(InputError, match="entities") as caught:
        ml.networks.from_file(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("abaqus", [False, True])
@pytest.mark.parametrize("model", ["spring", "beam"])
def test_decks_come_back_as_networks(flat, model, abaqus, tmp_path):
    net = replace(
        flat.network,
        node_sets={"all": [0, 3], "my rim/2": [1]},
        edge_sets={"rim": [2, 4], "ä%20": [0]},
        node_data={},
        edge_data={},
    )
    energy = {"spring": ml.Spring(), "beam": ml.Beam()}[model]
    run = untrained(net, flat.setup.task, energy, **{
        energy.parameters[0].name: np.full(net.n_edges, 0.5)
    })  # fmt: skip
    again = ml.networks.from_file(run.export(tmp_path / "a.inp", abaqus=abaqus))
    assert again.nodes == pytest.approx(net.nodes, rel=1e-12, abs=1e-12)
    assert np.array_equal(again.edges, net.edges)
    assert again.labels is None
    for ours, theirs in ((net.node_sets, again.node_sets), (net.edge_sets, again.edge_sets)):
        assert {n: s.tolist() for n, s in ours.items()}.items() <= {
            n: s.tolist() for n, s in theirs.items()
        }.items()
    assert again.node_sets["SOURCES"].tolist() == [16]


def test_damaged_tables_are_named(tmp_path, plane):
    def fails(name, word):
        with pytest.raises(InputError, match=word) as caught:
            ml.networks.from_file(tmp_path / name)
        assert str(tmp_path / name).removesuffix(".csv") in str(caught.value)
        assert "\n" not in str(caught.value)

    np.savez(tmp_path / "pickled.npz", nodes=np.array([{}], dtype=object), edges=np.zeros(2))
    fails("pickled.npz", "npz")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    fails("cut.npz", "npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    fails("other.npz", "nodes")
    (tmp_path / "a.graphml").write_text("<graphml")
    fails("a.graphml", "GraphML")
    (tmp_path / "b.graphml").write_text('<graphml xmlns="http://graphml.graphdrawing.org/xmlns"/>')
    fails("b.graphml", "GraphML")
    (tmp_path / "alone.csv").write_text("i,j\n0,1\n")
    fails("alone.csv", "alone.nodes.csv")
    write_csv(tmp_path / "a.csv", plane, {}, {})
    (tmp_path / "a.csv").write_text("i,j\n0,1\n2\n")
    fails("a.csv", "row 2")
    (tmp_path / "a.csv").write_text("i,j\n0,x\n1,2\n")
    fails("a.csv", "whole number")
    taken = replace(plane, node_data={"x": np.zeros(plane.n_nodes)})
    with pytest.raises(InputError, match="rename"):
        write_csv(tmp_path / "b.csv", taken, {}, {})


def test_a_task_takes_an_exported_network(flat, tmp_path):
    flat.export(tmp_path / "learned.npz")
    (tmp_path / "task.toml").write_text(
        '[network]\nfile = "learned.npz"\n[energy]\nmodel = "spring"\nstiffness = "stiffness"\n'
        "[learn.stiffness]\ninitial = 0.5\n"
        "[[sources]]\nnodes = [0, 6]\nstrain = 0.1\n[[targets]]\nnodes = [13, 19]\nstrain = 0.1\n"
        '[rule]\nname = "coupled_learning"\n[train]\nsteps = 1\n'.replace(
            'stiffness = "stiffness"\n', ""
        )
    )
    with pytest.raises(SystemExit) as stop:
        main(["train", str(tmp_path / "task.toml"), "-o", str(tmp_path / "run"), "-q"])
    assert stop.value.code == 0
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["steps"] == 1
