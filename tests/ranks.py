"""Ranks of MPI that wait for work: started once for many checks, for a start takes seconds."""

import atexit
import contextlib
import io
import os
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Client, Connection, wait
from pathlib import Path

MPIEXEC = Path(sys.executable).parent / "mpiexec"


@dataclass(frozen=True)
class Said:
    """The end of a command: its exit code, and what all its ranks wrote."""

    returncode: int
    stdout: str
    stderr: str


class Session:
    """Processes of one MPI program, each of which calls the functions that it is sent."""

    def __init__(self, size: int) -> None:
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as door:
            address = str(Path(folder) / "door")
            door.bind(address)
            door.listen()
            door.settimeout(60)
            self.process = subprocess.Popen(
                [MPIEXEC, "-n", str(size), sys.executable, __file__, address],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
                stdin=subprocess.DEVNULL,
            )
            links = [Connection(door.accept()[0].detach()) for _ in range(size)]
        told = [link.recv() for link in links]
        assert sorted(told) == [(rank, size) for rank in range(size)], told
        self.links = {told[i][0]: links[i] for i in sorted(range(size), key=told.__getitem__)}
        atexit.register(self.end)

    def call(self, function, *arguments, timeout):
        """Results of a module's function on every rank; raises where it raises on one."""
        for link in self.links.values():
            link.send((sys.path, os.getcwd()))
            link.send((function, arguments))
        done, until = {}, time.monotonic() + timeout
        while waiting := {link: rank for rank, link in self.links.items() if rank not in done}:
            ready = wait(list(waiting), max(0.0, until - time.monotonic()))
            for link in ready:
                error, _ = done[waiting[link]] = link.recv()
                if error:  # the others may wait for this one forever
                    until = min(until, time.monotonic() + 5)
            if not ready:
                self.end()
                break
        errors = [f"Rank {rank}: {error}" for rank, (error, _) in done.items() if error]
        assert not errors, "\n".join(errors)
        assert not waiting, f"Ranks {sorted(waiting.values())} say nothing for {timeout:g} s."
        return [done[rank][1] for rank in sorted(done)]

    def end(self) -> None:
        """Let the ranks end; the next call starts others."""
        session.cache_clear()
        atexit.unregister(self.end)
        for link in self.links.values():
            link.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            self.process.wait()


@cache
def session(size: int) -> Session:
    """The ranks that wait for work in this process of the tests."""
    return Session(size)


def on_ranks(size, function, *arguments, timeout=120.0):
    """Results of a module's function on each of so many ranks, in order."""
    return session(size).call(function, *arguments, timeout=timeout)


def command_on_ranks(size, *words, timeout=120.0):
    """Run a command of mechlearn on so many ranks."""
    ends = on_ranks(size, run_command, [str(word) for word in words], timeout=timeout)
    assert len({end.returncode for end in ends}) == 1, ends
    return Said(ends[0].returncode, *("".join(getattr(e, f) for e in ends) for f in STREAMS))


STREAMS = ("stdout", "stderr")


def run_command(words):
    """Run the command line in this process."""
    from mechlearn.cli import main

    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(words)
        except SystemExit as end:
            code = end.code or 0
    return Said(code, out.getvalue(), err.getvalue())


def work(address: str) -> None:
    """Call what comes until nothing comes anymore."""
    from mechlearn.fenics import MPI

    with Client(address, "AF_UNIX") as link:
        link.send((MPI.COMM_WORLD.rank, MPI.COMM_WORLD.size))
        with contextlib.suppress(EOFError):
            while True:
                sys.path[:], here = link.recv()  # before modules of functions are imported
                os.chdir(here)
                function, arguments = link.recv()
                try:
                    done = None, function(*arguments)
                except BaseException:
                    done = traceback.format_exc(), None
                link.send(done)


if __name__ == "__main__":
    import ranks  # the module that functions are sent from, not the script

    ranks.work(sys.argv[1])
