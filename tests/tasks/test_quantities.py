"""Kinds of targets: a new one is one class, and everything asks it."""

import subprocess
import sys

import mechlearn as ml
from mechlearn.tasks.quantities import quantities

#: Mean displacement along x of several nodes, as a target of its own; trained, saved and loaded.
MEAN = '''
import numpy as np
from mechlearn.tasks.ports import Port
from mechlearn.tasks.quantities import quantities
from mechlearn.tasks.quantity import Quantity

class MeanPort(Port):
    def rows(self, network, kinematics):
        width = len(kinematics.components(network.dim))
        return [(0, width * i, 1 / len(self.nodes)) for i in self.nodes], [0.0]

    def place(self, components):
        return "the mean of some nodes"

class Mean(Quantity):
    """Mean displacement of nodes along x."""

    imposed, part, title = False, True, "mean displacement"

    def ports(self, at):
        return [MeanPort(at.terminal.name, tuple(at.terminal.ids))]

quantities["mean"] = Mean()

import mechlearn as ml

net = ml.networks.packing(nodes=30, seed=1)
middle = np.argsort(np.abs(net.nodes[:, 0] - net.nodes[:, 0].mean()))[:3].tolist()
ends = [int(net.nodes[:, 0].argmin()), int(net.nodes[:, 0].argmax())]
task = ml.Task(
    supports=[ml.Support(nodes=ends[0]), ml.Support(nodes=ends[1], components=["y"])],
    sources=[ml.Source(nodes=ends[1], components=["x"], displacement=[0.1])],
    targets=[ml.Target(name="middle", nodes=middle, mean=0.06, limit="at_least")],
)
assert "mean : float or list of float, optional\\n    Mean displacement" in ml.Target.__doc__
run = ml.train(net, task, steps=300)
assert run.converged
assert abs(run.displacements[0, middle, 0].mean() - run.targets[0]["reached"]) < 1e-9
system = ml.System(net, task, stiffness=1.0)
k, h = 1 + 0.1 * np.sin(np.arange(net.n_edges)), 1e-6
e = np.eye(net.n_edges)[0] * h
low, high = (system.set(stiffness=k + s * e).outputs[0, 0] for s in (-1, 1))
slope = system.set(stiffness=k).jacobian()[0, 0, 0]
assert abs((high - low) / (2 * h) - slope) < 1e-6 * abs(slope) + 1e-10
run.save("run")
print(ml.Run.load("run").evaluate())
from mechlearn.report.description import in_sentences
print(*in_sentences(run), sep="\\n")
'''


def test_a_new_kind_of_target_is_one_class(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MEAN], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "middle  ≥ +6 %" in done.stdout
    assert "the mean displacement at nodes" in done.stdout


def test_every_quantity_is_a_key_of_targets_and_of_sources_that_may_impose_it():
    for word, quantity in quantities.items():
        assert quantity.key == word
        assert word in ml.Target.model_fields
        assert (word in ml.Source.model_fields) == quantity.imposed
