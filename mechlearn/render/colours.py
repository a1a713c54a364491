"""Colours of marks and backgrounds, and colour scales of bonds."""

import numpy as np
from numpy.typing import NDArray

from mechlearn.plots.style import INK, short_number, spans_decades
from mechlearn.units import percent, typeset

#: Grey words.
QUIET = "#5B626D"
#: Colours that stay apart for the colour-blind, and apart from the colour maps used with them.
SOURCE, TARGET, SUPPORT = "#E8590C", "#C2188B", INK
BOND, GHOST, CELL, RIM = "#7D8590", "#BCC2CB", "#939AA5", "#4A5059"
REMOVED = "#8A919C"
#: Faces of elements on node tuples, how much they hide in space, and bonds beside coloured faces.
TINTED, TINT, PLAIN = "#D5DFEB", 0.6, "#7C8694"
#: Energies are shown over so many powers of ten.
DECADES = 4.0


def rgb(colour: str) -> NDArray[np.uint8]:
    """A colour such as "#7D8590" as three bytes."""
    return np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)], dtype=np.uint8)


class Shades:
    """Colours and widths of bonds by their values.

    Parameters
    ----------
    values : array
        All that must have a colour.
    title : str
        What the values are.
    diverging : bool
        Whether they go both ways from 0, or from 1 where ``log``; else from small to large, on a
        logarithmic scale where they span decades.
    log : bool
        Whether diverging values are ratios.
    decades : float, optional
        Values that are not diverging are shown over at most so many powers of ten, from the largest
        down.

    Attributes
    ----------
    map, norm : matplotlib's
    low, high, log : the range of the colours, and whether they go with the logarithm
    clipped : {"neither", "min", "both"}
        Whether values lie outside the range.
    """

    def __init__(
        self,
        values: NDArray,
        title: str,
        diverging: bool = False,
        log: bool = False,
        decades: float | None = None,
    ) -> None:
        from matplotlib import colormaps, colors

        values = values[np.isfinite(values)]
        self.title, self.diverging = title, diverging
        self.clipped = "neither"
        if diverging:
            self.log = log
            most, self.clipped = _reach(np.abs(np.log(values) if log else values))
            self.high = float(np.exp(most)) if log else most
            self.low = 1 / self.high if log else -most
            self.map: colors.Colormap = colors.LinearSegmentedColormap.from_list(
                "strain", ["#00463F", "#0E8C80", "#D3D6DA", "#B87413", "#5C2E00"]
            )
        else:
            self.low, self.high = float(values.min()), float(values.max())
            if decades is not None and self.high > 0 and self.low < self.high * 10**-decades:
                self.low, self.clipped = self.high * 10**-decades, "min"
            self.log = spans_decades(np.array([self.low, self.high]))
            # Dark is much: the bright end would vanish on white, so it is cut off.
            self.map = colors.ListedColormap(colormaps["viridis_r"](np.linspace(0.06, 1, 256)))
        if self.high - self.low <= 1e-9 * max(abs(self.low), abs(self.high)):
            pad = 0.05 * abs(self.high) or 1e-3
            self.low, self.high = self.low - pad, self.high + pad
        self.norm = (colors.LogNorm if self.log else colors.Normalize)(
            self.low, self.high, clip=True
        )

    def colours(self, values: NDArray) -> NDArray[np.uint8]:
        """One colour per bond, as (m, 3) bytes."""
        return np.asarray(self.map(self.norm(values), bytes=True))[:, :3]

    def ramp(self, count: int) -> NDArray[np.uint8]:
        """Colours from low to high, (count, 3) bytes."""
        return np.asarray(self.map(np.linspace(0, 1, count), bytes=True))[:, :3]

    def number(self, value: float, digits: int = 3) -> str:
        """A value as it is written beside the colours: a strain in per cent."""
        strain = self.title.startswith("strain")
        return typeset(percent(round(value, 9))) if strain else short_number(value, digits)

    def widths(self, values: NDArray) -> NDArray[np.float64]:
        """From 0, thinnest, to 1, thickest."""
        t = np.asarray(self.norm(values), dtype=float)
        return 0.25 + 0.75 * np.abs(2 * t - 1) if self.diverging else t


def _reach(sizes: NDArray) -> tuple[float, str]:
    """Half range of a diverging colour scale, and the ends clipped by it."""
    most = float(sizes.max(initial=0.0))
    # A few bonds far beyond the others would leave those without colour.
    reach = float(np.percentile(sizes, 98.0)) if len(sizes) else 0.0
    if most > 1.5 * reach > 0:
        return reach, "both"
    return most or 1e-3, "neither"
