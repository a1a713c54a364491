"""Networks to train: lattices, Delaunay triangulations, packings, proteins, crossbars, files.

Every generator is a function that returns a :class:`~mechlearn.network.Network`; ``generators``
holds those a task file can name, and :func:`generate` calls one by its name.
"""

import difflib
import inspect
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from numbers import Integral, Real
from typing import Any

from mechlearn.errors import InputError
from mechlearn.network import Network
from mechlearn.networks.crossbar import crossbar
from mechlearn.networks.delaunay import delaunay
from mechlearn.networks.files import from_file, to_text
from mechlearn.networks.graphs import from_networkx
from mechlearn.networks.lattice import cubic, fcc, honeycomb, kagome, square, triangular
from mechlearn.networks.packing import packing
from mechlearn.networks.protein import protein
from mechlearn.networks.prune import prune_to_coordination
from mechlearn.networks.trim import keep_nodes, trim_floppy

__all__ = [
    "crossbar",
    "cubic",
    "delaunay",
    "fcc",
    "from_file",
    "from_networkx",
    "generate",
    "generators",
    "honeycomb",
    "kagome",
    "keep_nodes",
    "packing",
    "protein",
    "prune_to_coordination",
    "square",
    "to_text",
    "triangular",
    "trim_floppy",
]

#: Generators by the name a task file gives them.
generators: dict[str, Callable[..., Network]] = {
    f.__name__: f
    for f in (packing, delaunay, triangular, square, honeycomb, kagome, cubic, fcc, crossbar)
}


def generate(name: str, /, **parameters: Any) -> Network:
    """Call a generator with its parameters, as a task file does.

    Parameters
    ----------
    name : str
        One of ``generators``.
    **parameters
        Those of the generator.

    Raises
    ------
    InputError
        For an unknown generator, or a parameter that is unknown or of the wrong type (with the
        nearest name and the ones allowed), and whatever the generator refuses.
    """
    if name not in generators:
        raise InputError(_unknown("generator", name, generators, "the generators are"))
    generator = generators[name]
    allowed = inspect.signature(generator).parameters
    for key, value in parameters.items():
        if key not in allowed:
            raise InputError(_unknown(f"parameter of {name}", key, allowed, "it takes"))
        kind = allowed[key].annotation
        if not _fits(value, kind):
            raise InputError(
                f"The parameter {key} of {name} must be {_in_words(kind)}, not {value!r}."
            )
    return generator(**parameters)


def _unknown(what: str, name: str, known: Iterable[str], lead: str) -> str:
    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ";"
    return f"There is no {what} called {name!r}{hint} {lead} {', '.join(known)}."


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, types.UnionType):
        return any(_fits(value, k) for k in typing.get_args(kind))
    if kind is type(None):
        return value is None
    if kind is bool:
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if typing.get_origin(kind) is Sequence:
        of = typing.get_args(kind)[0]
        return (
            not isinstance(value, str)
            and isinstance(value, Sequence)
            and all(_fits(v, of) for v in value)
        )
    return isinstance(value, {int: Integral, float: Real}.get(kind, kind))


def _in_words(kind: Any) -> str:
    if isinstance(kind, types.UnionType):
        return " or ".join(_in_words(k) for k in typing.get_args(kind) if k is not type(None))
    if typing.get_origin(kind) is Sequence:
        return "a list of whole numbers"
    return {int: "a whole number", float: "a number", bool: "true or false"}.get(kind, str(kind))
