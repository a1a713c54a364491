"""Tasks of a finite sample of a cell, pressed or pulled between two rigid plates."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.kinematics import Displacements, Kinematics
from mechlearn.errors import InputError
from mechlearn.network import Network
from mechlearn.networks.tiling import FACES
from mechlearn.tasks.task import Source, Support, Target, Task

#: Plates on which nodes slide and turn freely, or to which they are fixed in all components.
Plates = Literal["sliding", "clamped"]


def between_plates(
    network: Network,
    kinematics: Kinematics,
    axis: str = "y",
    strain: float = -0.01,
    plates: Plates = "sliding",
    force: float = 0.0,
) -> Task:
    """Task of a sample between plates at its two faces across an axis.

    The source ``press`` moves the high face as one, the target ``force`` reads what that takes. On
    sliding plates one node of the low face, near its middle, is held, and in space another one, so
    that the sample does not turn about the axis.

    Parameters
    ----------
    network : Network
        With the sets of its faces, as a tiling has them.
    kinematics : Kinematics
        Of its elements.
    axis : {"x", "y", "z"}
        Along which it is pressed.
    strain : float
        Way of the high face over the sample's extent; below zero it is pressed.
    plates : {"sliding", "clamped"}
    force : float
        Wanted of the target; positive where it pulls.

    Raises
    ------
    InputError
        For elements that do not move, an axis that there is not, and samples without two faces.
    """
    dim = network.dim
    if not isinstance(kinematics, Displacements):
        raise InputError("Plates press nodes that move; give the task of such a sample yourself.")
    if axis not in tuple("xyz"[:dim]):
        raise InputError(f"axis = {axis!r} must be one of {', '.join('xyz'[:dim])}.")
    if plates not in ("sliding", "clamped"):
        raise InputError(f'plates = {plates!r} must be "sliding" or "clamped".')
    a = "xyz".index(axis)
    low, high = FACES[dim][a]
    below, above = (set(network.node_sets.get(name, ())) for name in (low, high))
    if not below or not above or below & above:
        raise InputError(
            f"The sample has no two faces along {axis}: its sets {low!r} and {high!r} must be "
            "there, and have no node in common; take more copies."
        )
    others = [c for c in kinematics.components(dim) if c != axis]
    if plates == "clamped":
        supports = [Support(nodes=low), Support(nodes=high, components=others)]
    else:
        supports = [
            Support(nodes=low, components=[axis]),
            *_held(network, network.node_sets[low], a),
        ]
    push: dict[str, Any] = {"nodes": high, "components": [axis], "together": True}
    return Task(
        supports=supports,
        sources=[Source(name="press", strain=strain, **push)],
        targets=[Target(name="force", source="press", force=force)],
    )


def _held(network: Network, face: NDArray, axis: int) -> list[Support]:
    """Supports on a sliding face: its middle node, and in space one against turning."""
    lateral = [k for k in range(network.dim) if k != axis]
    at = network.nodes[face][:, lateral]
    middle = int(np.linalg.norm(at - at.mean(axis=0), axis=1).argmin())
    supports = [Support(nodes=[int(face[middle])], components=["xyz"[k] for k in lateral])]
    if network.dim == 3:
        apart = at - at[middle]
        far = int(np.linalg.norm(apart, axis=1).argmax())
        across = lateral[int(np.abs(apart[far]).argmin())]
        supports.append(Support(nodes=[int(face[far])], components=["xyz"[across]]))
    return supports
