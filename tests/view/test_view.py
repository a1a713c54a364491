"""The live page: what it solves, what it draws, and how it answers in a browser."""

import re
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from ranks import command_on_ranks

from mechlearn.energies import FiniteSpring, Solid, Spring
from mechlearn.errors import InputError, SolveError
from mechlearn.learning.dofs import Learn
from mechlearn.network import Network
from mechlearn.render.colours import rgb
from mechlearn.runs.run import Run
from mechlearn.runs.training import train
from mechlearn.tasks.task import Source, Target, Task
from mechlearn.view import serve
from mechlearn.view.interactive import PICKED, InteractiveView

PULL = Task(
    sources=[Source(name="pinch", nodes=[3, 30], strain=0.1)],
    targets=[Target(name="answer", nodes=[12, 25], strain=0.1)],
)
STIFFNESS = {"stiffness": Learn(bounds=(0.01, 10), initial=1.0)}


@pytest.fixture(scope="module")
def folder(plane, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    train(plane, PULL, learn=STIFFNESS, steps=20, title="Live").save(folder)
    return folder


@pytest.fixture
def view(folder):
    made = InteractiveView(Run.load(folder), size=(400, 300))
    yield made
    made.plotter.close()


def picture(view):
    view.draw()
    view.plotter.render()
    return view.plotter.screenshot(return_img=True).astype(int)


def test_it_answers_as_the_run_does_at_every_step_and_load(view):
    run = view.run
    steps = run.recorded_steps
    assert view.answer.outputs[0] == pytest.approx(run.targets[0]["reached"])
    for number in (0, 7, len(steps) - 1):
        view.go(step=number)
        view.go(amplitude=1.0)
        expected = run.history.output.values[steps[number], 0, 0]
        assert view.answer.outputs[0] == pytest.approx(expected)
        view.go(amplitude=0.3)
        assert view.answer.outputs[0] == pytest.approx(0.3 * expected)


def test_the_picture_follows_step_load_colour_and_pick(view):
    pictures = [picture(view)]
    view.go(amplitude=0.0)
    pictures.append(picture(view))
    view.go(step=0)
    pictures.append(picture(view))
    view.go(step=len(view.run.recorded_steps) - 1, amplitude=1.0)
    np.testing.assert_array_equal(picture(view), pictures[0])
    for colour in view.colourings[1:]:
        view.colour = colour
        pictures.append(picture(view))
    view.picked = 10
    pictures.append(picture(view))
    for k, a in enumerate(pictures):
        for b in pictures[:k]:
            assert np.abs(a - b).mean() > 0.05


def test_solid_struts_are_drawn_as_a_body_that_moves_with_its_joints():
    points = np.array([[0, 0], [1, 0.1], [2, 0], [0.4, 0.8], [1.5, 0.9]])
    edges = np.array([[0, 1], [1, 2], [0, 3], [1, 3], [1, 4], [2, 4], [3, 4]])
    task = Task(
        sources=[Source(nodes=[0, 2], strain=0.05)], targets=[Target(nodes=[3, 4], strain=0.03)]
    )
    learn = {"width": Learn(bounds=(0.06, 0.2), initial=0.12)}
    run = train(
        Network(points, edges), task, energy=Solid(order=1, mesh_size=0.7), learn=learn, steps=2
    )
    view = InteractiveView(run, size=(300, 200))
    try:
        for step, amplitude in ((2, 1.0), (2, 0.4), (0, 0.4)):
            view.go(step=step, amplitude=amplitude)
            view.draw()
            scene, model = view.scene(), view.system.model
            # The joints' mean places are those of the nodes as drawn.
            rest = model.points
            moves = np.empty(rest.shape)
            moves[model.domain.block_of_point] = scene.solid.points - rest
            means = points + model.to_nodes(moves.ravel())[:, : rest.shape[1]]
            assert means == pytest.approx(scene.nodes, abs=1e-9)
            assert len(scene.solid.colours) == len(scene.solid.cells)
        assert not np.array_equal(scene.nodes, points)
        view.picked = 4
        struts = model.domain.drawn.element
        gold = (view.scene().solid.colours == rgb(PICKED)).all(axis=1)
        assert np.array_equal(gold, struts == 4)
    finally:
        view.plotter.close()


def test_bonds_across_a_strained_cell_are_picked_where_they_are_drawn(torus):
    task = Task(
        sources=[Source(cell=["xx", "xy"], strain=[0.2, 0.1])],
        targets=[Target(cell="yy", strain=0.1)],
    )
    size = (800, 600)
    view = InteractiveView(train(torus, task, learn=STIFFNESS, steps=1), size=size)
    pieces = view.scene().pieces()
    halves = pieces.of(pieces.fade.any(axis=1))
    at, _ = view._projected(halves.ends.mean(axis=1), size)
    picked = np.array([view.pick(x, y, size) for x, y in at])
    assert np.mean(picked == halves.bond) > 0.95
    view.plotter.close()


def test_marks_in_space_are_seen_through_what_is_before_them(space):
    """The picture has as much of their colours as one with nothing but marks."""
    task = Task(
        sources=[Source(nodes=[0, 9], strain=0.1)], targets=[Target(nodes=[12, 25], strain=0.1)]
    )
    view = InteractiveView(train(space, task, learn=STIFFNESS, steps=1), size=(400, 300))

    def marked():
        view.plotter.render()
        image = view.plotter.screenshot(return_img=True).astype(int)
        # Sources are orange and targets purple: no colours of bonds are so red.
        return (image[..., 0] > image[..., 1] + 60).sum()

    seen = marked()
    before = set(view.plotter.actors)
    for name in before:
        mapper = view.plotter.actors[name].mapper
        if not mapper.GetResolveCoincidentTopology():
            view.plotter.actors[name].visibility = False
    assert seen == pytest.approx(marked(), rel=0.02)
    assert seen > 200
    view.plotter.close()


def test_every_bond_can_be_picked_where_it_is_drawn(view):
    run = view.run
    ends = view._places()[run.network.edges]
    middles = np.column_stack([ends.mean(axis=1), np.zeros(len(ends))])
    at, _ = view._projected(middles, (400, 300))
    picked = [view.pick(x, y, (400, 300)) for x, y in at]
    assert np.mean(np.array(picked) == np.arange(len(ends))) > 0.95
    assert view.pick(2, 2, (400, 300)) is None


def test_places_are_where_the_camera_shows_them(view):
    image = picture(view)
    source = view._marks[0].nodes[0]
    (x, y), _ = view._projected(np.append(view._places()[source], 0.0), (400, 300))
    np.testing.assert_allclose(image[round(y), round(x)], [0xE8, 0x59, 0x0C], atol=6)


def test_a_bond_tells_its_numbers_now_at_first_and_at_last(view):
    run = view.run
    view.go(step=5)
    said = dict(view.about_bond(8))
    now = run.history["stiffness"].values[5, 8]
    assert float(said["stiffness"]) == pytest.approx(now, rel=1e-3)
    first, last = map(float, said["at first, at last"].split(", "))
    assert first == 1.0
    assert last == pytest.approx(run.learned["stiffness"][8], rel=1e-3)


@pytest.mark.parametrize("energy", [Spring(), FiniteSpring()], ids=lambda e: e.name)
def test_sources_tell_what_they_take_at_every_load(plane, energy):
    """As the run's summary does at the full load, and work grows as its square while that is small;
    what is left out while a slider moves is there when it rests."""
    sources = [*PULL.sources, Source(name="{{ 7 * 7 }}\n", nodes=[20, 25], force=-1e-3)]
    task = PULL.model_copy(update={"sources": sources})
    made = InteractiveView(
        train(plane, task, energy=energy, learn=STIFFNESS, steps=0), size=(200, 150)
    )
    (name, full), (other, _) = made.sources()
    expected = made.run.summary["sources"][0]
    assert (name, other) == ("pinch", "{{ 7 * 7 }}\\n")
    assert [k for k, _ in full] == ["strain", "force", "stiffness", "work"]
    assert full[0][1] == "+10\N{NO-BREAK SPACE}%"
    for key, said in full[1:]:
        assert float(said.replace("\N{MINUS SIGN}", "-")) == pytest.approx(expected[key], rel=1e-3)
    made.go(amplitude=0.5)
    half = dict(made.sources()[0][1])
    assert half["strain"] == "+5\N{NO-BREAK SPACE}%"
    assert float(half["work"]) == pytest.approx(expected["work"] / 4, rel=0.1)
    made.fine(False)
    made.go(amplitude=0.4)
    made.sources()
    made.fine(True)
    assert "work" in dict(made.sources()[0][1])
    made.plotter.close()


def test_where_there_is_no_answer_it_stays_what_it_was(view, monkeypatch):
    before = view.answer

    def fail(self, amplitude):
        raise SolveError("It collapses.")

    monkeypatch.setattr("mechlearn.learning.system.System.load", fail)
    with pytest.raises(SolveError):
        view.go(step=0, amplitude=0.5)
    assert view.answer is before
    assert (view.step, view.amplitude) == (len(view.run.recorded_steps) - 1, 1.0)


@pytest.mark.parametrize("kind", ["space", "torus"])
def test_finite_springs_in_space_and_on_a_torus_are_shown(kind, request):
    task = Task(
        sources=[Source(nodes=[0, 7], strain=0.1)], targets=[Target(nodes=[12, 18], strain=0.1)]
    )
    net = request.getfixturevalue(kind)
    run = train(net, task, energy=FiniteSpring(), learn=STIFFNESS, steps=3)
    view = InteractiveView(run, size=(300, 300))
    first = picture(view)
    view.go(amplitude=0.2)
    second = picture(view)
    assert (first < 200).any(axis=2).mean() > 0.02
    assert np.abs(first - second).mean() > 0.1
    view.plotter.close()


def test_what_cannot_be_served_is_refused(folder):
    run = Run.load(folder)
    with pytest.raises(InputError, match="1 to 1"):
        serve(run, example=3)
    with pytest.raises(InputError, match="port = 99999"):
        serve(run, port=99999)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="cannot be used"):
            serve(run, port=taken.getsockname()[1])


def test_without_trame_the_error_says_how_to_install_it(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "trame.app", None)
    with pytest.raises(InputError, match="pip install 'trame"):
        serve(Run.load(folder))


def test_several_ranks_are_refused(folder):
    done = command_on_ranks(2, "view", folder, "--serve")
    assert done.returncode == 2
    assert done.stderr == "mechlearn: view runs on one rank; it answers one person.\n"


# -- in a browser ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def address(folder, tmp_path_factory):
    """A page that is served while the tests look at it; its end must be quiet."""
    errors = tmp_path_factory.mktemp("view") / "errors"
    command = [sys.executable, "-m", "mechlearn", "view", folder, "--serve"]
    with (
        errors.open("w") as err,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True) as process,
    ):
        line = process.stdout.readline()
        yield re.search(r"http://127\.0\.0\.1:\d+/\S+/", line).group()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) in (0, 130)
    assert errors.read_text().replace("mechlearn: Stopped.\n", "") == ""


@pytest.fixture
def live(browser, address):
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(address)
    drawn = "const i = document.querySelector('.sight img'); return Boolean(i && i.naturalWidth)"
    WebDriverWait(browser, 20).until(lambda b: b.execute_script(drawn))
    yield browser
    browser.get("about:blank")  # while its server is there: the page complains of one that is gone


# Moves a slider, and waits until what it led to has arrived.
SLIDE = """
    const [id, value, done] = arguments;
    const count = document.getElementById('answered'), before = count.textContent;
    const slider = document.getElementById(id);
    slider.value = value;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    const look = () => count.textContent !== before ? done(true) : setTimeout(look, 5);
    look();
"""
# The picture in the page, as a coarse grey image.
SEEN = """
    const image = document.querySelector('.sight img');
    const small = Object.assign(document.createElement('canvas'), {width: 80, height: 60});
    const pen = small.getContext('2d', {willReadFrequently: true});
    pen.drawImage(image, 0, 0, 80, 60);
    const p = pen.getImageData(0, 0, 80, 60).data, grey = [];
    for (let k = 0; k < p.length; k += 4) grey.push(p[k] + p[k + 1] + p[k + 2]);
    return grey;
"""


def reading(browser):
    cell = browser.find_element("css selector", "#targets tr:nth-child(2) td:last-child")
    return float(cell.text.replace("\N{MINUS SIGN}", "-"))


def test_in_a_browser_a_slider_moves_the_network_and_its_answer(live, folder):
    from selenium.webdriver.support.ui import WebDriverWait

    run = Run.load(folder)
    assert reading(live) == pytest.approx(run.targets[0]["reached"], rel=1e-3)
    first = np.array(live.execute_script(SEEN))
    assert first.std() > 20
    taken = live.find_element("id", "sources").text.split("\n")
    assert taken[:2] == ["pinch", "strain +10 %"]
    assert taken[2].startswith("force +")
    assert taken[4].startswith("work +")
    live.execute_async_script(SLIDE, "amplitude", "0")
    assert live.find_element("id", "sources").text.split("\n")[2] == "force +0"
    assert reading(live) == pytest.approx(0, abs=1e-9)
    assert np.abs(first - live.execute_script(SEEN)).mean() > 3
    live.execute_async_script(SLIDE, "amplitude", "1")
    live.execute_async_script(SLIDE, "step", "0")
    assert reading(live) == pytest.approx(run.targets[0]["initial"], rel=1e-3)
    live.find_element("xpath", "//button[normalize-space()='After']").click()
    WebDriverWait(live, 10).until(
        lambda b: reading(b) == pytest.approx(run.targets[0]["reached"], rel=1e-3)
    )
    assert [e for e in live.get_log("browser") if e["level"] not in ("INFO", "DEBUG")] == []


def test_in_a_browser_a_clicked_bond_tells_its_numbers(live, folder):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.support.ui import WebDriverWait

    sight = live.find_element("css selector", ".sight")
    said = ""
    for x in range(-40, 45, 12):
        count = live.find_element("id", "answered").get_attribute("textContent")
        ActionChains(live).move_to_element_with_offset(sight, x, 7).click().perform()
        WebDriverWait(live, 10).until(
            lambda b, n=count: b.find_element("id", "answered").get_attribute("textContent") != n
        )
        said = live.find_element("css selector", ".side").text
        if "Bond" in said:
            break
    bond, i, j = map(int, re.search(r"Bond (\d+)\nnodes (\d+) and (\d+)", said).groups())
    assert Run.load(folder).network.edges[bond].tolist() == [i, j]


def test_only_this_machine_can_look(address):
    port = int(re.search(r":(\d+)/", address).group(1))
    # Every address of the loopback network is this machine's; only one of them is listened at.
    with socket.socket() as other:
        other.settimeout(2)
        assert other.connect_ex(("127.0.0.2", port)) != 0
    with socket.create_connection(("127.0.0.1", port), timeout=2):
        pass
