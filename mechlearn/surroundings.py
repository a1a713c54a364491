"""What must be there before DOLFINx and PETSc are started: a folder to be in, and one for forms."""

import os
import tempfile
from pathlib import Path

from mechlearn.errors import InputError


def prepare() -> None:
    """See to it that DOLFINx can start; raises InputError where it cannot."""
    _check_folder()
    _find_cache()


def _check_folder() -> None:
    """PETSc cannot start where there is no folder to be in."""
    try:
        os.getcwd()
    except FileNotFoundError:
        raise InputError("The folder this was started in is gone; cd to one that exists.") from None


def _find_cache() -> None:
    """Where DOLFINx cannot keep compiled forms, let it do so in a temporary folder of the user."""
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
