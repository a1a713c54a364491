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
    """Something known times a function of values by name, or the known alone.

    UFL writes ``a - b`` as ``a + -1 * b`` and leaves ``2 * x / 2`` as it is; what is known and kept
    apart costs no pass over an array. It is a number wherever it is the same for all elements.
    """

    known: Any
    function: Callable[[Mapping[str, Any]], Any] | None = None

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """What it is for some values."""
        if self.function is None:
            return self.known
        found = self.function(values)
        return found if self.is_number(1.0) else self.known * found

    def is_number(self, number: float) -> bool:
        """Whether what is known is that number, for all elements."""
        return isinstance(self.known, float) and self.known == number


class Pointwise:
    """A scalar UFL function of named arguments as one of arrays of them.

    With ``by``, its derivative by the arguments of those names, one after the other, taken by UFL.
    What it returns may be one of the arrays that it was given, or one number for all of them.
    """

    def __init__(
        self,
        function: Callable[..., ufl.core.expr.Expr],
        names: Sequence[str],
        by: Sequence[str] = (),
    ) -> None:
        domain = ufl.Mesh(basix_ufl.element("Lagrange", "interval", 1, shape=(2,)))
        symbols = {name: ufl.variable(ufl.Constant(domain)) for name in names}
        expression = function(**symbols)
        for name in by:
            expression = ufl.diff(expression, symbols[name])
        expression = ufl.algorithms.apply_algebra_lowering.apply_algebra_lowering(expression)
        self._expression = ufl.algorithms.apply_derivatives.apply_derivatives(expression)
        self._names = {symbol.ufl_operands[0]: name for name, symbol in symbols.items()}
        self._term = _compiled(self._expression, self._names)

    def __call__(self, **values: Any) -> Any:
        """What it is for values of all arguments."""
        return self._term(values)

    def given(self, known: Mapping[str, Any]) -> Term:
        """The function of the other arguments, called with a mapping, where some are known.

        What follows from those alone is worked out now. Arrays in ``known`` may not change later.
        """
        leaves = {
            constant: _uniform(known[name]) if name in known else name
            for constant, name in self._names.items()
        }
        return _compiled(self._expression, leaves)


def _uniform(value: Any) -> Term:
    """Something known, as a number where all its numbers are the same."""
    each = np.ravel(value)
    if len(each) and np.all(each == each[0]):
        return Term(np.float64(each[0]))
    return Term(value)


@singledispatch
def _compiled(node, leaves: dict) -> Term:
    """A UFL node as a function of values by name; ``leaves`` are names of the constants in it.

    Or terms, for those that are known.
    """
    raise TypeError(f"An element energy may not use UFL's {type(node).__name__}.")


def _operands(node, leaves: dict) -> list[Term]:
    return [_compiled(operand, leaves) for operand in node.ufl_operands]


@_compiled.register
def _(node: ufl.constantvalue.ScalarValue, leaves):
    return Term(float(node))


@_compiled.register
def _(node: ufl.constantvalue.Zero, leaves):
    return Term(0.0)


@_compiled.register
def _(node: ufl.Constant, leaves):
    leaf = leaves[node]
    return leaf if isinstance(leaf, Term) else Term(1.0, itemgetter(leaf))


@_compiled.register
def _(node: ufl.classes.Variable, leaves):
    return _compiled(node.ufl_operands[0], leaves)


@_compiled.register
def _(node: ufl.classes.Sum, leaves):
    a, b = _operands(node, leaves)
    if a.function is None and b.function is None:
        return _uniform(a.known + b.known)
    if a.function is None and a.is_number(0.0):
        return b
    if b.function is None and b.is_number(0.0):
        return a
    if b.function is not None and b.is_number(-1.0):
        taken = b.function
        return Term(1.0, lambda values: a(values) - taken(values))
    return Term(1.0, lambda values: a(values) + b(values))


@_compiled.register
def _(node: ufl.classes.Product, leaves):
    a, b = _operands(node, leaves)
    known, f, g = _uniform(a.known * b.known), a.function, b.function
    if known.is_number(0.0) or (f is None and g is None):
        return known
    if f is None or g is None:
        return Term(known.known, f or g)
    return Term(known.known, lambda values: f(values) * g(values))


@_compiled.register
def _(node: ufl.classes.Division, leaves):
    a, b = _operands(node, leaves)
    f, g = a.function, b.function
    if g is None:
        return Term(_uniform(a.known / b.known).known, f)
    if f is None:
        known = a.known
        return Term(1.0, lambda values: known / b(values))
    known = _uniform(a.known / b.known).known
    return Term(known, lambda values: f(values) / g(values))


@_compiled.register
def _(node: ufl.classes.Power, leaves):
    base, exponent = _operands(node, leaves)
    if base.function is None and exponent.function is None:
        return _uniform(base.known**exponent.known)
    if exponent.function is None and exponent.is_number(2.0):
        return Term(1.0, lambda values: np.square(base(values)))
    return Term(1.0, lambda values: base(values) ** exponent(values))
