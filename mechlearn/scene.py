"""The scene: bonds, marks and arrows in space, laid out with NumPy and drawn by pyvista.

No text here; :mod:`mechlearn.render` puts words around the picture.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.network import Network
from mechlearn.problem import Port, Problem
from mechlearn.rigidity import rigid_motions
from mechlearn.task import Source, Terminal

if TYPE_CHECKING:
    import pyvista

#: Colours that stay apart for the colour-blind, and apart from the colour maps used with them.
SOURCE, TARGET, SUPPORT = "#E8590C", "#C2188B", "#20242A"
BOND, GHOST, CELL = "#7D8590", "#BCC2CB", "#AEB4BD"
#: Deformations of this strain, or of this part of the network's extent, are visible to scale.
VISIBLE = 0.05
#: Amplified deformations stay below these: strain, and part of the extent.
LARGEST = (0.2, 0.1)
#: Beyond this many bonds, lines are drawn instead of tubes; up to that many, joints are rounded.
TUBES, JOINTS = 60_000, 6_000
#: How much of a bond's colour is lost at the far side of a network in space.
FADE = 0.6


# -- what is deformed, and how much of it is shown -----------------------------------------------


def round_factor(strain: float, motion: float) -> int:
    """How much to amplify a deformation: 1 where it is visible, else 2, 5, 10, 20, 50, ...

    Parameters
    ----------
    strain : the largest strain of a bond or pair
    motion : the largest displacement over the network's extent
    """
    if strain >= VISIBLE or motion >= VISIBLE or max(strain, motion) <= 0:
        return 1
    limit = min(
        most / size for most, size in zip(LARGEST, (strain, motion), strict=True) if size > 0
    )
    power = 10.0 ** np.floor(np.log10(limit * (1 + 1e-9)))
    return int(min(power * next(s for s in (5, 2, 1) if s * power <= limit * (1 + 1e-9)), 1e6))


def amplification(
    network: Network, problem: Problem, fields: Iterable[NDArray], linear: bool = True
) -> int:
    """The factor by which displacement fields, seen without rigid motion, are best shown."""
    extent = np.linalg.norm(np.ptp(network.nodes, axis=0))
    strain = motion = 0.0
    for u in fields:
        stretches = [np.abs(bond_strains(network, u, linear)).max()]
        pairs = [p for p in problem.ports if p.component is None]
        stretches += [abs(reading(network, p, u, linear)) for p in pairs]
        strain = max(strain, *stretches)
        motion = max(motion, np.linalg.norm(u, axis=1).max() / extent)
    return round_factor(strain, motion)


def bond_strains(
    network: Network, displacements: NDArray, linear: bool = True
) -> NDArray[np.float64]:
    """Change of every bond's length over its length, exactly or to first order."""
    v, length = network.vectors, network.lengths
    i, j = network.edges.T
    jump = displacements[j] - displacements[i]
    if linear:
        return np.einsum("bc,bc->b", v, jump) / length**2
    return np.linalg.norm(v + jump, axis=1) / length - 1


def reading(network: Network, port: Port, displacements: NDArray, linear: bool = True) -> float:
    """What a port reads in the user's quantity: a strain, or a component of a displacement."""
    if port.component is not None:
        return float(displacements[port.nodes[0], port.component])
    a, b = port.nodes
    v = network.separation(a, b)
    jump, length = displacements[b] - displacements[a], np.linalg.norm(v)
    if linear:
        return float(v @ jump / length**2)
    return float(np.linalg.norm(v + jump) / length - 1)


def without_rigid_motion(
    network: Network, problem: Problem, displacements: NDArray, linear: bool = True
) -> NDArray:
    """Displacements less the drift and turn of a network that nothing holds."""
    if problem.task.supports or any(p.component is not None for p in problem.ports):
        return displacements
    if not linear and not network.periodic:
        # The rotation that brings the deformed network closest to the one at rest (Kabsch).
        rest = network.nodes - network.nodes.mean(axis=0)
        now = network.nodes + displacements
        now = now - now.mean(axis=0)
        left, _, right = np.linalg.svd(now.T @ rest)
        flip = np.ones(network.dim)
        flip[-1] = np.sign(np.linalg.det(left @ right))
        return now @ (left * flip) @ right - rest
    motions = rigid_motions(network)
    u = displacements.reshape(-1)
    return (u - motions @ np.linalg.lstsq(motions, u, rcond=None)[0]).reshape(displacements.shape)


# -- geometry ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Segments:
    """Straight pieces to draw: bonds, or the halves of bonds that cross the periodic cell.

    Attributes
    ----------
    ends : (s, 2, 3) array
    bond : (s,) integer array
        Which bond each piece belongs to.
    open : (s, 2) bool array
        Ends that hang in the air, half-way to the neighbouring cell.
    """

    ends: NDArray[np.float64]
    bond: NDArray[np.int64]
    open: NDArray[np.bool_]


def segments(network: Network, nodes: NDArray | None = None) -> Segments:
    """The pieces of a network, with its nodes where ``nodes`` says."""
    x = network.nodes if nodes is None else nodes
    i, j = network.edges.T
    v = x[j] - x[i]
    ids = np.arange(network.n_edges)
    if not network.periodic:
        return Segments(space(np.stack([x[i], x[j]], 1)), ids, np.zeros((len(ids), 2), dtype=bool))
    v = v + network.shifts @ network.cell
    crossing = network.shifts.any(axis=1)
    whole, cut = ids[~crossing], ids[crossing]
    ends = np.concatenate(
        [
            np.stack([x[i[whole]], x[j[whole]]], 1),
            np.stack([x[i[cut]], x[i[cut]] + v[cut] / 2], 1),
            np.stack([x[j[cut]], x[j[cut]] - v[cut] / 2], 1),
        ]
    )
    hangs = np.zeros((len(ends), 2), dtype=bool)
    hangs[len(whole) :, 1] = True
    return Segments(space(ends), np.concatenate([whole, cut, cut]), hangs)


def space(points: ArrayLike) -> NDArray[np.float64]:
    """Points of the plane or of space with three coordinates."""
    points = np.asarray(points, dtype=float)
    if points.shape[-1] == 3:
        return points
    return np.concatenate([points, np.zeros((*points.shape[:-1], 1))], axis=-1)


def cell_outline(network: Network) -> NDArray[np.float64]:
    """The edges of the periodic cell, shape (4 or 12, 2, 3), around the nodes."""
    d = network.dim
    fractions = network.nodes @ np.linalg.inv(network.cell)
    corner = np.zeros(d)
    if (fractions < -1e-9).any() or (fractions > 1 + 1e-9).any():
        # Centred on the nodes where those do not lie in the cell at the origin.
        corner = (fractions.min(axis=0) + fractions.max(axis=0) - 1) / 2
    corners = np.stack(np.meshgrid(*[(0, 1)] * d, indexing="ij"), -1).reshape(-1, d)
    pairs = [
        (a, b) for k, a in enumerate(corners) for b in corners[k + 1 :] if np.abs(a - b).sum() == 1
    ]
    return space((corner + np.array(pairs)) @ network.cell)


# -- marks: where the network is driven, asked and held ------------------------------------------


@dataclass(frozen=True, eq=False)
class Mark:
    """One source or target in one example.

    Attributes
    ----------
    terminal : Source or Target
    ports : tuple of Port
    values : (ports,) array
        Imposed or wanted, in the user's quantity.
    active : bool
        Whether it takes part in the example.
    """

    terminal: Terminal
    ports: tuple[Port, ...]
    values: NDArray[np.float64]
    active: bool

    @property
    def is_source(self) -> bool:
        """Whether it drives the network rather than reads it."""
        return isinstance(self.terminal, Source)

    @property
    def colour(self) -> str:
        """The colour of its kind."""
        return SOURCE if self.is_source else TARGET

    @property
    def nodes(self) -> list[int]:
        """Its nodes, each once."""
        return list(dict.fromkeys(n for p in self.ports for n in p.nodes))

    @property
    def pairs(self) -> list[tuple[int, ...]]:
        """Pairs of nodes whose distance it is about."""
        return [p.nodes for p in self.ports if p.component is None]

    def arrows(self, network: Network, nodes: NDArray) -> list[tuple[NDArray, NDArray, bool]]:
        """Arrows as (place, direction, whether the arrow ends there rather than starts)."""
        if not self.active or getattr(self.terminal, "match", None):
            return []
        out = []
        vectors: dict[int, NDArray] = {}
        for port, value in zip(self.ports, self.values, strict=True):
            if port.component is not None:
                vectors.setdefault(port.nodes[0], np.zeros(network.dim))[port.component] = value
                continue
            a, b = port.nodes
            axis = network.separation(a, b)
            axis = axis / np.linalg.norm(axis)
            if value:
                apart = value > 0
                out += [
                    (nodes[a], -axis if apart else axis, not apart),
                    (nodes[b], axis if apart else -axis, not apart),
                ]
        for node, vector in vectors.items():
            if size := np.linalg.norm(vector):
                out.append((nodes[node], vector / size, False))
        return out


def marks(problem: Problem, example: int = 0) -> list[Mark]:
    """The sources and targets of a problem as they are in one example, counted from 0."""
    out = []
    column = {port: k for k, port in enumerate(problem.targets)}
    for terminal in (*problem.task.sources, *problem.task.targets):
        ks = [k for k, p in enumerate(problem.ports) if p.terminal == terminal.name]
        if isinstance(terminal, Source):
            values = problem.values[example, ks]
            active = bool(problem.held[example, ks].any() or terminal.quantity == "force")
        else:
            values = problem.wanted[example, [column[k] for k in ks]]
            active = bool(problem.asked[example, [column[k] for k in ks]].any())
        ports = tuple(problem.ports[k] for k in ks)
        units = [p.unit if terminal.quantity == "strain" else 1.0 for p in ports]
        out.append(Mark(terminal, ports, values / units, active))
    return out


# -- the view ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class View:
    """A parallel projection: what is seen, from where, on how many pixels.

    Attributes
    ----------
    right, up, out : unit vectors of the picture; ``out`` points at the viewer
    centre : what is in the middle
    scale : half the picture's height, in units of length
    size : width and height in pixels
    """

    right: NDArray[np.float64]
    up: NDArray[np.float64]
    out: NDArray[np.float64]
    centre: NDArray[np.float64]
    scale: float
    size: tuple[int, int]

    def pixels(self, points: ArrayLike) -> NDArray[np.float64]:
        """Pixel coordinates from the top left corner, shape (..., 2)."""
        v = space(points) - self.centre
        w, h = self.size
        x = w / 2 + v @ self.right / self.scale * h / 2
        return np.stack([x, h / 2 - v @ self.up / self.scale * h / 2], axis=-1)

    @property
    def per_pixel(self) -> float:
        """Units of length per pixel."""
        return 2 * self.scale / self.size[1]

    def aim(self, plotter: "pyvista.Plotter") -> None:
        """Point a plotter's camera."""
        camera = plotter.camera
        camera.parallel_projection = True
        camera.focal_point = tuple(self.centre)
        camera.position = tuple(self.centre + 10 * self.scale * self.out)
        camera.up = tuple(self.up)
        camera.parallel_scale = self.scale
        plotter.reset_camera_clipping_range()


def view(
    points: NDArray,
    dim: int,
    size: tuple[int, int],
    towards: NDArray | None = None,
    margin: tuple[float, float] = (0.06, 0.06),
) -> View:
    """A view of all points: straight on in 2D, isometric in 3D.

    Of the four isometric views from above the one in front of the points ``towards`` is taken.
    ``margin`` is left free on every side, as a part of width and height.
    """
    if dim == 2:
        right, up, out = np.eye(3)
    else:
        sides = [np.array([a, b, 0.8]) for a, b in ((1, -1), (1, 1), (-1, 1), (-1, -1))]
        front = (
            np.zeros(3)
            if towards is None or not len(towards)
            else (np.mean(towards, axis=0) - np.mean(points, axis=0))
        )
        out = max(sides, key=lambda s: s @ front)
        out = out / np.linalg.norm(out)
        right = np.cross([0, 0, 1], out)
        right /= np.linalg.norm(right)
        up = np.cross(out, right)
    axes = np.array([right, up, out])
    low, high = (points @ axes.T).min(axis=0), (points @ axes.T).max(axis=0)
    w, h = size
    half = (high - low) / 2
    scale = max(half[1] / (1 - 2 * margin[1]), half[0] * h / w / (1 - 2 * margin[0]))
    return View(right, up, out, (low + high) / 2 @ axes, float(scale), size)


# -- drawing -------------------------------------------------------------------------------------


@dataclass(eq=False)
class Scene:
    """A network with its marks, ready to be put into a plotter.

    Attributes
    ----------
    network : Network
    nodes : (n, d) array
        Where the nodes are drawn.
    colours : (m, 3) array of 0 to 255
        Per bond.
    widths : (m,) array of 0 to 1
        Per bond: thinnest to thickest.
    ghost : (n, d) array, optional
        Where the nodes are at rest.
    """

    network: Network
    nodes: NDArray[np.float64]
    colours: NDArray[np.uint8]
    widths: NDArray[np.float64]
    marks: list[Mark] = field(default_factory=list)
    supports: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    ghost: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        span = np.ptp(self.network.nodes, axis=0)
        if self.network.periodic:
            span = np.abs(self.network.cell).max(axis=0)
        self.extent = float(np.linalg.norm(span))
        self.bond = float(np.median(self.network.lengths))
        # In proportion to the bonds, but neither lost in a large network nor burying a small one.
        self.thick = min((0.105 if self.flat else 0.07) * self.bond, 0.011 * self.extent)
        least = 0.0075 if self.flat else 0.01
        self.mark = float(np.clip(0.13 * self.bond, least * self.extent, 0.013 * self.extent))
        self.arrow = float(np.clip(0.75 * self.bond, 0.045 * self.extent, 0.085 * self.extent))

    @property
    def flat(self) -> bool:
        """Whether the network lies in the plane."""
        return self.network.dim == 2

    def points(self) -> NDArray[np.float64]:
        """Everything that must be in view."""
        parts = [segments(self.network, self.nodes).ends.reshape(-1, 3)]
        if self.ghost is not None:
            parts.append(segments(self.network, self.ghost).ends.reshape(-1, 3))
        if self.network.periodic:
            parts.append(cell_outline(self.network).reshape(-1, 3))
        starts, directions = self._arrows(self.marks)
        parts += [starts, starts + directions * self.arrow]
        return np.concatenate(parts)

    def mark_points(self) -> NDArray[np.float64]:
        """Where sources and targets are."""
        ids = [n for m in self.marks for n in m.nodes]
        return space(self.nodes[ids]) if ids else np.empty((0, 3))

    def nodes_of(self, mark: Mark) -> NDArray[np.float64]:
        """Where a mark's nodes are, shape (k, 3)."""
        return space(self.nodes[mark.nodes])

    def draw(self, plotter: "pyvista.Plotter", away: NDArray | None = None) -> None:
        """Put everything into a plotter.

        ``away`` points away from the viewer; where given, bonds in space pale with distance.
        """
        self.draw_bonds(plotter, away)
        self.draw_marks(plotter)

    # Flat things are stacked along z: at rest behind, marks in front; z = 0 are the bonds.
    @property
    def _layer(self) -> float:
        return self.mark if self.flat else 0.0

    @property
    def _solid(self) -> dict[str, Any]:
        if self.flat:
            return {"lighting": False}
        return {"smooth_shading": True, "ambient": 0.35, "diffuse": 0.7, "specular": 0.0}

    def draw_bonds(self, plotter: "pyvista.Plotter", away: NDArray | None = None) -> None:
        """Put the bonds, deformed and at rest, and the periodic cell into a plotter."""
        layer = self._layer
        pale = (
            (lambda ends, colours: colours)
            if away is None or self.flat
            else (lambda ends, colours: _paled(ends, colours, away))
        )
        if self.network.periodic:
            outline = _tubes(cell_outline(self.network), 0.0016 * self.extent)
            plotter.add_mesh(_raised(outline, -4 * layer), color=CELL, lighting=False)
        if self.ghost is not None:
            rest = segments(self.network, self.ghost)
            colours = np.full((len(rest.bond), 2, 3), _rgb(GHOST), dtype=float)
            colours[rest.open] = 255
            thin = max(0.15 * self.thick, 0.0007 * self.extent) * (1 if self.flat else 0.5)
            self._lines(plotter, rest, thin, pale(rest.ends, colours), -3 * layer, lighting=False)
        pieces = segments(self.network, self.nodes)
        radius = self.thick * (0.16 + 0.84 * np.clip(self.widths, 0, 1))
        colours = np.repeat(self.colours[pieces.bond][:, None], 2, axis=1).astype(float)
        colours[pieces.open] = 0.12 * colours[pieces.open] + 0.88 * 255
        self._lines(
            plotter, pieces, radius[pieces.bond], pale(pieces.ends, colours), 0.0, **self._solid
        )
        if self.network.n_edges <= JOINTS:
            self._joints(plotter, radius, pale)

    def draw_marks(self, plotter: "pyvista.Plotter") -> None:
        """Put supports, sources and targets into a plotter."""
        if len(self.supports):
            self._supports(plotter, 2 * self._layer)
        for mark in self.marks:
            self._mark(plotter, mark, 3 * self._layer, self._solid)

    def _joints(self, plotter, radius, pale) -> None:
        """Round the joints: on every node a ball as thick as its thickest bond."""
        import pyvista as pv

        ends, bonds = self.network.edges.ravel(), np.repeat(np.arange(self.network.n_edges), 2)
        order = np.lexsort((radius[bonds], ends))
        widest = bonds[order][np.diff(ends[order], append=-1) != 0]
        # In the plane a disc lies just below the top of its thickest bond, above the others.
        places = space(self.nodes)
        if self.flat:
            places[:, 2] += 0.98 * radius[widest]
        balls = pv.PolyData(places)
        balls["radius"] = radius[widest]
        colours = self.colours[widest][:, None].astype(float)
        balls["colour"] = pale(space(self.nodes)[:, None], colours)[:, 0].astype(np.uint8)
        shape = (
            pv.Disc(inner=0, outer=1, c_res=16)
            if self.flat
            else pv.Sphere(radius=1, theta_resolution=12, phi_resolution=12)
        )
        plotter.add_mesh(
            balls.glyph(geom=shape, scale="radius", orient=False),
            scalars="colour",
            rgb=True,
            **self._solid,
        )

    def _lines(self, plotter, pieces, radius, colours, z, **options) -> None:
        if self.flat or len(pieces.bond) <= TUBES:
            shape = _ribbons if self.flat else _tubes
            mesh = shape(pieces.ends, radius, colours)
            plotter.add_mesh(_raised(mesh, z), scalars="colour", rgb=True, **options)
            return
        mesh = _lines(pieces.ends)
        mesh["colour"] = colours.reshape(-1, 3).astype(np.uint8)
        plotter.add_mesh(_raised(mesh, z), scalars="colour", rgb=True, line_width=2, lighting=False)

    def _supports(self, plotter, z) -> None:
        import pyvista as pv

        places = pv.PolyData(_lifted(self.nodes[self.supports], z))
        side = 1.7 * self.mark
        box = pv.Cube(x_length=side, y_length=side, z_length=side / 50 if self.flat else side)
        plotter.add_mesh(
            places.glyph(geom=box, scale=False, orient=False),
            color=SUPPORT,
            **{**self._solid, "smooth_shading": False},
        )

    def _mark(self, plotter, mark: Mark, z, tubes) -> None:
        import pyvista as pv

        places = pv.PolyData(_lifted(self.nodes[mark.nodes], z))
        ball = pv.Sphere(radius=self.mark, theta_resolution=24, phi_resolution=24)
        halo = self.mark / 2 if self.flat else 0.0
        if pairs := mark.pairs:
            ends = np.array([[self.nodes[a], self.nodes[a] + self._apart(a, b)] for a, b in pairs])
            plotter.add_mesh(
                _raised(_tubes(space(ends), 0.32 * self.mark), z), color=mark.colour, **tubes
            )
        if self.flat:
            rim = pv.Disc(inner=0, outer=1.3 * self.mark, c_res=40)
            plotter.add_mesh(
                _raised(places.glyph(geom=rim, scale=False, orient=False), -halo),
                color="white",
                lighting=False,
            )
            ball = pv.Disc(inner=0 if mark.active else 0.6 * self.mark, outer=self.mark, c_res=40)
        plotter.add_mesh(
            places.glyph(geom=ball, scale=False, orient=False), color=mark.colour, **tubes
        )
        starts, directions = self._arrows([mark])
        if not len(starts):
            return
        shaft = 0.38 * self.mark / self.arrow
        for wider, colour, lift in ((1.9, "white", -halo), (1.0, mark.colour, 0.0)):
            if wider > 1 and not self.flat:
                continue
            shape = pv.Arrow(
                tip_length=min(0.5, 2.4 * self.mark / self.arrow),
                tip_resolution=30,
                tip_radius=(2.4 + wider) / 3.4 * 2.9 * shaft,
                shaft_radius=wider * shaft,
                shaft_resolution=20,
            )
            points = pv.PolyData(starts + np.array([0, 0, z + lift]))
            points["along"] = directions
            plotter.add_mesh(
                points.glyph(geom=shape, orient="along", scale=False, factor=self.arrow),
                color=colour,
                **tubes,
            )

    def _apart(self, a: int, b: int) -> NDArray[np.float64]:
        v = self.nodes[b] - self.nodes[a]
        if not self.network.periodic:
            return v
        at_rest = self.network.nodes[b] - self.network.nodes[a]
        return v + self.network.separation(a, b) - at_rest

    def _arrows(self, of: list[Mark]) -> tuple[NDArray, NDArray]:
        """Where arrows start, and unit vectors along them."""
        gap = 1.35 * self.mark
        starts, directions = [], []
        for mark in of:
            for place, along, ends_there in mark.arrows(self.network, self.nodes):
                way = space(along)
                back = gap + self.arrow
                starts.append(space(place) + (-back * way if ends_there else gap * way))
                directions.append(way)
        if not starts:
            return np.empty((0, 3)), np.empty((0, 3))
        return np.array(starts), np.array(directions)


def _lines(ends: NDArray) -> "pyvista.PolyData":
    import pyvista as pv

    n = len(ends)
    cells = np.column_stack([np.full(n, 2), np.arange(2 * n).reshape(-1, 2)])
    return pv.PolyData(ends.reshape(-1, 3), lines=cells.ravel())


def _ribbons(ends: NDArray, radius, colours: NDArray) -> "pyvista.PolyData":
    """What tubes in the plane look like from straight on, the thicker above the thinner."""
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


def _tubes(ends: NDArray, radius, colours: NDArray | None = None):
    """Tubes along segments, one radius each; ``colours`` per end."""
    sides = 10 if len(ends) < 5000 else 6
    mesh = _lines(ends)
    mesh["radius"] = np.repeat(np.broadcast_to(radius, len(ends)), 2).astype(float)
    if colours is not None:
        mesh["colour"] = colours.reshape(-1, 3).astype(np.uint8)
    mesh.set_active_scalars("radius")
    return mesh.tube(scalars="radius", absolute=True, n_sides=sides, capping=True)


def _raised(mesh: Any, z: float):
    if z:
        mesh.points = np.asarray(mesh.points) + np.array([0, 0, z])
    return mesh


def _lifted(nodes: NDArray, z: float) -> NDArray:
    return space(nodes) + np.array([0, 0, z])


def _paled(ends: NDArray, colours: NDArray, away: NDArray) -> NDArray[np.float64]:
    """Colours nearer to white the farther they are from the viewer."""
    depth = ends @ away
    depth = (depth - depth.min()) / (np.ptp(depth) or 1.0)
    keep = 1 - FADE * depth[..., None] ** 1.3
    return colours * keep + 255 * (1 - keep)


def _rgb(colour: str) -> NDArray[np.uint8]:
    return np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)], dtype=np.uint8)
