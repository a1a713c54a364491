"""Turns of nodes in space: rotation vectors of unit quaternions, and moments, their partners.

The component of a rotation vector, the axis of a turn times its angle, is a function of the state.
So a moment on it has a potential; where a node turns about one axis alone, it is a moment about
that axis. M. Ritto-Corrêa, D. Camotim, Int. J. Numer. Methods Eng. 55, 1005 (2002),
https://doi.org/10.1002/nme.532.
"""

from dataclasses import replace
from typing import Any, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.kinematics import Kinematics
from mechlearn.network import Network
from mechlearn.tasks.ports import CurvedPort, Entries, NodePort

#: Sine of half the angle below which a turn is a small one, or one by nearly a full circle.
SMALL, FULL = 0.1, 1e-3


class TurnPort(NodePort, CurvedPort):
    """Component of the rotation vector of a node whose state has a quaternion, vector part first.

    The quaternion may be of any norm. It has rotation vectors that differ by two full circles, of
    which the one nearest to the last state counts. By a full circle nodes turn about every axis;
    there the value is
    continued from nearby along the axis of the last state.
    """

    @property
    @override
    def beside(self) -> tuple[tuple[Any, ...], ...]:
        first = self.component - self.component % 3  # rotations follow three displacements
        components = [first + (self.component + k) % 3 for k in range(3)]
        return tuple(replace(self, component=c).key for c in components)

    @override
    def rows(self, network: Network, kinematics: Kinematics) -> tuple[Entries, list[float]]:
        components = kinematics.components(network.dim)
        end = len(components) * (self.nodes[0] + 1)
        # The component first, then those after it in cyclic order.
        order = [(self.component + k) % 3 for k in range(3)] + [3]
        return [(k, end - 4 + c, 1.0) for k, c in enumerate(order)], [0.0, 0.0, 0.0, 2.0]

    @override
    def size(
        self, x: NDArray, near: NDArray | None = None
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        norm = float(np.linalg.norm(x))
        q, near = x / norm, np.zeros(3) if near is None else near
        full = q[3] < 0 and np.linalg.norm(q[:3]) < FULL and np.linalg.norm(near) > np.pi
        value, slopes, second = (_full_circle if full else _rotation)(q, near)
        # Of a function of the direction alone.
        across, radial = np.eye(4) - np.outer(q, q), slopes @ q
        slopes = across @ slopes
        both = np.outer(slopes, q)
        second = across @ (second - radial * np.eye(4)) @ across - both - both.T
        return value, slopes / norm, second / norm**2


def _full_circle(q: NDArray, near: NDArray) -> tuple[float, NDArray, NDArray]:
    """As :func:`_rotation`, about the axis of the last rotation, ``near``."""
    axis = near / np.linalg.norm(near)
    along, c, own = q[:3] @ axis, q[3], axis[0]
    angle = 2 * np.arctan2(along, c)
    angle += 4 * np.pi * np.round((near @ axis - angle) / (4 * np.pi))
    across = np.eye(3) - np.outer(axis, axis)
    spread = 2 * np.pi / FULL
    second = np.zeros((4, 4))
    second[:3, :3] = -own * spread / FULL * across
    bent = second[:3, :3] @ q[:3]
    slopes = np.append(own * 2 * c * axis + spread * across[0] + bent, -2 * own * along)
    return float(own * angle + (spread * across[0] + bent / 2) @ q[:3]), slopes, second


def _rotation(q: NDArray, near: NDArray) -> tuple[float, NDArray, NDArray]:
    """First component of a rotation vector, ``2 atan2(s, c) v / s`` with ``s = |v|``, ``q = v, c``.

    Also its first and second derivatives by ``q``, (4,) and (4, 4).
    """
    v, c = q[:3], q[3]
    square = v @ v
    size = square + c**2
    if c > 0 and square < SMALL**2:
        t = square / c**2
        powers = np.arange(12)
        terms = (-1.0) ** powers / (2 * powers + 1)
        factor, once, twice = (np.polynomial.polynomial.polyval(t, series) for series in (
            terms, terms[1:] * powers[1:], terms[2:] * powers[2:] * powers[1:-1]))  # fmt: skip
        factor, once, twice = 2 * factor / c, 4 * once / c**3, 8 * twice / c**5
    else:
        s = np.sqrt(square)
        angle = 2 * np.arctan2(s, c)
        angle += 4 * np.pi * np.round((near @ v / s - angle) / (4 * np.pi))
        factor = angle / s
        once = (2 * c / size - factor) / square
        twice = (-4 * c / size**2 - 3 * once) / square
    slopes = np.array([factor, 0.0, 0.0, -2 / size * v[0]])
    slopes[:3] += once * v[0] * v
    second = np.zeros((4, 4))
    second[:3, :3] = v[0] * (once * np.eye(3) + twice * np.outer(v, v))
    second[0, :3] += once * v
    second[:3, 0] += once * v
    second[3, :3] = second[:3, 3] = 4 / size**2 * v[0] * v
    second[0, 3] = second[3, 0] = second[0, 3] - 2 / size
    second[3, 3] = 4 * c / size**2 * v[0]
    return factor * v[0], slopes, second
