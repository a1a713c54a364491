"""Initial values of a training, from its set-up or from another run."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.element import Element
from mechlearn.errors import InputError, listed
from mechlearn.learning.dofs import Learn
from mechlearn.network import Network
from mechlearn.runs.config import Setup
from mechlearn.runs.run import Run

#: On a scale that never reaches a bound no value begins nearer to it, as a part of the range.
NEAR = 1e-6


def with_start(setup: Setup, folder: Path = Path()) -> Setup:
    """Set-up with the learned values of the run it names as its start, if any.

    Raises
    ------
    InputError
        Where there is no such run, or it is of another network.
    """
    if setup.start is None:
        return setup
    network = setup.build_network(folder)
    run = Run.load(folder / setup.start)
    return begin_with(setup, run, network, setup.element(network))


def begin_with(setup: Setup, run: Run, network: Network, energy: Element) -> Setup:
    """Set-up with the learned values of a run as initial values.

    What learned there and does not learn here stays as it is; what was cut stays cut. Values that
    have come to a bound on a scale that never reaches it begin just inside.

    Raises
    ------
    InputError
        Where the run's network has other bonds, or its elements have none of the parameters.
    """
    same = network.edges.shape == run.network.edges.shape
    if not (same and np.array_equal(network.edges, run.network.edges)):
        raise InputError(
            f"start: the run is of another network ({run.network!r}), with other bonds than this "
            f"one ({network!r})."
        )
    known = [p.name for p in energy.parameters]
    shared = [name for name in run.learned if name in known]
    if not shared:
        raise InputError(
            f"start: the run learned {listed(run.learned)}, which a {energy.name} does not have."
        )
    gone = [np.flatnonzero(run.learned[name] == 0) for name in shared if name in energy.removal]
    cut = {*setup.imperfections.broken, *run.setup.imperfections.broken}
    broken = sorted(cut.union(*(bonds.tolist() for bonds in gone)))
    whole = np.ones(network.n_edges, dtype=bool)
    whole[[b for b in broken if b < len(whole)]] = False
    learn, material = dict(setup.learn), dict(setup.energy.model_extra or {})
    for name in shared:
        parameter, values = energy.parameter(name), run.learned[name]
        if parameter.table == "edges":
            # Nothing can be said of a bond that is cut; what it is set to does not matter.
            values = np.where(whole, values, parameter.values(network))
        if name in learn:
            there = whole if parameter.table == "edges" else np.ones(len(values), dtype=bool)
            learn[name] = _from(learn[name], values, there, network)
        elif name not in material:
            material[name] = values.tolist()
    return setup.model_copy(
        update={
            "start": None,
            "learn": learn,
            "energy": type(setup.energy)(model=setup.energy.model, **material),
            "imperfections": setup.imperfections.model_copy(update={"broken": broken}),
        }
    )


def _from(learn: Learn, values: NDArray, whole: NDArray, network: Network) -> Learn:
    """Table of a parameter with given initial values."""
    values = values / network.lengths if learn.relative else values
    if learn.bounds is not None:
        low, high = learn.bounds
        step = NEAR * (high - low)
        if learn.scale in ("sigmoid", "softplus"):
            values = np.where(np.abs(values - low) < step, low + step, values)
        if learn.scale == "sigmoid":
            values = np.where(np.abs(values - high) < step, high - step, values)
        middle = np.sqrt(low * high) if low > 0 else (low + high) / 2
        values = np.where(whole, values, middle)
    return learn.model_copy(update={"initial": values.tolist(), "spread": 0.0})
