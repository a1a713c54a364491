"""How often coupled learning teaches a random packing allostery.

For every packing: a random pinched pair is the source, another pair far from it the target, the
wanted strain ratio +1 or -1. Prints every network and the rate with its 95 % Wilson interval.

    python benchmarks/success_rate.py --packings 50 --nodes 64
"""

import argparse

import numpy as np
from scipy.stats import binomtest

import mechlearn as ml
from mechlearn.errors import MechlearnError
from mechlearn.tasks.ports import close_pairs


def far_pairs(network: ml.Network, rng: np.random.Generator) -> tuple[list[int], list[int]]:
    """A random close pair, and a random one among the tenth of pairs farthest from it."""
    pairs = close_pairs(network)
    source = pairs[rng.integers(len(pairs))]
    apart = np.linalg.norm(network.separation(np.full(len(pairs), source[0]), pairs[:, 0]), axis=1)
    others = pairs[(apart >= np.quantile(apart, 0.9)) & ~np.isin(pairs, source).any(axis=1)]
    return source.tolist(), others[rng.integers(len(others))].tolist()


def trial(
    seed: int,
    *,
    nodes: int,
    strain: float,
    finite: bool,
    tolerance: float,
    steps: int,
    coordination: float,
    bounds: tuple[float, float],
) -> ml.Run:
    """Train packing number ``seed``; the strain ratio alternates between +1 and -1."""
    network = ml.networks.packing(nodes=nodes, periodic=True, coordination=coordination, seed=seed)
    source, target = far_pairs(network, np.random.default_rng([seed, 1]))
    ratio = 1 if seed % 2 == 0 else -1
    task = ml.Task(
        sources=[ml.Source(nodes=source, strain=strain)],
        targets=[ml.Target(nodes=target, strain=ratio * strain)],
    )
    return ml.train(
        network,
        task,
        energy=ml.FiniteSpring() if finite else ml.Spring(),
        learn={"stiffness": ml.Learn(bounds=bounds, initial=1.0)},
        rule=ml.CoupledLearning(eta=1e-2),
        steps=steps,
        tolerance=tolerance,
    )


def main() -> None:
    """Run the study and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--packings", type=int, default=50)
    parser.add_argument("--nodes", type=int, default=64)
    parser.add_argument("--coordination", type=float, default=4.5)
    parser.add_argument("--strain", type=float, default=0.1)
    parser.add_argument("--tolerance", type=float, default=1e-2)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--bounds", type=float, nargs=2, default=(0.01, 10.0))
    parser.add_argument("--finite", action="store_true", help="springs at finite displacement")
    options = vars(parser.parse_args())
    packings = options.pop("packings")
    options["bounds"] = tuple(options["bounds"])
    steps = []
    for seed in range(packings):
        try:
            run = trial(seed, **options)
        except MechlearnError as error:
            print(f"{seed:4d}  failed: {error}", flush=True)
            continue
        [target] = run.targets
        print(
            f"{seed:4d}  {'reached' if run.converged else 'MISSED '}"
            f"  steps {run.summary['steps']:5d}"
            f"  wanted {target['wanted']:+.3f}  reached {target['reached']:+.5f}"
            f"  {run.summary['wall_s']:6.2f} s",
            flush=True,
        )
        if run.converged:
            steps.append(run.summary["steps"])
    interval = binomtest(len(steps), packings).proportion_ci(0.95, method="wilson")
    print(
        f"{len(steps)} of {packings} reached: rate {len(steps) / packings:.3f}, "
        f"95 % Wilson interval {interval.low:.3f} to {interval.high:.3f}; "
        f"steps median {np.median(steps):.0f}, 90th percentile {np.quantile(steps, 0.9):.0f}"
    )


if __name__ == "__main__":
    main()
