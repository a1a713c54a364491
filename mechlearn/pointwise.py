"""UFL expressions as NumPy functions, so that one energy serves a mesh and a whole batch alike.

The finite-element forms evaluate an element's energy for one state at a time. A linear network has
the strains of a thousand examples at hand as one array; this module turns the same UFL expression,
differentiated by UFL, into arithmetic on such arrays.
"""

from collections.abc import Callable, Sequence
from functools import singledispatch
from operator import itemgetter
from typing import Any

import numpy as np

from mechlearn.fenics import basix_ufl, ufl


def on_arrays(
    function: Callable[..., ufl.core.expr.Expr], names: Sequence[str], by: Sequence[str] = ()
) -> Callable[..., np.ndarray]:
    """Turn a scalar UFL function of named arguments into one of arrays of them.

    With ``by``, its derivative by the arguments of those names, one after the other, taken by UFL.
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
def _compiled(node, names: dict) -> Callable[[dict], Any]:
    """A UFL node as a function of values by name; ``names`` are those of the constants in it."""
    raise TypeError(f"An element energy may not use UFL's {type(node).__name__}.")


def _operands(node, names: dict) -> list[Callable[[dict], Any]]:
    return [_compiled(operand, names) for operand in node.ufl_operands]


@_compiled.register
def _(node: ufl.constantvalue.ScalarValue, names):
    number = float(node)
    return lambda values: number


@_compiled.register
def _(node: ufl.constantvalue.Zero, names):
    return lambda values: 0.0


@_compiled.register
def _(node: ufl.Constant, names):
    return itemgetter(names[node])


@_compiled.register
def _(node: ufl.classes.Variable, names):
    return _compiled(node.ufl_operands[0], names)


@_compiled.register
def _(node: ufl.classes.Sum, names):
    a, b = _operands(node, names)
    return lambda values: a(values) + b(values)


@_compiled.register
def _(node: ufl.classes.Product, names):
    a, b = _operands(node, names)
    return lambda values: a(values) * b(values)


@_compiled.register
def _(node: ufl.classes.Division, names):
    a, b = _operands(node, names)
    return lambda values: a(values) / b(values)


@_compiled.register
def _(node: ufl.classes.Power, names):
    base, exponent = _operands(node, names)
    if node.ufl_operands[1] == 2:
        return lambda values: np.square(base(values))
    return lambda values: base(values) ** exponent(values)
