"""Softest modes of a network, before and after training."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.linalg import eigh
from scipy.sparse.linalg import eigsh

from mechlearn.energies.rigidity import ZERO
from mechlearn.plots.distributions import model_at_rest

if TYPE_CHECKING:
    from mechlearn.runs.run import Run

#: Up to this many degrees of freedom all motions are found, and up to the second the softest.
DENSE, LARGEST = 1200, 60_000
#: Motions found above the rigid ones.
SOFTEST = 6
#: Forces at rest below this part of stiffness times bond length are none.
STILL = 1e-9


def softest(run: "Run", parameters: Mapping[str, ArrayLike]) -> NDArray[np.float64] | None:
    """Smallest relative eigenvalues of the stiffness at rest, ascending.

    Eigenvalues of the stiffness under the supports, those of motions that cost nothing left out.
    In frames turns count as what they move at the end of a mean bond.

    Returns
    -------
    (k,) array, negative where the network at rest is not stable; None of solids, of networks that
    prestress moves when nothing else does, and of large ones.
    """
    network = run.network
    width = len(run.problem.components)
    if run.energy.continuum or network.n_nodes * width > LARGEST:
        return None
    stiffness, pull = _at_rest(run, parameters)
    if (
        not run.energy.linear
        and pull > STILL * stiffness.diagonal().mean() * network.lengths.mean()
    ):
        return None
    n = stiffness.shape[0]
    least = ZERO * abs(stiffness).sum(axis=0).max()
    if n <= DENSE:
        values = eigh(stiffness.toarray(), eigvals_only=True)
    else:
        shift = 1e-6 * stiffness.diagonal().mean()
        count = min(n - 1, SOFTEST + 7)
        start = np.random.default_rng(0).standard_normal(n)
        values = eigsh(
            stiffness.tocsc(), k=count, sigma=-shift, v0=start, return_eigenvectors=False
        )
    values = np.sort(values)
    return values[np.abs(values) > least][:SOFTEST]


def _at_rest(run: "Run", parameters: Mapping[str, ArrayLike]) -> tuple[sparse.csr_array, float]:
    """Stiffness ``d2U/du2`` at rest on the unsupported dofs, and the largest force."""
    model, matrix = model_at_rest(run, parameters)
    free = model.local_free
    arm = sparse.diags_array(np.where(model.local_turns, 1 / run.network.lengths.mean(), 1.0)[free])
    matrix = arm @ ((matrix + matrix.T) / 2) @ arm
    return sparse.csr_array(matrix), float(np.abs(model.local_force()[free]).max(initial=0.0))
