"""Parameters of elements: numbers that every element carries and that may learn."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isnan, nan
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError, numbers_of

if TYPE_CHECKING:
    from mechlearn.network import Network


@dataclass(frozen=True)
class Parameter:
    """One number that every element carries and that may learn.

    Parameters
    ----------
    name : str
        As in task files and in ``learned.vtu``.
    default : number, or callable
        The value where the user gives none; or a function from a network to one or to (m,).
    positive : bool
        Whether only values above zero make sense.
    scale : "log" or "linear"
        Scale on which a step of the learner is taken unless the user says otherwise; "log" of
        positive ones if left out.
    about : str
        Its meaning and unit, in one sentence for the reference of task files.
    shared : bool
        Whether it is the bond's, the same for all elements of a sum.
    table : str
        The network's table of elements that carry it: "edges", "regions" of a body, or a name of
        node tuples.
    derived : bool
        Whether it follows from others, and is neither given nor learned.

    Raises
    ------
    InputError
        For declarations that contradict each other, or are of another kind.
    """

    name: str
    default: Any = 1.0
    positive: bool = True
    scale: str = ""
    about: str = ""
    shared: bool = False
    table: str = "edges"
    derived: bool = False

    @property
    def elements(self) -> str:
        """Elements that carry it, in words."""
        return "bonds" if self.table == "edges" else self.table

    @property
    def dimension(self) -> str:
        """One of its elements in words."""
        return self.elements.removesuffix("s")

    def of_user(self, where: str) -> "Parameter":
        """Itself; raises InputError, which says ``where``, if users do not give it."""
        if self.derived:
            raise InputError(f"{where}: {self.name} follows from the others; leave it out.")
        return self

    def values(self, network: "Network", given: Any = None) -> NDArray[np.float64]:
        """Values, the defaults unless ``given``, for the elements of a ``network``, one each."""
        each = self.default(network) if given is None else given
        return np.broadcast_to(each, network.count(self.table)).astype(float)

    def __post_init__(self) -> None:
        where, value = f"parameter {self.name!r}", self.default
        if not (isinstance(self.name, str) and self.name.isidentifier()):
            raise InputError(f"{where}: its name must be a word of letters, digits and _.")
        if not isinstance(self.about, str):
            raise InputError(f"{where}: about = {self.about!r} must be a text, its meaning.")
        scale = self.scale or ("log" if self.positive else "linear")
        if scale not in ("linear", "log") or (scale == "log" and not self.positive):
            known = "linear or log" if self.positive else "linear, as it may be zero or negative"
            raise InputError(f"{where}: scale = {scale!r} must be {known}.")
        object.__setattr__(self, "scale", scale)
        if isinstance(value, Uniform):  # of another parameter
            return None
        if callable(value):
            value = value.function if isinstance(value, PerBond) else value
            made = PerBond(value, where, self.positive, self.table)
            return object.__setattr__(self, "default", made)
        number = float(value) if isinstance(value, Real) else nan
        if isinstance(value, bool) or isnan(number):
            raise InputError(f"{where}: default = {value!r} must be a number, or a function.")
        if self.positive and not number > 0:
            raise InputError(
                f"{where}: default = {value!r} is not above 0; give positive=False, or another."
            )
        object.__setattr__(self, "default", Uniform(number))


@dataclass(frozen=True)
class Uniform:
    """Default of a parameter that is one number for all elements."""

    value: float

    def __call__(self, network: "Network") -> float:
        """The number."""
        return self.value


@dataclass(frozen=True)
class PerBond:
    """Default of a parameter that is a function of the network, checked when it is called."""

    function: Callable[["Network"], Any]
    where: str
    positive: bool
    table: str = "edges"

    def __call__(self, network: "Network") -> NDArray[np.float64]:
        """The numbers, (m,)."""
        m, what = network.count(self.table), f"{self.where}: its default"
        found = numbers_of(
            lambda: np.broadcast_to(self.function(network), m), what, (), (m,), "bonds", False
        )
        if self.positive and not (found > 0).all():
            raise InputError(f"{what} is {found.min():g} at a bond; it must be above 0.")
        return found


REST_LENGTH = Parameter(
    "rest_length", lambda net: net.lengths, scale="linear", shared=True,
    about="Length at which it pulls at nothing.",
)  # fmt: skip
