"""Curves that are wanted: pairs of what a source imposes and what that should take."""

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
    try:
        with Path(given).open(encoding="utf-8-sig") as file:
            head = file.readline()
        named = any(part.strip()[:1].isalpha() for part in head.split(","))
        rows = np.loadtxt(given, delimiter=",", skiprows=int(named), ndmin=2, encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{given} cannot be read as two columns of numbers: {failure(error)}"
        ) from None
    if rows.shape[1] != 2:
        raise ValueError(f"{given} has {rows.shape[1]} columns; a curve has two")
    return rows.tolist()


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
    at = [u for u, _ in first.curve or ()]
    for target in curves.values():
        if target.source not in sources:
            raise ValueError("a curve is of the force at a source; name it as source = ...")
        if target.source != first.source or [u for u, _ in target.curve or ()] != at:
            raise ValueError("curves of one task are at the same values of one source")
    source = sources[first.source or ""]
    if source.kind.through or np.size(source.value) != 1:
        raise ValueError(
            f"source {source.name!r} must impose one number, such as a displacement along one "
            "component, whose values the curve gives"
        )
    several, word = isinstance(source.value, list), PARTNERS[source.quantity]
    examples: list[Example] = [{source.name: [u] if several else u} for u in at]
    for example in examples[1:]:
        example[AFTER] = "previous"
    targets = []
    for target in task.targets:
        if target.curve is not None:
            name, points = target.name or word, target.curve
            for example, (_, f) in zip(examples, points, strict=True):
                example[name] = [f] if several else f
            value = [points[0][1]] if several else points[0][1]
            change = {"name": name, "curve": None, "quantity": word, word: value}
            target = target.model_copy(update=change)
        targets.append(target)
    return targets, examples
