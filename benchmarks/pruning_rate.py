"""How often, and by how many bonds, greedy pruning reaches a response ratio.

Random periodic packings, random far pairs as source and target; k = 1 / length. Prints the rate
with its 95 % Wilson interval.

    python benchmarks/pruning_rate.py --packings 50 --pairs 4
"""

import argparse

import numpy as np
from scipy.stats import binomtest
from success_rate import far_pairs

import mechlearn as ml


def trial(network: ml.Network, ratio: float, seed: int, tolerance: float) -> ml.Run:
    """Prune one packing for a random pair of pairs."""
    source, target = far_pairs(network, np.random.default_rng([seed, 2]))
    task = ml.Task(
        sources=[ml.Source(nodes=source, strain=0.1)],
        targets=[ml.Target(nodes=target, strain=0.1 * ratio)],
    )
    learn = ml.Learn(initial=(1 / network.lengths).tolist())
    return ml.train(network, task, learn=learn, rule=ml.GreedyPruning(), tolerance=tolerance)


def main() -> None:
    """Run the study and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packings", type=int, default=50)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--nodes", type=int, default=64)
    parser.add_argument("--tolerance", type=float, default=1e-2)
    parser.add_argument("--ratios", type=float, nargs="+", default=[1.0, -1.0])
    options = parser.parse_args()
    networks = [
        ml.networks.packing(nodes=options.nodes, periodic=True, coordination=4.5, seed=seed)
        for seed in range(options.packings)
    ]
    for ratio in options.ratios:
        results = [
            trial(network, ratio, 100 * seed + pair, options.tolerance)
            for seed, network in enumerate(networks)
            for pair in range(options.pairs)
        ]
        reached = [r for r in results if r.converged]
        removed = np.array([np.count_nonzero(r.learned["stiffness"] == 0) for r in reached])
        share = np.mean([np.mean(r.learned["stiffness"] == 0) for r in reached])
        interval = binomtest(len(reached), len(results)).proportion_ci(0.95, method="wilson")
        print(
            f"ratio {ratio:+.2f}: {len(reached)} of {len(results)} reached "
            f"({len(reached) / len(results):.3f}, {interval.low:.3f} to {interval.high:.3f}); "
            f"{removed.mean():.1f} bonds removed ({100 * share:.1f} %)"
        )


if __name__ == "__main__":
    main()
