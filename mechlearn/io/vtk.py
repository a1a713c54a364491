"""VTK files as plain arrays, read by VTK in a process of its own.

Imported there alone: it loads VTK, and nothing of mechlearn but what is as light.
"""

from pathlib import Path
from typing import Any

import numpy as np

from mechlearn.io.isolated import memory_limit


def read_vtk(path: str, suffix: str) -> dict[str, Any]:
    """Points, cells (types, offsets and connectivity), and data of points and cells.

    Raises
    ------
    ValueError
        Where VTK finds an error, with its words.
    """
    memory_limit(path, 40)
    from vtkmodules.vtkCommonCore import vtkOutputWindow, vtkStringOutputWindow

    said = vtkStringOutputWindow()
    vtkOutputWindow.SetInstance(said)
    reader = _reader(suffix)
    reader.SetFileName(path)
    reader.Update()
    found = reader.GetOutputDataObject(0)
    text = said.GetOutput() or ""
    if "ERR" in text.upper() or reader.GetErrorCode():
        lines = [line.partition("): ")[2] for line in text.splitlines() if "): " in line]
        lines = [line.replace(path, Path(path).name) for line in lines if line]
        raise ValueError(next(iter(lines), "it is damaged"))
    if found is None or not found.IsA("vtkDataSet"):
        kind = "no mesh" if found is None else f"a {found.GetClassName().removeprefix('vtk')}"
        raise ValueError(f"it holds {kind}")
    return _arrays(found)


def _reader(suffix: str) -> Any:
    from vtkmodules import vtkIOGeometry, vtkIOLegacy, vtkIOXML

    if suffix == ".vtk":
        reader = vtkIOLegacy.vtkGenericDataObjectReader()
        for what in ("Scalars", "Vectors", "Normals", "Tensors", "TCoords", "Fields"):
            getattr(reader, f"ReadAll{what}On")()
        return reader
    return {
        ".vtu": vtkIOXML.vtkXMLUnstructuredGridReader,
        ".vtp": vtkIOXML.vtkXMLPolyDataReader,
        ".obj": vtkIOGeometry.vtkOBJReader,
        ".stl": vtkIOGeometry.vtkSTLReader,
    }[suffix]()


def _arrays(found: Any) -> dict[str, Any]:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkFiltersCore import vtkAppendFilter

    if not found.IsA("vtkUnstructuredGrid"):
        convert = vtkAppendFilter()
        convert.SetOutputPointsPrecision(convert.DOUBLE_PRECISION)
        convert.AddInputData(found)
        convert.Update()
        found = convert.GetOutput()
    out: dict[str, Any] = {
        "points": np.zeros((0, 3)),
        "types": np.zeros(0, int),
        "offsets": np.zeros(1, np.int64),
        "nodes": np.zeros(0, np.int64),
    }
    if found.GetNumberOfPoints():
        out["points"] = vtk_to_numpy(found.GetPoints().GetData()).astype(float)
    if found.GetNumberOfCells():
        cells = found.GetCells()
        out["types"] = vtk_to_numpy(found.GetCellTypes())
        out["offsets"] = vtk_to_numpy(cells.GetOffsetsArray()).astype(np.int64)
        out["nodes"] = vtk_to_numpy(cells.GetConnectivityArray()).astype(np.int64)
    polyhedra = np.flatnonzero(out["types"] == 42)
    out["pairs"] = {int(k): _cell_edges(found, int(k)) for k in polyhedra}
    return out | _data(found)


def _cell_edges(found: Any, k: int) -> list[int]:
    cell = found.GetCell(k)
    edges = (cell.GetEdge(e) for e in range(cell.GetNumberOfEdges()))
    return [edge.GetPointId(j) for edge in edges for j in (0, 1)]


def _data(found: Any) -> dict[str, Any]:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    out: dict[str, Any] = {}
    for key, data in (("point_data", found.GetPointData()), ("cell_data", found.GetCellData())):
        out[key] = {}
        for k in range(data.GetNumberOfArrays()):
            array = data.GetAbstractArray(k)
            name = array.GetName() or f"array {k + 1}"
            if array.IsA("vtkStringArray"):
                n = array.GetNumberOfValues()
                out[key][name] = np.array([str(array.GetValue(j)) for j in range(n)])
            elif array.IsA("vtkDataArray"):
                out[key][name] = np.array(vtk_to_numpy(array))
    return out
