"""Tables as aligned text, and as CSV that is safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mechlearn.io.writing import write_file

#: What makes a text a formula in a spreadsheet, at its beginning.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows that have the same names as a CSV table."""
    write_file(path, csv_table(list(rows[0]), rows))


def csv_table(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Table with a header; cells that a spreadsheet would evaluate are escaped by a '."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(map(_cell, names))
    writer.writerows([_cell(row.get(name, "")) for name in names] for row in rows)
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(FORMULA):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def aligned(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A header and rows of texts as lines with aligned columns."""
    lines = [head, *body]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
