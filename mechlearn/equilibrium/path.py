"""Equilibrium paths by pseudo-arc-length: limit points, bifurcations and branches."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from scipy.optimize import brentq

from mechlearn.equilibrium.balance import NotConverged
from mechlearn.equilibrium.corrector import BENT, SAFE, STRAIGHT, Corrector, Move, PathPoint
from mechlearn.errors import SolveError

#: Factors on the arc step after an easy point and after a failure; its range, in first steps.
LONGER, SHORTER, SMALLEST, LARGEST = 1.5, 0.4, 1e-8, 2.0
#: Largest strain or turn of a bond in a step: a load far above that of a snap would pass it by.
TURN = 0.2
#: Iterations of an easy point.
EASY = 6
#: Arc length within which several critical points are one, and any two points.
COINCIDENT, SAME = 1e-7, 1e-6
#: Displacements of a network that has come apart, over its size, and its load over the largest.
APART, LET_GO = 10.0, 1e-2
#: Move along the mode by which a branch is looked for, and how many of it away it is taken for
#: found; steps until then, at most.
OFFSET, AWAY, SEARCH = 1e-2, 5.0, 200


class Follower(Corrector):
    """Continuation of an equilibrium along the arc length of its path.

    Attributes
    ----------
    exact : bool
        Whether tangents of all points are exact, at a second factorisation each.
    unloaded : bool
        Whether points without load are among those that are found, as "unloaded".
    """

    exact, unloaded = True, False

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
        step, here, before, largest = length, start, None, abs(start.at.factor)
        step = min(step, self._longest(start))
        for _ in range(most):
            if here.at.factor == to:
                return
            try:
                new, count = self.step(here, step, before, exact=self.exact)
                self.check_straight(here, new)
                along, ends = True, (here.at.factor - to) * (new.at.factor - to) <= 0
                if ends:
                    new = self.between(here, new, lambda p: p.at.factor - to)
                    new = replace(new, at=replace(new.at, factor=to))
                for critical in self._critical(here, new):
                    self._made = False
                    yield critical
                    if branch and critical.kind == "bifurcation":
                        branch = ends = along = False
                        start = new = self.branch(here, critical, length)
                        break
            except NotConverged as failure:
                self._made = False
                step *= SHORTER
                if step < SMALLEST * length:
                    raise SolveError(
                        f"The path ends at load factor {here.at.factor:.6g}: no equilibrium was "
                        f"found beyond ({failure}).",
                        failure.fault,
                    ) from None
                continue
            yield new
            if ends:
                return
            largest = max(largest, abs(new.at.factor))
            self._check_open(start, new, step, to)
            if abs(new.at.factor) < LET_GO * largest:
                self._check_whole(new)
            before, here = here if along else None, new
            step = min(step * LONGER, LARGEST * length) if count <= EASY else step
            step = min(step, self._longest(here))
        raise SolveError(
            f"After {most} points of the path its load factor is {here.at.factor:.6g} and not yet "
            f"{to:.6g}; take longer steps.",
            "no equilibrium",
        )

    def _longest(self, point: PathPoint) -> float:
        """Arc length from a point within which no bond strains or turns by more than ``TURN``."""
        network = self.balance.problem.network
        moved = self.balance.model.to_nodes(point.rate.u[:, None])[:, : network.dim, 0]
        i, j = network.edges[~network.crossing].T
        apart = np.linalg.norm(moved[j] - moved[i], axis=1)
        strains = apart / network.lengths[~network.crossing]
        return TURN / max(strains.max(initial=0.0), TURN / np.finfo(float).max)

    def _check_open(self, start: PathPoint, point: PathPoint, step: float, to: float) -> None:
        """Raise SolveError where a path has come back to its start."""
        between = start.at - point.at
        ahead = self._inner(point.rate, between)
        aside = between - point.rate * ahead
        near = 0 < ahead < step and self._inner(aside, aside) < (BENT * step) ** 2
        if near and self._inner(point.rate, start.rate) > STRAIGHT:
            beside = self.step(point, ahead)[0].at - start.at
            if self._inner(beside, beside) < SAME**2:
                raise SolveError(
                    f"The path is closed: it comes back to its start at load factor "
                    f"{start.at.factor:.6g}, and does not reach {to:.6g}.",
                    "no equilibrium",
                )

    def _check_whole(self, point: PathPoint) -> None:
        """Raise SolveError for a network that has come apart."""
        extent = float(np.ptp(self.balance.model.network.nodes, axis=0).max())
        if self.balance.largest(point.at.u) > APART * max(extent, self.balance.length):
            raise SolveError(
                f"The path ends at load factor {point.at.factor:.6g}: displacements are {APART:g} "
                "times the size of the network, which has come apart.",
                "no equilibrium",
            )

    def trace(
        self, start: PathPoint, known: Sequence[PathPoint], every: bool = True
    ) -> list[PathPoint]:
        """Points of the path near known ones of a path with other parameters; limit points exact.

        Parameters
        ----------
        start : PathPoint
        known : sequence of PathPoint
            From its start on; bifurcations are left as they were.
        every : bool
            Else points beyond :data:`SAFE`, which are not beside a limit point, are left, too.

        Raises
        ------
        NotConverged
            Where the paths have other limit points, as far as the points show.
        """
        out, before, here = [start], known[0], start
        least = SAFE * abs(start.rate.factor)
        for k, old in enumerate(known[1:], 1):
            beside = any(p.kind == "limit" for p in known[k - 1 : k + 2])
            if old.kind == "bifurcation" or not (every or beside or abs(old.rate.factor) < least):
                out.append(old)
                continue
            new = self.near(old, here.at - before.at)
            if not old.kind and (new.unstable, new.rises) != (old.unstable, old.rises):
                raise NotConverged("the path has other critical points")
            before, here = old, new
            out.append(new)
        for k in (k for k, old in enumerate(known) if old.kind == "limit"):
            sides = [p for p in (out[k - 1], out[k + 1]) if not p.kind]
            other = next(p for p in sides if p.rises != out[k].rises)
            a, b = (other, out[k]) if other is out[k - 1] else (out[k], other)
            at = self.between(a, b, lambda p: p.rate.factor)
            out[k] = replace(at, kind="limit", unstable=max(p.unstable for p in sides))
        return out

    def _critical(self, a: PathPoint, b: PathPoint) -> Iterator[PathPoint]:
        """Limit points and bifurcations between two neighbours, in their order."""
        if self.unloaded and a.at.factor * b.at.factor < 0:
            at = self.between(a, b, lambda p: p.at.factor)
            at = replace(at, at=replace(at.at, factor=0.0), kind="unloaded")
            yield from self._critical(a, at)
            yield at
            yield from self._critical(at, b)
            return
        limit, change = a.rises != b.rises, b.unstable - a.unstable
        if abs(change) == limit:
            if limit:
                at = self.between(a, b, lambda p: p.rate.factor)
                yield replace(at, kind="limit", unstable=max(a.unstable, b.unstable))
            return
        fewest = min(a.unstable, b.unstable)

        def eigenvalue(point: PathPoint) -> float:
            return self.lowest(point, 1 if point.unstable == fewest else -1)[0]

        length = self._inner(a.rate, b.at - a.at)
        if abs(change) == 1 and not limit:
            at = self.between(a, b, eigenvalue)
        elif length > COINCIDENT:
            middle, _ = self.step(a, length / 2, b)
            yield from self._critical(a, middle)
            yield from self._critical(middle, b)
            return
        else:
            at = a
        yield replace(at, kind="bifurcation", unstable=max(a.unstable, b.unstable))

    def between(self, a: PathPoint, b: PathPoint, value: Callable[[PathPoint], float]) -> PathPoint:
        """Point between two neighbours of a path at which a value changes its sign.

        Raises
        ------
        NotConverged
            Where steps between them lead elsewhere.
        """
        length = self._inner(a.rate, b.at - a.at)
        points, values = {0.0: a, length: b}, {0.0: value(a), length: value(b)}

        def at(s: float) -> float:
            if s not in values:
                near, other = sorted(points, key=lambda t: abs(t - s))[:2]
                points[s] = self.step(points[near], s - near, points[other], a.rate)[0]
                values[s] = value(points[s])
            return values[s]

        if values[0.0] * values[length] > 0:
            raise NotConverged("a step leads to another path")
        root = float(brentq(at, 0.0, length, xtol=1e-13, rtol=1e-12))
        at(root)
        return points[root]

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
