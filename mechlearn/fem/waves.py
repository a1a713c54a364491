"""Tangent stiffness of a periodic network for motions with a Bloch wave vector.

A motion ``u(x + a) = u(x) exp(2 pi i q.n)`` across the lattice vector ``a = n A`` may lower the
energy of a cell whose periodic motions (``q = 0``) all raise it: then a pattern of several cells
buckles first. The cell is cut open: every image of a node at which a bond or a node tuple ends is a
node of its own, and ``K`` the tangent stiffness of that finite network in the same state. With the
phases of the images in ``T(q)``, that of the wave is ``T(q)^H K T(q)``, Hermitian and sparse.
G. Geymonat, S. Mueller, N. Triantafyllidis, Arch. Ration. Mech. Anal. 122, 231 (1993),
https://doi.org/10.1007/BF00380256.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from itertools import product
from typing import Any, override

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, eigsh, splu

from mechlearn.attributes import frozen
from mechlearn.errors import InputError
from mechlearn.fem.macroscopic_strain import deformation_gradient
from mechlearn.fenics import MPI
from mechlearn.network import Network

#: Up to this many degrees of freedom eigenvalues are those of dense matrices.
DENSE = 400


class WaveStiffness(ABC):
    """Tangent stiffness of the waves of a periodic body, in states of its model.

    Parameters
    ----------
    origin : (points,) integer array
        Which point of the cell every point of the body is an image of that is cut open.
    cells : (points, d) array
        By how many cells it lies away from it.
    width : int
        How many numbers a point's state has.
    free : (k,) integer array
        Degrees of freedom of the points of the cell that waves move.
    arm : (k,) array
        Their units.
    """

    def __init__(
        self, origin: NDArray, cells: NDArray, width: int, free: NDArray, arm: NDArray
    ) -> None:
        self._origin, self._cells, self._width = origin, cells, width
        self._free, self._arm = free, arm

    @abstractmethod
    def at(self, state: NDArray) -> sparse.csr_array:
        """Stiffness of the body that is cut open, in a state of the cell (owned dofs,)."""

    def of_wave(self, matrix: sparse.csr_array, wave: ArrayLike) -> sparse.csc_array:
        """Stiffness of a wave vector, in parts of the reciprocal lattice, from :meth:`at`.

        Rotations are in units of their motion at the end of a mean bond.
        """
        phases = np.exp(2j * np.pi * (self._cells @ np.asarray(wave, dtype=float)))
        points = np.arange(len(self._origin))
        fold = sparse.csr_array((phases, (points, self._origin)))
        fold = sparse.csr_array(sparse.kron(fold, sparse.eye_array(self._width)))
        scaled = fold[:, self._free] @ sparse.diags_array(self._arm)
        return sparse.csc_array(scaled.conj().T @ matrix @ scaled)

    def lowest(self, matrix: sparse.csr_array, wave: ArrayLike) -> float:
        """Lowest eigenvalue of :meth:`of_wave`."""
        return lowest_eigenvalue(self.of_wave(matrix, wave))


class BondWaves(WaveStiffness):
    """Tangent stiffness of the waves of a periodic network of bonds.

    Parameters
    ----------
    model : Model
        Of the cell.
    problem : Problem
        Its supports hold waves, too.
    parameters : mapping of names to (m,) arrays
        Of all bonds, whole on every rank.
    """

    def __init__(self, model: Any, problem: Any, parameters: Any) -> None:
        network = model.network
        self._model = model
        opened, origin, shift = cut_open(network)
        free = replace(problem, supported=np.arange(0), gauge=np.arange(0), cell=())
        self._open = model.energy.model(opened, free, parameters, MPI.COMM_SELF)
        images, count = len(origin) - network.n_nodes, len(self._open.points)
        inner = np.arange(network.n_nodes, count - images)
        width = model.width
        held = np.isin(np.arange(width * (count - images)), model.held)
        moving = np.flatnonzero(~held | np.isin(np.arange(len(held)), problem.gauge))
        turns = moving % width >= model.places
        arm = np.where(turns, 1 / network.lengths.mean(), 1.0)
        cells = np.vstack([shift, np.zeros((len(inner), network.dim))])
        super().__init__(np.r_[origin, inner], cells, width, moving, arm)

    @override
    def at(self, state: NDArray) -> sparse.csr_array:
        model, opened = self._model, self._open
        moved = model.to_points(state)[self._origin]
        strain = deformation_gradient(model, state) - np.eye(model.network.dim)
        moved[:, : model.places] += opened.points @ strain.T
        local = opened.to_local(moved)
        opened.put_state(local)
        rows, columns, values = opened.assemble_stiffness().getValuesCSR()
        matrix = sparse.csr_array((values, columns, rows), shape=(len(local),) * 2)
        order = np.argsort(opened.dof_of_local)
        return matrix[order][:, order]


def lowest_eigenvalue(matrix: sparse.csc_array) -> float:
    """Lowest eigenvalue of a sparse Hermitian matrix."""
    size = matrix.shape[0]
    if size <= DENSE:
        return float(np.linalg.eigvalsh(matrix.toarray())[0])
    factors = splu(
        matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )
    # Without exchanges of rows the signs of the pivots are those of the eigenvalues.
    negative = int(np.count_nonzero(factors.U.diagonal().real < 0))
    inverse = LinearOperator(matrix.shape, matvec=factors.solve, dtype=complex)
    start = np.random.default_rng(0).standard_normal(size).astype(complex)
    count = negative + 1
    while True:
        found = eigsh(matrix, min(count, size - 2), sigma=0.0, OPinv=inverse, v0=start,
                      return_eigenvectors=False)  # fmt: skip
        if np.count_nonzero(found < 0) >= negative or count >= size - 2:
            return float(found.min())
        count *= 2


def cut_open(network: Network) -> tuple[Network, NDArray[np.int64], NDArray[np.int64]]:
    """Network whose images of nodes are nodes, and of every node its origin and its cell.

    It may be in several pieces.
    """
    d, known = network.dim, dict[tuple[int, ...], int]()
    for node in range(network.n_nodes):
        known[node, *(0,) * d] = node

    def numbers(nodes: NDArray, shifts: NDArray) -> NDArray[np.int64]:
        keys = [(int(n), *map(int, s)) for n, s in zip(nodes.ravel(), shifts.reshape(-1, d),
                                                     strict=True)]  # fmt: skip
        found = [-1 if key[0] < 0 else known.setdefault(key, len(known)) for key in keys]
        return np.array(found, dtype=np.int64).reshape(nodes.shape)

    shifts = network.shifts if network.shifts is not None else np.zeros((network.n_edges, d), int)
    ends = np.stack([np.zeros_like(shifts), shifts], axis=1)
    edges = numbers(network.edges, ends)
    tuples = {
        name: numbers(rows, network.tuple_shifts[name]) for name, rows in network.tuples.items()
    }
    table = np.array(list(known))
    origin, shift = table[:, 0], table[:, 1:]
    opened = copy(network)
    places = network.nodes[origin] + shift @ network.lattice_vectors
    changes = {"nodes": frozen(places), "edges": frozen(edges), "tuples": tuples}
    none: dict[str, Any] = {"cell": None, "shifts": None, "tuple_shifts": {}, "labels": None}
    for name, value in (changes | none | {"node_sets": {}, "node_data": {}}).items():
        object.__setattr__(opened, name, value)
    return opened, origin, shift


def wave_vectors(waves: ArrayLike | Sequence[int], dim: int) -> NDArray[np.float64]:
    """Wave vectors, (k, d), in parts of the reciprocal lattice.

    Parameters
    ----------
    waves : d whole numbers, or (k, d) array
        Numbers of cells after which a pattern repeats itself: all waves that fit, but for that of
        one cell, and one of every two opposite ones. Or the wave vectors themselves.
    dim : int

    Raises
    ------
    InputError
        For anything else, and for no wave beside that of one cell.
    """
    try:
        given = np.asarray(waves, dtype=float)
    except (TypeError, ValueError):
        given = np.empty(0)
    wrong = InputError(
        f"waves = {waves!r} must be {dim} whole numbers of cells, not all of them 1, or rows of "
        f"{dim} parts of the reciprocal lattice, which are not all whole numbers."
    )
    if given.shape == (dim,) and (given >= 1).all() and (given % 1 == 0).all():
        counts = [int(n) for n in given]
        numbers = np.array(list(product(*map(range, counts))))
        once = [tuple(k) <= tuple(-k % counts) for k in numbers]
        given = (numbers[once] / counts)[1:]
        given[given > 0.5] -= 1.0
    if given.ndim != 2 or given.shape[1:] != (dim,) or not len(given):
        raise wrong
    if not np.isfinite(given).all() or (given % 1 == 0).all(axis=1).any():
        raise wrong
    return given
