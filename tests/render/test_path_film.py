"""Films of paths: springs in space, bent beams, cells that deform; and files that are none."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mechlearn as ml
from mechlearn.render.path_film import path_film
from mechlearn.studies.path import follow

SIZE = (480, 320)


def tripod():
    turns = 2 * np.pi * np.arange(3) / 3
    feet = np.column_stack([np.cos(turns), np.sin(turns), 0 * turns])
    net = ml.Network([*feet, [0, 0, 0.4]], [[0, 3], [1, 3], [2, 3]])
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 1, 2])],
        sources=[ml.Source(name="push", nodes=3, components=["z"], displacement=[-0.7])],
        targets=[ml.Target(nodes=[0, 3], strain=0.1)],
    )
    return ml.System(net, task, ml.FiniteSpring())


def arch():
    x = np.linspace(0, 1, 9)
    net = ml.Network(np.column_stack([x, x * (1 - x)]), [[i, i + 1] for i in range(8)])
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 8], components=["x", "y"])],
        sources=[ml.Source(name="push", nodes=4, components=["y"], displacement=[-0.4])],
        targets=[ml.Target(nodes=2, components=["x"], displacement=[0.1])],
    )
    return ml.System(net, task, ml.FiniteBeam(segments=1), width=0.05)


def cell():
    net = ml.networks.packing(nodes=32, seed=1, periodic=True)
    task = ml.Task(
        sources=[ml.Source(name="press", cell=["xx"], strain=[-0.1])],
        targets=[ml.Target(nodes=[0, 1], strain=0.1)],
    )
    return ml.System(net, task, ml.FiniteSpring())


@pytest.mark.parametrize("made", [tripod, arch, cell])
def test_a_film_of_a_path_moves(made, tmp_path):
    at = made()
    found = follow(at, steps=4)
    with Image.open(path_film(at, found, tmp_path / "path.gif", size=SIZE)) as film:
        frames = [np.asarray(film.convert("RGB"), dtype=int)]
        film.seek(min(len(found.point), film.n_frames) - 1)
        frames.append(np.asarray(film.convert("RGB"), dtype=int))
    assert frames[0].shape == (320, 480, 3)
    # The network at the left, and the point of the curve at the right.
    changed = np.abs(frames[1] - frames[0]).max(axis=2) > 60
    assert changed[:, :240].sum() > 50
    assert changed[:, 300:].sum() > 10


def test_a_film_of_another_format_is_refused():
    at = tripod()
    with pytest.raises(ml.InputError, match="a film is a gif or an mp4 file"):
        path_film(at, follow(at, steps=2), Path("path.png"))
