"""States of a linear model as sums of a few columns, and what its elements feel in them.

The states of all examples differ only in how much of every column they hold, so what bonds feel in
a thousand examples is a matrix product and arithmetic on its result.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies import BondEnergy
from mechlearn.ranks import total

if TYPE_CHECKING:
    from mechlearn.model import Model


#: What sensors make of strains, or rates of strain, (k, examples, owned bonds); the second argument
#: is "strain" or "rate". Errors of measurement live here.
Sense = Callable[[NDArray, str], NDArray]


@dataclass(frozen=True, eq=False)
class FeltByBonds:
    """Strains of bonds of one element each, and what follows from them bond by bond.

    Attributes
    ----------
    energy : BondEnergy
    parameters : mapping of names to (bonds,) arrays
        The length included.
    strains : (k, examples, bonds) array
        One row per strain of the element.
    """

    energy: BondEnergy
    parameters: Mapping[str, NDArray]
    strains: NDArray[np.float64]

    def energies(self) -> NDArray[np.float64]:
        """Energy of every bond, (examples, bonds)."""
        return self._at(self.energy.density)

    def sensitivity(self, name: str) -> NDArray[np.float64]:
        """``du_i/dL_i`` at fixed strains, (examples, bonds)."""
        return self._at(self.energy.derivative(name))

    def sensitivity_rate(self, name: str, rates: NDArray) -> NDArray[np.float64]:
        """How that changes while the strains change at ``rates``, an array like them."""
        by_strain = (self._at(self.energy.derivative(name, s)) for s in self.energy.strains)
        return sum(slope * rate for slope, rate in zip(by_strain, rates, strict=True))

    def _at(self, function: Callable[..., NDArray]) -> NDArray[np.float64]:
        return function(**dict(zip(self.energy.strains, self.strains, strict=True)),
                        **self.parameters)  # fmt: skip


class BondSuperposition:
    """Superpositions of some states of a network of bonds, at its present parameters.

    Amounts have shape (examples, columns) everywhere.

    Parameters
    ----------
    model : Model
    columns : (owned dofs, columns) array

    Attributes
    ----------
    columns : (k, owned bonds, columns) array
        Strains of the bonds in every column.
    """

    def __init__(self, model: "Model", columns: NDArray) -> None:
        self._energy, self._comm = model.energy, model.comm
        # Copies: the model goes on to other parameters while these states are still asked about.
        self._parameters = {k: v.copy() for k, v in model.local_parameters().items()}
        strains = model.strain_operator @ model.with_ghosts(columns)
        k = len(model.energy.strains)
        self.columns = np.moveaxis(strains.reshape(-1, k, strains.shape[1]), 1, 0)

    def strains(self, amounts: NDArray) -> NDArray[np.float64]:
        """All strains of every owned bond, (k, examples, owned bonds)."""
        return np.array([amounts @ column.T for column in self.columns])

    def energies(self, amounts: NDArray) -> NDArray[np.float64]:
        """Elastic energy of the whole network in every example."""
        per_bond = self._felt(amounts).energies()
        return total(self._comm, per_bond.sum(axis=1))

    @cached_property
    def energy_at_rest(self) -> float:
        """Elastic energy of the whole network where no node has moved."""
        return float(self.energies(np.zeros((1, self.columns.shape[2])))[0])

    def mean_sensitivity(self, name: str, amounts: NDArray) -> NDArray[np.float64]:
        """The mean over examples of :meth:`sensitivity`, (owned bonds,).

        It is quadratic in the strains as the energy is, so that the first two moments of the
        amounts are enough, however many examples there are.
        """
        if len(amounts) <= amounts.shape[1]:
            return self.sensitivity(name, amounts).mean(axis=0)
        out = self._at_rest(name) + self._slope(name, amounts.mean(axis=0))
        return out + self._curvature(name, amounts.T @ amounts / len(amounts)) / 2

    def mean_sensitivity_rate(
        self, name: str, amounts: NDArray, rates: NDArray
    ) -> NDArray[np.float64]:
        """The mean over examples of :meth:`sensitivity_rate`, (owned bonds,)."""
        if len(amounts) <= amounts.shape[1]:
            return self.sensitivity_rate(name, amounts, rates).mean(axis=0)
        out = self._slope(name, rates.mean(axis=0))
        return out + self._curvature(name, rates.T @ amounts / len(amounts))

    def _slope(self, name: str, amounts: NDArray) -> NDArray[np.float64]:
        """First-order part of a sensitivity for one state, (owned bonds,)."""
        strains = zip(self._energy.strains, self.columns, strict=True)
        return sum(self._at_rest(name, s) * (columns @ amounts) for s, columns in strains)

    def _curvature(self, name: str, products: NDArray) -> NDArray[np.float64]:
        """Twice its second-order part, for products of amounts, (columns, columns)."""
        out = 0.0
        for s, first in zip(self._energy.strains, self.columns, strict=True):
            weighted = first @ products
            for t, second in zip(self._energy.strains, self.columns, strict=True):
                curvature = self._at_rest(name, s, t)
                if np.any(curvature):
                    out = out + curvature * np.einsum("ij,ij->i", weighted, second)
        return out

    def _at_rest(self, *by: str) -> NDArray | float:
        """A derivative of the bonds' energies where they are not strained."""
        rest = dict.fromkeys(self._energy.strains, 0.0)
        return self._energy.derivative(*by)(**rest, **self._parameters)

    def sensitivity(
        self, name: str, amounts: NDArray, sense: Sense | None = None
    ) -> NDArray[np.float64]:
        """``du_i/dL_i`` at fixed state, (examples, owned bonds)."""
        return self._felt(amounts, sense).sensitivity(name)

    def sensitivity_rate(
        self, name: str, amounts: NDArray, rates: NDArray, sense: Sense | None = None
    ) -> NDArray[np.float64]:
        """How that changes while the amounts change at some rates."""
        rate = _sensed(self.strains(rates), sense, "rate")
        return self._felt(amounts, sense).sensitivity_rate(name, rate)

    def _felt(self, amounts: NDArray, sense: Sense | None = None) -> FeltByBonds:
        strains = _sensed(self.strains(amounts), sense, "strain")
        return FeltByBonds(self._energy, self._parameters, strains)


def _sensed(strains: NDArray, sense: Sense | None, what: str) -> NDArray:
    return strains if sense is None else sense(strains, what)
