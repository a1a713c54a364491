"""Pictures of a deformed solid, cells coloured by energy density."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import plain
from mechlearn.parallel import on_first
from mechlearn.render.captions import sizes, which_example
from mechlearn.render.colours import DECADES, Shades
from mechlearn.render.deformation import rigid_motion
from mechlearn.render.fields import body
from mechlearn.render.marks import held_nodes, marks
from mechlearn.render.panels import labelled_picture
from mechlearn.render.scene import Scene, Solid
from mechlearn.render.sheet import Sheet, save
from mechlearn.solids.model import SolidModel
from mechlearn.tasks.problem import Problem


def draw_solid(
    model: SolidModel,
    problem: Problem,
    state: NDArray,
    path: str | Path,
    *,
    size: tuple[int, int] = (1600, 1000),
    title: str = "",
) -> Path:
    """Draw a solid in a state of its first example; all ranks must call it, and the first draws.

    Parameters
    ----------
    model : SolidModel
    problem : Problem
        Whose sources, targets and supports are marked.
    state : (dofs,) array
        Displacements, such as a column of ``EquilibriumState.fields()``.
    path : png file to write
    size : width and height in pixels
    title : above the picture; sizes of the network where left out

    Returns
    -------
    Path
        Of the picture.
    """
    network, shape = model.network, body(model, state)
    moves = model.to_nodes(state)[:, : network.dim]
    floating = rigid_motion(network, problem, moves, model.energy.linear)
    shades = Shades(shape.density, "energy\ndensity", decades=DECADES)
    scene = Scene(
        network,
        network.nodes + floating.relative(network.nodes, moves),
        np.zeros((network.n_edges, 3), np.uint8),
        np.zeros(network.n_edges),
        marks(problem),
        held_nodes(problem),
        ghost=True,
        solid=Solid(
            shape.rest + floating.relative(shape.rest, shape.moves),
            shape.cells,
            shades.colours(shape.density),
        ),
    )

    def draw() -> None:
        words = ["free state of the solid", "deformation to scale", *which_example(problem, 0)]
        sheet = Sheet(size, plain(title) or sizes(network), ", ".join(words))
        sheet.explain(scene, shades)
        labelled_picture(sheet, scene, {})
        save(sheet.figure, Path(path))

    on_first(draw)
    return Path(path)
