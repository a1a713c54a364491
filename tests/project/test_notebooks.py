"""The notebooks: every script runs from end to end, and what is kept beside it is what it says."""

import runpy
import sys

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from paths import ROOT

FOLDER = ROOT / "notebooks"
SCRIPTS = sorted(FOLDER.glob("[0-9][0-9]-*.py"))


@pytest.fixture
def build(monkeypatch):
    """The module that builds notebooks."""
    monkeypatch.syspath_prepend(FOLDER)
    import build

    return build


def test_the_first_notebook_runs_anywhere_by_itself(tmp_path, monkeypatch):
    """In an empty folder, with nothing but the package; what its words claim is measured."""
    monkeypatch.chdir(tmp_path)
    after = runpy.run_path(str(SCRIPTS[0]))
    (target,) = after["run"].targets
    assert abs(target["initial"]) < 0.02
    assert target["reached"] == pytest.approx(0.1, abs=1e-4)
    answers = after["run"].respond([{"pinch": pull} for pull in (0.1, 0.05, -0.1)])
    np.testing.assert_allclose(answers[:, 0], target["reached"] * np.array([1, 0.5, -1]), rtol=1e-9)
    assert after["again"].evaluate()[0]["reached"] == pytest.approx(target["reached"], rel=1e-9)
    assert after["files"] == ["learned.csv", "learned.nodes.csv", "learned.vtu", "run"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("script", SCRIPTS[1:], ids=lambda s: s.stem)
def test_a_notebook_runs_and_its_claims_hold(script, monkeypatch, capsys, own_extensions):
    """Its claims are asserted in it; a warning is an error."""
    monkeypatch.setenv("MECHLEARN_SHORT", "1")
    monkeypatch.delitem(sys.modules, "claims", raising=False)
    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.chdir(FOLDER)
    with plt.rc_context():
        runpy.run_path(str(script), run_name="__main__")
    plt.close("all")
    assert not capsys.readouterr().err


def wrong_with(script, build):
    """Sentences on what is kept of a notebook: not its script's cells, not run in order, heavy."""
    path = script.with_suffix(".ipynb")
    kept, fresh = nbformat.read(path, as_version=4), build.as_notebook(script)
    nbformat.validate(kept)
    code = [c for c in kept.cells if c.cell_type == "code"]
    outputs = [o for c in code for o in c.outputs]
    cells = [[(c.cell_type, c.source) for c in book.cells] for book in (kept, fresh)]
    if cells[0] != cells[1]:
        yield f"{path.name} has other cells than its script"
    if [c.execution_count for c in code] != list(range(1, len(code) + 1)):
        yield f"{path.name} was not run in order"
    if any(o.output_type == "error" for o in outputs):
        yield f"{path.name} ends in an error"
    if not any("image/png" in o.get("data", {}) for o in outputs):
        yield f"{path.name} shows no picture"
    if path.stat().st_size >= build.LARGEST:
        yield f"{path.name} is larger than {build.LARGEST} bytes"


def test_what_is_kept_of_notebooks_is_of_their_scripts(build):
    assert len(SCRIPTS) >= 10
    assert [fault for script in SCRIPTS for fault in wrong_with(script, build)] == []


def test_claims_that_do_not_hold_stop_a_notebook(build):
    from claims import Claims

    claims = Claims()
    claims.near("pi", 3.14, 3.1416, within=0.01)
    claims.differs("e", 2.7, 3.0, "rounded up")
    assert "| pi | 3.14 | 3.142 | to 0.01 | ✓ |" in claims._repr_markdown_()
    assert len(repr(claims).splitlines()) == 3
    with pytest.raises(AssertionError, match="pi: 3 is not"):
        claims.near("pi", 3.14, 3.0, within=0.01)
    with pytest.raises(AssertionError, match="falls: 2"):
        claims.holds("falls", 1.0, 2.0, "below 1", holds=False)
    assert len(repr(claims).splitlines()) == 3


def test_building_keeps_what_a_notebook_shows_and_refuses_noise(build, tmp_path):
    script = tmp_path / "00-sum.py"
    script.write_text("# %% [markdown]\n# # Sum\n\n# %%\n1 + 1\n")
    notebook = build.as_notebook(script)
    build.run(notebook)
    (output,) = notebook.cells[1].outputs
    assert output.data["text/plain"] == "2"
    script.write_text("# %%\nimport sys\n\nsys.stderr.write('oh')\n")
    with pytest.raises(RuntimeError, match="prints to stderr: oh"):
        build.run(build.as_notebook(script))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["01", "nonsense"], "like 'nonsense'; there are 01-"), (["--shrt"], "no option --shrt")],
)
def test_building_refuses_what_it_does_not_know(build, arguments, says):
    with pytest.raises(SystemExit, match=says):
        build.main(arguments)
