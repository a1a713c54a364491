"""Load stepping from the last converged state."""

from dataclasses import replace

import numpy as np

from mechlearn.equilibrium.balance import UNLOADED, Balance, Imposed, NotConverged
from mechlearn.equilibrium.iteration import Iteration, Point
from mechlearn.errors import SolveError

#: The first load step from rest moves no held pair by more than this strain.
FIRST_STRAIN = 0.05
#: The smallest load step, as a fraction of the whole load.
SMALLEST_STEP = 1 / 1024


def find(
    newton: Iteration, start: Point, imposed: Imposed, example: int, rest: Point | None = None
) -> Point:
    """Equilibrium from the best guess, or along a load path from ``rest``.

    Raises
    ------
    SolveError
        Where none is found; says so of that ``example``.
    """
    newton.balance.select_example(example)
    cold = start is rest or newton.balance.largest(start.u) == 0
    try:
        return _reach(newton, start, imposed, example, cold)
    except SolveError:
        if cold:
            raise
        return _reach(newton, rest or at_rest(newton.balance), imposed, example, True)


def at_rest(balance: Balance) -> Point:
    """Point at zero displacement and load."""
    n = len(balance.problem.ports)
    return Point(np.zeros(balance.size), np.zeros(n), np.zeros(n), 0.0)


def _reach(newton: Iteration, start: Point, imposed: Imposed, example: int, cold: bool) -> Point:
    """Follow the load path from one equilibrium to other loads and values.

    A network that goes unstable by its last step shows it in the next that starts there, as in the
    course of learning; what is reached from rest, or while ``verify_stability`` is on, is looked at
    at once.
    """
    at, counts = newton.balance, newton.balance.counts
    held = imposed.held
    first = np.where(held, start.readings + imposed.compliance * start.forces, start.forces)
    path = imposed.values - first
    rigid = held & (imposed.compliance == 0)
    change = (np.abs(path * at.port_arm) / np.maximum(at.ports.distance, at.length))[rigid]
    step = min(1.0, FIRST_STRAIN / max(change.max(initial=0.0), 1e-300))
    done, point = 0.0, start
    counts.solves += 1
    shifts = counts.shifts
    unknown, newton.floppy = newton.floppy is None, bool(newton.floppy)
    while done < 1.0:
        step = min(step, 1.0 - done)
        last = done + step >= 1.0
        values = imposed.values if last else first + (done + step) * path
        try:
            found = newton.find(point, replace(imposed, values=values))
            if last and (cold or newton.verify_stability):
                found = newton.confirm(found, imposed)
            at.model.put_state(found.u)
            if at.model.inverted():
                raise NotConverged("cells turn inside out", "inverted")
            point = found
        except NotConverged as failure:
            if unknown and failure.fault == "singular":
                unknown, newton.floppy = False, True
                continue
            step /= 2
            counts.load_steps += 1
            if step < SMALLEST_STEP:
                where = "the unloaded state" if example == UNLOADED else f"example {example + 1}"
                raise SolveError(
                    f"No equilibrium was found in {where} beyond "
                    f"{100 * done:.3g} % of the load ({failure}); the structure may collapse "
                    "there: ask for less strain, or allow less soft bonds.",
                    failure.fault,
                ) from None
            continue
        done += step
        step *= 2
    counts.unstable += counts.shifts > shifts
    return point
