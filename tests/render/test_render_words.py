"""Words in pictures: they cover neither each other nor what is drawn, and are inside."""

from itertools import combinations

import numpy as np
import pytest

from mechlearn.learning.dofs import Learn
from mechlearn.render.captions import percent, signed
from mechlearn.render.colours import Shades
from mechlearn.render.film import film
from mechlearn.render.panels import network_sheet, response_sheet, states_sheet
from mechlearn.render.run_view import Look
from mechlearn.render.scene import Scene
from mechlearn.render.sheet import Sheet
from mechlearn.runs.training import train
from mechlearn.tasks.task import Source, Target, Task

SIZES = [(1600, 1000), (800, 500), (900, 900)]
LONG = "an answer with quite a long name"


@pytest.fixture(scope="module")
def run(plane):
    task = Task(
        sources=[Source(name="a pinch that is gentle", near=[0.1, 0.5], strain=0.1)],
        targets=[
            Target(name=LONG, near=[0.9, 0.5], strain=0.1),
            Target(name="a second one, just as long", near=[0.5, 0.9], strain=-0.033),
        ],
    )
    return train(plane, task, learn=Learn(bounds=(0.01, 10), initial=1.0), steps=4)


def boxes(sheet: Sheet) -> list:
    """Places of all words of a sheet, but for the numbers at axes."""
    figure = sheet.figure
    figure.canvas.draw()
    texts = [*figure.texts, *(t for legend in figure.legends for t in legend.get_texts())]
    return [(t.get_text(), t.get_window_extent()) for t in texts if t.get_text().strip()]


def check(sheet: Sheet) -> None:
    found = boxes(sheet)
    for (one, a), (two, b) in combinations(found, 2):
        apart = a.x1 <= b.x0 or b.x1 <= a.x0 or a.y1 <= b.y0 or b.y1 <= a.y0
        # Lines of one label may touch.
        apart = apart or min(a.y1, b.y1) - max(a.y0, b.y0) < 0.2 * min(a.height, b.height)
        assert apart, f"{one!r} covers {two!r}"
    for one, a in found:
        inside = a.x0 >= 0 and a.y0 >= 0 and a.x1 <= sheet.size[0] and a.y1 <= sheet.size[1]
        assert inside, f"{one!r} is cut off"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("draw", [network_sheet, states_sheet, response_sheet])
def test_no_words_of_a_picture_cover_others(run, draw, size):
    check(draw(run, 0, Look(), size))


def test_no_words_of_a_film_cover_others(run, tmp_path, monkeypatch):
    checked = []

    def pixels(sheet: Sheet) -> np.ndarray:
        check(sheet)
        checked.append(sheet)
        return np.full((*sheet.size[::-1], 3), 255, np.uint8)

    monkeypatch.setattr(Sheet, "pixels", pixels)
    film(run, tmp_path / "x.gif", "training", 0, Look(), (600, 375))
    assert len(checked) == 5
    said = [t.get_text() for t in checked[-1].figure.texts if LONG in t.get_text()]
    assert said == [
        f"step 4, error {percent(run.history.error.values[-1])},  {LONG} "
        f"{percent(run.targets[0]['reached'], signed=True)},  a second one, just as long "
        f"{percent(run.targets[1]['reached'], signed=True)}"
    ]


def test_answers_in_several_panels_are_written_alike(run):
    sheet = states_sheet(run, 0, Look(), (1600, 1000))
    sizes = [t.get_fontsize() for t in sheet.figure.texts if LONG in t.get_text()]
    assert len(sizes) == 4
    assert np.ptp(sizes) == 0


def test_numbers_have_real_minus_signs():
    assert signed(-0.25) == "\N{MINUS SIGN}0.25"
    assert signed(0.25) == "+0.25"
    assert percent(-0.25) == "\N{MINUS SIGN}25 %"


@pytest.mark.parametrize("low", [0.0, -0.1, 1.6, 16.6, 1.0 - 1e-5])
@pytest.mark.parametrize("span", [1e-4, 0.013, 0.3, 4.0])
def test_no_two_ticks_of_a_colour_bar_say_the_same(plane, low, span):
    grey = np.zeros((plane.n_edges, 3), np.uint8)
    scene = Scene(plane, plane.nodes, grey, np.ones(plane.n_edges))
    sheet = Sheet((800, 500), "", "")
    sheet.explain(scene, Shades(np.array([low, low + span]), "stiffness"))
    (bar,) = sheet.figure.axes
    sheet.figure.canvas.draw()
    said = [t.get_text() for t in bar.get_yticklabels() if t.get_text()]
    assert len(said) > 2
    assert len(set(said)) == len(said)
    for text in said:
        assert len(text) < 10
