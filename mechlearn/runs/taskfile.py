"""Task files: reading with validation, and writing as TOML."""

import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from mechlearn.errors import InputError
from mechlearn.runs.config import Setup, entry
from mechlearn.schema import input_error
from mechlearn.tasks.data import read_examples

#: The most bytes that a task file may have.
LARGEST = 2**27
#: The most parts that a key may have, and a key with more of them.
DEEPEST = 20
_PART = r"""(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')"""
DEEP = re.compile(rf"(?<![A-Za-z0-9_-])(?:{_PART}[ \t]*+\.[ \t]*+){{{DEEPEST}}}{_PART}")


def read_setup(path: str | Path, *, closed: bool = False) -> Setup:
    """Read and validate a task file; raises InputError that names the file and the key.

    A ``closed`` one must not name files outside of its folder.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST + 1)
    except IsADirectoryError:
        raise InputError(
            f"{path} is a folder; a task file such as tasks/allostery.toml is needed."
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {(error.strerror or error)}.") from None
    if len(text) > LARGEST:
        raise InputError(f"{path} has more than {LARGEST} bytes: it is no task file.")
    try:
        words = text.decode("utf-8-sig")
        if DEEP.search(words):  # of those tomllib takes a time that grows with the square
            raise InputError(f"{path} has a key of more than {DEEPEST} parts: it is no task file.")
        data = tomllib.loads(words)
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path} is not UTF-8 (at line {line}); save it in that encoding."
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid TOML: {error}.") from None
    targets = data.get("targets")
    curves = (
        [t for t in targets if isinstance(entry(t, "curve"), str)]
        if isinstance(targets, list)
        else []
    )
    card = entry(data.get("material"), "file")
    named = (
        data.get("examples"), entry(data.get("network"), "file"), card,
        entry(data.get("network"), "body"),
        *(t["curve"] for t in curves),
    )  # fmt: skip
    for name in named if closed else ():
        if isinstance(name, str) and (path.parent / name).resolve().parent != path.parent.resolve():
            raise InputError(f"{path}: {name!r} lies outside the run, and is not read.")
    for target in curves:
        target["curve"] = str(path.parent / target["curve"])
    if isinstance(data.get("examples"), str):
        try:
            data["examples"] = read_examples(path.parent / data["examples"])
        except InputError as error:
            raise InputError(f"{path}: examples: {error}") from None
    if isinstance(card, str):
        data["material"] = _card(path.parent / card) | data["material"] | {"file": None}
    try:
        return Setup.model_validate(data)
    except ValidationError as error:
        raise input_error(error, Setup, str(path)) from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _card(path: Path) -> dict[str, Any]:
    """Keys of a material's file; raises InputError for one that cannot be read."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} is no card of a material: {reason}.") from None


def to_toml(setup: Setup, examples: str | None = None) -> str:
    """The set-up as TOML, every default written out; its examples in a file, where one is named."""
    import tomli_w

    left_out = {"examples"} if examples else set()
    data = setup.model_dump(
        mode="json",
        exclude_none=True,
        exclude=left_out if setup.plugins else left_out | {"plugins"},
        fallback=lambda value: value.tolist() if isinstance(value, np.ndarray) else repr(value),
    )
    return tomli_w.dumps(({"examples": examples} if examples else {}) | data)
