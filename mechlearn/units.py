"""Formatting of numbers and quantities."""

from typing import Any

#: Quantities that are parts of a whole, and read in per cent.
PARTS = ("strain",)


def percent(part: float, digits: int = 3, signed: bool = False) -> str:
    """Fraction in per cent."""
    return f"{100 * part:{'+' if signed else ''}.{digits}g} %"


def amount(value: float | list[float], quantity: str, digits: int = 6) -> str:
    """Signed value, or values in brackets, of a quantity of a task."""
    if isinstance(value, list):
        return f"({', '.join(amount(v, quantity, digits) for v in value)})"
    if quantity in PARTS:
        return percent(value, digits, signed=True)
    return f"{value:+.{digits}g}"


def typeset(text: Any) -> str:
    """Text with true minus signs and a no-break space before per-cent signs."""
    return str(text).replace("-", "\u2212").replace(" %", "\u00a0%")
