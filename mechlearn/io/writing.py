"""Atomic writing of files and folders, without following symbolic links.

A file is written beside its place and takes the place by one rename. A rename replaces a link where
an open file would follow it, out of a folder that somebody else has made.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from mechlearn.errors import InputError, failure

#: What is not yet whole has this at the end of its name.
STAGE = ".part"


@contextlib.contextmanager
def replaced_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Temporary path that replaces the given file once it is complete.

    So do files that are made beside it. Folders on the way are made.

    Raises
    ------
    InputError
        Where it cannot be written; then the old file is as it was.
    """
    path = Path(path)
    stage = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".", suffix=STAGE, dir=path.parent))
        yield stage / path.name
        for made in sorted(stage.iterdir()):
            os.replace(made, path.parent / made.name)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {failure(error)}.") from None
    finally:
        if stage is not None:
            shutil.rmtree(stage, ignore_errors=True)


def write_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file; raises InputError if that fails."""
    with replaced_file(path) as place:
        place.write_bytes(content)


def write_atomic(
    path: Path, content: bytes | Callable[[BinaryIO], object], before: Path | None = None
) -> None:
    """Write a file atomically: after a crash it is the old or the new one.

    Parameters
    ----------
    path : Path
    content : bytes, or a function that writes them
    before : Path, optional
        Where the old file goes. Between the two renames there is only that.

    Raises
    ------
    InputError
        Where it cannot be written; then the old file is as it was.
    """
    beside = path.with_name(path.name + STAGE)
    try:
        beside.unlink(missing_ok=True)
        with beside.open("xb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if before is not None and path.exists():
            os.replace(path, before)
        os.replace(beside, path)
        sync(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise InputError(f"{path} cannot be written: {failure(error)}.") from None


@contextlib.contextmanager
def staged_files(folder: Path, last: str) -> Iterator[Path]:
    """Staging folder for several files, moved to their destination together.

    The one called ``last`` goes first and comes last: where it is, the others belong together.

    Raises
    ------
    InputError
        Where they cannot be written, about the file's place in the folder.
    """
    stage = folder / STAGE
    path = stage
    try:
        clear(stage)
        stage.mkdir()
        yield stage
        names = sorted(p.name for p in stage.iterdir())
        for path in (folder / name for name in names):
            with (stage / path.name).open("rb") as file:
                os.fsync(file.fileno())
        sync(stage)
        path = folder / last
        path.unlink(missing_ok=True)
        sync(folder)
        for path in (folder / name for name in sorted(names, key=lambda name: name == last)):
            os.replace(stage / path.name, path)
        sync(folder)
    except InputError as error:
        raise InputError(str(error).replace(str(stage), str(folder))) from None
    except OSError as error:
        raise InputError(f"{path} cannot be written: {failure(error)}.") from None
    finally:
        clear(stage)


def clear(stage: Path) -> None:
    """Remove a file, link or folder at the place of a stage, without following links."""
    if stage.is_symlink() or stage.is_file():
        with contextlib.suppress(OSError):
            stage.unlink()
    shutil.rmtree(stage, ignore_errors=True)


def sync(folder: Path) -> None:
    """Flush renames in a folder to disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
