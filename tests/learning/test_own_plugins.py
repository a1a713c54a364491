"""Plugins whose objects fail, on the command line: a sentence and an exit code."""

import pytest

from mechlearn.cli import main

TASK = """
[network]
generator = "packing"
nodes = 32
coordination = 4.5
seed = 3
[learn.stiffness]
[[sources]]
nodes = [0, 1]
strain = 0.1
[[targets]]
nodes = [9, 14]
strain = 0.02
[train]
steps = 2
"""

RULE = """
import mechlearn as ml
import numpy as np

@ml.register
class Own(ml.Rule):
    name = "own"
    phases = (ml.Phase("clamp", 0.0), ml.Phase("clamp", 0.1))
    def signal(self, derivatives):
        return {}
"""


@pytest.fixture
def command(tmp_path, monkeypatch, capsys, own_extensions):
    """Exit code and errors of a command, in a folder with a task and a plugin."""
    monkeypatch.chdir(tmp_path)

    def run(words, task=None, plugin=None):
        if task:
            (tmp_path / "task.toml").write_text(task)
        if plugin:
            (tmp_path / "my.py").write_text(plugin)
        with pytest.raises(SystemExit) as stop:
            main([*words.split(), "--plugin", "my.py"])
        return stop.value.code or 0, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("check task.toml", 2),
        ("train task.toml -o out", 2),
        ("compare task.toml -o out --rules own --seeds 1", 1),
        ("sweep task.toml -o out --vary train.seed=0:1 --workers 1", 1),
    ],
)
def test_a_rule_whose_signal_is_none(command, words, code):
    found, said = command(
        words, TASK + '[rule]\nname = "own"\n', RULE.format("np.nan * derivatives[0]")
    )
    assert found == code
    assert "rule own: its signal is nan at [0, 0] (examples by elements)" in said
