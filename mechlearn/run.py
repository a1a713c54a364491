"""A run: what was asked, what was learned, and how; in memory and as a folder."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import TypeAdapter, ValidationError

from mechlearn.cell import strain_tensors
from mechlearn.data import write_examples
from mechlearn.energies import BondEnergy, Element, energies
from mechlearn.errors import InputError, listed
from mechlearn.folder import FILES, has_checkpoint, locked, new_folder, replacing
from mechlearn.imperfections import Flaws
from mechlearn.kinematics import Displacements
from mechlearn.maxwell import check_rigidity
from mechlearn.meshfile import failure, read_fields, state_fields, states_of, write_network
from mechlearn.network import Network
from mechlearn.phase import Phase
from mechlearn.posing import pose
from mechlearn.problem import Problem
from mechlearn.safehdf import check_hdf
from mechlearn.schema import key_path
from mechlearn.setup import (
    TASK_TABLES,
    Setup,
    build_element,
    build_material,
    build_network,
    read_setup,
    to_toml,
)
from mechlearn.task import Task

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

    from mechlearn.equilibrium import Equilibrium

#: The examples, where there are more of them than the task file should list.
EXAMPLES, IN_TASK_FILE = "examples.csv", 50


@dataclass(frozen=True, eq=False)
class States:
    """Nodes' states in the free and in the fully clamped network, (examples, n, components)."""

    free: NDArray[np.float64]
    clamped: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Score:
    """How well a network does at a task.

    Attributes
    ----------
    error : float
        What a tolerance is on: the largest relative target error, or the mean cross-entropy.
    cost : float
        The task's cost, mean over examples.
    accuracy : float, optional
        The part of the examples that is classified right, where there are classes.
    outputs : (examples, targets) array
        What the targets read, in the user's units.
    """

    error: float
    cost: float
    accuracy: float | None
    outputs: NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """A finished training.

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
        object.__setattr__(self, "energy", _element(self.setup, self.energy, self.network))

    @cached_property
    def problem(self) -> Problem:
        """The task in numbers: ports, examples, wanted outputs."""
        return pose(self.setup.task, self.network, self.energy.kinematics)

    def __repr__(self) -> str:
        verdict = "learned" if self.converged else "not learned"
        title = f" {self.setup.title!r}" if self.setup.title else ""
        return (
            f"<Run{title}: {verdict} in {self.summary['steps']} steps, "
            f"{self.summary['error_is'].replace('_', ' ')} {self.summary['error']:.2e}; "
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
        solver = self._solver()
        solver.update(**self.learned)
        fields, dim = solver.free().fields(), self.network.dim
        if not self.problem.cell:
            return np.zeros((fields.shape[1], dim, dim))
        return np.moveaxis(strain_tensors(solver.model.cell_strain(fields), dim), -1, 0)

    @property
    def converged(self) -> bool:
        """Whether every target was reached to the tolerance asked for."""
        return self.summary["converged"]

    @property
    def parameters(self) -> dict[str, NDArray[np.float64]]:
        """All parameters of the learned network's elements by name, in bond order."""
        m = self.network.n_edges
        values = {p.name: p.default(self.network) for p in self.energy.parameters}
        values |= {**self._material(), **self.learned}
        return {name: np.broadcast_to(v, m).astype(float) for name, v in values.items()}

    @property
    def targets(self) -> list[dict[str, Any]]:
        """Per target (and example): name, wanted, initial, reached, relative_error."""
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
        solver = self._solver()
        solver.update(**(self.learned if learned else self.initial))
        free = solver.free()
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
        solver = self._solver(problem)
        solver.update(**(self.learned if learned else self.initial))
        return solver.outputs(solver.free()) / problem.units

    def test(self, task: Task, learned: bool = True) -> "Score":
        """How well the network does at a task, be it another one than it was trained for.

        ``learned=False`` asks the network before training.

        Raises
        ------
        InputError
            Where the task makes no sense on the network.
        """
        problem = pose(task, self.network, self.energy.kinematics)
        self._check(problem)
        solver = self._solver(problem)
        solver.update(**(self.learned if learned else self.initial))
        outputs = solver.outputs(solver.free())
        return Score(
            problem.error(outputs),
            float(problem.costs(outputs).mean()),
            problem.accuracy(outputs),
            outputs / problem.units,
        )

    def cut(self, bonds: Sequence[int]) -> "Run":
        """The learned network with some bonds cut, for good; nothing is learned.

        The targets' ``initial`` is what they read before the cut. A training that starts from it
        goes on with the bonds that are left.

        Raises
        ------
        InputError
            For bonds that do not exist, or are cut already, and where what is left is floppy or in
            pieces, or is no network of bonds.
        """
        from mechlearn.summary import target_table

        if not isinstance(self.energy, BondEnergy):
            raise InputError(f"A {self.energy.name} cannot lose a strut.")
        flaws = self.setup.imperfections
        bonds = [int(b) for b in np.atleast_1d(bonds)]
        bad = [b for b in bonds if not 0 <= b < self.network.n_edges or b in flaws.broken]
        if bad:
            raise InputError(
                f"cut: bond {listed(bad)} is cut already, or does not exist; the network has bonds "
                f"0 to {self.network.n_edges - 1}."
            )
        broken = sorted({*flaws.broken, *bonds})
        setup = self.setup.model_copy(
            update={"imperfections": flaws.model_copy(update={"broken": broken})}
        )
        first = self.energy.parameters[0].name
        whole = np.ones(self.network.n_edges, dtype=bool)
        whole[broken] = False
        initial, learned = (
            {name: np.where(whole | (name != first), v, 0.0) for name, v in values.items()}
            for values in (self.initial, self.learned)
        )
        out = replace(self, setup=setup, initial=initial, learned=learned, folder=None)
        out._check(out.problem)
        solver = out._solver()
        solver.update(**learned)
        free, units = solver.free(), out.problem.units
        outputs, before = solver.outputs(free), self.test(self.setup.task).outputs
        error = out.problem.error(outputs)
        accuracy = out.problem.accuracy(outputs)
        summary = {
            **self.summary,
            "targets": target_table(out.problem, outputs / units, before),
            "error": error,
            "converged": bool(error <= self.setup.train.tolerance),
            **({} if accuracy is None else {"accuracy": accuracy}),
            "warnings": [
                *self.summary["warnings"],
                f"Cut after training: bond {listed(bonds)}; the history is that of before.",
            ],
        }
        return replace(out, response=free.states(), summary=summary)

    def _check(self, problem: Problem) -> None:
        """Raise InputError where the network is floppy or in pieces in a problem."""
        flaws = Flaws(self.setup.imperfections, self.network, self.setup.train.seed)
        try:
            check_rigidity(self.energy, flaws.left(self.network), problem.driven)
        except InputError as error:
            if not flaws.cuts:
                raise
            raise InputError(f"Without the bonds that are cut: {error}") from None

    def evaluate(self) -> list[dict[str, Any]]:
        """Solve the learned network anew, from rest, and say what the targets read."""
        from mechlearn.summary import target_table

        solver = self._solver()
        reads = []
        for parameters in (self.learned, self.initial):
            solver.forget()
            solver.update(**parameters)
            reads.append(solver.outputs(solver.free()) / self.problem.units)
        return target_table(self.problem, *reads)

    def _solver(self, problem: Problem | None = None) -> "Equilibrium":
        from mechlearn.equilibrium import equilibrium
        from mechlearn.fenics import MPI

        problem = problem or self.problem
        values = {**self._material(), **self.learned}
        model = self.energy.model(self.network, problem, values, MPI.COMM_WORLD)
        return equilibrium(model, problem)

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
        folder = new_folder(folder, overwrite)
        resolved = self.setup.model_copy(
            update={"network": self.setup.network.model_validate({"file": "network.vtu"})}
        )
        many = len(self.setup.examples) > IN_TASK_FILE
        with locked(folder), replacing(folder, last="summary.json") as stage:
            write_network(stage / "network.vtu", self.network)
            if many:
                write_examples(stage / EXAMPLES, self.setup.examples)
            task = to_toml(resolved, EXAMPLES if many else None)
            (stage / "task.toml").write_bytes(task.encode())
            (stage / "history.nc").write_bytes(_netcdf(self.history))
            fields = self.energy.kinematics.fields(self.network.dim)
            write_network(
                stage / "learned.vtu",
                self.network,
                cell_data=self.learned,
                point_data=state_fields(fields, self.response),
            )
            text = json.dumps(self.summary, indent=2, allow_nan=False)
            (stage / "summary.json").write_bytes(f"{text}\n".encode())
        return folder

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
        folder = Path(folder)
        for name in FILES:
            if not (folder / name).is_file():
                more = (
                    "; mechlearn train --resume goes on with it" if has_checkpoint(folder) else ""
                )
                raise InputError(f"{folder} is no finished run: it has no {name}{more}.")
        setup = read_setup(folder / "task.toml", closed=True)
        with _about(folder / (setup.network.file or "task.toml")):
            network = build_network(setup.network, folder)
        with _about(folder / "task.toml"):
            energy = _element(setup, energy, network)
            build_material(setup.energy, energy, network)
            for name in setup.learn:
                energy.parameter(name)
        with _about(folder / "learned.vtu"):
            learned, response = _read_learned(folder / "learned.vtu", setup, network, energy)
        with _about(folder / "history.nc"):
            history = _read_history(folder / "history.nc", list(setup.learn), network.n_edges)
        return cls(
            setup=setup,
            network=network,
            initial={n: history[n].isel(snapshot=0).values for n in setup.learn},
            learned=learned,
            response=response,
            history=history,
            summary=_read_summary(folder / "summary.json"),
            folder=folder,
            energy=energy,
        )


def _netcdf(history: "xarray.Dataset") -> bytes:
    """A history as the bytes of its file, made in memory: HDF5 fails badly on a full disk."""
    # HDF5 ends a text at its first null character.
    labels = [str(label).replace("\0", "\\0") for label in history["target"].values]
    return bytes(history.assign_coords(target=labels).to_netcdf(engine="h5netcdf"))


@contextmanager
def _about(path: Path) -> Iterator[None]:
    """Errors inside name the file they are about, once."""
    try:
        yield
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path}: {error}") from None


def _element(setup: Setup, energy: Element | None, network: Network) -> Element:
    """The energy of a set-up, by its name, or the given one if it is of that name."""
    model = setup.energy.model
    if energy is None and model not in energies:
        raise InputError(
            f"energy: model = {model!r} is none of {', '.join(energies)}; give the one it was "
            "trained with, as in Run.load(folder, energy=MyEnergy())."
        )
    if energy is None:
        return build_element(setup.energy, network.dim)
    if not isinstance(energy, Element) or energy.name != model:
        raise InputError(f"energy = {energy!r} must be an Element whose name is {model!r}.")
    return energy


def _read_learned(
    path: Path, setup: Setup, network: Network, energy: Element
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """The learned parameters and the response in learned.vtu."""
    points, lines = read_fields(path, network)
    learned = {}
    for name in setup.learn:
        if name not in lines:
            raise InputError(f"the bonds have no {name}, which task.toml says has learned.")
        learned[name] = _per_bond(name, lines[name], network.n_edges)
    examples = max(1, len(setup.examples))
    return learned, states_of(energy.kinematics.fields(network.dim), points, examples)


def _per_bond(name: str, values: ArrayLike, bonds: int) -> NDArray[np.float64]:
    values = np.asarray(values)
    if values.shape != (bonds,) or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise InputError(f"its {name} should be {bonds} finite numbers, one per bond.")
    return values


def _read_history(path: Path, names: list[str], bonds: int) -> "xarray.Dataset":
    """The history of a run, with all that a run needs of it."""
    import h5py
    import xarray

    check_hdf(path)
    try:
        with h5py.File(path) as file:  # where this fails, h5netcdf would print a traceback
            dict(file.attrs)
        history = xarray.load_dataset(path, engine="h5netcdf")
    except Exception as error:  # HDF5, h5netcdf and xarray fail in many ways on a damaged file
        raise InputError(f"{path} is damaged: {failure(error)}.") from None
    dims: dict[str, tuple[str, ...]] = dict.fromkeys(("error", "cost", "contrast"), ("step",))
    dims |= {"output": ("step", "example", "target")} | dict.fromkeys(names, ("snapshot", "bond"))
    for name, wanted in dims.items():
        if name not in history.data_vars:
            raise InputError(f"{path} is damaged: it holds no {name}.")
        values = history[name]
        if values.dims != wanted or not values.size or values.dtype.kind not in "fiu":
            raise InputError(f"{path} is damaged: its {name} should be numbers by {wanted}.")
    for name in names:
        _per_bond(name, history[name].values[0], bonds)
    return history


class _Row(TypedDict):
    """What is read from a row of the targets in summary.json."""

    name: str
    wanted: float | list[float]
    initial: float | list[float]
    reached: float | list[float]
    relative_error: float
    example: NotRequired[int]


class _Summary(TypedDict):
    """What is read from summary.json."""

    targets: list[_Row]
    converged: bool
    steps: int
    error: float
    error_is: str
    warnings: list[str]
    accuracy: NotRequired[float]
    started: NotRequired[str]
    setup_s: NotRequired[float]
    wall_s: NotRequired[float]
    ranks: NotRequired[int]
    seeds: NotRequired[dict[str, int]]
    versions: NotRequired[dict[str, str]]
    network: NotRequired[dict[str, Any]]
    solver: NotRequired[dict[str, str | float]]


def _read_summary(path: Path) -> dict[str, Any]:
    try:
        summary = json.loads(path.read_bytes())
        TypeAdapter(_Summary).validate_python(summary, strict=True)
    except ValidationError as error:
        problem = error.errors()[0]
        key = key_path(problem["loc"]) or "it"
        text = problem["msg"][0].lower() + problem["msg"][1:]
        raise InputError(f"{path} is damaged: {key}: {text}.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {failure(error)}.") from None
    return summary
