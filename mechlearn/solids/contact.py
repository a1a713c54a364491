"""Self-contact detection: struts that overlap in a deformed state.

Nothing keeps struts apart; where they overlap, the state is no answer any more, and that is said.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mechlearn.errors import listed
from mechlearn.solids.outline import crossings, optional

if TYPE_CHECKING:
    from mechlearn.solids.strut_model import StrutModel


def overlaps(points: NDArray, facets: NDArray, strut: NDArray) -> NDArray[np.int64]:
    """Pairs of struts whose outlines intersect in the plane, (k, 2), each pair once, in order.

    Parameters
    ----------
    points : (p, 2) array
        Points of the deformed mesh.
    facets : (f, 2) integer array
        Edges of its outline.
    strut : (f,) integer array
        The strut of every edge.
    """
    lines = optional("shapely").linestrings(points[facets])
    return np.unique(np.sort(strut[crossings(lines, facets)], axis=1), axis=0)


def contact_warnings(model: "StrutModel", states: NDArray) -> list[str]:
    """Warnings for states (owned dofs, k) in which struts overlap.

    In 3D the axes of struts that share no joint are compared, straight between displaced joints.
    """
    out = []
    for number, state in enumerate(states.T, 1):
        if model.places == 2:
            points = model.deformed(state)
            pairs = overlaps(points, model.domain.drawn.facets, model.domain.drawn.facet_element)
        else:
            nodes = model.network.nodes + model.to_nodes(state)[:, :3]
            pairs = rod_overlaps(nodes, model.network.edges, model.get("width"))
        if len(pairs):
            some = listed([f"{a}-{b}" for a, b in pairs], limit=5)
            out.append(
                f"Struts overlap in the deformed state of example {number} (struts {some}): "
                "contact is not modelled, so the answer does not hold there."
            )
    return out


def rod_overlaps(nodes: NDArray, edges: NDArray, width: NDArray) -> NDArray[np.int64]:
    """Pairs of round rods between nodes (n, 3) that overlap and share no node, (k, 2), in order."""
    ends = nodes[edges]
    reach = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).max() + width.max()
    near = cKDTree(ends.mean(axis=1)).query_pairs(reach, output_type="ndarray")
    a, b = near[np.lexsort((near[:, 1], near[:, 0]))].T
    share = (edges[a][:, :, None] == edges[b][:, None, :]).any(axis=(1, 2))
    a, b = a[~share], b[~share]
    p, q = nodes[edges[a, 0]], nodes[edges[b, 0]]
    u, v = nodes[edges[a, 1]] - p, nodes[edges[b, 1]] - q
    uu, vv, uv = (np.einsum("kd,kd->k", x, y) for x, y in ((u, u), (v, v), (u, v)))
    w = p - q
    uw, vw = np.einsum("kd,kd->k", u, w), np.einsum("kd,kd->k", v, w)
    # Alternate projections settle on the nearest points of two segments (a convex problem).
    t = np.full(len(a), 0.5)
    for _ in range(50):
        s = np.clip((uv * t - uw) / uu, 0, 1)
        t = np.clip((uv * s + vw) / vv, 0, 1)
    gap = np.linalg.norm(w + s[:, None] * u - t[:, None] * v, axis=1)
    close = gap < (width[a] + width[b]) / 2
    return np.stack([a, b], axis=1)[close]
