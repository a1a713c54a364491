"""Equilibrium paths of networks: states along the load, stable or not, and critical points."""

import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import Akima1DInterpolator

from mechlearn.energies.element import Element
from mechlearn.equilibrium.corrector import PathPoint
from mechlearn.equilibrium.driving import words_of
from mechlearn.equilibrium.newton import NewtonEquilibrium
from mechlearn.errors import InputError, SolveError, about
from mechlearn.io.tables import csv_table
from mechlearn.io.writing import replaced_file, write_file
from mechlearn.learning.system import System
from mechlearn.network import Network
from mechlearn.runs.learner import make_learner
from mechlearn.runs.taskfile import read_setup
from mechlearn.runs.warm_start import with_start
from mechlearn.studies.bloch import wave_check
from mechlearn.studies.schedule import Control, driven, schedule
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.task import Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Columns of a path that belong to no source or target.
FIXED = ("factor", "energy", "stable")
#: Difference of states that are one, over the largest; points of a curve between neighbours.
SAME, FINE = 1e-6, 9


class EquilibriumPath(xarray.Dataset):
    """Equilibria along a ``point`` dimension, in the order of the path.

    Variables: ``factor`` of the load; of every source its displacement (strain, voltage) under its
    name, and its force (current) as ``NAME.force``; of every target its reading; ``energy``;
    ``stable``, 1 where the state is a minimum under the conditions of the path; ``kind``, "limit"
    or "bifurcation" at critical points; ``states``, (point, node, component). A source of several
    numbers is measured along the direction of its load, and has each of them as ``NAME.x`` and
    ``NAME.force.x``, too. ``attrs["ended"]`` says why the path ended early.

    Where waves were asked for, ``waves`` are the lowest eigenvalues of their stiffness over the
    mean stiffness, (point, wave), up to the first that is negative, ``wave_vector`` theirs, and
    ``attrs["bloch"]`` the columns at the state in which the first vanishes, and its ``wave``.
    """

    __slots__ = ()

    @property
    def columns(self) -> list[str]:
        """Names of the numbers of a point, as in path.csv."""
        names = [str(n) for n, v in self.data_vars.items() if v.dims == ("point",) and n != "kind"]
        middle = [n for n in names if n not in FIXED]
        return ["factor", *middle, "energy", "stable"]

    def rows(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Points as dicts of their columns; only those of a ``kind`` where given."""
        mine = [k for k, v in enumerate(self["kind"].values) if kind is None or v == kind]
        values = {name: self[name].values[mine].tolist() for name in self.columns}
        return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]

    @property
    def limit_points(self) -> list[dict[str, Any]]:
        """Points at which the load has an extremum: factor, energy, and all other columns."""
        return [{k: v for k, v in row.items() if k != "stable"} for row in self.rows("limit")]

    @property
    def bifurcations(self) -> list[dict[str, Any]]:
        """Points at which other paths branch off, as :attr:`limit_points`."""
        return [{k: v for k, v in row.items() if k != "stable"} for row in self.rows("bifurcation")]

    @property
    def unloaded(self) -> list[dict[str, Any]]:
        """States without load, each once, as :attr:`rows`."""
        rows, states = self.rows(), self["states"].values
        size, found = np.ptp(states) or 1.0, list[int]()
        for k in np.flatnonzero(self["factor"].values == 0):
            if all(np.abs(states[k] - states[j]).max() > SAME * size for j in found):
                found.append(int(k))
        return [rows[k] for k in found]

    def plot(self, source: str | None = None, ax: "Axes | None" = None) -> "Axes":  # type: ignore[override]
        """Draw force against displacement of a source, unstable parts dashed; returns the Axes.

        Parameters
        ----------
        source : str, optional
            Its name; the path's own where left out.
        ax : matplotlib Axes, optional
            Drawn into; a new figure where left out.
        """
        from mechlearn.plots.style import new_axes

        ax, name = new_axes() if ax is None else ax, source or self.attrs["source"]
        x, y = self[name].values, self[f"{name}.force"].values
        lines, stable = self._curve(name), self["stable"].values == 1
        # What is critical belongs to both sides.
        unstable = ~stable & ~np.isin(self["kind"].values, ["limit", "bifurcation"])
        parts = np.where(unstable[1:] | unstable[:-1] | ~(stable[1:] | stable[:-1]), 1, 0)
        colour = None
        for part, style in ((0, "-"), (1, "--")):
            curves = [np.vstack([line, [[np.nan, np.nan]]])
                      for line, of in zip(lines, parts, strict=True) if of == part]  # fmt: skip
            if curves:
                drawn, = ax.plot(*np.concatenate(curves).T, style, color=colour, zorder=2 - part,
                                 label=("stable", "unstable")[part])  # fmt: skip
                colour = drawn.get_color()
        for kind, marker in (("limit", "o"), ("bifurcation", "s")):
            at = self["kind"].values == kind
            if at.any():
                ax.plot(x[at], y[at], marker, color="black", label=f"{kind} point"
                        if kind == "limit" else kind)  # fmt: skip
        ax.set_xlabel(f"{self.attrs['across']} of {name}")
        ax.set_ylabel(self.attrs["through"])
        if ax.get_legend_handles_labels()[0]:
            ax.legend(frameon=False)
        return ax

    def _curve(self, name: str) -> list[NDArray[np.float64]]:
        """Displacements and forces of a source between neighbouring points, (k, 2) each.

        Along an equilibrium path, a smooth curve through all of them.
        """
        at = np.column_stack([self[name].values, self[f"{name}.force"].values])
        ends = list(np.stack([at[:-1], at[1:]], axis=1))
        steps = np.linalg.norm(np.diff(at, axis=0) / (np.ptp(at, axis=0) + 1e-300), axis=1)
        apart = steps > 0
        if self.attrs.get("control") != "arc" or np.count_nonzero(apart) < 4:
            return ends
        arc = np.concatenate([[0.0], np.cumsum(steps)])
        curve = Akima1DInterpolator(arc[np.r_[True, apart]], at[np.r_[True, apart]], axis=0)
        fine = np.linspace(0, 1, FINE)
        return [curve(a + fine * (b - a)) for a, b in itertools.pairwise(arc)]

    def to_csv(self) -> bytes:
        """The columns as a CSV table."""
        return csv_table(self.columns, self.rows())


def path(
    network: Network,
    task: Task,
    energy: Element | None = None,
    *,
    source: str | None = None,
    to: ArrayLike | None = None,
    steps: int = 50,
    control: Control = "arc",
    branch: bool = False,
    waves: ArrayLike | None = None,
    **parameters: Any,
) -> EquilibriumPath:
    """Equilibria of a network as the load of its sources goes along a schedule.

    Parameters
    ----------
    network, task, energy
        The energy must be one of finite displacements.
    source, to, steps, control, branch, waves
        As in :func:`mechlearn.studies.path.follow`.
    **parameters : number, (m,) array, or name of edge data
        Values of the bonds' parameters.

    Raises
    ------
    InputError
        For linear elements, and for a source that there is not.
    SolveError
        Where rest is no equilibrium.
    """
    at = System(network, task, energy, check=False, **parameters)
    return follow(
        at, source=source, to=to, steps=steps, control=control, branch=branch, waves=waves
    )


def follow(
    at: System,
    *,
    source: str | None = None,
    to: ArrayLike | None = None,
    steps: int = 50,
    control: Control = "arc",
    branch: bool = False,
    waves: ArrayLike | None = None,
    example: int | None = None,
) -> EquilibriumPath:
    """Equilibria of a system as its load goes along a schedule.

    Parameters
    ----------
    at : System
    source : str, optional
        Whose values ``to`` are, the first where left out; the others grow in proportion.
    to : float or sequence, optional
        The source's value at the end, or several that are reached one after the other: numbers of
        a source of one number, lists of the others. Its own value in the task where left out.
    steps : int
        How many steps the way to the first of them would take at the rate of its beginning.
    control : {"arc", "force", "displacement"}
        Arc length: the path as a curve, over limit points, with its unstable parts. Else stable
        states only, as by slow loading with forces or displacements: where one vanishes, the state
        jumps to the next.
    branch : bool
        At the first bifurcation, leave the path along the one that branches off there.
    waves : d whole numbers, or (k, d) array, optional
        Of a periodic network: patterns that repeat themselves after so many cells, or wave vectors
        in parts of the reciprocal lattice, whose buckling is looked for.
    example : int, optional
        Counted from 0; the one in which the source has its largest value where left out.

    Raises
    ------
    InputError
        For linear elements, and for a source, value or example that there is not.
    SolveError
        Where there is no equilibrium at rest.
    """
    at = at.copy(example=at.problem.example_of(source) if example is None else example)
    problem, name, factors = schedule(at, source, to, steps, control)
    at = solved_directly(at, problem)
    points, ended = _points(at, factors, steps, control, branch)
    found = table(at, points, name, ended)
    found.attrs["control"] = control
    if waves is not None:
        checked = wave_check(at, solver_of(at), points, waves)
        found = found.assign(waves=(("point", "wave"), checked.lowest))
        found = found.assign_coords(wave_vector=(("wave", "direction"), checked.vectors))
        if checked.onset is not None:
            (row,) = table(at, [checked.onset], name, "").rows()
            found.attrs["bloch"] = row | {"wave": checked.vectors[checked.first].tolist()}
            del found.attrs["bloch"]["stable"]
    return found


def check(at: System, options: Mapping[str, Any]) -> str:
    """A path in words; raises InputError for ``options`` of :func:`follow` that make no sense."""
    chosen = {k: options[k] for k in ("source", "to", "steps", "control")}
    try:
        at = at.copy(example=at.problem.example_of(options["source"]))
        _, name, factors = schedule(at, **chosen)
    except InputError as error:
        raise InputError(f"path: {error}") from None
    ways = ", then ".join(f"{factor:g}" for factor in factors)
    return f"along {name!r}, by {options['control']}, to load factor {ways}"


def _points(
    at: System, factors: Sequence[float], steps: int, control: Control, branch: bool
) -> tuple[list[PathPoint], str]:
    """Points of a path, and why it ended early."""
    at.load(0.0)
    follower, start = solver_of(at).path(at.problem.values, 0.0)
    follower.exact, follower.unloaded = False, True
    points, first = [start], abs(factors[0] or 1.0)
    try:
        for to in factors:
            here = points[-1]
            if control == "arc":
                here = follower.begin(here.at, increasing=to > here.at.factor)
                length = first / steps / abs(start.rate.factor)
                points += follower.follow(here, to, length, branch, max(1000, 100 * steps))
                continue
            count = max(1, round(steps * abs(to - here.at.factor) / first))
            for factor in np.linspace(here.at.factor, to, count + 1)[1:]:
                at.load(float(factor))
                points.append(solver_of(at).path(at.problem.values, at.factor)[1])
    except SolveError as error:
        return points, str(error)
    except KeyboardInterrupt:
        return points, f"Interrupted at load factor {points[-1].at.factor:.6g}."
    return points, ""


def solved_directly(at: System, problem: Problem) -> System:
    """The system under a problem, solved for the states of its load."""
    at = at.copy()
    at.problem = problem
    if problem.on_path:  # of which the states are not those of targets
        vars(at)["solver"] = NewtonEquilibrium(at.model, problem)
    return at


def solver_of(at: System) -> NewtonEquilibrium:
    """Solver of a system of finite displacements."""
    solver = at.equilibrium
    assert isinstance(solver, NewtonEquilibrium)
    return solver


def table(at: System, points: Sequence[PathPoint], name: str, ended: str) -> EquilibriumPath:
    """Points as a table in the user's units."""
    p, equilibrium = at.problem, solver_of(at)
    unloaded = equilibrium.unloaded
    zero, stretch = (0.0, np.ones(len(p.ports))) if unloaded is None else unloaded.ports
    scales = np.array([port.factors(p.network) for port in p.drives]).reshape(-1, 2)
    readings = (np.array([point.readings for point in points]) - zero)[:, p.sources]
    offset = np.array([port.offset for port in p.drives])
    across = readings / stretch[p.sources] / scales[:, 0] + offset
    through = np.array([point.at.forces for point in points])[:, p.sources] / scales[:, 1]
    factor = np.array([point.at.factor for point in points])
    data: dict[str, Any] = {"factor": ("point", factor)}
    for source in dict.fromkeys(port.terminal for port in p.drives):
        mine = driven(p, source)[1]
        u, f = across[:, mine], through[:, mine]
        if len(mine) > 1:
            along = p.given[0, mine] / np.linalg.norm(p.given[0, mine])
            data[source] = ("point", (u - offset[mine]) @ along)
            data[f"{source}.force"] = ("point", f @ along)
            for k, number in enumerate(mine):
                label = p.drives[number].suffix(p.components).lstrip(".")
                data[f"{source}.{label}"] = ("point", u[:, k])
                data[f"{source}.force.{label}"] = ("point", f[:, k])
        else:
            data[source], data[f"{source}.force"] = ("point", u[:, 0]), ("point", f[:, 0])
    settled = equilibrium.along(points)
    outputs = equilibrium.outputs(settled)
    names = [port.terminal for port in p.answers]
    for k, (terminal, full) in enumerate(zip(names, p.output_names, strict=True)):
        if p.on_path:
            break
        target = terminal if names.count(terminal) == 1 else full
        data[target if target not in data else f"{target} (target)"] = (
            "point",
            outputs[:, k] / p.units[k] + p.answers[k].offset,
        )
    data["energy"] = ("point", [point.energy for point in points])
    data["stable"] = ("point", [int(point.unstable == 0) for point in points])
    data["kind"] = ("point", [point.kind for point in points])
    data["states"] = (("point", "node", "component"), settled.states())
    if p.cell:
        data["cell"] = ("point", "direction", "along"), settled.cell[:, 0] - np.eye(p.network.dim)
        data["piola_stress"] = ("point", "direction", "along"), settled.cell[:, 1]
    words = words_of(p, name) if name else ("", "")
    attrs = {"source": name, "across": words[0], "through": words[1], "ended": ended}
    return EquilibriumPath(data, coords={"component": list(p.components)}, attrs=attrs)


def system_of(place: FilePath) -> tuple[System, dict[str, Any]]:
    """System of a task file before training, or of a run, and the options of its table ``path``.

    Raises
    ------
    InputError
        For a file or folder that makes no sense.
    """
    from mechlearn.runs.run import Run

    if place.is_dir():
        run = Run.load(place)
        return run.system(), run.setup.path.model_dump()
    setup = with_start(read_setup(place), place.parent)
    with about(place):
        network = setup.build_network(place.parent)
        learner = make_learner(setup, network, setup.element(network))
    parameters: dict[str, Any] = learner.parameters
    return learner.system.copy(**parameters), setup.path.model_dump()


def write(found: EquilibriumPath, folder: FilePath) -> None:
    """Write path.csv, summary.json and path.png into a folder."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    write_file(folder / "path.csv", found.to_csv())
    summary = {
        "source": found.attrs["source"],
        "points": len(found.point),
        "ended": found.attrs["ended"],
        "limit_points": found.limit_points,
        "bifurcations": found.bifurcations,
        **({"bloch": found.attrs.get("bloch")} if "waves" in found else {}),
        "unloaded": found.unloaded,
        "stable_unloaded": sum(row["stable"] for row in found.unloaded),
    }
    write_file(folder / "summary.json", (json.dumps(summary, indent=2) + "\n").encode())
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    found.plot(ax=figure.subplots())
    with replaced_file(folder / "path.png") as place:
        figure.savefig(place, dpi=150)
