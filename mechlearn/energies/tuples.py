"""Elements on tuples of nodes: angles between bonds, and creases.

A kind is a table of node tuples, a ``strain`` in the vectors of their nodes, and an ``energy`` of
the strain, both in UFL. Such elements act beside bonds, to which they are added.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
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
#: Bend that straight bonds have at rest already, so that its size is smooth: at a moment in
#: proportion to it, as of an angular spring, it has no bearing on forces and stiffnesses.
SMOOTH = 1e-5


class TupleEnergy(Element):
    """Energy of an element on several nodes, at any displacement.

    Attributes
    ----------
    table : str
        The network's table of node tuples: "triples", "quadruples", "polygons" or "surfaces".
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
        """The ``strains`` of a piece of an element in UFL, whose sums are those of the element.

        Parameters
        ----------
        now, rest : sequences of UFL vectors
            Positions of its nodes, and those in the reference configuration.
        """

    def pieces(self, k: int) -> NDArray[np.int64]:
        """Places in a row of ``k`` nodes of each piece of an element, (p, q); all in one here."""
        return np.arange(k)[None]

    def distinct(self, row: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places of the distinct nodes in a row, (k,), and the pieces in terms of them, (p, q)."""
        return np.arange(len(row)), self.pieces(len(row))

    def rows(self, network: Network) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Nodes of every element, and where they are."""
        rows, places = network.tuples[self.table], network.tuple_places(self.table)
        return ((row[row >= 0], x[row >= 0]) for row, x in zip(rows, places, strict=True))

    def derivative(self, *by: str) -> Any:
        """``d energy / d by`` as a NumPy function of the strains and parameters."""
        return _pointwise(self, by)

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

        rows, places = network.tuples[self.table], network.tuple_places(self.table)
        sizes, d, entries = (rows >= 0).sum(axis=1), network.dim, []
        for k in np.unique(sizes):
            pieces = self.pieces(int(k))
            names = [f"x{node}_{c}" for node in range(pieces.shape[1]) for c in range(d)]
            known = [*names, *(f"y{name[1:]}" for name in names)]
            slopes = {name: Pointwise(self._change(d), known, [name]) for name in names}
            mine = np.flatnonzero(sizes == k)
            for piece in pieces:
                x = places[mine][:, piece].reshape(len(mine), -1).T
                at = dict(zip(names, x, strict=True))
                at |= {f"y{name[1:]}": values for name, values in at.items()}
                for name, slope in slopes.items():
                    node, c = map(int, name[1:].split("_"))
                    dofs = d * rows[mine, piece[node]] + c
                    entries.append((mine, dofs, slope(**at) * np.ones(len(mine))))
        row, column, value = map(np.concatenate, zip(*entries, strict=True))
        return sparse.csr_array((value, (row, column)), shape=(len(rows), d * network.n_nodes))

    def _change(self, d: int) -> Callable[..., Any]:
        """The first strain of a piece as a function of the coordinates of its nodes."""
        from mechlearn.fenics import ufl

        def change(**x: Any) -> Any:
            q = len(x) // (2 * d)
            now, before = (
                [ufl.as_vector([x[f"{of}{n}_{c}"] for c in range(d)]) for n in range(q)]
                for of in "xy"
            )
            return self.strain(now, before)[0]

        return change

    def _unstrained(self, values: Mapping[str, NDArray], *by: str) -> Any:
        at: dict[str, Any] = dict.fromkeys(self.strains, 1.0) | {self.strains[0]: 0.0}
        return self.derivative(*by)(**at, **{p.name: values[p.name] for p in self.parameters})


@cache
def _pointwise(energy: TupleEnergy, by: tuple[str, ...]) -> Any:
    from mechlearn.energies.derivatives import Pointwise

    names = [*energy.strains, *(p.name for p in energy.parameters)]
    return Pointwise(energy.energy, names, by)


class Angle(TupleEnergy):
    """Angular springs at the middle one of three nodes.

    In the plane the angle is signed, and may pass the straight one. In space it is that between the
    bonds; where they are straight at rest it may bend to all sides.
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
        change = ufl.atan2(y * x0 - x * y0, x * x0 + y * y0)
        if len(now[0]) == 2:
            return (change,)
        # The bend of straight bonds is the length of a vector, of which the square is smooth.
        units = (arm / ufl.sqrt(ufl.dot(arm, arm)) for arm in _arms(now))
        along = sum(units)
        bend = -2 * ufl.asin(ufl.sqrt(ufl.dot(along, along) + SMOOTH**2) / 2)
        straight = ufl.And(ufl.lt(x0, 0), ufl.lt(y0, -COLLINEAR * x0))
        return (ufl.conditional(straight, bend, change),)

    @override
    def compatibility(self, network):
        if network.dim == 2:
            return super().compatibility(network)
        straight = self._straight(network)
        bent = sparse.diags_array(1.0 * ~straight) @ super().compatibility(network)
        rows, x = network.tuples[self.table][straight], network.tuple_places(self.table)[straight]
        arms = [x[:, k] - x[:, 1] for k in (0, 2)]
        first, last = (1 / np.linalg.norm(arm, axis=1) for arm in arms)
        weights = np.column_stack([first, -first - last, last])
        # Across, to two sides.
        across = np.linalg.svd(arms[0][:, None])[2][:, 1:]
        values = np.einsum("tk,tsd->stkd", weights, across)
        count = np.broadcast_to(np.arange(2 * len(rows)).reshape(2, -1, 1, 1), values.shape)
        dofs = np.broadcast_to(3 * rows[..., None] + np.arange(3), values.shape)
        entries = values.ravel(), (count.ravel(), dofs.ravel())
        sides = sparse.csr_array(entries, shape=(2 * len(rows), 3 * network.n_nodes))
        return sparse.csr_array(sparse.vstack([bent, sides]))

    def _straight(self, network: Network) -> NDArray[np.bool_]:
        """Mask of the triples in space that are straight at rest."""
        x = network.tuple_places(self.table)
        a, b = x[:, 0] - x[:, 1], x[:, 2] - x[:, 1]
        along, across = np.vecdot(a, b), np.linalg.norm(np.cross(a, b), axis=1)
        return (along < 0) & (across < -COLLINEAR * along)

    @override
    def energy(self, angle, angle_stiffness, rest_angle):
        return angle_stiffness * (angle - rest_angle) ** 2 / 2

    @override
    def require(self, network):
        super().require(network)
        _require_arms(self, network)
        if network.dim == 3:
            _require_corners(self, network, (0, 1, 2), ~self._straight(network))


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


def _require_arms(kind: TupleEnergy, network: Network) -> None:
    """Raise InputError where the middle node of a triple is where another one is."""
    x = network.tuple_places(kind.table)
    arms = np.linalg.norm(x[:, [0, 2]] - x[:, [1]], axis=2).min(axis=1)
    none = np.flatnonzero(arms <= COLLINEAR * network.lengths.mean())
    if len(none):
        row = network.tuples[kind.table][none[0]]
        raise InputError(
            f"energy: {kind.plural}: of nodes {listed(network.named(row))} of {kind.table} "
            f"{none[0]} the middle one is where another is, so that there is no angle; leave it "
            "out."
        )


def _require_corners(
    kind: TupleEnergy,
    network: Network,
    nodes: tuple[int, ...],
    those: NDArray[np.bool_] | bool = True,
) -> None:
    """Raise InputError where three nodes of an element, one of ``those``, are on a line."""
    places = network.tuple_places(kind.table)[:, list(nodes)]
    a, b = (places[:, k] - places[:, 1] for k in (0, 2))
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    flat = np.flatnonzero(those & (np.linalg.norm(np.cross(a, b), axis=1) <= COLLINEAR * size))
    if len(flat):
        row = network.tuples[kind.table][flat[0]]
        raise InputError(
            f"energy: {kind.plural}: nodes {listed(network.named(row))} of {kind.table} "
            f"{flat[0]} are on a line, so that there is no angle; leave it out."
        )


def _arms(nodes: Sequence[Any]) -> tuple[Any, Any]:
    return nodes[0] - nodes[1], nodes[2] - nodes[1]


def _turn(nodes: Sequence[Any]) -> tuple[Any, Any]:
    """Cosine and sine, times lengths, of the angle from the second bond to the first."""
    from mechlearn.fenics import ufl

    a, b = _arms(nodes)
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
