"""Networks to train: lattices, Delaunay triangulations, packings, proteins, crossbars, files.

Every generator is a function that returns a :class:`~mechlearn.network.Network`; ``generators``
holds those a task file can name, and :func:`generate` calls one by its name.
"""

import inspect
from typing import Any

from mechlearn.errors import InputError, called, hint
from mechlearn.extensions import Registry
from mechlearn.network import Network
from mechlearn.networks._check import fits, in_words
from mechlearn.networks.angles import with_angles
from mechlearn.networks.arch import arch
from mechlearn.networks.body_meshes import body
from mechlearn.networks.crossbar import crossbar
from mechlearn.networks.delaunay import delaunay
from mechlearn.networks.files import from_file, to_text
from mechlearn.networks.graphs import from_networkx
from mechlearn.networks.imperfection import imperfect
from mechlearn.networks.lattice import cubic, fcc, honeycomb, kagome, square, triangular
from mechlearn.networks.membranes import balloon, membrane_chain
from mechlearn.networks.origami import hinges, miura
from mechlearn.networks.packing import packing
from mechlearn.networks.protein import protein
from mechlearn.networks.prune import prune_to_coordination
from mechlearn.networks.trim import keep_nodes, trim_floppy

__all__ = [
    "arch", "balloon", "body", "crossbar", "cubic", "delaunay", "fcc", "from_file", "from_networkx",
    "generate", "generators", "hinges", "honeycomb", "imperfect", "kagome", "keep_nodes",
    "membrane_chain", "miura", "packing", "protein", "prune_to_coordination", "square", "to_text",
    "triangular", "trim_floppy", "with_angles",
]  # fmt: skip

#: Generators by the name a task file gives them.
generators = Registry(
    "generator",
    inspect.isfunction,
    "a generator: a function that returns an ml.Network",
    (
        packing,
        delaunay,
        triangular,
        square,
        honeycomb,
        kagome,
        cubic,
        fcc,
        crossbar,
        miura,
        membrane_chain,
        balloon,
        arch,
    ),
)


def __dir__() -> list[str]:
    return __all__


def seeded(name: str | None) -> bool:
    """True for the name of a generator with a seed."""
    generator = generators.get(name) if name else None
    return generator is not None and "seed" in inspect.signature(generator).parameters


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
    generator = generators.pick(name, "network: generator")
    allowed = inspect.signature(generator).parameters
    for key, value in parameters.items():
        if key not in allowed:
            raise InputError(
                f"network: {key} is not a known key of {name}; {hint(key, list(allowed))}"
            )
        kind = allowed[key].annotation
        if not fits(value, kind):
            raise InputError(
                f"The parameter {key} of {name} must be {in_words(kind)}, not {value!r}."
            )
    made = called(generator, f"network: {name} cannot be made", **parameters)
    if not isinstance(made, Network):
        kind = type(made).__name__
        raise InputError(f"network: {name} returned a {kind}; it must return an ml.Network.")
    return made
