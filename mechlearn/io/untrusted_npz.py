"""Reader of untrusted npz files with a size limit enforced before allocation."""

import math
import zipfile
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mechlearn.errors import InputError

#: Types that an array may have: numbers, truth values and text, never objects (a pickle).
KINDS = "fiubcSU"
#: What an archive may unpack to.
LARGEST = 2**30


def read_arrays(path: Path, largest: int = LARGEST) -> dict[str, NDArray]:
    """Arrays of an npz file by name, of at most ``largest`` bytes in all.

    Raises
    ------
    InputError
        For objects, and for arrays whose header claims another size than the file holds.
    Exception
        NumPy, zipfile and zlib fail in many ways on a damaged file.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        size = sum(entry.file_size for entry in entries)
        if size > largest:
            raise InputError(f"{path} would unpack to {size / 2**30:.3g} GiB, which is refused.")
        return {e.filename.removesuffix(".npy"): _array(archive, e, path) for e in entries}


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> NDArray:
    with archive.open(entry) as file:
        major = npy.read_magic(file)[0]
        read = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
        shape, fortran, dtype = read(file)
        if dtype.kind not in KINDS or dtype.hasobject:
            raise InputError(f"{path}: {entry.filename} holds {dtype}, which is not read.")
        count = math.prod(shape)
        if count * dtype.itemsize != entry.file_size - file.tell():
            raise InputError(f"{path}: {entry.filename} is not as large as it claims.")
        data = file.read()
    if dtype.itemsize == 0:
        return np.zeros(shape, dtype)
    values = np.frombuffer(bytearray(data), dtype)
    return values.reshape(shape, order="F" if fortran else "C")
