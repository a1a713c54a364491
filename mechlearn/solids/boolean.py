"""Boolean union of round struts by OpenCASCADE, with volume checks and retries.

Where surfaces meet at small angles, or run through the poles and seams of others, its unions may
lack a strut without an error, fall into pieces, or crash the process. So they are made in a process
of their own, measured, and tried anew with bodies that are turned about themselves.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from mechlearn.errors import SolveError
from mechlearn.io.isolated import Crash, call_isolated
from mechlearn.solids.struts import Struts

#: How often a union is tried, with bodies turned another way each time.
TRIES = 5


def first_success[T](make: Callable[..., T], struts: Struts, *given: Any, tries: int = TRIES) -> T:
    """Result of the first successful attempt of a function, run in a process of its own.

    It is called with what is given and the number of the attempt, from 0 on.

    Raises
    ------
    SolveError
        Where no attempt succeeds; names the struts that meet at the smallest angle.
    """
    for attempt in range(tries):
        try:
            return call_isolated(make, *given, attempt)
        except Crash as error:
            failed = f"OpenCASCADE could not unite the struts: {error}"
        except SolveError as error:
            failed = str(error).rstrip(".")
    raise SolveError(f"{failed}. {sharpest_angle(struts)}")


def check_volume(found: float, wanted: float, within: float, unit: str = "") -> None:
    """Raise SolveError for a union whose volume is off."""
    if not abs(found / wanted - 1) < within:
        raise SolveError(
            f"OpenCASCADE lost some of the struts: their volume is {found:.4g}{unit}, not "
            f"{wanted:.4g}{unit}."
        )


def sharpest_angle(struts: Struts) -> str:
    """Sentence on the two struts at the smallest angle, the likely cause of a failure.

    Angles are measured against the width of the struts over their length, which decides how far
    from the node they part.
    """
    net = struts.network
    end = np.concatenate([net.edges[:, 0], net.edges[:, 1]])
    strut = np.tile(np.arange(net.n_edges), 2)
    away = np.concatenate([struts.axes, -struts.axes])
    best = (-1.0, 0, 0, 0)
    for node in range(net.n_nodes):
        here = np.flatnonzero(end == node)
        cosines = away[here] @ away[here].T
        np.fill_diagonal(cosines, -1.0)
        if not len(here):
            continue
        i, j = np.unravel_index(np.argmax(cosines), cosines.shape)
        best = max(best, (float(cosines[i, j]), node, int(strut[here[i]]), int(strut[here[j]])))
    cosine, node, a, b = best
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return (
        f"Bonds {min(a, b)} and {max(a, b)} meet at the smallest angle, {angle:.3g} degrees, at "
        f"node {node}: make struts thinner, or leave one of the two out."
    )
