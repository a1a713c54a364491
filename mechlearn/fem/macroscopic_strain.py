"""Macroscopic deformation gradient of a periodic cell, and its conjugate stress.

The network's state is then a periodic displacement of its nodes *and* a uniform change of the cell:
a bond of reference vector ``v`` is changed by ``u_j - u_i + E v``, with ``E = F - I``. The partner
of ``F`` is the first Piola-Kirchhoff stress ``P = dW/dF`` times the cell's volume.

A turn of the whole costs nothing: ``W(R F) = W(F)``, and ``P(R F) = R P(F)``. Unless a task asks
for ``F_ij`` or ``F_ji`` by itself, both are one unknown, ``F_ij = F_ji``, and the cell does not
turn in that plane. In a state that is free of turns ``F`` is the right stretch ``U``, and the
partner of its components Biot's stress, the symmetric part of ``P`` (along a single axis: force
over the undeformed area).
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: What tasks say of the cell beside its components: the sum of the normal strains.
VOLUME = "volume"


def cell_components(dim: int, turning: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of the unknowns of the cell: normal ones, shear, then those of planes that turn.

    In the order of Voigt: in 3D xx, yy, zz, yz, xz, xy.
    Of a plane such as "xy" among ``turning`` "xy" and "yx" are two unknowns, else "xy" is both.
    """
    axes = "xyz"[:dim]
    shear = [a + b for k, a in enumerate(axes) for b in axes[k + 1 :]][::-1]
    return (*(a + a for a in axes), *shear, *(name[::-1] for name in shear if name in turning))


def entry(name: str) -> tuple[int, int]:
    """Row and column of an entry of the deformation gradient, such as "xy"."""
    a, b = ("xyz".index(c) for c in name)
    return a, b


def cell_functional(name: str, dim: int) -> NDArray[np.float64]:
    """Functional of the entries of ``F - I`` for a component of the strain or the volume, (d d,).

    A component of shear is that of the symmetric part.
    """
    if name == VOLUME:
        return np.eye(dim).ravel()
    out, (i, j) = np.zeros((dim, dim)), entry(name)
    out[i, j] += 0.5
    out[j, i] += 0.5
    return out.ravel()


def multiplicity(name: str) -> int:
    """Multiplicity of a component in the strain tensor: two for shear."""
    return 2 if name != VOLUME and name[0] != name[1] else 1


def gradient_basis(names: Sequence[str]) -> NDArray[np.float64]:
    """Entries of ``F - I`` by the unknowns, (d d, c)."""
    dim = sum(name[0] == name[1] for name in names)
    out = np.zeros((dim, dim, len(names)))
    for k, name in enumerate(names):
        i, j = entry(name)
        out[i, j, k] = 1.0
        if name[::-1] not in names:
            out[j, i, k] = 1.0
    return out.reshape(dim * dim, -1)


def strain_tensors(components: NDArray, names: Sequence[str]) -> NDArray[np.float64]:
    """Tensors ``F - I``, (d, d, ...), of unknowns, (c, ...)."""
    basis = gradient_basis(names)
    dim = round(len(basis) ** 0.5)
    return np.tensordot(basis, components, 1).reshape(dim, dim, *np.shape(components)[1:])


def affine_rows(vector: NDArray) -> NDArray[np.float64]:
    """Derivative of an embedded vector by the entries of ``F``, (d, d d)."""
    return np.kron(np.eye(len(vector)), vector)


def piola_stress(
    forces: NDArray, gradient: NDArray, names: Sequence[str], *, linear: bool
) -> NDArray[np.float64]:
    """First Piola-Kirchhoff stress times the volume, (d, d), of the forces at the unknowns, (c,).

    Where ``F_ij`` and ``F_ji`` are one unknown, the balance of moments, ``P F^T = F P^T``, tells
    ``P_ij`` from ``P_ji``; of ``linear`` elements, ``P = P^T``.
    """
    dim = len(gradient)
    turned = np.eye(dim) if linear else gradient
    rows, right = [gradient_basis(names).T], [forces]
    for i in range(dim):
        for j in range(i):
            row = np.zeros((dim, dim))
            row[i] += turned[j]
            row[j] -= turned[i]
            rows.append(row.reshape(1, -1))
            right.append(np.zeros(1))
    found = np.linalg.lstsq(np.vstack(rows), np.concatenate(right))[0]
    return found.reshape(dim, dim)


def deformation_gradient(model: Any, state: NDArray) -> NDArray[np.float64]:
    """Deformation gradient of a model's cell in a state (owned dofs,), (d, d)."""
    out = np.eye(model.network.dim)
    return out + strain_tensors(model.cell_strain(state), model.cell_names) if model.cell else out


def cell_response(model: Any, state: NDArray) -> NDArray[np.float64]:
    """Deformation gradient and first Piola-Kirchhoff stress of a cell, (2, d, d).

    Of one that is rigid, the latter is not known (nan).

    Parameters
    ----------
    model : of a network, or a solid
    state : (owned dofs,) array
        An equilibrium of its nodes.
    """
    gradient = deformation_gradient(model, state)
    if not model.cell:
        return np.array([gradient, np.full_like(gradient, np.nan)])
    volume = abs(np.linalg.det(model.network.lattice_vectors))
    model.put_state(state)
    forces = model.cell_strain(model.local_force())
    linear = model.energy.linear
    stress = piola_stress(forces, gradient, model.cell_names, linear=linear) / volume
    return np.array([gradient, stress])
