"""Linear buckling: load factors at which a structure loses its stability, and the modes.

About the unloaded structure the tangent stiffness under a small load factor is ``K + lambda K_G``,
``K_G`` the geometric stiffness of the forces that the load brings; it is singular at the buckling
factors. Both come from the energy at finite displacement: from tangents at a small load and its
opposite, so that whatever the elements are, nothing is declared by hand.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import eigh
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh, splu

from mechlearn.energies.element import BondEnergy, Element
from mechlearn.equilibrium.conditions import PortReader
from mechlearn.errors import InputError, SolveError
from mechlearn.fenics import MPI
from mechlearn.learning.system import System
from mechlearn.tasks.problem import Problem

#: Largest motion of a node under the small load, in mean bonds.
SMALL = 1e-5
#: Segments of a strut; the error falls with their square, and is taken off by twice as many.
SEGMENTS = 8
#: Largest strain along struts at a buckling factor.
FARTHEST = 0.5
#: Unknowns up to which all modes are found, of which some are taken.
DENSE = 400


@dataclass(frozen=True, eq=False)
class Buckling:
    """Buckling factors and modes of a structure under the load of an example.

    Attributes
    ----------
    factors : (k,) array
        On all sources, ascending; empty where nothing buckles under the load as it acts.
    modes : (k, n, c) array
        Motions of the nodes, the largest displacement 1.
    """

    factors: NDArray[np.float64]
    modes: NDArray[np.float64]

    def __repr__(self) -> str:
        said = ", ".join(f"{f:.4g}" for f in self.factors[:4]) or "none"
        return f"<Buckling: factors {said}>"


def buckling(system: System, example: int = 0, count: int = 4) -> Buckling:
    """Buckling of a system under the load of an example, the lowest factors.

    Imposed displacements stay imposed, so what buckles is the structure with its sources held.

    Parameters
    ----------
    system : System
        Of springs, beams or other elements that exist at finite displacement.
    example : int
        From 0.
    count : int
        How many factors.

    Raises
    ------
    InputError
        For elements that do not, cells that deform, and rotational springs at joints.
    SolveError
        For structures that are not stable without load.
    """
    system.check_example(example)
    return buckling_of(system.problem, system.energy, system.parameters, example, count)


def buckling_of(
    problem: Problem,
    energy: Element,
    parameters: Mapping[str, NDArray],
    example: int = 0,
    count: int = 1,
) -> Buckling:
    """Buckling of a problem's network of elements with all their ``parameters``."""
    energy = at_finite_displacement(energy, parameters, problem.network.dim)
    if problem.cell:
        raise InputError("Buckling of a cell that deforms is found along its path.")
    known = {p.name for p in energy.parameters}
    values = {name: v for name, v in parameters.items() if name in known}

    def divided(segments: int) -> Buckling:
        whole = energy if energy.segments == 1 else replaced(energy, segments=segments)
        system = System(
            problem.network, problem.task, whole, check=False, comm=MPI.COMM_SELF, **values
        )
        return _buckling(system, example, count)

    coarse = divided(SEGMENTS)
    if energy.segments == 1:
        return coarse
    fine = divided(2 * SEGMENTS)
    found = min(len(coarse.factors), len(fine.factors))
    factors = (4 * fine.factors[:found] - coarse.factors[:found]) / 3
    return Buckling(factors, fine.modes[:found])


def at_finite_displacement(
    energy: Element, parameters: Mapping[str, NDArray], dim: int
) -> BondEnergy:
    """The elements at finite displacement; raises InputError where there are none."""
    if isinstance(energy, BondEnergy) and not energy.linear:
        return energy
    other: Any = vars(type(energy)).get("nonlinear")
    if other is None:
        raise InputError(f"Buckling is found for springs and beams, not for a {energy.name}.")
    joints = parameters.get("joint_stiffness")
    if joints is not None and np.isfinite(joints).any():
        raise InputError("Buckling is found for rigid joints; leave joint_stiffness out.")
    settings = {k: v for k, v in energy.settings.items() if k in other.setting_names()}
    made: BondEnergy = other(**settings)
    return made.in_dimension(dim)


def replaced(energy: BondEnergy, **settings: Any) -> BondEnergy:
    """The element with other settings."""
    made: BondEnergy = type(energy)(**{**energy.settings, **settings})
    return made


def _buckling(system: System, example: int, count: int) -> Buckling:
    system = system.copy(example=example)
    model, problem = system.model, system.problem
    reach = np.abs(system.load(SMALL).free.fields()[model.local_free]).max()
    if not reach > 0:
        return Buckling(np.empty(0), np.empty((0, problem.network.n_nodes, model.width)))
    step = SMALL * SMALL * problem.network.lengths.mean() / reach
    tangents, reader = [], PortReader(model, problem)
    for sign in (1, -1):
        free = system.load(sign * step).free
        field = free.fields()[:, 0]
        model.put_state(field)
        rows, columns, values = model.assemble_stiffness().getValuesCSR()
        matrix = sparse.csr_array((values, columns, rows))
        bend = reader.curvature(reader.read(field).vectors, free.forces[0])
        tangents.append(matrix - reader.rows.T @ sparse.csr_array(bend) @ reader.rows)
    strained = np.abs(model.expected_strains(np.zeros(len(field)))[0]).max()
    strained /= step * problem.network.lengths.mean() / model.energy.segments
    keep = np.flatnonzero(model.local_free)
    stiffness, geometric = (
        sparse.csc_array(m[keep][:, keep])
        for m in ((tangents[0] + tangents[1]) / 2, (tangents[0] - tangents[1]) / (2 * step))
    )
    held = reader.linearised()[np.flatnonzero(problem.held[0])][:, keep]
    inverse, loads = _modes(stiffness, -geometric, held, count)
    # What would stretch struts to half as much again is no small displacement.
    near = strained < FARTHEST * loads
    factors = 1 / loads[near]
    fields = np.zeros((len(model.local_free), len(factors)))
    fields[keep] = inverse[:, near]
    modes = np.moveaxis(model.to_nodes(fields), -1, 0)
    largest = np.abs(modes[..., : model.places]).max(axis=(1, 2))
    return Buckling(factors, modes / largest[:, None, None])


def _modes(
    stiffness: sparse.csc_array, geometric: sparse.csc_array, held: sparse.csr_array, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Vectors (f, k), and numbers from the largest down, of ``G x = mu K x`` with ``H x = 0``.

    Only positive ones.
    """
    f, h = stiffness.shape[0], held.shape[0]
    scale = abs(stiffness).max()
    bordered = sparse.block_array([[stiffness, scale * held.T], [scale * held, None]], format="csc")
    try:
        factor = splu(bordered if h else stiffness)
    except RuntimeError:
        raise SolveError("The structure is not stable without load: it cannot buckle.") from None

    def solve(b: NDArray) -> NDArray[np.float64]:
        b = np.asarray(b)
        return factor.solve(np.concatenate([b, np.zeros((h, *b.shape[1:]))]))[:f]

    if f <= DENSE:
        compliance = solve(np.eye(f))
        root_values, root = eigh((compliance + compliance.T) / 2)
        if root_values.min() < -1e-9 * root_values.max():
            raise SolveError("The structure is not stable without load: it cannot buckle.")
        root = root * np.sqrt(np.maximum(root_values, 0.0))
        mu, vectors = eigh(root.T @ geometric @ root)
        vectors = root @ vectors
    else:
        inverse = LinearOperator((f, f), matvec=solve, dtype=float)
        start = solve(np.random.default_rng(0).standard_normal(f))
        try:
            mu, vectors = eigsh(
                geometric, k=min(count, f - 1), M=stiffness, Minv=inverse, which="LA", v0=start
            )
        except ArpackError as error:
            raise SolveError(f"The buckling modes were not found: {error}.") from None
    order = np.argsort(-mu)[:count]
    # Rounding of the geometric stiffness is no load.
    order = order[mu[order] > 1e-9 * np.abs(mu).max(initial=0.0)]
    return vectors[:, order], mu[order]
