"""Areas and volumes enclosed by nodes, and the pressures that are their partners."""

from dataclasses import dataclass
from typing import override

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.fillings import Area, Filling, Volume
from mechlearn.energies.kinematics import Displacements, Kinematics
from mechlearn.errors import InputError, listed
from mechlearn.fem.macroscopic_strain import affine_rows
from mechlearn.network import Network
from mechlearn.tasks.ports import CurvedPort, Entries, Port
from mechlearn.tasks.quantity import Place, Quantity

#: The most nodes around what is under pressure: forces on all of them are a dense system.
MOST = 400


@dataclass(frozen=True)
class EnclosurePort(CurvedPort):
    """Change of the area of a polygon, or of the volume of a closed surface.

    Attributes
    ----------
    faces : tuple of tuples of int
        Places among the nodes of the ends of each side, or of the corners of each triangle.
    sense : float
        -1 where they run the other way round.
    """

    faces: tuple[tuple[int, ...], ...] = ()
    sense: float = 1.0

    @override
    def rows(self, network: Network, kinematics: Kinematics) -> tuple[Entries, list[float]]:
        width, d = len(kinematics.components(network.dim)), network.dim
        places, last = _around(network, self.nodes), network.n_nodes * width
        entries: Entries = []
        for k, node in enumerate(self.nodes):
            moved = affine_rows(places[k])
            entries += [(d * k + c, width * node + c, 1.0) for c in range(d)]
            entries += [(d * k + c, last + j, moved[c, j]) for c, j in np.argwhere(moved).tolist()]
        return entries, places.ravel().tolist()

    @override
    def size(
        self, x: NDArray, near: NDArray | None = None
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Size of what is enclosed, and its derivatives, first and second, by ``x``, (k d,)."""
        faces = np.array(self.faces)
        k, q = faces.shape
        corners, size = x.reshape(-1, q)[faces], x.size
        slopes, curvature = np.zeros(size), np.zeros((size, size))
        dofs = q * faces[..., None] + np.arange(q)
        weight = self.sense / (2 if q == 2 else 6)
        if q == 2:
            turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
            value = weight * np.einsum("fi,ij,fj->", corners[:, 0], turn, corners[:, 1])
            second = np.broadcast_to(turn, (k, 2, 2))
            pairs = [(0, 1, second)]
            np.add.at(slopes, dofs[:, 0], weight * corners[:, 1] @ turn.T)
            np.add.at(slopes, dofs[:, 1], weight * corners[:, 0] @ turn)
        else:
            a, b, c = corners.swapaxes(0, 1)
            value = weight * np.einsum("fi,fi->", a, np.cross(b, c))
            for n, normal in enumerate((np.cross(b, c), np.cross(c, a), np.cross(a, b))):
                np.add.at(slopes, dofs[:, n], weight * normal)
            # The derivative of a.(b x c) by a and b is the cross product with c.
            pairs = [(0, 1, _skew(c)), (1, 2, _skew(a)), (2, 0, _skew(b))]
        for i, j, block in pairs:
            np.add.at(curvature, (dofs[:, i, :, None], dofs[:, j, None]), weight * block)
        return float(value), slopes, curvature + curvature.T

    @override
    def place(self, components: tuple[str, ...]) -> str:
        return f"what nodes {listed(self.names)} enclose"

    @override
    def words(self, kinematics: Kinematics) -> tuple[str, str]:
        return "growth", "pressure"


def _skew(x: NDArray) -> NDArray[np.float64]:
    """Matrices ``S``, (k, 3, 3), with ``a S b = a . (b x x)``."""
    out = np.zeros((len(x), 3, 3))
    for i, j, m in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        out[:, i, j], out[:, j, i] = x[:, m], -x[:, m]
    return out


def _around(network: Network, nodes: tuple[int, ...]) -> NDArray[np.float64]:
    """Places of nodes side by side, (k, d), each in the image nearest to the one before."""
    x = network.nodes[list(nodes)]
    if not network.periodic:
        return x
    steps = network.separation(list(nodes[:-1]), list(nodes[1:]))
    return x[0] + np.vstack([np.zeros(network.dim), np.cumsum(steps, axis=0)])


def enclosure(at: Place, relative: bool) -> list[Port]:
    """Port of the polygon of a terminal's nodes, or of the surface that has them.

    Its unit is the size at rest, where it is ``relative`` to that.

    Raises
    ------
    InputError
        For nodes that enclose nothing.
    """
    terminal, network, name = at.terminal, at.network, at.terminal.full_name
    ids, dim = tuple(terminal.ids), network.dim
    if not isinstance(at.kinematics, Displacements) or isinstance(terminal.value, list):
        raise InputError(f"{name}: what nodes enclose is one number, and of nodes that move.")
    if terminal.components is not None or terminal.together:
        key = "together" if terminal.together else "components"
        raise InputError(f"{name}: what nodes enclose has no key {key}.")
    if len(ids) > MOST:
        raise InputError(f"{name}: {len(ids)} nodes are too many for a pressure; {MOST} may be.")
    kind: Filling
    if dim == 2:
        k = len(ids)
        rows, kind = {"polygons": np.array([ids])}, Area()
        faces = np.column_stack([np.arange(k), (np.arange(k) + 1) % k])
    else:
        known = [row[row >= 0] for row in network.tuples.get("surfaces", ())]
        mine = next((row for row in known if set(row.tolist()) == set(ids)), None)
        if mine is None:
            raise InputError(f"{name}: no row of surfaces of the network has just its nodes.")
        rows, kind = {"surfaces": mine[None]}, Volume()
        ids, faces = tuple(np.unique(mine).tolist()), np.searchsorted(np.unique(mine), mine)
        faces = faces.reshape(-1, 3)
    try:
        kind.require(Network(network.nodes, network.edges, network.cell, network.shifts,
                             tuples=rows))  # fmt: skip
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    port = EnclosurePort(terminal.name, ids, tuple(network.described(ids)),
                         faces=tuple(map(tuple, faces.tolist())))  # fmt: skip
    size = port.size(_around(network, ids).ravel())[0]
    sense = float(np.sign(size))
    unit = abs(size) if relative else 1.0
    return [
        EnclosurePort(
            terminal.name, ids, port.names, unit, abs(size), faces=port.faces, sense=sense
        )
    ]


class EnclosedPressure(Quantity):
    """Pressure inside the polygon of its nodes, or the surface that has them."""

    through = True

    @override
    def ports(self, at: Place) -> list[Port]:
        return enclosure(at, relative=False)


EnclosedPressure.key = EnclosedPressure.title = "pressure"


class Growth(Quantity):
    """Of the area of the polygon of its nodes, or of the volume in a surface, over that at rest."""

    part, change_of = True, "size"

    @override
    def ports(self, at: Place) -> list[Port]:
        return enclosure(at, relative=True)
