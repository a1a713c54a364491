"""Learning degrees of freedom: which parameter of the elements learns, and within which bounds."""

from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from mechlearn.energies import BondEnergy
from mechlearn.errors import InputError, listed
from mechlearn.network import Network
from mechlearn.task import Finite, Table


class Learn(Table):
    """A parameter of the elements that learns: a ``[learn.<parameter>]`` table of a task file."""

    bounds: tuple[Finite, Finite] | None = Field(
        None, description="Smallest and largest value; unbounded (but above 0) where left out."
    )
    initial: Finite | list[Finite] | str | None = Field(
        None,
        description="One number, one per bond, or the name of edge data of the network; the "
        "element's default where left out.",
    )
    spread: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Random relative spread of the initial values (uniform, +-)."
    )
    relative: bool = Field(
        False, description="Bounds and initial are in multiples of each bond's own length."
    )
    frozen: list[Annotated[int, Field(ge=0)]] | str = Field(
        default_factory=list, description="Bonds that do not learn: ids, or an edge set."
    )
    scale: Literal["log", "linear"] | None = Field(
        None, description="Whether steps change the logarithm or the value itself."
    )
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="Step size for this parameter, instead of train.rate."
    )

    @model_validator(mode="after")
    def _ordered(self):
        if self.bounds is not None and not self.bounds[0] < self.bounds[1]:
            raise ValueError(f"bounds = {list(self.bounds)} must be a smaller and a larger number")
        return self


class LearningDof:
    """One learning parameter on one network: values, bounds and mask as arrays in bond order.

    Attributes
    ----------
    name : str
    values, low, high : (m,) arrays
    learns : (m,) bool array
    log : bool
        Whether steps are taken on the logarithm.
    """

    def __init__(
        self,
        name: str,
        learn: Learn,
        energy: BondEnergy,
        network: Network,
        rng: np.random.Generator,
        start: ArrayLike | None = None,
    ) -> None:
        where = f"learn.{name}"
        try:
            parameter = energy.parameter(name)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        m = network.n_edges
        start = parameter.default(network) if start is None else start
        unit = network.lengths if learn.relative else np.ones(m)
        if learn.initial is None:
            initial = np.broadcast_to(start, m)
        else:
            initial = values_per_bond(learn.initial, network, f"{where}.initial") * unit
        initial = initial * (1 + learn.spread * rng.uniform(-1, 1, m))
        low, high = (0.0, np.inf) if learn.bounds is None else learn.bounds
        if not parameter.positive and learn.bounds is None:
            low = -np.inf
        self.name, self.rate = name, learn.rate
        self.low, self.high = low * unit, high * unit
        self.log = (learn.scale or parameter.scale) == "log"
        if parameter.positive and (low < 0 or (learn.bounds is not None and low == 0 and self.log)):
            raise InputError(
                f"{where}: bounds = {list(learn.bounds)}: the lower bound must be above 0."
            )
        if learn.bounds is None and self.log:
            self.low = np.full(m, np.finfo(float).tiny)
        bad = np.flatnonzero(
            (initial < self.low) | (initial > self.high) | (parameter.positive & (initial <= 0))
        )
        if len(bad):
            raise InputError(
                f"{where}: the initial value of bond {listed(bad)} "
                f"({initial[bad[0]]:.4g}) lies outside the bounds "
                f"({self.low[bad[0]]:.4g} to {self.high[bad[0]]:.4g})."
            )
        self.values = np.array(initial)
        self.learns = _mask(learn.frozen, network, where)

    def move(self, step: NDArray) -> None:
        """Take a step on the dof's own scale, and stop at the bounds."""
        step = np.where(self.learns, step, 0.0)
        moved = self.values * np.exp(step) if self.log else self.values + step
        self.values = np.where(self.learns, np.clip(moved, self.low, self.high), self.values)

    def on_scale(self, signal: NDArray) -> NDArray[np.float64]:
        """A derivative by the value, turned into one by what steps are taken of."""
        return np.where(self.learns, signal * self.values if self.log else signal, 0.0)


def values_per_bond(given: object, network: Network, where: str) -> NDArray[np.float64]:
    """Values of a parameter from one number, one number per bond, or the name of edge data."""
    if isinstance(given, str):
        if given not in network.edge_data:
            known = listed(network.edge_data) if network.edge_data else "none"
            raise InputError(
                f"{where} = {given!r} is no edge data of the network (it has {known})."
            )
        given = network.edge_data[given]
    try:
        values = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        raise InputError(
            f"{where} must be a number, one per bond, or the name of edge data."
        ) from None
    if values.ndim > 1 or (values.ndim == 1 and len(values) != network.n_edges):
        raise InputError(
            f"{where} lists {len(values)} numbers; the network has {network.n_edges} bonds."
        )
    if not np.isfinite(values).all():
        raise InputError(f"{where} must be finite numbers.")
    return np.broadcast_to(values, network.n_edges)


def _mask(frozen, network: Network, where: str) -> NDArray[np.bool_]:
    if isinstance(frozen, str):
        if frozen not in network.edge_sets:
            known = listed(network.edge_sets) if network.edge_sets else "none"
            raise InputError(
                f"{where}: frozen = {frozen!r} is no edge set of the network (it has {known})."
            )
        frozen = network.edge_sets[frozen]
    ids = np.asarray(frozen, dtype=int)
    bad = ids[ids >= network.n_edges]
    if len(bad):
        raise InputError(
            f"{where}: frozen names bond {listed(bad)}; the network has bonds 0 to "
            f"{network.n_edges - 1}."
        )
    learns = np.ones(network.n_edges, dtype=bool)
    learns[ids] = False
    return learns
