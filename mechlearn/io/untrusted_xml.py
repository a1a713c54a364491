"""Validation of untrusted XML files: no entities, no document types, no external files."""

from collections.abc import Iterator
from pathlib import Path

from mechlearn.errors import InputError


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
        return  # no XML at all: the reader of the format says so in its own words


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
