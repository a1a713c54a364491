"""Pathways: bonds that couple a source to a target.

With ``e_s`` and ``e_t`` the strains of a bond by unit forces at the source and at the target, and
``D`` its moduli, ``e_t D e_s`` is its *mutual energy*; the sum over all bonds is the compliance
between the two (Maxwell and Betti). A bond couples as far as it is strained by both. Bonds with a
share of either sign are there; the pathway is the chain of bonds from source to target along which
the sizes of the shares are large: the shortest one where a bond counts as long as one over its
share.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

from mechlearn.analysis.importance import participation
from mechlearn.analysis.result import Plotted, Subject, bonds_of, system_of
from mechlearn.analysis.tangent import port_rows, tangent
from mechlearn.errors import InputError, listed
from mechlearn.learning.system import System
from mechlearn.network import Network
from mechlearn.networks._check import integer

#: A bond with a smaller share than this part of the largest is as long as one with it.
LEAST = 1e-6


@dataclass(frozen=True, eq=False, repr=False)
class Pathway(Plotted):
    """Coupling of a source and a target.

    Attributes
    ----------
    network : Network
    shares : (m,) array
        Mutual energy of every bond, by unit forces at the source and at the target.
    source, target : (m,) arrays
        Energy of every bond by the one and by the other force alone.
    nodes, bonds : lists of integer arrays
        The nodes and bonds of each pathway, from source to target, the shortest first.
    ends : pair of tuples
        Nodes of the source and of the target.
    """

    network: Network
    shares: NDArray[np.float64]
    source: NDArray[np.float64]
    target: NDArray[np.float64]
    nodes: list[NDArray[np.int64]]
    bonds: list[NDArray[np.int64]]
    ends: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def names(self) -> list[list[str]]:
        """Names of the nodes of each pathway, such as "HIS A:372"."""
        return [self.network.described(nodes) for nodes in self.nodes]

    @property
    def compliance(self) -> float:
        """Target reading per unit force at the source: the sum of the shares (linear)."""
        return float(self.shares.sum())

    @property
    def participation(self) -> float:
        """Participation ratio of the bonds in the coupling, 1/m to 1."""
        return float(participation(np.sqrt(np.abs(self.shares))))


def pathway(
    subject: Subject,
    source: str | None = None,
    target: str | None = None,
    *,
    count: int = 1,
    example: int = 0,
    learned: bool = True,
) -> Pathway:
    """Pathway between a source and a target.

    Parameters
    ----------
    subject : a run, or a :class:`mechlearn.System`
    source, target : str, optional
        Their names; the first ones where left out. Of several components the first counts.
    count : int
        How many pathways that share no bond.
    example : int
        At finite displacement, about the free state of this example, from 0.
    learned : bool
        Of a run: the learned network, or the one before training.

    Raises
    ------
    InputError
        For a source or target that there is not, and for bonds of several segments, and solids.
    """
    s = system_of(subject, learned)
    bonds_of(s, "A pathway", whole=True)
    integer("count", count, low=1)
    t = tangent(s, example)
    ends = [_port(s, source, "source"), _port(s, target, "target")]
    loads = port_rows(s, example)[ends][:, t.free].T
    cells, k = t.moduli.shape[:2]
    strains = (t.strains @ t.solve(loads)).reshape(cells, k, 2)
    energies = np.einsum("mka,mkl,mlb->abm", strains, t.moduli, strains)
    one, other = (s.problem.ports[p].nodes for p in ends)
    if set(one) == set(other):
        raise InputError(
            "The source and the target are at one place, so no pathway leads from one to the "
            "other; name others."
        )
    nodes, bonds = _ways(s.network, np.abs(energies[0, 1]), one, other, count)
    return Pathway(s.network, energies[0, 1], energies[0, 0] / 2, energies[1, 1] / 2, nodes, bonds,
                   (one, other))  # fmt: skip


def _port(s: System, name: str | None, kind: str) -> int:
    p = s.problem
    target = kind == "target"
    ports, numbers = (p.targets, p.answers) if target else (p.sources, p.drives)
    if not len(ports):
        raise InputError(f"The task has no {kind}.")
    known = [number.terminal for number in numbers]
    if name is None:
        return int(ports[0])
    if name not in known:
        names = s.problem.output_names if kind == "target" else known
        raise InputError(
            f"{kind} = {name!r} is none of the task's ({listed(dict.fromkeys(names))})."
        )
    return int(ports[known.index(name)])


def _ways(
    network: Network, share: NDArray, start: Iterable[int], stop: Iterable[int], count: int
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Shortest chains of bonds without common bonds."""
    n, (i, j) = network.n_nodes, network.edges.T
    cost = share.max(initial=0.0) / np.maximum(share, LEAST * share.max(initial=0.0))
    left, nodes, bonds = np.ones(network.n_edges, dtype=bool), [], []
    for _ in range(count):
        # Of several bonds between two nodes (periodic images) the one with the largest share.
        order = np.flatnonzero(left)[np.argsort(-cost[left], kind="stable")]
        best = {
            (min(a, b), max(a, b)): e for a, b, e in zip(i[order], j[order], order, strict=True)
        }
        kept = np.array(list(best.values()), dtype=np.int64)
        graph = sparse.csr_array((cost[kept], (i[kept], j[kept])), shape=(n, n))
        reach, before, _ = dijkstra(
            graph, directed=False, indices=list(start), min_only=True, return_predecessors=True
        )
        end = min(stop, key=lambda node: reach[node])
        if not np.isfinite(reach[end]):
            break
        way = [int(end)]
        while before[way[-1]] >= 0:
            way.append(int(before[way[-1]]))
        way = way[::-1]
        chain = [best[min(a, b), max(a, b)] for a, b in pairwise(way)]
        nodes.append(np.array(way))
        bonds.append(np.array(chain, dtype=np.int64))
        left[chain] = False
    return nodes, bonds
