"""Manufacturable part in mm: struts, supports, and limits of manufacture.

Everything that is made, printed or cut, starts here; what the part looks like as a surface is said
in :mod:`mechlearn.export.body`, as an outline in :func:`silhouette`.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.solid import Hinge
from mechlearn.errors import InputError, MechlearnError, listed
from mechlearn.export.options import Options
from mechlearn.solids import outline, sizing
from mechlearn.solids.images import rod_overlaps
from mechlearn.solids.struts import Struts

if TYPE_CHECKING:
    from mechlearn.runs.run import Run

#: Longest side of a part of which nothing is said, in mm, if its struts are not too thin then.
SIZE = 100.0
#: Corners of the polygon that stands for a joint's disc.
FACETS = 64
#: Corners of a quarter of a fillet.
ARC = 16


@dataclass(frozen=True, eq=False)
class Part:
    """Struts of a network in mm, with manufacturing options.

    Attributes
    ----------
    struts : Struts
        In mm.
    unit : float
        Length of a unit of the network in mm.
    thickness : float
        Out of the plane in mm (2D).
    supported : integer array
        Nodes that are held in all directions.
    options : Options
    sized : mechlearn.solids.sizing.SizedStruts
        What the struts were made of, in units of the network.
    """

    struts: Struts
    unit: float
    thickness: float
    supported: NDArray[np.int64]
    options: Options
    sized: sizing.SizedStruts

    @property
    def dim(self) -> int:
        """Dimension of the network."""
        return self.struts.network.dim

    @cached_property
    def gap(self) -> float:
        """Distance between base plate and part in mm."""
        return self.options.gap or 2 * (self.options.base or 0.0)

    @cached_property
    def posts(self) -> NDArray[np.float64]:
        """Radius of pads and posts at the supported nodes in mm; pads are twice a hole wide."""
        hole = self.options.hole if self.dim == 2 and self.options.hole else 0.0
        return np.maximum(self.struts.joint_radius[self.supported], hole)

    def __str__(self) -> str:
        width = self.struts.width
        text = (
            f"A network unit is {self.unit:.4g} mm; struts are {width.min():.3g} to "
            f"{width.max():.3g} mm wide"
        )
        if self.dim == 2:
            text += f" and {self.thickness:.3g} mm thick"
        return f"{text}. {self.sized.changes}".rstrip()


def hinge_of(run: "Run", options: Options) -> Hinge | None:
    """Hinge thickness ratio: as given, or that of a run of solids; validated."""
    if options.hinge is None:
        return getattr(run.energy, "hinge", None)
    thin, length = options.hinge
    if not (0 < thin <= 1 and 0 < length < 0.25):
        raise InputError(
            f"hinge = {thin:g} {length:g}: the width of a hinge over the strut's must be above 0 "
            "and at most 1, its length over the strut's below 0.25."
        )
    return Hinge(thin, length)


def sized(run: "Run", options: Options) -> sizing.SizedStruts:
    """Struts with the learned stiffnesses, in units of the network; InputError for a cell."""
    if run.network.periodic:
        raise InputError(
            "A periodic cell has no ends and is no part to be made: repeat it to a finite one "
            "first (mechlearn tile), and export that."
        )
    return sizing.size_struts(
        run, largest=options.largest, smallest=options.smallest, drop=not options.keep
    )


def make_part(run: "Run", options: Options) -> Part:
    """Size the struts of a run and check that they can be made.

    Raises
    ------
    InputError
        For a run that no solid can be made of, struts (or their hinges) below the width of a line,
        round struts that overlap without meeting, and holes or posts where nothing is supported.
    """
    made = sized(run, options)
    hinge = hinge_of(run, options)
    struts = Struts(made.network, made.width, hinge)
    unit = options.unit or _unit(struts, options)
    network = replace(made.network, nodes=made.network.nodes * unit)
    struts = Struts(network, made.width * unit, hinge)
    supported = _supported(run) if options.hole or options.base else np.empty(0, dtype=np.int64)
    thickness = options.thickness or float(struts.width.max())
    part = Part(struts, unit, thickness, supported, options, made)
    _check_widths(part)
    if network.dim == 3:
        if options.thickness:
            raise InputError("thickness is for plane networks; in space struts are round.")
        if options.hole and not options.base:
            raise InputError("hole: in space holes are in the base plate; give base as well.")
        _check_rods(part)
    return part


def _unit(struts: Struts, options: Options) -> float:
    """Length of a network's unit in mm, from the wanted longest side."""
    nodes, radius = struts.network.nodes, struts.joint_radius[:, None]
    longest = np.ptp(np.concatenate([nodes - radius, nodes + radius]), axis=0).max()
    if options.size:
        return options.size / longest
    # Where nothing is said, a handy size, or larger where the thinnest strut needs it.
    return max(SIZE / longest, options.line_width / struts.end_width.min())


def _supported(run: "Run") -> NDArray[np.int64]:
    """Nodes supported in all directions."""
    width, dim = len(run.problem.components), run.network.dim
    node, component = np.divmod(run.problem.supported, width)
    count = np.bincount(node[component < dim], minlength=run.network.n_nodes)
    nodes = np.flatnonzero(count == dim)
    if not len(nodes):
        raise InputError(
            "hole and base go to supported nodes, but no node of this task is held in all "
            "directions; add [[supports]] to the task, or leave them out."
        )
    return nodes


def _check_widths(part: Part) -> None:
    line, width = part.options.line_width, part.struts.end_width
    thin = np.flatnonzero(width < line * (1 - 1e-9))
    if len(thin):
        what = "The hinges of struts" if part.struts.hinge else "Struts"
        bonds = np.flatnonzero(part.sized.kept)[thin]
        need = part.unit * line / width.min()
        raise InputError(
            f"{what} {listed(bonds)} are as thin as {width.min():.3g} mm, below the line width of "
            f"{line:g} mm: a unit of {need:.4g} mm (now {part.unit:.4g}) would do, or wider "
            "struts (largest, smallest, or the bounds of [learn])."
        )


def _check_rods(part: Part) -> None:
    """Raise InputError for round struts, and posts, that overlap away from nodes."""
    net, width = part.struts.network, part.struts.width
    nodes, edges = net.nodes, net.edges
    if part.options.base:
        feet = nodes[part.supported].copy()
        feet[:, 2] = lowest(part) - part.gap
        stands = np.arange(len(feet)) + len(nodes)
        edges = np.vstack([edges, np.column_stack([part.supported, stands])])
        nodes = np.vstack([nodes, feet])
        width = np.concatenate([width, 2 * part.posts])
    pairs = rod_overlaps(np.arange(len(edges)), nodes[edges], edges, width)
    if len(pairs):
        bonds = np.flatnonzero(part.sized.kept)
        name = [str(b) for b in bonds] + [f"post of node {n}" for n in part.supported]
        some = listed([f"{name[a]}-{name[b]}" for a, b in pairs], limit=5)
        raise InputError(
            f"Struts {some} overlap without meeting at a node: make them thinner (largest), or "
            "leave out the base plate."
        )


def lowest(part: Part) -> float:
    """Lowest height of a part in space, in mm."""
    return float((part.struts.network.nodes[:, 2] - part.struts.joint_radius).min())


def silhouette(part: Part) -> Any:
    """Top view of a 2D part as one shapely polygon, with fillets, pads and holes.

    Raises
    ------
    InputError
        Where struts overlap without meeting, fillets close a hole between struts, or a pad touches
        struts of other nodes.
    """
    shapely = outline.optional("shapely")
    try:
        shape = outline.silhouette(part.struts, FACETS)
    except InputError as error:
        raise InputError(_in_bonds(str(error), part)) from None
    holes = shape.interiors.__len__()
    pads = shapely.points(part.struts.network.nodes[part.supported])
    if len(pads):
        round_pads = shapely.buffer(pads, part.posts, quad_segs=ARC)
        _check_pads(part, round_pads)
        shape = shapely.union_all([shape, *round_pads])
    radius = part.options.fillet
    if radius:
        shape = shape.buffer(radius, quad_segs=ARC).buffer(-radius, quad_segs=ARC)
        if shape.geom_type != "Polygon" or shape.interiors.__len__() < holes:
            raise InputError(
                f"fillet = {radius:g} mm fills {holes - shape.interiors.__len__()} of the {holes} "
                "holes between struts; take a smaller one."
            )
    if part.options.hole:
        shape = shape.difference(
            shapely.union_all(shapely.buffer(pads, part.options.hole / 2, quad_segs=ARC))
        )
    # Cut and printed to a thousandth of a mm at best: corners closer than that are one.
    shape = shapely.simplify(shape, 1e-4)
    if shape.geom_type != "Polygon":
        raise MechlearnError("The outline falls into several pieces; the struts are too thin.")
    return shapely.orient_polygons(shape)


def _check_pads(part: Part, pads: NDArray) -> None:
    shapely = outline.optional("shapely")
    bodies = outline.strut_polygons(part.struts)
    pad, strut = shapely.STRtree(bodies).query(pads, predicate="intersects")
    foreign = (part.struts.network.edges[strut] != part.supported[pad][:, None]).all(axis=1)
    if foreign.any():
        first = np.flatnonzero(foreign)[0]
        bond = np.flatnonzero(part.sized.kept)[strut[first]]
        raise InputError(
            f"The pad of node {part.supported[pad[first]]}, {2 * part.posts[pad[first]]:.3g} mm "
            f"wide, touches strut {bond}, which does not end there; take a smaller hole."
        )


def _in_bonds(text: str, part: Part) -> str:
    """Message with strut numbers replaced by the run's bond numbers."""
    if part.sized.kept.all():
        return text
    return f"{text} (Struts are counted without the {np.count_nonzero(~part.sized.kept)} left out.)"
