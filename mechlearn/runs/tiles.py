"""Finite samples of learned cells: copies of a periodic network with what it learned."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.element import Element
from mechlearn.energies.rigidity import LARGE, rigidity
from mechlearn.errors import InputError
from mechlearn.learning.device import Imperfections
from mechlearn.learning.dofs import Learn
from mechlearn.learning.system import System
from mechlearn.network import Network
from mechlearn.networks.tiling import Grade, Tiling, checked_counts, tile, without_nodes
from mechlearn.runs.run import Run
from mechlearn.runs.training import train
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.plates import between_plates
from mechlearn.tasks.ports import volume
from mechlearn.tasks.task import Source, Target, Task

#: Strain of a sample between plates of which nothing is said.
SMALL = -0.01


def tiled(
    run: Run,
    counts: Sequence[int],
    *,
    ends: str = "trim",
    to: Run | None = None,
    grade: Grade | Mapping[str, Callable[[NDArray], Any]] | None = None,
    task: Task | None = None,
) -> Run:
    """Run of a finite sample of a cell, by a training without steps.

    Parameters
    ----------
    run : Run
        Of a periodic network.
    counts : sequence of int
        Copies along every axis of the cell.
    ends : str
        As of :func:`mechlearn.networks.tiling.tile`. Where loose ends are trimmed, nodes go, too,
        that springs at the surface of the sample leave floppy.
    to : Run, optional
        Another cell with the same bonds, of the same elements, into which all goes over.
    grade : "x", "y", "z", callable or mapping, optional
        Along which axis that is, x if left out, or a function as of
        :func:`mechlearn.networks.tiling.tile`. Of one run alone, functions by the names of
        parameters, which give factors on them.
    task : Task, optional
        Another task than to be pressed between plates.

    Raises
    ------
    InputError, SolveError
        See :meth:`mechlearn.Run.tile`.
    """
    made, values, broken = sample(run, counts, ends, to, grade, task)
    axis = loading_of(run.setup.task)[0]
    if task is None:
        force = stress_of(run, axis, SMALL) * area(run.network, counts, axis)
        task = between_plates(made.network, run.energy.kinematics, axis, SMALL, force=force)
    learn = {name: _learn(run.setup.learn[name], values.pop(name)) for name in run.learned}
    return train(
        made.network, task, energy=run.energy, learn=learn, material=values,
        rule=run.setup.procedure, steps=0, tolerance=run.setup.train.tolerance,
        imperfections=Imperfections(broken=broken),
        title=f"{run.setup.title or 'A cell'}, {' x '.join(map(str, np.ravel(counts)))} times",
    )  # fmt: skip


class Sample(NamedTuple):
    """Finite sample of a run's cell, values of its parameters, and its bonds that are cut."""

    made: Tiling
    values: dict[str, NDArray[np.float64]]
    broken: list[int]

    def system(self, task: Task, energy: Element) -> System:
        """The sample under a task."""
        values: dict[str, Any] = self.values
        return System(self.made.network, task, energy, cut=self.broken, **values)


def sample(
    run: Run,
    counts: Sequence[int],
    ends: str = "trim",
    to: Run | None = None,
    grade: Grade | Mapping[str, Callable[[NDArray], Any]] | None = None,
    task: Task | None = None,
) -> Sample:
    """Finite sample of a run's cell under a task, between plates unless given; see :func:`tiled`.

    Raises
    ------
    InputError
        For a finite network, cells that differ, and where no network is left.
    """
    if to is not None and to.energy != run.energy:
        raise InputError("tile: graded tilings go from one cell to another of the same elements.")
    if isinstance(grade, Mapping) == (to is not None) and grade is not None:
        raise InputError(
            "tile: between two runs, grade is an axis or a function of places; of one run, a "
            "mapping of its parameters to functions of places."
        )
    between: Grade = "x" if grade is None or isinstance(grade, Mapping) else grade
    made = tile(run.network, counts, ends, None if to is None else to.network, between)
    if ends == "trim":
        made = _rigid(made, run.energy, task, loading_of(run.setup.task)[0])
    values = _values(made, run, to, between, grade if isinstance(grade, Mapping) else {})
    broken = np.isin(made.origins["edges"], run.setup.imperfections.broken)
    return Sample(made, values, np.flatnonzero(broken).tolist())


def _values(
    made: Tiling,
    run: Run,
    to: Run | None,
    between: Grade,
    factors: Mapping[str, Callable[[NDArray], Any]],
) -> dict[str, NDArray[np.float64]]:
    """Values of all parameters that are given or have learned, of the copies' elements."""
    given = run.given()
    for name in factors:
        run.energy.parameter(name)
    ends = given if to is None else to.given()
    values = {}
    for name in given | {name: None for name in (*ends, *factors)}:
        parameter = run.energy.parameter(name)
        table = parameter.table
        first, last = (
            made.values(table, np.broadcast_to(v, run.network.count(table)))
            for v in (parameter.values(run.network, of.get(name)) for of in (given, ends))
        )
        values[name] = first
        if to is not None:
            values[name] = first + made.weights(between, table) * (last - first)
        if name in factors:
            values[name] = first * made.weights(factors[name], table)
    return values


def _learn(table: Learn, values: NDArray) -> Learn:
    """Table of a parameter that has these values, and bounds that hold them."""
    change: dict[str, Any] = {"initial": values.tolist(), "relative": False, "spread": 0.0}
    change |= {"frozen": [], "bounds": None, "scale": None}
    if table.bounds is not None and not table.relative:
        low, high = table.bounds
        change["bounds"] = (min(low, values.min()), max(high, values.max()))
    return table.model_copy(update=change)


def _rigid(made: Tiling, energy: Element, task: Task | None, axis: str) -> Tiling:
    """Tiling without the nodes at its surface that nothing holds."""
    while not energy.rigid_joints and made.network.n_nodes <= LARGE:
        given = task or between_plates(made.network, energy.kinematics, axis, SMALL)
        held = pose(given, made.network, energy.kinematics).driven
        found = rigidity(made.network, held, energy.kinematics, energy.tuples)
        if not found.floppy:
            break
        made = without_nodes(made, found.floppy_nodes)
    return made


def loading_of(task: Task) -> tuple[str, float]:
    """Axis along which the sources of a task strain its cell, and the strain.

    y, and a small strain, where they do not.
    """
    found: list[tuple[str, float]] = []
    for source in task.sources:
        value: Any = source.value
        if source.quantity == "strain" and source.cell:
            found += zip(source.cell_names, np.atleast_1d(value).tolist(), strict=True)
        elif source.quantity == "deformation_gradient":
            found += [
                (2 * c, row[k] - 1)
                for k, (c, row) in enumerate(zip("xyz", value, strict=False))
                if not isinstance(row[k], str)
            ]
    normal = [(name[0], e) for name, e in found if name in ("xx", "yy", "zz") and e]
    return max(normal, key=lambda each: abs(each[1]), default=("y", SMALL))


def pressed(axis: str, strain: float) -> Task:
    """Task of a cell that is strained along one axis, and free across it, to read its stress."""
    return Task(
        sources=[Source(name="press", cell=2 * axis, strain=strain)],
        targets=[Target(name="stress", source="press", stress=0.0)],
    )


def stress_of(run: Run, axis: str, strain: float) -> float:
    """Stress of a run's cell that is strained along one axis, and free across it."""
    return float(run.system(pressed(axis, strain)).outputs[0, 0])


def area(network: Network, counts: Sequence[int], axis: str) -> float:
    """Area, or width in the plane, of a sample of a cell across an axis.

    Raises
    ------
    InputError
        For counts that are none, an axis that there is not, and faces that are inclined to it.
    """
    copies = checked_counts(network, counts)
    if axis not in tuple("xyz"[: network.dim]):
        raise InputError(f"axis = {axis!r} must be one of {', '.join('xyz'[: network.dim])}.")
    a, cell = "xyz".index(axis), network.lattice_vectors
    others = np.delete(cell, a, axis=0)
    if not np.allclose(others[:, a], 0, atol=1e-9 * np.abs(cell).max()):
        raise InputError(
            f"Plates press across {axis}, and the faces of this cell are inclined to that: its "
            f"lattice vectors but one would have no component along {axis}."
        )
    return volume(network) / abs(float(cell[a, a])) * float(np.prod(np.delete(copies, a)))
