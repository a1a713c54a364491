"""Validation of the sizes that untrusted VTK XML files claim, before allocation."""

import base64
import binascii
import re
from pathlib import Path

import numpy as np

from mechlearn.errors import InputError

#: What the arrays of a mesh may take in memory together: tens of millions of points.
LARGEST = 2**30
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
