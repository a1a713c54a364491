"""Elements on tuples of nodes: angles between bonds, creases, areas.

A kind is a table of node tuples, a ``strain`` in the vectors of their nodes, and an ``energy`` of
the strain, both in UFL. Such elements act beside bonds, to which they are added.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Never, override

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.energies.element import Element
from mechlearn.energies.kinematics import SPACE, Kinematics
from mechlearn.energies.parameters import Parameter
from mechlearn.errors import InputError, listed
from mechlearn.network import Network

#: Sine of an angle below which bonds count as collinear.
COLLINEAR = 1e-6


class TupleEnergy(Element):
    """Energy of an element on several nodes, at any displacement.

    Attributes
    ----------
    table : str
        The network's table of node tuples: "triples", "quadruples" or "polygons".
    strains : tuple of str
        The change from the reference configuration, and reference measures beside it.
    """

    kinematics: ClassVar[Kinematics] = SPACE
    strains: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.parameters = tuple(replace(p, table=cls.table) for p in cls.parameters)

    @property
    @override
    def linear(self) -> bool:
        return False

    @abstractmethod
    def strain(self, now: Sequence[Any], rest: Sequence[Any]) -> tuple[Any, ...]:
        """The ``strains`` of an element in UFL.

        Parameters
        ----------
        now, rest : sequences of UFL vectors
            Positions of its nodes, and those in the reference configuration.
        """

    @abstractmethod
    def energy(self, *args: Any, **kwargs: Any) -> Any:
        """Energy in UFL; a subclass takes its strains and parameters by name."""

    def require(self, network: Network) -> None:
        """Raise InputError where a network has no such elements, or they have no strain."""
        if not network.count(self.table):
            raise InputError(
                f"energy: {self.plural} need {self.table} of nodes: give them in [network], or by "
                "net.with_tuples(...)."
            )

    @override
    def model(
        self, network: Network, problem: Any, parameters: Mapping[str, Any], comm: Any
    ) -> Never:
        raise InputError(
            f"energy: {self.plural} act beside bonds; add some, as in model = "
            f"'finite_spring + {self.name}'."
        )

    @override
    def prestresses(self, values: Mapping[str, NDArray], name: str | None = None) -> bool:
        return bool(np.any(self._unstrained(values, self.strains[0], *([name] if name else []))))

    @override
    def stiffens(self, values: Mapping[str, NDArray], name: str) -> bool:
        return bool(np.any(self._unstrained(values, *2 * self.strains[:1], name)))

    def compatibility(self, network: Network) -> sparse.csr_array:
        """Derivatives of the change of every element by the displacements of nodes, (t, n d)."""
        from mechlearn.energies.derivatives import Pointwise
        from mechlearn.fenics import ufl

        rows, places = network.tuples[self.table], network.tuple_places(self.table)
        sizes, d, entries = (rows >= 0).sum(axis=1), network.dim, []
        for k in np.unique(sizes):
            names = [f"x{node}_{c}" for node in range(k) for c in range(d)]

            def change(k: int = k, **x: Any) -> Any:
                now = [ufl.as_vector([x[f"x{n}_{c}"] for c in range(d)]) for n in range(k)]
                before = [ufl.as_vector([x[f"y{n}_{c}"] for c in range(d)]) for n in range(k)]
                return self.strain(now, before)[0]

            mine = np.flatnonzero(sizes == k)
            at = dict(zip(names, places[mine, :k].reshape(len(mine), -1).T, strict=True))
            at |= {f"y{name[1:]}": values for name, values in at.items()}
            for name in names:
                node, c = map(int, name[1:].split("_"))
                slope = Pointwise(change, list(at), [name])(**at)
                entries.append((mine, d * rows[mine, node] + c, slope * np.ones(len(mine))))
        row, column, value = map(np.concatenate, zip(*entries, strict=True))
        return sparse.csr_array((value, (row, column)), shape=(len(rows), d * network.n_nodes))

    def _unstrained(self, values: Mapping[str, NDArray], *by: str) -> Any:
        from mechlearn.energies.derivatives import Pointwise

        names = [p.name for p in self.parameters]
        at: dict[str, Any] = dict.fromkeys(self.strains, 1.0) | {self.strains[0]: 0.0}
        at |= {name: values[name] for name in names}
        return Pointwise(self.energy, [*self.strains, *names], by)(**at)


class Angle(TupleEnergy):
    """Angular springs at the middle one of three nodes.

    In the plane the angle is signed, and may pass the straight one; in space it is that between
    the bonds, which must not be straight.
    """

    name: ClassVar[str] = "angle"
    plural: ClassVar[str] = "angular springs"
    table: ClassVar[str] = "triples"
    strains: ClassVar[tuple[str, ...]] = ("angle",)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("angle_stiffness", about="Moment of an angular spring per change of its angle."),
        Parameter("rest_angle", 0.0, positive=False, about="Change of its angle without moment."),
    )

    @override
    def strain(self, now, rest):
        from mechlearn.fenics import ufl

        (x, y), (x0, y0) = _turn(now), _turn(rest)
        return (ufl.atan2(y * x0 - x * y0, x * x0 + y * y0),)

    @override
    def energy(self, angle, angle_stiffness, rest_angle):
        return angle_stiffness * (angle - rest_angle) ** 2 / 2

    @override
    def require(self, network):
        super().require(network)
        if network.dim == 3:
            _require_corners(self, network, (0, 1, 2))


class Crease(TupleEnergy):
    """Dihedral springs at the edge between two triangles.

    Of nodes ``a, b, c, d`` the edge is ``b c``, and the triangles are ``a b c`` and ``d c b``. The
    change of the fold is signed, and up to half a turn.
    """

    name: ClassVar[str] = "crease"
    table: ClassVar[str] = "quadruples"
    dimension: ClassVar[int] = 3
    strains: ClassVar[tuple[str, ...]] = ("fold",)
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("crease_stiffness", about="Moment of a crease per change of its fold."),
        Parameter("rest_fold", 0.0, positive=False, about="Change of its fold without moment."),
    )

    @override
    def strain(self, now, rest):
        from mechlearn.fenics import ufl

        (x, y), (x0, y0) = _fold(now), _fold(rest)
        return (ufl.atan2(y * x0 - x * y0, x * x0 + y * y0),)

    @override
    def energy(self, fold, crease_stiffness, rest_fold):
        return crease_stiffness * (fold - rest_fold) ** 2 / 2

    @override
    def require(self, network):
        super().require(network)
        _require_corners(self, network, (0, 1, 2))
        _require_corners(self, network, (3, 2, 1))


class Area(TupleEnergy):
    """Fillings of polygons in the plane, under pressure.

    The energy is that of a compressible filling, less the work of a pressure inside:
    ``bulk (A - A0)^2 / (2 A0) - pressure (A - A0)``.
    """

    name: ClassVar[str] = "area"
    plural: ClassVar[str] = "areas"
    table: ClassVar[str] = "polygons"
    dimension: ClassVar[int] = 2
    strains: ClassVar[tuple[str, ...]] = ("growth", "area")
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("bulk", about="Modulus of a filling against a change of its area."),
        Parameter("pressure", 0.0, positive=False, about="Pressure in a polygon."),
    )

    @override
    def strain(self, now, rest):
        from mechlearn.fenics import ufl

        before = _area(rest)
        sign = ufl.sign(before)  # of polygons that run clockwise
        return sign * (_area(now) - before), sign * before

    @override
    def energy(self, growth, area, bulk, pressure):
        return bulk * growth**2 / (2 * area) - pressure * growth


def _require_corners(kind: TupleEnergy, network: Network, nodes: tuple[int, ...]) -> None:
    """Raise InputError where three nodes of an element are on a line."""
    places = network.tuple_places(kind.table)[:, list(nodes)]
    a, b = (places[:, k] - places[:, 1] for k in (0, 2))
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    flat = np.flatnonzero(np.linalg.norm(np.cross(a, b), axis=1) < COLLINEAR * size)
    if len(flat):
        row = network.tuples[kind.table][flat[0]]
        raise InputError(
            f"energy: {kind.plural}: nodes {listed(network.named(row))} of {kind.table} "
            f"{flat[0]} are on a line, so that there is no angle; leave it out."
        )


def _turn(nodes: Sequence[Any]) -> tuple[Any, Any]:
    """Cosine and sine, times lengths, of the angle from the second bond to the first."""
    from mechlearn.fenics import ufl

    a, b = nodes[0] - nodes[1], nodes[2] - nodes[1]
    if len(a) == 2:
        return ufl.dot(a, b), a[0] * b[1] - a[1] * b[0]
    across = ufl.cross(a, b)
    return ufl.dot(a, b), ufl.sqrt(ufl.dot(across, across))


def _fold(nodes: Sequence[Any]) -> tuple[Any, Any]:
    """Cosine and sine, times areas and the edge's length, of the angle between two triangles."""
    from mechlearn.fenics import ufl

    a, b, c, d = nodes
    edge = c - b
    one, other = ufl.cross(b - a, edge), ufl.cross(edge, d - c)
    return ufl.sqrt(ufl.dot(edge, edge)) * ufl.dot(one, other), ufl.dot(edge, ufl.cross(one, other))


def _area(nodes: Sequence[Any]) -> Any:
    around = zip(nodes, [*nodes[1:], nodes[0]], strict=True)
    return sum(a[0] * b[1] - a[1] * b[0] for a, b in around) / 2
