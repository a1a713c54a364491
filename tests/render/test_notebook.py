"""Views of networks, tasks and runs in notebooks."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.image import imread

from mechlearn import InputError, Learn, Source, Support, Target, Task, train
from mechlearn.render import render
from mechlearn.render.notebook import ROWS

EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def run(plane):
    task = Task(
        supports=[Support(nodes=[3])],
        sources=[Source(name=EVIL, near=[0.1, 0.5], strain=0.05)],
        targets=[Target(near=[0.9, 0.5], strain=0.04)],
    )
    learn = {"stiffness": Learn(bounds=(0.01, 10), initial=1.0, spread=0.2)}
    return train(plane, task, learn=learn, steps=3, title=f"{EVIL} & more")


def parsed(html):
    """The HTML as XML, which it is as well."""
    assert "<script" not in html
    assert not re.search(r"(src|href)=", html)
    return ET.fromstring(html)


def test_runs_show_their_targets_and_a_drawing(run):
    root = parsed(run._repr_html_())
    cells = [cell.text for cell in root.iter("td")]
    assert "target" in cells
    assert f"{100 * run.targets[0]['reached']:+.4g} %" in cells
    svg = "{http://www.w3.org/2000/svg}"
    assert len(list(root.iter(f"{svg}circle"))) == 4
    assert len(list(root.iter(f"{svg}rect"))) == 1
    lines = "".join(path.get("d") for path in root.iter(f"{svg}path"))
    assert lines.count("M") == run.network.n_edges
    assert "&amp; more" in run._repr_html_()


def test_pictures_of_a_run_are_images_that_notebooks_show(run, tmp_path):
    image = run.picture("network", size=(640, 400), colour="strain")
    path = render(run, tmp_path / "network.png", size=(640, 400), colour="strain")
    assert np.array_equal(np.asarray(image), np.rint(255 * imread(path)[..., :3]))
    assert image._repr_png_()
    with pytest.raises(InputError, match="nonsense"):
        run.picture("nonsense")


def test_tasks_show_what_is_asked_and_where(run):
    cells = [cell.text for cell in parsed(run.setup.task._repr_html_()).iter("td")]
    assert EVIL in cells
    assert "strain" in cells
    many = Task(targets=[Target(nodes=[k], displacement=[0.1, 0.0]) for k in range(ROWS + 3)])
    html = many._repr_html_()
    parsed(html)
    assert "and 3 more" in html


@pytest.mark.parametrize("kind", ["plane", "torus", "space"])
def test_networks_show_their_sizes(kind, request):
    network = request.getfixturevalue(kind)
    html = network._repr_html_()
    parsed(html)
    assert f"{network.n_edges} bonds" in html
    assert ("periodic" in html) == network.periodic


def test_a_drawing_of_a_network_imports_nothing_heavy():
    code = (
        "import sys; from mechlearn.network import Network; "
        "Network([[0.0, 0.0], [1.0, 0.0]], [[0, 1]])._repr_html_(); "
        "print([m for m in ('pyvista', 'matplotlib', 'dolfinx') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
