"""Responses measured from the unloaded state, in networks whose elements carry prestress."""

import numpy as np
import pytest
from conftest import random_network
from problems import GENTLE, TASKS
from ranks import command_on_ranks
from scipy.optimize import minimize

import mechlearn as ml
from mechlearn.energies import FiniteSpring, Solid, Spring
from mechlearn.extensions import name_of
from mechlearn.fenics import MPI
from mechlearn.learning.rules import CoupledLearning, EquilibriumPropagation, GradientDescent
from mechlearn.runs.checkpoint import Checkpoints
from mechlearn.runs.config import RuleTable, Setup, Train
from mechlearn.runs.taskfile import to_toml
from mechlearn.runs.training import train_setup
from mechlearn.studies.compare import compare


class Bench:
    """A prestressed network at a fixed point: its cost, and what rules make of it."""

    def __init__(self, net, task, energy=None, **at):
        self.energy = energy or ml.FiniteSpring()
        self.at = at
        system = ml.System(net, task, self.energy, check=False, comm=MPI.COMM_SELF, **at)
        self.problem, self.solver = system.problem, system.solver

    def outputs(self, **change):
        self.solver.update(**{**self.at, **change})
        return self.solver.outputs(self.solver.free())

    def cost(self, **change):
        return self.problem.costs(self.outputs(**change)).mean()

    def signal(self, rule, name):
        self.outputs()
        states = [self.solver.solve(phase) for phase in rule.phases]
        return self.solver.model.to_bonds(self.solver.mean_signal(name, states, rule.weights))

    def slope(self, name, size=4e-3):
        """The order of the Taylor remainder of the cost with the exact gradient."""
        gradient = self.signal(GradientDescent(), name)
        direction = np.random.default_rng(1).standard_normal(len(gradient)) * self.at[name]
        base, steps = self.cost(), size * 0.5 ** np.arange(4)
        left = [
            abs(
                self.cost(**{name: self.at[name] + h * direction}) - base - h * gradient @ direction
            )
            for h in steps
        ]
        return np.log2(left[0] / left[-1]) / 3


def values(net, spread=0.03, seed=3):
    rng = np.random.default_rng(seed)
    return {
        "stiffness": 10 ** rng.uniform(-0.3, 0.3, net.n_edges),
        "rest_length": net.lengths * rng.uniform(1 - spread, 1 + spread, net.n_edges),
    }


@pytest.mark.parametrize("name", ["stiffness", "rest_length"])
@pytest.mark.parametrize("task", sorted(TASKS))
def test_the_exact_gradient_has_two_states(plane, task, name):
    """Taylor remainders of order 2: both states, and sources that follow the unloaded one."""
    assert Bench(plane, TASKS[task], **values(plane)).slope(name) > 1.95


@pytest.mark.parametrize("task", sorted(set(TASKS) - {"coupled strains"}))
def test_equilibrium_propagation_tends_to_it(plane, task):
    """With beta, with beta and with beta^2 for the variants P, N and C."""
    b = Bench(plane, TASKS[task], **values(plane))
    for name in ("stiffness", "rest_length"):
        exact = b.signal(GradientDescent(), name)
        for variant, order in (("positive", 1), ("negative", 1), ("centred", 2)):
            errors = []
            for beta in (4e-4, 1e-4):
                rule = EquilibriumPropagation(beta=beta * GENTLE.get(task, 1.0), variant=variant)
                errors.append(np.linalg.norm(b.signal(rule, name) - exact))
            assert errors[-1] < 0.05 * np.linalg.norm(exact)
            assert np.log(errors[0] / errors[1]) / np.log(4) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize("task", ["one strain", "force of a pair", "reaction"])
def test_coupled_learning_of_one_output_follows_it(plane, task):
    b = Bench(plane, TASKS[task], **values(plane))
    for name in ("stiffness", "rest_length"):
        exact = b.signal(GradientDescent(), name)
        found = b.signal(CoupledLearning(eta=1e-4, variant="centred"), name)
        assert found @ exact / np.linalg.norm(found) / np.linalg.norm(exact) > 1 - 1e-6


def settled(net, rest, pairs=(), distances=()):
    """Node places of least energy with some pairs held at distances, by another minimiser."""
    vectors = net.vectors - (net.nodes[net.edges[:, 1]] - net.nodes[net.edges[:, 0]])

    def energy(x):
        x = x.reshape(net.nodes.shape)
        lengths = np.linalg.norm(x[net.edges[:, 1]] - x[net.edges[:, 0]] + vectors, axis=1)
        return ((lengths - rest) ** 2).sum() / 2

    def held(x):
        x = x.reshape(net.nodes.shape)
        return [np.linalg.norm(x[b] - x[a]) - d for (a, b), d in zip(pairs, distances, strict=True)]

    found = minimize(
        energy, net.nodes.ravel(), method="SLSQP", options={"ftol": 1e-14, "maxiter": 2000},
        constraints=[{"type": "eq", "fun": held}] if pairs else [],
    )  # fmt: skip
    return found.x.reshape(net.nodes.shape)


def test_sources_pull_and_targets_read_from_the_unloaded_distance():
    """A strain of 0.1 pulls to 1.1 times the distance that the pair has with nothing pulled."""
    net = random_network(12, seed=5)
    rest = net.lengths * np.random.default_rng(6).uniform(0.85, 1.15, net.n_edges)
    (a, b), (c, d) = (0, 7), (3, 9)
    task = ml.Task(
        sources=[ml.Source(nodes=[a, b], strain=0.1)], targets=[ml.Target(nodes=[c, d], strain=0.2)]
    )
    free = settled(net, rest)
    unloaded = [np.linalg.norm(free[j] - free[i]) for i, j in ((a, b), (c, d))]
    pulled = settled(net, rest, [(a, b)], [1.1 * unloaded[0]])
    expected = np.linalg.norm(pulled[d] - pulled[c]) / unloaded[1] - 1
    probe = ml.System(net, task, FiniteSpring(), rest_length=rest)
    assert probe.outputs[0, 0] == pytest.approx(expected, abs=1e-6)
    assert abs(unloaded[1] / np.linalg.norm(net.nodes[d] - net.nodes[c]) - 1) > 0.02


def test_the_cell_is_strained_from_its_unloaded_shape(torus):
    """As when its unloaded lengths are read first, and what is imposed is worked out from them."""
    rest = torus.lengths * np.random.default_rng(0).uniform(0.93, 1.03, torus.n_edges)

    def ask(source, baseline, *cell):
        target = ml.Target(cell=list(cell), strain=[1.0] * len(cell), baseline=baseline)
        task = ml.Task(sources=[ml.Source(**source)], targets=[target])
        return ml.System(torus, task, FiniteSpring(), rest_length=rest).outputs[0]

    x, y = 1 + ask({"cell": "xy", "stress": 0.0}, "reference", "xx", "yy")
    (across,) = 1 + ask({"cell": "xx", "strain": 1.05 * x - 1}, "reference", "yy")
    (found,) = ask({"cell": "xx", "strain": 0.05}, "unloaded", "yy")
    assert found == pytest.approx(across / y - 1, abs=1e-9)


@pytest.mark.parametrize("kind", ["space", "cell", "beams", "solid", "linear"])
def test_the_gradient_of_other_networks_and_elements(kind, plane, space, torus):
    pair = [ml.Source(nodes=[0, 7], strain=0.05)]
    answer = ml.Target(nodes=[3, 12], strain=0.1)
    if kind == "space":
        b = Bench(space, ml.Task(sources=pair, targets=[answer]), **values(space))
    elif kind == "cell":
        source = ml.Source(cell="xx", strain=0.05)
        targets = [ml.Target(cell="yy", poisson=-0.5), ml.Target(cell="volume", strain=0.1)]
        b = Bench(torus, ml.Task(sources=[source], targets=targets), **values(torus))
    elif kind == "beams":
        task = ml.Task(
            supports=[ml.Support(nodes=[0, 1])],
            sources=[ml.Source(nodes=[30], displacement=[0.02, 0.01])],
            targets=[ml.Target(nodes=[20], displacement=[0.1, 0.1]), answer],
        )
        rest = values(plane, spread=0.005)["rest_length"]
        b = Bench(plane, task, ml.FiniteBeam(segments=1), rest_length=rest)
    elif kind == "solid":
        square = ml.Network([[0, 0], [1, 0.1], [0.1, 1], [1.1, 1]],
                            [[0, 1], [0, 2], [1, 3], [2, 3], [1, 2]])  # fmt: skip
        task = ml.Task(
            sources=[ml.Source(nodes=[0, 3], strain=0.03)],
            targets=[ml.Target(nodes=[0, 1], strain=0.1)],
        )
        body = Solid(material="neo_hookean", order=1, mesh_size=1.0)
        eigenstrain = np.array([0.02, -0.01, 0.03, 0.01, -0.02])
        b = Bench(square, task, body, eigenstrain=eigenstrain)
    else:
        task = ml.Task(sources=pair, targets=[answer])
        b = Bench(plane, task, Spring(), **values(plane))
        gradient = b.signal(GradientDescent(), "rest_length")
        assert (
            np.abs(gradient).max() < 1e-10 * np.abs(b.signal(GradientDescent(), "stiffness")).max()
        )
        others = b.outputs(rest_length=plane.lengths)
        assert b.outputs() == pytest.approx(others, rel=1e-9)
        assert b.slope("stiffness", 1e-2) > 1.95
        return
    name = "eigenstrain" if kind == "solid" else "rest_length"
    assert b.slope(name, {"beams": 1e-3, "solid": 4e-1}.get(kind, 1e-2)) > 1.95
    exact = b.signal(GradientDescent(), name)
    found = b.signal(EquilibriumPropagation(beta=1e-5, variant="centred"), name)
    assert found == pytest.approx(exact, abs=1e-3 * np.abs(exact).max())


REST = ml.Task(
    sources=[ml.Source(name="in", nodes=[0, 7], strain=0.08)],
    targets=[ml.Target(name="out", nodes=[3, 12], strain=0.05)],
)
LEARN = {"rest_length": ml.Learn(bounds=(0.8, 1.2), initial=1.0, relative=True, rate=2e-3)}


def test_linear_elements_whose_rest_lengths_alone_would_learn_are_refused(plane):
    words = 'does not depend on rest_length: learn stiffness .* baseline = "reference"'
    for energy in (Spring(), None):
        with pytest.raises(ml.InputError, match=words):
            ml.train(plane, REST, energy=energy, learn=LEARN)
        with pytest.raises(ml.InputError, match=words):
            ml.feasible(plane, REST, energy=energy, learn=LEARN)
    both = LEARN | {"stiffness": ml.Learn(bounds=(0.1, 10))}
    with pytest.raises(ml.InputError, match="depend on rest_length"):
        ml.train(plane, REST, learn=both)
    with pytest.raises(ml.InputError, match="depend on eigenstrain: learn modulus"):
        ml.train(plane, REST, energy=Solid(), learn={"eigenstrain": ml.Learn(bounds=(-0.1, 0.1))})


def test_what_pulls_nothing_is_refused(plane):
    for change, words in (
        ({"sources": []}, "target 'out' is measured from .* no source pulls"),
        ({"examples": [{}, {"in": 0.0}]}, "example 2 pulls nothing, and target 'out'"),
        ({"examples": [{"in": "free"}]}, "example 1 pulls nothing"),
    ):
        with pytest.raises(ml.InputError, match=words):
            ml.train(plane, REST.model_copy(update=change), energy=FiniteSpring(), learn=LEARN)
    # Nothing is wanted there, or a shape is.
    fine = REST.model_copy(update={"examples": [{}, {"in": 0.0, "out": 0.0}]})
    assert ml.train(plane, fine, energy=FiniteSpring(), learn=LEARN, steps=1).summary["steps"] == 1


def test_displacements_need_something_that_holds_when_sources_let_go(plane):
    task = ml.Task(
        sources=[ml.Source(nodes=[0, 7], displacement=[0.01, 0.0])],
        targets=[ml.Target(nodes=[20], displacement=[0.01, 0.0])],
    )
    with pytest.raises(ml.InputError, match="as a whole when its sources let go"):
        ml.train(plane, task, energy=FiniteSpring(), learn=LEARN)


def test_a_run_reads_the_same_wherever_it_is_asked(plane, tmp_path):
    """In its table and folder, by responses and tests, and where another training begins."""
    run = ml.train(plane, REST, energy=FiniteSpring(), learn=LEARN, steps=300, tolerance=0.02)
    assert run.converged
    (row,) = run.targets
    strain = (1 + row["pulled"]) / (1 + row["unpulled"]) - 1
    assert row["reached"] == pytest.approx(strain, abs=1e-9)
    assert run.respond([{"in": 0.0}])[0, 0] == pytest.approx(0, abs=1e-9)
    again = ml.Run.load(run.save(tmp_path / "run"))
    assert again.setup.targets[0].baseline == "unloaded"
    assert again.evaluate()[0]["pulled"] == pytest.approx(row["pulled"], abs=1e-8)
    assert again.system(REST).outputs[0, 0] == pytest.approx(row["reached"], abs=1e-8)
    moved = run.displacements[0]
    x = plane.nodes + moved
    distance = np.linalg.norm(x[12] - x[3]) / np.linalg.norm(plane.nodes[12] - plane.nodes[3])
    assert distance == pytest.approx(1 + row["pulled"], abs=1e-8)
    stiff = {"stiffness": ml.Learn(bounds=(0.1, 10))}
    other = ml.train(plane, REST, start=again, learn=stiff, energy=FiniteSpring(), steps=0)
    assert other.targets[0]["reached"] == pytest.approx(row["reached"], abs=1e-8)


def test_rules_are_compared():
    setup = task_file(train=Train(steps=2, tolerance=1e-9))
    found = compare(setup, names=["CpL C", "EP C"], seeds=1)
    assert all(np.isfinite(t.error).all() for t in found)


def test_nothing_more_is_solved_where_nothing_prestresses(plane):
    """Whatever is written: both baselines are then the same state."""
    for baseline in (None, "unloaded", "reference"):
        targets = [REST.targets[0].model_copy(update={"baseline": baseline})]
        task = REST.model_copy(update={"targets": targets})
        run = ml.train(plane, task, energy=FiniteSpring(), steps=3)
        assert run.summary["solver"]["solves"] == 9  # free and clamped four times, once from rest
        assert "pulled" not in run.targets[0]


def task_file(**more):
    setup = Setup(
        network={"generator": "triangular", "size": [5, 5], "disorder": 0.2, "seed": 1},
        energy={"model": "finite_spring"},
        learn={"rest_length": {"bounds": (0.8, 1.2), "initial": 1.0, "relative": True}},
        sources=[{"name": "in", "near": [0.0, 0.5], "strain": 0.1}],
        targets=[{"name": "out", "near": [1.0, 0.5], "strain": 0.05}],
        train={"steps": 6, "tolerance": 1e-9},
    )
    return setup.model_copy(update=more)


def test_a_training_goes_on_bit_by_bit(tmp_path):
    """Both states are remembered: a resumed training is the one that was not broken off."""
    whole = train_setup(task_file())
    short = task_file(train=Train(steps=3, tolerance=1e-9))
    train_setup(short, checkpoints=Checkpoints(tmp_path, short, steps=1))
    store = Checkpoints(tmp_path, task_file(), steps=1)
    rest = train_setup(task_file(), checkpoints=store, resume=True)
    assert np.array_equal(rest.learned["rest_length"], whole.learned["rest_length"])
    assert np.array_equal(rest.history.output.values, whole.history.output.values)


def test_ranks_agree(tmp_path):
    """The same training on one rank and on two."""
    setup = task_file(rule=RuleTable(name="gradient_descent"))
    (tmp_path / "task.toml").write_text(to_toml(setup))
    said = command_on_ranks(2, "train", tmp_path / "task.toml", "-o", tmp_path / "run")
    assert said.returncode == 0, said.stderr
    one, two = train_setup(setup), ml.Run.load(tmp_path / "run")
    assert two.learned["rest_length"] == pytest.approx(one.learned["rest_length"], rel=1e-6)
    assert two.targets[0]["unpulled"] == pytest.approx(one.targets[0]["unpulled"], abs=1e-7)


def test_batches_and_several_examples_share_one_unloaded_state(plane):
    """A step over all examples at once is that over each of them alone, as its mean."""
    task = REST.model_copy(update={"examples": [{}, {"in": -0.05, "out": 0.02}, {"in": 0.03}]})
    at = values(plane)
    whole = Bench(plane, task, **at)
    for rule in (GradientDescent(), EquilibriumPropagation(beta=1e-4), CoupledLearning(eta=1e-3)):
        found = whole.signal(rule, "rest_length")
        alone = []
        for example in range(3):
            whole.solver.consider(np.array([example]))
            alone.append(whole.signal(rule, "rest_length"))
        whole.solver.consider(None)
        assert found == pytest.approx(np.mean(alone, axis=0), abs=1e-6 * np.abs(found).max())


@pytest.mark.parametrize(
    "rule", [EquilibriumPropagation(), CoupledLearning(), GradientDescent()], ids=name_of
)
def test_rest_lengths_learn_a_response(rule):
    """The task of which all that was learned was to hold the answer, unpulled."""
    learned = 0
    for seed in (1, 3, 5):
        net = ml.networks.packing(nodes=64, coordination=4.4, seed=seed)
        task = ml.Task(
            sources=[ml.Source(name="pinch", near=[0, 0.5], strain=0.1)],
            targets=[ml.Target(name="answer", near=[1, 0.5], strain=-0.1)],
        )
        learn = {"rest_length": ml.Learn(bounds=(0.8, 1.2), initial=1.0, relative=True)}
        run = ml.train(
            net, task, energy=FiniteSpring(), learn=learn, rule=rule, steps=100, tolerance=0.02
        )
        learned += run.converged
        outputs = run.respond([{"pinch": 0.1}, {"pinch": 0.0}])[:, 0]
        assert (abs(outputs[0] + 0.1) <= 0.002) == run.converged
        assert outputs[1] == pytest.approx(0.0, abs=1e-9)
    assert learned >= 2


def test_some_targets_hold_a_shape_while_others_respond(plane):
    """One is measured from the reference, the other from the unloaded network."""
    first, second = TASKS["two strains"].targets
    mixed = [first.model_copy(update={"baseline": "reference"}), second]
    b = Bench(plane, ml.Task(sources=TASKS["two strains"].sources, targets=mixed), **values(plane))
    alone = [
        Bench(plane, ml.Task(sources=b.problem.task.sources, targets=[t]), **values(plane))
        for t in (first.model_copy(update={"baseline": "unloaded"}), second)
    ]
    read = b.outputs()[0] / b.problem.units
    assert read[1] == pytest.approx(alone[1].outputs()[0, 0] / alone[1].problem.units[0], abs=1e-9)
    strain, unloaded = alone[0].outputs()[0, 0] / alone[0].problem.units[0], alone[0].solver
    there = unloaded.from_reference()["unpulled"][0, 0]
    assert 1 + read[0] == pytest.approx((1 + strain) * (1 + there), abs=1e-9)
    assert b.slope("rest_length") > 1.95
