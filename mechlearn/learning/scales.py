"""Scales of learning parameters: the coordinates on which steps are taken."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, override

import numpy as np
from numpy.typing import NDArray
from scipy import special

#: On a saturating scale a value keeps this part of its range away from where the coordinate ends.
EDGE = 1e-12


@dataclass(frozen=True, eq=False)
class Scale(ABC):
    """A coordinate ``x`` of values between bounds; all arrays have one entry per element.

    Attributes
    ----------
    low, high : (m,) arrays
    steepness : float
        How many times faster than at 1 a saturating scale turns.
    """

    low: NDArray[np.float64] | float
    high: NDArray[np.float64] | float
    steepness: float = 1.0
    #: Adam's step of the coordinate where the user gives none, at a steepness of 1.
    adam_rate: ClassVar[float]
    #: Bounds that no value reaches.
    unreached: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def coordinate(self, values: NDArray) -> NDArray[np.float64]:
        """The coordinate of values."""

    @abstractmethod
    def values(self, x: NDArray) -> NDArray[np.float64]:
        """The values of a coordinate, not yet clipped to the bounds."""

    @abstractmethod
    def slope(self, values: NDArray) -> NDArray[np.float64]:
        """Derivative of the value by the coordinate."""

    def moved(self, values: NDArray, step: NDArray) -> NDArray[np.float64]:
        """The values after a step of their coordinate, not yet clipped to the bounds."""
        return self.values(self.coordinate(values) + step)


class Linear(Scale):
    """The value itself, clipped at the bounds."""

    adam_rate = 0.005

    @override
    def coordinate(self, values: NDArray) -> NDArray[np.float64]:
        return values

    @override
    def values(self, x: NDArray) -> NDArray[np.float64]:
        return x

    @override
    def slope(self, values: NDArray) -> NDArray[np.float64]:
        return np.ones_like(values)


class Log(Scale):
    """The logarithm of the value, clipped at the bounds."""

    adam_rate = 0.1

    @override
    def coordinate(self, values: NDArray) -> NDArray[np.float64]:
        return np.log(values)

    @override
    def values(self, x: NDArray) -> NDArray[np.float64]:
        return np.exp(x)

    @override
    def slope(self, values: NDArray) -> NDArray[np.float64]:
        return values

    @override
    def moved(self, values: NDArray, step: NDArray) -> NDArray[np.float64]:
        return values * np.exp(step)


class Sigmoid(Scale):
    """``low + (high - low) / (1 + exp(-steepness x))``: the bounds are never reached.

    Li, Mao, Nat. Commun. 15, 10528 (2024), https://doi.org/10.1038/s41467-024-54849-z.
    """

    adam_rate = 0.3
    unreached = ("low", "high")

    @override
    def coordinate(self, values: NDArray) -> NDArray[np.float64]:
        return special.logit(np.clip(self._part(values), EDGE, 1 - EDGE)) / self.steepness

    @override
    def values(self, x: NDArray) -> NDArray[np.float64]:
        return self.low + (self.high - self.low) * special.expit(self.steepness * x)

    @override
    def slope(self, values: NDArray) -> NDArray[np.float64]:
        part = self._part(values)
        return self.steepness * (self.high - self.low) * part * (1 - part)

    def _part(self, values: NDArray) -> NDArray[np.float64]:
        return (values - self.low) / (self.high - self.low)


class Softplus(Scale):
    """``low + log(1 + exp(steepness x)) / steepness``: never below, clipped at the upper bound."""

    adam_rate = 0.1
    unreached = ("low",)

    @override
    def coordinate(self, values: NDArray) -> NDArray[np.float64]:
        above = np.maximum(self.steepness * (values - self.low), EDGE)
        return (above + np.log(-np.expm1(-above))) / self.steepness

    @override
    def values(self, x: NDArray) -> NDArray[np.float64]:
        return self.low + np.logaddexp(0.0, self.steepness * x) / self.steepness

    @override
    def slope(self, values: NDArray) -> NDArray[np.float64]:
        return -np.expm1(-self.steepness * (values - self.low))


#: Scales by the name that task files use.
scales: dict[str, type[Scale]] = {
    "log": Log, "linear": Linear, "sigmoid": Sigmoid, "softplus": Softplus,
}  # fmt: skip
