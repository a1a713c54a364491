"""Boolean union of round struts by OpenCASCADE, with volume checks and retries.

Where surfaces meet at small angles, or run through the poles and seams of others, its unions may
lack a strut without an error, fall into pieces, or crash the process. So they are made in a process
of their own, measured, and tried anew with bodies that are turned about themselves.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import SolveError
from mechlearn.io.isolated import Crash, call_isolated, cpu_limit
from mechlearn.solids.struts import Struts

#: Dimensions and tags of bodies in gmsh.
Bodies = list[tuple[int, int]]
#: How often a union is tried, with bodies turned another way each time.
TRIES = 5
#: Seconds of the processor that a union may take: at least, and for every face of its bodies. A
#: good one takes a quarter of that; a bad one may take hours.
PATIENCE = (5.0, 0.1)
#: How far out in a ball, over its radius, the rims of the rods that end in it may lie.
INSIDE = 0.985


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


def shortened_rod(
    place: NDArray, radius: NDArray, first: float, last: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rod that ends inside its balls instead of at their centres, for robust intersections.

    Rods of a joint then cross each other less, too; the union is the same.

    Parameters
    ----------
    place, radius : arrays
        Places along the rod, from the centre of one ball to that of the other, and radii there.
    first, last : float
        Radii of the balls.
    """
    ends = []
    for ball, away in ((first, place), (last, place[-1] - place[::-1])):
        thick = radius if away is place else radius[::-1]
        x = np.linspace(0, min(ball, 0.4 * place[-1]), 101)
        far = np.hypot(x, np.interp(x, away, thick))
        ends.append(x[np.flatnonzero(far <= max(INSIDE * ball, far.min()))[-1]])
    low, high = ends[0], place[-1] - ends[1]
    kept = np.unique([low, *place[(place > low) & (place < high)], high])
    return kept, np.interp(kept, place, radius)


def rotate_bodies(
    occ: Any, bodies: Bodies, centre: NDArray, axis: NDArray | None, attempt: int
) -> None:
    """Rotate bodies of revolution in gmsh about their axes: by random angles after attempt one.

    As OpenCASCADE makes them, poles and seams of many lie in one plane: good for meshes, bad for
    unions. ``axis`` is that through ``centre`` about which the bodies are round; None where any is.
    """
    if attempt:
        rng = np.random.default_rng([attempt, *(tag for _, tag in bodies)])
        about = rng.normal(size=3) if axis is None else axis
        occ.rotate(bodies, *centre, *about, rng.uniform(0.5, 2.5))


def union(occ: Any, first: Bodies, others: Bodies) -> Bodies:
    """Boolean union of bodies; ends its process if it is slow, so to be called isolated."""
    if not others:
        return first
    least, each = PATIENCE
    with cpu_limit(least + each * len(occ.getEntities(2))):
        return occ.fuse(first, others)[0]
