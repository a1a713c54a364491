"""Tables of results: targets, or the confusion of classes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mechlearn.runs.run import Run

#: Rows of targets that a page shows: all, or else those missed most.
ROWS = 60


def target_rows(run: "Run") -> tuple[list[dict[str, Any]], int]:
    """Rows of the targets, the worst ones of many, and their number in all."""
    rows = run.targets
    if len(rows) <= ROWS:
        return rows, len(rows)
    worst = sorted(range(len(rows)), key=lambda k: -rows[k]["relative_error"])[:ROWS]
    return [rows[k] for k in worst], len(rows)


@dataclass(frozen=True, eq=False)
class Confusion:
    """Confusion matrix before and after training.

    Attributes
    ----------
    names : list of str
        The classes: names of the targets.
    before, after : (classes, classes) integer arrays
        Examples of the class of the row that were taken for that of the column, by the network
        before training and by the learned one.
    """

    names: list[str]
    before: NDArray[np.int64]
    after: NDArray[np.int64]

    @property
    def accuracies(self) -> tuple[float, float]:
        """Fractions of examples classified correctly, before and after."""
        return tuple(float(np.trace(m) / m.sum()) for m in (self.before, self.after))


def confusion(run: "Run") -> Confusion | None:
    """Confusion matrices of a run; None unless it classifies."""
    problem = run.problem
    if problem.task.cost.has_values:
        return None
    shape = problem.active.shape
    names = list(dict.fromkeys(p.terminal for p in problem.answers))
    raw = {key: np.zeros(shape) for key in ("initial", "reached")}
    several = problem.n_examples > 1
    column = {name: [] for name in names}
    for k, port in enumerate(problem.answers):
        column[port.terminal].append(k)
    for row in run.targets:
        e = row["example"] - 1 if several else 0
        mine = [k for k in column[row["name"]] if problem.active[e, k]]
        for key, values in raw.items():
            values[e, mine] = row[key]
    wanted = np.where(problem.active, problem.wanted / problem.units, -1.0).argmax(axis=1)
    tables = []
    for outputs in raw.values():
        shares = problem.task.cost.reached(outputs, problem.active)
        taken = np.where(problem.active, shares, -1.0).argmax(axis=1)
        table = np.zeros((shape[1],) * 2, dtype=np.int64)
        np.add.at(table, (wanted, taken), 1)
        tables.append(table)
    labels = [p.terminal for p in problem.answers]
    return Confusion(labels, *tables)
