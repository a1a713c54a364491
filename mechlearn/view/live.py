"""Training of the network in view: slices of it, targets that are chosen, and its error curve."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mechlearn.errors import InputError, brief, plain
from mechlearn.tasks.quantities import quantities
from mechlearn.tasks.task import Target, Task
from mechlearn.view.interactive import InteractiveView

if TYPE_CHECKING:
    from mechlearn.runs.run import Run
    from mechlearn.runs.training import Training

#: Seconds of training between two pictures: at least, and at most where drawing takes longer.
SLICE, LONGEST = 0.05, 5.0
#: Points of an error curve at most.
POINTS = 300


class LiveTraining:
    """Training of the network in view.

    Parameters
    ----------
    view : InteractiveView
    training : Training, optional
        That of the run in view; where left out, one that begins with what the run learned.
    folder : path, optional
        Where the run is saved.

    Attributes
    ----------
    running : bool
        Whether it is to go on, slice by slice.
    over : bool
        Whether no step is left.
    """

    def __init__(
        self, view: InteractiveView, training: "Training | None" = None, folder: Path | None = None
    ) -> None:
        self.view, self.folder = view, folder
        self.running = self.over = False
        self._training, self._slice = training, SLICE
        self._saved: Run | None = None

    def advance(self, seconds: float | None = None) -> None:
        """Train for some seconds, at least one step, and show what came of it.

        Unless said it is for as long as the last drawing took.

        Raises
        ------
        InputError, SolveError
            Where no step is possible; it is not running then.
        """
        from mechlearn.runs.training import go_on

        try:
            self._training = self._training or go_on(self.view.run)
            self.over = not self._training.advance(self._slice if seconds is None else seconds)
            began = time.perf_counter()
            self.view.follow(self._training.pause())
        except Exception:
            self.running = False
            raise
        self._slice = float(np.clip(time.perf_counter() - began, SLICE, LONGEST))
        self.running &= not self.over

    def aim(self, wanted: str, alone: bool) -> None:
        """Make the chosen nodes a target, ``alone`` or beside those that are, and train on.

        Parameters
        ----------
        wanted : str
            The number, or the components of a displacement.
        alone : bool

        Raises
        ------
        InputError, SolveError
            For a target that makes no sense; everything then stays what it was.
        """
        from mechlearn.runs.training import go_on

        view, task = self.view, self.view.run.setup.task
        if not view.chosen:
            raise InputError("A target needs one or two nodes: click them.")
        try:
            numbers = [float(word) for word in wanted.replace(",", " ").split()]
        except ValueError:
            numbers = []
        if not numbers:
            raise InputError(f"{plain(brief(wanted))} should be a number, or one per component.")
        value = (
            numbers[0] if len(numbers) == 1 and not quantities[self.quantity].vector else numbers
        )
        name = "-".join(view.run.network.named(view.chosen))
        target = Target(name=name, nodes=view.chosen, **{self.quantity: value})
        known = [s.name for s in task.sources] + [t.name for t in task.targets if not alone]
        examples = [{k: v for k, v in e.items() if k in known} for e in task.examples]
        training = go_on(
            view.run,
            Task(
                supports=task.supports,
                sources=task.sources,
                targets=[target] if alone else [*task.targets, target],
                examples=examples,
                cost=task.cost,
            ),
        )
        view.show(training.pause())
        self._training, self.running, self.over = training, True, False

    @property
    def quantity(self) -> str:
        """Quantity of a target at the chosen nodes."""
        kinematics = self.view.run.energy.kinematics
        return kinematics.drop if len(self.view.chosen) == 2 else kinematics.across

    @property
    def status(self) -> str:
        """State of the training in words."""
        run = self.view.run
        if self.running or run.history.sizes["step"] == 1:
            return "Training." if self.running else "Not trained yet."
        if self.over and run.summary["why"]:
            return f"Not learned: {plain(run.summary['why'])}."
        saved = f" Saved in {plain(str(self.folder))}." if self._saved is run else ""
        return f"{run.outcome[0].upper()}{run.outcome[1:]}.{saved}"

    def save(self) -> None:
        """Write the run in view to the folder; raises InputError where that is not possible."""
        assert self.folder is not None
        self.view.run.save(self.folder, overwrite=True)
        self._saved = self.view.run


def shown_step(view: InteractiveView) -> int:
    """Training step of the network that is shown; at the end it is that of the result."""
    steps, result = view.run.recorded_steps, view.run.summary.get("reported_step")
    last = view.step == len(steps) - 1
    return int(result if last and result is not None else steps[view.step])


def error_curve(run: "Run", step: int) -> tuple[str, float, float]:
    """Error against the recorded steps as a polyline; places of a step, and of the tolerance.

    In a box that is 100 wide and 40 high, which the errors' logarithms fill.
    """
    errors, steps = run.history["error"].values, run.recorded_steps
    at = np.unique(np.linspace(0, len(errors) - 1, POINTS).astype(int))
    goal = run.setup.train.tolerance
    logs = np.log10(np.maximum(np.nan_to_num([*errors[at], goal], posinf=1e300), goal / 10))
    y = 38 - 36 * (logs - logs.min()) / (np.ptp(logs) or 1.0)
    x = 100 * np.interp([*at, step], steps, np.linspace(0, 1, len(steps)))
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x[:-1], y, strict=False)), x[-1], y[-1]
