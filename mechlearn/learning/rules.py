"""Learning rules: signals of elements, from local derivatives of the energy in several phases.

A rule knows no physics and no task. It names the phases it compares and, given the derivative
``du/dL`` of every element's energy by its parameter in each, says in which direction every
element's parameter shall *fall*. A linear rule is data, one weight per phase; any other has a
method ``signal``. Any object with ``phases`` and one of the two is a rule.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, override

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from pydantic import FiniteFloat

from mechlearn.errors import numbers_of
from mechlearn.extensions import Registry, name_of
from mechlearn.phase import ADJOINT, Phase, weighted_sum
from mechlearn.schema import Checked, call_of

if TYPE_CHECKING:
    from mechlearn.learning.base import Learner

Variant = Literal["positive", "negative", "centred"]
Response = Literal["proportional", "sign"]
Method = Literal["evolution", "cma", "perturbation", "pattern", "simplex"]


class Procedure(metaclass=Checked):
    """Training procedure: a local rule, or a global search."""

    name: ClassVar[str]

    def __repr__(self) -> str:
        return call_of(self)

    def learner(self) -> "type[Learner]":
        """Class of the learners that follow it."""
        from mechlearn.learning.local import RuleLearner

        return RuleLearner


class Rule(Procedure):
    """A local rule: ``weights`` where its signal is linear, else its own ``signal``."""

    @property
    @abstractmethod
    def phases(self) -> tuple[Phase, ...]:
        """Phases the rule compares, solved in this order after the free state."""

    @property
    def weights(self) -> tuple[float, ...] | None:
        """Factors of ``du/dL`` in the signal, one per phase; None where it is not linear."""
        return None

    def signal(self, sensitivities: Sequence[NDArray]) -> NDArray:
        """Signal of every element, from its own ``du/dL`` in each phase, ``sensitivities``.

        A plain step of rate ``a`` changes the parameter by ``-a`` times the signal. Arrays have one
        row per example and one column per element, in the network's order of bonds; element by
        element is all a rule may do with them.
        """
        return weighted_sum(self.weights or (), sensitivities)


@dataclass(frozen=True, kw_only=True)
class Contrastive(Rule):
    """Rules that compare two states: ``[(du/dL)_2 - (du/dL)_1] / (amount_2 - amount_1)``.

    The amounts are ``(0, b)`` for the positive variant (towards the target), ``(-b, 0)`` for the
    negative (away from it) and ``(-b, b)`` for the centred one.

    Parameters
    ----------
    variant : "positive", "negative" or "centred"
        Which two states are compared: free and nudged, nudged away and free, or both nudged.
    normalise : bool
        Divide by the difference of the amounts, so that the rate does not depend on it.
    response : "proportional" or "sign"
        ``sign``: an element that can only take steps of one size uses the sign of its signal.
    dead_zone : float
        Signals no larger than this are zero.
    """

    kind: ClassVar[Literal["clamp", "nudge"]]
    variant: Variant = "positive"
    normalise: bool = True
    response: Response = "proportional"
    dead_zone: Annotated[FiniteFloat, Ge(0)] = 0.0

    @property
    @abstractmethod
    def amount(self) -> float:
        """Nudge of the second state."""

    @property
    def _amounts(self) -> tuple[float, float]:
        b = self.amount
        return {"positive": (0.0, b), "negative": (-b, 0.0), "centred": (-b, b)}[self.variant]

    @property
    @override
    def phases(self) -> tuple[Phase, ...]:
        return tuple(Phase(self.kind, amount) for amount in self._amounts)

    @property
    def gain(self) -> float:
        """Factor from the difference of two ``du/dL`` to the signal."""
        low, high = self._amounts
        return 1 / (high - low) if self.normalise else 1.0

    @property
    @override
    def weights(self) -> tuple[float, ...] | None:
        linear = self.response == "proportional" and not self.dead_zone
        return (-self.gain, self.gain) if linear else None

    @override
    def signal(self, sensitivities: Sequence[NDArray]) -> NDArray:
        contrast = weighted_sum((-self.gain, self.gain), sensitivities)
        if self.dead_zone:
            contrast = np.where(np.abs(contrast) > self.dead_zone, contrast, 0.0)
        return np.sign(contrast) if self.response == "sign" else contrast


@dataclass(frozen=True, kw_only=True)
class CoupledLearning(Contrastive):
    """Coupled learning: clamp the outputs a fraction ``eta`` of the way to where they are wanted.

    For ``eta`` to 0 and one output it follows the gradient of the squared error; for several, that
    of the error measured in the stiffness of the network between the outputs.

    Parameters
    ----------
    eta : float
        The nudge, above 0 and at most 1.
    variant, response, dead_zone
        As in :class:`Contrastive`.
    normalise : bool
        As in :class:`Contrastive`. Without it the rule is that of Altman et al.

    Raises
    ------
    InputError
        For a nudge that is not above 0 and at most 1, or another variant or response.

    References
    ----------
    Stern, Hexner, Rocks, Liu, Phys. Rev. X 11, 021045 (2021),
    https://doi.org/10.1103/PhysRevX.11.021045; variants: Scellier, Ernoult, Kendall, Kumar (2023),
    https://arxiv.org/abs/2312.15103; not normalised: Altman, Stern, Liu, Durian, Phys. Rev. Applied
    22, 024053 (2024), https://doi.org/10.1103/PhysRevApplied.22.024053.
    """

    name: ClassVar[str] = "coupled_learning"
    kind: ClassVar[Literal["clamp", "nudge"]] = "clamp"
    eta: Annotated[float, Gt(0), Le(1)] = 1e-2

    @property
    @override
    def amount(self) -> float:
        return self.eta


@dataclass(frozen=True, kw_only=True)
class ContrastiveLearning(Contrastive):
    """Contrastive learning: hold the outputs right at their targets (coupled learning, eta 1).

    Parameters
    ----------
    variant, normalise, response, dead_zone
        As in :class:`Contrastive`.

    References
    ----------
    Movellan, "Contrastive Hebbian learning in the continuous Hopfield model" (1991); variants as in
    Scellier, Ernoult, Kendall, Kumar (2023), https://arxiv.org/abs/2312.15103.
    """

    name: ClassVar[str] = "contrastive_learning"
    kind: ClassVar[Literal["clamp", "nudge"]] = "clamp"

    @property
    @override
    def amount(self) -> float:
        return 1.0


@dataclass(frozen=True, kw_only=True)
class EquilibriumPropagation(Contrastive):
    """Equilibrium propagation: add ``beta`` times the cost to the energy.

    For ``beta`` to 0 this is the exact gradient of the cost, for any number of outputs; the error
    is of order ``beta`` for the positive and negative variants, ``beta^2`` for the centred one.

    Parameters
    ----------
    beta : float
        The nudge, above 0, in units of energy per cost.
    variant, normalise, response, dead_zone
        As in :class:`Contrastive`.

    Raises
    ------
    InputError
        For a nudge that is not above 0, or another variant or response.

    References
    ----------
    Scellier, Bengio, Front. Comput. Neurosci. 11, 24 (2017),
    https://doi.org/10.3389/fncom.2017.00024.
    """

    name: ClassVar[str] = "equilibrium_propagation"
    kind: ClassVar[Literal["clamp", "nudge"]] = "nudge"
    beta: Annotated[FiniteFloat, Gt(0)] = 1e-3

    @property
    @override
    def amount(self) -> float:
        return self.beta


@dataclass(frozen=True, kw_only=True)
class GradientDescent(Rule):
    """The exact gradient of the cost, by an adjoint state that is itself an equilibrium.

    The network responds to its error as a force at the outputs; for a stiffness the signal is the
    product of an element's strains in the free and in the adjoint state. What in-situ
    backpropagation measures: Li, Mao, Nat. Commun. 15, 10528 (2024),
    https://doi.org/10.1038/s41467-024-54849-z.
    """

    name: ClassVar[str] = "gradient_descent"
    phases = (ADJOINT,)
    weights = (1.0,)


@dataclass(frozen=True, kw_only=True)
class DirectedAging(Rule):
    """Directed aging: under a held load, every element relaxes its own energy. No target is known.

    Parameters
    ----------
    clamp : float
        How far the outputs are held towards their targets while the network ages; 0 ages it under
        the sources alone.

    Raises
    ------
    InputError
        For a clamp that is not between 0 and 1.

    References
    ----------
    Pashine, Hexner, Liu, Nagel, Sci. Adv. 5, eaax4215 (2019),
    https://doi.org/10.1126/sciadv.aax4215.
    """

    name: ClassVar[str] = "directed_aging"
    weights = (1.0,)
    clamp: Annotated[float, Ge(0), Le(1)] = 1.0

    @property
    @override
    def phases(self) -> tuple[Phase, ...]:
        return (Phase("clamp", self.clamp),)


@dataclass(frozen=True, kw_only=True)
class GreedyPruning(Procedure):
    """Removal, or restoration, of the bond that lowers the cost most.

    The bond's first parameter (stiffness, conductance, capacitance) becomes 0, or what it was.

    Parameters
    ----------
    restore : bool
        Whether a removed bond may be put back.

    References
    ----------
    Rocks et al., PNAS 114, 2520 (2017), https://doi.org/10.1073/pnas.1612139114; with bonds put
    back: Rocks et al., PNAS 116, 2506 (2019), https://doi.org/10.1073/pnas.1806790116.
    """

    name: ClassVar[str] = "pruning"
    restore: bool = True

    @override
    def learner(self) -> "type[Learner]":
        from mechlearn.learning.pruning import PruningLearner

        return PruningLearner


@dataclass(frozen=True, kw_only=True)
class GradientFree(Procedure):
    """Gradient-free search by an optimiser of Nevergrad; one step is one evaluation.

    What networks of actively tuned beams were trained by: Lee, Mulder, Hopkins, Sci. Robot. 7,
    eabq7278 (2022), https://doi.org/10.1126/scirobotics.abq7278.

    Parameters
    ----------
    method : str
        ``evolution`` (differential evolution), ``cma`` (evolution with an adapted covariance),
        ``perturbation`` (keep a random change if it helps), ``pattern`` (direct search) or
        ``simplex`` (Nelder-Mead, for few elements).

    Raises
    ------
    InputError
        For another method.
    """

    name: ClassVar[str] = "gradient_free"
    method: Method = "cma"

    @override
    def learner(self) -> "type[Learner]":
        from mechlearn.learning.searching import SearchLearner

        return SearchLearner


def signals(rule: Any, sensitivities: Sequence[NDArray]) -> NDArray[np.float64]:
    """A rule's signal, of the shape of what it is given: one (examples, m) array per phase.

    Raises
    ------
    InputError
        Where the rule fails, or returns anything else.
    """
    where, shape = f"rule {name_of(rule)}: its signal", sensitivities[0].shape
    return numbers_of(rule.signal, where, (sensitivities,), shape, "examples by elements")


#: Rules by the name that task files use.
rules = Registry(
    "rule",
    (Procedure, "signal", "weights"),
    "a rule: an object with phases, and a method signal or weights",
    (
        CoupledLearning,
        ContrastiveLearning,
        EquilibriumPropagation,
        GradientDescent,
        DirectedAging,
        GreedyPruning,
        GradientFree,
    ),
)
