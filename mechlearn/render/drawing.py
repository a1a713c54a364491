"""Drawing of a scene into a pyvista plotter.

Flat things are stacked along z: at rest behind, marks in front; z = 0 are the bonds.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.render.colours import CELL, GHOST, REMOVED, RIM, SUPPORT, TINT, rgb
from mechlearn.render.geometry import space
from mechlearn.render.marks import Mark
from mechlearn.render.scene import Scene, Solid

if TYPE_CHECKING:
    import pyvista

#: Beyond this many bonds, lines are drawn instead of tubes; up to that many, joints are rounded.
TUBES, JOINTS = 60_000, 6_000
#: By how much what is brought forward is, in the least steps of depth that a picture tells apart.
FORWARD = -1e7
#: How much is seen of the contacts of a protein, whose chain is a tube.
CONTACTS = 0.35
#: Sides of tubes, and balls, in quick pictures.
QUICK = 6
#: How much of a bond's colour is lost at the far side of a network in space, and where it has left
#: the periodic cell.
FADE, FADED = 0.6, 0.88


def draw_bonds(plotter: "pyvista.Plotter", scene: Scene, away: NDArray | None = None) -> None:
    """Put the bonds, deformed and at rest, and the periodic cell into a plotter.

    ``away`` points away from the viewer; where given, bonds in space pale with distance.
    """
    layer = _layer(scene)
    away = None if scene.flat else away
    if scene.network.periodic:
        if scene.ghost and scene.strain is not None:
            outline = _tubes(scene.rest_cell.edges(), 0.0008 * scene.extent)
            _add(plotter, outline, -5 * layer, color=GHOST, lighting=False)
        outline = _tubes(scene.cell.edges(), 0.0016 * scene.extent)
        _add(plotter, outline, -4 * layer, color=CELL, lighting=False)
    if scene.ghost:
        rest = scene.rest()
        if scene.chain.any():
            rest = rest.of(scene.chain[rest.bond])
        grey = np.broadcast_to(rgb(GHOST), (len(rest.bond), 2, 3))
        colours = _paled(rest.ends, _faded(grey, rest.fade, 1.0), away)
        thin = scene.thin * (1 if scene.flat else 0.5)
        if scene.quick and not scene.flat:
            _add(plotter, _lines(rest.ends, colours), 0.0, line_width=1, lighting=False)
        else:
            _add_lines(plotter, scene, rest.ends, thin, colours, -3 * layer, lighting=False)
    if scene.tuples:
        _draw_faces(plotter, scene, layer)
    if len(dashes := scene.dashes()):
        _draw_dashes(plotter, scene, dashes)
    if scene.solid is not None:
        _draw_solid(plotter, scene, scene.solid)
        return
    pieces = scene.pieces()
    full = np.repeat(scene.colours[pieces.bond][:, None], 2, axis=1)
    colours = _paled(pieces.ends, _faded(full, pieces.fade, FADED), away)
    chain = scene.chain[pieces.bond]
    for part, seen in ((~chain, CONTACTS if chain.any() else 1.0), (chain, 1.0)):
        if part.any():
            options = _surface(scene) | ({} if seen == 1 else {"opacity": seen})
            radii = scene.radii[pieces.bond[part]]
            _add_lines(plotter, scene, pieces.ends[part], radii, colours[part], 0.0, **options)
    if scene.network.n_edges <= JOINTS:
        _draw_joints(plotter, scene, away)


def draw_marks(plotter: "pyvista.Plotter", scene: Scene, in_front: bool = False) -> None:
    """Put supports, sources and targets into a plotter.

    With ``in_front``, those of a network in space shine through what hides them.
    """
    before = set(plotter.actors)
    if len(scene.supports):
        _draw_supports(plotter, scene)
    for mark in scene.marks:
        if mark.cell:
            _draw_wanted_edges(plotter, scene, mark)
        else:
            _draw_pairs(plotter, scene, mark)
            _draw_wanted(plotter, scene, mark)
            _draw_nodes(plotter, scene, mark)
        _draw_arrows(plotter, scene, mark)
    for name, actor in plotter.actors.items():
        if in_front and not scene.flat and name not in before:
            actor.mapper.SetResolveCoincidentTopologyToPolygonOffset()
            actor.mapper.SetRelativeCoincidentTopologyPolygonOffsetParameters(0, FORWARD)


# -- the parts -----------------------------------------------------------------------------------


def _draw_joints(plotter: "pyvista.Plotter", scene: Scene, away: NDArray | None) -> None:
    """Draw a ball on every node, as thick as its thickest bond."""
    import pyvista as pv

    radii = scene.radii
    bent = scene.flat and scene.lines is not None
    if scene.whole or bent:
        # Where bonds end, which may be at an image of a node, and where bent ones have a kink.
        pieces = scene.pieces() if bent else scene.to_images()
        places, widest = pieces.ends.reshape(-1, 3).copy(), np.repeat(pieces.bond, 2)
        colours = _faded(scene.colours[widest].reshape(-1, 2, 3), pieces.fade, FADED)
        colours = colours.reshape(-1, 3)
    else:
        ends, bonds = scene.network.edges.ravel(), np.repeat(np.arange(scene.network.n_edges), 2)
        order = np.lexsort((radii[bonds], ends))
        widest = bonds[order][np.diff(ends[order], append=-1) != 0]
        places, colours = space(scene.nodes), scene.colours[widest].astype(float)
    colours = _paled(places, colours, away)
    if scene.flat:
        # A disc lies just below the top of its thickest bond, above the others.
        places[:, 2] += 0.98 * radii[widest]
        shape = pv.Disc(inner=0, outer=1, c_res=16)
    else:
        turns = QUICK if scene.quick else 12
        shape = pv.Sphere(radius=1, theta_resolution=turns, phi_resolution=turns)
    balls = pv.PolyData(places)
    balls["radius"] = radii[widest]
    balls["colour"] = colours.astype(np.uint8)
    _add(plotter, balls.glyph(geom=shape, scale="radius", orient=False), 0.0, **_surface(scene))


def _draw_faces(plotter: "pyvista.Plotter", scene: Scene, layer: float) -> None:
    """Draw the elements on node tuples as faces, translucent in space."""
    import pyvista as pv

    for number, (polygons, colours) in enumerate(scene.faces()):
        sizes = [len(polygon) for polygon in polygons]
        first = np.cumsum([0, *sizes[:-1]])
        cells = [np.r_[k, start + np.arange(k)] for k, start in zip(sizes, first, strict=True)]
        mesh = pv.PolyData(space(np.vstack(polygons)), faces=np.concatenate(cells))
        mesh["colour"] = colours
        # Triangles, as polygons need not be convex.
        height = (number / 4 - 2.5) * layer if scene.flat else 0.0
        opacity = 1.0 if scene.flat else TINT
        _add(plotter, mesh.triangulate(), height, opacity=opacity, lighting=False)


def _draw_dashes(plotter: "pyvista.Plotter", scene: Scene, dashes: NDArray) -> None:
    """Draw removed bonds as dashes."""
    colours = np.broadcast_to(rgb(REMOVED), (len(dashes), 2, 3))
    _add_lines(plotter, scene, dashes, scene.thin, colours, -2 * _layer(scene), lighting=False)


def _draw_solid(plotter: "pyvista.Plotter", scene: Scene, solid: Solid) -> None:
    """The body of solid struts: cells in their colours, in the plane with an outline."""
    import pyvista as pv

    flat = scene.network.dim == 2
    kind = pv.CellType.TRIANGLE if flat else pv.CellType.TETRA
    grid = pv.UnstructuredGrid({kind: solid.cells}, space(solid.points))
    # Means at the points: what moves of low degree store jumps from cell to cell.
    grid.cell_data["colour"] = solid.colours.astype(float)
    smooth = grid.cell_data_to_point_data()
    smooth["colour"] = np.rint(smooth["colour"]).astype(np.uint8)
    if flat:
        rim = _lines(space(solid.points[solid.rim()]), None)
        plotter.add_mesh(rim, color=RIM, line_width=2, lighting=False)
    _add(plotter, smooth.extract_surface(algorithm="dataset_surface"), 0.0, **_surface(scene))


def _draw_wanted(plotter: "pyvista.Plotter", scene: Scene, mark: Mark) -> None:
    """Rings where targets want their nodes; in the plane only, where rings face the viewer."""
    import pyvista as pv

    places = scene.wanted_of(mark)
    if len(places):
        ring = pv.Disc(inner=1.55 * scene.mark, outer=1.85 * scene.mark, c_res=48)
        _add(plotter, _copies(ring, places), 2.5 * _layer(scene), color=mark.colour, lighting=False)


def _draw_wanted_edges(plotter: "pyvista.Plotter", scene: Scene, mark: Mark) -> None:
    """Dashes where a target wants sides of the periodic cell."""
    if len(dashes := scene.wanted_edges(mark)):
        lines = _tubes(dashes, 0.0016 * scene.extent)
        _add(plotter, lines, 2.5 * _layer(scene), color=mark.colour, lighting=False)


def _draw_supports(plotter: "pyvista.Plotter", scene: Scene) -> None:
    import pyvista as pv

    box = pv.Cube(x_length=2, y_length=2, z_length=0.04 if scene.flat else 2)
    places = pv.PolyData(space(scene.nodes[scene.supports]))
    places["half"] = scene.support_sizes()
    boxes = places.glyph(geom=box, scale="half", orient=False)
    options = _surface(scene) | {"smooth_shading": False}
    _add(plotter, boxes, 2 * _layer(scene), color=SUPPORT, **options)


def _draw_pairs(plotter: "pyvista.Plotter", scene: Scene, mark: Mark) -> None:
    """Bars between the two nodes of every pair."""
    if len(pairs := scene.pairs_of(mark)):
        bars = _tubes(pairs, 0.32 * scene.mark)
        _add(plotter, bars, 3 * _layer(scene), color=mark.colour, **_surface(scene))


def _draw_nodes(plotter: "pyvista.Plotter", scene: Scene, mark: Mark) -> None:
    """Balls; in the plane discs with a white rim, open where the mark is switched off."""
    import pyvista as pv

    size, z = scene.mark, 3 * _layer(scene)
    places = scene.nodes_of(mark)
    shape = pv.Sphere(radius=size, theta_resolution=24, phi_resolution=24)
    if scene.flat:
        rim = pv.Disc(inner=0, outer=1.3 * size, c_res=40)
        _add(plotter, _copies(rim, places), z - size / 2, color="white", lighting=False)
        shape = pv.Disc(inner=0 if mark.active else 0.6 * size, outer=size, c_res=40)
    _add(plotter, _copies(shape, places), z, color=mark.colour, **_surface(scene))


def _draw_arrows(plotter: "pyvista.Plotter", scene: Scene, mark: Mark) -> None:
    """Arrows; in the plane with a white rim."""
    import pyvista as pv

    starts, directions = scene.arrows(mark)
    if not len(starts):
        return
    points = pv.PolyData(starts)
    points["along"] = directions
    z, shaft = 3 * _layer(scene), 0.38 * scene.mark / scene.arrow
    rim = [(1.9, "white", z - scene.mark / 2)] if scene.flat else []
    for wider, colour, height in (*rim, (1.0, mark.colour, z)):
        shape = pv.Arrow(
            tip_length=min(0.5, 2.4 * scene.mark / scene.arrow),
            tip_resolution=30,
            tip_radius=(2.4 + wider) / 3.4 * 2.9 * shaft,
            shaft_radius=wider * shaft,
            shaft_resolution=20,
        )
        arrows = points.glyph(geom=shape, orient="along", scale=False, factor=scene.arrow)
        _add(plotter, arrows, height, color=colour, **_surface(scene))


# -- what they are made of -----------------------------------------------------------------------


def _layer(scene: Scene) -> float:
    """Distance along z between stacked flat objects."""
    return scene.mark if scene.flat else 0.0


def _surface(scene: Scene) -> dict[str, Any]:
    """Shading of surfaces; none in the plane."""
    if scene.flat:
        return {"lighting": False}
    return {"smooth_shading": True, "ambient": 0.35, "diffuse": 0.7, "specular": 0.0}


def _add(plotter: "pyvista.Plotter", mesh: "pyvista.PolyData", z: float, **options: Any) -> None:
    """Add a mesh, raised by ``z``, in one ``color`` or else in its own."""
    if z:
        mesh.points = np.asarray(mesh.points) + np.array([0, 0, z])
    if "color" not in options:
        options |= {"scalars": "colour", "rgb": True}
    plotter.add_mesh(mesh, **options)


def _add_lines(
    plotter: "pyvista.Plotter",
    scene: Scene,
    ends: NDArray,
    radius: ArrayLike,
    colours: NDArray,
    z: float,
    **options: Any,
) -> None:
    """Add lines as thick as they are; in space, where there are very many, all alike."""
    if scene.flat:
        mesh = _ribbons(ends, radius, colours)
    elif len(ends) <= TUBES:
        mesh = _tubes(ends, radius, colours, QUICK if scene.quick else None)
    else:
        mesh = _lines(ends, colours)
        options = {"line_width": 2, "lighting": False}
    _add(plotter, mesh, z, **options)


def _lines(ends: NDArray, colours: NDArray | None = None) -> "pyvista.PolyData":
    """Lines without thickness; ``colours`` per end."""
    import pyvista as pv

    mesh = pv.line_segments_from_points(ends.reshape(-1, 3))
    if colours is not None:
        mesh["colour"] = colours.reshape(-1, 3).astype(np.uint8)
    return mesh


def _ribbons(ends: NDArray, radius: ArrayLike, colours: NDArray) -> "pyvista.PolyData":
    """Flat ribbons in place of tubes in the plane, thicker ones on top."""
    import pyvista as pv

    n = len(ends)
    r = np.broadcast_to(radius, n)[:, None]
    along = ends[:, 1] - ends[:, 0]
    across = np.stack([-along[:, 1], along[:, 0], np.zeros(n)], axis=1)
    across *= r / np.linalg.norm(along, axis=1, keepdims=True)
    lift = r * np.array([0.0, 0.0, 1.0])
    a, b = ends[:, 0] + lift, ends[:, 1] + lift
    corners = np.stack([a - across, a + across, b + across, b - across], axis=1)
    faces = np.column_stack([np.full(n, 4), np.arange(4 * n).reshape(-1, 4)])
    mesh = pv.PolyData(corners.reshape(-1, 3), faces=faces.ravel())
    mesh["colour"] = colours[:, [0, 0, 1, 1]].reshape(-1, 3).astype(np.uint8)
    return mesh


def _tubes(
    ends: NDArray, radius: ArrayLike, colours: NDArray | None = None, sides: int | None = None
) -> "pyvista.PolyData":
    """Tubes along lines, one radius each; ``colours`` per end."""
    mesh = _lines(ends, colours)
    mesh["radius"] = np.repeat(np.broadcast_to(radius, len(ends)), 2).astype(float)
    mesh.set_active_scalars("radius")
    sides = sides or (10 if len(ends) < 5000 else 6)
    return mesh.tube(scalars="radius", absolute=True, n_sides=sides, capping=True)


def _copies(shape: "pyvista.PolyData", places: NDArray) -> "pyvista.PolyData":
    """The same shape at several places."""
    import pyvista as pv

    return pv.PolyData(space(places)).glyph(geom=shape, scale=False, orient=False)


def _faded(colours: NDArray, fade: NDArray, most: float) -> NDArray[np.float64]:
    """Colours (s, 2, 3), by ``fade`` (s, 2) up to ``most`` of the way to white."""
    part = most * fade[..., None]
    return colours * (1 - part) + 255 * part


def _paled(points: NDArray, colours: NDArray, away: NDArray | None) -> NDArray[np.float64]:
    """Colours nearer to white the farther they are from the viewer."""
    if away is None:
        return colours
    depth = points @ away
    depth = (depth - depth.min()) / (np.ptp(depth) or 1.0)
    keep = 1 - FADE * depth[..., None] ** 1.3
    return colours * keep + 255 * (1 - keep)
