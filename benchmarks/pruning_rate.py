"""How often, and by how many bonds, greedy pruning reaches a response ratio.

Random periodic packings, random far pairs as source and target; k = 1 / length; bonds are removed
only, as by Rocks et al., PNAS 114, 2520 (2017), https://doi.org/10.1073/pnas.1612139114, unless
--restore. Prints the rate with its 95 % Wilson interval; --save writes a row per run.

    python benchmarks/pruning_rate.py --packings 50 --pairs 4 --save notebooks/data/pruning.csv
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from scipy.stats import binomtest
from success_rate import far_pairs

import mechlearn as ml

#: Strain of the source, so small that no answer turns a pair inside out.
STRAIN = 1e-3
COLUMNS = ("ratio", "packing", "pair", "reached", "removed")


def trial(
    network: ml.Network, ratio: float, seed: int, tolerance: float, restore: bool = False
) -> ml.Run:
    """Prune one packing for a random pair of pairs."""
    source, target = far_pairs(network, np.random.default_rng([seed, 2]))
    task = ml.Task(
        sources=[ml.Source(nodes=source, strain=STRAIN)],
        targets=[ml.Target(nodes=target, strain=STRAIN * ratio)],
    )
    learn = ml.Learn(initial=(1 / network.lengths).tolist())
    rule = ml.GreedyPruning(restore=restore)
    return ml.train(network, task, learn=learn, rule=rule, tolerance=tolerance)


def main() -> None:
    """Run the study and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packings", type=int, default=50)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--nodes", type=int, default=64)
    parser.add_argument("--tolerance", type=float, default=1e-2)
    parser.add_argument("--ratios", type=float, nargs="+", default=[1.0, -1.0])
    parser.add_argument("--restore", action="store_true", help="also put bonds back")
    parser.add_argument("--save", type=Path, help="a table of all runs, csv")
    options = parser.parse_args()
    networks = [
        ml.networks.packing(nodes=options.nodes, periodic=True, coordination=4.5, seed=seed)
        for seed in range(options.packings)
    ]
    rows = []
    for ratio in options.ratios:
        trials = [
            (
                seed,
                pair,
                trial(network, ratio, 100 * seed + pair, options.tolerance, options.restore),
            )
            for seed, network in enumerate(networks)
            for pair in range(options.pairs)
        ]
        removed = [np.count_nonzero(run.learned["stiffness"] == 0) for _, _, run in trials]
        rows += [
            (ratio, seed, pair, int(run.converged), count)
            for (seed, pair, run), count in zip(trials, removed, strict=True)
        ]
        reached = np.array([run.converged for _, _, run in trials])
        interval = binomtest(int(reached.sum()), len(trials)).proportion_ci(0.95, method="wilson")
        share = np.array(removed) / [run.network.n_edges for _, _, run in trials]
        print(
            f"ratio {ratio:+.2f}: {reached.sum()} of {len(trials)} reached "
            f"({reached.mean():.3f}, {interval.low:.3f} to {interval.high:.3f}); "
            f"{np.mean(np.array(removed)[reached]):.1f} bonds removed "
            f"({100 * share[reached].mean():.1f} %)",
            flush=True,
        )
        if options.save:
            options.save.parent.mkdir(parents=True, exist_ok=True)
            with options.save.open("w", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main()
