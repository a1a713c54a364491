"""Bezier springs, and internal unknowns of bonds: paths through folds, gradients, ranks."""

import numpy as np
import pytest
from ranks import on_ranks
from scipy.interpolate import BPoly, PPoly

import mechlearn as ml
from mechlearn.analysis.tangent import tangent
from mechlearn.cli import main
from mechlearn.energies.bezier import Bezier

LINE = ml.Network([[0, 0], [1, 0]], [[0, 1]])
ROW = ml.Network([[0, 0], [1, 0], [2, 0]], [[0, 1], [1, 2]])
SHEET = ml.networks.triangular((3, 3))
ELONGATIONS, FORCES = np.array([0.7, -0.2, 0.6]), np.array([0.9, -0.9, 0.3])
X, F = (
    PPoly.from_bernstein_basis(BPoly(np.r_[0, c][:, None], [0, 1])) for c in (ELONGATIONS, FORCES)
)
SERIES = ml.energy(
    lambda e, h, soft=2.0, hard=3.0: soft * (e - h) ** 2 / 2 + hard * h**2 / 2,
    internal="h", name="series",
)  # fmt: skip


def controls(elongations=ELONGATIONS, forces=FORCES):
    named = (("elongation", elongations), ("force", forces))
    return {f"{name}_{k}": v for name, of in named for k, v in enumerate(of, 1)}


def pulled(net, target, **load):
    last = net.n_nodes - 1
    return ml.Task(
        supports=[
            ml.Support(nodes=[0]), ml.Support(nodes=list(range(1, last + 1)), components=["y"])
        ],
        sources=[ml.Source(name="end", nodes=last, components=["x"], **load)],
        targets=[target],
    )  # fmt: skip


FORCE = ml.Target(name="out", source="end", quantity="force", force=[0.1])
FIRST = ml.Target(name="out", nodes=1, components=["x"], displacement=[0.1])


def roots(polynomial, value=0.0):
    return polynomial.solve(value, extrapolate=False)


def test_the_path_of_one_spring_is_its_curve_through_all_folds_and_limits():
    path = ml.path(LINE, pulled(LINE, FIRST, force=[0.6]), Bezier, steps=30, **controls())
    for point, t in zip(path.limit_points, roots(F.derivative()), strict=True):
        np.testing.assert_allclose([point["end"], point["end.force"]], [X(t), F(t)], atol=1e-9)
    x, f = path["end"].values, path["end.force"].values
    inside = (x > 0) & ~((x > 0.3) & (f > 0.3))
    t = np.linspace(0, 1, 40001)
    for point in np.column_stack([x, f])[inside]:
        away = np.hypot(X(t) - point[0], F(t) - point[1]).min()
        assert away < 5e-5
    # Under a force what falls is unstable, within folds and beside them.
    np.testing.assert_array_equal(path["stable"].values == 0, _between(path, "limit"))
    held = ml.path(LINE, pulled(LINE, FORCE, displacement=[0.8]), Bezier, steps=30, **controls())
    for point, t in zip(held.limit_points, roots(X.derivative()), strict=True):
        np.testing.assert_allclose([point["end"], point["end.force"]], [X(t), F(t)], atol=1e-9)
    np.testing.assert_array_equal(held["stable"].values == 0, _between(held, "limit"))
    np.testing.assert_allclose(held["end.force"].values[-1], 0.3 + 0.2 * 1.2 / 0.8, atol=1e-9)


def _between(path, kind):
    """Points from the first critical one to the last."""
    at = np.flatnonzero(path["kind"].values == kind)
    return (np.arange(len(path["kind"])) >= at[0]) & (np.arange(len(path["kind"])) <= at[-1])


@pytest.mark.parametrize("stiffness", [0.7, 100.0])
def test_a_series_with_a_hookean_spring_snaps_back_where_its_curve_does(stiffness):
    values = {
        name: [value, (stiffness if name.startswith("force") else 1.0) * int(name[-1]) / 3]
        for name, value in controls().items()
    }
    task = pulled(ROW, FIRST, displacement=[1.5])
    path = ml.path(ROW, task, Bezier, steps=30, **values)
    limits = roots(PPoly(X.c + F.c / stiffness, [0, 1]).derivative())
    for point, t in zip(path.limit_points, limits, strict=True):
        found = point["end"], point["end.force"], point["out"]
        np.testing.assert_allclose(found, [X(t) + F(t) / stiffness, F(t), X(t)], atol=1e-9)


@pytest.mark.parametrize("x", [0.2, 0.28, 0.3, 0.5, 0.8, -0.2])
def test_states_far_from_rest_are_on_a_stable_part_of_the_curve(x):
    at = ml.System(LINE, pulled(LINE, FORCE, displacement=[x]), Bezier, **controls())
    on = [float(F(t)) for t in roots(X, x) if X.derivative()(t) > 0]
    on += [x * 0.9 / 0.7] * (x < 0) + [0.3 + (x - 0.6) * 1.2 / 0.8] * (x > 0.6)
    assert np.abs(on - at.outputs[0, 0]).min() < 1e-9


def test_a_curve_of_one_value_is_the_law_of_that_function():
    """F = 2 x + 3 x^2 + 5 x^3 up to an elongation of 1.2, as a polynomial of its parameter."""
    lines = np.arange(1, 4) / 3 * 1.2
    a, b, c = 2 * 1.2, 3 * 1.2**2, 5 * 1.2**3
    values = controls(lines, [a / 3, (2 * a + b) / 3, a + b + c])
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 1, 2, 3, 5, 6, 8])],
        sources=[ml.Source(nodes=4, displacement=[0.025, 0.05])],
        targets=[ml.Target(nodes=7, displacement=[0.1, 0.1])],
    )
    known = {"stiffness": 2.0, "quadratic": 3.0, "cubic": 5.0}
    states = []
    for law, at in ((Bezier, values), ("cubic_law", known)):
        system = ml.System(SHEET, task, law, rest_length=0.4 * SHEET.lengths, **at)
        states.append((system.outputs, system.jacobian("rest_length")))
    for one, other in zip(*states, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)


def far(net, dim=2):
    return ml.Task(
        supports=[ml.Support(nodes=[0, 1, 2])],
        sources=[ml.Source(name="in", nodes=net.n_nodes - 1, displacement=[0.1] * dim)],
        targets=[ml.Target(name="out", nodes=net.n_nodes - 3, displacement=[0.05] * dim)],
    )


CUBIC = ml.networks.cubic((2, 2, 2))
BRACED = ml.Network(CUBIC.nodes, [(i, j) for i in range(8) for j in range(i)])
CELL = ml.networks.triangular((3, 4), periodic=True)
CELL_TASK = ml.Task(
    sources=[ml.Source(name="in", cell="xy", strain=0.05)],
    targets=[ml.Target(name="out", cell="xx", strain=-0.05)],
)
CASES = {
    "bezier": (SHEET, far(SHEET), "bezier_law"),
    "sum": (SHEET, far(SHEET), "finite_spring + bezier_law"),
    "space": (BRACED, far(BRACED, 3), "bezier_law"),
    "cell": (CELL, CELL_TASK, "bezier_law"),
    "frames": (SHEET, far(SHEET), ml.FiniteBeam(segments=1) + Bezier()),
    "angles": (
        ml.networks.with_angles(SHEET), far(SHEET), "bezier_law + angle"
    ),
    "declared": (SHEET, far(SHEET), SERIES),
}  # fmt: skip


def system(name, **changed):
    net, task, energy = CASES[name]
    rng, values = np.random.default_rng(1), {}
    if name != "declared":
        values = {
            n: 0.2 * v * rng.uniform(0.9, 1.1, net.n_edges) for n, v in controls().items()
        }  # fmt: skip
        values |= {"rest_length": net.lengths * rng.uniform(0.98, 1.02, net.n_edges)}
    else:
        values = {"soft": rng.uniform(1, 2, net.n_edges), "hard": rng.uniform(1, 2, net.n_edges)}
    return ml.System(net, task, energy, **values | changed)


@pytest.mark.parametrize("name", CASES)
def test_derivatives_of_outputs_by_every_constant(name):
    at, rng = system(name), np.random.default_rng(0)
    for parameter in at.learns:
        values, slopes = at.parameters[parameter], at.jacobian(parameter)
        change = values * rng.uniform(-1, 1, values.shape)
        error = [
            np.abs(system(name, **{parameter: values + h * change}).outputs - at.outputs
                   - h * slopes @ change).max() for h in (4e-3, 4e-4)
        ]  # fmt: skip
        assert error[0] < 1e-11 or np.log10(error[0] / error[1]) > 1.95, parameter


def states_of(name):
    at = system(name)
    return at.free.states(), at.gradient(next(iter(at.learns)))


@pytest.mark.parametrize("name", ["bezier", "cell"])
def test_ranks_find_one_state_and_one_gradient(name):
    state, gradient = states_of(name)
    for other, slopes in on_ranks(2, states_of, name):
        np.testing.assert_allclose(other, state, atol=1e-9)
        np.testing.assert_allclose(slopes, gradient, atol=1e-8)


def test_a_spring_with_an_unknown_inside_is_that_of_the_two_in_series():
    one, other = (ml.System(SHEET, far(SHEET), law, **at) for law, at in (
        (SERIES, {}), ("finite_spring", {"stiffness": 1.2})))  # fmt: skip
    np.testing.assert_allclose(one.outputs, other.outputs, atol=1e-12)
    np.testing.assert_allclose(
        tangent(one).stiffness.toarray(), tangent(other).stiffness.toarray(), atol=1e-12
    )
    values = {"length": SHEET.lengths, "soft": 2.0, "hard": 3.0}
    np.testing.assert_allclose(SERIES().axial_stiffness(values), 1.2)
    conductors = ml.energy(
        lambda v, h, soft=2.0, hard=3.0: soft * (v - h) ** 2 / 2 + hard * h**2 / 2,
        of="resistor", internal="h", name="row",
    )  # fmt: skip
    task = ml.Task(
        sources=[ml.Source(nodes=[0, 8], voltage=1.0)], targets=[ml.Target(nodes=[2, 3], voltage=0)]
    )
    at = ml.System(SHEET, task, conductors)
    np.testing.assert_allclose(at.outputs, ml.System(SHEET, task, "resistor").outputs, atol=1e-12)


@pytest.mark.parametrize("name", ["force_2", "elongation_3", "rest_length"])
def test_rules_tend_to_the_gradient(name):
    net, task, law = CASES["bezier"]
    task = task.model_copy(
        update={"targets": [ml.Target(nodes=6, components=["x"], displacement=[0.05])]}
    )
    at = ml.System(net, task, law, learns=name, **{n: 0.2 * v for n, v in controls().items()})
    gradient = at.gradient(name)
    pushed = at.signal(ml.EquilibriumPropagation(beta=1e-4, variant="centred"), name)
    np.testing.assert_allclose(pushed, gradient, atol=1e-5 * np.abs(gradient).max())
    clamped = at.signal(ml.CoupledLearning(eta=1e-4), name)
    sizes = np.linalg.norm(clamped) * np.linalg.norm(gradient)
    assert clamped @ gradient / sizes > 1 - 1e-6


TASK = """
title = "Snaps"
network = {generator = "triangular", size = [3, 3]}
energy = {model = "law", law = "bezier", elongation_1 = 0.1, elongation_2 = -0.02, \
elongation_3 = 0.09, force_1 = 0.2, force_2 = -0.15, force_3 = 0.1}
learn.force_1 = {bounds = [0.15, 0.25]}
learn.elongation_3 = {bounds = [0.08, 0.1]}
supports = [{nodes = [0, 1], components = ["x", "y"]}]
sources = [{name = "pull", nodes = 8, displacement = [0.05, 0.05]}]
targets = [{name = "answer", nodes = 6, displacement = [0.02, 0.02]}]
train = {steps = 4, rate = 0.01, tolerance = 1e-9, seed = 1}
"""


def succeed(*arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    assert not stop.value.code


def test_a_run_is_trained_kept_resumed_and_followed(tmp_path):
    task, parts = tmp_path / "task.toml", tmp_path / "parts"
    task.write_text(TASK)
    whole = ml.train_file(task)
    assert whole.history["error"].values[-1] < whole.history["error"].values[0]
    task.write_text(TASK.replace("steps = 4", "steps = 2"))
    succeed("train", task, "-o", parts, "--quiet")
    task.write_text(TASK)
    succeed("train", task, "-o", parts, "--quiet", "--resume")
    run = ml.Run.load(parts)
    for name, values in whole.learned.items():
        np.testing.assert_allclose(run.learned[name], values, rtol=1e-9)
    np.testing.assert_allclose(run.system().outputs, whole.system().outputs, atol=1e-10)
    path = run.path()
    np.testing.assert_allclose(path["answer.x"].values[-1], run.system().outputs[0, 0], atol=1e-8)


@pytest.mark.parametrize(
    ("elongations", "forces", "message"),
    [
        ([0.7, -0.2, 0.6], [0.9, 0.5, 1.4], "bond 0 goes back where it is no steeper than where"),
        ([0.1, 0.6, 0.3], [0.2, 0.3, -0.5], "bond 0 must end with a growing elongation"),
        ([0.1, 0.2, 0.3], [0.0, 0.0, 0.0], "bond 0 has no force"),
    ],
)
def test_curves_of_no_spring_are_refused_in_a_sentence(elongations, forces, message):
    with pytest.raises(ml.InputError, match=message):
        ml.System(LINE, pulled(LINE, FORCE, displacement=[0.1]), Bezier,
                  **controls(elongations, forces))  # fmt: skip


def test_what_follows_from_the_curve_is_neither_given_nor_learned():
    task = ml.Task(
        supports=[ml.Support(nodes=0), ml.Support(nodes=1, components=["y"])],
        sources=[ml.Source(name="pull", nodes=1, components=["x"], force=[0.1])],
        targets=[ml.Target(source="pull", displacement=[0.1])],
    )
    for given in ({"material": {"series": 2.0}}, {"learn": ["series"]}):
        with pytest.raises(ml.InputError, match="series follows from the others; leave it out"):
            ml.train(LINE, task, energy="bezier_law", **given, steps=1)


def test_bad_internal_unknowns_are_refused_in_a_sentence():
    with pytest.raises(ml.InputError, match="degree = 0 must be from 1 to 12"):
        Bezier(degree=0)
    with pytest.raises(
        ml.InputError, match=r"internal = \('g',\) must be arguments of law without"
    ):
        ml.energy(lambda e, h, law=1.0: law * (e - h) ** 2, internal="g", name="law")
    with pytest.raises(ml.InputError, match="3 internal unknowns and 1 segments; there may be 2"):
        _ = ml.System(SHEET, far(SHEET), SERIES + Bezier() + ml.energy(
            lambda e, h, c=1.0: c * (e - h) ** 2 + c * h**2, internal="h", name="other"),
        ).free  # fmt: skip
    with pytest.raises(ml.InputError, match="cannot be cut"):
        ml.System(SHEET, far(SHEET), SERIES, cut=[1])
