"""Networks as data: nodes, bonds, learned values and the free state."""

from pathlib import Path
from typing import TYPE_CHECKING

from mechlearn.errors import InputError
from mechlearn.export.options import Options
from mechlearn.io.meshfile import state_fields, write_network
from mechlearn.networks.graphs import write_graphml
from mechlearn.networks.tables import write_csv, write_npz

if TYPE_CHECKING:
    from mechlearn.runs.run import Run

TABLES = {".npz": write_npz, ".graphml": write_graphml, ".csv": write_csv}


def write(run: "Run", path: Path, options: Options) -> str:
    """Write the network in the order of its nodes and bonds; see :mod:`mechlearn.export`."""
    learned, body = run.energy.of_cells(run.learned, run.network), run.network.body
    states = state_fields(run.energy.kinematics.fields(run.network.dim), run.response)
    if path.suffix.lower() in TABLES:
        if body is not None:
            raise InputError(
                f"{path}: {path.suffix} holds networks; a body goes into a mesh, .vtu."
            )
        TABLES[path.suffix.lower()](path, run.network, states, learned)
    else:
        write_network(path, run.network, cell_data=learned, point_data=states)
    if body is not None:
        return f"{run.network.n_nodes} nodes and {len(body.cells)} cells."
    return f"{run.network.n_nodes} nodes and {run.network.n_edges} bonds."
