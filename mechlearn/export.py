"""Learned networks in other formats."""

from pathlib import Path
from typing import TYPE_CHECKING

from mechlearn.meshfile import state_fields, write_network

if TYPE_CHECKING:
    from mechlearn.run import Run


def export(run: "Run", path: str | Path) -> Path:
    """Write the learned network of a run; the suffix says in which format.

    Folders on the way are made.

    Raises
    ------
    InputError
        For a format that cannot carry the network, periodic bonds included; the message lists
        those that can. Also where the file cannot be written.
    """
    path = Path(path)
    write_network(
        path,
        run.network,
        cell_data=run.learned,
        point_data=state_fields(run.energy.kinematics.fields(run.network.dim), run.response),
    )
    return path
