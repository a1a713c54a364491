"""Deflection curves of beams between displaced and rotated nodes."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies import Element
from mechlearn.network import Network

#: Straight pieces of a bent strut, and the most of them in a picture.
PIECES, MOST_PIECES = 8, 60_000


def pieces(network: Network) -> int:
    """Number of pieces of every bent strut; even, or 1 where there are many struts.

    Even, so that one that crosses a periodic cell can be cut in its middle.
    """
    fit = MOST_PIECES // network.n_edges
    return PIECES if fit >= PIECES else 2 * (fit // 2) or 1


def shares(
    energy: Element, lengths: NDArray, values: Mapping[str, NDArray]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Parts of the turns at the ends that bend linear struts, two (m,) arrays.

    Of the turn of one end against the other, and of the mean turn of both against the line between
    them: their stiffness over that of slender struts joined rigidly. The rest of a turn is that of
    the joints, or shears the strut. All of it where the element has no section.

    Parameters
    ----------
    energy : Element
    lengths : (m,) array
    values : mapping of names to (m,) arrays
        All parameters of the element.
    """
    section, whole = energy.section(values), np.ones(len(lengths))
    found = energy.bending_stiffness({**values, "length": lengths}) if energy.linear else None
    if section is None or found is None:
        return whole, whole
    rigid = section.modulus * section.second_moment / lengths
    turned, rotated = (
        np.divide(each, factor * rigid, out=whole.copy(), where=rigid > 0)
        for each, factor in zip(found, (1, 12), strict=True)
    )
    return np.minimum(turned, 1.0), np.minimum(rotated, 1.0)


def bent(
    network: Network,
    moves: NDArray,
    rotations: NDArray,
    shares: tuple[NDArray, NDArray],
    linear: bool,
    strain: NDArray | None = None,
) -> NDArray[np.float64]:
    """Points along every strut, (m, k + 1, d), from its first node to its second (or its image).

    A cubic with the slopes that the nodes' turns give the ends of the strut: of linear beams
    without shear the exact one.

    Parameters
    ----------
    network : Network
    moves : (n, d) array
        How far the nodes move.
    rotations : (n, 1) or (n, 3) array
    shares : two (m,) arrays
        Which part of the turn of one end against the other, and of the mean turn of both ends
        against the line between them, bends the strut; the rest is in its joints, or shears it.
    linear : bool
        Whether turns are small; else the ends are turned as far as it says (in the plane).
    strain : (d, d) array, optional
        That of the periodic cell, with which images of nodes move.
    """
    i, j = network.edges.T
    vector = network.vectors
    start = (network.nodes + moves)[i]
    line = vector + moves[j] - moves[i]
    if strain is not None:
        line = line + network.images @ strain
    s = np.linspace(0, 1, pieces(network) + 1)
    points = start[:, None] + s[:, None] * line[:, None]
    # Cubics that vanish at both ends and have slope 1 at the first, or at the second.
    first, second = s * (1 - s) ** 2, s**2 * (s - 1)
    if linear:
        one, two = (_turned(rotations[n], vector) for n in (i, j))
        along = vector / network.lengths[:, None]
        chord = line - vector
        chord = chord - np.einsum("md,md->m", chord, along)[:, None] * along
        mean = ((one + two) / 2 - chord) * shares[1][:, None]
        apart = (two - one) / 2 * shares[0][:, None]
        ends = mean - apart, mean + apart
    else:
        heading = np.arctan2(vector[:, 1], vector[:, 0]) - np.arctan2(line[:, 1], line[:, 0])
        across = np.column_stack([-line[:, 1], line[:, 0]])
        angles = (np.angle(np.exp(1j * (rotations[n, 0] + heading))) for n in (i, j))
        ends = tuple((np.cos(a) - 1)[:, None] * line + np.sin(a)[:, None] * across for a in angles)
    return points + first[:, None] * ends[0][:, None] + second[:, None] * ends[1][:, None]


def _turned(rotations: NDArray, vectors: NDArray) -> NDArray[np.float64]:
    """Displacements of the tips of vectors under small rotations, (m, 1) or (m, 3)."""
    if vectors.shape[1] == 2:
        return rotations * np.column_stack([-vectors[:, 1], vectors[:, 0]])
    return np.cross(rotations, vectors)
