"""Responses and gradients of a small solid, free and on supports, the same on any number of ranks.

mpiexec -n 2 python benchmarks/solid_ranks.py DIMENSION
"""

import sys

import numpy as np

import mechlearn as ml
from mechlearn.energies import Solid
from mechlearn.fenics import MPI
from mechlearn.learning import RuleLearner
from mechlearn.learning.rules import GradientDescent
from mechlearn.network import Network
from mechlearn.phase import ADJOINT

TOWER = [[0, 0, 0], [1, 0, 0], [0.5, 0.9, 0], [0.5, 0.3, 0.8], [0.5, 0.4, -0.8]]
BRIDGE = [[0, 0], [1, 0.1], [2, 0], [0.4, 0.8], [1.5, 0.9]]


def cases(dim: int) -> np.ndarray:
    """Response, sizes of the gradients by width and modulus, energy and motion, case by case."""
    points, source, target = (BRIDGE, [0, 4], [2, 3]) if dim == 2 else (TOWER, [3, 4], [0, 1])
    apart = (0, 2) if dim == 2 else (3, 4)
    pairs = [(a, b) for b in range(5) for a in range(b) if (a, b) != apart]
    if dim == 2:
        pairs = [p for p in pairs if p not in [(0, 4), (2, 3)]]
    net = Network(np.array(points, dtype=float), np.array(pairs))
    free = ml.Task(
        sources=[ml.Source(nodes=source, strain=0.05)],
        targets=[ml.Target(nodes=target, strain=0.03)],
    )
    # A clamp, and at the second support a pin (in space one that turns about two axes).
    pin = ["x", "y"] if dim == 2 else ["x", "y", "z", "rx"]
    held = ml.Task(
        supports=[ml.Support(nodes=[0]), ml.Support(nodes=[2], components=pin)],
        sources=[ml.Source(nodes=[4], force=[1e-4, -1e-4, 5e-5][:dim])],
        targets=[ml.Target(nodes=[2], force=[1e-4], components=["y"])],
    )
    found = []
    for material, task in (("neo_hookean", free), ("linear", held), ("neo_hookean", held)):
        learner = RuleLearner(
            net,
            task,
            Solid(material=material, order=2 if dim == 2 else 1),
            {"width": ml.Learn(initial=0.12), "modulus": ml.Learn()},
            GradientDescent(),
        )
        state = learner.settle()
        adjoint = learner.equilibrium.solve(ADJOINT)
        sizes = [
            np.linalg.norm(learner.model.to_bonds(adjoint.sensitivity(name).mean(axis=0)))
            for name in ("width", "modulus")
        ]
        size = np.linalg.norm(learner.model.deformed(state.fields()[:, 0]))
        found.append([learner.equilibrium.outputs(state)[0, 0], *sizes, state.energies[0], size])
    return np.array(found)


if __name__ == "__main__":
    numbers = cases(int(sys.argv[1]))
    if MPI.COMM_WORLD.rank == 0:
        for row in numbers:
            print(*(f"{x:.15e}" for x in row))
