"""Broken inputs for the command line, by number, and the judge of what it does with them.

Input ``n`` of a seed is always the same. It must end in success, or in one line on stderr and exit
code 1 or 2, within seconds, without much memory, and write nothing but what it was asked for.
"""

import contextlib
import copy
import functools
import gzip
import json
import os
import random
import resource
import shutil
import signal
import sys
import tomllib
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import mutations
import numpy as np
import tomli_w

from mechlearn.cli import main
from mechlearn.folder import CHECKPOINT
from mechlearn.network import Network
from mechlearn.networks.files import to_text
from mechlearn.run import Run

#: Seconds of computing, MiB beside what is there, and characters of an error that are allowed.
SECONDS, MEMORY, LONGEST = 5.0, 768, 3000
SMALL = {"generator": "triangular", "size": [4, 4], "disorder": 0.1, "seed": 2}
RING = {"generator": "triangular", "size": [4, 4], "disorder": 0.1, "seed": 2, "periodic": True}
PULL = [{"name": "in", "nodes": [0, 5], "strain": 0.1}]
ANSWER = [{"name": "out", "nodes": [10, 15], "strain": 0.05}]
STIFF = {"stiffness": {"bounds": [0.1, 10.0], "initial": 1.0}}


def _task(**tables):
    base = {"network": SMALL, "learn": STIFF, "sources": PULL, "targets": ANSWER}
    return copy.deepcopy(base | {"train": {"steps": 2}} | tables)


#: Valid tasks, one of each kind.
TASKS = {
    "spring": _task(title="springs", rule={"name": "coupled_learning", "eta": 0.01}),
    "near": _task(
        sources=[{"name": "in", "near": [0.1, 0.1], "strain": 0.1}],
        targets=[{"name": "out", "near": [0.9, 0.9], "strain": 0.1, "limit": "at_least"}],
        rule={"name": "equilibrium_propagation", "variant": "centred", "beta": 1e-3},
    ),
    "held": _task(
        supports=[{"nodes": [0, 1, 2], "components": ["x", "y"]}, {"nodes": "left"}],
        sources=[{"name": "in", "nodes": [10], "components": ["y"], "force": [-0.01]}],
        targets=[{"name": "out", "nodes": [14], "displacement": [0.01, 0.0], "scale": 0.1}],
        rule={"name": "gradient_descent"},
        train={"steps": 2, "optimiser": "plain", "rate": 0.1, "tolerance": 1e-3, "seed": 1},
    ),
    "examples": _task(
        examples=[{"in": 0.1, "out": 0.02}, {"in": -0.1, "out": 0.01}, {"in": "free"}],
        imperfections={"noise": 0.01, "stuck": 0.1, "broken": [3], "drift": 1e-3},
        train={"steps": 2, "batch": 2, "optimiser": {"name": "adam", "forget": [0.9, 0.99]}},
    ),
    "finite": _task(
        energy={"model": "finite_spring", "stiffness": 1.0},
        learn={"rest_length": {"bounds": [0.5, 1.5], "relative": True, "frozen": [0, 1]}},
    ),
    "beam": _task(
        energy={"model": "beam", "modulus": 1.0, "thickness": 0.1, "joint_stiffness": 10.0},
        learn={"width": {"bounds": [0.02, 0.3], "initial": 0.1, "relative": True, "scale": "log"}},
    ),
    "finite beam": _task(
        energy={"model": "finite_beam", "segments": 1}, learn={"width": {"bounds": [0.05, 0.3]}}
    ),
    "flow": _task(
        network=RING,
        energy={"model": "flow"},
        learn={"conductance": {"bounds": [0.001, 1000.0], "spread": 0.1}},
        supports=[{"nodes": [0]}],
        sources=[{"name": "pump", "nodes": [9], "pressure": 1.0}, {"nodes": [5], "flow": -0.5}],
        targets=[{"name": "out", "nodes": [4], "flow": 0.05}, {"nodes": [1, 2], "pressure": 0.1}],
    ),
    "cell": _task(
        network=RING,
        sources=[{"name": "squeeze", "cell": "xx", "strain": -0.05}],
        targets=[{"name": "ratio", "cell": "yy", "poisson": -0.1}],
        rule={"name": "directed_aging", "clamp": 1.0},
        train={"steps": 2, "optimiser": "plain", "rate": 1.0},
    ),
    "classes": _task(
        supports=[{"nodes": [0, 3]}],
        sources=[{"name": "a", "nodes": [9], "components": ["y"], "force": [-0.05]}],
        targets=[
            {"name": "one", "nodes": [12], "components": ["y"], "displacement": [1.0]},
            {"name": "two", "nodes": [14], "components": ["y"], "displacement": [0.0]},
        ],
        cost={"name": "cross_entropy", "of": "shares"},
        rule={"name": "gradient_descent"},
    ),
    "pruning": _task(rule={"name": "pruning", "restore": True}),
    "search": _task(rule={"name": "gradient_free", "method": "pattern"}),
    "written": _task(
        network={
            "points": [[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.4]],
            "edges": [[0, 1], [1, 2], [2, 3], [3, 0], [0, 4], [1, 4], [2, 4], [3, 4]],
        },
        sources=[{"name": "in", "nodes": [0, 2], "strain": 0.1}],
        targets=[{"name": "out", "nodes": [1, 3], "strain": -0.1}],
    ),
    "packing": _task(
        network={"generator": "packing", "nodes": 16, "coordination": 4.8, "periodic": True},
        targets=[
            {"name": "out", "nodes": [2, 9], "match": "other"},
            {"name": "other", "nodes": [4, 11], "strain": 0.1},
        ],
    ),
    "cubic": _task(
        network={"generator": "fcc", "size": [2, 2, 2], "disorder": 0.1},
        sources=[{"name": "in", "near": [0.1, 0.1, 0.1], "strain": 0.1}],
        targets=[{"name": "out", "near": [0.9, 0.9, 0.9], "strain": 0.1}],
    ),
}  # fmt: skip
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
        for holder, key in mutations._places(task):
            if isinstance(holder, dict):
                words.setdefault(key, []).append(holder[key])
    return words


VOCABULARY = _vocabulary()


@dataclass
class Case:
    """Arguments of the command line, and the one place where it may write."""

    arguments: list[str]
    output: str | None = None


@dataclass
class Verdict:
    """What an input did: how it ended, what is wrong with that, and what was said."""

    ended: str
    trouble: str = ""
    said: str = ""


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
        """Where an input has its files."""
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
            run = Run.load(_restored(stock / "again" / name, self.runs[name]))
            for suffix in ("vtu", "vtk", "xdmf", "msh", "med", "graphml", "csv", "npz",
                           *(["mesh", "avs", "h5m", "mdpa", "post", "vol"] if name == "spring" else [])):  # fmt: skip
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


def _restored(folder: Path, files: dict[str, bytes]) -> Path:
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
        ("vtu", "vtu", {"binary": False}), ("vtk", "vtk", {"binary": False}),
        ("msh", "gmsh", {"binary": False}), ("msh", "gmsh22", {"binary": False}),
        ("inp", "abaqus", {}), ("bdf", "nastran", {}), ("su2", "su2", {}), ("xml", "dolfin-xml", {}),
        ("obj", "obj", {}), ("stl", "stl", {}), ("ply", "ply", {"binary": False}), ("off", "off", {}),
        ("f3grid", "flac3d", {}), ("dat", "tecplot", {}), ("ugrid", "ugrid", {}), ("cgns", "cgns", {}),
        ("e", "exodus", {}), ("ele", "tetgen", {}),
    ):  # fmt: skip
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


# -- targets -----------------------------------------------------------------------------------


def _dumped(rng, task) -> bytes:
    """A task as TOML, some broken as text; tables that TOML cannot hold lose what is not."""
    try:
        content = tomli_w.dumps(task).encode("utf-8", "replace")
    except (TypeError, ValueError):
        content = repr(task).encode()
    return mutations.text(rng, content) if rng.random() < 0.1 else content


def _calm(task) -> bool:
    """Whether what it asks for is little; bound steps and sizes that are only long, not wrong."""
    little = True
    for holder, key in list(mutations._places(task)):
        value = holder[key]
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if key == "steps" and value > 3:
                holder[key], little = (value, False) if value > 10**6 else (3, little)
            if key in ("nodes", "size", "segments") and 30 < value < 10**6:
                holder[key] = 6
    size = task.get("network", {}) if isinstance(task, dict) else {}
    for key, value in list(size.items()) if isinstance(size, dict) else []:
        if isinstance(value, list) and key == "size":
            size[key] = [6 if isinstance(v, (int, float)) and 30 < v < 10**6 else v for v in value]
    return little


def fuzz_task(bench: Bench, rng: random.Random) -> Case:
    """A task file with some tables broken, checked or trained for a few steps."""
    task = copy.deepcopy(TASKS[rng.choice([*TASKS])])
    for _ in range(rng.choice([1, 1, 2, 3])):
        with contextlib.suppress(IndexError):
            mutations.tree(rng, task, VOCABULARY)
    little = _calm(task)
    (bench.work / "task.toml").write_bytes(_dumped(rng, task))
    if little and rng.random() < 0.3:
        return Case(["train", "task.toml", "-o", "run", "-q"], "run")
    return Case(["check", "task.toml"])


def fuzz_network(bench: Bench, rng: random.Random) -> Case:
    """A network in a file of some format, broken as text, bytes or arrays."""
    kind = rng.choice([*bench.networks])
    files = dict(bench.networks[kind])
    first = next(
        (n for n in files if ".nodes." not in n and not n.endswith(".h5")), next(iter(files))
    )
    for _ in range(rng.choice([1, 1, 2])):
        name = rng.choice([*files])
        if name.endswith(".npz"):
            files[name] = mutations.arrays(rng, files[name])
        elif b"\0" in files[name]:
            files[name] = rng.choice([mutations.raw, mutations.raw, mutations.text])(
                rng, files[name]
            )
        else:
            files[name] = mutations.text(rng, files[name])
        if not files[name]:
            break
    if rng.random() < 0.02:
        first, files = _packed(rng, first, files)
    for name, content in files.items():
        (bench.work / name).write_bytes(content)
    task = _task(
        network={"file": first} | ({"cutoff": 8.0} if kind in ("pdb", "cif") else {}),
        sources=[{"name": "in", "near": [0.1] * (3 if kind in ("pdb", "cif") else 2), "strain": 0.1}],
        targets=[{"name": "out", "near": [0.9] * (3 if kind in ("pdb", "cif") else 2), "strain": 0.1}],
    )  # fmt: skip
    (bench.work / "task.toml").write_text(tomli_w.dumps(task))
    return Case(["check", "task.toml"])


@functools.cache
def _bomb() -> bytes:
    """Half a megabyte that unpacks to 300."""
    return gzip.compress(b"ATOM " * 60_000_000, 1)


def _packed(rng, first, files):
    """The file gzipped, and perhaps cut; or small and large unpacked."""
    packed = gzip.compress(files[first], 1) if rng.random() < 0.9 else _bomb()
    return f"{first}.gz", {
        f"{first}.gz": rng.choice([packed, packed[:-9], mutations.raw(rng, packed)])
    }


def fuzz_examples(bench: Bench, rng: random.Random) -> Case:
    """Examples in a broken table."""
    content = b"in,out\n0.1,0.05\n-0.1,free\n,0.02\n0.3,0.1\n"
    if rng.random() < 0.3:
        content = b"a[1],a[2],out\n0.1,0.2,0.05\n0.3,0.1,0.4\n"
    for _ in range(rng.choice([1, 1, 2])):
        content = mutations.text(rng, content)
    (bench.work / "x.csv").write_bytes(content)
    task = copy.deepcopy(TASKS[rng.choice(["spring", "finite", "held"])])
    if b"a[1]" in content:
        task["targets"].append({"name": "a", "nodes": [3, 6], "displacement": [0.0] * 4})
    (bench.work / "task.toml").write_text(tomli_w.dumps({"examples": "x.csv"} | task))
    return Case(["check", "task.toml"])


def _broken_json(rng, content: bytes) -> bytes:
    if rng.random() < 0.4:
        return mutations.text(rng, content)
    data = mutations.tree(rng, json.loads(content), VOCABULARY)
    return json.dumps(data, default=str).encode("utf-8", "replace")


def _broken_file(rng, name: str, content: bytes) -> bytes:
    """A file of a run, broken in the way that suits it."""
    if name.endswith(".npz"):
        return mutations.arrays(rng, content)
    if name.endswith(".json"):
        return _broken_json(rng, content)
    if name.endswith(".toml") and rng.random() < 0.8:
        task = mutations.tree(rng, tomllib.loads(content.decode()), VOCABULARY)
        _calm(task)
        return _dumped(rng, task)
    return (mutations.raw if name.endswith(".nc") else mutations.text)(rng, content)


def fuzz_run(bench: Bench, rng: random.Random) -> Case:
    """A finished run of which a file is broken, missing, or one of another run."""
    kind = rng.choice([*bench.runs])
    files = {n: c for n, c in bench.runs[kind].items() if not n.startswith((".", "checkpoint"))}
    name = rng.choice([*files])
    way = rng.random()
    if way < 0.05:
        del files[name]
    elif way < 0.12:
        files[name] = bench.runs[rng.choice([*bench.runs])][name]
    else:
        files[name] = _broken_file(rng, name, files[name])
    _restored(bench.work / "run", files)
    way = rng.random()
    if way < 0.8:
        return Case(
            ["evaluate", "run", *(["--cut", str(rng.choice([0, 5, -1, 999]))] if way < 0.1 else [])]
        )
    if way < 0.97:
        out = f"out.{rng.choice(['vtu', 'csv', 'graphml', 'npz', 'msh', 'inp', 'dxf', 'svg'])}"
        return Case(["export", "run", out], "out")
    if way < 0.985:
        return Case(["render", "run", "out.svg"], "out")
    return Case(["report", "run", "-o", "out.html"], "out")


def fuzz_checkpoint(bench: Bench, rng: random.Random) -> Case:
    """A training to go on with, of which a checkpoint is broken."""
    kind = rng.choice([*bench.saved])
    files = dict(bench.saved[kind])
    for name in [n for n in files if n.startswith("checkpoint")]:
        if rng.random() < 0.8:
            files[name] = mutations.arrays(rng, files[name])
        elif rng.random() < 0.2:
            del files[name]
    (bench.work / "run").mkdir()
    for name, content in files.items():
        (bench.work / "run" / name).write_bytes(content)
    return Case(["train", "task.toml", "-o", "run", "--resume", "-q"], "run")


_ARGUMENTS = {
    "check": ["task.toml"],
    "train": ["task.toml", "-o", "new", "-q", "--overwrite", "--save-steps", "1", "--save-seconds",
              "2", "--from", "run", "--resume"],
    "evaluate": ["run", "--cut", "3"],
    "compare": ["task.toml", "-o", "new", "--rules", "nothing", "--seeds", "1"],
    "sweep": ["task.toml", "-o", "new", "--vary", "train.sed=0:2", "--workers", "1"],
    "verify": ["run", "-o", "new", "--hinge", "3", "0.1", "--poisson", "0.3", "--order", "9"],
    "render": ["run", "new.xyz", "--what", "network", "--example", "9", "--colour", "strain",
               "--amplify", "2", "--size", "200", "100", "--thickness", "even", "--whole"],
    "export": ["run", "new.vtu", "--unit", "40", "--size", "2", "--hinge", "0.3", "0.1", "--poisson",
               "0.3", "--model", "spring", "--kerf", "0.1"],
    "report": ["nowhere", "-o", "new.html"],
    "view": ["nowhere", "--example", "1", "--port", "80", "--serve"],
}  # fmt: skip


def fuzz_arguments(bench: Bench, rng: random.Random) -> Case:
    """A command line with words lost, doubled, exchanged, or replaced by others."""
    command = rng.choice([*_ARGUMENTS])
    words = [command, *_ARGUMENTS[command]]
    if rng.random() < 0.5:  # mostly only some options
        keep = rng.randrange(2, len(words) + 1)
        words = words[:keep]
    others = sum(_ARGUMENTS.values(), [])
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(len(words))
        new = rng.choice([
            str(rng.choice(mutations.VALUES[:44]))[:4000], rng.choice(others), rng.choice(others),
            "--" + "".join(rng.choice("abz-= é") for _ in range(3)), "-", "--", "--no-quiet", "--help",
            "=", "--output=", f"--{rng.choice(['cut', 'seeds', 'vary', 'size', 'example'])}=x",
        ]).replace("\0", "")  # fmt: skip
        match rng.randrange(4):
            case 0:
                words[at] = new
            case 1:
                words.insert(at, new)
            case 2:
                words.append(new)
            case _ if len(words) > 1:
                del words[at]
            case _:
                pass
    # What would be long, and right: not broken.
    if not words or words[0] in ("view", "report", "render", "verify", "compare", "sweep"):
        words = [w if w != "run" or rng.random() < 0.05 else "nowhere" for w in words]
        if words and words[0] in ("view", "sweep"):
            words = [
                "nowhere.toml" if w == "task.toml" else "nowhere" if w == "run" else w
                for w in words
            ]
    (bench.work / "task.toml").write_text(tomli_w.dumps(TASKS["spring"]))
    _restored(bench.work / "run", {n: c for n, c in bench.runs["spring"].items() if n[0] != "."})
    return Case(words, "")


#: What is fuzzed, and how many of a hundred inputs it gets.
TARGETS = {
    "task": (fuzz_task, 46),
    "network": (fuzz_network, 34),
    "run": (fuzz_run, 6),
    "checkpoint": (fuzz_checkpoint, 3),
    "examples": (fuzz_examples, 5),
    "arguments": (fuzz_arguments, 6),
}


# -- the judge ---------------------------------------------------------------------------------


class TooLong(BaseException):
    """An input took too long; no ``except Exception`` stops it."""


def _alarm(number, frame):
    raise TooLong


def run_case(bench: Bench, seed: int, number: int) -> tuple[str, Verdict]:
    """Make input ``number`` of a seed, run it, and judge; returns the target and the verdict."""
    rng = random.Random(f"{seed}:{number}")
    target = rng.choices([*TARGETS], [share for _, share in TARGETS.values()])[0]
    bench.clear()
    case = TARGETS[target][0](bench, rng)
    return target, judge(bench, case)


def judge(bench: Bench, case: Case) -> Verdict:
    """Run arguments of the command line where the bench is, and say what is wrong with the end."""
    before, here = _tree(bench.root), Path.cwd()
    said = bench.root / "said"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    code, trouble = None, ""
    old = signal.signal(signal.SIGPROF, _alarm)
    os.chdir(bench.work)
    try:
        # Nothing here has to outlast a power cut.
        with _said(said), warnings.catch_warnings(), mock.patch("os.fsync"):
            warnings.simplefilter("always")
            warnings.showwarning = _warned
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            try:
                main(case.arguments)
                code = 0
            except SystemExit as stop:
                code = stop.code or 0
            except TooLong:
                trouble = f"hang: {_where()}"
            except BaseException:
                trouble = f"traceback: {_where()}"
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
    finally:
        os.chdir(here)
        signal.signal(signal.SIGPROF, old)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown) / 1024
    text = said.read_text(errors="replace")
    trouble = trouble or _misspoken(code, text)
    if not trouble and grown > MEMORY:
        trouble = f"memory: {grown:.0f} MiB"
    if not trouble:
        trouble = _strayed(bench, case, before)
    return Verdict(f"exit {code}" if code is not None else "none", trouble, text)


def _warned(message, category, file, line, *_) -> None:
    print(warnings.formatwarning(message, category, file, line), file=sys.stderr)


def _where() -> str:
    """The error that is being handled, and the last places it came through."""
    kind, error, trace = sys.exc_info()
    places = [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(trace)]
    return f"{kind.__name__}: {str(error)[:160]!r} at {' < '.join(places[::-1][:8])}"


@contextlib.contextmanager
def _said(path: Path):
    """Send what is printed on stderr to a file, by Python or by C, and the rest nowhere."""
    streams = sys.stdout, sys.stderr
    for stream in streams:
        stream.flush()
    kept = os.dup(1), os.dup(2)
    nowhere, errors = (
        os.open(os.devnull, os.O_WRONLY),
        os.open(path, os.O_CREAT | os.O_TRUNC | os.O_RDWR),
    )
    try:
        os.dup2(nowhere, 1), os.dup2(errors, 2)
        sys.stdout = open(1, "w", closefd=False, errors="backslashreplace")
        sys.stderr = open(2, "w", closefd=False, errors="backslashreplace", buffering=1)
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        sys.stdout, sys.stderr = streams
        for old, number in zip(kept, (1, 2), strict=True):
            os.dup2(old, number)
        for one in (*kept, nowhere, errors):
            os.close(one)


def _misspoken(code, text: str) -> str:
    """What is wrong with an exit code and the words on stderr, if anything."""
    progress = f"{TASKS['spring']['title']}: "
    lines = [line for line in text.splitlines() if not line.startswith(progress)]
    if code not in (0, 1, 2):
        return f"exit code {code}"
    stray = [line for line in lines if not line.startswith("mechlearn: ")]
    if stray:
        return f"stray line: {stray[0][:200]!r}"
    if code == 2 and len(lines) != 1:
        return f"{len(lines)} lines: {text[:200]!r}"
    if code == 1 and not lines:
        return "exit code 1 without a word"
    if any(len(line) > LONGEST for line in lines):
        return f"a line of {max(map(len, lines))} characters: {text[:120]!r}"
    if any(not c.isprintable() for line in lines for c in line):
        return f"what does not print: {text[:200]!r}"
    return ""


def _tree(root: Path) -> dict[str, int]:
    """When files under a folder changed, and which folders there are; without the stock."""
    found = {}
    for folder, folders, names in os.walk(root):
        if folder == str(root):
            folders[:] = [name for name in folders if name != "stock"]
        for name in names:
            with contextlib.suppress(OSError):
                found[f"{folder}/{name}"] = os.stat(f"{folder}/{name}").st_mtime_ns
        found[folder] = 0
    return found


def _strayed(bench: Bench, case: Case, before: dict[str, int]) -> str:
    """Which files changed that had nothing to do with the output, if any."""
    after = _tree(bench.root)
    changed = {p for p in before.keys() | after.keys() if before.get(p) != after.get(p)}
    changed.discard(str(bench.root / "said"))
    changed = {p for p in changed if not p.startswith(str(bench.root / "tmp"))}
    if case.output is not None:
        named = [case.output] if case.output else [w.split("=")[-1] for w in case.arguments if w]
        for word in named:
            place = os.path.normpath(bench.work / word)
            if place == str(bench.work) or not word.strip("./"):
                continue
            stem = place if case.output else os.path.splitext(place)[0]
            ways = {str(p) for p in Path(stem).parents if bench.root in p.parents}
            changed = {p for p in changed if not p.startswith(stem) and p not in ways}
    return f"writes outside: {sorted(changed)[:3]}" if changed else ""
