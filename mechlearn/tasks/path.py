"""Load path: the schedule along which equilibria of a task are followed."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool

from mechlearn.schema import Table
from mechlearn.tasks.keys import Entry, Finite, Matrix


class PathTable(Table):
    """Load path of ``mechlearn path``.

    Parameters
    ----------
    source : str, optional
        The source whose values ``to`` are; the first where left out. The others grow in proportion.
    to : float or list, optional
        Its value at the end, or a list of values that are reached one after the other, each a list
        where the source has several numbers, and rows where it is a tensor; its value in the task
        where left out.
    steps : int (≥ 1), optional
        How many steps the way there would take at the rate of its beginning.
    control : "arc", "force" or "displacement", optional
        By arc length the path is followed over limit points, with its unstable parts; else by slow
        loading with forces or displacements, from one stable state to the next.
    branch : bool, optional
        At the first bifurcation, leave along the path that branches off there.
    waves : list of int (≥ 1), optional
        Of a periodic network: numbers of cells along its axes after which patterns repeat
        themselves that may buckle before the cell does by itself.
    """

    source: str | None = None
    to: Finite | list[Finite] | list[list[Entry]] | list[Matrix] | None = None
    steps: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 50
    control: Literal["arc", "force", "displacement"] = "arc"
    branch: StrictBool = False
    waves: list[Annotated[int, Field(ge=1, le=1000, strict=True)]] | None = None
