"""Targets of the stiffness tensor of a periodic cell, as stresses under unit strains."""

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError
from mechlearn.fem.macroscopic_strain import cell_components, multiplicity

if TYPE_CHECKING:
    from mechlearn.energies.element import Element
    from mechlearn.tasks.task import Source, Target, Task

#: Dimension of space by the number of rows of a stiffness tensor.
DIMENSIONS = {3: 2, 6: 3}
#: Entries on both sides of the diagonal differ by no more than this part of the largest.
SYMMETRIC = 1e-9


def unit_strains(task: "Task", source: type["Source"]) -> dict[str, Any]:
    """Sources, targets and examples of a task with its targets of moduli spelled out.

    Every such target gets a ``source`` of the cell's strain, and an example for each column of the
    tensor, in which nothing else acts. Nothing where there are no such targets.

    Raises
    ------
    ValueError
        For what is no stiffness tensor.
    """
    for target in task.targets:
        if target.mask is not None and target.quantity != "moduli":
            raise ValueError(f"target {target.name!r}: a mask is one of moduli; leave it out")
    asked = [
        t for t in task.targets
        if t.quantity == "moduli" and any(isinstance(row, list) for row in cast(list, t.value))
    ]  # fmt: skip
    if not asked:
        return {}
    terminals = [*task.sources, *task.targets]
    others = [t for t in task.targets if t not in asked]
    strained = {t.name: f"{t.name} strain" for t in asked}
    off = dict.fromkeys([*(t.name for t in terminals), *strained.values()], "free")
    quiet = {name: "free" for pair in strained.items() for name in pair}
    examples: list[Any] = [e | quiet for e in task.examples or [{}]] if others else []
    sources, targets = list(task.sources), list(task.targets)
    for target in asked:
        wanted = _wanted(target)
        names = list(cell_components(DIMENSIONS[len(wanted)]))
        units = np.diag([1 / multiplicity(name) for name in names]).tolist()
        name, strain = target.name, strained[target.name]
        sources.append(source(name=strain, cell=names, strain=units[0]))
        columns = [["free" if np.isnan(v) else float(v) for v in column] for column in wanted.T]
        for unit, column in zip(units, columns, strict=True):
            if set(column) != {"free"}:
                examples.append(off | {strain: unit, name: column})
        change = {"cell": names, "mask": None, "moduli": np.nan_to_num(wanted[:, 0]).tolist()}
        targets[targets.index(target)] = target.model_copy(update=change)
    return {"sources": sources, "targets": targets, "examples": examples}


def require_linear(task: "Task", energy: "Element") -> None:
    """Raise InputError for targets of linear elements in a task on others."""
    for target in task.targets:
        if target.kind.of_linear and not energy.linear:
            raise InputError(
                f"{target.full_name}: {target.kind.title} are learned by linear elements, not by a "
                f"{energy.name}; give it stresses at small strains, in examples of their own."
            )


def _wanted(target: "Target") -> NDArray[np.float64]:
    """Upper triangle of the wanted tensor, nan where nothing is asked."""
    name, rows = target.name, cast(list, target.value)
    if target.cell != "whole":
        raise ValueError(f"target {name!r}: moduli are of the whole cell; leave cell out")
    given = np.array([[np.nan if v == "free" else v for v in row] for row in rows], dtype=object)
    if given.shape not in [(n, n) for n in DIMENSIONS]:
        raise ValueError(
            f"target {name!r}: moduli need 3 rows of 3 numbers in 2D, 6 of 6 in 3D, in the order "
            "xx, yy, xy, or xx, yy, zz, yz, xz, xy"
        )
    tensor = given.astype(float)
    mask = np.ones_like(tensor) if target.mask is None else np.array(target.mask, dtype=object)
    if mask.shape != tensor.shape:
        raise ValueError(f"target {name!r}: mask needs as many rows and numbers as moduli")
    tensor[mask.astype(float) == 0] = np.nan
    if np.isnan(tensor).all():
        raise ValueError(f"target {name!r} asks for none of the moduli")
    across = np.where(np.isnan(tensor), tensor.T, tensor)
    if np.nanmax(np.abs(across - across.T), initial=0.0) > SYMMETRIC * np.nanmax(np.abs(tensor)):
        raise ValueError(f"target {name!r}: a stiffness tensor is symmetric; moduli are not")
    if not np.isnan(across).any() and np.linalg.eigvalsh(across)[0] <= 0:
        raise ValueError(
            f"target {name!r}: no stable cell has these moduli, whose smallest eigenvalue is "
            f"{np.linalg.eigvalsh(across)[0]:g}"
        )
    if (np.diag(across) <= 0).any():
        raise ValueError(f"target {name!r}: moduli on the diagonal must be above 0")
    return np.where(np.triu(np.ones_like(across)) > 0, across, np.nan)
