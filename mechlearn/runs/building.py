"""Objects of task files: the network, its element, and values of the element's parameters."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mechlearn import networks
from mechlearn.attributes import values_per_bond
from mechlearn.energies import Element, element_of, energies
from mechlearn.errors import InputError
from mechlearn.extensions import load_packages
from mechlearn.network import Network
from mechlearn.runs.config import EnergyTable, NetworkTable


def build_network(table: NetworkTable, folder: Path = Path()) -> Network:
    """Network of a table; files are relative to ``folder``."""
    parameters = dict(table.model_extra or {})
    ways = [k for k in ("generator", "file", "points") if getattr(table, k) is not None]
    if len(ways) != 1:
        raise InputError("network: give exactly one of generator, file and points.")
    if (table.edges is None) != (table.points is None):
        raise InputError("network: points and edges go together.")
    if table.generator is not None:
        return networks.generate(table.generator, **parameters)
    if table.file is not None:
        return networks.from_file(folder / table.file, **parameters)
    if parameters:
        raise InputError(f"network: {min(parameters)} is not a known key beside points and edges.")
    return Network(_rows(table.points or []), np.array(table.edges, dtype=np.int64).reshape(-1, 2))


def build_element(table: EnergyTable, dim: int) -> Element:
    """Element of a table for networks of a dimension, settings validated."""
    return element_of({"model": table.model, **(table.model_extra or {})}, dim)


def named_element(table: EnergyTable, given: Element | None, dim: int) -> Element:
    """Element of a table: the given one if its name matches, else one of mechlearn's.

    Raises
    ------
    InputError
        Where it is neither.
    """
    if given is None:
        if not energies.keys() >= set(table.models):
            load_packages()
        for name in set(table.models) - energies.keys():
            raise InputError(
                f"energy: model = {name!r} is none of {', '.join(energies)}; give the one it was "
                "trained with by --plugin, ml.register or Run.load(folder, energy=MyEnergy())."
            )
        return build_element(table, dim)
    given = energies.make(given, "energy")
    if not isinstance(given, Element) or given.name != table.model:
        raise InputError(f"energy = {given!r} must be an Element whose name is {table.model!r}.")
    return given.in_dimension(dim)


def build_energy(table: EnergyTable, network: Network) -> tuple[Element, dict[str, NDArray]]:
    """The element's energy, and the values of its parameters that the file gives."""
    energy = build_element(table, network.dim)
    return energy, build_material(table, energy, network)


def build_material(
    table: EnergyTable, energy: Element, network: Network
) -> dict[str, NDArray[np.float64]]:
    """The values of an element's parameters that a table gives."""
    fixed = energy.setting_names()
    return {
        name: values_per_bond(value, network, f"energy.{name}", energy.parameter(name))
        for name, value in (table.model_extra or {}).items()
        if name not in fixed
    }


def _rows(points: list[list[float]]) -> NDArray:
    if len({len(p) for p in points}) > 1:
        raise InputError("network: points must all have two, or all three, coordinates.")
    return np.array(points, dtype=float)
