"""Medians of wall times, two things side by side, and the memory that a run took."""

import gc
import resource
import time
from collections.abc import Callable

import numpy as np


def side_by_side(*actions: Callable[[], object], budget: float = 4.0, least: int = 3) -> list[float]:
    """Medians of the times of some actions, s, taken in turns until the budget (s) is spent.

    Each is run once before, which compiles what is to be compiled.
    """
    for action in actions:
        action()
    times, began = [[] for _ in actions], time.perf_counter()
    gc.disable()
    try:
        while len(times[0]) < least or time.perf_counter() - began < budget:
            for action, kept in zip(actions, times, strict=True):
                start = time.perf_counter()
                action()
                kept.append(time.perf_counter() - start)
            if len(times[0]) >= 500:
                break
    finally:
        gc.enable()
    return [float(np.median(kept)) for kept in times]


def peak_memory() -> float:
    """The most memory this process held so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
