"""Groups of nodes that move as one, as under a rigid plate: their ports, and ties between them.

A group's port is that of its first node, and ties, ports that are held at zero, make the others
follow. What the ties carry is the outside's, so the force at the port is the total.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.kinematics import Kinematics
from mechlearn.errors import InputError, listed
from mechlearn.network import Network
from mechlearn.tasks.ports import Entries, NodePort, Port, components_of

if TYPE_CHECKING:
    from mechlearn.tasks.quantity import Quantity
    from mechlearn.tasks.task import Terminal


@dataclass(frozen=True)
class GroupPort(NodePort):
    """Component of several nodes that move as one; its force is their total.

    Attributes
    ----------
    sign : float
        -1 where its value counts against the axis.
    """

    component: int = 0
    sign: float = 1.0

    @override
    def rows(self, network: Network, kinematics: Kinematics) -> tuple[Entries, list[float]]:
        return [(0, self.dof(len(kinematics.components(network.dim))), self.sign)], [0.0]

    @override
    def place(self, components: tuple[str, ...]) -> str:
        return f"{components[self.component]} of nodes {listed(self.names)}, which move as one"

    @override
    def words(self, kinematics: Kinematics) -> tuple[str, str]:
        across = kinematics.drop if np.isfinite(self.length) else kinematics.across
        return across, kinematics.through

    def ties(self) -> "list[Port]":
        """Ports that are held at zero, so that its nodes move as its first one does."""
        first, *others = self.nodes
        return [
            TiePort(self.terminal, (k,), leader=first, component=self.component) for k in others
        ]


@dataclass(frozen=True)
class TiePort(NodePort):
    """Component of a node less that of another one, the ``leader`` of a group."""

    component: int = 0
    leader: int = 0

    @override
    def dof(self, width: int) -> int:
        return -1

    @override
    def rows(self, network: Network, kinematics: Kinematics) -> tuple[Entries, list[float]]:
        width, c = len(kinematics.components(network.dim)), self.component
        entries = [(0, width * self.nodes[0] + c, 1.0), (0, width * self.leader + c, -1.0)]
        return entries, [0.0]


def group_ports(
    kind: "Quantity", terminal: "Terminal", network: Network, kinematics: Kinematics
) -> list[Port]:
    """Ports of a source or target of nodes together, one per component.

    Where its value is one number, that counts outwards along one axis, as what pulls a pair apart.

    Raises
    ------
    InputError
        Where its numbers and components do not go together.
    """
    name, value, nodes = terminal.full_name, terminal.value, network.nodes
    known, ids = kinematics.components(network.dim), terminal.ids
    places = len(known) - kinematics.rotations(network.dim)
    components = components_of(terminal.components, known, places, name)
    if np.size(value) != len(components):
        raise InputError(
            f"{name}: {kind.key} = {value} needs one number for each of the components along "
            f"which its nodes move together, {listed([known[c] for c in components])}."
        )
    if not kinematics.turned and max(components) >= places:
        raise InputError(f"{name}: joints of a solid do not turn together; leave rotations out.")
    if kinematics.curved(network.dim) and max(components) >= places:
        raise InputError(f"{name}: rods in space do not turn together; leave rotations out.")
    described, ports = tuple(network.described(ids)), list[Port]()
    for c in components:
        sign, unit, length = 1.0, 1.0, np.inf
        if not isinstance(value, list):
            if c >= network.dim or network.periodic:
                raise InputError(
                    f"{name}: a {kind.key} of one number is along an axis across which a finite "
                    "network has an extent; write a list of numbers."
                )
            low, high = nodes[:, c].min(), nodes[:, c].max()
            unit, length = kind.scale_of_pair(float(high - low))
            sign = 1.0 if nodes[ids, c].mean() >= (low + high) / 2 else -1.0
        ports.append(GroupPort(terminal.name, tuple(ids), described, unit, length, c, sign=sign))
    return ports


def ties_of(
    ports: Sequence[Port], names: Sequence[str], supported: NDArray, components: tuple[str, ...]
) -> list[Port]:
    """Ports held at zero, by which the nodes of groups among ``ports`` move together.

    Raises
    ------
    InputError
        Where a support, another source or a target holds or moves one of these nodes, too; the
        sources and targets of the ports have those ``names``.
    """
    width, ties = len(components), list[Port]()
    groups = [(port, name) for port, name in zip(ports, names, strict=True)
              if isinstance(port, GroupPort)]  # fmt: skip
    alone = [port.dof(width) for port in ports if not isinstance(port, GroupPort)]
    taken = dict.fromkeys(supported.tolist(), "a support")
    taken |= {dof: "another source or target" for dof in alone if dof >= 0}
    for port, name in groups:
        for node, label in zip(port.nodes, port.names, strict=True):
            dof = width * node + port.component
            if dof in taken:
                raise InputError(
                    f"{name} is about {port.place(components)}, and {taken[dof]} about "
                    f"{components[port.component]} of {label} alone."
                )
            taken[dof] = name
        ties += port.ties()
    return ties
