"""MPI ranks: collective results, output of the first rank, and collective failure."""

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn, cast

from mechlearn.errors import InputError, MechlearnError, plain, printable

#: Set by the launchers of MPICH and Open MPI for every process they start.
_RANK, _SIZE = ("PMI_RANK", "OMPI_COMM_WORLD_RANK"), ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")
#: For how many seconds a rank that failed waits whether the others fail as well.
PATIENCE = 3.0
#: Where ranks that failed meet; the others never use it.
_meeting: Any = None


def rank() -> int:
    """Rank of the process, without initialisation of MPI."""
    if "mpi4py.MPI" in sys.modules:
        return sys.modules["mpi4py.MPI"].COMM_WORLD.rank
    return _launcher_value(_RANK, 0)


def size() -> int:
    """Number of ranks."""
    if "mpi4py.MPI" in sys.modules:
        return sys.modules["mpi4py.MPI"].COMM_WORLD.size
    return _launcher_value(_SIZE, 1)


def _launcher_value(names: tuple[str, ...], least: int) -> int:
    """Integer that a launcher sets in one of these variables, if any."""
    for name in names:
        text = os.environ.get(name)
        if text is not None:
            if not (text.isdecimal() and text.isascii() and int(text[:9]) >= least):
                raise InputError(
                    f"The environment variable {name} = {plain(text, 40)!r} should be a number "
                    f"from {least}, which launchers of MPI set; unset it."
                )
            return int(text[:9])
    return least


def total(comm: Any, value: Any) -> Any:
    """Sum over ranks of a number or an array."""
    return value if comm.size == 1 else comm.allreduce(value)


def largest(comm: Any, value: float) -> float:
    """Maximum over ranks; NaN if one of them is."""
    if comm.size == 1:
        return value
    values = comm.allgather(value)
    return max(values) if all(v == v for v in values) else math.nan


def on_first[T](action: Callable[[], T], comm: Any = None) -> T:
    """Result of a function called on the first rank, broadcast; errors are raised on all ranks.

    Of all processes, or of those of an MPI communicator.
    """
    if comm is None:
        if size() == 1:
            return action()
        from mechlearn.fenics import MPI

        comm = MPI.COMM_WORLD
    made: T | MechlearnError | None = None
    if comm.rank == 0:
        try:
            made = action()
        except MechlearnError as error:
            made = error
    made = comm.bcast(made) if comm.size > 1 else made
    if isinstance(made, MechlearnError):
        raise made
    return cast(T, made)


def prepare() -> None:
    """Prepare for :func:`fail`; to be called on all ranks before anything else."""
    global _meeting
    rank()  # what a launcher says must make sense
    if size() > 1 and _meeting is None:
        from mechlearn.fenics import MPI

        _meeting = MPI.COMM_WORLD.Dup()


def tell(text: str) -> None:
    """Print a line on stderr; a broken stream is ignored."""
    with contextlib.suppress(OSError):
        print(printable(text), file=sys.stderr, flush=True)


def fail(text: str, code: int) -> NoReturn:
    """End all ranks with one message on stderr, whether all of them failed or only this one."""
    alone = _meeting is not None and not _all_arrive()
    if alone or not _rank_known() or rank() == 0:
        tell(f"{text} (rank {rank()})" if alone else text)
    if alone:  # the others wait for this one, and would forever
        _meeting.Abort(code)
    sys.exit(code)


def _rank_known() -> bool:
    """True if the rank is known before MPI starts."""
    try:
        rank()
    except InputError:
        return False
    return True


def _all_arrive() -> bool:
    """Wait until all ranks arrive; False after a time limit, on the first that gives up."""
    request, until = _meeting.Ibarrier(), time.monotonic() + PATIENCE + rank()
    while not request.Test():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True
