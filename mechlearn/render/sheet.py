"""Layout of a figure: title, body, colour bar, legend and caption, by matplotlib."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.io.writing import replaced_file
from mechlearn.plots.style import INK, log_ticks
from mechlearn.render.colours import QUIET, Shades
from mechlearn.render.geometry import Projection
from mechlearn.render.scene import Scene

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

#: Left, top, width and height in pixels.
Place = tuple[int, int, int, int]


class Sheet:
    """Figure layout in pixels from the top left: title, body with a column on its right, caption.

    Parameters
    ----------
    size : width and height in pixels
    title, caption : a line each
    column : float
        Width of the column on a sheet of 1600 by 1000 pixels.
    vector : bool
        Whether networks shall be drawn as lines and shapes, not set in as pixels.
    letters : float
        Factor on the size of words, and of the room for them.

    Attributes
    ----------
    unit : float
        Pixels per pixel of a sheet of 1600 by 1000, of words and the room for them.
    top, width, height : float
        Where the body starts, and how large it is without the column.
    """

    def __init__(
        self,
        size: tuple[int, int],
        title: str,
        caption: str,
        column: float = 250.0,
        vector: bool = False,
        letters: float = 1.0,
    ) -> None:
        self.size, self.vector = size, vector
        self.unit = letters * min(size[0] / 1600, size[1] / 1000)
        self.figure = new_figure(size)
        self.top = 78 * self.unit
        self.width = size[0] - column * self.unit
        self.height = size[1] - self.top - 64 * self.unit
        left, right = 32 * self.unit, size[0] - 32 * self.unit
        self.fit(self.text(left, 40 * self.unit, title, 30, weight="bold"), right - left)
        low = size[1] - 32 * self.unit
        caption = caption[:1].upper() + caption[1:]
        self.fit(self.text(left, low, caption, 20, QUIET), right - left)

    def at[T: (float, NDArray[np.float64])](self, x: T, y: T) -> tuple[T, T]:
        """Figure fractions, from the bottom left, of a place in pixels."""
        return x / self.size[0], 1 - y / self.size[1]

    def points(self, pixels: float) -> float:
        """Font size for a height in pixels of a sheet of 1600 by 1000."""
        return pixels * self.unit * 0.72

    def text(
        self, x: float, y: float, text: str, size: float, colour: str = INK, **more: Any
    ) -> "Text":
        """Write a text at a place in pixels."""
        options = {"ha": "left", "va": "center", "parse_math": False, **more}
        fontsize = self.points(size)
        return self.figure.text(*self.at(x, y), text, fontsize=fontsize, color=colour, **options)

    def fit(self, text: "Text", width: float) -> None:
        """Shorten a line of text to ``width`` pixels."""
        # More than once: letters are set on whole pixels, and grow in steps.
        size = float(text.get_fontsize())
        while (extent := text.get_window_extent().width) > width and size > 1:
            text.set_fontsize(size := max(1.0, size * min(width / extent, 0.98)))

    def picture(self, image: NDArray[np.uint8], place: Place) -> None:
        """Place a picture."""
        left, top, _, height = place
        self.figure.figimage(image, left, self.size[1] - top - height, origin="upper")

    def pixels(self) -> NDArray[np.uint8]:
        """Rendered sheet, (h, w, 3) bytes."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        canvas = FigureCanvasAgg(self.figure)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    def frame(self, place: tuple[float, float, float, float]) -> "Axes":
        """Axes in a place."""
        left, top, w, h = place
        corner = self.at(left, top + h)
        return self.figure.add_axes((*corner, w / self.size[0], h / self.size[1]))

    def scale_bar(self, projection: Projection) -> None:
        """Draw a scale bar at the foot of the column."""
        from matplotlib.lines import Line2D

        unit = projection.size[1] / 2 / projection.scale
        left, most = self.width + 20 * self.unit, 150 * self.unit
        power = 10.0 ** np.floor(np.log10(most / unit))
        length = next(s for s in (5, 2, 1) if s * power * unit <= most * (1 + 1e-9)) * power
        low = self.top + self.height - 6 * self.unit
        x, y = self.at(np.array([left, left + length * unit]), np.full(2, low))
        bar = Line2D(x, y, color=INK, linewidth=3.2 * self.unit, solid_capstyle="butt")
        self.figure.add_artist(bar)
        self.text(left, low - 17 * self.unit, f"length {length:g}", 18)

    def explain(self, scene: Scene, shades: Shades | None = None, below: float = 0.0) -> None:
        """Draw the column: colour bar, and legend of the marks.

        So many pixels at the top of the body are left free.
        """
        top = self.top + below
        if shades is not None:
            height = 0.55 * (self.height - below)
            self._bar(top, height, shades)
            top += height + 30 * self.unit
        self._legend(top, scene)

    def _bar(self, top: float, height: float, shades: Shades) -> None:
        from matplotlib.cm import ScalarMappable
        from matplotlib.ticker import FuncFormatter

        w, h = self.size
        left = self.width + 20 * self.unit
        self.text(left, top, shades.title, 21, va="top", weight="bold", linespacing=1.25)
        head = (22 * (shades.title.count("\n") + 1) + 24) * self.unit
        axes = self.figure.add_axes(
            (*self.at(left, top + height), 30 * self.unit / w, (height - head) / h)
        )
        bar = self.figure.colorbar(
            ScalarMappable(shades.norm, shades.map), cax=axes, extend=shades.clipped
        )
        bar.outline.set_visible(False)
        axes.tick_params(labelsize=self.points(18), length=5 * self.unit, colors=INK)
        if shades.log:
            log_ticks(axes.yaxis, shades.low, shades.high)
        else:  # no common factor at the end of the bar, where the title is
            # So many digits that numbers a hundredth of the bar apart are told apart.
            part = (shades.high - shades.low) / max(abs(shades.low), abs(shades.high)) / 100
            digits = max(3, int(np.ceil(-np.log10(part))))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: shades.number(v, digits)))

    def _legend(self, top: float, scene: Scene) -> None:
        from matplotlib.lines import Line2D

        dot: dict[str, Any] = {"linestyle": "", "markersize": self.points(17)}
        ring = {"markerfacecolor": "white", "markeredgewidth": 2 * self.unit}
        line = {"linewidth": 2.5 * self.unit}
        looks: dict[str, dict[str, Any]] = {
            "●": dot | {"marker": "o"},
            "►": dot | {"marker": ">"},
            "■": dot | {"marker": "s"},
            "○": dot | ring | {"marker": "o", "markersize": self.points(19)},
            "━": line,
            "┅": line | {"linestyle": (0, (2.2, 1.3))},
        }
        entries = scene.legend()
        self.figure.legend(
            handles=[Line2D([], [], color=c, label=w, **looks[s]) for s, w, c in entries],
            loc="upper left",
            frameon=False,
            borderpad=0,
            borderaxespad=0,
            bbox_to_anchor=self.at(self.width + 14 * self.unit, top),
            fontsize=self.points(19),
            labelcolor=INK,
            handlelength=1.4,
            labelspacing=0.7,
        )


def new_figure(size: tuple[int, int], **options: Any) -> "Figure":
    """White figure of some pixels, without a window."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    inches = (size[0] / 100, size[1] / 100)
    figure = Figure(figsize=inches, dpi=100, facecolor="white", **options)
    FigureCanvasAgg(figure)
    return figure


def save(figure: "Figure", path: Path) -> Path:
    """Write a figure and its folder; raises InputError where that fails."""
    from matplotlib import rc_context

    dates = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    # The same picture is the same file, whenever it is made.
    with replaced_file(path) as place, rc_context({"svg.hashsalt": "mechlearn"}):
        figure.savefig(place, dpi=100, metadata=dates.get(path.suffix.lower()))
    return path
