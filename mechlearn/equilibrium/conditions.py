"""Conditions at the ports: constraints, exact or compliant, loads, and the readings they bind."""

from dataclasses import InitVar, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.energies.kinematics import Displacements, left_free
from mechlearn.errors import InputError, SolveError
from mechlearn.fem.model import Model
from mechlearn.parallel import total
from mechlearn.tasks.ports import CurvedPort
from mechlearn.tasks.problem import Problem

#: What is said where a nudge makes the energy plus the cost lose its minimum.
UNSTABLE = "The nudge is so strong that the network loses its stability; use a smaller one."
#: Energies of bonds are no larger, nor smaller than one over it: products of them are numbers.
LARGEST_ENERGY = 1e200


@dataclass(frozen=True, eq=False)
class PortConstraints:
    """Constraints at the ports, exact or compliant, arrays of shape (examples, ports) or (ports,).

    A held port obeys ``reading + compliance * force = value``: compliance 0 fixes the reading, any
    other is a spring to ``value``. A port that is not held carries the force ``value``.

    Attributes
    ----------
    held : bool array
    compliance : array
    repelling : bool array
        Held ports with springs of negative stiffness, which add no negative eigenvalue to the KKT
        matrix.
    """

    held: NDArray[np.bool_]
    compliance: NDArray[np.float64]
    repelling: NDArray[np.bool_]

    @classmethod
    def rigid(cls, held: NDArray[np.bool_]) -> "PortConstraints":
        """Constraints without compliance at the ``held`` ports."""
        return cls(held, np.zeros(held.shape), np.zeros_like(held))

    @cached_property
    def groups(self) -> list["ExampleGroup"]:
        """Examples grouped by equal constraints."""
        which = np.zeros(len(self.held), dtype=int)
        if len(which) > 1:
            pattern = np.where(self.held, self.compliance, np.inf)
            which = np.unique(pattern, axis=0, return_inverse=True)[1].ravel()
        out = []
        for number in range(which.max() + 1):
            examples = np.flatnonzero(which == number)
            ports = np.flatnonzero(self.held[examples[0]])
            compliance = self.compliance[examples[0], ports]
            repelling = int(np.count_nonzero(self.repelling[examples[0], ports]))
            whole = len(examples) == len(which)
            out.append(ExampleGroup(examples, ports, compliance, repelling, whole))
        return out

    @cached_property
    def ports(self) -> NDArray[np.int64]:
        """Held ports of a single example."""
        return np.flatnonzero(self.held)

    @property
    def n_attracting(self) -> int:
        """Number of constraints of an example with a negative eigenvalue in the KKT matrix."""
        return int(np.count_nonzero(self.held & ~self.repelling))

    def with_ground(self, ports: NDArray, stiffness: NDArray) -> "PortConstraints":
        """Constraints in parallel with springs to the ground at some ports.

        With ``g`` their stiffness, (ports,), both carry ``f' = f + g reading``, so a port that is
        not held obeys ``reading - f' / g = -f / g``.
        """
        held, compliance = self.held.copy(), self.compliance.copy()
        repelling = self.repelling.copy()
        mine, soft = held[..., ports], compliance[..., ports]
        compliance[..., ports] = np.where(mine, soft / (1 - soft * stiffness), -1 / stiffness)
        repelling[..., ports] |= ~mine
        held[..., ports] = True
        return PortConstraints(held, compliance, repelling)

    def values_with_ground(
        self, values: NDArray, ports: NDArray, stiffness: NDArray
    ) -> NDArray[np.float64]:
        """Values of the constraints of :meth:`with_ground`."""
        out, soft = values.copy(), self.compliance[:, ports]
        out[:, ports] /= np.where(self.held[:, ports], 1 - soft * stiffness, -stiffness)
        return out


@dataclass(frozen=True, eq=False)
class Imposed(PortConstraints):
    """Constraints of one example, and the ``values`` that they and loads impose, (ports,) each."""

    values: NDArray[np.float64]


@dataclass(eq=False)
class ExampleGroup:
    """Examples, (k,), with the same constraints; ``all`` of them, or some.

    Attributes
    ----------
    n_repelling : int
        Number of constraints of negative stiffness.
    at, block : tuple
        Indices of the held ports in arrays (examples, ports) and (ports, ports).
    compliant : bool
        Whether any constraint is compliant.
    """

    examples: NDArray[np.int64]
    held: NDArray[np.int64]
    compliance: NDArray[np.float64]
    n_repelling: int
    all: InitVar[bool]

    def __post_init__(self, all: bool) -> None:
        h = self.held
        self.compliant = bool(self.compliance.any())
        rows = slice(None) if all else self.examples
        if len(h) and h[-1] - h[0] + 1 == len(h):
            # Ports side by side are a view.
            span = slice(h[0], h[-1] + 1)
            self.at: tuple[Any, Any] = rows, span
            self.block: tuple[Any, Any] = span, span
        else:
            self.at = rows if all else self.examples[:, None], h
            self.block = np.ix_(h, h)


@dataclass(eq=False)
class Conditions:
    """Constraints at the ports, and values, (examples, ports), that they impose.

    Attributes
    ----------
    loads : (examples, ports) array, optional
        Prescribed forces; None where all are zero.
    """

    constraints: PortConstraints
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        held = self.constraints.held
        given = None if held.all() else np.where(held, 0.0, self.values)
        self.loads = None if given is None or not given.any() else given

    def of(self, example: int) -> Imposed:
        """The conditions of one example."""
        c = self.constraints
        rows = (x[example] for x in (c.held, c.compliance, c.repelling, self.values))
        return Imposed(*rows)


@dataclass(frozen=True, eq=False)
class Reading:
    """Port readings of one state.

    Attributes
    ----------
    values : (ports,) array
    slopes : (ports, r) array
        Derivatives of the values by the raw rows.
    vectors : (r,) array
        The raw rows' values; of pairs, their present vectors.
    """

    values: NDArray[np.float64]
    slopes: NDArray[np.float64]
    vectors: NDArray[np.float64]


class PortReader:
    """Ports of a problem as functions of a few raw linear functionals.

    Attributes
    ----------
    rows : sparse array
        The raw rows, restricted to the degrees of freedom that this rank owns.
    distance : (ports,) array
        Reference distance of pairs in space; 0 for ports that are linear in the state.
    """

    def __init__(self, model: Model, problem: Problem) -> None:
        rows, self._reference, spans = problem.functionals()
        self._comm = model.comm
        self.rows = model.local_rows(rows)
        self._curved = [
            (k, span, port)
            for k, (span, port) in enumerate(zip(spans, problem.ports, strict=True))
            if isinstance(port, CurvedPort)
        ]
        number = {port.key: k for k, port in enumerate(problem.ports)}
        self._beside = [[number.get(key, -1) for key in port.beside] for *_, port in self._curved]
        self.follow(np.zeros(len(spans)))
        self._at_rest = [port.size(self._reference[s])[0] for _, s, port in self._curved]
        self.distance = np.array([np.linalg.norm(self._reference[s]) for s in spans])
        self.distance[[k for k, *_ in self._curved]] = 0.0
        self._pairs = self.distance > 0
        self._only_pairs = bool(self._pairs.all())
        # Which port every raw row belongs to, and the first row of every port.
        self._raw = np.arange(len(self._reference))
        self._first = np.array([s.start for s in spans])
        self._port = np.searchsorted(self._first, self._raw, side="right") - 1
        self._together = self._port[:, None] == self._port

    def raw(self, local: NDArray) -> NDArray[np.float64]:
        """Values of the raw rows of owned degrees of freedom, shape (dofs,) or (dofs, k)."""
        return total(self._comm, self.rows @ local)

    def rows_of(self, ports: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Numbers of the raw rows of some ports, given as a mask."""
        return np.flatnonzero(ports[self._port])

    def follow(self, values: NDArray) -> None:
        """Read values nearest to these, (ports,), where a state has several, from here on."""
        self._near = np.append(values, 0.0)

    def read(self, local: NDArray) -> Reading:
        """Readings of a state, from owned degrees of freedom."""
        moves = self.raw(local)
        vectors = self._reference + moves
        distances = self._distances(vectors)
        slopes = np.zeros((len(distances), len(vectors)))
        if self._only_pairs:
            slopes[self._port, self._raw] = vectors / distances[self._port]
            return Reading(self._extensions(moves, distances), slopes, vectors)
        extensions = self._extensions(moves, distances)
        values = np.where(self._pairs, extensions, vectors[self._first])
        unit = np.where(self._pairs[self._port], vectors / distances[self._port], 1.0)
        slopes[self._port, self._raw] = unit
        for (k, span, port), rest, beside in zip(
            self._curved, self._at_rest, self._beside, strict=True
        ):
            size, slopes[k, span], _ = port.size(vectors[span], self._near[beside])
            values[k] = size - rest
        return Reading(values, slopes, vectors)

    def _distances(self, vectors: NDArray) -> NDArray[np.float64]:
        """Present distances of pairs; 1 for ports that are linear in the state, (ports,)."""
        squares = np.bincount(self._port, vectors * vectors, len(self._first))
        return np.sqrt(squares if self._only_pairs else np.where(self._pairs, squares, 1.0))

    def _extensions(self, moves: NDArray, distances: NDArray) -> NDArray[np.float64]:
        """Extensions of pairs, (ports,), with the rounding of these and not of distances."""
        squares = np.bincount(self._port, (2 * self._reference + moves) * moves, len(self._first))
        return squares / (distances + self.distance)

    def curvature(self, vectors: NDArray, forces: NDArray) -> NDArray[np.float64]:
        """Second derivative by the raw rows, (r, r), of forces times values."""
        distances, port = self._distances(vectors), self._port
        tension = np.where(self._pairs, forces / distances, 0.0)[port]
        n = vectors / distances[port]
        of_pairs = np.where(self._together, -np.outer(n, n), 0.0)
        of_pairs.flat[:: len(n) + 1] += 1.0
        found = tension * of_pairs
        for (k, span, there), beside in zip(self._curved, self._beside, strict=True):
            found[span, span] = forces[k] * there.size(vectors[span], self._near[beside])[2]
        return found

    def linearised(self) -> sparse.csr_array:
        """Rows that read the ports to first order about rest, owned degrees of freedom."""
        at_rest = self.read(np.zeros(self.rows.shape[1]))
        return sparse.csr_array(sparse.csr_array(at_rest.slopes) @ self.rows)


class Release:
    """Projection of changes of read forces on those in equilibrium.

    The clamped state of a force that is read loads its port instead of holding it. Where nothing
    else holds the network as a whole, only loads that are in balance have an equilibrium: those are
    the ones that any network can take, and what else is wanted no network can learn.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._found: dict[bytes, NDArray | None] = {}

    def floats(self) -> bool:
        """True if the network floats in some example once all read forces are released."""
        p = self._problem
        those = np.unique(p.active & p.through, axis=0)
        return any(self._projector(e, mine) is not None for e, mine in self._first(those))

    def balanced(self, moves: NDArray) -> NDArray[np.float64]:
        """Part of changes of outputs, (examples, t), in equilibrium as loads.

        The forces that are to move are released.
        """
        p = self._problem
        nodes = p.dofs[p.targets] >= 0
        mine = p.active & p.through & (moves != 0)
        if not (mine & nodes).any():
            return moves
        out = moves.copy()
        for e, released in enumerate(mine):
            projector = self._projector(e, released)
            if projector is not None:
                out[e, released] = projector @ moves[e, released]
        return out

    def _first(self, those: NDArray) -> list[tuple[int, NDArray]]:
        asked = self._problem.active & self._problem.through
        return [(int(np.argmax((asked == mine).all(axis=1))), mine) for mine in those]

    def _projector(self, example: int, released: NDArray) -> NDArray[np.float64] | None:
        """Projection of moves of the released forces onto balanced ones; None where all are."""
        p = self._problem
        held = p.held[example].copy()
        held[p.targets[released]] = False
        key = released.tobytes() + held.tobytes()
        if key not in self._found:
            self._found[key] = self._found_projector(held, released)
        return self._found[key]

    def _found_projector(self, held: NDArray, released: NDArray) -> NDArray[np.float64] | None:
        p = self._problem
        dofs = p.dofs[p.targets[released]]
        if not (dofs >= 0).any():
            return None
        mean = float(p.network.lengths.mean())
        motions = p.kinematics.free_motions(p.network.nodes / mean, p.network.periodic)
        left = left_free(motions, np.union1d(p.fixed, p.dofs[held & (p.dofs >= 0)]))
        width = len(p.components)
        turns = dofs % width >= width - p.kinematics.rotations(p.network.dim)
        # A moment counts as a force at the end of a bond.
        arm = np.where(turns, mean, 1.0)
        moved = np.where(dofs[:, None] >= 0, left[dofs], 0.0)
        if not moved.size or np.abs(moved).max() <= 1e-8 * np.abs(motions).max():
            return None
        u, sizes, _ = np.linalg.svd(moved, full_matrices=False)
        u = u[:, sizes > 1e-8 * sizes.max()]
        return (np.eye(len(dofs)) - u @ u.T) * arm[:, None] / arm


def check_size(model: Model, problem: Problem, stiffness: float) -> None:
    """Raise InputError for units in which energies overflow, and constants that divide by zero.

    Raises
    ------
    SolveError
        For a mean stiffness at rest that is none.
    """
    moves = isinstance(problem.kinematics, Displacements)
    stiffness = abs(stiffness) or model.cell_stiffness()
    size = stiffness * (float(model.network.lengths.mean()) ** 2 if moves else 1.0)
    if np.isnan(size):
        raise InputError(
            f"energy: a {model.energy.name} has no stiffness where nothing has moved: a constant "
            "of it is out of range, such as a zero by which it divides."
        )
    if not size > 0:
        raise SolveError(
            f"The mean stiffness of elements where nothing has moved is {size:g}, so no state is "
            "definite; their energy needs a second derivative above 0 there, however small.",
            "singular",
        )
    if not 1 / LARGEST_ENERGY <= size <= LARGEST_ENERGY:
        what = "Lengths and stiffnesses" if moves else "Conductances"
        raise SolveError(
            f"{what} are too far from 1 for double precision: energies are of the order of "
            f"{size:.0e}; choose other units.",
            "not finite",
        )
