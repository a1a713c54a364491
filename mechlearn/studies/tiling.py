"""Finite samples of a cell against the cell: stress, Poisson's ratio, trend with the size."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError, SolveError
from mechlearn.io.tables import aligned, csv_table, write_csv
from mechlearn.io.writing import replaced_file, write_file
from mechlearn.learning.system import System
from mechlearn.networks.tiling import Tiling
from mechlearn.runs.run import Run
from mechlearn.runs.tiles import SMALL, area, loading_of, pressed, sample
from mechlearn.tasks.plates import Plates, between_plates
from mechlearn.units import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Part of the load at which moduli are read, of elements whose answers are not in proportion.
FIRST = 1e-3
#: Samples of which the trend with the size is extrapolated, the largest: along a parabola in 1/n
#: where there are so many, else a line.
LAST = 4
#: Difference of the limits of stress and modulus, over the cell's, that tells of another pattern.
LONGER = 0.1


@dataclass(frozen=True, eq=False)
class StressStrain:
    """Answer of a cell, or of a sample of it, along the load.

    Attributes
    ----------
    counts : tuple of int
        Copies of the cell; empty of the cell itself.
    strain, stress : (points,) arrays
        Along the axis: of a sample, way of the plate over the extent, and force over the area of
        so many cells.
    lateral : (points, axes) array
        Strains along the other axes; of a sample, of the lattice that copies of a node make, by
        least squares.
    surface : float
        Part of the nodes with fewer bonds than in the cell.
    ended : str
        Reason why the load was not reached.
    """

    counts: tuple[int, ...]
    strain: NDArray[np.float64]
    stress: NDArray[np.float64]
    lateral: NDArray[np.float64]
    surface: float = 0.0
    ended: str = ""

    @property
    def size(self) -> int:
        """The largest number of copies along an axis."""
        return max(self.counts, default=0)

    @property
    def name(self) -> str:
        """Counts as text."""
        return " x ".join(map(str, self.counts)) or "cell"

    @property
    def modulus(self) -> float:
        """Stress over strain at the beginning of the load."""
        return float(self.stress[0] / self.strain[0])

    def poisson(self, at: int = 0) -> NDArray[np.float64]:
        """Poisson's ratios at a point of the load, one per other axis."""
        return -self.lateral[at] / self.strain[at]


@dataclass(frozen=True, eq=False)
class TileCheck:
    """Comparison of samples of several sizes with their cell.

    Attributes
    ----------
    axis, plates, ends : str
    cell : StressStrain
    samples : list of StressStrain
        By size.
    """

    axis: str
    plates: Plates
    ends: str
    cell: StressStrain
    samples: Sequence[StressStrain]

    def trend(self, values: Sequence[float]) -> np.polynomial.Polynomial:
        """Polynomial in 1/n through values of the largest samples, by least squares."""
        inverse = [1 / s.size for s in self.samples][-LAST:]
        degree = min(len(inverse) - 1, 2 if len(inverse) == LAST else 1)
        fitted = np.polynomial.Polynomial.fit(inverse, values[-LAST:], degree)
        return fitted.convert()

    def rows(self) -> list[dict[str, Any]]:
        """Rows of the table: the samples, their limit, and the cell."""
        names = [c for c in "xyz"[: 1 + self.cell.lateral.shape[1]] if c != self.axis]
        rows = []
        for one in (*self.samples, self.cell):
            points = min(len(one.strain), len(self.cell.strain))
            apart = np.abs(one.stress[:points] - self.cell.stress[:points]).max()
            row: dict[str, Any] = {
                "copies": one.name,
                "modulus": one.modulus,
                "modulus_over_cell": one.modulus / self.cell.modulus,
                "stress_difference": float(apart / np.abs(self.cell.stress[:points]).max()),
            }
            for where, at in {"": 0, **({"_loaded": points - 1} if points > 1 else {})}.items():
                row |= {f"poisson_{c}{where}": float(v)
                        for c, v in zip(names, one.poisson(at), strict=True)}  # fmt: skip
            if points > 1:
                loaded = one.stress[points - 1] / self.cell.stress[points - 1]
                row["stress_over_cell_loaded"] = float(loaded)
            rows.append(row | {"surface": one.surface, "strain": float(one.strain[points - 1])})
        if len(self.samples) > 1:
            kept = ("copies", "surface", "strain", "stress_difference")
            of = {k: [r[k] for r in rows[:-1]] for k in rows[0] if k not in kept}
            if len({r["strain"] for r in rows}) > 1:  # not all came as far
                of = {k: v for k, v in of.items() if not k.endswith("_loaded")}
            found = {k: float(self.trend(v)(0)) for k, v in of.items()}
            rows.insert(-1, {k: found.get(k) for k in rows[0]} | {"copies": "1/n to 0"})
        return rows

    def explanation(self) -> str:
        """Difference between the largest sample and the cell, and its causes, in sentences."""
        last, rows = self.samples[-1], self.rows()
        ratio = rows[len(self.samples) - 1]["modulus_over_cell"]
        word = "stiffer" if ratio > 1 else "softer"
        text = (
            f"{last.name} copies between {self.plates} plates are {percent(abs(ratio - 1))} {word} "
            f"than the cell at small strain; {percent(last.surface)} of their nodes have fewer "
            "bonds than in the cell."
        )
        for key in (k for k in rows[0] if k.startswith("poisson") and not k.endswith("_loaded")):
            text += f" Poisson's ratio along {key[-1]} is {rows[len(self.samples) - 1][key]:.4g}"
            text += f" instead of {rows[-1][key]:.4g}."
        if len(self.samples) > 1:
            limit = rows[len(self.samples)]["modulus_over_cell"]
            text += (
                f" By the trend in 1/n, in which layers at the surface count, samples without end "
                f"have {limit:.4g} times its modulus."
            )
            loaded = rows[len(self.samples)].get("stress_over_cell_loaded")
            if loaded is not None and abs(loaded - limit) > LONGER:
                text += (
                    f" At the end of the load they have {loaded:.4g} times its stress: samples "
                    "then deform in another pattern than the cell, a longer one as a rule, which a "
                    "supercell would show."
                )
        if self.ends == "frame":
            text += (
                " Struts of the frame along the axis carry load beside the cells, and those across "
                "it hinder lateral strain."
            )
        if self.plates == "clamped":
            text += (
                " Clamped plates hinder lateral strain in the same part of any sample of this "
                "shape, however large."
            )
        for one in (*self.samples, self.cell):
            if one.ended:
                text += f" {one.name}: the load ends at strain {one.strain[-1]:.4g}: {one.ended}"
        return text

    def table(self) -> str:
        """The comparison as text."""
        rows = self.rows()
        head = list(rows[0])
        body = [["-" if (v := row[k]) is None else v if isinstance(v, str) else f"{v:.5g}"
                 for k in head] for row in rows]  # fmt: skip
        return f"{aligned([k.replace('_', ' ') for k in head], body)}\n{self.explanation()}"

    __repr__ = table

    def plot(self, axes: "Sequence[Axes] | None" = None) -> "Sequence[Axes]":
        """Draw stress against strain, and moduli and Poisson's ratios against 1/n.

        Parameters
        ----------
        axes : three matplotlib Axes, optional
            Drawn into; of a new figure where left out.
        """
        from matplotlib import pyplot

        from mechlearn.plots.style import AFTER, LIMIT

        if axes is None:
            axes = pyplot.subplots(1, 3, figsize=(13, 4), layout="constrained")[1]
        shades = np.linspace(0.3, 1.0, len(self.samples))
        for one, shade in zip(self.samples, shades, strict=True):
            curve = np.zeros((2, 1)), [one.strain, one.stress]
            axes[0].plot(*np.hstack(curve), "-", color=AFTER, alpha=shade, label=one.name)
        cell = np.hstack([np.zeros((2, 1)), [self.cell.strain, self.cell.stress]])
        axes[0].plot(*cell, "--", color=LIMIT, label="cell")
        axes[0].set_xlabel(f"strain along {self.axis}")
        axes[0].set_ylabel("stress")
        axes[0].legend(frameon=False, fontsize="small")
        inverse = np.array([1 / s.size for s in self.samples])
        poissons = np.array([s.poisson() for s in self.samples]).T
        for ax, title, values, wanted in (
            (axes[1], "modulus", [[s.modulus for s in self.samples]], [self.cell.modulus]),
            (axes[2], "Poisson's ratio", poissons, self.cell.poisson()),
        ):
            for series, value in zip(values, wanted, strict=True):
                ax.plot(inverse, series, "o", color=AFTER)
                along = np.linspace(0, inverse[-LAST:][0], 50)
                ax.plot(along, self.trend(series)(along), "-", color=AFTER, lw=1)
                ax.axhline(value, color=LIMIT, ls="--")
            ax.set_xlim(left=0)
            ax.set_xlabel("1/n")
            ax.set_ylabel(title)
        return axes


def tile_check(
    run: Run,
    *counts: int,
    axis: str | None = None,
    strain: float | None = None,
    plates: Plates = "sliding",
    ends: str = "trim",
    points: int = 11,
    smallest: int = 2,
) -> TileCheck:
    """Solve samples of up to so many copies of a cell between plates, and the cell itself.

    Parameters
    ----------
    run : Run
        Of a periodic network that moves.
    *counts : int
        Copies along every axis of the largest sample; the others have parts of them.
    axis : {"x", "y", "z"}, optional
        Along which they are pressed; that of the run's sources where left out.
    strain : float, optional
        At the end of the load; that of the run's sources where left out, or -0.01.
    plates : {"sliding", "clamped"}
        Whether the nodes at the plates slide and turn freely, or are fixed to them.
    ends : str
        As of :func:`mechlearn.networks.tiling.tile`; a sample with "keep" has no faces to press.
    points : int
        Steps of the load; linear elements take one.
    smallest : int
        Copies along the longest axis of the smallest sample.

    Raises
    ------
    InputError
        For a run without a cell, faces that are inclined to the axis, and samples without faces.
    SolveError
        Where cell or samples have no equilibrium at the beginning of the load.
    """
    usual = loading_of(run.setup.task)
    axis = usual[0] if axis is None else axis
    strain = (usual[1] if axis == usual[0] else SMALL) if strain is None else strain
    if not -1 < strain < np.inf or strain == 0:
        raise InputError(f"strain = {strain!r} must be above -1, and not 0.")
    if points < 2:
        raise InputError(f"points = {points} must be at least 2.")
    if ends == "keep":
        raise InputError('tile_check: ends = "keep" leaves no faces to press; trim or frame them.')
    largest = max(counts, default=0)
    if not 1 <= smallest <= largest:
        raise InputError(
            f"smallest = {smallest} must lie between 1 and {largest}, the most copies."
        )
    area(run.network, counts, axis)
    factors = np.array([1.0]) if run.energy.linear else np.linspace(0, 1, points)[1:]
    if not run.energy.linear:
        factors = np.append(FIRST, factors)
    cell = _of_cell(run, axis, strain, factors)
    samples = [
        _of_sample(run, [max(1, round(n * c / largest)) for c in counts], ends,
                   axis, strain, plates, factors)
        for n in range(smallest, largest + 1)
    ]  # fmt: skip
    return TileCheck(axis, plates, ends, cell, samples)


def _of_cell(run: Run, axis: str, strain: float, factors: NDArray) -> StressStrain:
    a, at = "xyz".index(axis), run.system(pressed(axis, strain))

    def read() -> tuple[float, NDArray]:
        moved = np.diag(at.response().cell)
        return float(at.outputs[0, 0]), np.delete(moved, a)

    return _along(at, (), strain, factors, read)


def _of_sample(
    run: Run, counts: Sequence[int], ends: str, axis: str, strain: float, plates: Plates,
    factors: NDArray,
) -> StressStrain:  # fmt: skip
    energy, a = run.energy, "xyz".index(axis)
    small = sample(run, counts, ends)
    net = small.made.network
    at = small.system(between_plates(net, energy.kinematics, axis, strain, plates), energy)
    section = area(run.network, counts, axis)

    def read() -> tuple[float, NDArray]:
        moved = at.free.states()[0, :, : net.dim]
        gradient = mean_gradient(small.made, run.network.n_nodes, moved)
        return float(at.outputs[0, 0]) / section, np.delete(np.diag(gradient), a)

    whole = np.bincount(run.network.edges.ravel(), minlength=run.network.n_nodes)
    origin = small.made.origins["nodes"]
    degree = np.bincount(net.edges.ravel(), minlength=net.n_nodes)
    fewer = (origin < 0) | (degree < whole[origin])
    return _along(at, tuple(counts), strain, factors, read, float(fewer.mean()))


def mean_gradient(made: Tiling, count: int, moved: NDArray) -> NDArray[np.float64]:
    """Displacement gradient of the lattice that copies of each node make, by least squares, (d, d).

    Motions that all copies of a cell share, such as of one of its nodes against others, are no part
    of it. ``count`` is the number of nodes of the cell.
    """
    origin, places = made.origins["nodes"], made.network.nodes
    mine = origin >= 0
    number = np.maximum(np.bincount(origin[mine], minlength=count), 1)[:, None]

    def centred(values: NDArray) -> NDArray:
        total = np.zeros((count, values.shape[1]))
        np.add.at(total, origin[mine], values[mine])
        return values[mine] - (total / number)[origin[mine]]

    return np.linalg.lstsq(centred(places), centred(moved), rcond=None)[0].T


def _along(
    at: System, counts: tuple[int, ...], strain: float, factors: NDArray, read: Any,
    surface: float = 0.0,
) -> StressStrain:  # fmt: skip
    """Answers at parts of the load, of which each is found from the one before."""
    stress, lateral, ended = list[float](), list[NDArray](), ""
    for factor in factors:
        try:
            at.load(float(factor))
            force, across = read()
        except SolveError as error:
            if not stress:
                raise
            ended = str(error)
            break
        stress.append(force)
        lateral.append(across)
    return StressStrain(
        counts, strain * factors[: len(stress)], np.array(stress), np.array(lateral), surface, ended
    )


def write(found: TileCheck, folder: Path) -> None:
    """Write tile.csv (the table), curves.csv, tile.json and tile.png into a folder."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = found.rows()
    write_csv(folder / "tile.csv", rows)
    curves = [
        {"copies": one.name, "strain": float(e), "stress": float(s),
         **{f"poisson_{k}": float(v) for k, v in enumerate(one.poisson(p))}}
        for one in (*found.samples, found.cell)
        for p, (e, s) in enumerate(zip(one.strain, one.stress, strict=True))
    ]  # fmt: skip
    write_file(folder / "curves.csv", csv_table(list(curves[0]), curves))
    summary = {"axis": found.axis, "plates": found.plates, "ends": found.ends, "samples": rows,
               "explanation": found.explanation()}  # fmt: skip
    write_file(folder / "tile.json", (json.dumps(summary, indent=2) + "\n").encode())
    figure = Figure(figsize=(13, 4), layout="constrained")
    FigureCanvasAgg(figure)
    found.plot(figure.subplots(1, 3))
    with replaced_file(folder / "tile.png") as place:
        figure.savefig(place, dpi=150)
