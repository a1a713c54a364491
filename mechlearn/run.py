"""A run: what was asked, what was learned, and how; in memory and as a folder."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies import BondEnergy
from mechlearn.errors import InputError
from mechlearn.kinematics import Displacements
from mechlearn.meshfile import read_fields, state_fields, states_of, write_network
from mechlearn.network import Network
from mechlearn.phase import Phase
from mechlearn.problem import Problem, pose
from mechlearn.setup import Setup, build_energy, build_network, read_setup, to_toml

if TYPE_CHECKING:
    import xarray

    from mechlearn.equilibrium import Equilibrium


@dataclass(frozen=True, eq=False)
class States:
    """Nodes' states in the free and in the fully clamped network, (examples, n, components)."""

    free: NDArray[np.float64]
    clamped: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
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
        The free state of the learned network, found anew from rest: displacements, or potentials.
    history : xarray.Dataset
        Error, cost, contrast and outputs per step; parameters at some of the steps.
    summary : dict
        Targets wanted, initial and reached; whether it converged; versions, seeds, timings.
    """

    setup: Setup
    network: Network
    initial: Mapping[str, NDArray[np.float64]]
    learned: Mapping[str, NDArray[np.float64]]
    response: NDArray[np.float64]
    history: "xarray.Dataset"
    summary: Mapping[str, Any]
    folder: Path | None = field(default=None)

    @cached_property
    def problem(self) -> Problem:
        """The task in numbers: ports, examples, wanted outputs."""
        return pose(self.setup.task, self.network, self.energy.kinematics)

    @cached_property
    def energy(self) -> BondEnergy:
        """The element's energy."""
        return build_energy(self.setup.energy, self.network)[0]

    @property
    def displacements(self) -> NDArray[np.float64]:
        """How far nodes move in the response, (examples, n, d); not at all with potentials."""
        if isinstance(self.energy.kinematics, Displacements):
            return self.response
        return np.zeros((len(self.response), *self.network.nodes.shape))

    @property
    def converged(self) -> bool:
        """Whether every target was reached to the tolerance asked for."""
        return self.summary["converged"]

    @property
    def targets(self) -> list[dict[str, Any]]:
        """Per target (and example): name, wanted, initial, reached, relative_error."""
        return self.summary["targets"]

    def states(self, learned: bool = True) -> States:
        """Solve the free state and the one with all outputs held at their targets.

        ``learned=False`` gives those of the network before training.
        """
        solver = self._solver()
        solver.update(**(self.learned if learned else self.initial))
        free = solver.free()
        clamped = solver.solve(Phase("clamp", 1.0))
        return States(free.states(), clamped.parts[0][1].states())

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

    def _solver(self) -> "Equilibrium":
        from mechlearn.equilibrium import equilibrium
        from mechlearn.model import Model

        energy, material = build_energy(self.setup.energy, self.network)
        model = Model(self.network, energy, self.problem.fixed)
        model.set(**material)
        return equilibrium(model, self.problem)

    def plot(self, **options):
        """Error and contrast against the step; returns the matplotlib Axes."""
        from mechlearn.plots import plot_error

        return plot_error(self, **options)

    def show(self, **options):
        """Draw the network, deformed and in its reference configuration (pyvista)."""
        from mechlearn.render import show

        return show(self, **options)

    def export(self, path: str | Path) -> Path:
        """Write the learned network to a file; the suffix says in which format."""
        from mechlearn.export import export

        return export(self, path)

    # -- the folder ----------------------------------------------------------------------------

    def save(self, folder: str | Path, overwrite: bool = False) -> Path:
        """Write the run as a folder; see the README for its files."""
        folder = new_folder(folder, overwrite)
        write_network(folder / "network.vtu", self.network)
        resolved = self.setup.model_copy(
            update={"network": self.setup.network.model_validate({"file": "network.vtu"})}
        )
        (folder / "task.toml").write_text(to_toml(resolved))
        self.history.to_netcdf(folder / "history.nc", engine="h5netcdf")
        write_network(
            folder / "learned.vtu",
            self.network,
            cell_data=self.learned,
            point_data=state_fields(self.energy.kinematics.across, self.response),
        )
        text = json.dumps(self.summary, indent=2, allow_nan=False)
        (folder / "summary.json").write_text(text + "\n")
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> "Run":
        """Read a run folder; raises InputError where it is none, or is damaged."""
        import xarray

        folder = Path(folder)
        for name in ("task.toml", "network.vtu", "learned.vtu", "history.nc", "summary.json"):
            if not (folder / name).is_file():
                raise InputError(f"{folder} is no finished run: it has no {name}.")
        setup = read_setup(folder / "task.toml")
        network = build_network(setup.network, folder)
        try:
            summary = json.loads((folder / "summary.json").read_text())
            history = xarray.load_dataset(folder / "history.nc", engine="h5netcdf")
        except (ValueError, OSError) as error:
            raise InputError(f"{folder} is damaged: {error}.") from None
        points, cells = read_fields(folder / "learned.vtu")
        names = list(setup.learn)
        kinematics = build_energy(setup.energy, network)[0].kinematics
        width = len(kinematics.components(network.dim))
        return cls(
            setup=setup,
            network=network,
            initial={n: history[n].isel(snapshot=0).values for n in names},
            learned={n: np.asarray(cells[n]) for n in names},
            response=states_of(kinematics.across, points, width),
            history=history,
            summary=summary,
            folder=folder,
        )


def new_folder(folder: str | Path, overwrite: bool = False) -> Path:
    """Make the folder of a run; raises InputError where one is in the way."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; a run needs a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise InputError(f"{folder} exists and is not empty; choose another, or --overwrite.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}.") from None
    return folder
