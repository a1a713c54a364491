"""UFL expressions as NumPy functions, so that one energy serves a mesh and a whole batch alike.

The finite-element forms evaluate an element's energy for one state at a time. A linear network has
the strains of a thousand examples at hand as one array; this module turns the same UFL expression,
differentiated by UFL, into arithmetic on such arrays.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import singledispatch
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from mechlearn.fenics import basix_ufl, ufl


class Term(NamedTuple):
    """A number times a function of values by name, or the number alone.

    UFL writes ``a - b`` as ``a + -1 * b`` and leaves ``2 * x / 2`` as it is; numbers that are kept
    apart cost no pass over an array.
    """

    number: float
    function: Callable[[Mapping[str, Any]], Any] | None = None

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """What it is for some values."""
        if self.function is None:
            return self.number
        found = self.function(values)
        return found if self.number == 1 else self.number * found


def on_arrays(
    function: Callable[..., ufl.core.expr.Expr], names: Sequence[str], by: Sequence[str] = ()
) -> Callable[..., np.ndarray]:
    """Turn a scalar UFL function of named arguments into one of arrays of them.

    With ``by``, its derivative by the arguments of those names, one after the other, taken by UFL.
    What it returns may be one of the arrays that it was given.
    """
    domain = ufl.Mesh(basix_ufl.element("Lagrange", "interval", 1, shape=(2,)))
    symbols = {name: ufl.variable(ufl.Constant(domain)) for name in names}
    expression = function(**symbols)
    for name in by:
        expression = ufl.diff(expression, symbols[name])
    expression = ufl.algorithms.apply_algebra_lowering.apply_algebra_lowering(expression)
    expression = ufl.algorithms.apply_derivatives.apply_derivatives(expression)
    known = {symbol.ufl_operands[0]: name for name, symbol in symbols.items()}
    compiled = _compiled(expression, known)
    return lambda **values: compiled(values)


@singledispatch
def _compiled(node, names: dict) -> Term:
    """A UFL node as a function of values by name; ``names`` are those of the constants in it."""
    raise TypeError(f"An element energy may not use UFL's {type(node).__name__}.")


def _operands(node, names: dict) -> list[Term]:
    return [_compiled(operand, names) for operand in node.ufl_operands]


@_compiled.register
def _(node: ufl.constantvalue.ScalarValue, names):
    return Term(float(node))


@_compiled.register
def _(node: ufl.constantvalue.Zero, names):
    return Term(0.0)


@_compiled.register
def _(node: ufl.Constant, names):
    return Term(1.0, itemgetter(names[node]))


@_compiled.register
def _(node: ufl.classes.Variable, names):
    return _compiled(node.ufl_operands[0], names)


@_compiled.register
def _(node: ufl.classes.Sum, names):
    a, b = _operands(node, names)
    if a.function is None and b.function is None:
        return Term(a.number + b.number)
    if b.number == -1 and b.function is not None:
        taken = b.function
        return Term(1.0, lambda values: a(values) - taken(values))
    return Term(1.0, lambda values: a(values) + b(values))


@_compiled.register
def _(node: ufl.classes.Product, names):
    a, b = _operands(node, names)
    number, f, g = a.number * b.number, a.function, b.function
    if f is None or g is None:
        return Term(number, f or g)
    return Term(number, lambda values: f(values) * g(values))


@_compiled.register
def _(node: ufl.classes.Division, names):
    a, b = _operands(node, names)
    number, f, g = a.number / b.number, a.function, b.function
    if g is None:
        return Term(number, f)
    if f is None:
        return Term(1.0, lambda values: number / g(values))
    return Term(number, lambda values: f(values) / g(values))


@_compiled.register
def _(node: ufl.classes.Power, names):
    base, exponent = _operands(node, names)
    if exponent == Term(2.0) and base.function is not None:
        root = base.function
        return Term(base.number**2, lambda values: np.square(root(values)))
    return Term(1.0, lambda values: base(values) ** exponent(values))
