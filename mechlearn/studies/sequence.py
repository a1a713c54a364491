"""Sequential and joint learning of several tasks, with damage in between.

What a network still knows of a task when it has learned another is seen by asking it for every task
after every stage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mechlearn.errors import InputError
from mechlearn.io.tables import write_csv
from mechlearn.network import Network
from mechlearn.parallel import on_first
from mechlearn.runs.checkpoint import Interrupted
from mechlearn.runs.folder import new_folder, within
from mechlearn.runs.run import Run
from mechlearn.runs.training import train
from mechlearn.tasks.ports import PLACES
from mechlearn.tasks.task import Example, Source, Target, Task, Terminal

if TYPE_CHECKING:
    import pandas
    import xarray


@dataclass(frozen=True)
class Cut:
    """Stage that cuts bonds without learning; see :meth:`Run.cut`.

    Parameters
    ----------
    bonds : list of int
    """

    bonds: Sequence[int]


#: A name, and a task to learn (and options of :func:`mechlearn.train` for it alone) or a cut.
Stage = tuple[str, Task | Cut] | tuple[str, Task, Mapping[str, Any]]


@dataclass(frozen=True, eq=False, repr=False)
class Stages:
    """Results of a sequence: a run and the errors of all tasks per stage.

    Attributes
    ----------
    runs : list of Run
        One per stage.
    error, accuracy : xarray.DataArray, (stage, task)
        Of every task after every stage, the first row before all of them: the error that tolerances
        are on, and the part of the examples that is classified right (nan where there are no
        classes).
    """

    runs: list[Run]
    error: "xarray.DataArray"
    accuracy: "xarray.DataArray"

    def __repr__(self) -> str:
        return f"{self._table().to_string(float_format='{:.3g}'.format)}"

    def _repr_html_(self) -> str:
        return self._table().to_html(float_format="{:.3g}".format)

    def _table(self) -> "pandas.DataFrame":
        """Errors, and accuracies where there are some, as a pandas table with a row per stage."""
        table = self.error.to_pandas().add_prefix("error ")
        for task in self.accuracy["task"].values:
            right = self.accuracy.sel(task=task).values
            if not np.isnan(right).all():
                table[f"accuracy {task}"] = right
        return table

    def save(self, folder: str | Path, overwrite: bool = False) -> Path:
        """Write every run as a folder in ``folder``, and the table as ``stages.csv``.

        A folder that is there already is refused, but for ``overwrite``.

        Raises
        ------
        InputError
            Where a folder is in the way, or cannot be written.
        """
        on_first(lambda: self._write(Path(folder), overwrite))
        return Path(folder)

    def _write(self, folder: Path, overwrite: bool) -> None:
        new_folder(folder, overwrite)
        names = self.error["stage"].values[1:]
        for number, (run, name) in enumerate(zip(self.runs, names, strict=True), 1):
            safe = "".join(c if c.isalnum() else "-" for c in str(name))
            run.save(within(folder, f"{number:02d}-{safe}"), overwrite)
        table = self._table().reset_index()
        write_csv(folder / "stages.csv", table.to_dict("records"))


def sequence(
    network: Network,
    stages: Sequence[Stage],
    *,
    start: Run | None = None,
    keep_optimiser: bool = False,
    **options: Any,
) -> Stages:
    """Train a network on one task after another, each from the values of the last.

    Parameters
    ----------
    network : Network
    stages : list of (name, task), (name, task, options) or (name, Cut)
        The same name stands for the same task. ``options`` are those of :func:`mechlearn.train`
        that differ in the stage.
    start : Run, optional
        What to begin with.
    keep_optimiser : bool
        Whether what the optimiser remembers of one stage goes into the next; it forgets otherwise.
    **options
        Those of :func:`mechlearn.train`, for all stages.

    Raises
    ------
    InputError
        For stages that are none of these, a name with two tasks, or a cut before anything.
    Interrupted
        For Ctrl-C; its ``runs`` are those of the stages until then.
    """
    import xarray

    tasks = _tasks(stages)
    runs: list[Run] = []
    rows: list[list[tuple[float, float]]] = []
    last = start
    for name, what, *own in stages:
        if isinstance(what, Cut):
            if last is None:
                raise InputError(f"stage {name!r} cuts bonds before there is any run to cut.")
            last = last.cut(what.bonds)
        else:
            mine = {**options, **(own[0] if own else {})}
            keep = keep_optimiser and last is not None and bool(last.memory)
            try:
                last = train(network, what, start=last, keep_optimiser=keep, **mine)
            except Interrupted as stop:
                raise Interrupted(stop.run, runs) from None
            if not runs and start is None:
                rows.append(_scores(last, tasks, learned=False))
        if not rows and start is not None:
            rows.append(_scores(start, tasks))
        runs.append(last)
        rows.append(_scores(last, tasks))
    coords = {"stage": ["start", *(s[0] for s in stages)], "task": list(tasks)}
    values = np.array(rows)
    error, accuracy = (
        xarray.DataArray(values[..., k], coords, ("stage", "task"), name)
        for k, name in enumerate(("error", "accuracy"))
    )
    return Stages(runs, error, accuracy)


def together(**tasks: Task) -> Task:
    """Joint task: every task an example of its own, with the sources of the others at zero.

    Sources and targets are called ``task.name``; those at the same place, about the same, are one
    under the name that they have first.

    Parameters
    ----------
    **tasks : Task
        By name.

    Raises
    ------
    InputError
        Where they are not held alike, or have another cost.
    """
    if not tasks:
        raise InputError("together: no task is given.")
    first = next(iter(tasks.values()))
    kept: dict[tuple, Terminal] = {}
    called: dict[str, dict[str, str]] = {}
    for name, task in tasks.items():
        if task.supports != first.supports:
            raise InputError(f"together: task {name!r} has other supports than the first.")
        if task.cost != first.cost:
            raise InputError(f"together: task {name!r} has another cost than the first.")
        called[name] = {}
        for terminal in (*task.sources, *task.targets):
            same = kept.setdefault(_identity(terminal, name), _renamed(terminal, name))
            called[name][terminal.name] = same.name
    everybody = [t.name for t in kept.values()]
    examples: list[Example] = []
    for name, task in tasks.items():
        for example in task.examples or [{}]:
            said: Example = dict.fromkeys(everybody, "free")
            for terminal in (*task.sources, *task.targets):
                new = called[name][terminal.name]
                match = getattr(terminal, "match", None)
                if terminal.name in example or match is None:
                    said[new] = example.get(terminal.name, terminal.value)
                else:
                    del said[new]
            examples.append(said)
    return Task(
        supports=first.supports,
        sources=[t for t in kept.values() if isinstance(t, Source)],
        targets=[t for t in kept.values() if isinstance(t, Target)],
        examples=examples,
        cost=first.cost,
    )


def _tasks(stages: Sequence[Stage]) -> dict[str, Task]:
    tasks: dict[str, Task] = {}
    for number, stage in enumerate(stages, 1):
        right = isinstance(stage, tuple) and len(stage) in (2, 3) and isinstance(stage[0], str)
        if not right or not isinstance(stage[1], Task | Cut):
            raise InputError(
                f"stage {number}: {stage!r} must be (name, Task), (name, Task, options) or "
                "(name, Cut)."
            )
        name, what = stage[:2]
        if isinstance(what, Task) and tasks.setdefault(name, what) != what:
            raise InputError(f"stage {number}: another task is called {name!r} already.")
    if not tasks:
        raise InputError("The stages of a sequence name no task.")
    return tasks


def _scores(run: Run, tasks: Mapping[str, Task], learned: bool = True) -> list[tuple[float, float]]:
    """Error and accuracy of every task."""
    out = []
    for task in tasks.values():
        found = run.system(task, learned=learned)
        out.append((found.error, np.nan if found.accuracy is None else found.accuracy))
    return out


def _identity(terminal: Terminal, task: str) -> tuple:
    """Identity of a source or target without its values."""
    places = [getattr(terminal, name) for name in (*PLACES, "components")]
    others = tuple(getattr(terminal, name, None) for name in ("scale", "limit", "baseline"))
    match = getattr(terminal, "match", None)
    own = task if match is not None or terminal.near is not None else None
    kind, size = type(terminal), np.size(terminal.value)
    return (kind, repr(places), terminal.quantity, size, others, match, own)


def _renamed(terminal: Terminal, task: str) -> Terminal:
    update = {"name": f"{task}.{terminal.name}"}
    if (match := getattr(terminal, "match", None)) is not None:
        update["match"] = f"{task}.{match}"
    return terminal.model_copy(update=update)
