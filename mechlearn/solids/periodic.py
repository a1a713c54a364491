"""Periodic meshes: points and degrees of freedom identified with their images across the cell.

Where opposite sides of a mesh match, a point and its image are one: they share their degrees of
freedom in the map of these itself, so that forms, matrices and ranks need nothing special. What is
solved for is the periodic part of the displacement; the cell's strain adds an affine one.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from mechlearn.fenics import basix_ufl, dolfinx, fem, mesh
from mechlearn.solids.images import translations_within

#: How far from each other images may lie, over the longest lattice vector.
MATCH = 1e-6


def first_images(places: NDArray, cell: NDArray) -> NDArray[np.int64]:
    """First of all places that are images of each other, for every place, (p,).

    Parameters
    ----------
    places : (p, d) array
    cell : (d, d) array
        Lattice vectors in rows.
    """
    tree, rows, columns = cKDTree(places), list[NDArray](), list[NDArray]()
    within = MATCH * np.linalg.norm(cell, axis=1).max()
    # Of every pair of opposite translations, one.
    for step in (s for s in translations_within(places, cell) if tuple(s) > (0,) * len(cell)):
        moved = places + step @ cell
        distance, near = tree.query(moved, distance_upper_bound=within)
        found = np.flatnonzero(np.isfinite(distance))
        rows.append(found)
        columns.append(near[found])
    pairs = np.concatenate(rows), np.concatenate(columns)
    graph = sparse.coo_array((np.ones(len(pairs[0])), pairs), shape=(len(places),) * 2)
    label = connected_components(graph, directed=False)[1]
    return np.unique(label, return_index=True)[1][label]


class TiedSpace(NamedTuple):
    """Vector Lagrange space of periodic functions, and that on the mesh as it is cut open.

    Attributes
    ----------
    space : dolfinx.fem.FunctionSpace
    places : (b, d) array
        Of its local blocks.
    opened : dolfinx.fem.FunctionSpace
        Of functions that are not periodic.
    block : (local blocks of that,) integer array
        Which local block of the space each is an image of.
    opened_places : (local blocks of that, d) array
    """

    space: fem.FunctionSpace
    places: NDArray[np.float64]
    opened: fem.FunctionSpace
    block: NDArray[np.int64]
    opened_places: NDArray[np.float64]


def tied_space(domain: mesh.Mesh, order: int, cell: NDArray | None) -> TiedSpace:
    """Space of periodic functions on a mesh.

    Parameters
    ----------
    domain : dolfinx.mesh.Mesh
        Of simplices, with matching opposite sides.
    order : int
    cell : (d, d) array, optional
        Lattice vectors in rows; without them nothing is identified.
    """
    d = domain.geometry.dim
    element = basix_ufl.element("Lagrange", domain.basix_cell(), order, shape=(d,))
    plain = fem.functionspace(domain, element)
    # Of a scalar space on the same mesh, the numbering is the same.
    scalar = fem.functionspace(domain, ("Lagrange", order))
    places = scalar.tabulate_dof_coordinates()[:, :d]
    if cell is None:
        return TiedSpace(plain, places, plain, np.arange(len(places)), places)
    blocks, comm = plain.dofmap.index_map, domain.comm
    whole = np.concatenate(comm.allgather(places[: blocks.size_local]))
    first = first_images(whole, cell)
    kept = first == np.arange(len(first))
    starts = np.r_[0, np.cumsum(comm.allgather(int(kept[slice(*blocks.local_range)].sum())))]
    start, end = starts[comm.rank : comm.rank + 2]
    here = blocks.local_to_global(np.arange(len(places), dtype=np.int32))
    number = (np.cumsum(kept) - 1)[first[here]]
    others = np.unique(number[(number < start) | (number >= end)])
    owner = np.searchsorted(starts, others, side="right") - 1
    tied = dolfinx.common.IndexMap(comm, int(end - start), others, owner.astype(np.int32), 0)
    mine = (number >= start) & (number < end)
    local = np.where(mine, number - start, end - start + np.searchsorted(others, number))
    at = np.empty((int(end - start) + len(others), d))
    at[local] = places
    space = _with_map(plain, element, tied, local[plain.dofmap.list].astype(np.int32))
    return TiedSpace(space, at, plain, local, places)


def _with_map(
    plain: fem.FunctionSpace, element: Any, blocks: Any, of_cells: NDArray[np.int32]
) -> fem.FunctionSpace:
    """Function space with other degrees of freedom in every cell."""
    bs = plain.dofmap.bs
    dofs = dolfinx.graph.adjacencylist(of_cells)._cpp_object
    joined = dolfinx.cpp.fem.DofMap(plain.dofmap.dof_layout, blocks, bs, dofs, bs)
    made = dolfinx.cpp.fem.FunctionSpace_float64(
        plain.mesh._cpp_object, plain.element._cpp_object, joined
    )
    return fem.FunctionSpace(plain.mesh, element, made)
