"""Broken input: one line with the file, the key and what would be right, and exit code 2."""

import io
import os
import re
import subprocess
import sys

import pytest
from ranks import MPIEXEC, command_on_ranks

from mechlearn.cli import main

GOOD = {
    "network": '[network]\ngenerator = "triangular"\nsize = [5, 5]\n',
    "energy": '[energy]\nmodel = "spring"\n',
    "learn": "[learn.stiffness]\nbounds = [0.1, 10.0]\ninitial = 1.0\n",
    "sources": '[[sources]]\nname = "in"\nnodes = [0, 7]\nstrain = 0.1\n',
    "targets": '[[targets]]\nname = "out"\nnodes = [18, 24]\nstrain = 0.1\n',
    "rule": '[rule]\nname = "coupled_learning"\neta = 0.01\n',
    "train": "[train]\nsteps = 3\n",
}

TWO = "[network]\npoints = [[0, 0], [1, 0], [{x}, 1]]\nedges = {edges}\n"

CASES = {
    "unknown key of a dof": (
        "learn",
        "[learn.stiffness]\nbound = [0.1, 10.0]\n",
        r"learn\.stiffness\.bound is not a known key; did you mean 'bounds'",
    ),
    "unknown cost": ("train", '[cost]\nname = "cross_entropi"\n', r"did you mean 'cross_entropy'"),
    "unknown key of a cost": (
        "train",
        '[cost]\nname = "cross_entropy"\ntemperatur = 1.0\n',
        r"cost: temperatur is not a known key; did you mean 'temperature'",
    ),
    "shares that are none": (
        "rule",
        '[cost]\nname = "cross_entropy"\n[rule]\nname = "gradient_descent"\n',
        r"a cross-entropy needs shares",
    ),
    "unknown imperfection": (
        "train",
        "[imperfections]\nnoize = 0.1\n",
        r"imperfections\.noize is not a known key; did you mean 'noise'",
    ),
    "unknown key of the optimiser": (
        "train",
        '[train.optimiser]\nname = "adam"\nbetass = [0.5, 0.5]\n',
        r"train\.optimiser: betass is not a known key; did you mean 'betas'",
    ),
    "a word for a switch of a dof": (
        "learn",
        '[learn.stiffness]\nbounds = [0.1, 10.0]\nrelative = "yes"\n',
        r"learn\.stiffness\.relative = 'yes': it should be a valid boolean",
    ),
    "a number for a switch of a rule": (
        "rule",
        '[rule]\nname = "coupled_learning"\nnormalise = 1\n',
        r"rule: normalise = 1: it should be a valid boolean",
    ),
    "a word for a switch of a path": (
        "train",
        '[path]\nbranch = "no"\n',
        r"path\.branch = 'no': it should be a valid boolean",
    ),
    "a word for nodes together": (
        "train",
        '[[sources]]\nnodes = [3, 4]\nforce = [1.0, 0.0]\ntogether = "yes"\n',
        r"sources\[2\]\.together = 'yes': it should be a valid boolean",
    ),
    "batch of none": ("train", "[train]\nbatch = 0\n", r"train\.batch = 0: .*greater than"),
    "unknown key of a hinge": (
        "energy",
        '[energy]\nmodel = "solid"\nhinge = {thin = 0.3, lenght = 0.1}\n',
        r"hinge\.lenght is not a known key; did you mean 'length'",
    ),
    "search without bounds": (
        "rule",
        '[learn.rest_length]\n[rule]\nname = "gradient_free"\n',
        r"gradient_free needs bounds",
    ),
    "unknown key": (
        "train",
        "[train]\nstep = 3\n",
        r"train\.step is not a known key; did you mean",
    ),
    "unknown key in a list": (
        "sources",
        "[[sources]]\nnodes = [0, 7]\nstrian = 0.1\n",
        r"strian.*did you mean 'strain'",
    ),
    "unknown table": ("train", "[trian]\nsteps = 3\n", r"trian is not a known key.*'train'"),
    "wrong type": ("train", '[train]\nsteps = "many"\n', r"train\.steps = 'many'.*integer"),
    "a number for a list": (
        "sources",
        "[[sources]]\nnodes = [0]\ndisplacement = -0.1\n",
        r"displacement = -0\.1: it should be a list, such as \[-0\.1\]",
    ),
    "negative steps": ("train", "[train]\nsteps = -1\n", r"train\.steps = -1.*greater"),
    "not toml": ("train", "[train\nsteps = 3\n", r"not valid TOML.*line"),
    "unknown generator": (
        "network",
        '[network]\ngenerator = "triangle"\n',
        r"did you mean 'triangular'",
    ),
    "unknown generator parameter": (
        "network",
        '[network]\ngenerator = "triangular"\nsizes = [5, 5]\n',
        r"sizes.*'size'",
    ),
    "no network": ("network", "[network]\n", r"exactly one of generator, file, body and points"),
    "missing file": ("network", '[network]\nfile = "gone.vtu"\n', r"gone\.vtu"),
    "missing table": ("learn", "", r"learn is missing"),
    "unknown dof": ("learn", "[learn.stifness]\n", r"no parameter 'stifness'"),
    "bound below zero": (
        "learn",
        "[learn.stiffness]\nbounds = [-0.1, 10.0]\n",
        r"stiffness: bounds.*above 0",
    ),
    "bounds swapped": (
        "learn",
        "[learn.stiffness]\nbounds = [10.0, 0.1]\n",
        r"smaller and a larger",
    ),
    "initial outside bounds": (
        "learn",
        "[learn.stiffness]\nbounds = [0.1, 10.0]\ninitial = 20.0\n",
        r"outside the bounds",
    ),
    "node out of range": (
        "targets",
        "[[targets]]\nnodes = [18, 99]\nstrain = 0.1\n",
        r"node 99 does not exist.*0 to",
    ),
    "target equal to source": (
        "targets",
        "[[targets]]\nnodes = [7, 0]\nstrain = 0.1\n",
        r"the same as source 'in'",
    ),
    "node twice": ("targets", "[[targets]]\nnodes = [7, 7]\nstrain = 0.1\n", r"7 is named twice"),
    "one node strained": ("targets", "[[targets]]\nnodes = [7]\nstrain = 0.1\n", r"pair of nodes"),
    "two quantities": (
        "targets",
        "[[targets]]\nnodes = [8, 9]\nstrain = 0.1\nforce = 1.0\n",
        r"exactly one of",
    ),
    "strain of a string": (
        "sources",
        '[[sources]]\nnodes = [0, 7]\nstrain = "10 %"\n',
        r"strain = '10 %'",
    ),
    "NaN strain": (
        "sources",
        "[[sources]]\nnodes = [0, 7]\nstrain = nan\n",
        r"strain = nan.*finite",
    ),
    "strain below -1": ("sources", "[[sources]]\nnodes = [0, 7]\nstrain = -2.0\n", r"above -1"),
    "wrong number of components": (
        "targets",
        "[[targets]]\nnodes = [3]\ndisplacement = [0.1]\n",
        r"1 numbers where 2",
    ),
    "nothing holds it": (
        "targets",
        "[[targets]]\nnodes = [3]\ndisplacement = [0.1, 0.0]\n",
        r"nothing holds",
    ),
    "NaN coordinate": (
        "network",
        TWO.format(x="nan", edges="[[0, 1], [1, 2], [0, 2]]"),
        r"points.*finite",
    ),
    "floppy network": (
        "network",
        '[network]\ngenerator = "honeycomb"\nsize = [4, 4]\n',
        r"floppy.*nodes",
    ),
    "edge out of range": (
        "network",
        TWO.format(x=0, edges="[[0, 1], [1, 5]]"),
        r"Edge 1 names a node outside 0 to 2",
    ),
    "duplicate edge": (
        "network",
        TWO.format(x=0, edges="[[0, 1], [1, 2], [1, 0]]"),
        r"Edge 2 repeats",
    ),
    "no edges": ("network", TWO.format(x=0, edges="[]"), r"no bonds"),
    "isolated node": ("network", TWO.format(x=0, edges="[[0, 1]]"), r"Node 2 has no bond"),
    "negative rest length": (
        "energy",
        "[energy]\nrest_length = -1.0\n",
        r"energy\.rest_length is -1 at bond 0; it must be above 0",
    ),
    "stiffness is no number": ("energy", "[energy]\nstiffness = true\n", r"must be a number"),
    "stiffness beyond all numbers": (
        "energy",
        f"[energy]\nstiffness = 1{'0' * 400}\n",
        r"energy\.stiffness",
    ),
    "node is no number": (
        "sources",
        "[[sources]]\nnodes = [true, 7]\nstrain = 0.1\n",
        r"sources\[1\]\.nodes",
    ),
    "bond id beyond all numbers": (
        "network",
        TWO.format(x=0, edges=f"[[0, 1], [1, 1{'0' * 20}]]"),
        r"network\.edges",
    ),
    "parameter called name": (
        "network",
        '[network]\ngenerator = "triangular"\nname = "x"\n',
        r"name",
    ),
    "enormous network": (
        "network",
        '[network]\ngenerator = "triangular"\nsize = [1000000, 1000000]\n',
        r"more than fits|too|large|many",
    ),
    "nested too deeply": ("train", "a = " + "[" * 5000, r"not valid TOML"),
    "strain below -1 in an example": (
        "train",
        "[[examples]]\nin = -1.5\n",
        r"example 1: strain = -1\.5 of 'in'.*above -1",
    ),
    "match with a displacement": (
        "targets",
        '[[targets]]\nname = "a"\nnodes = [18, 24]\nmatch = "b"\n'
        '[[targets]]\nname = "b"\nnodes = [3]\ndisplacement = [0.1, 0.0]\n'
        "[[supports]]\nnodes = [20, 21]\n",
        r"only single numbers of one quantity can match",
    ),
    "unknown energy": ("energy", '[energy]\nmodel = "sprong"\n', r"did you mean 'spring'"),
    "unknown energy key": ("energy", "[energy]\nstifness = 1.0\n", r"did you mean 'stiffness'"),
    "unknown rule": (
        "rule",
        '[rule]\nname = "copuled_learning"\n',
        r"did you mean 'coupled_learning'",
    ),
    "unknown rule key": ("rule", "[rule]\netta = 0.1\n", r"did you mean 'eta'"),
    "eta too large": (
        "rule",
        "[rule]\neta = 2.0\n",
        r"rule: eta = 2\.0: it should be less than or equal to 1",
    ),
    "unknown variant": ("rule", '[rule]\nvariant = "postive"\n', r"positive"),
    "unknown example name": ("train", "[[examples]]\nput = 0.1\n", r"example 1 names 'put'"),
    "optimiser of no name": (
        "train",
        '[train.optimiser]\nname = ["adam"]\n',
        r"train\.optimiser: name = \['adam'\] is not known; did you mean 'adam'\?",
    ),
    "key of several lines": ("train", '[train]\n"a\\nb" = 1\n', r"train\.a\\nb is not a known key"),
    "number whose square is none": (
        "sources",
        "[[sources]]\nnodes = [0, 7]\nstrain = 1e200\n",
        r"sources\[1\]\.strain: 1e\+200 is beyond 1e\+100",
    ),
    "place beyond all squares": (
        "network",
        TWO.format(x="1e200", edges="[[0, 1], [1, 2], [0, 2]]"),
        r"network\.points\[3\]\[1\]: 1e\+200 is beyond 1e\+100",
    ),
    "more nodes than can be": (
        "network",
        '[network]\ngenerator = "packing"\nnodes = 1000000000\n',
        r"A packing of 1000000000 nodes is too large",
    ),
    "a device as examples": (
        "network",
        f'examples = "/dev/zero"\n{GOOD["network"]}',
        r"/dev/zero is no file",
    ),
    "plain step without rate": ("train", '[train]\noptimiser = "plain"\n', r"'plain' needs a rate"),
}


def task_file(folder, part=None, text=""):
    path = folder / "task.toml"
    path.write_text("".join({**GOOD, **({part: text} if part else {})}.values()))
    return path


def fail(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return stop.value.code, captured.err


def test_the_unbroken_task_is_fine(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", str(task_file(tmp_path)), "-o", str(tmp_path / "run"), "--quiet"])
    assert stop.value.code in (0, None)


@pytest.mark.parametrize("case", sorted(CASES))
@pytest.mark.parametrize("command", ["check", "train"])
def test_broken_task_files(case, command, tmp_path, capsys):
    part, text, pattern = CASES[case]
    path = task_file(tmp_path, part, text)
    output = ["-o", tmp_path / "run"] if command == "train" else []
    code, err = fail(capsys, command, path, *output)
    lines = [line for line in err.splitlines() if not line.endswith(": setting up")]
    assert code == 2
    assert len(lines) == 1, err
    assert lines[0].startswith(f"mechlearn: {path}: ") or "not valid TOML" in lines[0]
    assert re.search(pattern, lines[0]), lines[0]
    assert not (tmp_path / "run" / "summary.json").exists()


ATOM = "ATOM      1  CA  ALA A   {}    {:>8}   2.000   3.000  1.00 20.00           C\n"
MESHES = {
    "empty.vtu": "",
    "garbage.txt": "3 2\n0 0\n1 zero\n0 1\n0 1\n1 2\n",
    "huge.txt": "1000000000000 3\n0 0\n",
    "short.txt": "3 3\n0 0\n1 0\n0 1\n0 1\n1 2\n",
    "empty.pdb": "HEADER\nEND\n",
    "mesh.unknown": "hello",
    "nan.txt": "3 3\n0 0\n1 nan\n0 1\n0 1\n1 2\n0 2\n",
    # Readers of meshio that would wait for more for ever.
    "endless.mdpa": "Begin Nodes\n 1 0.0 0.0 0.0\n",
    "endless.tec": "TITLE = x\n",
    "endless.su2": "NDIME= 2\nNPOIN= 10\n",
    "long.graphml": "<graphml>" * 5000,
    "numberless.pdb": ATOM.format(" ", 1.0),
    "placeless.pdb": ATOM.format("1", "nan"),
    "torn.pdb.gz": "\x1f\x8b\x08\0\0\0\0\0\0\x03\xff\xff",
}


@pytest.mark.parametrize("name", sorted(MESHES))
def test_broken_network_files(name, tmp_path, capsys):
    (tmp_path / name).write_text(MESHES[name], encoding="latin-1")
    path = task_file(tmp_path, "network", f'[network]\nfile = "{name}"\n')
    code, err = fail(capsys, "check", path)
    assert code == 2
    assert len(err.splitlines()) == 1, err
    assert name in err


def test_tables_that_are_none(tmp_path, capsys):
    (tmp_path / "net.nodes.csv").write_text("x,y\n0,0\n1,0\n0,1\n")
    (tmp_path / "net.csv").write_text("i,j,a\n0,1," + "a" * 200_000 + "\n")
    path = task_file(tmp_path, "network", '[network]\nfile = "net.csv"\n')
    code, err = fail(capsys, "check", path)
    assert code == 2
    assert "net.csv cannot be read: field larger than" in err


def test_a_task_that_never_ends(capsys):
    code, err = fail(capsys, "check", "/dev/zero")
    assert code == 2
    assert re.search(r"/dev/zero has more than \d+ bytes", err)


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        (["train"], "TASK|task|requires"),
        (["trian", "x.toml"], "trian"),
        (["check", "nowhere.toml"], "nowhere.toml cannot be read"),
        (["check", "."], "is a folder"),
        (["evaluate", "."], "no finished run"),
        (["export", ".", "out.vtu"], "no finished run"),
        (["render", ".", "out.png"], "no finished run"),
    ],
)
def test_broken_arguments(arguments, pattern, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, err = fail(capsys, *arguments)
    assert code == 2
    assert len(err.splitlines()) == 1
    assert re.search(pattern, err)


def test_a_run_in_the_way_is_kept(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious").write_text("data")
    code, err = fail(capsys, "train", task_file(tmp_path), "-o", tmp_path / "run")
    assert code == 2
    assert "not empty" in err
    assert (tmp_path / "run" / "precious").read_text() == "data"


def test_unknown_export_format(tmp_path, capsys):
    path = task_file(tmp_path)
    with pytest.raises(SystemExit):
        main(["train", str(path), "-o", str(tmp_path / "run"), "--quiet"])
    code, err = fail(capsys, "export", tmp_path / "run", tmp_path / "out.xyz")
    assert code == 2
    assert ".vtu" in err


def test_real_process_prints_one_line_and_no_traceback(tmp_path):
    path = task_file(tmp_path, "train", "[train]\nstep = 3\n")
    result = subprocess.run(
        [sys.executable, "-m", "mechlearn", "check", path],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "did you mean 'steps'" in result.stderr


@pytest.mark.parametrize("coding", ["utf-8", "ascii"])
def test_names_that_no_coding_has(coding, tmp_path, monkeypatch):
    """A folder whose name is no Unicode, and a title that the terminal cannot show."""
    path = task_file(tmp_path, "network", f'title = "\u00e9\u2264"\n{GOOD["network"]}')
    folder = bytes(tmp_path) + b"/run\xff"
    streams = {name: io.TextIOWrapper(io.BytesIO(), coding) for name in ("stdout", "stderr")}
    for name, stream in streams.items():
        monkeypatch.setattr(sys, name, stream)
    with pytest.raises(SystemExit) as stop:
        main(["train", str(path), "-o", os.fsdecode(folder)])
    for stream in streams.values():
        stream.flush()
    said = {name: stream.buffer.getvalue() for name, stream in streams.items()}
    assert stop.value.code in (0, None), said
    assert b"Traceback" not in said["stderr"]
    assert b"run\\udcff" in said["stdout"]
    assert os.path.exists(folder + b"/summary.json")


@pytest.mark.parametrize("case", ["bad task", "folder in the way", "folder cannot be made"])
def test_two_ranks_fail_together_with_one_message(case, tmp_path):
    bad = "[train]\nstep = 3\n" if case == "bad task" else GOOD["train"]
    path = task_file(tmp_path, "train", bad)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious").write_text("data")
    output = "/dev/null/x" if case == "folder cannot be made" else tmp_path / "run"
    if case == "bad task":  # as users start it, with what libraries in C print
        command = [
            MPIEXEC,
            "-n",
            "2",
            sys.executable,
            "-m",
            "mechlearn",
            "train",
            path,
            "-o",
            output,
        ]
        result = subprocess.run(
            [*command, path, "-o", output],
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
    else:
        result = command_on_ranks(2, "train", path, "-o", output)
    assert result.returncode == 2
    assert result.stderr.count("mechlearn:") == 1, result.stderr
    assert result.stdout == ""
