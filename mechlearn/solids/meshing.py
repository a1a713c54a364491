"""Meshes of solid networks by gmsh, as plain arrays: triangles in 2D, tetrahedra in 3D."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from types import ModuleType
from typing import Any, override

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError, SolveError, listed
from mechlearn.network import Network
from mechlearn.solids import kernels
from mechlearn.solids.boolean import check_volume, first_success
from mechlearn.solids.images import rod_overlaps, with_images
from mechlearn.solids.outline import optional, outline
from mechlearn.solids.patches import CORNERS, FACES, patch_of
from mechlearn.solids.periodic import first_images
from mechlearn.solids.struts import JOINT, Struts

#: What a union may lose of the struts' volume, which is known to 1e-5.
LOST = 1e-3
#: How accurate OpenCASCADE has areas and centres of discs, in half widths.
ON = 1e-6
#: Digits of places and widths in units of the mean strut: a network is meshed alike in any units.
DIGITS = 14
#: What to change where gmsh fails.
CHANGE = "widths or mesh_size"

Arrays = tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]


class SimplexMesh(ABC):
    """Simplex mesh whose cells belong to elements.

    Attributes
    ----------
    points : (p, d) array
    cells : (c, d + 1) integer array
        Corners of every cell, with positive volume.
    """

    points: NDArray[np.float64]
    cells: NDArray[np.int64]

    @property
    def cell(self) -> NDArray[np.float64] | None:
        """Lattice vectors of a periodic mesh, in rows; None of a finite one."""
        return None

    @cached_property
    def first(self) -> NDArray[np.int64]:
        """First of all points that are images of each other across the cell, (p,)."""
        if self.cell is None:
            return np.arange(len(self.points))
        return first_images(self.points, self.cell)

    @property
    @abstractmethod
    def element(self) -> NDArray[np.int64]:
        """Element of every cell, (c,)."""

    @property
    @abstractmethod
    def axes(self) -> NDArray[np.float64]:
        """Unit vector along which every element's eigenstrain acts, (elements, d)."""

    @cached_property
    def facets(self) -> NDArray[np.int64]:
        """Facets on the surface, (f, d) points; in 2D the solid lies to the left of each.

        Cuts across the cell are none.
        """
        d = self.points.shape[1]
        corners = np.array([[1, 2], [2, 0], [0, 1]] if d == 2 else
                           [[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]])  # fmt: skip
        every = self.cells[:, corners].reshape(-1, d)
        _, first, count = np.unique(
            np.sort(self.first[every], axis=1), axis=0, return_index=True, return_counts=True
        )
        self.__dict__["_facet_cell"] = first[count == 1] // (d + 1)
        return every[first[count == 1]]

    @property
    def facet_element(self) -> NDArray[np.int64]:
        """Element of every surface facet, (f,)."""
        _ = self.facets
        return self.element[self.__dict__["_facet_cell"]]


@dataclass(frozen=True, eq=False)
class SolidMesh(SimplexMesh):
    """Simplex mesh of the struts, in gmsh's order.

    Attributes
    ----------
    struts : Struts
        What was meshed.
    level : (p,) integer array
        Dimension of the geometric entity a point lies on: 0 for corners of the solid, 1 for its
        edges, ``d`` inside it.
    """

    struts: Struts
    points: NDArray[np.float64]
    cells: NDArray[np.int64]
    level: NDArray[np.int64]

    @cached_property
    @override
    def element(self) -> NDArray[np.int64]:
        """Strut of every cell, (c,); cells of joints belong to the nearest strut."""
        return self.struts.nearest(self.points[self.cells].mean(axis=1))

    @property
    @override
    def axes(self) -> NDArray[np.float64]:
        return self.struts.axes

    @property
    @override
    def cell(self) -> NDArray[np.float64] | None:
        return self.struts.network.cell

    @cached_property
    def patch(self) -> NDArray[np.int64]:
        """Node of the patch that contains each cell, -1 outside patches, (c,)."""
        return patch_of(self.struts, self.points[self.cells].mean(axis=1))


def volumes(points: NDArray, cells: NDArray) -> NDArray[np.float64]:
    """Signed areas or volumes of simplices, (c,)."""
    sides = points[cells[:, 1:]] - points[cells[:, :1]]
    return np.linalg.det(sides) / (2 if points.shape[1] == 2 else 6)


def quality(points: NDArray, cells: NDArray) -> NDArray[np.float64]:
    """Mean-ratio quality of simplices: 1 for equilateral, 0 for flat, below for inverted; (c,).

    A. Liu, B. Joe, BIT 34, 268 (1994), https://doi.org/10.1007/BF01955874.
    """
    d = points.shape[1]
    a, b = np.triu_indices(d + 1, 1)
    square = np.square(points[cells[:, a]] - points[cells[:, b]]).sum(axis=(1, 2))
    volume = volumes(points, cells)
    if d == 2:
        return 4 * np.sqrt(3) * volume / square
    return np.sign(volume) * 12 * (3 * np.abs(volume)) ** (2 / 3) / square


def roundness(mesh: SolidMesh) -> NDArray[np.float64]:
    """Factors on drawn widths that make the meshed cross-sections of round struts exact, (m,).

    Facets between points of a cylinder cut some of it off: at a size of half the width, a sixth.
    """
    struts, net = mesh.struts, mesh.struts.network
    corners = mesh.points[mesh.facets]
    piece = struts.nearest_piece(corners.mean(axis=1))
    strut, start = struts.pieces.strut[piece], struts.pieces.origin[piece]
    axis = struts.axes[strut]
    offset = corners - start[:, None]
    along = np.einsum("fkd,fd->fk", offset, axis)
    radial = offset - along[..., None] * axis[:, None]
    radius = struts.width[strut] / 2
    on = (np.abs(np.linalg.norm(radial, axis=2) - radius[:, None]) < 1e-3 * radius[:, None]).all(1)
    radial, along, axis, corners, strut = (a[on] for a in (radial, along, axis, corners, strut))
    # The facet unrolled: angles from its first corner, and places along the axis.
    first = radial[:, :1]
    turn = np.arctan2(
        np.einsum("fkd,fd->fk", np.cross(first, radial), axis), (first * radial).sum(axis=2)
    )
    du, ds = turn[:, 1:], along[:, 1:] - along[:, :1]
    whole = np.abs(du[:, 0] * ds[:, 1] - du[:, 1] * ds[:, 0]) / 2 * (struts.width[strut] / 2) ** 2
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2
    meshed = np.abs(np.einsum("fd,fd->f", area, radial.mean(axis=1)))
    # Both are twice the volume between the facet and the axis.
    ratio = np.bincount(strut, meshed, net.n_edges) / np.bincount(strut, whole, net.n_edges)
    return ratio**-0.5


def make_mesh(struts: Struts, size: float) -> SolidMesh:
    """Mesh the solid.

    Parameters
    ----------
    struts : Struts
    size : float
        Size of the cells over the local width of the strut.

    Raises
    ------
    InputError
        For struts that overlap without meeting.
    SolveError
        Where gmsh fails.
    """
    # Both gmsh and OpenCASCADE have tolerances that are lengths, and tell apart what rounding does.
    unit = float(struts.network.lengths.mean())
    net, cell = struts.network, struts.network.cell
    cell = None if cell is None else np.round(cell / unit, DIGITS)
    net = Network(np.round(net.nodes / unit, DIGITS), net.edges, cell, net.shifts)
    drawn = replace(struts, network=net, width=np.round(struts.width / unit, DIGITS))
    if net.dim == 3:
        _check_apart(drawn)
    if net.dim == 2:
        points, cells, level = _meshed(_draw_plane, drawn, size)
    else:
        made = _draw_space, drawn, size, kernels.volume(drawn)
        points, cells, level = first_success(_meshed, drawn, *made)
    return SolidMesh(struts, unit * points, cells, level)


def _check_apart(struts: Struts) -> None:
    """Raise InputError for round struts that pass through each other."""
    bad = rod_overlaps(*with_images(struts.network), struts.width)
    if len(bad):
        raise InputError(
            f"Struts {listed([f'{i}-{j}' for i, j in bad], limit=5)} overlap without meeting at a "
            "node: make them thinner, or join them at a node."
        )


def _meshed(draw: Callable[..., None], struts: Struts, *options: float) -> Arrays:
    """Points, cells and levels of what a function draws in gmsh."""
    with meshing_error("gmsh could not mesh the solid", CHANGE), gmsh_session() as gmsh:
        draw(gmsh, struts, *options)
        gmsh.model.mesh.generate(struts.network.dim)
        return _arrays(gmsh, struts.network.dim)


@contextmanager
def meshing_error(what: str, change: str) -> Iterator[None]:
    """SolveError for a failure of gmsh, with advice."""
    try:
        yield
    except Exception as error:
        if type(error) is not Exception:  # gmsh raises nothing but bare exceptions
            raise
        raise SolveError(f"{what} ({error}); change {change} a little.") from None


@contextmanager
def gmsh_session() -> Iterator:
    """Context of a quiet, single-threaded gmsh session."""
    gmsh = optional("gmsh")
    gmsh.initialize(["mechlearn"], readConfigFiles=False, interruptible=False)
    try:
        for option in ("General.Terminal", "General.Verbosity"):
            gmsh.option.setNumber(option, 0)
        # Threads would make the mesh depend on chance.
        gmsh.option.setNumber("General.NumThreads", 1)
        yield gmsh
    finally:
        gmsh.finalize()


def _draw_plane(gmsh: ModuleType, struts: Struts, size: float) -> None:
    rim = outline(struts)
    add = gmsh.model.geo
    tags = [
        add.addPoint(x, y, 0.0, 2 * size * half)
        for (x, y), half in zip(rim.points, rim.half_width, strict=True)
    ]
    lines = [kernels.lines(add, tags[corners]) for corners in rim.loops]
    loops = [add.addCurveLoop(some) for some in lines]
    centres, patches = [], []
    for centre, radius, joint in zip(
        struts.network.nodes, struts.patch_radius, struts.joint_radius, strict=True
    ):
        wanted = 2 * size * joint / JOINT
        corners = [add.addPoint(*x, 0.0, wanted) for x in centre + radius * CORNERS[2]]
        loops.append(kernels.loop(add, corners))
        patches.append(add.addPlaneSurface(loops[-1:]))
        centres.append(add.addPoint(*centre, 0.0, wanted))
    add.addPlaneSurface(loops)
    add.synchronize()
    moves = struts.network.images[struts.pieces.strut[struts.pieces.halves[:, 0]]]
    numbers = np.concatenate(lines)[rim.cuts]
    for (line, image), move in zip(numbers.tolist(), moves, strict=True):
        gmsh.model.mesh.setPeriodic(1, [image], [line], _translation(-move))
    for centre, patch in zip(centres, patches, strict=True):
        gmsh.model.mesh.embed(0, [centre], 2, patch)
    gmsh.option.setNumber("Mesh.Algorithm", 6)  # frontal Delaunay: the best-shaped triangles


def _translation(move: NDArray) -> list[float]:
    """A translation as gmsh takes it."""
    affine = np.eye(4)
    affine[: len(move), 3] = move
    return affine.ravel().tolist()


def _draw_space(gmsh: ModuleType, struts: Struts, size: float, wanted: float, attempt: int) -> None:
    net, occ = struts.network, gmsh.model.occ
    kernel = kernels.OpenCascade(occ, attempt, halves=False)
    bodies = kernel.union(*kernel.struts(struts, struts.rods))
    check_volume(sum(occ.getMass(*body) for body in bodies), wanted, LOST)
    if len(bodies) != 1:
        raise SolveError(f"The solid is {len(bodies)} bodies, not one.")
    patches = [_polyhedron(occ, x, r) for x, r in zip(net.nodes, struts.patch_radius, strict=True)]
    centres = [occ.addPoint(*x) for x in net.nodes]
    inside = occ.fragment(bodies, patches)[1][1:]
    occ.synchronize()
    for centre, ((_, patch),) in zip(centres, inside, strict=True):
        gmsh.model.mesh.embed(0, [centre], 3, patch)
    _tie_cuts(gmsh, struts)
    set_number = gmsh.option.setNumber
    set_number("Mesh.MeshSizeFromPoints", 0)
    set_number("Mesh.MeshSizeFromCurvature", np.pi / size)  # cells per turn: size follows width
    set_number("Mesh.MeshSizeMax", size * 2 * struts.joint_radius.max())
    set_number("Mesh.Algorithm3D", 10)


def _tie_cuts(gmsh: ModuleType, struts: Struts) -> None:
    """Mesh both sides of every cut across the cell alike; raises SolveError where one is lost."""
    net, p, occ = struts.network, struts.pieces, gmsh.model.occ
    faces = [tag for _, tag in gmsh.model.getEntities(2)]
    centres = np.array([occ.getCenterOfMass(2, tag) for tag in faces])
    areas = np.array([occ.getMass(2, tag) for tag in faces])
    for one in p.halves[:, 0]:
        strut, place = p.strut[one], p.high[one]
        middle, move = p.origin[one] + place * net.vectors[strut], -net.images[strut]
        half = struts.profile(place)[0] * struts.width[strut] / 2
        whole = np.abs(areas - np.pi * half**2) < ON * half**2
        both = [
            np.flatnonzero(whole & (np.linalg.norm(centres - x, axis=1) < ON * half))
            for x in (middle, middle + move)
        ]
        if [len(found) for found in both] != [1, 1]:
            raise SolveError(
                f"The cut of strut {strut} across the cell is no whole disc: another strut or "
                "joint overlaps with it."
            )
        (line,), (image,) = both
        gmsh.model.mesh.setPeriodic(2, [faces[image]], [faces[line]], _translation(move))


def _polyhedron(occ: Any, centre: NDArray, radius: float) -> tuple[int, int]:
    corners = np.array([occ.addPoint(*x) for x in centre + radius * CORNERS[3]])
    loops = [kernels.loop(occ, face) for face in corners[FACES[3]].tolist()]
    faces = [occ.addPlaneSurface([edges]) for edges in loops]
    return 3, occ.addVolume([occ.addSurfaceLoop(faces, sewing=True)])


def _arrays(gmsh: ModuleType, d: int) -> Arrays:
    """Points, cells and levels."""
    tags, coordinates, _ = gmsh.model.mesh.getNodes()
    points = coordinates.reshape(-1, 3)[:, :d]
    kind, volume_cells = {2: (2, 3), 3: (4, 4)}[d]
    _, corners = gmsh.model.mesh.getElementsByType(kind)
    if len(corners) == 0:
        raise SolveError("gmsh made no cells; change widths or mesh_size a little.")
    row = np.full(int(tags.max()) + 1, -1)
    row[tags.astype(np.int64)] = np.arange(len(tags))
    cells = row[corners.astype(np.int64)].reshape(-1, volume_cells)
    level = np.full(len(points), d)
    for dim in range(d - 1, -1, -1):
        there, _, _ = gmsh.model.mesh.getNodes(dim=dim)
        level[row[there.astype(np.int64)]] = dim
    used, cells = np.unique(cells, return_inverse=True)
    points, cells = points[used], cells.reshape(-1, volume_cells)
    turned = volumes(points, cells) < 0
    cells[turned, :2] = cells[turned, 1::-1]
    return points, cells, level[used]
