"""Files for 3D printers: STL, PLY, and 3MF as triangles or as a beam lattice."""

from ctypes import Array, Structure
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from mechlearn.errors import InputError, plain
from mechlearn.export.body import optional, rods, surface
from mechlearn.export.options import Options
from mechlearn.export.part import Part, make_part
from mechlearn.io.writing import write_file

if TYPE_CHECKING:
    from trimesh import Trimesh

    from mechlearn.runs.run import Run


def write(run: "Run", path: Path, options: Options) -> str:
    """Write the part as a surface in mm; see :func:`mechlearn.export.export`."""
    part = make_part(run, options)
    if options.lattice:
        write_file(path, _lattice(part, run.setup.title))
        return f"{part} {len(part.struts.width)} beams of a 3MF beam lattice."
    mesh = surface(part)
    if path.suffix.lower() == ".3mf":
        write_file(path, _triangles(mesh, run.setup.title))
    else:
        content = mesh.export(file_type=path.suffix.lower()[1:])
        assert isinstance(content, bytes), "a binary format"
        write_file(path, content)
    sides = " x ".join(f"{side:.4g}" for side in mesh.extents)
    return f"{sides} mm, {mesh.volume / 1000:.4g} cm3, {len(mesh.faces)} triangles. {part}"


def _triangles(mesh: "Trimesh", title: str) -> bytes:
    lib, model, item = _model(title)
    item.SetGeometry(
        _structs(lib.Position, mesh.vertices.astype(np.float32)),
        _structs(lib.Triangle, mesh.faces.astype(np.uint32)),
    )
    return _bytes(model)


def _lattice(part: Part, title: str) -> bytes:
    """Beam lattice of rods and balls (3MF extension), a hundred times smaller."""
    if part.dim == 2:
        raise InputError("lattice: beams of a 3MF lattice are round, those of a sheet are not.")
    for name in ("base", "hole"):
        if getattr(part.options, name):
            raise InputError(f"lattice: a beam lattice has beams only, so no {name}.")
    lib, model, item = _model(title)
    net = part.struts.network
    points, beams = [*net.nodes], []
    for (i, j), (place, radius), axis in zip(net.edges, rods(part), part.struts.axes, strict=True):
        ids = [i, *range(len(points), len(points) + len(place) - 2), j]
        points += [net.nodes[i] + s * axis for s in place[1:-1]]
        for k in range(len(place) - 1):
            beam = lib.Beam()
            beam.Indices[:] = [int(ids[k]), int(ids[k + 1])]
            beam.Radii[:] = [float(radius[k]), float(radius[k + 1])]
            beam.CapModes[:] = [lib.BeamLatticeCapMode.Butt] * 2
            beams.append(beam)
    item.SetGeometry(_structs(lib.Position, np.array(points, dtype=np.float32)), [])
    lattice = item.BeamLattice()
    lattice.SetMinLength(1e-5)
    lattice.SetBallOptions(lib.BeamLatticeBallMode.Mixed, float(part.struts.joint_radius.max()))
    lattice.SetBeams(beams)
    balls = []
    for node, radius in enumerate(part.struts.joint_radius):
        ball = lib.Ball()
        ball.Index, ball.Radius = node, float(radius)
        balls.append(ball)
    lattice.SetBalls(balls)
    return _bytes(model)


def _model(title: str) -> tuple[ModuleType, Any, Any]:
    """lib3mf, a model in mm, and its mesh object."""
    lib = optional("lib3mf")
    model = lib.Wrapper().CreateModel()
    model.SetUnit(lib.ModelUnit.MilliMeter)
    item = model.AddMeshObject()
    item.SetName(plain(title, 200) or "learned network")
    model.AddBuildItem(item, model._wrapper.GetIdentityTransform())
    return lib, model, item


def _structs(kind: type[Structure], rows: np.ndarray) -> "Array":
    """Rows of numbers as an array of C structs."""
    return (kind * len(rows)).from_buffer_copy(np.ascontiguousarray(rows))


def _bytes(model: Any) -> bytes:
    writer = model.QueryWriter("3mf")
    writer.SetDecimalPrecision(8)  # else points that are near each other become one
    return bytes(writer.WriteToBuffer())
