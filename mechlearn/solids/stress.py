"""Stress in solids: von Mises' equivalent stress at the corners of cells, and its peaks."""

from typing import Any

import basix
import numpy as np
from numpy.typing import NDArray

from mechlearn.attributes import nearest_image
from mechlearn.fenics import MPI
from mechlearn.solids.materials import IMAGINARY, Law, law_of
from mechlearn.solids.meshing import volumes

#: Cells count as a joint's up to this part of a strut's width beyond its rim, where re-entrant
#: corners make stress grow without end on finer meshes.
BEYOND = 0.5


def peak_stresses(model: Any) -> NDArray[np.float64]:
    """Largest equivalent stress of every element at the model's state, (m,), away from joints.

    That at the corners of cells, averaged over those of the element that meet there, weighted by
    their volumes. Struts too short to have cells away from their joints count whole. In space it is
    5 % too large at a size of 0.5, for the corners of cells lie outside of the round struts, whose
    sections are kept; 0.25 is right to 1 %.
    """
    domain, comm, count = model.domain, model.comm, model.n_elements
    owned = slice(domain.owned_cells)
    element = domain.element_of_cells()[owned]
    corners = _corners(domain)[owned]
    size = np.abs(volumes(model.points, corners))
    found = equivalent(cauchy_stresses(model))
    # Points of an element, and of what lies on other ranks.
    mine, where = np.unique(element[:, None] * len(model.points) + corners, return_inverse=True)
    weights = np.broadcast_to(size[:, None], found.shape).ravel()
    own = np.array([np.bincount(where.ravel(), w) for w in (weights, weights * found.ravel())])
    keys, place = np.unique(np.concatenate(comm.allgather(mine)), return_inverse=True)
    sums = [np.bincount(place, w) for w in np.concatenate(comm.allgather(own), axis=1)]
    mean = (sums[1] / sums[0])[np.searchsorted(keys, mine)][where].reshape(found.shape).max(axis=1)
    peaks = np.zeros((2, count))
    for row, here in zip(peaks, (_away(model)[domain.cell[owned]], slice(None)), strict=True):
        np.maximum.at(row, element[here], mean[here])
    comm.Allreduce(MPI.IN_PLACE, peaks, op=MPI.MAX)
    return np.where(peaks[0] > 0, peaks[0], peaks[1])


def cell_stresses(model: Any) -> NDArray[np.float64]:
    """Equivalent stress of every cell at the model's state, mean of its corners; on one rank."""
    out = np.zeros(len(model.domain.drawn.cells))
    out[model.domain.cell] = equivalent(cauchy_stresses(model)).mean(axis=1)
    return out


def cauchy_stresses(model: Any) -> NDArray[np.float64]:
    """Cauchy stress at the corners of owned cells at the model's state, (cells, d + 1, 3, 3)."""
    energy, domain = model.energy, model.domain
    element = domain.element_of_cells()[: domain.owned_cells]
    gradient = _gradients(model)
    d = gradient.shape[-1]
    growth = np.broadcast_to(np.eye(d), (len(element), d, d)).copy()
    if "eigenstrain" in {p.name for p in energy.parameters}:
        axes = domain.drawn.axes[element]
        strain = model.get("eigenstrain")[element]
        growth += strain[:, None, None] * axes[:, :, None] * axes[:, None, :]
    thin = d == 2 and energy.plane == "stress"
    modulus = model.get("modulus")[element][:, None, None, None]
    mu, la = energy.constants[:2]
    if energy.linear:
        strain = np.zeros((*gradient.shape[:2], 3, 3))
        strain[..., :d, :d] = (gradient + gradient.mT) / 2 - (growth - np.eye(d))[:, None]
        if thin:
            strain[..., 2, 2] = -la / (2 * mu + la) * np.trace(strain, axis1=-2, axis2=-1)
        trace = np.trace(strain, axis1=-2, axis2=-1)[..., None, None]
        return modulus * (2 * mu * strain + la * trace * np.eye(3))
    law = law_of(energy.material, energy.constants, np.log)
    f = (np.eye(d) + gradient) @ np.linalg.inv(growth)[:, None]
    whole = np.zeros((*f.shape[:2], 3, 3))
    whole[..., :d, :d] = f
    if d == 2:
        plane = np.square(f).sum(axis=(-2, -1))
        across = law.solved(plane, np.linalg.det(f)) if thin else np.ones(plane.shape)
        whole[..., 2, 2] = np.sqrt(across)
    return modulus * _stress_of(law, whole)


def _stress_of(law: Law, f: NDArray) -> NDArray[np.float64]:
    """Cauchy stress of a law for modulus 1, (..., 3, 3), by its derivatives by the invariants."""
    left, j = f @ f.mT, np.linalg.det(f)
    i1 = np.trace(left, axis1=-2, axis2=-1)
    i2 = (i1**2 - np.square(left).sum(axis=(-2, -1))) / 2
    step = IMAGINARY * 1j
    by1, by2, by_j = (
        np.imag(law(i1 + a * step, i2 + b * step, j + c * step)) / IMAGINARY
        for a, b, c in np.eye(3)
    )
    distorted = (by1 + i1 * by2)[..., None, None] * left - by2[..., None, None] * left @ left
    return 2 / j[..., None, None] * distorted + by_j[..., None, None] * np.eye(3)


def equivalent(stress: NDArray) -> NDArray[np.float64]:
    """Von Mises' equivalent of stresses, (..., 3, 3)."""
    mean = np.trace(stress, axis1=-2, axis2=-1)[..., None, None] / 3
    return np.sqrt(1.5 * np.square(stress - mean * np.eye(3)).sum(axis=(-2, -1)))


def _gradients(model: Any) -> NDArray[np.float64]:
    """Displacement gradients at the corners of owned cells, (cells, d + 1, d, d)."""
    domain = model.domain
    owned, d = slice(domain.owned_cells), model.places
    kind = basix.CellType.triangle if d == 2 else basix.CellType.tetrahedron
    element = basix.create_element(basix.ElementFamily.P, kind, model.energy.order)
    at = np.vstack([np.zeros(d), np.eye(d)])
    slopes = np.asarray(element.tabulate(1, at))[1:, :, :, 0]  # (d, corners, dofs)
    dofs = domain.space.dofmap.list[owned]
    moved = model.state.x.array.reshape(-1, d)[dofs]  # (cells, dofs, d)
    x = model.points[_corners(domain)[owned]]
    inverse = np.linalg.inv(x[:, 1:] - x[:, :1])  # [c, j, k]: d xi_k / d x_j
    found = np.einsum("cai,kpa,cjk->cpij", moved, slopes, inverse)
    return found + model.gradient() - np.eye(d)


def _corners(domain: Any) -> NDArray[np.int64]:
    """Points at the corners of local cells, in DOLFINx's order, (cells, d + 1)."""
    geometry = domain.mesh.geometry
    return np.asarray(geometry.input_global_indices)[geometry.dofmaps[0]][: len(domain.cell)]


def _away(model: Any) -> NDArray[np.bool_]:
    """Mask of the cells away from joints, whole on every rank, (c,)."""
    drawn = model.domain.drawn
    struts = getattr(model.domain, "struts", None)
    if struts is None:
        return np.ones(len(drawn.cells), dtype=bool)
    net, middle = struts.network, model.points[drawn.cells].mean(axis=1)
    out = np.ones(len(drawn.cells), dtype=bool)
    for ends in net.edges[drawn.element].T:
        reach = struts.joint_radius[ends] + BEYOND * struts.width[drawn.element]
        offset = middle - net.nodes[ends]
        if net.cell is not None:
            offset = offset + nearest_image(offset, net.cell) @ net.cell
        out &= np.linalg.norm(offset, axis=1) > reach
    return out
