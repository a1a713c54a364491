"""Figures of a report as data URLs: set-up and curves."""

import base64
import io
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mechlearn.plots import plot_dofs, plot_error
from mechlearn.plots.style import in_words
from mechlearn.render import draw_setup

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mechlearn.runs.run import Run

#: The page shows the set-up at about half its size, and its words shall be as large as the others.
LETTERS = 1.3


def setup_picture(run: "Run") -> str:
    """Picture of the set-up as a data URL."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "setup.png"
        # The page has a heading for it already.
        draw_setup(run.network, run.problem, path, title=" ", letters=LETTERS)
        return _trimmed(path)


def error_curve(run: "Run") -> str:
    """Error and contrast against the step."""
    figure = _figure()
    plot_error(run, figure.add_subplot())
    return _svg(figure)


def histograms(run: "Run") -> dict[str, str]:
    """Distributions of every learning parameter, by name, before and after."""
    out = {}
    for name in run.learned:
        figure = _figure()
        plot_dofs(run, figure.add_subplot(), name)
        out[in_words(name)] = _svg(figure)
    return out


def data_address(content: bytes, kind: str) -> str:
    """Data URL of some content."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _trimmed(path: Path) -> str:
    """Picture without its white margins."""
    from PIL import Image, ImageChops

    out = io.BytesIO()
    with Image.open(path) as picture:
        image = picture.convert("RGB")
        ink = ImageChops.difference(image, Image.new("RGB", image.size, "white")).getbbox()
        image.crop(ink).save(out, "png", optimize=True)
    return data_address(out.getvalue(), "image/png")


def _figure() -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(8, 4.6), layout="constrained")


def _svg(figure: "Figure") -> str:
    """Figure as a data URL of SVG, reproducible for the same run."""
    from matplotlib import rc_context

    out = io.BytesIO()
    with rc_context({"svg.hashsalt": "mechlearn", "svg.fonttype": "path"}):
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    return data_address(out.getvalue(), "image/svg+xml")
