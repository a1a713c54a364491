"""Laws of one expression, and sums of elements."""

import numpy as np
import pytest
import tomli_w
import ufl

import mechlearn as ml
from mechlearn.cli import main
from mechlearn.energies import element_for
from mechlearn.runs.taskfile import read_setup

PLUGIN = """
import ufl
import mechlearn as ml

Morse = ml.register(
    ml.energy(lambda e, depth=1.0, width=0.5: depth * (1 - ufl.exp(-e / width)) ** 2, name="morse")
)

@ml.register
@ml.energy(of=ml.Spring)
def hardening(e, length, cubic=5.0):
    return cubic * e**4 / length**2
"""


def morse(e, depth=1.0, width=0.5):
    return depth * (1 - ufl.exp(-e / width)) ** 2


@pytest.fixture(scope="module")
def net():
    return ml.networks.packing(nodes=24, coordination=4.3, seed=3)


@pytest.fixture(scope="module")
def task(net):
    a, b = net.edges[[0, 9]].tolist()
    return ml.Task(
        sources=[ml.Source(name="in", nodes=a, strain=0.1)],
        targets=[ml.Target(name="out", nodes=b, strain=0.02)],
    )


def outputs(net, task, element, **values):
    return ml.System(net, task, element, **values).outputs


def test_a_list_of_elements_is_summed(net):
    parts = [ml.FiniteSpring(), ml.energy(morse, name="morse")]
    assert sum(parts).name == (parts[0] + parts[1]).name
    assert sum(parts[1:]).name == "morse"
    assert sum([ml.Spring]).name == "spring"


def test_a_law_has_the_forces_of_its_class(net, task):
    class Morse(ml.FiniteSpring):
        name = "morse"
        parameters = (ml.Parameter("depth"), ml.Parameter("width", 0.5))

        def energy(self, strain, length, depth, width):
            return depth * (1 - ufl.exp(-strain / width)) ** 2

    made = ml.energy(morse)
    assert (made.name, made.plural, made.stiffness_parameter) == ("morse", "morses", "depth")
    assert made.parameters[1].default(net) == 0.5
    values = {"depth": np.linspace(0.5, 2.0, net.n_edges), "width": 0.7}
    np.testing.assert_array_equal(
        outputs(net, task, made, **values), outputs(net, task, Morse, **values)
    )


def test_defaults_say_where_constants_may_go():
    deep = ml.Parameter("anything", 2.0)

    @ml.energy
    def law(e, k=3.0, shift=0.0, size=lambda net: net.lengths, other=deep):
        return k * (e - shift) ** 2 / size * other

    assert [(p.name, p.positive, p.scale) for p in law.parameters] == [
        ("k", True, "log"), ("shift", False, "linear"), ("size", True, "log"),
        ("other", True, "log"),
    ]  # fmt: skip


def test_a_law_learns_about_its_default_unless_told_otherwise(net, task):
    @ml.energy(of=ml.Spring)
    def stiff(e, k=400.0):
        return k * e**2 / 2

    assert stiff().linear
    run = ml.train(net, task, energy=stiff, steps=1)
    assert run.setup.learn["k"].bounds == (4.0, 4000.0)
    np.testing.assert_array_equal(run.initial["k"], 400.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ml.energy(lambda e: e**2), "has no constants, arguments with a default"),
        (
            lambda: ml.energy(lambda a, b, k=1.0: a * k),
            "takes a and b without a default; that must be the strain",
        ),
        (lambda: ml.energy(lambda e, *more, k=1.0: e * k), "takes e and more without a default"),
        (lambda: ml.energy(3), "energy: 3 must be a function"),
        (lambda: ml.energy(lambda e, k="a": e * k), "default = 'a' must be a number"),
        (lambda: ml.energy(lambda e, k=1.0: np.exp(e) * k), "its energy cannot be computed .*Type"),
        (lambda: ml.energy(lambda e, length=1.0: e * length), "'length' means something else"),
        (lambda: ml.energy(lambda e, k=1.0: e * k, of=ml.Solid), "must be an element of bonds"),
        (lambda: ml.energy(lambda e, k=1.0: e * k, of="sprong"), "did you mean 'spring'"),
        (lambda: ml.energy(lambda e, k=1.0: e * k, name="a+b"), r"must be a text without \+"),
        (lambda: ml.energy(lambda e, k=1.0: k), "its energy does not depend on strain"),
        (lambda: ml.Spring() + ml.FiniteSpring(), "several parts have a parameter 'stiffness'"),
        (lambda: ml.Spring() + ml.Resistor(), "nodes of resistors and of linear springs have"),
        (lambda: ml.Resistor() + ml.Capacitor(), "nodes of capacitors and of resistors have"),
        (lambda: ml.Spring() + ml.Solid(), "which struts of a solid are not"),
        (lambda: ml.Solid + ml.Spring, "which struts of a solid are not"),
        (lambda: ml.Spring() + 3, "which 3 are not"),
        (lambda: ml.FiniteBeam() + ml.energy(morse), "divided into 12 and 1 elements; .*segments"),
    ],
)
def test_what_is_no_law_or_sum_is_refused_in_a_sentence(make, message):
    with pytest.raises(ml.InputError, match=message):
        make()


def test_a_sum_is_springs_in_parallel(net, task):
    """Of two linear springs between the same nodes, the stiffnesses add up."""
    second = ml.energy(lambda e, more=1.0: more * e**2 / 2, of=ml.Spring, name="second")
    k = np.linspace(0.5, 2.0, net.n_edges)
    both = ml.Spring() + second
    assert both.linear
    assert both.strains == ("strain",)
    assert both.name == "spring + second"
    assert both.removal == ("stiffness", "more")
    found = outputs(net, task, both, stiffness=k, more=k[::-1])
    expected = outputs(net, task, ml.Spring(), stiffness=k + k[::-1])
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("dim", [2, 3])
def test_springs_beside_beams_are_stiffer_struts(dim):
    """A spring adds to E A / L and leaves bending alone: a beam of more area and as much of I."""
    at = {name: np.full(3, value) for name, value in {"length": 2.0, "modulus": 3.0}.items()}
    both = (ml.Beam() + ml.Spring()).in_dimension(dim)
    assert both.linear
    assert both.kinematics == ml.Beam.kinematics
    size = {"width": 0.2, "thickness": 1.0} if dim == 2 else {"radius": 0.1}
    at |= {n: np.full(3, v) for n, v in (size | {"poisson": 0.3, "stiffness": 5.0}).items()}
    at |= {"joint_stiffness": np.full(3, np.inf), "rest_length": np.full(3, 2.1)}
    strains = dict.fromkeys(both.strains, 0.0) | {"extension": 0.3, "strain": 0.3}
    alone = ml.Beam().in_dimension(dim)
    beam = {name: strains[name] for name in alone.strains}
    added = 5.0 * (0.3 - 0.1) ** 2 / 2
    np.testing.assert_allclose(
        both.derivative()(**at, **strains), alone.derivative()(**at, **beam) + added, rtol=1e-14
    )
    np.testing.assert_allclose(both.bending_stiffness(at), alone.bending_stiffness(at), rtol=1e-14)


def test_parts_at_finite_and_at_small_displacement_keep_their_strains(net, task):
    second = ml.energy(lambda e, more=1.0: more * e**2 / 2, of=ml.Spring, name="second")
    both = ml.FiniteSpring() + second
    assert both.strains == ("strain", "strain_2")
    assert not both.linear
    assert (second + ml.FiniteSpring).settings == {}
    at = {"length": np.ones(2), "rest_length": np.ones(2), "stiffness": 2.0, "more": 3.0}
    found = both.derivative()(strain=0.5, strain_2=0.1, **at)
    np.testing.assert_allclose(found, 2.0 * 0.5**2 / 2 + 3.0 * 0.1**2 / 2, rtol=1e-14)


@pytest.fixture
def files(tmp_path, net, task, own_extensions, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.py").write_text(PLUGIN)
    network = {"points": net.nodes.tolist(), "edges": net.edges.tolist()}
    tables = {"network": network, "train": {"steps": 3}}
    tables["sources"] = [{"name": "in", "nodes": list(task.sources[0].nodes), "strain": 0.1}]
    tables["targets"] = [{"name": "out", "nodes": list(task.targets[0].nodes), "strain": 0.02}]

    def write(energy, *learn):
        text = tomli_w.dumps(tables | {"energy": energy, "learn": {name: {} for name in learn}})
        (tmp_path / "task.toml").write_text(text)
        return "task.toml"

    return write


def mechlearn(*arguments):
    """Exit code of a command with the plugin."""
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--plugin", "my.py"])
    return stop.value.code


@pytest.mark.parametrize(
    "energy",
    [
        {"model": "finite_spring+morse", "stiffness": 2.0},
        [{"model": "finite_spring", "stiffness": 2.0}, {"model": "morse"}],
    ],
    ids=["names", "list"],
)
def test_a_sum_in_a_task_file_is_that_of_python(files, net, task, energy):
    assert mechlearn("train", files(energy, "depth"), "-o", "run") == 0
    run = ml.Run.load("run")
    assert run.setup.energy.model == "finite_spring + morse"
    same = ml.train(
        net, task, energy=ml.FiniteSpring() + ml.energy(morse), learn={"depth": ml.Learn()},
        material={"stiffness": 2.0}, steps=3,
    )  # fmt: skip
    np.testing.assert_array_equal(run.learned["depth"], same.learned["depth"])
    np.testing.assert_array_equal(run.parameters["stiffness"], 2.0)
    again = ml.train(net, task, start=run, steps=1)
    assert again.energy == run.energy


def test_tables_of_a_sum_that_give_the_same_key_are_refused(files):
    tables = [{"model": "spring", "stiffness": 2.0}, {"model": "morse", "stiffness": 3.0}]
    with pytest.raises(ml.InputError, match=r"energy: several tables give stiffness"):
        read_setup(files(tables, "stiffness"))


def test_a_law_of_a_plugin_goes_through_commands(files):
    path = files({"model": "morse"}, "depth")
    assert mechlearn("check", path) == 0
    assert mechlearn("train", path, "-o", "run") == 0
    assert mechlearn("evaluate", "run") == 0


def test_a_run_names_the_parts_that_it_needs(files, net, task, own_extensions):
    both = ml.FiniteSpring() + ml.energy(morse)
    run = ml.train(net, task, energy=both, learn="depth", steps=1)
    run.save("own")
    assert list(run.setup.plugins) == ["morse"]
    with pytest.raises(ml.InputError, match=r"'morse' is not known.*Run.load\(folder, energy=.*"):
        ml.Run.load("own")
    assert ml.Run.load("own", energy=both).energy == both


def test_laws_have_noise_and_spectra(net, task):
    run = ml.train(
        net, task, energy=ml.energy(morse), steps=2, imperfections=ml.Imperfections(noise=0.01)
    )
    assert np.all(ml.analysis.spectrum(run).eigenvalues[3:] > 0)


def test_an_element_may_be_named_by_several(net):
    assert element_for(net, "beam + spring") == ml.Beam() + ml.Spring()
