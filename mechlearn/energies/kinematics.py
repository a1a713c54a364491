"""Kinematics: nodal displacements, rotations or potentials, and all that depends on their kind.

A network of springs and one of resistors differ in three things: how many numbers a node's state
has, which motions of the whole network cost nothing, and what is meant by "the difference of two
nodes". The words in which tasks speak of them differ too.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, override

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.spatial.transform import Rotation

from mechlearn.network import Network


@dataclass(frozen=True)
class Bond:
    """The UFL description of one bond, handed to ``BondEnergy.strain``.

    ``vector``, ``direction`` and ``length`` belong to the reference configuration (periodic images
    included), and so does ``normals``, the unit vectors across it (one in 2D, a quarter turn ahead
    of ``direction``; two in 3D, right-handed after it). ``jump`` is the displacement, or the
    potential, at the second node minus that at the first. Where nodes turn, ``turn`` is the same
    of their rotation, and ``rotation`` its mean over the bond: numbers in 2D, vectors in 3D.
    ``dot`` is the inner product of two vectors. ``internal`` are the bond's internal unknowns.
    """

    vector: Any
    direction: Any
    normals: tuple[Any, ...]
    length: Any
    jump: Any
    turn: Any
    rotation: Any
    dot: Callable[[Any, Any], Any]
    internal: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Kinematics(ABC):
    """Kind of nodal state.

    Attributes
    ----------
    across, drop, through : str
        The words of tasks: the state of a node, its difference over a pair, and the flux or force
        that is their partner.
    """

    across: str
    drop: str
    through: str

    #: Whether sources and targets may be about rotations; supports always are.
    turned: ClassVar[bool] = True

    @property
    def words(self) -> tuple[str, ...]:
        """Quantities that a task may name."""
        return tuple(dict.fromkeys((self.drop, self.across, self.through)))

    @abstractmethod
    def components(self, dim: int) -> tuple[str, ...]:
        """Names of the numbers of a node's state, in a network of that dimension."""

    def fields(self, dim: int) -> dict[str, int]:
        """Fields of a mesh file for the components, in order, with their widths."""
        return {self.across: len(self.components(dim))}

    def rotations(self, dim: int) -> int:
        """Number of rotations, the last components."""
        return 0

    def curved(self, dim: int) -> bool:
        """True if angles are no linear functions of the components of rotations."""
        return False

    def rotation_vectors(self, rotations: NDArray) -> NDArray[np.float64]:
        """Rotation vectors, (n, 1) in 2D and (n, 3) in 3D, of the rotations of a state, (n, r)."""
        return rotations

    def dependent(self, network: Network) -> NDArray[np.int64]:
        """Degrees of freedom that no small motion of the network changes."""
        return np.empty(0, dtype=np.int64)

    def includes(self, other: "Kinematics") -> bool:
        """True if a node's state has all that of another kind in it, in the same words."""
        components = set(other.components(2)) <= set(self.components(2))
        return components and self.words == other.words

    @abstractmethod
    def free_motions(self, nodes: NDArray, periodic: bool) -> NDArray[np.float64]:
        """Orthonormal zero modes of a whole network, shape (n c, k).

        Nodes, (n, d), are in units in which a movement and a turn compare, as the mean bond is.
        """

    @abstractmethod
    def compatibility(self, network: Network) -> sparse.csr_array:
        """Compatibility matrix: strains of bonds by nodal states, (k m, n c).

        The null space matters and not the size of what is outside it.
        """

    @abstractmethod
    def pair(self, network: Network, a: int, b: int) -> NDArray[np.float64]:
        """Vector whose length a pair reads; empty for a difference."""


class Displacements(Kinematics):
    """Nodal displacements; a pair reads the change of its distance."""

    @override
    def components(self, dim: int) -> tuple[str, ...]:
        return ("x", "y", "z")[:dim]

    @override
    def free_motions(self, nodes: NDArray, periodic: bool) -> NDArray[np.float64]:
        return rigid_motions(nodes, periodic)

    @override
    def compatibility(self, network: Network) -> sparse.csr_array:
        return network.compatibility()

    @override
    def pair(self, network: Network, a: int, b: int) -> NDArray[np.float64]:
        return network.separation(a, b)


class Frames(Displacements):
    """Nodal displacements and rotations; a pair reads the change of its distance."""

    @override
    def components(self, dim: int) -> tuple[str, ...]:
        return (*super().components(dim), *(("rz",) if dim == 2 else ("rx", "ry", "rz")))

    @override
    def fields(self, dim: int) -> dict[str, int]:
        return {self.across: dim, "rotation": self.rotations(dim)}

    @override
    def rotations(self, dim: int) -> int:
        return 1 if dim == 2 else 3

    @override
    def free_motions(self, nodes: NDArray, periodic: bool) -> NDArray[np.float64]:
        x = nodes - nodes.mean(axis=0)
        n, d = x.shape
        width = d + (1 if d == 2 else 3)
        motions = list(np.broadcast_to(np.eye(width)[:d, None], (d, n, width)))
        if not periodic:
            for k in range(width - d):
                turn = np.zeros((n, width))
                turn[:, d + k] = 1.0
                turn[:, :d] = _turned(np.eye(width - d)[k], x)
                motions.append(turn)
        return np.linalg.qr(np.reshape(motions, (len(motions), -1)).T)[0]

    @override
    def compatibility(self, network: Network) -> sparse.csr_array:
        """Displacements and rotations of second ends relative to how the first ends turn."""
        n, m, d = network.n_nodes, network.n_edges, network.dim
        r, rows = 1 if d == 2 else 3, np.arange(m + 1)
        first, second = (
            sparse.kron(sparse.csr_array((np.ones(m), ends, rows), (m, n)), np.eye(d + r))
            for ends in network.edges.T
        )
        arms = np.tile(np.eye(d + r), (m, 1, 1))
        arms[:, :d, d:] = np.stack([_turned(a, network.vectors) for a in np.eye(r)], axis=-1)
        carried = sparse.bsr_array((arms, rows[:-1], rows))
        return sparse.csr_array(second - carried @ first)


class Rods(Frames):
    """Nodal displacements and rotations of any size, in space as unit quaternions.

    Those are ``(rx / 2, ry / 2, rz / 2, 1 + r0 / 2)``, vector part first, so that the state is
    additive and zero at rest, and small rotations are (rx, ry, rz).
    """

    @override
    def components(self, dim: int) -> tuple[str, ...]:
        return (*super().components(dim), *(() if dim == 2 else ("r0",)))

    @override
    def rotations(self, dim: int) -> int:
        return 1 if dim == 2 else 4

    @override
    def curved(self, dim: int) -> bool:
        return dim == 3

    @override
    def free_motions(self, nodes: NDArray, periodic: bool) -> NDArray[np.float64]:
        motions, (n, d) = super().free_motions(nodes, periodic), nodes.shape
        if d == 2:
            return motions
        each = motions.reshape(n, -1, motions.shape[1])
        still = np.zeros((n, 1, motions.shape[1]))
        return np.concatenate([each, still], axis=1).reshape(-1, motions.shape[1])

    @override
    def rotation_vectors(self, rotations: NDArray) -> NDArray[np.float64]:
        if rotations.shape[1] == 1:
            return rotations
        return Rotation.from_quat(rotations / 2 + [0.0, 0.0, 0.0, 1.0]).as_rotvec()

    @override
    def dependent(self, network: Network) -> NDArray[np.int64]:
        width = len(self.components(network.dim))
        norms = np.arange(width - 1, width * network.n_nodes, width)
        return norms if network.dim > 2 else norms[:0]

    @override
    def compatibility(self, network: Network) -> sparse.csr_array:
        """Compatibility matrix of frames; norms of quaternions are no strains."""
        of_frames = super().compatibility(network)
        columns = np.arange(network.n_nodes * len(self.components(network.dim)))
        others = np.setdiff1d(columns, self.dependent(network))
        return sparse.csr_array(of_frames @ sparse.eye_array(len(columns), format="csr")[others])


class Bodies(Frames):
    """Joints of finite size with displacements and mean rotations, not loaded by moments."""

    turned = False


def _turned(axis: NDArray, x: NDArray) -> NDArray[np.float64]:
    """Velocities of places, (n, d), that turn about the origin: ``axis`` has 1 or 3 components."""
    if len(axis) == 1:
        return axis[0] * np.column_stack([-x[:, 1], x[:, 0]])
    return np.cross(axis, x)


class Potentials(Kinematics):
    """Nodal potentials; a pair reads the difference of first and second node."""

    @override
    def components(self, dim: int) -> tuple[str, ...]:
        return (self.across,)

    @override
    def free_motions(self, nodes: NDArray, periodic: bool) -> NDArray[np.float64]:
        return np.full((len(nodes), 1), len(nodes) ** -0.5)

    @override
    def compatibility(self, network: Network) -> sparse.csr_array:
        m = network.n_edges
        ones = np.ones(m)
        rows = np.tile(np.arange(m), 2)
        return sparse.csr_array(
            (np.r_[-ones, ones], (rows, network.edges.T.ravel())), shape=(m, network.n_nodes)
        )

    @override
    def pair(self, network: Network, a: int, b: int) -> NDArray[np.float64]:
        return np.empty(0)


def rigid_motions(nodes: NDArray, periodic: bool) -> NDArray[np.float64]:
    """Orthonormal rigid motions, shape (n d, k): translations, and rotations where not periodic."""
    d, x = nodes.shape[1], nodes - nodes.mean(axis=0)
    # Turns are of the size of movements in every unit.
    x = x / (np.abs(x).max() or 1.0)
    motions = np.stack([m.ravel() for m in translations(x) + spins(x)], axis=1)
    q, r = np.linalg.qr(motions[:, :d] if periodic else motions)
    size = np.abs(np.diag(r))
    return q[:, size > 1e-9 * size.max()]


def left_free(motions: NDArray, stopped: NDArray) -> NDArray[np.float64]:
    """Rigid motions left when some degrees of freedom are fixed."""
    if motions.shape[1] == 0 or len(stopped) == 0:
        return motions
    _, s, vt = np.linalg.svd(np.linalg.qr(motions[stopped], mode="r"), full_matrices=True)
    rank = np.count_nonzero(s > 1e-8 * max(s.max(initial=0.0), np.abs(motions).max()))
    return motions @ vt[rank:].T


def translations(x: NDArray) -> list[NDArray[np.float64]]:
    """Unit moves of points at ``x``, (n, d), along every axis."""
    return [np.tile(axis, (len(x), 1)) for axis in np.eye(x.shape[1])]


def spins(x: NDArray) -> list[NDArray[np.float64]]:
    """Turns of points at ``x``, (n, d), about the origin in every plane of two axes."""
    d, out = x.shape[1], []
    for a, b in combinations(range(d), 2):
        spin = np.zeros(x.shape)
        spin[:, a], spin[:, b] = -x[:, b], x[:, a]
        out.append(spin)
    return out


SPACE = Displacements("displacement", "strain", "force")
FRAME = Frames("displacement", "strain", "force")
ROD = Rods("displacement", "strain", "force")
BODY = Bodies("displacement", "strain", "force")
VOLTAGE = Potentials("voltage", "voltage", "current")
PRESSURE = Potentials("pressure", "pressure", "flow")
CHARGE = Potentials("voltage", "voltage", "charge")
