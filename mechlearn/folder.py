"""The folder of a run: who writes in it, and how, so that no file of it is ever half.

A file is written beside its place, forced to the disk, and then takes the place by one rename. The
lock is the kernel's, so that the death of its holder, however sudden, frees it.
"""

import contextlib
import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from mechlearn.errors import InputError
from mechlearn.meshfile import failure

#: The files of a finished run; the last of them says that the others are complete.
FILES = ("task.toml", "network.vtu", "learned.vtu", "history.nc", "summary.json")
#: What a training leaves beside them to go on from: the last state saved, and the one before.
CHECKPOINT, BEFORE = "checkpoint.npz", "checkpoint-before.npz"
#: Held by the process that writes in the folder; where its files are before they take their places.
LOCK, STAGE = ".lock", ".part"
#: Folders that this process holds.
_held: set[Path] = set()


def new_folder(folder: str | Path, overwrite: bool = False) -> Path:
    """Make the folder of a run, and see that a run can be written there.

    What a process left that died before its first checkpoint does not count.

    Raises
    ------
    InputError
        Where one is in the way, it cannot be made, or nothing can be written in it.
    """
    folder = Path(folder)
    try:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file; a run needs a folder.")
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {failure(error)}.") from None
    if not overwrite and is_taken(folder):
        if has_checkpoint(folder):
            raise InputError(
                f"{folder} holds a training that --resume can go on with; or choose another "
                "folder, or --overwrite."
            )
        raise InputError(f"{folder} exists and is not empty; choose another, or --overwrite.")
    _try_writing(folder)
    return folder


def resumable(folder: Path) -> None:
    """Raise InputError where there is nothing that a training could go on with, or start in.

    A folder whose training died before its first checkpoint will do: it starts from the beginning.
    """
    if not folder.is_dir():
        raise InputError(
            f"There is no folder {folder} to resume; leave out --resume to start there."
        )
    if is_taken(folder) and not has_checkpoint(folder):
        raise InputError(f"{folder} holds no checkpoint to resume from.")


def is_taken(folder: Path) -> bool:
    """Whether a folder holds more than what a process leaves that dies early."""
    try:
        return any(
            p.name != LOCK and p.suffix != STAGE and p.name != STAGE for p in folder.iterdir()
        )
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {failure(error)}.") from None


def has_checkpoint(folder: Path) -> bool:
    """Whether a training was saved in a folder."""
    return (folder / CHECKPOINT).is_file() or (folder / BEFORE).is_file()


def _try_writing(folder: Path) -> None:
    """Raise InputError where a file of a run cannot be written; changes nothing."""
    path = folder
    try:
        with tempfile.NamedTemporaryFile(dir=folder, suffix=STAGE) as probe:
            probe.write(b"probe")
        for path in (folder / name for name in (*FILES, CHECKPOINT)):
            if path.exists():
                path.open("ab").close()
    except OSError as error:
        raise InputError(f"{path} cannot be written: {failure(error)}.") from None


@contextlib.contextmanager
def locked(folder: str | Path) -> Iterator[Path]:
    """Keep a folder to this process; inside, it may be taken again.

    Raises
    ------
    InputError
        Where another process that lives has it, or no lock can be written.
    """
    folder = Path(folder)
    key = folder.resolve()
    if key in _held:
        yield folder
        return
    descriptor = _take(folder / LOCK)
    _held.add(key)
    try:
        yield folder
    finally:
        _held.discard(key)
        with contextlib.suppress(OSError):
            (folder / LOCK).unlink()
        os.close(descriptor)


def _take(path: Path) -> int:
    """Open and lock a file, and write into it who has it."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise InputError(f"{path} cannot be written: {failure(error)}.") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last holder may have removed the file after it was opened here.
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
                return descriptor
        except BlockingIOError:
            who = os.read(descriptor, 200).decode(errors="replace") or "another process"
            os.close(descriptor)
            raise InputError(
                f"{path.parent} is in use by {who}; wait for it, or choose another folder."
            ) from None
        except FileNotFoundError:
            pass
        except OSError as error:
            os.close(descriptor)
            raise InputError(f"{path} cannot be locked: {failure(error)}.") from None
        os.close(descriptor)


def write_whole(
    path: Path, content: bytes | Callable[[BinaryIO], object], before: Path | None = None
) -> None:
    """Write a file so that after any accident it is the old one or the new one.

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
        with beside.open("wb") as file:
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if before is not None and path.exists():
            os.replace(path, before)
        os.replace(beside, path)
        _sync(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise InputError(f"{path} cannot be written: {failure(error)}.") from None


@contextlib.contextmanager
def replacing(folder: Path, last: str) -> Iterator[Path]:
    """A stage for several files; at the end they take their places in a folder together.

    The one called ``last`` goes first and comes last: where it is, the others belong together.

    Raises
    ------
    InputError
        Where they cannot be written, about the file's place in the folder.
    """
    stage = folder / STAGE
    path = stage
    try:
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir()
        yield stage
        names = sorted(p.name for p in stage.iterdir())
        for path in (folder / name for name in names):
            with (stage / path.name).open("rb") as file:
                os.fsync(file.fileno())
        _sync(stage)
        path = folder / last
        path.unlink(missing_ok=True)
        _sync(folder)
        for path in (folder / name for name in sorted(names, key=lambda name: name == last)):
            os.replace(stage / path.name, path)
        _sync(folder)
    except InputError as error:
        raise InputError(str(error).replace(str(stage), str(folder))) from None
    except OSError as error:
        raise InputError(f"{path} cannot be written: {failure(error)}.") from None
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _sync(folder: Path) -> None:
    """Force renames in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
