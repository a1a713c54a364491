"""Pictures against those that were looked at, vector pictures, films, pages.

``PYTHONPATH=tests python tests/render/test_pictures.py`` draws the baselines anew; look at them
before they are committed.
"""

import json
import re
import subprocess
import xml.etree.ElementTree as ET
from base64 import b64decode
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from mechlearn import CoupledLearning, Learn, Source, Support, Target, Task, train
from mechlearn.cli import main
from mechlearn.energies import Beam
from mechlearn.energies import Solid as SolidEnergy
from mechlearn.errors import InputError
from mechlearn.network import Network
from mechlearn.render import film as film_module
from mechlearn.render import plotter, render, show
from mechlearn.render.colours import TARGET
from mechlearn.render.page import page

PICTURES = Path(__file__).parent / "pictures"
#: Baselines are compared after both were shrunk by this factor, so that how an edge is smoothed
#: does not count ...
SHRINK = 4
#: ... and then at most this part of the pixels may differ by more than this much (of 255): where
#: the drivers of two machines disagree, and no more.
PART, MUCH = 0.01, 32


def task(d: int, strain: float = 0.1) -> Task:
    middle = [0.5] * (d - 1)
    return Task(
        sources=[Source(near=[0.1, *middle], strain=strain)],
        targets=[Target(near=[0.9, *middle], strain=strain)],
    )


def train_runs(plane, torus, space):
    stiffness = {"stiffness": Learn(bounds=(0.01, 10), initial=1.0, spread=0.2)}
    width = {"width": Learn(bounds=(0.02, 0.3), initial=0.1, spread=0.3)}
    options = {"rule": CoupledLearning(eta=0.01), "steps": 12, "tolerance": 1e-9}
    return {
        "plane": train(plane, task(2), learn=stiffness, **options),
        "torus": train(torus, task(2, 0.2), energy=Beam(), learn=width, **options),
        "space": train(space, task(3), learn=stiffness, **options),
    }


@pytest.fixture(scope="module")
def runs(plane, torus, space):
    return train_runs(plane, torus, space)


@pytest.fixture(scope="module")
def saved(runs, tmp_path_factory):
    return runs["plane"].save(tmp_path_factory.mktemp("runs") / "plane")


def difference(one: Path, two: Path) -> float:
    """The part of the pixels that differ by much once both are shrunk."""
    pair = []
    for path in (one, two):
        with Image.open(path) as image:
            pair.append(np.asarray(image.convert("RGB").reduce(SHRINK), dtype=float))
    if pair[0].shape != pair[1].shape:
        return 1.0
    return float((np.abs(pair[0] - pair[1]).max(axis=2) > MUCH).mean())


BASELINES = [
    ("plane", "network", {}),
    ("plane", "response", {}),
    ("torus", "network", {"colour": "tension", "thickness": "true", "amplify": 2.0}),
    ("space", "network", {"colour": "energy"}),
]


@pytest.mark.parametrize(("name", "what", "options"), BASELINES)
def test_pictures_are_as_they_were_when_somebody_looked(runs, tmp_path, name, what, options):
    made = render(runs[name], tmp_path / "x.png", what=what, size=(800, 500), **options)
    kept = PICTURES / f"{name}-{what}.png"
    assert kept.stat().st_size < 60_000
    assert difference(made, kept) <= PART
    # The measure tells pictures apart: another colouring is another picture.
    other = render(runs[name], tmp_path / "y.png", what=what, size=(800, 500), colour="change")
    assert difference(other, kept) > 2 * PART


def test_vector_pictures_are_lines_and_text(runs, tmp_path):
    first = render(runs["plane"], tmp_path / "x.svg")
    again = render(runs["plane"], tmp_path / "y.svg")
    assert first.read_bytes() == again.read_bytes()
    root = ET.parse(first).getroot()
    tags = [e.tag.rpartition("}")[2] for e in root.iter()]
    images = [e for e in root.iter() if e.tag.endswith("image")]
    assert tags.count("path") > runs["plane"].network.n_edges
    assert len(images) == 1  # the colour bar
    assert first.read_text().count(TARGET.lower()) >= 4
    assert render(runs["torus"], tmp_path / "states.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(InputError, match="png"):
        render(runs["space"], tmp_path / "z.svg")


def test_a_page_holds_all_that_it_needs(runs, tmp_path, capfd):
    text = render(runs["space"], tmp_path / "x.html").read_text(encoding="utf-8")
    assert capfd.readouterr() == ("", "")
    assert not re.search(r"<(script|link|img)[^>]*(src|href)\s*=", text)
    # What the colours mean, who is who, and what state it is.
    legend = text[text.index("class=legend") : text.index("class=content")]
    for words in (
        "<b>stiffness</b>",
        "linear-gradient",
        "wanted: strain +10 %",
        "Free state after",
    ):
        assert words in legend
    (packed,) = re.findall(r'const base64Str = "([^"]+)"', text)
    with ZipFile(BytesIO(b64decode(packed))) as file:
        scene = json.loads(file.read("index.json"))
    assert scene["hashes"]
    assert scene["scene"]["type"].endswith("RenderWindow")


def test_a_page_is_opened_with_everything_in_view(runs):
    """It is seen in perspective, in which what is near is larger."""
    made = plotter(runs["space"], off_screen=True, window_size=(800, 600), words=False)
    page(made)
    camera = made.camera
    assert not camera.parallel_projection
    out, up = -np.array(camera.direction), np.array(camera.up)
    right = np.cross(up, out)
    nodes = runs["space"].network.nodes - np.array(camera.position)
    half = np.tan(np.radians(camera.view_angle / 2)) * -(nodes @ out)
    assert (np.abs(nodes @ up) < half).all()
    assert (np.abs(nodes @ right) < half * 800 / 600).all()
    made.close()


def test_a_plotter_shows_what_the_picture_shows(runs):
    made = plotter(runs["plane"], off_screen=True, window_size=(400, 300), words=False)
    image = made.screenshot(return_img=True)
    made.close()
    target = np.array([int(TARGET[k : k + 2], 16) for k in (1, 3, 5)])
    assert (np.abs(image[..., :3].astype(int) - target) <= 3).all(axis=2).sum() > 20


def test_notebooks_get_a_view_to_turn_or_a_picture(runs, monkeypatch):
    from mechlearn.render import window

    monkeypatch.setattr(window, "_in_notebook", lambda: True)
    html = show(runs["plane"], window_size=(400, 300))._repr_html_()
    assert html.startswith("<iframe srcdoc=")
    assert "<script" not in html  # escaped
    monkeypatch.setattr(window, "find_spec", lambda name: None)
    picture = show(runs["plane"], window_size=(400, 300))
    assert picture.size == (400, 300)
    assert picture._repr_png_().startswith(b"\x89PNG")


def test_films_move_and_come_back(runs, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(film_module, "PULL", 8)
    path = render(runs["torus"], tmp_path / "x.gif", size=(480, 300))
    assert capfd.readouterr() == ("", "")
    with Image.open(path) as film:
        assert film.size == (480, 300)
        assert film.info["loop"] == 0
        frames = []
        for k in (0, 8, film.n_frames - 1):
            film.seek(k)
            frames.append(np.asarray(film.convert("RGB"), dtype=float))
    assert (frames[0][:5] == 255).all()
    rest, full, last = frames
    moved, left = (np.abs(f - rest).mean() for f in (full, last))
    assert moved > 0.5
    assert left < moved / 2


def test_a_training_is_filmed_step_by_step(runs, tmp_path):
    from imageio_ffmpeg import get_ffmpeg_exe

    path = render(runs["plane"], tmp_path / "training.mp4", size=(480, 300))
    command = [get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    frames = np.frombuffer(raw, np.uint8).reshape(-1, 300, 480, 3).astype(float)
    assert len(frames) >= len(runs["plane"].history.snapshot)
    assert np.abs(frames[-1] - frames[0]).mean() > 1
    with pytest.raises(InputError, match="even"):
        render(runs["plane"], tmp_path / "x.mp4", size=(481, 300))


def test_a_solid_is_drawn_as_a_body(tmp_path):
    side = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    network = Network(side, [[0, 1], [1, 2], [2, 3], [3, 0], [0, 2]])
    asked = Task(
        supports=[Support(nodes=[0, 1])],
        sources=[Source(nodes=[3], displacement=[0.05, 0.0])],
        targets=[Target(nodes=[2], displacement=[0.03], components=["x"])],
    )
    learn = {"modulus": Learn(bounds=(0.1, 10), initial=1.0)}
    solid = SolidEnergy(order=1, mesh_size=1.0)
    run = train(network, asked, energy=solid, learn=learn, steps=1)
    energy = render(run, tmp_path / "network.png", size=(480, 300))
    modulus = render(run, tmp_path / "m.png", size=(480, 300), colour="modulus", amplify=1.0)
    assert difference(energy, modulus) > PART
    with pytest.raises(InputError, match="energy"):
        render(run, tmp_path / "x.png", colour="tension")
    assert render(run, tmp_path / "x.svg").stat().st_size > 5000


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--colour", "mass"], "stiffness, rest_length, change, strain, tension, energy, contrast"),
        (["--color", "mass"], "contrast"),
        (["--thickness", "mass"], "even"),
        (["--what", "film"], "actuation, training"),
        (["--whole"], "periodic"),
        (["--size", "10", "10"], "300"),
        (["--amplify", "nan"], "amplify"),
    ],
)
def test_the_command_line_lists_the_choices(saved, tmp_path, capsys, options, says):
    folder = saved
    with pytest.raises(SystemExit) as end:
        main(["render", str(folder), str(tmp_path / "x.png"), *options])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert says in said
    assert len(said.splitlines()) == 1


def draw_baselines():
    from conftest import periodic_network, random_network

    made = train_runs(random_network(), periodic_network(), random_network(30, dim=3, seed=3))
    for name, what, options in BASELINES:
        path = PICTURES / f"{name}-{what}.png"
        render(made[name], path, what=what, size=(800, 500), **options)
        with Image.open(path) as image:
            few = image.convert("RGB").quantize(64, dither=Image.Dither.NONE)
        few.save(path, optimize=True)


if __name__ == "__main__":
    draw_baselines()
