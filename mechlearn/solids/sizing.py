"""Strut widths from learned stiffnesses, subject to a smallest width.

A spring of stiffness ``k`` is a strut of axial stiffness ``E A / l = k``; a wide range of stiffness
needs a wide range of widths, and no printer has it. Widths that were learned are used as they are,
unless a smallest one is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.element import Element
from mechlearn.energies.kinematics import Displacements
from mechlearn.energies.rigidity import rigidity
from mechlearn.errors import InputError
from mechlearn.network import Network

if TYPE_CHECKING:
    from mechlearn.runs.run import Run

#: Width of the widest strut over the mean length of the struts, where nothing else is said.
LARGEST = 0.2
#: The smallest width of springs' struts over the largest, where nothing else is said.
SMALLEST = 0.1


@dataclass(frozen=True, eq=False)
class SizedStruts:
    """Learned network as struts of finite width.

    Attributes
    ----------
    network : Network
        What is left of it.
    width : (m,) array
        Of its struts: in the plane their width, in space their diameter.
    modulus : float
        Young's modulus that goes with the widths, so that ``E A / l`` is the learned stiffness.
    kept : (bonds,) bool array
        Which bonds of the learned network are left.
    clipped : integer array
        Struts that should be thinner, and cannot.
    asked : (smallest, largest)
        The range of widths that the learned network asks for.
    """

    network: Network
    width: NDArray[np.float64]
    modulus: float
    kept: NDArray[np.bool_]
    clipped: NDArray[np.int64]
    asked: tuple[float, float]

    def __str__(self) -> str:
        low, high = self.asked
        lines = [
            f"The learned stiffnesses ask for widths from {low:.3g} to {high:.3g}, a range of "
            f"{high / low:.3g}; those made are {self.width.min():.3g} to {self.width.max():.3g}."
        ]
        return " ".join([*lines, self.changes]).rstrip()

    @property
    def changes(self) -> str:
        """Description of struts that were left out or widened; empty where there are none."""
        lines = []
        dropped = np.count_nonzero(~self.kept)
        if dropped:
            lines.append(f"{dropped} struts below the smallest width were left out.")
        if len(self.clipped):
            lines.append(f"{len(self.clipped)} were made as wide as the smallest width instead.")
        return " ".join(lines)


def size_struts(
    run: "Run", *, largest: float | None = None, smallest: float | None = None, drop: bool = True
) -> SizedStruts:
    """Struts with the learned stiffnesses.

    Parameters
    ----------
    run : Run
        Of springs, bars, beams or solid struts.
    largest : float, optional
        Width of the widest strut over the mean length of the bonds; of springs only, whose widths
        are free up to a factor. 0.2 if left out.
    smallest : float, optional
        The smallest width that can be made, over the largest. If left out, 0.1 of springs; other
        widths are used as they are.
    drop : bool
        Whether struts that would be thinner are left out, as long as that leaves no floppy mode
        (those with the least stiffness first); else, and where it would, they are made that wide.

    Raises
    ------
    InputError
        For other physics, and widths that make no sense.
    """
    if run.energy.section(run.parameters) is None:  # any widths, up to a factor
        largest = LARGEST if largest is None else largest
        smallest = SMALLEST if smallest is None else smallest
    elif largest is not None:
        raise InputError(
            f"largest = {largest:g}: the struts of a {run.energy.name} have widths of their own."
        )
    width, modulus = _wanted(run, largest)
    return sized(run, width, modulus, smallest, drop)


def sized(
    run: "Run", width: NDArray, modulus: float, smallest: float | None, drop: bool = True
) -> SizedStruts:
    """Struts of given widths, none below ``smallest`` times the widest; see :func:`size_struts`.

    Raises
    ------
    InputError
        Where ``smallest`` is not between 0 and 1, or ``drop`` is off without it.
    """
    if smallest is None and not drop:
        raise InputError("keep needs smallest: nothing else says which struts are too thin.")
    if smallest is not None and not 0 < smallest < 1:
        raise InputError(f"smallest = {smallest:g} must lie between 0 and 1.")
    least = (smallest or 0.0) * width.max()
    thin = width < least * (1 - 1e-9)
    kept = np.ones(len(width), dtype=bool)
    if drop:
        for bond in np.flatnonzero(thin)[np.argsort(width[thin])]:
            kept[bond] = False
            if not _is_rigid(run, kept):
                kept[bond] = True
    network = run.network.keep_edges(kept)
    left = np.flatnonzero(kept)
    clipped = np.flatnonzero(thin[left])
    made = np.maximum(width[left], least)
    positive = width[width > 0]
    return SizedStruts(network, made, modulus, kept, clipped, (positive.min(), positive.max()))


def _wanted(run: "Run", largest: float | None) -> tuple[NDArray[np.float64], float]:
    """Width of every bond, and the modulus for which it has the learned stiffness."""
    energy, net = run.energy, run.network
    if net.body is not None:
        raise InputError("A body has no struts: what becomes of it is a mesh (.vtu, .msh).")
    if not isinstance(energy.kinematics, Displacements):
        raise InputError(f"A run of springs, beams or solids is needed, not of a {energy.name}.")
    if energy.tuples:
        raise InputError(f"A solid has no counterpart of {energy.tuples[0].plural}.")
    values = {**run.parameters, "length": net.lengths}
    if energy.prestresses(values):
        raise InputError(
            "This network has learned rest lengths, eigenstrains or another prestress; a solid is "
            "made without."
        )
    section = energy.section(values)
    if section is None:
        if largest is None or not 0 < largest < 1:
            raise InputError(f"largest = {largest} must lie between 0 and 1.")
        rigidity = axial_stiffness(energy, values) * net.lengths  # E A
        widest = largest * net.lengths.mean()
        if net.dim == 2:
            modulus = rigidity.max() / widest
            return rigidity / modulus, modulus
        modulus = rigidity.max() / (np.pi / 4 * widest**2)
        return np.sqrt(rigidity / (np.pi / 4 * modulus)), modulus
    for name, what in (("modulus", "material"), ("thickness", "sheet")):
        value = getattr(section, name)
        if value is not None and np.ptp(value) > 1e-12 * np.max(value):
            raise InputError(
                f"The struts of a solid are of one {what}, so of one {name}, and this network has "
                f"learned many; let widths learn instead ([learn.width]; [learn.radius] of beams "
                "in 3D)."
            )
    return section.width, float(section.modulus[0])


def axial_stiffness(energy: Element, values: Mapping[str, NDArray]) -> NDArray[np.float64]:
    """Force per extension of unstrained elements without a section, (m,).

    Raises
    ------
    InputError
        For elements that do more than to pull at their ends, and where one would buckle at once.
    """
    found = energy.axial_stiffness(values)
    if found is None or energy.kinematics.rotations(2):
        raise InputError(f"Nothing says how wide the struts of a {energy.name} are.")
    if not (np.all(found >= 0) and np.any(found)):
        raise InputError(f"A {energy.name} has no stiffness at rest that a strut could have.")
    return found


def _is_rigid(run: "Run", kept: NDArray[np.bool_]) -> bool:
    """True if the network of some bonds is rigid with pin joints."""
    nodes = set(run.network.edges[kept].ravel().tolist())
    used = {
        n for t in (*run.problem.task.sources, *run.problem.task.targets) for n in t.nodes or ()
    }
    if len(nodes) < run.network.n_nodes or not used <= nodes:
        return False
    try:
        held, kinematics = run.problem.supported, run.energy.kinematics
        return not rigidity(run.network.keep_edges(kept), held, kinematics).floppy
    except InputError:  # in pieces
        return False
