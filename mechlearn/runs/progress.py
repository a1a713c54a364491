"""Progress of a training: a bar on a terminal, a few plain lines elsewhere."""

import math
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mechlearn.errors import plain
from mechlearn.learning import Learner
from mechlearn.parallel import tell
from mechlearn.runs.config import Setup

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import ProgressColumn

#: Where there is no terminal, a line is printed this often (seconds).
EVERY = 10.0


class _Display:
    """A bar on a terminal."""

    _bar: "Bar | None" = None

    def _open(self, title: str, middle: "ProgressColumn", **task: Any) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        columns = TextColumn("{task.description}", markup=False), BarColumn(bar_width=20), middle
        self._bar = Bar(*columns, TimeElapsedColumn(), console=Console(stderr=True))
        self._bar.start()
        self._task = self._bar.add_task(title, **task)

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()


class Progress(_Display):
    """Progress display of a training; passed to ``train`` as ``watch``.

    The bar follows the error on a logarithmic scale from where it began to the tolerance, or the
    steps, whichever is further: both can end a training.
    """

    def __init__(self, setup: Setup, quiet: bool = False) -> None:
        self.steps, self.tolerance = setup.train.steps, setup.train.tolerance
        self.title = plain(setup.title) or "training"
        self.quiet = quiet
        self.terminal = sys.stderr.isatty() and not quiet
        self._first: float | None = None
        self._printed = 0.0

    def __enter__(self) -> "Progress":
        if self.terminal:
            from rich.progress import TextColumn

            where = TextColumn("{task.fields[where]}")
            self._open(self.title, where, total=1.0, where="setting up")
        elif not self.quiet:
            tell(f"{self.title}: setting up")
        return self

    def __call__(self, learner: Learner) -> None:
        """Show where the learner is."""
        if self.quiet:
            return
        step, error = learner.updates, learner.history.error[-1]
        if self._bar:
            where = f"step {step}, error {error:.1e} (wanted {self.tolerance:.0e})"
            self._bar.update(self._task, completed=self._done(step, error), where=where)
        elif time.monotonic() - self._printed > EVERY or step == 0:
            self._printed = time.monotonic()
            tell(
                f"{self.title}: step {step} of at most {self.steps}, error {error:.2e} "
                f"(wanted {self.tolerance:.0e})"
            )

    def _done(self, step: int, error: float) -> float:
        if self._first is None:
            self._first = max(error, self.tolerance)
        by_steps = step / self.steps if self.steps else 1.0
        span = math.log(self._first / self.tolerance)
        gained = math.log(self._first / max(error, self.tolerance)) if span else 1.0
        return max(by_steps, gained / span if span else 1.0)


@contextmanager
def patience(title: str, seconds: float = 5.0) -> Iterator[None]:
    """Print once that an operation is still running after some seconds."""
    timer = threading.Timer(seconds, tell, [f"{title}: still at it; large networks take minutes"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class Counter(_Display):
    """Progress display of a sweep; passed to ``sweep`` as ``watch``."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._printed = time.monotonic()

    def __enter__(self) -> "Counter":
        if sys.stderr.isatty():
            from rich.progress import MofNCompleteColumn

            self._open(self.title, MofNCompleteColumn(), total=None)
        return self

    def __call__(self, done: int, total: int, row: dict) -> None:
        """Show that one more is done."""
        if self._bar:
            self._bar.update(self._task, completed=done, total=total)
        elif time.monotonic() - self._printed > EVERY or done == total:
            self._printed = time.monotonic()
            tell(f"{self.title}: {done} of {total}")
