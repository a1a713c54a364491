"""Results of analyses, and the systems that are analysed."""

from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.element import BondEnergy
from mechlearn.equilibrium import LinearEquilibrium
from mechlearn.errors import InputError
from mechlearn.fenics import MPI
from mechlearn.learning.system import System
from mechlearn.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Network with values of its parameters: trained, or not.
type Subject = Run | System


class Result:
    """Labelled data of one analysis; its repr gives short values, and the shapes of long ones."""

    def __repr__(self) -> str:
        said = ", ".join(
            f"{field.name} {_short(getattr(self, field.name))}"
            for field in fields(self)  # type: ignore[arg-type]
        )
        return f"<{type(self).__name__}: {said}>"


class Plotted(Result):
    """Result with a plot: the function ``plot_...`` of :mod:`mechlearn.plots.analysis` for it."""

    def plot(self, ax: "Axes | None" = None, **options: Any) -> "Axes":
        """Draw it, into new axes where none are given, with options of its function."""
        from mechlearn.plots import analysis

        draw: Callable[..., Axes] = getattr(analysis, f"plot_{type(self).__name__.lower()}")
        return draw(self, ax, **options)


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size > 6:
        return " x ".join(map(str, value.shape))
    if isinstance(value, np.ndarray):
        return np.array2string(value, precision=4, separator=", ").replace("\n", "")
    if isinstance(value, float):
        return f"{value:.4g}"
    text = repr(value)
    return text if len(text) <= 80 else f"({type(value).__name__})"


def system_of(subject: Subject, learned: bool = True) -> System:
    """The system to analyse, on one rank: of a run, the learned network or that before training.

    Raises
    ------
    InputError
        Where the subject is neither a run nor a system, or a system before its training.
    """
    if isinstance(subject, Run):
        return subject.system(learned=learned, alone=True)
    if not isinstance(subject, System):
        raise InputError(
            f"A Run or an ml.System(network, task, ...) is analysed, not a "
            f"{type(subject).__name__}."
        )
    if not learned:
        raise InputError("learned = False is about a run; a System was not trained.")
    return subject if subject.comm.size == 1 else subject.copy(comm=MPI.COMM_SELF)


def ends_of(system: System) -> dict[str, NDArray[np.int64]]:
    """Nodes of the sources and of the targets, those of the cell left out, to mark in plots."""
    problem = system.problem
    ports = {"source": problem.drives, "target": problem.answers}
    nodes = {name: np.unique([n for p in of for n in p.nodes]) for name, of in ports.items()}
    return {name: ids.astype(np.int64) for name, ids in nodes.items() if len(ids)}


def bonds_of(system: System, what: str, whole: bool = False) -> BondEnergy:
    """The energy of a system of bonds; raises InputError about ``what`` for others.

    For such as have segments, too, where only ``whole`` bonds will do.
    """
    energy = system.energy
    if not isinstance(energy, BondEnergy):
        raise InputError(f"{what} is found for networks of bonds, not of a {energy.name}.")
    if whole and energy.segments > 1:
        raise InputError(f"{what} is found for bonds of one element; this one has segments.")
    if energy.tuples:
        raise InputError(f"{what} is found for bonds alone, without {energy.tuples[0].plural}.")
    return energy


def linear_of(system: System, what: str) -> LinearEquilibrium:
    """The equilibrium of linear elements; raises InputError about ``what`` for others."""
    if isinstance(at := system.equilibrium, LinearEquilibrium):
        return at
    raise InputError(f"{what} is found for linear elements; a {system.energy.name} is not linear.")
