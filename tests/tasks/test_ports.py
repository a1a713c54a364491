"""Reading where a network is driven: what gives way under a force, and what it takes to move it."""

from itertools import combinations

import numpy as np
import pytest
from problems import equilibrium

import mechlearn as ml
from mechlearn.cli import main
from mechlearn.errors import InputError
from mechlearn.fenics import MPI
from mechlearn.learning.rules import EquilibriumPropagation, GradientDescent
from mechlearn.phase import Phase
from mechlearn.tasks.formulate import pose

CORNERS = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=float)
CUBE = ml.Network(
    CORNERS,
    [p for p in combinations(range(8), 2) if np.abs(np.subtract(*CORNERS[list(p)])).sum() == 1],
)
RULES = {
    "coupled": ml.CoupledLearning(),
    "contrastive": ml.ContrastiveLearning(),
    "propagation": ml.EquilibriumPropagation(variant="centred"),
    "gradient": ml.GradientDescent(),
    "free": ml.GradientFree(),
}
ROD = """
[network]
points = [[0.0, 0.0], [1.0, 0.0], [0.5, 0.8]]
edges = [[0, 1], [1, 2], [2, 0]]
[learn.stiffness]
bounds = [0.1, 10.0]
[[supports]]
nodes = [0, 1]
[[sources]]
name = "push"
nodes = [2]
components = ["y"]
force = [-0.01]
[[targets]]
name = "tip"
"""


def reads(network, task, energy, **learn):
    """Outputs of a network that learns nothing."""
    learn = learn or {energy.parameters[0].name: ml.Learn()}
    run = ml.train(network, task, energy=energy, learn=learn, steps=0)
    return [row["reached"] for row in run.targets]


@pytest.mark.parametrize(
    "target",
    [
        'nodes = [2]\ncomponents = ["y"]\ndisplacement = [-0.02]',
        'source = "push"\ndisplacement = [-0.02]',
        'source = "push"\nquantity = "displacement"\nvalue = -0.02',
        'source = "push"\nquantity = "displacement"\n[[examples]]\ntip = -0.02',
    ],
)
def test_a_place_learns_how_far_it_gives_way_under_its_own_force(tmp_path, target):
    """Two springs at a height of 0.8 over a half width of 0.5: f / (2 k 0.64 / 0.89)."""
    (tmp_path / "task.toml").write_text(ROD + target + "\n")
    run = ml.train_file(tmp_path / "task.toml")
    assert run.targets[0]["initial"] == pytest.approx(-0.01 / (2 * 0.64 / 0.89), rel=1e-12)
    assert run.targets[0]["reached"] == pytest.approx(-0.02, rel=1e-3)
    again = run.save(tmp_path / "run")
    assert ml.Run.load(again).evaluate()[0]["reached"] == run.targets[0]["reached"]


@pytest.mark.parametrize(("pair", "ohms"), [((0, 7), 5 / 6), ((0, 3), 3 / 4), ((0, 1), 7 / 12)])
def test_a_cube_of_resistors_has_its_resistance_and_learns_another(pair, ohms):
    """Between the ends of a body diagonal, a face diagonal and an edge."""
    current = ml.Source(name="in", nodes=list(pair), current=1.0)
    voltage = ml.Source(name="in", nodes=list(pair), voltage=2.0)
    one_end = ml.Source(name="in", nodes=[pair[0]], current=[1.0])
    ground = ml.Source(name="out", nodes=[pair[1]], voltage=[0.0])
    tasks = [
        (ml.Task(sources=[current], targets=[ml.Target(source="in", voltage=1.0)]), ohms),
        (ml.Task(sources=[voltage], targets=[ml.Target(source="in", current=1.0)]), 2 / ohms),
        (
            ml.Task(sources=[voltage], targets=[ml.Target(nodes=list(pair[::-1]), current=-1.0)]),
            -2 / ohms,
        ),
        (ml.Task(sources=[one_end, ground], targets=[ml.Target(source="in", voltage=[1.0])]), ohms),
        (
            ml.Task(sources=[one_end, ground], targets=[ml.Target(source="out", current=[-2.0])]),
            -1.0,
        ),
    ]
    for task, expected in tasks:
        assert reads(CUBE, task, ml.Resistor()) == pytest.approx([expected], rel=1e-12)
    for rule in RULES.values():
        for task, _ in tasks[:4]:
            assert ml.train(CUBE, task, energy=ml.Resistor(), rule=rule, steps=500).converged


def bench(network, task, energy, name, values):
    """Signals of rules and the mean cost as functions of one parameter of the bonds."""
    problem = pose(task, network, energy.kinematics)
    solver = equilibrium(energy.model(network, problem, {name: values}, MPI.COMM_WORLD), problem)

    def cost(values):
        solver.update(**{name: values})
        return problem.costs(solver.outputs(solver.free())).mean()

    def signal(rule):
        solver.update(**{name: values})
        solver.free()
        felt = [solver.solve(p).sensitivity(name) for p in rule.phases]
        return solver.model.to_bonds(rule.signal(felt).mean(axis=0))

    return solver, cost, signal


def test_exact_gradient_and_its_estimates_in_every_physics(plane, space, torus):
    """Taylor slopes of the cost, and the order of the error of nudges, which act beside a force."""
    held = [ml.Support(nodes=[0, 1, 2])]
    force = ml.Source(name="in", nodes=[30], force=[0.02, -0.01])
    tip = ml.Target(source="in", displacement=[0.3, -0.2])
    solid = ml.Source(name="in", nodes=[20], components=["z"], displacement=[0.1])
    frame = ml.Source(name="in", nodes=[20], components=["x", "rz"], displacement=[0.01, 0.02])
    pinch = ml.Source(name="in", nodes=[3, 17], strain=0.05)
    current = ml.Source(name="in", nodes=[3, 17], current=0.5)
    cases = [
        (plane, ml.Beam(), "width", held, force, tip),
        (plane, ml.FiniteBeam(segments=2), "width", held, frame,
         ml.Target(source="in", force=[1e-3, 2e-4])),
        (space, ml.Spring(), "stiffness", held, solid, ml.Target(source="in", force=[0.3])),
        (space, ml.FiniteSpring(), "stiffness", held, solid, ml.Target(source="in", force=[0.3])),
        (torus, ml.Spring(), "stiffness", [], pinch, ml.Target(source="in", force=0.3)),
        (torus, ml.FiniteSpring(), "stiffness", [], pinch, ml.Target(source="in", force=0.3)),
        (plane, ml.Channel(), "radius", [], ml.Source(name="in", nodes=[3, 17], flow=0.5),
         ml.Target(source="in", pressure=1.0)),
        (plane, ml.Capacitor(), "capacitance", [],
         ml.Source(name="in", nodes=[3, 17], voltage=0.5), ml.Target(source="in", charge=1.0)),
        (space, ml.Resistor(), "conductance", [], current, ml.Target(source="in", voltage=1.0)),
    ]  # fmt: skip
    for network, energy, name, supports, source, target in cases:
        task = ml.Task(supports=supports, sources=[source], targets=[target])
        rng = np.random.default_rng(2)
        start = 0.1 if name == "width" else 1.0
        values = start * rng.uniform(0.7, 1.3, network.n_edges)
        solver, cost, signal = bench(network, task, energy, name, values)
        exact = signal(GradientDescent())
        direction = rng.standard_normal(len(values)) * values
        sizes = 2e-3 * 0.5 ** np.arange(3)
        first = cost(values)
        left = [abs(cost(values + h * direction) - first - h * exact @ direction) for h in sizes]
        assert np.log2(left[0] / left[-1]) / 2 > 1.95, energy.name
        # A nudge of one part in a hundred of what would make it unstable.
        free = solver.free()
        ports = solver.problem.targets
        ratio = np.abs(free.forces[0, ports] / free.readings[0, ports])
        unit = (np.where(solver.problem.through, 1 / ratio, ratio) * solver.problem.units**2).min()
        for variant, order in (("positive", 1), ("centred", 2)):
            errors = [
                np.linalg.norm(signal(EquilibriumPropagation(beta=b, variant=variant)) - exact)
                for b in (8e-3 * unit, 2e-3 * unit)
            ]
            assert np.log(errors[0] / errors[1]) / np.log(4) > 0.95 * order, energy.name


def driven(plane):
    """Tasks on one network of springs, driven and read at the same places."""
    held = [ml.Support(nodes=[0, 1])]
    pull = ml.Source(name="pull", nodes=[3, 17], force=0.05)
    pinch = ml.Source(name="pinch", nodes=[3, 17], strain=0.1)
    push = ml.Source(name="push", nodes=[30], components=["y"], force=[0.1])
    far = ml.Target(name="far", nodes=[20, 25], strain=0.1)
    return {
        "way": ml.Task(sources=[pull], targets=[ml.Target(source="pull", strain=0.2)]),
        "need": ml.Task(sources=[pinch], targets=[ml.Target(source="pinch", force=0.2)]),
        "both": ml.Task(
            supports=held,
            sources=[push, pinch],
            targets=[
                ml.Target(source="push", displacement=[0.3]),
                ml.Target(source="pinch", force=0.2),
                far,
            ],
        ),
        "limit": ml.Task(
            sources=[pull], targets=[ml.Target(source="pull", strain=0.2, limit="at_least"), far]
        ),
        "match": ml.Task(
            sources=[pull],
            targets=[
                ml.Target(name="way", source="pull", strain=0.15),
                ml.Target(name="far", nodes=[20, 25], match="way"),
            ],
        ),
        "reactions": ml.Task(
            supports=held,
            sources=[push],
            targets=[
                ml.Target(nodes=[0], force=[0.02, -0.04]),
                ml.Target(nodes=[1], force=[-0.02, -0.06]),
            ],
        ),
    }


@pytest.mark.parametrize("name", ["way", "need", "both", "reactions"])
def test_what_clamping_costs_grows_with_the_square_of_the_nudge(plane, name):
    """Exactly, at any size, as nothing but the nudge does work between the two states; and one
    output's clamped state makes the direction of the exact gradient."""
    values = np.random.default_rng(1).uniform(0.5, 2.0, plane.n_edges)
    solver, _, signal = bench(plane, driven(plane)[name], ml.Spring(), "stiffness", values)
    solver.update(stiffness=values)
    solver.free()
    free = solver.solve(Phase("clamp")).potentials
    costs = [(solver.solve(Phase("clamp", e)).potentials - free).sum() / e**2 for e in (1, 0.1)]
    if name in ("way", "need"):
        assert costs[0] > 0
        found, exact = signal(ml.CoupledLearning(eta=1e-5)), signal(GradientDescent())
        assert found @ exact / np.linalg.norm(found) / np.linalg.norm(exact) > 1 - 1e-8
    assert costs[0] == pytest.approx(costs[1], rel=1e-8)


@pytest.mark.parametrize("energy", [ml.Spring(), ml.FiniteSpring()], ids=lambda e: e.name)
@pytest.mark.parametrize("name", ["way", "need", "both", "limit", "match"])
def test_every_rule_learns_where_it_is_driven(plane, name, energy):
    for rule in ("coupled", "propagation", "gradient"):
        run = ml.train(plane, driven(plane)[name], energy=energy, rule=RULES[rule], steps=400)
        assert run.converged, rule


def test_pruning_and_analysis_know_of_it(plane):
    """The compliance of a place, by removing bonds; its slopes by theirs are all of one sign."""
    task = driven(plane)["way"]
    run = ml.train(plane, task, rule=ml.GreedyPruning(), steps=20, tolerance=0.05)
    assert run.targets[0]["relative_error"] < 0.5
    slopes = ml.analysis.susceptibility(ml.train(plane, task, steps=0)).slopes[0, 0]
    assert (slopes <= 1e-12).all()  # what is stiffer gives way less
    with pytest.raises(InputError, match="one place"):
        ml.analysis.pathway(run)


def test_tip_of_a_cantilever_bends_as_beams_do():
    """P L^3 / 3 E I + P L / k G A, and the elastica, by elliptic integrals."""
    length, width, modulus, load = 2.0, 0.1, 3.0, 1e-5
    bar = ml.Network([[0.0, 0.0], [length, 0.0]], [[0, 1]])
    task = ml.Task(
        supports=[ml.Support(nodes=[0])],
        sources=[ml.Source(name="P", nodes=[1], force=[0.0, load])],
        targets=[ml.Target(source="P", components=["y"], displacement=[0.1])],
    )
    stiff = modulus * width**3 / 12
    shear = 5 / 6 * modulus / 2.6 * width
    sag = load * length**3 / (3 * stiff) + load * length / shear
    given = {"width": ml.Learn(bounds=(0.01, 1.0), initial=width)}
    run = ml.train(bar, task, energy=ml.Beam(), learn=given, material={"modulus": modulus}, steps=0)
    assert run.targets[0]["reached"] == pytest.approx(sag, rel=1e-7)


@pytest.mark.parametrize("energy", [ml.Spring(), ml.FiniteSpring()], ids=lambda e: e.name)
def test_sources_say_what_they_take(plane, energy, tmp_path, capsys):
    """Work is what is stored, stiffness the slope of the curve, and both ways agree."""
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 1])],
        sources=[
            ml.Source(name="pull", nodes=[3, 17], strain=0.1),
            ml.Source(name="push", nodes=[30], force=[0.05, 0.02]),
        ],
        targets=[ml.Target(nodes=[20, 25], strain=0.1)],
    )
    run = ml.train(plane, task, energy=energy, steps=3)
    pull, push = run.curve("pull"), run.curve("push")
    stored = float(pull["energy"][-1] - pull["energy"][0])
    assert float(pull["work"][-1] + push["work"][-1]) == pytest.approx(stored, rel=1e-6)
    one, other = run.summary["sources"]
    assert (one["name"], one["strain"]) == ("pull", pytest.approx(0.1))
    assert one["force"] == pytest.approx(float(pull["force"][-1]), rel=1e-9)
    assert one["stiffness"] == pytest.approx(float(pull["stiffness"][-1]), rel=1e-6)
    assert other["displacement"] == pytest.approx(push["displacement"][-1].values, rel=1e-6)
    assert one["work"] + other["work"] == pytest.approx(stored, rel=1e-5)
    assert pull.plot().get_xlabel() == "strain of pull"
    alone = task.model_copy(update={"sources": task.sources[:1]})
    curve = ml.train(plane, alone, energy=energy, steps=0).curve()
    slope = np.gradient(curve["force"], curve["strain"], edge_order=2)
    assert curve["stiffness"].values == pytest.approx(slope, rel=1e-3)
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(run.save(tmp_path / "run"))])
    assert not stop.value.code
    assert "source push: displacement (" in capsys.readouterr().out


def test_all_reactions_of_a_statically_held_frame():
    """In balance with the load; learned where what is wanted is, too."""
    frame = ml.Network([[0, 0], [0, 1.2], [0.24, 1.2], [1.2, 1.2]], [[0, 1], [1, 2], [2, 3]])
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 3], components=["x", "y"])],
        sources=[ml.Source(name="P", nodes=[2], components=["y"], force=[-1e-3])],
        targets=[
            ml.Target(name="left", nodes=[0], components=["x", "y"], force=[1e-4, 9e-4]),
            ml.Target(name="right", nodes=[3], components=["x", "y"], force=[-1e-4, 1e-4]),
        ],
    )
    given = {"width": ml.Learn(bounds=(0.05, 0.3), initial=0.1)}
    for energy in (ml.Beam(), ml.FiniteBeam(segments=4)):
        run = ml.train(frame, task, energy=energy, learn=given, steps=0)
        left, right = (row["reached"] for row in run.targets)
        assert np.add(left, right) == pytest.approx([0, 1e-3], abs=1e-9)
    for rule in ("coupled", "contrastive", "propagation", "gradient"):
        run = ml.train(frame, task, energy=ml.Beam(), learn=given, rule=RULES[rule], steps=300)
        assert run.converged, rule
    with pytest.raises(InputError, match="without left and right nothing holds it"):
        ml.train(frame, task, energy=ml.FiniteBeam(), learn=given)


def test_what_is_given_is_not_asked_for(plane):
    push = ml.Source(name="push", nodes=[30], components=["y"], force=[0.1])
    for target, words in (
        (ml.Target(source="push", force=[0.1]), "about the force of y of node 30, which is given"),
        (ml.Target(source="pull", displacement=[0.1]), "'pull', which is no source"),
    ):
        with pytest.raises(InputError, match=words):
            ml.train(
                plane,
                ml.Task(supports=[ml.Support(nodes=[0, 1])], sources=[push], targets=[target]),
            )


def test_a_place_that_gives_way_against_its_force_is_a_lower_bound(plane):
    push = ml.Source(name="push", nodes=[30], components=["y"], force=[0.1])
    for wanted, bounds in ((-0.1, 1), (0.1, 0)):
        task = ml.Task(
            supports=[ml.Support(nodes=[0, 1])],
            sources=[push],
            targets=[ml.Target(source="push", displacement=[wanted])],
        )
        assert len(ml.feasible(plane, task, starts=0).lower_bounds) == bounds
