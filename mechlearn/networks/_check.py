"""Argument checks that generators share; every error is one sentence."""

import inspect
import math
import types
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, get_args, get_origin

from mechlearn.errors import InputError

#: The most nodes that a generator makes.
MOST = 20_000_000


def integer(what: str, value: object, low: int | None = None, high: int | None = None) -> int:
    """``value`` as an int within ``low`` and ``high``, or an InputError that names ``what``."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError(f"{what} must be a whole number, not {value!r}.")
    _range(what, value, low, high)
    return int(value)


def number(what: str, value: object, low: float | None = None, high: float | None = None) -> float:
    """``value`` as a finite float within ``low`` and ``high``, or an InputError."""
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise InputError(f"{what} must be a finite number, not {value!r}.")
    _range(what, value, low, high)
    return float(value)


def dimension(what: str, value: object) -> int:
    """``value`` as 2 or 3, or an InputError."""
    if isinstance(value, bool) or not isinstance(value, Real) or value not in (2, 3):
        raise InputError(f"{what} must be 2 or 3, not {value!r}.")
    return 2 if value == 2 else 3


def many(what: str, nodes: int) -> None:
    """Raise InputError for more nodes than can be handled."""
    if nodes > MOST:
        raise InputError(f"{what} is too large: at most {MOST} nodes are possible.")


def _range(what: str, value: Any, low: float | None, high: float | None) -> None:
    if (low is None or value >= low) and (high is None or value <= high):
        return
    if high is None:
        raise InputError(f"{what} must be at least {low:g}, not {value:g}.")
    if low is None:
        raise InputError(f"{what} must be at most {high:g}, not {value:g}.")
    raise InputError(f"{what} must lie between {low:g} and {high:g}, not {value:g}.")


def fits(value: Any, kind: Any) -> bool:
    """True for a value of an annotation, as far as that is one of a generator of mechlearn's."""
    if isinstance(kind, types.UnionType):
        return any(fits(value, k) for k in get_args(kind))
    if kind in (None, type(None)):
        return value is None
    if kind is bool:
        return isinstance(value, bool)
    if get_origin(kind) is Sequence:
        listed = isinstance(value, Sequence) and not isinstance(value, str)
        return listed and all(fits(v, get_args(kind)[0]) for v in value)
    kind = {int: Integral, float: Real}.get(kind, kind)
    if not isinstance(kind, type) or kind is inspect.Parameter.empty:
        return True
    return isinstance(value, kind) and not isinstance(value, bool)


def in_words(kind: Any) -> str:
    """An annotation as it is said of a key."""
    if isinstance(kind, types.UnionType):
        return " or ".join(in_words(k) for k in get_args(kind) if k is not type(None))
    if get_origin(kind) is Sequence:
        return "a list of whole numbers"
    return {int: "a whole number", float: "a number", bool: "true or false"}.get(kind, str(kind))
