"""Nothing silent: what the mathematics does not allow is found, answered and counted."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from paths import TASKS
from problems import equilibrium
from ranks import MPIEXEC
from reference import pair_row, solve_linear

import mechlearn as ml
from mechlearn.cli import main
from mechlearn.energies import FiniteSpring, Spring
from mechlearn.energies.solid import Solid
from mechlearn.equilibrium import LinearEquilibrium
from mechlearn.errors import SolveError
from mechlearn.fem.model import Model
from mechlearn.learning import PruningLearner, RuleLearner
from mechlearn.learning.optimisers import MIN_STEP_SCALE
from mechlearn.network import Network
from mechlearn.networks import delaunay
from mechlearn.parallel import largest
from mechlearn.runs.folder import CHECKPOINT
from mechlearn.runs.run import Run
from mechlearn.tasks.formulate import pose

NODE = 25
TASK = ml.Task(
    sources=[ml.Source(nodes=[0, 7], strain=0.1)],
    targets=[ml.Target(nodes=[NODE, 30], strain=0.2, baseline="reference")],
)


def at_node(net):
    """The bonds at one node."""
    return (net.edges == NODE).any(axis=1)


def fade(monkeypatch, net):
    """Let the rule ask for softer bonds at one node, whatever they feel, until it floats."""
    signal = at_node(net).astype(float)
    monkeypatch.setattr(RuleLearner, "_signal", lambda self, name: signal)


def learn_plain(net, rate, *, low=1e-30, steps=60, **options):
    """Steps of the logarithm by ``rate`` times the signal."""
    learn = {"stiffness": ml.Learn(bounds=(low, 10.0), initial=1.0, chain=False)}
    return ml.train(
        net,
        TASK,
        **{"learn": learn, "optimiser": "plain", "rate": rate, "steps": steps, "keep": "last"}
        | options,
    )


# -- steps that lead nowhere -------------------------------------------------------------------


def test_a_floppy_mode_that_appears_is_approached_gently_and_never_reported(plane, monkeypatch):
    fade(monkeypatch, plane)
    run = learn_plain(plane, 3.0)
    s = run.summary
    assert s["outcome"] == "stopped"
    assert "stiffness matrix is singular" in s["why"]
    assert s["faults"].keys() == {"singular"}
    assert s["faults"]["singular"] > np.log2(1 / MIN_STEP_SCALE)
    assert any("were taken back (singular:" in w for w in s["warnings"])
    # What is reported is the last good network, solved right.
    k = run.learned["stiffness"]
    assert k[at_node(plane)].max() < 1e-10
    source, length = pair_row(plane, 0, 7)
    u, _ = solve_linear(plane, np.where(at_node(plane), 1e-6, k), [source], [0.1 * length])
    row, length = pair_row(plane, NODE, 30)
    assert run.targets[0]["reached"] == pytest.approx(row @ u / length, rel=1e-4)
    assert len(run.history["error"]) == s["steps"] + 1


def test_floating_parts_are_no_minimum_at_finite_displacement(plane, monkeypatch):
    """Residual forces are nothing there, so that a solver by residual alone is content anywhere."""
    fade(monkeypatch, plane)
    run = learn_plain(plane, 3.0, energy=FiniteSpring())
    assert run.summary["outcome"] == "stopped"
    assert "without resistance" in run.summary["why"]
    assert run.summary["faults"]["singular"] > np.log2(1 / MIN_STEP_SCALE)
    reached = run.history["output"].values[:, 0, 0]
    assert reached[-5:] == pytest.approx(reached[-1], rel=1e-3)
    # On the verge of floating it may answer no more when it is loaded anew; nothing is lost then.
    assert run.targets[0]["reached"] == pytest.approx(reached[-1], rel=1e-9)
    assert any("loaded from rest" in warning for warning in run.summary["warnings"])
    problem = pose(TASK, plane)
    solver = equilibrium(Model(plane, FiniteSpring(), problem.fixed), problem)
    solver.floppy = False
    solver.update(stiffness=np.where(at_node(plane), 1e-20, 1.0))
    with pytest.raises(SolveError, match="without resistance"):
        solver.free()


def test_bonds_at_their_lower_bound_are_said_to_be(plane, monkeypatch):
    fade(monkeypatch, plane)
    many = at_node(plane).sum()
    run = learn_plain(plane, 3.0, low=1e-6)
    assert run.summary["faults"] == {}
    assert run.summary["at_bounds"] == {
        "stiffness": {"lower": many, "upper": 0, "learning": plane.n_edges}
    }


def test_a_step_too_large_is_taken_again_at_half_the_pace(plane, monkeypatch):
    """The first step would cut a node off; the ones that follow would not."""
    lost = at_node(plane)

    def signal(self, name):
        return lost * (1.0 if self.updates == 0 else 0.0)

    monkeypatch.setattr(RuleLearner, "_signal", signal)
    run = learn_plain(plane, 60.0, steps=30)
    assert run.summary["outcome"] != "stopped"
    assert run.summary["steps"] == 30
    halvings = run.summary["faults"]["singular"]
    assert 1 <= halvings <= 3
    assert run.learned["stiffness"][lost] == pytest.approx(np.exp(-60.0 / 2**halvings))
    assert run.history["step"].values.tolist() == list(range(31))


def test_the_pace_comes_back(plane, monkeypatch):
    """After ten steps that went well steps are twice as long again."""
    lost = at_node(plane)

    def signal(self, name):
        return lost * (1.0 if self.updates in (0, 25) else 0.0)

    monkeypatch.setattr(RuleLearner, "_signal", signal)
    run = learn_plain(plane, 20.0, steps=30, low=1e-12)
    assert run.summary["faults"] == {}
    whole = run.learned["stiffness"][lost]
    real = LinearEquilibrium.update
    failed = []

    def fail_once(self, **parameters):
        if parameters["stiffness"][lost].max() < 0.1 and not failed:
            failed.append(True)
            raise SolveError("Not this time.", "singular")
        real(self, **parameters)

    monkeypatch.setattr(LinearEquilibrium, "update", fail_once)
    again = learn_plain(plane, 20.0, steps=30, low=1e-12)
    assert again.summary["faults"] == {"singular": 1}
    # Half of the first step, all of the second: to the bound in both.
    snapshots = again.history["stiffness"].values[:, lost]
    assert snapshots[1] == pytest.approx(np.exp(-10.0))
    assert again.learned["stiffness"][lost] == pytest.approx(whole)


@pytest.mark.parametrize("rate", [1e300, 1.7e308])
def test_overflow_is_found_and_leaves_the_network_as_it_was(plane, rate):
    rest = {"rest_length": ml.Learn(relative=True, initial=1.0)}
    run = ml.train(plane, TASK, learn=rest, optimiser="plain", rate=rate, steps=5)
    assert run.summary["outcome"] == "stopped"
    assert run.summary["faults"].keys() == {"not finite"}
    assert run.summary["steps"] == 0
    assert np.array_equal(run.learned["rest_length"], plane.lengths)


def test_signals_that_are_no_numbers_are_found(plane, monkeypatch):
    real = RuleLearner._signal

    def signal(self, name):
        return real(self, name) * (np.nan if self.updates == 3 else 1.0)

    monkeypatch.setattr(RuleLearner, "_signal", signal)
    run = ml.train(plane, TASK, steps=9)
    assert run.summary["outcome"] == "stopped"
    assert "the signal of stiffness is not a finite number" in run.summary["why"]
    assert run.summary["steps"] == 3
    assert np.isfinite(run.history["stiffness"]).all()


def test_where_there_is_nothing_to_go_back_to_nothing_is_reported(tmp_path, capsys):
    """A task that has no equilibrium before any step."""
    task = tmp_path / "task.toml"
    task.write_text(
        '[network]\ngenerator = "triangular"\nsize = [4, 4]\n[energy]\nmodel = "finite_spring"\n'
        "[learn.stiffness]\nbounds = [0.1, 10.0]\n[[supports]]\nnodes = [0, 5]\n"
        "[[sources]]\nnodes = [0, 5]\nstrain = 0.1\n[[targets]]\nnodes = [2, 7]\nstrain = 0.1\n"
    )
    with pytest.raises(SystemExit) as stop:
        main(["train", str(task), "-o", str(tmp_path / "run"), "-q"])
    assert stop.value.code == 1
    assert f"mechlearn: {task}: No equilibrium was found" in capsys.readouterr().err
    assert list((tmp_path / "run").iterdir()) == []


def test_a_stop_is_written_and_said_with_exit_code_1(tmp_path, capsys, monkeypatch):
    real = LinearEquilibrium.update

    def fail(self, **parameters):
        if parameters["stiffness"].max() > 1.3:
            raise SolveError("Too stiff for this test.", "singular")
        real(self, **parameters)

    monkeypatch.setattr(LinearEquilibrium, "update", fail)
    task, folder = tmp_path / "task.toml", tmp_path / "run"
    task.write_text(
        '[network]\ngenerator = "triangular"\nsize = [5, 5]\ndisorder = 0.1\nseed = 2\n'
        "[learn.stiffness]\nbounds = [0.1, 10.0]\n"
        "[[sources]]\nnodes = [0, 6]\nstrain = 0.1\n[[targets]]\nnodes = [17, 23]\nstrain = 0.1\n"
    )
    with pytest.raises(SystemExit) as stop:
        main(["train", str(task), "-o", str(folder)])
    assert stop.value.code == 1
    said = capsys.readouterr()
    assert "NOT learned" in said.out
    assert "Stopped: after step " in said.out
    assert "Too stiff for this test" in said.err.splitlines()[-1]
    assert said.err.splitlines()[-1].endswith("The network of step 7 is written.")
    run = Run.load(folder)
    assert run.learned["stiffness"].max() <= 1.3
    assert json.loads((folder / "summary.json").read_text())["faults"]["singular"] >= 10
    assert (folder / CHECKPOINT).is_file()


def test_pruning_bars_a_bond_without_which_there_is_no_equilibrium(plane, monkeypatch):
    first = int(np.flatnonzero(ml.train(plane, TASK, **PRUNE).learned["stiffness"] == 0)[0])
    real = LinearEquilibrium.update

    def fail(self, **parameters):
        if parameters["stiffness"][first] == 0:
            raise SolveError("It falls apart.", "singular")
        real(self, **parameters)

    monkeypatch.setattr(LinearEquilibrium, "update", fail)
    barred = []
    soften = PruningLearner._reduce_step

    def note(self):
        soften(self)
        barred.append(np.flatnonzero(self._barred).tolist())
        return True

    monkeypatch.setattr(PruningLearner, "_reduce_step", note)
    run = ml.train(plane, TASK, **PRUNE)
    assert barred == [[first]]
    assert run.summary["faults"] == {"singular": 1}
    assert run.learned["stiffness"][first] == 1.0
    assert (run.learned["stiffness"] == 0).any()


PRUNE = {"rule": ml.GreedyPruning(), "steps": 4, "tolerance": 1e-9}


# -- states that are no answer -----------------------------------------------------------------


@pytest.mark.parametrize("offset", [0.0, 1e-9])
def test_a_column_buckles_even_where_it_is_perfectly_straight(offset):
    net = Network(
        [[0, 0], [1, offset], [2, 0], [1, 1], [1, -1.0]], [[0, 1], [1, 2], [1, 3], [1, 4]]
    )
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 3, 4]), ml.Support(nodes=[2], components=["y"])],
        sources=[ml.Source(nodes=[2], components=["x"], displacement=[-0.4])],
        targets=[ml.Target(nodes=[1], components=["y"], displacement=[0.5])],
    )
    problem = pose(task, net)
    solver = equilibrium(Model(net, FiniteSpring(), problem.fixed), problem)
    solver.floppy = False
    solver.update(stiffness=np.array([1.0, 1.0, 0.01, 0.01]))
    free = solver.free()
    assert free.energies[0] < 0.5 * 0.2**2
    assert abs(free.readings[0, 1]) > 0.3
    assert solver.counts.unstable == 1


SQUEEZED = Network([[0, 0], [1, 0.05], [2, 0.0]], [[0, 1], [1, 2]])


def squeeze(by):
    return ml.Task(
        supports=[ml.Support(nodes=[0])],
        sources=[ml.Source(nodes=[1], displacement=[-by, 0.0])],
        targets=[ml.Target(nodes=[2], components=["y"], displacement=[0.1])],
    )


def test_cells_turned_inside_out_are_no_equilibrium():
    options = {
        "energy": Solid(material="neo_hookean"),
        "learn": {"modulus": ml.Learn(bounds=(0.1, 10))},
        "material": {"width": 0.3},
        "steps": 1,
    }
    assert ml.train(SQUEEZED, squeeze(0.1), **options).summary["faults"] == {}
    with pytest.raises(SolveError, match="cells turn inside out") as caught:
        ml.train(SQUEEZED, squeeze(0.6), **options)
    assert caught.value.fault == "inverted"


# -- verdicts ----------------------------------------------------------------------------------


def verdict(net, task=TASK, **options):
    summary = ml.train(net, task, **{"tolerance": 1e-9} | options).summary
    assert summary["converged"] == (summary["outcome"] == "learned")
    return summary["outcome"], summary["why"]


def test_learning_that_ends_without_success_says_why(plane, monkeypatch):
    assert verdict(plane, tolerance=0.7, steps=400) == ("learned", "")
    narrow = ml.Learn(bounds=(0.9, 1.1), initial=1.0)
    outcome, why = verdict(plane, learn=narrow, steps=120)
    assert outcome == "stalled"
    assert "elements are at the bounds of stiffness; widen them" in why
    coarse = ml.Imperfections(quantum=50.0)
    outcome, why = verdict(plane, imperfections=coarse, steps=60)
    assert (outcome, why.split(": ")[1].split(";")[0]) == ("stalled", "nothing changes any more")
    outcome, why = verdict(plane, optimiser="plain", rate=1.0, steps=60)
    assert outcome == "stalled"
    assert why.endswith("in that time; use a larger rate")
    outcome, why = verdict(plane, steps=5)
    assert outcome == "unfinished"
    assert why.startswith("5 steps were too few")
    real = RuleLearner._signal
    monkeypatch.setattr(RuleLearner, "_signal", lambda self, name: -real(self, name))
    close = ml.Task(sources=TASK.sources, targets=[ml.Target(nodes=[NODE, 30], strain=-0.015)])
    outcome, why = verdict(plane, close, steps=60)
    assert outcome == "diverged"
    assert why.startswith("the error grew from 0.")
    assert "use a smaller rate" in why


# -- several ranks -----------------------------------------------------------------------------

FAILING = """
import sys
from mechlearn.cli import main
from mechlearn.errors import SolveError
from mechlearn.learning import Learner
from mechlearn.parallel import rank

see = Learner._observe

def fail(self, tolerance):
    if self.updates == 0 and rank() == 1:
        raise SolveError("Only this rank knows.")
    return see(self, tolerance)

Learner._observe = fail
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_one_rank_that_fails_ends_all_with_one_message(tmp_path):
    task = tmp_path / "task.toml"
    task.write_text(
        '[network]\ngenerator = "triangular"\nsize = [5, 5]\n[learn.stiffness]\n'
        "bounds = [0.1, 10.0]\n[[sources]]\nnodes = [0, 6]\nstrain = 0.1\n"
        "[[targets]]\nnodes = [17, 23]\nstrain = 0.1\n"
    )
    command = [MPIEXEC, "-n", "2", sys.executable, "-c", FAILING]
    done = subprocess.run(
        [*command, "train", task, "-o", tmp_path / "run", "-q"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("mechlearn: ")]
    assert lines == [f"mechlearn: {task}: Only this rank knows. (rank 1)"]
    assert "Traceback" not in done.stderr


def test_no_number_of_any_rank_is_the_largest_of_all():
    class Two:
        size = 2

        def allgather(self, value):
            return [1e-13, value]

    assert largest(Two(), 2.0) == 2.0
    assert np.isnan(largest(Two(), np.nan))


@pytest.mark.parametrize("nodes", [60, 1500])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_loads_that_are_no_numbers_are_found_at_once(nodes, bad):
    net = delaunay(nodes=nodes, seed=2)
    problem = pose(TASK, net)
    solver = equilibrium(Model(net, Spring(), problem.fixed), problem)
    rest_length = net.lengths.copy()
    rest_length[5] = bad
    with np.errstate(invalid="ignore"), pytest.raises(SolveError, match="not finite"):
        solver.update(rest_length=rest_length)


def jumping(monkeypatch):
    """Let every other bond jump to and fro by as much as the step scale allows."""

    def signal(self, name):
        out = np.zeros(self.network.n_edges)
        out[::2] = 1.0 if self.dofs[0].values[0] > 1 else -1.0
        return out

    monkeypatch.setattr(RuleLearner, "_signal", signal)


def test_an_oscillating_error_slows_the_steps_down_and_the_best_is_the_result(plane, monkeypatch):
    jumping(monkeypatch)
    options = {"tolerance": 1e-9, "optimiser": "plain", "rate": 0.5, "steps": 50}
    run = ml.train(plane, TASK, **options)
    errors = run.history["error"].values
    assert run.summary["outcome"] == "oscillating"
    assert "goes up and down between" in run.summary["why"]
    assert "made 2 times as small" in run.summary["why"]
    # A jump of half the size from the second window on.
    assert np.ptp(errors[-5:]) < 0.6 * np.ptp(errors[5:10])
    assert run.summary["reported_step"] == errors.argmin()
    assert run.summary["error"] == pytest.approx(errors.min(), rel=1e-12)
    last = ml.train(plane, TASK, keep="last", **options)
    assert last.summary["error"] == pytest.approx(errors[-1], rel=1e-12)
    assert last.summary["reported_step"] == 50
    # Elements that round what they are set to jump at any step scale: nothing slows down.
    rounded = ml.train(plane, TASK, imperfections=ml.Imperfections(levels=1000), **options)
    assert "times as small" not in rounded.summary["why"]


def test_a_rate_too_large_for_rest_lengths_is_lowered_until_they_learn(plane):
    """At the first size of steps the error jumps for ever."""
    options = {
        "energy": ml.FiniteSpring(),
        "rule": ml.CoupledLearning(eta=0.05),
        "learn": {"stiffness": ml.Learn(bounds=(0.05, 5.0), initial=1.0), "rest_length": ml.Learn(
            bounds=(0.8, 1.2), initial=1.0, relative=True)},
        "rate": 0.2, "steps": 400,
    }  # fmt: skip
    run = ml.train(plane, TASK, **options)
    assert run.converged


def test_the_result_is_the_best_also_after_a_break(plane, monkeypatch, tmp_path):
    """A checkpoint holds the best step, and what it needs to be solved."""
    from mechlearn.learning.local import RuleLearner as Learner

    jumping(monkeypatch)

    def learner():
        learn = {"stiffness": ml.Learn(bounds=(0.01, 10.0), initial=1.0)}
        rule = ml.CoupledLearning()
        return Learner(plane, TASK, FiniteSpring(), learn, rule, optimiser="plain", rate=0.3)

    whole, broken, resumed = learner(), learner(), learner()
    whole.train(50, 1e-9)
    broken.train(33, 1e-9)
    resumed.restore(broken.state())
    resumed.train(50, 1e-9)
    assert resumed.history.error == whole.history.error
    assert resumed.best == whole.best
    assert resumed.step_scale == whole.step_scale
    for one in (whole, resumed):
        one.return_to(one.best_state)
    assert np.array_equal(whole.dofs[0].values, resumed.dofs[0].values)
    assert np.array_equal(whole.settle_again().states(), resumed.settle_again().states())


def test_linear_networks_have_one_equilibrium():
    """Poisson's ratios are measured in negative units of strain."""
    net = ml.networks.triangular(size=[4, 4], disorder=0.2, periodic=True)
    source = ml.Source(name="pull", cell="xx", strain=0.05)
    run = ml.train(net, ml.Task(sources=[source], targets=[ml.Target(cell="yy", poisson=0.1)]))
    assert run.converged
    assert run.summary["warnings"] == []


def test_a_classification_at_rest_is_told_by_its_accuracy(tmp_path, capsys):
    run = tmp_path / "run"
    with pytest.raises(SystemExit):
        main(["train", str(TASKS / "iris.toml"), "-o", str(run), "-q"])
    summary = Run.load(run).summary
    assert summary["accuracy"] > 0.9
    assert summary["outcome"] in ("finished", "unfinished")
    assert "come to rest" not in summary["why"]
    assert f"{100 * summary['accuracy']:.1f} % classified right in" in repr(Run.load(run))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("""
        [network]
        generator = "triangular"
        size = [4, 4]
        [energy]
        model = "beam"
        width = 0.1
        [learn.modulus]
        initial = 1.0
        [rule]
        name = "pruning"
        """, "pruning follows bonds of one strain"),
        ("""
        [network]
        generator = "honeycomb"
        size = [4, 4]
        periodic = true
        [energy]
        model = "solid"
        [learn.width]
        bounds = [0.5, 3.0]
        initial = 2.0
        """, "widths must be well below"),
    ],
)  # fmt: skip
def test_check_refuses_what_train_refuses(text, match, tmp_path, capsys):
    path = tmp_path / "task.toml"
    path.write_text(
        text
        + """
    [[sources]]
    nodes = [0, 3]
    strain = 0.1
    [[targets]]
    nodes = [12, 15]
    strain = 0.05
    """
    )
    said = []
    for command in (["check", path], ["train", path, "-o", tmp_path / "run"]):
        with pytest.raises(SystemExit) as stop:
            main([str(word) for word in command])
        assert stop.value.code == 2
        said.append(capsys.readouterr().err.splitlines()[-1])
    assert match in said[0]
    assert said[0] == said[1]
