"""Scales: coordinates on which parameters take steps, with bounds."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, override

import numpy as np
from numpy.typing import NDArray

#: On a saturating scale a value keeps this part of its range away from where the coordinate ends.
EDGE = 1e-12


@dataclass(frozen=True)
class Scale(ABC):
    """A coordinate ``x`` of values between bounds; all arrays have one entry per element.

    Attributes
    ----------
    steepness : float
        How many times faster than at 1 a saturating scale turns.
    """

    steepness: float = 1.0
    #: Adam's step of the coordinate where the user gives none, at a steepness of 1.
    adam_rate: ClassVar[float]

    @abstractmethod
    def coordinate(self, values: NDArray, low: NDArray, high: NDArray) -> NDArray[np.float64]:
        """The coordinate of values."""

    @abstractmethod
    def values(self, x: NDArray, low: NDArray, high: NDArray) -> NDArray[np.float64]:
        """The values of a coordinate, not yet clipped to the bounds."""

    def moved(
        self, values: NDArray, step: NDArray, low: NDArray, high: NDArray
    ) -> NDArray[np.float64]:
        """The values after a step of their coordinate, not yet clipped to the bounds."""
        return self.values(self.coordinate(values, low, high) + step, low, high)

    @abstractmethod
    def slope(self, values: NDArray, low: NDArray, high: NDArray) -> NDArray[np.float64]:
        """Derivative of the value by the coordinate."""


class Linear(Scale):
    """The value itself, clipped at the bounds."""

    adam_rate = 0.005

    @override
    def coordinate(self, values: NDArray, low: NDArray, high: NDArray) -> NDArray[np.float64]:
        return values

    @override
    def values(self, x: NDArray, low: NDArray, high: NDArray) -> NDArray[np.float64]:
        return x

    @override
    def slope(self, values: NDArray, low: NDArray, high: NDArray) -> NDArray[np.float64]:
        return np.ones_like(values)


class Log(Scale):
    """The logarithm of the value, clipped at the bounds."""

    adam_rate = 0.1

    @override
    def coordinate(self, values: NDArray, low: NDArray, high: NDArray) -> NDArray[np.float64]:
        return np.log(values)

    @override
    def values(self, x: NDArray, low: NDArray, high: NDArray) -> NDArray[np.float64]:
        return np.exp(x)

    @override
    def moved(
        self, values: NDArray, step: NDArray, low: NDArray, high: NDArray
    ) -> NDArray[np.float64]:
        return values * np.exp(step)

    @override
    def slope(self, values: NDArray, low: NDArray, high: NDArray) -> NDArray[np.float64]:
        return values


class Sigmoid(Scale):
    """``low + (high - low) / (1 + exp(-steepness x))``: the bounds are never reached.

    Li, Mao, Nat. Commun. 15, 10528 (2024), https://doi.org/10.1038/s41467-024-54849-z.
    """

    adam_rate = 0.3

    @override
    def coordinate(self, values: NDArray, low: NDArray, high: NDArray) -> NDArray[np.float64]:
        part = np.clip((values - low) / (high - low), EDGE, 1 - EDGE)
        return np.log(part / (1 - part)) / self.steepness

    @override
    def values(self, x: NDArray, low: NDArray, high: NDArray) -> NDArray[np.float64]:
        with np.errstate(over="ignore"):
            return low + (high - low) / (1 + np.exp(-self.steepness * x))

    @override
    def slope(self, values: NDArray, low: NDArray, high: NDArray) -> NDArray[np.float64]:
        part = (values - low) / (high - low)
        return self.steepness * (high - low) * part * (1 - part)


class Softplus(Scale):
    """``low + log(1 + exp(steepness x)) / steepness``: never below, clipped at the upper bound."""

    adam_rate = 0.1

    @override
    def coordinate(self, values: NDArray, low: NDArray, high: NDArray) -> NDArray[np.float64]:
        above = np.maximum(self.steepness * (values - low), EDGE)
        return (above + np.log(-np.expm1(-above))) / self.steepness

    @override
    def values(self, x: NDArray, low: NDArray, high: NDArray) -> NDArray[np.float64]:
        return low + np.logaddexp(0.0, self.steepness * x) / self.steepness

    @override
    def slope(self, values: NDArray, low: NDArray, high: NDArray) -> NDArray[np.float64]:
        return -np.expm1(-self.steepness * (values - low))


#: Scales by the name that task files use.
scales: dict[str, type[Scale]] = {
    "log": Log,
    "linear": Linear,
    "sigmoid": Sigmoid,
    "softplus": Softplus,
}
