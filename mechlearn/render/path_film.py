"""Films of an equilibrium path: deformed states, and the load-displacement curve beside them."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.kinematics import Displacements
from mechlearn.errors import InputError
from mechlearn.io.writing import replaced_file
from mechlearn.plots.style import INK
from mechlearn.render.captions import scale, sizes
from mechlearn.render.colours import Shades
from mechlearn.render.deformation import bent, bond_strains, shares
from mechlearn.render.film import HOLD, Images, film_writer, images
from mechlearn.render.marks import held_nodes, marks
from mechlearn.render.scene import Scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mechlearn.learning.system import System
    from mechlearn.studies.path import EquilibriumPath

#: Frames at most, but for those that are held.
FRAMES = 72


def path_film(
    at: "System",
    found: "EquilibriumPath",
    path: Path,
    *,
    title: str = "",
    size: tuple[int, int] = (1200, 640),
) -> Path:
    """Write a film of the states along a path; solids are drawn as the axes of their struts.

    Parameters
    ----------
    at : System
    found : EquilibriumPath
        Of that system.
    path : gif or mp4 file to write
    title : above the picture; sizes of the network where left out
    size : width and height in pixels

    Raises
    ------
    InputError
        For nodes that do not move, and where the file cannot be written.
    """
    if path.suffix.lower() not in (".gif", ".mp4"):
        raise InputError(f"{path}: a film is a gif or an mp4 file.")
    if not isinstance(at.energy.kinematics, Displacements):
        raise InputError(f"{path}: a film is of nodes that move, not of potentials.")
    writer = film_writer(path, size)
    frames = _frames(at, found, title or sizes(at.network), size)
    with replaced_file(path) as place:
        writer(place, frames)
    return path


def _frames(at: "System", found: "EquilibriumPath", title: str, size: tuple[int, int]) -> Images:
    places = _evenly(found)
    net, name = at.network, found.attrs["source"]
    x, y = found[name].values, found[f"{name}.force"].values
    across, through = found.attrs["across"], found.attrs["through"]
    strains = [bond_strains(net, u, False, c) for u, c in (_state(found, k) for k in places)]
    shades = Shades(np.concatenate(strains), "strain", diverging=True)
    scenes = [_scene(at, found, k, shades.colours(e)) for k, e in zip(places, strains, strict=True)]
    words = [
        f"{across} {x[k]:.4g},  {through} {y[k]:.4g},  "
        + (found["kind"].values[k] or ("stable" if found["stable"].values[k] else "unstable"))
        for k in places
    ]

    def curve(axes: "Axes", number: int) -> None:
        found.plot(ax=axes)
        k = places[number]
        axes.plot(x[k], y[k], "o", color=INK, markersize=11, zorder=5)

    made = list(images(scenes, shades, (title, scale(1.0)), words, curve, size))
    yield from [*made, *made[-1:] * HOLD]


def _evenly(found: "EquilibriumPath") -> list[int]:
    """Numbers of points that are about as far from each other in displacements."""
    states = found["states"].values.reshape(len(found.point), -1)
    moved = np.linalg.norm(np.diff(states, axis=0), axis=1)
    way = np.concatenate([[0.0], np.cumsum(moved)])
    wanted = np.linspace(0, way[-1], min(FRAMES, len(way)))
    return np.unique(np.abs(way[:, None] - wanted).argmin(axis=0)).tolist()


def _state(found: "EquilibriumPath", k: int) -> tuple[NDArray, NDArray | None]:
    return found["states"].values[k], found["cell"].values[k] if "cell" in found else None


def _scene(at: "System", found: "EquilibriumPath", k: int, colours: NDArray) -> Scene:
    net, problem, (state, cell) = at.network, at.problem, _state(found, k)
    moves, lines = state[:, : net.dim], None
    if at.energy.kinematics.rotations(net.dim) and not at.energy.continuum:
        parts = shares(at.energy, net.lengths, at.parameters)
        turns = at.energy.kinematics.rotation_vectors(state[:, net.dim :])
        lines = bent(net, moves, turns, parts, False, cell)
    return Scene(
        net,
        net.nodes + moves,
        colours,
        np.full(net.n_edges, 0.28),
        [mark for mark in marks(problem) if mark.is_source],
        held_nodes(problem),
        ghost=True,
        strain=cell,
        lines=lines,
    )
