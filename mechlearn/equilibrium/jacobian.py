"""The output Jacobian: how every output depends on every parameter, exactly, by adjoint states.

The adjoint state of an output is the network under a unit force there (a unit move, where the
output is a force). The output's derivative by a bond's own parameter is what the bond feels of both
states: ``do/dk = -e e_adj`` of a spring. One solve per output gives the derivatives by all bonds.
S. Li, X. Mao, Nat. Commun. 15, 10528 (2024), https://doi.org/10.1038/s41467-024-54849-z.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mechlearn.equilibrium import Equilibrium, EquilibriumState


def output_jacobian(
    at: "Equilibrium", free: "EquilibriumState", names: tuple[str, ...]
) -> dict[str, NDArray[np.float64]]:
    """Derivatives of the outputs by parameters of the bonds, per name (examples, t, m).

    Outputs are those of :meth:`Equilibrium.outputs`: strains as changes of distance.
    """
    rates = at.adjoints(free)
    out = {}
    for name in names:
        slopes = [at.model.to_bonds(rate.sensitivity(name)) for rate in rates]
        out[name] = np.stack(slopes, axis=1)
    return out
