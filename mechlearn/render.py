"""Pictures of runs: the learned network, its free and clamped states, the error, the set-up.

pyvista draws the networks (:mod:`mechlearn.scene`); titles, colour bars and labels are set around
its picture, where they cover nothing.
"""

import os
import sys
from collections.abc import Sequence
from ctypes.util import find_library
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError
from mechlearn.network import Network
from mechlearn.plots import pick_dof, plot_error, spans_decades
from mechlearn.problem import Problem
from mechlearn.scene import (
    BOND,
    CELL,
    GHOST,
    SOURCE,
    SUPPORT,
    TARGET,
    Mark,
    Scene,
    View,
    amplification,
    bond_strains,
    marks,
    reading,
    view,
    without_rigid_motion,
)

if TYPE_CHECKING:
    from mechlearn.run import Run

#: What ``render`` can draw, with the suffixes it can be written to.
PICTURES: dict[str, tuple[str, ...]] = {
    "network": (".png",),
    "states": (".png",),
    "setup": (".png",),
    "error": (".png", ".svg", ".pdf"),
}
INK, QUIET = "#20242A", "#5B626D"
#: More sources and targets than this are marked but not labelled one by one.
LABELS = 14


def render(
    run: "Run",
    path: str | Path,
    *,
    what: str | None = None,
    example: int = 1,
    colour: str | None = None,
    amplify: float | None = None,
    size: tuple[int, int] = (1600, 1000),
) -> Path:
    """Write a picture of a run.

    Parameters
    ----------
    run : Run
    path : file to write
        ``.png``; for ``"error"`` also ``.svg`` and ``.pdf``.
    what : {"network", "states", "error", "setup"}, optional
        ``network``: the learned network deformed, and at rest behind it. ``states``: free and
        clamped, before and after training. ``error``: error against step. ``setup``: the task
        before training. Left out, the file's name decides (``states.png``), else ``network``.
    example : int
        Which example of the task, counted from 1.
    colour : str, optional
        What colours the bonds: a learning parameter, ``"change"`` (learned over initial) or
        ``"strain"``. Left out, the first learning parameter; for ``states`` the strain.
    amplify : float, optional
        Factor on the displacements; left out, 1 where the deformation is visible, else a round
        factor. The picture says it.
    size : pair of int
        Width and height in pixels.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        For an unknown picture, suffix, colour or example.
    """
    path = Path(path)
    if what is None:
        what = path.stem if path.stem in PICTURES else "network"
    _check(run, path, what, example, colour, amplify, size)
    if what == "error":
        return _error_picture(run, path, size)
    if what == "setup":
        return draw_setup(
            run.network, run.problem, path, example=example, size=size, title=_title(run)
        )
    draw = _network_picture if what == "network" else _states_picture
    return draw(run, path, example - 1, colour, amplify, size)


def draw_setup(
    network: Network,
    problem: Problem,
    path: str | Path,
    *,
    example: int = 1,
    size: tuple[int, int] = (1600, 1000),
    title: str = "",
) -> Path:
    """Write a picture of a task before training: supports, sources, and what targets shall do.

    Parameters
    ----------
    network, problem : what is to learn what
    path : png file to write
    example : which example, counted from 1
    size : width and height in pixels
    title : above the picture; sizes of the network where left out

    Returns
    -------
    Path
    """
    path = Path(path)
    _suffix(path, "setup")
    scene = Scene(
        network,
        network.nodes,
        np.tile(_rgb(BOND), (network.n_edges, 1)),
        np.full(network.n_edges, 0.28),
        marks(problem, example - 1),
        _held_nodes(problem),
    )
    sheet = _Sheet(size)
    sheet.title(title or _sizes(network))
    parts = [_sizes(network)] if title else []
    parts.append("before training")
    if problem.n_examples > 1:
        parts.append(f"example {example} of {problem.n_examples}")
    sheet.caption(", ".join(parts))
    column = sheet.unit * 250
    sheet.legend(column, sheet.top, scene)
    _labelled_panel(sheet, scene, (0, sheet.top, size[0] - column, sheet.body))
    return sheet.save(path)


def show(
    run: "Run",
    *,
    example: int = 1,
    colour: str | None = None,
    amplify: float | None = None,
    **options: Any,
) -> Any:
    """Show the learned network, deformed, in a window or a notebook (pyvista).

    Parameters
    ----------
    run : Run
    example, colour, amplify : as for :func:`render`
    **options : handed to ``pyvista.Plotter``

    Returns
    -------
    What ``pyvista.Plotter.show`` gives: a widget or image in a notebook; the picture as an array
    where there is neither a notebook nor a display.
    """
    _check(run, Path("network.png"), "network", example, colour, amplify, (1600, 1000))
    pv = _pyvista()
    drawn = _Drawn(run, example - 1, colour, amplify)
    scene = drawn.scene()
    notebook = _in_notebook()
    hidden = not notebook and not _has_display()
    plotter = pv.Plotter(**{"off_screen": hidden, "window_size": (1200, 800), **options})
    plotter.background_color = "white"
    scene.draw(plotter)
    shades = drawn.shades
    table = pv.LookupTable(shades.map, scalar_range=(shades.low, shades.high))
    table.log_scale = shades.log
    mapper = pv.DataSetMapper()
    mapper.lookup_table = table
    mapper.scalar_range = (shades.low, shades.high)
    plotter.add_scalar_bar(
        shades.title + "\n",
        mapper=mapper,
        color=INK,
        vertical=True,
        position_x=0.87,
        position_y=0.2,
        height=0.6,
        width=0.06,
        fmt="%.3g",
    )
    for mark in scene.marks[:LABELS]:
        plotter.add_point_labels(
            scene.nodes_of(mark)[:1],
            [f"  {mark.terminal.name}"],
            text_color=mark.colour,
            shape=None,
            font_size=18,
            always_visible=True,
            show_points=False,
        )
    plotter.add_text(drawn.caption(), font_size=11, color=QUIET, position="lower_left")
    size = tuple(plotter.window_size)
    view(scene.points(), run.network.dim, size, scene.mark_points(), (0.17, 0.08)).aim(plotter)
    plotter.camera_set = True
    if run.network.dim == 2 and not (hidden or notebook):
        plotter.enable_2d_style()
    if notebook:
        return plotter.show(**({} if _has_module("trame") else {"jupyter_backend": "static"}))
    return plotter.show(**({"screenshot": True} if hidden else {}))


# -- the pictures --------------------------------------------------------------------------------


class _Shades:
    """Colours and widths of bonds by their values."""

    def __init__(
        self, values: NDArray, title: str, diverging: bool = False, log: bool | None = None
    ) -> None:
        from matplotlib import colors

        finite = values[np.isfinite(values)]
        self.title = title
        self.clipped = "neither"
        self.diverging = diverging
        if diverging:
            middle = 1.0 if log else 0.0
            off = np.abs(np.log(finite)) if log else np.abs(finite)
            most = float(off.max(initial=0.0))
            # A few bonds far beyond the others would leave those without colour.
            reach = float(np.percentile(off, 98.0)) if len(off) else 0.0
            if most > 1.5 * reach > 0:
                self.clipped, most = "both", reach
            most = most or 1e-3
            if log:
                self.low, self.high = float(np.exp(-most)), float(np.exp(most))
            else:
                self.low, self.high = middle - most, middle + most
            self.log = bool(log)
            self.map = colors.LinearSegmentedColormap.from_list(
                "strain", ["#00463F", "#0E8C80", "#D3D6DA", "#B87413", "#5C2E00"]
            )
        else:
            self.log = spans_decades(finite) if log is None else log
            self.low, self.high = float(finite.min()), float(finite.max())
            from matplotlib import colormaps

            # Dark is much: the bright end would vanish on white, so it is cut off.
            self.map = colors.ListedColormap(colormaps["viridis_r"](np.linspace(0.06, 1, 256)))
        if self.high - self.low <= 1e-9 * max(abs(self.low), abs(self.high)):
            pad = 0.05 * abs(self.high) or 1e-3
            self.low, self.high = self.low - pad, self.high + pad
        kind = colors.LogNorm if self.log else colors.Normalize
        self.norm = kind(self.low, self.high, clip=True)

    def colours(self, values: NDArray) -> NDArray[np.uint8]:
        """One colour per bond, as (m, 3) bytes."""
        return np.asarray(self.map(self.norm(values), bytes=True))[:, :3]

    def widths(self, values: NDArray) -> NDArray[np.float64]:
        """From 0, thinnest, to 1, thickest."""
        t = np.asarray(self.norm(values), dtype=float)
        return 0.25 + 0.75 * np.abs(2 * t - 1) if self.diverging else t


class _Drawn:
    """What of a run is drawn: displacements amplified, and values that colour the bonds."""

    def __init__(self, run: "Run", example: int, colour: str | None, amplify: float | None) -> None:
        self.run, self.example = run, example
        network, problem, linear = run.network, run.problem, run.energy.linear
        u = run.displacements[example]
        seen = without_rigid_motion(network, problem, u, linear)
        self.factor = amplify or amplification(network, problem, [seen], linear)
        self.nodes = network.nodes + self.factor * seen
        self.values, self.shades = bond_values(run, colour, u)

    def scene(self) -> Scene:
        run = self.run
        return Scene(
            run.network,
            self.nodes,
            self.shades.colours(self.values),
            self.shades.widths(self.values),
            marks(run.problem, self.example),
            _held_nodes(run.problem),
            ghost=run.network.nodes,
        )

    def caption(self) -> str:
        run = self.run
        parts = [f"free state after {run.summary['steps']} steps", _scale_text(self.factor)]
        if run.problem.n_examples > 1:
            parts.append(f"example {self.example + 1} of {run.problem.n_examples}")
        if not run.converged:
            parts.append(f"not converged, largest error {_percent(run.summary['error'])}")
        return ", ".join(parts)


def bond_values(run: "Run", colour: str | None, displacements: NDArray):
    """What colours the bonds, and the shades to show it in."""
    if colour == "strain":
        values = bond_strains(run.network, displacements, run.energy.linear)
        return values, _Shades(values, "strain", diverging=True)
    if colour == "change":
        dof = next(iter(run.learned))
        before, after = np.asarray(run.initial[dof]), np.asarray(run.learned[dof])
        if before.min() > 0 and after.min() > 0:
            values = after / before
            return values, _Shades(values, f"{_words(dof)}\nlearned / initial", True, log=True)
        return after - before, _Shades(after - before, f"change of\n{_words(dof)}", True)
    dof = pick_dof(run, colour)
    values = np.asarray(run.learned[dof])
    return values, _Shades(values, _words(dof))


def _network_picture(run, path, example, colour, amplify, size) -> Path:
    drawn = _Drawn(run, example, colour, amplify)
    scene = drawn.scene()
    sheet = _Sheet(size)
    sheet.title(_title(run))
    text = drawn.caption()
    sheet.caption(text[0].upper() + text[1:])
    column = sheet.unit * 250
    bar = 0.55 * sheet.body
    sheet.bar(column, sheet.top, bar, drawn.shades)
    sheet.legend(column, sheet.top + bar + sheet.unit * 30, scene)
    reached = {t["name"]: t["reached"] for t in run.targets if t.get("example", 1) == example + 1}
    _labelled_panel(sheet, scene, (0, sheet.top, size[0] - column, sheet.body), reached)
    return sheet.save(path)


def _states_picture(run, path, example, colour, amplify, size) -> Path:
    network, problem, linear = run.network, run.problem, run.energy.linear
    before, after = run.states(learned=False), run.states()
    fields = [s[example] for s in (before.free, before.clamped, after.free, after.clamped)]
    seen = [without_rigid_motion(network, problem, u, linear) for u in fields]
    factor = amplify or amplification(network, problem, seen, linear)
    if colour in (None, "strain"):
        values = [bond_strains(network, u, linear) for u in fields]
        shades = _Shades(np.concatenate(values), "strain", diverging=True)
    elif colour == "change":
        changed, shades = bond_values(run, colour, fields[2])
        none = np.ones_like(changed) if shades.log else np.zeros_like(changed)
        values = [none, none, changed, changed]
    else:
        dof = pick_dof(run, colour)
        old, new = np.asarray(run.initial[dof]), np.asarray(run.learned[dof])
        values = [old, old, new, new]
        shades = _Shades(np.concatenate([old, new]), _words(dof))
    scenes = [
        Scene(
            network,
            network.nodes + factor * u,
            shades.colours(v),
            shades.widths(v),
            marks(problem, example),
            _held_nodes(problem),
            ghost=network.nodes,
        )
        for u, v in zip(seen, values, strict=True)
    ]
    sheet = _Sheet(size)
    sheet.title(_title(run))
    parts = [
        "Free: sources only",
        "clamped: outputs also held at their targets",
        _scale_text(factor),
    ]
    if problem.n_examples > 1:
        parts.append(f"example {example + 1} of {problem.n_examples}")
    sheet.caption("; ".join(parts[:2]) + "; " + ", ".join(parts[2:]))
    column, head = sheet.unit * 215, sheet.unit * 40
    bar = 0.55 * sheet.body
    sheet.bar(column, sheet.top, bar, shades)
    sheet.legend(column, sheet.top + bar + sheet.unit * 30, scenes[0])
    w, h = (size[0] - column) // 2, sheet.body // 2
    points = np.concatenate([s.points() for s in scenes])
    towards = scenes[0].mark_points()
    names = (
        "Before training: free",
        "Before training: clamped",
        "After training: free",
        "After training: clamped",
    )
    for k, (scene, name, u) in enumerate(zip(scenes, names, fields, strict=True)):
        left, top = (k % 2) * w, sheet.top + (k // 2) * h
        words = sheet.text(left + 32 * sheet.unit, top + head / 2, name, 21, weight="bold")
        end = words.get_window_extent().x1 + 18 * sheet.unit
        answer = sheet.text(end, top + head / 2, _readings(run, u, example, linear), 20, TARGET)
        sheet.fit(answer, left + w - end)
        place = _whole((left, top + head, w, h - head))
        sight = view(points, network.dim, place[2:], towards, (0.02, 0.02))
        sheet.picture(_picture(scene, sight), place)
    return sheet.save(path)


def _readings(run, displacements, example, linear) -> str:
    """What the targets read in a state, in a few words."""
    parts = []
    for mark in marks(run.problem, example):
        if mark.is_source or not mark.active or mark.terminal.quantity == "force":
            continue
        reads = [reading(run.network, p, displacements, linear) for p in mark.ports]
        if len(reads) > 3:
            continue
        text = _amount(mark, np.array(reads))
        parts.append(f"{mark.terminal.name} {text}")
    if len(parts) > 2:
        parts = [*parts[:2], "…"]
    return ",  ".join(parts)


def _error_picture(run, path, size) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(
        figsize=(size[0] / 100, size[1] / 100), dpi=100, layout="constrained", facecolor="white"
    )
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.25, h_pad=0.25)
    figure.suptitle(
        _title(run),
        x=0.02,
        ha="left",
        fontsize=21.6 * min(size) / 1000,
        fontweight="bold",
        color=INK,
    )
    plot_error(run, figure.add_subplot())
    _write(path, lambda: figure.savefig(path))
    return path


# -- words ---------------------------------------------------------------------------------------


def _label(mark: Mark, reached: Any = None) -> str:
    """Name, what is imposed or wanted, and what was reached."""
    if not mark.active:
        return f"{mark.terminal.name}\nswitched off"
    match = getattr(mark.terminal, "match", None)
    if match is not None:
        text = f"as {match}"
    else:
        values, repeats = mark.values, max(1, len(mark.ports) // np.size(mark.terminal.value))
        text = _amount(mark, values[: len(values) // repeats])
    quantity = mark.terminal.quantity
    if mark.terminal.components:
        quantity += " " + ", ".join(mark.terminal.components)
    asked = "" if mark.is_source else "wanted: "
    text = f"{mark.terminal.name}\n{asked}{quantity} {text}"
    if reached is not None and np.size(reached) <= 3:
        text += f"\nreached: {_amount(mark, np.atleast_1d(reached))}"
    return text


def _amount(mark: Mark, values: NDArray) -> str:
    if mark.terminal.quantity == "strain":
        return _percent(float(values[0]), signed=True)
    numbers = [f"{v:.3g}".replace("-", "\u2212") for v in values]
    return numbers[0] if len(numbers) == 1 else f"({', '.join(numbers)})"


def _percent(value: float, signed: bool = False) -> str:
    text = f"{100 * value:+.3g}" if signed else f"{100 * value:.3g}"
    return text.replace("-", "\u2212") + " %"


def _scale_text(factor: float) -> str:
    return "deformation to scale" if factor == 1 else f"deformation amplified ×{factor:g}"


def _title(run: "Run") -> str:
    return run.setup.title or _sizes(run.network)


def _sizes(network: Network) -> str:
    kind = "periodic, " if network.periodic else ""
    return f"{network.n_nodes:,} nodes, {network.n_edges:,} bonds, {kind}{network.dim}D"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _held_nodes(problem: Problem) -> NDArray[np.int64]:
    return np.unique(np.array([n for s in problem.task.supports for n in s.nodes], dtype=np.int64))


def _rgb(colour: str) -> list[int]:
    return [int(colour[k : k + 2], 16) for k in (1, 3, 5)]


# -- the sheet: pictures, and words around them --------------------------------------------------


class _Sheet:
    """A page in pixels from the top left, with a title, a body and a caption."""

    def __init__(self, size: tuple[int, int]) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.size = size
        self.unit = min(size[0] / 1600, size[1] / 1000)
        self.figure = Figure(figsize=(size[0] / 100, size[1] / 100), dpi=100, facecolor="white")
        FigureCanvasAgg(self.figure)
        self.top = 78 * self.unit
        self.body = size[1] - self.top - 64 * self.unit

    def points(self, pixels: float) -> float:
        """Font size for a height in pixels of a 1600 by 1000 sheet."""
        return pixels * self.unit * 0.72

    def text(self, x, y, text, size, colour=INK, ha="left", va="center", weight="normal", **more):
        w, h = self.size
        artist = self.figure.text(
            x / w,
            1 - y / h,
            text,
            fontsize=self.points(size),
            color=colour,
            ha=ha,
            va=va,
            weight=weight,
            parse_math=False,
            **more,
        )
        return artist

    def fit(self, artist, width: float) -> None:
        """Make a line of text no wider than ``width`` pixels."""
        extent = artist.get_window_extent().width
        if extent > width:
            artist.set_fontsize(artist.get_fontsize() * width / extent)

    def title(self, text: str) -> None:
        artist = self.text(32 * self.unit, 40 * self.unit, text, 30, weight="bold")
        self.fit(artist, self.size[0] - 64 * self.unit)

    def caption(self, text: str) -> None:
        artist = self.text(32 * self.unit, self.size[1] - 32 * self.unit, text, 20, QUIET)
        self.fit(artist, self.size[0] - 64 * self.unit)

    def picture(self, image: NDArray[np.uint8], place: tuple[int, int, int, int]) -> None:
        left, top, _, height = place
        self.figure.figimage(image, left, self.size[1] - top - height, origin="upper")

    def bar(self, column: float, top: float, height: float, shades: _Shades) -> None:
        """A colour bar at the top of the right column."""
        from matplotlib.cm import ScalarMappable
        from matplotlib.ticker import FuncFormatter

        w, h = self.size
        left = w - column + 20 * self.unit
        lines = shades.title.count("\n") + 1
        head = (22 * lines + 24) * self.unit
        self.text(left, top, shades.title, 21, va="top", weight="bold", linespacing=1.25)
        axes = self.figure.add_axes(
            (left / w, 1 - (top + height) / h, 30 * self.unit / w, (height - head) / h)
        )
        bar = self.figure.colorbar(
            ScalarMappable(shades.norm, shades.map), cax=axes, extend=shades.clipped
        )
        bar.outline.set_visible(False)
        axes.tick_params(labelsize=self.points(18), length=5 * self.unit, colors=INK)
        if shades.title == "strain":
            bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: _percent(round(v, 9))))
        elif shades.log:
            _log_ticks(bar.ax.yaxis, shades.low, shades.high)

    def legend(self, column: float, top: float, scene: Scene) -> None:
        """What the marks mean, below the colour bar."""
        from matplotlib.lines import Line2D

        def dot(colour, text, marker="o"):
            return Line2D(
                [],
                [],
                color=colour,
                marker=marker,
                linestyle="",
                label=text,
                markersize=self.points(17),
            )

        entries = []
        if any(m.is_source for m in scene.marks):
            entries.append(dot(SOURCE, "source"))
        entries.append(dot(TARGET, "target"))
        if len(scene.supports):
            entries.append(dot(SUPPORT, "support", "s"))
        if scene.ghost is not None:
            entries.append(Line2D([], [], color=GHOST, linewidth=2.5 * self.unit, label="at rest"))
        if scene.network.periodic:
            entries.append(
                Line2D([], [], color=CELL, linewidth=2.5 * self.unit, label="periodic cell")
            )
        w, h = self.size
        self.figure.legend(
            handles=entries,
            loc="upper left",
            frameon=False,
            borderpad=0,
            borderaxespad=0,
            bbox_to_anchor=((w - column + 14 * self.unit) / w, 1 - top / h),
            fontsize=self.points(19),
            labelcolor=INK,
            handlelength=1.4,
            labelspacing=0.7,
        )

    def save(self, path: Path) -> Path:
        _write(path, lambda: self.figure.savefig(path, dpi=100))
        return path


def _log_ticks(axis, low: float, high: float) -> None:
    """Round numbers on a log axis, in plain digits where those are short."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    decades = np.log10(high / low)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        powers = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
        ticks = np.array([s * 10**p for p in powers for s in steps])
        ticks = ticks[(ticks >= low * 0.999) & (ticks <= high * 1.001)]
        if len(ticks) >= 4:
            break
    if decades > 7:
        ticks = ticks[:: int(np.ceil(decades / 6))]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def _labelled_panel(sheet: _Sheet, scene: Scene, place, reached: dict | None = None) -> None:
    """A big picture with a label for every source and target, in places that are free."""
    place = _whole(place)
    sight = view(scene.points(), scene.network.dim, place[2:], scene.mark_points(), (0.06, 0.115))
    image = _picture(scene, sight)
    sheet.picture(image, place)
    shown = scene.marks if len(scene.marks) <= LABELS else []
    artists, anchors = [], []
    for mark in shown:
        text = _label(mark, (reached or {}).get(mark.terminal.name))
        artists.append(sheet.text(0, 0, text, 19, mark.colour, va="top", linespacing=1.3))
        anchors.append(sight.pixels(scene.nodes_of(mark)))
    boxes = [a.get_window_extent() for a in artists]
    sizes = [(b.width, b.height) for b in boxes]
    free = free_places((image < 250).any(axis=2), sizes, anchors, 10 * sheet.unit)
    w, h = sheet.size
    for artist, mark, (x, y), (bw, bh), points in zip(
        artists, shown, free, sizes, anchors, strict=True
    ):
        artist.set_position(((place[0] + x) / w, 1 - (place[1] + y) / h))
        _leader(sheet, mark, place, (x, y, bw, bh), points)


def _leader(sheet: _Sheet, mark: Mark, place, box, anchors: NDArray) -> None:
    """A thin line from a label to its node, where the two are not side by side."""
    from matplotlib.lines import Line2D

    x, y, bw, bh = box
    nearest = np.column_stack(
        [np.clip(anchors[:, 0], x, x + bw), np.clip(anchors[:, 1], y, y + bh)]
    )
    gaps = np.linalg.norm(nearest - anchors, axis=1)
    k = int(gaps.argmin())
    if gaps[k] < 30 * sheet.unit:
        return
    w, h = sheet.size
    start, end = nearest[k], anchors[k]
    start = start + (end - start) * min(1, 5 * sheet.unit / gaps[k])
    end = end + (start - end) * min(1, 14 * sheet.unit / gaps[k])
    xs, ys = (
        (place[0] + np.array([start[0], end[0]])) / w,
        1 - (place[1] + np.array([start[1], end[1]])) / h,
    )
    for colour, width in (("white", 3.5), (mark.colour, 1.5)):
        sheet.figure.add_artist(
            Line2D(xs, ys, color=colour, linewidth=width * sheet.unit, solid_capstyle="round")
        )


def free_places(
    ink: NDArray[np.bool_],
    sizes: Sequence[tuple[float, float]],
    anchors: Sequence[NDArray],
    gap: float,
) -> list[tuple[float, float]]:
    """Top left corners of boxes that cover nothing drawn and not each other, near their anchors.

    Where nothing is free, the place that covers least is taken.

    Parameters
    ----------
    ink : (h, w) bool array
        Pixels that are drawn on.
    sizes : width and height of every box in pixels
    anchors : (k, 2) arrays, what each box shall be near to
    gap : pixels that stay free around every box
    """
    coarse = 4
    rows, columns = (-(-s // coarse) for s in ink.shape)
    padded = np.zeros((rows * coarse, columns * coarse), dtype=bool)
    padded[: ink.shape[0], : ink.shape[1]] = ink
    grid = padded.reshape(rows, coarse, columns, coarse).any(axis=(1, 3))
    out = []
    for (w, h), points in zip(sizes, anchors, strict=True):
        bw, bh = (
            min(int(np.ceil((s + 2 * gap) / coarse)), most) for s, most in ((w, columns), (h, rows))
        )
        total = np.pad(grid.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        covered = total[bh:, bw:] - total[:-bh, bw:] - total[bh:, :-bw] + total[:-bh, :-bw]
        top, left = np.indices(covered.shape) * coarse + gap
        distance = np.full(covered.shape, np.inf)
        for x, y in points:
            dx = np.maximum(np.maximum(left - x, x - left - w), 0)
            dy = np.maximum(np.maximum(top - y, y - top - h), 0)
            distance = np.minimum(distance, np.hypot(dx, dy))
        cost = distance + np.where(covered > 0, 1e5 + 1e3 * covered, 0)
        r, c = np.unravel_index(int(cost.argmin()), cost.shape)
        out.append((float(left[r, c]), float(top[r, c])))
        grid[r : r + bh, c : c + bw] = True
    return out


def _picture(scene: Scene, sight: View) -> NDArray[np.uint8]:
    """A scene as (h, w, 3) bytes, drawn at twice the size and averaged."""
    pv = _pyvista()
    w, h = sight.size
    plotter = pv.Plotter(off_screen=True, window_size=(2 * w, 2 * h), lighting="light kit")
    plotter.background_color = "white"
    plotter.disable_anti_aliasing()  # averaging does it
    try:
        scene.draw_bonds(plotter, None if scene.flat else -sight.out)
        bonds = list(plotter.actors.values())
        scene.draw_marks(plotter)
        sight.aim(plotter)
        image = plotter.screenshot(return_img=True)[..., :3]
        if not scene.flat and len(plotter.actors) > len(bonds):
            # Marks inside a network in space shine through what is in front of them.
            for actor in bonds:
                actor.visibility = False
            plotter.render()
            marked = plotter.screenshot(return_img=True)[..., :3]
            there = (marked < 255).any(axis=2)
            image = image.copy()
            image[there] = 0.12 * image[there] + 0.88 * marked[there]
    finally:
        plotter.close()
    sums = image.reshape(h, 2, w, 2, 3).sum(axis=(1, 3), dtype=np.uint16)
    return ((sums + 2) // 4).astype(np.uint8)


def _whole(place) -> tuple[int, int, int, int]:
    return tuple(round(v) for v in place)


# -- surroundings --------------------------------------------------------------------------------


def _pyvista():
    """Import pyvista so that it says nothing where there is no display."""
    if not _has_display() and "vtkmodules" not in sys.modules and find_library("EGL"):
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    import pyvista

    return pyvista


def _has_display() -> bool:
    if sys.platform in ("darwin", "win32"):
        return True
    return bool(os.environ.get("DISPLAY"))


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def _has_module(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


def _check(run, path, what, example, colour, amplify, size) -> None:
    if what not in PICTURES:
        raise InputError(f"what = {what!r} is no picture; known are {', '.join(PICTURES)}.")
    _suffix(path, what)
    count = run.problem.n_examples
    if not isinstance(example, (int, np.integer)) or not 1 <= example <= count:
        raise InputError(f"example = {example} is not one of the run's: 1 to {count}.")
    if what == "network" and example > len(run.displacements):
        raise InputError(
            f"example = {example}: the run keeps the displacements of the first "
            f"{len(run.displacements)} examples only."
        )
    known = [*run.learned, "change", "strain"]
    if colour is not None and colour not in known:
        raise InputError(f"colour = {colour!r} is not known; known are {', '.join(known)}.")
    if amplify is not None and not (np.isfinite(amplify) and amplify > 0):
        raise InputError(f"amplify = {amplify} must be a number above 0.")
    if len(size) != 2 or min(size) < 300 or max(size) > 8000:
        raise InputError(
            f"size = {tuple(size)} must be a width and a height of 300 to 8000 pixels."
        )


def _suffix(path: Path, what: str) -> None:
    if path.suffix.lower() not in PICTURES[what]:
        raise InputError(
            f"{path}: a picture of kind {what!r} is written as "
            f"{' or '.join(PICTURES[what])}, not {path.suffix or 'without suffix'!r}."
        )


def _write(path: Path, save) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save()
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from None
