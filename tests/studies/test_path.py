"""Equilibrium paths: limit points, branches and jumps against closed forms and published values."""

import csv
import json

import numpy as np
import pytest
from paths import ROOT
from ranks import on_ranks
from scipy.optimize import brentq
from scipy.special import ellipk

import mechlearn as ml
from mechlearn.cli import main

#: Half the span and the rise of a truss of two bars, their stiffness, and that of a spring on top.
B, H, K, TOP = 4.0, 3.0, 9.0, 1.4
BARS = ml.Network([[0, 0], [B, H], [2 * B, 0]], [[0, 1], [1, 2]])
STACK = ml.Network([[0, 0], [B, H], [2 * B, 0], [B, H + 8]], [[0, 1], [1, 2], [1, 3]])
REST = np.hypot(B, H)


def force(u):
    """Force on the apex of the two bars, moved down by ``u``."""
    y = H - u
    length = np.hypot(B, y)
    return 2 * K * (REST - length) * y / length


def apex_limits():
    """Displacements and forces of the apex at its limit points: where L^3 = B^2 L0."""
    rise = np.sqrt((B**2 * REST) ** (2 / 3) - B**2)
    return [(u, force(u)) for u in (H - rise, H + rise)]


def bars(**source):
    return ml.Task(
        supports=[ml.Support(nodes=[0, 2])],
        sources=[ml.Source(name="push", nodes=1, components=["y"], **source)],
        targets=[ml.Target(name="side", nodes=[0, 1], strain=0.1)],
    )


def stack(**source):
    return ml.Task(
        supports=[ml.Support(nodes=[0, 2]), ml.Support(nodes=[3], components=["x"])],
        sources=[ml.Source(name="push", nodes=3, components=["y"], **source)],
        targets=[ml.Target(name="apex", nodes=1, components=["y"], displacement=[-1.0])],
    )


def column(segments, width=0.05):
    """A hinged column of unit length and unit bending stiffness, and its parameters."""
    n = segments
    net = ml.Network([[i / n, 0.0] for i in range(n + 1)], [[i, i + 1] for i in range(n)])
    task = ml.Task(
        supports=[ml.Support(nodes=[0], components=["x", "y"]),
                  ml.Support(nodes=[n], components=["y"])],
        sources=[ml.Source(name="press", nodes=n, components=["x"], force=[-15.0])],
        targets=[ml.Target(name="aside", nodes=n // 2, components=["y"], displacement=[0.1])],
    )  # fmt: skip
    return net, task, {"width": width, "modulus": 12 / width**3, "poisson": 0.3}


def test_limit_points_of_two_bars_are_those_of_the_closed_form():
    found = ml.path(BARS, bars(force=[-20.0]), ml.FiniteSpring(), stiffness=K, steps=30)
    limits = [(-p["push"], -p["push.force"]) for p in found.limit_points]
    np.testing.assert_allclose(limits, apex_limits(), rtol=1e-9)
    np.testing.assert_allclose(-found["push.force"], force(-found["push"]), atol=1e-9)
    # Unstable where the force falls, under a force.
    (a, _), (b, _) = apex_limits()
    inside = (-found["push"] > a + 1e-6) & (-found["push"] < b - 1e-6)
    regular = found["kind"] == ""
    np.testing.assert_array_equal(found["stable"][regular], 1 - inside[regular].astype(int))
    assert float(found["factor"][-1]) == 1
    assert found.attrs["ended"] == ""


@pytest.mark.parametrize("load", [-100.0, -2000.0])
def test_a_load_far_above_the_snap_does_not_pass_it_by(load):
    source = {"name": "push", "nodes": 1, "components": ["y"], "force": [load]}
    task = ml.Task(supports=[ml.Support(nodes=[0, 2])], sources=[source],
                   targets=[ml.Target(name="snap", source="push", peak=1.0)])  # fmt: skip
    found = ml.path(BARS, task, ml.FiniteSpring(), stiffness=K, steps=4)
    limits = [(-p["push"], -p["push.force"]) for p in found.limit_points]
    np.testing.assert_allclose(limits, apex_limits(), rtol=1e-8)
    peak = ml.System(BARS, task, ml.FiniteSpring(), stiffness=K).outputs
    np.testing.assert_allclose(peak, apex_limits()[0][1], rtol=1e-8)


def test_a_path_that_snaps_back_under_displacement_is_followed():
    found = ml.path(STACK, stack(displacement=[-14.0]), ml.FiniteSpring(),
                    stiffness=[K, K, TOP], to=-9.0, steps=30)  # fmt: skip
    exact = [brentq(lambda u: 1 + (force(u + 1e-6) - force(u - 1e-6)) / 2e-6 / TOP, *ends)
             for ends in ((1.4, 3.0), (3.0, 4.6))]  # fmt: skip
    limits = found.limit_points
    np.testing.assert_allclose([-p["apex"] for p in limits], exact, rtol=1e-7)
    ends = [u + force(u) / TOP for u in exact]
    np.testing.assert_allclose([-p["push"] for p in limits], ends, rtol=1e-9)
    assert ends[1] < ends[0]


def test_the_force_of_a_stack_is_that_of_its_bars():
    found = ml.path(STACK, stack(force=[-9.0]), ml.FiniteSpring(), stiffness=[K, K, TOP], steps=40)
    limits = [(-p["apex"], -p["push.force"]) for p in found.limit_points[:2]]
    np.testing.assert_allclose(limits, apex_limits(), rtol=1e-8)


def test_slow_loading_jumps_and_comes_back_on_another_branch():
    task, options = bars(force=[-20.0]), {"stiffness": K, "steps": 20}
    found = ml.path(BARS, task, ml.FiniteSpring(), to=[-6, 0, 6], control="force", **options)
    assert found["stable"].values.all()
    at_rest = np.flatnonzero(found["factor"].values == 0)
    np.testing.assert_allclose(found["push"][at_rest], [0, -2 * H], atol=1e-9)
    imposed = ml.path(BARS, task, ml.FiniteSpring(), to=-7, control="displacement", **options)
    np.testing.assert_allclose(-imposed["push.force"], force(-imposed["push"]), atol=1e-9)


def test_a_hinged_column_buckles_at_eulers_load_and_bends_as_the_elastica():
    euler, found = [], None
    for segments in (8, 16):
        net, task, made = column(segments)
        found = ml.path(net, task, ml.FiniteBeam(segments=1), steps=20, branch=True, **made)
        assert [p["press.force"] for p in found.bifurcations]
        euler.append(-found.bifurcations[0]["press.force"])
    # With shortening and shear, P (1 + P / GA - P / EA) is Euler's load: Z. P. Bazant, L. Cedolin,
    # Stability of Structures (1991), section 1.7.
    soft = (2.6 * 6 / 5 - 1) / (12 / 0.05**2)
    exact = (np.sqrt(1 + 4 * soft * np.pi**2) - 1) / (2 * soft)
    assert euler[1] + (euler[1] - euler[0]) / 3 == pytest.approx(exact, rel=1e-4)
    # The deflection over the length is k / K(k), under the load (2 K(k))^2: S. P. Timoshenko,
    # J. M. Gere, Theory of Elastic Stability (1961), section 2.7.
    bent = found.isel(point=found["aside"].values < -0.05)
    assert len(bent.point)
    moduli = [brentq(lambda k, p=p: 4 * ellipk(k * k) - 2 * np.sqrt(p), 1e-9, 0.999)
              for p in -bent["press.force"].values * np.pi**2 / euler[1]]  # fmt: skip
    deflection = [k / ellipk(k * k) for k in moduli]
    np.testing.assert_allclose(-bent["aside"], deflection, rtol=0.01)


def test_slopes_of_limit_loads_are_those_of_differences():
    def limits(stiffness):
        at = ml.System(BARS, bars(force=[-20.0]), ml.FiniteSpring(), stiffness=stiffness).load(0.0)
        follower, start = at.equilibrium.path(at.problem.values, 0.0)
        path = follower.follow(start, 1.0, 1 / 30 / start.rate.factor)
        points = [p for p in path if p.kind == "limit"]
        return [p.at.factor for p in points], [follower.slopes(p, "stiffness") for p in points]

    stiffness, h = np.array([9.0, 7.0]), 1e-4
    exact = limits(stiffness)[1]
    moves = h * np.eye(2)
    differences = [
        np.subtract(limits(stiffness + d)[0], limits(stiffness - d)[0]) / (2 * h) for d in moves
    ]
    np.testing.assert_allclose(exact, np.transpose(differences), rtol=1e-6)


TOML = """
[network]
points = [[0, 0], [4, 3], [8, 0]]
edges = [[0, 1], [1, 2]]
[energy]
model = "finite_spring"
[learn.stiffness]
bounds = [1, 20]
initial = 9.0
[[supports]]
nodes = [0, 2]
[[sources]]
name = "push"
nodes = [1]
components = ["y"]
force = [-20.0]
[[targets]]
name = "side"
nodes = [0, 1]
strain = 0.1
[path]
steps = 40
"""


def command(*words):
    with pytest.raises(SystemExit) as stop:
        main([*map(str, words)])
    return stop.value.code


def test_the_command_writes_a_table_a_summary_and_a_picture(tmp_path):
    (tmp_path / "truss.toml").write_text(TOML)
    assert command("path", tmp_path / "truss.toml", "-o", tmp_path / "out") == 0
    rows = list(csv.DictReader((tmp_path / "out/path.csv").read_text().splitlines()))
    assert list(rows[0]) == ["factor", "push", "push.force", "side", "energy", "stable"]
    assert {row["stable"] for row in rows} == {"0", "1"}
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    limits = [(-p["push"], -p["push.force"]) for p in summary["limit_points"]]
    np.testing.assert_allclose(limits, apex_limits(), rtol=1e-8)
    assert set(summary["limit_points"][0]) == {"factor", "push", "push.force", "side", "energy"}
    assert (tmp_path / "out/path.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("change", "words", "said"),
    [
        (("finite_spring", "spring"), (), "answers in proportion to its load"),
        ((), ("--source", "pull"), "source = 'pull' is none of the task's"),
        ((), ("--steps", "0"), "steps = 0 must be"),
        ((), ("--to", "0"), "is where the path of 'push' begins"),
        (("steps = 40", "to = [[1.0, 2.0]]"), (), "value of 'push' at the end, 1 number"),
        (("-20.0", "0.0"), (), "'push' is 0 in the task, and so are all sources"),
    ],
)
def test_a_path_that_makes_no_sense_is_refused(tmp_path, capsys, change, words, said):
    (tmp_path / "truss.toml").write_text(TOML.replace(*change) if change else TOML)
    assert command("path", tmp_path / "truss.toml", "-o", tmp_path / "out", *words) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_check_says_where_a_path_leads(tmp_path, capsys):
    task = tmp_path / "truss.toml"
    task.write_text(TOML + "to = [-10, 0]\n")
    command("check", task)
    assert "path      along 'push', by arc, to load factor 0.5, then 0" in capsys.readouterr().out
    task.write_text(TOML + 'source = "pull"\n')
    assert command("check", task) == 2
    assert "source = 'pull' is none of the task's" in capsys.readouterr().err


def test_a_check_of_limit_loads_says_of_what_source(capsys):
    command("check", ROOT / "tasks/toggle.toml")
    said = capsys.readouterr().out
    assert "3 nodes, 2 bonds, coordination 1.333, 1 triple\n" in said
    assert "source    'push' at node 1: force [9.0]\n" in said
    assert "target    'peak' of source 'push': peak 8.0\n" in said


def test_of_a_source_with_a_path_the_stiffness_at_rest_is_known():
    from mechlearn.equilibrium.driving import source_table

    task = bars(force=[-8.0]).model_copy(
        update={"targets": [ml.Target(name="peak", source="push", peak=5.0)]}
    )
    at = ml.System(BARS, task, ml.FiniteSpring(), stiffness=K)
    [row] = source_table(at.equilibrium, at.free)
    assert row == {"name": "push", "displacement": None, "force": None, "work": None,
                   "stiffness": pytest.approx(2 * K * (H / REST) ** 2)}  # fmt: skip


def test_ranks_find_one_path():
    steps = dict(steps=10, stiffness=[K, K, TOP])
    alone = ml.path(STACK, stack(force=[-9.0]), ml.FiniteSpring(), **steps)
    for found in on_ranks(2, path_of_stack):
        np.testing.assert_allclose(found, alone["push"], rtol=1e-8, atol=1e-10)


def path_of_stack():
    found = ml.path(STACK, stack(force=[-9.0]), ml.FiniteSpring(), steps=10, stiffness=[K, K, TOP])
    return found["push"].values


def test_limit_points_under_imposed_displacements_are_passed():
    """At each the constrained stiffness is singular to rounding, though that of the net is not."""
    net = ml.networks.delaunay(nodes=36, seed=1)
    low, height = np.flatnonzero(net.nodes[:, 1] < 1), np.ptp(net.nodes[:, 1])
    task = ml.Task(
        supports=[ml.Support(nodes=low.tolist())],
        sources=[ml.Source(name="push", nodes=int(np.argmax(net.nodes[:, 1])), components=["y"],
                           displacement=[-0.3 * height])],
        targets=[ml.Target(nodes=[0, 1], strain=0.1)],
    )  # fmt: skip
    found = ml.path(net, task, ml.FiniteSpring(), steps=100)
    factor, kind = found["factor"].values, found["kind"].values
    regular, limits = factor[kind == ""], factor[kind == "limit"]
    turns = np.flatnonzero(np.diff(np.sign(np.diff(regular))))
    assert len(limits) == len(turns) == 3
    np.testing.assert_allclose(limits, regular[turns + 1], atol=1e-3)
    work = np.trapezoid(found["push.force"], found["push"])
    assert work == pytest.approx(float(found["energy"][-1]), rel=1e-3)
