"""Commands of the documentation: each runs as it is written, on the page's own task."""

import re
import shlex
import shutil

import pytest
from paths import ROOT
from ranks import command_on_ranks

from mechlearn.cli import main
from mechlearn.render import film

PAGES = [
    *(ROOT / name for name in ("README.md", "docs/start.md", "docs/making.md", "docs/analysis.md")),
    *sorted(ROOT.glob("docs/howto/*.md")),
]
#: Fewer members and starts, coarse meshes: what else would take minutes.
SHORTER = [
    (r"=0:\d+", "=0:2"),
    (r"--seeds \d+", ""),
    (r"^mechlearn compare [^-]*-o \S+", r"\g<0> --seeds 1 --rules GD"),
    (r"--workers \d+", ""),
    (r"^mechlearn sweep .*", r"\g<0> --scheduler {scheduler}"),
    (r"^mechlearn verify .*", r"\g<0> --order 1 --mesh-size 4 --steps 1"),
]


def blocks(page, language):
    fences = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [code for name, code in fences if name == language]


def commands(page):
    """The commands of a page that need no network, end by themselves and install nothing."""
    lines = [
        line.partition("#")[0].strip() for code in blocks(page, "sh") for line in code.splitlines()
    ]
    return [
        line for line in lines
        if re.match(r"(mechlearn (?!view|--install-completion)|mpiexec )", line)
    ]  # fmt: skip


def run(command):
    """Run a command line here, or on several ranks; returns its exit code."""
    words = shlex.split(command)
    if words[0] == "mpiexec":
        return command_on_ranks(int(words[2]), *words[4:]).returncode
    with pytest.raises(SystemExit) as stop:
        main(words[1:])
    return stop.value.code


@pytest.fixture(scope="module")
def done():
    """Commands that ran, each with the task it ran on: what other pages repeat is not run again."""
    return set()


@pytest.mark.parametrize(
    "page", [p for p in PAGES if commands(p)], ids=lambda p: str(p.relative_to(ROOT))
)
def test_the_commands_of_a_page_run_as_written(
    page, tmp_path, monkeypatch, capsys, own_extensions, scheduler, done
):
    monkeypatch.chdir(tmp_path)
    for frames in ("PULL", "STEPS"):
        monkeypatch.setattr(film, frames, 2)
    for folder in ("tasks", "meshes"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    small = tmp_path / "tasks" / "allostery.toml"
    small.write_text(small.read_text().replace("nodes = 128", "nodes = 20"))
    whole = [text for text in blocks(page, "toml") if "[[targets]]" in text and "[network]" in text]
    task = whole[0] if whole else small.read_text()
    (tmp_path / "mine.toml").write_text(task)
    (tmp_path / "other.toml").write_text(task.replace("strain = 0.1\n", "strain = 0.05\n"))
    plugin = [code for code in blocks(page, "python") if "@ml.register" in code]
    (tmp_path / "my.py").write_text("\n\n".join(plugin))
    todo = commands(page)
    trained = re.search(r"train \S+ -o runs/mine", "\n".join(todo))
    if any("runs/mine" in line for line in todo) and not trained:
        todo = ["mechlearn train mine.toml -o runs/mine", *todo]
    for command in todo:
        if " train " not in command and (command, task) in done:
            continue
        done.add((command, task))
        for pattern, shorter in SHORTER:
            command = re.sub(pattern, shorter.replace("{scheduler}", scheduler), command)
        code = run(command)
        said = capsys.readouterr()
        # A check ends with 1 where a task is out of reach.
        assert code in ((0, 1) if " check " in command else (0,)), f"{command}\n{said.err}"
