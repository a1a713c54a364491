"""Read-only mappings, lists and arrays of finished runs."""

from typing import Any, Never

import numpy as np
from numpy.typing import NDArray


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
