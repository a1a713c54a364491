"""Time mechlearn: python benchmarks/bench.py [CASE ...] [--quick]; see README.md beside it.

Writes results.csv and, from it, step.png. Cases named replace their rows and keep the others'.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import csv
from pathlib import Path

from suite.cases import Row, cases

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results.csv"


def main() -> None:
    """Run the cases named, all unless there are any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(cases))
    parser.add_argument("--quick", action="store_true", help="small sizes, nothing written")
    given = parser.parse_args()
    quick, wanted = given.quick, given.cases or list(cases)
    for name in wanted:
        if name not in cases:
            parser.error(f"there is no case {name!r}; there are {', '.join(cases)}.")
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
    main()
