"""States of a linear model as sums of a few columns, and what its elements feel in them.

The states of all examples differ only in how much of every column they hold, so what bonds feel in
a thousand examples is a matrix product and arithmetic on its result.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mechlearn.fenics import MPI

if TYPE_CHECKING:
    from mechlearn.model import Model


#: What sensors make of strains, (examples, owned cells); errors of measurement live here.
Sense = Callable[[NDArray], NDArray]


class BondSuperposition:
    """Superpositions of some states of a network of bonds, at its present parameters.

    Amounts have shape (examples, columns) everywhere.

    Parameters
    ----------
    model : Model
    columns : (owned dofs, columns) array

    Attributes
    ----------
    strains : (owned cells, columns) array
        Strains of the bonds in every column.
    """

    def __init__(self, model: "Model", columns: NDArray) -> None:
        self._element, self._comm = model.energy, model.comm
        # Copies: the model goes on to other parameters while these states are still asked about.
        self._parameters = {k: v.copy() for k, v in model.local_parameters().items()}
        self.strains = model.strain_operator @ model.with_ghosts(columns)

    def strain(self, amounts: NDArray) -> NDArray[np.float64]:
        """Strain of every owned cell, (examples, owned cells)."""
        return amounts @ self.strains.T

    def energies(self, amounts: NDArray) -> NDArray[np.float64]:
        """Elastic energy of the whole network in every example."""
        per_bond = self._element.density(strain=self.strain(amounts), **self._parameters)
        return self._comm.allreduce(per_bond.sum(axis=1), op=MPI.SUM)

    def sensitivity(
        self, name: str, amounts: NDArray, sense: Sense | None = None
    ) -> NDArray[np.float64]:
        """``du_i/dL_i`` at fixed state, (examples, owned cells)."""
        strain = _sensed(self.strain(amounts), sense)
        return self._element.derivative(name)(strain=strain, **self._parameters)

    def sensitivity_rate(
        self, name: str, amounts: NDArray, rates: NDArray, sense: Sense | None = None
    ) -> NDArray[np.float64]:
        """How that changes while the amounts change at some rates."""
        strain = _sensed(self.strain(amounts), sense)
        mixed = self._element.derivative(name, "strain")
        return mixed(strain=strain, **self._parameters) * _sensed(self.strain(rates), sense)


def _sensed(strain: NDArray, sense: Sense | None) -> NDArray:
    return strain if sense is None else sense(strain)
