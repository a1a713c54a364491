"""Learning degrees of freedom: parameters with bounds, masks and symmetry."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BeforeValidator, Field, StrictBool, model_validator

from mechlearn.attributes import named_data, values_per_bond
from mechlearn.energies.element import Element
from mechlearn.energies.parameters import Parameter
from mechlearn.errors import InputError, listed
from mechlearn.learning.scales import scales
from mechlearn.learning.symmetry import Operation, symmetry_classes
from mechlearn.network import Network
from mechlearn.schema import Table
from mechlearn.tasks.keys import Finite, Part, Positive
from mechlearn.tasks.task import Id

if TYPE_CHECKING:
    from mechlearn.learning.system import System


def _as_list(value: object) -> object:
    """Arrays, such as what a run has learned, as the lists that files have."""
    return value.tolist() if isinstance(value, np.ndarray) else value


class Learn(Table):
    """A parameter of the elements that learns: a ``[learn.<parameter>]`` table of a task file.

    Parameters
    ----------
    bounds : (low, high), optional
        Smallest and largest value; unbounded (but above 0) where left out.
    initial : float, (m,) array, mapping or str, optional
        One number, one per bond, one by the name of every region of a body, or the name of edge
        data of the network; the element's default where left out.
    spread : float (≥ 0, < 1), optional
        Random relative spread of the initial values (uniform, +-).
    relative : bool, optional
        Bounds and initial are in multiples of each bond's own length.
    frozen : list of int, or str, optional
        Bonds that do not learn: ids, or an edge set; a region's name of a body.
    scale : "log", "linear", "sigmoid" or "softplus", optional
        What steps change: the logarithm, the value itself, or a coordinate that never reaches
        the bounds (softplus: the lower one).
    steepness : float (> 0), optional
        How sharply sigmoid and softplus turn, per unit of their coordinate.
    chain : bool, optional
        Whether a signal is multiplied by the slope of the scale before a step.
    rate : float (> 0), optional
        Step size for this parameter, instead of train.rate.
    symmetry : list of "mirror_x", "mirror_y", "mirror_z", "rotation_2", ..., "rotation_6", optional
        Mirrors, and turns (by a half, a third, a fourth or a sixth, in 3D about z), under which
        elements that are images of each other have one value, and the mean of their signals.
    centre : list of float, optional
        Of the symmetry; the middle of the nodes' extent where left out.
    """

    bounds: tuple[Finite, Finite] | None = None
    initial: Annotated[
        Finite | list[Finite] | dict[str, Finite] | str | None, BeforeValidator(_as_list)
    ] = None
    spread: Part = 0.0
    relative: StrictBool = False
    frozen: list[Id] | str = Field(default_factory=list)
    scale: Literal["log", "linear", "sigmoid", "softplus"] | None = None
    steepness: Positive = 1.0
    chain: StrictBool = True
    rate: Positive | None = None
    symmetry: list[Operation] = Field(default_factory=list)
    centre: list[Finite] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            raise ValueError(f"bounds = {list(self.bounds)} must be a smaller and a larger number")
        return self


def usual(energy: Element) -> Learn:
    """Table of an element's first parameter unless given, decades around its default."""
    parameter = energy.parameter(energy.stiffness_parameter)
    middle = getattr(parameter.default, "value", np.inf)
    if not parameter.positive or not np.isfinite(middle):
        return Learn()  # from its default on
    return Learn(bounds=(0.01 * middle, 10.0 * middle), initial=middle)


def learning_tables(learn: Any, energy: Element) -> dict[str, Learn]:
    """Tables by parameter from one table, a mapping, names, or nothing: the first parameter.

    Raises
    ------
    InputError
        For anything else.
    """
    first = energy.stiffness_parameter
    if learn is None or isinstance(learn, Learn):
        return {first: learn or usual(energy)}
    if isinstance(learn, str):
        learn = [learn]
    if isinstance(learn, Sequence):
        learn = {name: usual(energy) if name == first else Learn() for name in learn}
    if not isinstance(learn, Mapping):
        raise InputError(f"learn = {learn!r} must be an ml.Learn, or names of parameters.")
    for name, table in learn.items():
        if not isinstance(table, Learn):
            raise InputError(f"learn: {name} = {table!r} must be an ml.Learn(bounds=(low, high)).")
    return dict(learn)


class LearningDof:
    """One learning parameter on one network: values, bounds and mask as arrays in bond order.

    Attributes
    ----------
    name : str
    values, low, high : (m,) arrays
    scale : Scale
        The coordinate on which steps are taken.
    table : str
        Whose elements have it: "edges", or a name of node tuples.
    """

    def __init__(
        self,
        name: str,
        learn: Learn,
        energy: Element,
        network: Network,
        rng: np.random.Generator,
        start: ArrayLike | None = None,
    ) -> None:
        where = f"learn.{name}"
        try:
            parameter = energy.parameter(name)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        parameter.of_user(where)
        self.name, self.rate = name, learn.rate
        self._chain = learn.chain
        self.table, count = parameter.table, network.count(parameter.table)
        if learn.relative and parameter.table != "edges":
            raise InputError(f"{where}: relative is about the lengths of bonds; leave it out.")
        self.learns = learning_mask(learn.frozen, network, where, parameter)
        unit = network.lengths if learn.relative else np.ones(count)
        self.low, self.high = (bound * unit for bound in self._bounds(learn, parameter, where))
        scale = scales[learn.scale or parameter.scale]
        self.scale = scale(self.low, self.high, learn.steepness)
        if learn.bounds is None and scale.unreached:
            raise InputError(f"{where}: scale = {learn.scale!r} needs bounds.")
        if learn.initial is None:
            initial = parameter.values(network) if start is None else np.asarray(start)
        else:
            initial = values_per_bond(learn.initial, network, f"{where}.initial", parameter) * unit
        initial = np.broadcast_to(initial, count).astype(float)
        bad = np.flatnonzero(self.learns & ((initial < self.low) | (initial > self.high)))
        if len(bad):
            b = bad[0]
            raise InputError(
                f"{where}: the initial value of bond {listed(bad)} ({initial[b]:.4g}) lies "
                f"outside the bounds ({self.low[b]:.4g} to {self.high[b]:.4g})."
            )
        spread = initial * (1 + learn.spread * rng.uniform(-1, 1, count))
        self.values = np.where(self.learns, np.clip(spread, self.low, self.high), spread)
        self._classes: NDArray[np.int64] | None = None
        if learn.symmetry:
            try:
                classes = symmetry_classes(network, learn.symmetry, self.table, learn.centre)
            except InputError as error:
                raise InputError(f"{where}: {error}") from None
            self._classes = classes
            self.values = np.where(self.learns, self._means(self.values), self.values)
        ends = [self.values == getattr(self, bound) for bound in scale.unreached]
        stuck = np.any(ends, axis=0) & self.learns
        if np.any(stuck):
            raise InputError(
                f"{where}: on the scale {learn.scale!r} no value reaches a bound, so none starts "
                f"there (bond {listed(np.flatnonzero(stuck))})."
            )

    @property
    def learns(self) -> NDArray[np.bool_]:
        """Mask of the bonds that learn, (m,)."""
        return self._learns

    @learns.setter
    def learns(self, mask: NDArray[np.bool_]) -> None:
        self._learns, self._all_learn = mask, bool(mask.all())

    def _bounds(self, learn: Learn, parameter: Parameter, where: str) -> tuple[float, float]:
        if learn.bounds is None:
            smallest = np.finfo(float).tiny if parameter.positive else -np.inf
            return smallest, np.inf
        if parameter.positive and learn.bounds[0] <= 0:
            raise InputError(
                f"{where}: bounds = {list(learn.bounds)}: the lower bound must be above 0."
            )
        return learn.bounds

    def move(self, step: NDArray) -> None:
        """Step on the scale of the dof, clipped to the bounds."""
        moved = self.scale.moved(self.values, step)
        inside = np.maximum(moved, self.low)
        np.minimum(inside, self.high, out=inside)
        self.values = inside if self._all_learn else np.where(self.learns, inside, self.values)

    def _means(self, numbers: NDArray) -> NDArray[np.float64]:
        """Means over those of a symmetry class that learn, (m,)."""
        assert self._classes is not None
        learning = np.bincount(self._classes, self.learns)
        total = np.bincount(self._classes, numbers * self.learns)
        return (total / np.maximum(learning, 1))[self._classes]

    def on_scale(self, signal: NDArray) -> NDArray[np.float64]:
        """Derivative by the value converted to one by the scale's coordinate."""
        if self._chain:
            signal = signal * self.scale.slope(self.values)
        if self._classes is not None:
            signal = self._means(signal)
        return signal if self._all_learn else np.where(self.learns, signal, 0.0)


def learning_mask(
    frozen: list[int] | str, network: Network, where: str, parameter: Parameter
) -> NDArray[np.bool_]:
    """Mask of the elements that learn; ``frozen`` are ids, or the name of an edge set."""
    count, those = network.count(parameter.table), parameter.elements
    if isinstance(frozen, str):
        sets, kind = (
            (network.body.sets, "region") if network.body else (network.edge_sets, "edge set")
        )
        ids = named_data(sets, frozen, f"{where}: frozen", kind)
    else:
        ids = np.asarray(frozen, dtype=int)
    bad = ids[ids >= count]
    if len(bad):
        raise InputError(
            f"{where}: frozen names {those.removesuffix('s')} {listed(bad)}; the network has "
            f"{those} 0 to {count - 1}."
        )
    learns = np.ones(count, dtype=bool)
    learns[ids] = False
    return learns


def require_response(system: "System") -> None:
    """Raise InputError where what learns cannot change what is read from the unloaded state."""
    p, energy = system.problem, system.energy
    unloaded = [t for t in p.task.targets if t.baseline == "unloaded"]
    if not unloaded:
        return
    hold = 'give the targets baseline = "reference" if the network is to hold a shape unpulled'
    if not p.task.sources:
        raise InputError(
            f"{unloaded[0].full_name} is measured from the network as it is with nothing "
            f"pulled, and no source pulls: {hold}, or add a [[sources]] table."
        )
    pulled = (p.given != 0).any(axis=1)
    hopeless = (p.wanted != 0) & p.active & p.relative[p.targets] & (p.limit == 0)
    for example, k in np.argwhere(hopeless & ~pulled[:, None]):
        raise InputError(
            f"example {example + 1} pulls nothing, and target {p.answers[k].terminal!r}, which "
            "is measured from the network as it is with nothing pulled, reads 0 there whatever "
            f"is learned: {hold}."
        )
    if not energy.linear or len(unloaded) < len(p.task.targets):
        return
    at = system.parameters | {"length": system.network.lengths}
    idle = [n for n in system.learns if energy.prestresses(at, n) and not energy.stiffens(at, n)]
    if idle:
        raise InputError(
            f"learn: the response of linear elements to a pull does not depend on "
            f"{listed(idle)}: learn {energy.stiffness_parameter} instead, take an energy at finite "
            f"displacement, or {hold}."
        )
