"""Rigidity by counting: zero modes and states of self-stress.

Maxwell and Calladine: a network of ``n`` nodes and ``m`` bonds in ``d`` dimensions, whose
compatibility matrix ``C`` (extensions = ``C u``) has rank ``r``, has ``n d - r`` zero modes and
``m - r`` states of self-stress; nodes and bonds of frames have more degrees of freedom and strains.
Rigid motions are zero modes of every network; the others are floppy modes, and a task on a floppy
network has no unique answer.
C. R. Calladine, Int. J. Solids Struct. 14, 161 (1978), https://doi.org/10.1016/0020-7683(78)90052-5.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.linalg import splu

from mechlearn.energies.element import Element
from mechlearn.energies.kinematics import SPACE, Kinematics
from mechlearn.energies.tuples import TupleEnergy
from mechlearn.errors import InputError, listed
from mechlearn.network import Network
from mechlearn.schema import checked

#: Up to this many unknowns the modes come from a dense factorisation.
DENSE_LIMIT = 600
#: Above this many nodes a training does without the count.
LARGE = 20_000
#: Eigenvalues of C^T C below this fraction of the largest count as zero.
ZERO = 1e-11


@dataclass(frozen=True, eq=False)
class Rigidity:
    """Result of counting zero modes and states of self-stress.

    Attributes
    ----------
    zero_modes : int
        Independent motions that strain no bond, rigid motions included.
    rigid_motions : int
        Those of them that move the network as a whole (and that no support stops).
    self_stress_states : int
        Independent sets of bond tensions (and moments) in balance with no load.
    floppy_modes : (k, n, components) array
        The ``k = zero_modes - rigid_motions`` others, orthonormal.
    labels : sequence of str, optional
        What the nodes are called, where that is not their number.
    """

    zero_modes: int
    rigid_motions: int
    self_stress_states: int
    floppy_modes: NDArray[np.float64]
    labels: Sequence[str] | None = None

    @property
    def floppy(self) -> bool:
        """True if there are zero modes besides rigid motions."""
        return len(self.floppy_modes) > 0

    @property
    def floppy_nodes(self) -> NDArray[np.int64]:
        """Nodes moved by floppy modes, largest amplitude first."""
        motion = np.sqrt((self.floppy_modes**2).sum(axis=(0, 2)))
        order = np.argsort(-motion, kind="stable")
        return order[motion[order] > 1e-6 * max(motion.max(initial=0), 1e-300)]

    @property
    def floppy_names(self) -> list[str]:
        """Names of :attr:`floppy_nodes`."""
        return [str(i) if self.labels is None else self.labels[i] for i in self.floppy_nodes]

    def __str__(self) -> str:
        text = (
            f"{self.zero_modes} zero modes ({self.rigid_motions} rigid, "
            f"{len(self.floppy_modes)} floppy), "
            f"{self.self_stress_states} states of self-stress"
        )
        return text + (f"; floppy nodes {listed(self.floppy_names)}" if self.floppy else "")


@checked(network=Network)
def rigidity(
    network: Network,
    held: ArrayLike = (),
    kinematics: Kinematics = SPACE,
    tuples: Sequence[TupleEnergy] = (),
) -> Rigidity:
    """Count the zero modes and states of self-stress of a network.

    Parameters
    ----------
    network : Network
    held : array of int
        Degrees of freedom ``c * node + component`` that supports hold at zero, with ``c`` the
        number of components of a node's state.
    kinematics : Kinematics
        What a node's state is; ``d`` displacements unless given.
    tuples : sequence of TupleEnergy
        Elements on node tuples that resist, too.

    Returns
    -------
    Rigidity
        How many there are of each, and the floppy modes.
    """
    # Lengths over the mean one, so that turns and movements are of a size.
    mean = network.lengths.mean()
    cell = None if network.cell is None else network.cell / mean
    network = replace(network, nodes=network.nodes / mean, cell=cell)
    c = kinematics.compatibility(network)
    if tuples:
        width, places = len(kinematics.components(network.dim)), np.arange(network.dim)
        moves = (width * np.arange(network.n_nodes)[:, None] + places).ravel()
        spread = sparse.eye_array(c.shape[1], format="csr")[moves]
        c = sparse.csr_array(
            sparse.vstack([c, *(t.compatibility(network) @ spread for t in tuples)])
        )
    motions = kinematics.free_motions(network.nodes, network.periodic)
    held = np.union1d(np.asarray(held, dtype=int), kinematics.dependent(network))
    free = np.setdiff1d(np.arange(c.shape[1]), held)
    c = c[:, free]
    null = _null_space(c, hint=motions.shape[1])
    stopped = np.setdiff1d(np.arange(len(motions)), free)
    if len(stopped):
        motions = motions @ _dense_null(motions[stopped])
    motions = motions[free]
    if motions.shape[1]:
        basis = np.linalg.qr(motions)[0]
        rest = null - basis @ (basis.T @ null)
        u, s, _ = np.linalg.svd(rest, full_matrices=False)
        floppy = u[:, s > 0.5]
    else:
        floppy = null
    modes = np.zeros((floppy.shape[1], len(free) + len(stopped)))
    modes[:, free] = floppy.T
    return Rigidity(
        zero_modes=null.shape[1],
        rigid_motions=null.shape[1] - floppy.shape[1],
        self_stress_states=c.shape[0] - (len(free) - null.shape[1]),
        floppy_modes=modes.reshape(
            len(modes), network.n_nodes, len(kinematics.components(network.dim))
        ),
        labels=network.labels,
    )


def check_stiffness(energy: Element, values: Mapping[str, NDArray]) -> None:
    """Raise InputError for a network of bonds of which none resists being pulled, as contacts.

    ``values`` are those of all parameters and the ``length``.
    """
    if energy.linear or energy.tuples or energy.prestresses(values) or energy.resists(values):
        return
    raise InputError(
        f"energy: {energy.plural} do not resist being pulled, so that nothing holds this network "
        "together; add elements that do, by a list of [[energy]] tables, one of them model = "
        "'finite_spring'."
    )


def check_rigidity(energy: Element, network: Network, supported: ArrayLike) -> Rigidity | None:
    """Count the zero modes under the supports; raises InputError without a unique solution.

    Returns None where nothing is counted: for elements with rigid joints, among which no floppy
    mode is, and above ``LARGE`` nodes, where the factorisation itself finds a floppy mode.
    Prestress can hold a floppy network at finite displacement, so only linear energies are refused.

    Raises
    ------
    InputError
        For a floppy network of linear elements; the message names the nodes that move.
    """
    if network.n_nodes > LARGE or energy.rigid_joints:
        return None
    counts = rigidity(network, supported, energy.kinematics, energy.tuples)
    if counts.floppy and energy.linear:
        raise InputError(
            f"The network is floppy: {len(counts.floppy_modes)} of its motions cost no energy, and "
            f"they move nodes {listed(counts.floppy_names)}; add bonds or supports there."
        )
    return counts


def uncounted(energy: Element) -> str:
    """Reason why :func:`check_rigidity` counts nothing."""
    if energy.table == "regions":
        return "not counted (a body in one piece)"
    why = "joints are rigid" if energy.rigid_joints else "large network"
    return f"not counted ({why})"


def _null_space(c: sparse.csr_array, hint: int) -> NDArray[np.float64]:
    """Orthonormal null space of ``c``, shape (columns, k)."""
    n = c.shape[1]
    if n == 0:
        return np.zeros((0, 0))
    gram = (c.T @ c).tocsc()
    top = abs(gram).sum(axis=0).max()
    if n <= DENSE_LIMIT:
        value, vector = np.linalg.eigh(gram.toarray())
        return vector[:, value < ZERO * top]
    # Inverse iteration on a block: the shift keeps the factors regular, and each pass enlarges
    # zero modes over others by (eigenvalue + shift) / shift. A block, because Lanczos methods
    # lose copies of an eigenvalue as often repeated as zero is in a floppy network.
    shift = sparse.eye_array(n, format="csc") * (1e-9 * top)
    factors = splu(
        gram + shift,
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    rng = np.random.default_rng(0)
    block, k = np.zeros((n, 0)), hint + 8
    while True:
        fresh = rng.standard_normal((n, min(k, n) - block.shape[1]))
        block = np.hstack([block, fresh])
        for _ in range(3):
            block = np.linalg.qr(factors.solve(block))[0]
        _, stretch, mix = np.linalg.svd(c @ block, full_matrices=False)
        zero = stretch**2 < ZERO * top
        if not zero.all() or block.shape[1] == n:
            # Fewer bonds than columns: the singular values left out are zero as well.
            left_out = _dense_null(mix) if len(mix) < block.shape[1] else np.zeros((len(mix.T), 0))
            return block @ np.hstack([mix[zero].T, left_out])
        k *= 3


def _dense_null(a: NDArray) -> NDArray:
    _, s, vt = np.linalg.svd(np.linalg.qr(a, mode="r"), full_matrices=True)
    rank = np.count_nonzero(s > 1e-9 * max(s.max(initial=0), 1e-300))
    return vt[rank:].T
