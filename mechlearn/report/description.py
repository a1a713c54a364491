"""Task descriptions in sentences, and formatting of numbers."""

from typing import TYPE_CHECKING, Any

import numpy as np

from mechlearn.errors import listed
from mechlearn.network import Network
from mechlearn.plots.style import in_words
from mechlearn.tasks.quantities import quantities
from mechlearn.tasks.task import Source, Support, Target, Terminal
from mechlearn.units import percent, typeset

if TYPE_CHECKING:
    from mechlearn.runs.run import Run

#: More sentences than this about sources, or about targets, are not read.
SENTENCES = 12
RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: Any, digits: int = 4) -> str:
    """A number, or several in brackets, with a true minus sign; empty for None."""
    if value is None:
        return ""
    if np.size(value) == 1:
        value = np.ravel(value)[0]
    elif np.ndim(value):
        return "(" + ", ".join(number(v, digits) for v in value) + ")"
    mantissa, e, power = f"{float(value):.{digits}g}".partition("e")
    text = mantissa.replace("-", "\u2212")
    return f"{text}·10{str(int(power)).translate(RAISED)}" if e else text


def amount(value: Any, quantity: str) -> str:
    """Value of a quantity; strains in per cent."""
    if isinstance(value, list):
        return ", ".join(amount(v, quantity) for v in value)
    if isinstance(value, str):
        return value
    if quantities[quantity].part:
        return typeset(percent(value, signed=True))
    return number(value)


def duration(seconds: float) -> str:
    """Time in a suitable unit."""
    if seconds < 1:
        return f"{number(1000 * seconds, 3)} ms"
    if seconds < 120:
        return f"{number(seconds, 3)} s"
    minutes, hours = seconds / 60, seconds / 3600
    return f"{number(minutes, 3)} min" if minutes < 120 else f"{number(hours, 3)} h"


def in_sentences(run: "Run") -> list[str]:
    """Description of the task: network, supports, sources, targets, rule."""
    setup, task = run.setup, run.problem.task
    out = [_network(run.network) + f" of {run.energy.plural}."]
    out += [_support(s, run) for s in task.supports] or [_unsupported(run)]
    out += _some([_source(s, run) for s in task.sources], "sources")
    out += _some([_target(t, run) for t in task.targets], "targets")
    if (n := run.problem.n_examples) > 1:
        batches = f", in batches of {setup.train.batch}" if setup.train.batch else ""
        out.append(f"All this in {n:,} examples{batches}, which say how much.")
    which = "region" if run.network.body else "bond"
    out.append(
        f"What learns is the {' and the '.join(in_words(name) for name in run.learned)} of every "
        f"{which}, {_rule(run)}, for at most {setup.train.steps:,} steps or until the "
        f"{in_words(run.summary['error_is'])} is at most {number(setup.train.tolerance)}."
    )
    return out


def _network(network: Network) -> str:
    what = "body" if network.body else "network"
    kind = f"A periodic {what}" if network.periodic else f"A {what}"
    space = "the plane" if network.dim == 2 else "space"
    parts = network.body or f"{network.n_edges:,} bonds"
    return f"{kind} in {space}: {network.n_nodes:,} nodes and {parts}"


def _support(support: Support, run: "Run") -> str:
    what = f" in {' and '.join(support.components)}" if support.components else ""
    which, nodes = _nodes(support.nodes, run), support.nodes or ()
    return f"{which[0].upper()}{which[1:]} {'is' if len(nodes) == 1 else 'are'} held{what}."


def _unsupported(run: "Run") -> str:
    if run.problem.held_by_nodes:
        return "Nothing but its sources holds it."
    return "Nothing holds it; it floats."


def _source(source: Source, run: "Run") -> str:
    kind, start = source.kind, f"Source “{source.name}”:"
    varies, by = _varies(source, run), amount(source.value, source.quantity)
    how = "as each example says" if varies else f"of {by}"
    if source.cell is not None:
        return f"{start} a {kind.title} {how} of {_component(source)}."
    if kind.change_of:
        how = "" if varies else f" by {by}"
        return f"{start} the {kind.change_of} of {_nodes(source.nodes, run)} changes{how}."
    return f"{start} a {kind.title}{_along(source)} {how} {_place(source, run)}."


def _target(target: Target, run: "Run") -> str:
    kind, start, match = target.kind, f"Target “{target.name}”:", target.match
    what = kind.title.replace("'", "’")
    if not run.setup.task.cost.has_values:
        return f"{start} the {what}{_along(target)} {_place(target, run)} stands for this class."
    varies, by = _varies(target, run), amount(target.value, target.quantity)
    if kind.change_of and target.cell is None:
        how = f"as that of “{match}”" if match else "as each example says" if varies else f"by {by}"
        nodes = _nodes(target.nodes, run)
        return f"{start} the {kind.change_of} of {nodes} shall then change {how}{_limit(target)}."
    how = f"equal that of “{match}”" if match else "be what each example says" if varies else ""
    cell = target.cell is not None
    where = f" of {_component(target)}" if cell else f"{_along(target)} {_place(target, run)}"
    where += "".join(f", {key} {_numbers(getattr(target, key))}," for key in kind.places)
    return f"{start} the {what}{where} shall then {how or f'be {by}'}{_limit(target)}."


def _limit(target: Target) -> str:
    return {"at_least": ", or more", "at_most": ", or less", None: ""}[target.limit]


def _varies(terminal: Terminal, run: "Run") -> bool:
    """True for a value that every example gives."""
    return run.problem.n_examples > 1 and terminal.name in next(iter(run.setup.examples), {})


def _place(terminal: Terminal, run: "Run") -> str:
    """Nodes that a terminal is at, or between the two of."""
    pair = any(
        p.terminal == terminal.name and p.component is None and len(p.nodes) == 2
        for p in (*run.problem.drives, *run.problem.answers)
    )
    if terminal.region is not None:
        return f"over “{terminal.region}”"
    return f"{'between' if pair else 'at'} {_nodes(terminal.nodes, run)}"


def _numbers(values: Any) -> str:
    return " and ".join(f"{value:g}" for value in np.ravel(values))


def _along(terminal: Terminal) -> str:
    return f" in {' and '.join(terminal.components)}" if terminal.components else ""


def _component(terminal: Terminal) -> str:
    """Cell and component of a cell source or target."""
    return f"the cell ({listed(terminal.cell_names)})"


def _nodes(nodes: Any, run: "Run") -> str:
    if isinstance(nodes, str):
        return f"the nodes “{nodes}”"
    called = "residue" if "residue" in run.network.node_data else "node"
    return f"{called}{'s' * (len(nodes) > 1)} {listed(run.network.described(nodes))}"


def _some(sentences: list[str], what: str) -> list[str]:
    if len(sentences) <= SENTENCES:
        return sentences
    return [*sentences[:SENTENCES], f"… and {len(sentences) - SENTENCES} more {what}."]


def _rule(run: "Run") -> str:
    table = run.setup.rule
    known = table.model_extra or {}
    options = [f"{k} = {known[k]}" for k in ("eta", "beta", "variant", "method") if known.get(k)]
    by = f"by {in_words(table.name)}" + (f" ({', '.join(options)})" if options else "")
    bounds = [
        f"between {number(learn.bounds[0])} and {number(learn.bounds[1])}"
        + (" times its length" if learn.relative else "")
        for learn in run.setup.learn.values()
        if learn.bounds
    ]
    return f"{by}, {'; '.join(bounds)}" if bounds else by
