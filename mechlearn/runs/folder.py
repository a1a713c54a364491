"""Run folders: creation, locks, and paths that follow renames.

The lock is the kernel's, so that the death of its holder, however sudden, frees it.
"""

import contextlib
import errno
import fcntl
import itertools
import os
import socket
import stat
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

from mechlearn.errors import InputError, failure
from mechlearn.io.writing import STAGE

#: The files of a finished run; the last of them says that the others are complete.
FILES = ("task.toml", "network.vtu", "learned.vtu", "history.nc", "summary.json")
#: What a training leaves beside them to go on from: the last state saved, and the one before.
CHECKPOINT, BEFORE = "checkpoint.npz", "checkpoint-before.npz"
#: Held by the thread that writes in the folder.
LOCK = ".lock"
#: Folders that threads of this process hold: device and number of the folder, and the thread.
_held: set[tuple[int, int, int]] = set()


def new_folder(folder: str | Path, overwrite: bool = False) -> Path:
    """Create the folder of a run, and check that it can be written.

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
    """Raise InputError for a folder without a training to resume.

    A folder whose training died before its first checkpoint will do: it starts from the beginning.
    """
    if not folder.is_dir():
        raise InputError(
            f"There is no folder {folder} to resume; leave out --resume to start there."
        )
    if is_taken(folder) and not has_checkpoint(folder):
        raise InputError(f"{folder} holds no checkpoint to resume from.")


def is_taken(folder: Path) -> bool:
    """True if a folder holds more than leftovers of an aborted process."""
    try:
        return any(
            p.name != LOCK and p.suffix != STAGE and p.name != STAGE for p in folder.iterdir()
        )
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {failure(error)}.") from None


def has_checkpoint(folder: Path) -> bool:
    """True if a folder has a checkpoint."""
    return (folder / CHECKPOINT).is_file() or (folder / BEFORE).is_file()


def _try_writing(folder: Path) -> None:
    """Raise InputError for files of a run that cannot be written; changes nothing."""
    path = folder
    try:
        with tempfile.NamedTemporaryFile(dir=folder, suffix=STAGE) as probe:
            probe.write(b"probe")
        for path in (folder / name for name in (*FILES, CHECKPOINT)):
            if path.is_dir() and not path.is_symlink():  # a rename puts a file in any other place
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    except OSError as error:
        raise InputError(f"{path} cannot be written: {failure(error)}.") from None


class Place:
    """Folder that is tracked through renames, and recreated after removal.

    Parameters
    ----------
    folder : Path
        Of that moment.
    tell : function of a text
        Told where it is, once for every change.
    """

    def __init__(self, folder: Path, tell: Callable[[str], object] = lambda text: None) -> None:
        self.path, self.tell = folder, tell
        self._open = -1
        self._close: Callable[[], object] = lambda: None
        self._hold()

    def find(self) -> Path:
        """Present path of the folder; raises InputError where it is gone and cannot be made."""
        if self._open < 0:
            self._hold()
            return self.path
        if self._is(self.path):
            return self.path
        was, self.path = self.path, self._elsewhere() or self._anew()
        if self._is(self.path):
            self.tell(f"{was} was renamed; it is {self.path} that is written now.")
        else:
            self.tell(f"{was} was removed; {self.path} is made and written instead.")
        self._hold()
        return self.path

    def _hold(self) -> None:
        self._close()
        try:
            self._open = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            self._open, self._close = -1, lambda: None
        else:
            self._close = weakref.finalize(self, os.close, self._open)

    def _is(self, path: Path) -> bool:
        try:
            return os.path.samestat(os.stat(path), os.fstat(self._open))
        except OSError:
            return False

    def _elsewhere(self) -> Path | None:
        try:
            if hasattr(fcntl, "F_GETPATH"):
                path = fcntl.fcntl(self._open, fcntl.F_GETPATH, bytes(1024)).rstrip(b"\0")
            else:
                path = os.readlink(f"/proc/self/fd/{self._open}".encode())
        except OSError:
            return None
        found = Path(os.fsdecode(path))
        return found if self._is(found) else None

    def _anew(self) -> Path:
        for number in itertools.count():
            path = self.path.with_name(f"{self.path.name}-{number}") if number else self.path
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise InputError(f"{path} cannot be made: {failure(error)}.") from None
            return path
        raise AssertionError


def within(folder: Path, name: str) -> Path:
    """Subfolder of a folder of runs; raises InputError for a symbolic link."""
    path = folder / name
    if path.is_symlink():
        raise InputError(f"{path} is a symbolic link, which is not followed; remove it.")
    return path


@contextlib.contextmanager
def locked(folder: str | Path) -> Iterator[Path]:
    """Lock a folder for this thread; reentrant.

    Raises
    ------
    InputError
        Where another process that lives, or another thread, has it, or no lock can be written.
    """
    folder = Path(folder)
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise InputError(f"{folder} cannot be locked: {failure(error)}.") from None
    try:
        there = os.fstat(place)
        key = there.st_dev, there.st_ino, threading.get_ident()
        if key in _held:
            yield folder
            return
        descriptor = _take(folder / LOCK, place)
        _held.add(key)
        try:
            yield folder
        finally:
            _held.discard(key)
            with contextlib.suppress(OSError):
                os.unlink(LOCK, dir_fd=place)  # wherever the folder is by now
            os.close(descriptor)
    finally:
        os.close(place)


def _take(path: Path, place: int) -> int:
    """Open and lock a file of an open folder, and write into it who has it."""
    attempts = 0
    while True:
        attempts += 1
        try:
            descriptor = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644, dir_fd=place)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise InputError(
                    f"{path} is a symbolic link, which is not followed; remove it."
                ) from None
            raise InputError(f"{path} cannot be written: {failure(error)}.") from None
        try:
            mine = os.fstat(descriptor)
            if not stat.S_ISREG(mine.st_mode) or mine.st_nlink > 1:
                os.close(descriptor)
                raise InputError(f"{path} is no lock but another file; remove it.")
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last holder may have removed the file after it was opened here.
            if os.path.samestat(mine, os.stat(LOCK, dir_fd=place)):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{_me()} on {socket.gethostname()}".encode())
                return descriptor
        except BlockingIOError:
            who = os.read(descriptor, 200).decode(errors="replace")
            if not who and attempts < 100:  # its holder is about to write its name
                os.close(descriptor)
                time.sleep(0.002)
                continue
            who = who or "another process"
            if who.startswith(_me()):
                who = "another thread of this process"
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


def _me() -> str:
    return f"process {os.getpid()}"
