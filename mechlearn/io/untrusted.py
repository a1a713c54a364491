"""Guards for untrusted files: claimed sizes, links to other files, entities, endless reads.

Every check comes before memory is taken for what a file claims. What is not of the format at all
passes: its reader says so in its own words.
"""

import base64
import binascii
import io
import math
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mechlearn.errors import InputError, failure

#: Bytes that the arrays of a file may take in memory together: tens of millions of points.
LARGEST = 2**30


def content(path: Path) -> bytes:
    """Bytes of a file; raises InputError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {failure(error)}.") from None


# -- XML -------------------------------------------------------------------------------------------


def refuse_entities(path: Path) -> None:
    """Raise InputError for XML with entities or a document type, before parsing.

    A few lines of entities can stand for gigabytes, or for another file of the machine; no mesh or
    graph needs them.
    """
    from xml.sax import ContentHandler, SAXException

    from defusedxml import DefusedXmlException
    from defusedxml.sax import parse

    try:
        parse(str(path), ContentHandler(), forbid_dtd=True)
    except DefusedXmlException:
        raise InputError(
            f"{path} declares a document type or entities, which no mesh or graph needs: it is "
            "not read."
        ) from None
    except (SAXException, OSError, ValueError):
        return


def heavy_files(path: Path) -> Iterator[Path]:
    """Files beside an XDMF file that hold its arrays.

    Raises
    ------
    InputError
        Where it names one outside of its own folder.
    """
    from xml.etree.ElementTree import ParseError

    from defusedxml.ElementTree import parse

    try:
        items = list(parse(path).iter("DataItem"))
    except (ParseError, OSError, ValueError):
        return
    for item in items:
        if item.get("Format", "XML").upper() == "XML":
            continue
        name = (item.text or "").strip().split(":")[0]
        plain = name and Path(name).name == name and "\\" not in name
        if not plain or (path.parent / name).is_symlink():
            raise InputError(
                f"{path} keeps arrays in {name!r}, outside its folder, and is not read."
            )
        yield path.parent / name


# -- VTK XML ---------------------------------------------------------------------------------------

_TAG = re.compile(rb"<(/?)(VTKFile|Piece|DataArray|AppendedData)\b([^>]*)>")
_ATTRIBUTE = re.compile(rb"""([\w:]+)\s*=\s*["']([^"']*)["']""")
#: Attributes of a piece that count cells.
_CELLS = (b"NumberOfCells", b"NumberOfVerts", b"NumberOfLines", b"NumberOfStrips", b"NumberOfPolys")


def check_vtk_xml(path: Path) -> tuple[int, int]:
    """Numbers of pieces and of cells that a VTK XML file claims to have.

    Raises
    ------
    InputError
        Where it claims points, cells or unpacked blocks beyond what is read here.
    """
    content = path.read_bytes()
    pieces, cells, sizes = 0, 0, []
    header, packed, appended = "<u4", False, content.find(b"_", content.find(b"<AppendedData"))
    encoded = b'encoding="base64"' in content[content.find(b"<AppendedData") : max(appended, 0)]
    claimed = 0
    for tag in _TAG.finditer(content):
        if tag[1]:
            continue
        given = dict(_ATTRIBUTE.findall(tag[3]))
        if tag[2] == b"AppendedData":
            break  # what follows may be anything
        if tag[2] == b"VTKFile":
            order = ">" if given.get(b"byte_order") == b"BigEndian" else "<"
            header = order + ("u8" if given.get(b"header_type") == b"UInt64" else "u4")
            packed = b"compressor" in given
        elif tag[2] == b"Piece":
            pieces += 1
            own = sum(_number(path, given.get(name, b"0")) for name in _CELLS)
            cells += own
            claimed += 24 * _number(path, given.get(b"NumberOfPoints", b"0")) + 8 * own
        elif packed and given.get(b"format") == b"appended" and appended > 0:
            start = appended + 1 + _number(path, given.get(b"offset", b"0"))
            sizes.append(_unpacked(content[start:], header, encoded))
        elif packed and given.get(b"format") == b"binary":
            start = tag.end()
            sizes.append(_unpacked(content[start:].lstrip()[: 1 << 16], header, True))
    for size in (claimed, sum(sizes)):
        if size > LARGEST:
            raise InputError(
                f"{path} would take {size / 2**30:.3g} GiB of memory; meshes of more than "
                f"{LARGEST / 2**30:g} GiB are not read."
            )
    return pieces, cells


def _number(path: Path, text: bytes) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        shown = text[:40].decode("utf-8", "replace")
        raise InputError(f"{path} cannot be read as a mesh: {shown!r} should be a number.")
    return number


def _unpacked(data: bytes, header: str, encoded: bool) -> int:
    """Size in bytes of a compressed array, from its block header."""
    width = 3 * np.dtype(header).itemsize
    head = data[: 4 * width]
    if encoded:
        try:
            head = base64.b64decode(head[: -(-width // 3) * 4])
        except (binascii.Error, ValueError):
            return 0
    if len(head) < width:
        return 0
    blocks, size, last = (int(k) for k in np.frombuffer(head[:width], header))
    return max(blocks - 1, 0) * size + (last or (size if blocks else 0))


# -- HDF5 ------------------------------------------------------------------------------------------

#: Suffixes of files that are HDF5.
HDF = (".h5", ".hdf5", ".h5m", ".med", ".nc", ".cgns", ".e", ".exo")
#: Compression makes numbers smaller by no more than this.
RATIO = 1100
#: Number of objects that a file may have.
OBJECTS = 100_000


def check_hdf(path: Path, largest: int = LARGEST) -> None:
    """Raise InputError for an HDF5 file that is not safe to read, before any array is read.

    External links, virtual data sets and external storage lead to other files. An array may claim
    any shape; what it holds is bounded by the size of the file, and all together by ``largest``
    bytes.
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


# -- npz -------------------------------------------------------------------------------------------

#: Types that an array may have: numbers, truth values and text, never objects (a pickle).
KINDS = "fiubcSU"


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
        shape, _, dtype = read(file)
        if dtype.kind not in KINDS or dtype.hasobject:
            raise InputError(f"{path}: {entry.filename} holds {dtype}, which is not read.")
        count = math.prod(shape)
        if count * dtype.itemsize != entry.file_size - file.tell():
            raise InputError(f"{path}: {entry.filename} is not as large as it claims.")
        file.seek(0)
        return npy.read_array(file, allow_pickle=False)


# -- meshio's readers ------------------------------------------------------------------------------

#: So often a reader may find nothing at the end of a file before that is an error.
PATIENCE = 1000
#: Tags of gmsh's nodes may be so many times as many as nodes, and that many times that anyway.
SPARSEST = 1000

#: What meshio says to who reads or writes here; nothing for all others.
_said: ContextVar[list[str] | None] = ContextVar("said", default=None)
_teaching = Lock()


class _File(io.BufferedReader):
    """Binary file whose end raises where it is read again and again; also under a text file."""

    _empty = 0

    def readline(self, size: int | None = -1) -> bytes:
        return self._count(super().readline(-1 if size is None else size))

    def read(self, size: int | None = -1) -> bytes:
        return self._count(super().read(size))

    def read1(self, size: int = -1) -> bytes:
        return self._count(super().read1(size))

    def _count(self, found: bytes) -> bytes:
        self._empty = 0 if found else self._empty + 1
        if self._empty > PATIENCE:
            raise EOFError("it ends too early")
        return found


def _console(**options: Any) -> Any:
    from rich.console import Console

    return Console(quiet=_said.get() is not None, **options)


def _print(*words: Any, **options: Any) -> None:
    said = _said.get()
    if said is None:
        print(*words, **options)
    else:
        said.append(" ".join(map(str, words)))


def _open(path: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
    if _said.get() is None or set(mode) & set("wax+"):
        return open(path, mode, *more, **options)
    file = _File(io.FileIO(path))
    return file if "b" in mode else io.TextIOWrapper(file, encoding="utf-8")


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
        _common.Console = _console
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
