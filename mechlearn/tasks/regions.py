"""Ports at named parts of bodies: mean displacements, and forces that are spread evenly."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, override

from mechlearn.energies.kinematics import Kinematics
from mechlearn.errors import InputError, listed
from mechlearn.network import Network
from mechlearn.networks.bodies import part_of
from mechlearn.tasks.ports import Entries, NodePort, Port, components_of

if TYPE_CHECKING:
    from mechlearn.tasks.task import Terminal


@dataclass(frozen=True)
class RegionPort(NodePort):
    """Component of the mean displacement of a part of a body; its force is spread evenly over it.

    Attributes
    ----------
    component : int
    region : str
    weights : tuple of float
        Of the nodes.
    """

    component: int = 0
    region: str = ""
    weights: tuple[float, ...] = ()

    @override
    def dof(self, width: int) -> int:
        return -1

    @override
    def rows(self, network: Network, kinematics: Kinematics) -> tuple[Entries, list[float]]:
        width = len(kinematics.components(network.dim))
        pairs = zip(self.nodes, self.weights, strict=True)
        return [(0, width * i + self.component, w) for i, w in pairs], [0.0]

    @override
    def place(self, components: tuple[str, ...]) -> str:
        return f"{components[self.component]} of {self.region!r}"


def region_ports(
    key: str, terminal: "Terminal", network: Network, kinematics: Kinematics
) -> list[Port]:
    """Ports of a source or target at a part of a body, one per component.

    Raises
    ------
    InputError
        For an unknown part, and numbers and components that do not go together.
    """
    name, known, region = terminal.full_name, kinematics.components(network.dim), terminal.region
    assert region is not None, "the place of the terminal is a region"
    components = components_of(terminal.components, known, len(known), name)
    if terminal.together:
        raise InputError(
            f"{name}: region means the mean over {region!r}; for a rigid plate write nodes = "
            f"{region!r} and together."
        )
    if not isinstance(terminal.value, list) or len(terminal.value) != len(components):
        raise InputError(
            f"{name}: {key} = {terminal.value} of a region needs a list of one number for each "
            f"component, {listed([known[c] for c in components])}."
        )
    ids, weights = part_of(network, region, name)
    nodes, shares = tuple(ids.tolist()), tuple(weights.tolist())
    return [
        RegionPort(terminal.name, nodes, component=c, region=region, weights=shares)
        for c in components
    ]
