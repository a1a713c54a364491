"""The energy of bonds that are not strained, and its derivatives: what makes a linear model.

They change with the parameters alone, and of those few ever do. What follows from the others is
worked out once; where nothing pulls at rest that is a zero, which then costs nothing.
"""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies import BondEnergy

if TYPE_CHECKING:
    from mechlearn.energies.vectorised import Term


class Unstrained:
    """Bonds that are not strained, at some values of their parameters.

    Parameters
    ----------
    energy : BondEnergy
    fixed, changing : mappings of names to (bonds,) arrays
        The parameters, and the length; neither may be written to later.

    Attributes
    ----------
    energy : BondEnergy
    """

    def __init__(
        self, energy: BondEnergy, fixed: Mapping[str, NDArray], changing: Mapping[str, NDArray]
    ) -> None:
        self.energy, self._fixed, self._changing = energy, fixed, changing
        self._folded: dict[tuple[str, ...], Term] = {}
        self._zero: dict[tuple[str, ...], bool] = {}

    def at(self, changing: Mapping[str, NDArray]) -> "Unstrained":
        """The bonds at other values of the parameters that change."""
        other = Unstrained(self.energy, self._fixed, changing)
        other._folded, other._zero = self._folded, self._zero
        return other

    @property
    def parameters(self) -> dict[str, NDArray]:
        """All parameters and the length by name, (bonds,) each."""
        return {**self._fixed, **self._changing}

    def __call__(self, *by: str) -> NDArray | float:
        """The energy of every bond, or its derivative by names, one after the other.

        One number where it is the same for all bonds.
        """
        term = self._folded.get(by)
        if term is None:
            rest = dict.fromkeys(self.energy.strains, 0.0)
            term = self.energy.derivative(*by).given({**self._fixed, **rest})
            self._folded[by] = term
            if term.function is None:
                self._zero[by] = not np.any(term.known)
        return term(self._changing)

    def vanishes(self, *by: str) -> bool:
        """Whether it, or its derivative, is zero for all bonds."""
        known = self._zero.get(by)
        return not np.any(self(*by)) if known is None else known

    def slack(self) -> bool:
        """Whether no bond pulls or bends."""
        return all([self.vanishes(name) for name in self.energy.strains])

    def moduli(self) -> NDArray[np.float64]:
        """Second derivatives of the energy by the strains, (bonds, k, k)."""
        names = self.energy.strains
        out = np.empty((len(self._fixed["length"]), len(names), len(names)))
        for (j, first), (k, second) in product(enumerate(names), repeat=2):
            out[:, j, k] = self(first, second)
        return out


class Rest:
    """What :class:`Unstrained` bonds are as their parameters change.

    Parameters
    ----------
    energy : BondEnergy
    values : mapping of names to (bonds,) arrays
        The parameters and the length; who writes to them must :meth:`change` them.
    """

    def __init__(self, energy: BondEnergy, values: Mapping[str, NDArray]) -> None:
        self._energy, self._values = energy, values
        self._now: Unstrained | None = None
        self._changing: frozenset[str] = frozenset()
        self._changed: set[str] = set()

    def change(self, names: Iterable[str]) -> None:
        """Take over values of some names, which were written to."""
        self._changed.update(names)

    def now(self) -> Unstrained:
        """The bonds as they are now; it stays what it is when they change."""
        if self._now is not None and not self._changed:
            return self._now
        if self._now is None:
            # Whatever was set before anybody asked need not be set again.
            self._now = Unstrained(self._energy, self._copied(self._values), {})
        elif self._changed <= self._changing:
            self._now = self._now.at(self._copied(self._changing))
        else:
            self._changing |= self._changed
            fixed = self._copied(self._values.keys() - self._changing)
            self._now = Unstrained(self._energy, fixed, self._copied(self._changing))
        self._changed.clear()
        return self._now

    def _copied(self, names: Iterable[str]) -> dict[str, NDArray]:
        return {name: self._values[name].copy() for name in names}
