"""Networks with node and bond data as mesh files."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.errors import InputError, failure, first_line
from mechlearn.io.formats import FORMATS
from mechlearn.io.text import text_fields
from mechlearn.io.untrusted import (
    HDF,
    check_hdf,
    check_vtk_xml,
    guarded_meshio,
    heavy_files,
    refuse_entities,
)
from mechlearn.io.writing import replaced_file
from mechlearn.network import Network

if TYPE_CHECKING:
    import meshio

#: Of more examples than this, learned.vtu keeps only the first states.
FIELDS = 100
#: Suffixes of meshes that are XML.
XML = (".vtu", ".xdmf", ".xmf", ".xml", ".svg")


def write_network(
    path: str | Path,
    network: Network,
    cell_data: Mapping[str, ArrayLike] | None = None,
    point_data: Mapping[str, ArrayLike] | None = None,
) -> None:
    """Write nodes and bonds in the reference configuration, in the network's order.

    Of a body, its cells, with data one per cell, and the facets of its named parts.

    Numbers among the data of bonds and nodes go along, and what a network is beside them:
    ``dimension`` and ids of the nodes, a 0/1 field for every set (``node_set:left``), the integer
    ``shift`` of periodic bonds, and the lattice vectors as point data ``cell_1``, ``cell_2``, ...
    Folders on the way are made.

    Raises
    ------
    InputError
        For an unknown suffix, a periodic network in a format that has no place for its shifts, or
        a file that cannot be written.
    """
    import meshio

    path = Path(path)
    kind, carries_data = _format(path, network)
    blocks = _blocks(network)
    if network.body and kind.startswith("gmsh"):  # meshio writes cells of one kind alone
        blocks = blocks[:1]
    mesh = meshio.Mesh(_three(network.nodes), blocks)
    if carries_data:
        mesh.point_data = _point_fields(network) | _storable(point_data or {})
        fields = _part_fields(network) if network.body else _line_fields(network)
        for name, values in (fields | _storable(cell_data or {})).items():
            sizes = [len(rows) for _, rows in blocks]
            missing = max(0, sum(sizes) - len(values))
            whole = np.concatenate([values, np.zeros((missing, *values.shape[1:]), values.dtype)])
            mesh.cell_data[name] = np.split(whole[: sum(sizes)], np.cumsum(sizes)[:-1])
    with replaced_file(path) as place, guarded_meshio():
        try:
            meshio.write(place, mesh, file_format=kind)
        except meshio.WriteError as error:
            raise InputError(f"{path} cannot be written: {failure(error)}.") from None


def read_mesh(path: str | Path) -> "meshio.Mesh":
    """Mesh of a file in any format of meshio.

    Raises
    ------
    InputError
        Where it cannot, or where data do not go with points and cells; meshio itself says nothing.
    """
    import meshio

    suffix = Path(path).suffix.lower()
    if suffix in XML and Path(path).is_file():
        refuse_entities(Path(path))
    if suffix in (".xdmf", ".xmf"):
        for file in heavy_files(Path(path)):
            check_hdf(file)
    if suffix in HDF:
        check_hdf(Path(path))
    if suffix == ".vtu" and Path(path).is_file():
        check_vtk_xml(Path(path))
    with guarded_meshio() as printed:
        try:
            mesh = meshio.read(path)
            mesh.points = np.asarray(mesh.points, dtype=float)
            problem = _mismatch(mesh)
        except (meshio.ReadError, SystemExit) as error:  # meshio prints, and leaves with sys.exit
            said = " ".join(printed) if isinstance(error, SystemExit) else str(error)
            problem = first_line(said) or "it is empty, cut short, or not what its suffix says"
        except OSError as error:
            problem = failure(error)
        except Exception as error:  # readers stumble over a damaged file in many ways
            if isinstance(error, KeyError):
                problem = f"it is garbled, or holds what its reader does not know ({error})"
            else:
                what = first_line(str(error)) or type(error).__name__
                problem = f"it is cut short or garbled ({what})"
    if problem:
        raise InputError(f"{path} cannot be read as a mesh: {problem}.")
    return mesh


def read_fields(
    path: str | Path, network: Network
) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    """Point data and bond data of a mesh file written by :func:`write_network`.

    Raises
    ------
    InputError
        Where the file is damaged, or holds other nodes or bonds than the network.
    """
    mesh = read_mesh(path)
    blocks = _blocks(network)
    if [block.type for block in mesh.cells] != [kind for kind, _ in blocks]:
        what = "the cells of the body" if network.body else "the bonds as lines"
        raise InputError(f"{path} is damaged: it should hold {what}, and nothing else.")
    bonds, wanted = mesh.cells[0].data, blocks[0][1]
    if len(mesh.points) != network.n_nodes or not np.array_equal(bonds, wanted):
        raise InputError(
            f"{path} does not belong to the network, whose {network.n_nodes} nodes and "
            f"{len(wanted)} {'cells' if network.body else 'bonds'} it should hold; it has "
            f"{len(mesh.points)} and {len(bonds)}"
            f"{', joined otherwise' if len(bonds) == len(wanted) else ''}."
        )
    return dict(mesh.point_data), {name: blocks[0] for name, blocks in mesh.cell_data.items()}


def _blocks(network: Network) -> list[tuple[str, NDArray[np.int64]]]:
    """Cells of a file in meshio's order of nodes: bonds, or cells and named facets of a body."""
    body = network.body
    if body is None:
        return [("line", network.edges)]
    kind, turned = {
        3: ("triangle", [0, 1, 2]), 6: ("triangle6", [0, 1, 2, 5, 3, 4]),
        4: ("tetra", [0, 1, 2, 3]), 10: ("tetra10", [0, 1, 2, 3, 9, 6, 8, 7, 5, 4]),
    }[body.cells.shape[1]]  # fmt: skip
    blocks = [(kind, body.cells[:, turned])]
    if body.facets:
        facets = np.concatenate(list(body.facets.values()))
        flat, width = body.dim == 2, facets.shape[1]
        kind = {2: "line", 3: "line3"}[width] if flat else {3: "triangle", 6: "triangle6"}[width]
        blocks.append((kind, facets if flat or width == 3 else facets[:, [0, 1, 2, 5, 3, 4]]))
    return blocks


def _part_fields(network: Network) -> dict[str, NDArray]:
    """Region of every cell, and 0/1 fields of the named parts of a body, cells before facets."""
    body = network.body
    assert body is not None, "a network of bonds has no parts"
    sizes = [len(body.cells), *map(len, body.facets.values())]
    block = np.repeat(np.arange(len(sizes)), sizes)
    sets = {}
    for name in {**body.sets, **body.facets}:
        there = np.isin(block, 1 + np.array([k == name for k in body.facets]).nonzero()[0])
        if name in body.sets:
            there[: sizes[0]] = np.isin(body.element, body.sets[name])
        sets[set_field("cell", name)] = there.astype(int)
    return {"region": body.element.astype(int), **sets}


def set_field(kind: str, name: str) -> str:
    """Name of the 0/1 field that stores a set; ``kind`` is "node" or "edge"."""
    # Quoted, because some formats have no spaces or slashes in names.
    return f"{kind}_set:{quote(name, safe='')}"


def take_sets(kind: str, data: dict[str, NDArray]) -> dict[str, NDArray[np.int64]]:
    """Remove the fields of :func:`set_field` from some data; returns the sets of ids."""
    start = set_field(kind, "")
    fields = [name for name in data if name.startswith(start)]
    return {unquote(name.removeprefix(start)): np.flatnonzero(data.pop(name)) for name in fields}


def _format(path: Path, network: Network) -> tuple[str, bool]:
    """Name of a file's format in meshio, and whether it carries data."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"{path}: the format {suffix or '(none)'!r} is not one of {_suffixes()}.")
    kind, carries_data = FORMATS[suffix]
    if network.periodic and not carries_data:
        raise InputError(
            f"{path}: the format {suffix!r} cannot say which bonds cross the cell of a periodic "
            f"network; {_suffixes(with_data=True)} can."
        )
    return kind, carries_data


def _suffixes(with_data: bool = False) -> str:
    return ", ".join(suffix for suffix, (_, data) in FORMATS.items() if data or not with_data)


def _point_fields(network: Network) -> dict[str, NDArray]:
    fields = {
        **_storable(network.node_data),
        **text_fields(network.node_data, network.labels),
        "node": np.arange(network.n_nodes),
        "dimension": np.full(network.n_nodes, network.dim),
        **set_fields("node", network.node_sets, network.n_nodes),
    }
    if network.periodic:
        for k, vector in enumerate(_three(network.lattice_vectors), 1):
            fields[f"cell_{k}"] = np.tile(vector, (network.n_nodes, 1))
    return fields


def _line_fields(network: Network) -> dict[str, NDArray]:
    shift = {} if network.shifts is None else {"shift": _three(network.shifts)}
    sets = set_fields("edge", network.edge_sets, network.n_edges)
    texts = text_fields(network.edge_data)
    return _storable(network.edge_data) | texts | sets | shift


def set_fields(kind: str, sets: Mapping[str, NDArray], n: int) -> dict[str, NDArray[np.int64]]:
    """0/1 fields of sets of the ``n`` nodes or edges."""
    return {
        set_field(kind, name): np.isin(np.arange(n), ids).astype(int) for name, ids in sets.items()
    }


def _three(vectors: NDArray) -> NDArray:
    """Vectors with three components, the third zero in the plane, as VTK expects."""
    if vectors.ndim == 2 and vectors.shape[1] == 2:
        return np.column_stack([vectors, np.zeros(len(vectors), dtype=vectors.dtype)])
    return vectors


def _storable(data: Mapping[str, ArrayLike]) -> dict[str, NDArray]:
    """Numbers in one of the two widths that all formats have; no strings, no booleans."""
    arrays = {name: np.asarray(values) for name, values in data.items()}
    widths = {"f": float, "i": int, "u": int, "b": int}
    return {
        name: _three(a.astype(widths[a.dtype.kind]))
        for name, a in arrays.items()
        if a.dtype.kind in widths
    }


def _mismatch(mesh: "meshio.Mesh") -> str:
    """Description of data whose length differs from the number of points or cells, if any."""
    for name, values in mesh.point_data.items():
        if len(values) != len(mesh.points):
            return f"its {name} has {len(values)} rows for {len(mesh.points)} points"
    for name, blocks in mesh.cell_data.items():
        rows, cells = [len(b) for b in blocks], [len(b.data) for b in mesh.cells]
        if rows != cells:
            return f"its {name} has {sum(rows)} rows for {sum(cells)} cells"
    return ""


def state_fields(fields: Mapping[str, int], states: NDArray) -> dict[str, NDArray]:
    """Point data for the states: ``displacement``, or ``displacement_1``, ... by example.

    ``states`` has shape (examples, n, components); ``fields`` names successive components and says
    how many they are. A single component is written as one number.
    """
    out, first = dict[str, NDArray](), 0
    for name, width in fields.items():
        part = states[..., first : first + width]
        part = part[..., 0] if width == 1 else part
        out |= zip(_state_names(name, len(part)), part, strict=False)
        first += width
    return out


def states_of(
    fields: Mapping[str, int], points: Mapping[str, NDArray], examples: int
) -> NDArray[np.float64]:
    """States from the fields of :func:`state_fields`, shape (examples, n, components).

    Raises
    ------
    InputError
        Where the state of an example is missing, or is not finite numbers of that many components.
    """
    parts = [
        [_state(field, points, width) for field in _state_names(name, examples)]
        for name, width in fields.items()
    ]
    return np.concatenate([np.array(part) for part in parts], axis=-1)


def _state(name: str, points: Mapping[str, NDArray], components: int) -> NDArray[np.float64]:
    if name not in points:
        raise InputError(f"the nodes have no {name}.")
    values = np.reshape(points[name], (len(points[name]), -1))[:, :components]
    if values.shape[1] < components or not np.isfinite(values).all():
        raise InputError(f"the {name} of a node should be {components} finite numbers.")
    return values


def _state_names(name: str, examples: int) -> list[str]:
    if examples == 1:
        return [name]
    return [f"{name}_{e}" for e in range(1, min(examples, FIELDS) + 1)]
