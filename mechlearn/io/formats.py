"""Suffixes of the mesh formats of meshio, VTK and gmsh, without an import of either."""

#: Formats by suffix: meshio's name, and whether the file can carry data of nodes and bonds.
FORMATS = {
    ".vtu": ("vtu", True),
    ".vtk": ("vtk", True),
    ".xdmf": ("xdmf", True),
    ".msh": ("gmsh", True),
    ".med": ("med", True),
    ".mesh": ("medit", False),
    ".meshb": ("medit", False),
    ".avs": ("avsucd", False),
    ".h5m": ("h5m", False),
    ".mdpa": ("mdpa", False),
    ".post": ("permas", False),
    ".vol": ("netgen", False),
}
