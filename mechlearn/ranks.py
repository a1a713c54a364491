"""Several processes as one program: who speaks, and how one's failure becomes everybody's."""

import os
import sys
from collections.abc import Callable

from mechlearn.errors import MechlearnError

#: Set by the launchers of MPICH and Open MPI for every process they start.
_RANK, _SIZE = ("PMI_RANK", "OMPI_COMM_WORLD_RANK"), ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")


def rank() -> int:
    """Rank of the process, without starting MPI for it where nothing has."""
    if "mpi4py.MPI" in sys.modules:
        return sys.modules["mpi4py.MPI"].COMM_WORLD.rank
    return next((int(os.environ[name]) for name in _RANK if name in os.environ), 0)


def size() -> int:
    """Number of processes that were started together."""
    if "mpi4py.MPI" in sys.modules:
        return sys.modules["mpi4py.MPI"].COMM_WORLD.size
    return next((int(os.environ[name]) for name in _SIZE if name in os.environ), 1)


def total(comm, value):
    """The sum over ranks of a number or an array; on one rank, what was given."""
    return value if comm.size == 1 else comm.allreduce(value)


def largest(comm, value: float) -> float:
    """The largest of the ranks' numbers."""
    return value if comm.size == 1 else max(comm.allgather(value))


def on_first(action: Callable[[], object]) -> None:
    """Let the first rank act while the others wait; an error it meets is raised on all."""
    if size() == 1:
        action()
        return
    from mechlearn.fenics import MPI

    error = None
    if rank() == 0:
        try:
            action()
        except MechlearnError as met:
            error = met
    error = MPI.COMM_WORLD.bcast(error)
    if error is not None:
        raise error


def abort(code: int) -> None:
    """End all ranks: one of them met what the others know nothing of."""
    from mechlearn.fenics import MPI

    MPI.COMM_WORLD.Abort(code)
