"""Solid struts: bonds that are bodies of finite width, joined where they meet."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, override

import numpy as np
from annotated_types import Gt, Le, Lt
from pydantic import ConfigDict

from mechlearn.energies.beam import Section
from mechlearn.energies.element import Element
from mechlearn.energies.kinematics import BODY, Kinematics
from mechlearn.energies.parameters import Parameter
from mechlearn.errors import InputError

#: A change of the eigenstrain that shows, and stress over modulus that does not.
EIGENSTRAIN, UNSTRESSED = 0.01, 1e-7

#: P1 cells answer too stiffly above this Poisson's ratio, except in plane stress.
LOCKING = 0.4
#: Struts this many times as long as wide bend rather than shear.
SLENDER = 4.0
#: How much too stiff P1 cells are in bending, by dimension, over their squared size; measured up to
#: the size given. See tests/solids/test_solid_supports.py.
STIFF, COARSE = {2: 1.3, 3: 3.0}, 0.8

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

    thin: Annotated[float, Gt(0), Le(1)] = 0.3
    length: Annotated[float, Gt(0), Lt(0.25)] = 0.15


@dataclass(frozen=True)
class Solid(Element):
    """The network as a solid: struts of finite width, joined by discs (2D) or balls (3D).

    Parameters of the struts are their Young's ``modulus``, their ``thickness`` out of the plane
    (2D), their ``width``, learned as a true change of shape, and an ``eigenstrain`` along their
    axis, by which they are longer (or shorter) when nothing pulls at them.

    A node is a patch of 0.42 of a strut's width in radius inside its joint: supports hold its mean
    displacement and its mean turn, loads are spread over it; see :mod:`mechlearn.solids.patches`.

    Parameters
    ----------
    material : "linear", "neo_hookean" or "st_venant_kirchhoff"
        The law between strain and stress; see :mod:`mechlearn.solids.materials`.
    plane : "stress" or "strain"
        In 2D: a thin sheet, or a slice of a long body.
    poisson : float
        Poisson's ratio at small strain. In 3D and in plane strain, P1 cells lock near 0.5.
    order : 1 or 2
        Degree of the displacements in every cell. In bending, P1 answers with 0.75 of what is
        right with two cells across a strut, 0.9 with four and 0.97 with eight (in 3D with 0.6 with
        two); P2 is right to 1 % at the size 0.7 (in 3D to 2 % at 0.5).
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
    kinematics: ClassVar[Kinematics] = BODY
    rigid_joints: ClassVar[bool] = True
    continuum: ClassVar[bool] = True
    plural: ClassVar[str] = "struts of a solid"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("modulus", about="Young's modulus of the strut, force per area."),
        Parameter(
            "width",
            lambda net: 0.1 * net.lengths.mean(),
            about="Width of the strut (2D), or diameter of the rod (3D), in units of length.",
        ),
        Parameter("thickness", about="Size of the strut out of the plane (2D)."),
        Parameter(
            "eigenstrain",
            0.0,
            about="By how much of its length the strut is longer when nothing pulls at it.",
            positive=False,
        ),
    )

    material: Material = "linear"
    plane: Literal["stress", "strain"] = "stress"
    poisson: Annotated[float, Gt(-1), Lt(0.5)] = 0.3
    order: Literal[1, 2] = 2
    mesh_size: Annotated[float, Gt(0), Le(2)] = 0.5
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
        """True if strains are small and the energy quadratic in the displacements."""
        return self.material == "linear"

    @override
    def section(self, values):
        return Section.of(values)

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
    def cautions(self, network, values):
        if self.order == 2:
            return []
        out, kept = [], 1 / (1 + STIFF[network.dim] * min(self.mesh_size, COARSE) ** 2)
        slender = np.max(network.lengths / values["width"]) > SLENDER
        if slender:
            out.append(
                f"Cells of order 1 are too stiff in bending: slender struts bend about {kept:.2g} "
                f"times as much as they should at mesh_size = {self.mesh_size:g}; use order 2."
            )
        thick = network.dim == 3 or self.plane == "strain"
        if thick and self.poisson > LOCKING:
            out.append(
                f"Cells of order 1 lock near incompressibility (poisson = {self.poisson:g}): the "
                "solid answers far too stiffly; use order 2."
            )
        return out

    @override
    def model(self, network, problem, parameters, comm):
        from mechlearn.solids.strut_model import StrutModel

        known = {p.name: p.default(network) for p in self.parameters} | dict(parameters)
        values = {k: np.broadcast_to(v, network.n_edges).astype(float) for k, v in known.items()}
        return StrutModel(network, self, values, problem.fixed, comm)
