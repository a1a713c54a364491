"""Delaunay networks of random points."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay, cKDTree

from mechlearn.errors import InputError
from mechlearn.linalg.threads import one_thread
from mechlearn.network import Network
from mechlearn.networks import _check
from mechlearn.networks.prune import remove_redundant
from mechlearn.networks.spheres import box_side, quench, random_spheres

#: Smallest periodic networks: below, a bond may reach its own image.
FEWEST_PERIODIC = {2: 20, 3: 80}
#: Outer triangles (tetrahedra) with a circumradius above this, in mean spacings, are slivers.
LARGEST_RADIUS = {2: 1.0, 3: 1.2}


@one_thread()
def delaunay(
    nodes: int = 100, dim: int = 2, seed: int = 0, periodic: bool = False, separation: float = 0.7
) -> Network:
    """Delaunay triangulation of random points a minimal distance apart: z about 6 or 14.

    The unit of length is the mean spacing: one node per unit of area or volume. Along the rim of
    a finite network the long bonds of sliver triangles are removed where rigidity allows it.

    Parameters
    ----------
    nodes : int
        At least 4 (2D) or 8 (3D), periodic 20 or 80.
    dim : 2 or 3
        Dimension of space.
    seed : int
        The same seed gives the same network.
    periodic : bool
        Whether it repeats in a square or cube.
    separation : float
        Smallest distance of two points, 0 (independent random points) to 0.85.

    Returns
    -------
    Network
        A finite one has the node set ``hull``, the nodes on the convex hull of the points.

    Raises
    ------
    InputError
        For arguments out of range.
    """
    dim = _check.dimension("dim of a Delaunay network", dim)
    low = FEWEST_PERIODIC[dim] if periodic else {2: 4, 3: 8}[dim]
    nodes = _check.integer("The number of nodes of a Delaunay network", nodes, low=low)
    _check.many(f"A Delaunay network of {nodes} nodes", nodes)
    seed = _check.integer("The seed of a Delaunay network", seed, 0)
    separation = _check.number("The separation of a Delaunay network", separation, 0, 0.85)
    rng = np.random.default_rng(seed)
    points, side = _points(nodes, dim, separation, rng, periodic)
    return _periodic(points, side) if periodic else _finite(points)


def _points(
    n: int, d: int, separation: float, rng: np.random.Generator, periodic: bool
) -> tuple[NDArray[np.float64], float]:
    """Points at least ``separation`` apart in a box of volume ``n``."""
    side = box_side(n, d)
    if separation == 0:
        return rng.random((n, d)) * side, side
    # Repelling discs of slightly larger diameter, pushed apart until none overlaps by more than
    # that; at 0.85 they fill 0.59 (2D) or 0.34 (3D), far below random close packing.
    diameter = separation * 1.02
    volume = {2: np.pi / 4, 3: np.pi / 6}[d] * n * diameter**d
    spheres = random_spheres(np.full(n, diameter), d, volume / side**d, rng)
    # First a few steps with discs that overlap everywhere, which evens out dense and empty parts.
    wide = type(spheres)(spheres.positions, side, np.full(n, 1.3))
    spheres = type(spheres)(quench(wide, 10).positions, side, spheres.diameters)
    for _ in range(50):
        spheres = quench(spheres, 200)
        near = cKDTree(spheres.positions, boxsize=side).query(spheres.positions, k=2)[0][:, 1]
        if near.min() >= separation:
            break
        # Stuck: shake, and try again.
        shaken = spheres.positions + rng.normal(0, 0.05 * separation, spheres.positions.shape)
        spheres = type(spheres)(shaken % side, side, spheres.diameters)
    return spheres.positions, side


def _finite(points: NDArray) -> Network:
    mesh = Delaunay(points)
    edges = _edges(mesh.simplices)
    net = Network(points, edges, node_sets={"hull": np.unique(mesh.convex_hull)})
    # Peel sliver simplices from outside; bonds that belong to no other simplex may go.
    radius = _circumradii(points[mesh.simplices])
    d = points.shape[1]
    kept = np.ones(len(radius), dtype=bool)
    while True:
        # Neighbour -1 is outside, as is (through the padded entry) a simplex already peeled.
        open_face = ~np.append(kept, False)[mesh.neighbors]
        peel = kept & open_face.any(axis=1) & (radius > LARGEST_RADIUS[d])
        if not peel.any():
            break
        kept &= ~peel
    inner = _edges(mesh.simplices[kept]) if kept.any() else edges[:0]
    n = len(points)
    slivers = np.flatnonzero(~np.isin(edges @ [n, 1], inner @ [n, 1]))
    if not len(slivers):
        return net
    order = slivers[np.argsort(-net.lengths[slivers], kind="stable")]
    return net.keep_edges(remove_redundant(net, order))


def _periodic(points: NDArray, side: float) -> Network:
    n, d = points.shape
    steps = np.indices([3] * d).reshape(d, -1).T - 1
    # Circumspheres of the points are no wider than this, so farther images change nothing.
    margin = min(side, 4.0)
    images = (points[None] + side * steps[:, None]).reshape(-1, d)
    use = np.flatnonzero(((images > -margin) & (images < side + margin)).all(axis=1))
    node, step = use % n, steps[use // n]
    pairs = _edges(Delaunay(images[use]).simplices)
    a, b = pairs.T
    # One copy of every bond: of those that start or end in the home cell, the one whose first
    # node (the lower id; for equal ids there is none) is at home.
    swap = node[a] > node[b]
    a, b = np.where(swap, b, a), np.where(swap, a, b)
    home = (step[a] == 0).all(axis=1)
    edges, shifts = np.stack([node[a], node[b]], axis=1)[home], step[b][home]
    if (edges[:, 0] == edges[:, 1]).any():
        raise InputError(
            f"A periodic Delaunay network of {n} points has a bond from a node to its "
            "own image; take more nodes or a larger separation."
        )
    return Network(points, edges, cell=np.eye(d) * side, shifts=shifts)


def _edges(simplices: NDArray) -> NDArray[np.int64]:
    """Unique edges of simplices, lower id first, sorted, shape (m, 2)."""
    k = simplices.shape[1]
    i, j = np.triu_indices(k, 1)
    corners = np.sort(simplices.astype(np.int64), axis=1)
    # As single numbers: rows take NumPy several times as long to sort.
    n = int(corners.max()) + 1
    return np.stack(np.divmod(np.unique(corners[:, i] * n + corners[:, j]), n), axis=1)


def _circumradii(corners: NDArray) -> NDArray[np.float64]:
    """Circumradii of simplices, shape (s,); inf for flat ones."""
    sides = corners[:, 1:] - corners[:, :1]
    squares = (sides**2).sum(axis=-1)
    flat = np.abs(np.linalg.det(sides)) < 1e-12 * squares.max(axis=1) ** (sides.shape[1] / 2)
    sides[flat] = np.eye(sides.shape[1])
    centre = np.linalg.solve(2 * sides, squares[..., None])[..., 0]
    return np.where(flat, np.inf, np.linalg.norm(centre, axis=1))
