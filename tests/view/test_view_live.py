"""Training in the live page: in slices, with new targets by click, through its socket and alone."""

import asyncio
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from clients import talk

from mechlearn.errors import InputError, SolveError
from mechlearn.learning.dofs import Learn
from mechlearn.render.geometry import space
from mechlearn.runs.run import Run
from mechlearn.runs.training import begin, train, train_file
from mechlearn.tasks.task import Source, Support, Target, Task
from mechlearn.view.interactive import InteractiveView
from mechlearn.view.live import POINTS, LiveTraining, error_curve, shown_step
from mechlearn.view.page import Page

TASK = Task(
    sources=[Source(name="pinch", nodes=[3, 30], strain=0.1)],
    targets=[Target(name="answer", nodes=[12, 25], strain=0.1)],
)
LEARN = {"stiffness": Learn(bounds=(0.01, 10), initial=1.0)}
PAIR, SIZE = [8, 20], (1000, 800)


@pytest.fixture(scope="module")
def whole(plane):
    return train(plane, TASK, learn=LEARN, steps=300)


@pytest.fixture
def live(whole, plane, tmp_path):
    whole.save(tmp_path / "whole")
    training = begin(whole.setup, tmp_path / "whole")
    made = LiveTraining(InteractiveView(training.pause(), size=SIZE), training, tmp_path / "run")
    yield made
    made.view.plotter.close()


def same(run, other):
    """True if two runs learned the same by the same steps, to the last bit."""
    return all(
        np.array_equal(a[name], b[name])
        for a, b in ((run.learned, other.learned), (run.history, other.history))
        for name in a
    )


def place(view, node):
    """Pixels of a node in the picture, from its top left."""
    return view._projected(space(view._places()), SIZE)[0][node]


def test_what_is_trained_in_slices_is_what_is_trained_in_one_go(live, whole):
    assert live.status == "Not trained yet."
    assert shown_step(live.view) == 0
    live.advance(0.0)
    assert shown_step(live.view) == 1
    live.running = True
    while live.running:
        live.advance(0.0)
        assert live.view.answer.outputs[0] == pytest.approx(live.view.run.targets[0]["reached"])
    assert same(live.view.run, whole)
    live.save()
    assert live.status == f"Learned. Saved in {live.folder}."
    assert same(Run.load(live.folder), whole)


def test_the_view_stays_at_a_step_that_is_not_the_last_and_at_its_load(live):
    live.advance(0.0)
    live.view.go(step=0, amplitude=0.5)
    before = live.view.answer.outputs
    live.advance(0.0)
    assert (live.view.step, live.view.amplitude) == (0, 0.5)
    np.testing.assert_allclose(live.view.answer.outputs, before, rtol=1e-12)
    assert len(live.view.run.recorded_steps) == 3


@pytest.mark.parametrize("alone", [True, False])
def test_clicked_nodes_are_a_target_and_training_goes_on_from_what_was_learned(live, plane, alone):
    live.advance(0.0)
    first = live.view.run
    for node in PAIR:
        live.view.choose(*place(live.view, node), SIZE)
    assert live.view.chosen == PAIR
    assert len(live.view.scene().marks) == 3
    live.aim("0.05", alone)
    assert live.running
    assert live.view.chosen == []
    for _ in range(3):
        live.advance(0.0)
    targets = [Target(name="8-20", nodes=PAIR, strain=0.05)]
    task = Task(sources=TASK.sources, targets=targets if alone else [*TASK.targets, *targets])
    expected = train(plane, task, start=first, steps=3, tolerance=first.setup.train.tolerance)
    assert same(live.view.run, expected)
    assert [row[0] for row in live.view.targets()] == [t.name for t in task.targets]


def test_a_node_is_a_target_of_its_displacement_and_chosen_twice_it_is_none(plane):
    task = Task(supports=[Support(nodes=[0, 1])], sources=TASK.sources, targets=TASK.targets)
    live = LiveTraining(InteractiveView(train(plane, task, learn=LEARN, steps=1), size=SIZE))
    for chosen in ([5], [], [5]):
        assert live.view.choose(*place(live.view, 5), SIZE) == chosen
    assert live.quantity == "displacement"
    live.aim("0.02, -0.01", True)
    assert [row[1] for row in live.view.targets()] == ["+0.02", "\N{MINUS SIGN}0.01"]
    live.view.plotter.close()


@pytest.mark.parametrize(
    ("nodes", "wanted", "said"),
    [
        ([], "0.1", "click them"),
        (PAIR, "much", "'much' should be a number"),
        (PAIR, "nan", "strain"),
        ([5], "0.1", "displacement"),
        ([12, 25], "0.1 0.2", "strain"),
    ],
)
def test_a_target_that_makes_no_sense_changes_nothing(live, nodes, wanted, said):
    run, answer = live.view.run, live.view.answer
    live.view.chosen = nodes
    with pytest.raises(InputError, match=said):
        live.aim(wanted, False)
    assert (live.view.run, live.view.answer, live.view.chosen) == (run, answer, nodes)
    assert not live.running
    live.advance(0.0)
    assert shown_step(live.view) == 1


def test_a_finished_run_is_trained_on_from_what_it_learned(plane, whole):
    few = train(plane, TASK, learn=LEARN, steps=2)
    live = LiveTraining(InteractiveView(few, size=(200, 150)))
    live.advance(0.0)
    assert same(live.view.run, train(plane, TASK, start=few, steps=1))
    live.view.plotter.close()


def test_the_error_curve_lies_over_the_steps_of_the_slider(live, whole):
    live.view.show(whole)
    line, spot, goal = error_curve(whole, shown_step(live.view))
    x, y = np.array([point.split(",") for point in line.split()], dtype=float).T
    assert (x[0], x[-1], spot) == (0, 100, 100)
    assert (np.diff(x) > 0).all()
    errors = whole.history.error.values
    assert (y.argmin(), y.argmax()) == (errors.argmax(), errors.argmin())
    assert y.max() > goal - 0.1  # what is learned is below the tolerance, and so is the line
    live.view.go(step=3)
    spot = error_curve(whole, shown_step(live.view))[1]
    assert spot == pytest.approx(300 / (len(whole.recorded_steps) - 1))


def test_an_error_of_the_training_is_a_sentence_on_the_page_and_pauses_it(live, monkeypatch):
    page = Page(live, "errors")

    def fail(self, seconds=0.0, steps=1):
        raise SolveError("It collapses.")

    monkeypatch.setattr("mechlearn.runs.training.Training.advance", fail)
    live.running = True
    page.act({"run"})
    assert page.server.state.trouble == "It collapses."
    assert page.server.state.running is False
    monkeypatch.undo()
    page.act({"one"})
    assert page.server.state.trouble == ""
    assert page.server.state.step == 1


# -- through the socket ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(whole, tmp_path_factory):
    """Page of a task file, and the folder that it saves to; it ends quietly while it trains."""
    folder = tmp_path_factory.mktemp("live")
    whole.save(folder / "whole")
    command = [sys.executable, "-m", "mechlearn", "view", folder / "whole/task.toml", "--serve"]
    with (
        (folder / "errors").open("w") as errors,
        subprocess.Popen(
            [*command, "-o", folder / "run"], stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        yield re.search(r"http://\S+/", process.stdout.readline()).group(), folder / "run"
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) in (0, 130)
    assert (folder / "errors").read_text().replace("mechlearn: Stopped.\n", "") == ""


def steps(text):
    """Steps taken, by the words beside the slider."""
    return int(text.split()[-1].replace(",", ""))


class Visitor:
    """Somebody who presses the buttons of the page."""

    def __init__(self, client):
        self.client = client

    async def state(self):
        return (await self.client.call("trame.state.get"))["state"]

    async def press(self, what, *arguments):
        page = (await self.state())["trame__template_main"]
        mine = re.search(rf"{what}[^>]*?trigger\('(\w+)'", page).group(1)
        await self.client.call("trame.trigger", mine, [*arguments], {})

    async def until(self, holds):
        end = time.monotonic() + 30
        while not holds(state := await self.state()):
            assert time.monotonic() < end, {k: v for k, v in state.items() if "trame" not in k}
            await asyncio.sleep(0.02)
        return state

    async def click(self, x, y):
        for what in ("Press", "Release"):
            where = {"position": {"x": float(x), "y": float(SIZE[1] - y)}}
            await self.press(f"@LeftButton{what}=", where)


def test_through_the_socket_a_task_is_trained_saved_and_given_a_new_target(served, plane, whole):
    address, folder = served

    async def first(client, _):
        visitor = Visitor(client)
        assert (await visitor.state())["status"] == "Not trained yet."
        await visitor.press('id="one"')
        await visitor.until(lambda s: s["step_text"] == "1 of 1")
        await visitor.press('id="run"')
        state = await visitor.until(lambda s: s["status"] == "Learned.")
        assert not state["running"]
        assert len(state["curve"].split()) == whole.history.sizes["step"]
        await visitor.press('id="save"')
        await visitor.until(lambda s: "Saved" in s["status"])

    talk(address, first)
    assert same(Run.load(folder), whole)
    view = InteractiveView(begin(whole.setup, folder.parent / "whole").pause(), size=SIZE)
    view.show(whole)  # the camera is still where it was when the page was first drawn
    clicks = [place(view, node) for node in PAIR]
    view.plotter.close()

    async def second(client, _):
        visitor = Visitor(client)
        await visitor.press('id="choose"')
        await visitor.until(lambda s: s["choosing"])
        for k, spot in enumerate(clicks):
            await visitor.click(*spot)
            await visitor.until(lambda s, word=("Node 8", "Nodes 8 and 20")[k]: s["chosen"] == word)
        await client.call("trame.state.update", [{"key": "wanted", "value": "x"}])
        await visitor.press('id="alone"', True)
        await visitor.until(
            lambda s: s["trouble"] == "'x' should be a number, or one per component."
        )
        await client.call("trame.state.update", [{"key": "wanted", "value": "0.03"}])
        await visitor.press('id="alone"', True)
        state = await visitor.until(lambda s: s["status"] == "Learned.")
        assert state["trouble"] == ""
        assert [row[0] for row in state["targets"]] == ["8-20"]
        await visitor.press('id="save"')
        await visitor.until(lambda s: "Saved" in s["status"])

    talk(address, second)
    task = Task(sources=TASK.sources, targets=[Target(name="8-20", nodes=PAIR, strain=0.03)])
    assert same(Run.load(folder), train(plane, task, start=whole, steps=300))
    assert same(Run.load(folder), train_file(folder / "task.toml"))


@pytest.fixture(scope="module")
def endless(served):
    """The page while it trains for a target that it never reaches."""

    async def talking(client, _):
        visitor = Visitor(client)
        await visitor.press('id="choose"')
        await visitor.until(lambda s: s["choosing"])
        state = await visitor.state()
        spots = iter(np.random.default_rng(0).uniform(200, 600, (60, 2)))
        while not state["chosen"].startswith("Nodes"):
            await visitor.click(*next(spots))
            state = await visitor.state()
        await client.call("trame.state.update", [{"key": "wanted", "value": "5"}])
        await visitor.press('id="also"', False)
        await visitor.until(lambda s: s["running"] and steps(s["step_text"]) > 3)

    talk(served[0], talking)
    return served[0]


def test_through_the_socket_a_training_is_paused_and_others_are_answered_while_it_runs(endless):
    async def talking(client, _):
        visitor = Visitor(client)
        await client.call("trame.state.update", [{"key": "step", "value": 0}])
        await visitor.until(lambda s: s["step_text"].startswith("0 of"))
        await visitor.press('id="run"')
        state = await visitor.until(lambda s: not s["running"])
        await asyncio.sleep(0.3)
        assert (await visitor.state())["step_text"] == state["step_text"]
        await visitor.press('id="run"')
        await visitor.until(lambda s: steps(s["step_text"]) > steps(state["step_text"]))

    talk(endless, talking)


def test_in_a_browser_the_error_curve_grows_beside_the_slider_until_a_pause(endless, browser):
    from selenium.webdriver.support.ui import WebDriverWait

    def last():
        return steps(browser.find_element("id", "step_text").text)

    def press(words):
        browser.find_element("xpath", f"//button[normalize-space()='{words}']").click()
        said = {"Pause": "Train", "Train": "Pause"}[words]
        WebDriverWait(browser, 20).until(
            lambda b: b.find_element("id", "run").text == said, f"no {said}"
        )

    browser.get(endless)
    WebDriverWait(browser, 60).until(lambda b: b.find_elements("css selector", ".sight img"))
    if browser.find_element("id", "run").text == "Train":
        press("Train")
    before = last()
    WebDriverWait(browser, 20).until(lambda b: last() > before)
    press("Pause")
    points = browser.find_element("css selector", ".curve polyline").get_attribute("points").split()
    assert len(points) == min(last() + 1, POINTS)
    curve, slider = (browser.find_element("css selector", c).rect for c in (".curve", "#step"))
    assert slider["x"] < curve["x"] < curve["x"] + curve["width"] < slider["x"] + slider["width"]
    press("Train")
    assert [e for e in browser.get_log("browser") if e["level"] not in ("INFO", "DEBUG")] == []
    browser.get("about:blank")
