"""A run: what was asked, what was learned, and how; in memory and as a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.runs.archive import read_run, write_run
from mechlearn.energies import Element
from mechlearn.energies.kinematics import Displacements
from mechlearn.energies.rigidity import check_rigidity
from mechlearn.errors import InputError
from mechlearn.fem.macroscopic_strain import strain_tensors
from mechlearn.runs.frozen import fixed, fixed_array
from mechlearn.runs.folder import new_folder
from mechlearn.learning.imperfections import Flaws
from mechlearn.network import Network
from mechlearn.phase import Phase
from mechlearn.runs.results import Score, States
from mechlearn.runs.config import TASK_TABLES, Setup, build_material, named_element
from mechlearn.tasks.baseline import pose_from_baseline
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.task import Task
from mechlearn.units import percent

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

    from mechlearn.runs.curve import Curve
    from mechlearn.equilibrium import Equilibrium, EquilibriumState


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """A finished training, of which nothing can be changed: arrays are read-only.

    Attributes
    ----------
    setup : Setup
        The task as resolved: explicit node ids, all defaults.
    network : Network
    initial, learned : mapping of parameter names to (m,) arrays
        The learning parameters before and after, in bond order.
    response : (examples, n, components) array
        The free state of the learned network, found anew from rest: displacements (then rotations,
        where nodes turn), or potentials.
    history : xarray.Dataset
        Error, cost, contrast and outputs per step; parameters at some of the steps.
    summary : dict
        Targets wanted, initial and reached; whether it converged; versions, seeds, timings.
    folder : Path, optional
        Where it was loaded from.
    energy : Element
        What the bonds are made of; left out, the one of mechlearn's that the set-up names.
    memory : mapping of names to arrays
        What the optimiser remembers; only as long as the run has not been written and read.
    """

    setup: Setup
    network: Network
    initial: Mapping[str, NDArray[np.float64]]
    learned: Mapping[str, NDArray[np.float64]]
    response: NDArray[np.float64]
    history: "xarray.Dataset"
    summary: Mapping[str, Any]
    folder: Path | None = field(default=None)
    energy: Element = field(default=None)  # type: ignore[assignment]  # found by its name
    memory: Mapping[str, NDArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        history = {n: fixed_array(v.values) for n, v in self.history.data_vars.items()}
        found = {
            "energy": named_element(self.setup.energy, self.energy, self.network.dim),
            "history": self.history.copy(data=history),
            "response": fixed_array(self.response),
        }
        for name in ("initial", "learned", "summary", "memory"):
            found[name] = fixed(dict(getattr(self, name)))
        for name, value in found.items():
            object.__setattr__(self, name, value)

    @cached_property
    def problem(self) -> Problem:
        """The task in numbers: ports, examples, wanted outputs."""
        return pose(self.setup.task, self.network, self.energy.kinematics)

    def __repr__(self) -> str:
        title = f" {self.setup.title!r}" if self.setup.title else ""
        error = self.summary["error"]
        error = f"{error:.3g}" if "accuracy" in self.summary else percent(error)
        return (
            f"<Run{title}: {self.outcome} in {self.summary['steps']} steps, "
            f"{self.summary['error_is'].replace('_', ' ')} {error}; "
            f"{self.network!r}>"
        )

    def _repr_html_(self) -> str:
        from mechlearn.render.notebook import run_html

        return run_html(self)

    @property
    def displacements(self) -> NDArray[np.float64]:
        """How far nodes move in the response, (examples, n, d); not at all with potentials."""
        if isinstance(self.energy.kinematics, Displacements):
            return self.response[..., : self.network.dim]
        return np.zeros((len(self.response), *self.network.nodes.shape))

    @cached_property
    def cell_strain(self) -> NDArray[np.float64]:
        """Strain of the periodic cell in the response, (examples, d, d); zero where it is rigid."""
        dim = self.network.dim
        if not self.problem.cell:
            return np.zeros((len(self.response), dim, dim))
        solver, free = self.settled(self.problem)
        fields = free.fields()
        return np.moveaxis(strain_tensors(solver.model.cell_strain(fields), dim), -1, 0)

    @property
    def converged(self) -> bool:
        """Whether every target was reached to the tolerance asked for."""
        return self.summary["converged"]

    @property
    def outcome(self) -> str:
        """The outcome in words: learned or not; the accuracy of a classification."""
        if self.converged:
            return "learned"
        if "accuracy" in self.summary:
            return f"{percent(self.summary['accuracy'])} classified right"
        return "not learned"

    @property
    def parameters(self) -> dict[str, NDArray[np.float64]]:
        """All parameters of the learned network's elements by name, in bond order."""
        m = self.network.n_edges
        values = {p.name: p.default(self.network) for p in self.energy.parameters}
        values |= {**self._material(), **self.learned}
        return {name: np.broadcast_to(v, m).astype(float) for name, v in values.items()}

    @property
    def targets(self) -> list[dict[str, Any]]:
        """Per target (and example): name, wanted, initial, reached, relative_error.

        Where it is measured from the unloaded network, ``unpulled`` and ``pulled`` are what it
        reads from the network as it was given.
        """
        return self.summary["targets"]

    def states(self, learned: bool = True) -> States:
        """Solve the free state and the one with all outputs held at their targets.

        ``learned=False`` gives those of the network before training.

        Raises
        ------
        InputError
            Where outputs are not wanted at values, so that nothing can be held there.
        """
        cost = self.setup.task.cost
        if not cost.has_values:
            raise InputError(f"A {cost.name} wants shares, not values: there is no clamped state.")
        solver, free = self.settled(self.problem, learned)
        clamped = solver.solve(Phase("clamp", 1.0))
        return States(free.states(), clamped.parts[0][1].states())  # type: ignore[union-attr]

    def respond(
        self, examples: Sequence[Mapping[str, Any]], learned: bool = True
    ) -> NDArray[np.float64]:
        """What the targets read in other examples, from rest, in the user's units, (examples, t).

        Parameters
        ----------
        examples : sequence of mappings
            As ``examples`` of a :class:`~mechlearn.Task`: values by the name of sources.
        learned : bool
            Whether the network after training is asked, or the one before.

        Raises
        ------
        InputError, SolveError
            For an example that names no source or target, and where it has no equilibrium.
        """
        task = self.setup.task
        other = Task(
            cost=task.cost, **{n: getattr(task, n) for n in TASK_TABLES} | {"examples": examples}
        )
        problem = pose(other, self.network, self.energy.kinematics)
        solver, free = self.settled(problem, learned)
        return solver.outputs(free) / problem.units

    def test(self, task: Task, learned: bool = True) -> "Score":
        """How well the network does at a ``task``, be it another one than it was trained for.

        ``learned=False`` asks the network before training.

        Raises
        ------
        InputError
            Where the task makes no sense on the network.
        """
        problem = pose_from_baseline(task, self.network, self.energy, self.parameters, self.learned)
        self.check(problem)
        solver, free = self.settled(problem, learned)
        outputs = solver.outputs(free)
        return Score(
            problem.error(outputs),
            float(problem.costs(outputs).mean()),
            problem.accuracy(outputs),
            outputs / problem.units,
        )

    def cut(self, bonds: Sequence[int]) -> "Run":
        """The learned network with some ``bonds``, by number, cut for good; nothing is learned.

        The targets' ``initial`` is what they read before the cut. A training that starts from it
        goes on with the bonds that are left.

        Raises
        ------
        InputError
            For bonds that do not exist, or are cut already, and where what is left is floppy or in
            pieces, or is no network of bonds.
        """
        from mechlearn.runs.damage import without

        return without(self, [int(b) for b in np.atleast_1d(bonds)])

    def check(self, problem: Problem) -> None:
        """Raise InputError where the network is floppy or in pieces in a ``problem``."""
        flaws = Flaws(self.setup.imperfections, self.network, self.setup.train.seed)
        try:
            check_rigidity(self.energy, flaws.left(self.network), problem.driven)
        except InputError as error:
            if not flaws.cuts:
                raise
            raise InputError(f"Without the bonds that are cut: {error}") from None

    def evaluate(self) -> list[dict[str, Any]]:
        """Solve the learned network anew, from rest, and say what the targets read."""
        from mechlearn.runs.summary import target_table

        solver, free = self.settled(self.problem)
        reached, absolute = solver.outputs(free) / self.problem.units, solver.from_reference()
        solver.forget()
        solver.update(**self.initial)
        initial = solver.outputs(solver.free()) / self.problem.units
        return target_table(self.problem, reached, initial, absolute)

    def curve(self, source: str | None = None, **options: Any) -> "Curve":
        """Force, displacement, stiffness and work of a source along the load.

        Parameters
        ----------
        source : str, optional
            Its name; the first one where left out.
        **options
            Those of :func:`mechlearn.runs.curve.curve`: ``samples`` and ``example``.

        Returns
        -------
        Curve
            An :class:`xarray.Dataset` with a method ``plot``.
        """
        from mechlearn.runs.curve import curve

        return curve(self, source, **options)

    def settled(self, problem: Problem, learned: bool = True) -> tuple["Equilibrium", "EquilibriumState"]:
        """The free states of a ``problem`` on the network, found from rest, and what found them.

        ``learned=False`` asks the network before training.
        """
        from mechlearn.equilibrium import equilibrium
        from mechlearn.fenics import MPI

        values = {**self._material(), **self.learned}
        solver = equilibrium(
            self.energy.model(self.network, problem, values, MPI.COMM_WORLD), problem
        )
        solver.update(**(self.learned if learned else self.initial))
        return solver, solver.free()

    def _material(self) -> dict[str, ArrayLike]:
        """Values of parameters that do not learn, as far as they are not the default."""
        setup = self.setup
        material = build_material(setup.energy, self.energy, self.network)
        flaws = Flaws(setup.imperfections, self.network, setup.train.seed)
        return flaws.cut(self.energy, self.network, material)

    def plot(self, what: str = "error", **options: Any) -> "Axes":
        """Draw one of a run's plots; returns the matplotlib Axes.

        Parameters
        ----------
        what : {"error", "dofs", "spectrum", "confusion"}
            Error and contrast against the step; the distribution of what learned, or the stiffness
            spectrum, before and after; which classes are taken for which.
        **options : those of the function in :mod:`mechlearn.plots`, such as ``ax``

        Raises
        ------
        InputError
            For another plot, or one that cannot be drawn of this run.
        """
        from mechlearn import plots

        known = {name: f"plot_{name}" for name in ("error", "dofs", "spectrum", "confusion")}
        if what not in known:
            raise InputError(f"what = {what!r} is no plot of a run; known are {', '.join(known)}.")
        return getattr(plots, known[what])(self, **options)

    def picture(self, what: str = "network", **options: Any) -> Any:
        """Draw one of a run's pictures, an image that notebooks show.

        Parameters
        ----------
        what : str
            Which picture.
        **options
            Those of :func:`mechlearn.render.picture`, which says what there is.
        """
        from mechlearn.render import picture

        return picture(self, what, **options)

    def show(self, **options: Any) -> Any:
        """Show the network, deformed and at rest, to be turned by hand (pyvista).

        Parameters
        ----------
        **options
            Those of :func:`mechlearn.render.show`, which opens a window, or a view in the notebook.
        """
        from mechlearn.render import show

        return show(self, **options)

    def export(self, path: str | Path, **options: Any) -> Path:
        """Write the learned network to a file; the suffix says in which format.

        Parameters
        ----------
        path : path
            The file; see :func:`mechlearn.export.export` for the formats.
        **options
            Those of :class:`mechlearn.export.Options`, such as ``unit`` (mm) of a part.

        Raises
        ------
        InputError
            For an unknown format, or options that mean nothing to it.
        """
        from mechlearn.export import export

        export(self, path, **options)
        return Path(path)

    # -- the folder ----------------------------------------------------------------------------

    def save(self, folder: str | Path, overwrite: bool = False) -> Path:
        """Write the run as a folder; see the README for its files.

        Parameters
        ----------
        folder : path
            New or empty.
        overwrite : bool
            Whether a run that is there is written over.

        Raises
        ------
        InputError
            Where a folder is in the way, or a file of it cannot be written.
        """
        return write_run(self, new_folder(folder, overwrite))

    @classmethod
    def load(cls, folder: str | Path, energy: Element | None = None) -> "Run":
        """Read a run folder.

        Parameters
        ----------
        folder : path
        energy : Element, optional
            What the bonds are made of, where that is none of mechlearn's own energies.

        Raises
        ------
        InputError
            Where the folder holds no run, or a file of it is damaged; the message names the file.
        """
        return cls(**read_run(Path(folder), energy))
