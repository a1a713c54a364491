"""gmsh files as plain arrays, read by gmsh in a process of its own."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from mechlearn.io.isolated import memory_limit


def read_msh(path: str) -> dict[str, Any]:
    """Nodes, elements by dimension with their physical groups, and views.

    Raises
    ------
    ImportError
        Without gmsh.
    Exception
        Where gmsh finds an error, with its words.
    """
    memory_limit(path, 60)
    import gmsh

    # Alone: gmsh would run the options beside a mesh.
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "mesh.msh"
        shutil.copyfile(path, copy)
        gmsh.initialize(["-nopopup", "-noenv"], readConfigFiles=False, interruptible=False)
        try:
            gmsh.option.setNumber("General.Terminal", 0)
            gmsh.option.setNumber("General.AbortOnError", 0)
            gmsh.logger.start()
            gmsh.merge(str(copy))
            errors = [m for m in gmsh.logger.get() if m.startswith("Error")]
            if errors:
                raise ValueError(errors[0].partition(":")[2].strip().replace(str(copy), "it"))
            return _found(gmsh)
        finally:
            gmsh.finalize()


def _found(gmsh: Any) -> dict[str, Any]:
    tags, points, _ = gmsh.model.mesh.getNodes()
    tags = np.asarray(tags, dtype=np.int64)
    order = np.unique(tags, return_index=True)[1]
    elements, notes = [], []
    for dim, entity in gmsh.model.getEntities():
        groups = [
            (int(tag), gmsh.model.getPhysicalName(dim, tag))
            for tag in gmsh.model.getPhysicalGroupsForEntity(dim, entity)
        ]
        types, ids, nodes = gmsh.model.mesh.getElements(dim, entity)
        for kind, own, ends in zip(types, ids, nodes, strict=True):
            elements.append({
                "type": int(kind),
                "name": gmsh.model.mesh.getElementProperties(kind)[0],
                "tags": np.asarray(own, dtype=np.int64),
                "nodes": np.asarray(ends, dtype=np.int64).reshape(len(own), -1),
                "entity": int(entity),
                "groups": groups,
            })  # fmt: skip
    views = []
    for view in gmsh.view.getTags():
        name = gmsh.view.option.getString(view, "Name")
        steps = int(gmsh.view.option.getNumber(view, "NbTimeStep"))
        kind, own, values, _, wide = gmsh.view.getHomogeneousModelData(view, max(steps - 1, 0))
        if steps > 1:
            notes.append(f"of the {steps} steps of {name!r} the last is read")
        views.append({
            "name": name,
            "kind": kind,
            "tags": np.asarray(own, dtype=np.int64),
            "values": np.asarray(values, dtype=float).reshape(-1, max(int(wide), 1)),
        })  # fmt: skip
    return {
        "tags": tags[order],
        "points": np.asarray(points, dtype=float).reshape(-1, 3)[order],
        "elements": elements,
        "views": views,
        "notes": notes,
    }
