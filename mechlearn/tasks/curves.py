"""Curves that are wanted: pairs of what a source imposes and what that should take."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mechlearn.errors import failure

if TYPE_CHECKING:
    from mechlearn.tasks.task import Example, Target, Task

#: Key of an example for what it is reached from: "previous", the state of the one before.
AFTER = "after"
#: Words for forces at sources that impose something.
PARTNERS = {"strain": "force", "displacement": "force", "voltage": "current", "pressure": "flow"}


def read_curve(given: Any) -> Any:
    """Pairs of numbers, from a list, an array, or a CSV file with a line per pair.

    Raises
    ------
    ValueError
        For a file that cannot be read.
    """
    if isinstance(given, np.ndarray):
        return given.tolist()
    if not isinstance(given, str | Path):
        return given
    if Path(given).exists() and not Path(given).is_file():  # a device may never end
        raise ValueError(f"{given} is no file")
    rows: list[list[float]] = []
    try:
        with Path(given).open(newline="", encoding="utf-8-sig") as file:
            for number, row in enumerate(csv.reader(file), 1):
                if not "".join(row).strip() or (number == 1 and row[0].strip()[:1].isalpha()):
                    continue
                if len(row) != 2:
                    raise ValueError(f"line {number} has {len(row)} columns; a curve has two")
                rows.append([float(cell) for cell in row])
        if not rows:
            raise ValueError("it has no line of two numbers")
    except (OSError, ValueError, csv.Error) as error:
        raise ValueError(f"{given} cannot be read as a curve: {failure(error)}") from None
    return rows


def as_examples(task: "Task") -> "tuple[list[Target], list[Example]]":
    """Targets and examples of a task with targets that are curves: an example per point.

    Each is reached from the one before.

    Raises
    ------
    ValueError
        For examples beside them, and curves that are of no one source, or of other values of it.
    """
    curves = {t.name or str(k): t for k, t in enumerate(task.targets) if t.curve is not None}
    first, sources = next(iter(curves.values())), {s.name: s for s in task.sources}
    if task.examples:
        raise ValueError("the points of a curve are the examples; leave examples out")
    at = _abscissae(first)
    for target in curves.values():
        if target.source not in sources:
            raise ValueError("a curve is of the force at a source; name it as source = ...")
        if target.source != first.source or _abscissae(target) != at:
            raise ValueError("curves of one task are at the same values of one source")
        if target.given or target.match:
            word = [*target.given, "match"][0]
            raise ValueError(f"a target with a curve has no {word}; give one of them")
        if (target.of_untrained is None) != (first.of_untrained is None):
            raise ValueError("curves of one task are all of them of_untrained, or none is")
    source = sources[first.source or ""]
    if source.kind.through or np.size(source.value) != 1:
        raise ValueError(
            f"source {source.name!r} must impose one number, such as a displacement along one "
            "component, whose values the curve gives"
        )
    several = isinstance(source.value, list)
    word = "stress" if source.cell is not None else PARTNERS[source.quantity]
    if first.of_untrained is not None:
        at = [u * float(np.squeeze(source.value)) for u in at]
    examples: list[Any] = [{source.name: [u] if several else u} for u in at]
    for example in examples[1:]:
        example[AFTER] = "previous"
    targets = []
    for target in task.targets:
        if target.curve is not None:
            name, forces = target.name or word, _ordinates(target)
            for example, f in zip(examples, forces, strict=True):
                example[name] = [f] if several else f
            value = [forces[0]] if several else forces[0]
            change = {"name": name, "curve": None, "points": None, "quantity": word, word: value}
            target = target.model_copy(update=change)
        targets.append(target)
    return targets, examples


def check_sequence(examples: "list[Example]", named: list[str]) -> None:
    """Raise ValueError for examples of names that there are not, and after none."""
    for number, example in enumerate(examples, 1):
        for name, value in example.items():
            where = f"example {number}"
            if name not in (*named, AFTER):
                raise ValueError(
                    f"{where} names {name!r}, which is no source or target ({', '.join(named)})"
                )
            if name != AFTER and value == "previous":
                raise ValueError(f'{where}: {name} = "previous" is no value')
            if name == AFTER and value != "previous":
                raise ValueError(f'{where}: after = {value!r} must be "previous"')
            if name == AFTER and number == 1:
                raise ValueError(f"{where} is the first, and comes after none; leave after out")


def _abscissae(target: "Target") -> list[float]:
    """Values of the source at the points of a curve, or at as many as are wanted between them.

    Raises
    ------
    ValueError
        For one value twice in a row, and for points between values that go up and down.
    """
    given = [u for u, _ in target.curve or ()]
    ways = np.sign(np.diff(given))
    if not ways.all():
        twice = given[int(np.argmin(np.abs(ways)))]
        raise ValueError(f"a curve has two points, one after the other, at {twice:g}; give one")
    if target.points is None:
        return given
    if len(given) < 2 or not (ways == ways[0]).all() or not ways[0]:
        raise ValueError("points of a curve are between two values or more, in their order")
    return np.linspace(given[0], given[-1], target.points).tolist()


def _ordinates(target: "Target") -> list[float]:
    """Forces there, between the points of the curve along straight lines."""
    u, f = np.array(target.curve).T
    if target.points is None:
        return f.tolist()
    order = np.argsort(u)
    return np.interp(_abscissae(target), u[order], f[order]).tolist()
