"""Displacements as they are shown: rigid motion, amplification, and bent bonds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mechlearn.energies.element import Element
from mechlearn.network import Network
from mechlearn.tasks.ports import PairPort, Port
from mechlearn.tasks.problem import Problem

#: Deformations of this strain, or of this part of the network's extent, are visible to scale.
VISIBLE = 0.05
#: Amplified deformations stay below these: strain, and part of the extent.
LARGEST = (0.2, 0.1)
#: Straight pieces of a bent strut, and the most of them in a picture.
PIECES, MOST_PIECES = 8, 60_000


def round_factor(strain: float, motion: float) -> int:
    """Round amplification factor: 1 where a deformation is visible, else 2, 5, 10, 20, 50, ...

    Parameters
    ----------
    strain : the largest strain of a bond or pair
    motion : the largest displacement over the network's extent
    """
    if strain >= VISIBLE or motion >= VISIBLE or max(strain, motion) <= 0:
        return 1
    limit = min(
        most / size for most, size in zip(LARGEST, (strain, motion), strict=True) if size > 0
    )
    power = 10.0 ** np.floor(np.log10(limit * (1 + 1e-9)))
    return int(min(power * next(s for s in (5, 2, 1) if s * power <= limit * (1 + 1e-9)), 1e6))


def amplification(
    network: Network, problem: Problem, fields: Iterable[NDArray], linear: bool = True
) -> int:
    """The factor by which displacement fields, seen without rigid motion, are best shown."""
    extent = np.linalg.norm(np.ptp(network.nodes, axis=0)) or network.lengths.max()
    strain = motion = 0.0
    for u in fields:
        stretches = [np.abs(bond_strains(network, u, linear)).max()]
        pairs = [p for p in problem.ports if isinstance(p, PairPort)]
        stretches += [abs(reading(network, p, u, linear)) for p in pairs]
        strain = max(strain, *stretches)
        motion = max(motion, np.linalg.norm(u, axis=1).max() / extent)
    return round_factor(strain, motion)


def bond_strains(
    network: Network, displacements: NDArray, linear: bool = True, cell: NDArray | None = None
) -> NDArray[np.float64]:
    """Change of every bond's length over its length, exactly or to first order.

    Where nodes have one number, a potential, the size of its drop along the bond. Images of nodes
    move with the strain of the periodic cell, (d, d), if it has one.
    """
    v, length = network.vectors, network.lengths
    i, j = network.edges.T
    jump = (displacements[j] - displacements[i])[:, : network.dim]
    if jump.shape[1] == 1:
        return np.abs(jump[:, 0])
    if cell is not None:
        jump = jump + network.images @ cell.T
    if linear:
        return np.einsum("bc,bc->b", v, jump) / length**2
    return np.linalg.norm(v + jump, axis=1) / length - 1


def strained(network: Network, strain: NDArray) -> Network:
    """Network in a cell of given ``F - I``, (d, d)."""
    return replace(network, cell=network.cell @ (np.eye(network.dim) + strain).T)


def reading(network: Network, port: Port, displacements: NDArray, linear: bool = True) -> float:
    """Reading of a port in the user's quantity: a strain, or a component of a displacement."""
    if port.component is not None:
        moved = float(displacements[port.nodes[0], port.component])
        return port.sign * moved / port.extent
    a, b = port.nodes
    if displacements.shape[1] == 1:
        return float(displacements[a, 0] - displacements[b, 0])
    v = network.separation(a, b)
    jump = (displacements[b] - displacements[a])[: network.dim]
    length = np.linalg.norm(v)
    if linear:
        return float(v @ jump / length**2)
    return float(np.linalg.norm(v + jump) / length - 1)


@dataclass(frozen=True, eq=False)
class RigidMotion:
    """Rigid motion subtracted from displacements.

    Attributes
    ----------
    centre, drift : (d,) arrays
        The centre of the nodes at rest, and how far it moves.
    spin : (d, d) array
        How the network turns about its centre: of linear kinematics the skew matrix ``W`` of
        ``u = W x``; else the rotation ``R`` of ``x + u = R x``.
    linear : bool
        Whether ``spin`` is the former.
    """

    centre: NDArray[np.float64]
    drift: NDArray[np.float64]
    spin: NDArray[np.float64]
    linear: bool

    def relative(self, rest: NDArray, moves: NDArray) -> NDArray[np.float64]:
        """Displacements (k, d) of points without the rigid motion."""
        arm = rest - self.centre
        if self.linear:
            return moves - self.drift - arm @ self.spin.T
        return (arm + moves - self.drift) @ self.spin - arm

    def relative_rotations(self, rotations: NDArray) -> NDArray[np.float64]:
        """Rotations of nodes, (n, 1) in 2D and (n, 3) in 3D, without the rigid motion."""
        w = self.spin if self.linear else (self.spin - self.spin.T) / 2
        if len(w) == 2:
            turn = w[1, 0] if self.linear else np.arctan2(self.spin[1, 0], self.spin[0, 0])
            return rotations - turn
        if not self.linear:
            return (Rotation.from_matrix(self.spin.T) * Rotation.from_rotvec(rotations)).as_rotvec()
        return rotations - np.array([w[2, 1], w[0, 2], w[1, 0]])


def rigid_motion(
    network: Network, problem: Problem, displacements: NDArray, linear: bool = True
) -> RigidMotion:
    """Rigid motion to subtract from a state: that of a floating network, else none."""
    rest, d = network.nodes, network.dim
    u = displacements[:, :d]
    centre = rest.mean(axis=0)
    if problem.task.supports or any(p.component is not None for p in problem.ports):
        return RigidMotion(centre, np.zeros(d), np.zeros((d, d)), True)
    drift, arm = u.mean(axis=0), rest - centre
    if network.periodic:
        return RigidMotion(centre, drift, np.zeros((d, d)), True)
    if not linear:
        # The rotation that brings the network at rest closest to the deformed one (Kabsch).
        left, _, right = np.linalg.svd((arm + u - drift).T @ arm)
        flip = np.ones(d)
        flip[-1] = np.sign(np.linalg.det(left @ right))
        return RigidMotion(centre, drift, (left * flip) @ right, False)
    planes = [(a, b) for a in range(d) for b in range(a + 1, d)]
    spins = np.zeros((len(planes), d, d))
    for spin, (a, b) in zip(spins, planes, strict=True):
        spin[a, b], spin[b, a] = -1.0, 1.0
    columns = np.stack([(arm @ s.T).ravel() for s in spins], axis=1)
    amounts = np.linalg.lstsq(columns, (u - drift).ravel(), rcond=None)[0]
    return RigidMotion(centre, drift, np.tensordot(amounts, spins, 1), True)


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
        Whether turns are small; else the ends are turned as far as it says.
    strain : (d, d) array, optional
        That of the periodic cell, with which images of nodes move.
    """
    i, j = network.edges.T
    vector = network.vectors
    start = (network.nodes + moves)[i]
    line = vector + moves[j] - moves[i]
    if strain is not None:
        line = line + network.images @ strain.T
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
    elif network.dim > 2:
        ends = tuple(Rotation.from_rotvec(rotations[n]).apply(vector) - line for n in (i, j))
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
