"""Networks with data on their nodes and bonds, as mesh files that others read."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.errors import InputError
from mechlearn.network import Network

#: Of more examples than this, learned.vtu keeps only the first states.
FIELDS = 100
#: Formats by suffix: meshio's name, and whether the file can carry data of nodes and bonds.
FORMATS = {
    ".vtu": ("vtu", True),
    ".vtk": ("vtk", True),
    ".xdmf": ("xdmf", True),
    ".msh": ("gmsh", True),
    ".med": ("med", True),
    ".inp": ("abaqus", False),
    ".mesh": ("medit", False),
    ".meshb": ("medit", False),
    ".avs": ("avsucd", False),
    ".h5m": ("h5m", False),
    ".mdpa": ("mdpa", False),
    ".post": ("permas", False),
    ".vol": ("netgen", False),
}


def write_network(
    path: str | Path,
    network: Network,
    cell_data: Mapping[str, ArrayLike] | None = None,
    point_data: Mapping[str, ArrayLike] | None = None,
) -> None:
    """Write nodes and bonds in the reference configuration, in the network's order.

    Edge data and node ids go along. A periodic network's bonds carry their integer ``shift``, and
    its lattice vectors are the point data ``cell_1``, ``cell_2``, ...
    """
    import meshio

    path = Path(path)
    if path.suffix not in FORMATS:
        raise InputError(
            f"{path}: the format {path.suffix or '(none)'!r} is not one of {', '.join(FORMATS)}."
        )
    lines = {**network.edge_data, **(cell_data or {})}
    points = {"node": np.arange(network.n_nodes), **_storable(network.node_data)}
    if network.periodic:
        lines["shift"] = _three(network.shifts)
        for k, vector in enumerate(network.cell, 1):
            points[f"cell_{k}"] = np.tile(_three(vector[None]), (network.n_nodes, 1))
    for name, values in (point_data or {}).items():
        points[name] = _three(np.asarray(values))
    kind, carries_data = FORMATS[path.suffix]
    mesh = meshio.Mesh(_three(network.nodes), [("line", network.edges)])
    if carries_data:
        mesh.point_data = points
        mesh.cell_data = {name: [np.asarray(v)] for name, v in _storable(lines).items()}
    try:
        meshio.write(path, mesh, file_format=kind)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}.") from None


def read_fields(path: str | Path) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    """Point data and the lines' cell data of a file that we wrote."""
    import meshio

    try:
        mesh = meshio.read(path)
    except Exception as error:  # meshio raises many kinds for a damaged file
        raise InputError(f"{path} is damaged: {error}.") from None
    return dict(mesh.point_data), {k: v[0] for k, v in mesh.cell_data.items()}


def _three(vectors: NDArray) -> NDArray:
    """Vectors of the plane as VTK wants them, with a third component of zero."""
    vectors = np.asarray(vectors)
    if vectors.ndim == 2 and vectors.shape[1] == 2:
        return np.column_stack([vectors, np.zeros(len(vectors), dtype=vectors.dtype)])
    return vectors


def _storable(data: Mapping[str, ArrayLike]) -> dict[str, NDArray]:
    """Only numbers: mesh formats have no strings."""
    arrays = {name: np.asarray(values) for name, values in data.items()}
    return {name: a for name, a in arrays.items() if a.dtype.kind in "fiub"}


def state_fields(name: str, states: NDArray) -> dict[str, NDArray]:
    """Point data of learned.vtu, such as ``displacement``, or ``displacement_1``, ... by example.

    ``states`` has shape (examples, n, components); a single component is written as one number.
    """
    states = states[..., 0] if states.shape[-1] == 1 else states
    if len(states) == 1:
        return {name: states[0]}
    return {f"{name}_{e}": state for e, state in enumerate(states[:FIELDS], 1)}


def states_of(name: str, points: Mapping[str, NDArray], components: int) -> NDArray[np.float64]:
    """The states that :func:`state_fields` wrote, shape (examples, n, components)."""
    numbered = {
        int(key.removeprefix(f"{name}_")): values
        for key, values in points.items()
        if key.removeprefix(f"{name}_").isdigit()
    }
    fields = [numbered[e] for e in sorted(numbered)] or [points[name]]
    return np.array([np.reshape(f, (len(f), -1))[:, :components] for f in fields])
