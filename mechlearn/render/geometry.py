"""Line segments of bonds, outline of the periodic cell, and projection onto a picture."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.network import Network

if TYPE_CHECKING:
    import pyvista


@dataclass(frozen=True, eq=False)
class Segments:
    """Straight segments of bonds: whole, bent in pieces, or halves across the cell.

    Attributes
    ----------
    ends : (s, 2, 3) array
    bond : (s,) integer array
        Which bond each piece belongs to.
    fade : (s, 2) array
        How far the ends have left the periodic cell: from 0, at a node, to 1, half-way to a node of
        the neighbouring cell.
    """

    ends: NDArray[np.float64]
    bond: NDArray[np.int64]
    fade: NDArray[np.float64]

    def of(self, which: NDArray[np.bool_]) -> "Segments":
        """Subset of segments, by a mask (s,)."""
        return Segments(self.ends[which], self.bond[which], self.fade[which])


def segments(
    network: Network,
    nodes: NDArray | None = None,
    lines: NDArray | None = None,
    whole: bool = False,
) -> Segments:
    """Segments of a network.

    Parameters
    ----------
    network : Network
    nodes : (n, d) array, optional
        Where its nodes are; at rest if left out.
    lines : (m, k + 1, d) array, optional
        Points along every bond, from its first node to its second or its image, with ``k`` even or
        1; straight lines between the nodes if left out.
    whole : bool
        Whether bonds that cross the periodic cell are drawn as far as the image of their second
        node, instead of one half at either side.
    """
    if lines is None:
        x = network.nodes if nodes is None else nodes
        i, j = network.edges.T
        lines = np.stack([x[i], x[j] + network.images], axis=1)
    ids = np.arange(network.n_edges)
    crossing = network.crossing
    if whole or not crossing.any():
        return _pieces(lines, ids, np.zeros(lines.shape[1]))
    inside, cut = ids[~crossing], ids[crossing]
    through = lines[cut]
    if through.shape[1] == 2:
        through = np.insert(through, 1, through.mean(axis=1), axis=1)
    back = through - network.images[cut, None]
    half = through.shape[1] // 2
    out = np.linspace(0, 1, half + 1)
    parts = [
        _pieces(lines[inside], inside, np.zeros(lines.shape[1])),
        _pieces(through[:, : half + 1], cut, out),
        _pieces(back[:, : half - 1 : -1], cut, out),
    ]
    return Segments(
        *(np.concatenate([getattr(p, f) for p in parts]) for f in ("ends", "bond", "fade"))
    )


def _pieces(lines: NDArray, bond: NDArray, fade: NDArray) -> Segments:
    """The straight pieces of lines (m, k + 1, d) with the fading of their points."""
    k = lines.shape[1] - 1
    ends = np.stack([lines[:, :-1], lines[:, 1:]], axis=2).reshape(-1, 2, lines.shape[2])
    fades = np.tile(np.stack([fade[:-1], fade[1:]], axis=1), (len(lines), 1))
    return Segments(space(ends), np.repeat(bond, k), fades)


def space(points: ArrayLike) -> NDArray[np.float64]:
    """Points with three coordinates, z = 0 in the plane."""
    points = np.asarray(points, dtype=float)
    if points.shape[-1] == 3:
        return points
    return np.concatenate([points, np.zeros((*points.shape[:-1], 1))], axis=-1)


def dashed(ends: NDArray, count: int) -> NDArray[np.float64]:
    """Lines (s, 2, 3) as so many dashes each, shape (s * count, 2, 3)."""
    part = ((np.arange(count)[:, None] + [0.2, 0.8]) / count)[None, :, :, None]
    a, b = ends[:, None, :1], ends[:, None, 1:]
    return ((1 - part) * a + part * b).reshape(-1, 2, 3)


@dataclass(frozen=True, eq=False)
class Cell:
    """A parallelogram or parallelepiped around the nodes.

    Attributes
    ----------
    corner : (d,) array
        Its low corner.
    vectors : (d, d) array
        Its edges from there, in rows.
    """

    corner: NDArray[np.float64]
    vectors: NDArray[np.float64]

    def edges(self) -> NDArray[np.float64]:
        """All edges, shape (4 or 12, 2, 3); those along one axis after those along another."""
        return np.concatenate([self.edges_along(c) for c in range(len(self.corner))])

    def edges_along(self, axis: int) -> NDArray[np.float64]:
        """The edges along an axis, shape (2 or 4, 2, 3)."""
        d = len(self.corner)
        others = np.stack(np.meshgrid(*[(0, 1)] * (d - 1), indexing="ij"), -1).reshape(-1, d - 1)
        ends = np.stack([np.insert(others, axis, end, axis=1) for end in (0, 1)], axis=1)
        return space(self.corner + ends @ self.vectors)

    def sides(self) -> NDArray[np.float64]:
        """Middles of the low and the high side across every axis, (d, 2, d)."""
        d = len(self.corner)
        middles = np.full((d, 2, d), 0.5)
        middles[np.arange(d), :, np.arange(d)] = [0.0, 1.0]
        return self.corner + middles @ self.vectors

    def deformed(self, strain: NDArray, about: NDArray, shift: NDArray) -> "Cell":
        """Cell under a strain (d, d) with a fixed point, then translated."""
        stretch = np.eye(len(self.corner)) + strain
        return Cell(about + (self.corner - about) @ stretch + shift, self.vectors @ stretch)


def cell_of(network: Network) -> Cell:
    """The cell of a periodic network at rest.

    At the origin where the nodes lie in it there, else centred on them.
    """
    fractions = network.nodes @ np.linalg.inv(network.lattice_vectors)
    corner = np.zeros(network.dim)
    if (fractions < -1e-9).any() or (fractions > 1 + 1e-9).any():
        corner = (fractions.min(axis=0) + fractions.max(axis=0) - 1) / 2
    return Cell(corner @ network.lattice_vectors, network.lattice_vectors)


@dataclass(frozen=True, eq=False)
class Projection:
    """Parallel projection: direction of view, centre, scale and pixels.

    Attributes
    ----------
    right, up, out : unit vectors of the picture; ``out`` points at the viewer
    centre : what is in the middle
    scale : half the picture's height, in units of length
    size : width and height in pixels
    """

    right: NDArray[np.float64]
    up: NDArray[np.float64]
    out: NDArray[np.float64]
    centre: NDArray[np.float64]
    scale: float
    size: tuple[int, int]

    @classmethod
    def of(cls, plotter: "pyvista.Plotter", size: tuple[int, int]) -> Self:
        """Projection of a plotter's camera onto a picture of some size."""
        camera = plotter.camera
        out = -np.array(camera.direction)
        up = np.array(camera.up) - np.dot(camera.up, out) * out
        up /= np.linalg.norm(up)
        centre = np.array(camera.focal_point)
        return cls(np.cross(up, out), up, out, centre, camera.parallel_scale, size)

    def depths(self, points: ArrayLike) -> NDArray[np.float64]:
        """Distances behind the plane of the centre."""
        return -(space(points) - self.centre) @ self.out

    def pixels(self, points: ArrayLike) -> NDArray[np.float64]:
        """Pixel coordinates from the top left corner, shape (..., 2)."""
        v = space(points) - self.centre
        w, h = self.size
        x = w / 2 + v @ self.right / self.scale * h / 2
        return np.stack([x, h / 2 - v @ self.up / self.scale * h / 2], axis=-1)

    def aim(self, plotter: "pyvista.Plotter") -> None:
        """Point a plotter's camera."""
        camera = plotter.camera
        camera.parallel_projection = True
        camera.focal_point = tuple(self.centre)
        camera.position = tuple(self.centre + 10 * self.scale * self.out)
        camera.up = tuple(self.up)
        camera.parallel_scale = self.scale
        plotter.reset_camera_clipping_range()


#: The isometric views from above: where the viewer is.
SIDES = np.array([[1.0, -1.0, 0.8], [1.0, 1.0, 0.8], [-1.0, 1.0, 0.8], [-1.0, -1.0, 0.8]])
#: How much it counts, beside being in front, that places are seen apart, and arrows from the side.
APART, ASIDE = 0.5, 0.25
#: Free part of width and height on every side.
MARGIN = (0.06, 0.06)


def viewing_direction(places: NDArray, arrows: NDArray) -> NDArray[np.float64]:
    """Best viewing direction of a network in space, of four isometric ones from above.

    Parameters
    ----------
    places : (k, 3) array
        What is to be in front and to be told apart, from the middle of the network, over its size.
    arrows : (a, 3) array
        Directions of arrows, which are hidden where they point at the viewer.
    """
    scores = []
    for side in SIDES / np.linalg.norm(SIDES, axis=1, keepdims=True):
        flat = np.eye(3) - np.outer(side, side)
        front = apart = aside = 0.0
        if len(places):
            front = float(places.mean(axis=0) @ side)
            apart = float(np.linalg.norm((places - places.mean(axis=0)) @ flat, axis=1).mean())
        if len(arrows):
            aside = float(np.linalg.norm(arrows @ flat, axis=1).mean())
        scores.append(front + APART * apart + ASIDE * aside)
    # Of those that are alike the first, whatever the rounding.
    return SIDES[int(np.argmax(np.round(scores, 6)))]


def fit_projection(
    points: NDArray,
    dim: int,
    size: tuple[int, int],
    out: NDArray | None = None,
    margin: tuple[float, float] = MARGIN,
) -> Projection:
    """Projection that shows all points: straight on in 2D; in 3D from ``out``, above the horizon.

    ``margin`` is left free on every side, as a part of width and height.
    """
    if dim == 2:
        right, up, out = np.eye(3)
    else:
        out = SIDES[0] if out is None else out
        out = out / np.linalg.norm(out)
        right = np.cross([0, 0, 1], out)
        right /= np.linalg.norm(right)
        up = np.cross(out, right)
    axes = np.array([right, up, out])
    low, high = (points @ axes.T).min(axis=0), (points @ axes.T).max(axis=0)
    w, h = size
    half = (high - low) / 2
    scale = max(half[1] / (1 - 2 * margin[1]), half[0] * h / w / (1 - 2 * margin[0]))
    return Projection(right, up, out, (low + high) / 2 @ axes, float(scale), size)
