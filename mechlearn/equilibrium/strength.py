"""Strength of struts: stresses in a state, and the volume of a part."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.element import BondEnergy, Element
from mechlearn.equilibrium.states import EquilibriumState
from mechlearn.fem.model import Model
from mechlearn.fem.superposition import BondResponse
from mechlearn.fenics import MPI
from mechlearn.solids.stress import peak_stresses


def stresses(state: EquilibriumState) -> NDArray[np.float64] | None:
    """Largest equivalent stress in every strut and example, (examples, m), whole on every rank.

    Of struts that of the worst fibre at either end, axial, bending and twisting stress together
    (von Mises), without the shear stress of bending and without what joints and corners
    concentrate; of solids that of :func:`mechlearn.solids.stress.peak_stresses`. None of elements
    without a section.
    """
    model = state.model
    if model.energy.continuum:
        return state.each(lambda: peak_stresses(model))
    if not has_stress(model.energy, _values(model)):
        return None
    return state.each(lambda: strut_stresses(model))


def has_stress(energy: Element, values: Mapping[str, NDArray]) -> bool:
    """True of struts that say their stress, at ``values`` of their parameters."""
    if not isinstance(energy, BondEnergy) or energy.section(values) is None:
        return False
    at_rest = dict.fromkeys(energy.strains, np.zeros(1))
    return energy.fibre_stress({**values, "length": np.ones(1)}, at_rest) is not None


def strut_stresses(model: Model) -> NDArray[np.float64]:
    """Stress in every strut at the model's state: the largest over its segments, (m,)."""
    strains = model.expected_strains(np.zeros(model.n_owned + model.cell))
    here = BondResponse(model.energy, model.unstrained().parameters, strains)
    through = dict(zip(model.energy.strains, here.stresses(), strict=True))
    out = np.zeros(model.network.n_edges)
    per_cell = model.energy.fibre_stress(here.parameters, through)
    assert per_cell is not None  # it has a section
    np.maximum.at(out, model.bond_of_cell[: model.n_cells], per_cell)
    model.comm.Allreduce(MPI.IN_PLACE, out, op=MPI.MAX)
    return out


def volume(model: Any) -> float | None:
    """Volume of the struts, or of the solid; None of elements without a section.

    Struts reach from node to node: where they join, what they share counts for each.
    """
    if model.energy.continuum:
        cells = model.cell_volumes()
        if model.places == 2:
            cells = cells * model.get("thickness")[model.domain.drawn.element]
        return float(cells.sum())
    section = model.energy.section(_values(model))
    return None if section is None else float((section.area * model.network.lengths).sum())


def extent(model: Any) -> list[float]:
    """Size of a part along every axis, of a plane one also out of the plane.

    That of its nodes with half the width of the widest strut about each, or of the solid.
    """
    net, depth = model.network, []
    if model.energy.continuum:
        sides = np.ptp(model.points, axis=0)
        depth = [model.get("thickness").max()] if net.dim == 2 else []
    else:
        section, half = model.energy.section(_values(model)), np.zeros(net.n_nodes)
        for ends in net.edges.T:
            np.maximum.at(half, ends, np.broadcast_to(section.width, net.n_edges) / 2)
        sides = (net.nodes.T + half).max(axis=1) - (net.nodes.T - half).min(axis=1)
        depth = [] if section.thickness is None else [np.max(section.thickness)]
    return [float(side) for side in (*sides, *depth)]


def _values(model: Model) -> dict[str, NDArray[np.float64]]:
    """Parameters of bonds, or struts of a solid, by name."""
    return {p.name: model.get(p.name) for p in model.energy.parameters if p.table == "edges"}
