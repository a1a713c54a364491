"""Extensions: optional packages, and elements, rules, costs and the like of users' own.

What task files, commands and Python name is in a :class:`Registry` per kind. :func:`register` adds
to them, at once or in a plugin: a file or module given to a command by ``--plugin``, or a package
with an entry point in the group ``mechlearn.plugins``.
"""

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from copy import copy, deepcopy
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, entry_points, requires
from importlib.util import module_from_spec, spec_from_file_location
from numbers import Number
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import numpy as np

from mechlearn.errors import InputError, MechlearnError, called, failure, hint, listed

#: Registries by the module that holds them, in the order in which a kind is told.
HOMES = {
    "mechlearn.energies": "energies",
    "mechlearn.tasks.costs": "costs",
    "mechlearn.learning.optimisers": "optimisers",
    "mechlearn.learning.rules": "rules",
    "mechlearn.learning.device": "devices",
    "mechlearn.export": "FORMATS",
    "mechlearn.networks": "generators",
}
#: The entry points of packages that bring extensions.
GROUP = "mechlearn.plugins"
#: Plugins that were loaded, files by their absolute path.
plugins: list[str] = []


class Registry(dict[str, Any]):
    """Classes, instances or functions of one kind by the name that task files use.

    Parameters
    ----------
    kind : str
        In one word, such as "rule".
    marks : class, name of an attribute, or callable, or a tuple of them
        An object or class is of the kind if it is of one of the classes, has one of the attributes,
        or is accepted by one of the callables.
    about : str
        What an object of the kind is, for errors.
    known : iterable, or mapping by name
        Those of mechlearn.
    prefix : str
        What names start with, for users' own.
    """

    def __init__(
        self, kind: str, marks: Any, about: str, known: Iterable[Any], prefix: str = ""
    ) -> None:
        by_name = isinstance(known, Mapping)
        super().__init__(known if by_name else {name_of(thing): thing for thing in known})
        self.kind, self.about, self.prefix = kind, about, prefix
        self._marks = marks if isinstance(marks, tuple) else (marks,)
        #: Names that users registered, and the file or module of each.
        self.own: dict[str, str] = {}

    def fits(self, thing: Any) -> bool:
        """True for an object, or class, of the kind."""
        return any(
            issubclass(_class_of(thing), mark)
            if isinstance(mark, type)
            else hasattr(thing, mark)
            if isinstance(mark, str)
            else mark(thing)
            for mark in self._marks
        )

    def pick(self, name: Any, where: str) -> Any:
        """Entry of that name; raises InputError that suggests the nearest, or how to bring it."""
        if isinstance(name, str) and name not in self:
            load_packages()
        if not isinstance(name, str) or name not in self:
            near = hint(str(name), self)
            more = "" if near.startswith("did") else f" {BRING}"
            raise InputError(f"{where} = {name!r} is not known; {near}{more}")
        return self[name]

    def make(self, given: Any, where: str) -> Any:
        """Object of the kind from its name, its class, a table of ``name`` and keys, or itself.

        Of nothing, the first that mechlearn knows.

        Raises
        ------
        InputError
            For anything else, unknown keys, and values that the class refuses.
        """
        keys: dict[str, Any] = {}
        if isinstance(given, Mapping):
            keys = dict(given)
            given = self.pick(keys.pop("name", None), f"{where}: name")
        elif given is None or isinstance(given, str):
            given = self.pick(next(iter(self)) if given is None else given, where)
        if not self.fits(given):
            raise InputError(f"{where} = {given!r} must be {self.about}; known are {listed(self)}.")
        if not (isinstance(given, type) or keys):
            return given
        from mechlearn.schema import build  # waits for pydantic until something is made

        return build(given, keys, where, ["name"])


#: How to bring an extension that is not there.
BRING = "One of your own is brought by --plugin FILE.py, or ml.register."


def name_of(thing: Any) -> str:
    """Name of an object: its attribute ``name``, else that of its class or function."""
    name = getattr(thing, "name", None)
    return name if isinstance(name, str) else str(getattr(thing, "__name__", type(thing).__name__))


def table_of(thing: Any) -> dict[str, Any]:
    """Table of a task file for an object: its name, and what it is made with."""
    from mechlearn.schema import settings

    return {"name": name_of(thing)} | {
        name: value.tolist() if hasattr(value, "tolist") else value
        for name, value in settings(thing).items()
        if value is not None
    }


def origin(thing: Any) -> str:
    """Plugin, file or module that an object's class or function is defined in."""
    module = inspect.getmodule(_defined(thing))
    name = getattr(module, "__name__", "__main__")
    file = getattr(module, "__file__", None)
    return Path(file).name if file and name.startswith(("__main__", PREFIX)) else name


def _class_of(thing: Any) -> type:
    return thing if isinstance(thing, type) else type(thing)


def registries() -> Iterator[Registry]:
    """All registries."""
    for module, name in HOMES.items():
        yield getattr(importlib.import_module(module), name)


def register[T](thing: T) -> T:
    """Make an extension known by its name, to task files, commands and Python.

    Parameters
    ----------
    thing : class, instance or function
        A subclass or instance of :class:`mechlearn.BondEnergy`, :class:`mechlearn.Rule`,
        :class:`mechlearn.Cost` or :class:`mechlearn.Optimiser`; a device with a method
        ``outputs``; a function of ``run`` and ``path`` that writes an export format, whose suffix
        is its name; or another function, a generator of networks.

    Returns
    -------
    The same, so that it can decorate a class or function.

    Raises
    ------
    InputError
        For an object of no such kind, and a name that is taken.
    """
    registry = next((r for r in registries() if r.fits(thing)), None)
    if registry is None:
        kinds = listed([r.kind for r in registries()])
        raise InputError(f"register: {thing!r} is none of {kinds}.")
    name = name_of(thing)
    if name.startswith("<"):
        raise InputError("register: a lambda has no name; write it as a function, with def.")
    if registry.prefix:  # of suffixes, which are compared in lower case
        name = registry.prefix + name.lower()
    there = registry.get(name)
    if there is not None and not _same(there, thing):
        raise InputError(
            f"register: the {registry.kind} {name!r} is there already, from "
            f"{registry.own.get(name, 'mechlearn')}; give yours another name."
        )
    registry[name], registry.own[name] = thing, origin(thing)
    return thing


def _defined(thing: Any) -> Any:
    """Function or class of an object."""
    return thing if inspect.isroutine(thing) else _class_of(thing)


def _same(old: Any, new: Any) -> bool:
    """True for a definition that was run again, as a cell of a notebook is."""
    one, other = _defined(old), _defined(new)
    where = (one.__module__, one.__qualname__)
    return where == (other.__module__, other.__qualname__) and not where[0].startswith("mechlearn.")


@dataclass(frozen=True)
class Loaded:
    """Extensions of users in this process, for other processes.

    Attributes
    ----------
    plugins : tuple of str
        Files and modules.
    objects : tuple
        Registered in a script or notebook.
    """

    plugins: tuple[str, ...]
    objects: tuple[Any, ...]

    @classmethod
    def now(cls) -> Self:
        """Return all that are known."""
        own = [registry[name] for registry in registries() for name in registry.own]
        script = tuple(thing for thing in own if _defined(thing).__module__ == "__main__")
        return cls(tuple(plugin for plugin in plugins if plugin != GROUP), script)

    def restore(self) -> None:
        """Load and register them here."""
        for plugin in self.plugins:
            load_plugin(plugin)
        for thing in self.objects:
            register(thing)

    def digests(self) -> dict[str, str]:
        """Return a digest of every plugin that is a file, by its name."""
        files = [path for path in map(Path, self.plugins) if path.is_file()]
        return {f"plugin {p.name}": sha256(p.read_bytes()).hexdigest() for p in files}


def fresh[T](thing: T) -> T:
    """Copy of an object that may keep state of its own, so that no training sees another's."""
    with suppress(Exception):  # what holds a connection or a lock can be no deep copy
        return deepcopy(thing)
    return copy(thing)


def kept_by(thing: Any) -> dict[str, Any]:
    """Copies of the numbers, arrays and None that users' objects keep beside their arguments."""
    from mechlearn.schema import settings

    own = getattr(thing, "__dict__", {}) if is_own(thing) else {}
    names = own.keys() - settings(thing).keys() if own else ()
    return {n: copy(own[n]) for n in names if isinstance(own[n], Number | np.ndarray | None)}


def give_back(thing: Any, kept: Mapping[str, Any]) -> None:
    """Let an object have what :func:`kept_by` found, or the same as arrays."""
    for name, value in kept.items():
        setattr(thing, name, value[()] if isinstance(value, np.ndarray) else value)


def is_own(thing: Any) -> bool:
    """True for an object of a class of users."""
    return not _is_ours(_class_of(thing))


@cache
def _is_ours(kind: type) -> bool:
    return kind.__module__.startswith("mechlearn.")


def needed(*pairs: tuple[str, Any]) -> dict[str, str]:
    """Origins of objects that are not mechlearn's own, by their name."""
    return {name: origin(thing) for name, thing in pairs if is_own(thing)}


# -- plugins -------------------------------------------------------------------------------------

#: Names of modules that are files given by their path.
PREFIX = "mechlearn_plugin_"


def load_plugin(plugin: str) -> None:
    """Load a file of Python, or a module by its name, and what it registers.

    Raises
    ------
    InputError
        Where it is not there, fails, or registers nothing.
    """
    path = Path(plugin).absolute()
    name = str(path) if plugin.endswith(".py") or path.is_file() else plugin
    if name in plugins:
        return
    before = sum(len(r.own) for r in registries())
    try:
        is_module = name == plugin and not Path(plugin).is_absolute()
        load, what = (importlib.import_module, plugin) if is_module else (_run, path)
        called(load, "it cannot be loaded", what)
    except MechlearnError as error:
        raise type(error)(f"--plugin {plugin}: {error}") from error
    if sum(len(r.own) for r in registries()) == before:
        raise InputError(f"--plugin {plugin} registers nothing: decorate with @ml.register.")
    plugins.append(name)


def _run(path: Path) -> None:
    """Load a file as a module, whose name is the same in every process."""
    name = f"{PREFIX}{path.stem}_{sha256(str(path).encode()).hexdigest()[:8]}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError("it is no file of Python.")
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise


def load_packages() -> None:
    """Load what installed packages bring, once.

    Raises
    ------
    InputError
        For a package whose plugin fails.
    """
    if GROUP in plugins:
        return
    plugins.append(GROUP)
    for point in entry_points(group=GROUP):
        try:
            found = point.load()
            if not isinstance(found, ModuleType):
                register(found)
        except Exception as error:  # code of others fails in any way
            raise InputError(
                f"The plugin {point.name!r} ({point.value}) cannot be loaded: {failure(error)}."
            ) from error


def callable_module(name: str, function: Callable[..., Any]) -> None:
    """Let a module be called as the function that it is named after."""
    kind = type(sys.modules[name])
    sys.modules[name].__class__ = type(kind.__name__, (kind,), {"__call__": staticmethod(function)})


# -- optional packages ---------------------------------------------------------------------------


def load(module: str, extra: str, purpose: str) -> ModuleType:
    """A module of an extra of mechlearn.

    Raises
    ------
    InputError
        Where it cannot be loaded; says for what purpose it is needed, and how to install it.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:
        package = module.partition(".")[0]
        raise InputError(
            f"{purpose} {package}, which cannot be loaded ({error}): {remedy(extra)}."
        ) from None


def remedy(extra: str) -> str:
    """The command that installs what an extra lists, wherever mechlearn itself came from."""
    try:
        lines = requires("mechlearn") or []
    except PackageNotFoundError:  # a clone that was not installed
        lines = []
    ours = re.compile(rf"(.*?) *; *extra == ['\"]{extra}['\"]")
    needed = [f"'{found[1]}'" for line in lines if (found := ours.fullmatch(line))]
    return f"install it with pip install {' '.join(needed) or f"'.[{extra}]' in its clone"}"
