"""Places that are driven and read: solids, cells, bars, frames in space, mechanisms, two ranks."""

import numpy as np
import pytest
from conftest import random_network
from ranks import on_ranks
from test_ports import RULES, bench, reads

import mechlearn as ml
from mechlearn.cli import main
from mechlearn.learning.rules import GradientDescent

# Two nodes up, three bonds from supports that nothing else holds apart.
TRIPOD = ml.Network([[0, 0], [1, 0], [2, 0.1], [0.7, 0.8]], [[0, 3], [1, 3], [2, 3]])
FRAME = ml.Network([[0, 0], [0, 1.2], [0.24, 1.2], [1.2, 1.2]], [[0, 1], [1, 2], [2, 3]])


def given_back(network, energy, supports, imposed, across, through, **learn):
    """The imposed value, and the one that its own force makes when applied in its place."""
    at = {"supports": supports}
    quantity, value = imposed
    one = ml.Source(name="in", **across, **{quantity: value})
    need = ml.Target(source="in", **{through: 1.0 if np.isscalar(value) else [1.0] * len(value)})
    force = reads(network, ml.Task(**at, sources=[one], targets=[need]), energy, **learn)[0]
    other = ml.Source(name="in", **across, **{through: force})
    way = ml.Target(source="in", **{quantity: value})
    found = reads(network, ml.Task(**at, sources=[other], targets=[way]), energy, **learn)[0]
    return np.ravel(found), np.ravel(value)


def slope(network, task, energy, name, values):
    """Order of what is left of the cost beside its gradient, from three sizes of step."""
    _, cost, signal = bench(network, task, energy, name, values)
    exact, first = signal(GradientDescent()), cost(values)
    direction = np.random.default_rng(1).standard_normal(len(values)) * values
    sizes = 4e-3 * 0.5 ** np.arange(3)
    left = [abs(cost(values + h * direction) - first - h * exact @ direction) for h in sizes]
    return np.log2(left[0] / left[-1]) / 2


@pytest.mark.parametrize("kind", ["bar", "frame", "finite frame", "cell", "finite cell"])
def test_a_force_and_what_it_moves_are_each_others_inverse(kind, space, torus):
    held = [ml.Support(nodes=[0, 1, 2])]
    node, cell = {"nodes": [3], "components": ["x", "y"]}, {"cell": ["xx", "xy"]}
    network, energy, name, value = {
        "bar": (space, ml.Bar(), "radius", 0.1),
        "frame": (space, ml.Beam(), "radius", 0.1),
        "finite frame": (TRIPOD, ml.FiniteBeam(segments=1), "width", 0.1),
        "cell": (torus, ml.Spring(), "stiffness", 1.0),
        "finite cell": (torus, ml.FiniteSpring(), "stiffness", 1.0),
    }[kind]
    supports, at = (held, node) if network is not torus else ([], cell)
    moved = "displacement" if network is not torus else "strain"
    through = "force" if network is not torus else "stress"
    move = moved, [0.02, -0.01]
    learn = {name: ml.Learn(bounds=(value / 10, value * 10), initial=value)}
    found, imposed = given_back(network, energy, supports, move, at, through, **learn)
    assert found == pytest.approx(imposed, rel=1e-8)
    values = value * np.random.default_rng(0).uniform(0.8, 1.2, network.n_edges)
    for source, target in (
        ({move[0]: move[1]}, {through: [0.5, 0.1]}),
        ({through: [1e-3, 2e-3]}, {move[0]: [0.02, 0.05]}),
    ):
        task = ml.Task(
            supports=supports,
            sources=[ml.Source(name="in", **at, **source)],
            targets=[ml.Target(source="in", **target)],
        )
        assert slope(network, task, energy, name, values) > 1.95


@pytest.mark.parametrize(("width", "within"), [(0.05, 0.02), (0.1, 0.04)])
def test_the_tip_of_a_solid_cantilever_gives_way_as_a_beam(width, within):
    """P L^3 / 3 E I + P L / k G A, from node to node."""
    bar = ml.Network([[0, 0], [1, 0]], [[0, 1]])
    task = ml.Task(
        supports=[ml.Support(nodes=[0])],
        sources=[ml.Source(name="P", nodes=[1], force=[0.0, 1e-6])],
        targets=[ml.Target(source="P", components=["y"], displacement=[1e-3])],
    )
    sag = 1e-6 * (4 / width**3 + 1 / (5 / 6 * width / 2.6))
    found = reads(bar, task, ml.Solid(), width=ml.Learn(bounds=(0.01, 0.3), initial=width))
    assert found == pytest.approx([sag], rel=within)


def test_a_solid_learns_how_far_it_gives_way():
    """By every rule; its gradient by modulus and by width is exact."""
    square = ml.Network(
        [[0, 0], [1, 0], [0, 1], [1, 1.2]], [[0, 1], [0, 2], [1, 3], [2, 3], [0, 3]]
    )
    task = ml.Task(
        supports=[ml.Support(nodes=[0])],
        sources=[ml.Source(name="P", nodes=[3], components=["x"], force=[1e-4])],
        targets=[ml.Target(source="P", displacement=[0.02])],
    )
    values = np.random.default_rng(0).uniform(0.8, 1.2, 5)
    assert slope(square, task, ml.Solid(), "modulus", values) > 1.95
    learn = {"modulus": ml.Learn(bounds=(0.1, 10.0), initial=1.0)}
    first = reads(square, task, ml.Solid(), **learn)[0]
    target = ml.Target(source="P", displacement=[1.3 * float(np.ravel(first)[0])])
    task = task.model_copy(update={"targets": [target]})
    soft = ml.EquilibriumPropagation(beta=1e-4)
    for rule in (RULES["coupled"], soft, RULES["gradient"]):
        run = ml.train(square, task, energy=ml.Solid(), learn=learn, rule=rule, steps=60)
        assert run.converged, rule


def tripod(forces):
    return ml.Task(
        supports=[ml.Support(nodes=[0, 1, 2])],
        sources=[ml.Source(name="P", nodes=[3], force=[0.002, -0.01])],
        targets=[
            ml.Target(name=f"r{i}", nodes=[i], force=[float(f) for f in force])
            for i, force in enumerate(forces)
        ],
    )


@pytest.mark.parametrize("rule", ["coupled", "contrastive", "propagation", "gradient"])
def test_reactions_of_a_mechanism_that_only_supports_hold_are_learned(rule):
    """A node on three bonds: the reactions are their tensions, by the method of displacements."""
    along = TRIPOD.vectors / TRIPOD.lengths[:, None]

    def reactions(k):
        moved = np.linalg.solve((along.T * k) @ along, [0.002, -0.01])
        return -(k * (along @ moved))[:, None] * along

    wanted = reactions(np.array([2.0, 0.5, 1.0]))
    run = ml.train(TRIPOD, tripod(wanted), rule=RULES[rule], steps=200)
    assert run.converged
    for key, k in (("initial", np.ones(3)), ("reached", run.learned["stiffness"])):
        found = [row[key] for row in run.targets]
        assert np.array(found) == pytest.approx(reactions(k), rel=1e-10, abs=1e-14)


def reactions(left, right):
    return ml.Task(
        supports=[ml.Support(nodes=[0, 3], components=["x", "y"])],
        sources=[ml.Source(name="P", nodes=[2], components=["y"], force=[-1e-3])],
        targets=[
            ml.Target(name="left", nodes=[0], components=["x", "y"], force=left),
            ml.Target(name="right", nodes=[3], components=["x", "y"], force=right),
        ],
    )


@pytest.mark.parametrize("rule", ["propagation", "gradient"])
def test_reactions_of_a_frame_are_learned_at_finite_displacement(rule):
    """Targets are the reactions of another frame, and so within reach."""
    energy = ml.FiniteBeam(segments=2)
    learn = {"width": ml.Learn(bounds=(0.05, 0.3), initial=0.1)}
    other = {"width": ml.Learn(bounds=(0.05, 0.3), initial=np.array([0.15, 0.08, 0.12]))}
    left, right = reads(FRAME, reactions([0.0, 1e-3], [0.0, 1e-3]), energy, **other)
    run = ml.train(
        FRAME, reactions(left, right), energy=energy, learn=learn, rule=RULES[rule], steps=300
    )
    assert run.history.error.values[0] > 0.01
    assert run.converged


@pytest.mark.parametrize(
    ("left", "right", "small", "finite"),
    [
        ([1e-4, 9e-4], [-1e-4, 1e-4], [], []),
        ([1e-4, 9e-4], [1e-4, 1e-4], [1.0], [1.0]),  # x does not sum to nothing
        ([1e-4, 5e-4], [-1e-4, 5e-4], [1.0], []),  # moments do not, where the load stays in place
    ],
)
def test_reactions_that_cannot_balance_the_load_are_a_lower_bound(left, right, small, finite):
    learn = {"width": ml.Learn(bounds=(0.05, 0.3), initial=0.1)}
    for energy, bounds in ((ml.Beam(), small), (ml.FiniteBeam(segments=1), finite)):
        known = ml.feasible(FRAME, reactions(left, right), energy=energy, learn=learn, starts=0)
        assert [f.reason for f in known.lower_bounds] == ["balance"] * len(bounds)
        # Three forces and a moment less three balances; at finite displacement less two.
        assert known.answers == (1 if energy.linear else 2)
        for bound in known.lower_bounds:
            x, y, *others = np.ravel(bound.best)
            assert x + others[0] == pytest.approx(0, abs=1e-12)
            assert y + others[1] == pytest.approx(1e-3, rel=1e-9)
            if energy.linear:
                assert 1.2 * (others[1] - others[0]) == pytest.approx(0.24e-3, rel=1e-9)


def test_currents_that_do_not_sum_to_what_is_fed_in_are_a_lower_bound():
    star = ml.Network([[0, 0], [1, 0], [0, 1], [-1, -1]], [[0, 1], [0, 2], [0, 3]])
    task = ml.Task(
        sources=[ml.Source(name="in", nodes=[0], current=[1.0])]
        + [ml.Source(name=f"g{i}", nodes=[i], voltage=[0.0]) for i in (1, 2, 3)],
        targets=[ml.Target(source=f"g{i}", current=[-0.2]) for i in (1, 2, 3)],
    )
    bound = ml.feasible(star, task, energy=ml.Resistor(), starts=0).lower_bounds[0]
    assert bound.reason == "balance"
    assert bound.best == pytest.approx(-np.ones((1, 3)) / 3)


def test_check_says_so_and_ends_in_1(tmp_path, capsys):
    (tmp_path / "task.toml").write_text("""
[network]
points = [[0.0, 0.0], [1.0, 0.0], [2.0, 0.1], [0.7, 0.8]]
edges = [[0, 3], [1, 3], [2, 3]]
[learn.stiffness]
bounds = [0.1, 10.0]
[[supports]]
nodes = [0, 1, 2]
[[sources]]
nodes = [3]
force = [0.002, -0.01]
[[targets]]
nodes = [0]
force = [0.01, 0.0]
[[targets]]
nodes = [1]
force = [0.01, 0.0]
[[targets]]
nodes = [2]
force = [0.0, 0.0]
""")
    with pytest.raises(SystemExit) as stop:
        main(["check", str(tmp_path / "task.toml")])
    assert stop.value.code == 1
    assert "forces that hold a network balance what is applied to it" in capsys.readouterr().out


def extensions(nodes, pairs):
    """Derivatives of distances with respect to the nodes, one by one, and the distances."""
    rows, lengths = np.zeros((len(pairs), *nodes.shape)), np.zeros(len(pairs))
    for k, (i, j) in enumerate(pairs):
        along = nodes[j] - nodes[i]
        lengths[k] = np.sqrt(along @ along)
        rows[k, j], rows[k, i] = along / lengths[k], -along / lengths[k]
    return rows.reshape(len(pairs), -1), lengths


def test_clamping_a_place_that_follows_another_makes_the_direction_of_theory(plane):
    """``J^T S r`` with ``S`` the stiffness between the outputs, as for any outputs."""
    task = ml.Task(
        sources=[ml.Source(name="pull", nodes=[3, 17], force=0.05)],
        targets=[
            ml.Target(name="far", nodes=[20, 25], strain=0.2),
            ml.Target(source="pull", match="far"),
        ],
    )
    k = np.random.default_rng(0).uniform(0.5, 2.0, plane.n_edges)
    _, _, signal = bench(plane, task, ml.Spring(), "stiffness", k)
    strains, _ = extensions(plane.nodes, plane.edges)
    pairs, lengths = extensions(plane.nodes, [[20, 25], [3, 17]])
    moved = np.linalg.pinv((strains.T * k) @ strains, rcond=1e-10)
    far, way = pairs @ moved @ pairs[1] * 0.05
    left = np.array([0.2 * lengths[0] - far, far / lengths[0] * lengths[1] - way])
    slopes = -(pairs @ moved @ strains.T) * (strains @ moved @ pairs[1] * 0.05)
    expected = -slopes.T @ np.linalg.solve(pairs @ moved @ pairs.T, left)
    found = signal(ml.CoupledLearning(eta=1e-6))
    assert found @ expected / np.linalg.norm(found) / np.linalg.norm(expected) > 1 - 1e-8


@pytest.mark.parametrize("seed", range(3))
def test_several_places_at_once_against_dense_algebra(space, seed):
    """Loaded and moved, singly and in pairs, before and after learning."""
    rng = np.random.default_rng(seed)
    start = rng.uniform(0.5, 2.0, space.n_edges)
    a, b, c, d, e, f, *_ = (3 + rng.permutation(space.n_nodes - 3)).tolist()
    force, move = rng.uniform(-0.1, 0.1, 3), rng.uniform(-0.05, 0.05, 2)
    sources = [
        ml.Source(name="push", nodes=[a], force=force.tolist()),
        ml.Source(name="move", nodes=[b], components=["x", "z"], displacement=move.tolist()),
        ml.Source(name="pull", nodes=[c, d], force=0.03),
        ml.Source(name="pinch", nodes=[e, f], strain=0.02),
    ]
    rows, _ = extensions(space.nodes, space.edges)
    pairs, lengths = extensions(space.nodes, [[c, d], [e, f]])

    def answers(k):
        load, one = 0.03 * pairs[0], np.eye(rows.shape[1])
        load[3 * a : 3 * a + 3] += force
        held = np.vstack([one[:9], one[[3 * b, 3 * b + 2]], pairs[1]])
        value = np.r_[np.zeros(9), move, 0.02 * lengths[1]]
        full = np.block([[(rows.T * k) @ rows, held.T], [held, np.zeros((12, 12))]])
        u = np.linalg.solve(full, np.r_[load, value])
        way = pairs[0] @ u[:-12] / lengths[0]
        return np.r_[u[3 * a : 3 * a + 3], -u[-3:-1], way, -u[-1]]

    wanted = answers(start * rng.uniform(0.8, 1.25, len(start))).tolist()
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 1, 2])],
        sources=sources,
        targets=[
            ml.Target(source="push", displacement=wanted[:3]),
            ml.Target(source="move", force=wanted[3:5]),
            ml.Target(source="pull", strain=wanted[5]),
            ml.Target(source="pinch", force=wanted[6]),
        ],
    )
    learn = {"stiffness": ml.Learn(bounds=(0.05, 20.0), initial=start)}
    run = ml.train(space, task, learn=learn, rule=ml.GradientDescent(), steps=300, tolerance=0.01)
    assert run.converged
    for key, k in (("initial", start), ("reached", run.learned["stiffness"])):
        found = np.hstack([row[key] for row in run.targets])
        assert found == pytest.approx(answers(k), rel=1e-9)


def driven_and_read():
    """Readings of sources and targets of small trainings, both at one place."""
    out = []
    for energy in (ml.Spring(), ml.FiniteSpring()):
        for source, target in (
            ({"force": [0.02, -0.01]}, {"displacement": [0.1, -0.05]}),
            ({"displacement": [0.1, -0.05]}, {"force": [0.02, -0.01]}),
        ):
            task = ml.Task(
                supports=[ml.Support(nodes=[0, 1])],
                sources=[ml.Source(name="in", nodes=[30], **source)],
                targets=[ml.Target(source="in", **target)],
            )
            run = ml.train(random_network(), task, energy=energy, steps=3, tolerance=1e-9)
            rows = [*run.summary["sources"], *run.targets]
            out += [row[k] for row in rows for k in row if k not in ("name", "quantity")]
    return np.hstack(out)


def test_two_ranks_say_the_same():
    alone = driven_and_read()
    for found in on_ranks(2, driven_and_read):
        assert found == pytest.approx(alone, rel=1e-10, abs=1e-13)
