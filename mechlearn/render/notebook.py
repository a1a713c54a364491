"""HTML representations of networks, tasks and runs for notebooks.

The drawing is SVG written here: nothing heavy is imported, and nothing outside the notebook needed.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import listed
from mechlearn.network import Network
from mechlearn.render.captions import percent, sizes
from mechlearn.render.colours import BOND, CELL, SUPPORT
from mechlearn.render.geometry import cell_of, fit_projection, segments
from mechlearn.render.marks import Mark, held_nodes, marks

if TYPE_CHECKING:
    from mechlearn.runs.run import Run
    from mechlearn.tasks.task import Task

#: Width and height of a drawing in pixels, and the bonds beyond which there is none.
SIZE, MOST = (260, 200), 20_000
#: Bonds of a drawing have so many colours and widths.
CLASSES = 12
#: Rows of a table before the rest is left out.
ROWS = 8


def network_html(network: Network) -> str:
    """Card of a network: sizes, sets and data, and a drawing."""
    rows = [
        ("coordination", f"{network.coordination:.3f}"),
        ("bond lengths", f"{network.lengths.min():.3g} to {network.lengths.max():.3g}"),
    ]
    for kind in ("node", "edge"):
        sets, data = getattr(network, f"{kind}_sets"), getattr(network, f"{kind}_data")
        if sets:
            rows.append((f"{kind} sets", ", ".join(f"{n} ({len(s)})" for n, s in sets.items())))
        if data:
            rows.append((f"{kind} data", ", ".join(data)))
    return _card(f"Network: {sizes(network)}", _table(rows), drawing(network))


def task_html(task: "Task") -> str:
    """Card of a task: supports, sources and targets."""
    rows = [
        (kind, terminal.name, _where(terminal), terminal.quantity, _asked(terminal))
        for kind, terminals in (("source", task.sources), ("target", task.targets))
        for terminal in terminals
    ]
    rows += [
        ("support", "", _where(s), ", ".join(s.components or ()) or "all components", "")
        for s in task.supports
    ]
    head = ("", "name", "where", "quantity", "value")
    counts = [(len(task.sources), "source"), (len(task.targets), "target")]
    words = "Task: " + ", ".join(f"{n} {word}{'s' if n != 1 else ''}" for n, word in counts)
    if len(task.examples) > 1:
        words += f", {len(task.examples)} examples"
    return _card(words, _table(rows, head))


def run_html(run: "Run") -> str:
    """Card of a run: result, targets, and a drawing of the learned network."""
    head, rows = run.targets.cells(4)
    words = f"Run: {run.outcome} in {run.summary['steps']} steps"
    if run.setup.title:
        words += f": {run.setup.title}"
    notes = [sizes(run.network), f"{run.summary['error_is'].replace('_', ' ')} "
             f"{run.summary['error']:.3g}"]  # fmt: skip
    if "accuracy" in run.summary:
        notes.append(f"{percent(run.summary['accuracy'])} classified right")
    values = np.asarray(next(iter(run.learned.values())))
    picture = drawing(run.network, values, marks(run.problem), held_nodes(run.problem))
    text = f"<div>{escape(', '.join(notes))}</div>{_table(rows, head)}"
    return _card(words, text, picture)


def drawing(
    network: Network,
    values: NDArray | None = None,
    terminals: Iterable[Mark] = (),
    supports: Iterable[int] = (),
) -> str:
    """A network as a small SVG, its bonds coloured and sized by ``values``.

    Nothing where there are very many bonds.
    """
    if network.n_edges > MOST:
        return ""
    pieces = segments(network)
    projection = fit_projection(pieces.ends.reshape(-1, 3), network.dim, SIZE)
    ends = np.rint(10 * projection.pixels(pieces.ends)).astype(int)
    shapes = []
    if network.periodic:
        outline = np.rint(10 * projection.pixels(cell_of(network).edges())).astype(int)
        shapes.append(_path(outline, CELL, 8))
    thin = max(4.0, min(20.0, 2400 / np.sqrt(network.n_edges) / 8))
    if values is None:
        shapes.append(_path(ends, BOND, thin))
    else:
        from mechlearn.render.colours import Shades

        shades = Shades(values, "")
        sizes = shades.widths(values)
        group = np.minimum((sizes * CLASSES).astype(int), CLASSES - 1)
        for k in np.unique(group):
            of = np.flatnonzero(group == k)
            middle = np.median(values[of])
            r, g, b = shades.colours(np.array([middle]))[0]
            width = thin * (0.4 + 1.4 * float(shades.widths(np.array([middle]))[0]))
            mine = ends[np.isin(pieces.bond, of)]
            shapes.append(_path(mine, f"#{r:02x}{g:02x}{b:02x}", width))
    place = 10 * projection.pixels(network.nodes)
    for node in supports:
        x, y = place[node] - 25
        shapes.append(f'<rect x="{x:.0f}" y="{y:.0f}" width="50" height="50" fill="{SUPPORT}"/>')
    for mark in list(terminals)[:60]:
        for x, y in place[mark.nodes]:
            shapes.append(
                f'<circle cx="{x:.0f}" cy="{y:.0f}" r="36" fill="{mark.colour}" stroke="#fff" '
                'stroke-width="12"/>'
            )
    w, h = SIZE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{h}" '
        f'viewBox="0 0 {10 * w} {10 * h}" style="background:#fff">{"".join(shapes)}</svg>'
    )


def _path(ends: NDArray, colour: str, width: float) -> str:
    """Lines (s, 2, 2) as one path."""
    lines = "".join(f"M{a} {b}L{c} {d}" for a, b, c, d in ends.reshape(-1, 4).tolist())
    return (
        f'<path d="{lines}" stroke="{colour}" stroke-width="{width:.0f}" '
        'stroke-linecap="round" fill="none"/>'
    )


def _card(title: str, text: str, picture: str = "") -> str:
    return (
        '<div style="display:flex;gap:1.5em;align-items:flex-start">'
        f"{picture}<div><strong>{escape(title)}</strong>{text}</div></div>"
    )


def _table(rows: Sequence[Sequence[str]], head: Sequence[str] = ()) -> str:
    """Rows of text, escaped; the rest counted where there are many."""

    def line(cells: Sequence[str], tag: str) -> str:
        inner = "".join(
            f'<{tag} style="text-align:left">{escape(str(cell))}</{tag}>' for cell in cells
        )
        return f"<tr>{inner}</tr>"

    lines = [line(head, "th")] if head else []
    lines += [line(row, "td") for row in rows[:ROWS]]
    more = f"<div>... and {len(rows) - ROWS} more</div>" if len(rows) > ROWS else ""
    return f"<table>{''.join(lines)}</table>{more}"


def _where(terminal: Any) -> str:
    nodes = terminal.nodes
    if getattr(terminal, "cell", None) is not None:
        return f"cell {listed(terminal.cell_names)}"
    if getattr(terminal, "region", None) is not None:
        return str(terminal.region)
    if nodes is None:
        return f"near {tuple(terminal.near)}"
    if isinstance(nodes, str):
        return nodes
    text = ", ".join(str(n) for n in nodes[:4])
    return text + (", ..." if len(nodes) > 4 else "")


def _asked(terminal: Any) -> str:
    match = getattr(terminal, "match", None)
    return f"as {match}" if match else _amount(terminal.value)


def _amount(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and isinstance(value[0], list):
        return "; ".join(", ".join(map(_amount, row)) for row in value)
    if isinstance(value, str):
        return value
    numbers = np.atleast_1d(np.asarray(value, dtype=float))
    text = ", ".join(f"{v:.4g}" for v in numbers[:3]) + (", ..." if len(numbers) > 3 else "")
    return text if len(numbers) == 1 else f"({text})"
