"""Quantities of the equilibrium path of a source: limit loads, stiffness, work, stable states.

Each is a number that is measured on the path, and its derivatives by parameters of the elements are
sums over a few of its points. With ``S`` the derivatives ``dU/dL`` of the energy at a state by the
parameters of every element, what a source's force changes by where its displacement ``u`` is given
is ``dF/dL = dS/du``, and what the energy changes by is ``S`` itself: all of them are local.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, override

import numpy as np

from mechlearn.errors import InputError, listed
from mechlearn.tasks.ports import PathPort, Port
from mechlearn.tasks.quantity import Place, Quantity

if TYPE_CHECKING:
    from mechlearn.tasks.task import Terminal

#: Points of a plateau at which the force is wanted.
PLATEAU = 9
#: Step for a second difference, in the path's scale.
STEP = 1e-4
#: A stable state without load counts from a valley of that part of the peak before it, below zero.
MARGIN = 0.05


class Path(Protocol):
    """Path of equilibria under the force of a source, from rest on.

    Points are opaque; ``s`` is the arc length.
    """

    #: True where the source imposes a displacement, False where it applies a force.
    by_displacement: bool
    #: Sign of its displacement or force in the task.
    sign: float
    #: Length by which displacements of the source are measured.
    scale: float
    #: Energy over the product of a force and a displacement of the source.
    unit: float
    #: Whether displacements are measured from rest, rather than from the reference.
    from_rest: bool

    def start(self) -> Any:
        """The point at rest."""

    def at(self, displacement: float) -> Any:
        """The first point at which the source has moved by ``displacement``."""

    def limit(self, number: int) -> Any:
        """A limit point of the force, counted from 0 along the path."""

    def valleys(self) -> Sequence[tuple[Any, Any]]:
        """Maxima and the minima of the force after them, beyond which the path is stable."""

    def cycle(self) -> tuple[Sequence[tuple[Any, Any]], Any]:
        """Snaps of a cycle of loading up to the end and unloading, and the state after it.

        Each is the point at which stability is lost, and the one that the source then drives.
        """

    def force(self, point: Any) -> float:
        """Force of the source, in the user's units."""

    def displacement(self, point: Any) -> float:
        """Displacement of the source from rest."""

    def energy(self, point: Any) -> float:
        """Stored energy."""

    def rates(self, point: Any) -> tuple[float, float]:
        """Rates of the displacement and the force by ``s``."""


@dataclass
class Measured:
    """Number measured on a path, and its derivative by parameters of the elements.

    Attributes
    ----------
    value : float
    states : list of (weight, point)
        Terms ``weight * S`` of the derivative.
    rates : list of (weight, point)
        Terms ``weight * dS/ds``.
    bends : list of (weight, point)
        Terms ``weight * d2S/du2``.
    """

    value: float
    states: list[tuple[float, Any]] = field(default_factory=list)
    rates: list[tuple[float, Any]] = field(default_factory=list)
    bends: list[tuple[float, Any]] = field(default_factory=list)

    def add_force(self, path: Path, point: Any, weight: float = 1.0) -> None:
        """Add ``weight * dF/dL`` at the displacement of a point."""
        self.rates.append((weight / path.unit / path.rates(point)[0], point))

    def add_rest(self, path: Path, weight: float) -> None:
        """Add ``weight`` times the derivative of the source's place at rest."""
        if path.from_rest:
            self.rates.append((-weight / path.unit / path.rates(path.start())[1], path.start()))


class PathQuantity(Quantity, ABC):
    """Quantity of the path of one source; targets of no other kind go along."""

    imposed = False
    on_path = True
    #: Whether the source may apply forces in several components, in proportion.
    of_many = False
    #: Whether other sources may act, too, whose work is then part of the energy.
    of_several = False

    @abstractmethod
    def measure(self, path: Path, port: PathPort, wanted: float) -> Measured:
        """The quantity on a path at one of its ports, of which a number is wanted."""

    def points(self, terminal: Any) -> list[tuple[float, ...]]:
        """Places of its ports on the path, from the keys of :attr:`places`."""
        return [tuple(np.ravel([getattr(terminal, key) for key in self.places]))]

    @override
    def ports(self, at: Place) -> list[Port]:
        terminal, name = at.terminal, at.terminal.full_name
        others = [t for t in at.task.targets if not t.kind.on_path]
        if others:
            raise InputError(
                f"{name}: {self.named} is learned with no target of one state, such as "
                f"{others[0].full_name}."
            )
        if len(at.task.examples) > 1:
            raise InputError(f"{name}: {self.named} is of one path; leave examples out.")
        where = [
            s for s in at.task.sources
            if (s.ids, s.cell, s.region) == (terminal.ids, terminal.cell, terminal.region)
            and terminal.components in (None, s.components)
        ]  # fmt: skip
        if len(where) > 1:
            names = listed(source.name for source in where)
            raise InputError(f"{name}: say which of the sources ({names}) it is about.")
        forces = all(source.kind.through for source in at.task.sources)
        if not where or not (forces or len(at.task.sources) == 1):
            raise InputError(
                f"{name}: {self.named} is of the path of a source: name it as source = ..., and "
                "let all sources apply forces, or have this one alone."
            )
        if len(at.task.sources) > 1 and not self.of_several:
            raise InputError(
                f"{name}: {self.named} is of the path of one source alone; leave the others out, "
                "or move nodes a little aside instead."
            )
        number = not isinstance(where[0].value, list) or len(where[0].value) == 1
        if not number and not (self.of_many and where[0].kind.through):
            raise InputError(
                f"{name}: {self.named} is of one number of its source, such as a displacement "
                "along one component."
            )
        example = (at.task.examples or [{}])[0]
        if not np.any(example.get(where[0].name, where[0].value)):
            raise InputError(f"{name}: {where[0].full_name} is 0, so there is no path.")
        if np.size(terminal.value) != 1:
            raise InputError(
                f"{name}: {self.named} is one number, not {np.size(terminal.value)}; "
                "give a target for each."
            )
        ends = getattr(terminal, "between", None)
        if ends and ends[0] == ends[1]:
            raise InputError(f"{name}: between = {list(ends)} must be two different displacements.")
        return [
            PathPort(terminal.name, quantity=self.key, source=where[0].name, at=at_point)
            for at_point in self.points(terminal)
        ]


class Peak(PathQuantity):
    """Load of a source at the first maximum of its path: the force at which it snaps.

    Counted along the force that the source applies.
    """

    title, of_many, of_several, of_limits = "peak load", True, True, True
    #: Number of the limit point along the path.
    number = 0

    @override
    def check(self, values: Any, terminal: "Terminal", numbers: Any) -> None:
        if not self.number and (values <= 0).any():
            raise InputError(
                f"{terminal.full_name}: peak = {values.min():g} must be above 0; it is counted "
                "along the force of the source."
            )

    @override
    def measure(self, path: Path, port: PathPort, wanted: float) -> Measured:
        point = path.limit(self.number)
        found = Measured(path.sign * path.force(point))
        found.add_force(path, point, path.sign)
        return found


class Valley(Peak):
    """Load of a source at the first minimum of its path after the peak."""

    title, number = "valley load", 1


class Plateau(PathQuantity):
    """Force of a source that stays the same between two of its displacements (``between``)."""

    title, places = "plateau", ("between",)

    @override
    def points(self, terminal: Any) -> list[tuple[float, ...]]:
        first, last = terminal.between
        return [(float(u),) for u in np.linspace(first, last, PLATEAU)]

    @override
    def measure(self, path: Path, port: PathPort, wanted: float) -> Measured:
        point = path.at(port.at[0])
        found = Measured(path.force(point))
        found.add_force(path, point)
        moved, force = path.rates(point)
        found.add_rest(path, force / moved)
        return found


class Stiffness(PathQuantity):
    """Rate of a source's force by its displacement, where that is ``at`` a value."""

    places = ("at",)

    @override
    def measure(self, path: Path, port: PathPort, wanted: float) -> Measured:
        point, step = path.at(port.at[0]), STEP * path.scale
        moved, force = path.rates(point)
        found = Measured(force / moved, bends=[(1 / path.unit, point)])
        beside = [path.at(port.at[0] + sign * step) for sign in (-1, 1)]
        slopes = [b / a for a, b in map(path.rates, beside)]
        found.add_rest(path, (slopes[1] - slopes[0]) / (2 * step))
        return found


class Work(PathQuantity):
    """Work of a source along its path ``between`` two of its displacements."""

    places = ("between",)

    @override
    def measure(self, path: Path, port: PathPort, wanted: float) -> Measured:
        ends = [path.at(u) for u in port.at]
        found = Measured(path.energy(ends[1]) - path.energy(ends[0]))
        found.states = [(-1.0, ends[0]), (1.0, ends[1])]
        found.add_rest(path, path.unit * (path.force(ends[1]) - path.force(ends[0])))
        return found


class Absorbed(PathQuantity):
    """Energy absorbed while a source goes slowly from zero to its value and back to zero.

    It is lost in snaps, of the force or of the displacement, whichever the source imposes.
    """

    title = "absorbed energy"

    @override
    def check(self, values: Any, terminal: "Terminal", numbers: Any) -> None:
        if (values < 0).any():
            raise InputError(
                f"{terminal.full_name}: absorbed = {values.min():g} must not be below 0; a network "
                "gives back no more than it was given."
            )

    @override
    def measure(self, path: Path, port: PathPort, wanted: float) -> Measured:
        snaps, last = path.cycle()
        found = Measured(path.energy(last) - path.energy(path.start()))
        found.states = [(-1.0, path.start()), (1.0, last)]
        if path.by_displacement:
            found.add_rest(path, path.unit * path.force(last))
        for before, after in snaps:
            found.value += path.energy(before) - path.energy(after)
            found.states += [(1.0, before), (-1.0, after)]
            moved, force = path.rates(before)
            if path.by_displacement:
                found.rates.append((-(path.force(before) - path.force(after)) / force, before))
                continue
            jump = path.displacement(after) - path.displacement(before)
            found.value += path.unit * path.force(before) * jump
            found.rates.append((jump / moved, before))
        return found


class States(PathQuantity):
    """Number of stable states without load on the path of a source up to its value.

    One counts where the load before it falls to 5 % of its peak below zero. What is missing, or one
    too many, is a fraction: how far the valley still is above, or below.
    """

    title, of_several = "number of stable states", True

    @override
    def check(self, values: Any, terminal: "Terminal", numbers: Any) -> None:
        if (values < 1).any() or (values != np.round(values)).any():
            raise InputError(f"{terminal.full_name}: states = {values.min():g} must be 1, 2, ....")

    @override
    def measure(self, path: Path, port: PathPort, wanted: float) -> Measured:
        pairs = path.valleys()
        parts = [path.force(valley) / path.force(peak) for peak, valley in pairs]
        count = 1 + sum(part <= -MARGIN for part in parts)
        found = Measured(float(count))
        if count == wanted:
            return found
        candidates = [k for k, part in enumerate(parts) if (part <= -MARGIN) == (count > wanted)]
        if not candidates:
            raise InputError(
                "The force of the source has no minimum on its path, and there is no way to tell "
                "how far another stable state is; begin with a wanted curve."
            )
        best = min(candidates, key=lambda k: abs(parts[k] + MARGIN))
        peak, valley = pairs[best]
        weight = -1 / (1 + MARGIN)
        found.value = count + (1 if count < wanted else -1) + (parts[best] + MARGIN) * weight
        found.add_force(path, valley, weight / path.force(peak))
        found.add_force(path, peak, -weight * parts[best] / path.force(peak))
        return found
