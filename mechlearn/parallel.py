"""Several processes as one program: who speaks, and how one's failure becomes everybody's."""

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
    """Rank of the process, without starting MPI for it where nothing has."""
    if "mpi4py.MPI" in sys.modules:
        return sys.modules["mpi4py.MPI"].COMM_WORLD.rank
    return _told(_RANK, 0)


def size() -> int:
    """Number of processes that were started together."""
    if "mpi4py.MPI" in sys.modules:
        return sys.modules["mpi4py.MPI"].COMM_WORLD.size
    return _told(_SIZE, 1)


def _told(names: tuple[str, ...], least: int) -> int:
    """Value that a launcher gives in one of these variables; else this process is alone."""
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
    """The sum over ranks of a number or an array; on one rank, what was given."""
    return value if comm.size == 1 else comm.allreduce(value)


def largest(comm: Any, value: float) -> float:
    """The largest of the ranks' numbers; not a number where one of them is none."""
    if comm.size == 1:
        return value
    values = comm.allgather(value)
    return max(values) if all(v == v for v in values) else math.nan


def on_first[T](action: Callable[[], T], comm: Any = None) -> T:
    """What the first rank makes, on all of them; an error it meets is raised on all.

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
    """Make ready for :func:`fail`; all ranks must call it before they do anything else."""
    global _meeting
    rank()  # what a launcher says must make sense
    if size() > 1 and _meeting is None:
        from mechlearn.fenics import MPI

        _meeting = MPI.COMM_WORLD.Dup()


def tell(text: str) -> None:
    """Print a line on stderr. One that finds no room, or no reader, must end no training."""
    with contextlib.suppress(OSError):
        print(printable(text), file=sys.stderr, flush=True)


def fail(text: str, code: int) -> NoReturn:
    """End all ranks with one message on stderr, whether all of them failed or only this one."""
    alone = _meeting is not None and not _all_come()
    if alone or not _sensible() or rank() == 0:
        tell(f"{text} (rank {rank()})" if alone else text)
    if alone:  # the others wait for this one, and would forever
        _meeting.Abort(code)
    sys.exit(code)


def _sensible() -> bool:
    """True if it can be known which rank this is."""
    try:
        rank()
    except InputError:
        return False
    return True


def _all_come() -> bool:
    """Whether all ranks come here soon; of those that give up waiting, the first comes first."""
    request, until = _meeting.Ibarrier(), time.monotonic() + PATIENCE + rank()
    while not request.Test():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True
