"""Solid struts: bonds that are bodies of finite width, joined where they meet."""

from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, ClassVar, Literal, override

import numpy as np
from annotated_types import Gt, Le, Lt
from pydantic import ConfigDict

from mechlearn.energies.beam import Section
from mechlearn.energies.element import Element
from mechlearn.energies.kinematics import BODY, SPACE, Kinematics
from mechlearn.energies.parameters import Parameter
from mechlearn.errors import InputError, listed

#: A change of the eigenstrain that shows, and stress over modulus that does not.
EIGENSTRAIN, UNSTRESSED = 0.01, 1e-7

#: P1 cells answer too stiffly above this Poisson's ratio, except in plane stress.
LOCKING = 0.4
LOCKED = (
    "Cells of order 1 lock near incompressibility (poisson = {:g}): the solid answers far too "
    "stiffly; use order 2."
)
#: Struts this many times as long as wide bend rather than shear.
SLENDER = 4.0
#: How much too stiff P1 cells are in bending, by dimension, over their squared size; measured up to
#: the size given. See tests/solids/test_solid_supports.py.
STIFF, COARSE = {2: 1.3, 3: 3.0}, 0.8

Material = Literal[
    "linear", "st_venant_kirchhoff", "neo_hookean", "mooney_rivlin", "yeoh", "bertoldi_boyce"
]
#: Constants that each law has, and those of them that it cannot do without.
CONSTANTS: dict[str, tuple[tuple[str, ...], int]] = {
    "linear": ((), 0),
    "st_venant_kirchhoff": ((), 0),
    "neo_hookean": (("c1",), 0),
    "mooney_rivlin": (("c1", "c2"), 2),
    "yeoh": (("c1", "c2", "c3"), 1),
    "bertoldi_boyce": (("c1", "c2"), 2),
}
#: Poisson's ratio unless given.
POISSON = 0.3


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
class Continuum(Element):
    """Material of solids, whatever their elements are; its settings are those of ``Solid``.

    The constants of a law say its shape, and how stiff it is unless a ``modulus`` is given or
    learned: Young's modulus at small strain, by which the whole energy is scaled.
    """

    continuum: ClassVar[bool] = True

    material: Material = "linear"
    plane: Literal["stress", "strain"] = "stress"
    poisson: Annotated[float, Gt(-1), Lt(0.5)] = POISSON
    order: Literal[1, 2] = 2
    c1: float | None = None
    c2: float | None = None
    c3: float | None = None
    bulk: float | None = None

    def __post_init__(self) -> None:
        if not -1 < self.poisson < 0.5:
            raise InputError(
                f"energy: poisson = {self.poisson} must lie between -1 and 0.5; a rubber may take "
                "0.4995, which is all but incompressible (0.5)."
            )
        given = {k: getattr(self, k) for k in ("c1", "c2", "c3") if getattr(self, k) is not None}
        known, least = CONSTANTS[self.material]
        for name in given:
            if name not in known:
                has = listed(known) if known else "none: a modulus and poisson say all"
                raise InputError(f"energy: {name} is no constant of {self.material} ({has}).")
        missing = [name for name in known[:least] if name not in given]
        if missing:
            raise InputError(f"energy: {self.material} needs {listed(missing)}.")
        if not given:  # Young's modulus and Poisson's ratio say all
            if self.bulk is not None:
                raise InputError(
                    "energy: bulk is a constant beside c1; give poisson, or c1 as well."
                )
            return
        shear = 2 * (
            given.get("c1", 0.0) + (given["c2"] if self.material == "mooney_rivlin" else 0)
        )
        if not shear > 0:
            raise InputError(
                f"energy: {self.material} with {listed(f'{k} = {v:g}' for k, v in given.items())} "
                f"has no positive shear modulus ({shear:g})."
            )
        # The law of Bertoldi and Boyce resists changes of volume by all of its terms.
        more = 2 / 3 * shear + 8 * given["c2"] if self.material == "bertoldi_boyce" else 0.0
        if self.bulk is not None:
            whole = self.bulk + more
            ratio = (3 * whole - 2 * shear) / (2 * (3 * whole + shear))
            if self.poisson != POISSON and abs(self.poisson - ratio) > 1e-9:
                raise InputError("energy: bulk and poisson both say how compressible it is.")
            if not (self.bulk > 0 and -1 < ratio < 0.5):
                raise InputError(f"energy: bulk = {self.bulk:g} is of no stable solid.")
            object.__setattr__(self, "poisson", ratio)
        modulus = 2 * shear * (1 + self.poisson)
        object.__setattr__(self, "_unit", modulus)
        if not self.constants[5] > 0:
            raise InputError(
                f"energy: {self.material} with poisson = {self.poisson:g} needs a volume term "
                "below zero; give a larger one, or bulk."
            )
        stiffness, *others = self.parameters
        kept = replace(stiffness, default=modulus), *others
        object.__setattr__(self, "parameters", kept)

    @property
    def constants(self) -> tuple[float, ...]:
        """``mu``, ``la``, ``c1``, ``c2``, ``c3`` and that of the volume, for modulus 1, and 0."""
        mu = 1 / (2 * (1 + self.poisson))
        la = self.poisson / ((1 + self.poisson) * (1 - 2 * self.poisson))
        unit = self.__dict__.get("_unit", 1.0)
        c1, c2, c3 = ((getattr(self, k) or 0.0) / unit for k in ("c1", "c2", "c3"))
        bulk = la + 2 / 3 * mu
        if self.material == "bertoldi_boyce":
            bulk -= 4 / 3 * c1 + 8 * c2
        return mu, la, c1, c2, c3, bulk, 0.0

    def averages_volume(self, dim: int) -> bool:
        """True if the volume term takes one dilatation per cell, so that cells do not lock."""
        thick = dim == 3 or self.plane == "strain"
        return thick and self.order == 2 and self.poisson > LOCKING

    @property
    @override
    def linear(self) -> bool:
        """True if strains are small and the energy quadratic in the displacements."""
        return self.material == "linear"

    @override
    def prestresses(self, values, name=None):
        return False

    @override
    def stiffens(self, values, name):
        return True

    @override
    def waves(self, model, problem, parameters):
        from mechlearn.solids.waves import SolidWaves

        return SolidWaves(model, problem)


@dataclass(frozen=True)
class Solid(Continuum):
    """The network as a solid: struts of finite width, joined by discs (2D) or balls (3D).

    Parameters of the struts are their Young's ``modulus``, their ``thickness`` out of the plane
    (2D), their ``width``, learned as a true change of shape, and an ``eigenstrain`` along their
    axis, by which they are longer (or shorter) when nothing pulls at them.

    A node is a patch of 0.42 of a strut's width in radius inside its joint: supports hold its mean
    displacement and its mean turn, loads are spread over it; see :mod:`mechlearn.solids.patches`.

    Parameters
    ----------
    material : str
        The law between strain and stress: "linear", or of finite strain "st_venant_kirchhoff",
        "neo_hookean", "mooney_rivlin", "yeoh" or "bertoldi_boyce"; see
        :mod:`mechlearn.solids.materials`.
    plane : "stress" or "strain"
        In 2D: a thin sheet, or a slice of a long body.
    poisson : float
        Poisson's ratio at small strain, below 0.5.
    order : 1 or 2
        Degree of the displacements in every cell. In bending, P1 answers with 0.75 of what is
        right with two cells across a strut, 0.9 with four and 0.97 with eight (in 3D with 0.6 with
        two), and locks near a Poisson's ratio of 0.5 in 3D and in plane strain; P2 is right to 1 %
        at the size 0.7 (in 3D to 2 % at 0.5), at any Poisson's ratio.
    c1, c2, c3 : float, optional
        Constants of the law, force per area: its shape, and how stiff it is unless a modulus is
        given or learned.
    bulk : float, optional
        Bulk modulus beside these constants, instead of poisson; of "bertoldi_boyce" the constant of
        the volume term, to which others add.
    mesh_size : float
        Size of the cells over the width of the strut.
    hinge : Hinge, optional
        Thinned ends (2D).

    Raises
    ------
    InputError
        For a Poisson's ratio outside -1 to 0.5, and constants that do not go with the law, or are
        of no stable solid.
    """

    name: ClassVar[str] = "solid"
    kinematics: ClassVar[Kinematics] = BODY
    rigid_joints: ClassVar[bool] = True
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

    mesh_size: Annotated[float, Gt(0), Le(2)] = 0.5
    hinge: Hinge | None = None

    @override
    def on(self, network):
        if network.body is None:
            return self.in_dimension(network.dim)
        for field in fields(Solid):
            if field.name not in _shared(self) and getattr(self, field.name) != field.default:
                raise InputError(f"energy: {field.name} is of struts; a body brings its mesh.")
        return BodySolid(**_shared(self)).on(network)

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
            out.append(LOCKED.format(self.poisson))
        return out

    @override
    def model(self, network, problem, parameters, comm):
        from mechlearn.solids.strut_model import StrutModel

        known = {p.name: p.default(network) for p in self.parameters} | dict(parameters)
        values = {k: np.broadcast_to(v, network.n_edges).astype(float) for k, v in known.items()}
        return StrutModel(network, self, values, problem.fixed, comm, problem.cell)


@dataclass(frozen=True)
class BodySolid(Continuum):
    """A meshed body, of regions that have a modulus and a thickness each."""

    name: ClassVar[str] = "solid"
    kinematics: ClassVar[Kinematics] = SPACE
    rigid_joints: ClassVar[bool] = True
    plural: ClassVar[str] = "regions of a body"
    table: ClassVar[str] = "regions"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            "modulus", about="Young's modulus of the region, force per area.", table="regions"
        ),
        Parameter("thickness", about="Size of the region out of the plane (2D).", table="regions"),
    )

    @override
    def on(self, network):
        if network.body is None:
            return Solid(**_shared(self)).on(network)
        if network.body.order != self.order:
            raise InputError(
                f"energy: order = {self.order}, but the body was read for displacements of order "
                f"{network.body.order}; give both the same."
            )
        return self

    @override
    def of_cells(self, values, network):
        return {name: each[network.body.element] for name, each in values.items()}

    @override
    def cautions(self, network, values):
        thick = network.dim == 3 or self.plane == "strain"
        if self.order == 1 and thick and self.poisson > LOCKING:
            return [LOCKED.format(self.poisson)]
        return []

    @override
    def model(self, network, problem, parameters, comm):
        from mechlearn.solids.body_model import BodyModel

        values = {p.name: p.values(network, parameters.get(p.name)) for p in self.parameters}
        if network.dim == 3 and np.any(values["thickness"] != 1):
            raise InputError("energy: thickness is for plane bodies; leave it out in 3D.")
        return BodyModel(network, self, values, problem.fixed, comm, problem.cell)


def _shared(energy: Continuum) -> dict[str, Any]:
    """Settings of a material, whatever its elements are."""
    return {field.name: getattr(energy, field.name) for field in fields(Continuum)}
