"""Gradients of scalar UFL expressions by reverse accumulation.

UFL differentiates forward, once per variable, and what is derived from that is several times as
long, and as long to compile. A. Griewank, A. Walther, Evaluating Derivatives (2008), chapter 3.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mechlearn.fenics import basix_ufl, ufl

#: Passes of UFL that leave operations on real numbers only.
LOWERING = (
    ufl.algorithms.apply_algebra_lowering.apply_algebra_lowering,
    ufl.algorithms.apply_derivatives.apply_derivatives,
    ufl.algorithms.remove_complex_nodes.remove_complex_nodes,
)


class Symbol(ufl.Constant):
    """Argument of a function of users, which has no value while that is differentiated."""

    def evaluate(self, *args: Any) -> Any:
        """Raise TypeError, where UFL would not end."""
        raise TypeError("a symbol has no value; use UFL's functions, such as ufl.exp")


def lowered(expression: ufl.core.expr.Expr) -> ufl.core.expr.Expr:
    """A scalar UFL expression as scalar operations."""
    for step in LOWERING:
        expression = step(expression)
    nodes = _nodes([expression])
    # Expansion takes time that grows with all ways through the expression.
    if any(isinstance(node, ufl.classes.IndexSum | ufl.classes.ComponentTensor) for node in nodes):
        expression = ufl.algorithms.expand_indices(expression)
    return expression


def interned(expressions: Sequence[ufl.core.expr.Expr]) -> list[ufl.core.expr.Expr]:
    """Expressions in which what is equal is one object; UFL compares others node by node."""
    known: dict[Any, ufl.core.expr.Expr] = {}
    made: dict[int, ufl.core.expr.Expr] = {}
    for node in _nodes(expressions):
        operands = [made[id(operand)] for operand in node.ufl_operands]
        key = (type(node), *map(id, operands)) if operands else node
        if key not in known:
            same = all(a is b for a, b in zip(operands, node.ufl_operands, strict=True))
            known[key] = node if same else node._ufl_expr_reconstruct_(*operands)
        made[id(node)] = known[key]
    return [made[id(expression)] for expression in expressions]


def _nodes(expressions: Sequence[ufl.core.expr.Expr]) -> list[ufl.core.expr.Expr]:
    """Nodes of expressions, operands first, each object once."""
    out, seen, stack = [], set[int](), [(expression, False) for expression in expressions]
    while stack:
        node, done = stack.pop()
        if done:
            out.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack += [(operand, False) for operand in node.ufl_operands]
    return out


def gradient(
    expression: ufl.core.expr.Expr, variables: Sequence[ufl.classes.Variable]
) -> list[ufl.core.expr.Expr]:
    """Derivatives of a scalar UFL expression by scalar variables, by reverse accumulation."""
    (expression,) = interned([lowered(expression)])
    slopes, found = {id(expression): ufl.as_ufl(1.0)}, dict.fromkeys(v.label() for v in variables)
    for node in reversed(_nodes([expression])):
        if (slope := slopes.get(id(node))) is None:
            continue
        # What a variable stands for has been lowered, too.
        if isinstance(node, ufl.classes.Variable) and node.label() in found:
            found[node.label()] = slope
            continue
        for k, operand in enumerate(node.ufl_operands):
            if (partial := _partial(node, k)) is not None:
                known, more = slopes.get(id(operand)), slope * partial
                slopes[id(operand)] = more if known is None else known + more
    return interned([ufl.as_ufl(0.0) if slope is None else slope for slope in found.values()])


def _partial(node: ufl.core.expr.Expr, k: int) -> Any:
    """Derivative of an operation by its operand ``k``; None of what depends on no number."""
    operands = list(node.ufl_operands)
    if isinstance(node, ufl.classes.Indexed | ufl.classes.Condition):
        return None
    if isinstance(
        operands[k], ufl.classes.ConstantValue | ufl.classes.Condition | ufl.classes.Label
    ):
        return None
    match node:
        case ufl.classes.Sum() | ufl.classes.Variable():
            return 1.0
        case ufl.classes.Product():
            return operands[1 - k]
        case ufl.classes.Division():
            return -node / operands[1] if k else 1 / operands[1]
        case ufl.classes.Conditional():
            return ufl.conditional(operands[0], float(k == 1), float(k == 2))
    domain = ufl.Mesh(basix_ufl.element("Lagrange", "interval", 1, shape=(2,)))
    symbols = [ufl.variable(Symbol(domain)) for _ in operands]
    function = ufl.diff(node._ufl_expr_reconstruct_(*symbols), symbols[k])
    places = dict(zip((s.ufl_operands[0] for s in symbols), operands, strict=True))
    return _substituted(ufl.algorithms.apply_derivatives.apply_derivatives(function), places)


def _substituted(node: ufl.core.expr.Expr, places: Mapping[Any, Any]) -> ufl.core.expr.Expr:
    """A small expression with others in place of its constants."""
    if isinstance(node, ufl.classes.Variable):
        return _substituted(node.ufl_operands[0], places)
    if not node.ufl_operands:
        return places.get(node, node)
    operands = [_substituted(operand, places) for operand in node.ufl_operands]
    return node._ufl_expr_reconstruct_(*operands)
