"""Medians of wall times, two things side by side, and the memory that a run took."""

import gc
import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

#: Steps after which everybody starts learning anew: late steps change little and are cheap.
PERIOD = 20


def side_by_side(*makers, budget: float = 4.0, least: int = 5) -> list[float]:
    """Medians of the times of a ``step()`` of some things, s, taken in turns within a budget, s.

    They ``restart()`` after every ``PERIOD`` steps. Each makes two steps before, which compile what
    is to be compiled.
    """
    for maker in makers:
        maker.step(), maker.step()
    times, began, count = [[] for _ in makers], time.perf_counter(), 2
    gc.disable()
    try:
        while len(times[0]) < least or time.perf_counter() - began < budget:
            if count % PERIOD == 0:
                for maker in makers:
                    maker.restart()
                    maker.step()
                count += 1
            for maker, kept in zip(makers, times, strict=True):
                start = time.perf_counter()
                maker.step()
                kept.append(time.perf_counter() - start)
            count += 1
            if len(times[0]) >= 500:
                break
    finally:
        gc.enable()
    return [float(np.median(kept)) for kept in times]


class Action:
    """Something to be timed that learns nothing."""

    def __init__(self, action: Callable[[], object]) -> None:
        self.step = action

    def restart(self) -> None:
        """There is nothing to forget."""


def peak_memory() -> float:
    """The most memory this process held so far, MB.

    Not that of ``getrusage``, which a process takes over from the one that started it.
    """
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) / 1024
