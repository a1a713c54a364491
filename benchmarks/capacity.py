"""How many targets at once a network can be pruned for: capacity against size.

Periodic packings at pressure 0.1, springs of stiffness 1 / length; one bond drawn at random is the
source, N_T others are targets, each of which must answer by a tenth more than it does at first.
Bonds are removed, or put back, one by one. Writes one row per size and N_T. Rocks et al., PNAS 116,
2506 (2019), https://doi.org/10.1073/pnas.1806790116.

    python benchmarks/capacity.py notebooks/data/capacity.csv --processes 2 --minutes 30
"""

import argparse
import csv
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

import mechlearn as ml

#: Strain of the source, so small that no answer turns a bond inside out.
STRAIN = 1e-3
#: Each response ratio must rise by this part of itself.
RISE = 0.1
#: Wanted closer than this, in parts of the first response, counts as reached (F < 1e-8).
TOLERANCE = 1e-4
#: Numbers of targets at which networks of each size are tried, around where half of them succeed.
TARGETS = {
    8: (2, 3, 4, 5, 6),
    16: (4, 5, 6, 7, 8, 10),
    32: (6, 8, 10, 12, 14),
    64: (12, 14, 16, 18, 20, 24),
    128: (20, 24, 28, 32, 36),
    256: (32, 40, 48, 56),
}
#: Trials of a size and a number of targets that are made in one go.
BLOCK = 8
COLUMNS = ("nodes", "targets", "trials", "reached")


def trial(nodes: int, targets: int, seed: int) -> ml.Run:
    """Prune one packing until so many of its bonds, drawn at random, answer by a tenth more."""
    network = ml.networks.packing(nodes=nodes, periodic=True, pressure=0.1, seed=seed)
    rng = np.random.default_rng([nodes, targets, seed])
    source, *bonds = rng.permutation(network.n_edges)[: targets + 1]
    pairs = network.edges.tolist()
    sources = [ml.Source(nodes=pairs[source], strain=STRAIN)]
    learn = ml.Learn(initial=(1 / network.lengths).tolist())
    asked = [ml.Target(nodes=pairs[b], strain=STRAIN) for b in bonds]
    task = ml.Task(sources=sources, targets=asked)
    first = ml.train(network, task, learn=learn, rule=ml.GreedyPruning(), steps=0)
    answers = [row["initial"] for row in first.targets]
    asked = [
        ml.Target(
            nodes=pairs[b],
            strain=(1 + RISE) * answer,
            limit="at_least" if answer > 0 else "at_most",
            scale=abs(answer),
        )
        for b, answer in zip(bonds, answers, strict=True)
    ]
    task = ml.Task(sources=sources, targets=asked)
    return ml.train(network, task, learn=learn, rule=ml.GreedyPruning(), tolerance=TOLERANCE)


def block(nodes: int, targets: int, first: int) -> tuple[int, int, int]:
    """Trials of consecutive seeds: size, number of targets, how many succeeded."""
    seeds = range(first, first + BLOCK)
    return nodes, targets, sum(trial(nodes, targets, seed).converged for seed in seeds)


def study(processes: int, minutes: float, trials: int, path: Path | None = None) -> list[tuple]:
    """Rounds of blocks over all points, until each has had its trials or the time is up."""
    end = time.monotonic() + 60 * minutes
    points = [(nodes, targets) for nodes in TARGETS for targets in TARGETS[nodes]]
    counts = {point: (0, 0) for point in points}
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        for first in range(0, trials, BLOCK):
            if time.monotonic() > end:
                break
            jobs = [pool.submit(block, *point, first) for point in reversed(points)]
            for job in jobs:
                nodes, targets, reached = job.result()
                done, before = counts[nodes, targets]
                counts[nodes, targets] = (done + BLOCK, before + reached)
            rows = [(*point, *count) for point, count in counts.items()]
            if path:
                write(rows, path)
    return rows


def write(rows: list[tuple], path: Path) -> None:
    """Write the table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--trials", type=int, default=512)
    options = parser.parse_args()
    study(options.processes, options.minutes, options.trials, options.path)


if __name__ == "__main__":
    main()
