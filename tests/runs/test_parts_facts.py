"""Facts of a part: units, materials, stress, mass, and the stroke that it bears."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
from ranks import run_command

import mechlearn as ml
from mechlearn.energies.material import cards
from mechlearn.equilibrium.strength import extent, stresses, volume
from mechlearn.render.run_view import Look, RunView

LENGTH, MODULUS, WIDTH, DEPTH, RADIUS = 10.0, 1000.0, 0.5, 2.0, 0.25


def cantilever(energy: ml.BondEnergy, force: list[float], dim: int = 2, **values) -> ml.System:
    """One strut, clamped at its first node, with a force (then moments) at the second."""
    nodes = np.zeros((2, dim))
    nodes[1, 0] = LENGTH
    components = ["x", "y"] if dim == 2 else ["x", "y", "z", "rx"]
    tip = ml.Source(name="f", nodes=[1], components=components, force=force)
    answer = ml.Target(nodes=[1], components=["y"], displacement=[1.0])
    task = ml.Task(supports=[ml.Support(nodes=[0])], sources=[tip], targets=[answer])
    return ml.System(ml.Network(nodes, [[0, 1]]), task, energy).set(modulus=MODULUS, **values)


@pytest.mark.parametrize("energy", [ml.Beam(), ml.FiniteBeam(segments=16)])
def test_stress_of_a_cantilever(energy):
    """Axial force and the moment at the clamp; to first order in the deflection if it is finite."""
    pull, push = 0.3, 1e-3
    system = cantilever(energy, [pull, push], width=WIDTH, thickness=DEPTH)
    wanted = pull / (WIDTH * DEPTH) + push * LENGTH / (DEPTH * WIDTH**2 / 6)
    if not energy.linear:  # the pull straightens it: sinh(k l) / (k cosh(k l)) instead of l
        k = np.sqrt(pull / (MODULUS * DEPTH * WIDTH**3 / 12))
        arm = np.tanh(k * LENGTH) / k
        wanted = pull / (WIDTH * DEPTH) + push * arm / (DEPTH * WIDTH**2 / 6)
    assert stresses(system.free) == pytest.approx(wanted, rel=1e-9 if energy.linear else 2e-3)


def test_stress_of_a_round_beam_in_space():
    """Bending about both axes adds as a vector, and twist as by von Mises."""
    fx, fy, fz, torque = 0.3, 0.01, -0.02, 0.05
    system = cantilever(ml.Beam(), [fx, fy, fz, torque], 3, radius=RADIUS)
    modulus = np.pi * RADIUS**3 / 4
    normal = fx / (np.pi * RADIUS**2) + LENGTH * np.hypot(fy, fz) / modulus
    wanted = np.sqrt(normal**2 + 3 * (torque / (2 * modulus)) ** 2)
    assert stresses(system.free) == pytest.approx(wanted, rel=1e-9)
    assert volume(system.model) == pytest.approx(np.pi * RADIUS**2 * LENGTH)
    assert extent(system.model) == pytest.approx([LENGTH + 2 * RADIUS, 2 * RADIUS, 2 * RADIUS])


def test_springs_have_no_stress():
    net = ml.Network([[0.0, 0], [1, 0]], [[0, 1]])
    pull = ml.Source(nodes=[0, 1], strain=0.1)
    task = ml.Task(sources=[pull], targets=[ml.Target(nodes=[0, 1], force=1.0)])
    system = ml.System(net, task, ml.Spring())
    assert stresses(system.free) is None
    assert volume(system.model) is None


TASK = """
unit = "mm"
[material]
{material}
[network]
points = [[0, 0], [20, 0], [40, 0]]
edges = [[0, 1], [1, 2]]
[energy]
model = "{model}"
thickness = 5.0
[learn.width]
bounds = [0.8, 3.0]
initial = 1.0
[[supports]]
nodes = [0]
[[sources]]
name = "push"
nodes = [2]
components = ["y"]
displacement = [{push}]
[[targets]]
name = "middle"
nodes = [1]
components = ["y"]
displacement = [{wanted}]
[train]
steps = 0
"""


def trained(folder: Path, material='name = "PLA"', model="beam", push=2.0) -> dict:
    (folder / "task.toml").write_text(
        TASK.format(material=material, model=model, push=push, wanted=push / 4)
    )
    out = folder / "run"
    run_command(["train", str(folder / "task.toml"), "-o", str(out), "--quiet"])
    return json.loads((out / "summary.json").read_text())


@pytest.mark.parametrize("model", ["beam", "finite_beam"])
def test_part_in_a_summary(tmp_path, model):
    """A cantilever of 40 x 1 x 5 mm, pushed by 2 mm at its tip: sigma = 3 E h u / (2 l^2)."""
    summary = trained(tmp_path, 'name = "PLA"\nstrength = 10.0', model)
    pla, tight = cards()["PLA"], 1e-6 if model == "beam" else 1e-2
    slender = 1 + 0.6 * (1 + pla.poisson) * (1.0 / 40) ** 2  # shear gives way, too
    stress = 3 * pla.modulus * 1.0 * 2.0 / (2 * 40.0**2) / slender
    assert summary["volume"] == pytest.approx(200.0)
    assert summary["mass"] == pytest.approx(0.2 * pla.density)
    assert summary["bounding_box"] == pytest.approx([41.0, 1.0, 5.0])
    assert summary["stress"] == pytest.approx(stress, rel=max(tight, 1e-3))
    assert summary["weakest"] == {"bond": 0, "example": 1}
    assert summary["utilisation"] == pytest.approx(summary["stress"] / 10.0)
    stroke = 2.0 / summary["utilisation"]
    assert summary["stroke_at_strength"] == pytest.approx(
        stroke, rel=1e-9 if model == "beam" else 0.01
    )
    assert summary["targets"][0]["unit"] == "mm"
    assert summary["sources"][0]["units"]["force"] == "N"
    assert tomllib.loads((tmp_path / "run/task.toml").read_text())["material"]["name"] == "PLA"


def test_solid_has_a_size_and_a_mass(tmp_path):
    """The same cantilever as a body, joined by discs of 1.2 widths."""
    summary = trained(tmp_path, model="solid")
    beyond = np.pi * 0.6**2 / 2 - 0.5 * 0.2  # about what half a disc adds at an end
    assert summary["volume"] == pytest.approx(5 * (40 + 2 * beyond), rel=1e-2)
    assert summary["mass"] == pytest.approx(summary["volume"] * cards()["PLA"].density * 1e-3)
    assert summary["bounding_box"] == pytest.approx([41.2, 1.2, 5.0], rel=1e-2)
    beam = 3 * cards()["PLA"].modulus * 2.0 / (2 * 40.0**2)
    away = 1 - (0.6 + 0.5) / 40  # of the joint, towards the push
    assert summary["stress"] == pytest.approx(beam * away, rel=0.02)
    assert summary["utilisation"] == pytest.approx(summary["stress"] / cards()["PLA"].strength)


def test_warning_of_a_part_that_breaks(tmp_path):
    summary = trained(tmp_path, push=20.0)
    assert summary["utilisation"] > 1
    assert "does not hold: the strut between nodes 0 and 1" in " ".join(summary["warnings"])
    evaluated = run_command(["evaluate", str(tmp_path / "run")])
    assert evaluated.returncode == 0
    said = evaluated.stdout
    assert "does not hold" in said
    assert " N," in said


def test_own_numbers_come_before_the_card(tmp_path):
    (tmp_path / "mine.toml").write_text("density = 2.0\nstrength = 100\n")
    summary = trained(tmp_path, 'name = "PLA"\nfile = "mine.toml"\nstrength = 25.0')
    assert summary["mass"] == pytest.approx(0.4)
    assert summary["utilisation"] == pytest.approx(summary["stress"] / 25)


def test_units_of_a_metre_give_the_same_part(tmp_path):
    """The same part in m, Pa and kg."""
    made = {}
    for unit, size in (("mm", 1.0), ("m", 1e-3)):
        net = ml.Network(size * np.array([[0.0, 0], [20, 0], [40, 0]]), [[0, 1], [1, 2]])
        push = ml.Source(name="p", nodes=[2], components=["y"], displacement=[2 * size])
        middle = ml.Target(nodes=[1], components=["y"], displacement=[size])
        run = ml.train(
            net, ml.Task(supports=[ml.Support(nodes=[0])], sources=[push], targets=[middle]),
            energy=ml.Beam(), learn={"thickness": ml.Learn(initial=5 * size, bounds=[1e-4, 10])},
            unit=unit, steps=0, material=ml.Material(name="PLA"),
        )  # fmt: skip
        made[unit] = run.summary
    assert made["m"]["mass"] == pytest.approx(made["mm"]["mass"] * 1e-3)
    assert made["m"]["utilisation"] == pytest.approx(made["mm"]["utilisation"])


@pytest.mark.parametrize(
    ("material", "said"),
    [
        ('name = "PLAA"', "did you mean 'PLA'?"),
        ('name = "unobtainium"', "needs its modulus"),
        ("modulus = -1", "material.modulus"),
        ("strength = 5.0\nfatigue = 50.0", "endures less"),
        ('file = "none.toml"', "is no card of a material"),
        ("stiffness = 1.0", "stiffness is not a known key"),
    ],
)
def test_bad_materials(tmp_path, material, said):
    (tmp_path / "task.toml").write_text(
        TASK.format(material=material, model="beam", push=1.0, wanted=1.0)
    )
    said_so = run_command(["check", str(tmp_path / "task.toml")])
    assert said_so.returncode == 2
    assert said in said_so.stderr


def test_material_of_springs_or_without_units(tmp_path):
    for text, said in (
        (TASK.replace('unit = "mm"\n', ""), "give the task a unit"),
        (TASK.replace("thickness = 5.0", "").replace("learn.width", "learn.stiffness"),
         "a spring is made of no material"),
    ):  # fmt: skip
        model = "spring" if "stiffness" in text else "beam"
        (tmp_path / "task.toml").write_text(
            text.format(material='name = "PLA"', model=model, push=1.0, wanted=1.0)
        )
        said_so = run_command(["check", str(tmp_path / "task.toml")])
        assert said_so.returncode == 2
        assert said in said_so.stderr


def test_cards_are_complete():
    """Every card has what a part needs, and says where it is from."""
    for name, card in cards().items():
        assert card.source, name
        assert None not in (card.modulus, card.density, card.strength, card.elongation), name


def test_pictures_of_stress_and_utilisation(tmp_path):
    """The same colours, the scale of one that of the other over the strength."""
    trained(tmp_path)
    run = ml.Run.load(tmp_path / "run")
    stress, used = (RunView(run, 0, Look(colour=c)).shades for c in ("stress", "utilisation"))
    assert stress.high / used.high == pytest.approx(cards()["PLA"].strength)
    assert "MPa" in stress.title
    with pytest.raises(ml.InputError, match=r"known are .*stress"):
        Look(colour="strength").check(run)
