"""Contact networks of jammed packings of soft discs or spheres.

Soft discs (2D) or spheres (3D) are brought to force balance under pressure; every contact becomes
a bond. Pressure tunes how far above isostaticity the network lies. Finite networks are cut out of
a larger packing as in J. W. Rocks et al., PNAS 114, 2520 (2017),
https://doi.org/10.1073/pnas.1612139114.
"""

import math
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError, MechlearnError, SolveError
from mechlearn.linalg.threads import one_thread
from mechlearn.network import Network
from mechlearn.networks import _check
from mechlearn.networks.lattice import faces
from mechlearn.networks.prune import prune_to_coordination
from mechlearn.networks.spheres import Spheres, largest_ball, quench, random_spheres, relax
from mechlearn.networks.trim import core, keep_nodes, largest_piece, trim_floppy

#: The pressure of a periodic packing when no dial is set.
PRESSURE = 1e-2
#: That of a packing to cut a finite network from: the cut costs bonds, and close to isostaticity
#: (above all in 3D, where surfaces weigh more) nothing rigid would be left.
PRESSURE_TO_CUT = 1e-1
#: Pressures packings are made at: jamming is slow to reach below, nothing like it is left above.
LOWEST, HIGHEST = 1e-5, 0.3
#: Smallest periodic packing: below, a particle touches two images of another.
FEWEST_PERIODIC = {2: 8, 3: 40}
#: Smallest finite packing: below, what is cut out seldom holds a rigid part.
FEWEST_FINITE = {2: 8, 3: 16}
#: A pair that overlaps or misses by less than this, over the mean overlap, is too close to tell:
#: another derived seed is taken. Positions are known to a hundredth of it or better.
MARGIN = 1e-7
#: How many derived seeds are tried before giving up.
TRIES = 8


@dataclass(frozen=True)
class _Wanted:
    """Parts of a packing that are the same in every attempt."""

    nodes: int
    dim: int
    seed: int
    periodic: bool
    polydispersity: float | None

    @property
    def isostatic(self) -> float:
        """Coordination without self-stress, rigid motions taken off."""
        motions = self.dim if self.periodic else self.dim * (self.dim + 1) // 2
        return 2 * (self.nodes * self.dim - motions) / self.nodes


@one_thread()
def packing(
    nodes: int = 128,
    dim: int = 2,
    seed: int = 0,
    periodic: bool = False,
    pressure: float | None = None,
    coordination: float | None = None,
    excess: float | None = None,
    polydispersity: float | None = None,
) -> Network:
    """Contact network of a jammed packing of discs or spheres, with exactly ``nodes`` nodes.

    Particles start at random and minimise the enthalpy ``E + p V`` over positions and box, with
    ``E`` the sum of ``(1 - r/s)^2 / 2`` over overlapping pairs (``s`` the sum of the radii).
    Rattlers, with fewer than ``d + 1`` contacts, are no nodes, except for a few (about 1 in 100)
    that are swollen until their cages hold them, to make the count exact. The unit of length is
    the mean diameter of the network's particles, that of energy the contact's energy scale.

    Parameters
    ----------
    nodes : int
        At least 8 (2D) or 40 (3D) when periodic, 8 or 16 when finite.
    dim : 2 or 3
        Discs in the plane, or spheres in space.
    seed : int
        The same seed gives the same network, on every processor.
    periodic : bool
        The periodic packing itself, or else a disc or ball cut out of a larger one, with bonds
        across the cut dropped and nodes removed until no floppy mode is left.
    pressure : float, optional
        Pressure of the packing, 1e-5 to 0.3. When no dial is set 0.01 for a periodic network and
        0.1 for a finite one, whose cut surface takes bonds away.
    coordination : float, optional
        Exact mean coordination ``z = 2 m / n`` instead (to the nearest whole number of bonds): a
        packing at least so well connected is made, and bonds without which it stays rigid are
        removed at random.
    excess : float, optional
        The same, counted from the isostatic coordination of this size, ``2 d - 2 d / n`` when
        periodic (fixed cell) and ``2 d - d (d + 1) / n`` when finite.
    polydispersity : float, optional
        Relative standard deviation of diameters spread evenly, 0.05 to 0.3. Left out, discs come
        in two sizes of ratio 1.4, half and half, and spheres with 0.12.

    Returns
    -------
    Network
        With ``node_data["radius"]`` and, when finite, node sets "left", "right", ..., "top": nodes
        less than a mean diameter from the outermost, which plates hold. Rigid, and when given by
        pressure and periodic in force balance under the contact forces ``(1 - r/s)/s``.

    Raises
    ------
    InputError
        For arguments out of range, more than one dial, or a coordination out of reach (the
        message gives the range).
    SolveError
        When no force balance or exact count was found with any derived seed.
    """
    dim = _check.dimension("dim of a packing", dim)
    low = (FEWEST_PERIODIC if periodic else FEWEST_FINITE)[dim]
    nodes = _check.integer("The number of nodes of a packing", nodes, low=low)
    _check.many(f"A packing of {nodes} nodes", nodes)
    seed = _check.integer("The seed of a packing", seed, 0)
    if sum(dial is not None for dial in (pressure, coordination, excess)) > 1:
        raise InputError("A packing takes one of pressure, coordination and excess, not several.")
    if polydispersity is not None:
        polydispersity = _check.number("The polydispersity of a packing", polydispersity, 0.05, 0.3)
    wanted = _Wanted(nodes, dim, seed, periodic, polydispersity)
    if excess is not None:
        coordination = wanted.isostatic + _check.number(
            "The excess coordination of a packing", excess
        )
    if coordination is None:
        if pressure is None:
            pressure = PRESSURE if periodic else PRESSURE_TO_CUT
        pressure = _check.number("The pressure of a packing", pressure, LOWEST, HIGHEST)
        return _at_pressure(wanted, pressure)
    coordination = _check.number("The coordination of a packing", coordination)
    return _at_coordination(wanted, coordination)


def _at_coordination(wanted: _Wanted, coordination: float) -> Network:
    nodes, dim, isostatic = wanted.nodes, wanted.dim, wanted.isostatic
    bonds = round(coordination * nodes / 2)
    if bonds < round(isostatic * nodes / 2):
        _out_of_reach(wanted, coordination, None)
    # Measured: z - z_iso is about 5 (2D) or 12 (3D) times the root of the pressure.
    guess = 1.2 * (max(coordination - isostatic, 0.0) / {2: 5, 3: 12}[dim]) ** 2
    lowest = PRESSURE if wanted.periodic else {2: 3e-2, 3: PRESSURE_TO_CUT}[dim]
    pressure = float(np.clip(guess, lowest, HIGHEST))
    while True:
        network = _at_pressure(wanted, pressure)
        if network.n_edges >= bonds:
            return prune_to_coordination(network, 2 * bonds / nodes, wanted.seed)
        if pressure == HIGHEST:
            _out_of_reach(wanted, coordination, network.coordination)
        pressure = min(1.5 * pressure, HIGHEST)


def _out_of_reach(wanted: _Wanted, coordination: float, highest: float | None) -> NoReturn:
    top = f"about {highest:.3g}" if highest else {2: "5 to 6", 3: "9 to 10"}[wanted.dim]
    kind = "periodic" if wanted.periodic else "finite"
    raise InputError(
        f"A {kind} packing of {wanted.nodes} nodes in {wanted.dim}D can have a coordination from "
        f"{wanted.isostatic:.4g} (isostatic) up to {top}, not {coordination:.4g}."
    )


def _at_pressure(wanted: _Wanted, pressure: float) -> Network:
    problem = None
    for attempt in range(TRIES):
        rng = np.random.default_rng([wanted.seed, attempt])
        try:
            make = _periodic if wanted.periodic else _finite
            network = make(wanted, pressure, rng, attempt)
        except MechlearnError as error:
            problem = error
            continue
        if network is not None:
            return network
    raise SolveError(
        f"No packing with exactly {wanted.nodes} nodes came out of {TRIES} tries at pressure "
        f"{pressure:g}; try another seed or a higher pressure."
        + (f" Last problem: {problem}" if problem else "")
    )


# -- jamming -----------------------------------------------------------------------------------


def _jam(wanted: _Wanted, count: int, pressure: float, rng: np.random.Generator) -> Spheres:
    """Jammed packing of ``count`` particles, rattlers included."""
    dim, polydispersity = wanted.dim, wanted.polydispersity
    if polydispersity is None and dim == 2:
        diameters = rng.permutation(np.where(np.arange(count) % 2, 1.4, 1.0))
    else:
        # A uniform distribution of half-width w has the standard deviation w / sqrt(3).
        half = math.sqrt(3) * (0.12 if polydispersity is None else polydispersity)
        diameters = rng.permutation(np.linspace(1 - half, 1 + half, count))
    mean = math.fsum(diameters) / count
    spheres = random_spheres(diameters / mean, dim, {2: 0.9, 3: 0.7}[dim], rng)
    level = max(pressure, PRESSURE)
    spheres = relax(quench(spheres, 50), level)
    # Down in steps: near jamming a packing is soft, and only small steps stay in its basin.
    while level > pressure:
        level = max(pressure, level / 4)
        spheres = relax(spheres, level)
    return spheres


def _periodic(
    wanted: _Wanted, pressure: float, rng: np.random.Generator, attempt: int
) -> Network | None:
    nodes, dim = wanted.nodes, wanted.dim
    # Measured shares of rattlers. Starting a little below the count they suggest, the backbone
    # seldom comes out too large, and few rattlers are needed to complete it.
    share = np.interp(
        np.log10(pressure),
        [-4, -3, -2, -1.5],
        {2: [0.05, 0.04, 0.01, 0], 3: [0.03, 0.02, 0.005, 0]}[dim],
    )
    spare = share * nodes - (1.5 + attempt) * math.sqrt(share * nodes)
    # Rounded: logarithms and powers differ by a last digit from processor to processor.
    count = nodes + max(0, int(round(float(spare), 6)))
    jammed = _jam(wanted, count, pressure, rng)
    spheres = _backbone(jammed, nodes)
    for _ in range(12):
        if spheres is None:
            return None
        spheres = relax(spheres.scaled(), pressure)
        loose = ~core(spheres.contacts().pairs, nodes, dim + 1)
        if not loose.any() and abs(math.fsum(spheres.diameters) / nodes - 1) < 1e-12:
            if 2 * spheres.diameters.max() >= spheres.side:
                raise SolveError(f"The largest of {nodes} particles touch two images of others.")
            return _contact_network(spheres)
        spheres = _filled_cages(spheres, np.flatnonzero(loose))
    return None


def _backbone(spheres: Spheres, nodes: int) -> Spheres | None:
    """Packing without rattlers, except for those that are swollen to make up ``nodes``."""
    n, d = spheres.positions.shape
    firm = core(spheres.contacts().pairs, n, d + 1)
    missing = nodes - np.count_nonzero(firm)
    if missing < 0 or missing > n / 2:
        return None
    loose = np.flatnonzero(~firm)
    swollen = _filled_cages(spheres, loose, ignore=~firm)
    growth = swollen.diameters[loose] / spheres.diameters[loose]
    chosen: list[int] = []
    for k in loose[np.argsort(growth, kind="stable")]:
        if len(chosen) == missing:
            break
        # Two rattlers of one cage fill the same place: one of them can stay.
        apart = swollen.positions[chosen] - swollen.positions[k]
        apart -= spheres.side * np.rint(apart / spheres.side)
        reach = (swollen.diameters[chosen] + swollen.diameters[k]) / 2
        if ((apart**2).sum(axis=1) > (0.9 * reach) ** 2).all():
            chosen.append(k)
    firm[chosen] = True
    return swollen.only(firm) if len(chosen) == missing else None


def _filled_cages(spheres: Spheres, loose: NDArray, ignore: NDArray | None = None) -> Spheres:
    """Rattlers moved and swollen to fill their cages, with as many contacts as rigidity needs.

    Each becomes the largest disc or ball that fits between the others (those in the mask
    ``ignore`` not counted), and overlaps them as contacts do on average: so gentle a change leaves
    the packing in its basin, which taking particles out or putting some in does not.
    """
    if not len(loose):
        return spheres
    x, diameters, side = spheres.positions.copy(), spheres.diameters.copy(), spheres.side
    overlaps = spheres.contacts().overlaps
    overlap = math.fsum(overlaps) / len(overlaps)
    others = np.ones(len(x), dtype=bool) if ignore is None else ~ignore
    for k in loose:
        apart = x - x[k]
        apart -= side * np.rint(apart / side)
        wall = others & ((apart**2).sum(axis=1) < 2.5**2)
        wall[k] = False
        step, radius = largest_ball(apart[wall], diameters[wall] / 2, overlap)
        x[k] += step
        diameters[k] = 2 * radius
        others[k] = ignore is None
    return Spheres(x, side, diameters)


def _contact_network(spheres: Spheres) -> Network:
    if spheres.contact_margin() < MARGIN:
        raise SolveError("Two particles of it touch by less than can be told from rounding.")
    c = spheres.contacts()
    order = np.lexsort(np.sort(c.pairs, axis=1).T[::-1])
    pairs = np.sort(c.pairs[order], axis=1)
    between = spheres.positions[pairs[:, 1]] - spheres.positions[pairs[:, 0]]
    return Network(
        nodes=spheres.positions,
        edges=pairs,
        cell=np.eye(spheres.positions.shape[1]) * spheres.side,
        shifts=-np.rint(between / spheres.side).astype(np.int64),
        node_data={"radius": spheres.diameters / 2},
    )


# -- cutting -----------------------------------------------------------------------------------


def _finite(
    wanted: _Wanted, pressure: float, rng: np.random.Generator, attempt: int
) -> Network | None:
    nodes, dim = wanted.nodes, wanted.dim
    # The share of a square (cube) that its inscribed disc (ball) fills, and what trimming takes.
    margin = nodes + 4 * nodes ** ((dim - 1) / dim) + 8
    share = {2: math.pi / 4, 3: math.pi / 6}[dim]
    count = max(math.ceil(round(margin / share, 6)), 64)
    spheres = _jam(wanted, count, pressure, rng)
    whole = _contact_network(spheres.only(core(spheres.contacts().pairs, count, dim + 1)))
    centre, size, tried = np.full(dim, spheres.side / 2), nodes, set()
    for _ in range(60):
        try:
            rigid = trim_floppy(_cut(whole, centre, size))
        except InputError:  # nothing rigid in so small a piece
            found = nodes - 1
        else:
            network, found = _remove_outer(rigid, nodes), rigid.n_nodes
            if network is not None and network.n_nodes == nodes:
                unit = 2 * network.node_data["radius"].mean()
                return Network(
                    nodes=network.nodes / unit,
                    edges=network.edges,
                    node_data={"radius": network.node_data["radius"] / unit},
                    node_sets=faces(network.nodes / unit, 1.0),
                )
        tried.add(size)
        size += nodes - found
        if size in tried or size > whole.n_nodes * share:
            # The count jumps over what is wanted here; elsewhere it will not.
            centre, size, tried = rng.random(dim) * spheres.side, min(tried), set()
    return None


def _cut(whole: Network, centre: NDArray, size: int) -> Network:
    """The ``size`` nodes nearest to ``centre`` and the bonds inside that disc or ball."""
    assert whole.cell is not None
    side = whole.cell[0, 0]
    at = whole.nodes - centre
    at = at - side * np.rint(at / side)
    inside = np.zeros(whole.n_nodes, dtype=bool)
    inside[np.argsort((at**2).sum(axis=1), kind="stable")[:size]] = True
    between = at[whole.edges[:, 1]] - at[whole.edges[:, 0]]
    whole_bond = inside[whole.edges].all(axis=1) & (np.abs(between) < side / 2).all(axis=1)
    edges = whole.edges[whole_bond]
    # Bare arrays until the pieces are sorted out: a Network must be connected.
    linked = core(edges, whole.n_nodes, whole.dim)
    edges = edges[linked[edges].all(axis=1)]
    keep = largest_piece(edges, linked)
    edges = edges[keep[edges].all(axis=1)]
    new = np.cumsum(keep) - 1
    return Network(at[keep], new[edges], node_data={"radius": whole.node_data["radius"][keep]})


def _remove_outer(network: Network, nodes: int) -> Network | None:
    """Network reduced to ``nodes`` by removing outer nodes with d bonds; None if impossible.

    Such a node hangs on statically determinate bonds: the rest is as rigid without it.
    """
    d = network.dim
    surplus = network.n_nodes - nodes
    if surplus <= 0:
        return network
    keep = np.ones(network.n_nodes, dtype=bool)
    far = (network.nodes**2).sum(axis=1)
    degree = np.bincount(network.edges.ravel(), minlength=network.n_nodes)
    links = network.neighbours()
    for _ in range(surplus):
        loose = np.flatnonzero(keep & (degree == d))
        if not len(loose):
            return None
        node = loose[np.argmax(far[loose])]
        keep[node] = False
        degree[links.indices[links.indptr[node] : links.indptr[node + 1]]] -= 1
    return keep_nodes(network, keep)
