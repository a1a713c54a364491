"""Elastic moduli of a periodic network with relaxed nodes: at rest, and of a deformed state."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.analysis.symmetry import distances
from mechlearn.energies.element import Element
from mechlearn.errors import InputError, SolveError
from mechlearn.fem.macroscopic_strain import (
    cell_components,
    cell_response,
    deformation_gradient,
    entry,
    gradient_basis,
    multiplicity,
)
from mechlearn.fenics import MPI
from mechlearn.learning.system import System
from mechlearn.network import Network
from mechlearn.runs.run import Run
from mechlearn.schema import pick
from mechlearn.tasks.task import Source, Target, Task

#: Of a tensor that is further from a class than this, over its norm, that class is not said.
TOLERANCE = 1e-3
#: Smallest eigenvalue of a stiffness over its largest at which a cell is floppy.
FLOPPY = 1e-13


@dataclass(frozen=True, eq=False)
class Moduli:
    """Elastic moduli of a periodic cell.

    Attributes
    ----------
    components : tuple of str
        Of strain and stress, as in tasks and in the order of Voigt: "xx", "yy", "xy"; in 3D "xx",
        "yy", "zz", "yz", "xz", "xy".
    stiffness : (c, c) array
        Stresses by strains of the components, those of shear as changes of angle. At finite strain
        those of the second Piola-Kirchhoff stress by Green and Lagrange's strain.
    tangent : (d, d, d, d) array
        ``dP_ij / dF_kl``, of the first Piola-Kirchhoff stress by the deformation gradient.
    gradient, stress : (d, d) arrays
        ``F`` and ``P`` of the state.
    """

    components: tuple[str, ...]
    stiffness: NDArray[np.float64]
    tangent: NDArray[np.float64]
    gradient: NDArray[np.float64]
    stress: NDArray[np.float64]

    @property
    def compliance(self) -> NDArray[np.float64]:
        """Strains (as in the tensor) by unit stresses of the components, (c, c)."""
        twice = np.array([multiplicity(name) for name in self.components])
        return np.linalg.inv(self.stiffness) / twice[:, None]

    @property
    def zener(self) -> float:
        """Zener's ratio of anisotropy: shear modulus over that of an isotropic solid, xx and yy."""
        c, shear = self.stiffness, self._number("xy", normal=False)
        return float(2 * c[shear, shear] / (c[0, 0] - c[0, 1]))

    @cached_property
    def distances(self) -> dict[str, float]:
        """Distance from every class of symmetry, in its nearest orientation, over the norm."""
        return distances(_tensor(self.stiffness, self.components))

    def symmetry(self, tolerance: float = TOLERANCE) -> str:
        """Highest class of symmetry that the tensor is in, in any orientation.

        Parameters
        ----------
        tolerance : float
            The largest distance from a class, over the norm of the tensor, of what is in it.
        """
        lowest = "triclinic" if len(self.components) > 3 else "anisotropic"
        return next((name for name, far in self.distances.items() if far <= tolerance), lowest)

    @property
    def bulk(self) -> float:
        """Pressure over the loss of volume (in 2D area) under it."""
        d = sum(n[0] == n[1] for n in self.components)
        return float(1 / self.compliance[:d, :d].sum())

    def young(self, along: str = "xx") -> float:
        """Stress over strain under a stress ``along`` one axis, such as "xx"."""
        k = self._number(along, normal=True)
        return float(1 / self.compliance[k, k])

    def shear(self, plane: str = "xy") -> float:
        """Stress over twice the strain under a shear stress in a ``plane``, such as "xy"."""
        k = self._number(plane, normal=False)
        return float(1 / (2 * self.compliance[k, k]))

    def poisson(self, along: str = "xx", across: str = "yy") -> float:
        """Less the strain ``across`` over that ``along``, under a stress along ("xx")."""
        a, b = (self._number(name, normal=True) for name in (along, across))
        return float(-self.compliance[b, a] / self.compliance[a, a])

    def _number(self, name: str, *, normal: bool) -> int:
        known = {n: k for k, n in enumerate(self.components) if (n[0] == n[1]) == normal}
        return pick(known, name, "component")

    def __repr__(self) -> str:
        return (
            f"<Moduli: bulk {self.bulk:.4g}, shear {self.shear():.4g}, Young's {self.young():.4g}, "
            f"Poisson's ratio {self.poisson():.4g}; {self.symmetry()}, Zener's ratio "
            f"{self.zener:.4g}>"
        )


def moduli(
    network: Network | Run,
    energy: Element | None = None,
    *,
    example: int | None = None,
    gradient: ArrayLike | None = None,
    **parameters: ArrayLike,
) -> Moduli:
    """Moduli of a periodic network, or of what a run has learned.

    Parameters
    ----------
    network : Network or Run
    energy : Element, optional
        Linear springs unless given; that of the run.
    example : int, optional
        The example of a run, counted from 0, at whose state the moduli are; at rest if left out.
    gradient : (d, d) array, optional
        Deformation gradient at which they are instead.
    **parameters : values of the elements' parameters, one number or one per bond
        Those of the run, or the default, where they are not given.

    Raises
    ------
    InputError
        For networks that are not periodic, and states of a run that not the cell alone drives.
    SolveError
        For cells that are floppy, or at the limit of their stability.
    """
    if isinstance(network, Run) and example is not None:
        if gradient is not None or energy is not None:
            raise InputError("moduli: of an example leave gradient and energy out.")
        return of_state(network.system().set(**parameters), example)
    if example is not None:
        raise InputError("moduli: an example is of a run; give a network a gradient.")
    if isinstance(network, Run):
        energy = energy or network.energy
        parameters = {**network.parameters, **parameters}
        network = network.network
    if gradient is None:
        gradient = np.eye(network.dim)
    try:
        rows = np.asarray(gradient, dtype=float).tolist()
    except (TypeError, ValueError):
        raise InputError(f"moduli: gradient = {gradient!r} must be rows of numbers.") from None
    none = [["free"] * network.dim for _ in range(network.dim)]
    none[0][0] = 0.0  # type: ignore[call-overload]
    task = Task(
        sources=[Source(name="cell", deformation_gradient=rows)],
        targets=[Target(name="stress", piola_stress=none, scale=1.0)],
    )
    return of_state(System(network, task, energy).set(**parameters))


def of_state(system: System, example: int = 0) -> Moduli:
    """Moduli of a system at its free state, of linear elements at rest.

    Raises
    ------
    InputError
        For a state that not the cell alone drives, and an example that there is not.
    SolveError
        For cells that are floppy, or at the limit of their stability.
    """
    system.check_example(example)
    energy, network, problem = system.energy, system.network, system.problem
    if not network.periodic or any(port.cell is None for port in problem.ports):
        raise InputError(
            "Moduli are of periodic networks that the strain of the cell alone drives."
        )
    linear, dim = energy.linear, network.dim
    shear = () if linear else [name for name in cell_components(dim) if name[0] != name[1]]
    names = cell_components(dim, shear)
    model = energy.model(network, replace(problem, cell=names), system.parameters, MPI.COMM_SELF)
    state = np.zeros(len(model.local_free))
    if not linear:
        field = system.free.fields()[:, example]
        nodes = system.model.pack(field).ravel()[: len(state) - len(names)]
        moved = deformation_gradient(system.model, field) - np.eye(dim)
        state = model.unpack(np.r_[nodes, gradient_basis(names).T @ moved.ravel()])
    model.put_state(state)
    model.assemble_stiffness()
    solver = model.solver(definite=linear)
    solver.factor()
    gradient, stress = cell_response(model, state)
    volume = abs(np.linalg.det(network.lattice_vectors))
    components = cell_components(dim)
    if linear:
        twice = np.array([multiplicity(name) for name in names])
        stiffness = solver.schur / np.outer(twice, twice) / volume
        tangent = _tensor(stiffness, components)
    else:
        basis = gradient_basis(names)
        tangent = (basis @ solver.schur @ basis.T / volume).reshape((dim,) * 4)
        stiffness = _material(tangent, gradient, stress, components)
    eigenvalues = np.abs(np.linalg.eigvalsh(stiffness))
    if not eigenvalues.min() > FLOPPY * eigenvalues.max():
        raise SolveError("The cell deforms without resistance: the network is floppy; add bonds.")
    return Moduli(components, stiffness, tangent, gradient, stress)


def _material(
    tangent: NDArray, gradient: NDArray, stress: NDArray, names: tuple[str, ...]
) -> NDArray[np.float64]:
    """Stiffness of the second Piola-Kirchhoff stress by Green and Lagrange's strain, (c, c).

    ``dP_iJ / dF_kL = delta_ik S_JL + F_iM C_MJNL F_kN``, with ``P = F S``.
    """
    back, dim = np.linalg.inv(gradient), len(gradient)
    second = back @ stress
    rest = tangent - np.einsum("ik,jl->ijkl", np.eye(dim), (second + second.T) / 2)
    tensor = np.einsum("mi,nk,ijkl->mjnl", back, back, rest)
    at = np.array([entry(name) for name in names]).T
    found = tensor[at[0][:, None], at[1][:, None], at[0], at[1]]
    return (found + found.T) / 2


def _tensor(stiffness: NDArray, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Tensor of fourth order, (d, d, d, d), of a stiffness in Voigt's notation."""
    at = {name: k for k, name in enumerate(names)}
    dim = sum(name[0] == name[1] for name in names)
    axes = "xyz"[:dim]
    number = np.array([[at["".join(sorted(a + b))] for b in axes] for a in axes])
    return stiffness[number[:, :, None, None], number[None, None]]
