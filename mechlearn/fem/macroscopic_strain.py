"""Macroscopic strain of a periodic cell, and its conjugate stress.

The network's state is then a periodic displacement of its nodes *and* a uniform strain of the cell:
a bond of reference vector ``v`` is changed by ``u_j - u_i + E v``. ``E`` is symmetric, for a turn
of the whole costs nothing: at finite strain ``I + E`` is the right stretch, so that ``xx`` is the
change of the cell's length along x over that length, and its partner is Biot's stress times the
cell's volume (along a single axis: force over the undeformed area).
"""

import numpy as np
from numpy.typing import NDArray

#: What tasks say of the cell beside its components: the sum of the normal strains.
VOLUME = "volume"


def cell_components(dim: int) -> tuple[str, ...]:
    """Names of the components of the macroscopic strain: normal first, then shear."""
    axes = "xyz"[:dim]
    shear = [a + b for k, a in enumerate(axes) for b in axes[k + 1 :]]
    return (*(a + a for a in axes), *shear)


def cell_functional(name: str, dim: int) -> NDArray[np.float64]:
    """Functional of the strain components for a component or the volume, (c,)."""
    names = cell_components(dim)
    if name == VOLUME:
        return np.array([float(n[0] == n[1]) for n in names])
    return np.array([float(n == name) for n in names])


def multiplicity(name: str) -> int:
    """Multiplicity of a component in the strain tensor: two for shear."""
    return 2 if name != VOLUME and name[0] != name[1] else 1


def strain_tensors(components: NDArray, dim: int) -> NDArray[np.float64]:
    """Symmetric tensors, (d, d, ...), of components, (c, ...)."""
    names = cell_components(dim)
    out = np.empty((dim, dim, *np.shape(components)[1:]))
    for i, a in enumerate("xyz"[:dim]):
        for j, b in enumerate("xyz"[:dim]):
            out[i, j] = components[names.index("".join(sorted(a + b)))]
    return out


def affine_rows(vector: NDArray) -> NDArray[np.float64]:
    """Derivative of an embedded vector by the strain components, (d, c)."""
    d = len(vector)
    units = np.eye(len(cell_components(d)))
    return np.einsum("ijc,j->ic", strain_tensors(units, d), vector)
