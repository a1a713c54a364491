"""Superposition of states of a linear model, with strains, energies and sensitivities of bonds.

The states of all examples differ only in how much of every column they hold, so strains in a
thousand examples are a matrix product, and energies arithmetic on its result.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies import BondEnergy
from mechlearn.parallel import total

if TYPE_CHECKING:
    from mechlearn.fem.model import Model


#: What sensors make of strains, or rates of strain, (k, examples, owned bonds); the second argument
#: is "strain" or "rate". Errors of measurement live here.
Sense = Callable[[NDArray, str], NDArray]


@dataclass(frozen=True, eq=False)
class BondResponse:
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
        return self._at(self.energy.derivative())

    def sensitivity(self, name: str) -> NDArray[np.float64]:
        """``du_i/dL_i`` at fixed strains, (examples, bonds)."""
        return self._at(self.energy.derivative(name))

    def sensitivity_rate(self, name: str, rates: NDArray) -> NDArray[np.float64]:
        """Rate of :meth:`sensitivity` for ``rates`` of the strains, an array like them."""
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
    columns : (k, columns, owned bonds) array
        Strains of the bonds in every column.
    """

    #: Whether moments of the states are enough for the mean of sensitivities.
    by_moments = True

    def __init__(self, model: "Model", columns: NDArray) -> None:
        self._energy, self._comm = model.energy, model.comm
        self._unstrained = model.unstrained()
        strains = model.strain_product.with_columns(model.with_ghosts(columns))
        by_bond = strains.reshape(len(strains), -1, len(model.energy.strains))
        self.columns = by_bond.transpose(2, 0, 1).copy()

    def strains(self, amounts: NDArray) -> NDArray[np.float64]:
        """All strains of every owned bond, (k, examples, owned bonds)."""
        return amounts @ self.columns

    def energies(self, amounts: NDArray) -> NDArray[np.float64]:
        """Elastic energy of the whole network in every example."""
        per_bond = self._bond_response(amounts).energies()
        return total(self._comm, per_bond.sum(axis=1))

    @cached_property
    def energy_at_rest(self) -> float:
        """Elastic energy of the whole network at zero displacement."""
        each = self._unstrained()
        here = each.sum() if isinstance(each, np.ndarray) else each * self.columns.shape[2]
        return float(total(self._comm, here))

    def mean_sensitivity(self, name: str, moment: Callable[[int], NDArray]) -> NDArray[np.float64]:
        """The mean of :meth:`sensitivity` over states of which only every :func:`moment` is known.

        It is quadratic in the strains as the energy is, so they are enough, however many states
        there are; and what is linear in such means may be done to the moments before.

        Returns
        -------
        (owned bonds,) array
        """
        first, *others = self._parts(name, moment) or [np.zeros(self.columns.shape[2])]
        return sum(others, first)

    def _parts(self, name: str, moment: Callable[[int], NDArray]) -> list[NDArray[np.float64]]:
        """Terms of the sum :meth:`mean_sensitivity`, without zeros."""
        rest, parts, strains = self._unstrained, [], self._energy.strains
        if not rest.vanishes(name) and (there := moment(0)):
            parts.append(np.full(self.columns.shape[2], there) * rest(name))
        # Half of a small array costs less than that of what it makes.
        products = 0.5 * moment(2)
        for s, first in zip(strains, self.columns, strict=True):
            if not rest.vanishes(name, s):
                parts.append(rest(name, s) * (moment(1) @ first))
            weighted = products.dot(first)
            for t, second in zip(strains, self.columns, strict=True):
                if not rest.vanishes(name, s, t):
                    curvature = rest(name, s, t)
                    both = np.add.reduce(weighted * second)
                    alone = isinstance(curvature, float) and curvature == 1
                    parts.append(both if alone else curvature * both)
        return parts

    def sensitivity(
        self, name: str, amounts: NDArray, sense: Sense | None = None
    ) -> NDArray[np.float64]:
        """``du_i/dL_i`` at fixed state, (examples, owned bonds)."""
        return self._bond_response(amounts, sense).sensitivity(name)

    def sensitivity_rate(
        self, name: str, amounts: NDArray, rates: NDArray, sense: Sense | None = None
    ) -> NDArray[np.float64]:
        """Rate of :meth:`sensitivity` for given rates of the amplitudes."""
        rate = _sensed(self.strains(rates), sense, "rate")
        return self._bond_response(amounts, sense).sensitivity_rate(name, rate)

    def _bond_response(self, amounts: NDArray, sense: Sense | None = None) -> BondResponse:
        strains = _sensed(self.strains(amounts), sense, "strain")
        return BondResponse(self._energy, self._unstrained.parameters, strains)


def _sensed(strains: NDArray, sense: Sense | None, what: str) -> NDArray:
    return strains if sense is None else sense(strains, what)


def moment(order: int, amounts: NDArray, rates: NDArray | None = None) -> NDArray[np.float64]:
    """The mean over states of products of so many of their amounts, (states, columns).

    With ``rates`` of the amounts, an array like them, the rate of that.

    Returns
    -------
    number, (columns,) or (columns, columns) array
        Of order 0, 1 or 2.
    """
    if order == 0:
        return np.array(1.0 if rates is None else 0.0)
    if order == 1:
        return (amounts if rates is None else rates).mean(axis=0)
    products = amounts.T.dot(amounts if rates is None else rates)
    if len(amounts) > 1:
        products /= len(amounts)
    return products if rates is None else products + products.T
