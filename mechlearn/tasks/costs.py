"""Costs: scalar measures of the distance between outputs and wanted values.

A cost sees outputs and wanted values in the user's units, arrays of shape (examples, targets), and
the mask of active targets. It knows no physics. A new one is a class here and a line
in ``costs``.
"""

from abc import abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, override

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray
from pydantic import FiniteFloat

from mechlearn.errors import InputError, SolveError, numbers_of
from mechlearn.extensions import Registry, is_own, name_of
from mechlearn.schema import Checked, call_of

#: What arrays of a cost count.
AXES = ("examples", "targets", "targets")
#: Part of random outputs where a cost may have no derivative.
RARE = 0.25


class Cost(metaclass=Checked):
    """Function of the outputs of every example.

    Its methods take ``outputs`` and ``wanted`` values in the user's units, (examples, targets), and
    ``active``, the mask of the targets that the example asks for.
    """

    name: ClassVar[str]
    #: Whether outputs are wanted at values, which a clamp can hold; else only at better places.
    has_values: ClassVar[bool] = True

    def __repr__(self) -> str:
        return call_of(self)

    @abstractmethod
    def value(self, outputs: NDArray, wanted: NDArray, active: NDArray) -> NDArray[np.float64]:
        """Cost of every example, (examples,), from ``outputs``, ``wanted`` and ``active``."""

    @abstractmethod
    def slope(self, outputs: NDArray, wanted: NDArray, active: NDArray) -> NDArray[np.float64]:
        """Derivative by ``outputs``, (examples, targets), at ``wanted`` and ``active``."""

    @abstractmethod
    def curvature(self, outputs: NDArray, wanted: NDArray, active: NDArray) -> NDArray[np.float64]:
        """Second derivative by ``outputs``, (examples, targets, targets), as :meth:`slope`.

        At ``wanted`` and ``active`` as there.
        """

    def reached(self, outputs: NDArray, active: NDArray) -> NDArray[np.float64]:
        """Part of ``outputs`` that is compared with wanted values, where ``active``."""
        return outputs

    def check(self, wanted: NDArray, active: NDArray) -> None:
        """Raise InputError for ``wanted`` values outside the cost's domain, where ``active``."""


@dataclass(frozen=True)
class SquaredError(Cost):
    """Half the squared distance to the wanted values, summed over the targets."""

    name: ClassVar[str] = "squared_error"
    has_values: ClassVar[bool] = True

    @override
    def value(self, outputs: NDArray, wanted: NDArray, active: NDArray) -> NDArray[np.float64]:
        return 0.5 * np.square(self.slope(outputs, wanted, active)).sum(axis=1)

    @override
    def slope(self, outputs: NDArray, wanted: NDArray, active: NDArray) -> NDArray[np.float64]:
        return np.where(active, outputs - wanted, 0.0)

    @override
    def curvature(self, outputs: NDArray, wanted: NDArray, active: NDArray) -> NDArray[np.float64]:
        return active[:, :, None] * np.eye(active.shape[1])


@dataclass(frozen=True, kw_only=True)
class CrossEntropy(Cost):
    """Cross-entropy of the targets' shares with those that are wanted: classification.

    What is wanted of the targets of an example are shares: numbers from 0 that sum to 1, such as 1
    for the right class and 0 for all others.

    Parameters
    ----------
    of : "shares" or "softmax"
        ``shares`` are ``|o_j| / sum |o|`` (Li, Mao, Nat. Commun. 15, 10528 (2024),
        https://doi.org/10.1038/s41467-024-54849-z); ``softmax`` are ``exp(o_j / T) / sum exp``.
    temperature : float
        ``T``, in the units of the outputs.

    Raises
    ------
    InputError
        For anything else of the outputs, and a temperature that is not above 0.
    """

    name: ClassVar[str] = "cross_entropy"
    has_values: ClassVar[bool] = False
    of: Literal["shares", "softmax"] = "shares"
    temperature: Annotated[FiniteFloat, Gt(0)] = 1.0

    @override
    def check(self, wanted: NDArray, active: NDArray) -> None:
        shares = np.where(active, wanted, 0.0)
        wrong = (shares < 0).any(axis=1) | (np.abs(shares.sum(axis=1) - 1) > 1e-9)
        if wrong.any():
            e = int(np.flatnonzero(wrong)[0])
            raise InputError(
                f"cost: a cross-entropy needs shares, from 0 and 1 in all; the targets of example "
                f"{e + 1} want {', '.join(f'{v:g}' for v in shares[e])}."
            )

    @override
    def reached(self, outputs: NDArray, active: NDArray) -> NDArray[np.float64]:
        """The share of every target that is asked for, (examples, targets)."""
        if self.of == "shares":
            weights = np.where(active, np.abs(outputs), 0.0)
        else:
            z = np.where(active, outputs / self.temperature, -np.inf)
            weights = np.exp(z - z.max(axis=1, keepdims=True))
        total = weights.sum(axis=1, keepdims=True)
        if not (total > 0).all():
            raise SolveError("The outputs of an example are all zero, so they have no shares.")
        return weights / total

    @override
    def value(self, outputs: NDArray, wanted: NDArray, active: NDArray) -> NDArray[np.float64]:
        counts = active & (wanted > 0)
        with np.errstate(divide="ignore"):
            logs = np.log(np.where(counts, self.reached(outputs, active), 1.0))
        return -np.where(counts, wanted * logs, 0.0).sum(axis=1)

    @override
    def slope(self, outputs: NDArray, wanted: NDArray, active: NDArray) -> NDArray[np.float64]:
        if self.of == "softmax":
            excess = self.reached(outputs, active) - np.where(active, wanted, 0.0)
            return excess / self.temperature
        sizes = self._sizes(outputs, wanted, active)
        total = np.where(active, np.abs(outputs), 0.0).sum(axis=1, keepdims=True)
        return np.where(active, np.sign(outputs) * (1 / total - wanted / sizes), 0.0)

    @override
    def curvature(self, outputs: NDArray, wanted: NDArray, active: NDArray) -> NDArray[np.float64]:
        one = np.eye(outputs.shape[1])
        if self.of == "softmax":
            s = self.reached(outputs, active)
            both = s[:, :, None] * one - s[:, :, None] * s[:, None, :]
            return both / self.temperature**2
        sizes = self._sizes(outputs, wanted, active)
        total = np.where(active, np.abs(outputs), 0.0).sum(axis=1)[:, None, None]
        sign = np.where(active, np.sign(outputs), 0.0)
        own = np.where(active, wanted / sizes**2, 0.0)
        return own[:, :, None] * one - sign[:, :, None] * sign[:, None, :] / total**2

    def _sizes(self, outputs: NDArray, wanted: NDArray, active: NDArray) -> NDArray[np.float64]:
        """Sizes of the outputs; those that matter nowhere count as one."""
        sizes = np.abs(outputs)
        if (active & (wanted > 0) & (sizes == 0)).any():
            raise SolveError(
                "An output whose share shall grow is zero: its cross-entropy has no slope."
            )
        return np.where(sizes > 0, sizes, 1.0)


#: Methods of a cost, each the derivative of the one before by the outputs, by the targets' axes.
METHODS = ("value", "slope", "curvature")


def evaluate(
    cost: Cost,
    method: str,
    outputs: NDArray,
    wanted: NDArray,
    active: NDArray,
    everywhere: bool = True,
) -> NDArray[np.float64]:
    """Result of a method of a cost, at ``outputs``, ``wanted`` and ``active`` (examples, targets).

    With ``everywhere`` False it may be undefined (nan).

    Raises
    ------
    InputError
        Where it fails, or returns anything else.
    """
    if not is_own(cost):
        return getattr(cost, method)(outputs, wanted, active)
    order = METHODS.index(method)
    shape = (len(outputs), *[outputs.shape[1]] * order)
    axes, where = " by ".join(AXES[: order + 1]), f"cost {name_of(cost)}: its {method}"
    given, finite = (outputs, wanted, active), order > 0 if everywhere else None
    return numbers_of(getattr(cost, method), where, given, shape, axes, finite)


def check_cost(cost: Cost, wanted: NDArray, active: NDArray, scale: NDArray) -> None:
    """Compare the derivatives of a cost with differences, at random outputs.

    Parameters
    ----------
    cost : Cost
    wanted, active : (examples, targets) arrays
    scale : (examples, targets) array
        How far outputs are from wanted values.

    Raises
    ------
    InputError
        For a method that fails, returns another shape, or is not the derivative of the one before.
    """
    rng, h = np.random.default_rng(0), 1e-4
    probes = np.tile(np.arange(min(len(wanted), 8)), 8)
    wanted, active, scale = wanted[probes], active[probes], scale[probes]
    outputs, step = (scale * rng.uniform(-1, 1, wanted.shape) for _ in range(2))

    def at(method: str, x: float) -> NDArray[np.float64]:
        with np.errstate(all="ignore"):  # of a cost that is not defined everywhere
            moved = wanted + outputs + x * step
            return evaluate(cost, method, moved, wanted.copy(), active.copy(), everywhere=False)

    for lower, higher in pairwise(METHODS):
        where, value = f"cost {name_of(cost)}: its", at(lower, 0.0)
        if not np.isfinite(value).any():
            raise InputError(f"{where} {lower} is not finite at any outputs near the wanted ones.")
        difference = (at(lower, h) - at(lower, -h)) / (2 * h)
        error = np.einsum("e...t,et->e...", at(higher, 0.0), step) - difference
        size = np.abs(difference) + np.finfo(float).eps / h**2 * np.abs(value)
        error, size = (np.linalg.norm(x.reshape(len(x), -1), axis=1) for x in (error, size))
        if np.mean(error > 1e-3 * size) > RARE:
            raise InputError(
                f"{where} {higher} is not the derivative of its {lower} by the outputs."
            )


#: Costs by the name that task files use.
costs = Registry("cost", Cost, "a cost: an ml.Cost", (SquaredError, CrossEntropy))
