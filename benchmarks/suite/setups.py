"""The structures and tasks that are timed."""

import numpy as np

import mechlearn as ml
from mechlearn.energies import Element, Solid
from mechlearn.learning import RuleLearner
from mechlearn.learning.rules import Rule
from mechlearn.network import Network


def pairs(net: Network, count: int) -> list[tuple[int, int]]:
    """Bonds spread over the network, no two of which share a node."""
    taken, out = set(), []
    for edge in np.linspace(net.n_edges / 7, net.n_edges - 1, 40 * count).astype(int):
        a, b = map(int, net.edges[edge])
        if not taken & {a, b}:
            taken |= {a, b}
            out.append((a, b))
    keep = np.linspace(0, len(out) - 1, count).astype(int)
    return [out[k] for k in keep]


def allostery(
    nodes: int,
    dim: int = 2,
    energy: Element | None = None,
    rule: Rule | None = None,
    strain: float = 0.1,
) -> RuleLearner:
    """One pinched pair and one that answers, on a Delaunay network."""
    net = ml.networks.delaunay(nodes=nodes, dim=dim, seed=1)
    source, target = pairs(net, 2)
    task = ml.Task(
        sources=[ml.Source(nodes=source, strain=strain)],
        targets=[ml.Target(nodes=target, strain=strain)],
    )
    energy = energy or ml.Spring()
    first = energy.parameters[0].name
    learn = {first: ml.Learn(bounds=(0.1, 10.0), initial=1.0)}
    return RuleLearner(net, task, energy, learn, rule or ml.CoupledLearning(eta=0.01))


class PathPoints:
    """Points of the path of a Delaunay network of springs, pressed from above at one node."""

    def __init__(self, nodes: int) -> None:
        net = ml.networks.delaunay(nodes=nodes, seed=1)
        height = net.nodes[:, 1]
        low = np.flatnonzero(height < np.quantile(height, 0.1))
        task = ml.Task(
            supports=[ml.Support(nodes=low.tolist())],
            sources=[ml.Source(nodes=int(height.argmax()), components=["y"], displacement=[-1.0])],
            targets=[ml.Target(nodes=pairs(net, 1)[0], strain=0.1)],
        )
        self._system = ml.System(net, task, ml.FiniteSpring()).load(0.0)
        self.restart()

    def restart(self) -> None:
        """Begin again at rest."""
        at = self._system.load(0.0)
        follower, start = at.equilibrium.path(at.problem.values, 0.0)
        follower.exact = False
        self._points = follower.follow(start, 1.0, 1 / 60 / abs(start.rate.factor))

    def step(self) -> None:
        """Find the next point."""
        next(self._points)

    def floor(self) -> None:
        """One assembly, one factorisation, and a solve for the load."""
        balance = self._system.equilibrium._balance
        balance.model.assemble_stiffness()
        balance._mine.solver.factor()
        balance._mine.solver.solve(balance._columns[:, :1])


def data_set(nodes: int, inputs: int, outputs: int, examples: int) -> RuleLearner:
    """A linear network that learns a random linear map from many examples."""
    net = ml.networks.delaunay(nodes=nodes, seed=1)
    ports, rng = pairs(net, inputs + outputs), np.random.default_rng(0)
    x = rng.uniform(-0.1, 0.1, (examples, inputs))
    y = x @ rng.uniform(-0.3, 0.3, (inputs, outputs))
    names = [f"x{k}" for k in range(inputs)], [f"y{k}" for k in range(outputs)]
    task = ml.Task(
        sources=[
            ml.Source(name=name, nodes=pair, strain=0.0)
            for name, pair in zip(names[0], ports[:inputs], strict=True)
        ],
        targets=[
            ml.Target(name=name, nodes=pair, strain=0.0)
            for name, pair in zip(names[1], ports[inputs:], strict=True)
        ],
        examples=[
            dict(zip([*names[0], *names[1]], row, strict=True))
            for row in np.hstack([x, y]).tolist()
        ],
    )
    learn = {"stiffness": ml.Learn(bounds=(0.1, 10.0), initial=1.0)}
    return RuleLearner(net, task, ml.Spring(), learn, ml.CoupledLearning(eta=0.01))


def solid(dim: int, material: str, order: int, mesh: float) -> RuleLearner:
    """Allostery in struts meshed as a solid; ``mesh`` is the cell size relative to the width."""
    net = ml.networks.delaunay(nodes=40 if dim == 2 else 12, dim=dim, seed=1)
    source, target = pairs(net, 2)
    task = ml.Task(
        sources=[ml.Source(nodes=source, strain=0.02)],
        targets=[ml.Target(nodes=target, strain=0.02)],
    )
    energy = Solid(material=material, order=order, mesh_size=mesh)
    width = 0.05 if dim == 2 else 0.12
    learn = {"width": ml.Learn(bounds=(width / 2, 2 * width), initial=width)}
    rule = ml.CoupledLearning(eta=0.01)
    return RuleLearner(net, task, energy, learn, rule, rate=0.01)


class Ours:
    """One step of training with mechlearn: settle, read, compare, change."""

    def __init__(self, learner: RuleLearner) -> None:
        self.learner = learner
        self._start = learner.state()

    @property
    def k(self) -> np.ndarray:
        """The stiffness as it is now."""
        return self.learner.parameters["stiffness"]

    def restart(self) -> None:
        """Forget what was learned."""
        self.learner.restore(self._start)
        for step in self.learner._steps:
            step.memory = {}
        self.learner.equilibrium.forget()

    def step(self) -> None:
        """Make the step."""
        learner = self.learner
        learner._evaluate_phases(learner.outputs(learner.settle()))
        learner._step()
