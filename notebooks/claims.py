"""What every notebook uses: short runs for tests, tables of what was published and found."""

import os
from pathlib import Path

#: The project's folder, with its ``tasks`` and ``meshes``.
PROJECT = Path(__file__).resolve().parent.parent
#: Whether to be done in seconds: the tests set MECHLEARN_SHORT=1.
SHORT = os.environ.get("MECHLEARN_SHORT", "0") not in ("", "0")


def full[T](value: T, short: T) -> T:
    """A value for the whole notebook, or that for its short run."""
    return short if SHORT else value


class Claims:
    """A table of published numbers beside ours; what does not hold stops the notebook.

    Show it as the last line of a cell.
    """

    HEAD = ("", "published (or exact)", "here", "asked", "")

    def __init__(self) -> None:
        self._rows: list[tuple[str, ...]] = []

    def near(self, what: str, published: float, here: float, within: float) -> None:
        """``here`` is the published number to ``within``; raises AssertionError where it is not."""
        off = abs(here - published)
        if not off <= within:
            raise AssertionError(f"{what}: {here:.9g} is not {published:.9g} to {within:g}.")
        self._add(
            what,
            _text(published, published),
            _text(here, published),
            f"to {within:.1g}" if within else "exactly",
            "✓",
        )

    def holds(self, what: str, published: object, here: object, asked: str, holds: bool) -> None:
        """Anything else that must hold, in words; raises AssertionError where it does not."""
        if not holds:
            raise AssertionError(f"{what}: {_text(here)}, not {asked} (published {published}).")
        self._add(what, _text(published), _text(here), asked, "✓")

    def differs(self, what: str, published: object, here: object, why: str) -> None:
        """A number that is not met, and why."""
        self._add(what, _text(published), _text(here), why, "differs")

    def _add(self, *row: str) -> None:
        self._rows.append(row)

    def __repr__(self) -> str:
        rows = [self.HEAD, *self._rows]
        wide = [max(len(row[k]) for row in rows) for k in range(len(self.HEAD))]
        return "\n".join(
            "  ".join(f"{cell:{w}}" for cell, w in zip(row, wide, strict=True)).rstrip()
            for row in rows
        )

    def _repr_markdown_(self) -> str:
        rows = [self.HEAD, ("---",) * len(self.HEAD), *self._rows]
        return "\n".join(f"| {' | '.join(c.replace('|', '\\|') for c in row)} |" for row in rows)


def _text(value: object, like: float | None = None) -> str:
    """A number with as many digits as another one, from 4 to 10; with 5 where there is none."""
    if not isinstance(value, float):
        return str(value)
    digits = 5
    if like is not None:
        digits = max(4, len(f"{abs(like):.10g}".split("e")[0].replace(".", "").lstrip("0")))
    return f"{value:.{digits}g}"
