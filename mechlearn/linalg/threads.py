"""Threads of the linear algebra, one for small matrices: more cost more than they bring."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

_limiting = threading.Lock()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let BLAS and OpenMP use one thread while this is open, then as many as before.

    Some libraries keep the setting for the whole process, others for each thread. So whoever
    limits it also puts it back, and meanwhile nobody else, in this thread or another, touches it.
    """
    if not _limiting.acquire(blocking=False):
        yield
        return
    try:
        with ThreadpoolController().limit(limits=1):
            yield
    finally:
        _limiting.release()
