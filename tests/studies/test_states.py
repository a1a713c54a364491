"""Stable states, barriers and transitions against closed forms and independent minimisations."""

import csv
import json
from itertools import product

import numpy as np
import pytest
from ranks import on_ranks
from scipy.optimize import brentq, minimize
from test_path import BARS, STACK, TOML, TOP, bars, column, command, force, stack

import mechlearn as ml
from mechlearn.energies.catalogue import Bistable

#: Half the span and the rise of two bars with an angular spring, and the bars' stiffness.
B, H, K = 4.0, 3.0, 9.0
TOGGLE = ml.networks.with_angles(ml.Network([[0, 0], [B, H], [2 * B, 0]], [[0, 1], [1, 2]]))
PUSH = ml.Task(
    supports=[ml.Support(nodes=[0, 2])],
    sources=[ml.Source(name="push", nodes=1, components=["y"], force=[-20.0])],
    targets=[ml.Target(name="side", nodes=[0, 1], strain=0.1)],
)
PUSH_SOLID = ml.Task(
    supports=[ml.Support(nodes=[0])],
    sources=[ml.Source(nodes=1, components=["y"], force=[-1.0])],
    targets=[ml.Target(nodes=1, components=["x"], displacement=[0.1])],
)
#: Energies between the two lengths of bistable bonds in a row, and how far these are apart.
HEIGHTS, SNAP = np.array([0.1, 0.15, 0.2]), 0.4


def toggle_energy(y, ratio):
    """Energy at a height of the apex on the axis."""
    stretch, turn = np.hypot(B, y) - np.hypot(B, H), 2 * (np.arctan2(B, y) - np.arctan2(B, H))
    return K * stretch**2 + ratio * K * turn**2 / 2


def toggle(ratio, **options):
    springs = {"stiffness": K, "angle_stiffness": ratio * K}
    energy = ml.FiniteSpring() + ml.Angle()
    return ml.states(TOGGLE, PUSH, energy, **springs, **options)


def row(n):
    """Bistable bonds in a row, of which the end is pulled."""
    net = ml.Network([[i, 0.0] for i in range(n + 1)], [[i, i + 1] for i in range(n)])
    every = list(range(n + 1))
    task = ml.Task(
        supports=[ml.Support(nodes=[0]), ml.Support(nodes=every, components=["y"])],
        sources=[ml.Source(name="pull", nodes=n, components=["x"], force=[1.0])],
        targets=[ml.Target(name="first", nodes=1, components=["x"], displacement=[0.1])],
    )
    return net, task, {"barrier": HEIGHTS[:n], "snap": SNAP}


def slope(f, x, h=1e-5):
    return (f(x + h) - f(x - h)) / (2 * h)


def test_a_toggle_has_two_states_and_the_barrier_of_the_closed_form():
    found = toggle(0.3)
    exact = [brentq(lambda y: slope(lambda z: toggle_energy(z, 0.3), y), *ends, xtol=1e-13)
             for ends in ((2.0, 4.0), (-1.5, 0.5), (-4.0, -1.5))]  # fmt: skip
    np.testing.assert_allclose(found["push"], [exact[0] - H, exact[2] - H], atol=1e-8)
    np.testing.assert_allclose(found["energy"][1], toggle_energy(exact[2], 0.3), rtol=1e-10)
    lowest = min(found.barriers, key=lambda row: row["potential"])
    top = toggle_energy(exact[1], 0.3)
    assert lowest["states"] == [0, 1]
    np.testing.assert_allclose(
        lowest["barriers"], [top, top - toggle_energy(exact[2], 0.3)], rtol=1e-10
    )
    assert (found["saddle.index"] >= 1).all()


@pytest.mark.parametrize(("ratio", "states"), [(0.5825, 2), (0.5827, 1)])
def test_a_toggle_is_bistable_up_to_a_ratio_of_stiffnesses(ratio, states):
    found = toggle(ratio, search="path", barriers=False)
    assert found.sizes["state"] == states


def test_a_row_of_bistable_bonds_has_every_combination_and_its_barriers():
    net, task, springs = row(3)
    found = ml.states(net, task, Bistable(), search="random", starts=64, amplitude=0.8, **springs)
    moves = found["states"].values[:, :, 0]
    open_ = np.diff(moves, axis=1) / SNAP
    assert {tuple(row) for row in open_.round(8)} == set(product((0.0, 1.0), repeat=3))
    assert found["found"].sum() == 64
    heights = {}
    for entry in found.barriers:
        [bond] = np.flatnonzero(np.abs(np.subtract(*open_[entry["states"]])) > 0.5)
        heights.setdefault(int(bond), []).append(entry["barriers"])
    for bond, each in heights.items():
        np.testing.assert_allclose(each, np.full((4, 2), HEIGHTS[bond]), rtol=1e-10)
    assert sorted(heights) == [0, 1, 2]


def test_bistable_bonds_under_a_force_switch_as_preisachs_hysterons():
    net, task, springs = row(3)
    found = ml.states(net, task, Bistable(), search="random", starts=64, amplitude=0.8,
                      barriers=False, protocol="force", to=[-2.0, 2.0], **springs)  # fmt: skip
    state = [tuple(row) for row in (np.diff(found["states"].values[:, :, 0]) > SNAP / 2).tolist()]
    # The force of a bond has its extrema of 16 E / (3 sqrt(3) s) at s (1 -+ 1 / sqrt(3)) / 2.
    force = 16 * HEIGHTS / (3 * np.sqrt(3) * SNAP)
    wanted = set()
    for bits in product((False, True), repeat=3):
        for up in (False, True):
            if closed := [k for k in range(3) if bits[k] != up]:
                k = closed[0]
                after = (*bits[:k], up, *bits[k + 1 :])
                wanted.add((bits, after, round(force[k] * (1 if up else -1), 8), up))
    graph = found.graph
    assert {
        (state[a], state[b], round(d["load"], 8), d["upwards"])
        for a, b, d in graph.edges(data=True)
    } == wanted


def test_a_protocol_by_displacement_starts_where_states_are():
    found = toggle(0.3, search="path", barriers=False, protocol="displacement", to=[-8.0, 2.0])
    # Under displacement control of the apex nothing snaps.
    assert found.transitions == []
    loaded = toggle(0.3, search="path", barriers=False, protocol="force")
    # Limit points of the closed form's force.
    forces = -slope(lambda y: toggle_energy(y, 0.3), np.linspace(-3, 3, 20001))
    assert [row["upwards"] for row in loaded.transitions] == [True, False]
    loads = [-row["load"] for row in loaded.transitions]
    np.testing.assert_allclose(loads, [forces.max(), forces.min()], rtol=1e-6)


def snaps_of_the_stack():
    """Displacements of the end of a stack at which its bars snap through, and back."""
    apex = [brentq(lambda u: 1 + slope(force, u) / TOP, *ends, xtol=1e-13)
            for ends in ((1.4, 3.0), (3.0, 4.6))]  # fmt: skip
    return [u + force(u) / TOP for u in apex]


def test_states_at_an_imposed_displacement_lie_in_the_loop_of_the_stack():
    end = sum(snaps_of_the_stack()) / 2
    found = ml.states(STACK, stack(displacement=[-end]), ml.FiniteSpring(), factor=1.0,
                      stiffness=[K, K, TOP], starts=12)  # fmt: skip
    np.testing.assert_allclose(found["push"], -end, atol=1e-12)
    exact = [brentq(lambda u: u + force(u) / TOP - end, *ends) for ends in ((0, 2), (2, 4), (4, 6))]
    np.testing.assert_allclose(found["apex"], [-exact[0], -exact[2]], atol=1e-9)
    lowest = min(found.barriers, key=lambda row: row["potential"])
    # Straight bars, each shorter by 1, and the spring above, which is shorter by end - H.
    assert lowest["potential"] == pytest.approx(K + TOP * (end - exact[1]) ** 2 / 2, rel=1e-9)


def test_a_stack_snaps_and_comes_back_at_the_displacements_of_the_closed_form():
    found = ml.states(STACK, stack(displacement=[-3.0]), ml.FiniteSpring(), barriers=False,
                      stiffness=[K, K, TOP], search="path", protocol="displacement",
                      to=[-14.0, 1.0])  # fmt: skip
    np.testing.assert_allclose(found["apex"], [0, -2 * H], atol=1e-9)
    assert [(row["from"], row["to"], row["upwards"]) for row in found.transitions] == [
        (0, 1, True), (1, 0, False),
    ]  # fmt: skip
    loads = [-row["load"] for row in found.transitions]
    np.testing.assert_allclose(loads, snaps_of_the_stack(), rtol=1e-8)


def test_states_are_those_of_an_independent_minimisation():
    rng = np.random.default_rng(3)
    nodes = np.array([[0.0, 0.0], [3.0, 0.0], [0.8, 1.0], [2.1, 0.9], [1.5, 0.3]])
    edges = np.array([[0, 2], [2, 3], [3, 1], [0, 4], [4, 1], [4, 2], [4, 3]])
    stiffness = rng.uniform(1, 3, len(edges))
    net = ml.Network(nodes, edges)
    task = ml.Task(supports=[ml.Support(nodes=[0, 1])],
                   targets=[ml.Target(nodes=[2, 3], strain=0.1)])  # fmt: skip
    found = ml.states(net, task, ml.FiniteSpring(), stiffness=stiffness, starts=24)
    rest = np.linalg.norm(nodes[edges[:, 1]] - nodes[edges[:, 0]], axis=1)

    def energy(free):
        x = nodes.copy()
        x[2:] += free.reshape(-1, 2)
        stretch = np.linalg.norm(x[edges[:, 1]] - x[edges[:, 0]], axis=1) - rest
        return float(stiffness @ stretch**2) / 2

    assert found.sizes["state"] > 2
    for move, value in zip(found["states"].values, found["energy"].values, strict=True):
        nearby = move[2:].ravel() + rng.uniform(-1e-3, 1e-3, 6)
        again = minimize(energy, nearby, method="BFGS", options={"gtol": 1e-9})
        np.testing.assert_allclose(again.x, move[2:].ravel(), atol=1e-6)
        assert energy(move[2:].ravel()) == pytest.approx(value, abs=1e-12)


def test_a_buckled_column_has_two_mirror_images_beside_the_straight_one():
    net, task, made = column(16)
    found = ml.states(net, task, ml.FiniteBeam(segments=1), factor=0.9, starts=12, **made)
    np.testing.assert_allclose(found["aside"][0], -found["aside"][1], rtol=1e-9)
    # A straight column of stiffness EA = 12 / width^2 is pressed by P / EA.
    [top] = found.barriers
    assert top["states"] == [0, 1]
    assert top["potential"] == pytest.approx(-(13.5**2) / (2 * 12 / made["width"] ** 2), rel=1e-9)
    np.testing.assert_allclose(*top["barriers"], rtol=1e-9)


def dome():
    """Three bars to an apex in space."""
    around = 2 * np.pi * np.arange(3) / 3
    feet = np.column_stack([np.cos(around), np.sin(around), 0 * around])
    net = ml.Network([*feet, [0, 0, 0.5]], [[0, 3], [1, 3], [2, 3]])
    return net, ml.Task(
        supports=[ml.Support(nodes=[0, 1, 2])],
        sources=[ml.Source(name="push", nodes=3, components=["z"], force=[-1.0])],
        targets=[ml.Target(name="aside", nodes=3, components=["x"], displacement=[0.1])],
    )


def test_a_dome_in_space_snaps_to_its_mirror_image():
    net, task = dome()
    found = ml.states(net, task, ml.FiniteSpring(), stiffness=2.0, starts=8)
    np.testing.assert_allclose(found["push"], [0, -1.0], atol=1e-9)
    lowest = min(row["potential"] for row in found.barriers)
    assert lowest <= 3 * (np.hypot(1, 0.5) - 1) ** 2 * (1 + 1e-9)


def test_two_bonds_in_a_periodic_cell_share_its_length():
    net = ml.Network([[0.0, 0.0], [1.2, 0.0]], [[0, 1], [1, 0]],
                     cell=[[2 + SNAP, 0.0], [0.0, 1.0]], shifts=[[0, 0], [1, 0]])  # fmt: skip
    task = ml.Task(supports=[ml.Support(nodes=[0, 1], components=["y"])],
                   targets=[ml.Target(nodes=[0, 1], strain=0.1)])  # fmt: skip
    found = ml.states(net, task, Bistable(), barrier=0.1, snap=SNAP, rest_length=1.0, starts=8,
                      amplitude=0.5)  # fmt: skip
    gap = np.diff(found["states"].values[:, :, 0])[:, 0]
    np.testing.assert_allclose(sorted(gap), [-SNAP / 2, SNAP / 2], atol=1e-9)
    assert {tuple(np.round(row["barriers"], 9)) for row in found.barriers} == {(0.2, 0.2)}


def test_states_of_a_cell_that_deforms_have_its_strain():
    net = ml.networks.packing(nodes=30, seed=1, periodic=True)
    task = ml.Task(sources=[ml.Source(name="press", cell="yy", strain=-0.02)],
                   targets=[ml.Target(source="press", stress=0.1)])  # fmt: skip
    found = ml.states(net, task, "finite_spring", search="path", barriers=False, factor=1.0)
    assert found["cell"].shape == (found.sizes["state"], 2, 2)
    np.testing.assert_allclose(found["cell"][0, 1, 1], -0.02)


def test_copies_of_a_network_that_nothing_holds_are_one_state():
    # A triangle of equal bonds is its mirror image, turned and with two nodes exchanged.
    net = ml.Network([[0, 0], [1, 0], [0.5, np.sqrt(0.75)]], [[0, 1], [1, 2], [2, 0]])
    task = ml.Task(targets=[ml.Target(nodes=[0, 2], strain=0.1)])
    even = ml.states(net, task, ml.FiniteSpring(), stiffness=1.0, rest_length=1.1, starts=12)
    assert even.sizes["state"] == 1
    uneven = ml.states(net, task, ml.FiniteSpring(), stiffness=1.0, rest_length=[1.0, 1.1, 1.2],
                       starts=12)  # fmt: skip
    assert uneven.sizes["state"] == 2


def states_of_toggle():
    found = toggle(0.3, search=["path", "random"], starts=2, barriers=1, protocol="force")
    loads = found["load"].values
    return (
        found["push"].values,
        found["saddle.potential"].values,
        found["saddle.ends"].values,
        loads,
    )


def test_ranks_find_the_same_states():
    alone = states_of_toggle()
    for each in on_ranks(2, states_of_toggle):
        for mine, wanted in zip(each, alone, strict=True):
            np.testing.assert_allclose(mine, wanted, rtol=1e-8, atol=1e-10)


def test_a_seed_repeats_the_search():
    a, b = (toggle(0.3, search="random", starts=10, seed=4, barriers=False) for _ in range(2))
    assert a.identical(b)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"search": "annealing"}, "search = \\['annealing'\\] must be of path, deflation and"),
        ({"starts": -1}, "starts = -1 must be a whole number"),
        ({"amplitude": 0.0}, "amplitude = 0.0 must be a number above 0"),
        ({"factor": np.inf}, "factor = inf must be a number"),
        ({"protocol": "heat"}, "protocol = 'heat' is none of"),
        ({"source": "pull", "search": "random"}, "source = 'pull' is none of the task's"),
        ({"protocol": "displacement"}, "control: say up to what value"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, said):
    with pytest.raises(ml.InputError, match=said):
        toggle(0.3, **options)


def test_networks_without_isolated_states_are_refused():
    with pytest.raises(ml.InputError, match="A spring has one state at any load"):
        ml.states(TOGGLE, PUSH, ml.Spring())
    with pytest.raises(ml.InputError, match="States of solids are not looked for"):
        ml.states(ml.Network([[0, 0], [1, 0]], [[0, 1]]), PUSH_SOLID,
                  ml.Solid(material="neo_hookean"), width=0.1)  # fmt: skip
    net, task, springs = row(2)
    # Nothing but their tension keeps the bonds in a row.
    ends = ml.Support(nodes=[0, 2], components=["y"])
    loose = ml.Task(supports=[task.supports[0], ends], sources=task.sources, targets=task.targets)
    with pytest.raises(ml.SolveError, match="a part moves without resistance"):
        ml.states(net, loose, Bistable(), starts=4, **springs)
    held = ml.Task(
        sources=[ml.Source(nodes=[0, 2], displacement=[0.0, 0.0]),
                 ml.Source(nodes=1, components=["y"], displacement=[-0.1])],
        targets=[ml.Target(nodes=[0, 1], strain=0.1)],
    )  # fmt: skip
    with pytest.raises(ml.InputError, match="other displacements are imposed, too"):
        ml.states(TOGGLE, held, ml.FiniteSpring() + ml.Angle(), factor=1.0, protocol="displacement")
    with pytest.raises(ml.InputError, match="Nothing holds the network as a whole once"):
        ml.states(TOGGLE, held, ml.FiniteSpring() + ml.Angle())


def test_the_command_writes_tables_and_pictures(tmp_path):
    (tmp_path / "truss.toml").write_text(TOML)
    words = ("states", tmp_path / "truss.toml", "-o", tmp_path / "out", "--protocol", "force")
    assert command(*words, "--starts", "4") == 0
    rows = list(csv.DictReader((tmp_path / "out/states.csv").read_text().splitlines()))
    assert [row["state"] for row in rows] == ["0", "1"]
    assert float(rows[1]["push"]) == pytest.approx(-6, abs=1e-9)
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    assert [row["upwards"] for row in summary["transitions"]] == [True, False]
    assert len(summary["states"]) == 2
    for name in ("landscape.png", "states.png"):
        assert (tmp_path / "out" / name).stat().st_size > 5000


def test_a_run_has_the_states_of_what_was_learned():
    run = ml.train(BARS, bars(force=[-0.1]), energy="finite_spring", learn="stiffness", steps=1)
    found = run.states(search="path", to=-5.0, barriers=False)
    assert found.sizes["state"] == 2
    np.testing.assert_allclose(found["push"], [0, -2 * H], atol=1e-9)


def test_what_has_one_state_is_refused_by_the_command(tmp_path, capsys):
    (tmp_path / "truss.toml").write_text(TOML.replace("finite_spring", "spring"))
    assert command("states", tmp_path / "truss.toml", "-o", tmp_path / "out") == 2
    assert "has one state at any load" in capsys.readouterr().err
