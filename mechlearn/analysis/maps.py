"""Response maps: strains, tensions and energies of bonds under sources."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mechlearn.analysis.result import Plotted, Subject, bonds_of, ends_of, system_of
from mechlearn.network import Network


@dataclass(frozen=True, eq=False, repr=False)
class ResponseMap(Plotted):
    """Strains, tensions and energies of bonds in a state.

    Attributes
    ----------
    network : Network
    state : (n, c) array
        Displacements (then rotations), or potentials, of the nodes.
    strain : (m,) array
        Change of every bond's length over its length; of conductors the drop.
    tension : (m,) array
        Force along every bond, positive where it draws its ends together; of conductors the
        current, along the bond's direction.
    energy : (m,) array
    outputs : (t,) array
        What the targets read, in the user's units.
    ends : dict of (k,) arrays
        Nodes of the sources and of the targets.
    """

    network: Network
    state: NDArray[np.float64]
    strain: NDArray[np.float64]
    tension: NDArray[np.float64]
    energy: NDArray[np.float64]
    outputs: NDArray[np.float64]
    ends: dict[str, NDArray[np.int64]]


def response(
    subject: Subject,
    source: str | None = None,
    *,
    example: int = 0,
    amplitude: float = 1.0,
    learned: bool = True,
) -> ResponseMap:
    """Response map of all sources of an example, or of one of them alone.

    Parameters
    ----------
    subject : a run, or a :class:`mechlearn.System`
    source : str, optional
        The name of the one source that pulls; the others are held at zero, or carry nothing.
    example : int
        Whose values sources have, counted from 0.
    amplitude : float
        Factor on those values.
    learned : bool
        Of a run: the learned network, or the one before training.

    Raises
    ------
    InputError
        For a source or an example that there is not, and for solids.
    """
    s = system_of(subject, learned)
    bonds_of(s, "The response of bonds")
    one = s.copy(example=example).load(amplitude, source)
    problem, free, model = one.problem, one.free, one.model
    model.put_state(free.fields()[:, 0])
    unit = s.network.lengths if len(problem.components) > 1 else 1.0
    return ResponseMap(
        network=s.network,
        state=free.states()[0],
        strain=model.to_bonds(model.local_strains()[0]) / unit,
        tension=model.to_bonds(model.local_tensions()),
        energy=model.to_bonds(model.local_energies()),
        outputs=one.equilibrium.outputs(free)[0] / problem.units,
        ends=ends_of(s),
    )
