"""Pictures of a deformed solid, cells coloured by energy density."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mechlearn.parallel import on_first
from mechlearn.render.offscreen import load_pyvista
from mechlearn.solids.model import SolidModel


def draw_solid(
    model: SolidModel,
    state: NDArray,
    path: str | Path,
    *,
    width: int = 1600,
    decades: float = 4.0,
    marks: dict[str, list[int]] | None = None,
) -> Path:
    """Draw a solid in a state as a PNG; all ranks must call it, and the first draws.

    Parameters
    ----------
    model : SolidModel
    state : (dofs,) array
        Displacements, such as a column of ``EquilibriumState.fields()``.
    path : path
    width : int
        Of the picture, in pixels; its height follows from the solid's shape.
    decades : float
        Colours go over so many powers of ten of the energy density, from the largest down.
    marks : mapping of colours to pairs of nodes, optional
        Pairs to mark by a ring around each of their nodes.

    Returns
    -------
    Path
        Of the picture.
    """
    points, cells = model.deformed(state), model.domain.drawn.cells
    density = model.cell_energies() / model.cell_volumes()
    level = np.log10(np.maximum(density / density.max(), 10**-decades))
    nodes = model.network.nodes + model.to_nodes(state)[:, : model.places]
    on_first(lambda: _draw(model, points, cells, level, nodes, Path(path), width, marks or {}))
    return Path(path)


def _draw(
    model: SolidModel,
    points: NDArray,
    cells: NDArray,
    level: NDArray,
    nodes: NDArray,
    path: Path,
    width: int,
    marks: dict[str, list[int]],
) -> None:
    """Draw the gathered cells; ``level`` is the logarithm of the energy density, up to 0."""
    pv = load_pyvista()
    d = points.shape[1]
    kind = pv.CellType.TRIANGLE if d == 2 else pv.CellType.TETRA
    flat = np.zeros((len(points), 3))
    flat[:, :d] = points
    body = pv.UnstructuredGrid({kind: cells}, flat)
    body.cell_data["energy"] = level
    size = np.ptp(flat[:, :2], axis=0)
    height = int(np.clip(width * size[1] / size[0], width / 3, 1.6 * width))
    plotter = pv.Plotter(off_screen=True, window_size=(width, height))
    plotter.background_color = "white"
    try:
        surface = body if d == 2 else body.extract_surface(algorithm="dataset_surface")
        # Means at the points: the energy of P1 moves jumps from cell to cell, the colour need not.
        smooth = surface.cell_data_to_point_data()
        plotter.add_mesh(
            smooth, scalars="energy", cmap="viridis", clim=(level.min(), 0), show_scalar_bar=False,
            lighting=d == 3, smooth_shading=d == 3,
        )  # fmt: skip
        if d == 2:
            rims = np.column_stack([np.full(len(model.domain.drawn.facets), 2),
                                    model.domain.drawn.facets])  # fmt: skip
            plotter.add_mesh(pv.PolyData(flat, lines=rims.ravel()), color="#303030", line_width=1.5)
        radius = 2.2 * model.domain.struts.joint_radius
        for colour, pair in marks.items():
            for node in pair:
                centre = np.zeros(3)
                centre[:d] = nodes[node]
                ring = pv.Disc(
                    center=centre, inner=radius[node], outer=1.35 * radius[node], c_res=48
                )
                plotter.add_mesh(ring, color=colour, lighting=False)
        if d == 2:
            plotter.view_xy()
            plotter.enable_parallel_projection()
        plotter.camera.tight(
            padding=0.06, adjust_render_window=False
        ) if d == 2 else plotter.reset_camera()
        plotter.screenshot(str(path))
    finally:
        plotter.close()
