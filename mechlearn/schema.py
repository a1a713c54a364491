"""Tables of task files as classes, and their validation errors as sentences.

A sentence names the file, the key, what is wrong, and what would be right.
"""

import inspect
from abc import ABCMeta
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypedDict, cast, get_args, get_origin, get_type_hints

import numpy as np
from pydantic import BaseModel, ConfigDict, InstanceOf, TypeAdapter, ValidationError, create_model

from mechlearn.errors import InputError, MechlearnError, brief, failure, hint, listed

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)

#: What pydantic calls an unknown key: of a model, and of a dataclass.
UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")

#: The section of a docstring that says what every key means.
KEYS = "\n\nParameters\n----------\n"


class _Sentences(ModelMetaclass):
    """Python callers get the same one-sentence errors as readers of files."""

    def __call__(cls, *args: Any, **data: Any) -> Any:
        try:
            return super().__call__(**_named(cls, args, data))
        except ValidationError as error:
            model: Any = cls
            raise input_error(error, model, cls.__name__) from None

    def __dir__(cls) -> list[str]:
        """Names for users: help() and completion leave out what pydantic has for its own use."""
        return [name for name in super().__dir__() if name[0] != "_" and name not in PYDANTIC]


class Checked(ABCMeta):
    """Metaclass of dataclasses whose fields are checked by their types when they are made.

    Only mechlearn's own fields: those of users may be of any type.
    """

    @property
    def __signature__(cls) -> inspect.Signature:
        _, *parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
        return inspect.Signature(parameters)

    def __call__(cls, *args: Any, **data: Any) -> Any:
        """Object, its fields checked; of a class of users those that are mechlearn's."""
        ours = next(k for k in cls.__mro__ if k.__module__.startswith("mechlearn."))
        if ours is cls and is_dataclass(cls):
            return build(cls, _named(cls, args, data), cls.__name__)
        made = super().__call__(*args, **data)
        if is_dataclass(ours) and not inspect.isabstract(ours):
            given = {f.name: getattr(made, f.name) for f in fields(ours) if f.init}
            build(ours, given, cls.__name__)
        return made


def _named(kind: type, args: tuple[Any, ...], data: Mapping[str, Any]) -> dict[str, Any]:
    """Values by their keys; raises InputError for such as have none."""
    keys = inspect.signature(kind).parameters.values()
    placed = [key.name for key in keys if key.kind is not key.KEYWORD_ONLY]
    if len(args) > len(placed):
        known = listed(key.name for key in keys)
        raise InputError(
            f"{kind.__name__}: {brief(args[len(placed)])} is given without the name of its key; "
            f"keys are {known}."
        )
    return dict(zip(placed, args, strict=False)) | dict(data)


def checked[F: Callable[..., Any]](**types: Any) -> Callable[[F], F]:
    """Decorator of functions whose arguments of these names are of these ``types``.

    Others are an InputError, and None where it is not the default. A type is anything that pydantic
    knows, which may convert values, or a class.
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function)
        known: dict[str, Any] = {}
        for name, kind in types.items():
            default = signature.parameters[name].default
            # Fields of dataclasses are none of the arguments.
            kind = InstanceOf.__class_getitem__(kind) if is_dataclass(kind) else kind
            known[name] = (kind | None if default is None else kind, None)
        model = create_model("Arguments", __config__=_ANY, **known)

        @wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            try:
                bound = signature.bind(*args, **options)
            except TypeError:
                return function(*args, **options)  # Python's own error, which suggests a name
            given = bound.arguments
            try:
                right = model.model_validate({name: given[name] for name in types if name in given})
            except ValidationError as error:
                where = function.__qualname__.removesuffix(".__init__")
                raise input_error(error, model, where) from None
            given.update((name, getattr(right, name)) for name in right.model_fields_set)
            return function(*bound.args, **bound.kwargs)

        return cast("F", call)

    return decorate


_ANY = ConfigDict(arbitrary_types_allowed=True)


class Table(BaseModel, metaclass=_Sentences):
    """A table of a task file: unknown keys are errors, and nothing changes after.

    Keys are documented in the section Parameters of the class, which takes over that of the class
    it is derived from.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **settings: Any) -> None:
        about, _, own = inspect.cleandoc(cls.__doc__ or "").partition(KEYS)
        shared = inspect.cleandoc(cls.__base__.__doc__ or "").partition(KEYS)[2]
        cls.__doc__ = about + KEYS + "\n".join(part for part in (shared, own) if part)
        keys = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty
                if field.is_required()
                else field.get_default(call_default_factory=True),
            )
            for name, field in cls.model_fields.items()
        ]
        cls.__signature__ = inspect.Signature(keys)

    def __dir__(self) -> list[str]:
        return [*type(self).model_fields, *dir(type(self))]

    def __repr__(self) -> str:
        """The class with the keys that were given, unless by their default."""
        known = type(self).model_fields
        given = [
            f"{name}={brief(value)}"
            for name, value in self
            if name in self.model_fields_set
            and (name not in known or value != known[name].get_default(call_default_factory=True))
        ]
        return f"{type(self).__name__}({', '.join(given)})"

    __str__ = __repr__


#: Names of pydantic's own in every table.
PYDANTIC = frozenset(vars(BaseModel))


def input_error(error: ValidationError, model: type[BaseModel], where: str) -> InputError:
    """InputError about ``where``, from the first error of pydantic."""
    problems = error.errors(include_url=False)
    # An unknown key explains more than the missing one it was meant to be.
    problem = min(problems, key=lambda p: p["type"] not in UNKNOWN)
    # Pydantic names the branch of a union too, such as "list[int]" or "float".
    kind, value, last = problem["type"], problem.get("input"), problem["loc"][-1:]
    path = [p for p in problem["loc"] if isinstance(p, int) or p.isidentifier()]
    while path and path[-1] in ("float", "int", "str", "bool", "constrained"):
        path.pop()
    if kind in UNKNOWN and path[-1:] != list(last):  # keys of users may be anything
        path += last
    key = key_path(path)
    if kind in UNKNOWN:
        text = f"{key} is not a known key; {hint(str(path[-1]), _keys(model, path[:-1]))}"
    elif kind == "missing":
        text = f"{key} is missing."
    elif kind == "value_error":
        text = str(problem["ctx"]["error"])
        text = (f"{key}: " if key else "") + text[0].lower() + text[1:] + "."
    else:
        given = repr(value) if len(repr(value)) < 60 else type(value).__name__
        message = problem["msg"]
        message = message[0].lower() + message[1:]
        if kind == "list_type":
            message = "it should be a list"
            if isinstance(value, int | float | str):
                message += f", such as [{given}]"
        beside = [p for p in problems if p["loc"][:-1] == problem["loc"][:-1] and p is not problem]
        for word in beside:  # of a union
            if word["type"] == "literal_error":
                message += f", or {word['ctx']['expected']}"
        text = f"{key} = {given}: {message.replace('input should', 'it should')}."
    return InputError(f"{where}: {text}")


def pick(registry: Mapping[str, Any], name: str, where: str) -> Any:
    """Entry of a table by name; raises InputError that suggests the nearest name."""
    if name not in registry:
        raise InputError(f"{where} = {name!r} is not known; {hint(name, registry)}")
    return registry[name]


def settings(thing: Any) -> dict[str, Any]:
    """Arguments by name that an object, or every object of a class, is made with.

    Raises
    ------
    InputError
        For an object that does not keep one as an attribute.
    """
    if is_dataclass(thing):
        return {f.name: getattr(thing, f.name, None) for f in fields(thing) if f.init}
    made = thing if isinstance(thing, type) else type(thing)
    arguments = inspect.signature(made).parameters.values()
    names = [a.name for a in arguments if a.kind not in (a.VAR_POSITIONAL, a.VAR_KEYWORD)]
    if made is thing:
        return dict.fromkeys(names)
    kept = {name: getattr(thing, name, getattr(thing, f"_{name}", thing)) for name in names}
    for name, value in kept.items():
        if value is thing:
            raise InputError(
                f"{made.__name__} must keep its argument {name} as an attribute, as in "
                f"self.{name} = {name}, so that runs can say it."
            )
    return kept


def call_of(thing: Any) -> str:
    """Call that makes an object of a class, with all its arguments."""
    given = ", ".join(f"{name}={value!r}" for name, value in settings(thing).items())
    return f"{type(thing).__name__}({given})"


def build(kind: Any, given: Mapping[str, Any], where: str, reserved: Collection[str] = ()) -> Any:
    """Object of a class, or like another object, from the keys of a table.

    Raises
    ------
    InputError
        For unknown keys (``reserved`` ones are named as known beside the fields), wrong types, and
        keys that are missing.
    """
    made = kind if isinstance(kind, type) else type(kind)
    known = list(settings(made))
    for key in given:
        if key not in known:
            raise InputError(f"{where}: {key} is not a known key; {hint(key, [*reserved, *known])}")
    given = {**({} if made is kind else settings(kind)), **given}
    try:
        types = {} if issubclass(made, BaseModel) else get_type_hints(made.__init__)  # type: ignore[misc]
    except (NameError, TypeError):  # annotations of users may name what is not there
        types = {}
    for key, value in given.items():
        if types.get(key) is bool and not isinstance(value, bool | np.bool_):
            raise InputError(f"{where}: {key} = {brief(value)}: it should be a valid boolean.")
    try:
        if is_dataclass(made) or issubclass(made, BaseModel):
            return TypeAdapter(made).validate_python(given)
        plain = {k: types[k] if types.get(k) in (bool, int, float, str) else Any for k in given}
        typed: Any = TypedDict("typed", plain)  # type: ignore[misc]
        return made(**TypeAdapter(typed).validate_python(given))
    except ValidationError as error:
        raise input_error(error, made, where) from None
    except MechlearnError:
        raise
    except Exception as error:  # classes of users fail in any way
        raise InputError(f"{where}: {made.__name__} cannot be made: {failure(error)}.") from error


def key_path(path: Iterable[str | int]) -> str:
    """Key as written in TOML with tables counted from 1, such as ``targets[2].strain``."""
    out = ""
    for part in path:
        out += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if out else str(part)
    return out


def _keys(model: type, path: Iterable[str | int]) -> list[str]:
    """Known keys of the table at a path."""
    current: Any = model
    named = False  # whether the next part is a name of the user's, as in [learn.stiffness]
    for part in path:
        if isinstance(part, int):
            continue
        if named:
            named = False
            continue
        annotation = _annotations(current).get(part)
        current = _table_in(annotation)
        if current is None:
            return []
        named = get_origin(annotation) is dict
    return sorted(_annotations(current))


def _annotations(table: Any) -> dict[str, Any]:
    """Type annotations of a model or dataclass by key."""
    if hasattr(table, "model_fields"):
        return {name: field.annotation for name, field in table.model_fields.items()}
    return {f.name: f.type for f in fields(table) if f.init} if is_dataclass(table) else {}


def _table_in(annotation: Any) -> Any:
    """Model or dataclass within an annotation."""
    if isinstance(annotation, type) and (
        issubclass(annotation, BaseModel) or is_dataclass(annotation)
    ):
        return annotation
    found = (_table_in(argument) for argument in get_args(annotation))
    return next((table for table in found if table is not None), None)
