"""Threads of the linear algebra: one for small matrices, and afterwards as many as before."""

import inspect
import threading

from threadpoolctl import threadpool_info, threadpool_limits

from mechlearn.linalg.threads import one_thread
from mechlearn.networks import generators, packing


def counts():
    return [library["num_threads"] for library in threadpool_info()]


def test_threads_are_as_many_as_before_in_whatever_order_users_leave():
    with threadpool_limits(limits=2):
        before = counts()
        entered, leave = threading.Event(), threading.Event()

        def other():
            with one_thread():
                entered.set()
                leave.wait()

        thread = threading.Thread(target=other)
        with one_thread():
            thread.start()
            entered.wait()
            with one_thread():
                assert set(counts()) == {1}
            assert set(counts()) == {1}
        leave.set()
        thread.join()
        assert counts() == before


def test_an_error_puts_them_back():
    with threadpool_limits(limits=2):
        before = counts()
        try:
            with one_thread():
                raise ValueError
        except ValueError:
            pass
        assert counts() == before
        packing(16, periodic=True)
        assert counts() == before


def test_generators_keep_their_names_and_parameters():
    assert list(inspect.signature(generators["packing"]).parameters)[:3] == ["nodes", "dim", "seed"]
    assert generators["delaunay"].__name__ == "delaunay"
