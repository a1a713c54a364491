"""Limits on the threads of BLAS and OpenMP for small matrices."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

_limiting = threading.Lock()


@contextmanager
def one_thread() -> Iterator[None]:
    """Context in which BLAS and OpenMP use one thread.

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
