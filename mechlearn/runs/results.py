"""Results of trainings: read-only values, tables of targets, and interrupted runs."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Never

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import plain
from mechlearn.io.tables import aligned
from mechlearn.tasks.task import ABSOLUTE, LIMITS
from mechlearn.units import amount, percent

if TYPE_CHECKING:
    from mechlearn.runs.run import Run

#: Rows of a table that are printed.
ROWS = 20


def _refuse(self: Any, *_: Any, **__: Any) -> Never:
    raise TypeError("what belongs to a finished run cannot be changed; copy it first.")


class FixedDict(dict):
    """A read-only dict; ``dict(...)`` of it can be changed."""

    __setitem__ = __delitem__ = __ior__ = update = setdefault = _refuse  # type: ignore[assignment]
    pop = popitem = clear = _refuse  # type: ignore[assignment]

    def __reduce__(self) -> tuple[type, tuple[dict]]:
        return type(self), (dict(self),)


class FixedList(list):
    """A read-only list; ``list(...)`` of it can be changed."""

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse  # type: ignore[assignment]
    append = extend = insert = remove = pop = clear = sort = reverse = _refuse  # type: ignore

    def __reduce__(self) -> tuple[type, tuple[list]]:
        return type(self), (list(self),)


def fixed(value: Any) -> Any:
    """The same value with read-only mappings, lists and arrays."""
    if isinstance(value, np.ndarray):
        return fixed_array(value)
    if isinstance(value, dict):
        return FixedDict({name: fixed(part) for name, part in value.items()})
    return FixedList(map(fixed, value)) if isinstance(value, list) else value


def fixed_array(values: NDArray) -> NDArray:
    """Read-only view of an array."""
    view = values.view()
    view.flags.writeable = False
    return view


class Targets(FixedList):
    """Rows of a run's targets, one dict each, that print as a table.

    Keys are ``name``, ``quantity``, ``wanted``, ``initial``, ``reached``, ``relative_error``, and
    ``example`` (from 1) where there are several. Of a target that is measured from the unloaded
    network, ``unpulled`` and ``pulled`` are its readings from the network as it was given.
    """

    def cells(self, digits: int = 6) -> tuple[list[str], list[list[str]]]:
        """The header and the rows as texts, in the units of people."""
        absolute = [key for key in ABSOLUTE if any(key in row for row in self)]
        numbers = ["initial", "reached"]
        body = [
            [
                plain(row["name"]) + (f" ({row['example']})" if "example" in row else ""),
                LIMITS.get(row.get("limit", ""), "")
                + amount(row["wanted"], row["quantity"], digits),
                *(amount(row[key], row["quantity"], digits) for key in numbers),
                percent(row["relative_error"]),
                *(amount(row[k], row["quantity"], digits) if k in row else "" for k in absolute),
            ]
            for row in self
        ]
        return ["target", "wanted", *numbers, "relative error", *absolute], body

    def __repr__(self) -> str:
        head, body = self.cells()
        more = len(body) - ROWS
        text = aligned(head, body[:ROWS])
        return f"{text}\n... and {more} more rows" if more > 0 else text


class Interrupted(KeyboardInterrupt):
    """A training was interrupted, as by Ctrl-C or the stop button of a notebook.

    Attributes
    ----------
    run : Run
        Its state at the last finished step.
    runs : list of Run
        Of a sequence: those of the stages before as well.
    """

    def __init__(self, run: "Run", runs: Sequence["Run"] = ()) -> None:
        super().__init__(
            f"interrupted after step {run.summary['steps']}, with the error "
            f"{run.summary['error']:.2e}. What was learned until then is kept: it is the `run` of "
            "this exception (at a prompt: import sys; run = sys.last_value.run)."
        )
        self.run, self.runs = run, [*runs, run]
