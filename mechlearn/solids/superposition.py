"""Superposition of states of a linear solid, with strains, energies and sensitivities of struts."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.fem.superposition import Sense

if TYPE_CHECKING:
    from mechlearn.solids.model import SolidModel


class SolidSuperposition:
    """Superpositions of some states of a solid, at its present parameters.

    Amounts have shape (examples, columns) everywhere. Every example is put together and assembled:
    a solid has few examples and many cells.

    Parameters
    ----------
    model : SolidModel
        Its parameters must stay as they are while this is in use.
    columns : (owned dofs, columns) array
    """

    by_moments = False

    def __init__(self, model: "SolidModel", columns: NDArray) -> None:
        self._model, self._columns = model, columns

    def _each(self, amounts: NDArray, evaluate: Callable[[], ArrayLike]) -> NDArray[np.float64]:
        out = []
        for amount in amounts:
            self._model.put_state(self._columns @ amount)
            out.append(evaluate())
        return np.array(out)

    def strains(self, amounts: NDArray) -> NDArray[np.float64]:
        """Extension of every strut this rank answers for, (1, examples, struts)."""
        return self._each(amounts, self._model.local_strains).swapaxes(0, 1)

    def energies(self, amounts: NDArray) -> NDArray[np.float64]:
        """Elastic energy of the whole solid in every example."""
        return self._each(amounts, self._model.total_energy)

    @cached_property
    def energy_at_rest(self) -> float:
        """Elastic energy of the whole solid at zero displacement."""
        return float(self.energies(np.zeros((1, self._columns.shape[1])))[0])

    def sensitivity(
        self, name: str, amounts: NDArray, sense: Sense | None = None
    ) -> NDArray[np.float64]:
        """``du_i/dL_i`` at fixed state, (examples, struts)."""
        return self._each(amounts, lambda: self._model.local_sensitivity(name))

    def sensitivity_rate(
        self, name: str, amounts: NDArray, rates: NDArray, sense: Sense | None = None
    ) -> NDArray[np.float64]:
        """Rate of :meth:`sensitivity` for given rates of the amplitudes."""
        out = []
        for amount, rate in zip(amounts, rates, strict=True):
            self._model.put_state(self._columns @ amount)
            out.append(self._model.local_sensitivity_rate(name, self._columns @ rate))
        return np.array(out)
