"""Validation of untrusted HDF5 files: external links, filters, and sizes beyond the file's."""

from pathlib import Path
from typing import Any

from mechlearn.errors import InputError

#: Suffixes of files that are HDF5.
SUFFIXES = (".h5", ".hdf5", ".h5m", ".med", ".nc", ".cgns", ".e", ".exo")
#: Compression makes numbers smaller by no more than this.
RATIO = 1100
#: What all arrays of a file may take in memory, and how many objects it may have.
LARGEST, OBJECTS = 2**30, 100_000


def check_hdf(path: Path, largest: int = LARGEST) -> None:
    """Raise InputError for an HDF5 file that is not safe to read, before any array is read.

    External links, virtual data sets and external storage lead to other files. An array may claim
    any shape; what it holds is bounded by the size of the file, and all together by ``largest``
    bytes. What is no HDF5 passes: its reader says so in its own words.
    """
    import h5py

    try:
        size = path.stat().st_size
        with h5py.File(path) as file:
            _check(file, path, RATIO * size, largest)
    except (OSError, RuntimeError, KeyError, ValueError):
        return


def _check(file: Any, path: Path, most: int, largest: int) -> None:
    import h5py

    groups, count, taken = [file], 0, 0
    while groups:
        group = groups.pop()
        for name in group:
            count += 1
            if count > OBJECTS:  # groups may also hold each other
                raise InputError(f"{path} has more than {OBJECTS} objects, which is refused.")
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise InputError(f"{path}: {name} lies in another file, which is not followed.")
            if isinstance(link, h5py.SoftLink):
                continue  # to something that is met elsewhere, or to nothing
            member = group[name]
            if isinstance(member, h5py.Group):
                groups.append(member)
            elif isinstance(member, h5py.Dataset):
                if member.is_virtual or member.external:
                    raise InputError(f"{path}: {name} lies in another file, which is not followed.")
                taken += member.nbytes
                if member.nbytes > most or taken > largest:
                    raise InputError(
                        f"{path}: {name} claims {member.nbytes} bytes, of {largest} that all "
                        "arrays may take; it is not read."
                    )
