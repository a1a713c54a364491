"""Geometry of struts and joints: width profiles, surfaces, normals and nearest struts.

A strut is straight and symmetric about its axis, ``width * profile`` thick; the profile is 1, or
thinner near its ends (hinges). At every network node a joint, a disc or a ball, rounds off what
meets there. The surface of the solid is made of the surfaces of these primitives, and each has a
normal and moves at a known normal speed when a width changes; dimension 2 and 3 are the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.energies.solid import Hinge
from mechlearn.errors import InputError, listed
from mechlearn.network import Network
from mechlearn.solids.images import Pieces, cut_elsewhere, joined

#: Joint radius over the p-norm of the half widths that meet there: above 1, so that the flat ends
#: of struts lie inside the joint, and strut sides cross its rim at an angle instead of touching it.
JOINT = 1.1
#: Places along a rod, and its radii there.
Rod = tuple[NDArray[np.float64], NDArray[np.float64]]
#: How far from the node the corners of its patch lie, over the joint's radius: 0.42 of a strut's
#: width, so that a clamp yields about as much as the joint is stiffer than the struts' axes say.
PATCH = 0.765
#: The p of that norm: close to the largest, but differentiable where several are equally wide.
NORM = 8
#: Points on each ramp between a hinge and the full width.
RAMP = 5
#: How far beyond a cut a piece counts as present, in strut lengths: its corners lie on the cut.
CUT = 1e-9
#: Entries of the arrays that are made at once (points times primitives).
CHUNK = 4_000_000


def rounded_widths(width: NDArray) -> NDArray[np.float64]:
    """Widths rounded to seven digits, as meshes are made for.

    The mesh then is the same on any number of ranks, whose widths differ in their last digits; the
    difference moves the points of the mesh as any change of widths does.
    """
    unit = 10.0 ** (6 - np.floor(np.log10(width)))
    return np.round(width * unit) / unit


@dataclass(frozen=True, eq=False)
class Struts:
    """Struts and joints of a network.

    Parameters
    ----------
    network : Network
        In 2D or 3D. Struts across a periodic cell are cut where nothing else touches them, and the
        pieces belong to the nodes at their ends; see :attr:`pieces`.
    width : (m,) array
        Full width (diameter in 3D) of every strut away from its hinges, in the network's unit.
    hinge : Hinge, optional
        Thinned ends.

    Raises
    ------
    InputError
        For struts wider than they are long.
    """

    network: Network
    width: NDArray[np.float64]
    hinge: Hinge | None = None

    def __post_init__(self) -> None:
        ends = self.joint_radius[self.network.edges].sum(axis=1)
        short = np.flatnonzero(ends >= self.network.lengths)
        if len(short):
            raise InputError(
                f"The joints at both ends of bond {listed(short)} overlap: widths must be well "
                "below the bonds' lengths."
            )
        if self.network.periodic:
            uncut = self._reach.sum(axis=1) >= self.network.lengths
            object.__setattr__(self, "network", joined(cut_elsewhere(self.network, uncut)))

    @cached_property
    def axes(self) -> NDArray[np.float64]:
        """Unit vectors along the struts, (m, d)."""
        return self.network.vectors / self.network.lengths[:, None]

    @cached_property
    def end_width(self) -> NDArray[np.float64]:
        """Width of every strut at its joints."""
        return self.width * (self.hinge.thin if self.hinge else 1.0)

    @cached_property
    def joint_radius(self) -> NDArray[np.float64]:
        """Radius of the joint at every node, (n,)."""
        return JOINT * np.power(self._power_sum, 1 / NORM)

    @property
    def patch_radius(self) -> NDArray[np.float64]:
        """Circumradius of the patch of every node, (n,)."""
        return PATCH * self.joint_radius

    @cached_property
    def _power_sum(self) -> NDArray[np.float64]:
        ends = self.network.edges.ravel()
        half = np.repeat(self.end_width / 2, 2)
        return np.bincount(ends, half**NORM, self.network.n_nodes)

    @cached_property
    def joint_slopes(self) -> sparse.csr_array:
        """Derivative of the joints' radii by the struts' widths, (n, m)."""
        net = self.network
        node = net.edges.ravel()
        strut = np.repeat(np.arange(net.n_edges), 2)
        ratio = self.end_width / self.width
        radius = self.joint_radius[node] / JOINT
        slope = JOINT * (self.end_width[strut] / 2 / radius) ** (NORM - 1) * ratio[strut] / 2
        return sparse.csr_array((slope, (node, strut)), shape=(net.n_nodes, net.n_edges))

    def profile(self, place: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Relative width at places along a strut (0 to 1), and its slope."""
        if self.hinge is None:
            return np.ones(np.shape(place)), np.zeros(np.shape(place))
        thin, length = self.hinge.thin, self.hinge.length
        nearer = np.minimum(place, 1 - place)
        ramp = np.clip((nearer - length) / length, 0, 1)
        value = thin + (1 - thin) * (1 - np.cos(np.pi * ramp)) / 2
        slope = (1 - thin) * np.sin(np.pi * ramp) * np.pi / (2 * length)
        return value, np.where(place <= 0.5, slope, -slope)

    @property
    def stations(self) -> NDArray[np.float64]:
        """Places along a strut (0 to 1) of the corners of its sides."""
        if self.hinge is None:
            return np.array([0.0, 1.0])
        ramp = self.hinge.length * (1 + np.linspace(0, 1, RAMP + 1))
        return np.concatenate([[0.0], ramp, 1 - ramp[::-1], [1.0]])

    @cached_property
    def cuts(self) -> NDArray[np.float64]:
        """Cuts of struts across the cell (0 to 1), midway between what meets them, (m,).

        Raises
        ------
        InputError
            For a strut that lies in others from end to end.
        """
        net, reach = self.network, self._reach
        bad = np.flatnonzero(net.crossing & (reach.sum(axis=1) >= net.lengths))
        if len(bad):
            raise InputError(
                f"Bond {listed(bad)} overlaps with its neighbours from end to end, and cannot be "
                "cut where it crosses the cell; make struts thinner."
            )
        return (reach[:, 0] + net.lengths - reach[:, 1]) / (2 * net.lengths)

    @cached_property
    def _reach(self) -> NDArray[np.float64]:
        """Lengths from its ends over which every strut lies in joints or neighbours, (m, 2)."""
        net, half = self.network, self.width / 2
        reach = self.joint_radius[net.edges]
        strut, side = np.divmod(np.argsort(net.edges.ravel(), kind="stable"), 2)
        away = np.where(side == 0, 1, -1)[:, None] * self.axes[strut]
        last = np.cumsum(np.bincount(net.edges.ravel(), minlength=net.n_nodes))
        for first, end in zip(np.r_[0, last[:-1]], last, strict=True):
            here, cosine = strut[first:end], away[first:end] @ away[first:end].T
            sine = np.sqrt(np.maximum(1 - cosine**2, 1e-12))
            far = (half[here] + half[here, None] * cosine) / sine
            # Those that leave the other way round touch nowhere but in the joint.
            far[cosine < -1 + 1e-9] = 0.0
            np.fill_diagonal(far, 0.0)
            at = here, side[first:end]
            reach[at] = np.maximum(reach[at], far.max(axis=1))
        return reach

    @cached_property
    def pieces(self) -> Pieces:
        """The struts, those across the cell cut in two."""
        net = self.network
        whole, cut = np.flatnonzero(~net.crossing), np.flatnonzero(net.crossing)
        start = net.nodes[net.edges[:, 0]]
        place = self.cuts[cut] if len(cut) else np.empty(0)
        zero, one = np.zeros(len(cut)), np.ones(len(cut))
        return Pieces(
            np.r_[whole, cut, cut],
            np.concatenate([start[whole], start[cut], start[cut] - net.images[cut]]),
            np.r_[np.zeros(len(whole)), zero, place],
            np.r_[np.ones(len(whole)), place, one],
        )

    @property
    def rods(self) -> list[Rod]:
        """Every piece as places from its start and radii there, linear in between."""
        out, p = [], self.pieces
        for strut, low, high in zip(p.strut, p.low, p.high, strict=True):
            place = np.unique(np.clip(self.stations, low, high))
            half = self.profile(place)[0] / 2
            along = (place - low) * self.network.lengths[strut]
            out.append((along, half * self.width[strut]))
        return out

    # -- points --------------------------------------------------------------------------------

    def _along(self, points: NDArray) -> tuple[NDArray, NDArray]:
        """Coordinates of points along every piece (0 to 1) and their distances from it, (k, q)."""
        p = self.pieces
        axes, length = self.axes[p.strut], self.network.lengths[p.strut]
        s = points @ axes.T - np.einsum("md,md->m", p.origin, axes)
        clamped = np.clip(s, p.low * length, p.high * length)
        square = np.zeros(s.shape)
        for c in range(self.network.dim):
            offset = points[:, c, None] - (p.origin[:, c] + clamped * axes[:, c])
            square += offset**2
        return s / length, np.sqrt(square)

    def _chunks(self, points: NDArray) -> Iterator[slice]:
        rows = max(1, CHUNK // (len(self.pieces.strut) + self.network.n_nodes))
        for first in range(0, len(points), rows):
            yield slice(first, first + rows)

    def nearest(self, points: NDArray) -> NDArray[np.int64]:
        """Strut in which every point lies deepest, (k,)."""
        return self.pieces.strut[self.nearest_piece(points)]

    def nearest_piece(self, points: NDArray) -> NDArray[np.int64]:
        """Piece in which every point lies deepest, (k,)."""
        out, width = np.empty(len(points), dtype=np.int64), self.width[self.pieces.strut]
        for part in self._chunks(points):
            place, distance = self._along(points[part])
            half = self.profile(np.clip(place, 0, 1))[0] * width / 2
            out[part] = np.argmin(distance - half, axis=1)
        return out

    def touching(self, points: NDArray, slack: NDArray) -> "Touch":
        """Primitives on whose surfaces points of the solid's surface lie.

        Parameters
        ----------
        points : (k, d) array
        slack : (k,) array
            Distance up to which a surface counts, as a fraction of the primitive's half width. The
            nearest surface always counts.
        """
        p, point, primitive = self.pieces, list[NDArray](), list[NDArray]()
        distance = list[NDArray]()
        for part in self._chunks(points):
            x = points[part]
            place, away = self._along(x)
            half = self.profile(np.clip(place, 0, 1))[0] * self.width[p.strut] / 2
            within = (place >= p.low - CUT) & (place <= p.high + CUT)
            gap = np.where(within, np.abs(away - half), np.inf)
            square = np.square(x[:, None, :] - self.network.nodes[None]).sum(axis=2)
            rim = np.abs(np.sqrt(square) - self.joint_radius)
            gap = np.hstack([gap, rim])
            size = np.hstack([half, np.broadcast_to(self.joint_radius, rim.shape)])
            on = gap <= slack[part, None] * size
            on[np.arange(len(x)), np.argmin(gap, axis=1)] = True
            row, column = np.nonzero(on)
            point.append(row + part.start)
            primitive.append(column)
            distance.append(gap[row, column])
        pairs = np.concatenate(point), np.concatenate(primitive)
        return Touch(self, points, *pairs, np.concatenate(distance), len(p.strut))


@dataclass(frozen=True, eq=False)
class Touch:
    """Pairs of a surface point and the primitive on whose surface it lies.

    Attributes
    ----------
    point, primitive : (t,) integer arrays
        Pieces of struts come first, then joints (from ``split`` on).
    distance : (t,) array
        How far the point is from that surface.
    """

    struts: Struts
    points: NDArray[np.float64]
    point: NDArray[np.int64]
    primitive: NDArray[np.int64]
    distance: NDArray[np.float64]
    split: int

    @cached_property
    def on_strut(self) -> NDArray[np.bool_]:
        """Mask of pairs with a strut rather than a joint, (t,)."""
        return self.primitive < self.split

    @cached_property
    def _frames(self) -> tuple[NDArray, NDArray, NDArray]:
        """Unit normals (t, d), local half widths (t,), and normal speeds by width or radius."""
        s, net, pieces = self.struts, self.struts.network, self.struts.pieces
        x = self.points[self.point]
        piece = np.where(self.on_strut, self.primitive, 0)
        strut = pieces.strut[piece]
        joint = np.where(self.on_strut, 0, self.primitive - self.split)
        from_node = x - net.nodes[joint]
        from_start = x - pieces.origin[piece]
        along = np.einsum("td,td->t", from_start, s.axes[strut])
        radial = from_start - along[:, None] * s.axes[strut]
        value, slope = s.profile(np.clip(along / net.lengths[strut], 0, 1))
        outward = radial / np.maximum(np.linalg.norm(radial, axis=1), 1e-300)[:, None]
        tilt = s.width[strut] / 2 * slope / net.lengths[strut]
        normal = np.where(
            self.on_strut[:, None], outward - tilt[:, None] * s.axes[strut], from_node
        )
        size = np.linalg.norm(normal, axis=1)
        half = np.where(self.on_strut, s.width[strut] * value / 2, s.joint_radius[joint])
        speed = np.where(self.on_strut, value / 2 / size, 1.0)
        return normal / size[:, None], half, speed

    @property
    def normals(self) -> NDArray[np.float64]:
        """Outward unit normals of the primitives at the points, (t, d)."""
        return self._frames[0]

    @property
    def half_widths(self) -> NDArray[np.float64]:
        """Half width of the strut there, or radius of the joint, (t,)."""
        return self._frames[1]

    def speeds(self) -> sparse.csr_array:
        """Normal speed of every pair's surface by the struts' widths, (t, m)."""
        t, s = len(self.point), self.struts
        rows = np.flatnonzero(self.on_strut)
        strut = s.pieces.strut[self.primitive[rows]]
        own = sparse.csr_array((self._frames[2][rows], (rows, strut)), shape=(t, s.network.n_edges))
        rims = np.flatnonzero(~self.on_strut)
        pick = sparse.csr_array(
            (np.ones(len(rims)), (rims, self.primitive[rims] - self.split)),
            shape=(t, s.network.n_nodes),
        )
        return sparse.csr_array(own + pick @ s.joint_slopes)
