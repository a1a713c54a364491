"""Elements: strains of a nodal state, and an energy of those strains.

A physics is a subclass with two methods written in UFL. ``strain`` says how the state deforms the
element (the *across* quantities: extension, bending, voltage drop, ...), ``energy`` what that
costs. All else is derived from them: forces, stiffness matrices, local sensitivities, adjoints.
"""

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from functools import cache
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.kinematics import Bond, Kinematics
from mechlearn.energies.parameters import Parameter
from mechlearn.errors import InputError

#: Tension below this part of what doubles an element's length counts as none.
SLACK = 1e-9
#: What joins the names of elements in that of their sum.
PLUS = " + "

if TYPE_CHECKING:
    from mechlearn.energies.beam import Section
    from mechlearn.energies.derivatives import Pointwise
    from mechlearn.network import Network
    from mechlearn.tasks.problem import Problem


class ElementType(ABCMeta):
    """Type of element classes, whose objects are checked when they are made."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        """Element of the class."""
        return checked(super().__call__(*args, **kwargs))

    def __add__(cls, other: Any) -> "Element":
        return cls() + other

    def __radd__(cls, other: Any) -> "Element":
        return other + cls()


class Element(metaclass=ElementType):
    """Element between two nodes: a bond, or a solid strut.

    Fields of a dataclass are its settings, keys of ``[energy]``; ``a + b`` is the sum of both.
    """

    name: ClassVar[str]
    #: Several of them in words, such as "linear springs"; from the name if left out.
    plural: ClassVar[str]
    #: What a node's state is: a displacement, a potential.
    kinematics: ClassVar[Kinematics]
    parameters: ClassVar[tuple[Parameter, ...]]
    #: Names of unknowns of the bond itself, 0 at rest, for which the energy is stationary.
    internal: ClassVar[tuple[str, ...]] = ()
    #: Name of the parameter that learns unless others are named; the first if left out.
    stiffness_parameter: ClassVar[str]
    #: The dimension of space it is written for, None for any; and its forms in others.
    dimension: ClassVar[int | None] = None
    forms: ClassVar[Mapping[int, "type[Element]"]] = MappingProxyType({})
    #: Table of the network that has one row per element: "edges", or a name of node tuples.
    table: ClassVar[str] = "edges"
    #: Elements on node tuples that act beside it.
    tuples: tuple[Any, ...] = ()
    #: The same elements at finite displacement, of linear ones that exist there.
    nonlinear: "ClassVar[type[Element] | None]" = None
    #: Whether elements are bodies with a mesh of their own instead of bonds.
    continuum: ClassVar[bool] = False
    #: Whether elements keep the angles at which they meet; else they turn freely about the nodes.
    rigid_joints: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = vars(cls)
        if "name" in own and "plural" not in own:
            cls.plural = str(cls.name).replace("_", " ") + "s"
        match own.get("parameters"):
            case (Parameter(name=first), *_) if "stiffness_parameter" not in own:
                cls.stiffness_parameter = first

    def __add__(self, other: Any) -> "Element":
        from mechlearn.energies.laws import added

        return added(self, other)

    def __radd__(self, other: Any) -> "Element":
        return self if other == 0 else NotImplemented  # as sum() begins

    @property
    def parts(self) -> "tuple[Element, ...]":
        """Elements that it is the sum of."""
        return (self,)

    @property
    @abstractmethod
    def linear(self) -> bool:
        """True if strain is linear and energy quadratic in the state."""

    @property
    def removal(self) -> tuple[str, ...]:
        """Parameters that are zero in an element that is not there; empty where all have to be."""
        return ()

    def section(self, values: Mapping[str, Any]) -> "Section | None":
        """The struts' sections at ``values`` of the parameters, (m,); None for no struts."""
        return None

    def fibre_stress(
        self, values: Mapping[str, NDArray], through: Mapping[str, NDArray]
    ) -> NDArray[np.float64] | None:
        """Largest equivalent stress (von Mises) in the struts, (m,); None of those without section.

        ``values`` are those of all parameters and the ``length``; ``through`` are the partners of
        the strains, by the names of these.
        """
        return None

    def axial_stiffness(self, values: Mapping[str, NDArray]) -> NDArray[np.float64] | None:
        """Force per extension of unstrained bonds, (m,); None of those that are no bonds.

        ``values`` are those of all parameters and the ``length``.
        """
        return None

    def hookean(self, values: Mapping[str, NDArray]) -> bool:
        """True if elements are as stiff, stretched or pressed by a tenth, as they are at rest."""
        return True

    def resists(self, values: Mapping[str, NDArray]) -> bool:
        """True if elements at rest resist being pulled; ``values`` as of the axial stiffness."""
        return True

    def bending_stiffness(
        self, values: Mapping[str, NDArray]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Moments of unstrained bonds, whose nodes turn in the plane and do not move, by the angle.

        Of one end against the other, and of both ends together; (m,) arrays. ``values`` are those
        of all parameters and the ``length``. None where nodes do not turn.
        """
        return None

    def in_dimension(self, dim: int) -> Self:
        """The element in 2D or 3D, with its settings; raises InputError where it has no form."""
        if self.dimension in (None, dim):
            return checked(self, dim)
        form = vars(type(self)).get("forms", {}).get(dim)  # a subclass is another law
        if form is None:
            raise InputError(
                f"energy: a {self.name} lives in {self.dimension}D; the network is in {dim}D."
            )
        return cast("Self", form(**self.settings))

    def on(self, network: "Network") -> "Element":
        """The element on a network; raises InputError where there are none of its kind."""
        if network.body is not None:
            raise InputError(
                f"energy: a {self.name} is of bonds, and this is a body; take model = 'solid'."
            )
        return self.in_dimension(network.dim)

    def cautions(self, network: "Network", values: Mapping[str, Any]) -> list[str]:
        """Warnings about the element at given values of its parameters."""
        return []

    def completed(self, values: Mapping[str, Any]) -> dict[str, NDArray]:
        """Values of parameters that follow from those of others."""
        return {}

    def refusal(self, values: Mapping[str, Any]) -> str:
        """Sentence on values of the parameters that no such element has; empty for others."""
        return ""

    @abstractmethod
    def model(
        self, network: "Network", problem: "Problem", parameters: Mapping[str, Any], comm: Any
    ) -> Any:
        """The finite-element model of a network of such elements, as a problem holds it.

        ``parameters`` are values to start from, one number or one per element; those left out take
        their default.
        """

    def waves(self, model: Any, problem: "Problem", parameters: Mapping[str, Any]) -> Any:
        """Stiffness of motions over many cells of a periodic :meth:`model`."""
        from mechlearn.fem.waves import BondWaves

        return BondWaves(model, problem, parameters)

    @abstractmethod
    def prestresses(self, values: Mapping[str, NDArray], name: str | None = None) -> bool:
        """Existence of prestress in unstrained elements; with a ``name``, its dependence on that.

        ``values`` are those of all parameters and the ``length`` by name, (m,) each.
        """

    @abstractmethod
    def stiffens(self, values: Mapping[str, NDArray], name: str) -> bool:
        """Dependence of the stiffness of unstrained elements on a parameter."""

    @classmethod
    def setting_names(cls) -> list[str]:
        """Keys of ``[energy]`` that are settings of all elements, not parameters."""
        return [f.name for f in fields(cls)] if is_dataclass(cls) else []

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of this element, as in a task file."""
        values: dict[str, Any] = asdict(self) if is_dataclass(self) else {}
        return {name: value for name, value in values.items() if value is not None}

    def of_cells(self, values: Mapping[str, Any], network: "Network") -> dict[str, Any]:
        """Values of parameters for the cells of the network's file; of bonds, not node tuples."""
        return {name: v for name, v in values.items() if self.parameter(name).table == "edges"}

    def parameter(self, name: str) -> Parameter:
        """The parameter of that name; raises InputError, naming those there are."""
        known = {p.name: p for p in self.parameters}
        if name in known:
            return known[name]
        raise InputError(f"A {self.name} has no parameter {name!r}; it has {' or '.join(known)}.")


class BondEnergy(Element):
    """Energy of one bond as a UFL expression."""

    #: Names of the strains, as :meth:`energy` takes them. The first is the change of length; the
    #: last ones are the ``internal`` unknowns, if there are any.
    strains: ClassVar[tuple[str, ...]] = ("strain",)
    #: Into how many elements a bond is divided; linear ones are not.
    segments: int = 1

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if vars(cls).keys() & {"strain", "energy"} and "linear" not in vars(cls):
            cls.linear = BondEnergy.linear  # type: ignore[method-assign]  # not that of another law

    @property
    @override
    def linear(self) -> bool:
        """True if strain is linear and energy quadratic in the state, as far as their form shows.

        A class that knows better says ``linear = True``, which is checked.
        """
        from mechlearn.energies.declarations import is_linear

        return is_linear(self)

    @property
    def bond_parameters(self) -> tuple[Parameter, ...]:
        """Parameters of the bonds, without those of elements beside them."""
        return tuple(p for p in self.parameters if p.table == "edges")

    @abstractmethod
    def strain(self, bond: Bond) -> Any:
        """Strain of a ``bond`` as a scalar UFL expression, or a tuple of those in ``strains``.

        Internal unknowns are left out.
        """

    def strains_of(self, bond: Bond) -> tuple[Any, ...]:
        """All ``strains`` of a ``bond``, internal unknowns included."""
        made = self.strain(bond)
        return (*(made if isinstance(made, tuple) else (made,)), *bond.internal)

    @abstractmethod
    def energy(self, *args: Any, **kwargs: Any) -> Any:
        """The bond's energy as a scalar UFL expression.

        A subclass takes, by these names, its strains, ``length`` and its parameters.
        """

    @override
    def model(
        self, network: "Network", problem: "Problem", parameters: Mapping[str, Any], comm: Any
    ) -> Any:
        from mechlearn.fem.model import Model  # waits for DOLFINx only when a network is solved

        model = Model(network, self, problem.fixed, comm, problem.cell)
        model.set(**parameters)
        return model

    @override
    def prestresses(self, values: Mapping[str, NDArray], name: str | None = None) -> bool:
        by, change = (name,) if name else (), np.abs(values[name]) if name else 1.0
        for strain in self.strains:
            pull = np.abs(self._unstrained(values, *by, strain)) * change
            stiffness = np.abs(self._unstrained(values, strain, strain))
            if np.any(pull > SLACK * stiffness * values["length"]):
                return True
        return False

    @override
    def hookean(self, values):
        first = self.strains[0]
        moduli = [
            self.derivative(first, first)(
                **{**values, **dict.fromkeys(self.strains, 0.0), first: part * values["length"]}
            )
            for part in (0.0, 0.1, -0.1)
        ]
        return not self.internal and all(np.allclose(m, moduli[0]) for m in moduli)

    @override
    def resists(self, values):
        pulled = dict.fromkeys(self.strains, 0.0) | {self.strains[0]: 1e-9 * values["length"]}
        stiffness = self.derivative(self.strains[0], self.strains[0])
        with np.errstate(all="ignore"):  # of constants that make no sense, which others say
            return bool(self.internal) or bool(np.any(stiffness(**{**values, **pulled})))

    @override
    def bending_stiffness(self, values):
        dim = self.dimension or 2
        none = [0.0] * self.kinematics.rotations(dim)
        if not none:
            return None
        jump, one = [0.0] * dim, none.copy()
        one[0 if dim == 2 else 2] = 1.0
        return self._moved(values, jump, one, none), self._moved(values, jump, none, one)

    @property
    @override
    def removal(self) -> tuple[str, ...]:
        from mechlearn.energies.declarations import removal

        return removal(self)

    @override
    def axial_stiffness(self, values):
        if self.internal:  # which follow the change of length
            names = (self.strains[0], *self.internal)
            moduli = np.empty((*np.shape(values["length"]), len(names), len(names)))
            for (j, one), (k, two) in product(enumerate(names), repeat=2):
                moduli[..., j, k] = self._unstrained(values, one, two)
            return 1 / np.linalg.inv(moduli)[..., 0, 0]
        dim, parts = self.dimension or 2, self.segments
        turns = [0.0] * self.kinematics.rotations(dim)
        jump = np.eye(len(self.kinematics.components(dim)) - len(turns))[0].tolist()
        found = self._moved({**values, "length": values["length"] / parts}, jump, turns, turns)
        return np.broadcast_to(found / parts, np.shape(values["length"]))

    def _moved(self, values: Mapping[str, NDArray], *motion: list[float]) -> NDArray[np.float64]:
        """Second derivative of the energy of unstrained bonds by the size of a motion."""
        from mechlearn.energies.derivatives import along

        with np.errstate(all="ignore"):  # infinite stiffnesses of joints
            return along(self, motion, ("amplitude",) * 2, None)(amplitude=0.0, **values)

    @override
    def stiffens(self, values: Mapping[str, NDArray], name: str) -> bool:
        pairs = ((a, b) for a in self.strains for b in self.strains)
        return any(np.any(self._unstrained(values, name, *pair)) for pair in pairs)

    def _unstrained(self, values: Mapping[str, NDArray], *by: str) -> NDArray[np.float64]:
        """Derivative of the energy of unstrained bonds."""
        values = {**values, **self.completed(values)}
        length = values["length"] / self.segments
        rest = dict.fromkeys(self.strains, 0.0)
        with np.errstate(all="ignore"):  # infinite parameters, as of rigid joints
            return self.derivative(*by)(**{**values, "length": length, **rest})

    def derivative(self, *by: str) -> "Pointwise":
        """``d energy / d by`` as a NumPy function of strains, length and the parameters.

        ``by`` names parameters or strains (which gives the *through* quantity: tension, moment,
        current), one derivative after the other. Taken by UFL from :meth:`energy`.
        """
        return _pointwise(self, by)


@cache
def _pointwise(energy: BondEnergy, by: tuple[str, ...]) -> "Pointwise":
    from mechlearn.energies.derivatives import (
        Pointwise,  # waits for UFL only when numbers are wanted
    )

    names = [*energy.strains, "length", *(p.name for p in energy.bond_parameters)]
    return Pointwise(energy.energy, names, by)


def checked[T: Element](element: T, dim: int | None = None) -> T:
    """The element itself, where one that is not mechlearn's own declares what its energy is.

    Raises
    ------
    InputError
        For declarations that contradict each other, or the energy.
    """
    if isinstance(element, BondEnergy) and not type(element).__module__.startswith("mechlearn."):
        from mechlearn.energies.declarations import check

        check(element, dim or element.dimension or 2)
    return element
