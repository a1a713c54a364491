"""Equilibrium paths by pseudo-arc-length: limit points, bifurcations and stability.

A path is a curve of equilibria ``R(z, t) = 0`` under a load factor ``t``, with ``z`` the state and
the forces at held ports. Its next point is found on the plane through a prediction and across the
tangent, so that the load may go back. H. B. Keller, in: Applications of Bifurcation Theory (1977),
p. 359; M. A. Crisfield, Comput. Struct. 13, 55 (1981),
https://doi.org/10.1016/0045-7949(81)90108-5.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from mechlearn.equilibrium.balance import Balance, NotConverged, Residual
from mechlearn.equilibrium.conditions import Imposed
from mechlearn.equilibrium.kkt import KKTSystem
from mechlearn.errors import SolveError

#: Residual and last move (bond lengths) of an equilibrium, and iterations that it may take.
TOLERANCE, LAST_MOVE, ITERATIONS = 1e-12, 1e-7, 15
#: A chord iteration leaves at most that part of the residual; else the stiffness is made anew.
CHORD = 0.2
#: Factors on the arc step after an easy point and after a failure; its range, in first steps.
LONGER, SHORTER, SMALLEST, LARGEST = 1.5, 0.4, 1e-8, 2.0
#: Least cosine between the tangents of neighbours, and iterations of an easy point.
STRAIGHT, EASY = 0.9, 6
#: Inverse iterations for a critical mode.
INVERSE = 8
#: Arc length to a state whose stiffness stands for one that is singular to rounding.
ASIDE = 1e-9
#: Move along the mode by which a branch is looked for, and how many of it away it is taken for
#: found; steps until then, at most.
OFFSET, AWAY, SEARCH = 1e-2, 5.0, 200


@dataclass(frozen=True, eq=False)
class Load:
    """Conditions along a path: ``start + factor * (imposed.values - start)``.

    Attributes
    ----------
    imposed : Imposed
        Ports that are held, and the values at factor 1.
    start : (ports,) array
        The values at factor 0.
    """

    imposed: Imposed
    start: NDArray[np.float64]

    @property
    def change(self) -> NDArray[np.float64]:
        """Rates of the values by the factor, (ports,)."""
        return self.imposed.values - self.start

    def at(self, factor: float) -> Imposed:
        """The conditions at a load factor."""
        return replace(self.imposed, values=self.start + factor * self.change)


@dataclass(frozen=True, eq=False)
class Move:
    """Change of displacements (owned dofs), of forces at the ports, and of the load factor."""

    u: NDArray[np.float64]
    forces: NDArray[np.float64]
    factor: float

    def __mul__(self, length: float) -> "Move":
        return Move(self.u * length, self.forces * length, self.factor * length)

    def __add__(self, other: "Move") -> "Move":
        return Move(self.u + other.u, self.forces + other.forces, self.factor + other.factor)


@dataclass(frozen=True, eq=False)
class PathPoint:
    """One equilibrium of a path.

    Attributes
    ----------
    at : Move
        Displacements, forces and load factor, from rest.
    rate : Move
        Unit tangent of the path.
    readings : (ports,) array
    energy : float
    unstable : int
        Number of unstable modes under the conditions of the path.
    kind : str
        "limit", "bifurcation", or empty.
    """

    at: Move
    rate: Move
    readings: NDArray[np.float64]
    energy: float
    unstable: int
    kind: str = ""


class Follower:
    """Continuation of an equilibrium along the arc length of its path.

    Parameters
    ----------
    balance : Balance
        With its scale of forces measured.
    load : Load
    """

    def __init__(self, balance: Balance, load: Load) -> None:
        self.balance, self.load = balance, load
        self._held = load.imposed.ports
        # The last system, which is the only one that can be solved with, and its rates by the load.
        self._kkt: KKTSystem
        self._made = False
        self._by_load: Move
        self._dead: NDArray[np.float64] | float = 0.0

    # -- equilibria --------------------------------------------------------------------------------

    def begin(self, at: Move, increasing: bool = True) -> PathPoint:
        """The point at a known equilibrium, its tangent in the sense of a growing factor or not."""
        state = self._evaluate(at)
        return self._completed(
            at, state, Move(0 * at.u, 0 * at.forces, 1.0 if increasing else -1.0)
        )

    def step(self, start: PathPoint, length: float, straight: bool = True) -> tuple[PathPoint, int]:
        """The point at an arc length from another, and how many iterations it took.

        Raises
        ------
        NotConverged
            Where there is none, or the path turns too much on the way to be ``straight``.
        """
        found, state, count = self._corrected(start.at + start.rate * length, start.rate)
        point = self._completed(found, state, start.rate * np.sign(length))
        if straight and self._inner(point.rate, start.rate) < STRAIGHT:
            raise NotConverged("the path turns too sharply")
        return point, count

    def _corrected(self, predicted: Move, across: Move) -> tuple[Move, Residual, int]:
        """Equilibrium on the plane through a prediction, across a direction; iterations, too."""
        at, last, moved = predicted, np.inf, np.inf
        for count in range(ITERATIONS):
            state = self._evaluate(at)
            if state.norm < TOLERANCE and moved < LAST_MOVE:
                return at, state, count
            if not self._made or state.norm > CHORD * last:
                self._factorise(at, state, across)
            last = state.norm
            rest, by_load = self._to_balance(state.force, state.gap), self._by_load
            off = Move(at.u - predicted.u, at.forces, at.factor - predicted.factor) + rest
            change = rest + by_load * (-self._inner(across, off) / self._inner(across, by_load))
            moved = self.balance.largest(change.u * self.balance.arm) / self.balance.length
            at = at + change
            if not np.isfinite(moved) or moved > 1e3:
                break
        raise NotConverged("no equilibrium nearby")

    def _completed(self, at: Move, state: Residual, along: Move) -> PathPoint:
        """Tangent and stability of an equilibrium."""
        self._factorise(at, state, along)
        rate = self._by_load * (1 / np.sqrt(self._inner(self._by_load, self._by_load)))
        if self._inner(rate, along) < 0:
            rate = rate * -1.0
        at = Move(at.u, state.forces, at.factor)
        return PathPoint(at, rate, state.read.values, state.energy, self._kkt.unstable)

    def _evaluate(self, at: Move) -> Residual:
        imposed = self.load.at(at.factor)
        forces = np.where(imposed.held, at.forces, imposed.values)
        return self.balance.evaluate(at.u, forces, imposed, self._dead)

    def _factorise(self, at: Move, state: Residual, along: Move) -> None:
        """Factorise the stiffness, or one a little ``along`` where it is singular to rounding."""
        for aside in (0.0, ASIDE, -ASIDE):
            try:
                state = self._evaluate(at + along * aside) if aside else state
                self._kkt, self._made = self.balance.linearised(state), True
            except (NotConverged, SolveError):
                continue
            self._by_load = Move(*self._kkt.rate(self.load.change), 1.0)
            return
        raise NotConverged("the stiffness is singular", "singular")

    def _to_balance(self, force: NDArray, gap: NDArray) -> Move:
        """Newton (or chord) step at a constant load factor for residuals of forces and values."""
        forces = np.zeros(len(self.load.start))
        du, forces[self._held] = self._kkt.solve(force, gap)
        return Move(du, forces, 0.0)

    def _inner(self, a: Move, b: Move) -> float:
        """Product of two moves, in units of bond length and of the whole load."""
        at = self.balance
        return at.total(float((a.u * at.arm) @ (b.u * at.arm))) / at.length**2 + a.factor * b.factor

    # -- paths -------------------------------------------------------------------------------------

    def follow(
        self, start: PathPoint, to: float, length: float, branch: bool = False, most: int = 10_000
    ) -> Iterator[PathPoint]:
        """Points of the path until the factor is ``to``, with those that are critical.

        Parameters
        ----------
        start : PathPoint
        to : float
            Load factor at which the path ends.
        length : float
            First arc step.
        branch : bool
            At the first bifurcation, leave along the path that branches off there.
        most : int
            Points at most.

        Raises
        ------
        SolveError
            Where the path ends before.
        """
        step, here = length, start
        for _ in range(most):
            if here.at.factor == to:
                return
            try:
                new, count = self.step(here, step)
                ends = (here.at.factor - to) * (new.at.factor - to) <= 0
                if ends:
                    new = self._locate(here, step, lambda p: p.at.factor - to)
                    new = replace(new, at=replace(new.at, factor=to))
                for critical in self._critical(here, new):
                    yield critical
                    if branch and critical.kind == "bifurcation":
                        branch, ends, new = False, False, self.branch(here, critical, length)
                        break
            except NotConverged:
                step *= SHORTER
                if step < SMALLEST * length:
                    raise SolveError(
                        f"The path was lost at load factor {here.at.factor:.6g}: no equilibrium "
                        "was found beyond.",
                        "no equilibrium",
                    ) from None
                continue
            yield new
            if ends:
                return
            here, step = new, min(step * LONGER, LARGEST * length) if count <= EASY else step
        raise SolveError(
            f"After {most} points of the path its load factor is {here.at.factor:.6g} and not yet "
            f"{to:.6g}; take longer steps.",
            "no equilibrium",
        )

    def _critical(self, a: PathPoint, b: PathPoint) -> Iterator[PathPoint]:
        """Limit points and bifurcations between two neighbours, in their order."""
        length = self._distance(a, b)
        limit = a.rate.factor * b.rate.factor < 0
        found = []
        if limit:
            at = self._locate(a, length, lambda p: p.rate.factor)
            found.append(replace(at, kind="limit", unstable=max(a.unstable, b.unstable)))
        if abs(b.unstable - a.unstable) != limit:
            at = self._locate(a, length, lambda p: self.lowest(p)[0])
            found.append(replace(at, kind="bifurcation", unstable=max(a.unstable, b.unstable)))
        yield from sorted(found, key=lambda p: self._distance(a, p))

    def _distance(self, a: PathPoint, b: PathPoint) -> float:
        """Arc step from one point to a neighbour."""
        between = Move(b.at.u - a.at.u, a.at.forces, b.at.factor - a.at.factor)
        return self._inner(a.rate, between)

    def _locate(
        self, a: PathPoint, length: float, value: Callable[[PathPoint], float]
    ) -> PathPoint:
        """Point within an arc step of ``a`` at which a value changes its sign."""
        points: dict[float, PathPoint] = {0.0: a}

        def at(s: float) -> float:
            points[s] = points.get(s) or self.step(a, s, straight=False)[0]
            return value(points[s])

        if at(0.0) * at(length) > 0:
            raise NotConverged("a step leads to another path")
        root = float(brentq(at, 0.0, length, xtol=1e-14 * length, rtol=1e-14))
        at(root)
        return points[root]

    # -- critical modes ----------------------------------------------------------------------------

    def lowest(self, point: PathPoint) -> tuple[float, Move]:
        """Eigenvalue of the stiffness next to zero, relative to its mean, and its mode.

        Under the conditions of the path; of unit length, by inverse iteration.
        """
        at = self.balance
        state = self._evaluate(point.at)
        self._factorise(point.at, state, point.rate)
        rng = np.random.default_rng(0)
        whole = at.model.pack(state.force).shape
        mode = at.model.obeyed(at.model.unpack(rng.standard_normal(whole)))
        move, value = Move(mode, 0 * state.forces, 0.0), 0.0
        for _ in range(INVERSE):
            move = move * (1 / np.sqrt(self._inner(move, move)))
            mass = move.u * at.arm**2
            new = self._to_balance(-mass, np.zeros(len(self._held)))
            value = 1 / (self._inner(move, new) * at.stiffness)
            move = new
        return value, move * (1 / np.sqrt(self._inner(move, move)))

    def slopes(self, limit: PathPoint, name: str) -> NDArray[np.float64]:
        """Derivatives of a limit point's load factor by a parameter of the bonds, (m,), exact.

        With ``m`` the critical mode and ``p`` the rate of the load, ``(d2u_i/dL_i ds . m) /
        (p . m)``: the mode is the adjoint state, and each is local to its bond.
        """
        mode, at = self.lowest(limit)[1], self.balance
        work = self.work(limit, mode)
        at.model.put_state(limit.at.u)
        return at.model.to_elements(name, at.model.local_sensitivity_rate(name, mode.u) / work)

    def work(self, point: PathPoint, move: Move | None = None) -> float:
        """Work of the whole load in a move from a point, along the path unless given."""
        at, imposed, move = self.balance, self.load.imposed, move or point.rate
        moved = self._evaluate(point.at).read.slopes @ at.ports.raw(move.u)
        return float(np.where(imposed.held, -move.forces, moved) @ self.load.change)

    def branch(self, before: PathPoint, at: PathPoint, length: float) -> PathPoint:
        """Point on the path that branches off at a bifurcation.

        A small dead load along the critical mode, from a point before on, leads there; it is then
        taken away.

        Parameters
        ----------
        before, at : PathPoint
            A point before the bifurcation, and this.
        length : float
            Arc step.

        Raises
        ------
        NotConverged
            Where none is found.
        """
        mode = self.lowest(at)[1]
        amplitude = OFFSET * self.lowest(before)[0] * self.balance.stiffness
        self._dead = amplitude * mode.u * self.balance.arm**2
        try:
            found, state, _ = self._corrected(before.at, before.rate)
            here, step = self._completed(found, state, before.rate), length
            for _ in range(SEARCH):
                away = here.at.u - at.at.u
                if abs(self._inner(mode, Move(away, here.at.forces, 0.0))) > AWAY * OFFSET:
                    break
                try:
                    new, _ = self.step(here, step)
                except NotConverged:
                    step *= SHORTER
                    continue
                # With an imperfection, modes become unstable at limit points alone.
                limit = new.rate.factor * here.rate.factor < 0
                jumped = abs(new.unstable - here.unstable) != limit
                here, step = (here, step * SHORTER) if jumped else (new, min(step * LONGER, length))
        finally:
            self._dead = 0.0
        found, state, _ = self._corrected(here.at, here.rate)
        return self._completed(found, state, here.rate)
