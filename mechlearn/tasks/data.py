"""Data sets: tables of inputs and wanted outputs, split, scaled, and turned into examples.

A data set becomes a task by naming a source for every input and a target for every output: the rows
are then the task's examples.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn import extensions
from mechlearn.errors import InputError, listed
from mechlearn.io.writing import replaced_file
from mechlearn.tasks.curves import AFTER

#: Data sets of scikit-learn that come with it, by name.
BUNDLED = ("iris", "digits", "wine", "breast_cancer")
#: A larger table of examples than this many numbers is refused.
LARGEST = 50_000_000


@dataclass(frozen=True, eq=False, repr=False)
class DataSet:
    """Inputs and wanted outputs, one row per example.

    Attributes
    ----------
    inputs : (n, f) array
    wanted : (n, t) array
        Values, or shares of classes (1 for the right one).
    classes : tuple of str
        Names of the classes, where it is a classification.

    Raises
    ------
    InputError
        For what is no table of finite numbers, and tables of different lengths.
    """

    inputs: NDArray[np.float64]
    wanted: NDArray[np.float64]
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("inputs", "wanted"):
            try:
                values = np.asarray(getattr(self, name), dtype=float)
            except (TypeError, ValueError):
                raise InputError(f"data: {name} must be numbers, one row per example.") from None
            if values.ndim != 2 or not values.size or not np.isfinite(values).all():
                raise InputError(
                    f"data: {name} must be finite numbers, one row per example, not of shape "
                    f"{values.shape}."
                )
            object.__setattr__(self, name, values)
        if len(self.inputs) != len(self.wanted):
            raise InputError(
                f"data: {len(self.inputs)} rows of inputs, {len(self.wanted)} of wanted outputs."
            )

    def __len__(self) -> int:
        return len(self.inputs)

    def __repr__(self) -> str:
        n_inputs, n_wanted = self.inputs.shape[1], self.wanted.shape[1]
        wanted = f"{n_wanted} wanted outputs"
        if self.classes:
            wanted = f"{len(self.classes)} classes ({listed(self.classes)})"
        return f"<DataSet: {len(self)} rows of {n_inputs} inputs and {wanted}>"

    @property
    def labels(self) -> NDArray[np.int64]:
        """Class number of every row."""
        return self.wanted.argmax(axis=1)

    def take(self, rows: ArrayLike) -> "DataSet":
        """Subset of rows.

        Parameters
        ----------
        rows : (k,) integer or (n,) bool array
            Their numbers from 0, or a mask.
        """
        rows = np.asarray(rows)
        return replace(self, inputs=self.inputs[rows], wanted=self.wanted[rows])

    def split(self, test: float = 0.3, seed: int = 0) -> tuple["DataSet", "DataSet"]:
        """Random split into training and test rows.

        Parameters
        ----------
        test : float
            The part of the rows to test on, between 0 and 1.
        seed : int
            The same seed gives the same parts.

        Raises
        ------
        InputError
            Where one of them would be empty.
        """
        count = round(test * len(self))
        if not 0 < count < len(self):
            raise InputError(f"data: a test part of {test:g} of {len(self)} rows leaves one empty.")
        order = np.random.default_rng(seed).permutation(len(self))
        return self.take(np.sort(order[count:])), self.take(np.sort(order[:count]))

    def scaled(self, size: float = 1.0, like: "DataSet | None" = None) -> "DataSet":
        """Inputs over the largest of their column (in ``like``, else here), times ``size``."""
        largest = np.abs((like or self).inputs).max(axis=0)
        return replace(self, inputs=self.inputs / np.where(largest > 0, largest, 1.0) * size)

    def complementary(self) -> "DataSet":
        """Every input once more with the opposite sign.

        What a crossbar, whose conductances are positive, needs in order to weigh inputs with
        either sign.
        """
        return replace(self, inputs=np.hstack([self.inputs, -self.inputs]))

    def examples(self, sources: Sequence[str], targets: Sequence[str]) -> list[dict[str, float]]:
        """The rows as examples of a task.

        Parameters
        ----------
        sources, targets : sequences of names
            One per column of the inputs, and of the wanted outputs.

        Raises
        ------
        InputError
            Where there are more or fewer names than columns.
        """
        for kind, names, values in (
            ("sources", sources, self.inputs),
            ("targets", targets, self.wanted),
        ):
            if len(names) != values.shape[1]:
                raise InputError(
                    f"data: {len(names)} {kind} for {values.shape[1]} columns of them."
                )
        names = [*sources, *targets]
        rows = np.hstack([self.inputs, self.wanted]).tolist()
        return [dict(zip(names, row, strict=True)) for row in rows]


def classification(inputs: ArrayLike, labels: ArrayLike, classes: Sequence[str] = ()) -> DataSet:
    """A data set whose wanted outputs are 1 for the row's own class and 0 for the others.

    Parameters
    ----------
    inputs : (n, f) array
    labels : (n,) array of numbers or texts
        The class of every row.
    classes : sequence of str, optional
        Names of the classes in the order of their sorted labels; the labels unless given.

    Raises
    ------
    InputError
        For as many names as there are no classes, and inputs that are no table of finite numbers.
    """
    known, numbers = np.unique(np.asarray(labels), return_inverse=True)
    names = tuple(classes) or tuple(str(k) for k in known)
    if len(names) != len(known):
        raise InputError(f"data: {len(names)} names for {len(known)} classes.")
    return DataSet(np.asarray(inputs), np.eye(len(known))[numbers], names)


def load(name: str) -> DataSet:
    """A data set that comes with scikit-learn.

    Parameters
    ----------
    name : "iris", "digits", "wine" or "breast_cancer"

    Raises
    ------
    InputError
        For another name, and where scikit-learn is not installed.
    """
    if name not in BUNDLED:
        raise InputError(f"data: {name!r} is not known; known are {listed(BUNDLED)}.")
    datasets = extensions.load("sklearn.datasets", "studies", f"The data set {name} comes with")
    bunch = getattr(datasets, f"load_{name}")()
    return classification(bunch.data, bunch.target, [str(c) for c in bunch.target_names])


def confusion(outputs: ArrayLike, wanted: ArrayLike) -> NDArray[np.int64]:
    """Confusion matrix: counts of wanted classes (rows) against largest outputs (columns).

    Parameters
    ----------
    outputs, wanted : (n, t) arrays
        One column per class.
    """
    outputs, wanted = np.asarray(outputs), np.asarray(wanted)
    table = np.zeros((wanted.shape[1],) * 2, dtype=np.int64)
    np.add.at(table, (wanted.argmax(axis=1), outputs.argmax(axis=1)), 1)
    return table


def accuracy(outputs: ArrayLike, wanted: ArrayLike) -> float:
    """Fraction of rows whose largest output is that of the wanted class.

    Parameters
    ----------
    outputs, wanted : (n, t) arrays
        One column per class.
    """
    table = confusion(outputs, wanted)
    return float(np.trace(table) / table.sum())


def read_examples(path: Path) -> list[dict[str, Any]]:
    """Examples from a CSV file: a column per source or target, a row per example.

    The first row has their names; one of several numbers has columns ``name[1]``, ``name[2]``, ...,
    a tensor ``name[1][1]``, ``name[1][2]``, ...
    An empty cell leaves the value written with the source or target, "free" switches it off. In a
    column ``after`` is "previous", or nothing.

    Parameters
    ----------
    path : path
        The file, in UTF-8.

    Raises
    ------
    InputError
        Where the file cannot be read, or a cell is neither; the message names the line.
    """
    if path.exists() and not path.is_file():  # a device may never end
        raise InputError(f"{path} is no file of examples.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        what = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read: {what}.") from None
    if len(rows) < 2:
        raise InputError(
            f"{path} holds no examples: it needs a line of names, and lines of values."
        )
    head = [name.strip() for name in rows[0][1]]
    if len(set(head)) < len(head):
        raise InputError(f"{path}: a column is named twice in its first line.")
    if len(head) * len(rows) > LARGEST:
        raise InputError(f"{path} holds more than {LARGEST} numbers.")
    return [_example(head, row, f"{path}, line {line}") for line, row in rows[1:]]


def write_examples(path: Path, examples: Sequence[Mapping[str, Any]]) -> None:
    """Write examples as a CSV file that :func:`read_examples` reads.

    Parameters
    ----------
    path : path
        The file to write.
    examples : sequence of mappings
        Values, lists of values or "free" by the name of sources and targets.
    """
    columns: dict[str, None] = {}
    rows = []
    for example in examples:
        row: dict[str, Any] = {}
        for name, value in example.items():
            row |= _flat(name, value)
        columns |= dict.fromkeys(row)
        rows.append(row)
    lines = [list(columns)]
    lines += [["" if row.get(c) is None else row[c] for c in columns] for row in rows]
    with replaced_file(path) as place, place.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)


def _example(head: list[str], row: list[str], where: str) -> dict[str, Any]:
    if len(row) != len(head):
        raise InputError(f"{where}: {len(row)} values in {len(head)} columns.")
    out: dict[str, Any] = {}
    for name, cell in zip(head, row, strict=True):
        if cell := cell.strip():
            word = cell == "free" or name == AFTER
            out[name] = cell if word else _number(cell, where, name)
    return _nested(_nested(out, where), where)


def _flat(name: str, value: Any) -> dict[str, Any]:
    """Columns of a value: those of a list are ``name[1]``, ..., of a tensor ``name[1][1]``, ..."""
    if not isinstance(value, list):
        return {name: value}
    parts = [_flat(f"{name}[{k}]", v) for k, v in enumerate(value, 1)]
    return {column: v for part in parts for column, v in part.items()}


def _nested(columns: dict[str, Any], where: str) -> dict[str, Any]:
    """Columns whose last indices are gathered in lists."""
    out: dict[str, Any] = {}
    several: dict[str, dict[int, Any]] = {}
    for name, value in columns.items():
        if part := re.fullmatch(r"(.+)\[(\d{1,9})\]", name):
            several.setdefault(part[1], {})[int(part[2])] = value
        else:
            out[name] = value
    for name, numbers in several.items():
        if name in out or sorted(numbers) != list(range(1, len(numbers) + 1)):
            raise InputError(f"{where}: {name} needs columns {name}[1], {name}[2], ..., filled.")
        out[name] = [numbers[k] for k in sorted(numbers)]
    return out


def _number(cell: str, where: str, name: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise InputError(f"{where}: {name} = {cell!r} is no finite number.")
    return value
