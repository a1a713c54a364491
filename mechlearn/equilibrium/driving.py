"""Source response: force, displacement, stiffness and work at the sources."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from mechlearn.equilibrium.balance import NotConverged
from mechlearn.equilibrium.base import Equilibrium
from mechlearn.equilibrium.conditions import Conditions
from mechlearn.equilibrium.states import EquilibriumState
from mechlearn.errors import SolveError
from mechlearn.tasks.problem import Problem

#: Words of the sources that drive the whole cell, whose values are tensors.
TENSORS = ("deformation_gradient", "piola_stress")
#: More numbers of sources than this, over all examples, are not summarised.
MOST = 2000
#: Unknowns, over all examples, up to which work is summed along the load.
LARGEST = 20_000
#: How many parts the load is taken in, at most, and what work may residual_norm of what is stored.
FEWEST, FINEST, MISSED = 4, 32, 1e-7


@dataclass(frozen=True, eq=False)
class Driven:
    """Values and forces of the sources, number by number, (examples, s), in the user's units.

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
    """Names of the displacement and the force of a source, such as strain and force."""
    port = next(p for p in problem.drives if p.terminal == name)
    return port.words(problem.kinematics)


def driven(at: Equilibrium, free: EquilibriumState) -> Driven:
    """Sources in the free state, which is that of the equilibrium's present parameters."""
    p = at.problem
    scales = np.array([port.factors(p.network) for port in p.drives]).reshape(-1, 2)
    zero, stretch = (0.0, np.ones(len(p.ports))) if at.unloaded is None else at.unloaded.ports
    across = (free.readings - zero)[:, p.sources] / stretch[p.sources] / scales[:, 0]
    across = across + [port.offset for port in p.drives]
    through = free.forces[:, p.sources] / scales[:, 1]
    stiffness = np.full(across.shape, np.nan)
    for k, port in enumerate(p.sources):
        values = np.zeros(p.values.shape)
        values[:, port] = 1.0
        try:
            rate = at._rate(free, Conditions(at._constraints, values))
        except (SolveError, NotConverged):
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            stiffness[:, k] = rate.forces[:, port] / rate.readings[:, port]
    return Driven(across, through, stiffness * np.abs(scales[:, 0] / scales[:, 1]))


def work_of(at: Equilibrium, free: EquilibriumState, largest: int = LARGEST) -> NDArray[np.float64]:
    """Work of every component of the sources from rest to the free state, (examples, s).

    Of linear elements forces grow in proportion, and a source that acts alone does what is stored;
    else it is summed along the load, and no number beyond ``largest`` unknowns.
    """
    p = at.problem
    if at.model.energy.linear:
        rest = at._settle(Conditions(at._constraints, _at_rest(at)), "rest")
        force = (rest.forces + free.forces)[:, p.sources] / 2
        return force * (free.readings - rest.readings)[:, p.sources]
    names = np.array([port.terminal for port in p.drives])
    alone = all(len(set(names[acts])) <= 1 for acts in p.acts)
    if alone and at.model.load_at_rest() is None:
        out = np.zeros((p.n_examples, len(p.sources)))
        stored = free.energies - at.model.total_energy()
        out[np.arange(p.n_examples), p.acts.argmax(axis=1)] = stored
        return out
    if at.model.matrix.size[0] * p.n_examples > largest:
        return np.full((p.n_examples, len(p.sources)), np.nan)
    values, kept = p.values, at.keep()
    try:
        return _summed(at, free)
    finally:
        at.go_back(kept)
        at.drive(values)


def _summed(at: Equilibrium, free: EquilibriumState) -> NDArray[np.float64]:
    """Work by quadrature along the load path up to ``free``, with adaptive refinement.

    Forces and readings are interpolated at Chebyshev's points, where they converge as fast as any.
    """
    p, values = at.problem, at.problem.values
    states: dict[float, EquilibriumState] = {1.0: free}
    parts, work = FEWEST, np.zeros(p.given.shape)
    while parts <= FINEST:
        points = (1 - np.cos(np.pi * np.arange(parts + 1) / parts)) / 2
        for factor in points:  # the ends are exact, and every other point of the last ones
            if not any(abs(known - factor) < 1e-12 for known in states):
                at.drive(factor * values)
                states[float(factor)] = at.free()
        order = [states[k] for k in sorted(states)]
        forces, readings, stored = (
            np.array([getattr(s, name) for s in order])
            for name in ("forces", "readings", "energies")
        )
        work = _integrated(forces, readings)[:, p.sources]
        gained = stored[-1] - stored[0]
        missing = np.abs(work.sum(axis=1) - gained)
        if (missing <= MISSED * np.abs(work).sum(axis=1)).all():
            break
        parts *= 2
    return work


def _integrated(forces: NDArray, readings: NDArray) -> NDArray[np.float64]:
    """The integral of forces by readings, (samples, ...) both at Chebyshev's points of the load."""
    n = len(forces) - 1
    angles = np.cos(np.pi * np.arange(n + 1) / n)[::-1]
    fit = np.polynomial.chebyshev.chebvander(angles, n)
    force, reading = (np.linalg.solve(fit, v.reshape(n + 1, -1)) for v in (forces, readings))
    rate = np.polynomial.chebyshev.chebder(reading)
    at, weights = np.polynomial.legendre.leggauss(n + 1)
    f, dx = (np.polynomial.chebyshev.chebval(at, c) for c in (force, rate))
    return ((f * dx) @ weights).reshape(forces.shape[1:])


def work_along(factors: NDArray, forces: NDArray, readings: NDArray) -> NDArray[np.float64]:
    """Work of forces along what ports read, (samples, ...), up to every sample."""
    rate = CubicSpline(factors, readings).derivative()(factors)
    return CubicSpline(factors, forces * rate).antiderivative()(factors)


def _at_rest(at: Equilibrium) -> NDArray[np.float64]:
    """Port values with all sources at zero."""
    nothing = np.zeros(at.problem.values.shape)
    return nothing if at.unloaded is None else at.unloaded.imposed(nothing)


def source_table(
    at: Equilibrium, free: EquilibriumState, largest: int = LARGEST
) -> list[dict[str, Any]]:
    """Rows of summary.json, one per source and example in which it acts; None where unknown.

    Empty where there are very many; ``largest`` as :func:`work_of` takes it. Of a source whose path
    targets are about, the stiffness at rest alone.
    """
    p = at.problem
    if not len(p.sources) or p.given.size > MOST:
        return []
    found = driven(at, free)
    try:
        work = work_of(at, free, largest)
    except SolveError:
        work = np.full(p.given.shape, np.nan)

    def columns(name: str) -> dict[str, NDArray]:
        across, through = words_of(p, name)
        return {across: found.across, through: found.through, "stiffness": found.stiffness}

    rows = []
    for row, example, mine in p.rows(p.drives, p.acts, columns):
        row["work"] = float(work[example, mine].sum())
        if p.drives[mine[0]].words(p.kinematics) == TENSORS:
            row |= dict(zip(TENSORS, free.cell[example].tolist(), strict=True))
        if p.on_path:
            row |= dict.fromkeys(row.keys() - {"name", "example", "stiffness"})
        rows.append({key: _known(value) for key, value in row.items()})
    return rows


def known_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The quantities of a row of :func:`source_table` that are known."""
    said = {k: v for k, v in row.items() if k not in ("name", "example", "units")}
    return {k: v for k, v in said.items() if None not in (v if isinstance(v, list) else [v])}


def _known(value: Any) -> Any:
    """The same, with None for numbers that are not known."""
    if isinstance(value, list):
        return [_known(v) for v in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
