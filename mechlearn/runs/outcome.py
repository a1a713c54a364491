"""Outcome of a training, and its cause where the tolerance was not reached."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mechlearn.learning import Learner
from mechlearn.learning.dofs import LearningDof
from mechlearn.learning.pace import oscillates
from mechlearn.learning.scales import Sigmoid, Softplus

#: Learning stalls when the best error of its last part (at least so many steps) is hardly better
#: than the best before.
PART, LEAST, BETTER = 0.2, 20, 0.99
#: Learning diverged when it ended with an error so many times that of the beginning.
WORSE = 1.2
#: On a saturating scale a parameter is at a bound within this part of the range between both.
AT = 1e-9


class Verdict(NamedTuple):
    """One word, and a sentence without its full stop where there is more to say.

    ``outcome`` is "learned", "unfinished" (the error was still falling), "oscillating" (it went up
    and down), "stalled", "diverged", "finished" (no further change helps), "stopped" (no step
    could be taken) or "interrupted" (by the user, outside of the command line).
    """

    outcome: str
    why: str


def judge(
    learner: Learner, error: float, tolerance: float, steps: int, accuracy: float | None = None
) -> Verdict:
    """The outcome of a training that might have taken so many steps, and its cause.

    Of a classification at rest the ``accuracy`` is the outcome, not the cross-entropy that is left.
    """
    errors = np.array(learner.history.error)
    if error <= tolerance:
        return Verdict("learned", "")
    if learner.interrupted:
        return Verdict("interrupted", f"by the user after step {learner.updates} of {steps}")
    if learner.stopped:
        return Verdict("stopped", f"{learner.stopped.rstrip('.')}{_bounded(learner)}")
    if learner.updates < steps and errors[-1] > tolerance:
        return Verdict("finished", "no change of one element makes the response better")
    if learner.updates < steps:
        return Verdict(
            "finished", "loaded from rest, the network answers otherwise than in training"
        )
    best = int(errors.argmin())
    more = ""
    if best < len(errors) - 1:
        more = f" (the smallest was {errors[best]:.2g} at step {best})"
    if errors[-1] > WORSE * errors[0]:
        return Verdict(
            "diverged",
            f"the error grew from {errors[0]:.2g} to {errors[-1]:.2g}{more}; use a smaller rate, "
            "or a rule that follows the error",
        )
    last = max(LEAST, int(PART * len(errors)))
    recent = errors[-last:]
    if len(errors) < 2 * last or recent.min() < BETTER * errors[:-last].min():
        return Verdict("unfinished", f"{learner.updates} steps were too few{more}")
    if oscillates(errors, last) and accuracy is None:
        slower = f", made {1 / learner.pace.limit:g} times as small" * (learner.pace.limit < 1)
        return Verdict(
            "oscillating",
            f"the error goes up and down between {recent.min():.2g} and {recent.max():.2g} in the "
            f"last {last} steps{slower}{more}; use a smaller rate",
        )
    said = f"the error has hardly fallen for {last} steps"
    if accuracy is not None:
        return Verdict("finished", f"{said}{more}; its tolerance is {tolerance:g}")
    return Verdict("stalled", f"{said}{more}: {_reason(learner, recent)}")


def at_bounds(learner: Learner) -> dict[str, dict[str, int]]:
    """How many of the elements that learn are at a bound, by parameter."""
    out = {}
    for dof in learner.dofs:
        low, high = _ends(dof)
        out[dof.name] = {"lower": int(low.sum()), "upper": int(high.sum())}
        out[dof.name]["learning"] = int(dof.learns.sum())
    return out


def _ends(dof: LearningDof) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    # Only saturating scales stop short of a bound.
    near = AT * (dof.high - dof.low) if isinstance(dof.scale, Sigmoid | Softplus) else 0.0
    return dof.learns & (dof.values <= dof.low + near), dof.learns & (dof.values >= dof.high - near)


def _bounded(learner: Learner) -> str:
    said = [
        f"{n['lower']} of {n['learning']} elements have the smallest {name} allowed"
        for name, n in at_bounds(learner).items()
        if n["lower"]
    ]
    return f"; {' and '.join(said)}" if said else ""


def _reason(learner: Learner, errors: NDArray) -> str:
    change = np.diff(errors)
    for name, n in at_bounds(learner).items():
        if n["lower"] + n["upper"] > n["learning"] / 2:
            return (
                f"{n['lower'] + n['upper']} of {n['learning']} elements are at the bounds of "
                f"{name}; widen them, or ask for less"
            )
    if not np.any(change):
        return "nothing changes any more; signals, or the changes they make, are too small"
    if (change <= 0).all():
        return f"it falls by {1 - errors[-1] / errors[0]:.1%} in that time; use a larger rate"
    return "the rule has come to rest; another start, more elements or an easier task may help"
