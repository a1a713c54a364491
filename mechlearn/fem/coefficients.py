"""Coefficients of forms packed cell by cell, cached between assemblies.

DOLFINx gathers the numbers of every function anew for each form that it assembles. For bonds, whose
forms are short, that is half of the work; the forms of one network take the same functions, and
from one evaluation to the next only its state is another.
"""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.fenics import fem


class Packed:
    """Packed coefficients of the functions in forms on all owned cells.

    Parameters
    ----------
    form : dolfinx.fem.Form
        One that has the functions.
    state : dolfinx.fem.Function
        One of them, on an element whose numbers need no transformation, as those of intervals.
    """

    def __init__(self, form: fem.Form, state: fem.Function) -> None:
        self._form, self._state = form, state
        self._functions = _functions(form)
        self._known: dict[fem.Form, bool] = {}
        self._constants = fem.pack_constants(form)
        self._numbers: dict[Any, NDArray] = {}
        sizes = [f.function_space.element.space_dimension for f in self._functions]
        place = [f is state._cpp_object for f in self._functions].index(True)
        first = sum(sizes[:place])
        self._columns = slice(first, first + sizes[place])
        self._moved = False

    def renew(self) -> None:
        """Note that functions have changed."""
        self._numbers = {}

    def move(self) -> None:
        """Note that only the state has changed."""
        self._moved = True

    @cached_property
    def _dofs(self) -> NDArray[np.int32]:
        """State dofs of every cell."""
        dofmap = self._state.function_space.dofmap
        parts = np.arange(dofmap.bs, dtype=np.int32)
        return (dofmap.bs * dofmap.list[:, :, None] + parts).reshape(
            len(dofmap.list), dofmap.list.shape[1] * dofmap.bs
        )

    def given(self, form: fem.Form) -> dict[str, Any]:
        """Arguments for an assembly of a form; none where it has other functions."""
        if form not in self._known:
            theirs = _functions(form)
            alike = [a is b for a, b in zip(theirs, self._functions, strict=False)]
            self._known[form] = all(alike) and len(theirs) == len(self._functions)
        if not self._known[form]:
            return {}
        if not self._numbers:
            self._numbers = fem.pack_coefficients(self._form)
        elif self._moved:
            (numbers,) = self._numbers.values()
            numbers[:, self._columns] = self._state.x.array.take(self._dofs[: len(numbers)])
        self._moved = False
        return {"constants": self._constants, "coeffs": self._numbers}


def _functions(form: fem.Form) -> list[Any]:
    """The functions in a form, in the order of their numbers."""
    return list(form._cpp_object.coefficients)
