"""STEP files for CAD by gmsh's OpenCASCADE, with exact cylinders, cones and balls."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mechlearn.errors import SolveError
from mechlearn.export.body import bodies, surface
from mechlearn.export.options import Options
from mechlearn.export.part import Part, make_part
from mechlearn.io.writing import write_file
from mechlearn.solids.boolean import TRIES, check_volume, first_success
from mechlearn.solids.kernels import OpenCascade
from mechlearn.solids.meshing import gmsh_session, meshing_error

if TYPE_CHECKING:
    from mechlearn.runs.run import Run

#: What OpenCASCADE may lose of a part's volume, which the union of triangles tells to 1e-4.
LOST = 2e-3


def write(run: "Run", path: Path, options: Options) -> str:
    """Write the part as a solid in mm; see :func:`mechlearn.export.export`."""
    part = make_part(run, options)
    wanted = float(surface(part).volume)
    # Nothing can be turned in the plane: one attempt is as good as many.
    volume, content = first_success(
        _made, part.struts, part, wanted, tries=1 if part.dim == 2 else TRIES
    )
    write_file(path, content)
    return f"One solid of {volume / 1000:.4g} cm3. {part}"


def _made(part: Part, wanted: float, attempt: int) -> tuple[float, bytes]:
    """Volume of a part in mm3, as read back from its STEP file, and that file."""
    with (
        meshing_error("OpenCASCADE could not unite the struts", "widths or fillet"),
        gmsh_session() as gmsh,
        tempfile.TemporaryDirectory() as folder,
    ):
        gmsh.option.setString("Geometry.OCCTargetUnit", "MM")
        # In space the halves of balls must stay apart.
        gmsh.option.setNumber("Geometry.OCCUnionUnify", int(part.dim == 2))
        occ = gmsh.model.occ
        kernel = OpenCascade(occ, attempt, halves=True)
        pieces, cuts = bodies(part, kernel)
        found = kernel.union(pieces[:1], pieces[1:])
        if cuts:
            found = occ.cut(found, cuts)[0]
        occ.synchronize()
        if len(found) != 1:
            raise SolveError(
                f"The part is {len(found)} bodies, not one; make struts wider (largest)."
            )
        # Before it is written and read, which takes as long.
        check_volume(occ.getMass(*found[0]), wanted, LOST)
        gmsh.write(f"{folder}/part.step")
        gmsh.clear()
        # What others read counts, not what was written.
        read = occ.importShapes(f"{folder}/part.step")
        volume = sum(occ.getMass(*body) for body in read if body[0] == 3)
        check_volume(volume, wanted, LOST)
        return volume, (Path(folder) / "part.step").read_bytes()
