"""Iris on the lattice of Li and Mao: accuracy over random splits.

S. Li, X. Mao, Nat. Commun. 15, 10528 (2024), https://doi.org/10.1038/s41467-024-54849-z: features
hang as weights on four nodes of a lattice of 14, the class is the node that moves farthest along x.
Published: test accuracy 0.9644 on average over 10 splits. Their code's constants (strut widths of
1.5 to 2.5 mm, that is 25 % either way; rate 6e-3, steepness 5) give 0.82 to 0.89 here, and in
another independent port. With 35 % either way the lattice can tell more flowers apart. The third
notebook has learning curves beside the published ones.

    python benchmarks/iris.py --range 0.35
    python benchmarks/iris.py --range 0.25 --rate 6e-3 --steepness 5
"""

import argparse
from pathlib import Path

import numpy as np

import mechlearn as ml
from mechlearn.tasks import data

LATTICE = Path(__file__).parent.parent / "meshes" / "li-mao.txt"
#: The heaviest weight, in N, and the nodes as numbered in the paper.
WEIGHT, INPUTS, OUTPUTS = 0.049, (14, 12, 13, 10), (8, 2, 3)
STIFFNESS = 137.5


def trial(seed: int, options: argparse.Namespace) -> tuple[float, float]:
    """Accuracy on the training and on the test part of one split."""
    flowers = data.load("iris").scaled(-WEIGHT)
    features = [f"feature {k}" for k in range(4)]
    train, test = flowers.split(0.3, seed)
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 4])],
        sources=[
            ml.Source(name=name, nodes=[node - 1], components=["y"], force=[0.0])
            for name, node in zip(features, INPUTS, strict=True)
        ],
        targets=[
            ml.Target(name=name, nodes=[node - 1], components=["x"], displacement=[0.0])
            for name, node in zip(flowers.classes, OUTPUTS, strict=True)
        ],
        examples=train.examples(features, flowers.classes),
        cost=ml.CrossEntropy(),
    )
    run = ml.train(
        ml.networks.from_file(LATTICE),
        task,
        learn=ml.Learn(
            bounds=(STIFFNESS * (1 - options.range), STIFFNESS * (1 + options.range)),
            initial=STIFFNESS,
            scale="sigmoid",
            steepness=options.steepness,
            chain=False,
        ),
        rule=ml.GradientDescent(),
        optimiser={"name": "adam", "betas": (0.9, 0.999), "eps": 1.49e-8},
        rate=options.rate,
        batch=16,
        steps=options.epochs,
        seed=seed,
    )
    reached = run.respond(test.examples(features, flowers.classes))
    return run.summary["accuracy"], data.accuracy(np.abs(reached), test.wanted)


def parser() -> argparse.ArgumentParser:
    """The options of the study."""
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    made.add_argument("--splits", type=int, default=10)
    made.add_argument("--range", type=float, default=0.35, help="of stiffness, either way")
    made.add_argument("--rate", type=float, default=2e-2)
    made.add_argument("--steepness", type=float, default=10.0)
    made.add_argument("--epochs", type=int, default=100)
    return made


def main() -> None:
    """Run the study and print its table."""
    options = parser().parse_args()
    results = np.array([trial(seed, options) for seed in range(options.splits)])
    for name, column in zip(("training", "test"), results.T, strict=True):
        print(
            f"{name:8} accuracy {column.mean():.4f} (from {column.min():.4f} to "
            f"{column.max():.4f} over {options.splits} splits)"
        )


if __name__ == "__main__":
    main()
