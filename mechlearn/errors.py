"""Exceptions: invalid input, and equilibria without a solution; text of messages."""

import os
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path


class MechlearnError(Exception):
    """Base class of all errors raised on purpose; the text is one sentence."""

    exit_code = 1


class InputError(MechlearnError):
    """Invalid network, task, file or argument; the text says where, and what would be right."""

    exit_code = 2


class SolveError(MechlearnError):
    """Equilibrium not found or not trustworthy; the text says which and why.

    ``fault`` is the kind, as summary.json counts it: "no equilibrium", "singular", "not finite",
    "inverted", "unstable" or "dependent".
    """

    exit_code = 1

    def __init__(self, text: str, fault: str = "no equilibrium") -> None:
        super().__init__(text)
        self.fault = fault

    def __reduce__(self) -> tuple[type, tuple[str, str]]:  # errors travel between processes
        return type(self), (str(self), self.fault)


def plain(text: str, limit: int = 2000) -> str:
    """Untrusted text as one printable line of limited length."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown if len(shown) <= limit else f"{shown[: limit // 2]} ... {shown[-limit // 2 :]}"


def printable(text: str) -> str:
    """Text for a terminal, with control and formatting characters escaped."""
    return "\n".join(plain(line, sys.maxsize) for line in text.split("\n"))


def failure(error: Exception) -> str:
    """Reason why a file could not be read or written, without a full stop."""
    number = getattr(error, "errno", None)
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    return os.strerror(number) if number else first_line(str(text)) or type(error).__name__


def first_line(text: str) -> str:
    """First line of a text that is not empty, without a full stop."""
    return next(iter(text.strip().splitlines()), "").rstrip(". ")


def listed(ids: Iterable[object], limit: int = 8) -> str:
    """Short readable list of ids, "3, 7 and 12" or "3, 7, 12, ... (40 in all)"."""
    words = [str(i) for i in ids]
    if len(words) > limit:
        return ", ".join(words[:limit]) + f", ... ({len(words)} in all)"
    if len(words) < 2:
        return words[0] if words else "none"
    return ", ".join(words[:-1]) + " and " + words[-1]


def hint(name: str, known: Collection[str]) -> str:
    """Suggestion of the nearest known name, or all of them."""
    near = get_close_matches(name, known, 1, 0.6)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known) or 'none'}."


def brief(value: object, room: int = 60) -> str:
    """A value as in code; of long lists the entries that fit into ``room`` characters."""
    if isinstance(value, dict):
        entries, ends = (f"{key!r}: {brief(part)}" for key, part in value.items()), "{}"
    elif isinstance(value, list | tuple):
        entries, ends = (brief(part) for part in value), "[]" if isinstance(value, list) else "()"
    else:
        text = repr(value)
        return text if len(text) <= 4 * room else f"<{type(value).__name__}>"
    said: list[str] = []
    while len(said) < len(value) and sum(map(len, said)) <= room:
        said.append(next(entries))
    if len(said) < len(value):
        said.append(f"... {len(value)} in all")
    return ends[0] + ", ".join(said) + ends[1]


@contextmanager
def about(path: Path) -> Iterator[None]:
    """Context in which errors are prefixed by the file they concern, once."""
    try:
        yield
    except (MemoryError, OverflowError, RecursionError) as error:
        raise InputError(
            f"{path}: it asks for more than fits ({type(error).__name__}: {error})."
        ) from None
    except MechlearnError as error:
        if not str(error).startswith((str(path), f"There is no file {path}")):
            error.args = (f"{path}: {error}",)
        raise error from None
