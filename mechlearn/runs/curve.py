"""Force-displacement curves of a run's sources, along the load, on the stable branch from rest."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray

from mechlearn.equilibrium.driving import driven, words_of, work_along
from mechlearn.errors import InputError, SolveError, listed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mechlearn.runs.run import Run


class Curve(xarray.Dataset):
    """A source's displacement (strain, voltage, ...), force (current, ...), stiffness and work.

    Along ``factor``, the part of the load, also with the ``energy`` of the network and the
    ``output`` of every target; everything in the user's units. A source of several numbers has a
    dimension ``component``. Where the branch ends before the whole load, ``attrs["ended"]`` says
    why.
    """

    __slots__ = ()

    def plot(self, ax: "Axes | None" = None) -> "Axes":  # type: ignore[override]
        """Draw the force against the displacement; returns the matplotlib Axes.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Drawn into; a new figure where left out.
        """
        from mechlearn.plots.style import new_axes

        ax = new_axes() if ax is None else ax
        across, through = self.attrs["across"], self.attrs["through"]
        lines = ax.plot(self[across].values, self[through].values, marker=".")
        if "component" in self.dims:
            ax.legend(lines, [str(c) for c in self["component"].values])
        ax.set_xlabel(f"{across} of {self.attrs['source']}")
        ax.set_ylabel(through)
        return ax


def curve(run: "Run", source: str | None = None, *, samples: int = 21, example: int = 0) -> Curve:
    """Sample a source's curve while the load of an example grows from nothing to all of it.

    Parameters
    ----------
    run : Run
    source : str, optional
        Its name; the first one where left out. The others are pulled along with it.
    samples : int
        How many states, rest included.
    example : int
        Counted from 0.

    Raises
    ------
    InputError
        For a source or example that there is not.
    SolveError
        Where no part of the load has an equilibrium.
    """
    known = [s.name for s in run.setup.sources]
    if not known or (source is not None and source not in known):
        raise InputError(f"source = {source!r} is none of the run's ({listed(known) or 'none'}).")
    if samples < 2:
        raise InputError(f"samples = {samples} must be at least 2.")
    name = source or known[0]
    at = run.system(example=example, alone=True)
    mine = [k for k, p in enumerate(at.problem.drives) if p.terminal == name]
    ports = at.problem.sources[mine]
    rows, ended = list[tuple[Any, ...]](), ""
    for factor in np.linspace(0.0, 1.0, samples):
        try:
            response, free = at.load(float(factor)).response(), at.free
        except SolveError as error:
            if not rows:
                raise
            ended = str(error)
            break
        found = driven(at.equilibrium, free)
        conjugate = free.forces[0, ports], free.readings[0, ports]
        read = [v[0, mine] for v in (found.across, found.through, found.stiffness)]
        rows.append((factor, *read, *conjugate, response.energy, response.outputs))
    factors, moved, force, stiffness, f, x, energy, outputs = map(np.array, zip(*rows, strict=True))
    work = work_along(factors, f, x).sum(axis=1) if len(factors) > 1 else np.zeros(1)
    across, through = words_of(at.problem, name)
    columns = {across: moved, through: force, "stiffness": stiffness}
    data: dict[str, Any] = {n: (("factor", "component"), v) for n, v in columns.items()}
    data |= {"work": ("factor", work), "energy": ("factor", energy)}
    data["output"] = (("factor", "target"), outputs)
    coords = {
        "factor": factors,
        "target": run.history["target"].values,
        "component": [at.problem.drives[k].place(at.problem.components) for k in mine],
    }
    attrs = {"source": name, "across": across, "through": through, "ended": ended}
    curves = Curve(data, coords=coords, attrs=attrs)
    return curves if len(mine) > 1 else curves.isel(component=0, drop=True)
