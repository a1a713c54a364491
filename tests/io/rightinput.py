"""Right input of every kind, for fuzzing to break: tasks, network files, runs and checkpoints."""

import contextlib
import copy
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import mutations
import numpy as np
import tomli_w

from mechlearn.cli import main
from mechlearn.network import Network
from mechlearn.networks.files import to_text
from mechlearn.runs.folder import CHECKPOINT
from mechlearn.runs.run import Run

SMALL = {"generator": "triangular", "size": [4, 4], "disorder": 0.1, "seed": 2}
RING = {"generator": "triangular", "size": [4, 4], "disorder": 0.1, "seed": 2, "periodic": True}
PULL = [{"name": "in", "nodes": [0, 5], "strain": 0.1}]
ANSWER = [{"name": "out", "nodes": [10, 15], "strain": 0.05}]
STIFF = {"stiffness": {"bounds": [0.1, 10.0], "initial": 1.0}}


def task_of(**tables):
    base = {"network": SMALL, "learn": STIFF, "sources": PULL, "targets": ANSWER}
    return copy.deepcopy(base | {"train": {"steps": 2}} | tables)


#: Valid tasks, one of each kind.
TASKS = {
    "spring": task_of(title="springs", rule={"name": "coupled_learning", "eta": 0.01}),
    "near": task_of(
        sources=[{"name": "in", "near": [0.1, 0.1], "strain": 0.1}],
        targets=[{"name": "out", "near": [0.9, 0.9], "strain": 0.1, "limit": "at_least"}],
        rule={"name": "equilibrium_propagation", "variant": "centred", "beta": 1e-3},
    ),
    "held near": task_of(
        supports=[{"near": [0.0, 0.5]}, {"near": [1.0, 0.5], "components": ["y"]}],
        targets=[{"name": "out", "near": [0.5, 1.0], "displacement": [0.01, 0.0]}],
    ),
    "held": task_of(
        supports=[{"nodes": [0, 1, 2], "components": ["x", "y"]}, {"nodes": "left"}],
        sources=[{"name": "in", "nodes": [10], "components": ["y"], "force": [-0.01]}],
        targets=[{"name": "out", "nodes": [14], "displacement": [0.01, 0.0], "scale": 0.1}],
        rule={"name": "gradient_descent"},
        train={"steps": 2, "optimiser": "plain", "rate": 0.1, "tolerance": 1e-3, "seed": 1},
    ),
    "examples": task_of(
        examples=[{"in": 0.1, "out": 0.02}, {"in": -0.1, "out": 0.01}, {"in": "free"}],
        imperfections={"noise": 0.01, "stuck": 0.1, "broken": [3], "drift": 1e-3},
        train={"steps": 2, "batch": 2, "optimiser": {"name": "adam", "betas": [0.9, 0.99]}},
    ),
    "finite": task_of(
        energy={"model": "finite_spring", "stiffness": 1.0},
        learn={"rest_length": {"bounds": [0.5, 1.5], "relative": True, "frozen": [0, 1]}},
    ),
    "beam": task_of(
        energy={"model": "beam", "modulus": 1.0, "thickness": 0.1, "joint_stiffness": 10.0},
        learn={"width": {"bounds": [0.02, 0.3], "initial": 0.1, "relative": True, "scale": "log"}},
    ),
    "finite beam": task_of(
        energy={"model": "finite_beam", "segments": 1}, learn={"width": {"bounds": [0.05, 0.3]}}
    ),
    "flow": task_of(
        network=RING,
        energy={"model": "flow"},
        learn={"conductance": {"bounds": [0.001, 1000.0], "spread": 0.1}},
        supports=[{"nodes": [0]}],
        sources=[{"name": "pump", "nodes": [9], "pressure": 1.0}, {"nodes": [5], "flow": -0.5}],
        targets=[{"name": "out", "nodes": [4], "flow": 0.05}, {"nodes": [1, 2], "pressure": 0.1}],
    ),
    "cell": task_of(
        network=RING,
        sources=[{"name": "squeeze", "cell": "xx", "strain": -0.05}],
        targets=[{"name": "ratio", "cell": "yy", "poisson": -0.1}],
        rule={"name": "directed_aging", "clamp": 1.0},
        train={"steps": 2, "optimiser": "plain", "rate": 1.0},
    ),
    "classes": task_of(
        supports=[{"nodes": [0, 3]}],
        sources=[{"name": "a", "nodes": [9], "components": ["y"], "force": [-0.05]}],
        targets=[
            {"name": "one", "nodes": [12], "components": ["y"], "displacement": [1.0]},
            {"name": "two", "nodes": [14], "components": ["y"], "displacement": [0.0]},
        ],
        cost={"name": "cross_entropy", "of": "shares"},
        rule={"name": "gradient_descent"},
    ),
    "pruning": task_of(rule={"name": "pruning", "restore": True}),
    "search": task_of(rule={"name": "gradient_free", "method": "pattern"}),
    "written": task_of(
        network={
            "points": [[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.4]],
            "edges": [[0, 1], [1, 2], [2, 3], [3, 0], [0, 4], [1, 4], [2, 4], [3, 4]],
        },
        sources=[{"name": "in", "nodes": [0, 2], "strain": 0.1}],
        targets=[{"name": "out", "nodes": [1, 3], "strain": -0.1}],
    ),
    "packing": task_of(
        network={"generator": "packing", "nodes": 16, "coordination": 4.8, "periodic": True},
        targets=[
            {"name": "out", "nodes": [2, 9], "match": "other"},
            {"name": "other", "nodes": [4, 11], "strain": 0.1},
        ],
    ),
    "cubic": task_of(
        network={"generator": "fcc", "size": [2, 2, 2], "disorder": 0.1},
        sources=[{"name": "in", "near": [0.1, 0.1, 0.1], "strain": 0.1}],
        targets=[{"name": "out", "near": [0.9, 0.9, 0.9], "strain": 0.1}],
    ),
}
#: Keys of the tasks above beside, with values that are right somewhere.
MORE = {
    "generator": ["delaunay", "square", "honeycomb", "kagome", "crossbar", "cubic", "fcc"],
    "model": ["bar", "resistor", "capacitor", "solid", "finite_beam"],
    "file": ["task.toml", "network.vtu", "../../x.vtu", "network.txt", "/dev/zero"],
    "start": ["run", ".", "..", "../../x", "task.toml", "/"],
    "strain": [0.1, [0.1], [0.1, 0.2], -0.99],
    "stress": [0.1, [0.1, 0.2]],
    "cell": ["yy", "xy", "volume", ["xx", "yy"], "zz", []],
    "method": ["cma", "evolution", "simplex", "perturbation"],
    "modulus": [1.0, [1.0] * 33, "stiffness"],
    "rz": [0.1],
    "components": [["x"], ["y", "x"], ["rz"], ["z"], [], ["x", "x"]],
    "voltage": [1.0],
    "hinge": [{"thin": 0.3, "length": 0.1}],
    "pressure": [0.1, 1.0],
    "normalise": [True],
    "response": ["sign"],
    "dead_zone": [0.1],
    "quantum": [0.01],
    "temperature": [1.0],
    "steepness": [10.0],
    "chain": [False],
    "segments": [3],
    "examples": ["x.csv", "/dev/zero", "../../x.csv"],
}


def _vocabulary():
    words = copy.deepcopy(MORE)
    for task in TASKS.values():
        for holder, key in mutations.places(task):
            if isinstance(holder, dict):
                words.setdefault(key, []).append(holder[key])
    return words


VOCABULARY = _vocabulary()


@dataclass
class Bench:
    """A folder tree to work in, and right files to break.

    Inputs lie in ``outside/a/work``, so that a path with two steps up stays in the tree.
    """

    root: Path
    networks: dict[str, dict[str, bytes]] = field(default_factory=dict)
    runs: dict[str, dict[str, bytes]] = field(default_factory=dict)
    saved: dict[str, dict[str, bytes]] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        """The folder of an input's files."""
        return self.root / "outside" / "a" / "work"

    def __post_init__(self) -> None:
        stock = self.root / "stock"
        stock.mkdir(parents=True)
        for name in ("spring", "finite", "flow", "cell", "examples"):
            task, folder = stock / f"{name}.toml", stock / name
            task.write_text(tomli_w.dumps(TASKS[name]))
            _quietly(["train", str(task), "-o", str(folder), "-q", "--save-steps", "1"])
            files = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}
            self.runs[name] = files
            _half(folder, task)
            kept = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != ".lock"}
            self.saved[name] = {"../task.toml": task.read_bytes(), **kept}
        for name in ("spring", "cell"):
            run = Run.load(restored(stock / "again" / name, self.runs[name]))
            for suffix in (
                "vtu",
                "vtk",
                "xdmf",
                "msh",
                "med",
                "graphml",
                "csv",
                "npz",
                *(["mesh", "avs", "h5m", "mdpa", "post", "vol"] if name == "spring" else []),
            ):
                folder = stock / f"{name}-{suffix}"
                folder.mkdir()
                _quietly(["export", str(run.folder), str(folder / f"net.{suffix}")])
                self.networks[f"{name}-{suffix}"] = {
                    p.name: p.read_bytes() for p in sorted(folder.iterdir())
                }
            if name == "spring":
                to_text(run.network, stock / "net.txt")
                self.networks["txt"] = {"net.txt": (stock / "net.txt").read_bytes()}
                self.networks |= _ascii(run.network, stock)
        self.networks["pdb"] = {"net.pdb": _protein()}
        self.networks["cif"] = {"net.cif": _cif(self.networks["pdb"]["net.pdb"])}

    def clear(self) -> None:
        """Empty the place of the inputs."""
        shutil.rmtree(self.root / "outside", ignore_errors=True)
        self.work.mkdir(parents=True)


def restored(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def _quietly(arguments: list[str]) -> None:
    with contextlib.redirect_stdout(None), contextlib.suppress(SystemExit):
        main(arguments)


def _half(folder: Path, task: Path) -> None:
    """Leave a folder as a training that was killed leaves it."""
    for path in list(folder.iterdir()):
        if not path.name.startswith("checkpoint"):
            path.unlink()
    if not (folder / CHECKPOINT).exists():
        raise AssertionError(f"no checkpoint in {folder}")


def _ascii(network: Network, stock: Path) -> dict[str, dict[str, bytes]]:
    """Formats of meshio that users bring, as text where there is text."""
    import meshio

    points = np.column_stack([network.nodes, np.zeros(network.n_nodes)])
    mesh = meshio.Mesh(points, [("line", network.edges)], cell_data={"a": [network.lengths]})
    out = {}
    for suffix, form, options in (
        ("vtu", "vtu", {"binary": False}),
        ("vtk", "vtk", {"binary": False}),
        ("msh", "gmsh", {"binary": False}),
        ("msh", "gmsh22", {"binary": False}),
        ("inp", "abaqus", {}),
        ("bdf", "nastran", {}),
        ("su2", "su2", {}),
        ("xml", "dolfin-xml", {}),
        ("obj", "obj", {}),
        ("stl", "stl", {}),
        ("ply", "ply", {"binary": False}),
        ("off", "off", {}),
        ("f3grid", "flac3d", {}),
        ("dat", "tecplot", {}),
        ("ugrid", "ugrid", {}),
        ("cgns", "cgns", {}),
        ("e", "exodus", {}),
        ("ele", "tetgen", {}),
    ):
        solid = suffix in ("su2", "xml", "obj", "stl", "ply", "off", "dat", "tec", "ugrid")
        given = (
            meshio.Mesh(points, [("triangle", [[0, 1, 5], [1, 2, 6], [0, 5, 4]])])
            if solid
            else mesh
        )
        path = stock / f"{form}" / f"net.{suffix}"
        path.parent.mkdir()
        with contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
            try:
                meshio.write(path, given, file_format=form, **options)
            except Exception:  # formats that hold no such cells
                path.write_bytes(b"1 2 3\n")
        out[f"{form}-text"] = {p.name: p.read_bytes() for p in path.parent.iterdir()}
        out[f"{form}-text"] = dict(
            sorted(out[f"{form}-text"].items(), key=lambda i: i[0] != path.name)
        )
    return out


def _protein() -> bytes:
    rng = np.random.default_rng(1)
    place = 4.0 * np.stack(np.meshgrid(*[np.arange(3)] * 3), -1).reshape(-1, 3) + rng.random(
        (27, 3)
    )
    rows = [
        f"ATOM  {k + 1:5d}  CA  ALA A{k + 1:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00 20.00           C"
        for k, (x, y, z) in enumerate(place)
    ]
    return ("\n".join([*rows, "TER", "END"]) + "\n").encode()


def _cif(pdb: bytes) -> bytes:
    import gemmi

    return gemmi.read_pdb_string(pdb.decode()).make_mmcif_document().as_string().encode()
