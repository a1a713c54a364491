"""Preconditions of DOLFINx and PETSc: a working directory and a writable cache of forms."""

import os
import tempfile
from pathlib import Path

from mechlearn.errors import InputError


def prepare() -> None:
    """Check the preconditions of DOLFINx; raises InputError where they do not hold."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise InputError("The folder this was started in is gone; cd to one that exists.") from None
    cache_folder()


def cache_folder() -> Path:
    """Cache folder of compiled code: DOLFINx's own, or a temporary one if that is read-only.

    DOLFINx is told of the latter by ``XDG_CACHE_HOME``.

    Raises
    ------
    InputError
        When the temporary folder belongs to somebody else.
    """
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "fenics"
    try:
        kept.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=kept).close()
    except OSError:
        own = Path(tempfile.gettempdir(), f"mechlearn-{os.getuid()}")
        own.mkdir(mode=0o700, exist_ok=True)
        there = own.stat()
        if there.st_uid != os.getuid() or there.st_mode & 0o022:  # code from others is not run
            raise InputError(
                f"{kept} cannot be written, where compiled forms are kept, and {own} belongs to "
                "somebody else; set XDG_CACHE_HOME to a folder of your own."
            ) from None
        os.environ["XDG_CACHE_HOME"] = str(own)
        kept = own / "fenics"
        kept.mkdir(exist_ok=True)
    return kept
