"""Geometry kernels: bodies as polyhedra by manifold3d, and with exact surfaces by OpenCASCADE.

Solids and parts are made of the same few bodies in each: balls, rods, boxes and sheets.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from types import ModuleType
from typing import Any, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError
from mechlearn.extensions import load
from mechlearn.io.isolated import cpu_limit
from mechlearn.solids.images import OVERLAPS, translations_within
from mechlearn.solids.outline import rings
from mechlearn.solids.struts import Rod, Struts

#: Sides of the prisms by which the volume of struts is found; it is then right to 1e-5.
SIDES = 24
#: Dimensions and tags of bodies in gmsh.
Bodies = list[tuple[int, int]]
#: Seconds of the processor that a union may take: at least, and for every face of its bodies. A
#: good one takes a quarter of that; a bad one may take hours.
PATIENCE = (5.0, 0.1)
#: How far out in a ball, over its radius, the rims of the rods that end in it may lie.
INSIDE = 0.985
#: Volume, over the cube of the thinnest width, from which bodies overlap with their images.
OVERLAP = 1e-3
#: Corners of plane parts that lie this close (mm) to a straight side are left out: each is a face.
FLAT = 5e-3


class Kernel(ABC):
    """Geometry kernel; what it makes are lists of bodies of its own."""

    @abstractmethod
    def ball(self, centre: NDArray, radius: float) -> list:
        """Ball about a point."""

    @abstractmethod
    def rod(self, start: NDArray, axis: NDArray, rod: Rod, balls: tuple[float, float]) -> list:
        """Rod along an axis, between two balls of given radii (or zero)."""

    @abstractmethod
    def box(self, low: Sequence[float], high: Sequence[float]) -> list:
        """Box between two corners."""

    @abstractmethod
    def sheet(self, shape: Any, height: float, thickness: float) -> list:
        """Polygon of shapely, extruded upwards from a height."""

    def post(self, x: float, y: float, low: float, high: float, radius: float) -> list:
        """Upright cylinder."""
        rod = np.array([0.0, high - low]), np.full(2, radius)
        return self.rod(np.array([x, y, low]), np.eye(3)[2], rod, (0.0, 0.0))

    def struts(self, struts: Struts, rods: list[Rod]) -> tuple[list, list]:
        """Balls of the joints in space, and rods between them, or to cuts across the cell."""
        net, radii, p = struts.network, struts.joint_radius, struts.pieces
        balls = [b for x, r in zip(net.nodes, radii, strict=True) for b in self.ball(x, r)]
        start = p.origin + p.low[:, None] * net.vectors[p.strut]
        ends = np.where(np.stack([p.low > 0, p.high < 1], axis=1), 0.0, radii[net.edges[p.strut]])
        each = zip(start, struts.axes[p.strut], rods, ends, strict=True)
        return balls, [body for one in each for body in self.rod(*one)]


class Manifolds(Kernel):
    """Polyhedra of manifold3d, with the exact volumes of balls and rods.

    Parameters
    ----------
    module : the module manifold3d
    sides : int
        Sides of the prisms that stand for cylinders.
    """

    def __init__(self, module: ModuleType, sides: int) -> None:
        self.module, self.make, self.sides = module, module.Manifold, sides
        ball = self.make.sphere(1.0, sides)
        self._ball = ball.scale([(4 / 3 * np.pi / ball.volume()) ** (1 / 3)] * 3)

    @override
    def ball(self, centre: NDArray, radius: float) -> list:
        return [self._ball.scale([radius] * 3).translate(list(centre))]

    @override
    def rod(self, start: NDArray, axis: NDArray, rod: Rod, balls: tuple[float, float]) -> list:
        place, radius = rod
        turn = 2 * np.pi / self.sides
        wider = np.sqrt(turn / np.sin(turn))
        corners = [(0.0, place[0]), *zip(wider * radius, place, strict=True), (0.0, place[-1])]
        # A rotation whose third column is the axis.
        first = np.cross(np.eye(3)[np.argmin(np.abs(axis))], axis)
        first /= np.linalg.norm(first)
        frame = np.column_stack([first, np.cross(axis, first), axis, start])
        return [self.make.revolve(self._section([np.array(corners)]), self.sides).transform(frame)]

    @override
    def box(self, low: Sequence[float], high: Sequence[float]) -> list:
        return [self.make.cube(np.subtract(high, low).tolist()).translate(list(low))]

    @override
    def sheet(self, shape: Any, height: float, thickness: float) -> list:
        return [self.make.extrude(self._section(rings(shape)), thickness).translate([0, 0, height])]

    def _section(self, contours: list[NDArray]) -> Any:
        return self.module.CrossSection(contours, self.module.FillRule.EvenOdd)

    def union(self, bodies: list, cuts: list) -> Any:
        """Union of bodies minus others."""
        kind = self.module.OpType
        body = self.make.batch_boolean(bodies, kind.Add)
        return self.make.batch_boolean([body, *cuts], kind.Subtract) if cuts else body


class OpenCascade(Kernel):
    """Bodies of gmsh's OpenCASCADE, bounded by spheres, cylinders, cones and planes.

    As it makes them, poles and seams of many lie in one plane: good for meshes, bad for unions. So
    bodies of revolution are rotated about themselves at random after the first attempt (0).

    Parameters
    ----------
    occ : the module gmsh.model.occ
    attempt : int
    halves : bool
        Whether balls are two halves each. The face of a whole ball closes on itself at a seam;
        trimmed by rods, it comes back from a STEP file with pieces missing (1 to 3 % of the
        volume), without an error. Half a ball's does not.
    """

    def __init__(self, occ: Any, attempt: int, *, halves: bool) -> None:
        self.occ, self.attempt, self.halves = occ, attempt, halves

    @override
    def ball(self, centre: NDArray, radius: float) -> list:
        extent = (-1, -np.pi / 2, np.pi / 2, np.pi) if self.halves else ()
        made = [(3, self.occ.addSphere(*centre, radius, *extent)) for _ in range(1 + self.halves)]
        if self.halves:
            self.occ.rotate(made[1:], *centre, 0, 0, 1, np.pi)
        return self._rotated(made, centre, None)

    @override
    def rod(self, start: NDArray, axis: NDArray, rod: Rod, balls: tuple[float, float]) -> list:
        place, radius = shortened_rod(*rod, *balls)
        out = []
        for x, along, one, two in zip(
            start + place[:-1, None] * axis, np.diff(place)[:, None] * axis, radius[:-1],
            radius[1:], strict=True,
        ):  # fmt: skip
            alike = abs(one - two) < 1e-9 * one
            make = (self.occ.addCylinder, (one,)) if alike else (self.occ.addCone, (one, two))
            out += self._rotated([(3, make[0](*x, *along, *make[1]))], x, axis)
        return out

    def _rotated(self, bodies: Bodies, centre: NDArray, axis: NDArray | None) -> Bodies:
        """Bodies rotated about an axis through a point, or any where None is given."""
        if self.attempt:
            # Rods of one direction alike: the two sides of a cut must match.
            seed = [tag for _, tag in bodies] if axis is None else np.abs(axis * 1e6).astype(int)
            rng = np.random.default_rng([self.attempt, *seed])
            about = rng.normal(size=3) if axis is None else axis
            self.occ.rotate(bodies, *centre, *about, rng.uniform(0.5, 2.5))
        return bodies

    @override
    def box(self, low: Sequence[float], high: Sequence[float]) -> list:
        return [(3, self.occ.addBox(*low, *np.subtract(high, low)))]

    @override
    def sheet(self, shape: Any, height: float, thickness: float) -> list:
        # Anticlockwise, the holes as well: OpenCASCADE reverses these itself.
        outer, *inner = rings(shape.simplify(FLAT))
        loops = []
        for ring in (outer, *(corners[::-1] for corners in inner)):
            loops.append(loop(self.occ, [self.occ.addPoint(*x, height) for x in ring]))
        plane = self.occ.addPlaneSurface(loops)
        return [e for e in self.occ.extrude([(2, plane)], 0, 0, thickness) if e[0] == 3]

    def union(self, first: Bodies, others: Bodies) -> Bodies:
        """Boolean union; ends its process if it is slow, so to be called isolated."""
        if not others:
            return first
        least, each = PATIENCE
        with cpu_limit(least + each * len(self.occ.getEntities(2))):
            return self.occ.fuse(first, others)[0]


def lines(add: Any, points: list[int]) -> list[int]:
    """Straight lines of gmsh from each of some points to the next, and back to the first."""
    following = points[1:] + points[:1]
    return [add.addLine(a, b) for a, b in zip(points, following, strict=True)]


def loop(add: Any, points: list[int]) -> int:
    """Closed loop of straight lines through points of gmsh."""
    return add.addCurveLoop(lines(add, points))


def shortened_rod(
    place: NDArray, radius: NDArray, first: float, last: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rod that ends inside its balls instead of at their centres, for robust intersections.

    Rods of a joint then cross each other less, too; the union is the same.

    Parameters
    ----------
    place, radius : arrays
        Places along the rod, from the centre of one ball to that of the other, and radii there.
    first, last : float
        Radii of the balls.
    """
    ends = []
    for ball, away in ((first, place), (last, place[-1] - place[::-1])):
        thick = radius if away is place else radius[::-1]
        x = np.linspace(0, min(ball, 0.4 * place[-1]), 101)
        far = np.hypot(x, np.interp(x, away, thick))
        ends.append(x[np.flatnonzero(far <= max(INSIDE * ball, far.min()))[-1]])
    low, high = ends[0], place[-1] - ends[1]
    kept = np.unique([low, *place[(place > low) & (place < high)], high])
    return kept, np.interp(kept, place, radius)


def volume(struts: Struts) -> float:
    """Volume of straight round struts with their joints, overlaps counted once.

    Raises
    ------
    InputError
        For a periodic body that overlaps with an image of itself.
    """
    kernel = Manifolds(load("manifold3d", "solids", "Solids in 3D need"), SIDES)
    balls, rods = kernel.struts(struts, struts.rods)
    whole, cell = kernel.union(balls + rods, []), struts.network.cell
    if cell is not None:
        steps = translations_within(np.asarray(whole.to_mesh().vert_properties)[:, :3], cell)
        moved = (whole.translate(list(s @ cell)) for s in steps if tuple(s) > (0, 0, 0))
        if max((whole ^ image).volume() for image in moved) > OVERLAP * struts.width.min() ** 3:
            raise InputError(OVERLAPS)
    return float(whole.volume())
