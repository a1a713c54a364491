"""Polyhedral approximations of round struts and balls for manifold3d, with exact volumes."""

from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from mechlearn.extensions import load
from mechlearn.solids.struts import Struts

#: Places along a rod, and its radii there.
Profile = tuple[NDArray[np.float64], NDArray[np.float64]]
#: Sides of the prisms by which the volume of struts is found; it is then right to 1e-5.
SIDES = 24


def frames(axes: NDArray) -> NDArray[np.float64]:
    """Rotations whose third column is the axis, (m, 3, 3)."""
    least = np.eye(3)[np.argmin(np.abs(axes), axis=1)]
    one = np.cross(least, axes)
    one /= np.linalg.norm(one, axis=1)[:, None]
    return np.stack([one, np.cross(axes, one), axes], axis=2)


def balls(manifold: ModuleType, centres: NDArray, radii: NDArray, sides: int) -> list:
    """Polyhedra with the balls' volumes."""
    ball = manifold.Manifold.sphere(1.0, sides)
    ball = ball.scale([(4 / 3 * np.pi / ball.volume()) ** (1 / 3)] * 3)
    return [ball.scale([r] * 3).translate(list(x)) for x, r in zip(centres, radii, strict=True)]


def rods(
    manifold: ModuleType, starts: NDArray, axes: NDArray, shapes: list[Profile], sides: int
) -> list:
    """Prisms with the rods' cross-sectional areas; ``shapes`` are places along them and radii."""
    wider = np.sqrt((2 * np.pi / sides) / np.sin(2 * np.pi / sides))
    out = []
    for start, turn, (place, radius) in zip(starts, frames(axes), shapes, strict=True):
        corners = [(0.0, place[0]), *zip(wider * radius, place, strict=True), (0.0, place[-1])]
        section = manifold.CrossSection([np.array(corners)], manifold.FillRule.EvenOdd)
        rod = manifold.Manifold.revolve(section, sides)
        out.append(rod.transform(np.column_stack([turn, start])))
    return out


def volume(struts: Struts) -> float:
    """Volume of straight round struts with their joints, overlaps counted once."""
    manifold = load("manifold3d", "solids", "Solids in 3D need")
    net = struts.network
    shapes = [
        (np.array([0.0, length]), np.array([w / 2, w / 2]))
        for length, w in zip(net.lengths, struts.width, strict=True)
    ]
    pieces = balls(manifold, net.nodes, struts.joint_radius, SIDES)
    pieces += rods(manifold, net.nodes[net.edges[:, 0]], struts.axes, shapes, SIDES)
    return float(manifold.Manifold.batch_boolean(pieces, manifold.OpType.Add).volume())
