"""Self-contact detection: struts that overlap in a deformed state.

Nothing keeps struts apart; where they overlap, the state is no answer any more, and that is said.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import listed
from mechlearn.solids.images import rod_overlaps, strut_pairs, translations_within, with_images
from mechlearn.solids.meshing import SolidMesh
from mechlearn.solids.outline import crossings, optional

if TYPE_CHECKING:
    from mechlearn.solids.strut_model import StrutModel


def overlaps(points: NDArray, mesh: SolidMesh, cell: NDArray | None) -> NDArray[np.int64]:
    """Pairs of struts whose outlines intersect in the plane, (k, 2), each pair once, in order.

    Parameters
    ----------
    points : (p, 2) array
        Points of the deformed mesh.
    mesh : SolidMesh
    cell : (2, 2) array, optional
        Deformed lattice vectors of a periodic one.
    """
    facets, strut = points[mesh.facets], mesh.facet_element
    steps = np.zeros((1, 2), int) if cell is None else translations_within(points, cell)
    moved = steps @ cell if cell is not None else steps
    lines = optional("shapely").linestrings((facets + moved[:, None, None]).reshape(-1, 2, 2))
    found = crossings(lines, np.tile(mesh.first[mesh.facets], (len(steps), 1)))
    return strut_pairs(found, np.tile(strut, len(steps)), len(facets))


def contact_warnings(model: "StrutModel", states: NDArray) -> list[str]:
    """Warnings for states (owned dofs, k) in which struts overlap.

    In 3D the axes of struts that share no joint are compared, straight between displaced joints.
    """
    out = []
    for number, state in enumerate(states.T, 1):
        points, net = model.deformed(state), model.network
        cell = None if net.cell is None else net.cell @ model.gradient().T
        if model.places == 2:
            pairs = overlaps(points, model.domain.drawn, cell)
        else:
            nodes = net.nodes + model.to_nodes(state)[:, :3]
            images = with_images(replace(net, nodes=nodes, cell=cell))
            pairs = rod_overlaps(*images, model.get("width"))
        if len(pairs):
            some = listed([f"{a}-{b}" for a, b in pairs], limit=5)
            out.append(
                f"Struts overlap in the deformed state of example {number} (struts {some}): "
                "contact is not modelled, so the answer does not hold there."
            )
    return out
