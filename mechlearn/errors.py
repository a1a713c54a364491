"""Exceptions: invalid input, equilibria without a solution, failures of users' code; messages."""

import math
import os
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from traceback import walk_tb
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray


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


def failure(error: BaseException) -> str:
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
    folded = {k.casefold(): k for k in known}
    given = name.casefold()
    begun = [k for k in folded if k.startswith(given) and len(given) > 2]
    near = [folded[k] for k in begun[:1] or get_close_matches(given, folded, 1, 0.6)]
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


# -- code of users -------------------------------------------------------------------------------


#: Code of users fails in any way, and may call exit().
FAILURES = (Exception, SystemExit)
#: Folders of Python's files and of mechlearn's, in which no user's code is.
LIBRARIES = {Path(os.__file__).parent, Path(__file__).parent}


def called(function: Callable[..., Any], where: str, *args: Any, **options: Any) -> Any:
    """Result of a function that users may bring.

    Raises
    ------
    InputError
        Where it fails: with ``where``, the error, and the line of the user's file.
    """
    try:
        return function(*args, **options)
    except MechlearnError:
        raise
    except FAILURES as error:
        _failed(where, error)


def numbers_of(
    function: Callable[..., Any],
    where: str,
    args: tuple[Any, ...],
    shape: tuple[int, ...],
    axes: str,
    finite: bool | None = True,
) -> NDArray[np.float64]:
    """Real numbers that a function of users returns, in an array of a ``shape``.

    Parameters
    ----------
    function : callable
    where : str
        What it returns, for errors.
    args : tuple
        Its arguments, arrays or collections of such. Where some number in them is not finite, those
        that are returned need not be either.
    shape : tuple of int
    axes : str
        What the shape counts, in words.
    finite : bool or None
        False where numbers may be infinite; None where they may be undefined (nan), too.

    Raises
    ------
    InputError
        Where it fails, or returns anything else.
    """
    try:
        found = real_numbers(function(*args))
    except MechlearnError:
        raise
    except FAILURES as error:
        _failed(f"{where} cannot be computed", error, f"; it must be {shape}: {axes}")
    if found.shape != shape:
        raise InputError(f"{where} has the shape {found.shape}; it must be {shape}: {axes}.")
    if finite is not None and not math.isfinite(np.vdot(found, found)):
        wrong = ~np.isfinite(found) if finite else np.isnan(found)
        if wrong.any() and all(np.isfinite(given).all() for given in _arrays(args)):
            place = tuple(np.argwhere(wrong)[0].tolist())
            raise InputError(
                f"{where} is {found[place]} at {list(place)} ({axes}); it must be a finite number."
            )
    return found


def real_numbers(found: Any) -> NDArray[np.float64]:
    """Numbers as an array; raises TypeError or ValueError for others."""
    if found is None:
        raise TypeError("it returns None")
    if isinstance(found, np.ma.MaskedArray):  # what is masked is no number
        found = np.ma.filled(found.astype(float), np.nan)
    values = np.asarray(found)
    if values.dtype.kind == "c":
        raise TypeError("it returns complex numbers")
    return values if values.dtype == float else values.astype(float)


def _arrays(args: Any) -> Iterator[NDArray]:
    for given in args.values() if isinstance(args, Mapping) else args:
        if isinstance(given, list | tuple | Mapping):
            yield from _arrays(given)
        elif isinstance(given, np.ndarray):
            yield given


def _failed(where: str, error: BaseException, wanted: str = "") -> NoReturn:
    """Raise InputError for an error in code of users, with its place there."""
    kind, text, place = type(error).__name__, failure(error), ""
    for frame, line in walk_tb(error.__traceback__):
        file = Path(frame.f_code.co_filename)
        library = LIBRARIES.intersection(file.parents) or "site-packages" in file.parts
        if not (library or file.name.startswith("<frozen")):
            place = f", line {line} of {file.name}"
    said = kind if text == kind else f"{kind}: {text}"
    raise InputError(f"{where} ({said}{place}){wanted}.") from error
