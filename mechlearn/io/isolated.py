"""Function calls in a process of their own, for libraries that may crash or hang."""

import os
import pickle
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mechlearn.errors import InputError, SolveError

#: Variables by which launchers tell a process that it is one of several; the new one is alone.
_LAUNCHERS = ("PMI", "MPI", "OMPI", "HYD", "SLURM_")


class Crash(SolveError):
    """The isolated process ended without a result; the text says how."""


def call_isolated[T](function: Callable[..., T], *arguments: Any) -> T:
    """Call a function in a separate process without MPI.

    What it prints is lost.

    Parameters
    ----------
    function : callable
        At the top of a module that can be imported.
    *arguments
        What pickle takes, as must be what the function returns.

    Raises
    ------
    Crash
        Where the process ends without an answer.
    Exception
        Whatever the function raises.
    """
    alone = {k: v for k, v in os.environ.items() if not k.startswith(_LAUNCHERS)}
    alone["PYTHONPATH"] = os.pathsep.join(path or os.getcwd() for path in sys.path)
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder, "asked"), Path(folder, "answered")
        asked.write_bytes(pickle.dumps((function, arguments)))
        done = subprocess.run(
            [sys.executable, "-P", "-m", __name__, asked, answered],
            env=alone, stdin=subprocess.DEVNULL, capture_output=True,
        )  # fmt: skip
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise Crash(_end(done.returncode, *last))
        good, answer = pickle.loads(answered.read_bytes())
    if good:
        return answer
    raise answer


def read_isolated(library: str, reader: Callable[..., Any], path: Path, *more: Any) -> Any:
    """Result of a reader of meshes, which gets the path and the arguments after it.

    Raises
    ------
    InputError
        Where it cannot read the file.
    ImportError
        Where it lacks its library.
    """
    try:
        return call_isolated(reader, str(path.resolve()), *more)
    except ImportError:
        raise
    except Crash as error:
        said = f"{library} failed, {error}"
    except Exception as error:  # readers, NumPy and pickle fail in many ways on damaged files
        said = " ".join(str(error).split()).rstrip(". ") or type(error).__name__
    raise InputError(f"{path} cannot be read as a mesh: {said}.")


def memory_limit(path: str, each: int) -> None:
    """Limit the memory of the calling, isolated process that reads a file.

    It may take 3 GiB, and ``each`` bytes for every byte of the file.
    """
    most = 3 * 2**30 + each * Path(path).stat().st_size
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


@contextmanager
def cpu_limit(seconds: float) -> Iterator[None]:
    """Limit the processor time of the calling, isolated process.

    Unlike an exception, that works inside of libraries that never return.
    """
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _end(code: int, said: str = "no word") -> str:
    if code == -signal.SIGPROF:
        return "it took too long"
    if code < 0:
        return f"it crashed with {signal.Signals(-code).name}"
    return f"it ended with exit code {code}: {said}"


def _answer(asked: str, answered: str) -> None:
    """Main function of the isolated process."""
    function, arguments = pickle.loads(Path(asked).read_bytes())
    try:
        answer = True, function(*arguments)
    except Exception as error:
        answer = False, error
    Path(answered).write_bytes(pickle.dumps(answer))


if __name__ == "__main__":
    _answer(*sys.argv[1:])
