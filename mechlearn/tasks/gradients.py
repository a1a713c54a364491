"""Deformation gradient and first Piola-Kirchhoff stress of a periodic cell, entry by entry."""

from typing import TYPE_CHECKING, Any, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError, listed
from mechlearn.fem.macroscopic_strain import cell_components, gradient_basis
from mechlearn.network import Network
from mechlearn.tasks.ports import GradientPort, Port, volume
from mechlearn.tasks.quantity import Place, Quantity, require_cell

if TYPE_CHECKING:
    from mechlearn.tasks.task import Terminal

#: What ``cell`` says of a tensor of the whole cell.
WHOLE = "whole"
#: Linearly dependent rows are told from independent ones by this part of their size.
DEPENDENT = 1e-9


class _Tensor(Quantity):
    """Base of the tensors of the whole cell."""

    tensor = True
    #: What is taken off its value: the identity for the deformation gradient.
    at_rest = 0.0

    @override
    def numbers(self, value: Any) -> NDArray[np.float64]:
        free = [[np.nan if v == "free" else v for v in row] for row in value]
        tensor = np.array(free, dtype=float)
        return (tensor - self.at_rest * np.eye(len(tensor))).ravel()

    @override
    def ports(self, at: Place) -> list[Port]:
        require_cell(at)
        terminal, name, dim = at.terminal, at.terminal.full_name, at.network.dim
        if terminal.cell != WHOLE:
            raise InputError(
                f"{name}: a {self.title} is of the whole cell; leave cell = {terminal.cell!r} out."
            )
        for value in (terminal.value, *(e.get(terminal.name) for e in at.task.examples)):
            if value not in (None, "free") and not _is_square(value, dim):
                raise InputError(
                    f"{name}: {self.key} = {value} needs {dim} rows of {dim} numbers in {dim}D."
                )
        names = [a + b for a in "xyz"[:dim] for b in "xyz"[:dim]]
        unit = volume(at.network) if self.through else 1.0
        return [
            GradientPort(terminal.name, unit=unit, cell=n, offset=self.at_rest * (n[0] == n[1]))
            for n in names
        ]


class DeformationGradient(_Tensor):
    """Of the cell, row by row; entries that are "free" carry no stress.

    Where F_ij and F_ji both are free, the cell does not turn in that plane: F_ij = F_ji.
    """

    key, title, at_rest = "deformation_gradient", "deformation gradient", 1.0

    @override
    def check(self, values: NDArray, terminal: "Terminal", numbers: NDArray) -> None:
        dim = round(values.shape[1] ** 0.5)
        for number, value in zip(numbers, values.reshape(-1, dim, dim), strict=True):
            start = f"example {number}: deformation_gradient of {terminal.name!r}"
            given = value + np.eye(dim)
            if np.isnan(given).all():
                raise InputError(f"{start} leaves all entries free; give at least one.")
            if np.isnan(given).any():
                normal = given.diagonal()
                if (normal <= 0).any():
                    raise InputError(
                        f"{start} has {np.nanmin(normal):g} on its diagonal, which must be above 0 "
                        "where other entries are free."
                    )
                continue
            if np.linalg.det(given) <= 0:
                raise InputError(
                    f"{start} has the determinant {np.linalg.det(given):g}; it must be above 0, or "
                    "the cell would be turned inside out."
                )
            along = np.linalg.eigvals(given)
            if ((np.abs(along.imag) < DEPENDENT) & (along.real <= 0)).any():
                raise InputError(
                    f"{start} cannot be reached from rest along a straight line, on which its "
                    "determinant would vanish; leave the turn out, which costs nothing."
                )


class PiolaStress(_Tensor):
    """Of the cell, first Piola-Kirchhoff: force over undeformed area, row by row.

    The first index is the direction of the force, the second the normal of the undeformed area.
    Entries that are "free" are not asked for, or zero where it is applied.
    """

    key, title, through = "piola_stress", "first Piola-Kirchhoff stress", True


def _is_square(value: Any, dim: int) -> bool:
    rows = isinstance(value, list) and len(value) == dim
    return rows and all(isinstance(row, list) and len(row) == dim for row in value)


def unknowns_of_cell(
    network: Network, ports: list[Port], entering: NDArray[np.bool_]
) -> tuple[str, ...]:
    """Names of the cell's unknowns; none where it is rigid.

    Parameters
    ----------
    network : Network
    ports : list of Port
    entering : (ports,) bool array
        Those that are held or loaded in some example.
    """
    if not any(port.cell is not None for port in ports):
        return ()
    turning = {
        "".join(sorted(str(port.cell)))
        for port, enters in zip(ports, entering, strict=True)
        if isinstance(port, GradientPort) and enters
    }
    return cell_components(network.dim, turning)


def held_against_turning(
    names: tuple[str, ...], ports: list[Port], held: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Ports that hold the cell against turning, one for every plane in which it may turn.

    Parameters
    ----------
    names : tuple of str
        Of the cell's unknowns.
    ports : list of Port
    held : (examples, ports) bool array

    Raises
    ------
    InputError
        Where there is none, and where what is held in an example is not independent.
    """
    out = list[int]()
    for plane in [name for name in names if name[0] > name[1]]:
        both = (plane, plane[::-1])
        mine = [k for k, p in enumerate(ports) if isinstance(p, GradientPort) and p.cell in both]
        firm = [k for k in mine if held[:, k].all()]
        if not firm:
            raise InputError(
                f"{ports[mine[0]].terminal!r} is about {plane[::-1]} or {plane} of the deformation "
                "gradient, but nothing holds the cell against turning in that plane: give one of "
                "both in every example, or leave both free."
            )
        out.append(firm[0])
    return np.array(out, dtype=np.int64)


def check_independent(
    names: tuple[str, ...], ports: list[Port], rows: NDArray[np.float64], held: NDArray[np.bool_]
) -> None:
    """Raise InputError where more of the cell is held in an example than is independent.

    ``rows`` are those of the ports on the entries of ``F - I``, (ports, d d).
    """
    of_cell = np.array([port.cell is not None for port in ports])
    on_unknowns = rows @ gradient_basis(names)
    for pattern in np.unique(held & of_cell, axis=0):
        there = np.flatnonzero(pattern)
        if np.linalg.matrix_rank(on_unknowns[there], DEPENDENT) < len(there):
            said = listed(dict.fromkeys(ports[k].terminal for k in there))
            what = listed(str(ports[k].cell) for k in there)
            raise InputError(
                f"The strain of the cell is held more than once by {said} ({what}): one of these "
                "follows from the others; leave it free."
            )
