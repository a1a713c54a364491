"""Vibrational modes of a network, and the overlap of a task with them.

Eigenvalues ``K v = lambda v`` of the stiffness under the supports, every degree of freedom of unit
mass, so that ``omega = sqrt(lambda)``. Rotations of frames count as what they move at the end of a
mean bond. Participation ratio of a mode: ``(sum_i |v_i|^2)^2 / (n sum_i |v_i|^4)``, 1/n for a node
that moves alone and 1 for all that move alike (R. J. Bell, P. Dean, Discuss. Faraday Soc. 50, 55
(1970)). That soft modes come to carry the response in
training: Stern, Liu, Balasubramanian (2023), https://arxiv.org/abs/2306.12928.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import eigh
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh, splu

from mechlearn.analysis.importance import participation
from mechlearn.analysis.result import Plotted, Subject, bonds_of, system_of
from mechlearn.analysis.tangent import DENSE, Tangent, port_rows, tangent
from mechlearn.energies.rigidity import ZERO
from mechlearn.errors import InputError, SolveError

#: All modes of networks of more degrees of freedom than this are not found.
LARGEST = 3000
#: Modes found in larger ones, unless more are asked for.
SOFTEST = 20


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum(Plotted):
    """Modes of a network, in ascending order of stiffness.

    Attributes
    ----------
    eigenvalues : (k,) array
        Ascending; those of motions that cost nothing are the first ones.
    modes : (k, n, c) array
        Orthonormal over the degrees of freedom; of nodes alone, where bonds have points inside.
    zero_modes, rigid_motions : int
        How many of them cost nothing, and how many of those move the network as a whole.
    complete : bool
        Whether these are all modes, or the softest alone.
    """

    eigenvalues: NDArray[np.float64]
    modes: NDArray[np.float64]
    zero_modes: int
    rigid_motions: int
    complete: bool

    @property
    def frequencies(self) -> NDArray[np.float64]:
        """``sqrt(lambda)``, (k,); negative where a mode is not stable."""
        return np.sign(self.eigenvalues) * np.sqrt(np.abs(self.eigenvalues))

    @property
    def participation(self) -> NDArray[np.float64]:
        """Participation ratio of every mode, (k,)."""
        return participation(np.linalg.norm(self.modes, axis=2))

    @property
    def gap(self) -> float:
        """The smallest frequency above those of zero modes."""
        return float(self.frequencies[self.zero_modes])

    @property
    def flat(self) -> NDArray[np.float64]:
        """The modes as rows, (k, n c)."""
        k, n, c = self.modes.shape
        return self.modes.reshape(k, n * c)

    def shares(self, motions: NDArray) -> NDArray[np.float64]:
        """Shares of squared ``motions``, (..., k, n c), in the modes but zero modes, (..., modes).

        Of the ``k`` motions together, without their parts along zero modes.
        """
        zero, basis = self.flat[: self.zero_modes], self.flat[self.zero_modes :]
        motions = motions - (motions @ zero.T) @ zero
        size = np.maximum(np.square(motions).sum(axis=(-2, -1)), 1e-300)
        return np.square(motions @ basis.T).sum(axis=-2) / size[..., None]

    def density(self, bins: int = 20, log: bool = True) -> tuple[NDArray, NDArray]:
        """Density of states: edges of bins of the frequency, and modes per frequency and per mode.

        Zero modes are left out; the integral over the bins is 1.

        Raises
        ------
        InputError
            Where only the softest modes were found.
        """
        if not self.complete:
            raise InputError("A density of states needs all modes; these are the softest alone.")
        omega = self.frequencies[self.zero_modes :]
        low, high = max(omega.min(), omega.max() * 1e-12), omega.max() * (1 + 1e-12)
        edges = np.geomspace(low, high, bins + 1) if log else np.linspace(0, high, bins + 1)
        edges[0] = min(edges[0], omega.min())
        return edges, np.histogram(omega, edges, density=True)[0]


@dataclass(frozen=True, eq=False, repr=False)
class Overlap(Plotted):
    """Overlap of a task with the modes.

    Attributes
    ----------
    eigenvalues : (k,) array
        Of the modes, from soft to stiff, zero modes left out.
    response : (examples, k) array
        Parts of the squared free response along each mode.
    source, target : (k,) arrays
        Parts of the squared functionals of the sources, and of the targets, along each mode
        (means over the ports).
    coupling : (t, sources, k) array
        What each mode adds to a target's reading by a unit force at a source, ``(t.v) (s.v) /
        lambda``; the sum over all modes is the compliance between them.
    """

    eigenvalues: NDArray[np.float64]
    response: NDArray[np.float64]
    source: NDArray[np.float64]
    target: NDArray[np.float64]
    coupling: NDArray[np.float64]


def spectrum(
    subject: Subject, *, modes: int | None = None, example: int = 0, learned: bool = True
) -> Spectrum:
    """The modes of a network: all of them, or the softest.

    Dense for small networks, by shift and invert (ARPACK) for large ones.

    Parameters
    ----------
    subject : a run, or a :class:`mechlearn.System`
    modes : int, optional
        How many of the softest; left out all, or 20 beside the zero modes in a large network.
    example : int
        At finite displacement, the modes about the free state of this example, from 0.
    learned : bool
        Of a run: the learned network, or the one before training.

    Raises
    ------
    InputError
        For solids, an example that there is not, and more modes of a large network than the soft
        ones.
    """
    s = system_of(subject, learned)
    return modes_of(tangent(s, example), modes)


def modes_of(t: Tangent, modes: int | None = None) -> Spectrum:
    """The modes of a tangent; see :func:`spectrum`."""
    if modes is not None and modes < 1:
        raise InputError(f"modes = {modes} must be at least 1.")
    arm = sparse.diags_array(t.arm)
    scaled = sparse.csr_array(arm @ t.stiffness @ arm)
    top = abs(scaled).sum(axis=0).max()
    every = t.n <= LARGEST
    count = min(modes or (t.n if every else SOFTEST + t.motions.shape[1]), t.n)
    if every and (t.n <= DENSE or count > t.n // 3):
        values, vectors = eigh(scaled.toarray(), subset_by_index=(0, count - 1))
    elif count > t.n // 3:
        raise InputError(f"modes = {modes}: of {t.n:,} degrees of freedom ask for the softest.")
    else:
        values, vectors = _softest(scaled, count)
    return Spectrum(
        eigenvalues=values,
        modes=t.on_nodes(vectors),
        zero_modes=int(np.count_nonzero(np.abs(values) < ZERO * top)),
        rigid_motions=t.motions.shape[1],
        complete=len(values) == t.n,
    )


def overlap(
    subject: Subject, *, modes: int | None = None, example: int = 0, learned: bool = True
) -> Overlap:
    """Overlap of the modes with the free response and the functionals of the ports.

    Parameters
    ----------
    subject : a run, or a :class:`mechlearn.System`
    modes : int, optional
        How many of the softest; left out as for :func:`spectrum`.
    example : int
        At finite displacement, the modes about the free state of this example, from 0.
    learned : bool
        Of a run: the learned network, or the one before training.

    Raises
    ------
    InputError
        For bonds of several segments, solids, and an example that there is not.
    """
    s = system_of(subject, learned)
    bonds_of(s, "The task in the modes", whole=True)
    t = tangent(s, example)
    found = modes_of(t, modes)
    keep = slice(found.zero_modes, None)
    values = found.eigenvalues[keep]
    basis = found.flat[keep]
    arm = np.ones(s.network.n_nodes * t.size[1])
    arm[t.free] = t.arm
    rows = port_rows(s, example) * arm
    share = rows @ basis.T
    size = np.maximum(np.square(rows).sum(axis=1), 1e-300)
    sources = np.unique(s.problem.sources)
    moves = s.free.states().reshape(s.problem.n_examples, -1) / arm

    def parts(ports: NDArray) -> NDArray[np.float64]:
        if not len(ports):
            return np.zeros(len(values))
        return np.mean(np.square(share[ports]) / size[ports][:, None], axis=0)

    return Overlap(
        eigenvalues=values,
        response=found.shares(moves[:, None]),
        source=parts(sources),
        target=parts(s.problem.targets),
        coupling=share[s.problem.targets][:, None] * share[sources][None] / values,
    )


def _softest(matrix: sparse.csr_array, count: int) -> tuple[NDArray, NDArray]:
    """The smallest eigenvalues of a large symmetric matrix, and their vectors, by ARPACK."""
    # Below zero, so that the shifted matrix is regular in spite of rigid motions.
    shift = -1e-4 * matrix.diagonal().mean()
    factor = splu(
        sparse.csc_array(matrix - shift * sparse.eye_array(len(matrix.indptr) - 1)),
        permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.01, options={"SymmetricMode": True},
    )  # fmt: skip
    inverse = LinearOperator(matrix.shape, factor.solve, dtype=float)
    start = np.random.default_rng(0).standard_normal(matrix.shape[0])
    try:
        return eigsh(matrix, count, sigma=shift, v0=start, OPinv=inverse)
    except ArpackNoConvergence as error:
        found = len(error.eigenvalues)
        raise SolveError(f"Only {found} of {count} modes were found; ask for fewer.") from None
