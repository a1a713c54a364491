"""Broken inputs for the command line, by number: input ``n`` of a seed is always the same."""

import contextlib
import copy
import functools
import gzip
import json
import random
import tomllib

import mutations
import tomli_w
from judging import Case, Verdict, judge
from rightinput import TASKS, VOCABULARY, Bench, restored, task_of


def _dumped(rng, task) -> bytes:
    """A task as TOML, some broken as text; tables that TOML cannot hold lose what is not."""
    try:
        content = tomli_w.dumps(task).encode("utf-8", "replace")
    except (TypeError, ValueError):
        content = repr(task).encode()
    return mutations.text(rng, content) if rng.random() < 0.1 else content


def _calm(task) -> bool:
    """True for a small task; bound steps and sizes that are only long, not wrong."""
    little = True
    for holder, key in list(mutations.places(task)):
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
    # Without a number of steps there are as many as the default says.
    train = task.get("train") if isinstance(task, dict) else None
    return little and isinstance(train, dict) and "steps" in train


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
    task = task_of(
        network={"file": first} | ({"cutoff": 8.0} if kind in ("pdb", "cif") else {}),
        sources=[
            {"name": "in", "near": [0.1] * (3 if kind in ("pdb", "cif") else 2), "strain": 0.1}
        ],
        targets=[
            {"name": "out", "near": [0.9] * (3 if kind in ("pdb", "cif") else 2), "strain": 0.1}
        ],
    )
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
    restored(bench.work / "run", files)
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
    "train": [
        "task.toml",
        "-o",
        "new",
        "-q",
        "--overwrite",
        "--save-steps",
        "1",
        "--save-seconds",
        "2",
        "--from",
        "run",
        "--resume",
    ],
    "evaluate": ["run", "--cut", "3"],
    "compare": ["task.toml", "-o", "new", "--rules", "nothing", "--seeds", "1"],
    "sweep": ["task.toml", "-o", "new", "--vary", "train.sed=0:2", "--workers", "1"],
    "verify": ["run", "-o", "new", "--hinge", "3", "0.1", "--poisson", "0.3", "--order", "9"],
    "render": [
        "run",
        "new.xyz",
        "--what",
        "network",
        "--example",
        "9",
        "--colour",
        "strain",
        "--amplify",
        "2",
        "--size",
        "200",
        "100",
        "--thickness",
        "even",
        "--whole",
    ],
    "export": [
        "run",
        "new.vtu",
        "--unit",
        "40",
        "--size",
        "2",
        "--hinge",
        "0.3",
        "0.1",
        "--poisson",
        "0.3",
        "--model",
        "spring",
        "--kerf",
        "0.1",
    ],
    "report": ["nowhere", "-o", "new.html"],
    "view": ["nowhere", "--example", "1", "--port", "80", "--serve"],
}


def fuzz_arguments(bench: Bench, rng: random.Random) -> Case:
    """A command line with words lost, doubled, exchanged, or replaced by others."""
    command = rng.choice([*_ARGUMENTS])
    words = [command, *_ARGUMENTS[command]]
    if rng.random() < 0.5:  # mostly only some options
        keep = rng.randrange(2, len(words) + 1)
        words = words[:keep]
    others = [word for words in _ARGUMENTS.values() for word in words]
    for _ in range(rng.choice([1, 1, 2, 3])):
        at = rng.randrange(len(words))
        new = rng.choice(
            [
                str(rng.choice(mutations.VALUES[:44]))[:4000],
                rng.choice(others),
                rng.choice(others),
                "--" + "".join(rng.choice("abz-= é") for _ in range(3)),
                "-",
                "--",
                "--no-quiet",
                "--help",
                "=",
                "--output=",
                f"--{rng.choice(['cut', 'seeds', 'vary', 'size', 'example'])}=x",
            ]
        ).replace("\0", "")
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
    restored(bench.work / "run", {n: c for n, c in bench.runs["spring"].items() if n[0] != "."})
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


def run_case(bench: Bench, seed: int, number: int) -> tuple[str, Verdict]:
    """Make input ``number`` of a seed, run it, and judge; returns the target and the verdict."""
    rng = random.Random(f"{seed}:{number}")
    target = rng.choices([*TARGETS], [share for _, share in TARGETS.values()])[0]
    bench.clear()
    case = TARGETS[target][0](bench, rng)
    return target, judge(bench, case)
