"""Buckling factors against closed forms: Euler's columns with shear, and springs held aside."""

import json

import numpy as np
import pytest
from ranks import command_on_ranks

import mechlearn as ml
from mechlearn.learning import buckling as module

LENGTH, MODULUS, WIDTH, POISSON = 10.0, 1000.0, 0.2, 0.3
#: Kinds of ends: the effective length over the length, and supports of the first and last node.
ENDS = {
    "pinned": (1.0, ["x", "y"], ["y"]),
    "free": (2.0, None, []),
    "clamped": (0.5, None, ["y", "rz"]),
    "clamped-pinned": (0.6991556596428412, None, ["y"]),
}


def column(ends: str, parts: int = 1, energy=None, **load) -> ml.System:
    """Column along x of so many struts, pressed at its end."""
    _, first, last = ENDS[ends]
    nodes = np.zeros((parts + 1, 2))
    nodes[:, 0] = np.linspace(0, LENGTH, parts + 1)
    supports = [ml.Support(nodes=[0], components=first)]
    supports += [ml.Support(nodes=[parts], components=last)] if last else []
    press = ml.Source(name="press", nodes=[parts], components=["x"], **load)
    asked = {"force": [1.0]} if "displacement" in load else {"displacement": [1.0]}
    answer = ml.Target(nodes=[parts], components=["x"], **asked)
    task = ml.Task(supports=supports, sources=[press], targets=[answer])
    net = ml.Network(nodes, [[k, k + 1] for k in range(parts)])
    return ml.System(net, task, energy or ml.Beam()).set(
        modulus=MODULUS, width=WIDTH, poisson=POISSON
    )


def euler(ends: str) -> float:
    """Euler's load, less what shear gives: P / (1 + P / GA), exact but for clamped-pinned ends."""
    load = np.pi**2 * MODULUS * WIDTH**3 / 12 / (ENDS[ends][0] * LENGTH) ** 2
    shear = 5 / 6 * MODULUS / (2 * (1 + POISSON)) * WIDTH
    return load / (1 + load / shear)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("parts", [1, 3])
def test_columns_of_euler(ends, parts):
    """One strut or three; 0.3 %, and the second mode of pinned ends at four times the first."""
    found = ml.buckling(column(ends, parts, force=[-0.2]))
    assert found.factors[0] * 0.2 == pytest.approx(euler(ends), rel=3e-3)
    assert (np.diff(found.factors) > 0).all()
    if ends == "pinned":
        assert found.factors[1] / found.factors[0] == pytest.approx(4.0, rel=0.02)


def test_mode_of_a_pinned_column_is_a_sine():
    found = ml.buckling(column("pinned", 4, force=[-0.2]))
    mode = found.modes[0, :, 1]
    assert np.abs(mode) == pytest.approx(np.sin(np.pi * np.arange(5) / 4), abs=1e-2)


def test_imposed_shortening_and_finite_beams_buckle_at_the_same_load():
    rigidity = MODULUS * WIDTH / LENGTH
    found = ml.buckling(column("pinned", 2, displacement=[-0.01]))
    assert found.factors[0] * 0.01 * rigidity == pytest.approx(euler("pinned"), rel=2e-3)
    finite = ml.buckling(column("pinned", 2, ml.FiniteBeam(), force=[-0.2]))
    assert finite.factors[0] * 0.2 == pytest.approx(euler("pinned"), rel=2e-3)


def test_tension_does_not_buckle():
    assert len(ml.buckling(column("pinned", force=[0.2])).factors) == 0


@pytest.mark.parametrize("dim", [2, 3])
def test_springs_held_aside(dim):
    """Two springs in line, their middle held by another: P = k L / 2, in every direction."""
    side, load = 0.7, 0.01
    nodes = np.zeros((3 + dim - 1, dim))
    nodes[1:3, 0] = [1.0, 2.0]
    nodes[3:, 0] = 1.0
    nodes[3:, 1:] = np.eye(dim - 1)
    edges = [[0, 1], [1, 2], *([1, k] for k in range(3, len(nodes)))]
    axes = ["x", "y", "z"][:dim]
    task = ml.Task(
        supports=[ml.Support(nodes=[0, *range(3, len(nodes))]), ml.Support(nodes=[2],
                  components=axes[1:])],
        sources=[ml.Source(name="press", nodes=[2], components=["x"], force=[-load])],
        targets=[ml.Target(nodes=[2], components=["x"], displacement=[-1.0])],
    )  # fmt: skip
    stiffness = [100.0, 100.0, *[side] * (dim - 1)]
    system = ml.System(ml.Network(nodes, edges), task, ml.Spring(), stiffness=stiffness)
    found = ml.buckling(system)
    assert found.factors[: dim - 1] * load == pytest.approx(side / 2, rel=1e-3)


def test_large_structures_buckle_as_small_ones(monkeypatch):
    """Lanczos' iteration against all modes, of a frame with held displacements."""
    net = ml.networks.square((3, 3))
    low, high = (net.node_sets[name] for name in ("bottom", "top"))
    task = ml.Task(
        supports=[ml.Support(nodes=low.tolist()),
                  ml.Support(nodes=high.tolist(), components=["x"])],
        sources=[ml.Source(name="press", nodes=high.tolist(), components=["y"],
                           displacement=[-0.01])],
        targets=[ml.Target(nodes=[4], components=["y"], displacement=[1.0])],
    )  # fmt: skip
    system = ml.System(net, task, ml.Beam()).set(width=0.1)
    every = ml.buckling(system).factors
    monkeypatch.setattr(module, "DENSE", 0)
    assert ml.buckling(system).factors == pytest.approx(every, rel=1e-6)


TOML = """
unit = "mm"
[material]
name = "aluminium"
[network]
points = [[0, 0], [50, 0], [100, 0]]
edges = [[0, 1], [1, 2]]
[energy]
model = "beam"
thickness = 5.0
[learn.width]
bounds = [0.5, 3.0]
initial = 1.0
[[supports]]
nodes = [0]
components = ["x", "y"]
[[supports]]
nodes = [2]
components = ["y"]
[[sources]]
nodes = [2]
components = ["x"]
force = [-20.0]
[[targets]]
nodes = [2]
components = ["x"]
displacement = [-0.1]
[train]
steps = 0
"""


def test_factor_of_a_part_on_two_ranks(tmp_path):
    """In summary.json, with a warning where it is below one."""
    (tmp_path / "task.toml").write_text(TOML.replace("-20.0", "-60.0"))
    said = command_on_ranks(2, "train", tmp_path / "task.toml", "-o", tmp_path / "run")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    load = np.pi**2 * 68900 * 5 / 12 / 100**2
    assert summary["buckling_factor"] == pytest.approx(load / 60, rel=1e-2)
    assert "buckles at" in " ".join(summary["warnings"])
    assert "Buckles at" in said.stdout


@pytest.mark.parametrize("energy", [ml.Bar(), ml.Solid()])
def test_what_cannot_buckle_is_refused(energy):
    net = ml.networks.triangular((3, 3))
    pull = ml.Source(nodes=[0, 8], strain=0.1)
    task = ml.Task(sources=[pull], targets=[ml.Target(nodes=[1, 7], strain=0.1)])
    with pytest.raises(ml.InputError, match="Buckling is found for springs and beams"):
        ml.buckling(ml.System(net, task, energy))
