"""Check of a task file: validation as for training, and a summary in words."""

from pathlib import Path

import numpy as np

from mechlearn.energies.rigidity import uncounted
from mechlearn.errors import InputError, listed, plain
from mechlearn.extensions import name_of
from mechlearn.feasibility import Feasibility, counted, searched
from mechlearn.learning import RuleLearner
from mechlearn.learning.device import Imperfections
from mechlearn.network import Network
from mechlearn.runs.config import Setup
from mechlearn.runs.learner import make_learner
from mechlearn.runs.warm_start import with_start
from mechlearn.studies.path import check as check_path
from mechlearn.tasks.ports import PathPort
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.task import Support, Target, Terminal, ids_of


def check_setup(
    setup: Setup, folder: Path = Path(), draw: Path | None = None, search: bool = False
) -> tuple[str, Feasibility]:
    """Set-up of a training, up to its first state, as text; and the feasibility of its task.

    With ``search``, the best answer within the bounds is looked for.

    Raises
    ------
    InputError, SolveError
        Where a training would.
    """
    start, setup = setup.start, with_start(setup, folder)
    network = setup.build_network(folder)
    energy, rule = setup.element(network), setup.procedure
    learner = make_learner(setup, network, energy)
    problem = learner.problem
    # The first state is found, and what its first step needs.
    learner.train(0, setup.train.tolerance)
    if setup.train.steps and isinstance(learner, RuleLearner):
        with np.errstate(over="ignore", invalid="ignore"):  # as in a training
            learner.moves()
    for dof in learner.dofs:
        if dof.table == "edges":
            dof.learns &= learner.elements.intact
        dof.values = learner.parameters[dof.name]
    kind = "periodic" if network.periodic else "finite"
    lines = [
        *([plain(setup.title)] if setup.title else []),
        f"network   {kind}, {network.dim}D: {network.n_nodes} nodes, "
        f"{network.body or _bonds(network)}"
        + "".join(
            f", {len(rows)} {name.removesuffix('s') if len(rows) == 1 else name}"
            for name, rows in network.tuples.items()
        ),
        f"element   {energy.name}; learns {listed(setup.learn)} by {name_of(rule)}",
    ]
    if start:
        lines.append(f"start     what the run {start} learned")
    counts = learner.system.rigidity
    lines.append(f"rigidity  {counts or uncounted(energy)}")
    if counts and counts.floppy:
        lines.append("          floppy at rest: only prestress can hold it")
    lines += [f"{'support' if not k else '':9} {text}" for k, text in enumerate(_supports(problem))]
    if not problem.task.sources:
        lines.append("source    none; only prestress can move the network")
    lines += _terminals(problem)
    given = setup.energy.model_extra or {}
    unused = sorted(set(network.edge_data) & {p.name for p in energy.parameters} - set(given))
    for name in unused:
        if name not in setup.learn or setup.learn[name].initial is None:
            lines.append(
                f"note      the network brings {name}, which is used only if asked for "
                f'by name: {name} = "{name}" in [energy], or initial = "{name}"'
            )
    if problem.n_examples > 1:
        batch = f", in batches of {setup.train.batch}" if setup.train.batch else ""
        lines.append(f"examples  {problem.n_examples}{batch}")
    if "path" in setup.model_fields_set:
        lines.append(f"path      {check_path(learner.system, setup.path.model_dump())}")
    if not problem.task.cost.has_values:
        lines.append(f"cost      {problem.task.cost.name}: targets want shares")
    if setup.imperfections != Imperfections():
        given = setup.imperfections.model_dump(exclude_defaults=True)
        lines.append("imperfect " + ", ".join(f"{k} = {v}" for k, v in given.items()))
    error = learner.history.error[0]
    lines.append(f"at first  {problem.error_name} {error:.3g}")
    known = counted(learner.system, learner.dofs, setup.train.tolerance)
    lines.append(f"counts    {known.counts}")
    if search:
        known = searched(known, learner.system, learner.dofs, seed=setup.train.seed)
        lines.append(f"reach     {known.verdict}")
    cautions = energy.cautions(network, learner.system.parameters)
    lines += [f"warning   {warning}" for warning in (*known.warnings, *cautions)]
    if draw is not None:
        if draw.suffix.lower() != ".png":
            raise InputError(f"{draw}: the picture must be a .png.")
        from mechlearn.render import draw_setup

        draw_setup(network, problem, draw, title=setup.title)
        lines.append(f"drawn in  {draw}")
    return "\n".join(lines), known


def _bonds(network: Network) -> str:
    return f"{network.n_edges} bonds, coordination {network.coordination:.3f}"


def _supports(problem: Problem) -> list[str]:
    out = [
        _nodes(s, problem.network).removeprefix("at ")
        + (f", components {listed(s.components)}" if s.components else "")
        for s in problem.task.supports
    ]
    return out or [
        "none; held by displaced nodes" if problem.held_by_nodes else "none; the network floats"
    ]


def _where(terminal: Terminal, network: Network) -> str:
    if terminal.region is not None:
        return f"over {terminal.region!r}"
    if terminal.cell is None:
        return _nodes(terminal, network)
    return f"of the cell, {listed(terminal.cell_names)}"


def _nodes(place: Support | Terminal, network: Network) -> str:
    ids = network.described(ids_of(place))
    return f"at node{'s' * (len(ids) > 1)} {listed(ids)}"


def _terminals(problem: Problem) -> list[str]:
    lines, paths = [], {p.terminal: p.source for p in problem.answers if isinstance(p, PathPort)}
    for kind, terminals in (("source", problem.task.sources), ("target", problem.task.targets)):
        for t in terminals:
            value = f"{t.quantity} {t.value}"
            if isinstance(t, Target):
                value = f"match {t.match!r}" if t.match else value
                value += {"at_least": " or more", "at_most": " or less", None: ""}[t.limit]
                value += ", from the unloaded network" if t.baseline == "unloaded" else ""
            where = f"of source {paths[t.name]!r}" if t.name in paths else None
            lines.append(f"{kind}    {t.name!r} {where or _where(t, problem.network)}: {value}")
    return lines
