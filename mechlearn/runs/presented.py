"""Methods of a run that draw it, show it and write it to files of others."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mechlearn.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Presented:
    """Base of runs: plots, pictures, views and exports."""

    def _repr_html_(self: Any) -> str:
        from mechlearn.render.notebook import run_html

        return run_html(self)

    def plot(self: Any, what: str = "error", **options: Any) -> "Axes":
        """Draw one of a run's plots; returns the matplotlib Axes.

        Parameters
        ----------
        what : {"error", "dofs", "spectrum", "confusion"}
            Error and contrast against the step; the distribution of what learned, or the stiffness
            spectrum, before and after; which classes are taken for which.
        **options : those of the function in :mod:`mechlearn.plots`, such as ``ax``

        Raises
        ------
        InputError
            For another plot, or one that cannot be drawn of this run.
        """
        from mechlearn import plots

        known = {name: f"plot_{name}" for name in ("error", "dofs", "spectrum", "confusion")}
        if what not in known:
            raise InputError(f"what = {what!r} is no plot of a run; known are {', '.join(known)}.")
        return getattr(plots, known[what])(self, **options)

    def picture(self: Any, what: str = "network", **options: Any) -> Any:
        """Draw one of a run's pictures, an image that notebooks show.

        Parameters
        ----------
        what : str
            Which picture.
        **options : those of :func:`mechlearn.render.picture`, which says what there is
        """
        from mechlearn.render import picture

        return picture(self, what, **options)

    def show(self: Any, **options: Any) -> Any:
        """Show the network, deformed and at rest, to be turned by hand (pyvista).

        Parameters
        ----------
        **options
            Those of :func:`mechlearn.render.show`, which opens a window, or a view in the notebook.
        """
        from mechlearn.render import show

        return show(self, **options)

    def export(self: Any, path: str | Path, **options: Any) -> Path:
        """Write the learned network to a file; the suffix says in which format.

        Parameters
        ----------
        path : path
            The file; see :func:`mechlearn.export.export` for the formats.
        **options
            Those of :class:`mechlearn.export.Options`, such as ``unit`` (mm) of a part.

        Raises
        ------
        InputError
            For an unknown format, or options that mean nothing to it.
        """
        from mechlearn.export import export

        export(self, path, **options)
        return Path(path)
