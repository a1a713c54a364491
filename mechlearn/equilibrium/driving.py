"""Sources as the network resists them: force, displacement, stiffness and work at their places."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from mechlearn.cell import multiplicity
from mechlearn.equilibrium.balance import NotConverged
from mechlearn.equilibrium.base import Equilibrium
from mechlearn.equilibrium.conditions import Conditions
from mechlearn.equilibrium.states import Settled
from mechlearn.errors import SolveError
from mechlearn.problem import Port, Problem

#: More numbers of sources than this, over all examples, are not summarised.
MOST = 2000
#: Unknowns, over all examples, up to which work is summed along the load, and at how many states.
LARGEST, SAMPLES = 20_000, 9


@dataclass(frozen=True, eq=False)
class Driven:
    """What sources impose and apply, number by number, (examples, s), in the user's units.

    Attributes
    ----------
    across, through : arrays
        Displacements (strains, voltages, ...) and their partners, forces (stresses, currents, ...).
    stiffness : array
        How much the force grows with the displacement, all other sources as they are.
    """

    across: NDArray[np.float64]
    through: NDArray[np.float64]
    stiffness: NDArray[np.float64]


def words_of(problem: Problem, name: str) -> tuple[str, str]:
    """What the displacement and the force of a source are called, such as strain and force."""
    port = next(p for p in problem.drives if p.terminal == name)
    if port.cell is not None:
        return "strain", "stress"
    kinematics = problem.kinematics
    across = kinematics.across if port.component is not None else kinematics.drop
    return across, kinematics.through


def driven(at: Equilibrium, free: Settled) -> Driven:
    """Sources in the free state, which is that of the equilibrium's present parameters."""
    p = at.problem
    units = np.array([_units(port, p) for port in p.drives]).reshape(-1, 2)
    zero, stretch = (0.0, np.ones(len(p.ports))) if at.unloaded is None else at.unloaded.ports
    across = (free.readings - zero)[:, p.sources] / stretch[p.sources] / units[:, 0]
    through = free.forces[:, p.sources] / units[:, 1]
    stiffness = np.full(across.shape, np.nan)
    for k, port in enumerate(p.sources):
        values = np.zeros(p.values.shape)
        values[:, port] = 1.0
        try:
            rate = at._rate(free, Conditions(at._grip, values))
        except (SolveError, NotConverged):
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            stiffness[:, k] = rate.forces[:, port] / rate.readings[:, port]
    return Driven(across, through, stiffness * np.abs(units[:, 0] / units[:, 1]))


def _units(port: Port, problem: Problem) -> tuple[float, float]:
    """The port's reading over the user's displacement, and its force over the user's force."""
    if port.cell is not None:
        return 1.0, abs(float(np.linalg.det(problem.network.cell))) * multiplicity(port.cell)
    sign = float(np.sign(port.unit))
    return sign * (port.length if np.isfinite(port.length) else 1.0), sign


def work_of(at: Equilibrium, free: Settled) -> NDArray[np.float64]:
    """Work that every number of the sources does from rest to the free state, (examples, s).

    Of linear elements forces grow in proportion, and a source that acts alone does what is stored;
    else it is summed along the load, and no number where the network is large.
    """
    p = at.problem
    if at.model.energy.linear:
        rest = at._settle(Conditions(at._grip, _at_rest(at)), "rest")
        force = (rest.forces + free.forces)[:, p.sources] / 2
        return force * (free.readings - rest.readings)[:, p.sources]
    names = np.array([port.terminal for port in p.drives])
    alone = all(len(set(names[acts])) <= 1 for acts in p.acts)
    if alone and at.model.load_at_rest() is None:
        out = np.zeros((p.n_examples, len(p.sources)))
        stored = free.energies - at.model.total_energy()
        out[np.arange(p.n_examples), p.acts.argmax(axis=1)] = stored
        return out
    if at.model.matrix.size[0] * p.n_examples > LARGEST:
        return np.full((p.n_examples, len(p.sources)), np.nan)
    values, factors, states = p.values, np.linspace(0.0, 1.0, SAMPLES), []
    try:
        for factor in factors:
            at.drive(factor * values)
            states.append(at.free())
    finally:
        at.drive(values)
    forces, readings = (
        np.array([getattr(s, name)[:, p.sources] for s in states])
        for name in ("forces", "readings")
    )
    return work_along(factors, forces, readings)[-1]


def work_along(factors: NDArray, forces: NDArray, readings: NDArray) -> NDArray[np.float64]:
    """Work of forces along what ports read, (samples, ...), up to every sample."""
    rate = CubicSpline(factors, readings).derivative()(factors)
    return CubicSpline(factors, forces * rate).antiderivative()(factors)


def _at_rest(at: Equilibrium) -> NDArray[np.float64]:
    """What is imposed at the ports with nothing pulled."""
    nothing = np.zeros(at.problem.values.shape)
    return nothing if at.unloaded is None else at.unloaded.imposed(nothing)


def source_table(at: Equilibrium, free: Settled) -> list[dict[str, Any]]:
    """Rows of summary.json, one per source and example in which it acts; None where not known.

    Empty where there are very many.
    """
    p = at.problem
    if not len(p.sources) or p.given.size > MOST:
        return []
    found = driven(at, free)
    try:
        work = work_of(at, free)
    except SolveError:
        work = np.full(p.given.shape, np.nan)
    rows = []
    for e in range(p.n_examples):
        for source in p.task.sources:
            name = str(source.name)
            mine = [k for k, d in enumerate(p.drives) if d.terminal == name and p.acts[e, k]]
            if not mine:
                continue
            row: dict[str, Any] = {"name": name} | ({"example": e + 1} if p.n_examples > 1 else {})
            across, through = words_of(p, name)
            columns = {across: found.across, through: found.through, "stiffness": found.stiffness}
            for key, values in columns.items():
                numbers = [_number(values[e, k]) for k in mine]
                row[key] = numbers[0] if len(numbers) == 1 else numbers
            row["work"] = _number(work[e, mine].sum())
            rows.append(row)
    return rows


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
