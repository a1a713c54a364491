"""Looking at a task before training it: what it asks, and of what network."""

from pathlib import Path

import numpy as np

from mechlearn.dofs import LearningDof
from mechlearn.errors import InputError, listed
from mechlearn.feasibility import Feasibility, counted, searched
from mechlearn.imperfections import Flaws, Imperfections
from mechlearn.learners import learner_of
from mechlearn.maxwell import check_rigidity
from mechlearn.posing import pose
from mechlearn.problem import Problem
from mechlearn.setup import Setup, build_energy, build_network, build_rule
from mechlearn.start import with_start
from mechlearn.steps import make_step
from mechlearn.task import Terminal


def check_setup(
    setup: Setup, folder: Path = Path(), draw: Path | None = None, search: bool = False
) -> tuple[str, Feasibility]:
    """What a training would check before it solves anything, and what the network is, as text.

    With ``search``, the best answer within the bounds is looked for.

    Raises
    ------
    InputError
        Where a training would.
    """
    start, setup = setup.start, with_start(setup, folder)
    network = build_network(setup.network, folder)
    energy, material = build_energy(setup.energy, network)
    rule = build_rule(setup.rule)
    problem = pose(setup.task, network, energy.kinematics)
    learner_of(rule).refuse(setup.task, energy, setup.learn, rule)
    rng = np.random.default_rng(setup.train.seed)
    flaws = Flaws(setup.imperfections, network, setup.train.seed)
    dofs = []
    for name, learn in setup.learn.items():
        dof = LearningDof(name, learn, energy, network, rng, material.get(name))
        flaws.spoil(dof)
        make_step(setup.train.optimiser, setup.train.rate, dof)
        dof.learns &= flaws.whole
        if name == energy.parameters[0].name:
            dof.values = np.where(flaws.whole, dof.values, 0.0)
        dofs.append(dof)
    kind = "periodic" if network.periodic else "finite"
    lines = [
        *([setup.title] if setup.title else []),
        f"network   {kind}, {network.dim}D: {network.n_nodes} nodes, {network.n_edges} bonds, "
        f"coordination {network.coordination:.3f}",
        f"element   {energy.name}; learns {listed(setup.learn)} by {rule.name}",
    ]
    if start:
        lines.append(f"start     what the run {start} learned")
    counts = check_rigidity(energy, flaws.left(network), problem.driven)
    lines.append(f"rigidity  {counts if counts else 'not counted (large network)'}")
    if counts and counts.floppy:
        lines.append("          floppy at rest: only prestress can hold it")
    lines += [f"{'support' if not k else '':9} {text}" for k, text in enumerate(_supports(problem))]
    if not problem.task.sources:
        lines.append("source    none; only prestress can move the network")
    lines += _terminals(problem)
    unused = sorted(set(network.edge_data) & {p.name for p in energy.parameters} - set(material))
    for name in unused:
        if name not in setup.learn or setup.learn[name].initial is None:
            lines.append(
                f"note      the network brings {name}, which is used only if asked for "
                f'by name: {name} = "{name}" in [energy], or initial = "{name}"'
            )
    if problem.n_examples > 1:
        batch = f", in batches of {setup.train.batch}" if setup.train.batch else ""
        lines.append(f"examples  {problem.n_examples}{batch}")
    if not problem.task.cost.has_values:
        lines.append(f"cost      {problem.task.cost.name}: targets want shares")
    if setup.imperfections != Imperfections():
        given = setup.imperfections.model_dump(exclude_defaults=True)
        lines.append("flaws     " + ", ".join(f"{k} = {v}" for k, v in given.items()))
    known = counted(problem, energy, dofs, material, setup.train.tolerance)
    lines.append(f"counts    {known.counts}")
    if search:
        cut = flaws.cut(energy, network, material)
        known = searched(known, problem, energy, dofs, cut, seed=setup.train.seed)
        lines.append(f"reach     {known.verdict}")
    lines += [f"warning   {warning}" for warning in known.warnings]
    if draw is not None:
        if draw.suffix.lower() != ".png":
            raise InputError(f"{draw}: the picture must be a .png.")
        from mechlearn.render import draw_setup

        draw_setup(network, problem, draw, title=setup.title)
        lines.append(f"drawn in  {draw}")
    return "\n".join(lines), known


def _supports(problem: Problem) -> list[str]:
    out = [
        f"nodes {listed(s.nodes)}"
        + (f", components {listed(s.components)}" if s.components else "")
        for s in problem.task.supports
    ]
    return out or [
        "none; the network floats" if not len(problem.grounded) else "none; held by displaced nodes"
    ]


def _where(terminal: Terminal) -> str:
    if terminal.cell is None:
        return f"at nodes {listed(terminal.nodes)}"
    return f"of the cell, {listed(np.atleast_1d(terminal.cell))}"


def _terminals(problem: Problem) -> list[str]:
    lines = []
    for kind, terminals in (("source", problem.task.sources), ("target", problem.task.targets)):
        for t in terminals:
            value = f"match {t.match!r}" if getattr(t, "match", None) else f"{t.quantity} {t.value}"
            value += {"at_least": " or more", "at_most": " or less"}.get(
                getattr(t, "limit", None), ""
            )
            lines.append(f"{kind}    {t.name!r} {_where(t)}: {value}")
    return lines
