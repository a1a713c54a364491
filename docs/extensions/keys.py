"""Every key of a task file, from the models that read it: type, default, meaning.

Nothing is written here by hand: a key's meaning is what its class's docstring says of it.
"""

import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import docstring_parser
from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mechlearn import networks
from mechlearn.energies import energies
from mechlearn.errors import InputError
from mechlearn.learning.optimisers import optimisers
from mechlearn.learning.rules import rules
from mechlearn.runs.config import Setup
from mechlearn.tasks.costs import costs

#: What is no key although it is an argument: where a file is, and what the table itself says.
NO_KEYS = ("file", "path", "rate")
PLAIN = {int: "whole number", float: "number", bool: "``true`` or ``false``", str: "text"}
PLURAL = {word: f"{word}s" for word in ("whole number", "number", "text", "table", "list")}
NUMBER = {1: "one", 2: "two", 3: "three", 4: "four"}
#: Limits that stand for "fits the machine", and are not worth a reader's time.
MACHINE = 2**31


@dataclass(frozen=True)
class Key:
    """A key: its name, what it takes, what it is if left out, and what it says."""

    name: str
    type: str
    default: str
    meaning: str


@dataclass(frozen=True)
class KeyTable:
    """A table of a task file, or a part of one that only one kind has.

    Attributes
    ----------
    head : str
        As in the file, such as ``[[targets]]``; or the value that brings the keys, such as
        ``model = "beam"``.
    about : str
        What it is, in reStructuredText.
    keys : tuple of Key
    level : int
        1 for a table, 2 for a part.
    """

    head: str
    about: str
    keys: tuple[Key, ...]
    level: int = 1


def tables() -> list[KeyTable]:
    """All tables of a task file, in the order of :class:`mechlearn.runs.config.Setup`."""
    top, out = [], []
    for name, field in Setup.model_fields.items():
        model, head = _table(name, field.annotation)
        if model is None:
            top.append(_field(name, field, descriptions(Setup)[name]))
            continue
        out.append(KeyTable(head, text(model), tuple(_fields(model))))
        out += PARTS.get(name, lambda: ())()
    return [KeyTable("At the top", "Keys before any table.", tuple(top)), *out]


def _table(name: str, annotation: Any) -> tuple[type[BaseModel] | None, str]:
    """The model of a table, and how its head is written."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is list and _is_model(arguments[0]):
        return arguments[0], f"[[{name}]]"
    if origin is dict and _is_model(arguments[1]):
        return arguments[1], f"[{name}.<parameter>]"
    models = [a for a in (annotation, *arguments) if _is_model(a)]
    return (models[0], f"[{name}]") if models else (None, "")


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


# -- parts that one kind has -----------------------------------------------------------------------


def _networks() -> Iterator[KeyTable]:
    for name, generator in networks.generators.items():
        about = f"{text(generator)} See :func:`mechlearn.networks.{name}`."
        yield KeyTable(f'generator = "{name}"', about, tuple(_arguments(generator)), 2)
    keys = tuple(_arguments(networks.protein))
    yield KeyTable('file = "NAME.pdb", ".cif"', text(networks.protein), keys, 2)


def _energies() -> Iterator[KeyTable]:
    for name, energy in energies.items():
        forms = {}
        for dim in (2, 3):
            try:
                forms[dim] = energy().in_dimension(dim)
            except InputError:
                continue
        settings = tuple(_arguments(energy)) if dataclasses.is_dataclass(energy) else ()
        parameters: dict[Any, list[int]] = {}
        for dim, form in forms.items():
            for parameter in form.parameters:
                parameters.setdefault(parameter, []).append(dim)
        values = tuple(
            Key(
                parameter.name,
                "number, one per bond, or name of edge data"
                + (" (> 0)" if parameter.positive else ""),
                default_of(parameter),
                parameter.about + ("" if len(dims) == len(forms) else f" ({dims[0]}D.)"),
            )
            for parameter, dims in parameters.items()
        )
        only = f" ({next(iter(forms))}D.)" if len(forms) == 1 else ""
        yield KeyTable(f'model = "{name}"', text(energy) + only, (*values, *settings), 2)


def default_of(parameter: Any) -> str:
    """The default of a parameter in words, from what it gives on a network of known lengths."""
    values = getattr(parameter.default, "function", parameter.default)(_Ruler())
    if isinstance(values, _Length):
        return str(values)
    return f"``{values:g}``"


class _Length:
    """Lengths of bonds, that say what is done with them."""

    def __init__(self, factor: float = 1.0, of: str = "the bond's length") -> None:
        self.factor, self.of = factor, of

    def __rmul__(self, factor: float) -> "_Length":
        return _Length(factor * self.factor, self.of)

    def mean(self) -> "_Length":
        return _Length(self.factor, "the mean bond length")

    def __str__(self) -> str:
        return self.of if self.factor == 1 else f"{self.factor:g} of {self.of}"


class _Ruler:
    """What stands for a network where only the lengths of its bonds matter."""

    lengths = _Length()


def _kinds(word: str, registry: Mapping[str, type]) -> Callable[[], Iterator[KeyTable]]:
    def parts() -> Iterator[KeyTable]:
        for name, kind in registry.items():
            yield KeyTable(f'{word} = "{name}"', text(kind), tuple(_arguments(kind)), 2)

    return parts


def _optimisers() -> Iterator[KeyTable]:
    for name, kind in optimisers.items():
        yield KeyTable(f'optimiser = {{name = "{name}"}}', text(kind), tuple(_arguments(kind)), 2)


PARTS: dict[str, Callable[[], Iterator[KeyTable]]] = {
    "network": _networks,
    "energy": _energies,
    "cost": _kinds("name", costs),
    "rule": _kinds("name", rules),
    "train": _optimisers,
}


# -- keys ------------------------------------------------------------------------------------------


def _fields(model: type[BaseModel]) -> Iterator[Key]:
    said = descriptions(model)
    for name, field in model.model_fields.items():
        yield _field(name, field, said[name])


def _field(name: str, field: FieldInfo, meaning: str) -> Key:
    if field.is_required():
        default = "needed"
    elif field.default_factory is not None:
        default = "none" if field.default_factory in (list, dict) else "its defaults"
    else:
        default = _shown(field.default)
    kind = words(field.annotation, field.metadata)
    return Key(name, kind, default, meaning)


def _arguments(kind: Callable[..., Any]) -> Iterator[Key]:
    """Keys that are fields of a dataclass or arguments of a function."""
    said = descriptions(kind)
    hints = typing.get_type_hints(kind, include_extras=True)
    if inspect.isclass(kind):
        given = [(f.name, f.default) for f in dataclasses.fields(kind) if f.init]
    else:
        given = [(p.name, p.default) for p in inspect.signature(kind).parameters.values()]
    for name, default in given:
        if name not in NO_KEYS:
            yield Key(name, words(hints[name]), _shown(default), said.get(name, ""))


def _shown(default: Any) -> str:
    if default is None:
        return "–"
    if default in (inspect.Parameter.empty, dataclasses.MISSING):
        return "needed"
    if isinstance(default, bool):
        return f"``{str(default).lower()}``"
    if isinstance(default, tuple):
        return f"``{list(default)}``"
    if isinstance(default, str):
        return f'``"{default}"``' if default else "none"
    return f"``{default!r}``"


def words(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """A type, as the writer of a file would say it."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return words(arguments[0], [*metadata, *arguments[1:]])
    limits = [m for part in metadata for m in (getattr(part, "metadata", None) or [part])]
    if origin in (typing.Union, types.UnionType):
        parts = [words(a, limits) for a in arguments if a is not type(None)]
        return ", or ".join(dict.fromkeys(parts))
    if origin is typing.Literal:
        return ", ".join(f'``"{a}"``' if isinstance(a, str) else f"``{a!r}``" for a in arguments)
    if origin in (list, Sequence):
        inner = words(arguments[0])
        several = any(isinstance(m, MinLen) for m in limits)
        return f"list of {_plural(inner)}" + (" (at least one)" if several else "")
    if origin is tuple:
        return f"{NUMBER[len(arguments)]} {_plural(words(arguments[0]))}"
    if origin is dict:
        return "table"
    if inspect.isclass(annotation) and dataclasses.is_dataclass(annotation):
        inner = ", ".join(f.name for f in dataclasses.fields(annotation))
        return f"table of {inner}"
    return PLAIN.get(annotation, str(getattr(annotation, "__name__", annotation))) + _within(limits)


def _plural(word: str) -> str:
    """Several of a type; of each, where it is one or another."""
    parts = re.split(r"(,? or | \(| of )", word)
    return "".join(PLURAL.get(part, part) for part in parts)


def _within(limits: Sequence[Any]) -> str:
    signs = {Gt: ("gt", ">"), Ge: ("ge", "≥"), Lt: ("lt", "<"), Le: ("le", "≤")}
    out = []
    for limit in limits:
        for kind, (name, sign) in signs.items():
            if isinstance(limit, kind) and abs(getattr(limit, name)) < MACHINE:
                out.append(f"{sign} {getattr(limit, name):g}")
    return f" ({', '.join(out)})" if out else ""


# -- docstrings ------------------------------------------------------------------------------------


def text(thing: Any) -> str:
    """The first paragraphs of a docstring, those before its sections, as one."""
    parsed = docstring_parser.parse(inspect.getdoc(thing) or "", docstring_parser.Style.NUMPYDOC)
    parts = (parsed.short_description, parsed.long_description)
    return "\n\n".join(part for part in parts if part)


def descriptions(kind: Any) -> dict[str, str]:
    """What docstrings say of arguments; those of base classes, and of functions referred to."""
    said: dict[str, str] = {}
    for owner in reversed(inspect.getmro(kind)) if inspect.isclass(kind) else (kind,):
        parsed = docstring_parser.parse(
            inspect.cleandoc(owner.__doc__ or ""), docstring_parser.Style.NUMPYDOC
        )
        for parameter in parsed.params:
            meaning = " ".join((parameter.description or "").split())
            other = re.fullmatch(r"As in :(?:func|class):`(\w+)`\.(.*)", meaning)
            elsewhere = descriptions(_beside(owner, other[1])) if other else {}
            for name in parameter.arg_name.replace("*", "").split(", "):
                if other:
                    said[name] = (elsewhere.get(name, "") + other[2]).strip()
                else:
                    said[name] = meaning
    return said


def _beside(owner: Any, name: str) -> Any:
    """What a module calls by that name."""
    return getattr(inspect.getmodule(owner), name)
