"""Titles, labels and captions of pictures."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn import units
from mechlearn.errors import plain
from mechlearn.network import Network
from mechlearn.plots.style import short_number
from mechlearn.render.marks import Mark, marks
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.task import LIMITS

if TYPE_CHECKING:
    from mechlearn.runs.run import Run


def heading(run: "Run") -> str:
    """Title of a run's pictures."""
    named = f"{plain(run.folder.name)}: " if run.folder else ""
    return plain(run.setup.title) or named + sizes(run.network)


def sizes(network: Network) -> str:
    """Size of a network in words."""
    kind = "periodic, " if network.periodic else ""
    what = network.body or f"{network.n_edges:,} bonds"
    return f"{network.n_nodes:,} nodes, {what}, {kind}{network.dim}D"


def scale(factor: float) -> str:
    """Amplification of a deformation, in words."""
    return "deformation to scale" if factor == 1 else f"deformation amplified ×{factor:g}"


def which_example(problem: Problem, example: int) -> list[str]:
    """Number of the example in words, from 1; empty for a single one."""
    n = problem.n_examples
    return [f"example {example + 1} of {n}"] if n > 1 else []


def label(mark: Mark, reached: Any = None) -> str:
    """Name of a mark, what is imposed or wanted, and what was reached."""
    name = plain(str(mark.terminal.name))
    if not mark.active:
        return f"{name}\nswitched off"
    match = getattr(mark.terminal, "match", None)
    if match is not None:
        text = f"as {plain(match)}"
    else:
        values, repeats = mark.values, max(1, len(mark.ports) // np.size(mark.terminal.value))
        text = _amount(mark, values[: len(values) // repeats])
    quantity = mark.terminal.quantity
    if mark.share:
        quantity, text = "share", ", ".join(f"{v:.3g}" for v in mark.values)
    elif mark.terminal.components:
        quantity += " " + ", ".join(mark.terminal.components)
    elif mark.cell:
        quantity = f"{mark.terminal.kind.title} {', '.join(mark.cell)}"
    asked = "" if mark.is_source else "wanted: "
    bound = LIMITS.get(getattr(mark.terminal, "limit", None) or "", "")
    text = f"{name}\n{asked}{quantity} {bound}{text}"
    called = [p.names for p in mark.ports if p.names != tuple(map(str, p.nodes))]
    named = list(dict.fromkeys(name for names in called for name in names))
    if 0 < len(named) <= 3:
        name, rest = text.split("\n", 1)
        text = f"{name}\n{', '.join(named)}\n{rest}"
    if reached is not None and np.size(reached) <= 3:
        text += f"\n{'reads' if mark.share else 'reached'}: {_amount(mark, np.atleast_1d(reached))}"
    return text


def readings(run: "Run", example: int, outputs: NDArray) -> str:
    """Readings of the targets in a state, from their outputs (t,), in words."""
    problem, parts = run.problem, []
    column = {port: k for k, port in enumerate(problem.answers)}
    for mark in marks(problem, example):
        if (
            mark.is_source
            or not mark.active
            or mark.terminal.quantity == run.energy.kinematics.through
        ):
            continue
        reads = outputs[[column[p] for p in mark.ports]]
        if len(reads) <= 3 and np.isfinite(reads).all():  # a ratio is none of an unloaded cell
            parts.append(f"{plain(str(mark.terminal.name))} {_amount(mark, reads)}")
    if len(parts) > 2:
        parts = [*parts[:2], "…"]
    return ",  ".join(parts)


def signed(value: float) -> str:
    """A number with its sign."""
    return f"{value:+.4g}".replace("-", "\u2212")


def percent(value: float, signed: bool = False) -> str:
    """Fraction in per cent."""
    return units.percent(value, signed=signed).replace("-", "\u2212")


def _amount(mark: Mark, values: NDArray) -> str:
    part = mark.terminal.kind.part
    numbers = [percent(float(v), signed=True) if part else short_number(float(v)) for v in values]
    return numbers[0] if len(numbers) == 1 else f"({', '.join(numbers)})"
