"""Success rate of random arches in learning the second stable state of tasks/bistable.toml.

Prints for every seed the least force that it takes to push the arch down before training (one
stable state where it is above zero), where the apex stays after it was pushed past its snap and
let go, the barrier back over the work of loading, and how far the two states are from minima of
the energy that SciPy finds, in spacings. An arch counts that is monostable at first, and stays
within 2 % of where it is wanted with a barrier of 5 %.

    python benchmarks/bistable.py --seeds 0 1 2 3 4 5 6 7 8 9
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

import mechlearn as ml
from mechlearn.runs.config import Setup
from mechlearn.runs.taskfile import read_setup
from mechlearn.runs.training import train_setup

TASK = Path(__file__).parents[1] / "tasks" / "bistable.toml"
#: Displacement of the apex in the second state, and a force beyond the snap.
SECOND, BEYOND = -3.0, -0.03


class Trial(NamedTuple):
    """One arch: force before training, second state, barrier over work, and distance to minima."""

    converged: bool
    least_force: float
    second: float
    barrier: float
    off: float

    @property
    def counts(self) -> bool:
        """True of an arch that has learned its second state."""
        there = self.converged and self.off < 1e-6 and abs(self.second / SECOND - 1) < 0.02
        return self.least_force > 0 and there and self.barrier > 0.05


def energy_and_slopes(
    x: NDArray, nodes: NDArray, edges: NDArray, free: NDArray, k: NDArray, rest: NDArray
) -> tuple[float, NDArray]:
    """Energy of springs between nodes, and its derivatives by the coordinates that are free."""
    nodes = nodes.copy()
    nodes[free] = x.reshape(-1, 2)
    vectors = nodes[edges[:, 1]] - nodes[edges[:, 0]]
    lengths = np.linalg.norm(vectors, axis=1)
    pulls = (k * (lengths - rest) / lengths)[:, None] * vectors
    slopes = np.zeros_like(nodes)
    np.add.at(slopes, edges[:, 1], pulls)
    np.add.at(slopes, edges[:, 0], -pulls)
    return float(0.5 * k @ (lengths - rest) ** 2), slopes[free].ravel()


def nearest_minimum(run: ml.Run, displacements: NDArray) -> NDArray:
    """Displacements at the minimum that SciPy finds from near those of a run."""
    net = run.network
    held = np.r_[net.node_sets["left"], net.node_sets["right"]]
    free = np.setdiff1d(np.arange(net.n_nodes), held)
    shaken = displacements + 1e-2 * np.random.default_rng(0).standard_normal(displacements.shape)
    parameters = (run.learned["stiffness"], run.learned["rest_length"])
    found = minimize(
        energy_and_slopes, (net.nodes + shaken)[free].ravel(),
        (net.nodes, net.edges, free, *parameters), jac=True, method="BFGS", options={"gtol": 1e-10},
    )  # fmt: skip
    moved = np.zeros_like(net.nodes)
    moved[free] = found.x.reshape(-1, 2) - net.nodes[free]
    return moved


def trial(seed: int) -> Trial:
    """Train arch number ``seed``, push it past its snap, and let it go."""
    given = read_setup(TASK).model_dump(exclude_none=True)
    given["network"]["seed"] = seed
    setup = Setup.model_validate(given)
    network = setup.build_network()
    apex = network.node_sets["apex"][0]
    start = ml.path(network, setup.task, "finite_spring", to=SECOND)
    run = train_setup(setup)
    loop = run.path(control="force", to=[BEYOND, 0.0])["states"].values
    first, second = (nearest_minimum(run, loop[k]) for k in (0, -1))
    off = max(np.abs(first - loop[0]).max(), np.abs(second - loop[-1]).max())
    along = run.path(to=SECOND, control="displacement")["energy"].values
    top, lower = along.max(), along[-1]
    return Trial(
        converged=run.converged,
        least_force=float(-start["push.force"].values[1:].max()),
        second=float((second - first)[apex, 1]),
        barrier=float((top - lower) / (top - along[0])),
        off=float(off),
    )


def main() -> None:
    """Run the study and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=range(10))
    found = []
    for seed in parser.parse_args().seeds:
        found.append(trial(seed))
        print(seed, found[-1], flush=True)
    print(f"{sum(each.counts for each in found)} of {len(found)} are bistable as wanted")


if __name__ == "__main__":
    main()
