"""Output of a comparison of rules: tables and figures in a folder."""

from collections.abc import Sequence
from pathlib import Path

from mechlearn import parallel as ranks
from mechlearn.errors import plain
from mechlearn.io.writing import replaced_file
from mechlearn.runs.config import Setup
from mechlearn.studies.compare import NudgeStudy, compare, nudge_study, table, write_csv


def write_comparison(
    setup: Setup, folder: Path, output: Path, names: Sequence[str], seeds: int
) -> tuple[str, list[str]]:
    """Compare rules on a task and write tables and figures.

    Returns the table as text, and the trainings that failed with their errors.
    """
    from matplotlib.figure import Figure

    from mechlearn.plots import plot_learning, plot_nudges

    title = plain(setup.title) or "comparison"

    def tell(rule: str, seed: int) -> None:
        ranks.tell(f"{title}: {rule}, start {seed + 1} of {seeds}")

    results = compare(setup, folder, names, seeds, tell)
    rows = table(results)
    write_csv(output / "rules.csv", rows)
    figure = Figure(figsize=(9, 6), layout="constrained")
    plot_learning(results, setup.train.tolerance, figure.subplots())
    with replaced_file(output / "learning.png") as place:
        figure.savefig(place, dpi=150)
    studies = nudge_study(setup, folder)
    write_csv(output / "nudges.csv", _rows(studies))
    figure = Figure(figsize=(10, 8), layout="constrained")
    plot_nudges(studies, figure.subplots(2, 2).ravel())
    with replaced_file(output / "nudges.png") as place:
        figure.savefig(place, dpi=150)
    failed = [t for t in results if t.trouble and t.began]
    return _text(rows, studies), [f"{t.rule}, start {t.seed + 1}: {t.trouble}" for t in failed]


def _rows(studies: Sequence[NudgeStudy]) -> list[dict]:
    return [
        {
            "rule": s.rule,
            "nudge": s.amount[k],
            "contrast": s.contrast[k],
            "update": s.update[k],
            "one_less_cosine": s.angle[k],
        }
        for s in studies
        for k in range(len(s.amount))
    ]


def _text(rows: list[dict], studies: Sequence[NudgeStudy]) -> str:
    names = [*(r["rule"] for r in rows), *(s.rule for s in studies)]
    wide = max(map(len, ["rule", *names]))
    head = f"{'rule':{wide}}"
    lines = [f"{head} reached  final error  steps   time/s  cosine to the gradient (first, median)"]
    for r in rows:
        lines.append(
            f"{r['rule']:{wide}} {r['reached']:2d} of {r['starts']:<2d} {r['final_error']:11.2e} "
            f"{r['steps']:6.0f} {r['wall_s']:8.2f}  {r['first_cosine']:8.4f} "
            f"{r['median_cosine']:8.4f}" + (f"  {r['trouble']}" if r["trouble"] else "")
        )
    lines.append(f"{head} power of the nudge in contrast, in update; 1 - cosine at the smallest")
    for s in studies:
        contrast, update = s.powers
        lines.append(f"{s.rule:{wide}} {contrast:8.4f} {update:8.4f} {s.angle[-1]:12.1e}")
    return "\n".join(lines)
