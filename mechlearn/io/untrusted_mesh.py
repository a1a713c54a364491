"""Guards for meshio's readers: errors at the end of a file, size limits, captured warnings."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

#: So often a reader may find nothing at the end of a file before that is an error.
PATIENCE = 1000
#: Tags of gmsh's nodes may be so many times as many as nodes, and that many times that anyway.
SPARSEST = 1000

#: What meshio says to who reads or writes here; nothing for all others.
_said: ContextVar[list[str] | None] = ContextVar("said", default=None)
_teaching = Lock()


class _Bytes(io.BufferedReader):
    """Binary file that raises an error on repeated reads at its end."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(io.FileIO(path))
        self._empty = 0

    def readline(self, size: int | None = -1) -> bytes:
        return _counted(self, super().readline(-1 if size is None else size))

    def read(self, size: int | None = -1) -> bytes:
        return _counted(self, super().read(-1 if size is None else size))


class _Text(io.TextIOWrapper):
    """Text file that raises an error on repeated reads at its end."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(io.BufferedReader(io.FileIO(path)), encoding="utf-8")
        self._empty = 0

    def readline(self, size: int = -1) -> str:  # type: ignore[override]
        return _counted(self, super().readline(size))

    def read(self, size: int | None = -1) -> str:
        return _counted(self, super().read(-1 if size is None else size))


class _Console:
    """Replacement for meshio's console that records warnings."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    def print(self, *words: Any, **options: Any) -> None:
        if _said.get() is None:
            from rich.console import Console

            Console(**self._options).print(*words, **options)


def _print(*words: Any, **options: Any) -> None:
    said = _said.get()
    if said is None:
        print(*words, **options)
    else:
        said.append(" ".join(map(str, words)))


def _counted(file: Any, found: Any) -> Any:
    file._empty = 0 if found else file._empty + 1
    if file._empty > PATIENCE:
        raise EOFError("it ends too early")
    return found


def _open(path: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
    if _said.get() is None or set(mode) & set("wax+"):
        return open(path, mode, *more, **options)
    return _Bytes(path) if "b" in mode else _Text(path)


def _tagged(read_nodes: Callable[..., tuple]) -> Callable[..., tuple]:
    """Reader of gmsh's nodes that rejects tags far above the number of nodes."""

    def read(*arguments: Any) -> tuple:
        found = read_nodes(*arguments)
        largest = int(np.max(found[1], initial=0))
        if _said.get() is not None and largest > SPARSEST * (len(found[1]) + SPARSEST):
            raise ValueError(f"a node has the tag {largest}, among {len(found[1])} nodes")
        return found

    return read


@cache
def _teach() -> None:
    """Install the guards in meshio, effective only inside :func:`guarded_meshio`."""
    from meshio import _common, _files, _helpers
    from meshio.gmsh import _gmsh22, _gmsh40, _gmsh41
    from meshio.gmsh import main as gmsh
    from meshio.tetgen import _tetgen
    from meshio.vtk import _main as vtk

    with _teaching:
        _common.Console = _Console
        _helpers.print = _print
        for module in (_files, _tetgen, gmsh, vtk):
            module.open = _open
        for module in (_gmsh22, _gmsh40, _gmsh41):
            if not hasattr(module._read_nodes, "__wrapped__"):
                module._read_nodes = wraps(module._read_nodes)(_tagged(module._read_nodes))


@contextmanager
def guarded_meshio() -> Iterator[list[str]]:
    """Guard meshio for the duration of a context; its warnings go to a list.

    Its readers otherwise go on beyond the end for ever. Other threads are not concerned: nothing of
    the process is changed but meshio, once, and that only for who listens.
    """
    _teach()
    said: list[str] = []
    token = _said.set(said)
    try:
        yield said
    finally:
        _said.reset(token)
