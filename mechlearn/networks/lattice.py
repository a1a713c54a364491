"""Regular lattices, finite or periodic, perfect or with disorder.

Every lattice is a unit cell (lattice vectors and basis) whose sites are joined at given distances;
one builder, :func:`_lattice`, makes them all. ``spacing`` is always the length of the shortest
bond. Disorder moves nodes after the bonds are drawn, so the topology stays that of the lattice.

Finite lattices carry the node sets ``left`` and ``right`` (along x), ``bottom`` and ``top`` (along
the last axis), in 3D also ``front`` and ``back`` (along y): the nodes within half a spacing of
that face.
"""

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.errors import InputError
from mechlearn.network import Network
from mechlearn.networks import _check

ROOT2, ROOT3 = np.sqrt(2.0), np.sqrt(3.0)


class UnitCell(NamedTuple):
    """Lattice vectors and basis, in units of the shortest bond, and cells along the axes.

    ``stagger`` shifts row ``j`` of cells back by ``j // 2``, so that an oblique lattice fills an
    upright box. ``diagonals`` are offered by lattices that have bonds to second neighbours.
    """

    vectors: ArrayLike
    basis: ArrayLike
    size: tuple[int, ...]
    stagger: bool = False
    diagonals: bool = False


def _lattice(
    name: str,
    unit: UnitCell,
    size: Sequence[int],
    spacing: float = 1.0,
    disorder: float = 0.0,
    seed: int = 0,
    periodic: bool = False,
    diagonals: bool = False,
) -> Network:
    """Lattice of a unit cell repeated on a grid, with bonds of length 1, and of sqrt(2)."""
    reach = [1, ROOT2] if diagonals else [1]
    vectors, basis = np.array(unit.vectors, dtype=float), np.array(unit.basis, dtype=float)
    d = len(vectors)
    size = _size(name, size, d)
    shown = f"A {name} lattice of {' x '.join(map(str, size))}"
    _check.many(shown, math.prod(size) * len(basis))
    spacing = _check.number(f"The spacing of a {name} lattice", spacing)
    if spacing <= 0:
        raise InputError(f"The spacing of a {name} lattice must be positive, not {spacing:g}.")
    disorder = _check.number(f"The disorder of a {name} lattice", disorder, 0, 0.4)
    seed = _check.integer(f"The seed of a {name} lattice", seed, 0)
    grid = np.indices(size).reshape(d, -1).T
    bonds = _bonds_of_cell(vectors, basis, reach)
    edges, shifts = _grid_bonds(grid, size, bonds, len(basis), periodic, unit.stagger)
    if not len(edges):
        raise InputError(f"{shown} has no bonds.")
    cells = grid.copy()
    cell = np.array(size)[:, None] * vectors
    if unit.stagger:
        cells[:, 0] -= grid[:, 1] // 2
        cell[1] -= (size[1] // 2) * vectors[0]
    # Not by BLAS: the last digit of its products depends on the processor.
    corners = (cells[:, :, None] * vectors).sum(axis=1)
    nodes = (corners[:, None] + basis).reshape(-1, d)
    # Corners of a thin lattice can be left without a bond.
    used = np.unique(edges)
    edges, nodes = np.searchsorted(used, edges), nodes[used]
    move = np.random.default_rng(seed).uniform(-1, 1, nodes.shape) * disorder
    return Network(
        nodes=(nodes + move) * spacing,
        edges=edges,
        cell=cell * spacing if periodic else None,
        shifts=shifts if periodic else None,
        node_sets={} if periodic else faces(nodes, 0.51),
    )


def _generator(unit: UnitCell) -> Callable[[Callable[[], None]], Callable[..., Network]]:
    """Decorator that makes the generator of a unit cell's lattices of a name and its docstring.

    The arguments are those of :func:`_lattice`; counts also come one by one, as in
    ``triangular(8, 6)``.
    """
    known = dict(inspect.signature(_lattice).parameters)
    del known["name"], known["unit"]
    known["size"] = known["size"].replace(default=unit.size)
    if not unit.diagonals:
        del known["diagonals"]

    def decorate(named: Callable[[], None]) -> Callable[..., Network]:
        signature = inspect.Signature([*known.values()], return_annotation=Network)

        def lattice(*given: Any, **options: Any) -> Network:
            counts = (given,) if given and isinstance(given[0], Integral) else given
            bound = signature.bind(*counts, **options)
            bound.apply_defaults()
            return _lattice(named.__name__, unit, **bound.arguments)

        functools.update_wrapper(lattice, named)
        lattice.__signature__ = signature  # type: ignore[attr-defined]
        lattice.__annotations__ = {name: key.annotation for name, key in known.items()}
        del lattice.__wrapped__  # type: ignore[attr-defined]  # has no arguments
        return lattice

    return decorate


@_generator(UnitCell([[1, 0], [0.5, ROOT3 / 2]], [[0, 0]], (8, 8), stagger=True))
def triangular() -> None:
    """Triangular lattice, 6 bonds per bulk node: rigid, far above isostatic.

    Parameters
    ----------
    size : (nx, ny)
        Nodes per row, and rows; also one by one, ``triangular(8, 6)``. Every other row is shifted
        by half a spacing.
    spacing : float
        Length of a bond.
    disorder : float
        Each coordinate moves by a uniform random amount within this fraction of the spacing,
        0 to 0.4.
    seed : int
        Of the disorder.
    periodic : bool
        Whether the lattice repeats (its cell is rectangular for even ``ny``).

    Raises
    ------
    InputError
        For arguments out of range.
    """


@_generator(UnitCell(np.eye(2), [[0, 0]], (8, 8), diagonals=True))
def square() -> None:
    """Square lattice of ``nx`` by ``ny`` nodes, 4 bonds per bulk node: floppy (it shears freely).

    With ``diagonals=True`` both diagonals of every square are bonds as well (8 per bulk node,
    crossing without a joint) and it is rigid.

    Parameters
    ----------
    size, spacing, disorder, seed, periodic
        As in :func:`triangular`.
    diagonals : bool
        Whether the diagonals of every square are bonds as well.

    Raises
    ------
    InputError
        For a parameter out of its range.
    """


@_generator(UnitCell([[ROOT3, 0], [ROOT3 / 2, 1.5]], [[0, 0], [0, 1]], (6, 6), stagger=True))
def honeycomb() -> None:
    """Honeycomb of ``nx`` by ``ny`` cells of 2 nodes, 3 bonds per bulk node.

    Far below isostatic: springs alone leave it floppy, it is meant for beams and solid struts.
    Single nodes stick out at the rim of a finite one.

    Parameters
    ----------
    size, spacing, disorder, seed, periodic
        As in :func:`triangular`.

    Raises
    ------
    InputError
        For a parameter out of its range.
    """


@_generator(
    UnitCell([[2, 0], [1, ROOT3]], [[0, 0], [1, 0], [0.5, ROOT3 / 2]], (6, 6), stagger=True)
)
def kagome() -> None:
    """Kagome lattice of ``nx`` by ``ny`` cells of 3 nodes, 4 bonds per bulk node.

    Isostatic in the bulk, with as many zero modes as boundary bonds are missing; a perfect
    periodic one has floppy modes that extend along its straight lines (K. Sun, A. Souslov, X. Mao
    and T. C. Lubensky, PNAS 109, 12369 (2012), https://doi.org/10.1073/pnas.1119941109).

    Parameters
    ----------
    size, spacing, disorder, seed, periodic
        As in :func:`triangular`.

    Raises
    ------
    InputError
        For a parameter out of its range.
    """


@_generator(UnitCell(np.eye(3), [[0, 0, 0]], (4, 4, 4), diagonals=True))
def cubic() -> None:
    """Simple cubic lattice of ``nx`` by ``ny`` by ``nz`` nodes, 6 bonds per bulk node: floppy.

    With ``diagonals=True`` both diagonals of every cube face are bonds as well (18 per bulk node)
    and it is rigid.

    Parameters
    ----------
    size : (nx, ny, nz)
        Cells along the axes.
    spacing, disorder, seed, periodic
        As in :func:`triangular`.
    diagonals : bool
        Whether the diagonals of every face are bonds as well.

    Raises
    ------
    InputError
        For a parameter out of its range.
    """


@_generator(
    UnitCell(
        np.eye(3) * ROOT2,
        np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]) / ROOT2,
        (3, 3, 3),
        diagonals=True,
    )
)
def fcc() -> None:
    """Face-centred cubic lattice of cubic cells of 4 nodes, 12 bonds per bulk node: rigid.

    ``diagonals=True`` adds the bonds to next-nearest neighbours along the cube's edges (18 per
    bulk node). ``spacing`` is the nearest-neighbour distance, so a cube's edge is sqrt(2) of it.
    Some corner nodes of a finite one have only 3 bonds.

    Parameters
    ----------
    size : (nx, ny, nz)
        Cells along the axes.
    spacing, disorder, seed, periodic
        As in :func:`triangular`.
    diagonals : bool
        Whether next-nearest neighbours are joined as well.

    Raises
    ------
    InputError
        For a parameter out of its range.
    """


def _size(name: str, given: Any, d: int) -> tuple[int, ...]:
    size = tuple(given) if np.iterable(given) else (given,)
    if len(size) != d:
        axes = ", ".join(("nx", "ny", "nz")[:d])
        raise InputError(
            f"The size of a {name} lattice must be ({axes}), such as {(8, 6, 4)[:d]}, not {size!r}."
        )
    return tuple(_check.integer(f"The size of a {name} lattice", n, 1) for n in size)


def _bonds_of_cell(
    vectors: NDArray, basis: NDArray, reach: Sequence[float]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Bonds that start in one cell: sites, and the offset of the cell they end in."""
    d = len(vectors)
    steps = np.indices([5] * d).reshape(d, -1).T - 2
    apart = basis[None, :, None] + steps @ vectors - basis[:, None, None]
    length = np.linalg.norm(apart, axis=-1)
    i, j, k = np.nonzero(np.isclose(length[..., None], reach, atol=1e-9).any(axis=-1))
    # Every bond turns up from both ends: keep the end that comes first.
    zero = len(steps) // 2
    one = (k > zero) | ((k == zero) & (i < j))
    return i[one], j[one], steps[k[one]]


def _grid_bonds(
    grid: NDArray,
    cells: Sequence[int],
    bonds: tuple[NDArray, NDArray, NDArray],
    b: int,
    periodic: bool,
    stagger: bool,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All bonds of a grid of cells: pairs of node ids, and the shifts across the periodic cell."""
    (first, second, offset), size, start = bonds, np.array(cells), grid[:, None]
    end = start + offset
    shift = np.zeros_like(end)
    for axis in reversed(range(len(size))):
        if stagger and axis == 0:
            # In the grid, cell (i, j) of the lattice stands in column i + j // 2; rows that wrap
            # bring along the columns by which the periodic cell itself is set back.
            end[..., 0] += -(start[..., 1] // 2) + end[..., 1] // 2
            end[..., 0] += shift[..., 1] * (size[1] // 2)
        shift[..., axis] = end[..., axis] // size[axis]
        end[..., axis] -= shift[..., axis] * size[axis]
    order = np.cumprod(np.append(1, size[:0:-1]))[::-1]
    i = np.broadcast_to((start @ order) * b + first, end.shape[:2])
    j = (end @ order) * b + second
    inside = np.ones(i.shape, dtype=bool) if periodic else (shift == 0).all(axis=-1)
    return np.stack([i[inside], j[inside]], axis=1), shift[inside]


def faces(nodes: NDArray, depth: float) -> dict[str, NDArray[np.int64]]:
    """Node sets of the faces of a network: nodes less than a ``depth`` from the outermost."""
    names = [("left", "right"), ("front", "back"), ("bottom", "top")]
    sets = {}
    for x, (low, high) in zip(nodes.T, names if nodes.shape[1] == 3 else names[::2], strict=True):
        sets[low] = np.flatnonzero(x < x.min() + depth)
        sets[high] = np.flatnonzero(x > x.max() - depth)
    return sets
