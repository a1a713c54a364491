"""Text of a run is data in everything that is written of it, whatever it says."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.cli import main
from mechlearn.errors import printable
from mechlearn.export import export
from mechlearn.io.tables import csv_table
from mechlearn.report.document import page

#: Colours, clears and retitles a terminal, forges lines, is a keyword of a deck, a section of a DXF
#: file, a formula of TeX, a template, markup, and a format.
WORDS = (
    "\x1b]0;owned\x07\x1b[2J\r\n*INCLUDE, INPUT=x\n0\nSECTION\n2\nENTITIES\n$\\frac{$ {{7*7}} "
    "</title></script><img src=x onerror=alert(1)> -->]]> \u202e %s {0}"
)
TITLE, SOURCE, TARGET = f"*INCLUDE {WORDS}", f"s {WORDS}", f"=cmd|' /C calc'!A0 {WORDS}"


def task():
    return ml.Task(
        supports=[ml.Support(nodes=[0, 1, 2])],
        sources=[ml.Source(name=SOURCE, nodes=[3, 20], strain=0.1)],
        targets=[
            ml.Target(name=TARGET, nodes=[10, 15], strain=0.04),
            ml.Target(name=f"_{WORDS}", nodes=[11, 16], strain=0.04),
        ],
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    net = ml.networks.triangular((5, 5), disorder=0.1, seed=1)
    learn = {"width": ml.Learn(bounds=(0.05, 0.2), initial=0.1)}
    made = ml.train(net, task(), energy=ml.Beam(), learn=learn, steps=2, title=TITLE)
    return ml.Run.load(made.save(tmp_path_factory.mktemp("hostile") / "run"))


def test_it_comes_back_as_it_was(run):
    assert run.setup.title == TITLE
    assert [t.name for t in run.setup.targets] == [TARGET, f"_{WORDS}"]


def test_nothing_in_it_reaches_a_terminal(run, tmp_path, capfd):
    for command in (
        ["evaluate", run.folder],
        ["check", run.folder / "task.toml"],
        ["train", run.folder / "task.toml", "-o", tmp_path / "again"],
        ["export", run.folder, tmp_path / "x.inp"],
        ["evaluate", tmp_path / WORDS.replace("/", "")],
        ["train", run.folder / "task.toml", "-o", tmp_path / "again", "--resume"],
    ):
        try:
            main([str(part) for part in command])
        except SystemExit as stop:
            assert stop.code in (0, 2)  # noqa: PT017
    said = "".join(capfd.readouterr())
    assert "owned" in said
    assert [c for c in set(said) if not (c.isprintable() or c == "\n")] == []
    assert not re.search(r"^(\*INCLUDE, INPUT=x|SECTION)$", said, re.MULTILINE)


def test_lines_of_our_own_stay_lines():
    said = printable("a\nb\tc\x1b[0m\u202e\r\n\U0001d11e")
    assert said == "a\nb\\tc\\x1b[0m\\u202e\\r\n\U0001d11e"


def test_it_is_no_keyword_of_a_deck(run, tmp_path):
    export(run, tmp_path / "x.inp")
    lines = (tmp_path / "x.inp").read_bytes().decode("ascii").split("\n")
    known = ("*HEADING", "*NODE", "*ELEMENT", "*BEAM", "*MATERIAL", "*ELASTIC", "*EQUATION")
    known += ("*NSET", "*STEP", "*STATIC", "*BOUNDARY", "*CLOAD", "*END STEP", "*ORIENTATION", "**")
    keywords = [line for line in lines if line.startswith("*")]
    assert [line for line in keywords if not line.startswith(known)] == []
    assert "INCLUDE" in lines[1]
    assert not lines[1].startswith("*")


def test_it_is_no_part_of_a_drawing(run, tmp_path):
    import ezdxf

    export(run, tmp_path / "x.dxf")
    drawing = ezdxf.readfile(tmp_path / "x.dxf")
    assert not drawing.audit().has_errors
    assert {e.dxftype() for e in drawing.modelspace()} == {"LWPOLYLINE"}
    ((name, value),) = drawing.header.custom_vars
    assert (name, value.startswith("*INCLUDE")) == ("Title", True)
    export(run, tmp_path / "x.svg")
    tags = [e.tag.rpartition("}")[2] for e in ElementTree.parse(tmp_path / "x.svg").iter()]
    assert tags == ["svg", "title", "path"]


def test_it_is_no_markup_of_a_report(run):
    class Tags(HTMLParser):
        def __init__(self):
            super().__init__()
            self.found, self.scripts = [], []

        def handle_starttag(self, tag, attrs):
            self.found.append((tag, dict(attrs)))

        def handle_data(self, data):
            if self.found and self.found[-1][0] == "script":
                self.scripts.append(data)

    seen, text = Tags(), page(run)
    seen.feed(text)
    assert not any(attrs.get("src") == "x" for _, attrs in seen.found)
    assert not any(name.startswith("on") for _, attrs in seen.found for name in attrs)
    assert [tag for tag, _ in seen.found].count("script") == 2
    names = [json.loads(s) for s in seen.scripts if s.startswith("{")]
    assert names
    assert "&lt;img src=x" in text


def test_it_is_no_markup_of_a_notebook(run):
    for shown in (run, run.network, task()):
        text = shown._repr_html_()
        assert "<img src=x" not in text
        assert "</title></script>" not in text


def test_it_is_no_formula_of_a_plot(run, tmp_path):
    from mechlearn.analysis import amplitude
    from mechlearn.plots import plot_error
    from mechlearn.render.pictures import picture

    assert np.asarray(picture(run, "error", size=(400, 300))).std() > 1
    plot_error(run).figure.savefig(tmp_path / "error.png")
    amplitude(run, amplitudes=[0.5, 1.0]).plot().figure.savefig(tmp_path / "curve.svg")
    assert ElementTree.parse(tmp_path / "curve.svg").getroot() is not None


def test_it_is_no_formula_of_a_spreadsheet():
    rows = [{"name": TARGET, "value": -0.5, "text": "-0.5", "+1+cmd": "plain, \n text"}]
    rows += [{"name": "@x", "value": 1e-3, "text": "\tx", "+1+cmd": ""}]
    text = csv_table(list(rows[0]), rows).decode()
    head, first, second = csv.reader(io.StringIO(text, newline=""))
    assert head == ["name", "value", "text", "'+1+cmd"]
    assert first == [f"'{TARGET}", "-0.5", "-0.5", "plain, \n text"]
    assert second == ["'@x", "0.001", "'\tx", ""]
