"""Superposition of states of a linear model, with strains, energies and sensitivities of bonds.

The states of all examples differ only in how much of every column they hold, so strains in a
thousand examples are a matrix product, and energies arithmetic on its result.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Any, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.derivatives import Term
from mechlearn.energies.element import BondEnergy
from mechlearn.parallel import total

if TYPE_CHECKING:
    from mechlearn.fem.model import Model


#: What sensors make of strains, or rates of strain, (k, examples, owned bonds); the second argument
#: is "strain" or "rate". Errors of measurement live here.
Sense = Callable[[NDArray, str], NDArray]


class BondResponse:
    """Derivatives of the energies of bonds of one element each, at given strains.

    Parameters
    ----------
    energy : BondEnergy
    parameters : mapping of names to (bonds,) arrays
        The length included.
    strains : (k,), (k, bonds) or (k, examples, bonds) array
        One row per strain of the element.
    """

    def __init__(
        self, energy: BondEnergy, parameters: Mapping[str, NDArray], strains: NDArray
    ) -> None:
        self.energy, self.parameters, self._given = energy, parameters, strains

    @cached_property
    def _at(self) -> dict[str, NDArray]:
        strains = zip(self.energy.strains, self._given, strict=True)
        return {**self.parameters, **dict(strains)}

    def __call__(self, *by: str) -> Any:
        """The energy of every bond, or its derivative by names, one after the other.

        One number where it is the same for all bonds.
        """
        return self.energy.derivative(*by)(**self._at)

    def rate(self, name: str, rates: NDArray) -> NDArray[np.float64]:
        """Rate of the derivative by a parameter, for ``rates`` of the strains."""
        strains = zip(self.energy.strains, rates, strict=True)
        return sum(self(name, strain) * rate for strain, rate in strains)

    def stresses(self) -> NDArray[np.float64]:
        """Partners of the strains (tension, moment; current), (k, bonds)."""
        out = np.empty((len(self.energy.strains), len(self.parameters["length"])))
        for row, strain in zip(out, self.energy.strains, strict=True):
            row[:] = self(strain)
        return out

    def moduli(self) -> NDArray[np.float64]:
        """Second derivatives of the energy by the strains, (bonds, k, k)."""
        names = self.energy.strains
        out = np.empty((len(self.parameters["length"]), len(names), len(names)))
        for (j, first), (k, second) in product(enumerate(names), repeat=2):
            out[:, j, k] = self(first, second)
        return out


class AtRest(BondResponse):
    """Derivatives of the energies of unstrained bonds, compiled on first use.

    Parameters
    ----------
    energy : BondEnergy
    parameters : mapping of names to (bonds,) arrays
        The length and all parameters; they may not be written to later.
    changing : set of str
        Those that have changed before: what follows from the others is worked out once.
    """

    def __init__(
        self,
        energy: BondEnergy,
        parameters: Mapping[str, NDArray],
        changing: frozenset[str] = frozenset(),
    ) -> None:
        # All values are known by name, strains as zeros.
        self.energy, self.parameters = energy, parameters
        self._changing = changing
        self._terms: dict[tuple[str, ...], Term] = {}

    def changed(self, values: Mapping[str, NDArray]) -> "AtRest":
        """Derivatives at other values of some parameters."""
        known = values.keys() <= self._changing
        changing = self._changing if known else self._changing | values.keys()
        other = AtRest(self.energy, {**self.parameters, **values}, changing)
        if known:
            other._terms = self._terms
        return other

    def _term(self, by: tuple[str, ...]) -> Term:
        fixed = {n: v for n, v in self.parameters.items() if n not in self._changing}
        at = fixed | dict.fromkeys(self.energy.strains, 0.0)
        term = self._terms[by] = self.energy.derivative(*by).given(at)
        return term

    @override
    def __call__(self, *by: str) -> Any:
        return (self._terms.get(by) or self._term(by))(self.parameters)

    def vanishes(self, *by: str) -> bool:
        """True if the energy, or its derivative, is zero for all bonds."""
        known, function = self._terms.get(by) or self._term(by)
        if function is not None:
            return not np.any(self(*by))
        return known == 0 if isinstance(known, float) else not known.size

    @property
    def is_stress_free(self) -> bool:
        """True if no unstrained bond has tension or moment."""
        return all([self.vanishes(name) for name in self.energy.strains])


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
        per_bond = self._bond_response(amounts)()
        return total(self._comm, per_bond.sum(axis=1))

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
        return self._bond_response(amounts, sense)(name)

    def sensitivity_rate(
        self, name: str, amounts: NDArray, rates: NDArray, sense: Sense | None = None
    ) -> NDArray[np.float64]:
        """Rate of :meth:`sensitivity` for given rates of the amplitudes."""
        rate = _sensed(self.strains(rates), sense, "rate")
        return self._bond_response(amounts, sense).rate(name, rate)

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
