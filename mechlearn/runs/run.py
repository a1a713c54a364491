"""Runs: task, learned network, history and summary, in memory and as a folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.element import Element
from mechlearn.energies.kinematics import Displacements
from mechlearn.learning.dofs import learning_mask
from mechlearn.network import Network
from mechlearn.runs.archive import compare_law, read_run, write_run
from mechlearn.runs.config import TASK_TABLES, Setup
from mechlearn.runs.fixed import fixed, fixed_array
from mechlearn.runs.folder import new_folder
from mechlearn.runs.presented import Presented
from mechlearn.runs.summary import Targets, target_table
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.task import Task
from mechlearn.units import percent

if TYPE_CHECKING:
    import xarray

    from mechlearn.learning.buckling import Buckling
    from mechlearn.learning.system import System
    from mechlearn.runs.curve import Curve
    from mechlearn.studies.landscape import States
    from mechlearn.studies.path import EquilibriumPath
    from mechlearn.studies.tiling import TileCheck


@dataclass(frozen=True, eq=False, repr=False)
class Run(Presented):
    """Finished training; immutable.

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
            "energy": self.setup.element(self.network, self.energy),
            "history": self.history.copy(data=history),
            "response": fixed_array(self.response),
        }
        for name in ("initial", "learned", "summary", "memory"):
            found[name] = fixed(dict(getattr(self, name)))
        for name, value in found.items():
            object.__setattr__(self, name, value)

    @property
    def task(self) -> Task:
        """The task that was learned: supports, sources, targets, examples and cost."""
        return self.setup.task

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
            f"{repr(self.network)[1:-1]}>"
        )

    @property
    def displacements(self) -> NDArray[np.float64]:
        """Displacements of nodes in the response, (examples, n, d); zero with potentials."""
        if isinstance(self.energy.kinematics, Displacements):
            return self.response[..., : self.network.dim]
        return np.zeros((len(self.response), *self.network.nodes.shape))

    @cached_property
    def cell(self) -> NDArray[np.float64]:
        """Deformation gradient, first Piola-Kirchhoff stress of the cell, (examples, 2, d, d)."""
        return self.system().free.cell

    @property
    def converged(self) -> bool:
        """True if every target was reached to the tolerance."""
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
        known, given = self.energy.parameters, self.given()
        out = {p.name: np.array(given.get(p.name, p.values(self.network)), float) for p in known}
        out[known[0].name][self.setup.imperfections.broken] = 0.0
        return out

    @property
    def targets(self) -> Targets:
        """Table of targets: wanted, initial and reached values, and relative errors."""
        return Targets(self.summary["targets"])

    def system(
        self,
        task: Task | None = None,
        *,
        learned: bool = True,
        example: int | None = None,
        alone: bool = False,
    ) -> "System":
        """The learned network with its task, or another one, to be solved anew, from rest.

        Parameters
        ----------
        task : Task, optional
            Another task on the same network.
        learned : bool
            False for the network before training.
        example : int, optional
            The only example, counted from 0; all of them where left out.
        alone : bool
            True for a system on this rank alone, where others ask for none.

        Raises
        ------
        InputError
            For a task that makes no sense on the network, and an example that there is not.
        """
        from mechlearn.fenics import MPI
        from mechlearn.learning.system import System

        learns = {
            name: learning_mask(table.frozen, self.network, name, self.energy.parameter(name))
            for name, table in self.setup.learn.items()
        }
        values = self.given() | ({} if learned else dict(self.initial))
        system = System(
            self.network, task or self.problem, self.energy, learns=learns, check=task is not None,
            cut=self.setup.imperfections.broken, comm=MPI.COMM_SELF if alone else None,
            **values,
        )  # fmt: skip
        return system if example is None else system.copy(example=example)

    def respond(
        self, examples: Sequence[Mapping[str, Any]], learned: bool = True
    ) -> NDArray[np.float64]:
        """Readings of the targets in other examples, in the user's units, (examples, t).

        Parameters
        ----------
        examples : sequence of mappings
            As ``examples`` of a :class:`~mechlearn.Task`: values by the name of sources.
        learned : bool
            False for the network before training.

        Raises
        ------
        InputError, SolveError
            For an example that names no source or target, and where it has no equilibrium.
        """
        task = self.setup.task
        tables = {n: getattr(task, n) for n in TASK_TABLES} | {"examples": examples}
        return self.system(Task(cost=task.cost, **tables), learned=learned).outputs

    @cached_property
    def recorded_steps(self) -> NDArray[np.int64]:
        """Training steps whose parameters are in the history, the last included."""
        return self.history["snapshot"].values.astype(np.int64)

    def recorded(self, number: int) -> dict[str, NDArray[np.float64]]:
        """The learning parameters of a recorded step.

        Parameters
        ----------
        number : int
            The step's place in :attr:`recorded_steps`; -1 for the last.
        """
        if number in (-1, len(self.recorded_steps) - 1):
            return dict(self.learned)
        return {name: self.history[name].values[number] for name in self.learned}

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

    def tile(self, *counts: int, **options: Any) -> "Run":
        """A finite sample of so many copies of the cell along every axis, with what was learned.

        Nothing is learned: the run's task is to be pressed between two plates by 1 %, and the
        force that is wanted is that of as much of the periodic cell.

        Parameters
        ----------
        *counts : int
            One per axis of the cell.
        **options : those of :func:`mechlearn.runs.tiles.tiled`, such as ``ends``

        Raises
        ------
        InputError
            For a finite network, cells that differ, and where no network is left.
        SolveError
            Where cell or sample have no equilibrium under that load.
        """
        from mechlearn.runs.tiles import tiled

        return tiled(self, counts, **options)

    def tile_check(self, *counts: int, **options: Any) -> "TileCheck":
        """Comparison of samples of up to so many copies of the cell with the cell itself.

        Parameters
        ----------
        *counts : int
            One per axis of the cell.
        **options : those of :func:`mechlearn.studies.tiling.tile_check`, such as ``plates``
        """
        from mechlearn.studies.tiling import tile_check

        return tile_check(self, *counts, **options)

    def evaluate(self) -> Targets:
        """Table of targets of the learned network, solved anew from rest."""
        system, before = self.system(), self.system(learned=False).outputs
        reached, absolute = system.outputs, system.equilibrium.from_reference()
        return Targets(target_table(self.problem, reached, before, absolute))

    def curve(self, source: str | None = None, **options: Any) -> "Curve":
        """Force, displacement, stiffness and work of a source along the load.

        Parameters
        ----------
        source : str, optional
            Its name; the first one where left out.
        **options : those of :func:`mechlearn.runs.curve.curve`, ``samples`` and ``example``
        """
        from mechlearn.runs.curve import curve

        return curve(self, source, **options)

    def path(self, **options: Any) -> "EquilibriumPath":
        """Equilibria along the load, over limit points, with what was learned.

        Parameters
        ----------
        **options : those of :func:`mechlearn.studies.path.follow`, or else of the table ``[path]``
        """
        from mechlearn.studies.path import follow

        return follow(self.system(), **self.setup.path.model_dump() | options)

    def buckling(self, **options: Any) -> "Buckling":
        """Load factors at which what was learned buckles, and the modes.

        Parameters
        ----------
        **options : those of :func:`mechlearn.learning.buckling.buckling`, ``example`` and ``count``
        """
        from mechlearn.learning.buckling import buckling

        return buckling(self.system(alone=True), **options)

    def states(self, **options: Any) -> "States":
        """Stable states with what was learned, barriers between them, and transitions.

        Parameters
        ----------
        **options : those of :func:`mechlearn.studies.states.find`
        """
        from mechlearn.studies.states import find

        return find(self.system(), **options)

    def given(self) -> dict[str, NDArray[np.float64]]:
        """Values of the parameters that the set-up gives, or that were learned."""
        return {**self.setup.constants(self.energy, self.network), **self.learned}

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
        run = cls(**read_run(Path(folder), energy))
        compare_law(run)
        return run
