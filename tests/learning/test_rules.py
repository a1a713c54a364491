"""Directions of all rules, against finite differences and independent algebra."""

import dataclasses
import inspect

import numpy as np
import pytest
from problems import DOFS, GENTLE, IN, TASKS, Bench
from reference import bond_matrix, pair_row

import mechlearn as ml
from mechlearn.energies import FiniteSpring, Spring
from mechlearn.errors import InputError, SolveError
from mechlearn.learning.rules import (
    ContrastiveLearning,
    CoupledLearning,
    DirectedAging,
    EquilibriumPropagation,
    GradientDescent,
    Rule,
    rules,
)
from mechlearn.phase import Phase
from mechlearn.tasks.task import Target, Task


@pytest.fixture(params=[Spring(), FiniteSpring()], ids=lambda e: e.name)
def energy(request):
    return request.param


@pytest.fixture
def bench(plane, stiffnesses, energy):
    def make(task="one strain"):
        return Bench(plane, TASKS[task], energy, stiffnesses(plane))

    return make


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


@pytest.mark.parametrize("name", DOFS)
@pytest.mark.parametrize("task", sorted(TASKS))
def test_gradient_descent_is_the_gradient(bench, task, name):
    """Taylor remainder of order 2 in a random direction."""
    b = bench(task)
    gradient = b.signal(GradientDescent(), name)
    direction = np.random.default_rng(1).standard_normal(len(gradient)) * b.at[name]
    base = b.cost()
    steps = 4e-4 * 0.5 ** np.arange(4)
    remainders = [
        abs(b.cost(**{name: b.at[name] + h * direction}) - base - h * gradient @ direction)
        for h in steps
    ]
    assert np.log2(remainders[0] / remainders[-1]) / 3 > 1.95


@pytest.mark.parametrize("task", sorted(set(TASKS) - {"coupled strains"}))
def test_equilibrium_propagation_tends_to_the_gradient(bench, task):
    """The error falls with beta, with beta and with beta^2 for the variants P, N and C."""
    b = bench(task)
    for name in DOFS:
        exact = b.signal(GradientDescent(), name)
        for variant, order in (("positive", 1), ("negative", 1), ("centred", 2)):
            errors = []
            for beta in np.array([4e-3, 1e-3]) * GENTLE.get(task, 1.0):
                rule = EquilibriumPropagation(beta=beta, variant=variant)
                found = b.signal(rule, name)
                errors.append(np.linalg.norm(found - exact) / np.linalg.norm(exact))
            assert np.log(errors[0] / errors[1]) / np.log(4) == pytest.approx(order, abs=0.1)


def test_coupled_learning_of_one_output_follows_the_gradient(bench):
    b = bench()
    for name in DOFS:
        exact = b.signal(GradientDescent(), name)
        found = b.signal(CoupledLearning(eta=1e-3, variant="centred"), name)
        assert 1 - cosine(found, exact) < 1e-6


def test_coupled_learning_of_several_outputs_follows_the_error_in_the_networks_metric(
    plane, stiffnesses
):
    """Its direction is J^T S r, not J^T r, with J the outputs' Jacobian, r the residual and
    S = (O K^-1 O^T)^-1 the stiffness between the outputs, the source held."""
    k = stiffnesses(plane)
    b = Bench(plane, TASKS["coupled strains"], Spring(), k)
    b.at["rest_length"] = plane.lengths
    pairs = ((0, 7), (3, 12), (3, 20), (12, 20))
    rows, lengths = zip(*(pair_row(plane, *p) for p in pairs), strict=True)
    c = bond_matrix(plane)
    inverse = np.linalg.pinv(c.T @ (k[:, None] * c), rcond=1e-12)
    p, o = rows[0], np.array(rows[1:])
    held = inverse - np.outer(inverse @ p, p @ inverse) / (p @ inverse @ p)
    u = inverse @ p * 0.1 * lengths[0] / (p @ inverse @ p)
    jacobian = -(o @ held @ c.T) * (c @ u)
    residual = np.array([0.2, -0.1, 0.3]) * lengths[1:] - o @ u
    metric = np.linalg.inv(o @ held @ o.T)
    expected = cosine(jacobian.T @ metric @ residual, jacobian.T @ residual)
    assert expected < 0.99
    found = b.signal(CoupledLearning(eta=1e-6), "stiffness")
    assert cosine(found, -jacobian.T @ metric @ residual) == pytest.approx(1, abs=1e-8)
    assert cosine(found, -jacobian.T @ residual) == pytest.approx(expected, abs=1e-4)


def test_update_of_coupled_learning_grows_with_eta_and_the_contrast_with_its_square(
    plane, stiffnesses
):
    b = Bench(plane, TASKS["two strains"], Spring(), stiffnesses(plane))
    etas = np.array([1.0, 0.1, 0.01, 1e-3, 1e-4])
    contrast, update = [], []
    for eta in etas:
        rule = CoupledLearning(eta=eta, normalise=False)
        update.append(np.linalg.norm(b.signal(rule, "stiffness")))
        first, second = (b.solver.solve(p).potentials.sum() for p in rule.phases)
        contrast.append(second - first)
    assert np.polyfit(np.log(etas), np.log(contrast), 1)[0] == pytest.approx(2, abs=1e-3)
    last = np.log(update[-2] / update[-1]) / np.log(etas[-2] / etas[-1])
    assert last == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("task", ["two strains", "shares"])
def test_surrogates_of_equilibrium_propagation_bound_the_cost(bench, task):
    """L_b = [min(E + b C) - min E] / b lies below the cost for b > 0 and above it for b < 0."""
    b = bench(task)
    cost = b.cost()
    free = b.solver.solve(Phase("nudge")).potentials.sum()
    for beta in np.array([1e-2, 1e-3, 1e-4]) * GENTLE.get(task, 1.0):
        low, high = (
            (b.solver.solve(Phase("nudge", s * beta)).potentials.sum() - free) / (s * beta)
            for s in (1, -1)
        )
        assert low < cost < high
    assert (low + high) / 2 == pytest.approx(cost, rel=1e-5)


@pytest.mark.parametrize(
    ("task", "betas"), [("two strains", (0.3, 1e-2)), ("shares", (3e-6, 3e-7))]
)
def test_update_of_equilibrium_propagation_is_the_gradient_of_its_surrogate(bench, task, betas):
    """At any beta, not only small ones, positive or negative."""
    b = bench(task)
    direction = np.random.default_rng(4).standard_normal(len(b.at["stiffness"])) * b.at["stiffness"]

    def surrogate(amount, h):
        b.update(stiffness=b.at["stiffness"] + h * direction)
        free, nudged = (b.solver.solve(Phase("nudge", x)).potentials.sum() for x in (0.0, amount))
        return (nudged - free) / amount

    for beta, variant in zip(betas, ("positive", "negative"), strict=True):
        amount = beta if variant == "positive" else -beta
        found = b.signal(EquilibriumPropagation(beta=beta, variant=variant), "stiffness")
        slope = (surrogate(amount, 1e-4) - surrogate(amount, -1e-4)) / 2e-4
        assert found @ direction == pytest.approx(slope, rel=1e-5)


def test_clamping_to_a_cross_entropy_is_refused(plane):
    with pytest.raises(InputError, match="clamps outputs at values"):
        ml.train(plane, TASKS["shares"], rule=CoupledLearning())


@pytest.mark.parametrize("task", ["two strains", "shares"])
def test_a_nudge_that_destabilises_the_network_is_refused(bench, task):
    """Energy less beta times the cost has no minimum for large beta; its saddle is no state."""
    b = bench(task)
    with pytest.raises(SolveError, match=r"nudge|No equilibrium"):
        b.solver.solve(Phase("nudge", -10.0))


def test_contrastive_learning_is_coupled_learning_at_the_target(bench):
    b = bench()
    found = b.signal(ContrastiveLearning(), "stiffness")
    assert found == pytest.approx(b.signal(CoupledLearning(eta=1.0), "stiffness"), rel=1e-12)


def test_what_clamping_costs_is_the_residual_in_the_stiffness_between_the_outputs(plane):
    """``R S R / 2`` where outputs are held, ``R S^-1 R / 2`` where they are loaded, at any eta."""
    pairs = [(3, 12), (20, 25)]
    rows = np.array([pair_row(plane, *pair)[0] for pair in [(0, 7), *pairs]])
    stretched, modes = np.linalg.eigh(bond_matrix(plane).T @ bond_matrix(plane))
    inverse = (modes[:, 3:] / stretched[3:]) @ modes[:, 3:].T
    flexibility = rows @ inverse @ rows.T
    # The source is held, so the outputs feel the network with its distance fixed.
    held = (
        flexibility[1:, 1:] - np.outer(flexibility[1:, 0], flexibility[0, 1:]) / flexibility[0, 0]
    )
    for quantity, weights in (("strain", np.linalg.inv(held)), ("force", held)):
        targets = [
            Target(nodes=list(pair), **{quantity: value})
            for pair, value in zip(pairs, (0.2, -0.1), strict=True)
        ]
        b = Bench(plane, Task(sources=[IN], targets=targets), Spring(), np.ones(plane.n_edges),
                  rest_length=plane.lengths)  # fmt: skip
        free = b.solver.solve(Phase("clamp"))
        residual = (b.problem.wanted - b.solver.outputs(b.solver.free()))[0]
        for eta in (1.0, 0.1, 0.01):
            second = b.solver.solve(Phase("clamp", eta))
            cost = (second.potentials - free.potentials).sum()
            assert cost / eta**2 == pytest.approx(residual @ weights @ residual / 2, rel=1e-9)


def test_directed_aging_is_the_elements_own_energy(plane, stiffnesses):
    b = Bench(plane, TASKS["one strain"], Spring(), stiffnesses(plane))
    clamped = b.solver.solve(Phase("clamp", 1.0)).parts[0][1]
    own = b.solver.model.to_bonds(clamped.strains()[0])[0] - b.at["rest_length"] + plane.lengths
    assert b.signal(DirectedAging(), "stiffness") == pytest.approx(own**2 / 2, rel=1e-12)
    assert b.signal(DirectedAging(), "rest_length") == pytest.approx(
        -b.at["stiffness"] * own, rel=1e-10, abs=1e-14
    )


@pytest.mark.parametrize("rule", sorted(n for n in rules if issubclass(rules[n], Rule)))
def test_rules_are_local(rule):
    """A rule sees arrays of elements' own numbers and treats every element alike: shuffling the
    elements shuffles the signal, and changing one element changes no other's signal."""
    made = rules[rule]()
    rng = np.random.default_rng(3)
    felt = [rng.standard_normal((2, 50)) for _ in made.phases]
    signal = made.signal(felt)
    order = rng.permutation(50)
    assert np.array_equal(made.signal([f[:, order] for f in felt]), signal[:, order])
    for f in felt:
        f[:, 7] += 1.0
    others = np.arange(50) != 7
    assert np.array_equal(made.signal(felt)[:, others], signal[:, others])
    assert set(inspect.signature(made.signal).parameters) == {"sensitivities"}
    assert all(isinstance(v, float | str | bool) for v in dataclasses.asdict(made).values())


def test_sign_and_dead_zone():
    felt = [np.zeros(5), np.array([-2.0, -0.1, 0.0, 0.1, 2.0])]
    assert CoupledLearning(eta=1.0, response="sign").signal(felt).tolist() == [-1, -1, 0, 1, 1]
    assert CoupledLearning(eta=1.0, dead_zone=0.5).signal(felt).tolist() == [-2, 0, 0, 0, 2]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CoupledLearning(eta=0.0), "eta = 0.0: it should be greater than 0"),
        (lambda: CoupledLearning(variant="up"), "variant = 'up': it should be 'positive'"),
        (lambda: EquilibriumPropagation(beta=-1.0), "beta = -1.0: it should be greater than 0"),
        (lambda: DirectedAging(clamp=2.0), "clamp = 2.0: it should be less than or equal to 1"),
        (lambda: CoupledLearning(dead_zone=-1.0), "dead_zone = -1.0: it should be greater than"),
    ],
)
def test_rules_refuse_nonsense(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_a_nudge_that_destabilises_a_measured_force_is_refused(plane, stiffnesses):
    """A force is nudged by moving its port; too far, and the network answers the wrong way."""
    b = Bench(plane, TASKS["force of a pair"], Spring(), stiffnesses(plane))
    exact = b.signal(GradientDescent(), "stiffness")
    gentle = b.signal(EquilibriumPropagation(beta=1e-3), "stiffness")
    assert cosine(gentle, exact) > 0.99
    with pytest.raises(SolveError, match="loses its stability"):
        b.signal(EquilibriumPropagation(beta=1e3), "stiffness")
