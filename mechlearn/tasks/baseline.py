"""The baseline of a task: what displacements and strains are measured from.

Where something prestresses, such as a rest length that learns, a network moves before anybody
pulls, and a wanted strain may be there already. Outputs are then read from the *unloaded* state on,
in which every source has let go, unless a target says otherwise.
"""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.energies import Element
from mechlearn.energies.kinematics import Displacements
from mechlearn.errors import InputError, listed
from mechlearn.network import Network
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.ports import name_of
from mechlearn.tasks.problem import Problem
from mechlearn.tasks.task import Task

#: A pair that has lost more than half of its distance before anything pulls is worth a word.
SHRUNK = 0.5


def pose_from_baseline(
    task: Task,
    network: Network,
    energy: Element,
    values: Mapping[str, ArrayLike],
    learns: Iterable[str] = (),
) -> Problem:
    """The task as a problem on a network of some elements, each target with its baseline.

    Parameters
    ----------
    task, network, energy : what is asked, of what
    values : mapping of parameter names to numbers or (m,) arrays
        Where they are not the default.
    learns : names of the parameters that learn, or may be asked about

    Raises
    ------
    InputError
        As :func:`mechlearn.tasks.formulate.pose`.
    """
    prestressed = is_prestressed(network, energy, values, learns)
    usual = "unloaded" if isinstance(energy.kinematics, Displacements) else "reference"
    # Where nothing prestresses, both are the same state.
    targets = [
        t.model_copy(update={"baseline": (t.baseline or usual) if prestressed else None})
        for t in task.targets
    ]
    return pose(task.model_copy(update={"targets": targets}), network, energy.kinematics)


def is_prestressed(
    network: Network,
    energy: Element,
    values: Mapping[str, ArrayLike],
    learns: Iterable[str] = (),
) -> bool:
    """Existence of prestress, now or when what learns changes."""
    at = _everything(network, energy, values)
    return any(energy.prestresses(at, name) for name in (None, *learns))


def require_response(
    problem: Problem,
    energy: Element,
    values: Mapping[str, ArrayLike],
    learns: Iterable[str],
) -> None:
    """Raise InputError where what learns cannot change what is measured from the unloaded state.

    Or where that is asked for something with nothing pulled.
    """
    unloaded = [t for t in problem.task.targets if t.baseline == "unloaded"]
    if not unloaded:
        return
    hold = 'give the targets baseline = "reference" if the network is to hold a shape unpulled'
    if not problem.task.sources:
        raise InputError(
            f"{name_of(unloaded[0])} is measured from the network as it is with nothing pulled, "
            f"and no source pulls: {hold}, or add a [[sources]] table."
        )
    pulled = (problem.given != 0).any(axis=1)
    relative = problem.relative[problem.targets]
    hopeless = (problem.wanted != 0) & problem.active & relative & (problem.limit == 0)
    for example, k in np.argwhere(hopeless & ~pulled[:, None]):
        raise InputError(
            f"example {example + 1} pulls nothing, and target "
            f"{problem.answers[k].terminal!r}, which is measured from the network "
            f"as it is with nothing pulled, reads 0 there whatever is learned: {hold}."
        )
    if not energy.linear or len(unloaded) < len(problem.task.targets):
        return
    at = _everything(problem.network, energy, values)
    idle = [n for n in learns if energy.prestresses(at, n) and not energy.stiffens(at, n)]
    if idle:
        first = energy.parameters[0].name
        raise InputError(
            f"learn: the response of linear elements to a pull does not depend on "
            f"{listed(idle)}: learn {first} instead, take an energy at finite displacement, or "
            f"{hold}."
        )


def shrunk(problem: Problem, unpulled: NDArray) -> list[str]:
    """A sentence on pairs whose strain hardly is a motion: they have come together unpulled.

    ``unpulled`` is what the targets read from the reference, (examples, t), in the user's units.
    """
    found = {}
    for k, port in enumerate(problem.targets):
        left = 1 + float(unpulled[0, k])
        answer = problem.answers[k]
        if problem.relative[port] and np.isfinite(answer.length) and left < SHRUNK:
            found[answer.terminal] = f"{left:.0%}"
    return [
        f"Target {name!r} has come down to {left} of its distance before anything pulls; its "
        "strain is measured from there, and hardly is a motion any more."
        for name, left in found.items()
    ]


def _everything(
    network: Network, energy: Element, values: Mapping[str, ArrayLike]
) -> dict[str, NDArray[np.float64]]:
    """All parameters and the length by name, (m,) each."""
    known = {p.name: p.default(network) for p in energy.parameters} | dict(values)
    at = {n: np.broadcast_to(v, network.n_edges).astype(float) for n, v in known.items()}
    return at | {"length": network.lengths}
