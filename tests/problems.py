"""Tasks on which all rules are tried, and their costs and signals at a point."""

import numpy as np

from mechlearn.equilibrium import LinearEquilibrium, NewtonEquilibrium
from mechlearn.fem.model import Model
from mechlearn.tasks.costs import CrossEntropy
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.task import Source, Support, Target, Task

IN = Source(nodes=[0, 7], strain=0.1)
STRAIN = Target(name="a", nodes=[3, 12], strain=0.2)
TASKS = {
    "one strain": Task(sources=[IN], targets=[STRAIN]),
    "two strains": Task(sources=[IN], targets=[STRAIN, Target(nodes=[20, 25], strain=-0.1)]),
    "coupled strains": Task(
        sources=[IN],
        targets=[
            Target(nodes=[3, 12], strain=0.2),
            Target(nodes=[3, 20], strain=-0.1),
            Target(nodes=[12, 20], strain=0.3),
        ],
    ),
    "force of a pair": Task(sources=[IN], targets=[Target(nodes=[5, 30], force=0.4)]),
    "strain and force": Task(sources=[IN], targets=[STRAIN, Target(nodes=[5, 30], force=0.4)]),
    "displacement": Task(
        supports=[Support(nodes=[0, 1])],
        sources=[Source(nodes=[30], force=[0.1, -0.05])],
        targets=[Target(nodes=[20], displacement=[0.1, 0.1])],
    ),
    "reaction": Task(
        supports=[Support(nodes=[0, 1, 2])],
        sources=[Source(nodes=[30], displacement=[0.1, -0.05])],
        targets=[Target(nodes=[1], components=["y"], force=[0.1])],
    ),
    "two examples": Task(
        sources=[Source(name="in", nodes=[0, 7], strain=0.1)],
        targets=[STRAIN, Target(name="b", nodes=[20, 25], strain=-0.1)],
        examples=[{}, {"in": -0.1, "a": 0.05, "b": "free"}],
    ),
    "displacement under a force": Task(
        supports=[Support(nodes=[0, 1])],
        sources=[Source(name="push", nodes=[30], force=[0.1, -0.05])],
        targets=[Target(name="tip", source="push", displacement=[0.2, -0.2])],
    ),
    "force of a displacement": Task(
        supports=[Support(nodes=[0, 1])],
        sources=[Source(name="push", nodes=[30], displacement=[0.1, -0.05])],
        targets=[Target(source="push", components=["y"], force=[-0.1])],
    ),
    "strain of a pulled pair": Task(
        sources=[Source(name="pull", nodes=[0, 7], force=0.05)],
        targets=[Target(nodes=[7, 0], strain=0.2), STRAIN],
    ),
    "force of a pinch, and a strain": Task(
        sources=[Source(name="pinch", nodes=[0, 7], strain=0.1)],
        targets=[Target(source="pinch", force=0.1), STRAIN],
    ),
    "driven both ways": Task(
        supports=[Support(nodes=[0, 1])],
        sources=[
            Source(name="push", nodes=[30], components=["x"], force=[0.05]),
            Source(name="move", nodes=[30], components=["x"], displacement=[0.1]),
        ],
        targets=[
            Target(name="way", source="push", displacement=[0.2]),
            Target(name="need", source="move", force=[0.1]),
            Target(name="aside", nodes=[30], components=["y"], displacement=[0.05]),
        ],
        examples=[{"move": "free", "need": "free"}, {"push": "free", "way": "free"}],
    ),
    "a reaction that alone holds": Task(
        supports=[Support(nodes=[0]), Support(nodes=[5], components=["y"])],
        sources=[Source(nodes=[30], force=[0.1, -0.05]), Source(nodes=[10, 25], force=0.1)],
        targets=[Target(name="r", nodes=[5], components=["y"], force=[0.1]), STRAIN],
    ),
    "shares": Task(
        sources=[IN],
        targets=[Target(nodes=[3, 12], strain=0.7), Target(nodes=[20, 25], strain=0.3)],
        cost=CrossEntropy(),
    ),
    "softmax of strain and force": Task(
        sources=[IN],
        targets=[Target(nodes=[3, 12], strain=0.0), Target(nodes=[5, 30], force=1.0)],
        cost=CrossEntropy(of="softmax", temperature=0.1),
    ),
}
#: How much smaller a nudge must be than for squared errors: in shares small outputs count as much.
GENTLE = {"shares": 3e-5, "softmax of strain and force": 0.03}
DOFS = ("stiffness", "rest_length")


def equilibrium(model, problem):
    """The solver of a model."""
    return (LinearEquilibrium if model.energy.linear else NewtonEquilibrium)(model, problem)


class Bench:
    """A network, a task and an energy at a fixed point: signals of rules, and the cost."""

    def __init__(self, net, task, energy, k, **at):
        self.problem = pose(task, net)
        self.solver = equilibrium(Model(net, energy, self.problem.fixed), self.problem)
        rng = np.random.default_rng(8)
        self.at = {"stiffness": k, "rest_length": net.lengths * rng.uniform(0.99, 1.01, len(k))}
        self.at |= at
        self.update()

    def update(self, **change):
        self.solver.update(**{**self.at, **change})
        return self.solver.free()

    def cost(self, **change):
        outputs = self.solver.outputs(self.update(**change))
        return self.problem.costs(outputs).mean()

    def signal(self, rule, name):
        self.update()
        local = rule.signal([self.solver.solve(p).sensitivity(name) for p in rule.phases])
        return self.solver.model.to_bonds(local.mean(axis=0))
