"""Symmetry classes of elasticity tensors, in any orientation, and distances from them.

The nearest tensor of a class is the mean over its group of rotations, and the distance the norm of
the difference over that of the tensor; the axes are those for which it is smallest. The eight
classes in 3D, four in 2D: S. Forte, M. Vianello, J. Elast. 43, 81 (1996),
https://doi.org/10.1007/BF00042505. Projection by group averages: M. Moakher, A. N. Norris,
J. Elast. 85, 215 (2006), https://doi.org/10.1007/s10659-006-9078-0.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

#: Groups of rotations by class, from the highest to the lowest; a tensor of fourth order that has a
#: sixfold axis is isotropic across it, and one with the rotations of an icosahedron in space.
SPACE = {
    "isotropic": "I", "cubic": "O", "transversely isotropic": "D6", "tetragonal": "D4",
    "trigonal": "D3", "orthotropic": "D2", "monoclinic": "C2",
}  # fmt: skip
PLANE = {"isotropic": "D6", "square": "D4", "orthotropic": "D2"}
#: Orientations from which the nearest is looked for, and a distance that is none.
STARTS, EXACT = 8, 1e-9


@cache
def _symmetric(dim: int) -> NDArray[np.float64]:
    """Orthonormal basis of the symmetric tensors, as (c, d, d)."""
    axes = np.eye(dim)
    pairs = [np.outer(axes[i], axes[j]) for i in range(dim) for j in range(i, dim)]
    out = np.array([pair + pair.T for pair in pairs])
    return out / np.linalg.norm(out, axis=(1, 2))[:, None, None]


def _operator(turn: NDArray) -> NDArray[np.float64]:
    """Matrix of a rotation, (d, d), on symmetric tensors, (c, c)."""
    basis = _symmetric(len(turn)).reshape(-1, turn.size)
    return basis @ np.kron(turn, turn) @ basis.T


@cache
def _projector(group: str, dim: int) -> NDArray[np.float64]:
    """Mean of a matrix over a group of rotations (in 2D and reflections), (c c, c c)."""
    turns = Rotation.create_group(group).as_matrix()[:, :dim, :dim]
    operators = map(_operator, turns)
    return np.mean([np.kron(operator, operator) for operator in operators], axis=0)


def distances(tensor: NDArray) -> dict[str, float]:
    """Distances of an elasticity tensor, (d, d, d, d), from its classes, over its norm."""
    dim, basis = len(tensor), _symmetric(len(tensor))
    matrix = np.einsum("aij,ijkl,bkl->ab", basis, tensor, basis)
    starts = np.random.default_rng(0).uniform(-1.6, 1.6, (STARTS, 2 * dim - 3))
    starts[0], out, norm = 0.0, {}, float(np.linalg.norm(matrix))
    for name, group in (PLANE if dim == 2 else SPACE).items():
        projector = _projector(group, dim)

        def away(turn: NDArray, projector: NDArray = projector) -> NDArray[np.float64]:
            vector = turn if dim == 3 else np.r_[0.0, 0.0, turn]
            operator = _operator(Rotation.from_rotvec(vector).as_matrix()[:dim, :dim])
            turned = (operator @ matrix @ operator.T).ravel()
            return (turned - projector @ turned) / norm

        best = float(np.linalg.norm(away(starts[0])))
        for start in starts if name != "isotropic" else ():
            if best < EXACT:
                break
            best = min(best, np.sqrt(2 * least_squares(away, start).cost))
        out[name] = float(best)
    return out
