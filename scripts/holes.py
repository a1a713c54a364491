"""Write meshes/holes.msh, a square plate of 40 x 40 mm with 16 holes, by gmsh.

python scripts/holes.py
"""

from itertools import product
from pathlib import Path

import gmsh

SIDE, COUNT, RADIUS, SIZE = 40.0, 4, 3.4, 2.6
MESHES = Path(__file__).parent.parent / "meshes"


def main() -> None:
    """Draw the plate, name it and its sides, and mesh it."""
    gmsh.initialize(["holes"], readConfigFiles=False)
    gmsh.option.setNumber("General.Terminal", 0)
    occ, step = gmsh.model.occ, SIDE / COUNT
    plate = occ.addRectangle(0, 0, 0, SIDE, SIDE)
    places = product(range(COUNT), repeat=2)
    holes = [(2, occ.addDisk((i + 0.5) * step, (j + 0.5) * step, 0, RADIUS, RADIUS))
             for i, j in places]  # fmt: skip
    (made, *_), _ = occ.cut([(2, plate)], holes)
    occ.synchronize()
    gmsh.model.addPhysicalGroup(2, [made[1]], name="plate")
    for name, axis, end in (("left", 0, 0), ("right", 0, SIDE), ("bottom", 1, 0), ("top", 1, SIDE)):
        low, high = [-1.0, -1.0, -1.0], [SIDE + 1, SIDE + 1, 1.0]
        low[axis], high[axis] = end - 1e-3, end + 1e-3
        lines = [tag for _, tag in gmsh.model.getEntitiesInBoundingBox(*low, *high, 1)]
        gmsh.model.addPhysicalGroup(1, lines, name=name)
    gmsh.option.setNumber("Mesh.MeshSizeMax", SIZE)
    gmsh.option.setNumber("Mesh.MeshSizeFromCurvature", 14)
    gmsh.option.setNumber("Mesh.Algorithm", 6)
    gmsh.option.setNumber("Mesh.MshFileVersion", 2.2)
    gmsh.model.mesh.generate(2)
    gmsh.write(str(MESHES / "holes.msh"))
    gmsh.finalize()


if __name__ == "__main__":
    main()
