"""Steps: how far an element moves, given its own signal and its own past.

Every step is element-wise, so that a local rule stays local.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError
from mechlearn.learning.dofs import LearningDof
from mechlearn.learning.scales import Linear
from mechlearn.schema import build


@dataclass(kw_only=True)
class Step(ABC):
    """Turns signals into moves; keeps what it must remember between steps in ``memory``."""

    rate: float

    def __post_init__(self) -> None:
        self.memory: dict[str, NDArray] = {}

    #: Whether it takes steps by signals however small, so must be told what of them is rounding.
    sensitive: ClassVar[bool] = False

    def take_rounding(self, rounding: NDArray) -> None:  # noqa: B027 (most move by it as little)
        """Take up, once, which signals are only rounding."""

    @abstractmethod
    def __call__(self, signal: NDArray) -> NDArray[np.float64]:
        """The move of every element."""


class Plain(Step):
    """``-rate * signal``."""

    @override
    def __call__(self, signal: NDArray) -> NDArray[np.float64]:
        return -self.rate * signal


@dataclass(kw_only=True)
class Momentum(Step):
    """Heavy ball: ``v <- keep * v - rate * signal``, and ``v`` is the move.

    Parameters
    ----------
    keep : float
        What is left of the last move, from 0 to below 1.
    """

    keep: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(0 <= self.keep < 1, "keep", self.keep, "from 0 to below 1")

    @override
    def __call__(self, signal: NDArray) -> NDArray[np.float64]:
        v = self.keep * self.memory.get("velocity", np.zeros_like(signal)) - self.rate * signal
        self.memory["velocity"] = v
        return v


@dataclass(kw_only=True)
class Adam(Step):
    """Adam on each element's own signal (Kingma and Ba, https://arxiv.org/abs/1412.6980).

    Parameters
    ----------
    forget : two numbers
        What is kept per step of the mean of the signal, and of its square. The mean forgets faster
        than usual (0.5 instead of 0.9). A network with few targets moves along few directions,
        where momentum overshoots: on random packings (64 nodes, one target) the median training
        takes 22 steps instead of 73.
    floor : float, optional
        The constant in the denominator, in units of the signal: what an element can just feel. Left
        out, it is ``FLOOR`` times the typical signal of the first step, fixed from then on. Without
        it, elements that no task reaches would turn rounding errors into full steps.

    What is rounding of signals is not felt: below the floor steps still grow with signals, and
    would let elements go apart that feel the same.
    """

    FLOOR = 1e-6
    sensitive: ClassVar[bool] = True
    forget: tuple[float, float] = (0.5, 0.95)
    floor: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        both = np.shape(self.forget) == (2,) and all(0 <= f < 1 for f in self.forget)
        _check(both, "forget", self.forget, "two numbers from 0 to below 1")
        _check(self.floor is None or self.floor > 0, "floor", self.floor, "above 0")

    @override
    def take_rounding(self, rounding: NDArray) -> None:
        self.memory["rounding"] = rounding

    @override
    def __call__(self, signal: NDArray) -> NDArray[np.float64]:
        memory = self.memory
        if "rounding" in memory:
            # What is no number is no rounding, and is found later.
            signal = np.where(np.abs(signal) <= memory["rounding"], 0.0, signal)
        if "sum" not in memory:
            # Squares are numbers in any units; a power of two changes no digit.
            unit = np.exp2(np.frexp(np.abs(signal).max(initial=0.0))[1].astype(float) - 1)
            typical = unit * np.sqrt(np.mean((signal / unit) ** 2))
            memory.update(
                sum=np.zeros_like(signal),
                squares=np.zeros_like(signal),
                count=np.array(0),
                floor=np.array(self.FLOOR * typical if self.floor is None else self.floor),
                unit=unit,
            )
        size = float(memory["unit"])
        signal = signal / size
        a, b = self.forget
        count = int(memory["count"]) + 1
        # Sums, of which the means follow by numbers, and so does what corrects them for starting
        # at 0: that spares passes over arrays.
        sums, squares = a * memory["sum"], b * memory["squares"]
        sums += signal
        squares += np.square(signal)
        memory["count"], memory["sum"], memory["squares"] = np.array(count), sums, squares
        unit = math.sqrt((1 - b**count) / (1 - b))
        felt = np.sqrt(squares)
        felt += unit * (float(memory["floor"]) / size or 1.0)
        move = (-self.rate * unit * (1 - a) / (1 - a**count)) * sums
        move /= felt
        return move


#: Steps by the name that task files use.
steps: dict[str, type[Step]] = {"adam": Adam, "momentum": Momentum, "plain": Plain}


def make_step(optimiser: str | Mapping[str, Any], rate: float | None, dof: LearningDof) -> Step:
    """The step of a learning dof; its own rate goes before the common one.

    Adam's rate is the step of the coordinate: a relative change on a log scale; on a linear one it
    is multiplied by the dof's mean initial value, unless all of them start at 0. The others take
    the rate as it is.

    Parameters
    ----------
    optimiser : a name, or a mapping of ``name`` and the step's own parameters
    rate : float, optional
    dof : LearningDof

    Raises
    ------
    InputError
        For an unknown optimiser or parameter, or one without a rate that needs it.
    """
    options = {"name": optimiser} if isinstance(optimiser, str) else dict(optimiser)
    name = options.pop("name", None)
    if not isinstance(name, str) or name not in steps:
        raise InputError(f"train: optimiser = {name!r} must be {' or '.join(steps)}.")
    kind = steps[name]
    if "rate" in options:
        raise InputError("train.optimiser: the rate is written train.rate, or learn.<name>.rate.")
    rate = dof.rate or rate
    if kind is Adam:
        linear = isinstance(dof.scale, Linear)
        typical = (float(np.abs(dof.values).mean()) or 1.0) if linear else 1.0
        rate = (rate or dof.scale.adam_rate / dof.scale.steepness) * typical
    if rate is None:
        raise InputError(f"train: the optimiser {name!r} needs a rate.")
    return build(kind, {**options, "rate": rate}, "train.optimiser", ["name"])


def _check(right: bool, name: str, value: object, what: str) -> None:
    if not right:
        raise InputError(f"train.optimiser: {name} = {value} must be {what}.")
