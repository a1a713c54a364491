"""Cards of input decks: keyword lines with the data under them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mechlearn.errors import InputError
from mechlearn.io.untrusted import content

#: Files that may be included.
_FILES = 100


@dataclass
class Card:
    """A keyword line and the data under it."""

    name: str
    given: dict[str, str]
    rows: list[list[str]]
    where: str


def cards(path: Path, folder: Path, met: list[Path]) -> Iterator[Card]:
    """The cards of a deck, with those of the files it includes (``met`` so far) in their places.

    Raises
    ------
    InputError
        For what is no deck, and included files that are not there or lie outside the folder.
    """
    card: Card | None = None
    lines = iter(enumerate(_lines(path), 1))
    for number, line in lines:
        if line.startswith("**") or not line.strip():
            continue
        if not line.lstrip().startswith("*"):
            if card is None:
                raise InputError(
                    f"{path}, line {number}, cannot be read as a mesh: a deck begins with a "
                    f"keyword, such as *NODE, not {line.strip()[:40]!r}."
                )
            card.rows.append([word.strip() for word in line.split(",")])
            continue
        while line.rstrip().endswith(","):
            line = line.rstrip() + next(lines, (0, " "))[1].strip()
        if card is not None:
            yield from _with_others(card, folder, met)
        name, *rest = line.strip()[1:].split(",")
        given = {}
        for word in rest:
            key, _, value = word.partition("=")
            given[key.strip().upper().replace(" ", "")] = value.strip().strip('"')
        card = Card(name.upper().replace(" ", ""), given, [], f"{path}, line {number}")
    if card is not None:
        yield from _with_others(card, folder, met)


def _lines(path: Path) -> list[str]:
    return content(path).decode("utf-8-sig", "replace").splitlines()


def _with_others(card: Card, folder: Path, met: list[Path]) -> Iterator[Card]:
    """A card, or those of the file that it includes, or with the rows of the file it names."""
    name = card.given.get("INPUT")
    if not name or card.name not in ("INCLUDE", "NODE", "ELEMENT", "NSET", "ELSET"):
        yield card
        return
    other = folder / name
    if Path(name).name != name or "\\" in name or other.is_symlink():
        raise InputError(f"{card.where}: it includes {name!r}, outside its folder: not read.")
    if not other.is_file():
        raise InputError(f"{card.where}: it includes {name!r}, which is not there.")
    met.append(other)
    if len(met) > _FILES:
        raise InputError(f"{card.where}: more than {_FILES} files are included.")
    if card.name == "INCLUDE":
        yield from cards(other, folder, met)
        return
    card.rows = [[w.strip() for w in line.split(",")] for line in _lines(other)
                 if line.strip() and not line.startswith("*")]  # fmt: skip
    yield card
