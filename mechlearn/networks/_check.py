"""Argument checks that generators share; every error is one sentence."""

import math
from numbers import Integral, Real
from typing import Any

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


def seed_number(what: str, value: object) -> int:
    """``value`` as a seed of a random generator, a whole number from 0, or an InputError."""
    return integer(what, value, low=0)


def _range(what: str, value: Any, low: float | None, high: float | None) -> None:
    if (low is None or value >= low) and (high is None or value <= high):
        return
    if high is None:
        raise InputError(f"{what} must be at least {low:g}, not {value:g}.")
    if low is None:
        raise InputError(f"{what} must be at most {high:g}, not {value:g}.")
    raise InputError(f"{what} must lie between {low:g} and {high:g}, not {value:g}.")
