"""Parts of a network: chosen nodes, k-core, largest connected piece, part without floppy modes."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.attributes import renumbered
from mechlearn.energies.rigidity import rigidity
from mechlearn.errors import InputError
from mechlearn.linalg.threads import one_thread
from mechlearn.network import Network, pieces


def keep_nodes(network: Network, keep: ArrayLike) -> Network:
    """Subnetwork of some nodes and the bonds between them.

    Nodes keep their order and are numbered anew; sets and data follow.

    Parameters
    ----------
    network : Network
    keep : array of ids, or (n,) bool array
        The nodes that stay.

    Raises
    ------
    InputError
        When what is left is no network: no bonds, lone nodes or several pieces.
    """
    ids = np.unique(np.arange(network.n_nodes)[np.asarray(keep)])
    bonds = np.flatnonzero(np.isin(network.edges, ids).all(axis=1))
    return replace(
        network,
        nodes=network.nodes[ids],
        edges=np.searchsorted(ids, network.edges[bonds]),
        shifts=None if network.shifts is None else network.shifts[bonds],
        node_sets=renumbered(network.node_sets, ids, network.n_nodes),
        edge_sets=renumbered(network.edge_sets, bonds, network.n_edges),
        node_data={k: v[ids] for k, v in network.node_data.items()},
        edge_data={k: v[bonds] for k, v in network.edge_data.items()},
        labels=None if network.labels is None else network.named(ids),
    )


def core(edges: NDArray, n_nodes: int, degree: int) -> NDArray[np.bool_]:
    """Mask of the ``degree``-core: nodes left after repeated removal of those with fewer bonds."""
    keep = np.ones(n_nodes, dtype=bool)
    while True:
        inside = keep[edges].all(axis=1)
        low = keep & (np.bincount(edges[inside].ravel(), minlength=n_nodes) < degree)
        if not low.any():
            return keep
        keep &= ~low


def largest_piece(edges: NDArray, keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mask of the largest connected piece among the nodes in the mask ``keep``."""
    inside = keep[edges].all(axis=1)
    labels = pieces(edges[inside], len(keep))
    return keep & (labels == labels[np.flatnonzero(keep)[0]] if keep.sum() == 1 else labels == 0)


@one_thread()
def trim_floppy(network: Network) -> Network:
    """Remove nodes until only rigid motions are free; the largest piece is returned.

    Nodes with fewer than ``d`` bonds go first; then, again and again, those that move most in
    the floppy modes, as in J. W. Rocks et al., PNAS 114, 2520 (2017),
    https://doi.org/10.1073/pnas.1612139114. A node's motion is summed over all floppy modes (the
    diagonal of their projector), so the choice does not depend on how modes are combined.

    Parameters
    ----------
    network : Network
        Of springs, with floppy modes or without.

    Raises
    ------
    InputError
        When nothing rigid is left.
    """
    d, stay = network.dim, np.ones(network.n_nodes, dtype=bool)
    while True:
        edges, n = network.edges, network.n_nodes
        keep = largest_piece(edges, stay)
        keep = largest_piece(edges, keep & core(edges[keep[edges].all(axis=1)], n, d))
        if np.count_nonzero(keep) <= d:
            raise InputError("No rigid part is left of the network once its floppy nodes are gone.")
        if not keep.all():
            network = keep_nodes(network, keep)
            stay = np.ones(network.n_nodes, dtype=bool)
            continue
        modes = rigidity(network).floppy_modes
        if not len(modes):
            return network
        # Rounded, so that nodes which move alike (each alone in a mode of its own, say) go in the
        # order of their ids on every processor.
        motion = (modes**2).sum(axis=(0, 2)).round(9)
        order = np.argsort(-motion, kind="stable")
        # Several at once where many modes are free, but never two that share a bond: taking one
        # away often frees or settles the other.
        count = max(1, len(modes) // 4)
        taken, beside = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
        links = network.neighbours()
        for node in order[: 4 * count]:
            if not beside[node] and taken.sum() < count and motion[node] > 0.5 * motion[order[0]]:
                taken[node] = beside[node] = True
                beside[links.indices[links.indptr[node] : links.indptr[node + 1]]] = True
        stay = ~taken
