"""C code of the package, compiled once per machine and cached beside the forms of DOLFINx."""

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sysconfig
import tempfile
from functools import cache
from pathlib import Path

from mechlearn.environment import cache_folder
from mechlearn.errors import MechlearnError

#: No multiplication and addition is fused, nothing reordered, and no instruction used that only
#: some processors have: the code then gives the same numbers, to the last bit, on all.
FLAGS = ("-O2", "-fPIC", "-shared", "-ffp-contract=off", "-fno-fast-math")


@cache
def library(source: Path) -> ctypes.CDLL:
    """The shared library compiled from a C file.

    Parameters
    ----------
    source : Path

    Raises
    ------
    MechlearnError
        Where there is no compiler, or it refuses; the message has its last words.
    """
    code = source.read_bytes()
    key = hashlib.sha256(code + repr((FLAGS, platform.machine(), os.name)).encode()).hexdigest()
    kept = cache_folder() / f"libmechlearn_{source.stem}_{key[:20]}.so"
    if kept.exists():
        try:
            return ctypes.CDLL(str(kept))
        except OSError:
            pass  # half of a file, or of another system that shares the folder
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        made = Path(folder, kept.name)
        _compile(source, made)
        os.replace(made, kept)  # at once: other processes may be looking for it
    return ctypes.CDLL(str(kept))


def _compile(source: Path, target: Path) -> None:
    named = [os.environ.get("CC"), sysconfig.get_config_var("CC"), "cc", "gcc", "clang"]
    found = next((c for c in named if c and shutil.which(c.split()[0])), None)
    if found is None:
        raise MechlearnError(
            "No C compiler was found, and packings need one as DOLFINx does: install gcc or clang, "
            "or name one in the environment variable CC."
        )
    done = subprocess.run(
        [*found.split(), *FLAGS, "-o", str(target), str(source), "-lm"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise MechlearnError(
            f"The C compiler '{found}' could not compile {source.name}: "
            f"{done.stderr.strip()[-500:]}"
        )
