"""Formulas as MathML, which browsers draw themselves: no scripts, no fonts, nothing to fetch."""

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.errors import SphinxError

#: Sizes of brackets, which MathML finds by itself.
SIZES = re.compile(r"\\[Bb]igg?[lrm]?(?![A-Za-z])")


def _write(writer: Any, node: nodes.Element, block: bool) -> None:
    try:
        formula = tex2mathml(SIZES.sub("", node.astext()), as_block=block)
    except MathError as error:
        raise SphinxError(f"{node.source}: {node.astext()!r}: {error}") from None
    writer.body.append(formula if not block else f'<div class="formula">{formula}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Make it the way in which pages show formulas."""
    app.add_html_math_renderer(
        "mathml",
        (lambda writer, node: _write(writer, node, False), None),
        (lambda writer, node: _write(writer, node, True), None),
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
