"""Export of learned networks: parts to make, input decks of other codes, plain data.

A format is a suffix here and a function ``write(run, path, options)`` in a module of its kind,
which writes the file and returns a line that says what is in it. :mod:`mechlearn.networks.files`
reads those that carry the network.
"""

import inspect
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechlearn.errors import InputError, MechlearnError, called, failure
from mechlearn.export.options import BODY, MAKING, SIZING, Options
from mechlearn.extensions import Registry, callable_module
from mechlearn.io.formats import FORMATS as MESHES
from mechlearn.io.writing import replaced_file

if TYPE_CHECKING:
    from mechlearn.runs.run import Run


@dataclass(frozen=True)
class Format:
    """File format with its writer and the options it takes.

    Parameters
    ----------
    module : str
        The module of this package that writes it.
    about : str
        What it is, in a few words.
    takes : tuple of str
        Names of the :class:`Options` that mean something to it.
    """

    module: str
    about: str
    takes: tuple[str, ...] = ()


_KNOWN = {
    # to be made
    ".stl": Format("printing", "triangles, mm (no unit in the file)", MAKING + BODY),
    ".3mf": Format("printing", "triangles or beam lattice, mm", (*MAKING, *BODY, "lattice")),
    ".ply": Format("printing", "triangles, mm (no unit in the file)", MAKING + BODY),
    ".step": Format("step", "a solid for CAD, mm", MAKING + BODY),
    ".stp": Format("step", "a solid for CAD, mm", MAKING + BODY),
    ".dxf": Format("laser", "closed outlines for a laser, mm", (*MAKING, "kerf")),
    ".svg": Format("laser", "closed outlines for a laser, mm", (*MAKING, "kerf")),
    # for other finite-element codes
    ".inp": Format(
        "deck",
        "an input deck for CalculiX and Abaqus",
        (*SIZING, "model", "abaqus", "poisson", "mesh_size"),
    ),
    # proteins, and scripts with the structure beside them
    ".pdb": Format("structure", "C-alpha atoms with B-factors", ("bfactor",)),
    ".cif": Format("structure", "C-alpha atoms with B-factors (mmCIF)", ("bfactor",)),
    ".cxc": Format("structure", "a script for ChimeraX", ("bfactor",)),
    ".pml": Format("structure", "a script for PyMOL", ("bfactor",)),
    # the network as data
    ".graphml": Format("network", "a graph with data of nodes and bonds"),
    ".csv": Format("network", "a table of bonds, and one of nodes beside it"),
    ".npz": Format("network", "NumPy arrays"),
} | {
    suffix: Format("network", "lines" + (" with data" if data else ""))
    for suffix, (_, data) in MESHES.items()
}


#: Modules of formats that keep networks as data.
DATA = ("network", "structure")


def _writes(thing: Any) -> bool:
    """True for a function of a run, which has to take a path, too, and nothing else."""
    if not inspect.isfunction(thing) or "run" not in inspect.signature(thing).parameters:
        return False
    try:
        inspect.signature(thing).bind(run=None, path=None)
    except TypeError as error:
        raise InputError(
            f"register: {thing.__name__} must be a function of run and path, as an export format: "
            f"{failure(error)}."
        ) from None
    return True


#: Formats by their suffix: of mechlearn, and functions of a run and a path of users' own.
FORMATS = Registry("export format", _writes, "a function of run and path", _KNOWN, prefix=".")


def export(run: "Run", path: str | Path, **options: Any) -> str:
    """Write the learned network of a run in the format of the suffix.

    Folders on the way are made.

    Parameters
    ----------
    run : Run
    path : path
        Its suffix is one of :data:`FORMATS`.
    **options
        Of :class:`Options`.

    Returns
    -------
    What is in the file, in a line or two.

    Raises
    ------
    InputError
        For a format that cannot carry the network, options that mean nothing to it, a part that
        cannot be made, or a file that cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    form = FORMATS.pick(suffix, f"{path}: the format")
    takes = form.takes if isinstance(form, Format) else ()
    known = Options.__dataclass_fields__
    for name in options:
        if name not in known:
            raise InputError(f"{path}: {name!r} is no option of exports ({', '.join(known)}).")
    try:
        chosen = replace(Options(), **options)
        for name in chosen.given():
            if name not in takes:
                said = f"{suffix} takes {', '.join(takes)}" if takes else "none does"
                raise InputError(f"{name} means nothing to {suffix} files; {said}.")
        if isinstance(form, Format) and run.energy.tuples and form.module not in DATA:
            what = run.energy.tuples[0].plural
            raise InputError(f"{what} have no counterpart in {suffix} files; export .vtu or .npz.")
        if not isinstance(form, Format):
            with replaced_file(path) as place:
                said = called(form, f"the format {suffix} failed", run=run, path=place)
                if not place.exists():
                    raise InputError(f"the format {suffix} wrote no file to the path it was given.")
            return "" if said is None else str(said)
        return import_module(f"mechlearn.export.{form.module}").write(run, path, chosen)
    except MechlearnError as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from None


callable_module(__name__, export)
