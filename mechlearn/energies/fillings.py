"""Fillings of polygons in the plane and of closed surfaces in space, under pressure."""

from typing import ClassVar, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.parameters import Parameter
from mechlearn.energies.tuples import TupleEnergy
from mechlearn.errors import InputError, listed

#: Size of what is flat, over that of a box of its nodes.
FLAT = 1e-12


class Filling(TupleEnergy):
    """Compressible filling of what is enclosed, under a pressure that works inside."""

    strains: ClassVar[tuple[str, ...]] = ("growth", "size")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "bulk", positive=False, about="Modulus of a filling against changes of its size."
        ),
        Parameter("pressure", 0.0, positive=False, about="Pressure inside."),
    )

    @override
    def energy(self, growth, size, bulk, pressure):
        return bulk * growth**2 / (2 * size) - pressure * growth

    def _check_size(self, number: int, size: float, x: NDArray) -> None:
        """Raise InputError for an element of nodes at ``x`` whose size is nothing."""
        if abs(size) <= FLAT * np.ptp(x, axis=0).max() ** x.shape[1]:
            raise InputError(
                f"energy: {self.plural}: row {number} of {self.table} encloses nothing; its nodes "
                "are on one line or plane."
            )


class Area(Filling):
    """Fillings of polygons in the plane, under pressure.

    The energy is that of a compressible filling, less the work of a pressure inside:
    ``bulk (A - A0)^2 / (2 A0) - pressure (A - A0)``.
    """

    name: ClassVar[str] = "area"
    plural: ClassVar[str] = "areas"
    table: ClassVar[str] = "polygons"
    dimension: ClassVar[int] = 2

    @override
    def pieces(self, k):
        return np.column_stack([np.arange(k), (np.arange(k) + 1) % k])

    @override
    def strain(self, now, rest):
        after, before = ((a[0] * b[1] - a[1] * b[0]) / 2 for a, b in (now, rest))
        return after - before, before

    @override
    def require(self, network):
        super().require(network)
        for k, (row, x) in enumerate(self.rows(network)):
            edges = np.stack([x, np.roll(x, -1, axis=0)], axis=1)
            if _cross_each_other(edges):
                raise InputError(
                    f"energy: {self.plural}: polygon {k}, of nodes {listed(network.named(row))}, "
                    "crosses or touches itself; give its nodes in their order around it."
                )
            self._check_size(k, np.linalg.det(edges).sum() / 2, x)


class Volume(Filling):
    """Fillings of closed surfaces of triangles in space, under pressure.

    The energy is ``bulk (V - V0)^2 / (2 V0) - pressure (V - V0)`` of the volume ``V``. A row of
    ``surfaces`` has the three nodes of each triangle, one triangle after the other, all in the same
    sense as seen from outside.
    """

    name: ClassVar[str] = "volume"
    plural: ClassVar[str] = "volumes"
    table: ClassVar[str] = "surfaces"
    dimension: ClassVar[int] = 3

    @override
    def pieces(self, k):
        return np.arange(k).reshape(-1, 3)

    @override
    def distinct(self, row):
        _, first, place = np.unique(row, return_index=True, return_inverse=True)
        return first, place.reshape(-1, 3)

    @override
    def strain(self, now, rest):
        from mechlearn.fenics import ufl

        after, before = (ufl.dot(a, ufl.cross(b, c)) / 6 for a, b, c in (now, rest))
        return after - before, before

    @override
    def require(self, network):
        super().require(network)
        for k, (row, x) in enumerate(self.rows(network)):
            first, triangles = self.distinct(row)
            sides = np.vstack([triangles[:, [i, (i + 1) % 3]] for i in range(3)])
            there, back = ({tuple(side) for side in s.tolist()} for s in (sides, sides[:, ::-1]))
            if there != back or len(there) < len(sides):
                one = min(there ^ back or {tuple(sides[0].tolist())})
                raise InputError(
                    f"energy: {self.plural}: surface {k} is not closed, or its triangles do not "
                    "all have the same sense, at nodes "
                    f"{listed(network.named(row[first[list(one)]]))}."
                )
            if not np.array_equal(x[first][triangles.ravel()], x):
                raise InputError(
                    f"energy: {self.plural}: surface {k} closes across the periodic cell; it must "
                    "enclose its volume without that."
                )
            self._check_size(k, np.linalg.det(x[first][triangles]).sum() / 6, x)


def _cross_each_other(edges: NDArray) -> bool:
    """True where sides of a polygon, (k, 2, 2), that are no neighbours have a common point."""
    k = len(edges)
    one, two = np.triu_indices(k, 2)
    apart = (two - one) % k != k - 1
    (a, b), (c, d) = (edges[side[apart]].swapaxes(0, 1) for side in (one, two))

    def turn(p: NDArray, q: NDArray, r: NDArray) -> NDArray[np.float64]:
        u, v = q - p, r - p
        return np.sign(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])

    crossing = (turn(a, b, c) * turn(a, b, d) <= 0) & (turn(c, d, a) * turn(c, d, b) <= 0)
    lines = np.maximum(np.minimum(a, b), np.minimum(c, d)) <= np.minimum(
        np.maximum(a, b), np.maximum(c, d)
    )
    return bool(np.any(crossing & lines.all(axis=1)))
