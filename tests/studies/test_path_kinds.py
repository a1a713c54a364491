"""Paths in space, of periodic cells, from prestress, with imperfections, and round loops."""

import json

import numpy as np
import pytest
from ranks import on_ranks
from scipy.optimize import minimize_scalar
from test_path import BARS, TOML, B, H, K, bars, column, command, force

import mechlearn as ml


def test_a_tripod_snaps_at_the_load_of_the_closed_form():
    """Three springs in space, under an oblique force that bends the path aside."""
    turns = 2 * np.pi * np.arange(3) / 3
    feet = np.column_stack([np.cos(turns), np.sin(turns), 0 * turns])
    net = ml.Network([*feet, [0, 0, 0.4]], [[0, 3], [1, 3], [2, 3]])

    def snaps(load):
        task = ml.Task(
            supports=[ml.Support(nodes=[0, 1, 2])],
            sources=[ml.Source(name="push", nodes=3, force=load)],
            targets=[ml.Target(name="leg", nodes=[0, 3], strain=0.1)],
        )
        found = ml.path(net, task, ml.FiniteSpring(), stiffness=2.0)
        return np.array([p["push.force.z"] for p in found.limit_points])

    def down(u):
        length = np.hypot(1, 0.4 - u)
        return 3 * 2.0 * (np.hypot(1, 0.4) - length) * (0.4 - u) / length

    peak = -minimize_scalar(lambda u: -down(u), bounds=(0, 0.4), options={"xatol": 1e-9}).fun
    np.testing.assert_allclose(snaps([0, 0, -0.2]), [-peak, peak], rtol=1e-9)
    oblique = snaps([0.02, 0, -0.2])
    assert 0 < abs(oblique[0] / peak + 1) < 0.01


def test_a_periodic_cell_is_compressed_past_its_peak():
    """Cells of zigzag bars between plates that hold them: each is a truss of two bars."""
    cell = [[2 * B, 0.0], [0.0, 20.0]]
    net = ml.Network([[0, 0], [B, H]], [[0, 1], [1, 0]], cell=cell, shifts=[[0, 0], [1, 0]])
    task = ml.Task(
        supports=[ml.Support(nodes=[0])],
        sources=[ml.Source(name="push", nodes=1, components=["y"], displacement=[-7.0])],
        targets=[ml.Target(name="leg", nodes=[0, 1], strain=0.1)],
    )
    found = ml.path(net, task, ml.FiniteSpring(), stiffness=K, steps=20)
    np.testing.assert_allclose(-found["push.force"], force(-found["push"]), atol=1e-9)


def test_a_deforming_cell_gives_back_the_work_of_its_stress():
    net = ml.networks.packing(nodes=32, seed=1, periodic=True)
    task = ml.Task(
        sources=[ml.Source(name="press", cell=["xx"], strain=[-0.1])],
        targets=[ml.Target(nodes=[0, 1], strain=0.1)],
    )
    found = ml.path(net, task, ml.FiniteSpring(), steps=60)
    area = abs(np.linalg.det(net.cell))
    work = area * np.trapezoid(found["press.force"], found["press"])
    assert work == pytest.approx(float(found["energy"][-1]), rel=1e-3)
    np.testing.assert_allclose(found["cell"][:, 0, 0], found["press"], atol=1e-9)


@pytest.mark.parametrize("baseline", ["unloaded", "reference"])
def test_prestressed_bars_snap_from_where_they_settle(baseline):
    longer, rest = 5.3, np.hypot(B, H)
    task = bars(force=[-9.0]).model_copy(
        update={"targets": [ml.Target(name="side", nodes=[0, 1], strain=0.1, baseline=baseline)]}
    )
    found = ml.path(BARS, task, ml.FiniteSpring(), stiffness=K, rest_length=longer)
    [limit, *_] = found.limit_points
    settled, snapped = (np.sqrt(s - B**2) for s in (longer**2, (B**2 * longer) ** (2 / 3)))
    zero = settled if baseline == "unloaded" else H
    assert limit["push"] == pytest.approx(snapped - zero, rel=1e-8)
    length = np.hypot(B, snapped)
    peak = 2 * K * (longer - length) * snapped / length
    assert -limit["push.force"] == pytest.approx(peak, rel=1e-8)
    first = longer if baseline == "unloaded" else rest
    assert limit["side"] == pytest.approx(length / first - 1, rel=1e-8)


def test_slopes_of_limit_loads_from_prestress_are_those_of_differences():
    task = bars(force=[-9.0]).model_copy(
        update={"targets": [ml.Target(name="peak", source="push", peak=8.0),
                            ml.Target(name="valley", source="push", valley=1.0)]}
    )  # fmt: skip
    lengths, h = np.array([5.3, 5.4]), 1e-4

    def system(rest):
        return ml.System(BARS, task, ml.FiniteSpring(), stiffness=[9.0, 8.0], rest_length=rest)

    differences = [
        (system(lengths + d).outputs - system(lengths - d).outputs)[0] / (2 * h)
        for d in h * np.eye(2)
    ]
    exact = system(lengths).jacobian("rest_length")[0]
    np.testing.assert_allclose(exact, np.transpose(differences), rtol=1e-6)


def test_states_without_load_are_found_on_the_way(tmp_path):
    """Of two bars: at rest, flat (unstable), and upside down."""
    found = ml.path(BARS, bars(force=[-8.0]), ml.FiniteSpring(), stiffness=K, to=[-8, 0])
    np.testing.assert_allclose([-p["push"] for p in found.unloaded], [0, H, 2 * H], atol=1e-9)
    assert [p["stable"] for p in found.unloaded] == [1, 0, 1]
    (tmp_path / "truss.toml").write_text(TOML)
    assert command("path", tmp_path / "truss.toml", "-o", tmp_path / "out") == 0
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert summary["stable_unloaded"] == 2
    assert len(summary["unloaded"]) == 3


def test_a_loop_of_loading_dissipates_the_jumps_of_its_energy():
    """Under a force that goes up and down; what an imposed displacement does is given back."""
    options = {"stiffness": K, "steps": 60}
    loop = ml.path(BARS, bars(force=[-6.0]), ml.FiniteSpring(), control="force",
                   to=[-6, 0, 6, 0], **options)  # fmt: skip
    work = np.trapezoid(loop["push.force"], loop["push"])
    snap = max(-p["push.force"] for p in ml.path(BARS, bars(force=[-6.0]), ml.FiniteSpring(),
                                                 **options).limit_points)  # fmt: skip
    u = np.linspace(0, 8, 40001)
    up = np.argmax(force(u[: len(u) // 3]))
    landed = up + np.argmax(force(u[up:]) > snap + 1e-12)
    jump = np.trapezoid(snap - force(u[up : landed + 1]), u[up : landed + 1])
    # The load goes in steps of 0.1, and so jumps at up to that above the peak.
    assert work == pytest.approx(2 * jump, rel=0.03)
    held = ml.path(BARS, bars(displacement=[-7.0]), ml.FiniteSpring(), to=[-7, 0],
                   control="displacement", **options)  # fmt: skip
    assert abs(np.trapezoid(held["push.force"], held["push"])) < 1e-9


def test_a_column_with_an_imperfection_bends_without_a_bifurcation():
    net, task, made = column(8)
    branch = ml.path(net, task, ml.FiniteBeam(segments=1), steps=20, branch=True, **made)
    aside = ml.Source(name="aside", nodes=4, components=["y"], force=[1e-2])
    other = task.model_copy(
        update={
            "sources": [*task.sources, aside],
            "targets": [ml.Target(name="middle", nodes=2, components=["y"], displacement=[0.1])],
        }
    )
    bent = ml.path(net, other, ml.FiniteBeam(segments=1), steps=20, **made)
    assert bent.bifurcations == bent.limit_points == []
    assert bent["stable"].values.all()
    far = float(bent["aside"][-1])
    assert far == pytest.approx(abs(float(branch["aside"][-1])), rel=0.01)
    assert far > 0.1


def cycle():
    """Displacements of two bars under a force that goes up and down."""
    found = ml.path(BARS, bars(force=[-6.0]), ml.FiniteSpring(), stiffness=K, steps=10,
                    to=[-6, 6, 0])  # fmt: skip
    return found["push"].values


def test_ranks_go_round_one_cycle():
    alone = cycle()
    for found in on_ranks(2, cycle):
        np.testing.assert_allclose(found, alone, rtol=1e-8, atol=1e-8)
