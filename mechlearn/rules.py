"""Learning rules: what an element does with what it feels in two states of the network.

A rule knows no physics and no task. It names the phases it compares and, given the local derivative
of every element's energy in each, says in which direction every element's parameter shall *fall*.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, override

from numpy.typing import NDArray

from mechlearn.errors import InputError
from mechlearn.phase import FREE, Phase


class Rule(ABC):
    """A local rule."""

    name: ClassVar[str]

    @property
    @abstractmethod
    def phases(self) -> tuple[Phase, ...]:
        """The states it needs, solved in this order after the free state."""

    @abstractmethod
    def signal(self, sensitivities: Sequence[NDArray]) -> NDArray:
        """The signal of every element, from its own ``du/dL`` in each of the phases.

        A plain step of rate ``a`` changes the parameter by ``-a`` times the signal. Arrays may have
        any shape; element by element is all a rule may do with them.
        """


@dataclass(frozen=True)
class CoupledLearning(Rule):
    """Coupled learning: compare the free state with one whose outputs are nudged by ``eta``.

    The signal is ``[(du/dL)_2 - (du/dL)_1] / (eta_2 - eta_1)`` with ``(eta_1, eta_2)`` equal to
    ``(0, eta)`` for the positive variant (towards the target), ``(-eta, 0)`` for the negative (away
    from it) and ``(-eta, eta)`` for the centred one.

    Parameters
    ----------
    eta : float
        The nudge, above 0; 1 clamps the outputs at the target (contrastive learning).
    variant : "positive", "negative" or "centred"
    normalise : bool
        Divide by the nudge, so that the rate does not depend on it. Without, as in Altman et al.

    References
    ----------
    Stern, Hexner, Rocks, Liu, Phys. Rev. X 11, 021045 (2021), https://doi.org/10.1103/PhysRevX.11.021045;
    variants: Scellier, Ernoult, Kendall, Kumar (2023), https://arxiv.org/abs/2312.15103;
    not normalised: Altman, Stern, Liu, Durian, Phys. Rev. Applied 22, 024053 (2024),
    https://doi.org/10.1103/PhysRevApplied.22.024053.
    """

    name: ClassVar[str] = "coupled_learning"
    eta: float = 1e-2
    variant: Literal["positive", "negative", "centred"] = "positive"
    normalise: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.eta <= 1:
            raise InputError(f"rule: eta = {self.eta} must be above 0 and at most 1.")
        if self.variant not in ("positive", "negative", "centred"):
            raise InputError(
                f"rule: variant = {self.variant!r} must be positive, negative or centred."
            )

    @property
    @override
    def phases(self) -> tuple[Phase, ...]:
        away, towards = Phase(clamp=-self.eta), Phase(clamp=self.eta)
        return {"positive": (FREE, towards), "negative": (away, FREE), "centred": (away, towards)}[
            self.variant
        ]

    @override
    def signal(self, sensitivities: Sequence[NDArray]) -> NDArray:
        first, second = sensitivities
        if not self.normalise:
            return second - first
        low, high = self.phases
        return (second - first) / (high.clamp - low.clamp)


#: Rules by the name that task files use.
rules: dict[str, type[Rule]] = {r.name: r for r in (CoupledLearning,)}
