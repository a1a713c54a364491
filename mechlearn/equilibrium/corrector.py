"""Points of an equilibrium path: predictor, bordered corrector, tangent, stability, mode.

A path is a curve of equilibria ``R(z, t) = 0`` under a load factor ``t``, with ``z`` the state and
the forces at held ports. A point is found on the plane through a prediction and across a tangent,
so that the load may go back. H. B. Keller, in: Applications of Bifurcation Theory (1977), p. 359;
M. A. Crisfield, Comput. Struct. 13, 55 (1981), https://doi.org/10.1016/0045-7949(81)90108-5.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from mechlearn.equilibrium.balance import Balance, NotConverged, Residual
from mechlearn.equilibrium.conditions import Imposed
from mechlearn.equilibrium.kkt import KKTSystem
from mechlearn.errors import SolveError

#: Residual and last move (bond lengths) of an equilibrium, and iterations that it may take.
TOLERANCE, LAST_MOVE, ITERATIONS = 1e-12, 1e-7, 15
#: A residual that is only rounding, which steps of a nearly singular system make worse.
ROUNDING = 1e-15
#: A chord iteration leaves at most that part of the residual; else the stiffness is made anew.
CHORD = 0.2
#: A stiffness this near, in bond lengths, is that of a point that need not be exact.
NEAR = 1e-3
#: Rate of the load by the arc length, over that at the start, at which no limit point is near.
SAFE = 0.3
#: Least cosine between the tangents of neighbours.
STRAIGHT = 0.9
#: Largest departure of a cubic prediction from the tangent, in steps.
BENT = 0.5
#: Arc lengths to states whose stiffness stands for one that is singular to rounding.
ASIDE = (0.0, 1e-9, -1e-9, 1e-7, -1e-7)


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

    def __sub__(self, other: "Move") -> "Move":
        return Move(self.u - other.u, self.forces - other.forces, self.factor - other.factor)


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

    @property
    def rises(self) -> bool:
        """True where the load grows along the path."""
        return self.rate.factor > 0


class Corrector:
    """Equilibria near predictions, in the plane across a direction of the path.

    Parameters
    ----------
    balance : Balance
        With its scale of forces measured.
    load : Load
    """

    def __init__(self, balance: Balance, load: Load) -> None:
        self.balance, self.load = balance, load
        self._weight = (balance.arm / balance.length) ** 2
        self._usual = 0.0  # arc length per load factor at the start
        self._acting = load.imposed.held | (load.imposed.values != 0) | (load.start != 0)
        self._acting[balance.problem.grounded] = True
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
        point = self._completed(
            at, state, Move(0 * at.u, 0 * at.forces, 1.0 if increasing else -1.0)
        )
        self._usual = self._usual or self._steep()
        return point

    # Iterations that run away are told by what is no number any more.
    @np.errstate(over="ignore", invalid="ignore")
    def step(
        self,
        start: PathPoint,
        length: float,
        other: PathPoint | None = None,
        across: Move | None = None,
        exact: bool = True,
    ) -> tuple[PathPoint, int]:
        """The point at an arc length from another, and how many iterations it took.

        Parameters
        ----------
        start : PathPoint
        length : float
            Along its tangent; below 0 backwards.
        other : PathPoint, optional
            One more point of the path, for a cubic prediction.
        across : Move, optional
            The direction along which the length is measured instead of the tangent.
        exact : bool
            Whether tangent and stability are those of the point; else, of one that is as good as
            there, unless a limit point is near.

        Raises
        ------
        NotConverged
            Where there is none.
        """
        along = start.rate * np.sign(length) if across is None else across
        across = start.rate if across is None else across
        predicted = self._predicted(start, length, other, across)
        self._made &= exact
        found, state, count = self._corrected(predicted, across)
        return self._completed(found, state, along, exact), count

    def near(self, old: PathPoint, shift: Move) -> PathPoint:
        """The point on the plane across the tangent of one of a path with other parameters.

        It is expected at ``old`` and a ``shift``.

        Raises
        ------
        NotConverged
            Where there is none, or the path has turned.
        """
        self._made = False
        across = shift - old.rate * self._inner(shift, old.rate)
        found, state, _ = self._corrected(old.at + across, old.rate)
        point = self._completed(found, state, old.rate)
        self.check_straight(old, point, chord=False)
        return point

    def check_straight(self, a: PathPoint, b: PathPoint, chord: bool = True) -> None:
        """Raise NotConverged where the path turns too much between two points.

        Beyond a loop there may be a parallel branch: the ``chord`` must go along the path, too.
        """
        between = b.at - a.at
        size = np.sqrt(self._inner(between, between)) if chord else 0.0
        aside = abs(self._inner(a.rate, between)) < STRAIGHT * size
        if aside or self._inner(a.rate, b.rate) < STRAIGHT:
            raise NotConverged("the path turns too sharply")

    def _predicted(
        self, start: PathPoint, length: float, other: PathPoint | None, across: Move
    ) -> Move:
        """Point at an arc length on the tangent, or on the cubic with another point's tangent."""
        tangent = start.rate * (1 / self._inner(across, start.rate))
        line = start.at + tangent * length
        if other is None:
            return line
        between = other.at - start.at
        far, turn = self._inner(across, between), self._inner(across, other.rate)
        if not far or turn < STRAIGHT / 2:
            return line
        t = length / far
        bent = (between - tangent * far) * (t * t * (3 - 2 * t))
        bent = bent + (other.rate * (1 / turn) - tangent) * (far * t * t * (t - 1))
        return line + bent if self._inner(bent, bent) < (BENT * length) ** 2 else line

    def _corrected(self, predicted: Move, across: Move) -> tuple[Move, Residual, int]:
        """Equilibrium on the plane through a prediction, across a direction; iterations, too."""
        at, last, moved = predicted, np.inf, np.inf
        before: tuple[Move, Residual] | None = None
        self._near = np.inf
        for count in range(ITERATIONS):
            state = self._evaluate(at)
            if state.norm < TOLERANCE and moved < LAST_MOVE:
                return at, state, count
            if before and before[1].norm < ROUNDING and state.norm > before[1].norm:
                return *before, count
            if not self._made or state.norm > CHORD * last:
                self._factorise(at, state, across)
                self._near = 0.0
            last, before = state.norm, (at, state)
            rest, by_load = self._to_balance(state.force, state.gap), self._by_load
            off = at - predicted + rest
            change = rest + by_load * (-self._inner(across, off) / self._inner(across, by_load))
            moved = self.balance.largest(change.u * self.balance.arm) / self.balance.length
            at, self._near = at + change, self._near + moved
            if not np.isfinite(moved) or moved > 1e3:
                break
        raise NotConverged("no equilibrium nearby")

    def _completed(self, at: Move, state: Residual, along: Move, exact: bool = True) -> PathPoint:
        """Tangent and stability of an equilibrium; NotConverged where cells are inverted."""
        self.balance.model.put_state(at.u)
        if self.balance.model.inverted():
            raise NotConverged("cells turn inside out", "inverted")
        if exact or self._near > NEAR or self._steep() > self._usual / SAFE:
            self._factorise(at, state, along)
        rate = self._by_load * (1 / self._steep())
        if self._inner(rate, along) < 0:
            rate = rate * -1.0
        at = Move(at.u, state.forces, at.factor)
        return PathPoint(at, rate, state.read.values, state.energy, self._kkt.unstable)

    def _steep(self) -> float:
        """Arc length per load factor."""
        return math.sqrt(self._inner(self._by_load, self._by_load))

    def _evaluate(self, at: Move) -> Residual:
        imposed = self.load.at(at.factor)
        forces = np.where(imposed.held, at.forces, imposed.values)
        return self.balance.evaluate(at.u, forces, imposed, self._dead)

    def _factorise(self, at: Move, state: Residual, along: Move) -> None:
        """Factorise the stiffness, or one a little ``along`` where it is singular to rounding."""
        for aside in ASIDE:
            try:
                state = self._evaluate(at + along * aside) if aside else state
                self._kkt, self._made = self.balance.linearised(state, self._acting), True
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
        return self.balance.total(float((a.u * self._weight) @ b.u)) + a.factor * b.factor

    # -- critical modes ----------------------------------------------------------------------------

    def lowest(self, point: PathPoint, sign: int = 0) -> tuple[float, Move]:
        """Eigenvalue of the stiffness next to zero, relative to its mean, and its mode.

        Under the conditions of the path; of unit length, by Lanczos' method for the inverse.

        Parameters
        ----------
        point : PathPoint
        sign : int, optional
            Of the eigenvalue; 0 for any.

        Raises
        ------
        NotConverged
            Where it is not found.
        """
        at, state = self.balance, self._evaluate(point.at)
        self._factorise(point.at, state, point.rate)
        model, nothing = at.model, np.zeros(len(state.gap))
        whole = model.pack(at.arm)

        def flexibility(mode: NDArray) -> NDArray[np.float64]:
            force = -model.unpack(mode.reshape(whole.shape)) * at.arm
            return model.pack(self._to_balance(model.obeyed(force), nothing).u * at.arm).ravel()

        start = np.random.default_rng(0).standard_normal(whole.size)
        operator = LinearOperator((whole.size,) * 2, flexibility, dtype=float)
        try:
            [value], vectors = eigsh(operator, 1, which=("LM", "LA", "SA")[sign], v0=start)
        except ArpackNoConvergence as error:
            raise NotConverged("the critical mode was not found") from error
        vectors *= np.sign(start @ vectors)
        mode = Move(model.unpack(vectors.reshape(whole.shape)) / at.arm, 0 * state.forces, 0.0)
        return 1 / (value * at.stiffness), mode * (1 / np.sqrt(self._inner(mode, mode)))

    def slopes(self, limit: PathPoint, name: str) -> NDArray[np.float64]:
        """Derivatives of a limit point's load factor by a parameter of the bonds, (m,), exact.

        With ``m`` the critical mode, along which the path goes there, and ``p`` the rate of the
        load, ``(d2u_i/dL_i ds . m) / (p . m)``: the mode is the adjoint state, and each is local
        to its bond.
        """
        mode, model = limit.rate, self.balance.model
        work = self.work(limit)
        model.put_state(limit.at.u)
        return model.to_elements(name, model.local_sensitivity_rate(name, mode.u) / work)

    def work(self, point: PathPoint) -> float:
        """Work of the whole load in a unit move along the path from a point."""
        at, imposed, rate = self.balance, self.load.imposed, point.rate
        moved = self._evaluate(point.at).read.slopes @ at.ports.raw(rate.u)
        return float(np.where(imposed.held, -rate.forces, moved) @ self.load.change)
