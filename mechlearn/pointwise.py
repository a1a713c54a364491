"""UFL expressions as NumPy functions, so that one energy serves a mesh and a whole batch alike.

The finite-element forms evaluate an element's energy for one state at a time. A linear network has
the strains of a thousand examples at hand as one array; this module turns the same UFL expression,
differentiated by UFL, into arithmetic on such arrays.
"""

from collections.abc import Callable, Sequence
from functools import singledispatch

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
    constants = {symbol.ufl_operands[0]: name for name, symbol in symbols.items()}

    def evaluate(**values: np.ndarray) -> np.ndarray:
        return _value(expression, {c: values[name] for c, name in constants.items()})

    return evaluate


@singledispatch
def _value(node, values: dict):
    """The value of a UFL node, given those of the constants it is made of."""
    raise TypeError(f"An element energy may not use UFL's {type(node).__name__}.")


def _operands(node, values) -> list:
    return [_value(operand, values) for operand in node.ufl_operands]


@_value.register
def _(node: ufl.constantvalue.ScalarValue, values):
    return float(node)


@_value.register
def _(node: ufl.constantvalue.Zero, values):
    return 0.0


@_value.register
def _(node: ufl.Constant, values):
    return values[node]


@_value.register
def _(node: ufl.classes.Variable, values):
    return _value(node.ufl_operands[0], values)


@_value.register
def _(node: ufl.classes.Sum, values):
    a, b = _operands(node, values)
    return a + b


@_value.register
def _(node: ufl.classes.Product, values):
    a, b = _operands(node, values)
    return a * b


@_value.register
def _(node: ufl.classes.Division, values):
    a, b = _operands(node, values)
    return a / b


@_value.register
def _(node: ufl.classes.Power, values):
    base, exponent = _operands(node, values)
    return np.square(base) if exponent == 2 else base**exponent
