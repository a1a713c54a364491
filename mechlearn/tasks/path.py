"""Load path: the schedule along which equilibria of a task are followed."""

from typing import Annotated, Literal

from pydantic import Field

from mechlearn.schema import Table
from mechlearn.tasks.keys import Finite


class PathTable(Table):
    """Load path of ``mechlearn path``.

    Parameters
    ----------
    source : str, optional
        The source whose values ``to`` are; the first where left out. The others grow in proportion.
    to : float or list, optional
        Its value at the end, or a list of values that are reached one after the other, each a list
        where the source has several numbers; its value in the task where left out.
    steps : int (≥ 1), optional
        How many steps the way there would take at the rate of its beginning.
    control : "arc", "force" or "displacement", optional
        By arc length the path is followed over limit points, with its unstable parts; else by slow
        loading with forces or displacements, from one stable state to the next.
    branch : bool, optional
        At the first bifurcation, leave along the path that branches off there.
    """

    source: str | None = None
    to: Finite | list[Finite] | list[list[Finite]] | None = None
    steps: Annotated[int, Field(ge=1, le=1_000_000, strict=True)] = 50
    control: Literal["arc", "force", "displacement"] = "arc"
    branch: bool = False
