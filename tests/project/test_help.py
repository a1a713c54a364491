"""Help, signatures and short descriptions of the objects that users meet first."""

import inspect
import pydoc
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.cli import main
from mechlearn.extensions import load, remedy
from mechlearn.feasibility import feasible
from mechlearn.runs.config import Setup
from mechlearn.schema import Table

TASK = ml.Task(
    sources=[ml.Source(near=[0.0, 0.5], strain=0.1)],
    targets=[ml.Target(near=[1.0, 0.5], strain=0.1)],
)


def tables(kind: type = Table) -> Iterator[type[Table]]:
    for derived in kind.__subclasses__():
        if derived.__module__.startswith("mechlearn."):
            yield derived
        yield from tables(derived)


def test_help_on_a_table_explains_every_key_and_no_other():
    found = list(tables())
    assert {ml.Task, ml.Source, ml.Target, ml.Support, ml.Learn, Setup} <= set(found)
    for kind in found:
        keys, lines = kind.model_fields, inspect.getdoc(kind).splitlines()
        start = lines.index("Parameters") + 2
        said = {
            line.partition(" : ")[0]: lines[k + 1].strip()
            for k, line in enumerate(lines[start:], start)
            if line and line[0] != " "
        }
        assert list(said) == list(keys), kind.__name__
        assert all(said.values()), kind.__name__


@pytest.mark.parametrize("thing", [ml.Task, ml.Source, ml.Target, ml.Learn])
def test_help_is_free_of_what_the_classes_are_made_with(thing):
    text = pydoc.render_doc(thing, renderer=pydoc.plaintext)
    for word in ("model_dump", "model_fields", "FieldInfo", "validator", "factory"):
        assert word not in text
    assert not [name for name in dir(thing) if name.startswith(("model_", "_"))]


def callables() -> Iterator[tuple[str, Any]]:
    for name in ml.__all__:
        thing = getattr(ml, name)
        named = getattr(thing, "__all__", ()) if isinstance(thing, ModuleType) else ()
        yield from ((f"{name}.{inner}", getattr(thing, inner)) for inner in named)
        if not isinstance(thing, ModuleType):
            yield name, thing


def test_signatures_hold_no_addresses():
    wrong = []
    for name, thing in callables():
        if callable(thing) and not (inspect.isclass(thing) and issubclass(thing, Exception)):
            signature = str(inspect.signature(thing))
            wrong += [name] if " at 0x" in signature or "FieldInfo" in signature else []
    assert wrong == []


def test_completion_of_a_task_offers_its_keys():
    assert {"sources", "targets", "examples"} <= set(dir(TASK))
    assert "model_dump_json" not in dir(TASK)


def test_tables_say_what_was_given():
    assert repr(TASK) == (
        "Task(sources=[Source(near=[0.0, 0.5], strain=0.1)], "
        "targets=[Target(near=[1.0, 0.5], strain=0.1)])"
    )
    assert str(ml.Learn(bounds=(0.01, 10), scale=None)) == "Learn(bounds=(0.01, 10.0))"
    assert str(ml.Imperfections()) == "Imperfections()"


def test_long_values_are_cut_and_counted():
    text = repr(ml.Learn(initial=np.ones(100_000)))
    assert len(text) < 200
    assert "... 100000 in all" in text
    examples = [{"source": 0.01 * k, "target": 0.0} for k in range(500)]
    many = ml.Task(sources=TASK.sources, targets=TASK.targets, examples=examples)
    assert "... 500 in all" in repr(many)
    assert len(repr(many)) < 300


def test_data_sets_are_described_in_a_line():
    iris = ml.data.DataSet(np.ones((6, 4)), np.eye(3)[[0, 1, 2, 0, 1, 2]], ("a", "b", "c"))
    assert repr(iris) == "<DataSet: 6 rows of 4 inputs and 3 classes (a, b and c)>"
    plain = ml.data.DataSet(np.ones((6, 4)), np.ones((6, 2)))
    assert repr(plain) == "<DataSet: 6 rows of 4 inputs and 2 wanted outputs>"


def test_a_verdict_is_described_in_a_line():
    net = ml.networks.triangular((4, 4))
    text = repr(feasible(net, TASK, starts=0))
    assert text.startswith("<Feasibility: 1 answer is wanted; ")
    assert "not known" in text
    assert "\n" not in text


def test_systems_and_runs_are_described_in_a_line():
    net = ml.networks.triangular((5, 5))
    text = "Network in 2D: 25 nodes, 56 bonds, coordination 4.480>"
    assert repr(ml.System(net, TASK)) == f"<System: spring, of which stiffness learns; {text}"
    run = ml.train(net, TASK, steps=0)
    assert re.fullmatch(rf"<Run: [^<>]*; {re.escape(text)}", repr(run))


@pytest.mark.parametrize("extra", ["make", "view", "sweep", "film", "search"])
def test_the_remedy_for_a_missing_package_names_packages(extra):
    """Not mechlearn itself, which pip finds in an index once it is released at all."""
    text = remedy(extra)
    assert re.fullmatch(r"install it with pip install( '[\w-]+[<>=].*?')+", text)
    assert "mechlearn" not in text


def test_a_missing_package_is_one_sentence():
    with pytest.raises(ml.InputError, match="Tests need nowhere, which cannot"):
        load("nowhere.at_all", "make", "Tests need")


def test_shells_can_be_told_to_complete_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BASH_VERSION", "5")
    with pytest.raises(SystemExit) as stop:
        main(["--install-completion"])
    assert stop.value.code in (0, None)
    scripts = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert any("--save-seconds" in text for text in scripts)
