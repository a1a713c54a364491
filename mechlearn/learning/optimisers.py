"""Steps of a training: its options, optimisers, and the factor on all steps.

Optimisers make steps of parameters from their signals, element by element, so that a local rule
stays local.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Annotated, Any, ClassVar, Literal, override

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, PlainSerializer

from mechlearn.errors import InputError, called, numbers_of
from mechlearn.extensions import Registry, fresh, is_own, name_of, table_of
from mechlearn.learning.dofs import LearningDof
from mechlearn.learning.scales import Linear
from mechlearn.schema import Checked, Table
from mechlearn.tasks.keys import Part, Positive

#: A seed of everything random.
Seed = Annotated[int, Field(ge=0, lt=2**63, strict=True)]
#: Failed steps are taken again at half their size, down to this part of it.
MIN_STEP_SCALE = 2.0**-10
#: After so many steps without failure their size is doubled again, up to its limit.
PATIENCE = 10
#: Errors are judged in windows of this many steps.
WINDOW = 20
#: An error oscillates if it turns in more than this part of a window, by more than this part of
#: itself, and its smallest value is not below this part of the smallest before.
MIN_TURNS, MIN_SWING, LEAST_GAIN = 0.4, 0.01, 0.99


@dataclass(kw_only=True)
class Optimiser(metaclass=Checked):
    """Change of parameters, from signals; ``memory`` is what it keeps between steps.

    Parameters
    ----------
    rate : float, optional
        Step size.
    """

    name: ClassVar[str]
    rate: Any = None

    def __post_init__(self) -> None:
        self.memory: dict[str, NDArray] = {}

    #: Whether steps do not shrink with signals, so that rounding in them matters.
    sensitive: ClassVar[bool] = False

    def take_rounding(self, rounding: NDArray) -> None:
        """Take over, once, the ``rounding`` errors of signals, (m,)."""

    def rate_of(self, dof: LearningDof, rate: float | None) -> float:
        """Step size of a ``dof``, given a ``rate``; raises InputError where that is needed."""
        if rate is None:
            raise InputError(f"train: the optimiser {name_of(self)!r} needs a rate.")
        return rate

    @abstractmethod
    def __call__(self, signal: NDArray) -> NDArray[np.float64]:
        """The move of every element."""

    def move(self, signal: NDArray) -> NDArray[np.float64]:
        """Change for a ``signal`` (m,), checked; raises InputError for anything else than (m,)."""
        if not is_own(self):
            return self(signal)
        where = f"optimiser {name_of(self)}: its step"
        return numbers_of(self, where, (signal,), signal.shape, "elements", finite=False)


class Plain(Optimiser):
    """Gradient descent: the change is minus ``rate`` times the signal."""

    name = "plain"

    @override
    def __call__(self, signal: NDArray) -> NDArray[np.float64]:
        return -self.rate * signal


@dataclass(kw_only=True)
class Momentum(Optimiser):
    """Heavy ball: ``v <- momentum * v - rate * signal``, and ``v`` is the change.

    Parameters
    ----------
    momentum : float
        Part of the last change that is kept, from 0 to below 1.
    rate : float
        Step size.
    """

    name = "momentum"
    momentum: Part = 0.9

    @override
    def __call__(self, signal: NDArray) -> NDArray[np.float64]:
        v = self.momentum * self.memory.get("velocity", np.zeros_like(signal)) - self.rate * signal
        self.memory["velocity"] = v
        return v


@dataclass(kw_only=True)
class Adam(Optimiser):
    """Adam on each element's own signal (Kingma and Ba, https://arxiv.org/abs/1412.6980).

    The rate is the step of the coordinate: a relative change on a log scale; on a linear one it is
    multiplied by the dof's mean initial value, unless all of them start at 0. Signals within their
    rounding errors count as zero: below ``eps`` steps still grow with signals, and would let
    elements go apart whose signals are the same.

    Parameters
    ----------
    betas : two numbers
        Decay of the means of the signal, and of its square. The first is smaller than usual (0.5
        instead of 0.9). A network with few targets moves along few directions, where momentum
        overshoots: on random packings (64 nodes, one target) the median training takes 22 steps
        instead of 73.
    eps : float, optional
        The constant in the denominator, in units of the signal. Left out, it is ``EPS`` times the
        typical signal of the first step that has any, fixed from then on. Without it, elements that
        no task reaches would turn rounding errors into full steps.
    rate : float, optional
        Step size; every scale has a default.
    """

    EPS = 1e-6
    name = "adam"
    sensitive: ClassVar[bool] = True
    betas: tuple[Part, Part] = (0.5, 0.95)
    eps: Positive | None = None

    @override
    def rate_of(self, dof: LearningDof, rate: float | None) -> float:
        linear = isinstance(dof.scale, Linear)
        typical = (float(np.abs(dof.values).mean()) or 1.0) if linear else 1.0
        return (rate or dof.scale.adam_rate / dof.scale.steepness) * typical

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
            if not signal.any():  # which says nothing of what is typical
                return np.zeros_like(signal)
            # Squares are numbers in any units; a power of two changes no digit.
            unit = np.exp2(np.frexp(np.abs(signal).max(initial=0.0))[1].astype(float) - 1)
            typical = unit * np.sqrt(np.mean((signal / unit) ** 2))
            memory.update(
                sum=np.zeros_like(signal),
                squares=np.zeros_like(signal),
                count=np.array(0),
                eps=np.array(self.EPS * typical if self.eps is None else self.eps),
                unit=unit,
            )
        size = float(memory["unit"])
        signal = signal / size
        a, b = self.betas
        count = int(memory["count"]) + 1
        # Sums, of which the means follow by numbers, and so does what corrects them for starting
        # at 0: that spares passes over arrays.
        sums, squares = a * memory["sum"], b * memory["squares"]
        sums += signal
        squares += np.square(signal)
        memory["count"], memory["sum"], memory["squares"] = np.array(count), sums, squares
        unit = math.sqrt((1 - b**count) / (1 - b))
        size_of = np.sqrt(squares)
        size_of += unit * (float(memory["eps"]) / size or 1.0)
        move = (-self.rate * unit * (1 - a) / (1 - a**count)) * sums
        move /= size_of
        return move


#: Optimisers by the name that task files use.
optimisers = Registry(
    "optimiser", Optimiser, "an optimiser: an ml.Optimiser", (Adam, Momentum, Plain)
)


class Train(Table):
    """Steps, tolerance, rate and other settings of the training.

    Parameters
    ----------
    steps : int (≥ 0), optional
        At most this many updates.
    tolerance : float (> 0), optional
        On the largest relative target error, or the mean cross-entropy.
    seed : int (≥ 0), optional
        Of everything random in training.
    optimiser : str or mapping, optional
        How a signal becomes a step: adam, momentum or plain; or a table of that name and its
        own keys.
    batch : int (≥ 1), optional
        Update after so many examples, drawn anew in every step, instead of all; a step still
        sees every example once.
    rate : float (> 0), optional
        Step size; adam has a default for every parameter.
    keep : "best" or "last", optional
        Which step's network is the result where the tolerance is not reached: that with the
        smallest error, or the last.
    """

    steps: Annotated[int, Field(ge=0, strict=True)] = 2000
    tolerance: Positive = 1e-3
    seed: Seed = 0
    optimiser: Annotated[
        Any,
        BeforeValidator(lambda given: given if isinstance(given, str | Mapping) else
                        optimisers.make(given, "train.optimiser")),
        PlainSerializer(lambda given: given if isinstance(given, str | Mapping) else
                        table_of(given)),
    ] = "adam"  # fmt: skip
    batch: Annotated[int, Field(ge=1, strict=True)] | None = None
    rate: Positive | None = None
    keep: Literal["best", "last"] = "best"


def make_optimiser(train: Train, dof: LearningDof) -> Optimiser:
    """Optimiser of a learning dof, whose own rate goes before the common one.

    Raises
    ------
    InputError
        For an unknown optimiser or parameter, or one without a rate that needs it.
    """
    given = train.optimiser
    if isinstance(given, Mapping) and "rate" in given:
        raise InputError("train.optimiser: the rate is written train.rate, or learn.<name>.rate.")
    made = fresh(optimisers.make(given, "train.optimiser"))
    made.memory = {}
    where = f"optimiser {name_of(made)}: its rate"
    rate = dof.rate or train.rate or getattr(made, "rate", None)
    if rate is not None and not (isinstance(rate, float | int) and 0 < rate < math.inf):
        raise InputError(f"{where} = {rate!r} must be a finite number above 0.")
    made.rate = called(made.rate_of, f"{where} cannot be found", dof, rate)
    return made


@dataclass(frozen=True)
class StepScale:
    """Factor on all steps: halved after failed ones, and while the error oscillates.

    Attributes
    ----------
    factor : float
        What moves are multiplied by.
    limit : float
        The largest factor; halved for good where the error oscillates.
    good : int
        Steps without failure since the factor last changed.
    judged : int
        Number of errors already looked at.
    """

    factor: float = 1.0
    limit: float = 1.0
    good: int = 0
    judged: int = 0

    def after_success(self) -> "StepScale":
        """The factor after a step without failure."""
        if self.factor == self.limit:
            return self
        if self.good + 1 < PATIENCE:
            return StepScale(self.factor, self.limit, self.good + 1, self.judged)
        return StepScale(min(2 * self.factor, self.limit), self.limit, 0, self.judged)

    def after_failure(self) -> "StepScale | None":
        """The factor after a failed step; None where it would be below the smallest."""
        half = self.factor / 2
        return StepScale(half, self.limit, 0, self.judged) if half >= MIN_STEP_SCALE else None

    def after_errors(self, errors: Sequence[float]) -> "StepScale":
        """The factor after these errors: half where the last window of them only oscillates."""
        if len(errors) - self.judged < WINDOW:
            return self
        seen = len(errors)
        limit = self.limit
        if oscillates(np.array(errors)) and limit / 2 >= MIN_STEP_SCALE:
            limit /= 2
        return StepScale(min(self.factor, limit), limit, self.good, seen)

    def as_array(self) -> NDArray[np.float64]:
        """All four numbers, for a checkpoint."""
        return np.array(astuple(self), dtype=float)

    @classmethod
    def from_array(cls, numbers: NDArray) -> "StepScale":
        """The factor of an array that :meth:`as_array` made."""
        factor, limit, good, judged = (float(n) for n in numbers)
        return cls(factor, limit, int(good), int(judged))


def oscillates(errors: NDArray, window: int = WINDOW) -> bool:
    """True if the last errors go up and down without a new minimum."""
    last, before = errors[-window:], errors[:-window]
    if not len(before) or not np.isfinite(last).all():
        return False
    change = np.diff(last)
    turns = np.count_nonzero(change[1:] * change[:-1] < 0)
    swing = np.ptp(last) > MIN_SWING * last.min()
    return bool(turns > MIN_TURNS * len(last) and swing and last.min() >= LEAST_GAIN * before.min())
