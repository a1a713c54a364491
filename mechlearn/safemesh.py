"""Meshes from strangers: some of meshio's readers wait for ever for a line beyond a file's end."""

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

#: So often a reader may find nothing at the end of a file before that is an error.
PATIENCE = 1000
#: Tags of gmsh's nodes may be so many times as many as nodes, and that many times that anyway.
SPARSEST = 1000


class _Bytes(io.BufferedReader):
    """A file of bytes whose end is an error for who reads on and on."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(io.FileIO(path))
        self._empty = 0

    def readline(self, size: int | None = -1) -> bytes:
        return _counted(self, super().readline(-1 if size is None else size))

    def read(self, size: int | None = -1) -> bytes:
        return _counted(self, super().read(-1 if size is None else size))


class _Text(io.TextIOWrapper):
    """The same of text."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(io.BufferedReader(io.FileIO(path)), encoding="utf-8")
        self._empty = 0

    def readline(self, size: int = -1) -> str:  # type: ignore[override]
        return _counted(self, super().readline(size))

    def read(self, size: int | None = -1) -> str:
        return _counted(self, super().read(-1 if size is None else size))


class _Plain:
    """Prints what meshio says as it is."""

    def print(self, text: str, **_: Any) -> None:
        print(text, file=sys.stderr)


def _counted(file: Any, found: Any) -> Any:
    file._empty = 0 if found else file._empty + 1
    if file._empty > PATIENCE:
        raise EOFError("it ends too early")
    return found


def _open(path: Any, mode: str = "r") -> Any:
    if set(mode) & set("wax+"):
        return open(path, mode)
    return _Bytes(path) if "b" in mode else _Text(path)


def _tagged(read_nodes: Callable[..., tuple]) -> Callable[..., tuple]:
    """A reader of gmsh's nodes that refuses tags for which meshio would make endless tables."""

    def read(*arguments: Any) -> tuple:
        found = read_nodes(*arguments)
        largest = int(np.max(found[1], initial=0))
        if largest > SPARSEST * (len(found[1]) + SPARSEST):
            raise ValueError(f"a node has the tag {largest}, among {len(found[1])} nodes")
        return found

    return read


@contextmanager
def ending_files() -> Iterator[None]:
    """Let meshio read files that raise EOFError where a reader goes on beyond their end."""
    # Imported late: it loads what servers need, and every command imports this module.
    from unittest.mock import patch

    from meshio import _common, _files
    from meshio.gmsh import _gmsh22, _gmsh40, _gmsh41
    from meshio.gmsh import main as gmsh
    from meshio.tetgen import _tetgen
    from meshio.vtk import _main as vtk

    with ExitStack() as stack:
        # Warnings and errors are printed in colours, which takes long of long words.
        stack.enter_context(patch.object(_common, "Console", lambda **_: _Plain()))
        for module in (_files, _tetgen, gmsh, vtk):
            stack.enter_context(patch.object(module, "open", _open, create=True))
        for module in (_gmsh22, _gmsh40, _gmsh41):
            stack.enter_context(patch.object(module, "_read_nodes", _tagged(module._read_nodes)))
        yield
