"""Solid struts: bonds that are bodies of finite width, joined where they meet."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, override

import numpy as np
from pydantic import ConfigDict, Field

from mechlearn.energies.element import Element, Parameter
from mechlearn.errors import InputError
from mechlearn.kinematics import JOINTS, Kinematics

#: A change of the eigenstrain that shows, and stress over modulus that does not.
EIGENSTRAIN, UNSTRESSED = 0.01, 1e-7

Material = Literal["linear", "neo_hookean", "st_venant_kirchhoff"]


@dataclass(frozen=True)
class Hinge:
    """Thinned ends of struts.

    Parameters
    ----------
    thin : float
        Width of the hinge over the strut's width, between 0 and 1.
    length : float
        Length of the hinge over the strut's, from the node on; a ramp as long leads to the full
        width. Below 0.25.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    thin: Annotated[float, Field(gt=0, le=1)] = 0.3
    length: Annotated[float, Field(gt=0, lt=0.25)] = 0.15


@dataclass(frozen=True)
class Solid(Element):
    """The network as a solid: struts of finite width, joined by discs (2D) or balls (3D).

    Parameters of the struts are their Young's ``modulus``, their ``thickness`` out of the plane
    (2D), their ``width``, learned as a true change of shape, and an ``eigenstrain`` along their
    axis, by which they are longer (or shorter) when nothing pulls at them.

    Parameters
    ----------
    material : "linear", "neo_hookean" or "st_venant_kirchhoff"
        The law between strain and stress; see :mod:`mechlearn.solids.materials`.
    plane : "stress" or "strain"
        In 2D: a thin sheet, or a slice of a long body.
    poisson : float
        Poisson's ratio at small strain. In 3D and in plane strain, P1 cells lock near 0.5.
    order : 1 or 2
        Degree of the displacements in every cell. P1 is some 10 % too stiff in bending with two
        cells across a strut; P2 is right to about 1 % at the size 0.7.
    mesh_size : float
        Size of the cells over the width of the strut.
    hinge : Hinge, optional
        Thinned ends (2D).

    Raises
    ------
    InputError
        For a Poisson's ratio outside -1 to 0.5.
    """

    name: ClassVar[str] = "solid"
    kinematics: ClassVar[Kinematics] = JOINTS
    rigid_joints: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "modulus",
            default=lambda net: 1.0,
            positive=True,
            scale="log",
            about="Young's modulus of the strut, force per area.",
        ),
        Parameter(
            "width",
            default=lambda net: 0.1 * net.lengths.mean(),
            positive=True,
            scale="log",
            about="Width of the strut (2D), or diameter of the rod (3D), in units of length.",
        ),
        Parameter(
            "thickness",
            default=lambda net: 1.0,
            positive=True,
            scale="log",
            about="Size of the strut out of the plane (2D).",
        ),
        Parameter(
            "eigenstrain",
            default=lambda net: 0.0,
            positive=False,
            scale="linear",
            about="By how much of its length the strut is longer when nothing pulls at it.",
        ),
    )

    material: Material = "linear"
    plane: Literal["stress", "strain"] = "stress"
    poisson: Annotated[float, Field(gt=-1, lt=0.5)] = 0.3
    order: Literal[1, 2] = 2
    mesh_size: Annotated[float, Field(gt=0, le=2)] = 0.5
    hinge: Hinge | None = None

    def __post_init__(self) -> None:
        if not -1 < self.poisson < 0.5:
            raise InputError(
                f"energy: poisson = {self.poisson} must lie between -1 and 0.5; an incompressible "
                "solid (0.5) needs another formulation, a rubber may take 0.49."
            )

    @property
    @override
    def linear(self) -> bool:
        """Whether strains are small, and the energy quadratic in the displacements."""
        return self.material == "linear"

    @override
    def prestresses(self, values, name=None):
        # The law knows the eigenstrain alone; what else there is multiplies it.
        now = self._unstrained(values, 0)
        if name == "eigenstrain":
            now = now - self._unstrained(values, 0, change=EIGENSTRAIN)
        return bool(np.abs(now).max() > UNSTRESSED)

    @override
    def stiffens(self, values, name):
        if name != "eigenstrain":
            return True
        now, then = (self._unstrained(values, 1, change=e) for e in (0.0, EIGENSTRAIN))
        return not np.allclose(now, then, rtol=1e-3)

    def _unstrained(self, values, what, change=0.0):
        """Stress (0) or stiffness (1) at the least and the largest eigenstrain there is, (2,)."""
        from mechlearn.solids.materials import unstrained

        ends = np.min(values["eigenstrain"]), np.max(values["eigenstrain"])
        return np.array([unstrained(self, float(e) + change)[what] for e in ends])

    @override
    def model(self, network, problem, parameters, comm):
        from mechlearn.solids.model import SolidModel

        known = {p.name: p.default(network) for p in self.parameters} | dict(parameters)
        values = {k: np.broadcast_to(v, network.n_edges).astype(float) for k, v in known.items()}
        return SolidModel(network, self, values, problem.supported, problem.gauge, comm)
