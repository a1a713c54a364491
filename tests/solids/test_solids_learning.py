"""Learning on solids: the rules' own interfaces, exact derivatives, new meshes, several ranks."""

import numpy as np
import pytest
from paths import ROOT
from ranks import on_ranks
from test_solids import HINGE, frame, tower

import mechlearn as ml
from mechlearn.energies import Solid
from mechlearn.errors import InputError
from mechlearn.learning import RuleLearner
from mechlearn.learning.rules import CoupledLearning, EquilibriumPropagation, GradientDescent
from mechlearn.phase import ADJOINT
from mechlearn.render.colours import SOURCE, TARGET, rgb
from mechlearn.render.solid import draw_solid
from mechlearn.runs.config import Setup

PINCH = ml.Task(
    sources=[ml.Source(nodes=[0, 5], strain=0.05)],
    targets=[ml.Target(nodes=[2, 6], strain=0.03, baseline="reference")],
)
SPREAD = ml.Task(
    sources=[ml.Source(nodes=[3, 4], strain=0.05)],
    targets=[ml.Target(nodes=[0, 1], strain=0.03, baseline="reference")],
)
START = {"width": 0.15, "eigenstrain": 0.01}


class Bench:
    """A solid, a task and one learning parameter: the cost, its derivative, the rules' signals."""

    def __init__(self, net, task, energy, name, rule=None, material=START):
        self.name = name
        self.learner = RuleLearner(
            net, task, energy, {name: ml.Learn()}, rule or GradientDescent(), material=material
        )
        self.start = self.learner.parameters[name]
        self.at = self.learner.equilibrium

    def output(self, values, fresh=False):
        """The target's output; on a mesh of its own where ``fresh``."""
        self.at.update(**{self.name: values})
        if fresh and self.at.forget():
            self.at.update(**{self.name: values})
        return self.at.outputs(self.at.free())[0]

    def cost(self, values):
        outputs = self.output(values)
        residual = self.learner.problem.residual(outputs[None]) / self.learner.problem.units
        return 0.5 * float((residual**2).sum())

    def gradient(self):
        self.cost(self.start)
        local = self.at.solve(ADJOINT).sensitivity(self.name)
        return self.learner.model.to_bonds(local.mean(axis=0))

    def signal(self, rule):
        self.cost(self.start)
        local = rule.signal([self.at.solve(p).sensitivity(self.name) for p in rule.phases])
        return self.learner.model.to_bonds(local.mean(axis=0))


# -- derivatives -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["modulus", "width", "thickness", "eigenstrain"])
@pytest.mark.parametrize("material", ["linear", "neo_hookean", "st_venant_kirchhoff"])
def test_every_gradient_passes_the_taylor_test(material, name):
    energy = Solid(material=material, order=1, mesh_size=0.8, hinge=HINGE)
    check_taylor(Bench(frame(), PINCH, energy, name))


@pytest.mark.parametrize("name", ["modulus", "width", "eigenstrain"])
def test_gradients_in_space_pass_the_taylor_test(name):
    check_taylor(Bench(tower(), SPREAD, Solid(order=1), name))


def test_gradients_of_several_examples_are_those_of_each_from_the_one_unloaded_state():
    task = ml.Task(
        sources=[ml.Source(nodes=[0, 5], strain=0.05, name="pinch")],
        targets=[
            ml.Target(nodes=[2, 6], strain=0.03, baseline="unloaded"),
            ml.Target(nodes=[1, 6], strain=0.03, baseline="reference"),
        ],
        examples=[{"pinch": 0.05}, {"pinch": 0.02}],
    )
    both = ml.System(frame(), task, Solid(order=1, mesh_size=0.8), **START)
    each = [both.copy(example=k).gradient("eigenstrain") for k in range(2)]
    assert both.gradient("eigenstrain") == pytest.approx(np.mean(each, axis=0), rel=1e-9)


def check_taylor(bench):
    size = 0.01 if bench.name == "eigenstrain" else bench.start.mean()
    rng = np.random.default_rng(0)
    direction = size * rng.uniform(-1, 1, len(bench.start))
    gradient, cost = bench.gradient(), bench.cost(bench.start)
    steps = (0.02, 0.01, 0.005)
    rest = [
        abs(bench.cost(bench.start + h * direction) - cost - h * gradient @ direction)
        for h in steps
    ]
    orders = np.log2(np.array(rest[:-1]) / rest[1:])
    assert orders == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("hinge", [None, HINGE], ids=["straight", "hinged"])
def test_the_width_derivative_is_that_of_a_new_mesh(hinge):
    energy = Solid(mesh_size=0.3, hinge=hinge)
    bench = Bench(frame(), PINCH, energy, "width", material={"width": 0.14})
    at = bench.output(bench.start)
    slope = -bench.gradient() / bench.learner.problem.residual(at[None])[0, 0]
    slope = slope * bench.learner.problem.units[0] ** 2
    strut = np.argmax(np.abs(slope * bench.start))
    for wider in (np.eye(len(slope))[strut], np.sign(slope)):
        change = 0.05 * wider * bench.start
        one, other = (bench.output(bench.start + s * change, fresh=True)[0] for s in (1, -1))
        assert (one - other) / 2 == pytest.approx(slope @ change, rel=0.02)


def test_a_struts_width_only_concerns_itself_and_its_joints():
    model = Bench(frame(), PINCH, Solid(order=1, hinge=HINGE), "width").learner.model
    domain, edges = model.domain, model.network.edges
    moved = abs(domain.velocity).tocsc()
    for strut in range(len(edges)):
        points = np.unique(moved[:, [strut]].nonzero()[0] // 2)
        cells = np.isin(domain.drawn.cells, points).all(axis=1)
        touched = np.unique(domain.drawn.element[cells])
        assert np.isin(edges[touched], edges[strut]).any(axis=1).all()


# -- rules -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["modulus", "width"])
@pytest.mark.parametrize("material", ["linear", "neo_hookean"])
def test_local_rules_follow_the_gradient_for_one_output(material, name):
    energy = Solid(material=material, order=1, mesh_size=0.8)
    bench = Bench(frame(), PINCH, energy, name)
    gradient = bench.gradient()
    for rule in (
        CoupledLearning(eta=1e-3, variant="centred"),
        EquilibriumPropagation(beta=1e-5, variant="centred"),
    ):
        signal = bench.signal(rule)
        cosine = signal @ gradient / np.linalg.norm(signal) / np.linalg.norm(gradient)
        assert cosine == pytest.approx(1.0, abs=1e-4)
    assert bench.signal(rule) == pytest.approx(gradient, rel=1e-3, abs=1e-4 * abs(gradient).max())


@pytest.mark.parametrize("name", ["modulus", "thickness", "width", "eigenstrain"])
def test_a_solid_learns_with_every_parameter(name):
    bounds = (-0.05, 0.05) if name == "eigenstrain" else None
    answer = ml.Target(nodes=[2, 6], strain=-0.02, baseline="reference")
    task = ml.Task(sources=PINCH.sources, targets=[answer])
    run = ml.train(
        frame(), task,
        energy=Solid(order=1, mesh_size=0.8),
        learn={name: ml.Learn(bounds=bounds)},
        material={"width": 0.12} if name != "width" else None,
        steps=60, tolerance=0.01,
    )  # fmt: skip
    assert run.converged
    assert run.evaluate()[0]["relative_error"] == pytest.approx(
        run.targets[0]["relative_error"], abs=1e-9
    )


def test_hinged_rubber_learns_its_widths_at_finite_strain():
    """A small copy of benchmarks/solid_allostery.py."""
    task = ml.Task(
        sources=[ml.Source(nodes=[0, 5], strain=0.05)],
        targets=[ml.Target(nodes=[2, 6], strain=-0.03)],
    )
    run = ml.train(
        frame(), task,
        energy=Solid(material="neo_hookean", mesh_size=1.2, hinge=HINGE),
        learn={"width": ml.Learn(bounds=(0.05, 0.3), initial=0.15, relative=True)},
        rule=CoupledLearning(eta=0.1), steps=30, tolerance=0.05, rate=0.1,
    )  # fmt: skip
    assert abs(run.targets[0]["initial"]) < 0.7 * 0.03
    assert run.converged
    assert run.summary["warnings"] == []


def test_cells_too_coarse_for_round_struts_are_refused():
    with pytest.raises(InputError, match="mesh_size = 1 is too coarse"):
        Bench(tower(), SPREAD, Solid(mesh_size=1.0), "width")


@pytest.mark.parametrize("make", [frame, tower])
def test_a_solid_is_drawn(make, tmp_path):
    from matplotlib.image import imread

    task = PINCH if make is frame else SPREAD
    bench = Bench(make(), task, Solid(order=1), "width")
    bench.output(bench.start)
    state = bench.at.free().fields()[:, 0]
    learner = bench.learner
    path = draw_solid(
        learner.model, learner.problem, state, tmp_path / "solid.png", size=(400, 300)
    )
    picture = imread(path)[..., :3]
    assert picture.shape[:2] == (300, 400)
    # Sources and targets are marked, and named in the legend.
    for colour in (SOURCE, TARGET):
        marked = np.abs(picture - rgb(colour) / 255).max(axis=2) < 0.02
        assert marked.sum() > 10
    ink = (picture < 0.98).any(axis=2).mean()
    assert 0.03 < ink < 0.7


def test_a_new_mesh_is_made_when_widths_leave_the_old_one():
    bench = Bench(frame(), PINCH, Solid(order=1, material="neo_hookean"), "width")
    bench.output(bench.start)
    model = bench.learner.model
    assert model.remeshed == 0
    wide = bench.start * np.where(np.arange(14) % 2, 0.4, 1.6)
    moved = bench.output(wide)
    assert model.remeshed == 1
    assert np.array_equal(model.domain.struts.width, wide)
    # Of the pull, as the answer happens to be small.
    assert bench.output(wide, fresh=True) == pytest.approx(moved, rel=0, abs=1e-9 * 0.05)


def test_a_run_is_saved_with_what_it_is_made_of(tmp_path):
    energy = Solid(order=1, mesh_size=0.9, hinge=HINGE, poisson=0.4)
    run = ml.train(frame(), PINCH, energy=energy, learn={"width": ml.Learn(initial=0.14)}, steps=2)
    run.save(tmp_path / "run")
    loaded = ml.Run.load(tmp_path / "run")
    assert loaded.energy == energy
    assert loaded.evaluate() == run.evaluate()
    assert run.summary["solver"]["meshes"] >= 1


def test_settings_are_checked():
    for extra, said in (
        ({"poisson": 0.5}, "poisson"),
        ({"material": "mooney"}, "material"),
        ({"hinge": {"thin": 0.3, "lenght": 0.1}}, "lenght"),
        ({"colour": 1}, "colour is not a known key"),
    ):
        table = {"model": "solid", **extra}
        setup = Setup(network={}, energy=table, learn={"width": {}}, targets=PINCH.targets)
        with pytest.raises(InputError, match=said):
            setup.element(tower())


def test_hinges_and_thickness_are_for_the_plane():
    for energy, material in ((Solid(hinge=HINGE), {}), (Solid(), {"thickness": 2.0})):
        with pytest.raises(InputError, match="plane networks"):
            Bench(tower(), SPREAD, energy, "width", material={"width": 0.1} | material)


def test_overlap_is_reported():
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 1])],
        sources=[ml.Source(nodes=[8], displacement=[-2.2, -1.5])],
        targets=[ml.Target(nodes=[2, 6], strain=0.0)],
    )
    run = ml.train(
        frame(), task, energy=Solid(order=1), learn={"modulus": ml.Learn()}, steps=0,
        material={"width": 0.12},
    )  # fmt: skip
    assert any("Struts overlap" in warning for warning in run.summary["warnings"])


@pytest.mark.parametrize("dim", [2, 3])
def test_two_ranks_find_the_same(dim, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from solid_ranks import cases

    alone = cases(dim)
    for found in on_ranks(2, cases, dim):
        assert found == pytest.approx(alone, rel=1e-6)


def test_cells_turned_inside_out_are_reported():
    """A linear solid can be loaded to nonsense; it is not passed off as an answer."""
    nonsense = ml.Task(
        sources=[ml.Source(nodes=PINCH.sources[0].nodes, strain=-0.95)], targets=PINCH.targets
    )
    options = {"energy": Solid(order=1, mesh_size=0.7), "learn": {"width": ml.Learn(initial=0.14)}}
    calm = ml.train(frame(), PINCH, steps=0, **options)
    wild = ml.train(frame(), nonsense, steps=0, **options)
    assert not any("inside out" in text for text in calm.summary["warnings"])
    assert any("inside out" in text for text in wild.summary["warnings"])
