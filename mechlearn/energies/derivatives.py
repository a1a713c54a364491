"""Derivatives of element energies as NumPy functions of strains, length and parameters.

Finite-element forms evaluate an energy for one state at a time. Here the same UFL expression,
differentiated by UFL, becomes arithmetic on the strains of all examples as one array.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from math import inf
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy import special

from mechlearn.energies.gradients import Symbol, lowered
from mechlearn.errors import InputError
from mechlearn.fenics import basix_ufl, ufl

if TYPE_CHECKING:
    from mechlearn.energies.element import BondEnergy


class Term(NamedTuple):
    """A known factor times a function of values by name, or the known factor alone.

    UFL writes ``a - b`` as ``a + -1 * b`` and leaves ``2 * x / 2`` as it is; what is known and kept
    apart costs no pass over an array. It is a number wherever it is the same for all elements.
    """

    known: Any
    function: Callable[[Mapping[str, Any]], Any] | None = None

    def __call__(self, values: Mapping[str, Any]) -> Any:
        """The product at some values."""
        if self.function is None:
            return self.known
        return self.function(values) if self.is_number(1.0) else self.known * self.function(values)

    def is_number(self, number: float) -> bool:
        """True if the known factor is that number for all elements."""
        return isinstance(self.known, float) and self.known == number


class Pointwise:
    """A scalar UFL function of named arguments as one of arrays of them.

    Parameters
    ----------
    function : callable
        Of UFL symbols by name.
    names : sequence of str
        Those of its arguments.
    by : sequence of str
        The arguments by which UFL differentiates it, one after the other.

    Raises
    ------
    InputError
        For UFL that has no counterpart in NumPy, such as gradients.
    """

    def __init__(
        self,
        function: Callable[..., ufl.core.expr.Expr],
        names: Sequence[str],
        by: Sequence[str] = (),
    ) -> None:
        domain = ufl.Mesh(basix_ufl.element("Lagrange", "interval", 1, shape=(2,)))
        symbols = {name: ufl.variable(Symbol(domain)) for name in names}
        expression = ufl.as_ufl(function(**symbols))
        if shape := expression.ufl_shape:
            raise InputError(f"an expression of shape {shape} must be a scalar.")
        for name in by:
            expression = ufl.diff(expression, symbols[name])
        self._expression = expression = lowered(expression)
        self._names = {symbol.ufl_operands[0]: name for name, symbol in symbols.items()}
        self._term = _compiled(self._expression, self._names)

    def __call__(self, **values: Any) -> Any:
        """Its value at those of all arguments: one of their arrays, a new one, or one number."""
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

    def degree(self, *names: str) -> float:
        """Degree of the polynomial in some arguments, as far as its form shows; else infinite."""
        return _degree(self._expression, self._symbols(names))

    def summand(self, *names: str) -> str:
        """The summand of the highest degree in some arguments, as UFL writes it."""
        symbols, summands = self._symbols(names), [self._expression]
        while sums := [node for node in summands if isinstance(node, ufl.classes.Sum)]:
            summands = [node for node in summands if node not in sums]
            summands += [part for node in sums for part in node.ufl_operands]
        worst = max(summands, key=lambda node: _degree(node, symbols))
        text = str(worst)
        for constant, name in self._names.items():
            text = re.sub(rf"var\d+\({constant}\)", name, text)
        return re.sub(r"(?<!\w)\(([\w.]+)\)", r"\1", text)

    def _symbols(self, names: Sequence[str]) -> set[Any]:
        return {constant for constant, name in self._names.items() if name in names}


def strains_of(
    energy: "BondEnergy", length: Any, motion: Sequence[Sequence[Any]]
) -> tuple[Any, ...]:
    """Strains in UFL of a bond of some length, from (jump, turn, rotation) as in :func:`along`.

    Internal unknowns are zero.
    """
    from mechlearn.energies.kinematics import Bond

    def packed(values: Sequence[Any]) -> Any:
        return ufl.as_vector(list(values)) if len(values) > 1 else values[0] if values else None

    jump, turn, rotation = map(packed, motion)
    axes = [packed([float(x) for x in row]) for row in np.eye(max(2, len(motion[0])))]
    normals = tuple(axes[1:])
    internal = (ufl.as_ufl(0.0),) * len(energy.internal)
    bond = Bond(length * axes[0], axes[0], normals, length, jump, turn, rotation, ufl.dot, internal)
    return energy.strains_of(bond)


def along(
    energy: "BondEnergy", motion: tuple[Sequence[float], ...], by: Sequence[str], strain: int | None
) -> Pointwise:
    """The energy of a bond, or one of its strains, as its ends move.

    Parameters
    ----------
    energy : BondEnergy
    motion : (jump, turn, rotation)
        Numbers along axes of which the first is the bond's, of which the ``amplitude`` is a
        multiple; see :class:`mechlearn.energies.kinematics.Bond`.
    by : sequence of str
        Names of what it is differentiated by.
    strain : int, optional
        The number of the strain; the energy if left out.

    Returns
    -------
    Pointwise
        Of ``amplitude``, ``length`` and the parameters.
    """

    def function(amplitude: Any, length: Any, **parameters: Any) -> Any:
        strains = strains_of(energy, length, [[amplitude * x for x in part] for part in motion])
        if strain is not None:
            return strains[strain]
        named = dict(zip(energy.strains, strains, strict=True))
        return energy.energy(**named, length=length, **parameters)

    names = ["amplitude", "length", *(p.name for p in energy.bond_parameters)]
    return Pointwise(function, names, by)


# -- UFL in NumPy ------------------------------------------------------------------------------


def _degree(node: ufl.core.expr.Expr, symbols: set[Any]) -> float:
    """Degree of a UFL node as a polynomial in some constants; infinite where its form is none."""
    if isinstance(node, ufl.Constant):
        return float(node in symbols)
    degrees = [_degree(operand, symbols) for operand in node.ufl_operands]
    match node:
        case _ if not any(degrees):
            return 0.0
        case ufl.classes.Variable():
            return degrees[0]
        case ufl.classes.Sum():
            return max(degrees)
        case ufl.classes.Product():
            return sum(degrees)
        case ufl.classes.Division() if not degrees[1]:
            return degrees[0]
        case ufl.classes.Conditional() if not degrees[0]:
            return max(degrees)
        case ufl.classes.Power(ufl_operands=(_, ufl.classes.ScalarValue() as exponent)):
            power = float(exponent)
            return degrees[0] * power if power >= 0 and power.is_integer() else inf
    return inf


def _uniform(value: Any) -> Term:
    """A known value, as a number where all its numbers are the same."""
    each = np.ravel(value)
    if len(each) and np.all(each == each[0]):
        return Term(np.float64(each[0]))
    return Term(value)


def _compiled(node: ufl.core.expr.Expr, leaves: Mapping[Any, Any]) -> Term:
    """A UFL node as a function of values by name.

    ``leaves`` gives names of its constants, or terms, for those that are known.
    """
    if isinstance(node, ufl.classes.Variable):
        return _compiled(node.ufl_operands[0], leaves)
    if isinstance(node, ufl.Constant):
        leaf = leaves[node]
        return leaf if isinstance(leaf, Term) else Term(1.0, itemgetter(leaf))
    if isinstance(node, ufl.classes.ScalarValue | ufl.classes.Zero):
        return Term(float(node))
    function = FUNCTIONS.get(type(node))
    if function is None:
        raise InputError(
            f"An element energy may not use UFL's {type(node).__name__}; its scalar functions, "
            "powers, quotients and conditionals of strains, length and parameters it may."
        )
    terms = [_compiled(operand, leaves) for operand in node.ufl_operands]
    if all(term.function is None for term in terms):
        with np.errstate(all="ignore"):
            return _uniform(function(*(term.known for term in terms)))
    rule = RULES.get(type(node))
    return rule(*terms) if rule else Term(1.0, lambda at: function(*(term(at) for term in terms)))


def _sum(a: Term, b: Term) -> Term:
    if a.function is None and a.is_number(0.0):
        return b
    if b.function is None and b.is_number(0.0):
        return a
    if b.function is not None and b.is_number(-1.0):
        taken = b.function
        return Term(1.0, lambda at: a(at) - taken(at))
    return Term(1.0, lambda at: a(at) + b(at))


def _product(a: Term, b: Term) -> Term:
    known, f, g = _uniform(a.known * b.known), a.function, b.function
    if known.is_number(0.0):
        return known
    if f is None or g is None:
        return Term(known.known, f or g)
    return Term(known.known, lambda at: f(at) * g(at))


def _quotient(a: Term, b: Term) -> Term:
    f, g = a.function, b.function
    if g and not f:
        return Term(1.0, lambda at: a.known / b(at))
    with np.errstate(all="ignore"):
        known = _uniform(np.divide(a.known, b.known)).known
    return Term(known, (lambda at: f(at) / g(at)) if f and g else f)


def _power(base: Term, exponent: Term) -> Term:
    if exponent.function is None and exponent.is_number(2.0):
        return Term(1.0, lambda at: np.square(base(at)))
    return Term(1.0, lambda at: base(at) ** exponent(at))


def _conditional(condition: Term, one: Term, other: Term) -> Term:
    def chosen(at: Mapping[str, Any]) -> Any:
        with np.errstate(all="ignore"):  # both are evaluated everywhere
            return np.where(condition(at), one(at), other(at))

    return Term(1.0, chosen)


#: NumPy's functions by UFL's operators: those that DOLFINx compiles, too.
FUNCTIONS: dict[type, Callable[..., Any]] = {
    ufl.classes.Sum: np.add,
    ufl.classes.Product: np.multiply,
    ufl.classes.Division: np.divide,
    ufl.classes.Power: np.power,
    ufl.classes.Abs: np.abs,
    ufl.classes.MinValue: np.minimum,
    ufl.classes.MaxValue: np.maximum,
    ufl.classes.Sqrt: np.sqrt,
    ufl.classes.Exp: np.exp,
    ufl.classes.Ln: np.log,
    ufl.classes.Sin: np.sin,
    ufl.classes.Cos: np.cos,
    ufl.classes.Tan: np.tan,
    ufl.classes.Asin: np.arcsin,
    ufl.classes.Acos: np.arccos,
    ufl.classes.Atan: np.arctan,
    ufl.classes.Atan2: np.arctan2,
    ufl.classes.Sinh: np.sinh,
    ufl.classes.Cosh: np.cosh,
    ufl.classes.Tanh: np.tanh,
    ufl.classes.Erf: special.erf,
    ufl.classes.BesselJ: special.jv,
    ufl.classes.BesselY: special.yv,
    ufl.classes.Conditional: np.where,
    ufl.classes.LT: np.less,
    ufl.classes.LE: np.less_equal,
    ufl.classes.GT: np.greater,
    ufl.classes.GE: np.greater_equal,
    ufl.classes.EQ: np.equal,
    ufl.classes.NE: np.not_equal,
    ufl.classes.AndCondition: np.logical_and,
    ufl.classes.OrCondition: np.logical_or,
    ufl.classes.NotCondition: np.logical_not,
}
#: Operators of which less than all has to be evaluated where some operands are known.
RULES: dict[type, Callable[..., Term]] = {
    ufl.classes.Sum: _sum,
    ufl.classes.Product: _product,
    ufl.classes.Division: _quotient,
    ufl.classes.Power: _power,
    ufl.classes.Conditional: _conditional,
}
