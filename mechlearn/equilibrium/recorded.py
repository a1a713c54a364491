"""Recorded paths: points by displacement, limit points, and cycles of loading with their snaps."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np

from mechlearn.equilibrium.balance import NotConverged
from mechlearn.equilibrium.corrector import PathPoint
from mechlearn.equilibrium.path import Follower
from mechlearn.errors import SolveError

#: Part of the source's force in the first arc step, and multiple of it at which a path ends.
FIRST, FARTHEST = 0.05, 10.0
#: Said where a path is left.
BRANCHES = (
    "The path of the source meets a bifurcation, as at the buckling of a perfect column, beyond "
    "which nothing follows it; break the symmetry, by nodes a little aside or one more source with "
    "a small force."
)


class Record:
    """Points of a path, followed as far as is asked for.

    Parameters
    ----------
    follower : Follower
        Along the forces of sources.
    begin : PathPoint
        At rest.
    to : float
        Load factor at which the path ends.
    known : sequence of PathPoint
        That of a path with other parameters, near whose points those of this one are looked for.
    whole : bool
        Whether all of them are, or those near limit points alone.

    Raises
    ------
    NotConverged
        Where they are not found, or look different.

    Attributes
    ----------
    points : list of PathPoint
    broken : str
        Why the path ended before, after a colon.
    """

    def __init__(
        self,
        follower: Follower,
        begin: PathPoint,
        to: float,
        known: Sequence[PathPoint] = (),
        whole: bool = True,
    ) -> None:
        self.follower, self.points, self.broken = follower, [begin], ""
        if known:
            self.points = follower.trace(begin, known, whole)
        last = self.points[-1]
        self._ahead = follower.follow(last, to, FIRST / abs(begin.rate.factor))
        self._whole = whole

    def pairs(self) -> Iterator[tuple[PathPoint, PathPoint]]:
        """Neighbours along the path, as far as it goes.

        Raises
        ------
        SolveError
            At a bifurcation: beyond it a network does not follow the path.
        """
        k = 0
        while True:
            if k + 1 == len(self.points):
                if not self._whole:
                    raise NotConverged("the path goes on")
                try:
                    self.points.append(next(self._ahead))
                except StopIteration:
                    return
                except SolveError as error:
                    self.broken = f": {error}"
                    return
            if self.points[k].kind == "bifurcation":
                raise SolveError(BRANCHES, "unstable")
            yield self.points[k], self.points[k + 1]
            k += 1


class RecordedPath:
    """Path as one of its sources sees it.

    The protocol of :class:`mechlearn.tasks.path_quantities.Path`.

    Parameters
    ----------
    record : Record
    port : int
        That of the source, where it is one number.
    units : (float, float)
        Displacement and force of the port over those of the user.
    force : float
        The user's force at load factor 1.
    displacement : float, optional
        Where the source imposes one: its value, where the path ends.
    from_rest : bool
        Whether displacements are measured from rest.
    """

    def __init__(
        self,
        record: Record,
        port: int,
        units: tuple[float, float],
        force: float,
        displacement: float | None,
        from_rest: bool,
    ) -> None:
        self._record, self._port, self._units, self._force = record, port, units, force
        self.by_displacement, self.from_rest = displacement is not None, from_rest
        self._end = force if displacement is None else displacement
        self._zero = self.start().readings[port] if from_rest else 0.0
        self.unit, self.sign = units[0] * units[1], float(np.sign(self._end))
        length = record.follower.balance.length / abs(units[0])
        self.scale = length if displacement is None else abs(displacement)

    # -- points ------------------------------------------------------------------------------------

    def start(self) -> PathPoint:
        """The point at rest."""
        return self._record.points[0]

    def force(self, point: PathPoint) -> float:
        """Force of the source, in the user's units."""
        return self._force * point.at.factor

    def displacement(self, point: PathPoint) -> float:
        """Displacement of the source, in the user's units."""
        return float(point.readings[self._port] - self._zero) / self._units[0]

    def energy(self, point: PathPoint) -> float:
        """Stored energy."""
        return point.energy

    def rates(self, point: PathPoint) -> tuple[float, float]:
        """Rates of the displacement and the force by arc length."""
        work = self._record.follower.work(point)  # of all forces at load factor 1
        return work / self._force / self.unit, self._force * point.rate.factor

    def at(self, displacement: float) -> PathPoint:
        """The first point at which the source has moved by ``displacement``.

        Raises
        ------
        SolveError
            Where the path does not go there.
        """
        if not displacement and self.from_rest:
            return self.start()
        for a, b in self._record.pairs():
            if (self.displacement(a) - displacement) * (self.displacement(b) - displacement) <= 0:
                return self._record.follower.between(
                    a, b, lambda p: self.displacement(p) - displacement
                )
            if abs(self.displacement(b)) > FARTHEST * max(abs(displacement), self.scale):
                break
        raise SolveError(
            f"The path of the source does not reach a displacement of {displacement:g}"
            f"{self._record.broken or '.'}",
            "no equilibrium",
        )

    def moved(self, point: PathPoint, by: float) -> PathPoint:
        """Point on the path at a displacement beside that of another."""
        to = self.displacement(point) + by
        for _ in range(20):
            missing = to - self.displacement(point)
            if abs(missing) <= 1e-13 * self.scale:
                break
            point = self._record.follower.step(point, missing / self.rates(point)[0])[0]
        return point

    # -- limit points ------------------------------------------------------------------------------

    def limit(self, number: int) -> PathPoint:
        """A limit point of the force, counted from 0 along the path.

        Raises
        ------
        SolveError
            Where there are not as many.
        """
        found = 0
        for a, _ in self._record.pairs():  # with a point beyond, from which it is found again
            if a.kind == "limit":
                if found == number:
                    return a
                found += 1
            elif self._passed(a):
                break
        what = "minimum of the load after the peak" if number else "maximum of the load"
        far = f" up to a displacement of {self._end:g}"
        if not self.by_displacement:
            far = f" up to {FARTHEST:g} times the force given"
        raise SolveError(
            f"The path of the source has no {what}{self._record.broken or far + '.'}",
            "no equilibrium",
        )

    def valleys(self) -> list[tuple[PathPoint, PathPoint]]:
        """Maxima and the minima after them up to where the source has its value.

        Only those beyond which the path is stable: where several parts of a network snap, it also
        rises through states in which some of them are unstable.

        Raises
        ------
        SolveError
            Where the path is lost before.
        """
        points = self._record.points
        limits = [k for k in range(self._last + 1) if points[k].kind == "limit"]
        pairs = zip(limits[::2], limits[1::2], strict=False)
        return [(points[a], points[b]) for a, b in pairs if not points[b + 1].unstable]

    def _passed(self, point: PathPoint) -> bool:
        """True of a point beyond a displacement at which the path ends."""
        return self.by_displacement and self.displacement(point) / self._end >= 1

    # -- cycles ------------------------------------------------------------------------------------

    def _load(self, point: PathPoint) -> float:
        """Load that the source imposes, over its value."""
        given = self.displacement(point) if self.by_displacement else self.force(point)
        return given / self._end

    def _rate(self, point: PathPoint) -> float:
        """Rate of that by arc length."""
        return self.rates(point)[not self.by_displacement] / self._end

    @cached_property
    def _last(self) -> int:
        """Number of the first point at which the source has its value, or beyond."""
        for k, (_, b) in enumerate(self._record.pairs()):
            if self._load(b) >= 1:
                return k + 1
        raise SolveError(
            f"The path of the source ends before its value{self._record.broken or '.'}",
            "no equilibrium",
        )

    @cached_property
    def _turned(self) -> tuple[list[PathPoint], set[int]]:
        """Points up to the last, with the extrema of the load among them, and their numbers."""
        points, turns = self._record.points[: self._last + 1], set[int]()
        if not self.by_displacement:
            return points, {k for k, point in enumerate(points) if point.kind == "limit"}
        out = points[:1]
        for a, b in pairwise(points):
            if self._rate(a) * self._rate(b) < 0:
                turns.add(len(out))
                out.append(self._record.follower.between(a, b, self._rate))
            out.append(b)
        return out, turns

    def cycle(self) -> tuple[list[tuple[PathPoint, PathPoint]], PathPoint]:
        """Snaps of slow loading and unloading, and the state after it.

        Between snaps the source goes along the path, up to an extremum of what it imposes; it then
        snaps to the next point of the path with the same value.

        Raises
        ------
        SolveError
            Where the path is lost before the source has its value.
        """
        snaps = list[tuple[PathPoint, PathPoint]]()
        here, _ = self._walked(0, 1, 1.0, snaps)
        _, rest = self._walked(here, -1, 0.0, snaps)
        return snaps, rest

    def _walked(self, here: int, way: int, to: float, snaps: list) -> tuple[int, PathPoint]:
        """Number of the last point of a way, and the point at which the load is ``to``.

        ``way`` is 1 for loading and -1 for unloading.
        """
        points, turns = self._turned
        ends = range(here + way, len(points) if way > 0 else -1, way)

        def passes(k: int, load: float) -> bool:
            return way * (self._load(points[k]) - load) >= 0

        while True:
            ahead = next((k for k in ends if passes(k, to) or k in turns), None)
            if ahead is None:
                return 0, self.start()
            if passes(ahead, to):
                return ahead, self._crossing(points, ahead, way, to)
            load = self._load(points[ahead])
            landing = next((k for k in ends if way * (k - ahead) > 0 and passes(k, load)), None)
            if landing is None:  # it stays, as the path has no other state with less load
                return ahead, points[ahead]
            snaps.append((points[ahead], self._crossing(points, landing, way, load)))
            ends = range(landing, ends.stop, way)

    def _crossing(self, points: list[PathPoint], number: int, way: int, load: float) -> PathPoint:
        """Point with a load, between one point and that before it on the way."""
        first, second = sorted((number - way, number))
        return self._record.follower.between(
            points[first], points[second], lambda p: self._load(p) - load
        )
