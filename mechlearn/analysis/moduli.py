"""Elastic moduli of a periodic network with relaxed nodes, to first order about rest."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.analysis.result import linear_of
from mechlearn.energies import element_for
from mechlearn.energies.element import Element
from mechlearn.errors import InputError
from mechlearn.fem.macroscopic_strain import cell_components
from mechlearn.learning.system import System
from mechlearn.network import Network
from mechlearn.runs.run import Run
from mechlearn.schema import pick
from mechlearn.tasks.task import Source, Target, Task


@dataclass(frozen=True, eq=False)
class Moduli:
    """Elastic moduli of a periodic cell.

    Attributes
    ----------
    components : tuple of str
        Of strain and stress, as in tasks: "xx", "yy", "xy"; in 3D "xx", "yy", "zz", "xy", ...
    compliance : (c, c) array
        Strains (as in the tensor) by unit stresses of the components.
    """

    components: tuple[str, ...]
    compliance: NDArray[np.float64]

    @property
    def stiffness(self) -> NDArray[np.float64]:
        """Stresses by strains of the components, those of shear as changes of angle, (c, c)."""
        engineering = np.array([1.0 if n[0] == n[1] else 2.0 for n in self.components])
        whole = np.linalg.inv(engineering[:, None] * self.compliance)
        return (whole + whole.T) / 2

    @property
    def zener(self) -> float:
        """Zener's ratio of anisotropy: shear modulus over that of an isotropic solid, xx and yy."""
        c, shear = self.stiffness, self._number("xy", normal=False)
        return float(2 * c[shear, shear] / (c[0, 0] - c[0, 1]))

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
            f"Poisson's ratio {self.poisson():.4g}>"
        )


def moduli(
    network: Network | Run, energy: Element | None = None, **parameters: ArrayLike
) -> Moduli:
    """Moduli of a periodic network, or of what a run has learned.

    Parameters
    ----------
    network : Network or Run
    energy : Element, optional
        Linear springs unless given; that of the run.
    **parameters : values of the elements' parameters, one number or one per bond
        Those of the run, or the default, where they are not given.

    Raises
    ------
    InputError
        For networks that are not periodic, and elements that are not linear; springs at finite
        displacement are measured as linear ones, which they are at rest if their rest lengths are
        their distances.
    SolveError
        For cells that are floppy.
    """
    if isinstance(network, Run):
        energy = energy or network.energy
        parameters = {**network.parameters, **parameters}
        network = network.network
    energy = element_for(network, energy)
    if small := vars(type(energy)).get("small"):
        energy = small()
    if not energy.linear:
        raise InputError(
            f"Moduli are those of linear elements, not of a {energy.name}; for others strain the "
            "cell by a source, and read its stress."
        )
    names = cell_components(network.dim)
    # Loaded in one example per component, the cell reads a column of its compliance in each.
    task = Task(
        sources=[Source(name="stress", cell=list(names), stress=[0.0] * len(names))],
        targets=[Target(name="strain", cell=list(names), strain=[0.0] * len(names), scale=1.0)],
        examples=[{"stress": one.tolist()} for one in np.eye(len(names))],
    )
    system = System(network, task, energy).set(**parameters)
    p = system.problem
    at_rest = linear_of(system, "A modulus").reading_at_rest[p.targets] / p.units
    return Moduli(names, (system.outputs - at_rest).T)
