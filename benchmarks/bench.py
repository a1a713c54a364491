"""Time mechlearn: python benchmarks/bench.py [CASE ...] [--quick]; see README.md beside it.

Writes results.csv and, from it, step.png. Cases named replace their rows and keep the others'.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import csv
import sys
from pathlib import Path

from suite.cases import Row, cases

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.csv"


def main(arguments: list[str]) -> None:
    """Run the cases named, all unless there are any."""
    quick = "--quick" in arguments
    wanted = [a for a in arguments if not a.startswith("--")] or list(cases)
    unknown = [name for name in wanted if name not in cases]
    if unknown:
        sys.exit(f"There is no case {unknown[0]!r}; there are {', '.join(cases)}.")
    kept: dict[str, list[list[str]]] = {}
    if RESULTS.exists() and not quick:
        with RESULTS.open() as file:
            for name, *row in list(csv.reader(file))[1:]:
                kept.setdefault(name, []).append(row)
    for name in wanted:
        kept[name] = []
        for row in cases[name](quick):
            kept[name].append(row.cells())
            print(name, *row.cells(), sep=" | ", flush=True)
        if not quick:
            with RESULTS.open("w", newline="") as file:
                table = csv.writer(file, lineterminator="\n")
                table.writerow(("group", *Row.HEADER))
                table.writerows((n, *row) for n in cases for row in kept.get(n, ()))
    if not quick:
        draw()


def draw() -> None:
    """Time of a linear step against size, with what others need and the floor."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    with RESULTS.open() as file:
        rows = list(csv.DictReader(file))
    figure, axes = plt.subplots(1, 2, figsize=(9.5, 3.8), layout="constrained", sharey=True)
    for ax, case in zip(axes, ("linear step 2D", "finite spring step 2D"), strict=True):
        lines: dict[str, list[tuple[float, float]]] = {}
        for row in rows:
            if row["case"] == case:
                size = int(row["size"])
                lines.setdefault("mechlearn", []).append((size, float(row["ours_s"])))
                if row["reference_s"]:
                    lines.setdefault(row["reference"], []).append((size, float(row["reference_s"])))
        for name, points in lines.items():
            best = sorted({size: time for size, time in reversed(points)}.items())
            style = {"color": "k", "lw": 2} if name == "mechlearn" else {}
            style |= {"color": "0.6", "ls": "--"} if name == "floor" else {}
            ax.loglog(*zip(*best, strict=True), marker="o", ms=4, label=name, **style)
        ax.set(xlabel="nodes", title=case)
        ax.legend(frameon=False, fontsize=8)
    axes[0].set_ylabel("time per training step (s)")
    figure.savefig(HERE / "step.png", dpi=120)


if __name__ == "__main__":
    main(sys.argv[1:])
