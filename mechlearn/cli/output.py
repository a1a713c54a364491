"""Output of commands: results on stdout, warnings and errors on stderr, once for all ranks."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from cyclopts import Parameter

from mechlearn import parallel as ranks
from mechlearn.errors import plain, printable
from mechlearn.units import percent

if TYPE_CHECKING:
    from mechlearn.runs.run import Run

#: A switch that can only be turned on.
Switch = Annotated[bool, Parameter(negative="")]


def say(text: str) -> None:
    """Print, once for all ranks."""
    if ranks.rank() == 0:
        try:
            print(printable(text), flush=True)
        except OSError as error:  # it does not say itself what could not be written
            raise type(error)(error.errno, error.strerror, "standard output") from None


def warn(text: str) -> None:
    """Print a warning on stderr, once for all ranks."""
    if ranks.rank() == 0:
        ranks.tell(f"mechlearn: {plain(text)}")


class _Notes(logging.Handler):
    """Log handler that prints each note of the package once."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text not in self._said:
            self._said.add(text)
            warn(f"Note: {text}")


def show_notes() -> None:
    """Print the notes of file readers."""
    logging.getLogger("mechlearn").handlers = [_Notes()]


def fail(text: str, code: int) -> NoReturn:
    """End all ranks with one line on stderr."""
    ranks.fail(f"mechlearn: {plain(text)}", code)


def verdict(run: "Run") -> str:
    """Result of a training: targets, success, warnings."""
    from mechlearn.runs.part import part_lines

    summary, steps = run.summary, run.summary["steps"]
    said = "NOT learned" if run.outcome == "not learned" else run.outcome
    lines = [
        str(run.targets),
        f"{said} in {steps} steps and {summary['wall_s']:.2f} s ({error_text(summary)}).",
    ]
    if summary["reported_step"] < steps:
        lines.append(f"The network of step {summary['reported_step']}, the best, is the result.")
    lines += [f"{name}: {said}" for name, said in part_lines(summary)]
    if summary["why"]:
        lines.append(f"{summary['outcome'].capitalize()}: {summary['why']}.")
    return "\n".join([*lines, *(f"Warning: {plain(w)}" for w in summary["warnings"])])


def error_text(summary: Mapping[str, Any]) -> str:
    """Error of a network, in words."""
    if "accuracy" not in summary:
        return f"largest relative target error {percent(summary['error'])}"
    cost = f"mean {summary.get('cost', 'cost').replace('_', '-')} {summary['error']:.4g}"
    return f"{cost}, {percent(summary['accuracy'])} classified right"


def source_table(rows: list[dict[str, Any]]) -> str:
    """Imposed values, conjugate forces, stiffness and work of sources; at most twenty rows."""
    from mechlearn.equilibrium.driving import known_of
    from mechlearn.tasks.quantities import amount

    lines = []
    for row in rows[:20]:
        known = known_of(row)
        units = row.get("units", {})
        said = ", ".join(
            f"{key} {amount(value, key, unit=units.get(key, ''))}" for key, value in known.items()
        )
        said = f"at rest, {said}" if known.keys() == {"stiffness"} else said
        example = f" ({row['example']})" if "example" in row else ""
        lines.append(f"source {plain(row['name'])}{example}: {said}")
    return "\n".join([*lines, *(["..."] if len(rows) > 20 else [])])
