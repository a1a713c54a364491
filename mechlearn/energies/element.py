"""What an element is: a strain of the state, and an energy of that strain.

A physics is a subclass with two methods written in UFL. ``strain`` says how the state deforms the
element (the *across* quantity: extension, voltage drop, ...), ``energy`` what that costs. All else
is derived from them: forces, stiffness matrices, local sensitivities, adjoints.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from numpy.typing import ArrayLike

from mechlearn.errors import InputError
from mechlearn.kinematics import Kinematics


@dataclass(frozen=True)
class Parameter:
    """One number that every element carries and that may learn.

    Parameters
    ----------
    name : str
        As in task files and in ``learned.vtu``.
    default : callable
        From a network to the value, or values, where the user gives none.
    positive : bool
        Whether only values above zero make sense.
    scale : "log" or "linear"
        On which scale a step of the learner is taken unless the user says otherwise.
    """

    name: str
    default: Callable[[Any], ArrayLike]
    positive: bool
    scale: str


@dataclass(frozen=True)
class Bond:
    """The UFL description of one bond, handed to :meth:`BondEnergy.strain`.

    ``vector``, ``direction`` and ``length`` belong to the reference configuration (periodic images
    included); ``jump`` is the state at the second node minus the state at the first (a
    vector, or a scalar where a node has one number).
    """

    vector: Any
    direction: Any
    length: Any
    jump: Any
    dot: Callable[[Any, Any], Any]


class BondEnergy(ABC):
    """Energy of one bond. Subclasses say what a bond is made of; nothing else knows."""

    name: ClassVar[str]
    #: Whether the strain is linear and the energy quadratic in the state.
    linear: ClassVar[bool]
    #: What a node's state is: a displacement, a potential.
    kinematics: ClassVar[Kinematics]
    parameters: ClassVar[tuple[Parameter, ...]]

    @abstractmethod
    def strain(self, bond: Bond) -> Any:
        """The bond's strain as a scalar UFL expression of ``bond.jump``."""

    @abstractmethod
    def energy(self, strain: Any, length: Any, **parameters: Any) -> Any:
        """The bond's energy as a scalar UFL expression of its strain, length and parameters."""

    def parameter(self, name: str) -> Parameter:
        """The parameter of that name; raises InputError, naming those there are."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        names = " or ".join(p.name for p in self.parameters)
        raise InputError(f"A {self.name} has no parameter {name!r}; it has {names}.")

    def derivative(self, *by: str) -> Callable[..., Any]:
        """``d energy / d by`` as a NumPy function of strain, length and the parameters.

        ``by`` names parameters or ``"strain"`` (which gives the *through* quantity: tension,
        current), one derivative after the other. Taken by UFL from :meth:`energy`.
        """
        return _pointwise(type(self), by)

    @property
    def density(self) -> Callable[..., Any]:
        """The energy as a NumPy function of strain, length and the parameters."""
        return _pointwise(type(self), ())


@cache
def _pointwise(kind: type[BondEnergy], by: tuple[str, ...]) -> Callable[..., Any]:
    from mechlearn.pointwise import on_arrays  # waits for UFL only when numbers are wanted

    energy = kind()
    return on_arrays(energy.energy, ["strain", "length", *(p.name for p in energy.parameters)], by)
