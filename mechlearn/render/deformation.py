"""What is deformed, and how much of it is shown."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mechlearn.kinematics import rigid_motions
from mechlearn.network import Network
from mechlearn.problem import Port, Problem

#: Deformations of this strain, or of this part of the network's extent, are visible to scale.
VISIBLE = 0.05
#: Amplified deformations stay below these: strain, and part of the extent.
LARGEST = (0.2, 0.1)


def round_factor(strain: float, motion: float) -> int:
    """How much to amplify a deformation: 1 where it is visible, else 2, 5, 10, 20, 50, ...

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
    extent = np.linalg.norm(np.ptp(network.nodes, axis=0))
    strain = motion = 0.0
    for u in fields:
        stretches = [np.abs(bond_strains(network, u, linear)).max()]
        pairs = [p for p in problem.ports if p.component is None]
        stretches += [abs(reading(network, p, u, linear)) for p in pairs]
        strain = max(strain, *stretches)
        motion = max(motion, np.linalg.norm(u, axis=1).max() / extent)
    return round_factor(strain, motion)


def bond_strains(
    network: Network, displacements: NDArray, linear: bool = True
) -> NDArray[np.float64]:
    """Change of every bond's length over its length, exactly or to first order.

    Where nodes have one number, a potential, the size of its drop along the bond.
    """
    v, length = network.vectors, network.lengths
    i, j = network.edges.T
    jump = (displacements[j] - displacements[i])[:, : network.dim]
    if jump.shape[1] == 1:
        return np.abs(jump[:, 0])
    if linear:
        return np.einsum("bc,bc->b", v, jump) / length**2
    return np.linalg.norm(v + jump, axis=1) / length - 1


def reading(network: Network, port: Port, displacements: NDArray, linear: bool = True) -> float:
    """What a port reads in the user's quantity: a strain, or a component of a displacement."""
    if port.component is not None:
        return float(displacements[port.nodes[0], port.component])
    a, b = port.nodes
    if displacements.shape[1] == 1:
        return float(displacements[a, 0] - displacements[b, 0])
    v = network.separation(a, b)
    jump = (displacements[b] - displacements[a])[: network.dim]
    length = np.linalg.norm(v)
    if linear:
        return float(v @ jump / length**2)
    return float(np.linalg.norm(v + jump) / length - 1)


def without_rigid_motion(
    network: Network, problem: Problem, displacements: NDArray, linear: bool = True
) -> NDArray:
    """Displacements less the drift and turn of a network that nothing holds."""
    if problem.task.supports or any(p.component is not None for p in problem.ports):
        return displacements
    if not linear and not network.periodic:
        # The rotation that brings the deformed network closest to the one at rest (Kabsch).
        rest = network.nodes - network.nodes.mean(axis=0)
        now = network.nodes + displacements
        now = now - now.mean(axis=0)
        left, _, right = np.linalg.svd(now.T @ rest)
        flip = np.ones(network.dim)
        flip[-1] = np.sign(np.linalg.det(left @ right))
        return now @ (left * flip) @ right - rest
    motions = rigid_motions(network)
    u = displacements.reshape(-1)
    return (u - motions @ np.linalg.lstsq(motions, u, rcond=None)[0]).reshape(displacements.shape)
