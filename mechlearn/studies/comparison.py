"""Output of a comparison of rules: tables and figures in a folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mechlearn import parallel as ranks
from mechlearn.errors import plain
from mechlearn.io.tables import aligned, write_csv
from mechlearn.io.writing import replaced_file
from mechlearn.runs.config import Setup
from mechlearn.studies.compare import compare, nudge_study, table

#: Columns of the printed tables: headings, of rules with the text of a row.
RULES = {
    "rule": "{rule}",
    "reached": "{reached} of {starts}",
    "final error": "{final_error:.2e}",
    "steps": "{steps:.0f}",
    "time/s": "{wall_s:.2f}",
    "cosine to the gradient: first": "{first_cosine:.4f}",
    "median": "{median_cosine:.4f}",
    "": "{trouble}",
}
NUDGES = ("rule", "power of the nudge in contrast", "in update", "1 - cosine at the smallest")


def write_comparison(
    setup: Setup, folder: Path, output: Path, rules: Sequence[str], seeds: int
) -> tuple[str, list[str]]:
    """Compare rules on a task and write tables and figures.

    Returns the table as text, and the trainings that failed with their errors.
    """
    from matplotlib.figure import Figure

    from mechlearn.plots import plot_learning, plot_nudges

    title = plain(setup.title) or "comparison"

    def tell(rule: str, seed: int) -> None:
        ranks.tell(f"{title}: {rule}, start {seed + 1} of {seeds}")

    results = compare(setup, folder, rules, seeds, tell)
    rows, studies = table(results), nudge_study(setup, folder)
    write_csv(output / "rules.csv", rows)
    write_csv(
        output / "nudges.csv",
        [
            {"rule": s.rule, "nudge": nudge, "contrast": contrast, "update": update,
             "one_less_cosine": angle}
            for s in studies
            for nudge, contrast, update, angle in zip(
                s.amount, s.contrast, s.update, s.angle, strict=True
            )
        ],
    )  # fmt: skip
    for name, size, n, draw in (
        ("learning", (9, 6), 1, lambda axes: plot_learning(results, setup.train.tolerance, *axes)),
        ("nudges", (10, 8), 2, lambda axes: plot_nudges(studies, axes)),
    ):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots(n, n, squeeze=False).ravel())
        with replaced_file(output / f"{name}.png") as place:
            figure.savefig(place, dpi=150)
    said = aligned(list(RULES), [[f.format(**r) for f in RULES.values()] for r in rows])
    powers = [
        (s.rule, *("-" if np.isnan(p) else f"{p:.4f}" for p in s.powers), f"{s.angle[-1]:.1e}")
        for s in studies
    ]
    failed = [t for t in results if t.trouble and t.began]
    text = [f"{t.rule}, start {t.seed + 1}: {t.trouble}" for t in failed]
    return f"{said}\n\n{aligned(NUDGES, powers)}", text
