"""Formatting of numbers and quantities."""

from typing import Any


def percent(part: float, digits: int = 3, signed: bool = False) -> str:
    """Fraction in per cent."""
    return f"{100 * part:{'+' if signed else ''}.{digits}g} %"


def typeset(text: Any) -> str:
    """Text with true minus signs and a no-break space before per-cent signs."""
    return str(text).replace("-", "\u2212").replace(" %", "\u00a0%")
