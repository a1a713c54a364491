"""Temporary handlers of process signals."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

#: What asks a process to end: Ctrl-C, a scheduler, a terminal that is gone.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def handling(numbers: Sequence[signal.Signals], how: Any) -> Iterator[None]:
    """Context with other handlers of signals; ignored signals, as by nohup, stay ignored.

    Only the main thread gets signals; in others nothing changes.
    """
    old = {}
    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            if signal.getsignal(number) != signal.SIG_IGN:
                old[number] = signal.signal(number, how)
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
