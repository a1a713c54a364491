"""Linearisation of a network about a state: stiffness, strains and moduli as matrices.

Everything is in the user's order: degrees of freedom point by point (the network's nodes first,
then those inside bonds), strains bond by bond.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse.linalg import splu

from mechlearn.analysis.result import Result, bonds_of
from mechlearn.equilibrium.conditions import PortReader
from mechlearn.errors import InputError, SolveError
from mechlearn.fenics import MPI
from mechlearn.learning.system import System

#: Up to this many degrees of freedom matrices are dense.
DENSE = 1500


@dataclass(frozen=True, eq=False, repr=False)
class Tangent(Result):
    """Linearisation about a state, supports eliminated, sources released (loads stay).

    Attributes
    ----------
    stiffness : (f, f) sparse array
        Second derivative of the energy less the work of the loads, by what is free to move. Of
        bonds ``K = B^T D B``, at finite displacement with the geometric stiffness of tensions.
    strains : (cells k, f) sparse array
        ``B``, from motions to strains, the ``k`` of the first cell first.
    moduli : (cells, k, k) array
        ``D``.
    free : (f,) integer array
        Degrees of freedom ``c * point + component``.
    arm : (f,) array
        1 for displacements; for rotations one over the mean length of the bonds, so that a rotation
        times its inverse is what it moves at the end of a bond.
    motions : (f, r) array
        Orthonormal motions of the network as a whole that supports leave.
    size : (points, c) tuple
    nodes : int
        How many of the points are nodes of the network.
    """

    stiffness: sparse.csr_array
    strains: sparse.csr_array
    moduli: NDArray[np.float64]
    free: NDArray[np.int64]
    arm: NDArray[np.float64]
    motions: NDArray[np.float64]
    size: tuple[int, int]
    nodes: int

    @property
    def n(self) -> int:
        """Number of free degrees of freedom."""
        return len(self.free)

    def on_nodes(self, columns: NDArray) -> NDArray[np.float64]:
        """Motions (f, k) as fields of the nodes, (k, n, c); supported ones do not move."""
        out = np.zeros((columns.shape[1], self.size[0] * self.size[1]))
        out[:, self.free] = columns.T
        return out.reshape(-1, *self.size)[:, : self.nodes]

    @cached_property
    def _gauged(self) -> tuple[NDArray[np.bool_], Callable[[NDArray], NDArray[np.float64]]]:
        """Factorisation with one degree of freedom pinned per zero mode."""
        from scipy.linalg import qr

        keep = np.ones(self.n, dtype=bool)
        if r := self.motions.shape[1]:
            keep[qr(self.motions.T, mode="r", pivoting=True)[1][:r]] = False
        k = self.stiffness[keep][:, keep]
        try:
            if len(k.indptr) <= DENSE:
                factor = cho_factor(k.toarray())
                return keep, lambda b: cho_solve(factor, b)
            return keep, splu(k.tocsc(), permc_spec="MMD_AT_PLUS_A").solve
        except (np.linalg.LinAlgError, RuntimeError):
            raise SolveError(
                "The network is not stable once its sources let go: its stiffness is not positive "
                "definite."
            ) from None

    def solve(self, columns: NDArray) -> NDArray[np.float64]:
        """Displacements by balanced loads (f, k), without components of rigid motions."""
        keep, solve = self._gauged
        out = np.zeros(columns.shape)
        out[keep] = solve(np.ascontiguousarray(self._balanced(columns)[keep]))
        return self._balanced(out)

    def _balanced(self, columns: NDArray) -> NDArray[np.float64]:
        """Loads without components along zero modes of the whole network."""
        return columns - self.motions @ (self.motions.T @ columns)


def tangent(system: System, example: int = 0) -> Tangent:
    """Linearisation of a system about a free state; about rest where it is linear.

    Parameters
    ----------
    system : System
    example : int
        Of the free state, counted from 0.

    Raises
    ------
    InputError
        For solids, cells that deform, and an example that there is not.
    """
    system.check_example(example)
    energy = bonds_of(system, "A stiffness matrix")
    network, problem = system.network, system.problem
    if not problem.nodes_alone:
        raise InputError("A stiffness matrix is found for networks whose cell does not deform.")
    # Without a gauge: what pins a floating network would stop its rigid motions.
    problem = replace(problem, gauge=np.empty(0, dtype=np.int64))
    model = energy.model(network, problem, system.parameters, MPI.COMM_SELF)
    state = np.zeros(len(model.local_free))
    if not energy.linear:
        found = system.equilibrium.model.pack(system.free.fields()[:, example])
        state = model.unpack(found)
    model.put_state(state)
    rows, columns, values = model.assemble_stiffness().getValuesCSR()
    size = len(state)
    stiffness = sparse.csr_array((values, columns, rows), shape=(size, size))
    if not energy.linear:
        ports = PortReader(model, problem)
        forces = system.free.forces[example]
        bend = ports.curvature(ports.read(state).vectors, forces)
        stiffness = sparse.csr_array(stiffness - ports.rows.T @ sparse.csr_array(bend) @ ports.rows)
    c = model.width
    if model.internal:  # which follow the nodes
        size = c * network.n_nodes
    # All points as nodes, where the state has them: the network turns about where it is now.
    points = model.points + model.to_points(state)[:, : network.dim] * (not energy.linear)
    points = points[: size // c]
    user = model.to_points(np.arange(len(state), dtype=float)).reshape(-1).astype(np.int64)
    number, user = np.arange(size), user[:size]
    is_free = ~np.isin(number, problem.supported)
    order, free = user[is_free], number[is_free]
    stiffness = stiffness[order][:, order]
    cells = model.cells_in_order()
    # Rotations count as what they move at the end of a mean bond.
    mean = network.lengths.mean()
    arm = np.where(np.arange(size) % c >= model.places, 1 / mean, 1.0)
    motions = energy.kinematics.free_motions(points / mean, network.periodic)
    k, n = len(energy.strains), len(energy.strains) - model.internal
    which = (k * cells[:, None] + np.arange(n)).ravel()
    strains = sparse.csr_array(model.tangent_operator()[which][:, order])
    moduli = model.tangent_moduli()[cells]
    if model.internal:
        across = moduli[:, :n, n:]
        yielding = across @ np.linalg.solve(moduli[:, n:, n:], across.transpose(0, 2, 1))
        each = sparse.bsr_array((yielding, np.arange(len(cells)), np.arange(len(cells) + 1)))
        stiffness = stiffness - strains.T @ each @ strains
        moduli = moduli[:, :n, :n] - yielding
    return Tangent(
        stiffness=sparse.csr_array((stiffness + stiffness.T) / 2),
        strains=strains,
        moduli=moduli,
        free=free,
        arm=arm[free],
        motions=_motions(stiffness, motions, arm, free),
        size=(size // c, c),
        nodes=network.n_nodes,
    )


def _motions(
    stiffness: sparse.csr_array, motions: NDArray, arm: NDArray, free: NDArray
) -> NDArray[np.float64]:
    """Orthonormal zero modes of the whole network at the state, (f, r).

    Of those given, (n c, k), in which rotations are in units of ``1 / arm``.
    """
    stopped = np.setdiff1d(np.arange(len(motions)), free)
    if len(stopped) and motions.shape[1]:
        _, s, vt = np.linalg.svd(motions[stopped])
        motions = motions @ vt[np.count_nonzero(s > 1e-8) :].T
    motions = motions[free]
    if motions.shape[1] == 0:
        return motions
    motions, arm = np.linalg.qr(motions)[0], arm[free]
    # Under loads that keep their directions a rotation is not free.
    scaled = sparse.diags_array(arm) @ stiffness @ sparse.diags_array(arm)
    _, s, vt = np.linalg.svd(scaled @ motions, full_matrices=False)
    free_here = motions @ vt[s <= 1e-9 * abs(scaled).sum(axis=0).max()].T
    return np.linalg.qr(arm[:, None] * free_here)[0]


def port_rows(system: System, example: int = 0) -> NDArray[np.float64]:
    """First-order functionals of the ports about the state, (ports, n c); zero at supports."""
    reader = PortReader(system.equilibrium.model, system.problem)
    state = system.free.fields()[:, example]
    if system.energy.linear:
        state = np.zeros_like(state)
    rows = reader.read(state).slopes @ system.problem.functionals()[0].toarray()
    rows[:, system.problem.supported] = 0.0
    return rows
