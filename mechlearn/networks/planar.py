"""Detection of planar networks in 3D coordinates, and their reduction to 2D."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError
from mechlearn.network import Network

#: Nodes lie in a plane when they are off it by less than this fraction of the extent.
FLAT = 1e-10
#: The node data by which a file says in which dimension its network lives.
DIMENSION = "dimension"


def dimension_mark(network: Network) -> dict[str, NDArray[np.int64]]:
    """Node data that mark a planar network as one of 3D space."""
    told = network.dim == 3 and _flat_axes(network)
    return {DIMENSION: np.full(network.n_nodes, 3)} if told else {}


def reduced_dimension(network: Network, dimension: int | None = None) -> Network:
    """A planar network in space as one in 2D; others as they are.

    Springs could not hold it in space. It stays there where the file or ``dimension`` says so. Of
    a plane x = const or y = const the other two axes become x and y, which a note says.

    Raises
    ------
    InputError
        Where ``dimension`` is 2 and the network is not flat.
    """
    if dimension not in (None, 2, 3) or isinstance(dimension, bool):
        raise InputError(f"dimension = {dimension!r} must be 2 or 3.")
    data = dict(network.node_data)
    said = data.pop(DIMENSION, None)
    network = replace(network, node_data=data)
    if network.dim == 2:
        if dimension == 3:
            raise InputError("dimension = 3: the file has two coordinates for every node.")
        return network
    if dimension == 3 or (dimension is None and said is not None and bool(np.all(said == 3))):
        return network
    axes = _flat_axes(network)
    if axes:
        normal = axes[-1]
        kept = [c for c in range(3) if c != normal]
        notes = network.notes
        if normal != 2:
            a, b = ("xyz"[c] for c in kept)
            notes += (f"it lies in a plane {'xyz'[normal]} = const: its {a} and {b} are x and y",)
        return replace(
            network,
            nodes=network.nodes[:, kept],
            cell=None if network.cell is None else network.cell[np.ix_(kept, kept)],
            shifts=None if network.shifts is None else network.shifts[:, kept],
            notes=notes,
        )
    if dimension == 2:
        raise InputError("dimension = 2: its nodes do not lie in a plane x, y or z = const.")
    if network.cell is None and _tilted(network.nodes):
        note = (
            "it is flat, in a plane that is none of x, y, z = const, and stays in space, where "
            "springs alone cannot hold it; turn it for a network of the plane"
        )
        return replace(network, notes=(*network.notes, note))
    return network


def _flat_axes(network: Network) -> list[int]:
    """The axes along which a network in space has no extent."""
    sides = np.ptp(network.nodes, axis=0)
    axes = [c for c in range(3) if sides[c] <= FLAT * sides.max()]
    if network.cell is None or network.shifts is None:
        return axes
    cell, shifts = network.cell, network.shifts
    return [
        c for c in axes if not shifts[:, c].any() and not np.delete(cell, c, axis=0)[:, c].any()
    ]


def _tilted(nodes: NDArray[np.float64]) -> bool:
    centred = nodes - nodes.mean(axis=0)
    sizes = np.linalg.svd(centred / np.abs(centred).max(), compute_uv=False)
    return bool(len(nodes) > 3 and sizes[1] > FLAT * sizes[0] and sizes[2] <= FLAT * sizes[0])
